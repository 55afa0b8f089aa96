//! Problem lists with place, code and hint, and their plain-text form.
//!
//! A checker collects every problem of a file before it returns them together.
//!
//! ```
//! use wattline::diag::{Code, Problem, Problems};
//!
//! let problems = Problems::from(
//!     Problem::new(Code::NoUnit, "`memory.capacity = 80` has no unit")
//!         .help("write \"80 GiB\" (2^30) or \"80 GB\" (10^9)"),
//! );
//! assert!(problems.to_string().starts_with("E0102 `memory.capacity = 80` has no unit"));
//! ```

mod code;
mod problem;
mod render;
mod source;
mod suggest;

pub use code::Code;
pub use problem::{Note, Problem, Problems};
pub use source::{Place, Source, Span};
pub use suggest::{closest, did_you_mean};
