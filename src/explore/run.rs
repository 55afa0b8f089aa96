//! Prices every point of a plan, in parallel and in rounds; results do not depend on the threads.

use std::ops::Range;

use rayon::prelude::*;
use rustc_hash::FxHashSet;

use crate::diag::{Code, Problem, Problems};
use crate::hardware::System;
use crate::simulate::Prints;
use crate::units::Quantity;

use super::evolve::{Evolution, history};
use super::figures::Figures;
use super::ledger::{Answer, Keys, Ledger, Shard};
use super::load::assignments;
use super::plan::Plan;
use super::point::{Point, Reason, violations};
use super::sheets::{Chip, Evaluated, Sheets, first};
use super::space::Value;
use super::strategy::{Strategy, sample};
use super::summary::{Sweep, summarize};
use super::tally::Tally;

/// Chips evaluated at once: enough for many threads, few enough to hold in memory.
const ROUND: usize = 256;

/// Scenarios whose graphs are held at once.
const SCENARIOS: usize = 256;

/// Parts of a round that threads may take.
const PARTS: usize = 64;

/// Is told of each point as soon as it is priced, from any thread and in any order.
pub trait Sink: Sync {
    /// The point of an index is done.
    fn point(&self, index: usize, point: &Point);

    /// Whether no further point is wanted; asked before each one.
    fn is_stopped(&self) -> bool {
        false
    }
}

/// Hears nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Sink for Silent {
    fn point(&self, _index: usize, _point: &Point) {}
}

/// How many points were priced, and how many were known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Priced now.
    pub priced: usize,
    /// Found in the ledger.
    pub known: usize,
}

/// Prices the points of the plan's strategy that the ledger does not know on the current pool of threads, and sums them up.
///
/// # Errors
/// A model that cannot be bound in one of the scenarios, and I0001 where the sink stops the run. A chip or product that does
/// not work out makes its point infeasible.
pub fn run(plan: &Plan, sink: &dyn Sink, ledger: &dyn Ledger) -> Result<(Sweep, Count), Problems> {
    let mut tally = Tally::default();
    if let Strategy::Evolve {
        population,
        generations,
        seed,
    } = plan.strategy
    {
        let mut evolution = Evolution::new(plan, population, seed);
        let mut past: Vec<Vec<Point>> = Vec::new();
        let mut count = Count::default();
        for _ in 0..generations {
            let asked = evolution.ask();
            if asked.is_empty() {
                break;
            }
            let (points, more) = price_listed(plan, sink, ledger, &asked, &mut tally)?;
            evolution.tell(points.iter());
            past.push(points);
            count.priced += more.priced;
            count.known += more.known;
        }
        let history = history(plan, &past);
        let mut points: Vec<Point> = past.into_iter().flatten().collect();
        points.sort_by_key(|p| p.index);
        return Ok((summarize(plan, points, tally, history), count));
    }
    let listed = match plan.strategy {
        Strategy::Sample {
            spread,
            points,
            seed,
        } => Some(sample(&plan.space, spread, points, seed)),
        Strategy::Exact | Strategy::Evolve { .. } => None,
    };
    if let Some(listed) = listed {
        let (points, count) = price_listed(plan, sink, ledger, &listed, &mut tally)?;
        return Ok((summarize(plan, points, tally, Vec::new()), count));
    }
    let mut points: Vec<Option<Point>> = vec![None; plan.space.len()];
    let wanted = Wanted::grid(plan, Shard::WHOLE);
    let count = price_all(plan, sink, ledger, wanted, &mut |index, point, warnings| {
        tally.add(index, warnings);
        points[index] = Some(point);
    })?;
    // Every index is the sum of exactly one chip's and one scenario's offset.
    let points = points.into_iter().flatten().collect();
    Ok((summarize(plan, points, tally, Vec::new()), count))
}

/// Prices listed points, ascending.
fn price_listed(
    plan: &Plan,
    sink: &dyn Sink,
    ledger: &dyn Ledger,
    listed: &[usize],
    tally: &mut Tally,
) -> Result<(Vec<Point>, Count), Problems> {
    let mut points = Vec::with_capacity(listed.len());
    let wanted = Wanted::listed(plan, listed);
    let count = price_all(plan, sink, ledger, wanted, &mut |index, point, warnings| {
        tally.add(index, warnings);
        points.push(point);
    })?;
    points.sort_by_key(|p: &Point| p.index);
    Ok((points, count))
}

/// Prices the points of a shard that the ledger does not know, for it to keep; how many it has.
///
/// # Errors
/// As [`run`].
pub fn run_shard(
    plan: &Plan,
    sink: &dyn Sink,
    ledger: &dyn Ledger,
    shard: Shard,
) -> Result<Count, Problems> {
    let wanted = match plan.strategy {
        Strategy::Sample {
            spread,
            points,
            seed,
        } => {
            let all = sample(&plan.space, spread, points, seed);
            let own = all.into_iter().enumerate().filter(|(i, _)| shard.has(*i));
            let own: Vec<usize> = own.map(|(_, index)| index).collect();
            Wanted::listed(plan, &own)
        }
        Strategy::Exact | Strategy::Evolve { .. } => Wanted::grid(plan, shard),
    };
    price_all(plan, sink, ledger, wanted, &mut |_, _, _| {})
}

/// Points to price: offsets of chips and scenarios, and which of their sums are wanted.
struct Wanted {
    groups: Groups,
    open: Open,
}

enum Open {
    /// `[index]`
    Grid(Vec<bool>),
    Listed(FxHashSet<usize>),
}

impl Wanted {
    fn grid(plan: &Plan, shard: Shard) -> Self {
        Self {
            groups: Groups::of(plan),
            open: Open::Grid((0..plan.space.len()).map(|i| shard.has(i)).collect()),
        }
    }

    fn listed(plan: &Plan, listed: &[usize]) -> Self {
        let space = &plan.space;
        let of_chip = |index: usize| -> usize {
            let axes = space.axes.iter().enumerate();
            let own = axes.filter(|(_, axis)| axis.is_of_chip());
            own.map(|(a, _)| space.step(a, index) * space.stride(a))
                .sum()
        };
        let mut groups = Groups {
            chips: listed.iter().map(|i| of_chip(*i)).collect(),
            scenarios: listed.iter().map(|i| i - of_chip(*i)).collect(),
        };
        for list in [&mut groups.chips, &mut groups.scenarios] {
            list.sort_unstable();
            list.dedup();
        }
        Self {
            groups,
            open: Open::Listed(listed.iter().copied().collect()),
        }
    }

    fn is_open(&self, index: usize) -> bool {
        match &self.open {
            Open::Grid(open) => open[index],
            Open::Listed(open) => open.contains(&index),
        }
    }

    fn close(&mut self, index: usize) {
        match &mut self.open {
            Open::Grid(open) => open[index] = false,
            Open::Listed(open) => drop(open.remove(&index)),
        }
    }

    /// Ascending.
    fn indices(&self) -> Vec<usize> {
        match &self.open {
            Open::Grid(open) => (0..open.len()).filter(|i| open[*i]).collect(),
            Open::Listed(open) => {
                let mut all: Vec<usize> = open.iter().copied().collect();
                all.sort_unstable();
                all
            }
        }
    }
}

/// Hands every point to `take`, in an order that depends on nothing but the plan and what is known.
fn price_all(
    plan: &Plan,
    sink: &dyn Sink,
    ledger: &dyn Ledger,
    mut wanted: Wanted,
    take: &mut dyn FnMut(usize, Point, Vec<Problem>),
) -> Result<Count, Problems> {
    let keys = Keys::of(plan);
    let mut count = Count::default();
    for index in wanted.indices() {
        if let Some(answer) = ledger.known(keys.at(index)) {
            let (point, warnings) = point(plan, index, answer);
            sink.point(index, &point);
            take(index, point, warnings);
            count.known += 1;
            wanted.close(index);
        }
    }
    let groups = &wanted.groups;
    for scenarios in groups.scenarios.chunks(SCENARIOS) {
        let has_open = |chip: &usize| scenarios.iter().any(|s| wanted.is_open(chip + s));
        let chips: Vec<usize> = groups.chips.iter().copied().filter(has_open).collect();
        let mut desks = Sheets::new(plan, scenarios);
        for round in chips.chunks(ROUND) {
            let systems: Vec<_> = round.par_iter().map(|&c| evaluate(plan, c)).collect();
            desks.bind(&systems)?;
            for part in desks.parts(&systems) {
                if sink.is_stopped() {
                    let stopped = Problem::new(Code::Interrupted, "interrupted");
                    return Err(stopped.into());
                }
                let (round, systems) = (&round[part.clone()], &systems[part]);
                // Loop nests are shared by chips of one shape.
                desks.search(systems);
                let items = items(&runs_of_equal_prices(systems), scenarios.len());
                let priced = items.into_par_iter().map(|(chips, part)| {
                    let mut points = Vec::new();
                    let at = |c: usize, s: usize| round[chips.start + c] + scenarios[s];
                    let wants = |c: usize, s: usize| wanted.is_open(at(c, s)) && !sink.is_stopped();
                    desks.price(&systems[chips.clone()], wants, part, |c, s, answer| {
                        let index = at(c, s);
                        ledger.store(keys.at(index), &answer);
                        let (point, warnings) = point(plan, index, answer);
                        sink.point(index, &point);
                        points.push((index, point, warnings));
                    });
                    points
                });
                for (index, point, warnings) in priced.collect::<Vec<_>>().into_iter().flatten() {
                    take(index, point, warnings);
                    count.priced += 1;
                }
            }
        }
    }
    if sink.is_stopped() {
        return Err(Problem::new(Code::Interrupted, "interrupted").into());
    }
    Ok(count)
}

/// Neighbors that have the same prices.
fn runs_of_equal_prices(systems: &[Chip]) -> Vec<Range<usize>> {
    let print = |chip: &Chip| chip.as_ref().ok().map(|c| c.prints.fingerprint);
    let mut runs: Vec<Range<usize>> = Vec::new();
    for (i, chip) in systems.iter().enumerate() {
        match runs.last_mut() {
            Some(run) if print(&systems[run.start]) == print(chip) => run.end = i + 1,
            _ => runs.push(i..i + 1),
        }
    }
    runs
}

/// Parts of a round: chips and some of their scenarios, so small that many threads find work.
fn items(runs: &[Range<usize>], n_scenarios: usize) -> Vec<(Range<usize>, Range<usize>)> {
    let parts = PARTS.div_ceil(runs.len().max(1)).min(n_scenarios).max(1);
    let size = n_scenarios.div_ceil(parts).max(1);
    let parts = (0..n_scenarios).step_by(size);
    let ranges = parts.map(|from| from..(from + size).min(n_scenarios));
    let each = runs.iter();
    each.flat_map(|run| ranges.clone().map(move |range| (run.clone(), range)))
        .collect()
}

/// The grid as chips times scenarios: an index is the sum of an offset of each.
struct Groups {
    chips: Vec<usize>,
    scenarios: Vec<usize>,
}

impl Groups {
    fn of(plan: &Plan) -> Self {
        let space = &plan.space;
        // Neighbors that differ in power alone have the same prices.
        let prices = space
            .axes
            .iter()
            .enumerate()
            .filter(|(_, a)| !a.is_of_power());
        let powers = space
            .axes
            .iter()
            .enumerate()
            .filter(|(_, a)| a.is_of_power());
        let axes: Vec<_> = prices.chain(powers).collect();
        let offsets = |of_chip: bool| {
            let mut all = vec![0];
            for &(a, axis) in &axes {
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
fn evaluate(plan: &Plan, point: usize) -> Chip {
    let system = chip(plan, point).map_err(|problems| first(&problems))?;
    let prints = Prints::of(&system);
    Ok(Evaluated { system, prints })
}

/// The chip of a point.
///
/// # Errors
/// What contradicts itself in it.
pub(super) fn chip(plan: &Plan, point: usize) -> Result<System, Problems> {
    plan.profile(point)
        .evaluate_with(&assigned(plan, point, None))
}

/// What a point sets of its chip, and one more key, which counts before the others.
pub(super) fn assigned<'a>(
    plan: &'a Plan,
    point: usize,
    more: Option<(&'a str, Quantity)>,
) -> Vec<(&'a str, Quantity)> {
    let mut values = Vec::new();
    for (a, axis) in plan.space.axes.iter().enumerate() {
        if let Value::Quantity(quantity) = plan.space.choice(a, point).value {
            values.extend(assignments(&axis.settings, quantity));
        }
    }
    if let Some((path, quantity)) = more {
        values.retain(|(known, _)| *known != path);
        values.push((path, quantity));
    }
    values
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
