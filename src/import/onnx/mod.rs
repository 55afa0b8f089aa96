//! ONNX models: concrete operator graphs without weights, with shape inference of our own.
//!
//! A file is decoded and its names are resolved once. Binding sizes walks the nodes in order: every
//! shape is concrete, contents of small tensors are followed (shapes are computed from shapes), and
//! what depends on no input's contents leaves the graph. What is left becomes operators.
//!
//! ```
//! use wattline::import::onnx::{self, Mapping};
//!
//! let problem = onnx::read("broken", "broken.onnx", &[0x3a, 0x50], Mapping::default()).expect_err("is cut off");
//! assert!(problem.to_string().contains("announces 80 bytes, but only 0 follow"));
//! ```

mod block;
mod call;
mod control;
mod elem;
mod emit;
mod fuse;
mod hint;
mod ir;
mod literal;
mod mapping;
mod model;
mod ops;
mod order;
mod peak;
mod proto;
mod read;
mod resolve;
mod symbols;
mod value;
mod verdict;
mod walk;
mod wire;

pub use mapping::{Like, Mapped, Mapping};
pub use read::read;
