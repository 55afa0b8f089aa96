//! Energy, area and leakage per action, by node, component kind and size.
//!
//! Published points are interpolated between nodes; nothing is scaled over many nodes by one formula.
//!
//! ```
//! use wattline::technology;
//! use wattline::units::Meters;
//! use wattline::workload::Dtype;
//!
//! let int8 = technology::mac_energy(Meters(7e-9), Dtype::Int8).unwrap();
//! let fp32 = technology::mac_energy(Meters(7e-9), Dtype::Fp32).unwrap();
//! assert!(fp32.0 > 10.0 * int8.0);
//! ```

mod arithmetic;
mod kind;
mod memory;
mod node;

pub use arithmetic::{mac_area, mac_energy, op_energy};
pub use kind::MemoryKind;
pub use memory::{MemoryFigures, memory, wire_energy};
