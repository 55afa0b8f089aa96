//! What matters: how much each axis moves each figure.

use ndarray::Axis;
use rayon::prelude::*;

use crate::simulate::Metric;

use super::plan::Plan;
use super::point::Point;

/// The step that an effect is of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Step {
    /// From each value to the next one: the mean ratio of neighbors.
    Times(f64),
    /// From one choice to another one, where values are no numbers above zero.
    FromTo(usize, usize),
}

/// How an axis moves the objectives.
#[derive(Clone, Debug, PartialEq)]
pub struct Effect {
    /// Index of the axis.
    pub axis: usize,
    /// The step.
    pub step: Step,
    /// Ratio of each objective after the step to before, the geometric mean over all pairs of points that
    /// differ in this axis alone; `None` where no pair is known.
    pub ratios: Vec<(Metric, Option<f64>)>,
}

impl Effect {
    /// The largest change of any objective, as a logarithm.
    pub fn strength(&self) -> f64 {
        let each = self.ratios.iter().filter_map(|(_, r)| *r);
        each.map(|r| r.ln().abs()).fold(0.0, f64::max)
    }
}

/// Whether no metric of any point differs along an axis.
pub(super) fn is_idle(plan: &Plan, points: &[Point], axis: usize) -> bool {
    let n = plan.space.axes[axis].choices.len();
    let mut all = pairs(plan, axis, points.len(), |choice| choice + 1 < n, 1);
    n > 1 && all.all(|(a, b)| points[a].figures.is_some() && points[a].figures == points[b].figures)
}

/// Effects of all axes that are not idle, the strongest first.
pub(super) fn effects(plan: &Plan, points: &[Point], idle: &[usize]) -> Vec<Effect> {
    let axes = (0..plan.space.axes.len()).into_par_iter();
    let turned = axes.filter(|a| plan.space.axes[*a].choices.len() > 1 && !idle.contains(a));
    let mut found: Vec<Effect> = turned.filter_map(|a| effect(plan, points, a)).collect();
    found.sort_by(|a, b| {
        b.strength()
            .total_cmp(&a.strength())
            .then(a.axis.cmp(&b.axis))
    });
    found
}

fn effect(plan: &Plan, points: &[Point], axis: usize) -> Option<Effect> {
    let choices = &plan.space.axes[axis].choices;
    let n = choices.len();
    let numbers: Option<Vec<f64>> = choices.iter().map(|c| c.value.number()).collect();
    let of = |step: Step, first: &dyn Fn(usize) -> bool, distance: usize| {
        let pairs: Vec<_> = pairs(plan, axis, points.len(), first, distance).collect();
        let objectives = plan.objectives.iter();
        Effect {
            axis,
            step,
            ratios: objectives
                .map(|&m| (m, mean_ratio(points, m, &pairs)))
                .collect(),
        }
    };
    match numbers.filter(|all| all.iter().all(|v| *v > 0.0)) {
        Some(numbers) => {
            let ratio = (numbers[n - 1] / numbers[0]).powf(1.0 / (n - 1) as f64);
            Some(of(Step::Times(ratio), &|choice| choice + 1 < n, 1))
        }
        None => {
            let each = (1..n).map(|k| of(Step::FromTo(0, k), &|choice| choice == 0, k));
            each.reduce(|best, e| {
                if e.strength() > best.strength() {
                    e
                } else {
                    best
                }
            })
        }
    }
}

/// Points that differ in one axis alone: those whose choice `first` takes, and those `distance` further.
fn pairs(
    plan: &Plan,
    axis: usize,
    n_points: usize,
    first: impl Fn(usize) -> bool,
    distance: usize,
) -> impl Iterator<Item = (usize, usize)> {
    let grid = plan.space.grid(n_points);
    let choices = plan.space.axes[axis].choices.len();
    let starts = (0..choices.saturating_sub(distance)).filter(|&choice| first(choice));
    let mut found = Vec::new();
    for choice in starts {
        let from = grid.index_axis(Axis(axis), choice);
        let to = grid.index_axis(Axis(axis), choice + distance);
        found.extend(from.iter().copied().zip(to.iter().copied()));
    }
    found.into_iter()
}

fn mean_ratio(points: &[Point], metric: Metric, pairs: &[(usize, usize)]) -> Option<f64> {
    let ratio = |&(a, b): &(usize, usize)| {
        let ratio = points[b].mean(metric)? / points[a].mean(metric)?;
        (ratio > 0.0 && ratio.is_finite()).then(|| ratio.ln())
    };
    let (sum, n) = pairs
        .iter()
        .filter_map(ratio)
        .fold((0.0, 0), |(sum, n), r| (sum + r, n + 1));
    (n > 0).then(|| (sum / f64::from(n)).exp())
}
