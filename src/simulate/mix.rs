//! Steps and figures of a mix of requests.

use crate::workload::{Phase, Requests, Scenario, Stage, Turn};

use super::memory::PREFILL_CHUNK;
use super::speculative::{check, speculation};
use super::stage::{Step, decodes};

/// Context lengths at which the generations of a mix are sampled, shared by its turns.
const SAMPLES: u64 = 64;

/// Every turn's pass over its new tokens, then its decode steps in equal parts, each priced at its middle.
pub(super) fn steps(phase: Phase, requests: &Requests, scenario: &Scenario) -> Vec<Step> {
    let turns = requests.turns();
    let parts = (SAMPLES / turns.len().max(1) as u64).clamp(1, 16);
    let prefills = turns.iter().map(|turn| Step {
        phase: Phase::Prefill,
        stage: Stage::Tokens {
            tokens: turn.new,
            past: turn.past,
        },
        weight: turn.count,
    });
    let decodes = turns.iter().flat_map(|turn| of_turn(turn, parts, scenario));
    let (prefills, decodes): (Vec<Step>, Vec<Step>) = (prefills.collect(), decodes.collect());
    match phase {
        Phase::Prefill => prefills,
        Phase::Decode => decodes,
        Phase::Infer | Phase::Generate | Phase::Train | Phase::PostTrain | Phase::Score => {
            prefills.into_iter().chain(decodes).collect()
        }
    }
}

fn of_turn(turn: &Turn, parts: u64, scenario: &Scenario) -> Vec<Step> {
    let prompt = turn.past.saturating_add(turn.new);
    let each = decodes(prompt, turn.output, parts, scenario).into_iter();
    each.map(|step| Step {
        weight: step.weight.saturating_mul(turn.count),
        ..step
    })
    .collect()
}

/// The steps that need the most memory: the last chunk of the longest prompt, and the last token of the longest
/// context.
pub(super) fn largest(
    phase: Phase,
    requests: &Requests,
    scenario: &Scenario,
) -> Vec<(Phase, Stage)> {
    let turns = requests.turns();
    let prompt = turns.iter().map(|t| t.past + t.new).max().unwrap_or(1);
    let end = turns.iter().map(|t| t.past + t.new + t.output - 1).max();
    let tokens = (PREFILL_CHUNK / scenario.batch_size().max(1)).clamp(1, prompt);
    let chunk = Stage::Tokens {
        tokens,
        past: prompt - tokens,
    };
    let last = end.map(|past| {
        let stage = match speculation(scenario) {
            Some(speculation) => check(past, &speculation, past.saturating_add(1)),
            None => Stage::Tokens { tokens: 1, past },
        };
        (Phase::Decode, stage)
    });
    let chunk = (phase != Phase::Decode).then_some((Phase::Prefill, chunk));
    let last = last.filter(|_| phase != Phase::Prefill);
    chunk.into_iter().chain(last).collect()
}
