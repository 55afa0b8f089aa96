//! Binds, prices, settles and sums one design point.

use std::sync::Arc;

use crate::diag::{Code, Problem, Problems};
use crate::footprint::area;
use crate::hardware::{Direction, System};
use crate::units::{Joules, Seconds, Watts};
use crate::workload::{Dtype, Phase, Scenario, Workload};

use super::Memo;
use super::bound::operator_bound;
use super::estimate::{
    Coverage, Estimate, Expected, Fidelity, Generation, MemoryUse, PhaseEstimate, Roofs, Totals,
};
use super::memory::on;
use super::phase::{PricedStep, summarize};
use super::price::{Prepared, Priced, price_on};
use super::task::{BoundStep, Task, fallback, runnable};
use super::verdict::verdict;
use super::zeros::on_chip;

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
    let (scenario, warning) = runnable(workload, system, scenario);
    let mut task = Task::new(workload, &scenario)?;
    task.warn_first(warning);
    let chip = Prepared::new(system);
    let mut estimate = task.run(&chip, fidelity, memo)?;
    if task.has_zeros() {
        let dense = task.dense().run(&chip, fidelity, memo)?;
        let software = &scenario.software;
        let activations = software.activation_sparsity.or(task.own_zeros());
        let zeros = [activations, software.weight_sparsity, software.kv_sparsity];
        estimate.sparsity = Some(verdict(zeros, system, &estimate, &dense));
    }
    Ok(estimate)
}

impl Task {
    /// Prices the scenario on a chip, as [`run`] does.
    ///
    /// # Errors
    /// E0401 if a product fits nowhere on the chip.
    pub fn run(
        &self,
        chip: &Prepared<'_>,
        fidelity: Fidelity,
        memo: &Memo,
    ) -> Result<Estimate, Problems> {
        let system = chip.system;
        let mut warnings = self.warnings.clone();
        warn_fallbacks(&self.dtypes, system, &mut warnings);
        let mut phases = Vec::with_capacity(self.parts.len());
        for (phase, steps) in &self.parts {
            let priced = steps.iter().map(|s| priced(s, chip, memo));
            let priced = priced.collect::<Result<Vec<_>, _>>()?;
            phases.push(summarize(*phase, system, &priced, fidelity));
        }
        let first = self.parts.first().and_then(|(_, list)| list.first());
        let (parameters, weight_dtype) = first.map_or((0.0, None), |s| {
            (s.graph.parameters(), s.graph.weight_dtype())
        });
        let totals = sum(&phases);
        warn_coverage(&totals, &mut warnings);
        warn_cap(&totals, system, &mut warnings);
        let generates = self.phase == Phase::Generate;
        Ok(Estimate {
            model: self.model.clone(),
            chip: system.name.clone(),
            generation: generates.then(|| generation(&self.scenario, &phases, &totals)),
            trained_tokens_per_s: self.tokens.map(|n| n / totals.latency.0),
            scenario: self.scenario.clone(),
            phase: self.phase,
            deadline: self.deadline,
            weight_dtype,
            parameters,
            totals,
            phases,
            memory: self.memory_on(system),
            roofs: roofs(system),
            area: area(system),
            sparsity: None,
            warnings: warnings.0,
        })
    }

    /// What must be in a chip's main memory at once.
    pub fn memory_on(&self, system: &System) -> MemoryUse {
        on(system, &self.memory)
    }
}

fn priced<'a>(
    step: &'a BoundStep,
    chip: &Prepared<'_>,
    memo: &Memo,
) -> Result<PricedStep<'a>, Problems> {
    let system = chip.system;
    let step = on_chip(step, system);
    let mut prices = price_on(chip, &step.graph, &step.fusion, memo).map_err(|(op, error)| {
        Problem::new(
            Code::NoFit,
            format!("`{op}` cannot run on `{}`: {error}", system.name),
        )
        .help("give the chip a larger memory there, or a smaller array")
    })?;
    if system.kernels.is_some() {
        keep_to_bounds(&step, system, &mut prices);
    }
    Ok(PricedStep { step, prices })
}

/// Holds library kernels to the roofline. Their coefficients come from single kernels that were repeated, and
/// found in the cache what a whole model brings from memory.
fn keep_to_bounds(step: &BoundStep, system: &System, prices: &mut [Priced]) {
    for priced in prices {
        let bound = operator_bound(
            &step.graph,
            &step.fusion,
            system,
            priced.op,
            step.compulsory,
        );
        if priced.cost.overlapped() < bound {
            let cost = Arc::make_mut(&mut priced.cost);
            if let Some(main) = cost.ports.first_mut() {
                *main = bound;
            }
        }
    }
}

fn warn_fallbacks(dtypes: &[Dtype], system: &System, warnings: &mut Problems) {
    for &dtype in dtypes {
        let runs = system.executed_as(dtype);
        if runs != dtype {
            warnings.push(fallback(dtype, runs, system));
        }
    }
}

fn warn_cap(totals: &Totals, system: &System, warnings: &mut Problems) {
    let cap = system.power.cap.or(system.power.tdp);
    if let (false, Some(cap)) = (totals.within_cap, cap) {
        let message = format!(
            "`{}` draws more than its cap of {cap} at any clock",
            system.name
        );
        let problem = Problem::new(Code::CapMissed, message);
        warnings.push(problem.help("raise power.cap, or lower power.idle and power.active"));
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
        within_cap: all().all(|t| t.within_cap),
        expected: Expected::of(all().map(|t| (t.latency, t.expected))),
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
    let each = scenario.requests.as_ref();
    let each = each.map_or(scenario.output, |mix| mix.output_tokens());
    let tokens = each as f64 * scenario.batch_size() as f64;
    // The mean over all calls of a mix; without one there is one.
    let first = |p: &PhaseEstimate| p.totals.latency / p.steps.max(1) as f64;
    // Tokens behind the first of each call; a step may make several.
    let calls = of(Phase::Prefill).map_or(1, |p| p.steps.max(1));
    let later = each.saturating_sub(calls) as f64;
    Generation {
        ttft: of(Phase::Prefill).map_or(Seconds::ZERO, first),
        tpot: decode.map(|p| p.totals.latency / later),
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
