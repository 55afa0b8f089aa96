//! Operators as CSV, one row each, the unit in the column's name.

use super::{OperatorPart, RunDocument};

/// Columns before one `<memory>_bytes` for each memory.
const COLUMNS: [&str; 16] = [
    "name",
    "phase",
    "block",
    "kind",
    "source",
    "count",
    "macs",
    "flops",
    "latency_s",
    "roofline_latency_s",
    "energy_j",
    "power_w",
    "mac_utilization",
    "bound",
    "fused_into",
    "mapping",
];

/// Operators of a run as CSV. What is not known is an empty field.
pub fn operators_csv(run: &RunDocument) -> String {
    let memories = memories(&run.operators);
    let mut writer = csv::Writer::from_writer(Vec::new());
    let header = COLUMNS.iter().map(|c| (*c).to_owned());
    let header = header.chain(memories.iter().map(|m| format!("{m}_bytes")));
    let rows = run.operators.iter().map(|op| fields(op, &memories));
    let all = std::iter::once(header.collect::<Vec<_>>()).chain(rows);
    for row in all {
        writer
            .write_record(&row)
            .expect("rows have equal length and go to memory");
    }
    let bytes = writer.into_inner().expect("memory does not fail to flush");
    String::from_utf8(bytes).expect("all fields are text")
}

fn memories(operators: &[OperatorPart]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for (name, _) in operators.iter().flat_map(|op| &op.bytes.0) {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    names
}

fn fields(op: &OperatorPart, memories: &[String]) -> Vec<String> {
    let number = |v: Option<f64>| {
        v.filter(|v| v.is_finite())
            .map_or(String::new(), |v| v.to_string())
    };
    let text = |v: &Option<String>| v.clone().unwrap_or_default();
    let mut row = vec![
        op.name.clone(),
        op.phase.to_owned(),
        op.block.clone(),
        op.kind.to_owned(),
        op.source.clone(),
        op.count.to_string(),
        number(Some(op.macs)),
        number(Some(op.flops)),
        number(Some(op.latency_s)),
        number(Some(op.roofline_latency_s)),
        number(op.energy_j),
        number(op.power_w),
        number(op.mac_utilization),
        op.bound.clone(),
        text(&op.fused_into),
        text(&op.mapping),
    ];
    for memory in memories {
        let moved = op.bytes.0.iter().find(|(name, _)| name == memory);
        row.push(number(moved.map(|m| m.1)));
    }
    row
}
