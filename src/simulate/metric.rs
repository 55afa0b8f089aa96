//! Figures of an estimate by name, and limits on them: `ttft<300ms, power<350W`.

use std::fmt;
use std::str::FromStr;

use crate::units::{Dimension, Joules, Quantity, Seconds, SquareMeters, Watts};

use super::{Estimate, Summary};

/// A figure that can be asked for, limited, or optimized.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Metric {
    /// Of the whole scenario.
    Latency,
    /// Time to the first token.
    Ttft,
    /// Time per output token.
    Tpot,
    /// Output tokens per second.
    Throughput,
    /// Samples or sequences per second.
    SampleRate,
    /// Of the whole scenario.
    Energy,
    /// Per output token.
    EnergyPerToken,
    /// Per sample or sequence of the batch.
    EnergyPerSample,
    /// Average power.
    Power,
    /// Peak power.
    PeakPower,
    /// Of peak MACs.
    Utilization,
    /// Of the die.
    Area,
    /// Main memory needed.
    Memory,
}

impl Metric {
    /// All figures.
    pub const ALL: [Self; 13] = [
        Self::Latency,
        Self::Ttft,
        Self::Tpot,
        Self::Throughput,
        Self::SampleRate,
        Self::Energy,
        Self::EnergyPerToken,
        Self::EnergyPerSample,
        Self::Power,
        Self::PeakPower,
        Self::Utilization,
        Self::Area,
        Self::Memory,
    ];

    /// The name users write.
    pub fn name(self) -> &'static str {
        match self {
            Self::Latency => "latency",
            Self::Ttft => "ttft",
            Self::Tpot => "tpot",
            Self::Throughput => "throughput",
            Self::SampleRate => "sample_rate",
            Self::Energy => "energy",
            Self::EnergyPerToken => "energy_per_token",
            Self::EnergyPerSample => "energy_per_sample",
            Self::Power => "power",
            Self::PeakPower => "peak_power",
            Self::Utilization => "utilization",
            Self::Area => "area",
            Self::Memory => "memory",
        }
    }

    /// What it is.
    pub fn doc(self) -> &'static str {
        match self {
            Self::Latency => "time of the whole scenario: one batch, all phases",
            Self::Ttft => "time to the first token (generate)",
            Self::Tpot => "(end - first token) / (output - 1) (generate)",
            Self::Throughput => {
                "output tokens of all sequences per second, prefill included (generate); tokens learned from (train)"
            }
            Self::SampleRate => "samples or sequences of the batch per second",
            Self::Energy => "dynamic and static energy of the whole scenario",
            Self::EnergyPerToken => "energy of the whole scenario per output token (generate)",
            Self::EnergyPerSample => "energy of the whole scenario over its batch",
            Self::Power => "energy over latency",
            Self::PeakPower => "power of the hungriest operator, at the clock that the cap leaves",
            Self::Utilization => "useful MACs over what the peak rate would do in the latency",
            Self::Area => "sum of the components on the die",
            Self::Memory => "weights, caches, activations and reserve in main memory",
        }
    }

    /// Whether more of it is better.
    pub fn is_maximized(self) -> bool {
        match self {
            Self::Throughput | Self::SampleRate | Self::Utilization => true,
            Self::Latency
            | Self::Ttft
            | Self::Tpot
            | Self::Energy
            | Self::EnergyPerToken
            | Self::EnergyPerSample
            | Self::Power
            | Self::PeakPower
            | Self::Area
            | Self::Memory => false,
        }
    }

    /// Whether only a generation has it.
    pub fn is_of_generation(self) -> bool {
        match self {
            Self::Ttft | Self::Tpot | Self::Throughput | Self::EnergyPerToken => true,
            Self::Latency
            | Self::SampleRate
            | Self::Energy
            | Self::EnergyPerSample
            | Self::Power
            | Self::PeakPower
            | Self::Utilization
            | Self::Area
            | Self::Memory => false,
        }
    }

    /// Unit of its value.
    pub fn unit(self) -> &'static str {
        match self {
            Self::Latency | Self::Ttft | Self::Tpot => "s",
            Self::Throughput => "tokens/s",
            Self::SampleRate => "samples/s",
            Self::Energy | Self::EnergyPerToken | Self::EnergyPerSample => "J",
            Self::Power | Self::PeakPower => "W",
            Self::Utilization => "1",
            Self::Area => "m2",
            Self::Memory => "B",
        }
    }

    /// Dimension that a limit on it must have.
    pub fn dimension(self) -> Dimension {
        match self {
            Self::Latency | Self::Ttft | Self::Tpot => Dimension::TIME,
            Self::Throughput | Self::SampleRate | Self::Utilization => Dimension::NONE,
            Self::Energy | Self::EnergyPerToken | Self::EnergyPerSample => Dimension::ENERGY,
            Self::Power | Self::PeakPower => Dimension::POWER,
            Self::Area => Dimension::AREA,
            Self::Memory => Dimension::BYTES,
        }
    }

    /// Its value in [`Self::unit`]; `None` if it is not known or does not apply.
    pub fn of(self, estimate: &Estimate) -> Option<f64> {
        self.of_summary(&estimate.summary())
    }

    /// As [`Self::of`].
    pub fn of_summary(self, summary: &Summary) -> Option<f64> {
        let latency = summary.latency.0;
        let samples = summary.samples as f64;
        let generation = summary.generation.as_ref();
        match self {
            Self::Latency => Some(latency),
            Self::Ttft => generation.map(|g| g.ttft.0),
            Self::Tpot => generation.and_then(|g| g.tpot).map(|t| t.0),
            Self::Throughput => generation
                .map(|g| g.tokens_per_s)
                .or(summary.trained_tokens_per_s),
            Self::SampleRate => (latency > 0.0).then(|| samples / latency),
            Self::Energy => summary.energy.map(|e| e.0),
            Self::EnergyPerToken => generation
                .and_then(|g| g.energy_per_output_token)
                .map(|e| e.0),
            Self::EnergyPerSample => summary.energy.map(|e| e.0 / samples),
            Self::Power => summary.average_power.map(|p| p.0),
            Self::PeakPower => summary.peak_power.map(|p| p.0),
            Self::Utilization => summary.mac_utilization,
            Self::Area => summary.area.map(|a| a.0),
            Self::Memory => Some(summary.memory.0),
        }
    }

    /// A value as people read it.
    pub fn show(self, value: f64) -> String {
        match self {
            Self::Latency | Self::Ttft | Self::Tpot => Seconds(value).to_string(),
            Self::Throughput => format!("{} tokens/s", crate::units::significant(value, 4)),
            Self::SampleRate => format!("{} samples/s", crate::units::significant(value, 4)),
            Self::Energy | Self::EnergyPerToken | Self::EnergyPerSample => {
                Joules(value).to_string()
            }
            Self::Power | Self::PeakPower => Watts(value).to_string(),
            Self::Utilization => crate::units::percent(value),
            Self::Area => SquareMeters(value).to_string(),
            Self::Memory => crate::units::Bytes(value).to_string(),
        }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// On which side of a limit a figure must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// `<`
    Below,
    /// `<=`
    AtMost,
    /// `>`
    Above,
    /// `>=`
    AtLeast,
}

impl Relation {
    const ALL: [(&'static str, Self); 4] = [
        ("<=", Self::AtMost),
        (">=", Self::AtLeast),
        ("<", Self::Below),
        (">", Self::Above),
    ];

    /// Whether it holds.
    pub fn holds(self, value: f64, limit: f64) -> bool {
        match self {
            Self::Below => value < limit,
            Self::AtMost => value <= limit,
            Self::Above => value > limit,
            Self::AtLeast => value >= limit,
        }
    }

    fn sign(self) -> &'static str {
        match self {
            Self::Below => "<",
            Self::AtMost => "<=",
            Self::Above => ">",
            Self::AtLeast => ">=",
        }
    }
}

/// A limit on a figure: `ttft < 300 ms`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Constraint {
    /// Which figure.
    pub metric: Metric,
    /// On which side.
    pub relation: Relation,
    /// In the figure's SI unit.
    pub limit: f64,
}

impl Constraint {
    /// Whether an estimate meets it; what is not known does not.
    pub fn met(&self, estimate: &Estimate) -> bool {
        let value = self.metric.of(estimate);
        value.is_some_and(|v| self.relation.holds(v, self.limit))
    }
}

impl fmt::Display for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (metric, sign) = (self.metric, self.relation.sign());
        write!(f, "{metric} {sign} {}", metric.show(self.limit))
    }
}

/// Why a limit could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConstraintError {
    /// No sign.
    #[error("`{0}` is not a limit; write for instance `ttft<300ms`")]
    Sign(String),
    /// Not a figure.
    #[error("`{0}` is not a metric; known: {1}")]
    Metric(String, String),
    /// Not a value of the figure.
    #[error("`{value}` is not a limit of {metric}: {hint}")]
    Value {
        /// As written.
        value: String,
        /// Of which figure.
        metric: &'static str,
        /// What is wanted.
        hint: String,
    },
}

impl FromStr for Constraint {
    type Err = ConstraintError;

    fn from_str(text: &str) -> Result<Self, ConstraintError> {
        let text = text.trim();
        let split = Relation::ALL
            .iter()
            .find_map(|(sign, relation)| Some((text.split_once(sign)?, *relation)));
        let ((name, value), relation) =
            split.ok_or_else(|| ConstraintError::Sign(text.to_owned()))?;
        let (name, value) = (name.trim(), value.trim());
        let metric = Metric::ALL.iter().copied().find(|m| m.name() == name);
        let metric = metric.ok_or_else(|| {
            let names: Vec<&str> = Metric::ALL.iter().map(|m| m.name()).collect();
            ConstraintError::Metric(name.to_owned(), names.join(", "))
        })?;
        let refuse = |hint: String| ConstraintError::Value {
            value: value.to_owned(),
            metric: metric.name(),
            hint,
        };
        let quantity = Quantity::parse(value).map_err(|e| refuse(e.to_string()))?;
        if quantity.dimension != metric.dimension() || !quantity.value.is_finite() {
            return Err(refuse(format!("it is in {}", metric.unit())));
        }
        Ok(Self {
            metric,
            relation,
            limit: quantity.value,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_with_their_units() {
        let limit: Constraint = "ttft<300ms".parse().expect("parses");
        assert_eq!(limit.metric, Metric::Ttft);
        assert_eq!(limit.relation, Relation::Below);
        assert!((limit.limit - 0.3).abs() < 1e-12);
        assert_eq!(limit.to_string(), "ttft < 300 ms");
        let limit: Constraint = " utilization >= 40 % ".parse().expect("parses");
        assert_eq!(limit.relation, Relation::AtLeast);
        assert!((limit.limit - 0.4).abs() < 1e-12);
        for wrong in [
            "ttft",
            "ttfd<1s",
            "ttft<300",
            "power<350ms",
            "ttft<",
            "<1s",
            "area<inf",
        ] {
            assert!(wrong.parse::<Constraint>().is_err(), "{wrong}");
        }
    }
}
