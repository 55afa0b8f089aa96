//! One type per physical quantity, in SI base units, and the products that physics allows.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, Mul, Sub};

use super::print::{ByteStyle, bytes, si};
use super::{Dimension, Quantity};

/// A quantity whose unit is part of its type.
pub trait Typed: Sized {
    /// The dimension a parsed value must have.
    const DIMENSION: Dimension;
    /// From a value in SI base units.
    fn from_si(value: f64) -> Self;
    /// The value in SI base units.
    fn si(&self) -> f64;
}

impl Typed for f64 {
    const DIMENSION: Dimension = Dimension::NONE;

    fn from_si(value: f64) -> Self {
        value
    }

    fn si(&self) -> f64 {
        *self
    }
}

macro_rules! quantity {
    ($(#[$doc:meta])* $name:ident, $dimension:expr, $show:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd, serde::Serialize)]
        #[serde(transparent)]
        pub struct $name(pub f64);

        impl $name {
            /// Nothing of it.
            pub const ZERO: Self = Self(0.0);

            /// The larger of two.
            pub fn max(self, other: Self) -> Self {
                Self(self.0.max(other.0))
            }

            /// The smaller of two.
            pub fn min(self, other: Self) -> Self {
                Self(self.0.min(other.0))
            }
        }

        impl Typed for $name {
            const DIMENSION: Dimension = $dimension;

            fn from_si(value: f64) -> Self {
                Self(value)
            }

            fn si(&self) -> f64 {
                self.0
            }
        }

        impl From<$name> for Quantity {
            fn from(value: $name) -> Self {
                Quantity::new(value.0, $dimension)
            }
        }

        impl Add for $name {
            type Output = Self;

            fn add(self, other: Self) -> Self {
                Self(self.0 + other.0)
            }
        }

        impl AddAssign for $name {
            fn add_assign(&mut self, other: Self) {
                self.0 += other.0;
            }
        }

        impl Sub for $name {
            type Output = Self;

            fn sub(self, other: Self) -> Self {
                Self(self.0 - other.0)
            }
        }

        impl Mul<f64> for $name {
            type Output = Self;

            fn mul(self, factor: f64) -> Self {
                Self(self.0 * factor)
            }
        }

        impl Div<f64> for $name {
            type Output = Self;

            fn div(self, divisor: f64) -> Self {
                Self(self.0 / divisor)
            }
        }

        impl Div for $name {
            type Output = f64;

            fn div(self, other: Self) -> f64 {
                self.0 / other.0
            }
        }

        impl Sum for $name {
            fn sum<I: Iterator<Item = Self>>(values: I) -> Self {
                Self(values.map(|v| v.0).sum())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let show: fn(f64) -> String = $show;
                f.pad(&show(self.0))
            }
        }
    };
}

macro_rules! product {
    ($a:ident * $b:ident = $c:ident) => {
        impl Mul<$b> for $a {
            type Output = $c;

            fn mul(self, other: $b) -> $c {
                $c(self.0 * other.0)
            }
        }

        impl Mul<$a> for $b {
            type Output = $c;

            fn mul(self, other: $a) -> $c {
                $c(self.0 * other.0)
            }
        }

        impl Div<$a> for $c {
            type Output = $b;

            fn div(self, other: $a) -> $b {
                $b(self.0 / other.0)
            }
        }

        impl Div<$b> for $c {
            type Output = $a;

            fn div(self, other: $b) -> $a {
                $a(self.0 / other.0)
            }
        }
    };
}

quantity!(
    /// Time.
    Seconds,
    Dimension::TIME,
    |v| si(v, "s")
);
quantity!(
    /// Frequency.
    Hertz,
    Dimension::FREQUENCY,
    |v| si(v, "Hz")
);
quantity!(
    /// Size of data; fractional where elements are narrower than a byte.
    Bytes,
    Dimension::BYTES,
    |v| bytes(v, ByteStyle::Iec)
);
quantity!(
    /// Rate of data.
    BytesPerSecond,
    Dimension::BANDWIDTH,
    |v| si(v, "B/s")
);
quantity!(
    /// Operations (an addition and a multiplication are two).
    Ops,
    Dimension::OPS,
    |v| si(v, "OP")
);
quantity!(
    /// Rate of operations.
    OpsPerSecond,
    Dimension::OP_RATE,
    |v| si(v, "OP/s")
);
quantity!(
    /// Multiply-accumulates, each two operations.
    Macs,
    Dimension::NONE,
    |v| si(v, "MAC")
);
quantity!(
    /// Rate of multiply-accumulates.
    MacsPerSecond,
    Dimension::FREQUENCY,
    |v| si(v, "MAC/s")
);
quantity!(
    /// Energy.
    Joules,
    Dimension::ENERGY,
    |v| si(v, "J")
);
quantity!(
    /// Energy per byte moved.
    JoulesPerByte,
    Dimension::ENERGY_PER_BYTE,
    |v| format!("{}/bit", si(v / 8.0, "J"))
);
quantity!(
    /// Power.
    Watts,
    Dimension::POWER,
    |v| si(v, "W")
);
quantity!(
    /// Electric potential.
    Volts,
    Dimension::VOLTAGE,
    |v| si(v, "V")
);
quantity!(
    /// Length, such as a process node.
    Meters,
    Dimension::LENGTH,
    |v| si(v, "m")
);
quantity!(
    /// Silicon area, printed in mm².
    SquareMeters,
    Dimension::AREA,
    |v| format!("{} mm²", super::print::significant(v * 1e6, 4))
);

product!(BytesPerSecond * Seconds = Bytes);
product!(OpsPerSecond * Seconds = Ops);
product!(MacsPerSecond * Seconds = Macs);
product!(Watts * Seconds = Joules);
product!(JoulesPerByte * Bytes = Joules);
product!(JoulesPerByte * BytesPerSecond = Watts);

impl Macs {
    /// Two operations each.
    pub fn ops(self) -> Ops {
        Ops(2.0 * self.0)
    }
}

impl OpsPerSecond {
    /// Half as many multiply-accumulates.
    pub fn macs(self) -> MacsPerSecond {
        MacsPerSecond(self.0 / 2.0)
    }
}

impl MacsPerSecond {
    /// Twice as many operations.
    pub fn ops(self) -> OpsPerSecond {
        OpsPerSecond(self.0 * 2.0)
    }
}
