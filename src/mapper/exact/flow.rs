//! What one more choice adds: the tiles of the next stop and the order of the loops above them.
//!
//! Counts equal those of [`crate::cost::account`] where factors divide, and are no more than those elsewhere.

use smallvec::SmallVec;

use crate::mapping::Loop;
use crate::workload::{Class, Slot};

use super::counts::{Counts, LOADS};
use super::sides::Side;
use super::space::{RANKS, Space, bits, still_class};
use super::table::{Index, Table};

/// Which loops of a gap run innermost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Order {
    /// Class whose loops are the innermost; one operand stays while they run.
    pub(super) inner: Option<Class>,
    /// Of these, the rank whose loop is the innermost, if it matters.
    pub(super) last: Option<u8>,
    /// The rank whose loop comes next further out, if it matters.
    pub(super) first: Option<u8>,
}

/// A window that slides along a loop.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Sweep {
    /// Which window of the slot.
    window: usize,
    /// Which rank slides.
    rank: usize,
    /// Extent of the whole sweep.
    whole: f64,
    /// Extent that one iteration advances.
    step: f64,
}

/// A chain of tiles from main memory down to a stop.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node {
    /// Tiles of the stop.
    pub(super) at: Index,
    /// Times that the loops of ranks which do not move a slot bring its tile again, copies included.
    pub(super) loads: [f64; 3],
    pub(super) sweeps: [Option<Sweep>; 3],
    /// Whether a slot stayed while loops further out ran.
    pub(super) stayed: [bool; 3],
    /// Stop that keeps the slot last.
    pub(super) keeper: [usize; 3],
    pub(super) counts: Counts,
}

/// A spatial choice with its figures.
pub(super) struct Flow<'a> {
    pub(super) space: &'a Space<'a>,
    pub(super) side: &'a Side,
    pub(super) table: Table,
    /// Ranks of the classes that do not move each slot.
    still: [u16; 3],
    /// Elements of each slot along its plain ranks.
    plain: [f64; 3],
    /// `[stop]`: copies of each result that are summed in different instances.
    copies: SmallVec<[f64; 6]>,
    /// Elements of each slot.
    all: [f64; 3],
    /// Slots whose tiles on fan-outs may be the same as another one's.
    merges: [bool; 3],
}

impl<'a> Flow<'a> {
    pub(super) fn of(space: &'a Space<'a>, side: &'a Side, table: Table) -> Self {
        let still = Slot::ALL.map(|slot| space.of_class(still_class(slot)));
        let plain = Slot::ALL.map(|slot| {
            let ranks = bits(space.shapes[slot as usize].plain);
            ranks.map(|r| space.ranks[r].size as f64).product()
        });
        let summed = space.of_class(Class::K);
        let copies = side.above.iter().map(|above| {
            let ranks = bits(summed);
            ranks.map(|r| above[r] as f64).product()
        });
        let spread = |r: &usize| side.above.last().is_some_and(|above| above[*r] > 1);
        let merges = Slot::ALL.map(|slot| {
            let mut windows = space.shapes[slot as usize].windows.iter();
            windows.any(|w| w.ranks.iter().flatten().filter(|r| spread(r)).count() > 1)
        });
        Self {
            space,
            side,
            table,
            still,
            plain,
            copies: copies.collect(),
            all: Slot::ALL.map(|slot| space.given.einsum.elements(slot)),
            merges,
        }
    }

    /// Everything in main memory, and what every mapping moves between engine and memories.
    pub(super) fn root(&self) -> Node {
        let mut node = self.above(0);
        let engine = self.space.engine();
        let all: f64 = self.space.ranks.iter().map(|r| r.size as f64).product();
        let single = [0; RANKS];
        for slot in Slot::ALL {
            if self.space.latched == Some(slot) {
                continue;
            }
            let stops = self.space.stops.iter();
            let keeper = stops.clone().rposition(|stop| stop.keeps[slot as usize].is_some());
            let keeper = keeper.unwrap_or(0);
            let gaps = keeper..engine;
            let shared: f64 = gaps.map(|gap| self.side.shared[gap][slot as usize]).product();
            let merged = self.merged(slot, keeper, engine, &single);
            let reads = all / shared * merged;
            self.enter(&mut node.counts, slot, keeper, engine, None, all, reads, merged);
        }
        node.counts.0[LOADS] = 1.0;
        node
    }

    /// A stop that has room for everything, with nothing moved so far.
    pub(super) fn above(&self, stop: usize) -> Node {
        let keeper = Slot::ALL.map(|slot| {
            let outer = self.space.stops[..=stop].iter();
            let last = outer.clone().rposition(|s| s.keeps[slot as usize].is_some());
            last.unwrap_or(0)
        });
        Node {
            at: self.table.whole,
            loads: [1.0; 3],
            sweeps: [None; 3],
            stayed: [false; 3],
            keeper,
            counts: Counts::NONE,
        }
    }

    /// The orders of the loops between two tiles that differ in what stays or slides.
    pub(super) fn orders(&self, outer: &Index, inner: &Index) -> SmallVec<[Order; 8]> {
        let ranks = &self.space.ranks;
        let looped = (0..ranks.len()).filter(|&r| outer[r] != inner[r]);
        let looped = looped.fold(0_u16, |set, r| set | 1 << r);
        let mut found = SmallVec::new();
        if !self.space.given.convention.tiles_stay() {
            found.push(Order::default());
            return found;
        }
        for slot in Slot::ALL {
            let run = looped & self.still[slot as usize];
            if run == 0 {
                continue;
            }
            // The run moves the other slots, whose windows slide along its innermost loop.
            let others = Slot::ALL.into_iter().filter(|s| *s != slot);
            let lasts: u16 = others.fold(0, |set, s| set | (self.windowed(s) & run));
            let firsts = self.windowed(slot) & looped & !run;
            for last in choices(lasts) {
                for first in choices(firsts) {
                    found.push(Order {
                        inner: Some(still_class(slot)),
                        last,
                        first,
                    });
                }
            }
        }
        if found.is_empty() {
            let slides = Slot::ALL.into_iter().fold(0, |set, s| set | self.windowed(s));
            for first in choices(slides & looped) {
                found.push(Order {
                    inner: None,
                    last: None,
                    first,
                });
            }
        }
        found
    }

    /// Ranks of windows that two ranks share.
    fn windowed(&self, slot: Slot) -> u16 {
        let windows = self.space.shapes[slot as usize].windows.iter();
        let ranks = windows.flat_map(|w| w.ranks.into_iter().flatten());
        ranks.fold(0, |set, r| set | 1 << r)
    }

    /// The chain with one more stop, or with the engine.
    pub(super) fn descend(&self, node: &Node, gap: usize, inner: &Index, order: Order) -> Node {
        self.descend_without(node, gap, inner, order, None)
    }

    /// As [`Self::descend`], but without what one slot adds.
    pub(super) fn descend_without(
        &self,
        node: &Node,
        gap: usize,
        inner: &Index,
        order: Order,
        skipped: Option<Slot>,
    ) -> Node {
        let mut next = *node;
        next.at = *inner;
        let ranks = self.space.ranks.len();
        let looped = (0..ranks).filter(|&r| node.at[r] != inner[r]);
        let looped = looped.fold(0_u16, |set, r| set | 1 << r);
        let stays = self.space.given.convention.tiles_stay();
        for slot in Slot::ALL {
            let s = slot as usize;
            let moves = looped & self.space.shapes[s].moving != 0;
            let is_inner = order.inner == Some(still_class(slot));
            if moves || !stays {
                let keeps = stays && is_inner && looped & self.still[s] != 0;
                next.loads[s] = self.loads(slot, gap, node, inner, keeps);
                next.sweeps[s] = None;
                if stays {
                    let along = if is_inner || order.inner.is_none() {
                        order.first
                    } else {
                        order.last
                    };
                    next.sweeps[s] =
                        along.and_then(|r| self.sweep(slot, gap, node, inner, usize::from(r)));
                }
                next.stayed[s] = keeps || next.sweeps[s].is_some();
            } else {
                next.loads[s] *= self.copies_in(slot, gap, inner);
                next.stayed[s] |= looped & self.still[s] != 0;
            }
        }
        if gap == 0 {
            let tiles = bits(looped).map(|r| self.factor(r, node.at[r], inner[r]));
            next.counts.0[super::counts::TILES] = tiles.product();
        }
        let below = gap + 1;
        if below == self.space.engine() {
            if let Some(slot) = self.space.latched.filter(|s| Some(*s) != skipped) {
                self.book(&mut next, slot, below, None);
            }
        } else {
            for slot in Slot::ALL.into_iter().filter(|s| Some(*s) != skipped) {
                if let Some(level) = self.space.stops[below].keeps[slot as usize] {
                    self.book(&mut next, slot, below, Some(level));
                    next.keeper[slot as usize] = below;
                }
            }
        }
        next
    }

    /// Temporal iterations between two tiles.
    pub(super) fn factor(&self, rank: usize, outer: u8, inner: u8) -> f64 {
        (self.table.divisor(rank, outer) / self.table.divisor(rank, inner)) as f64
    }

    /// Whether a slot stayed while loops further out than the tiles `inner` ran.
    pub(super) fn stays(&self, node: &Node, inner: &Index, order: Order, slot: Slot) -> bool {
        let s = slot as usize;
        let looped = |mask: u16| bits(mask).any(|r| node.at[r] != inner[r]);
        if !looped(self.space.shapes[s].moving) {
            return node.stayed[s] || looped(self.still[s]);
        }
        let is_inner = order.inner == Some(still_class(slot));
        let along = if is_inner || order.inner.is_none() {
            order.first
        } else {
            order.last
        };
        let slides = |r: u8| self.windowed(slot) >> r & 1 == 1;
        (is_inner && looped(self.still[s])) || along.is_some_and(slides)
    }

    /// The least that one slot adds at the next stop if it stays while the innermost loops of the gap run.
    pub(super) fn stay(&self, node: &Node, gap: usize, slot: Slot) -> Counts {
        let s = slot as usize;
        let below = gap + 1;
        let child = match self.space.stops.get(below) {
            Some(stop) => match stop.keeps[s] {
                Some(level) => Some(level),
                None => return Counts::NONE,
            },
            None if self.space.latched == Some(slot) => None,
            None => return Counts::NONE,
        };
        let mut loads = 1.0;
        for r in bits(self.still[s]) {
            let outer = self.table.extent(gap, r, node.at[r]);
            let size = self.space.ranks[r].size as f64;
            let across = self.side.across[gap][r] as f64;
            loads *= size / outer * across.min(outer);
        }
        if node.stayed[s] {
            let mut copies = 1.0;
            for r in bits(self.still[s]) {
                let outer = self.table.extent(gap, r, node.at[r]);
                copies *= (self.side.across[gap][r] as f64).min(outer);
            }
            loads = loads.min(node.loads[s] * copies);
        }
        let fills = loads * self.all[s];
        let gaps = node.keeper[s]..below;
        let shared: f64 = gaps.map(|gap| self.side.shared[gap][s]).product();
        let merged = if self.merges[s] { 0.0 } else { 1.0 };
        let mut counts = Counts::NONE;
        self.enter(&mut counts, slot, node.keeper[s], below, child, fills, fills / shared * merged, merged);
        counts
    }

    /// Visits through the ranks that do not move a slot, when loops of the gap bring it anew.
    fn loads(&self, slot: Slot, gap: usize, node: &Node, inner: &Index, keeps: bool) -> f64 {
        let mut loads = 1.0;
        for r in bits(self.still[slot as usize]) {
            loads *= if keeps {
                let outer = self.table.extent(gap, r, node.at[r]);
                let part = self.table.extent(gap + 1, r, inner[r]);
                let across = self.side.across[gap][r] as f64;
                let size = self.space.ranks[r].size as f64;
                size / outer * across.min(outer / part)
            } else {
                self.table.tiles(gap + 1, r, inner[r])
            };
        }
        loads
    }

    /// Copies that the fan-outs of a gap make of a tile that stays.
    fn copies_in(&self, slot: Slot, gap: usize, inner: &Index) -> f64 {
        let mut copies = 1.0;
        for r in bits(self.still[slot as usize]) {
            let across = self.side.across[gap][r];
            if across > 1 {
                let outer = self.table.extent(gap, r, inner[r]);
                let part = self.table.extent(gap + 1, r, inner[r]);
                copies *= (across as f64).min(outer / part);
            }
        }
        copies
    }

    fn sweep(&self, slot: Slot, gap: usize, node: &Node, inner: &Index, rank: usize) -> Option<Sweep> {
        let mut windows = self.space.shapes[slot as usize].windows.iter();
        let window = windows.position(|w| w.ranks.contains(&Some(rank)))?;
        Some(Sweep {
            window,
            rank,
            whole: self.table.extent(gap, rank, node.at[rank]),
            step: self.table.extent(gap, rank, inner[rank]),
        })
    }

    /// Elements of all tiles of a slot at a stop, each once for every time that the moving loops bring it.
    fn elements(&self, slot: Slot, stop: usize, at: &Index, sweep: Option<Sweep>) -> f64 {
        let shape = &self.space.shapes[slot as usize];
        let mut elements = self.plain[slot as usize];
        for (w, window) in shape.windows.iter().enumerate() {
            let sweep = sweep.filter(|s| s.window == w);
            let points = self.table.points(self.space, slot, w, stop, at);
            let mut sum = points;
            for r in window.ranks.into_iter().flatten() {
                let size = self.space.ranks[r].size as f64;
                let extent = self.table.extent(stop, r, at[r]);
                match sweep {
                    Some(s) if s.rank == r => {
                        let sweeps = size / s.whole;
                        let steps = (s.whole / s.step).round();
                        let side = (s.step / extent).round();
                        if self.table.is_exact {
                            let fresh = self.table.fresh(self.space, window, stop, at, r, s.step);
                            sum *= sweeps * side * (1.0 + (steps - 1.0) * fresh / points);
                        } else {
                            // At least what the whole sweep touches.
                            let whole = self.table.span(self.space, window, stop, at, r, s.whole);
                            sum *= sweeps * whole / points;
                        }
                    }
                    Some(_) | None => sum *= size / extent,
                }
            }
            elements *= sum;
        }
        elements
    }

    /// Books what crosses between the stop that keeps a slot last and the one below; `child` is `None` for
    /// the engine.
    fn book(&self, node: &mut Node, slot: Slot, stop: usize, child: Option<usize>) {
        let s = slot as usize;
        let keeper = node.keeper[s];
        let fills = node.loads[s] * self.elements(slot, stop, &node.at, node.sweeps[s]);
        let gaps = keeper..stop;
        let shared: f64 = gaps.map(|gap| self.side.shared[gap][s]).product();
        let merged = self.merged(slot, keeper, stop, &node.at);
        self.enter(&mut node.counts, slot, keeper, stop, child, fills, fills / shared * merged, merged);
        if child.is_some() && self.space.latched == Some(slot) {
            let tile = self.table.footprint(self.space, slot, stop, &node.at);
            let lanes: f64 = self.side.above[stop][..self.space.ranks.len()]
                .iter()
                .map(|&n| n as f64)
                .product();
            node.counts.0[LOADS] = (fills / lanes / tile).max(1.0);
        }
    }

    /// Books fills of a child and reads of its parent.
    #[expect(clippy::too_many_arguments, reason = "two ends and what crosses")]
    pub(super) fn enter(
        &self,
        counts: &mut Counts,
        slot: Slot,
        keeper: usize,
        stop: usize,
        child: Option<usize>,
        fills: f64,
        reads: f64,
        merged: f64,
    ) {
        let widths = &self.space.given.widths;
        let width = widths.of(slot);
        let Some(parent) = self.space.stops[keeper].keeps[slot as usize] else {
            return;
        };
        match slot {
            Slot::Lhs | Slot::Rhs => {
                counts.read(parent, reads * width);
                if let Some(child) = child {
                    counts.write(child, fills * width);
                }
            }
            Slot::Acc => {
                let all = self.all[Slot::Acc as usize];
                let base = all * self.copies[keeper] * merged;
                let finished = widths.result.min(width);
                counts.read(parent, (reads - base).max(0.0) * width);
                match child {
                    None => counts.write(parent, reads * width),
                    Some(child) => {
                        let once = all * self.copies[stop];
                        counts.write(parent, (reads - base).max(0.0) * width + base.min(reads) * finished);
                        counts.write(child, (fills - once).max(0.0) * width);
                        if self.space.given.convention.reads_drains() {
                            counts.read(child, (fills - once).max(0.0) * width + once.min(fills) * finished);
                        }
                    }
                }
            }
        }
        let first = self.space.last_level(keeper) + 1;
        let end = child.unwrap_or(self.space.chain.levels.len());
        for level in first..end {
            if self.space.chain.memory(level).is_none() {
                counts.read(level, fills * width);
            }
        }
    }

    /// Share of the tiles on fan-outs between two stops that are not the same as another one's.
    fn merged(&self, slot: Slot, keeper: usize, stop: usize, at: &Index) -> f64 {
        if !self.merges[slot as usize] {
            return 1.0;
        }
        let mut loops: SmallVec<[(Loop, u64); 6]> = SmallVec::new();
        for gap in keeper..stop {
            for level in self.space.fanouts(gap) {
                for l in self.side.at(level) {
                    let found = self.space.ranks.iter().position(|r| r.index == usize::from(l.rank));
                    let Some(r) = found.filter(|_| l.factor > 1) else {
                        continue;
                    };
                    // Loops further in of the same rank and gap are not told apart.
                    let inner = self.table.extent(gap + 1, r, at[r]) as u64;
                    loops.push((*l, inner));
                }
            }
        }
        crate::cost::merged(self.space.given.einsum, self.space.given.system, &self.space.chain, slot, &loops, self.space.given.convention)
    }
}

/// Each of a set, or `None` once where the set is empty.
fn choices(set: u16) -> SmallVec<[Option<u8>; 4]> {
    let mut found: SmallVec<[Option<u8>; 4]> = bits(set).map(|r| Some(r as u8)).collect();
    if found.is_empty() {
        found.push(None);
    }
    found
}
