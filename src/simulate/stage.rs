//! From a scenario to the steps that are priced.

use crate::diag::{Code, Problem, Problems};
use crate::workload::{Binding, Phase, Scenario, Stage, Workload};

use super::mix;
use super::speculative::{check, checks, speculation};

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
    let needs_tokens = !matches!(phase, Phase::Infer | Phase::Train);
    if needs_tokens && card.default_phase == Phase::Infer {
        return Err(Problem::new(
            Code::FixedDim,
            format!(
                "`{}` has no phase `{phase}`: it is not a language model",
                workload.name
            ),
        )
        .help("leave --phase out, or use --phase infer or --phase train")
        .into());
    }
    Ok(phase)
}

/// The graphs to price, in time order.
///
/// A generation's decode steps see contexts of `prompt` to `prompt + output - 2` cached tokens; they are
/// cut into equal parts, each priced at its middle.
pub fn steps(phase: Phase, scenario: &Scenario) -> Vec<Step> {
    let by_request = matches!(phase, Phase::Prefill | Phase::Decode | Phase::Generate);
    if let Some(requests) = scenario.requests.as_ref().filter(|_| by_request) {
        return mix::steps(phase, requests, scenario);
    }
    let prefill = Step {
        phase: Phase::Prefill,
        stage: Stage::Tokens {
            tokens: scenario.prompt,
            past: 0,
        },
        weight: 1,
    };
    let answered = scenario.prompt.saturating_add(scenario.output);
    let whole = |phase: Phase, tokens: u64, weight: u64| Step {
        phase,
        stage: Stage::Check { tokens, past: 0 },
        weight,
    };
    let decodes = decodes(scenario.prompt, scenario.output, SAMPLES, scenario);
    match phase {
        Phase::Infer => vec![Step {
            phase,
            stage: Stage::Infer,
            weight: 1,
        }],
        Phase::Prefill => vec![prefill],
        Phase::Decode => decodes,
        Phase::Generate => std::iter::once(prefill).chain(decodes).collect(),
        Phase::Train => vec![whole(phase, scenario.prompt, 1)],
        Phase::Score => vec![whole(phase, answered, scenario.software.score_passes)],
        Phase::PostTrain => std::iter::once(prefill)
            .chain(decodes)
            .chain(
                (scenario.software.score_passes > 0)
                    .then(|| whole(Phase::Score, answered, scenario.software.score_passes)),
            )
            .chain(std::iter::once(whole(Phase::Train, answered, 1)))
            .collect(),
    }
}

/// Decode steps of one request behind `prompt` tokens in at most `parts` equal parts, each priced at its
/// middle; checks of proposed tokens where decoding is speculative.
pub(super) fn decodes(prompt: u64, output: u64, parts: u64, scenario: &Scenario) -> Vec<Step> {
    // Tokens behind the first.
    let n_tokens = output.saturating_sub(1);
    let speculation = speculation(scenario);
    let n_steps = speculation
        .as_ref()
        .map_or(n_tokens, |s| checks(n_tokens, s));
    let parts = n_steps.min(parts);
    let part = |i: u64| {
        // In 128 bits, since lengths may be large.
        let cut = |i: u64| (u128::from(n_steps) * u128::from(i) / u128::from(parts)) as u64;
        let (from, to) = (cut(i), cut(i + 1));
        let middle = from + (to - from - 1) / 2;
        let stage = match &speculation {
            None => Stage::Tokens {
                tokens: 1,
                past: prompt.saturating_add(middle),
            },
            Some(speculation) => {
                let made = (middle as f64 * speculation.tokens_per_check()) as u64;
                let end = prompt.saturating_add(output);
                check(prompt.saturating_add(made), speculation, end)
            }
        };
        Step {
            phase: Phase::Decode,
            stage,
            weight: to - from,
        }
    };
    (0..parts).map(part).collect()
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
