//! Steps of training and of post-training: their graphs, what they keep, and what must be in memory.

use crate::diag::{Code, Problem, Problems};
use crate::units::Bytes;
use crate::workload::{
    OpGraph, Phase, Precision, Role, Scenario, Software, Stage, Workload, train,
};

use super::estimate::MemoryUse;

/// Whether a model is made of tokens, so that a step of training is over a prompt.
pub(super) fn has_tokens(workload: &Workload) -> bool {
    workload.card().default_phase != Phase::Infer
}

/// The scenario with the format in which language models are trained, where none is asked for: weights,
/// activations and gradients of 16 bits beside a 32-bit master copy.
///
/// Source: Micikevicius et al., "Mixed Precision Training", ICLR 2018; bf16 as in later practice.
pub(super) fn with_format(workload: &Workload, scenario: &Scenario, phase: Phase) -> Scenario {
    let mut scenario = scenario.clone();
    let trains = matches!(phase, Phase::Train | Phase::PostTrain);
    let is_wide = workload.card().dtype.bits() > 16.0;
    let is_open = scenario.precision == Precision::default();
    if trains
        && is_open
        && is_wide
        && has_tokens(workload)
        && let Ok(bf16) = "bf16".parse()
    {
        scenario.precision = bf16;
    }
    scenario
}

/// The stage of a step as the model has it: without tokens, one pass over the whole input.
pub(super) fn suited(workload: &Workload, stage: Stage) -> Stage {
    match stage {
        Stage::Check { .. } if !has_tokens(workload) => Stage::Infer,
        Stage::Infer | Stage::Tokens { .. } | Stage::Check { .. } => stage,
    }
}

/// The graph of a phase from the forward pass.
///
/// # Errors
/// E0105 if weights are to be trained that are stored as integers.
pub(super) fn rewritten(
    phase: Phase,
    forward: OpGraph,
    software: &Software,
) -> Result<OpGraph, Problems> {
    match phase {
        Phase::Train => trained(&forward, software),
        Phase::Infer
        | Phase::Prefill
        | Phase::Decode
        | Phase::Generate
        | Phase::Score
        | Phase::PostTrain => Ok(forward),
    }
}

fn trained(forward: &OpGraph, software: &Software) -> Result<OpGraph, Problems> {
    let products = forward.operators().filter(|op| op.macs() > 0.0);
    let weights = products
        .flat_map(|op| &op.inputs)
        .map(|id| forward.tensor(*id));
    let whole = weights
        .filter(|t| t.role == Role::Weight && !t.dtype.is_float())
        .find(|_| software.lora_rank == 0);
    if let Some(tensor) = whole {
        let message = format!("weights of {} cannot be trained", tensor.dtype);
        let problem = Problem::new(Code::OutOfRange, message);
        return Err(problem
            .help("choose a float with --dtype, or train adapters: --set scenario.lora_rank=16")
            .into());
    }
    let graph = train::graph(forward, software);
    if !graph.tensors().iter().any(|t| t.role == Role::Gradient) {
        let message = "the model has no weights that could be trained";
        let problem = Problem::new(Code::OutOfRange, message);
        return Err(match software.lora_rank {
            0 => problem,
            _ => problem.help("adapters stand beside linear layers, and only those are trained"),
        }
        .into());
    }
    Ok(graph)
}

/// Activations in memory at once: the largest live set of the graph, in which each repeated layer stands
/// once, and what the other layers keep.
pub(super) fn activations(graph: &OpGraph, peak: Bytes) -> Bytes {
    let kept = train::kept(graph);
    peak + (kept.total - kept.once)
}

/// Tokens per second that a step learns from, or makes in post-training.
pub(super) fn tokens(phase: Phase, workload_has_tokens: bool, scenario: &Scenario) -> Option<f64> {
    let each = match phase {
        Phase::Train => scenario.prompt,
        Phase::PostTrain => scenario.output,
        Phase::Infer | Phase::Prefill | Phase::Decode | Phase::Generate | Phase::Score => {
            return None;
        }
    };
    workload_has_tokens.then(|| each as f64 * scenario.batch_size() as f64)
}

/// Memory of a post-training step: the larger of rollout and update.
///
/// What the optimizer keeps stays where it is during the rollout. Every scoring pass but the first is of
/// one frozen copy of the model, which is resident; where adapters are trained it is the base itself.
pub(super) fn post_training(
    rollout: Result<MemoryUse, Problems>,
    update: Result<MemoryUse, Problems>,
    software: &Software,
) -> Result<MemoryUse, Problems> {
    let (mut rollout, mut update) = (rollout?, update?);
    rollout.optimizer = update.optimizer;
    if software.score_passes > 1 && software.lora_rank == 0 {
        let frozen = rollout.weights;
        rollout.weights += frozen;
        update.weights += frozen;
    }
    Ok(if rollout.required() > update.required() {
        rollout
    } else {
        update
    })
}
