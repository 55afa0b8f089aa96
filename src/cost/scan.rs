//! Recurrences over tokens: one fused kernel, the state on the chip between tokens.
//!
//! Heads of all sequences are independent and spread over the clusters; the chunks of one head follow each
//! other. Products of a chunk run on the matrix engine, the rest on the vector engine; within a chunk they
//! depend on each other, so their times add.
//!
//! Source: Gu and Dao, "Mamba", 2023, section 3.3 (fused scan); Dao and Gu, "Transformers are SSMs", ICML
//! 2024, section 6; derived for the rest.

use crate::hardware::System;
use crate::units::Seconds;
use crate::workload::{Dtype, Scan};

use super::book::{Cost, Traffic};
use super::library::clusters;
use super::vector::vector_time;

/// Cost of a recurrence whose products run in `dtype`; `traffic` crosses main memory once.
pub fn scan(system: &System, scan: &Scan, dtype: Dtype, traffic: Traffic) -> Cost {
    let mut cost = Cost::free(system);
    let on_chip = system.memories.iter().position(|m| m.is_on_chip());
    for i in std::iter::once(0).chain(on_chip.filter(|i| *i != 0)) {
        let memory = &system.memories[i];
        cost.traffic[i] = traffic;
        cost.ports[i] = traffic.port_time(memory, memory.instances as f64);
    }
    let filled = occupancy(system, scan);
    let work = scan.vector();
    let (ops, special) = (work.elements * work.ops, work.elements * work.special);
    cost.vector = vector_time(system, ops, special, Dtype::Fp32) / filled;
    if scan.is_chunked() {
        let macs = scan.macs();
        let array = system.arrays.iter().position(|a| a.peak(dtype).is_some());
        let array = array.unwrap_or(0);
        let engine = &system.arrays[array];
        let rate = engine.peak(dtype).map_or(1.0, |p| p.0) * engine.achievable;
        cost.executed_macs = macs;
        cost.matrix = Seconds(macs / rate) / filled + cost.vector;
        cost.energy.book_macs(system, array, dtype, macs);
    }
    cost.energy.book_ops(system, Dtype::Fp32, ops + special);
    let traffic = cost.traffic.clone();
    cost.energy.book_traffic(system, &traffic);
    cost
}

/// Share of the clusters that have a head to work on.
fn occupancy(system: &System, scan: &Scan) -> f64 {
    let items = scan.batch as f64 * scan.heads as f64;
    clusters(system).map_or(1.0, |n| (items / n).clamp(1.0 / n, 1.0))
}
