//! Hardware-software co-design simulator for AI chips.
//!
//! A model's compute graph and a parameterized chip description go in; latency, watts and utilization
//! per operator come out, for one design or for a sweep to a Pareto front.

pub mod calibrate;
pub mod cases;
pub mod catalog;
pub mod cli;
pub mod compare;
pub mod cost;
pub mod diag;
pub mod document;
pub mod explore;
pub mod expr;
pub mod fit;
pub mod footprint;
pub mod hardware;
pub mod import;
pub mod mapper;
pub mod mapping;
pub mod pareto;
pub mod power;
pub mod record;
pub mod report;
pub mod schedule;
pub mod serving;
pub mod simulate;
pub mod technology;
pub mod units;
pub mod workload;
