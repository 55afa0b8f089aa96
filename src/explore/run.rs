//! Prices every point of a plan, in parallel and in rounds; results do not depend on the threads.

use rayon::prelude::*;
use rustc_hash::FxHashMap;

use crate::diag::{Problem, Problems};
use crate::hardware::System;
use crate::simulate::{Fidelity, Memo, Prepared, Task, runnable};
use crate::units::Bytes;
use crate::workload::Dtype;

use super::figures::{Figures, Row};
use super::load::assignments;
use super::plan::Plan;
use super::point::{Point, Reason, violations};
use super::space::Value;
use super::summary::{Sweep, summarize};

/// Chips evaluated at once: enough for many threads, few enough to hold in memory.
const ROUND: usize = 256;

/// Is told of each point as soon as it is priced, from any thread and in any order.
pub trait Sink: Sync {
    /// A point is done.
    fn point(&self, point: &Point);
}

/// Hears nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Sink for Silent {
    fn point(&self, _point: &Point) {}
}

/// Prices all points on the current pool of threads, and sums them up.
///
/// # Errors
/// A model that cannot be bound in one of the scenarios. A chip or product that does not work out makes its
/// point infeasible.
pub fn run(plan: &Plan, sink: &dyn Sink) -> Result<Sweep, Problems> {
    let (points, warnings) = price_all(plan, sink)?;
    Ok(summarize(plan, points, warnings))
}

/// A point with the warnings of its estimates.
type Warned = (Point, Vec<Problem>);

/// What one graph depends on: the job, its scenario, and the type the chip makes it run at.
type Key = (usize, usize, Option<Dtype>);

fn price_all(plan: &Plan, sink: &dyn Sink) -> Result<(Vec<Point>, Vec<Vec<Problem>>), Problems> {
    let groups = Groups::of(plan);
    let mut bound: FxHashMap<Key, Task> = FxHashMap::default();
    let mut done: Vec<Option<Warned>> = vec![None; plan.space.len()];
    let chips: Vec<usize> = (0..groups.chips.len()).collect();
    for round in chips.chunks(ROUND) {
        let systems: Vec<_> = round
            .par_iter()
            .map(|&c| evaluate(plan, groups.chips[c]))
            .collect();
        bind(plan, &groups, &systems, &mut bound)?;
        let shared = Memo::new();
        // Prices belong to one chip; loop nests are shared by chips of one shape.
        let memos: Vec<Memo> = systems.iter().map(|_| shared.sibling()).collect();
        let n = groups.scenarios.len();
        let items = 0..systems.len() * n;
        let priced: Vec<_> = items
            .into_par_iter()
            .map(|i| {
                let (s, scenario) = (i / n, i % n);
                let point = groups.chips[round[s]] + groups.scenarios[scenario];
                let warned = match &systems[s] {
                    Ok(system) => {
                        let chip = Prepared::new(system);
                        price(plan, point, scenario, &chip, &bound, &memos[s])
                    }
                    Err(reason) => (unpriced(point, reason.clone()), Vec::new()),
                };
                sink.point(&warned.0);
                warned
            })
            .collect();
        for warned in priced {
            let index = warned.0.index;
            done[index] = Some(warned);
        }
    }
    // Every index is the sum of exactly one chip's and one scenario's offset.
    Ok(done.into_iter().flatten().unzip())
}

/// The grid as chips times scenarios: an index is the sum of an offset of each.
struct Groups {
    chips: Vec<usize>,
    scenarios: Vec<usize>,
}

impl Groups {
    fn of(plan: &Plan) -> Self {
        let space = &plan.space;
        let offsets = |of_chip: bool| {
            let mut all = vec![0];
            for (a, axis) in space.axes.iter().enumerate() {
                if axis.is_of_chip() == of_chip {
                    let stride = space.stride(a);
                    let steps = 0..axis.choices.len();
                    let with = |offset: &usize| {
                        steps
                            .clone()
                            .map(|s| offset + s * stride)
                            .collect::<Vec<_>>()
                    };
                    all = all.iter().flat_map(with).collect();
                }
            }
            all
        };
        Self {
            chips: offsets(true),
            scenarios: offsets(false),
        }
    }
}

/// The chip of a point, or why there is none.
fn evaluate(plan: &Plan, point: usize) -> Result<System, String> {
    let mut values = Vec::new();
    for (a, axis) in plan.space.axes.iter().enumerate() {
        if let Value::Quantity(quantity) = plan.space.choice(a, point).value {
            values.extend(assignments(&axis.settings, quantity));
        }
    }
    let found = plan.chip.evaluate_with(&values);
    found.map_err(|problems| first(&problems))
}

/// The message of the first error.
fn first(problems: &Problems) -> String {
    let first = problems.0.iter().find(|p| p.code.is_error());
    first.map_or(String::new(), |p| p.message.clone())
}

/// Binds every graph that the chips of a round need and that is not there yet.
fn bind(
    plan: &Plan,
    groups: &Groups,
    systems: &[Result<System, String>],
    bound: &mut FxHashMap<Key, Task>,
) -> Result<(), Problems> {
    let mut wanted: Vec<(Key, &System, usize)> = Vec::new();
    for system in systems.iter().flatten() {
        for (scenario, offset) in groups.scenarios.iter().enumerate() {
            for job in 0..plan.jobs.len() {
                let key = key(plan, job, scenario, system);
                if !bound.contains_key(&key) && !wanted.iter().any(|w| w.0 == key) {
                    wanted.push((key, system, *offset));
                }
            }
        }
    }
    let made: Vec<_> = wanted
        .par_iter()
        .map(|(key, system, offset)| {
            let workload = &plan.jobs[key.0].workload;
            let asked = plan.scenario(key.0, *offset);
            let (scenario, warning) = runnable(workload, system, &asked);
            let mut task = Task::new(workload, &scenario)?;
            // As in a single run; the sweep joins equal warnings of its points.
            task.warn_first(warning);
            Ok::<_, Problems>(task)
        })
        .collect();
    let mut problems = Problems::new();
    for ((key, _, _), task) in wanted.into_iter().zip(made) {
        match task {
            Ok(task) => {
                bound.insert(key, task);
            }
            Err(found) => problems.extend(found),
        }
    }
    problems.or(()).map(|_| ())
}

fn key(plan: &Plan, job: usize, scenario: usize, system: &System) -> Key {
    let own = plan.jobs[job].workload.card().dtype;
    (job, scenario, Some(system.executed_as(own)))
}

fn unpriced(index: usize, reason: String) -> Point {
    Point {
        index,
        figures: None,
        reasons: vec![Reason::Unpriced(reason)],
    }
}

fn price(
    plan: &Plan,
    point: usize,
    scenario: usize,
    chip: &Prepared<'_>,
    bound: &FxHashMap<Key, Task>,
    memo: &Memo,
) -> Warned {
    let mut rows = Vec::with_capacity(plan.jobs.len());
    let mut warnings = Vec::new();
    let mut short = Bytes::ZERO;
    for job in 0..plan.jobs.len() {
        let task = &bound[&key(plan, job, scenario, chip.system)];
        match task.run(chip, Fidelity::Scheduled, memo) {
            Ok(estimate) => {
                rows.push(Row::of(&estimate));
                short = short.max(estimate.memory.short());
                warnings.extend(estimate.warnings);
            }
            Err(problems) => return (unpriced(point, first(&problems)), warnings),
        }
    }
    let weights: Vec<f64> = plan.jobs.iter().map(|j| j.weight).collect();
    let figures = Figures::new(rows, &weights);
    let mut reasons = Vec::new();
    if short.0 > 0.0 {
        reasons.push(Reason::Memory { short });
    }
    let unknown = plan
        .objectives
        .iter()
        .filter(|m| figures.mean(**m).is_none());
    reasons.extend(unknown.map(|m| Reason::Unknown(*m)));
    reasons.extend(violations(&figures, &plan.constraints));
    let point = Point {
        index: point,
        figures: Some(figures),
        reasons,
    };
    (point, warnings)
}
