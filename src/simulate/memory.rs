//! What must be in main memory at once.

use crate::diag::Problems;
use crate::hardware::System;
use crate::schedule::peak;
use crate::units::Bytes;
use crate::workload::{OpGraph, Phase, Role, Scenario, Stage, Workload};

use super::estimate::MemoryUse;
use super::mix;
use super::speculative::{check, speculation, with_draft};
use super::stage::{Step, binding, phase_of};
use super::task::{BoundStep, fused, runnable};
use super::training;

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
    let scenario = training::with_format(workload, &scenario, phase);
    let found = needed(workload, &scenario, phase, &[])?;
    Ok(on(system, &found))
}

/// What must be in memory on any chip, but for what its runtime keeps; graphs that are `bound` already
/// are not bound again.
pub(super) fn needed(
    workload: &Workload,
    scenario: &Scenario,
    phase: Phase,
    bound: &[(&Step, &BoundStep)],
) -> Result<MemoryUse, Problems> {
    let of = |phase, scenario: &Scenario| widest(workload, scenario, phase, bound);
    if phase != Phase::PostTrain {
        return of(phase, scenario);
    }
    let answered = Scenario {
        prompt: scenario.prompt.saturating_add(scenario.output),
        ..scenario.clone()
    };
    let (rollout, update) = (of(Phase::Generate, scenario), of(Phase::Train, &answered));
    training::post_training(rollout, update, &scenario.software)
}

fn widest(
    workload: &Workload,
    scenario: &Scenario,
    phase: Phase,
    bound: &[(&Step, &BoundStep)],
) -> Result<MemoryUse, Problems> {
    let mut found = MemoryUse::default();
    for (phase, stage) in stages(phase, scenario) {
        let is_it = |step: &Step| step.phase == phase && step.stage == stage;
        if let Some((_, step)) = bound.iter().find(|b| is_it(b.0)) {
            include(&mut found, &step.graph, step.peak);
        } else {
            let stage = training::suited(workload, stage);
            let (mut forward, _) = workload.graph(&binding(scenario, stage))?;
            with_draft(&mut forward, phase, stage, scenario)?;
            let graph = training::rewritten(phase, forward, &scenario.software)?;
            let live = peak(&graph, &fused(&graph, scenario.software.fusing)).bytes;
            include(&mut found, &graph, training::activations(&graph, live));
        }
    }
    Ok(found)
}

/// The steps that need the most: the last chunk of the prompt, the last token, a step of training.
fn stages(phase: Phase, scenario: &Scenario) -> Vec<(Phase, Stage)> {
    let mix = scenario.requests.as_ref();
    let by_request = matches!(phase, Phase::Prefill | Phase::Decode | Phase::Generate);
    if let Some(requests) = mix.filter(|_| by_request) {
        return mix::largest(phase, requests, scenario);
    }
    let prompt = scenario.prompt;
    let part = |whole: u64| (PREFILL_CHUNK / scenario.batch_size().max(1)).clamp(1, whole.max(1));
    let tokens = part(prompt);
    let past = prompt.saturating_sub(tokens);
    let chunk = (Phase::Prefill, Stage::Tokens { tokens, past });
    let last = (scenario.output > 0).then(|| {
        let past = prompt.saturating_add(scenario.output - 1);
        let stage = match speculation(scenario) {
            Some(speculation) => check(past, &speculation, past.saturating_add(1)),
            None => Stage::Tokens { tokens: 1, past },
        };
        (Phase::Decode, stage)
    });
    let whole = Stage::Check {
        tokens: prompt,
        past: 0,
    };
    match phase {
        Phase::Infer => vec![(phase, Stage::Infer)],
        Phase::Prefill => vec![chunk],
        Phase::Decode => last.into_iter().collect(),
        Phase::Generate => std::iter::once(chunk).chain(last).collect(),
        Phase::Train => vec![(phase, whole)],
        // Its parts are asked for one by one; scoring may be cut into chunks like a prompt.
        Phase::PostTrain | Phase::Score => vec![chunk],
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
    found.gradients = found.gradients.max(graph.bytes_of(Role::Gradient));
    found.optimizer = found.optimizer.max(graph.bytes_of(Role::Optimizer));
    found.state = found.state.max(graph.bytes_of(Role::State));
    found.activations = found.activations.max(activations);
}
