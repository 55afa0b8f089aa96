//! From a scenario to the steps that are priced.

use crate::diag::{Code, Problem, Problems};
use crate::workload::{Binding, Phase, Scenario, Stage, Workload};

use super::mix;

/// One graph to price, standing for `weight` executions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// Phase it belongs to.
    pub phase: Phase,
    /// Sizes.
    pub stage: Stage,
    /// Executions it stands for.
    pub weight: u64,
}

/// Context lengths at which a generation is sampled.
const SAMPLES: u64 = 16;

/// The phase a scenario asks for, or the model's own.
///
/// # Errors
/// E0305 if the model has no tokens to prefill or decode.
pub fn phase_of(workload: &Workload, scenario: &Scenario) -> Result<Phase, Problems> {
    let card = workload.card();
    let phase = scenario.phase.unwrap_or(card.default_phase);
    let needs_tokens = phase != Phase::Infer;
    if needs_tokens && card.default_phase == Phase::Infer {
        return Err(Problem::new(
            Code::FixedDim,
            format!(
                "`{}` has no phase `{phase}`: it is not a language model",
                workload.name
            ),
        )
        .help("leave --phase out, or use --phase infer")
        .into());
    }
    Ok(phase)
}

/// The graphs to price, in time order.
///
/// A generation's decode steps see contexts of `prompt` to `prompt + output - 2` cached tokens; they are
/// cut into equal parts, each priced at its middle.
pub fn steps(phase: Phase, scenario: &Scenario) -> Vec<Step> {
    if let Some(requests) = scenario.requests.as_ref().filter(|_| phase != Phase::Infer) {
        return mix::steps(phase, requests);
    }
    let prefill = Step {
        phase: Phase::Prefill,
        stage: Stage::Tokens {
            tokens: scenario.prompt,
            past: 0,
        },
        weight: 1,
    };
    let decode = |past: u64, weight: u64| Step {
        phase: Phase::Decode,
        stage: Stage::Tokens { tokens: 1, past },
        weight,
    };
    let n_steps = scenario.output.saturating_sub(1);
    let parts = n_steps.min(SAMPLES);
    let decodes = (0..parts).map(|i| {
        let (from, to) = (n_steps * i / parts, n_steps * (i + 1) / parts);
        let past = scenario.prompt.saturating_add((from + to - 1) / 2);
        decode(past, to - from)
    });
    match phase {
        Phase::Infer => vec![Step {
            phase,
            stage: Stage::Infer,
            weight: 1,
        }],
        Phase::Prefill => vec![prefill],
        Phase::Decode => decodes.collect(),
        Phase::Generate => std::iter::once(prefill).chain(decodes).collect(),
    }
}

/// What a model needs to make a step's graph.
pub fn binding(scenario: &Scenario, stage: Stage) -> Binding {
    Binding {
        stage,
        batch: scenario.batch,
        precision: scenario.precision,
        software: scenario.software.clone(),
        dims: scenario.dims.clone(),
        shapes: scenario.shapes.clone(),
        unknown_as_bytes: scenario.unknown_as_bytes,
    }
}
