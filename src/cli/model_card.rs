//! Models as people read them: counts, layers, largest activations, operators by kind.

use crate::record::{Keyed, ModelDocument, ModelOperatorPart};
use crate::report::{Cell, Column, Table};
use crate::units::{Bytes, Seconds, count, percent, si, significant};
use crate::workload::Scenario;

use super::console::{Console, width};
use super::operators::short;

/// Rows of the table of layers; more is for the formats of machines.
const MOST_BLOCKS: usize = 24;

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
    rows.push(("MACs", macs(document)));
    rows.push(("weights", size(totals.weight_bytes)));
    if let (Some(all), Some(touched)) = (totals.expert_bytes, totals.expert_bytes_touched) {
        let text = format!(
            "{} resident, {} read in this step",
            size(all),
            size(touched)
        );
        rows.push(("experts", text));
    }
    rows.push((
        "activations",
        format!("{} at their peak", size(totals.activation_peak_bytes)),
    ));
    for (i, largest) in document.activations.iter().take(3).enumerate() {
        let shape: Vec<String> = largest.shape.iter().map(u64::to_string).collect();
        let title = if i == 0 { "largest" } else { "" };
        let text = format!(
            "{} {} [{}]",
            size(largest.bytes),
            largest.name,
            shape.join(" × ")
        );
        rows.push((title, text));
    }
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
    if document.blocks.len() > 1 {
        out.push_str(&blocks(document).text(width()));
        out.push('\n');
    }
    out.push_str(&histogram(document, console).text(width()));
    out
}

/// `8.0 TMAC (16 TFLOP), 7.8 TMAC of them useful`.
fn macs(document: &ModelDocument) -> String {
    let totals = &document.totals;
    let all = format!(
        "{} ({})",
        si3(totals.macs, "MAC"),
        si3(totals.flops, "FLOP")
    );
    if totals.useful_macs == totals.macs {
        return all;
    }
    format!(
        "{all} over the full square of attention, {} useful",
        si3(totals.useful_macs, "MAC")
    )
}

/// Layers, equal ones in one row; the largest where there are many.
fn blocks(document: &ModelDocument) -> Table {
    let columns = vec![
        Column::text("block", "layer"),
        Column::number("count", "count"),
        Column::number("operators", "operators"),
        Column::number("parameters", "parameters"),
        Column::number("macs", "MACs"),
        Column::number("share", "share"),
    ];
    let whole = document.totals.macs;
    let mut least = 0.0;
    if document.blocks.len() > MOST_BLOCKS {
        let mut sizes: Vec<f64> = document.blocks.iter().map(|b| b.macs).collect();
        sizes.sort_by(|a, b| b.total_cmp(a));
        least = sizes[MOST_BLOCKS];
    }
    let mut table = Table::new("", columns);
    let shown = |b: &&crate::record::BlockPart| least == 0.0 || b.macs > least;
    for block in document.blocks.iter().filter(shown) {
        let share = (whole > 0.0 && block.macs > 0.0).then(|| block.macs / whole);
        let name = match block.name.as_str() {
            "" => "(none)",
            name => name,
        };
        table.push(vec![
            Cell::text(name),
            Cell::number(block.count as f64, count(block.count)),
            Cell::number(block.operators as f64, count(block.operators)),
            Cell::maybe((block.parameters > 0.0).then_some(block.parameters), |n| {
                count(n as u64)
            }),
            Cell::maybe((block.macs > 0.0).then_some(block.macs), |m| si3(m, "MAC")),
            Cell::maybe(share, percent),
        ]);
    }
    table
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
