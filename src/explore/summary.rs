//! What the points of a sweep say together: counts, front, knee, idle axes, warnings.

use crate::diag::{Code, Problem};
use crate::pareto;
use crate::simulate::Metric;

use super::effect::{Effect, effects, is_idle};
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
    /// In the order of the grid.
    pub points: Vec<Point>,
    /// Feasible points that no other one beats in all objectives; indices, ascending.
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
    /// W0301 of idle axes, and warnings of the estimates.
    pub warnings: Vec<Problem>,
    /// E0501 if nothing is feasible.
    pub verdict: Option<Problem>,
}

impl Sweep {
    /// The front point that is best in a metric; of equal ones the first.
    pub fn best(&self, metric: Metric) -> Option<usize> {
        let cost = |i: &usize| self.points[*i].costs(&[metric])[0];
        let known = self.front.iter().copied().filter(|i| !cost(i).is_nan());
        known.min_by(|a, b| cost(a).total_cmp(&cost(b)).then(a.cmp(b)))
    }
}

pub(super) fn summarize(plan: &Plan, points: Vec<Point>, tally: Tally) -> Sweep {
    let feasible: Vec<usize> = (0..points.len())
        .filter(|&i| points[i].is_feasible())
        .collect();
    let costs: Vec<Vec<f64>> = feasible
        .iter()
        .map(|&i| points[i].costs(&plan.objectives))
        .collect();
    let front = pareto::front(&costs);
    let knee = pareto::knee(&costs, &front).map(|i| feasible[i]);
    let front = front.into_iter().map(|i| feasible[i]).collect();
    let idle: Vec<usize> = (0..plan.space.axes.len())
        .filter(|&a| is_idle(plan, &points, a))
        .collect();
    let mut all: Vec<Problem> = idle.iter().map(|&a| idle_warning(plan, a)).collect();
    all.extend(tally.joined());
    Sweep {
        front,
        knee,
        feasible: feasible.len(),
        infeasible: counts(plan, &points),
        effects: effects(plan, &points, &idle),
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
