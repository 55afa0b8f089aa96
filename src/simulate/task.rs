//! A model bound to a scenario: graphs, fusion and liveness, found once and priced on many chips.

use crate::diag::{Code, Problem, Problems};
use crate::hardware::System;
use crate::schedule::{Fusion, fuse, peak};
use crate::units::{Bytes, Seconds};
use crate::workload::{
    Dtype, Fusing, OpGraph, Phase, Precision, Role, Scenario, Sparsity, Workload,
};

use super::bound::compulsory;
use super::estimate::MemoryUse;
use super::memory::needed;
use super::speculative::with_draft;
use super::stage::{binding, phase_of, steps};
use super::training;
use super::zeros::dense;

/// One graph of a scenario and how often it runs.
#[derive(Clone, Debug)]
pub(super) struct BoundStep {
    pub(super) graph: OpGraph,
    pub(super) fusion: Fusion,
    /// Largest live activations.
    pub(super) peak: Bytes,
    pub(super) weight: u64,
    /// Bytes that any execution moves.
    pub(super) compulsory: Bytes,
}

/// A model bound to a scenario; nothing in it depends on a chip.
#[derive(Clone, Debug)]
pub struct Task {
    pub(super) model: String,
    pub(super) scenario: Scenario,
    pub(super) phase: Phase,
    /// Time within which it must be done.
    pub(super) deadline: Option<Seconds>,
    /// Tokens that a step of training learns from, or makes in post-training.
    pub(super) tokens: Option<f64>,
    pub(super) parts: Vec<(Phase, Vec<BoundStep>)>,
    /// What must be in memory at once, without what a chip's runtime keeps.
    pub(super) memory: MemoryUse,
    /// Formats of all products, each once, in graph order.
    pub(super) dtypes: Vec<Dtype>,
    pub(super) warnings: Problems,
}

impl Task {
    /// Binds every graph that the scenario needs.
    ///
    /// # Errors
    /// [`Problems`] if the model has no such phase, or cannot be bound.
    pub fn new(workload: &Workload, scenario: &Scenario) -> Result<Self, Problems> {
        let phase = phase_of(workload, scenario)?;
        let scenario = &training::with_format(workload, scenario, phase);
        let mut task = Self {
            model: workload.name.clone(),
            scenario: scenario.clone(),
            tokens: training::tokens(phase, training::has_tokens(workload), scenario),
            phase,
            deadline: workload.card().deadline,
            parts: Vec::new(),
            memory: MemoryUse::default(),
            dtypes: Vec::new(),
            warnings: Problems::new(),
        };
        let steps = steps(phase, scenario);
        for step in &steps {
            let stage = training::suited(workload, step.stage);
            let (mut forward, warnings) = workload.graph(&binding(scenario, stage))?;
            with_draft(&mut forward, step.phase, stage, scenario)?;
            let graph = training::rewritten(step.phase, forward, &scenario.software)?;
            for problem in warnings {
                task.warnings.push(problem);
            }
            task.note_dtypes(&graph);
            let fusion = fused(&graph, scenario.software.fusing);
            let live = peak(&graph, &fusion).bytes;
            let bound = BoundStep {
                peak: training::activations(&graph, live),
                compulsory: compulsory(&graph),
                graph,
                fusion,
                weight: step.weight,
            };
            match task.parts.last_mut().filter(|p| p.0 == step.phase) {
                Some((_, list)) => list.push(bound),
                None => task.parts.push((step.phase, vec![bound])),
            }
        }
        let bound = task.parts.iter().flat_map(|(_, list)| list);
        let known: Vec<_> = steps.iter().zip(bound).collect();
        task.memory = needed(workload, scenario, phase, &known)?;
        Ok(task)
    }

    /// Whether any tensor has zeros that are known of.
    pub(super) fn has_zeros(&self) -> bool {
        let steps = self.parts.iter().flat_map(|(_, list)| list);
        let mut tensors = steps.flat_map(|step| step.graph.tensors());
        tensors.any(|t| t.sparsity.is_some())
    }

    /// Zeros of the activations that have some, the mean over their elements.
    pub(super) fn own_zeros(&self) -> Option<Sparsity> {
        let steps = self.parts.iter().flat_map(|(_, list)| list);
        let tensors = steps.flat_map(|step| step.graph.tensors());
        let shares = tensors
            .filter(|t| t.role == Role::Activation)
            .filter_map(|t| {
                let elements = t.elements() * t.copies as f64;
                Some((t.sparsity?.density() * elements, elements))
            });
        let (kept, all) = shares.fold((0.0, 0.0), |sum, s| (sum.0 + s.0, sum.1 + s.1));
        (all > 0.0).then(|| Sparsity::Unstructured {
            density: kept / all,
        })
    }

    /// The same work on tensors without zeros.
    pub(super) fn dense(&self) -> Self {
        let mut task = self.clone();
        for step in task.parts.iter_mut().flat_map(|(_, list)| list) {
            *step = dense(step);
        }
        task
    }

    /// The phase that is priced.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Whether another task is the same work: the same graphs as often, fused alike, in the same memory.
    pub fn does_the_same(&self, other: &Self) -> bool {
        let steps = |task: &'_ Self| {
            task.parts
                .iter()
                .map(|(p, l)| (*p, l.len()))
                .collect::<Vec<_>>()
        };
        let all = |task: &Self| -> usize { task.parts.iter().map(|(_, l)| l.len()).sum() };
        let pairs = || {
            let mine = self.parts.iter().flat_map(|(_, list)| list);
            mine.zip(other.parts.iter().flat_map(|(_, list)| list))
        };
        self.memory == other.memory
            && self.phase == other.phase
            && all(self) == all(other)
            && steps(self) == steps(other)
            && pairs().all(|(a, b)| {
                a.weight == b.weight && a.fusion == b.fusion && a.graph.is_same(&b.graph)
            })
    }

    /// Puts a warning, such as that of [`runnable`], before the others.
    pub fn warn_first(&mut self, warning: Option<Problem>) {
        self.warnings.0.splice(0..0, warning);
    }

    fn note_dtypes(&mut self, graph: &OpGraph) {
        for dtype in graph.operators().filter_map(|op| op.kind.product_dtype()) {
            if !self.dtypes.contains(&dtype) {
                self.dtypes.push(dtype);
            }
        }
    }
}

/// Elementwise operators ride on products only where all fusion is wanted.
pub(super) fn fused(graph: &OpGraph, fusing: Fusing) -> Fusion {
    match fusing {
        Fusing::Full => fuse(graph),
        Fusing::None | Fusing::Kernels => Fusion::default(),
    }
}

/// The scenario with the model's own types replaced where the chip has nothing as wide, and the warning
/// that says so.
pub fn runnable(
    workload: &Workload,
    system: &System,
    scenario: &Scenario,
) -> (Scenario, Option<Problem>) {
    let mut scenario = scenario.clone();
    let own = workload.card().dtype;
    let runs = system.executed_as(own);
    if scenario.precision != Precision::default() || runs.bits() >= own.bits() {
        return (scenario, None);
    }
    scenario.precision = Precision {
        weights: Some(runs),
        operands: Some(runs),
        activations: Some(runs),
        kv: Some(runs),
        ..Precision::default()
    };
    (scenario, Some(fallback(own, runs, system)))
}

/// W0306 for a format without a rate.
pub(super) fn fallback(asked: Dtype, runs: Dtype, system: &System) -> Problem {
    Problem::new(
        Code::DtypeFallback,
        format!(
            "`{}` has no rate for {asked}: products run as {runs}",
            system.name
        ),
    )
    .help("choose another type with --dtype")
}
