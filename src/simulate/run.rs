//! Binds, prices, settles and sums one design point.

use std::sync::Arc;

use crate::cost::Cost;
use crate::diag::Problems;
use crate::footprint::area;
use crate::hardware::{Direction, System};
use crate::units::{Joules, Seconds, Watts};
use crate::workload::{Dtype, Phase, Scenario, Workload};

use super::Memo;
use super::bound::operator_bound;
use super::desk::no_fit;
use super::estimate::{
    Coverage, Estimate, Expected, Fidelity, MemoryUse, PhaseEstimate, Roofs, Totals,
};
use super::memory::on;
use super::phase::{PricedStep, summarize};
use super::price::{Prepared, Priced, price_on};
use super::summary::{PhaseTime, generation, warn_cap, warn_coverage};
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
        warn_coverage(totals.coverage, &mut warnings);
        warn_cap(totals.within_cap, system, &mut warnings);
        let generates = self.phase == Phase::Generate;
        let times = phases.iter().map(|p| (p.phase, p.steps, p.totals.latency));
        let times: Vec<PhaseTime> = times.collect();
        Ok(Estimate {
            model: self.model.clone(),
            chip: system.name.clone(),
            generation: generates
                .then(|| generation(&self.scenario, &times, totals.latency, totals.energy)),
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
    let mut prices = price_on(chip, &step.graph, &step.fusion, memo)
        .map_err(|(op, error)| no_fit(&op, system, &error))?;
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
        if priced.cost.ports.first().is_some_and(|main| *main < bound) {
            hold_to(Arc::make_mut(&mut priced.cost), bound);
        }
    }
}

/// Keeps main memory busy for at least as long as the roofline says: busy times of a graph then add up to no less than
/// the graph's roofline.
pub(super) fn hold_to(cost: &mut Cost, bound: Seconds) {
    if let Some(main) = cost.ports.first_mut() {
        *main = main.max(bound);
    }
}

pub(super) fn warn_fallbacks(dtypes: &[Dtype], system: &System, warnings: &mut Problems) {
    for &dtype in dtypes {
        let runs = system.executed_as(dtype);
        if runs != dtype {
            warnings.push(fallback(dtype, runs, system));
        }
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
