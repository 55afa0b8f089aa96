//! In which order operators run, what is fused, and what must be in memory at once.

mod fusion;
mod liveness;

pub use fusion::{Fusion, fuse};
pub use liveness::{Peak, peak};
