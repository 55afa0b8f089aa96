//! Speculative decoding: a small model proposes tokens, the large one checks them in a single step.
//!
//! Source: Leviathan et al., "Fast Inference from Transformers via Speculative Decoding", ICML 2023.

use crate::diag::{Code, Problem, Problems};
use crate::workload::{OpGraph, Phase, Scenario, Software, Speculation, Stage, Workload};

use super::stage::binding;
use super::training::has_tokens;

/// Checks that a number of tokens takes, expected.
pub(super) fn checks(tokens: u64, speculation: &Speculation) -> u64 {
    (tokens as f64 / speculation.tokens_per_check()).ceil() as u64
}

/// The stage of one check behind `past` tokens: the last token and those proposed. It ends no later than
/// `end`, the last token that is asked for.
pub(super) fn check(past: u64, speculation: &Speculation, end: u64) -> Stage {
    let tokens = speculation.tokens + 1;
    Stage::Check {
        tokens,
        past: past.min(end.saturating_sub(tokens)),
    }
}

/// Adds what the small model does beside a step of the large one: it reads the same prompt, and takes one
/// step for each token it proposes.
///
/// # Errors
/// E0305 if the small model has no tokens; as [`Workload::graph`] of it.
pub(super) fn with_draft(
    graph: &mut OpGraph,
    phase: Phase,
    stage: Stage,
    scenario: &Scenario,
) -> Result<(), Problems> {
    let (Some(draft), Some(speculation)) = (&scenario.draft_model, scenario.software.speculation())
    else {
        return Ok(());
    };
    let (stage, count) = match (phase, stage) {
        (Phase::Prefill, Stage::Tokens { .. }) => (stage, 1),
        (Phase::Decode, Stage::Check { past, .. }) => {
            // The middle one of its steps.
            let past = past.saturating_add(speculation.tokens / 2);
            (Stage::Tokens { tokens: 1, past }, speculation.tokens)
        }
        _ => return Ok(()),
    };
    if !has_tokens(draft) {
        let message = format!(
            "`{}` cannot propose tokens: it is not a language model",
            draft.name
        );
        let problem = Problem::new(Code::FixedDim, message);
        return Err(problem
            .help("name a language model: --set scenario.draft=NAME")
            .into());
    }
    let (proposing, _) = draft.graph(&binding(&alone(scenario), stage))?;
    graph.append(&proposing, "draft.", count);
    Ok(())
}

/// Whether decoding is speculative.
pub(super) fn speculation(scenario: &Scenario) -> Option<Speculation> {
    let draft: Option<&Workload> = scenario.draft_model.as_ref();
    draft.and_then(|_| scenario.software.speculation())
}

/// The scenario of the small model: it has no adapters.
fn alone(scenario: &Scenario) -> Scenario {
    Scenario {
        software: Software {
            lora_rank: 0,
            adapters: 1,
            draft: None,
            ..scenario.software.clone()
        },
        draft_model: None,
        ..scenario.clone()
    }
}
