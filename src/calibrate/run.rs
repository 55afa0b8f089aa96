//! All groups of coefficients that rows depend on, stack by stack.

use std::collections::BTreeMap;

use crate::cases::{Measured, replay};
use crate::diag::{Code, Problem, Problems};
use crate::hardware::kernels::Origin;
use crate::hardware::{Profile, System};
use crate::simulate::Memo;
use crate::units::Quantity;
use crate::workload::Stack;

use super::fit::{FittedKnob, Model, Observed, effective, effects, fit, ratios};
use super::knob::{self, Group};
use super::{Errors, SIZES, split};

/// Rows that a fit needs at the very least.
const LEAST_ROWS: usize = 20;

/// Rows that a fit needs for each coefficient.
const ROWS_PER_KNOB: usize = 3;

/// Settings of a calibration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Most rows that a group is fitted to; errors are stated over all of them.
    pub most_rows: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { most_rows: 1500 }
    }
}

/// A chip's coefficients after a calibration.
#[derive(Clone, Debug)]
pub struct Calibration {
    /// Fitted groups, in the order in which they were fitted.
    pub groups: Vec<FittedGroup>,
    /// Groups with too few rows to fit: path, rows, rows needed.
    pub too_few: Vec<(String, usize, usize)>,
    /// Errors by operator, format, stack and size.
    pub table: Vec<ErrorRow>,
    /// Why rows cannot be priced, and how many.
    pub unpriced: Vec<(String, usize)>,
}

/// A fitted group.
#[derive(Clone, Debug)]
pub struct FittedGroup {
    /// The path that its coefficients share; empty for those of the chip itself.
    pub path: String,
    /// Kernel library of its rows.
    pub stack: Stack,
    /// Whose values the fit started from.
    pub from: Origin,
    /// Its coefficients.
    pub knobs: Vec<FittedKnob>,
    /// Rows that depend on it.
    pub n_rows: usize,
    /// Coefficients that were fitted.
    pub n_free: usize,
    /// With the coefficients as they were.
    pub before: Option<Errors>,
    /// With the fitted ones.
    pub after: Option<Errors>,
    /// Of held-out rows.
    pub held_out: Option<Errors>,
}

/// Errors of one operator, format, stack and size.
#[derive(Clone, Debug)]
pub struct ErrorRow {
    /// Operator.
    pub op: String,
    /// Format.
    pub dtype: String,
    /// Stack.
    pub stack: Stack,
    /// Measured time; empty for all.
    pub size: &'static str,
    /// With the coefficients as they were.
    pub before: Errors,
    /// With the fitted ones.
    pub after: Errors,
    /// Of held-out rows; `None` where none was fitted.
    pub held_out: Option<Errors>,
}

/// Fits a chip's coefficients to measurements.
///
/// # Errors
/// Every problem of the chip's description; E0701 if there are too few rows for any coefficient.
pub fn calibrate(
    profile: &Profile,
    measured: &[Measured],
    settings: Settings,
) -> Result<Calibration, Problems> {
    let (system, _) = profile.evaluate()?;
    let memo = Memo::new();
    let (observed, unpriced) = observe(measured, &system);
    let mut found = Calibration {
        groups: Vec::new(),
        too_few: Vec::new(),
        table: Vec::new(),
        unpriced,
    };
    let mut fixed: Vec<(String, Quantity)> = Vec::new();
    let all: Vec<&Observed<'_>> = observed.iter().collect();
    let before = ratios(&system, &all, &memo);
    let mut held_out = vec![None; all.len()];
    for stack in Stack::ALL {
        let of_stack = |i: &usize| Stack::of(&all[*i].row.stack) == stack;
        let members: Vec<usize> = (0..all.len()).filter(of_stack).collect();
        if members.is_empty() {
            continue;
        }
        let groups = knob::groups(profile, &system, stack);
        let owners = owners(profile, &groups, &members, &all, &memo);
        for (place, group) in groups.into_iter().enumerate() {
            let of_group = members
                .iter()
                .zip(&owners)
                .filter(|(_, o)| **o == Some(place));
            let places: Vec<usize> = of_group.map(|(i, _)| *i).collect();
            if places.is_empty() {
                continue;
            }
            let model = Model {
                profile,
                fixed: &fixed,
                knobs: &group.knobs,
                memo: &memo,
            };
            let rows: Vec<&Observed<'_>> = places.iter().map(|i| all[*i]).collect();
            let name = group_name(&group);
            let moving = effective(&model, &group.starts(), &rows);
            let needed = LEAST_ROWS.max(ROWS_PER_KNOB * moving.len());
            if rows.len() < needed {
                found.too_few.push((name, rows.len(), needed));
                continue;
            }
            let just_rows: Vec<_> = rows.iter().map(|o| o.row).collect();
            let sample = split::sample(&just_rows, settings.most_rows);
            let fitted = fit(&group, &model, &rows, &sample, &moving);
            let after = model.ratios(&fitted.point, &rows);
            for (i, ratio) in &fitted.held_out {
                held_out[places[*i]] = Some(*ratio);
            }
            found.groups.push(FittedGroup {
                stack,
                from: group.from,
                n_rows: rows.len(),
                n_free: fitted.n_free,
                before: Errors::of(places.iter().map(|i| before[*i])),
                after: Errors::of(after),
                held_out: Errors::of(fitted.held_out.iter().map(|(_, r)| *r)),
                path: group.path.clone(),
                knobs: fitted.knobs,
            });
            let pairs = group.knobs.iter().zip(&fitted.point);
            fixed.extend(pairs.map(|(knob, place)| (knob.path.clone(), knob.quantity(*place))));
        }
    }
    if found.groups.is_empty() {
        return Err(too_little(&found, all.len()).into());
    }
    let values: Vec<(&str, Quantity)> = fixed.iter().map(|(p, q)| (p.as_str(), *q)).collect();
    let fitted = profile.evaluate_with(&values)?;
    let after = ratios(&fitted, &all, &memo);
    found.table = table(&all, &before, &after, &held_out);
    Ok(found)
}

/// How much more a new set of a format counts than that of another format that stands in for it.
const NEW: f64 = 2.0;

/// The group that each row is fitted with: the one that moves its prediction the most.
fn owners(
    profile: &Profile,
    groups: &[Group],
    members: &[usize],
    all: &[&Observed<'_>],
    memo: &Memo,
) -> Vec<Option<usize>> {
    let rows: Vec<&Observed<'_>> = members.iter().map(|i| all[*i]).collect();
    let mut best: Vec<(f64, Option<usize>)> = vec![(0.0, None); rows.len()];
    for (place, group) in groups.iter().enumerate() {
        let model = Model {
            profile,
            fixed: &[],
            knobs: &group.knobs,
            memo,
        };
        let weight = if group.from == Origin::Other {
            NEW
        } else {
            1.0
        };
        for (best, effect) in best.iter_mut().zip(effects(&model, &rows)) {
            if effect * weight > best.0 {
                *best = (effect * weight, Some(place));
            }
        }
    }
    best.into_iter().map(|(_, place)| place).collect()
}

fn group_name(group: &Group) -> String {
    if group.path.is_empty() {
        "achievable rates and overheads".to_owned()
    } else {
        group.path.clone()
    }
}

/// The rows that can be priced, and why others cannot.
fn observe<'a>(
    measured: &'a [Measured],
    system: &System,
) -> (Vec<Observed<'a>>, Vec<(String, usize)>) {
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    let mut observed = Vec::with_capacity(measured.len());
    for one in measured {
        match replay(&one.row, system) {
            Ok(replay) => observed.push(Observed {
                row: &one.row,
                replay,
                seconds: one.latency.0,
            }),
            Err(reason) => *reasons.entry(reason.to_string()).or_default() += 1,
        }
    }
    let mut reasons: Vec<(String, usize)> = reasons.into_iter().collect();
    reasons.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    (observed, reasons)
}

fn too_little(found: &Calibration, n_rows: usize) -> Problem {
    let message = format!("too few rows that can be priced to fit any coefficient: {n_rows}");
    let mut problem = Problem::new(Code::TooFewRows, message);
    for (name, rows, needed) in &found.too_few {
        problem = problem.note(format!("{name}: {rows} rows, {needed} needed"));
    }
    for (reason, n) in &found.unpriced {
        problem = problem.note(format!("{n} rows not priced: {reason}"));
    }
    problem.help(
        "measure more shapes: a few dozen sizes over several weights or head counts; \
         python/measure_gpu.py writes such a table",
    )
}

fn table(
    rows: &[&Observed<'_>],
    before: &[f64],
    after: &[f64],
    held_out: &[Option<f64>],
) -> Vec<ErrorRow> {
    type Key<'a> = (&'a str, &'a str, Stack);
    let mut groups: BTreeMap<Key<'_>, Vec<usize>> = BTreeMap::new();
    for (i, row) in rows.iter().enumerate() {
        let key = (
            row.row.op.as_str(),
            row.row.dtype.as_str(),
            Stack::of(&row.row.stack),
        );
        groups.entry(key).or_default().push(i);
    }
    let mut table = Vec::new();
    for ((op, dtype, stack), members) in groups {
        let mut least = 0.0;
        let mut push = |size, members: Vec<usize>| {
            let of = |ratios: &[f64]| Errors::of(members.iter().map(|i| ratios[*i]));
            if let (Some(before), Some(after)) = (of(before), of(after)) {
                table.push(ErrorRow {
                    op: op.to_owned(),
                    dtype: dtype.to_owned(),
                    stack,
                    size,
                    before,
                    after,
                    held_out: Errors::of(members.iter().filter_map(|i| held_out[*i])),
                });
            }
        };
        push("", members.clone());
        for (most, name) in SIZES {
            let within = |i: &usize| (least..most).contains(&rows[*i].seconds);
            push(name, members.iter().copied().filter(within).collect());
            least = most;
        }
    }
    table
}
