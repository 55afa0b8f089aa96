//! How often each operand crosses each level of a loop nest.
//!
//! For slot `t` at level `l`, the tile is the footprint of what enters `l`. Walking outwards from `l`,
//! temporal loops over ranks that do not move `t` cost no refill until the first one that does; from
//! there on every temporal loop multiplies the fills. Spatial loops that do not move `t` are served by
//! one read where the network multicasts, and partial sums are added on the way where it reduces.
//! Partial sums that come back are read again, except the first time.
//!
//! Neighboring tiles of a convolution fetch their overlap again.
//!
//! Source: derived; the rules are those of Parashar et al., "Timeloop", ISPASS 2019, section V.

use smallvec::SmallVec;

use crate::hardware::System;
use crate::mapping::{Chain, Extents, Nest};
use crate::workload::{Einsum, Slot};

/// Bytes per element: `[lhs, rhs, acc]`, and of a finished result.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Widths {
    /// Left input.
    pub lhs: f64,
    /// Right input.
    pub rhs: f64,
    /// Partial sum.
    pub partial: f64,
    /// Result.
    pub result: f64,
}

/// Bytes over all instances, per level of the chain.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Accesses {
    /// Read from the level: `[level]`.
    pub read: SmallVec<[f64; 8]>,
    /// Written to the level: `[level]`.
    pub written: SmallVec<[f64; 8]>,
    /// Of the written bytes, inputs that arrive from further out: `[level]`.
    pub filled: SmallVec<[f64; 8]>,
    /// Delivered over each fan-out: `[level]`, zero for memories.
    pub delivered: SmallVec<[f64; 8]>,
}

/// Counts the bytes that a nest moves.
pub fn account(
    einsum: &Einsum,
    system: &System,
    chain: &Chain,
    nest: &Nest,
    widths: &Widths,
) -> Accesses {
    let sizes: Extents = einsum.ranks.iter().map(|r| r.size).collect();
    let extents = nest.extents(&sizes);
    let n = chain.levels.len();
    let zeros = || SmallVec::from_elem(0.0, n);
    let mut count = Accesses {
        read: zeros(),
        written: zeros(),
        filled: zeros(),
        delivered: zeros(),
    };
    let stationary = system.arrays[chain.array].stationary;
    for slot in Slot::ALL {
        // The engine itself is the last receiver, at level n.
        for level in 1..=n {
            if level < n && !chain.holds(level, slot) {
                continue;
            }
            let parent = chain.parent(level, slot);
            let outside = Outside::of(einsum, system, chain, nest, slot, (parent, level));
            // The engine has no latch except for the operand it keeps.
            let reuses = level < n || stationary == Some(slot);
            let repeats = if reuses {
                outside.repeats
            } else {
                outside.irrelevant
            };
            let once = partition(einsum, slot, &sizes, &extents[level]);
            let width = match slot {
                Slot::Lhs => widths.lhs,
                Slot::Rhs => widths.rhs,
                Slot::Acc => widths.partial,
            };
            let transfer = Transfer {
                once,
                repeats,
                width,
                result: widths.result,
                into_engine: level == n,
            };
            match slot {
                Slot::Lhs | Slot::Rhs => transfer.fill(&mut count, parent, level, &outside),
                Slot::Acc => transfer.drain(&mut count, parent, level, &outside),
            }
        }
    }
    count
}

/// Loops outside of a level, sorted by what they do to one slot.
struct Outside {
    /// Product of temporal loops that repeat a fill: irrelevant, and outside of a relevant one.
    repeats: f64,
    /// Product of all irrelevant temporal loops.
    irrelevant: f64,
    /// Copies that the parent level holds because of irrelevant spatial loops further out.
    parent_copies: f64,
    /// Copies at the level for each copy at the parent.
    copies: f64,
    /// Of these, those that one parent access serves (multicast or reduction).
    shared: f64,
    /// Fan-out levels between parent and level.
    crossed: SmallVec<[usize; 3]>,
}

impl Outside {
    fn of(
        einsum: &Einsum,
        system: &System,
        chain: &Chain,
        nest: &Nest,
        slot: Slot,
        (parent, level): (usize, usize),
    ) -> Self {
        let mut found = Self {
            repeats: 1.0,
            irrelevant: 1.0,
            parent_copies: 1.0,
            copies: 1.0,
            shared: 1.0,
            crossed: SmallVec::new(),
        };
        let mut moved = false;
        for outer in (0..level).rev() {
            let axes = chain.axes(system, outer);
            if !axes.is_empty() && outer > parent {
                found.crossed.push(outer);
            }
            for step in nest.levels[outer].iter().rev().filter(|l| l.factor > 1) {
                let relevant = einsum.is_relevant(slot, step.rank as usize);
                match step.axis {
                    None if relevant => moved = true,
                    None => {
                        found.irrelevant *= step.factor as f64;
                        if moved {
                            found.repeats *= step.factor as f64;
                        }
                    }
                    Some(_) if relevant => {}
                    Some(axis) if outer > parent => {
                        found.copies *= step.factor as f64;
                        if shares(system, chain, outer, axis, slot) {
                            found.shared *= step.factor as f64;
                        }
                    }
                    Some(_) => found.parent_copies *= step.factor as f64,
                }
            }
        }
        found
    }
}

fn shares(system: &System, chain: &Chain, level: usize, axis: u8, slot: Slot) -> bool {
    let Some(axis) = chain.axes(system, level).get(axis as usize) else {
        return false;
    };
    match slot {
        Slot::Lhs | Slot::Rhs => axis.multicast.contains(&slot),
        Slot::Acc => axis.reduce.contains(&slot),
    }
}

/// Elements that cross from a parent to a level.
struct Transfer {
    once: f64,
    repeats: f64,
    width: f64,
    result: f64,
    into_engine: bool,
}

impl Transfer {
    /// Inputs: parent reads, level writes.
    fn fill(&self, count: &mut Accesses, parent: usize, level: usize, outside: &Outside) {
        let visits = self.once * self.repeats * outside.parent_copies;
        let arriving = visits * outside.copies * self.width;
        count.read[parent] += arriving / outside.shared;
        if !self.into_engine {
            count.written[level] += arriving;
            count.filled[level] += arriving;
        }
        for &fanout in &outside.crossed {
            count.delivered[fanout] += arriving;
        }
    }

    /// Results: the level reads its tile out, the parent takes it in; all but the first visit bring the
    /// partial sum back first. The last visit carries the finished result.
    fn drain(&self, count: &mut Accesses, parent: usize, level: usize, outside: &Outside) {
        let finished = self.once * outside.parent_copies;
        let partial = finished * (self.repeats - 1.0);
        let merged = outside.copies / outside.shared;
        let up = finished * self.result.min(self.width) + partial * self.width;
        // Copies that the network does not add are added in the parent: read, add, write.
        let extra = finished * self.repeats * (merged - 1.0) * self.width;
        count.written[parent] += up + extra;
        count.read[parent] += partial * self.width + extra;
        if !self.into_engine {
            count.read[level] += up * outside.copies;
            count.written[level] += partial * self.width * outside.copies;
        }
        for &fanout in &outside.crossed {
            count.delivered[fanout] += (up + partial * self.width) * outside.copies;
        }
    }
}

/// Sum of the footprints of all tiles: each element of an unshared axis once, overlaps again.
fn partition(einsum: &Einsum, slot: Slot, sizes: &Extents, tile: &Extents) -> f64 {
    let mut elements = 1.0;
    for axis in einsum.operand(slot) {
        let parts = |rank: u8| {
            let (size, extent) = (sizes[rank as usize], tile[rank as usize].max(1));
            let whole = size.div_ceil(extent) - 1;
            [(whole as f64, extent), (1.0, size - whole * extent)]
        };
        elements *= match axis.terms.as_slice() {
            [a, b] => {
                let mut probe = tile.clone();
                let mut sum = 0.0;
                for (times_a, extent_a) in parts(a.rank) {
                    for (times_b, extent_b) in parts(b.rank) {
                        probe[a.rank as usize] = extent_a;
                        probe[b.rank as usize] = extent_b;
                        sum += times_a * times_b * axis.distinct(&probe) as f64;
                    }
                }
                sum
            }
            terms => terms
                .iter()
                .map(|t| sizes[t.rank as usize] as f64)
                .product(),
        };
    }
    elements
}
