//! Kernels of GPU libraries: time from a chip's datasheet figures and its family's coefficients.

mod chip;

pub use chip::Gpu;
