//! Models and chips as people read them.

use crate::hardware::System;
use crate::record::ChipDocument;
use crate::report::{Cell, Column, Table};
use crate::units::{
    Bytes, BytesPerSecond, Dimension, Hertz, Meters, OpsPerSecond, Quantity, Seconds, SquareMeters,
    Watts, count, significant,
};

use super::console::{Console, width};
use super::operators::short;
use super::run_text::UNKNOWN;

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
