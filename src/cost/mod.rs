//! Reuse, latency and energy of one operator on one chip.
//!
//! ```
//! use wattline::cost::ceiling;
//! use wattline::units::{Macs, MacsPerSecond, Bytes, BytesPerSecond, Seconds};
//!
//! let bound = ceiling(Macs(1e12), MacsPerSecond(1e14), Bytes(1e9), BytesPerSecond(1e12));
//! assert_eq!(bound, Seconds(0.01)); // compute-bound
//! ```

mod attention;
mod blocks;
mod book;
pub mod collective;
mod evaluate;
pub mod gpu;
mod halo;
mod library;
mod lines;
mod nest;
mod reuse;
mod roofline;
mod row_stationary;
mod scan;
pub mod scratchpad;
pub mod sparse;
pub mod systolic;
mod vector;

pub use attention::attention;
pub use book::{Bound, Cost, EnergyBook, Traffic};
pub use evaluate::{Evaluation, LevelCost, evaluate, loads};
pub use halo::{Slide, fresh, points};
pub use library::{LibraryTile, Operands, describe_library, library_gemm};
pub use nest::price_nest;
pub use reuse::{Accesses, Count, Widths, account, merged};
pub use roofline::{
    Origin, ceiling, compute_bound, memory_bound, memory_bound_from, near_bound, origin,
};
pub use row_stationary::{RowWords, RowWork, Strips};
pub use scan::scan;
pub use vector::{Served, vector};
