//! Divisors, extents and footprints under one spatial choice, looked up by index.

use smallvec::SmallVec;

use crate::cost::{Slide, fresh, points};
use crate::workload::Slot;

use super::sides::Side;
use super::space::{PerRank, RANKS, Space, Window, bits};

/// Index of a divisor of the temporal iterations, by rank.
pub(super) type Index = PerRank<u8>;

/// Figures of one rank.
#[derive(Clone, Debug, Default)]
struct Line {
    /// Divisors of the temporal iterations, ascending.
    divisors: Vec<u64>,
    /// For each divisor the set of those that divide it.
    under: Vec<u128>,
    /// For each divisor its products with one prime.
    up: Vec<SmallVec<[u8; 6]>>,
    /// Whether no last tile of the rank is smaller.
    is_exact: bool,
    /// `[stop · divisors + index]`: extent of a tile.
    extents: Vec<f64>,
    /// `[stop · divisors + index]`: tiles that are not empty.
    tiles: Vec<f64>,
}

/// All figures of a spatial choice.
#[derive(Clone, Debug)]
pub(super) struct Table {
    lines: SmallVec<[Line; RANKS]>,
    /// `[slot][window][stop]`: points by indices of both ranks.
    points: [SmallVec<[Vec<Vec<f64>>; 2]>; 3],
    /// Index of all iterations.
    pub(super) whole: Index,
    /// Whether no last tile is smaller.
    pub(super) is_exact: bool,
}

impl Table {
    pub(super) fn of(space: &Space<'_>, side: &Side) -> Option<Self> {
        let stops = space.engine() + 1;
        let mut lines: SmallVec<[Line; RANKS]> = SmallVec::new();
        let mut whole = [0; RANKS];
        let mut is_exact = true;
        for (r, rank) in space.ranks.iter().enumerate() {
            let divisors = divisors(side.steps[r]);
            if divisors.len() > 128 {
                return None;
            }
            whole[r] = (divisors.len() - 1) as u8;
            let divides = |i: usize, j: usize| divisors[j].is_multiple_of(divisors[i]);
            let all = 0..divisors.len();
            let under = all.clone().map(|j| {
                let inner = (0..=j).filter(|&i| divides(i, j));
                inner.fold(0_u128, |set, i| set | 1 << i)
            });
            let up = all.clone().map(|i| {
                let over = (i + 1..divisors.len()).filter(|&j| divides(i, j));
                let prime = over.filter(|&j| is_prime(divisors[j] / divisors[i]));
                prime.map(|j| j as u8).collect()
            });
            let extent = |stop: usize, i: usize| {
                let outer = side.steps[r] / divisors[i] * side.above[stop][r];
                rank.size.div_ceil(outer) as f64
            };
            let by_stop = (0..stops).flat_map(|stop| all.clone().map(move |i| (stop, i)));
            let extents: Vec<f64> = by_stop.map(|(stop, i)| extent(stop, i)).collect();
            let size = rank.size as f64;
            let tiles = extents
                .iter()
                .map(|extent| (size / extent).ceil())
                .collect();
            let is_whole = side.steps[r] * side.above[stops - 1][r] == rank.size;
            is_exact &= is_whole;
            lines.push(Line {
                under: under.collect(),
                up: up.collect(),
                divisors,
                is_exact: is_whole,
                extents,
                tiles,
            });
        }
        let mut table = Self {
            lines,
            points: Default::default(),
            whole,
            is_exact,
        };
        table.points = Slot::ALL.map(|slot| {
            let windows = space.shapes[slot as usize].windows.iter();
            windows.map(|w| table.window(space, w, stops)).collect()
        });
        Some(table)
    }

    fn window(&self, space: &Space<'_>, window: &Window<'_>, stops: usize) -> Vec<Vec<f64>> {
        let boxes = space.given.convention.boxes();
        let mut extents: SmallVec<[u64; 10]> = space.given.einsum.ranks.iter().map(|_| 1).collect();
        let count = |rank: Option<usize>| rank.map_or(1, |r| self.lines[r].divisors.len());
        let [one, two] = window.ranks;
        let each = (0..stops).map(|stop| {
            let mut found = Vec::with_capacity(count(one) * count(two));
            for i in 0..count(one) {
                for j in 0..count(two) {
                    for (rank, index) in [(one, i), (two, j)] {
                        if let Some(r) = rank {
                            extents[space.ranks[r].index] =
                                self.extent(stop, r, index as u8) as u64;
                        }
                    }
                    found.push(points(window.axis, &extents, boxes) as f64);
                }
            }
            found
        });
        each.collect()
    }

    /// Extent of a rank in a tile of a stop, or in one of the gap above while `stop` is that of the gap's upper end.
    pub(super) fn extent(&self, stop: usize, rank: usize, index: u8) -> f64 {
        let line = &self.lines[rank];
        line.extents[stop * line.divisors.len() + usize::from(index)]
    }

    /// Whether all tiles of a rank are equal.
    pub(super) fn is_whole(&self, rank: usize) -> bool {
        self.lines[rank].is_exact
    }

    /// Tiles of that extent along a rank that are not empty.
    pub(super) fn tiles(&self, stop: usize, rank: usize, index: u8) -> f64 {
        let line = &self.lines[rank];
        line.tiles[stop * line.divisors.len() + usize::from(index)]
    }

    pub(super) fn divisor(&self, rank: usize, index: u8) -> u64 {
        self.lines[rank].divisors[usize::from(index)]
    }

    /// Whether one divisor divides another.
    pub(super) fn divides(&self, rank: usize, inner: u8, outer: u8) -> bool {
        self.lines[rank].under[usize::from(outer)] >> inner & 1 == 1
    }

    /// Divisors of a divisor, ascending.
    pub(super) fn under(&self, rank: usize, outer: u8) -> impl DoubleEndedIterator<Item = u8> + '_ {
        (0..=outer).filter(move |&i| self.divides(rank, i, outer))
    }

    /// Products of a divisor with one prime.
    pub(super) fn up(&self, rank: usize, index: u8) -> &[u8] {
        &self.lines[rank].up[usize::from(index)]
    }

    /// Points of a window of a slot in a tile.
    pub(super) fn points(
        &self,
        space: &Space<'_>,
        slot: Slot,
        window: usize,
        stop: usize,
        at: &Index,
    ) -> f64 {
        let [one, two] = space.shapes[slot as usize].windows[window].ranks;
        let index = |rank: Option<usize>| rank.map_or(0, |r| usize::from(at[r]));
        let width = two.map_or(1, |r| self.lines[r].divisors.len());
        self.points[slot as usize][window][stop][index(one) * width + index(two)]
    }

    /// Elements of a slot in a tile.
    pub(super) fn footprint(&self, space: &Space<'_>, slot: Slot, stop: usize, at: &Index) -> f64 {
        let shape = &space.shapes[slot as usize];
        let mut elements = 1.0;
        for r in bits(shape.plain) {
            elements *= self.extent(stop, r, at[r]);
        }
        for w in 0..shape.windows.len() {
            elements *= self.points(space, slot, w, stop, at);
        }
        elements
    }

    /// Points of a window in a tile of another extent along one rank.
    pub(super) fn span(
        &self,
        space: &Space<'_>,
        window: &Window<'_>,
        stop: usize,
        at: &Index,
        rank: usize,
        extent: f64,
    ) -> f64 {
        let mut extents: SmallVec<[u64; 10]> = space.given.einsum.ranks.iter().map(|_| 1).collect();
        for r in window.ranks.into_iter().flatten() {
            let own = self.extent(stop, r, at[r]);
            extents[space.ranks[r].index] = if r == rank { extent } else { own } as u64;
        }
        points(window.axis, &extents, space.given.convention.boxes()) as f64
    }

    /// Points of a window that a slide does not bring along.
    pub(super) fn fresh(
        &self,
        space: &Space<'_>,
        window: &Window<'_>,
        stop: usize,
        at: &Index,
        rank: usize,
        step: f64,
    ) -> f64 {
        let mut extents: SmallVec<[u64; 10]> = space.given.einsum.ranks.iter().map(|_| 1).collect();
        for r in window.ranks.into_iter().flatten() {
            extents[space.ranks[r].index] = self.extent(stop, r, at[r]) as u64;
        }
        let slide = Slide {
            rank: space.ranks[rank].index as u8,
            step: step as u64,
            before: self.extent(stop, rank, at[rank]) as u64,
        };
        fresh(window.axis, &extents, slide, space.given.convention.boxes()) as f64
    }
}

/// All divisors, ascending.
fn divisors(n: u64) -> Vec<u64> {
    let small: Vec<u64> = (1..=n.isqrt()).filter(|d| n.is_multiple_of(*d)).collect();
    let large = small.iter().rev().map(|d| n / d).filter(|d| d * d > n);
    small.iter().copied().chain(large).collect()
}

fn is_prime(n: u64) -> bool {
    n > 1 && (2..=n.isqrt()).all(|d| !n.is_multiple_of(d))
}
