//! What one more choice adds: the tiles of the next stop and the order of the loops above them.
//!
//! Counts equal those of [`crate::cost::account`] where factors divide, and are no more than those elsewhere.

use smallvec::SmallVec;

use crate::mapping::Loop;
use crate::workload::{Class, Slot};

use super::bill::{Bill, Rates};
use super::sides::Side;
use super::space::{Space, bits, still_class};
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
    pub(super) bill: Bill,
}

/// What an order means for one slot.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Way {
    /// It stays while the innermost loops run.
    keeps: bool,
    /// Rank along which its window slides.
    along: Option<u8>,
}

/// What one slot does in a gap.
#[derive(Clone, Copy, Debug)]
struct Part {
    loads: f64,
    sweep: Option<Sweep>,
    stayed: bool,
    keeper: usize,
    bill: Bill,
}

/// A gap with its tiles, whose order is open: what slots do is found once for all orders.
pub(super) struct Step<'f> {
    flow: &'f Flow<'f>,
    node: &'f Node,
    gap: usize,
    inner: Index,
    looped: u16,
    known: SmallVec<[(Slot, Way, Part); 8]>,
}

impl Step<'_> {
    /// The orders that differ in what stays or slides.
    pub(super) fn orders(&self) -> SmallVec<[Order; 8]> {
        self.flow.orders(self.looped)
    }

    /// Whether a slot stayed while loops further out than the tiles ran.
    pub(super) fn stays(&self, order: Order, slot: Slot) -> bool {
        let s = slot as usize;
        if self.looped & self.flow.space.shapes[s].moving == 0 {
            return self.node.stayed[s] || self.looped & self.flow.still[s] != 0;
        }
        let way = self.flow.way(slot, self.looped, order);
        way.keeps || way.along.is_some()
    }

    /// The chain with one more stop, or with the engine, but for what one slot adds.
    pub(super) fn take(&mut self, order: Order, skipped: Option<Slot>) -> Node {
        let mut next = *self.node;
        next.at = self.inner;
        for slot in Slot::ALL {
            let way = self.flow.way(slot, self.looped, order);
            let same = |k: &&(Slot, Way, Part)| k.0 == slot && k.1 == way;
            let part = match self.known.iter().find(same) {
                Some(known) => known.2,
                None => {
                    let part =
                        self.flow
                            .part(self.node, self.gap, &self.inner, self.looped, slot, way);
                    self.known.push((slot, way, part));
                    part
                }
            };
            let s = slot as usize;
            next.loads[s] = part.loads;
            next.sweeps[s] = part.sweep;
            next.stayed[s] = part.stayed;
            next.keeper[s] = part.keeper;
            if Some(slot) != skipped {
                next.bill = next.bill.plus(&part.bill);
            }
        }
        next
    }
}

/// A spatial choice with its figures.
pub(super) struct Flow<'a> {
    pub(super) space: &'a Space<'a>,
    pub(super) side: &'a Side,
    pub(super) table: Table,
    pub(super) rates: Rates,
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
    /// Whether larger tiles never cost more.
    pub(super) is_monotone: bool,
}

impl<'a> Flow<'a> {
    pub(super) fn of(space: &'a Space<'a>, side: &'a Side, table: Table, rates: Rates) -> Self {
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
        let merges = Slot::ALL.map(|slot| {
            let mut windows = space.shapes[slot as usize].windows.iter();
            windows.any(|w| match w.ranks {
                [Some(one), Some(two)] => side.may_meet(space, one, two),
                [..] => false,
            })
        });
        Self {
            space,
            side,
            table,
            rates,
            still,
            plain,
            copies: copies.collect(),
            all: Slot::ALL.map(|slot| space.given.einsum.elements(slot)),
            is_monotone: space.is_monotone && merges == [false; 3],
            merges,
        }
    }

    /// Everything in main memory, and what every mapping moves between engine and memories.
    pub(super) fn root(&self) -> Node {
        let mut node = self.above(0);
        let engine = self.space.engine();
        let all: f64 = self.space.ranks.iter().map(|r| r.size as f64).product();
        for slot in Slot::ALL {
            if self.space.latched == Some(slot) {
                continue;
            }
            let stops = self.space.stops.iter();
            let keeper = stops
                .clone()
                .rposition(|stop| stop.keeps[slot as usize].is_some());
            let keeper = keeper.unwrap_or(0);
            let shared = self.served_above(slot, keeper..engine);
            // How much meets depends on tiles that are not chosen yet.
            let merged = match self.merges[slot as usize] {
                true => self.all[slot as usize] * shared / all,
                false => 1.0,
            };
            let reads = all / shared * merged;
            let bill = self.enter(slot, (keeper, engine), None, (all, reads), merged);
            node.bill = node.bill.plus(&bill);
        }
        node
    }

    /// A stop that has room for everything, with nothing moved so far.
    pub(super) fn above(&self, stop: usize) -> Node {
        let keeper = Slot::ALL.map(|slot| {
            let outer = self.space.stops[..=stop].iter();
            let last = outer
                .clone()
                .rposition(|s| s.keeps[slot as usize].is_some());
            last.unwrap_or(0)
        });
        Node {
            at: self.table.whole,
            loads: [1.0; 3],
            sweeps: [None; 3],
            stayed: [false; 3],
            keeper,
            bill: Bill::NONE,
        }
    }

    /// The orders of the loops between two tiles that differ in what stays or slides.
    fn orders(&self, looped: u16) -> SmallVec<[Order; 8]> {
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
            let slides = Slot::ALL
                .into_iter()
                .fold(0, |set, s| set | self.windowed(s));
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

    /// What an order means for a slot.
    fn way(&self, slot: Slot, looped: u16, order: Order) -> Way {
        let s = slot as usize;
        if !self.space.given.convention.tiles_stay() || looped & self.space.shapes[s].moving == 0 {
            return Way::default();
        }
        let is_inner = order.inner == Some(still_class(slot));
        let along = if is_inner || order.inner.is_none() {
            order.first
        } else {
            order.last
        };
        Way {
            keeps: is_inner && looped & self.still[s] != 0,
            along: along.filter(|&r| self.windowed(slot) >> r & 1 == 1),
        }
    }

    /// What a slot does in a gap.
    fn part(
        &self,
        node: &Node,
        gap: usize,
        inner: &Index,
        looped: u16,
        slot: Slot,
        way: Way,
    ) -> Part {
        let s = slot as usize;
        let stays = self.space.given.convention.tiles_stay();
        let moves = looped & self.space.shapes[s].moving != 0 || !stays;
        let (loads, sweep, stayed) = if moves {
            let loads = self.loads(slot, gap, node, inner, way.keeps);
            let sweep = way
                .along
                .and_then(|r| self.sweep(slot, gap, node, inner, usize::from(r)));
            (loads, sweep, way.keeps || sweep.is_some())
        } else {
            let loads = node.loads[s] * self.copies_in(slot, gap, inner);
            (
                loads,
                node.sweeps[s],
                node.stayed[s] || looped & self.still[s] != 0,
            )
        };
        let child = self.child(slot, gap + 1);
        let bill = match child {
            Some(child) => {
                let counts = moves && !way.keeps;
                let served = self.served(slot, gap, inner, counts);
                let (keeper, often) = (node.keeper[s], (loads, served));
                self.book(slot, keeper, gap + 1, child, inner, often, sweep)
            }
            None => Bill::NONE,
        };
        Part {
            loads,
            sweep,
            stayed,
            keeper: match child {
                Some(Some(_)) => gap + 1,
                Some(None) | None => node.keeper[s],
            },
            bill,
        }
    }

    /// Whether a slot is kept at a stop, and at which level; at the engine, whether it is latched.
    #[expect(
        clippy::option_option,
        reason = "kept at a level, held by the engine, or neither"
    )]
    fn child(&self, slot: Slot, stop: usize) -> Option<Option<usize>> {
        match self.space.stops.get(stop) {
            Some(stop) => stop.keeps[slot as usize].map(Some),
            None => (self.space.latched == Some(slot)).then_some(None),
        }
    }

    /// A gap with its tiles, whose order is open.
    pub(super) fn step<'f>(&'f self, node: &'f Node, gap: usize, inner: Index) -> Step<'f> {
        let ranks = self.space.ranks.len();
        let looped = (0..ranks).filter(|&r| node.at[r] != inner[r]);
        let looped = looped.fold(0_u16, |set, r| set | 1 << r);
        Step {
            flow: self,
            node,
            gap,
            inner,
            looped,
            known: SmallVec::new(),
        }
    }

    /// Temporal iterations between two tiles.
    pub(super) fn factor(&self, rank: usize, outer: u8, inner: u8) -> f64 {
        (self.table.divisor(rank, outer) / self.table.divisor(rank, inner)) as f64
    }

    /// The least that one slot adds at the next stop if it stays while the innermost loops of the gap run.
    pub(super) fn stay(&self, node: &Node, gap: usize, slot: Slot) -> Bill {
        let s = slot as usize;
        let below = gap + 1;
        let Some(child) = self.child(slot, below) else {
            return Bill::NONE;
        };
        let (mut loads, mut copies, mut all) = (1.0, 1.0, 1.0);
        for r in bits(self.still[s]) {
            let outer = self.table.extent(gap, r, node.at[r]);
            let size = self.space.ranks[r].size as f64;
            // Where a last tile is smaller, some instances may have none.
            let across = match self.table.is_whole(r) {
                true => self.side.across[gap][r] as f64,
                false => 1.0,
            };
            loads *= size / outer * across;
            copies *= across;
            all *= self.side.across[gap][r] as f64;
        }
        if node.stayed[s] {
            loads = loads.min(node.loads[s] * copies);
        }
        let fills = loads * self.all[s];
        let own = match self.side.shared[gap][s] {
            shared if shared == all => copies,
            shared => shared,
        };
        let shared = self.served_above(slot, node.keeper[s]..gap) * own;
        let merged = if self.merges[s] { 0.0 } else { 1.0 };
        self.enter(
            slot,
            (node.keeper[s], below),
            child,
            (fills, fills / shared * merged),
            merged,
        )
    }

    /// Visits through the ranks that do not move a slot, when loops of the gap bring it anew.
    fn loads(&self, slot: Slot, gap: usize, node: &Node, inner: &Index, keeps: bool) -> f64 {
        let mut loads = 1.0;
        for r in bits(self.still[slot as usize]) {
            loads *= if keeps {
                let outer = self.table.extent(gap, r, node.at[r]);
                let size = self.space.ranks[r].size as f64;
                size / outer * self.at_work(gap, r, inner)
            } else {
                self.table.tiles(gap + 1, r, inner[r])
            };
        }
        loads
    }

    /// Copies that the fan-outs of a gap make of a tile that stays.
    fn copies_in(&self, slot: Slot, gap: usize, inner: &Index) -> f64 {
        let still = bits(self.still[slot as usize]);
        still.map(|r| self.at_work(gap, r, inner)).product()
    }

    fn sweep(
        &self,
        slot: Slot,
        gap: usize,
        node: &Node,
        inner: &Index,
        rank: usize,
    ) -> Option<Sweep> {
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

    /// Instances that one access serves in some gaps, if all are at work.
    fn served_above(&self, slot: Slot, gaps: std::ops::Range<usize>) -> f64 {
        gaps.map(|gap| self.side.shared[gap][slot as usize])
            .product()
    }

    /// Instances that one access serves in a gap: no more than have a tile. `counts` says that every loop
    /// brings the tiles again.
    fn served(&self, slot: Slot, gap: usize, inner: &Index, counts: bool) -> f64 {
        let shared = self.side.shared[gap][slot as usize];
        if shared == 1.0 {
            return 1.0;
        }
        let (mut all, mut busy) = (1.0, 1.0);
        for r in bits(self.still[slot as usize]) {
            let across = self.side.across[gap][r] as f64;
            all *= across;
            busy *= match counts {
                true => self.table.tiles(gap + 1, r, inner[r]) / self.table.tiles(gap, r, inner[r]),
                false => self.at_work(gap, r, inner),
            };
        }
        if shared == all { busy } else { shared }
    }

    /// Instances side by side along a rank that have a tile, on average at least.
    fn at_work(&self, gap: usize, rank: usize, inner: &Index) -> f64 {
        let across = self.side.across[gap][rank] as f64;
        let outer = self.table.extent(gap, rank, inner[rank]);
        across.min(outer / self.table.extent(gap + 1, rank, inner[rank]))
    }

    /// What crosses between the stop that keeps a slot last and the one below; `child` is `None` for the
    /// engine.
    #[expect(
        clippy::too_many_arguments,
        reason = "two ends and how often what crosses"
    )]
    fn book(
        &self,
        slot: Slot,
        keeper: usize,
        stop: usize,
        child: Option<usize>,
        at: &Index,
        (loads, served): (f64, f64),
        sweep: Option<Sweep>,
    ) -> Bill {
        let fills = loads * self.elements(slot, stop, at, sweep);
        let shared = self.served_above(slot, keeper..stop - 1) * served;
        let merged = self.merged(slot, keeper, stop, at);
        let mut bill = self.enter(
            slot,
            (keeper, stop),
            child,
            (fills, fills / shared * merged),
            merged,
        );
        if child.is_some() && self.space.latched == Some(slot) {
            let tile = self.table.footprint(self.space, slot, stop, at);
            let lanes = self.side.above[stop].iter().map(|&n| n as f64);
            bill.waits((fills / lanes.product::<f64>() / tile - 1.0).max(0.0));
        }
        bill
    }

    /// Bill of fills of a child and reads of its parent, or of results that go the other way.
    fn enter(
        &self,
        slot: Slot,
        (keeper, stop): (usize, usize),
        child: Option<usize>,
        (fills, reads): (f64, f64),
        merged: f64,
    ) -> Bill {
        let mut bill = Bill::NONE;
        let widths = &self.space.given.widths;
        let width = widths.of(slot);
        let Some(parent) = self.space.stops[keeper].keeps[slot as usize] else {
            return bill;
        };
        let rates = &self.rates;
        match slot {
            Slot::Lhs | Slot::Rhs => {
                rates.read(&mut bill, parent, reads * width);
                if let Some(child) = child {
                    rates.write(&mut bill, child, fills * width);
                }
            }
            Slot::Acc => {
                let all = self.all[Slot::Acc as usize];
                let base = all * self.copies[keeper] * merged;
                let finished = widths.result.min(width);
                let again = (reads - base).max(0.0) * width;
                rates.read(&mut bill, parent, again);
                match child {
                    None => rates.write(&mut bill, parent, reads * width),
                    Some(child) => {
                        let once = all * self.copies[stop];
                        let back = (fills - once).max(0.0) * width;
                        rates.write(&mut bill, parent, again + base.min(reads) * finished);
                        rates.write(&mut bill, child, back);
                        if self.space.given.convention.reads_drains() {
                            rates.read(&mut bill, child, back + once.min(fills) * finished);
                        }
                    }
                }
            }
        }
        let first = self.space.level(keeper) + 1;
        let end = child.unwrap_or(self.space.chain.levels.len());
        for level in first..end {
            rates.cross(&mut bill, level, fills * width);
        }
        bill
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
                    let found = self
                        .space
                        .ranks
                        .iter()
                        .position(|r| r.index == usize::from(l.rank));
                    let Some(r) = found.filter(|_| l.factor > 1) else {
                        continue;
                    };
                    // Loops further in of the same rank and gap are not told apart.
                    let inner = self.table.extent(gap + 1, r, at[r]) as u64;
                    loops.push((*l, inner));
                }
            }
        }
        crate::cost::merged(
            self.space.given.einsum,
            self.space.given.system,
            &self.space.chain,
            slot,
            &loops,
            self.space.given.convention,
        )
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
