//! Dimensions: which base units a quantity is made of.

use std::fmt;
use std::ops::{Div, Mul};

/// Exponents of the base units s, B, op, J, m, V, cycle, USD, g.
///
/// A watt is `J/s`. `FLOP` and `OP` are one dimension; a MAC is two of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Dimension([i8; 9]);

const NAMES: [&str; 9] = ["s", "B", "OP", "J", "m", "V", "cycle", "USD", "g"];

impl Dimension {
    /// A bare number: a count or a ratio.
    pub const NONE: Self = Self([0; 9]);
    /// Seconds.
    pub const TIME: Self = Self::base(0);
    /// Bytes.
    pub const BYTES: Self = Self::base(1);
    /// Operations (FLOP, OP).
    pub const OPS: Self = Self::base(2);
    /// Joules.
    pub const ENERGY: Self = Self::base(3);
    /// Meters.
    pub const LENGTH: Self = Self::base(4);
    /// Volts.
    pub const VOLTAGE: Self = Self::base(5);
    /// Clock cycles.
    pub const CYCLES: Self = Self::base(6);
    /// US dollars.
    pub const MONEY: Self = Self::base(7);
    /// Grams.
    pub const MASS: Self = Self::base(8);
    /// Hertz.
    pub const FREQUENCY: Self = Self([-1, 0, 0, 0, 0, 0, 0, 0, 0]);
    /// Bytes per second.
    pub const BANDWIDTH: Self = Self([-1, 1, 0, 0, 0, 0, 0, 0, 0]);
    /// Bytes per clock cycle.
    pub const BYTES_PER_CYCLE: Self = Self([0, 1, 0, 0, 0, 0, -1, 0, 0]);
    /// Operations per second.
    pub const OP_RATE: Self = Self([-1, 0, 1, 0, 0, 0, 0, 0, 0]);
    /// Watts.
    pub const POWER: Self = Self([-1, 0, 0, 1, 0, 0, 0, 0, 0]);
    /// Joules per byte.
    pub const ENERGY_PER_BYTE: Self = Self([0, -1, 0, 1, 0, 0, 0, 0, 0]);
    /// Square meters.
    pub const AREA: Self = Self([0, 0, 0, 0, 2, 0, 0, 0, 0]);

    const fn base(axis: usize) -> Self {
        let mut exponents = [0; 9];
        exponents[axis] = 1;
        Self(exponents)
    }

    /// True for a bare number.
    pub fn is_none(self) -> bool {
        self == Self::NONE
    }

    /// The dimension raised to a small power.
    pub fn power(self, exponent: i8) -> Self {
        Self(self.0.map(|e| e.saturating_mul(exponent)))
    }

    /// What a user would call it, with an example to copy: `bandwidth, e.g. "3.35 TB/s"`.
    pub fn hint(self) -> String {
        let known = [
            (Self::NONE, "a number without a unit, e.g. 16"),
            (Self::TIME, "a time, e.g. \"2 us\""),
            (Self::BYTES, "a size, e.g. \"80 GiB\""),
            (Self::OPS, "an operation count, e.g. \"2 GFLOP\""),
            (Self::ENERGY, "an energy, e.g. \"3.9 pJ\""),
            (Self::LENGTH, "a length, e.g. \"7 nm\""),
            (Self::VOLTAGE, "a voltage, e.g. \"0.75 V\""),
            (Self::CYCLES, "clock cycles, e.g. \"16 cycle\""),
            (Self::FREQUENCY, "a frequency, e.g. \"1.2 GHz\""),
            (Self::BANDWIDTH, "a bandwidth, e.g. \"3.35 TB/s\""),
            (
                Self::BYTES_PER_CYCLE,
                "bytes per cycle, e.g. \"64 B/cycle\"",
            ),
            (Self::OP_RATE, "an operation rate, e.g. \"989 TFLOP/s\""),
            (Self::POWER, "a power, e.g. \"700 W\""),
            (
                Self::ENERGY_PER_BYTE,
                "an energy per bit or byte, e.g. \"3.9 pJ/bit\"",
            ),
            (Self::AREA, "an area, e.g. \"40 mm2\""),
        ];
        known
            .iter()
            .find(|(dimension, _)| *dimension == self)
            .map_or_else(|| format!("a value in {self}"), |(_, text)| (*text).into())
    }
}

impl Mul for Dimension {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| {
            self.0[i].saturating_add(other.0[i])
        }))
    }
}

impl Div for Dimension {
    type Output = Self;

    fn div(self, other: Self) -> Self {
        self * other.power(-1)
    }
}

impl fmt::Display for Dimension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_none() {
            return f.write_str("a bare number");
        }
        if *self == Self::POWER {
            return f.write_str("W");
        }
        let part = |sign: i8| {
            let terms: Vec<String> = (0..NAMES.len())
                .filter(|&i| self.0[i] * sign > 0)
                .map(|i| match self.0[i] * sign {
                    1 => NAMES[i].to_owned(),
                    e => format!("{}{e}", NAMES[i]),
                })
                .collect();
            terms.join("·")
        };
        let (above, below) = (part(1), part(-1));
        match (above.is_empty(), below.is_empty()) {
            (false, true) => f.write_str(&above),
            (true, _) => write!(f, "1/{below}"),
            (false, false) => write!(f, "{above}/{below}"),
        }
    }
}
