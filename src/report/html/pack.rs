//! Points of a sweep, column by column and in few digits.

use serde_json::{Value, json};

use crate::record::{StoredPoint, StoredSweep};

/// Most points that a page holds.
pub const MOST_POINTS: usize = 10_000;

/// A number in five digits; `null` if it is not known.
pub(super) fn rounded(value: Option<f64>) -> Value {
    let Some(value) = value.filter(|v| v.is_finite()) else {
        return Value::Null;
    };
    if value.fract() == 0.0 && value.abs() < 1e5 {
        return json!(value as i64);
    }
    let text = format!("{value:.4e}");
    json!(text.parse::<f64>().unwrap_or(value))
}

/// Columns, points, reasons, and how many points are left out.
pub(super) struct Packed {
    pub(super) columns: Value,
    pub(super) points: Value,
    pub(super) reasons: Vec<String>,
    pub(super) left_out: usize,
}

/// The points that a page holds: all, or the front and evenly spread others.
fn kept(sweep: &StoredSweep) -> Vec<&StoredPoint> {
    let n_front = sweep.points.iter().filter(|p| p.is_on_front).count();
    let others = sweep.points.len() - n_front;
    let room = MOST_POINTS.saturating_sub(n_front).max(1);
    let step = others.div_ceil(room).max(1);
    let mut nth = 0;
    let keeps = |point: &&StoredPoint| {
        if point.is_on_front {
            return true;
        }
        nth += 1;
        (nth - 1) % step == 0
    };
    sweep.points.iter().filter(keeps).collect()
}

pub(super) fn pack(sweep: &StoredSweep) -> Packed {
    let points = kept(sweep);
    let space = &sweep.space;
    let mut columns: Vec<Value> = Vec::new();
    let mut values: Vec<Value> = Vec::new();
    let mut worst: Vec<Value> = Vec::new();
    let steps: Vec<Vec<usize>> = points.iter().map(|p| space.steps(p.index)).collect();
    for (a, axis) in space.axes.iter().enumerate() {
        let numbers: Option<Vec<f64>> = axis.numbers.iter().copied().collect();
        columns.push(json!({
            "key": axis.set.join("="),
            "label": label(&axis.set),
            "unit": "",
            "doc": format!("Axis {}", axis.set.join(" = ")),
            "choices": axis.values,
            "numbers": numbers,
        }));
        values.push(steps.iter().map(|s| s[a]).collect());
        worst.push(Value::Null);
    }
    for (c, column) in space.columns.iter().enumerate() {
        let known = |p: &&StoredPoint| p.means[c].is_some();
        if !points.iter().any(known) {
            continue;
        }
        let mean = |p: &&StoredPoint| rounded(p.means[c]);
        let least = |p: &&StoredPoint| rounded(p.worst[c]);
        let differs = points.iter().any(|p| p.means[c] != p.worst[c]);
        let is_goal = space.objectives.contains(&column.key);
        columns.push(json!({
            "key": column.key,
            "label": column.label,
            "unit": unit(&column.unit),
            "doc": column.doc,
            "better": if column.is_maximized { "higher" } else { "lower" },
        }));
        values.push(points.iter().map(mean).collect());
        worst.push(if differs && is_goal {
            points.iter().map(least).collect()
        } else {
            Value::Null
        });
    }
    let mut reasons: Vec<String> = vec![String::new()];
    let reason = |p: &&StoredPoint| {
        let text = why(&p.violated);
        let at = reasons.iter().position(|r| *r == text);
        at.unwrap_or_else(|| {
            reasons.push(text);
            reasons.len() - 1
        })
    };
    let reason: Vec<usize> = points.iter().map(reason).collect();
    let place = |point: usize| points.iter().position(|p| p.index == point);
    let front = (0..points.len()).filter(|i| points[*i].is_on_front);
    Packed {
        columns: Value::Array(columns),
        points: json!({
            "index": points.iter().map(|p| p.index).collect::<Vec<_>>(),
            "values": values,
            "worst": worst,
            "feasible": points.iter().map(|p| u8::from(p.is_feasible)).collect::<Vec<_>>(),
            "front": front.collect::<Vec<_>>(),
            "knee": space.knee.and_then(place),
            "reason": reason,
        }),
        reasons,
        left_out: sweep.points.len() - points.len(),
    }
}

/// What a point misses, without its figures: `area < 2 mm²`.
fn why(violated: &str) -> String {
    let first = violated.split(';').next().unwrap_or_default();
    first
        .split(':')
        .next()
        .unwrap_or_default()
        .trim()
        .to_owned()
}

/// The last parts of paths: `glb`, `batch`.
fn label(set: &[String]) -> String {
    let short = |path: &String| {
        let path = path
            .strip_prefix("chip.")
            .or(path.strip_prefix("scenario."));
        path.unwrap_or_default().to_owned()
    };
    set.iter().map(short).collect::<Vec<_>>().join(" = ")
}

/// As the script knows units.
fn unit(unit: &str) -> &str {
    match unit {
        "1" => "share",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_five_digits() {
        assert_eq!(rounded(Some(1.234_567_8e-7)).to_string(), "1.2346e-7");
        assert_eq!(rounded(Some(256.0)).to_string(), "256");
        assert_eq!(rounded(Some(f64::INFINITY)), Value::Null);
        assert_eq!(rounded(None), Value::Null);
    }

    #[test]
    fn reasons_lose_their_figures() {
        assert_eq!(why("area < 2 mm²: 3 mm²; power < 1 W: 2 W"), "area < 2 mm²");
        assert_eq!(why(""), "");
    }
}
