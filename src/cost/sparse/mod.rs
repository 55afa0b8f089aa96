//! What zeros save: bits of compressed tiles, the share of steps, MACs and accesses that is left, and a verdict.
//!
//! ```
//! use wattline::cost::sparse::shares;
//! use wattline::hardware::ZeroSupport;
//! use wattline::workload::Density;
//!
//! // Eyeriss gates zeros of its inputs: no time, but the energy of these MACs.
//! let engine = ZeroSupport { gate: [true, false, false], ..ZeroSupport::default() };
//! let inputs = Density::Uniform { density: 0.6, elements: 1e6 };
//! let left = shares(&engine, [inputs, Density::Dense]);
//! assert_eq!((left.steps, left.macs), (1.0, 0.6));
//! ```

mod format;
mod shares;
mod thin;
mod verdict;

pub use format::{Stored, stored};
pub use shares::{Shares, Treatment, shares, treatments};
pub use thin::{Counted, Thinned, Zeros};
pub use verdict::{Effect, Verdict};
