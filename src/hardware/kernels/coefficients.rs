//! A set of coefficients as a struct of named, bounded quantities, and all sets of one kind of kernel.

use std::hash::{Hash, Hasher};

use super::Kernels;
use crate::units::Dimension;
use crate::workload::Stack;

/// What is known of one coefficient before it has a value.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Key in files.
    pub key: &'static str,
    /// What it is.
    pub doc: &'static str,
    /// Dimension of its unit.
    pub dimension: Dimension,
    /// Least physical value, in SI units.
    pub low: f64,
    /// Largest physical value, in SI units.
    pub high: f64,
    /// A value with its unit, as files write it.
    pub show: fn(f64) -> String,
}

/// The number formats that a kind of kernel tells apart, by name.
pub trait Format: Copy + Eq + std::fmt::Debug + 'static {
    /// Names in files.
    const ALL: &'static [(&'static str, Self)];

    /// The name in files.
    fn name(self) -> &'static str {
        let found = Self::ALL.iter().find(|(_, format)| *format == self);
        found.map_or("", |(name, _)| name)
    }
}

/// The coefficients of one kind of kernel.
pub trait Coefficients: Copy + PartialEq + std::fmt::Debug + Send + Sync + 'static {
    /// Number formats with coefficients of their own.
    type Format: Format;
    /// Key of the kind in files.
    const KIND: &'static str;
    /// The coefficients, in a fixed order.
    const FIELDS: &'static [Field];

    /// Values in SI units, in the order of [`Self::FIELDS`].
    fn values(&self) -> Vec<f64>;
    /// The set with these values; missing ones are at their lower bound.
    fn from_values(values: &[f64]) -> Self;
    /// The sets of this kind.
    fn sets(kernels: &Kernels) -> &Sets<Self>;
    /// The sets of this kind, to change.
    fn sets_mut(kernels: &mut Kernels) -> &mut Sets<Self>;
}

/// Defines a set of coefficients: `Name in field_of_kernels (Format) { key: Unit = low ..= high; }`.
macro_rules! coefficients {
    (
        $(#[doc = $about:literal])+
        $name:ident in $kind:ident ($format:ty) {
            $( $(#[doc = $doc:literal])+ $field:ident : $unit:ty = $low:literal ..= $high:literal; )+
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub struct $name {
            $( $(#[doc = $doc])+ pub $field: $unit, )+
        }

        impl crate::hardware::kernels::Coefficients for $name {
            type Format = $format;
            const KIND: &'static str = stringify!($kind);
            const FIELDS: &'static [crate::hardware::kernels::Field] = &[
                $( crate::hardware::kernels::Field {
                    key: stringify!($field),
                    doc: concat!($($doc),+),
                    dimension: <$unit as crate::units::Typed>::DIMENSION,
                    low: $low,
                    high: $high,
                    show: |value| <$unit as crate::units::Typed>::from_si(value).to_string(),
                } ),+
            ];

            fn values(&self) -> Vec<f64> {
                vec![ $( crate::units::Typed::si(&self.$field) ),+ ]
            }

            fn from_values(values: &[f64]) -> Self {
                let mut values = values.iter().copied();
                Self {
                    $( $field: crate::units::Typed::from_si(values.next().unwrap_or($low)), )+
                }
            }

            fn sets(
                kernels: &crate::hardware::kernels::Kernels,
            ) -> &crate::hardware::kernels::Sets<Self> {
                &kernels.$kind
            }

            fn sets_mut(
                kernels: &mut crate::hardware::kernels::Kernels,
            ) -> &mut crate::hardware::kernels::Sets<Self> {
                &mut kernels.$kind
            }
        }
    };
}
pub(super) use coefficients;

/// All sets of one kind, by format and stack.
#[derive(Clone, Debug, PartialEq)]
pub struct Sets<C: Coefficients> {
    list: Vec<(C::Format, Stack, C)>,
}

impl<C: Coefficients> Default for Sets<C> {
    fn default() -> Self {
        Self { list: Vec::new() }
    }
}

impl<C: Coefficients> Sets<C> {
    /// The set of a format and stack, else the format's default; `None` if the format has neither.
    pub fn get(&self, format: C::Format, stack: Stack) -> Option<&C> {
        self.own(format, stack)
            .or_else(|| self.own(format, Stack::Default))
    }

    /// The set given for exactly this format and stack.
    pub fn own(&self, format: C::Format, stack: Stack) -> Option<&C> {
        let mut sets = self.list.iter();
        let found = sets.find(|(f, s, _)| *f == format && *s == stack);
        found.map(|(_, _, set)| set)
    }

    /// Puts a set in place of the one that was there.
    pub fn put(&mut self, format: C::Format, stack: Stack, set: C) {
        self.list.retain(|(f, s, _)| (*f, *s) != (format, stack));
        self.list.push((format, stack, set));
    }

    /// Every set with its format and stack.
    pub fn iter(&self) -> impl Iterator<Item = &(C::Format, Stack, C)> {
        self.list.iter()
    }

    /// Takes all values into a hash.
    pub(super) fn digest(&self, state: &mut impl Hasher) {
        for (format, stack, set) in &self.list {
            format.name().hash(state);
            stack.hash(state);
            for value in set.values() {
                value.to_bits().hash(state);
            }
        }
    }
}
