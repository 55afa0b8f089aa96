//! Prices every point of a plan, in parallel and in rounds; results do not depend on the threads.

use rayon::prelude::*;
use rustc_hash::FxHashMap;

use crate::diag::{Problem, Problems};
use crate::hardware::System;
use crate::simulate::{Fidelity, Memo, Prepared, Task, runnable};
use crate::units::Bytes;
use crate::workload::Dtype;

use super::figures::{Figures, Row};
use super::ledger::{Answer, Keys, Ledger, Shard};
use super::load::assignments;
use super::plan::Plan;
use super::point::{Point, Reason, violations};
use super::space::Value;
use super::summary::{Sweep, summarize};

/// Chips evaluated at once: enough for many threads, few enough to hold in memory.
const ROUND: usize = 256;

/// Is told of each point as soon as it is priced, from any thread and in any order.
pub trait Sink: Sync {
    /// The point of an index is done.
    fn point(&self, index: usize);
}

/// Hears nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Sink for Silent {
    fn point(&self, _index: usize) {}
}

/// How many points were priced, and how many were known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Priced now.
    pub priced: usize,
    /// Found in the ledger.
    pub known: usize,
}

/// Prices all points that the ledger does not know on the current pool of threads, and sums them up.
///
/// # Errors
/// A model that cannot be bound in one of the scenarios. A chip or product that does not work out makes its
/// point infeasible.
pub fn run(plan: &Plan, sink: &dyn Sink, ledger: &dyn Ledger) -> Result<(Sweep, Count), Problems> {
    let (answers, count) = price_all(plan, sink, ledger, Shard::WHOLE)?;
    let answers = answers.into_iter().enumerate();
    // Every index is the sum of exactly one chip's and one scenario's offset.
    let points = answers.filter_map(|(index, answer)| Some(point(plan, index, answer?)));
    let (points, warnings) = points.unzip();
    Ok((summarize(plan, points, warnings), count))
}

/// Prices the points of a shard that the ledger does not know, for it to keep.
///
/// # Errors
/// As [`run`].
pub fn run_shard(
    plan: &Plan,
    sink: &dyn Sink,
    ledger: &dyn Ledger,
    shard: Shard,
) -> Result<Count, Problems> {
    Ok(price_all(plan, sink, ledger, shard)?.1)
}

/// What one graph depends on: the job, its scenario, and the type the chip makes it run at.
type Key = (usize, usize, Option<Dtype>);

fn price_all(
    plan: &Plan,
    sink: &dyn Sink,
    ledger: &dyn Ledger,
    shard: Shard,
) -> Result<(Vec<Option<Answer>>, Count), Problems> {
    let groups = Groups::of(plan);
    let keys = Keys::of(plan);
    let mut bound: FxHashMap<Key, Task> = FxHashMap::default();
    let mut count = Count::default();
    let mut done: Vec<Option<Answer>> = (0..plan.space.len())
        .into_par_iter()
        .map(|index| ledger.known(keys.at(index)).inspect(|_| sink.point(index)))
        .collect();
    count.known = done.iter().flatten().count();
    let is_open = |done: &[Option<Answer>], point: usize| done[point].is_none() && shard.has(point);
    let has_open = |chip: &usize| {
        let mut points = groups.scenarios.iter().map(|s| groups.chips[*chip] + s);
        points.any(|point| is_open(&done, point))
    };
    let chips: Vec<usize> = (0..groups.chips.len()).filter(has_open).collect();
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
        let items = items.map(|i| (i / n, i % n));
        let open = items.filter(|(s, scenario)| {
            is_open(&done, groups.chips[round[*s]] + groups.scenarios[*scenario])
        });
        let open: Vec<(usize, usize)> = open.collect();
        let priced: Vec<(usize, Answer)> = open
            .into_par_iter()
            .map(|(s, scenario)| {
                let index = groups.chips[round[s]] + groups.scenarios[scenario];
                let answer = match &systems[s] {
                    Ok(system) => {
                        let chip = Prepared::new(system);
                        price(plan, scenario, &chip, &bound, &memos[s])
                    }
                    Err(reason) => unpriced(reason.clone(), Vec::new()),
                };
                ledger.store(keys.at(index), &answer);
                sink.point(index);
                (index, answer)
            })
            .collect();
        count.priced += priced.len();
        for (index, answer) in priced {
            done[index] = Some(answer);
        }
    }
    Ok((done, count))
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

fn unpriced(reason: String, warnings: Vec<Problem>) -> Answer {
    Answer {
        rows: Err(reason),
        short: Bytes::ZERO,
        warnings,
    }
}

fn price(
    plan: &Plan,
    scenario: usize,
    chip: &Prepared<'_>,
    bound: &FxHashMap<Key, Task>,
    memo: &Memo,
) -> Answer {
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
            Err(problems) => return unpriced(first(&problems), warnings),
        }
    }
    Answer {
        rows: Ok(rows),
        short,
        warnings,
    }
}

/// A point from its answer: its figures over the mix, and what it misses.
fn point(plan: &Plan, index: usize, answer: Answer) -> (Point, Vec<Problem>) {
    let rows = match answer.rows {
        Ok(rows) => rows,
        Err(reason) => {
            let point = Point {
                index,
                figures: None,
                reasons: vec![Reason::Unpriced(reason)],
            };
            return (point, answer.warnings);
        }
    };
    let weights: Vec<f64> = plan.jobs.iter().map(|j| j.weight).collect();
    let figures = Figures::new(rows, &weights);
    let mut reasons = Vec::new();
    if answer.short.0 > 0.0 {
        let short = answer.short;
        reasons.push(Reason::Memory { short });
    }
    let unknown = plan
        .objectives
        .iter()
        .filter(|m| figures.mean(**m).is_none());
    reasons.extend(unknown.map(|m| Reason::Unknown(*m)));
    reasons.extend(violations(&figures, &plan.constraints));
    let point = Point {
        index,
        figures: Some(figures),
        reasons,
    };
    (point, answer.warnings)
}
