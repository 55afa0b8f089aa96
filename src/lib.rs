//! Hardware-software co-design simulator for AI chips.
//!
//! A model's compute graph and a parameterized chip description go in; latency, watts and utilization
//! per operator come out, for one design or for a sweep to a Pareto front.

pub mod diag;
pub mod fit;
pub mod hardware;
pub mod record;
pub mod simulate;
pub mod technology;
pub mod units;
pub mod workload;
