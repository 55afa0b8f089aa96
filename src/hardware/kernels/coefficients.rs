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

/// What a chip knows of the kernels of one kind and format in one stack.
#[derive(Clone, Debug)]
pub struct KnownSet {
    /// Kind, as files name it.
    pub kind: &'static str,
    /// Format, as files name it.
    pub format: &'static str,
    /// The stack.
    pub stack: Stack,
    /// Whose values these are.
    pub from: Origin,
    /// Names, units and bounds, in the order of `values`.
    pub fields: &'static [Field],
    /// In SI units.
    pub values: Vec<f64>,
    /// Values of other sets of the kind, those of the same format first: where else a fit may start.
    pub others: Vec<Vec<f64>>,
}

/// Whose coefficients stand for a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Its own, of exactly this format and stack.
    Own,
    /// Those of the format's default stack.
    Default,
    /// Those of another format: the chip has none for this one.
    Other,
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

/// How far a set's predictions are from measurements of shapes that it was not fitted to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Accuracy {
    /// Mean of `|predicted/measured - 1|`.
    pub mean: f64,
    /// Its median.
    pub median: f64,
    /// What nine of ten rows stay within.
    pub p90: f64,
    /// Rows measured.
    pub rows: u64,
}

/// A set in its place.
#[derive(Clone, Debug, PartialEq)]
struct Entry<C: Coefficients> {
    format: C::Format,
    stack: Stack,
    set: C,
    accuracy: Option<Accuracy>,
}

/// All sets of one kind, by format and stack.
#[derive(Clone, Debug, PartialEq)]
pub struct Sets<C: Coefficients> {
    list: Vec<Entry<C>>,
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
        self.entry(format, stack).map(|entry| &entry.set)
    }

    /// How accurate the set that [`Self::get`] gives is; `None` if it was not compared to measurements.
    pub fn accuracy(&self, format: C::Format, stack: Stack) -> Option<Accuracy> {
        self.entry(format, stack)
            .or_else(|| self.entry(format, Stack::Default))
            .and_then(|entry| entry.accuracy)
    }

    fn entry(&self, format: C::Format, stack: Stack) -> Option<&Entry<C>> {
        let mut entries = self.list.iter();
        entries.find(|e| e.format == format && e.stack == stack)
    }

    /// Puts a set in place of the one that was there.
    pub fn put(&mut self, format: C::Format, stack: Stack, set: C, accuracy: Option<Accuracy>) {
        self.list.retain(|e| (e.format, e.stack) != (format, stack));
        self.list.push(Entry {
            format,
            stack,
            set,
            accuracy,
        });
    }

    /// Whether there is any set.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// What is known for a stack: one entry for each format, none without any set.
    pub(super) fn known(&self, stack: Stack) -> Vec<KnownSet> {
        let of_any = |stack| self.list.iter().find(|e| e.stack == stack);
        let other = of_any(stack).or_else(|| of_any(Stack::Default));
        let formats = C::Format::ALL.iter();
        let known = formats.filter_map(|(word, format)| {
            let own = self.own(*format, stack).map(|set| (set, Origin::Own));
            let default = || Some((self.own(*format, Stack::Default)?, Origin::Default));
            let other = || Some((&other?.set, Origin::Other));
            let (set, from) = own.or_else(default).or_else(other)?;
            Some(KnownSet {
                kind: C::KIND,
                format: word,
                stack,
                from,
                fields: C::FIELDS,
                values: set.values(),
                others: self.others(*format, set),
            })
        });
        known.collect()
    }

    /// Values of sets other than this one, each once.
    fn others(&self, format: C::Format, set: &C) -> Vec<Vec<f64>> {
        let (same, rest): (Vec<_>, Vec<_>) = self.list.iter().partition(|e| e.format == format);
        let mut all: Vec<Vec<f64>> = Vec::new();
        for entry in same.into_iter().chain(rest) {
            let values = entry.set.values();
            if entry.set != *set && !all.contains(&values) {
                all.push(values);
            }
        }
        all
    }

    /// Takes all values into a hash.
    pub(super) fn digest(&self, state: &mut impl Hasher) {
        for entry in &self.list {
            entry.format.name().hash(state);
            entry.stack.hash(state);
            for value in entry.set.values() {
                value.to_bits().hash(state);
            }
            let accuracy = entry
                .accuracy
                .map(|a| [a.mean, a.median, a.p90, a.rows as f64]);
            accuracy.map(|a| a.map(f64::to_bits)).hash(state);
        }
    }
}
