//! A run as the page's script reads it.

use serde_json::{Value, json};

use crate::record::{StoredOperator, StoredRun, StoredTotals};

use super::pack::rounded;

/// Most operators of a run that the page holds; the others are summed by phase and kind.
const MOST_OPERATORS: usize = 60;

/// A run with its operators.
pub(super) fn compact(run: &StoredRun) -> Value {
    let memory = &run.fit.memory;
    let bandwidths = run.hardware.roofs.bandwidth_byte_per_s.0.iter();
    let bandwidths = bandwidths.map(|(name, b)| (name.clone(), json!(b)));
    let warnings = run
        .warnings
        .iter()
        .map(|w| format!("{} {}", w.code, w.message));
    json!({
        "name": run.workload.name,
        "chip": run.hardware.name,
        "totals": totals(&run.totals),
        "phases": run.phases.iter().map(totals).collect::<Vec<_>>(),
        "roofs": {
            "peak_op_per_s": object(run.hardware.roofs.peak_op_per_s.0.iter().map(|(k, v)| (k.clone(), json!(v)))),
            "bandwidth_byte_per_s": object(bandwidths),
        },
        "memory": {
            "memory": memory,
            "fits": run.fit.fits,
            "required_bytes": run.fit.required_bytes,
            "capacity_bytes": run.fit.capacity_bytes,
            "short_bytes": run.fit.short_bytes,
            "parts": numbers(&run.fit.parts.0),
        },
        "assumed": run.hardware.assumed.iter().map(|a| json!({
            "key": a.path, "value": a.value, "reason": a.reason,
        })).collect::<Vec<_>>(),
        "operators": operators(run, memory),
        "warnings": warnings.collect::<Vec<_>>(),
    })
}

fn totals(t: &StoredTotals) -> Value {
    json!({
        "phase": t.phase,
        "steps": t.steps,
        "latency_s": rounded(t.latency_s),
        "ttft_s": rounded(t.ttft_s),
        "tpot_s": rounded(t.tpot_s),
        "tokens_per_s": rounded(t.tokens_per_s),
        "energy_j": rounded(t.energy_j),
        "energy_per_output_token_j": rounded(t.energy_per_output_token_j),
        "average_power_w": rounded(t.average_power_w),
        "peak_power_w": rounded(t.peak_power_w),
        "mac_utilization": rounded(t.mac_utilization),
        "clock_ratio": rounded(t.clock_ratio),
        "static_energy_j": rounded(t.static_energy_j),
        "energy_parts_j": numbers(&t.energy_parts_j.0),
        "bytes": numbers(&t.bytes.0),
        "latency_error": rounded(t.latency_error),
        "measured_share": rounded(t.measured_share),
        "grade": t.grade,
        "coverage": {
            "macs": t.coverage.macs, "bytes": t.coverage.bytes, "energy": t.coverage.energy,
        },
    })
}

fn numbers(pairs: &[(String, f64)]) -> Value {
    object(pairs.iter().map(|(k, v)| (k.clone(), rounded(Some(*v)))))
}

fn object(pairs: impl Iterator<Item = (String, Value)>) -> Value {
    Value::Object(pairs.collect())
}

/// Operators that take time, the longest kept by name.
fn operators(run: &StoredRun, memory: &str) -> Vec<Value> {
    let whole = |op: &StoredOperator| op.latency_s * op.count as f64;
    let takes_time = |op: &&StoredOperator| op.latency_s > 0.0;
    let mut all: Vec<&StoredOperator> = run.operators.iter().filter(takes_time).collect();
    all.sort_by(|a, b| whole(b).total_cmp(&whole(a)));
    let (kept, rest) = all.split_at(all.len().min(MOST_OPERATORS));
    let mut found: Vec<Value> = kept.iter().map(|op| operator(op, memory)).collect();
    let mut sums: Vec<(String, String, [f64; 4], bool)> = Vec::new();
    for op in rest {
        let count = op.count as f64;
        let figures = [
            op.latency_s,
            op.roofline_latency_s,
            op.energy_j.unwrap_or(0.0),
            op.bytes.get(memory).copied().unwrap_or(0.0),
        ];
        let is = |s: &&mut (String, String, [f64; 4], bool)| s.0 == op.phase && s.1 == op.kind;
        if let Some(sum) = sums.iter_mut().find(is) {
            for (sum, figure) in sum.2.iter_mut().zip(figures) {
                *sum += figure * count;
            }
            sum.3 &= op.energy_j.is_some();
        } else {
            let known = op.energy_j.is_some();
            let figures = figures.map(|f| f * count);
            sums.push((op.phase.clone(), op.kind.clone(), figures, known));
        }
    }
    found.extend(sums.into_iter().map(|(phase, kind, figures, is_known)| {
        let [time, roofline, energy, bytes] = figures.map(|f| rounded(Some(f)));
        json!({
            "name": format!("other {kind}"), "phase": phase, "kind": kind, "count": 1,
            "flops": 0, "latency_s": time, "roofline_latency_s": roofline,
            "energy_j": if is_known { energy } else { Value::Null },
            "bytes": bytes, "bound": "", "mapping": null,
        })
    }));
    found
}

fn operator(op: &StoredOperator, memory: &str) -> Value {
    json!({
        "name": op.name,
        "phase": op.phase,
        "kind": op.kind,
        "count": op.count,
        "flops": rounded(Some(op.flops)),
        "latency_s": rounded(Some(op.latency_s)),
        "roofline_latency_s": rounded(Some(op.roofline_latency_s)),
        "energy_j": rounded(op.energy_j),
        "bytes": rounded(op.bytes.get(memory).copied()),
        "bound": op.bound,
        "mapping": op.mapping.as_ref().map(|m| m.chars().take(200).collect::<String>()),
    })
}
