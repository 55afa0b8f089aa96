//! Profiles, workloads, sweeps and tables, by name or path: the only reader of files.
//!
//! Named entries are embedded in the binary and not parsed before they are asked for. An argument that
//! contains a path separator, ends in `.onnx`, `.json` or `.toml`, or names an existing file is a path;
//! everything else is a name.
//!
//! ```
//! use wattline::catalog;
//!
//! let entry = catalog::model("llama-3.1-8b")?;
//! assert_eq!(entry.origin, "workloads/llama-3.1-8b.toml");
//! # Ok::<(), wattline::diag::Problems>(())
//! ```

mod embedded;
mod entry;
mod file;
mod lookup;
mod measured;

pub use entry::{Base, Content, Entry, Kind};
pub use lookup::{
    beside, chip, chips, kernel_families, kernel_family, model, models, problem, sweep, table,
};
pub use measured::{measured_bands, measured_operators};
