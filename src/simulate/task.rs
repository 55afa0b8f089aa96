//! A model bound to a scenario: graphs, fusion and liveness, found once and priced on many chips.

use crate::diag::{Code, Problem, Problems};
use crate::hardware::System;
use crate::schedule::{Fusion, fuse, peak};
use crate::units::{Bytes, Seconds};
use crate::workload::{Dtype, OpGraph, Phase, Precision, Scenario, Workload};

use super::bound::compulsory;
use super::estimate::MemoryUse;
use super::memory::needed;
use super::stage::{binding, phase_of, steps};

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
        let mut task = Self {
            model: workload.name.clone(),
            scenario: scenario.clone(),
            phase,
            deadline: workload.card().deadline,
            parts: Vec::new(),
            memory: MemoryUse::default(),
            dtypes: Vec::new(),
            warnings: Problems::new(),
        };
        let steps = steps(phase, scenario);
        for step in &steps {
            let (graph, warnings) = workload.graph(&binding(scenario, step.stage))?;
            for problem in warnings {
                task.warnings.push(problem);
            }
            task.note_dtypes(&graph);
            let fusion = fuse(&graph);
            let bound = BoundStep {
                peak: peak(&graph, &fusion).bytes,
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
        let known: Vec<_> = steps.iter().map(|s| s.stage).zip(bound).collect();
        task.memory = needed(workload, scenario, phase, &known)?;
        Ok(task)
    }

    /// The phase that is priced.
    pub fn phase(&self) -> Phase {
        self.phase
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
