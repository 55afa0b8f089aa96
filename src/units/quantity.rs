//! A number with a dimension known only at run time, as read from a file.

use super::{Dimension, Typed, UnitError, parse_unit};

/// A value in SI base units and its dimension.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantity {
    /// In SI base units.
    pub value: f64,
    /// Of `value`.
    pub dimension: Dimension,
}

impl Quantity {
    /// From a value in SI base units.
    pub fn new(value: f64, dimension: Dimension) -> Self {
        Self { value, dimension }
    }

    /// A bare number.
    pub fn number(value: f64) -> Self {
        Self::new(value, Dimension::NONE)
    }

    /// Reads `3.35 TB/s`, `80GiB`, `16`, `3.9 pJ/bit`, `5 %`.
    ///
    /// # Errors
    /// [`UnitError`] if the number or the unit cannot be read.
    pub fn parse(text: &str) -> Result<Self, UnitError> {
        let text = text.trim();
        let end = number_end(text);
        let digits: String = text[..end].chars().filter(|c| *c != '_').collect();
        let value: f64 = digits
            .parse()
            .map_err(|_| UnitError::Number(text.to_owned()))?;
        let unit = text[end..].trim();
        if unit.is_empty() {
            return Ok(Self::number(value));
        }
        let (scale, dimension) = parse_unit(unit)?;
        Ok(Self::new(scaled(value, scale), dimension))
    }

    /// The typed value, or `None` if the dimension is another one.
    pub fn into_typed<T: Typed>(self) -> Option<T> {
        (self.dimension == T::DIMENSION).then(|| T::from_si(self.value))
    }
}

/// `value · scale`, by division where that is the exact way: 7 nm are 7e-9 m, not 7 · 1e-9 rounded twice.
fn scaled(value: f64, scale: f64) -> f64 {
    let inverse = (1.0 / scale).round();
    if scale < 1.0 && (inverse * scale - 1.0).abs() < 1e-12 {
        value / inverse
    } else {
        value * scale
    }
}

/// Where the leading number ends. An `e` belongs to it only if digits follow.
fn number_end(text: &str) -> usize {
    let bytes = text.as_bytes();
    let digits = |mut i: usize| {
        while i < bytes.len() && (bytes[i].is_ascii_digit() || bytes[i] == b'_') {
            i += 1;
        }
        i
    };
    let mut end = usize::from(matches!(bytes.first(), Some(b'+' | b'-')));
    end = digits(end);
    if bytes.get(end) == Some(&b'.') {
        end = digits(end + 1);
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        let exponent = digits(end + 1 + sign);
        if exponent > end + 1 + sign {
            end = exponent;
        }
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, value: f64, dimension: Dimension) {
        let found = Quantity::parse(text).expect("parses");
        assert!(
            (found.value - value).abs() <= 1e-12 * value.abs(),
            "{text}: {found:?}"
        );
        assert_eq!(found.dimension, dimension, "{text}");
    }

    #[test]
    fn units_of_every_kind_are_read() {
        check("3.35 TB/s", 3.35e12, Dimension::BANDWIDTH);
        check("80 GiB", 80.0 * 1_073_741_824.0, Dimension::BYTES);
        check("80GB", 80e9, Dimension::BYTES);
        check("3.9 pJ/bit", 31.2e-12, Dimension::ENERGY_PER_BYTE);
        check("989 TFLOP/s", 989e12, Dimension::OP_RATE);
        check("4 TOPS", 4e12, Dimension::OP_RATE);
        check("40 mm2", 40e-6, Dimension::AREA);
        check("7 nm", 7e-9, Dimension::LENGTH);
        check("2 us", 2e-6, Dimension::TIME);
        check("2 µs", 2e-6, Dimension::TIME);
        check("64 B/cycle", 64.0, Dimension::BYTES_PER_CYCLE);
        check("5 %", 0.05, Dimension::NONE);
        check("1_000", 1000.0, Dimension::NONE);
        check("1e3 Hz", 1000.0, Dimension::FREQUENCY);
        check("1 MAC", 2.0, Dimension::OPS);
        check("120 mW", 0.12, Dimension::POWER);
        check("1 kWh", 3.6e6, Dimension::ENERGY);
        check("8 Gbit/s", 1e9, Dimension::BANDWIDTH);
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "", "GiB", "3 parsec", "1 B//s", "1 B/", "--3", "4 KKB", "1 /s/",
        ] {
            assert!(Quantity::parse(text).is_err(), "{text}");
        }
    }
}
