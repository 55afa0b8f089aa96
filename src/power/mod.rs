//! Watts: idle, active and dynamic power, and the clock that a power cap leaves.
//!
//! `P(f) = idle + leakage + active · r · v² + (logic energy · v² + memory energy) ÷ T(f)`, with `r` the
//! clock and `v` the voltage over their nominal values. Above the cap the clock falls until it is met.

mod cap;

pub use cap::{Entry, Settled, nominal, settle};
