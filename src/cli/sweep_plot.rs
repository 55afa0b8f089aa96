//! The picture of a sweep: two objectives, the third as color, the front by name.

use crate::diag::Problems;
use crate::explore::{Plan, Point, Sweep};
use crate::report::plot::{self, Axis, Better, Plot, Scatter, ScatterPoint};
use crate::simulate::Metric;

use super::plots::Files;
use super::sweep_text::{marks, mix};

/// `pareto.svg` and `pareto.png`.
///
/// # Errors
/// E9999 if the plot cannot be drawn.
pub(super) fn files(plan: &Plan, sweep: &Sweep) -> Result<Files, Problems> {
    let plot = Plot::Scatter(scatter(plan, sweep));
    let svg = plot::svg(&plot).map_err(|e| super::sweep::undrawn(&e))?;
    let png = plot::png(&plot).map_err(|e| super::sweep::undrawn(&e))?;
    Ok(vec![
        ("pareto.svg".to_owned(), svg.into_bytes()),
        ("pareto.png".to_owned(), png),
    ])
}

/// The first two objectives; a single one is drawn over the area, or over the power where that is the
/// objective.
pub(super) fn scatter(plan: &Plan, sweep: &Sweep) -> Scatter {
    let mut metrics = plan.objectives.clone();
    let known = |m: Metric| sweep.points.iter().any(|p| p.mean(m).is_some());
    for metric in [Metric::Area, Metric::Power, Metric::Latency] {
        if metrics.len() < 3 && !metrics.contains(&metric) && known(metric) {
            metrics.push(metric);
        }
    }
    let (x, y, color) = (metrics[0], metrics.get(1).copied(), metrics.get(2).copied());
    let y = y.unwrap_or(Metric::Latency);
    let value = |p: &Point, m: Option<Metric>| {
        m.and_then(|m| p.mean(m).map(|v| shown(m, v)))
            .unwrap_or(f64::NAN)
    };
    let point = |p: &Point| ScatterPoint {
        x: value(p, Some(x)),
        y: value(p, Some(y)),
        color: value(p, color),
        is_feasible: p.is_feasible(),
    };
    let drawn = drawn(sweep);
    let at = |i: &usize| drawn.binary_search(i).ok();
    let thinned = if drawn.len() < sweep.points.len() {
        format!(" · {} of them drawn", drawn.len())
    } else {
        String::new()
    };
    let limits: Vec<String> = plan.constraints.iter().map(ToString::to_string).collect();
    let require = if limits.is_empty() {
        String::new()
    } else {
        format!(" · {}", limits.join(", "))
    };
    Scatter {
        title: format!(
            "{}: {} designs, {} on the front{thinned}",
            plan.name,
            sweep.points.len(),
            sweep.front.len()
        ),
        subtitle: format!("{} on {}{require}", mix(plan), plan.chip_names()),
        x: axis(x),
        y: axis(y),
        color: color.map(axis),
        points: drawn
            .iter()
            .filter_map(|&i| sweep.at(i).map(point))
            .collect(),
        front: sweep.front.iter().filter_map(at).collect(),
        marks: marks(plan, sweep)
            .into_iter()
            .filter(|(_, text)| !text.is_empty())
            .filter_map(|(i, text)| Some((at(&i)?, text)))
            .collect(),
    }
}

/// Points beyond which only the front and some of the others are drawn.
const MOST_DRAWN: usize = 1000;

/// The points to draw, ascending: all of them, or the front and every so manieth of the others.
fn drawn(sweep: &Sweep) -> Vec<usize> {
    let step = sweep.points.len().div_ceil(MOST_DRAWN).max(1);
    let others = sweep.points.iter().step_by(step).map(|p| p.index);
    let mut all: Vec<usize> = others.chain(sweep.front.iter().copied()).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// Area is read in mm².
fn shown(metric: Metric, value: f64) -> f64 {
    if metric == Metric::Area {
        value * 1e6
    } else {
        value
    }
}

fn axis(metric: Metric) -> Axis {
    let name = metric.name().replace('_', " ");
    let mut letters = name.chars();
    let first = letters
        .next()
        .map(|c| c.to_uppercase().to_string())
        .unwrap_or_default();
    Axis {
        name: format!("{first}{}", letters.as_str()),
        unit: match metric {
            Metric::Area => "mm²".to_owned(),
            Metric::Utilization => String::new(),
            Metric::Latency
            | Metric::Ttft
            | Metric::Tpot
            | Metric::Throughput
            | Metric::SampleRate
            | Metric::Energy
            | Metric::EnergyPerToken
            | Metric::EnergyPerSample
            | Metric::Power
            | Metric::PeakPower
            | Metric::Memory => metric.unit().to_owned(),
        },
        better: if metric.is_maximized() {
            Better::Higher
        } else {
            Better::Lower
        },
    }
}
