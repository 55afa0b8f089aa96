//! What a task asks of chips that ask alike: every distinct operator once, and how often it runs.
//!
//! Design spaces price one task on many chips. What does not depend on a chip's figures, but only on which formats, caches
//! and compressions it has, is found here once.

use rustc_hash::FxHashMap;

use crate::diag::Problems;
use crate::hardware::System;
use crate::schedule::Fusion;
use crate::units::{Bytes, Macs};
use crate::workload::{Dtype, OpGraph, Operator, Phase, Scenario, Stack};

use super::bound::Compulsory;
use super::memo::key;
use super::question::{Distance, Question};
use super::task::{BoundStep, Task};
use super::zeros::{on_chip, steps};

/// An operator and what rides on it.
#[derive(Clone, Debug)]
pub(super) struct Unit {
    /// Its content: equal units have equal prices on a chip.
    pub(super) key: u128,
    /// Of the first operator that has it.
    pub(super) name: String,
    pub(super) stack: Stack,
    /// The operator's question, then those of its riders.
    pub(super) questions: Box<[Question]>,
    /// What library kernels are held to; `None` on chips without them.
    pub(super) compulsory: Option<Compulsory>,
    /// Useful MACs that the chip steps through.
    pub(super) useful: Macs,
    /// Format in which matrix products run.
    pub(super) executed: Option<Dtype>,
}

/// A phase of a sheet.
#[derive(Clone, Debug)]
pub(super) struct SheetPart {
    pub(super) phase: Phase,
    /// Executions of its graphs.
    pub(super) steps: u64,
    /// Units and how often each runs in the phase.
    pub(super) entries: Vec<(usize, f64)>,
    /// `[operator]`: the units that it is in the phase's steps, and their shares; the mean of an operator's time
    /// and energy follows.
    pub(super) operators: Vec<Vec<(usize, f64)>>,
    pub(super) useful_macs: f64,
    /// Share of the operators that are known.
    pub(super) known: f64,
}

/// A task as chips of one kind are asked.
#[derive(Clone, Debug)]
pub struct Sheet {
    pub(super) units: Vec<Unit>,
    pub(super) parts: Vec<SheetPart>,
    pub(super) scenario: Scenario,
    pub(super) phase: Phase,
    pub(super) tokens: Option<f64>,
    /// Needed in main memory, without what a runtime keeps.
    pub(super) required: Bytes,
    pub(super) dtypes: Vec<Dtype>,
    pub(super) warnings: Problems,
}

impl Sheet {
    /// Of a task for all chips of the kind of this one.
    pub fn of(task: &Task, system: &System) -> Self {
        let mut units = Units::default();
        let parts = task.parts.iter();
        let parts = parts.map(|(phase, steps)| part(*phase, steps, system, &mut units));
        Self {
            parts: parts.collect(),
            units: units.all,
            scenario: task.scenario.clone(),
            phase: task.phase,
            tokens: task.tokens,
            required: task.memory.required(),
            dtypes: task.dtypes.clone(),
            warnings: task.warnings.clone(),
        }
    }
}

/// Distinct units in the order in which they first appear.
#[derive(Default)]
struct Units {
    all: Vec<Unit>,
    known: FxHashMap<u128, usize>,
}

impl Units {
    fn index(&mut self, unit: Unit) -> usize {
        *self.known.entry(unit.key).or_insert_with(|| {
            self.all.push(unit);
            self.all.len() - 1
        })
    }
}

fn part(phase: Phase, steps: &[BoundStep], system: &System, units: &mut Units) -> SheetPart {
    let mut counts: Vec<(usize, f64)> = Vec::new();
    let mut place: FxHashMap<usize, usize> = FxHashMap::default();
    let mut rows: Vec<Vec<(usize, u64)>> = Vec::new();
    let mut row_of: FxHashMap<(String, usize), usize> = FxHashMap::default();
    let (mut useful_macs, mut known, mut all) = (0.0, 0.0, 0.0);
    for step in steps {
        let step = &*on_chip(step, system);
        let graph = &step.graph;
        useful_macs += graph.useful_macs() * step.weight as f64;
        let (k, n) = graph.known_operators();
        known += (k * step.weight) as f64;
        all += (n * step.weight) as f64;
        let mut seen: FxHashMap<&str, usize> = FxHashMap::default();
        let asked = questions(graph, &step.fusion, system);
        for (id, op) in graph.nodes() {
            let nth = seen.entry(op.name.as_str()).or_default();
            let at = (op.name.clone(), *nth);
            *nth += 1;
            let Some(list) = &asked[id.index()] else {
                continue;
            };
            let unit = units.index(unit(step, system, op, list));
            let at = *row_of.entry(at).or_insert_with(|| {
                rows.push(Vec::new());
                rows.len() - 1
            });
            rows[at].push((unit, step.weight));
            let slot = *place.entry(unit).or_insert_with(|| {
                counts.push((unit, 0.0));
                counts.len() - 1
            });
            counts[slot].1 += (op.count * step.weight) as f64;
        }
    }
    SheetPart {
        phase,
        steps: steps.iter().map(|s| s.weight).sum(),
        entries: counts,
        operators: rows.into_iter().map(shares).collect(),
        useful_macs,
        known: if all > 0.0 { known / all } else { 1.0 },
    }
}

/// Units of an operator over the steps that have it, equal ones joined.
fn shares(steps: Vec<(usize, u64)>) -> Vec<(usize, f64)> {
    let all: u64 = steps.iter().map(|s| s.1).sum();
    let mut found: Vec<(usize, f64)> = Vec::new();
    for (unit, weight) in steps {
        let share = weight as f64 / all.max(1) as f64;
        match found.iter_mut().find(|f| f.0 == unit) {
            Some(known) => known.1 += share,
            None => found.push((unit, share)),
        }
    }
    found
}

/// `[operator]`: its question and those of its riders; `None` where it is part of another.
fn questions(graph: &OpGraph, fusion: &Fusion, system: &System) -> Vec<Option<Vec<Question>>> {
    let distance = Distance::of(graph);
    let mut found: Vec<Option<Vec<Question>>> = Vec::with_capacity(graph.len());
    for (id, op) in graph.nodes() {
        let question = Question::of(graph, fusion, system, id, op, &distance);
        let carrier = fusion.carrier(id).map(|c| c.index());
        match (carrier, question) {
            (None, question) => found.push(Some(vec![question])),
            (Some(carrier), question) => {
                found.push(None);
                if let Some(Some(list)) = found.get_mut(carrier) {
                    list.push(question);
                }
            }
        }
    }
    found
}

fn unit(step: &BoundStep, system: &System, op: &Operator, questions: &[Question]) -> Unit {
    let graph = &step.graph;
    let has_kernels = system.kernels.is_some();
    let compulsory = has_kernels.then(|| Compulsory::of(graph, system, op, step.compulsory));
    let useful = Macs(op.useful_macs() * steps(graph, system, op));
    let content = (
        graph.stack,
        questions,
        compulsory.map(|c| c.bits()),
        useful.0.to_bits(),
    );
    Unit {
        key: key(0, &content),
        name: op.name.clone(),
        stack: graph.stack,
        executed: questions.first().and_then(Question::executed),
        questions: questions.to_vec().into_boxed_slice(),
        compulsory,
        useful,
    }
}
