//! What a search is after.

use std::cmp::Ordering;

use crate::mapping::Nest;

use super::bill::{Bill, Rates};
use super::flow::Flow;
use super::path::Path;
use super::sides::Side;
use super::space::Space;

/// What the best mapping has the least of; ties go to the second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Aim {
    /// Time, then energy.
    #[default]
    Latency,
    /// Energy, then time.
    Energy,
    /// Energy times time, then time.
    Edp,
}

/// What a search wants of the mappings that it meets.
pub(super) trait Goal {
    /// Whether what is wanted may change other than by its rank.
    const LOOKS_AGAIN: bool;

    /// How bytes count under a spatial choice.
    fn rates(&self, space: &Space<'_>, side: &Side) -> Rates;

    /// Whether bills need no pricing where no last tile is smaller.
    fn trusts(&self, space: &Space<'_>) -> bool;

    /// Rank of mappings that come to a bill at least, the most promising the least; `None` if none is wanted.
    fn rank(&self, rates: &Rates, bill: &Bill) -> Option<Key>;

    /// Whether nothing of that rank is wanted any more.
    fn is_hopeless(&self, key: Key) -> bool;

    /// Keeps a mapping that comes to a wanted bill.
    fn take(&mut self, rates: &Rates, bill: &Bill, nest: impl FnOnce() -> Nest);

    /// Prices a mapping, and keeps it if it is wanted.
    fn price(&mut self, flow: &Flow<'_>, path: &Path);
}

/// Value under an aim, and what decides between equal values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Key(pub(super) f64, pub(super) f64);

/// Values closer than this are equal.
pub(super) const SAME: f64 = 1e-12;

impl Aim {
    /// What is least at the best, and what decides between equals.
    pub fn value(self, energy: f64, time: f64) -> (f64, f64) {
        match self {
            Self::Latency => (time, energy),
            Self::Energy => (energy, time),
            Self::Edp => (energy * time, time),
        }
    }

    pub(super) fn key(self, energy: f64, time: f64) -> Key {
        let (first, second) = self.value(energy, time);
        Key(first, second)
    }
}

impl Key {
    /// The less first.
    pub(super) fn order(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0).then(self.1.total_cmp(&other.1))
    }

    /// Whether this is less than another by more than rounding.
    pub(super) fn beats(self, other: Self) -> bool {
        let margin = SAME * other.0.abs();
        self.0 < other.0 - margin || (self.0 <= other.0 + margin && self.1 < other.1 * (1.0 - SAME))
    }
}
