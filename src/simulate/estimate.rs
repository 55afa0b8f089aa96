//! What one design point answers.

use crate::cost::sparse::Verdict;
use crate::diag::Problem;
use crate::footprint::Area;
use crate::units::{Bytes, BytesPerSecond, Joules, OpsPerSecond, Seconds, Watts};
use crate::workload::{Dtype, Phase, Scenario};

/// How far the ladder of models is climbed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Fidelity {
    /// Compulsory work of the whole graph at peak rates: a lower bound.
    Roofline,
    /// Busy time of the chosen mappings, perfectly overlapped.
    Mapped,
    /// Operators one after the other, with fills, drains and launches.
    #[default]
    Scheduled,
}

/// Latency, energy and power of a model on a chip.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimate {
    /// Model name.
    pub model: String,
    /// Chip name.
    pub chip: String,
    /// What was asked.
    pub scenario: Scenario,
    /// The phase priced.
    pub phase: Phase,
    /// Time within which it must be done, if the model's file says.
    pub deadline: Option<Seconds>,
    /// The type in which most of the weight bytes are stored, as asked or as the chip needs.
    pub weight_dtype: Option<Dtype>,
    /// Parameters; tied weights once.
    pub parameters: f64,
    /// The whole scenario once.
    pub totals: Totals,
    /// One per priced phase, in time order.
    pub phases: Vec<PhaseEstimate>,
    /// Generation figures; `None` unless the phase is `generate`.
    pub generation: Option<Generation>,
    /// Tokens per second that training learns from, or that post-training makes.
    pub trained_tokens_per_s: Option<f64>,
    /// Memory verdict.
    pub memory: MemoryUse,
    /// Roofs of the chip.
    pub roofs: Roofs,
    /// Area of the described components, as far as known.
    pub area: Area,
    /// What zeros of the model's tensors save; `None` without zeros, and in sweeps.
    pub sparsity: Option<Verdict>,
    /// Things the reader should know.
    pub warnings: Vec<Problem>,
}

impl Estimate {
    /// Whether it is done in time; `None` without a deadline.
    pub fn meets_deadline(&self) -> Option<bool> {
        self.deadline.map(|limit| self.totals.latency <= limit)
    }
}

/// Sums over a phase or the whole scenario.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Totals {
    /// At the fidelity asked for, after capping.
    pub latency: Seconds,
    /// Compulsory work at peak rates.
    pub roofline_latency: Seconds,
    /// MACs, attention over the full square of queries and keys.
    pub macs: f64,
    /// MACs the result depends on.
    pub useful_macs: f64,
    /// Useful MACs over what the peak rate would do in the latency.
    pub mac_utilization: Option<f64>,
    /// Energy of events; `None` if nothing is known of it.
    pub dynamic_energy: Option<Joules>,
    /// Idle, active and leakage power over the latency; `None` if not known.
    pub static_energy: Option<Joules>,
    /// Their sum, known only if both are.
    pub energy: Option<Joules>,
    /// Dynamic energy by component, in a stable order.
    pub energy_parts: Vec<(String, Joules)>,
    /// Energy over latency.
    pub average_power: Option<Watts>,
    /// Of the hungriest operator, at the clock that the cap leaves.
    pub peak_power: Option<Watts>,
    /// Clock over nominal clock under the power cap, at most 1.
    pub clock_ratio: f64,
    /// False if even the lowest clock draws more than the cap.
    pub within_cap: bool,
    /// How far the time may be off; `None` if no kernel of it was measured.
    pub expected: Option<Expected>,
    /// What of the work is covered.
    pub coverage: Coverage,
    /// Bytes moved at each memory, outermost first.
    pub bytes: Vec<(String, Bytes)>,
}

/// How far a time may be off, from the errors of the kernels that it is made of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Expected {
    /// Mean error of the measured part, as a share: its kernels' mean errors by their times, as if all were off
    /// in the same direction.
    pub error: f64,
    /// Share of the time in kernels that were measured.
    pub measured: f64,
}

impl Expected {
    /// `A` to 5 %, `B` to 10 %, `C` to 20 %, else `D`; one lower where less than four fifths of the time are
    /// measured, `D` below half.
    pub fn grade(&self) -> char {
        let steps = [0.05, 0.10, 0.20];
        let place = steps.iter().filter(|most| self.error > **most).count();
        let place = place + usize::from(self.measured < 0.8);
        let place = if self.measured < 0.5 { 3 } else { place.min(3) };
        ['A', 'B', 'C', 'D'][place]
    }

    /// Of parts with their times.
    pub(super) fn of(parts: impl Iterator<Item = (Seconds, Option<Self>)>) -> Option<Self> {
        let (mut all, mut measured, mut off) = (0.0, 0.0, 0.0);
        for (time, expected) in parts {
            all += time.0;
            if let Some(expected) = expected {
                measured += time.0 * expected.measured;
                off += time.0 * expected.measured * expected.error;
            }
        }
        (measured > 0.0).then(|| Self {
            error: off / measured,
            measured: measured / all,
        })
    }
}

/// Shares between 0 and 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Coverage {
    /// Of the operators, by executions: those whose arithmetic is known.
    pub macs: f64,
    /// Of the bytes: those of known operators.
    pub bytes: f64,
    /// Of bytes and MACs: those with an energy figure.
    pub energy: f64,
}

impl Default for Coverage {
    fn default() -> Self {
        Self {
            macs: 1.0,
            bytes: 1.0,
            energy: 1.0,
        }
    }
}

/// One phase.
#[derive(Clone, Debug, PartialEq)]
pub struct PhaseEstimate {
    /// Which.
    pub phase: Phase,
    /// Executions of the phase's graph (output tokens after the first in decode).
    pub steps: u64,
    /// Over all steps.
    pub totals: Totals,
    /// Largest live activations.
    pub activation_peak: Bytes,
    /// Operators in execution order.
    pub operators: Vec<OperatorEstimate>,
}

/// One operator; figures are of one execution (the mean over a generation).
#[derive(Clone, Debug, PartialEq)]
pub struct OperatorEstimate {
    /// Name in the model.
    pub name: String,
    /// Layer or block, empty if unknown.
    pub block: String,
    /// Kind.
    pub kind: &'static str,
    /// Operator of the source format.
    pub source: String,
    /// Executions in the scenario.
    pub count: u64,
    /// MACs, attention over the full square.
    pub macs: f64,
    /// MACs the result depends on.
    pub useful_macs: f64,
    /// After capping.
    pub latency: Seconds,
    /// Compulsory work at peak rates.
    pub roofline_latency: Seconds,
    /// Dynamic energy; `None` if not known.
    pub energy: Option<Joules>,
    /// Dynamic, idle and active power while it runs; `None` if not known.
    pub power: Option<Watts>,
    /// Useful MACs over what the peak rate would do in its latency; `None` without MACs.
    pub mac_utilization: Option<f64>,
    /// The binding resource: `matrix`, `vector`, a memory's name, `launch`, or `fused`.
    pub bound: String,
    /// Bytes moved at each memory, outermost first.
    pub bytes: Vec<(String, Bytes)>,
    /// Operator whose result it transforms on the way out.
    pub fused_into: Option<String>,
    /// The mapping in one line.
    pub mapping: Option<String>,
}

/// Figures of a generation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Generation {
    /// Time to the first token.
    pub ttft: Seconds,
    /// Time per output token after the first: (end - first token) / (output - 1).
    pub tpot: Option<Seconds>,
    /// Output tokens of all sequences per second, prefill included.
    pub tokens_per_s: f64,
    /// Energy of the whole generation per output token.
    pub energy_per_output_token: Option<Joules>,
}

/// What must be in main memory at once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MemoryUse {
    /// Memory the verdict is about.
    pub memory: String,
    /// Its capacity.
    pub capacity: Bytes,
    /// Weights as stored.
    pub weights: Bytes,
    /// Keys and values at the longest context, all sequences.
    pub kv_cache: Bytes,
    /// Recurrent state, all sequences.
    pub state: Bytes,
    /// Gradients of weights.
    pub gradients: Bytes,
    /// What the optimizer keeps.
    pub optimizer: Bytes,
    /// Largest live activations, inputs and outputs included.
    pub activations: Bytes,
    /// Kept by the runtime.
    pub reserve: Bytes,
}

impl MemoryUse {
    /// Sum of all parts.
    pub fn required(&self) -> Bytes {
        self.weights
            + self.kv_cache
            + self.state
            + self.gradients
            + self.optimizer
            + self.activations
            + self.reserve
    }

    /// Bytes missing; zero if it fits.
    pub fn short(&self) -> Bytes {
        (self.required() - self.capacity).max(Bytes::ZERO)
    }

    /// Whether it fits.
    pub fn fits(&self) -> bool {
        self.required() <= self.capacity
    }
}

/// Roofs of a chip.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Roofs {
    /// Peak by format, widest first.
    pub peaks: Vec<(Dtype, OpsPerSecond)>,
    /// Peak bandwidth of all instances by memory, outermost first.
    pub bandwidths: Vec<(String, BytesPerSecond)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expected(error: f64, measured: f64) -> Expected {
        Expected { error, measured }
    }

    #[test]
    fn grades_fall_with_the_error_and_with_what_is_not_measured() {
        for (error, measured, grade) in [
            (0.05, 1.0, 'A'),
            (0.051, 1.0, 'B'),
            (0.15, 0.9, 'C'),
            (0.3, 1.0, 'D'),
            (0.04, 0.7, 'B'),
            (0.15, 0.7, 'D'),
            (0.01, 0.4, 'D'),
        ] {
            assert_eq!(
                expected(error, measured).grade(),
                grade,
                "{error} {measured}"
            );
        }
    }

    #[test]
    fn errors_weigh_by_time() {
        // 3 s at 10 %, 1 s at 2 %, 1 s that was not measured: 0.32 s of 4 s.
        let parts = [(3.0, Some(0.1)), (1.0, Some(0.02)), (1.0, None)];
        let parts = parts.map(|(t, e)| (Seconds(t), e.map(|e| expected(e, 1.0))));
        let found = Expected::of(parts.into_iter()).expect("some are measured");
        assert!((found.error - 0.08).abs() < 1e-12 && (found.measured - 0.8).abs() < 1e-12);
        assert_eq!(Expected::of([(Seconds(1.0), None)].into_iter()), None);
    }
}
