//! Operators of a run as a table for people.

use crate::record::{OperatorPart, RunDocument};
use crate::report::{Cell, Column, Table};
use crate::units::{Bytes, Joules, Seconds, Watts, percent};

use super::console::Console;

/// One phase of a run; `top` keeps the operators that take the most time.
pub(super) fn table(
    run: &RunDocument,
    phase: &str,
    top: Option<usize>,
    console: &Console,
) -> Table {
    let memory = run.fit.memory.as_str();
    let columns = vec![
        Column::text("name", "operator"),
        Column::text("kind", "kind"),
        Column::number("count", "count"),
        Column::number("total_latency_s", "time"),
        Column::number("share", "share"),
        Column::text("bound", "bound by"),
        Column::number("mac_utilization", "MAC util"),
        Column::number("roofline_share", "roofline"),
        Column::number("total_energy_j", "dynamic"),
        Column::number("power_w", "power"),
        Column::number("total_bytes", format!("{memory} bytes")),
    ];
    let of_phase: Vec<&OperatorPart> = run.operators.iter().filter(|o| o.phase == phase).collect();
    let whole: f64 = of_phase.iter().map(|o| time(o)).sum();
    let shown = largest(&of_phase, top);
    let mut table = Table::new("", columns);
    for op in &shown {
        table.push(row(op, whole, memory, console));
    }
    table
}

/// Time of all executions.
pub(super) fn time(op: &OperatorPart) -> f64 {
    op.count as f64 * op.latency_s
}

/// The operators that take the most time, in execution order.
pub(super) fn largest<'a>(all: &[&'a OperatorPart], top: Option<usize>) -> Vec<&'a OperatorPart> {
    let Some(top) = top.filter(|n| *n < all.len()) else {
        return all.to_vec();
    };
    let mut order: Vec<usize> = (0..all.len()).collect();
    order.sort_by(|a, b| time(all[*b]).total_cmp(&time(all[*a])).then(a.cmp(b)));
    order.truncate(top);
    order.sort_unstable();
    order.into_iter().map(|i| all[i]).collect()
}

fn row(op: &OperatorPart, whole: f64, memory: &str, console: &Console) -> Vec<Cell> {
    let count = op.count as f64;
    let share = (whole > 0.0).then(|| time(op) / whole);
    let of_roofline = (op.latency_s > 0.0).then(|| op.roofline_latency_s / op.latency_s);
    let moved = op.bytes.0.iter().find(|(name, _)| name == memory);
    let bound = match &op.fused_into {
        Some(into) => format!("fused into {into}"),
        None => op.bound.clone(),
    };
    vec![
        Cell::text(op.name.as_str()),
        Cell::text(op.kind),
        Cell::number(count, op.count.to_string()),
        Cell::number(time(op), short_time(time(op))),
        Cell::maybe(share, percent),
        Cell::text(bound),
        Cell::maybe(op.mac_utilization, percent),
        Cell::maybe(of_roofline, percent),
        Cell::maybe(op.energy_j.map(|e| e * count), |e| {
            short(&Joules(e).to_string())
        }),
        Cell::maybe(op.power_w, |p| short(&Watts(p).to_string())),
        Cell::maybe(moved.map(|m| m.1 * count), |b| {
            short(&console.size(Bytes(b)))
        }),
    ]
}

/// A time with three digits.
pub(super) fn short_time(seconds: f64) -> String {
    short(&Seconds(seconds).to_string())
}

/// `1.234 ms` with three significant digits: `1.23 ms`. Whole digits are kept.
pub(super) fn short(text: &str) -> String {
    let Some((number, unit)) = text.split_once(' ') else {
        return text.to_owned();
    };
    match number.parse::<f64>() {
        Ok(value) => format!("{} {unit}", crate::units::significant(value, 3)),
        Err(_) => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn three_digits_are_enough() {
        assert_eq!(short("1.238 ms"), "1.24 ms");
        assert_eq!(short("1234 J"), "1234 J");
        assert_eq!(short("80 GiB"), "80 GiB");
        assert_eq!(short("n/a"), "n/a");
    }
}
