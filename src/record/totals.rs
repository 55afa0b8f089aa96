//! Sums of a run and of its phases.

use serde::Serialize;

use crate::simulate::{Coverage, Estimate, PhaseEstimate, Totals};
use crate::units::Bytes;

use super::Keyed;

/// Shares of the work that the figures cover, from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct CoveragePart {
    /// Of operators with known arithmetic.
    pub macs: f64,
    /// Of bytes moved.
    pub bytes: f64,
    /// Of bytes and MACs with an energy figure.
    pub energy: f64,
}

/// The whole scenario once, or one phase of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TotalsPart {
    /// Time, after capping.
    pub latency_s: f64,
    /// Dynamic and static energy.
    pub energy_j: Option<f64>,
    /// Energy of events: the operators' `count` times `energy_j`.
    pub dynamic_energy_j: Option<f64>,
    /// Idle, active and leakage power over the time.
    pub static_energy_j: Option<f64>,
    /// Dynamic energy by component.
    pub energy_parts_j: Keyed<f64>,
    /// Energy over time.
    pub average_power_w: Option<f64>,
    /// Of the hungriest operator.
    pub peak_power_w: Option<f64>,
    /// Clock over nominal clock under the power cap.
    pub clock_ratio: f64,
    /// Mean error to expect of the time, as a share; `null` if no kernel of it was measured.
    pub latency_error: Option<f64>,
    /// Share of the time in kernels that were measured.
    pub measured_share: Option<f64>,
    /// `A` to `D`, from both.
    pub grade: Option<char>,
    /// Multiply-accumulates, attention over the full square.
    pub macs: f64,
    /// Multiply-accumulates the result depends on.
    pub useful_macs: f64,
    /// Two per multiply-accumulate.
    pub flops: f64,
    /// Parameters; tied weights once.
    pub parameters: f64,
    /// Weights as stored.
    pub weight_bytes: f64,
    /// Keys and values at the longest context; 0 in a model without a cache.
    pub kv_cache_bytes: f64,
    /// Recurrent state of all sequences.
    pub state_bytes: f64,
    /// Largest live activations.
    pub activation_peak_bytes: f64,
    /// Bytes moved by memory, outermost first.
    pub bytes: Keyed<f64>,
    /// Useful MACs over what the peak rate would do.
    pub mac_utilization: Option<f64>,
    /// Compulsory work at peak rates.
    pub roofline_latency_s: f64,
    /// Time to the first token.
    pub ttft_s: Option<f64>,
    /// Time per output token after the first.
    pub tpot_s: Option<f64>,
    /// Output tokens of all sequences per second; in training, tokens learned from.
    pub tokens_per_s: Option<f64>,
    /// Energy of the whole generation per output token.
    pub energy_per_output_token_j: Option<f64>,
    /// What the figures cover.
    pub coverage: CoveragePart,
}

/// One phase with its totals.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PhasePart {
    /// `infer`, `prefill` or `decode`.
    pub phase: &'static str,
    /// Executions of the phase's graph.
    pub steps: u64,
    /// Sums over all steps.
    #[serde(flatten)]
    pub totals: TotalsPart,
}

impl CoveragePart {
    fn of(coverage: Coverage) -> Self {
        let Coverage {
            macs,
            bytes,
            energy,
        } = coverage;
        Self {
            macs,
            bytes,
            energy,
        }
    }
}

impl TotalsPart {
    /// Totals of the scenario, with the figures of its generation.
    pub fn of(estimate: &Estimate) -> Self {
        let mut part = Self::sums(estimate, &estimate.totals, estimate.memory.activations);
        part.tokens_per_s = estimate.trained_tokens_per_s;
        if let Some(generation) = &estimate.generation {
            part.ttft_s = Some(generation.ttft.0);
            part.tpot_s = generation.tpot.map(|t| t.0);
            part.tokens_per_s = Some(generation.tokens_per_s);
            part.energy_per_output_token_j = generation.energy_per_output_token.map(|e| e.0);
        }
        part
    }

    fn sums(estimate: &Estimate, totals: &Totals, activations: Bytes) -> Self {
        let memory = &estimate.memory;
        Self {
            latency_s: totals.latency.0,
            energy_j: totals.energy.map(|e| e.0),
            dynamic_energy_j: totals.dynamic_energy.map(|e| e.0),
            static_energy_j: totals.static_energy.map(|e| e.0),
            energy_parts_j: keyed(&totals.energy_parts, |e| e.0),
            average_power_w: totals.average_power.map(|p| p.0),
            peak_power_w: totals.peak_power.map(|p| p.0),
            clock_ratio: totals.clock_ratio,
            latency_error: totals.expected.map(|e| e.error),
            measured_share: totals.expected.map(|e| e.measured),
            grade: totals.expected.map(|e| e.grade()),
            macs: totals.macs,
            useful_macs: totals.useful_macs,
            flops: 2.0 * totals.macs,
            parameters: estimate.parameters,
            weight_bytes: memory.weights.0,
            kv_cache_bytes: memory.kv_cache.0,
            state_bytes: memory.state.0,
            activation_peak_bytes: activations.0,
            bytes: keyed(&totals.bytes, |b| b.0),
            mac_utilization: totals.mac_utilization,
            roofline_latency_s: totals.roofline_latency.0,
            ttft_s: None,
            tpot_s: None,
            tokens_per_s: None,
            energy_per_output_token_j: None,
            coverage: CoveragePart::of(totals.coverage),
        }
    }
}

impl PhasePart {
    /// One phase of an estimate.
    pub fn of(estimate: &Estimate, phase: &PhaseEstimate) -> Self {
        Self {
            phase: phase.phase.name(),
            steps: phase.steps,
            totals: TotalsPart::sums(estimate, &phase.totals, phase.activation_peak),
        }
    }
}

pub(super) fn keyed<T: Copy>(pairs: &[(String, T)], si: impl Fn(T) -> f64) -> Keyed<f64> {
    pairs
        .iter()
        .map(|(name, v)| (name.clone(), si(*v)))
        .collect()
}
