//! The difference of two results, split into parts that add up to it.

use serde::Serialize;

use crate::record::{StoredOperator, StoredRun};

use super::subject::Subject;

/// A figure on both sides.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FigureChange {
    /// `latency`
    pub name: String,
    /// SI unit, `mm²` for areas.
    pub unit: String,
    /// Before.
    pub a: Option<f64>,
    /// After.
    pub b: Option<f64>,
    /// `b / a - 1`; `null` if either is not known, or the first is 0.
    pub share: Option<f64>,
}

/// An input that differs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct InputChange {
    /// `chip`, a parameter, a setting, a roof.
    pub name: String,
    /// Before; `null` where only the other side has it.
    pub a: Option<String>,
    /// After.
    pub b: Option<String>,
}

/// A part of a difference.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Cause {
    /// Operators of a phase and kind, or a component.
    pub name: String,
    /// What bound them: `gddr`, or `gddr → matrix` where that changed; empty for energy.
    pub bound: String,
    /// Operators behind it, on the side that has more.
    pub operators: usize,
    /// After minus before.
    pub change: f64,
}

/// Why one run differs from another.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Causes {
    /// Model.
    pub workload: String,
    /// Seconds, the largest first; they add up to the difference of the latencies.
    pub time: Vec<Cause>,
    /// Joules by component, static energy apart; empty if either energy is not known.
    pub energy: Vec<Cause>,
}

/// Two results.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// First side.
    pub a: String,
    /// Second side.
    pub b: String,
    /// Figures that either side knows.
    pub figures: Vec<FigureChange>,
    /// Inputs that differ.
    pub inputs: Vec<InputChange>,
    /// By workload that both sides have with operators.
    pub causes: Vec<Causes>,
}

/// Compares two results.
pub fn compare(a: &Subject, b: &Subject) -> Comparison {
    let mut figures = Vec::new();
    for figure in &a.figures {
        let other = b.figures.iter().find(|f| f.name == figure.name);
        let (x, y) = (figure.value, other.and_then(|f| f.value));
        if x.is_none() && y.is_none() {
            continue;
        }
        let share = x.zip(y).map(|(x, y)| y / x - 1.0);
        figures.push(FigureChange {
            name: figure.name.clone(),
            unit: figure.unit.clone(),
            a: x,
            b: y,
            share: share.filter(|s| s.is_finite()),
        });
    }
    let pairs = a.runs.iter().filter_map(|run| {
        let same = |other: &&StoredRun| other.workload.name == run.workload.name;
        let only = || {
            b.runs
                .first()
                .filter(|_| a.runs.len() == 1 && b.runs.len() == 1)
        };
        Some((run, b.runs.iter().find(same).or_else(only)?))
    });
    Comparison {
        a: a.name.clone(),
        b: b.name.clone(),
        figures,
        inputs: inputs(a, b),
        causes: pairs.map(|(x, y)| causes(x, y)).collect(),
    }
}

fn inputs(a: &Subject, b: &Subject) -> Vec<InputChange> {
    let of = |side: &Subject, name: &str| {
        let known = side.inputs.iter().find(|(known, _)| known == name);
        known.map(|(_, value)| value.clone())
    };
    let mut names: Vec<&String> = a.inputs.iter().map(|(name, _)| name).collect();
    for (name, _) in &b.inputs {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let changes = names.into_iter().map(|name| InputChange {
        name: name.clone(),
        a: of(a, name),
        b: of(b, name),
    });
    changes.filter(|c| c.a != c.b).collect()
}

fn causes(a: &StoredRun, b: &StoredRun) -> Causes {
    let energies = [a, b].map(|run| run.totals.energy_j);
    Causes {
        workload: b.workload.name.clone(),
        time: time(a, b),
        energy: match energies {
            [Some(_), Some(_)] => energy(a, b),
            _ => Vec::new(),
        },
    }
}

fn whole(op: &StoredOperator) -> f64 {
    op.latency_s * op.count as f64
}

/// Operators of one phase, name and place among equal names, on both sides.
fn pairs<'a>(
    a: &'a StoredRun,
    b: &'a StoredRun,
) -> Vec<(Option<&'a StoredOperator>, Option<&'a StoredOperator>)> {
    let mut left: Vec<Option<&StoredOperator>> = b.operators.iter().map(Some).collect();
    let mut found: Vec<_> = a
        .operators
        .iter()
        .map(|op| {
            let same = left
                .iter_mut()
                .find(|other| other.is_some_and(|o| o.name == op.name && o.phase == op.phase));
            (Some(op), same.and_then(Option::take))
        })
        .collect();
    found.extend(left.into_iter().flatten().map(|op| (None, Some(op))));
    found
}

fn time(a: &StoredRun, b: &StoredRun) -> Vec<Cause> {
    let mut found: Vec<Cause> = Vec::new();
    for (x, y) in pairs(a, b) {
        let Some(op) = y.or(x) else { continue };
        let change = y.map_or(0.0, whole) - x.map_or(0.0, whole);
        let bounds = [x, y].map(|o| o.map(|o| o.bound.as_str()));
        let bound = match bounds {
            [Some(from), Some(to)] if from != to => format!("{from} → {to}"),
            [Some(same), _] | [None, Some(same)] => same.to_owned(),
            [None, None] => String::new(),
        };
        let name = format!("{} {}", op.phase, op.kind);
        let known = found
            .iter_mut()
            .find(|c| c.name == name && c.bound == bound);
        match known {
            Some(cause) => {
                cause.change += change;
                cause.operators += 1;
            }
            None => found.push(Cause {
                name,
                bound,
                operators: 1,
                change,
            }),
        }
    }
    let total = b.totals.latency_s.unwrap_or(0.0) - a.totals.latency_s.unwrap_or(0.0);
    rest(&mut found, total);
    found
}

fn energy(a: &StoredRun, b: &StoredRun) -> Vec<Cause> {
    let mut found: Vec<Cause> = Vec::new();
    let mut add = |name: &str, change: f64| match found.iter_mut().find(|c| c.name == name) {
        Some(cause) => cause.change += change,
        None => found.push(Cause {
            name: name.to_owned(),
            bound: String::new(),
            operators: 0,
            change,
        }),
    };
    for (run, sign) in [(a, -1.0), (b, 1.0)] {
        for (name, joules) in &run.totals.energy_parts_j.0 {
            add(name, sign * joules);
        }
        add("static", sign * run.totals.static_energy_j.unwrap_or(0.0));
    }
    let total = b.totals.energy_j.unwrap_or(0.0) - a.totals.energy_j.unwrap_or(0.0);
    rest(&mut found, total);
    found
}

/// Adds what the parts leave of a total, and sorts them.
fn rest(found: &mut Vec<Cause>, total: f64) {
    let sum: f64 = found.iter().map(|c| c.change).sum();
    let scale = found
        .iter()
        .map(|c| c.change.abs())
        .fold(total.abs(), f64::max);
    if (total - sum).abs() > 1e-9 * scale {
        found.push(Cause {
            name: "other".to_owned(),
            bound: String::new(),
            operators: 0,
            change: total - sum,
        });
    }
    found.retain(|c| c.change != 0.0);
    found.sort_by(|a, b| b.change.abs().total_cmp(&a.change.abs()));
}
