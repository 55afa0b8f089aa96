//! Fits one group of coefficients to its rows.

use ndarray::Array2;
use rayon::prelude::*;

use crate::cases::OpRow;
use crate::hardware::kernels::Origin;
use crate::hardware::{Profile, System};
use crate::simulate::{Memo, Prepared, Replay};
use crate::units::Quantity;

use super::knob::{Group, Knob};
use super::solve::{Effort, Residuals, cholesky, jacobian, loss, minimize, solve};
use super::split;

/// A row that can be priced.
#[derive(Debug)]
pub(super) struct Observed<'a> {
    pub(super) row: &'a OpRow,
    pub(super) replay: Replay,
    /// Measured, in seconds.
    pub(super) seconds: f64,
}

/// Move of a coefficient, in its range, that must change predictions for it to be of any effect.
const PROBE: f64 = 0.1;

/// Least mean change of predictions that such a move must make.
const EFFECT: f64 = 1e-4;

/// Standard error, in the coefficient's range, above which the data do not tell its value.
const TOO_WIDE: f64 = 0.5;

/// Iterations of a fit from each of its starts.
const FIRST_ITERATIONS: usize = 12;

/// Iterations that follow from the best of them.
const ITERATIONS: usize = 40;

/// A fitted coefficient.
#[derive(Clone, Debug)]
pub struct FittedKnob {
    /// What it is.
    pub knob: Knob,
    /// Fitted value, in SI units; the one it had where the fit started if it was not fitted.
    pub value: f64,
    /// Standard error, in SI units; `None` where it was not fitted.
    pub error: Option<f64>,
    /// What became of it.
    pub state: State,
}

/// What became of a coefficient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Fitted.
    Fitted,
    /// Fitted, and it ended at a bound.
    AtBound,
    /// How kernels are built; not fitted.
    Given,
    /// No row depends on it; left as it was.
    NoEffect,
    /// The rows do not tell its value from those of others; left as it was.
    NotIdentified,
}

/// Predictions as a function of a group's coefficients.
pub(super) struct Model<'a> {
    pub(super) profile: &'a Profile,
    /// Values of groups fitted before.
    pub(super) fixed: &'a [(String, Quantity)],
    pub(super) knobs: &'a [Knob],
    pub(super) memo: &'a Memo,
}

impl Model<'_> {
    /// The chip at a point; `None` if its description refuses it.
    pub(super) fn chip(&self, point: &[f64]) -> Option<System> {
        let fixed = self
            .fixed
            .iter()
            .map(|(path, value)| (path.as_str(), *value));
        let pairs = self.knobs.iter().zip(point);
        let own = pairs.map(|(knob, place)| (knob.path.as_str(), knob.quantity(*place)));
        let values: Vec<(&str, Quantity)> = fixed.chain(own).collect();
        self.profile.evaluate_with(&values).ok()
    }

    /// Predicted over measured, row by row; not a number where a row cannot be priced.
    pub(super) fn ratios(&self, point: &[f64], rows: &[&Observed<'_>]) -> Vec<f64> {
        match self.chip(point) {
            Some(system) => ratios(&system, rows, self.memo),
            None => vec![f64::NAN; rows.len()],
        }
    }
}

/// Predicted over measured on a chip.
pub(super) fn ratios(system: &System, rows: &[&Observed<'_>], memo: &Memo) -> Vec<f64> {
    let chip = Prepared::new(system);
    let of = |row: &&Observed<'_>| {
        let latency = row.replay.latency(&chip, memo);
        latency.map_or(f64::NAN, |t| t.0 / row.seconds)
    };
    rows.par_iter().map(of).collect()
}

/// A model with the rows it is compared to.
struct Problem<'a, 'b> {
    model: &'a Model<'a>,
    rows: &'a [&'b Observed<'b>],
}

impl Residuals for Problem<'_, '_> {
    fn at(&self, point: &[f64]) -> Vec<f64> {
        let ratios = self.model.ratios(point, self.rows);
        ratios.into_iter().map(f64::ln).collect()
    }
}

/// How far the prediction of each row moves with a group's coefficients: the largest move by one of them.
pub(super) fn effects(model: &Model<'_>, rows: &[&Observed<'_>]) -> Vec<f64> {
    let start: Vec<f64> = model.knobs.iter().map(|k| k.place(k.start)).collect();
    let before = model.ratios(&start, rows);
    let mut effects = vec![0.0; rows.len()];
    let all: Vec<f64> = start.iter().map(|place| probe(*place)).collect();
    if model
        .ratios(&all, rows)
        .iter()
        .zip(&before)
        .all(|(a, b)| a == b)
    {
        return effects;
    }
    for at in 0..start.len() {
        let mut moved = start.clone();
        moved[at] = probe(start[at]);
        let after = model.ratios(&moved, rows);
        for ((effect, a), b) in effects.iter_mut().zip(&after).zip(&before) {
            let change = (a / b).ln().abs();
            if change.is_finite() && change > EFFECT {
                *effect = change.max(*effect);
            }
        }
    }
    effects
}

fn probe(place: f64) -> f64 {
    if place > 0.5 {
        place - PROBE
    } else {
        place + PROBE
    }
}

/// The fit of a group, and predicted over measured of each row of the sample when its site was held out.
pub(super) struct Fit {
    pub(super) knobs: Vec<FittedKnob>,
    pub(super) point: Vec<f64>,
    pub(super) n_free: usize,
    /// Row of the sample and its ratio.
    pub(super) held_out: Vec<(usize, f64)>,
}

/// Coefficients that move predictions of these rows, at any of the starts.
pub(super) fn effective(
    model: &Model<'_>,
    starts: &[Vec<f64>],
    rows: &[&Observed<'_>],
) -> Vec<usize> {
    let mut moves = vec![false; model.knobs.len()];
    for start in starts {
        let before = model.ratios(start, rows);
        for (at, moves) in moves.iter_mut().enumerate() {
            if *moves || model.knobs[at].is_built {
                continue;
            }
            let mut moved = start.clone();
            moved[at] = probe(start[at]);
            let after = model.ratios(&moved, rows);
            let changes = after.iter().zip(&before).map(|(a, b)| (a / b).ln().abs());
            let sum: f64 = changes.filter(|c| c.is_finite()).sum();
            *moves = sum > EFFECT * rows.len() as f64;
        }
    }
    (0..moves.len()).filter(|at| moves[*at]).collect()
}

/// The best of a few iterations from each start, searched on from there.
fn search(
    problem: &Problem<'_, '_>,
    starts: &[Vec<f64>],
    free: &[usize],
    polish: bool,
) -> Vec<f64> {
    let first = Effort {
        iterations: FIRST_ITERATIONS,
        polish: false,
    };
    let mut best: Option<(f64, Vec<f64>)> = None;
    for start in starts {
        let point = minimize(problem, start, free, first);
        let value = loss(&problem.at(&point));
        if best.as_ref().is_none_or(|(least, _)| value < *least) {
            best = Some((value, point));
        }
    }
    let start = best.map_or_else(Vec::new, |(_, point)| point);
    let effort = Effort {
        iterations: ITERATIONS,
        polish,
    };
    minimize(problem, &start, free, effort)
}

pub(super) fn fit(
    group: &Group,
    model: &Model<'_>,
    rows: &[&Observed<'_>],
    sample: &[usize],
    effective: &[usize],
) -> Fit {
    let starts = group.starts();
    let sampled: Vec<&Observed<'_>> = sample.iter().map(|i| rows[*i]).collect();
    let problem = Problem {
        model,
        rows: &sampled,
    };
    let mut free = effective.to_vec();
    let mut point = search(&problem, &starts, &free, true);
    let mut errors = standard_errors(&problem, &point, &free);
    let is_told = |error: &Option<f64>| error.is_some_and(|e| e <= TOO_WIDE);
    if !errors.iter().all(is_told) {
        let told = free.iter().zip(&errors).filter(|(_, e)| is_told(e));
        free = told.map(|(at, _)| *at).collect();
        let effort = Effort {
            iterations: ITERATIONS,
            polish: true,
        };
        point = minimize(&problem, &point, &free, effort);
        errors = standard_errors(&problem, &point, &free);
    }
    // Values that were fitted to these rows before say nothing of rows that are held out.
    let unseen = match (group.from, starts.as_slice()) {
        (Origin::Own, [_, others @ ..]) if !others.is_empty() => others,
        (Origin::Own | Origin::Default | Origin::Other, all) => all,
    };
    let knobs = group.knobs.iter().enumerate().map(|(at, knob)| {
        let found = free.iter().position(|f| *f == at);
        let is_at_bound = point[at] <= 0.0 || point[at] >= 1.0;
        let state = match found {
            Some(_) if is_at_bound => State::AtBound,
            Some(_) => State::Fitted,
            None if knob.is_built => State::Given,
            None if effective.contains(&at) => State::NotIdentified,
            None => State::NoEffect,
        };
        let error = found.and_then(|i| errors[i]).map(|e| {
            let [low, high] = [point[at] - e, point[at] + e].map(|p| knob.value(p.clamp(0.0, 1.0)));
            (high - low) / 2.0
        });
        FittedKnob {
            value: knob.value(point[at]),
            knob: knob.clone(),
            error,
            state,
        }
    });
    Fit {
        knobs: knobs.collect(),
        n_free: free.len(),
        held_out: cross_validate(model, &sampled, sample, unseen, effective),
        point,
    }
}

/// Standard error of each free coefficient, in its range: `σ² (JᵀJ)⁻¹`; `None` where it has none.
fn standard_errors(problem: &Problem<'_, '_>, point: &[f64], free: &[usize]) -> Vec<Option<f64>> {
    let residuals = problem.at(point);
    let slopes: Array2<f64> = jacobian(problem, point, &residuals, free);
    let finite: Vec<f64> = residuals
        .iter()
        .copied()
        .filter(|r| r.is_finite())
        .collect();
    let freedom = finite.len().saturating_sub(free.len()).max(1) as f64;
    let variance = finite.iter().map(|r| r * r).sum::<f64>() / freedom;
    let mut normal = slopes.t().dot(&slopes);
    let largest = normal.diag().iter().copied().fold(0.0, f64::max);
    for i in 0..free.len() {
        normal[[i, i]] += 1e-9 * largest;
    }
    let Some(factor) = cholesky(normal) else {
        return vec![None; free.len()];
    };
    let n = free.len();
    let unit = |i: usize| ndarray::Array1::from_shape_fn(n, |j| f64::from(u8::from(i == j)));
    (0..n)
        .map(|i| {
            let inverse = solve(&factor, &unit(i))[i];
            Some((variance * inverse).sqrt()).filter(|e| e.is_finite())
        })
        .collect()
}

/// Ratios of rows whose sites were held out of the fit, each fold fitted from the same starts.
fn cross_validate(
    model: &Model<'_>,
    sampled: &[&Observed<'_>],
    sample: &[usize],
    starts: &[Vec<f64>],
    free: &[usize],
) -> Vec<(usize, f64)> {
    let rows: Vec<&OpRow> = sampled.iter().map(|o| o.row).collect();
    let folds = split::folds(&rows);
    let mut all = Vec::with_capacity(sampled.len());
    for fold in 0..split::FOLDS {
        let (held, fitted): (Vec<usize>, Vec<usize>) =
            (0..sampled.len()).partition(|i| folds[*i] == fold);
        let of = |places: &[usize]| -> Vec<&Observed<'_>> {
            places.iter().map(|i| sampled[*i]).collect()
        };
        if held.is_empty() || fitted.is_empty() {
            continue;
        }
        let problem = Problem {
            model,
            rows: &of(&fitted),
        };
        let point = search(&problem, starts, free, false);
        let ratios = model.ratios(&point, &of(&held));
        all.extend(held.iter().map(|i| sample[*i]).zip(ratios));
    }
    all.sort_by_key(|(i, _)| *i);
    all
}
