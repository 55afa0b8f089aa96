//! `wattline list`: the catalog and the vocabulary.

use rayon::prelude::*;

use crate::catalog;
use crate::diag::{Problem, Problems};
use crate::hardware::{Direction, System};
use crate::import;
use crate::record::{ChipRow, FamilyRow, MetricRow, ModelRow, OpRow, SettingRow, class_name};
use crate::report::{Cell, Column, Table};
use crate::simulate::{Metric, Step, binding, phase_of, steps};
use crate::units::{Bytes, BytesPerSecond, Meters, OpsPerSecond, Watts, count, significant};
use crate::workload::{KNOBS, OWN_SETTINGS, OpKind, Scenario, Software, Workload};

use super::args::{ListArgs, ListKind};
use super::console::Console;
use super::load;
use super::start::Answer;

pub(super) fn command(args: &ListArgs, console: &Console) -> Result<Answer, Problems> {
    match args.kind {
        ListKind::Chips => chips(console)?,
        ListKind::Models => models(console)?,
        ListKind::Ops => ops(console)?,
        ListKind::Metrics => metrics(console)?,
        ListKind::Settings => settings(console)?,
        ListKind::Families => families(console)?,
    }
    Ok(Answer::Yes)
}

/// Rows in catalog order; entries that cannot be read become warnings.
fn rows<T: Send>(
    names: Vec<&'static str>,
    row: impl Fn(&'static str) -> Result<T, Problems> + Send + Sync,
) -> (Vec<T>, Vec<Problem>) {
    let found: Vec<Result<T, Problems>> = names.into_par_iter().map(row).collect();
    let (mut good, mut wrong) = (Vec::new(), Vec::new());
    for result in found {
        match result {
            Ok(row) => good.push(row),
            Err(problems) => wrong.extend(problems.0),
        }
    }
    (good, wrong)
}

fn chips(console: &Console) -> Result<(), Problems> {
    let (rows, wrong) = rows(catalog::chips(), |name| {
        load::evaluate(name, &[]).map(|(system, _)| chip_row(&system))
    });
    let columns = vec![
        Column::text("name", "chip"),
        Column::text("class", "class"),
        Column::number("node_m", "node"),
        Column::number("capacity_bytes", "memory"),
        Column::number("bandwidth_byte_per_s", "bandwidth"),
        Column::number("peak_op_per_s", "peak"),
        Column::text("peak_dtype", "as"),
        Column::number("tdp_w", "TDP"),
    ];
    let mut table = Table::new("", columns);
    for row in &rows {
        table.push(vec![
            Cell::text(row.name.as_str()),
            Cell::text(row.class),
            Cell::number(row.node_m, Meters(row.node_m).to_string()),
            Cell::maybe(row.capacity_bytes, |b| console.size(Bytes(b))),
            Cell::number(
                row.bandwidth_byte_per_s,
                BytesPerSecond(row.bandwidth_byte_per_s).to_string(),
            ),
            Cell::maybe(row.peak_op_per_s, |p| OpsPerSecond(p).to_string()),
            row.peak_dtype.map_or(Cell::Missing, Cell::text),
            Cell::maybe(row.tdp_w, |p| Watts(p).to_string()),
        ]);
    }
    console.table(&table, &rows)?;
    console.fail_unless_empty(wrong)
}

fn chip_row(system: &System) -> ChipRow {
    let main = system.main_memory();
    let bandwidth = main.bandwidth(Direction::Both) * main.instances as f64;
    let peaks = system.dtypes().into_iter();
    let peaks = peaks.filter_map(|d| system.peak(d).map(|p| (d, p.ops())));
    // Of equal rates the widest format, which comes first.
    let best = peaks.reduce(|best, next| if next.1 > best.1 { next } else { best });
    ChipRow {
        name: system.name.clone(),
        class: class_name(system.class),
        node_m: system.process.node.0,
        capacity_bytes: main.capacity.0.is_finite().then_some(main.capacity.0),
        bandwidth_byte_per_s: bandwidth.0,
        peak_dtype: best.map(|(d, _)| d.name()),
        peak_op_per_s: best.map(|(_, p)| p.0),
        tdp_w: system.power.tdp.map(|p| p.0),
        source: system.source.clone(),
    }
}

fn models(console: &Console) -> Result<(), Problems> {
    let (rows, wrong) = rows(catalog::models(), |name| {
        load::model(name).map(|w| model_row(&w))
    });
    let columns = vec![
        Column::text("name", "model"),
        Column::text("family", "family"),
        Column::number("parameters", "parameters"),
        Column::number("active_parameters", "active"),
        Column::text("dtype", "dtype"),
        Column::text("phase", "phase"),
        Column::number("context", "context"),
    ];
    let billions = |n: f64| match n {
        n if n >= 0.9995e9 => format!("{} B", significant(n / 1e9, 3)),
        n => format!("{} M", significant(n / 1e6, 3)),
    };
    let mut table = Table::new("", columns);
    for row in &rows {
        table.push(vec![
            Cell::text(row.name.as_str()),
            Cell::text(row.family.as_str()),
            Cell::maybe(row.parameters, billions),
            Cell::maybe(row.active_parameters, billions),
            Cell::text(row.dtype),
            Cell::text(row.phase),
            Cell::maybe(row.context.map(|n| n as f64), |n| count(n as u64)),
        ]);
    }
    console.table(&table, &rows)?;
    console.fail_unless_empty(wrong)
}

fn model_row(workload: &Workload) -> ModelRow {
    let card = workload.card();
    let scenario = Scenario::within(card.limits.context);
    let first = phase_of(workload, &scenario)
        .ok()
        .and_then(|phase| steps(phase, &scenario).first().copied());
    // A model with an open dimension is listed without the count.
    let graph = first.and_then(|step: Step| workload.graph(&binding(&scenario, step.stage)).ok());
    ModelRow {
        name: workload.name.clone(),
        family: card.family.clone(),
        parameters: graph.map(|(graph, _)| graph.parameters()),
        active_parameters: card.active_parameters,
        dtype: card.dtype.name(),
        phase: card.default_phase.name(),
        context: card.limits.context,
    }
}

fn ops(console: &Console) -> Result<(), Problems> {
    let rows: Vec<OpRow> = OpKind::KINDS
        .iter()
        .map(|(kind, doc)| OpRow { kind, doc })
        .collect();
    let columns = vec![
        Column::text("kind", "operator"),
        Column::text("doc", "what it is"),
    ];
    let mut table = Table::new("", columns);
    for row in &rows {
        table.push(vec![Cell::text(row.kind), Cell::text(row.doc)]);
    }
    console.table(&table, &rows)
}

fn metrics(console: &Console) -> Result<(), Problems> {
    let rows: Vec<MetricRow> = Metric::ALL
        .iter()
        .map(|m| MetricRow {
            name: m.name(),
            unit: m.unit(),
            doc: m.doc(),
        })
        .collect();
    let columns = vec![
        Column::text("name", "metric"),
        Column::text("unit", "unit"),
        Column::text("doc", "what it is"),
    ];
    let mut table = Table::new("", columns);
    for row in &rows {
        table.push(vec![
            Cell::text(row.name),
            Cell::text(row.unit),
            Cell::text(row.doc),
        ]);
    }
    console.table(&table, &rows)
}

/// What `--set scenario.NAME` and the axes of a sweep can turn.
fn families(console: &Console) -> Result<(), Problems> {
    let rows: Vec<FamilyRow> = import::hf::families()
        .into_iter()
        .map(|(name, kind)| FamilyRow { name, kind })
        .collect();
    let columns = vec![
        Column::text("name", "model_type"),
        Column::text("kind", "kind"),
    ];
    let mut table = Table::new("", columns);
    for row in &rows {
        table.push(vec![Cell::text(row.name), Cell::text(row.kind)]);
    }
    console.table(&table, &rows)
}

fn settings(console: &Console) -> Result<(), Problems> {
    let plain = Software::default();
    let own = OWN_SETTINGS.iter();
    let own = own.map(|(name, allowed, default, doc)| SettingRow {
        name,
        allowed,
        default: (*default).to_owned(),
        doc,
    });
    let of_software = KNOBS.iter().map(|knob| SettingRow {
        name: knob.name,
        allowed: knob.allowed,
        default: plain.get(knob.name).unwrap_or_default(),
        doc: knob.doc,
    });
    let rows: Vec<SettingRow> = own.chain(of_software).collect();
    let columns = vec![
        Column::text("name", "setting"),
        Column::text("default", "default"),
        Column::text("doc", "what it is"),
        Column::text("allowed", "values"),
    ];
    let mut table = Table::new("", columns);
    for row in &rows {
        table.push(vec![
            Cell::text(row.name),
            Cell::text(row.default.as_str()),
            Cell::text(row.doc),
            Cell::text(row.allowed),
        ]);
    }
    console.table(&table, &rows)
}
