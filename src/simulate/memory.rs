//! What must be in main memory at once.

use crate::diag::Problems;
use crate::hardware::System;
use crate::schedule::{fuse, peak};
use crate::units::Bytes;
use crate::workload::{OpGraph, Phase, Role, Scenario, Stage, Workload};

use super::estimate::MemoryUse;
use super::mix;
use super::stage::{binding, phase_of};
use super::task::{BoundStep, runnable};

/// Most new tokens of all sequences in one step: longer prompts are processed in chunks. The memory
/// verdict only; a prefill is timed as a whole.
///
/// Source: estimate, after the default of `max_num_batched_tokens` of vLLM's chunked prefill on large GPUs.
pub const PREFILL_CHUNK: u64 = 8192;

/// Memory of a scenario on a chip: weights, caches at the longest context, the largest live activations
/// of any step, and what the runtime keeps. The one rule for every verdict.
///
/// # Errors
/// As [`Workload::graph`]; E0305 if the model has no such phase.
pub fn memory_use(
    workload: &Workload,
    system: &System,
    scenario: &Scenario,
) -> Result<MemoryUse, Problems> {
    let (scenario, _) = runnable(workload, system, scenario);
    let phase = phase_of(workload, &scenario)?;
    let found = needed(workload, &scenario, phase, &[])?;
    Ok(on(system, &found))
}

/// What must be in memory on any chip, but for what its runtime keeps; graphs that are `bound` already
/// are not bound again.
pub(super) fn needed(
    workload: &Workload,
    scenario: &Scenario,
    phase: Phase,
    bound: &[(Stage, &BoundStep)],
) -> Result<MemoryUse, Problems> {
    let mut found = MemoryUse::default();
    for stage in stages(phase, scenario) {
        if let Some((_, step)) = bound.iter().find(|b| b.0 == stage) {
            include(&mut found, &step.graph, step.peak);
        } else {
            let (graph, _) = workload.graph(&binding(scenario, stage))?;
            include(&mut found, &graph, peak(&graph, &fuse(&graph)).bytes);
        }
    }
    Ok(found)
}

/// The steps that need the most: the last chunk of the prompt, and the last token.
fn stages(phase: Phase, scenario: &Scenario) -> Vec<Stage> {
    if let Some(requests) = scenario.requests.as_ref().filter(|_| phase != Phase::Infer) {
        return mix::largest(phase, requests, scenario.batch_size());
    }
    let prompt = scenario.prompt;
    let tokens = (PREFILL_CHUNK / scenario.batch_size().max(1)).clamp(1, prompt.max(1));
    let chunk = Stage::Tokens {
        tokens,
        past: prompt.saturating_sub(tokens),
    };
    let last = (scenario.output > 0).then(|| Stage::Tokens {
        tokens: 1,
        past: prompt.saturating_add(scenario.output - 1),
    });
    match phase {
        Phase::Infer => vec![Stage::Infer],
        Phase::Prefill => vec![chunk],
        Phase::Decode => last.into_iter().collect(),
        Phase::Generate => std::iter::once(chunk).chain(last).collect(),
    }
}

/// The use on a chip: its memory, and what its runtime keeps.
pub(super) fn on(system: &System, found: &MemoryUse) -> MemoryUse {
    let main = system.main_memory();
    MemoryUse {
        memory: main.name.clone(),
        capacity: main.capacity,
        reserve: system.overhead.reserve,
        ..found.clone()
    }
}

/// Widens the use by one step's graph.
fn include(found: &mut MemoryUse, graph: &OpGraph, activations: Bytes) {
    found.weights = found.weights.max(graph.weight_bytes());
    found.kv_cache = found.kv_cache.max(graph.bytes_of(Role::KvCache));
    found.state = found.state.max(graph.bytes_of(Role::State));
    found.activations = found.activations.max(activations);
}
