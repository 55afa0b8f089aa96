//! The figures of a design point that metrics name, without its operators.

use crate::diag::{Code, Problem, Problems};
use crate::hardware::System;
use crate::units::{Bytes, Joules, Seconds, SquareMeters, Watts};
use crate::workload::{Phase, Scenario};

use super::estimate::{Coverage, Estimate, Generation};

/// What metrics are read from.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// Of the whole scenario.
    pub latency: Seconds,
    /// Of the whole scenario.
    pub energy: Option<Joules>,
    /// Energy over latency.
    pub average_power: Option<Watts>,
    /// Of the hungriest operator.
    pub peak_power: Option<Watts>,
    /// Of peak MACs.
    pub mac_utilization: Option<f64>,
    /// Figures of a generation.
    pub generation: Option<Generation>,
    /// Tokens per second of training.
    pub trained_tokens_per_s: Option<f64>,
    /// Samples or sequences of the batch.
    pub samples: u64,
    /// Of the described components, if all are known.
    pub area: Option<SquareMeters>,
    /// Needed in main memory.
    pub memory: Bytes,
}

impl Estimate {
    /// Its figures.
    pub fn summary(&self) -> Summary {
        Summary {
            latency: self.totals.latency,
            energy: self.totals.energy,
            average_power: self.totals.average_power,
            peak_power: self.totals.peak_power,
            mac_utilization: self.totals.mac_utilization,
            generation: self.generation,
            trained_tokens_per_s: self.trained_tokens_per_s,
            samples: self.scenario.batch_size(),
            area: self.area.total,
            memory: self.memory.required(),
        }
    }
}

/// Time of a phase that runs a number of steps.
pub(super) type PhaseTime = (Phase, u64, Seconds);

/// Figures of a generation from the times of its phases.
pub(super) fn generation(
    scenario: &Scenario,
    phases: &[PhaseTime],
    latency: Seconds,
    energy: Option<Joules>,
) -> Generation {
    let of = |phase: Phase| phases.iter().find(|p| p.0 == phase);
    let decode = of(Phase::Decode).filter(|p| p.1 > 0);
    let each = scenario.requests.as_ref();
    let each = each.map_or(scenario.output, |mix| mix.output_tokens());
    let tokens = each as f64 * scenario.batch_size() as f64;
    // The mean over all calls of a mix; without one there is one.
    let first = |p: &PhaseTime| p.2 / p.1.max(1) as f64;
    // Tokens behind the first of each call; a step may make several.
    let calls = of(Phase::Prefill).map_or(1, |p| p.1.max(1));
    let later = each.saturating_sub(calls) as f64;
    Generation {
        ttft: of(Phase::Prefill).map_or(Seconds::ZERO, first),
        tpot: decode.map(|p| p.2 / later),
        tokens_per_s: tokens / latency.0,
        energy_per_output_token: energy.map(|e| e / tokens),
    }
}

/// W0308 where no clock meets the cap.
pub(super) fn warn_cap(within_cap: bool, system: &System, warnings: &mut Problems) {
    let cap = system.power.cap.or(system.power.tdp);
    if let (false, Some(cap)) = (within_cap, cap) {
        let message = format!(
            "`{}` draws more than its cap of {cap} at any clock",
            system.name
        );
        let problem = Problem::new(Code::CapMissed, message);
        warnings.push(problem.help("raise power.cap, or lower power.idle and power.active"));
    }
}

/// Warnings of events without energy, and of operators that are not known.
pub(super) fn warn_coverage(coverage: Coverage, warnings: &mut Problems) {
    let Coverage { macs, energy, .. } = coverage;
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
