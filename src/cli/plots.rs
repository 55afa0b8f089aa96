//! Plots of one run, drawn from its record.

use crate::diag::{Code, Problem, Problems};
use crate::record::{OperatorPart, RunDocument};
use crate::report::plot::{self, BarGroup, BarPanel, Bars, Plot, RoofPoint, Roofline};

use super::operators::time;

/// File names and contents.
pub(super) type Files = Vec<(String, Vec<u8>)>;

/// Roofline and breakdown as SVG and PNG.
///
/// # Errors
/// E9999 if a plot cannot be drawn.
pub(super) fn files(run: &RunDocument) -> Result<Files, Problems> {
    let mut files = Files::new();
    for (name, plot) in [
        ("roofline", Plot::Roofline(roofline(run))),
        ("breakdown", Plot::Bars(breakdown(run))),
    ] {
        let svg = plot::svg(&plot).map_err(|e| failed(name, &e))?;
        let png = plot::png(&plot).map_err(|e| failed(name, &e))?;
        files.push((format!("{name}.svg"), svg.into_bytes()));
        files.push((format!("{name}.png"), png));
    }
    Ok(files)
}

fn failed(name: &str, error: &plot::PlotError) -> Problems {
    Problem::new(
        Code::Internal,
        format!("the {name} plot cannot be drawn: {error}"),
    )
    .into()
}

fn subtitle(run: &RunDocument) -> String {
    let (workload, chip) = (&run.workload, &run.hardware.name);
    let (name, phase) = (&workload.name, workload.phase);
    let batch = workload
        .batch
        .map_or(String::new(), |n| format!(", batch {n}"));
    format!("{name} on {chip}, {phase}{batch}")
}

/// Operators with arithmetic against the roofs; intensity is per byte of main memory.
fn roofline(run: &RunDocument) -> Roofline {
    let memory = run.fit.memory.as_str();
    let whole: f64 = run.operators.iter().map(time).sum();
    let point = |op: &OperatorPart| {
        let moved = op.bytes.0.iter().find(|(name, _)| name == memory)?.1;
        let draws = op.flops > 0.0 && moved > 0.0 && op.latency_s > 0.0;
        draws.then(|| RoofPoint {
            label: op.name.clone(),
            intensity: op.flops / moved,
            achieved: op.flops / op.latency_s,
            share: time(op) / whole,
            group: format!("{} {}", op.phase, op.kind),
        })
    };
    let bandwidths = run.hardware.roofs.bandwidth_byte_per_s.0.iter();
    Roofline {
        title: "Roofline".to_owned(),
        subtitle: subtitle(run),
        ceilings: run.hardware.roofs.peak_op_per_s.0.clone(),
        bandwidths: bandwidths
            .filter(|(name, _)| name == memory)
            .cloned()
            .collect(),
        points: run.operators.iter().filter_map(point).collect(),
    }
}

/// Time by kind of operator and energy by component, a bar for each phase.
fn breakdown(run: &RunDocument) -> Bars {
    let phases = || run.phases.iter();
    let times = phases().map(|phase| BarGroup {
        label: phase.phase.to_owned(),
        parts: by_kind(run, phase.phase),
    });
    let energies = phases().map(|phase| BarGroup {
        label: phase.phase.to_owned(),
        parts: {
            let fixed = phase
                .totals
                .static_energy_j
                .map(|e| ("static".to_owned(), e));
            phase
                .totals
                .energy_parts_j
                .0
                .iter()
                .cloned()
                .chain(fixed)
                .collect()
        },
    });
    let panel = |title: &str, unit: &str, groups: Vec<BarGroup>| BarPanel {
        title: title.to_owned(),
        unit: unit.to_owned(),
        groups,
    };
    let mut panels = vec![panel("Time", "s", times.collect())];
    let energies: Vec<BarGroup> = energies.collect();
    if energies.iter().any(|group| !group.parts.is_empty()) {
        panels.push(panel("Energy", "J", energies));
    }
    Bars {
        title: "Where time and energy go".to_owned(),
        subtitle: subtitle(run),
        panels,
    }
}

fn by_kind(run: &RunDocument, phase: &str) -> Vec<(String, f64)> {
    let mut parts: Vec<(String, f64)> = Vec::new();
    for op in run.operators.iter().filter(|o| o.phase == phase) {
        match parts.iter_mut().find(|(kind, _)| kind == op.kind) {
            Some((_, sum)) => *sum += time(op),
            None => parts.push((op.kind.to_owned(), time(op))),
        }
    }
    parts
}
