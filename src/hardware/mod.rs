//! Chip descriptions: TOML in, checked component tree out.
//!
//! A [`Profile`] is parsed once; each design point is an evaluation of it.
//!
//! ```
//! use wattline::diag::Problems;
//! use wattline::hardware::Profile;
//! use wattline::workload::Dtype;
//!
//! let text = r#"
//! source = "estimate: example"
//! class = "gpu"
//! peak.bf16 = "989 TFLOP/s"
//! process.node = "4N"
//! power.tdp = "700 W"
//! memory = [
//!     { name = "hbm", capacity = "80 GB", bandwidth = "3.35 TB/s" },
//!     { name = "l2", in = "hbm", capacity = "50 MiB" },
//! ]
//! "#;
//! let no_base = |_: &str| Err(Problems::new());
//! let mut profile = Profile::parse("my-chip", text, no_base).unwrap();
//! profile.set("memory.hbm.capacity", "96 GB").unwrap();
//! let (chip, warnings) = profile.evaluate().unwrap();
//! assert!(warnings.is_empty());
//! assert_eq!(chip.main_memory().capacity.0, 96e9);
//! assert!((chip.peak(Dtype::Bf16).unwrap().0 / 494.5e12 - 1.0).abs() < 1e-9);
//! ```

mod assign;
mod chip;
mod dataflow;
mod engine;
mod evaluate;
mod fanout;
mod features;
mod general;
mod inert;
pub mod kernels;
mod keys;
mod memory;
mod network;
mod params;
mod peak;
mod profile;
mod slots;
mod system;
mod systolic;
mod tree;
mod zeros;

pub use features::{
    Buffering, Compression, Diagonal, NetworkKind, RowStationary, Structured, Systolic, Wires,
    ZeroSupport,
};
pub use profile::Profile;
pub use system::{
    Array, Assumed, AxisRank, Class, Direction, FanAxis, Fanout, Holds, Link, Managed, Memory,
    NativeTile, Node, Overhead, Param, Port, PowerLimits, Process, System, Tiles, Vector,
};
