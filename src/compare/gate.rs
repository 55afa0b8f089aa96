//! Limits on changes, for continuous integration: `latency>+2%`.

use std::fmt;
use std::str::FromStr;

use super::cause::Comparison;

/// A change that fails.
#[derive(Clone, Debug, PartialEq)]
pub struct Gate {
    /// `latency`
    pub figure: String,
    /// Whether changes above the limit fail, or those below.
    above: Side,
    /// As a share.
    limit: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Above,
    Below,
}

/// What is wrong with the text of a gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GateError(String);

impl fmt::Display for GateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is no limit of a change: write 'latency>+2%' or 'throughput<-5%'",
            self.0
        )
    }
}

impl std::error::Error for GateError {}

impl FromStr for Gate {
    type Err = GateError;

    fn from_str(text: &str) -> Result<Self, GateError> {
        let wrong = || GateError(text.to_owned());
        let at = text.find(['>', '<']).ok_or_else(wrong)?;
        let (figure, rest) = text.split_at(at);
        let above = if rest.starts_with('>') {
            Side::Above
        } else {
            Side::Below
        };
        let number = rest[1..].trim().strip_suffix('%').ok_or_else(wrong)?;
        let percent: f64 = number.trim().parse().map_err(|_| wrong())?;
        let figure = figure.trim();
        if figure.is_empty() || !percent.is_finite() {
            return Err(wrong());
        }
        Ok(Self {
            figure: figure.to_owned(),
            above,
            limit: percent / 100.0,
        })
    }
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self.above {
            Side::Above => '>',
            Side::Below => '<',
        };
        write!(f, "{}{sign}{:+}%", self.figure, 100.0 * self.limit)
    }
}

impl Gate {
    /// Whether a comparison fails it; `None` if it has no such change.
    pub fn fails(&self, comparison: &Comparison) -> Option<bool> {
        let figure = comparison.figures.iter().find(|f| f.name == self.figure)?;
        let share = figure.share?;
        Some(match self.above {
            Side::Above => share > self.limit,
            Side::Below => share < self.limit,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_and_shown() {
        for text in ["latency>+2%", "throughput<-5%", "energy>+0.5%"] {
            let gate: Gate = text.parse().expect("is a gate");
            assert_eq!(gate.to_string(), text);
        }
        let gate: Gate = " latency > 2 % ".parse().expect("is a gate");
        assert_eq!(gate.to_string(), "latency>+2%");
        for wrong in ["latency", "latency>2", ">2%", "latency>x%", "latency=2%"] {
            assert!(wrong.parse::<Gate>().is_err(), "{wrong}");
        }
    }
}
