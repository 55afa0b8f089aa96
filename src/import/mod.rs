//! Model files to workloads: ONNX graphs, Hugging Face configurations, workload TOML.
//!
//! ```
//! use wattline::{catalog, import, workload::Binding};
//!
//! let llama = import::model(&catalog::model("llama-3.1-8b")?)?;
//! let (graph, _) = llama.graph(&Binding::infer())?;
//! assert_eq!(graph.parameters(), 8_030_261_248.0);
//! # Ok::<(), wattline::diag::Problems>(())
//! ```

pub mod hf;
pub mod onnx;
mod opmap;

mod file;
mod toml;

pub use file::{model, workload_toml};
