//! How much each parameter of a chip moves each figure of a design, by pricing it again with a quarter more and less.

use rayon::prelude::*;

use crate::diag::Problems;
use crate::hardware::{Profile, System};
use crate::simulate::{Memo, Metric};
use crate::units::{Dimension, Quantity};

use super::once::{priced, scenarios, weights};
use super::plan::Plan;
use super::point::Point;
use super::run::{assigned, chip};
use super::space::Choice;

/// How far a parameter is turned.
const STEP: f64 = 0.25;

/// Share below which a figure counts as not moved.
const STILL: f64 = 1e-9;

/// A figure with a parameter turned down and up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moved {
    /// Which figure.
    pub metric: Metric,
    /// With less; `None` where that chip does not work out.
    pub low: Option<f64>,
    /// As it is.
    pub base: f64,
    /// With more.
    pub high: Option<f64>,
    /// `d ln figure / d ln parameter` between the outermost known values.
    pub elasticity: Option<f64>,
}

/// A parameter of a design.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// As in a sweep file: `chip.glb`.
    pub path: String,
    /// As it is, and turned down and up, as people read them.
    pub shown: [String; 3],
    /// Every figure that is known.
    pub moved: Vec<Moved>,
}

/// What more of a parameter buys.
#[derive(Clone, Debug, PartialEq)]
pub struct Upgrade {
    /// As in a sweep file.
    pub path: String,
    /// `mm2` or `W`
    pub per: &'static str,
    /// The figure that it improves.
    pub metric: Metric,
    /// Share by which the figure improves for each unit spent; infinite where it costs nothing.
    pub gain: f64,
}

/// A design and its parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct Sensitivity {
    /// Its point.
    pub point: usize,
    /// What it is known for.
    pub why: String,
    /// Parameters that move some figure, in the chip's order.
    pub parameters: Vec<Parameter>,
    /// Parameters that move none.
    pub still: Vec<String>,
    /// The first objective's best buys, the best first.
    pub upgrades: Vec<Upgrade>,
}

/// Turns every parameter of a point's chip.
///
/// # Errors
/// What stops the point itself from being priced.
pub fn sensitivity(plan: &Plan, point: usize, why: &str) -> Result<Sensitivity, Problems> {
    let system = chip(plan, point)?;
    let memo = Memo::new();
    let (asked, weights) = (scenarios(plan, point), weights(plan));
    let price = |system: &System| priced(plan, point, system, &asked, &weights, &memo);
    let base = price(&system)?;
    let tried = candidates(plan.profile(point), &system);
    let turned: Vec<Option<Parameter>> = tried
        .par_iter()
        .map(|(path, value)| {
            let at = |factor: f64| {
                let quantity = turn(*value, factor)?;
                let values = assigned(plan, point, Some((path.as_str(), quantity)));
                let system = plan.profile(point).evaluate_with(&values).ok()?;
                Some((quantity, price(&system).ok()?))
            };
            let (low, high) = (at(1.0 - STEP), at(1.0 + STEP));
            (low.is_some() || high.is_some()).then(|| parameter(path, *value, &base, low, high))
        })
        .collect();
    let (moving, still): (Vec<_>, Vec<_>) = turned
        .into_iter()
        .flatten()
        .partition(|p| p.moved.iter().any(is_moved));
    Ok(Sensitivity {
        point,
        why: why.to_owned(),
        upgrades: upgrades(plan, &moving),
        parameters: moving,
        still: still.into_iter().map(|p| p.path).collect(),
    })
}

fn is_moved(moved: &Moved) -> bool {
    let far = |v: f64| (v - moved.base).abs() > STILL * moved.base.abs();
    moved.low.is_some_and(far) || moved.high.is_some_and(far)
}

/// Knobs of the chip, then keys that no knob stands for: clock, memories, power.
fn candidates(profile: &Profile, system: &System) -> Vec<(String, Quantity)> {
    let settable = profile.settable();
    let mut found: Vec<(String, Quantity)> = Vec::new();
    for param in &system.params {
        found.push((param.name.clone(), param.value));
    }
    let mut keys: Vec<(String, f64, Dimension)> = Vec::new();
    let clock = system.process.clock.0;
    keys.push(("process.clock".to_owned(), clock, Dimension::FREQUENCY));
    for memory in &system.memories {
        let name = &memory.name;
        let capacity = memory.capacity.0;
        keys.push((
            format!("memory.{name}.capacity"),
            capacity,
            Dimension::BYTES,
        ));
        for (i, port) in memory.ports.iter().enumerate() {
            let path = format!("memory.{name}.ports.{i}.bandwidth");
            keys.push((path, port.bandwidth.0, Dimension::BANDWIDTH));
        }
        // A memory with one port may state its bandwidth without it.
        if let [port] = memory.ports.as_slice() {
            let path = format!("memory.{name}.bandwidth");
            keys.push((path, port.bandwidth.0, Dimension::BANDWIDTH));
        }
    }
    let power = &system.power;
    for (name, value) in [
        ("cap", power.cap.or(power.tdp)),
        ("idle", power.idle),
        ("active", power.active),
    ] {
        let value = value.map_or(f64::NAN, |w| w.0);
        keys.push((format!("power.{name}"), value, Dimension::POWER));
    }
    let known = |path: &String| settable.iter().any(|s| s == path);
    // A knob that says the same moves the same.
    let is_knob = |value: f64, dimension: Dimension| {
        let same =
            |p: &crate::hardware::Param| p.value.value == value && p.value.dimension == dimension;
        system.params.iter().any(same)
    };
    for (path, value, dimension) in keys {
        let is_number = value.is_finite() && value > 0.0;
        if is_number && known(&path) && !is_knob(value, dimension) {
            found.push((path, Quantity { value, dimension }));
        }
    }
    found
}

/// The value times a factor, whole where it must be; `None` if that is the value itself.
fn turn(value: Quantity, factor: f64) -> Option<Quantity> {
    let turned = value.value * factor;
    let is_whole = value.value.fract() == 0.0
        && (value.dimension == Dimension::NONE || value.dimension == Dimension::BYTES);
    let turned = match is_whole {
        true if factor > 1.0 => turned.ceil(),
        true => turned.floor(),
        false => turned,
    };
    (turned > 0.0 && turned != value.value).then_some(Quantity {
        value: turned,
        ..value
    })
}

fn parameter(
    path: &str,
    value: Quantity,
    base: &Point,
    low: Option<(Quantity, Point)>,
    high: Option<(Quantity, Point)>,
) -> Parameter {
    let shown = |quantity: Quantity| Choice::of_quantity(quantity).shown;
    let side =
        |side: &Option<(Quantity, Point)>| side.as_ref().map_or(String::new(), |s| shown(s.0));
    let moved = Metric::ALL.into_iter().filter_map(|metric| {
        let now = base.mean(metric)?;
        let of = |side: &Option<(Quantity, Point)>| {
            let (at, point) = side.as_ref()?;
            Some((at.value, point.mean(metric)?))
        };
        let (less, more) = (of(&low), of(&high));
        let (from, to) = (
            less.unwrap_or((value.value, now)),
            more.unwrap_or((value.value, now)),
        );
        let slope = (to.1 / from.1).ln() / (to.0 / from.0).ln();
        Some(Moved {
            metric,
            low: less.map(|s| s.1),
            base: now,
            high: more.map(|s| s.1),
            elasticity: Some(slope).filter(|e| e.is_finite()),
        })
    });
    Parameter {
        path: format!("chip.{path}"),
        shown: [shown(value), side(&low), side(&high)],
        moved: moved.collect(),
    }
}

/// What turning a parameter up, or down where that helps, improves of the first objective, for what it costs.
fn upgrades(plan: &Plan, parameters: &[Parameter]) -> Vec<Upgrade> {
    let Some(&metric) = plan.objectives.first() else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for parameter in parameters {
        let of = |m: Metric| parameter.moved.iter().find(|x| x.metric == m);
        let Some(goal) = of(metric) else { continue };
        for (per, cost, unit) in [("mm2", Metric::Area, 1e-6), ("W", Metric::Power, 1.0)] {
            let Some(cost) = of(cost) else { continue };
            for (figure, spent) in [(goal.high, cost.high), (goal.low, cost.low)] {
                let (Some(figure), Some(spent)) = (figure, spent) else {
                    continue;
                };
                let gain = match metric.is_maximized() {
                    true => figure / goal.base - 1.0,
                    false => 1.0 - figure / goal.base,
                };
                let spent = (spent - cost.base) / unit;
                if gain > STILL && spent > STILL {
                    found.push(Upgrade {
                        path: parameter.path.clone(),
                        per,
                        metric,
                        gain: gain / spent,
                    });
                }
            }
        }
    }
    found.sort_by(|a, b| b.gain.total_cmp(&a.gain));
    found
}
