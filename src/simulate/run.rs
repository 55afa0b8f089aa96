//! Binds, prices, settles and sums one design point.

use crate::diag::{Code, Problem, Problems};
use crate::footprint::area;
use crate::hardware::{Direction, System};
use crate::schedule::{fuse, peak};
use crate::units::{Joules, Seconds, Watts};
use crate::workload::{Dtype, OpGraph, Phase, Precision, Scenario, Workload};

use super::Memo;
use super::bound::compulsory;
use super::estimate::{Coverage, Estimate, Fidelity, Generation, PhaseEstimate, Roofs, Totals};
use super::memory::{empty, include};
use super::phase::{PricedStep, summarize};
use super::price::price;
use super::stage::{binding, longest_context, phase_of, steps};

/// Prices a model on a chip.
///
/// # Errors
/// [`Problems`] if the model cannot be bound, or a product fits nowhere on the chip.
pub fn run(
    workload: &Workload,
    system: &System,
    scenario: &Scenario,
    fidelity: Fidelity,
    memo: &Memo,
) -> Result<Estimate, Problems> {
    let phase = phase_of(workload, scenario)?;
    let mut warnings = Problems::new();
    let scenario = runnable(workload, system, scenario, &mut warnings);
    let mut memory = empty(system);
    let mut parts: Vec<(Phase, Vec<PricedStep>)> = Vec::new();
    for step in steps(phase, &scenario) {
        let (graph, more) = workload.graph(&binding(&scenario, step.stage))?;
        more.into_iter().for_each(|problem| warnings.push(problem));
        let fusion = fuse(&graph);
        let prices = price(&graph, &fusion, system, memo).map_err(|(op, error)| {
            Problem::new(
                Code::NoFit,
                format!("`{op}` cannot run on `{}`: {error}", system.name),
            )
            .help("give the chip a larger memory there, or a smaller array")
        })?;
        include(&mut memory, &graph, peak(&graph, &fusion).bytes);
        warn_fallbacks(&graph_dtypes(&graph), system, &mut warnings);
        let priced = PricedStep {
            compulsory: compulsory(&graph),
            graph,
            fusion,
            prices,
            weight: step.weight,
        };
        match parts.last_mut().filter(|(p, _)| *p == step.phase) {
            Some((_, list)) => list.push(priced),
            None => parts.push((step.phase, vec![priced])),
        }
    }
    if let Some(last) = longest_context(phase, &scenario) {
        let (graph, _) = workload.graph(&binding(&scenario, last))?;
        include(&mut memory, &graph, peak(&graph, &fuse(&graph)).bytes);
    }
    let first = parts.first().and_then(|(_, list)| list.first());
    let (parameters, weight_dtype) = first.map_or((0.0, None), |s| {
        (s.graph.parameters(), s.graph.weight_dtype())
    });
    let phases: Vec<PhaseEstimate> = parts
        .iter()
        .map(|(phase, list)| summarize(*phase, system, list, fidelity))
        .collect();
    let totals = sum(&phases);
    warn_coverage(&totals, &mut warnings);
    Ok(Estimate {
        model: workload.name.clone(),
        chip: system.name.clone(),
        generation: (phase == Phase::Generate).then(|| generation(&scenario, &phases, &totals)),
        scenario,
        phase,
        weight_dtype,
        parameters,
        totals,
        phases,
        memory,
        roofs: roofs(system),
        area: area(system),
        warnings: warnings.0,
    })
}

/// The scenario with the model's own types replaced where the chip has nothing as wide.
fn runnable(
    workload: &Workload,
    system: &System,
    scenario: &Scenario,
    warnings: &mut Problems,
) -> Scenario {
    let mut scenario = scenario.clone();
    let own = workload.card().dtype;
    let runs = system.executed_as(own);
    if scenario.precision == Precision::default() && runs.bits() < own.bits() {
        scenario.precision = Precision {
            weights: Some(runs),
            operands: Some(runs),
            activations: Some(runs),
            kv: Some(runs),
        };
        warnings.push(fallback(own, runs, system));
    }
    scenario
}

fn fallback(asked: Dtype, runs: Dtype, system: &System) -> Problem {
    Problem::new(
        Code::DtypeFallback,
        format!(
            "`{}` has no rate for {asked}: products run as {runs}",
            system.name
        ),
    )
    .help("choose another type with --dtype")
}

/// Formats of all products, each once, in graph order.
fn graph_dtypes(graph: &OpGraph) -> Vec<Dtype> {
    let mut all = Vec::new();
    for dtype in graph.operators().filter_map(|op| op.kind.product_dtype()) {
        if !all.contains(&dtype) {
            all.push(dtype);
        }
    }
    all
}

fn warn_fallbacks(dtypes: &[Dtype], system: &System, warnings: &mut Problems) {
    for &dtype in dtypes {
        let runs = system.executed_as(dtype);
        if runs != dtype {
            warnings.push(fallback(dtype, runs, system));
        }
    }
}

fn warn_coverage(totals: &Totals, warnings: &mut Problems) {
    let Coverage { macs, energy, .. } = totals.coverage;
    if energy < 1.0 - 1e-9 {
        let shown = crate::units::percent(energy);
        warnings.push(
            Problem::new(
                Code::EnergyCoverage,
                format!("energy is known for {shown} of the events; totals are not printed"),
            )
            .help("give `energy` of the memory or array in the chip's file"),
        );
    }
    if macs < 1.0 - 1e-9 {
        let shown = crate::units::percent(1.0 - macs);
        warnings.push(Problem::new(
            Code::OpCoverage,
            format!("{shown} of the operators are counted by their bytes alone"),
        ));
    }
}

/// Sums phases that run one after the other.
fn sum(phases: &[PhaseEstimate]) -> Totals {
    let all = || phases.iter().map(|p| &p.totals);
    let energy = |of: fn(&Totals) -> Option<Joules>| -> Option<Joules> {
        all()
            .map(of)
            .try_fold(Joules::ZERO, |sum, e| Some(sum + e?))
    };
    let latency: Seconds = all().map(|t| t.latency).sum();
    let total_energy = energy(|t| t.energy);
    let at_peak: f64 = all()
        .map(|t| t.mac_utilization.unwrap_or(0.0) * t.latency.0)
        .sum();
    let useful_macs: f64 = all().map(|t| t.useful_macs).sum();
    let mut peaks = all().map(|t| t.peak_power);
    let least = |of: fn(&Totals) -> f64| all().map(of).fold(1.0, f64::min);
    Totals {
        latency,
        roofline_latency: all().map(|t| t.roofline_latency).sum(),
        macs: all().map(|t| t.macs).sum(),
        useful_macs,
        mac_utilization: (useful_macs > 0.0 && latency.0 > 0.0).then(|| at_peak / latency.0),
        dynamic_energy: energy(|t| t.dynamic_energy),
        static_energy: energy(|t| t.static_energy),
        energy: total_energy,
        energy_parts: merge(all().map(|t| t.energy_parts.as_slice())),
        average_power: total_energy
            .filter(|_| latency.0 > 0.0)
            .map(|e| e / latency),
        peak_power: peaks.try_fold(Watts::ZERO, |sum, p| Some(sum.max(p?))),
        clock_ratio: least(|t| t.clock_ratio),
        coverage: Coverage {
            macs: least(|t| t.coverage.macs),
            bytes: least(|t| t.coverage.bytes),
            energy: least(|t| t.coverage.energy),
        },
        bytes: merge(all().map(|t| t.bytes.as_slice())),
    }
}

/// Adds up named values; names keep the order in which they first appear.
fn merge<'a, T>(lists: impl Iterator<Item = &'a [(String, T)]>) -> Vec<(String, T)>
where
    T: Copy + std::ops::AddAssign + 'a,
{
    let mut merged: Vec<(String, T)> = Vec::new();
    for (name, value) in lists.flatten() {
        match merged.iter_mut().find(|(n, _)| n == name) {
            Some((_, sum)) => *sum += *value,
            None => merged.push((name.clone(), *value)),
        }
    }
    merged
}

fn generation(scenario: &Scenario, phases: &[PhaseEstimate], totals: &Totals) -> Generation {
    let of = |phase: Phase| phases.iter().find(|p| p.phase == phase);
    let decode = of(Phase::Decode).filter(|p| p.steps > 0);
    let tokens = (scenario.output * scenario.batch_size()) as f64;
    Generation {
        ttft: of(Phase::Prefill).map_or(Seconds::ZERO, |p| p.totals.latency),
        tpot: decode.map(|p| p.totals.latency / p.steps as f64),
        tokens_per_s: tokens / totals.latency.0,
        energy_per_output_token: totals.energy.map(|e| e / tokens),
    }
}

/// Peaks per format and bandwidths per memory.
pub fn roofs(system: &System) -> Roofs {
    let peaks = system.dtypes();
    let peaks = peaks.into_iter();
    let all_instances =
        |m: &crate::hardware::Memory| m.bandwidth(Direction::Both) * m.instances as f64;
    Roofs {
        peaks: peaks
            .filter_map(|d| system.peak(d).map(|p| (d, p.ops())))
            .collect(),
        bandwidths: system
            .memories
            .iter()
            .map(|m| (m.name.clone(), all_instances(m)))
            .collect(),
    }
}
