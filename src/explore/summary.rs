//! What the points of a sweep say together: counts, front, knee, idle axes, warnings.

use crate::diag::{Code, Problem};
use crate::pareto;
use crate::simulate::Metric;

use super::effect::{Effect, effects, is_idle};
use super::evolve::Progress;
use super::infeasible;
use super::plan::Plan;
use super::point::Point;
use super::tally::Tally;

/// Points that are out for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    /// The first reason of each point: `memory`, `area`, ...
    pub name: String,
    /// How many.
    pub points: usize,
}

/// The result of a sweep.
#[derive(Clone, Debug, PartialEq)]
pub struct Sweep {
    /// Those that were priced, in the order of the grid.
    pub points: Vec<Point>,
    /// Feasible points that no other one beats in all objectives; indices in the grid, ascending.
    pub front: Vec<usize>,
    /// The front point where a little less of one objective costs much of another.
    pub knee: Option<usize>,
    /// Points that meet everything.
    pub feasible: usize,
    /// Infeasible points by their first reason; their sum is what is missing to all points.
    pub infeasible: Vec<Count>,
    /// Axes that changed no metric in any point.
    pub idle: Vec<usize>,
    /// Axes that did, the strongest first.
    pub effects: Vec<Effect>,
    /// How far an evolution had come after each generation; empty for other strategies.
    pub history: Vec<Progress>,
    /// W0301 of idle axes, and warnings of the estimates.
    pub warnings: Vec<Problem>,
    /// E0501 if nothing is feasible.
    pub verdict: Option<Problem>,
}

impl Sweep {
    /// The point of an index in the grid, if it was priced.
    pub fn at(&self, index: usize) -> Option<&Point> {
        let place = self.points.binary_search_by_key(&index, |p| p.index).ok()?;
        self.points.get(place)
    }

    /// The front point that is best in a metric; of equal ones the first.
    pub fn best(&self, metric: Metric) -> Option<usize> {
        let cost = |i: &usize| self.at(*i).map_or(f64::NAN, |p| p.costs(&[metric])[0]);
        let known = self.front.iter().copied().filter(|i| !cost(i).is_nan());
        known.min_by(|a, b| cost(a).total_cmp(&cost(b)).then(a.cmp(b)))
    }
}

pub(super) fn summarize(
    plan: &Plan,
    points: Vec<Point>,
    tally: Tally,
    history: Vec<Progress>,
) -> Sweep {
    let feasible: Vec<usize> = (0..points.len())
        .filter(|&i| points[i].is_feasible())
        .collect();
    let costs: Vec<Vec<f64>> = feasible
        .iter()
        .map(|&i| points[i].costs(&plan.objectives))
        .collect();
    let front = pareto::front(&costs);
    let index = |i: usize| points[feasible[i]].index;
    let knee = pareto::knee(&costs, &front).map(index);
    let front = front.into_iter().map(index).collect();
    // Neighbors are known where every point is.
    let is_whole = points.len() == plan.space.len();
    let idle: Vec<usize> = (0..plan.space.axes.len())
        .filter(|&a| is_whole && is_idle(plan, &points, a))
        .collect();
    let mut all: Vec<Problem> = idle.iter().map(|&a| idle_warning(plan, a)).collect();
    all.extend(tally.joined());
    Sweep {
        front,
        knee,
        feasible: feasible.len(),
        infeasible: counts(plan, &points),
        effects: if is_whole {
            effects(plan, &points, &idle)
        } else {
            Vec::new()
        },
        history,
        idle,
        warnings: all,
        verdict: if feasible.is_empty() {
            infeasible::explain(plan, &points)
        } else {
            None
        },
        points,
    }
}

fn counts(plan: &Plan, points: &[Point]) -> Vec<Count> {
    let mut counts: Vec<Count> = Vec::new();
    for reason in points.iter().filter_map(|p| p.reasons.first()) {
        let name = reason.name(&plan.constraints);
        match counts.iter_mut().find(|c| c.name == name) {
            Some(count) => count.points += 1,
            None => counts.push(Count { name, points: 1 }),
        }
    }
    counts.sort_by(|a, b| b.points.cmp(&a.points).then_with(|| a.name.cmp(&b.name)));
    counts
}

fn idle_warning(plan: &Plan, axis: usize) -> Problem {
    let path = plan.space.axes[axis].path();
    let message = format!("axis `{path}` changed no metric in any point");
    Problem::new(Code::NoEffect, message)
        .help("it is never the bottleneck here: leave the axis out, or widen it")
}
