//! Why nothing is feasible: the binding limit, what can be reached, and the smallest relaxation.

use crate::diag::{Code, Problem};
use crate::simulate::{Constraint, Metric, Relation};
use crate::units::{Bytes, count};

use super::plan::Plan;
use super::point::{Point, Reason};

/// E0501 for points none of which is feasible.
pub(super) fn explain(plan: &Plan, points: &[Point]) -> Option<Problem> {
    let limits: Vec<String> = plan.constraints.iter().map(Constraint::to_string).collect();
    let message = if limits.is_empty() {
        "no design can be priced and fits".to_owned()
    } else {
        format!("no design meets all of: {}", limits.join(", "))
    };
    let mut problem = Problem::new(Code::NoDesign, message);
    let candidates: Vec<&Point> = points.iter().filter(|p| only_limits(p)).collect();
    if candidates.is_empty() {
        return Some(blocked(problem, plan, points));
    }
    if let Some(text) = binding(plan, &candidates) {
        problem = problem.note(text);
    }
    Some(match relaxation(plan, &candidates) {
        Some(text) => problem.help(text),
        None => problem.help(
            "a limit is on a figure that is not known here: leave it out, or complete the chip",
        ),
    })
}

/// Whether limits are all that is in the way.
fn only_limits(point: &Point) -> bool {
    point.figures.is_some()
        && point
            .reasons
            .iter()
            .all(|r| matches!(r, Reason::Constraint { .. }))
}

/// Nothing is even a candidate: the most frequent reason, and one point that has it.
fn blocked(mut problem: Problem, plan: &Plan, points: &[Point]) -> Problem {
    let shortest = points
        .iter()
        .flat_map(|p| &p.reasons)
        .filter_map(|r| match r {
            Reason::Memory { short } => Some(*short),
            Reason::Unpriced(_) | Reason::Unknown(_) | Reason::Constraint { .. } => None,
        });
    if let Some(short) = shortest.reduce(Bytes::min) {
        problem = problem.note(format!("at best {short} of main memory are missing"));
    }
    let mut kinds: Vec<(String, String, usize)> = Vec::new();
    for reason in points.iter().filter_map(|p| p.reasons.first()) {
        let name = reason.name(&plan.constraints);
        match kinds.iter_mut().find(|k| k.0 == name) {
            Some(kind) => kind.2 += 1,
            None => kinds.push((name, reason.describe(&plan.constraints), 1)),
        }
    }
    for (name, text, n) in kinds {
        problem = problem.note(format!(
            "{} points: {name}, such as: {text}",
            count(n as u64)
        ));
    }
    problem
}

/// The limit that the fewest candidates meet, and the best value of each limited figure.
fn binding(plan: &Plan, candidates: &[&Point]) -> Option<String> {
    let missed = |i: usize| {
        let misses = |p: &&&Point| {
            p.reasons
                .iter()
                .any(|r| matches!(r, Reason::Constraint { index, .. } if *index == i))
        };
        candidates.iter().filter(misses).count()
    };
    let limits = 0..plan.constraints.len();
    let most = limits.max_by_key(|&i| (missed(i), std::cmp::Reverse(i)))?;
    let binding = plan.constraints[most].metric;
    let mut reachable: Vec<String> = Vec::new();
    let mut seen: Vec<Metric> = Vec::new();
    for constraint in &plan.constraints {
        let metric = constraint.metric;
        if seen.contains(&metric) {
            continue;
        }
        seen.push(metric);
        let wants_more = wants_more(constraint.relation);
        let known = candidates
            .iter()
            .filter_map(|p| Some((p.worst(metric)?, p.index)));
        let best = known.reduce(|a, b| {
            if (b.0 > a.0) == wants_more && b.0 != a.0 {
                b
            } else {
                a
            }
        });
        if let Some((value, index)) = best {
            reachable.push(format!("{metric} {} (point {index})", metric.show(value)));
        }
    }
    Some(format!(
        "binding: {binding}. Best reachable within the space: {}",
        reachable.join(", ")
    ))
}

fn wants_more(relation: Relation) -> bool {
    match relation {
        Relation::Above | Relation::AtLeast => true,
        Relation::Below | Relation::AtMost => false,
    }
}

/// Limits moved as far as the point asks for that misses them least.
fn relaxation(plan: &Plan, candidates: &[&Point]) -> Option<String> {
    let excess = |p: &Point| {
        let each = p.reasons.iter().map(|r| match r {
            Reason::Constraint { excess, .. } => *excess,
            Reason::Unpriced(_) | Reason::Memory { .. } | Reason::Unknown(_) => f64::INFINITY,
        });
        each.fold(0.0, f64::max)
    };
    let by_excess =
        |a: &&&Point, b: &&&Point| excess(a).total_cmp(&excess(b)).then(a.index.cmp(&b.index));
    let nearest = candidates
        .iter()
        .min_by(by_excess)
        .filter(|p| excess(p).is_finite())?;
    let mut relaxed = plan.constraints.clone();
    let mut moved = Vec::new();
    for reason in &nearest.reasons {
        let Reason::Constraint {
            index,
            value: Some(value),
            ..
        } = reason
        else {
            continue;
        };
        let constraint = &mut relaxed[*index];
        constraint.limit = outward(*value, wants_more(constraint.relation));
        let shown = constraint.metric.show(constraint.limit);
        moved.push(format!("{} to {shown}", constraint.metric));
    }
    let meets = |p: &&&Point| {
        relaxed.iter().all(|c| {
            p.worst(c.metric)
                .is_some_and(|v| c.relation.holds(v, c.limit))
        })
    };
    let n = candidates.iter().filter(meets).count();
    let designs = if n == 1 {
        "1 design".to_owned()
    } else {
        format!("{} designs", count(n as u64))
    };
    Some(format!(
        "relaxing {} makes {designs} feasible",
        moved.join(" and ")
    ))
}

/// Rounded to two digits, to the side on which the value meets it.
fn outward(value: f64, wants_more: bool) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    let unit = 10_f64.powi(value.abs().log10().floor() as i32 - 1);
    // A limit that is met only as `<=` would fail `<`.
    let steps = if wants_more {
        (value / unit).ceil() - 1.0
    } else {
        (value / unit).floor() + 1.0
    };
    steps * unit
}

#[cfg(test)]
mod tests {
    use super::outward;

    #[test]
    fn limits_are_rounded_to_the_side_that_admits_the_value() {
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-12 * b.abs(), "{a} {b}");
        close(outward(0.0413, false), 0.042);
        close(outward(41.0, false), 42.0);
        close(outward(41.0, true), 40.0);
        close(outward(0.333, true), 0.33);
    }
}
