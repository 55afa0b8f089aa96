//! Kernels of GPU libraries: time from a chip's datasheet figures and its family's coefficients.

mod append;
mod attention;
mod chip;
mod decode;
mod experts;
mod gemm;
mod parts;
mod passes;
mod prefill;
mod product;
mod recurrent;

pub use attention::{AttentionCall, appends, library_attention};
pub use chip::Gpu;
pub(super) use chip::expected_error;
use parts::Parts;
pub use passes::library_passes;
pub use product::{library_experts, library_product};
pub use recurrent::{Walk, library_recurrence};
