//! Coefficients of kernels: what is fitted once for a family of chips, by kernel kind, format and stack.
//!
//! A chip names its family (`kernels.family = "hopper"`); the family's file gives one set of coefficients
//! per kind of kernel, number format and stack. A chip file, or an overlay that extends one, may give keys
//! of a set anew: `kernels.gemm.bf16.vllm.launch = "2.6 us"`.
//!
//! ```
//! use wattline::hardware::kernels::{GemmFormat, family};
//! use wattline::workload::Stack;
//!
//! let hopper = family("hopper").unwrap().unwrap();
//! let set = hopper.gemm.get(GemmFormat::Half, Stack::Default).unwrap();
//! assert!(set.launch.0 > 0.5e-6 && set.launch.0 < 10e-6);
//! ```

mod attention;
mod coefficients;
mod exchange;
mod experts;
mod gemm;
mod kinds;
mod passes;
mod read;
mod recurrent;

pub use attention::{AttentionFormat, Decode, Prefill};
pub use coefficients::{Accuracy, Coefficients, Field, Format, KnownSet, Origin, Sets};
pub use exchange::Exchange;
pub use experts::Grouped;
pub use gemm::{Gemm, GemmFormat};
pub use kinds::Kernels;
pub use passes::{PassKernel, Passes};
pub use read::family;
pub(super) use read::{chip_kernels, is_key};
pub use recurrent::{Recurrent, RecurrentKernel};
