//! Scales: how values map to places, round tick values and their SI labels.

use crate::units::{SI_PREFIXES, count, significant};

/// How values map to places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::report) enum Kind {
    Linear,
    Log,
}

/// A range of values and its ticks.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::report) struct Scale {
    pub(in crate::report) kind: Kind,
    pub(in crate::report) low: f64,
    pub(in crate::report) high: f64,
}

/// A labelled value.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::report) struct Tick {
    pub(in crate::report) value: f64,
    pub(in crate::report) label: String,
}

/// Smallest and largest finite value, if any.
pub(in crate::report) fn extent(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.filter(|v| v.is_finite()).fold(None, |range, v| {
        let (low, high) = range.unwrap_or((v, v));
        Some((low.min(v), high.max(v)))
    })
}

impl Scale {
    /// Logarithmic if all values are positive and span more than a decade, else linear; with a margin.
    pub(in crate::report) fn fitting(range: Option<(f64, f64)>) -> Self {
        let (low, high) = range.unwrap_or((0.0, 1.0));
        if low > 0.0 && high / low > 10.0 {
            return Self::log(low, high, 0.06);
        }
        let magnitude = low.abs().max(high.abs());
        let mut margin = 0.07 * (high - low);
        if margin <= magnitude * 1e-9 {
            margin = if magnitude > 0.0 {
                0.1 * magnitude
            } else {
                1.0
            };
        }
        let from = low - margin;
        Self {
            kind: Kind::Linear,
            // Counts, times and energies do not reach below zero.
            low: if low >= 0.0 { from.max(0.0) } else { from },
            high: (high + margin).min(f64::MAX / 4.0),
        }
    }

    /// Logarithmic with a margin as a share of its length. Both values must be positive.
    pub(in crate::report) fn log(low: f64, high: f64, margin: f64) -> Self {
        let (low, high) = (low.clamp(1e-290, 1e290), high.clamp(1e-290, 1e290));
        let factor = (high / low).powf(margin).clamp(1.0, 1e9);
        Self {
            kind: Kind::Log,
            low: low / factor,
            high: high * factor,
        }
    }

    /// Linear from zero, a little beyond `high`.
    pub(in crate::report) fn from_zero(high: f64) -> Self {
        let high = if high > 0.0 && high.is_finite() {
            high
        } else {
            1.0
        };
        Self {
            kind: Kind::Linear,
            low: 0.0,
            high: (high * 1.04).min(f64::MAX / 4.0),
        }
    }

    /// Place of a value on 0..1; values outside the range are clamped to it.
    pub(in crate::report) fn share(&self, value: f64) -> f64 {
        let share = match self.kind {
            Kind::Linear => (value - self.low) / (self.high - self.low),
            Kind::Log => (value / self.low).ln() / (self.high / self.low).ln(),
        };
        if share.is_nan() {
            0.0
        } else {
            share.clamp(0.0, 1.0)
        }
    }

    /// The value at a place on 0..1.
    pub(in crate::report) fn at(&self, share: f64) -> f64 {
        match self.kind {
            Kind::Linear => self.low + (self.high - self.low) * share,
            Kind::Log => self.low * (self.high / self.low).powf(share),
        }
    }

    /// Round values, about `wanted` of them; linear labels leave the prefix and unit to the axis title.
    pub(in crate::report) fn ticks(&self, wanted: usize, unit: &str) -> Vec<Tick> {
        match self.kind {
            Kind::Linear => {
                let step = round_step((self.high - self.low) / wanted.max(1) as f64);
                let scale = self.prefix(unit).0;
                let first = (self.low / step - 1e-9).ceil();
                (0..=3 * wanted)
                    .map(|i| (first + i as f64) * step)
                    .take_while(|v| *v <= self.high + step * 1e-9)
                    .map(|value| Tick {
                        value,
                        label: plain(value / scale),
                    })
                    .collect()
            }
            Kind::Log => log_values(self.low, self.high, wanted)
                .into_iter()
                .map(|value| Tick {
                    value,
                    label: if takes_prefix(unit) {
                        show(value, unit, 3)
                    } else {
                        plain(value / self.prefix(unit).0)
                    },
                })
                .collect(),
        }
    }

    /// Factor and prefixed unit that all labels share; `(1, "")` if each label has its own prefix.
    pub(in crate::report) fn prefix(&self, unit: &str) -> (f64, String) {
        match self.kind {
            Kind::Log if takes_prefix(unit) => (1.0, String::new()),
            Kind::Log | Kind::Linear => prefix_of(self.high.abs().max(self.low.abs()), unit),
        }
    }

    /// `Latency (ms)`, or `Latency` where the ticks carry the unit.
    pub(in crate::report) fn title(&self, name: &str, unit: &str) -> String {
        match self.prefix(unit).1.as_str() {
            "" => name.to_owned(),
            unit => format!("{name} ({unit})"),
        }
    }
}

/// 1, 2 or 5 times a power of ten, at least `step`.
fn round_step(step: f64) -> f64 {
    let power = 10_f64.powf(step.max(1e-300).log10().floor());
    let digit = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .find(|d| d * power >= step * 0.999);
    digit.unwrap_or(10.0) * power
}

/// 1-2-5 values on short ranges, decades on long ones, every n-th decade on very long ones.
fn log_values(low: f64, high: f64, wanted: usize) -> Vec<f64> {
    let (first, last) = (low.log10().floor() as i32, high.log10().ceil() as i32);
    let decades = (high / low).log10();
    let digits: &[f64] = match decades {
        d if d * 3.0 <= wanted as f64 + 0.5 => &[1.0, 2.0, 5.0],
        d if d * 2.0 <= wanted as f64 + 0.5 => &[1.0, 3.0],
        _ => &[1.0],
    };
    let every = match ((decades / wanted.max(1) as f64).ceil() as i32).max(1) {
        // Every third decade has the same digits: 1 ns, 1 µs, 1 ms.
        2 if decades >= 9.0 => 3,
        every => every,
    };
    (first..=last)
        .filter(|power| power.rem_euclid(every) == 0)
        .flat_map(|power| digits.iter().map(move |d| parse_power(*d, power)))
        .filter(|v| (low * (1.0 - 1e-9)..=high * (1.0 + 1e-9)).contains(v))
        .collect()
}

/// `digit · 10^power`, correctly rounded, which `powi` is not.
fn parse_power(digit: f64, power: i32) -> f64 {
    format!("{digit}e{power}").parse().unwrap_or(f64::INFINITY)
}

/// Units that take an SI prefix; others, such as `mm²`, `%` or `USD`, are printed as they are.
const PREFIXED: [&str; 11] = [
    "s", "J", "W", "B", "OP", "FLOP", "Hz", "V", "MAC", "bit", "cycle",
];

fn base_of(unit: &str) -> &str {
    unit.split(['/', '·']).next().unwrap_or(unit)
}

/// A ratio such as operational intensity reads better as 1000 OP/B than as 1 kOP/B.
fn takes_prefix(unit: &str) -> bool {
    PREFIXED.contains(&base_of(unit)) && unit != "OP/B" && unit != "FLOP/B"
}

fn prefix_of(size: f64, unit: &str) -> (f64, String) {
    if unit == "m²" && size < 0.1 {
        return (1e-6, "mm²".to_owned());
    }
    if !takes_prefix(unit) || size == 0.0 || !size.is_finite() {
        return (1.0, unit.to_owned());
    }
    let base = base_of(unit);
    // Nothing counts less than one byte or one operation.
    let is_count = matches!(base, "B" | "OP" | "FLOP" | "MAC" | "bit" | "cycle");
    let (scale, prefix) = SI_PREFIXES
        .iter()
        .copied()
        .find(|(scale, _)| size * (1.0 + 1e-9) >= *scale)
        .unwrap_or(SI_PREFIXES[SI_PREFIXES.len() - 1]);
    if is_count && size < 1.0 {
        return (1.0, unit.to_owned());
    }
    (scale, format!("{prefix}{unit}"))
}

/// `12.3 ms`: a value with the prefix of its own size.
pub(in crate::report) fn show(value: f64, unit: &str, digits: usize) -> String {
    let (scale, unit) = prefix_of(value.abs(), unit);
    let number = value / scale;
    let text = if number != 0.0 && !(1e-4..1e6).contains(&number.abs()) {
        plain(number)
    } else {
        significant(number, digits)
    };
    if unit.is_empty() || unit == "%" {
        format!("{text}{unit}")
    } else {
        format!("{text} {unit}")
    }
}

/// A tick number: short, with a power of ten only where digits would not fit.
fn plain(value: f64) -> String {
    let value = if value.abs() < 1e-300 { 0.0 } else { value };
    if value != 0.0 && !(1e-4..1e6).contains(&value.abs()) {
        let text = format!("{value:.2e}");
        let (digits, power) = text.split_once('e').unwrap_or((&text, "0"));
        let digits = digits.trim_end_matches('0').trim_end_matches('.');
        return format!("{digits}e{power}");
    }
    if value.abs() >= 1e4 && value.fract() == 0.0 {
        let sign = if value < 0.0 { "-" } else { "" };
        return format!("{sign}{}", count(value.abs() as u64));
    }
    // Six digits absorb the rounding of `i · step`.
    significant(value, 6)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(scale: &Scale, unit: &str) -> Vec<String> {
        scale.ticks(6, unit).into_iter().map(|t| t.label).collect()
    }

    #[test]
    fn log_ticks_are_round_and_carry_the_unit() {
        let scale = Scale::log(1e-6, 1e-3, 0.0);
        assert_eq!(
            labels(&scale, "s"),
            ["1 µs", "3 µs", "10 µs", "30 µs", "100 µs", "300 µs", "1 ms"]
        );
        let wide = Scale::log(1e-9, 1e3, 0.0);
        assert_eq!(labels(&wide, "s"), ["1 ns", "1 µs", "1 ms", "1 s", "1 ks"]);
    }

    #[test]
    fn linear_ticks_share_the_prefix_of_the_title() {
        let scale = Scale {
            kind: Kind::Linear,
            low: 0.0,
            high: 0.012,
        };
        assert_eq!(scale.title("Latency", "s"), "Latency (ms)");
        assert_eq!(labels(&scale, "s"), ["0", "2", "4", "6", "8", "10", "12"]);
        let area = Scale {
            kind: Kind::Linear,
            low: 0.0,
            high: 40.0,
        };
        assert_eq!(area.title("Area", "mm²"), "Area (mm²)");
    }

    #[test]
    fn any_range_gives_finite_ticks() {
        for (low, high) in [
            (0.0, 0.0),
            (5.0, 5.0),
            (-1e308, 1e308),
            (1e-320, 1e300),
            (-3.0, -3.0),
            (1e-5, 1.0),
        ] {
            let scale = Scale::fitting(Some((low, high)));
            for tick in scale.ticks(6, "s") {
                assert!(scale.share(tick.value).is_finite(), "{low} {high}");
            }
            assert!(scale.share(low) <= scale.share(high));
        }
    }
}
