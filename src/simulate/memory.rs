//! What must be in main memory at once.

use crate::diag::Problems;
use crate::hardware::System;
use crate::schedule::{fuse, peak};
use crate::units::Bytes;
use crate::workload::{OpGraph, Role, Scenario, Stage, Workload};

use super::estimate::MemoryUse;
use super::stage::binding;

/// Memory of a scenario: weights, caches at the longest context, the largest live activations of any
/// step, and what the runtime keeps.
///
/// # Errors
/// As [`Workload::graph`].
pub fn memory_use(
    workload: &Workload,
    system: &System,
    scenario: &Scenario,
    stages: &[Stage],
) -> Result<MemoryUse, Problems> {
    let mut found = empty(system);
    for &stage in stages {
        let (graph, _) = workload.graph(&binding(scenario, stage))?;
        include(&mut found, &graph, peak(&graph, &fuse(&graph)).bytes);
    }
    Ok(found)
}

/// A chip with nothing on it but its runtime.
pub(super) fn empty(system: &System) -> MemoryUse {
    let main = system.main_memory();
    MemoryUse {
        memory: main.name.clone(),
        capacity: main.capacity,
        reserve: system.overhead.reserve,
        ..MemoryUse::default()
    }
}

/// Widens the use by one step's graph.
pub(super) fn include(found: &mut MemoryUse, graph: &OpGraph, activations: Bytes) {
    found.weights = found.weights.max(graph.weight_bytes());
    found.kv_cache = found.kv_cache.max(graph.bytes_of(Role::KvCache));
    found.state = found.state.max(graph.bytes_of(Role::State));
    found.activations = found.activations.max(activations);
}
