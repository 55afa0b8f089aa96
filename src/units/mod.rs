//! Physical quantities: typed SI values, their parsing and their printing.
//!
//! Kilo is 1000 and kibi is 1024: `80 GB` and `80 GiB` differ by 7.4 %.
//! Arithmetic exists only where physics allows it, so the compiler checks a formula.
//!
//! ```
//! use wattline::units::{Bytes, BytesPerSecond, Quantity, Seconds};
//!
//! let rate: BytesPerSecond = Quantity::parse("3.35 TB/s").unwrap().into_typed().unwrap();
//! let time: Seconds = Bytes(3.35e12) / rate;
//! assert_eq!(time, Seconds(1.0));
//! assert_eq!(rate.to_string(), "3.35 TB/s");
//! ```

mod dimension;
mod parse;
mod print;
mod quantity;
mod typed;

pub use dimension::Dimension;
pub use parse::{UnitError, parse_unit};
pub use print::{ByteStyle, SI_PREFIXES, count, percent, si, significant};
pub use quantity::Quantity;
pub use typed::{
    Bytes, BytesPerSecond, Hertz, Joules, JoulesPerByte, Macs, MacsPerSecond, Meters, Ops,
    OpsPerSecond, Seconds, SquareMeters, Typed, Volts, Watts,
};
