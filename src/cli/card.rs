//! Models and chips as people read them.

use crate::hardware::System;
use crate::record::{ChipDocument, Keyed, ModelDocument, ModelOperatorPart};
use crate::report::{Cell, Column, Table};
use crate::units::{
    Bytes, BytesPerSecond, Dimension, Hertz, Meters, OpsPerSecond, Quantity, Seconds, SquareMeters,
    Watts, count, percent, si, significant,
};
use crate::workload::Scenario;

use super::console::{Console, width};
use super::operators::short;
use super::run_text::UNKNOWN;

/// A model: counts, then operators by kind and source.
pub(super) fn model(document: &ModelDocument, scenario: &Scenario, console: &Console) -> String {
    let size = |bytes: f64| console.size(Bytes(bytes));
    let totals = &document.totals;
    let mut out = format!(
        "{} · {} · {}\n",
        document.name, document.family, document.dtype
    );
    if console.verbose {
        out.push_str(&format!("from {}\n", document.origin));
    }
    let step = match document.phase {
        "infer" => "one forward pass".to_owned(),
        "decode" => format!("one decode step behind {} tokens", count(scenario.prompt)),
        _ => format!("prefill of {} tokens", count(scenario.prompt)),
    };
    out.push_str(&format!("counted: {step}{}\n\n", batch(scenario)));
    let mut rows = vec![("parameters", parameters(totals.parameters))];
    if let Some(active) = totals.active_parameters.filter(|n| *n != totals.parameters) {
        rows.push(("active", format!("{} for each token", parameters(active))));
    }
    rows.push((
        "MACs",
        format!(
            "{} ({})",
            si3(totals.macs, "MAC"),
            si3(totals.flops, "FLOP")
        ),
    ));
    rows.push(("weights", size(totals.weight_bytes)));
    rows.push((
        "activations",
        format!("{} at their peak", size(totals.activation_peak_bytes)),
    ));
    if let Some(each) = totals.kv_bytes_per_token {
        rows.push(("kv cache", format!("{} per token and sequence", size(each))));
    }
    if let Some(each) = totals.state_bytes_per_sequence {
        rows.push(("state", format!("{} per sequence", size(each))));
    }
    if let Some(context) = document.context {
        rows.push(("context", format!("{} tokens at most", count(context))));
    }
    if let Some(limit) = document.deadline_s {
        rows.push(("deadline", Seconds(limit).to_string()));
    }
    if !document.symbols.0.is_empty() {
        rows.push(("open dims", symbols(&document.symbols)));
    }
    let coverage = percent(totals.coverage);
    rows.push(("coverage", format!("{coverage} of operators are known")));
    for (name, value) in rows {
        out.push_str(&format!("  {name:<12} {value}\n"));
    }
    out.push('\n');
    out.push_str(&histogram(document, console).text(width()));
    out
}

fn batch(scenario: &Scenario) -> String {
    scenario
        .batch
        .map_or(String::new(), |n| format!(", batch {}", count(n)))
}

/// `8.03 B (8 030 261 248)`.
fn parameters(n: f64) -> String {
    let units = [(1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")];
    let exact = count(n as u64);
    match units.iter().find(|(scale, _)| n >= 0.9995 * scale) {
        Some((scale, unit)) => format!("{} {unit} ({exact})", significant(n / scale, 3)),
        None => exact,
    }
}

fn si3(value: f64, unit: &str) -> String {
    short(&si(value, unit))
}

fn symbols(symbols: &Keyed<Option<u64>>) -> String {
    let each = symbols.0.iter().map(|(name, default)| match default {
        Some(value) => format!("{name} = {value}"),
        None => format!("{name} (bind with --dim {name}=...)"),
    });
    each.collect::<Vec<_>>().join(", ")
}

/// Operators by kind and source, in order of first appearance.
fn histogram(document: &ModelDocument, console: &Console) -> Table {
    let columns = vec![
        Column::text("kind", "kind"),
        Column::text("source", "source"),
        Column::number("count", "count"),
        Column::number("macs", "MACs"),
        Column::number("share", "share"),
        Column::number("weight_bytes", "weights"),
    ];
    let mut groups: Vec<(&str, &str, u64, f64, f64)> = Vec::new();
    for op in &document.operators {
        let n = op.count as f64;
        let (macs, weights) = (op.macs * n, op.weight_bytes * n);
        match groups
            .iter_mut()
            .find(|g| g.0 == op.kind && g.1 == op.source)
        {
            Some(group) => {
                group.2 = group.2.saturating_add(op.count);
                group.3 += macs;
                group.4 += weights;
            }
            None => groups.push((op.kind, &op.source, op.count, macs, weights)),
        }
    }
    let whole = document.totals.macs;
    let mut table = Table::new("", columns);
    for (kind, source, n, macs, weights) in groups {
        let share = (whole > 0.0 && macs > 0.0).then(|| macs / whole);
        table.push(vec![
            Cell::text(kind),
            Cell::text(source),
            Cell::number(n as f64, count(n)),
            Cell::maybe((macs > 0.0).then_some(macs), |m| si3(m, "MAC")),
            Cell::maybe(share, percent),
            Cell::maybe((weights > 0.0).then_some(weights), |w| {
                console.size(Bytes(w))
            }),
        ]);
    }
    table
}

/// Every operator of a model, for tables.
pub(super) fn operator_table(document: &ModelDocument, console: &Console) -> Table {
    let columns = vec![
        Column::text("name", "operator"),
        Column::text("block", "block"),
        Column::text("kind", "kind"),
        Column::text("source", "source"),
        Column::number("count", "count"),
        Column::number("macs", "MACs"),
        Column::number("weight_bytes", "weights"),
        Column::number("input_bytes", "read"),
        Column::number("output_bytes", "written"),
    ];
    let mut table = Table::new("", columns);
    let size = |bytes: f64| Cell::number(bytes, console.size(Bytes(bytes)));
    let row = |op: &ModelOperatorPart| {
        vec![
            Cell::text(op.name.as_str()),
            Cell::text(op.block.as_str()),
            Cell::text(op.kind),
            Cell::text(op.source.as_str()),
            Cell::number(op.count as f64, count(op.count)),
            Cell::number(op.macs, si3(op.macs, "MAC")),
            size(op.weight_bytes),
            size(op.input_bytes),
            size(op.output_bytes),
        ]
    };
    document.operators.iter().for_each(|op| table.push(row(op)));
    table
}

/// A chip: figures, roofs, components, what is assumed.
pub(super) fn chip(document: &ChipDocument, system: &System, console: &Console) -> String {
    let node = short(&Meters(document.node_m).to_string());
    let clock = Hertz(document.clock_hz);
    let mut out = format!(
        "{} · {} · {node} · {clock}\n",
        document.name, document.class
    );
    out.push_str(&format!("source: {}\n\n", document.source));
    let watts = |p: Option<f64>| p.map_or(UNKNOWN.to_owned(), |p| Watts(p).to_string());
    let area = |a: Option<f64>| a.map_or(UNKNOWN.to_owned(), |a| SquareMeters(a).to_string());
    let power = format!(
        "TDP {}, cap {}, idle {}, active {}",
        watts(document.tdp_w),
        watts(document.cap_w),
        watts(document.idle_w),
        watts(document.active_w)
    );
    let roofs = &document.hardware.roofs;
    let peaks = roofs
        .peak_op_per_s
        .0
        .iter()
        .map(|(d, p)| format!("{d} {}", OpsPerSecond(*p)));
    let bands = roofs.bandwidth_byte_per_s.0.iter();
    let bands = bands.map(|(m, b)| format!("{m} {}", BytesPerSecond(*b)));
    let params = system.params.iter();
    let params = params.map(|p| format!("{} = {}", p.name, quantity(p.value)));
    let rows = [
        ("peak", peaks.collect::<Vec<_>>().join(", ")),
        ("bandwidth", bands.collect::<Vec<_>>().join(", ")),
        ("power", power),
        (
            "area",
            format!(
                "{} from components, die {}",
                area(document.hardware.area_m2),
                area(document.die_area_m2)
            ),
        ),
        ("knobs", params.collect::<Vec<_>>().join(", ")),
    ];
    for (name, value) in rows.iter().filter(|r| !r.1.is_empty()) {
        out.push_str(&format!("  {name:<10} {value}\n"));
    }
    out.push('\n');
    let mut table = chip_table(document, console);
    if !console.verbose {
        table.columns.pop();
    }
    out.push_str(&table.text(width()));
    if !document.assumed.is_empty() && !console.quiet {
        out.push_str("\nassumed, because the file does not say\n");
        for item in &document.assumed {
            out.push_str(&format!(
                "  {} = {}: {}\n",
                item.path, item.value, item.reason
            ));
        }
    }
    out
}

/// Prints a value in SI base units.
type Show = fn(f64) -> String;

/// A knob as people write it.
fn quantity(value: Quantity) -> String {
    let si = value.value;
    let known: [(Dimension, Show); 8] = [
        (Dimension::BYTES, |v| Bytes(v).to_string()),
        (Dimension::FREQUENCY, |v| Hertz(v).to_string()),
        (Dimension::BANDWIDTH, |v| BytesPerSecond(v).to_string()),
        (Dimension::POWER, |v| Watts(v).to_string()),
        (Dimension::OP_RATE, |v| OpsPerSecond(v).to_string()),
        (Dimension::TIME, |v| Seconds(v).to_string()),
        (Dimension::LENGTH, |v| Meters(v).to_string()),
        (Dimension::AREA, |v| SquareMeters(v).to_string()),
    ];
    let show = known.iter().find(|(d, _)| *d == value.dimension);
    show.map_or_else(|| significant(si, 4), |(_, show)| show(si))
}

/// Components of a chip.
pub(super) fn chip_table(document: &ChipDocument, console: &Console) -> Table {
    let columns = vec![
        Column::text("name", "component"),
        Column::text("kind", "kind"),
        Column::number("instances", "instances"),
        Column::number("capacity_bytes", "capacity of each"),
        Column::number("bandwidth_byte_per_s", "bandwidth of each"),
        Column::number("area_m2", "area of each"),
        Column::text("source", "source"),
    ];
    let mut table = Table::new("", columns);
    for part in &document.components {
        table.push(vec![
            Cell::text(part.name.as_str()),
            Cell::text(part.kind),
            Cell::number(part.instances as f64, count(part.instances)),
            Cell::maybe(part.capacity_bytes, |b| console.size(Bytes(b))),
            Cell::maybe(part.bandwidth_byte_per_s, |b| BytesPerSecond(b).to_string()),
            Cell::maybe(part.area_m2, |a| SquareMeters(a).to_string()),
            part.source
                .as_ref()
                .map_or(Cell::Missing, |s| Cell::text(s.as_str())),
        ]);
    }
    table
}
