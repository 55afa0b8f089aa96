//! How often each operand crosses each level of a loop nest.
//!
//! For slot `t` kept at a step of the nest, the tile is the footprint of the loops further in. Walking
//! outwards, temporal loops that do not move `t` cost no refill until the first one that does, and that one
//! fetches only what was not there before; from there on every temporal loop refills. Spatial loops that do
//! not move `t` are served by one read where the network multicasts, and partial sums are added on the way
//! where it reduces. Partial sums that come back are read again, except the first time.
//!
//! Factors may leave a smaller last tile: it counts as what it is. An instance that idles in a last round
//! gives up its tile as if it had worked.
//!
//! Source: derived; the rules are those of Parashar et al., "Timeloop", ISPASS 2019, section V; where tools
//! differ see [`Convention`].

use smallvec::SmallVec;

use crate::hardware::{Diagonal, System};
use crate::mapping::{Chain, Convention, Extents, Level, Loop, Nest, Place, Step, names};
use crate::workload::{Einsum, Slot, Term};

use super::halo::{Slide, fresh, points};

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

impl Widths {
    /// Of an element of a slot while it is worked on.
    pub fn of(&self, slot: Slot) -> f64 {
        match slot {
            Slot::Lhs => self.lhs,
            Slot::Rhs => self.rhs,
            Slot::Acc => self.partial,
        }
    }
}

/// Accesses of one slot at one level, in elements over all instances.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Count {
    /// Elements that one instance keeps.
    pub tile: f64,
    /// Read: by levels further in, or on the way out.
    pub reads: f64,
    /// Of the reads, finished results on their way out.
    pub finished_reads: f64,
    /// Written by what arrives from further out.
    pub fills: f64,
    /// Written by results from further in.
    pub updates: f64,
    /// Of the updates, finished results.
    pub finished_updates: f64,
}

impl Count {
    /// Bytes that one instance keeps: at the width of a result where no partial sum passes.
    pub fn kept(&self, slot: Slot, widths: &Widths) -> f64 {
        let is_finished = self.updates > 0.0
            && self.updates == self.finished_updates
            && self.reads == self.finished_reads;
        let width = match slot {
            Slot::Acc if is_finished => widths.result.min(widths.partial),
            Slot::Lhs | Slot::Rhs | Slot::Acc => widths.of(slot),
        };
        self.tile * width
    }

    /// Bytes read.
    pub fn read(&self, slot: Slot, widths: &Widths) -> f64 {
        (self.reads - self.finished_reads) * widths.of(slot)
            + self.finished_reads * widths.result.min(widths.of(slot))
    }

    /// Bytes that arrive from further out.
    pub fn filled(&self, slot: Slot, widths: &Widths) -> f64 {
        self.fills * widths.of(slot)
    }

    /// Bytes that results from further in write.
    pub fn updated(&self, slot: Slot, widths: &Widths) -> f64 {
        (self.updates - self.finished_updates) * widths.of(slot)
            + self.finished_updates * widths.result.min(widths.of(slot))
    }
}

/// Accesses of a nest.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Accesses {
    /// `[level][slot]`; zero where a slot is not kept and at fan-outs.
    pub levels: SmallVec<[[Count; 3]; 8]>,
    /// Elements delivered to all children of each fan-out: `[level][slot]`, zero for memories.
    pub delivered: SmallVec<[[f64; 3]; 8]>,
}

/// Counts the accesses of a nest.
///
/// Each slot is kept outermost where the nest says first; what it needs from there is read there.
pub fn account(
    einsum: &Einsum,
    system: &System,
    chain: &Chain,
    nest: &Nest,
    convention: Convention,
) -> Accesses {
    let sizes: Extents = einsum.ranks.iter().map(|r| r.size).collect();
    let n = chain.levels.len();
    let mut count = Accesses {
        levels: SmallVec::from_elem([Count::default(); 3], n),
        delivered: SmallVec::from_elem([0.0; 3], n),
    };
    each_transfer(einsum, system, chain, nest, convention, |transfer| {
        let slot = transfer.slot;
        let extents = transfer.nest.extents_at(&sizes, transfer.parent);
        count.levels[transfer.level(transfer.parent)][slot as usize].tile =
            tile(einsum, slot, &extents, None, convention);
        transfer.book(&mut count, &sizes);
    });
    count
}

/// Visits every pair of places between which a slot moves, outermost first.
pub(super) fn each_transfer(
    einsum: &Einsum,
    system: &System,
    chain: &Chain,
    nest: &Nest,
    convention: Convention,
    mut visit: impl FnMut(&Transfer),
) {
    let latched = system.arrays[chain.array].stationary;
    for slot in Slot::ALL {
        let nest = &*nest.seen_by(slot);
        let mut keeps = nest.keeps(slot).map(|(step, _)| step).peekable();
        while let Some(parent) = keeps.next() {
            let next = keeps.peek().copied();
            // The engine has no latch except for the operand it keeps.
            let is_latched = next.is_some() || latched == Some(slot);
            visit(&Transfer {
                einsum,
                system,
                chain,
                nest,
                slot,
                parent,
                child: next.unwrap_or(nest.steps.len()),
                stays: convention.tiles_stay() && is_latched,
                convention,
            });
        }
    }
}

/// What crosses between two places where a slot is kept.
pub(super) struct Transfer<'a> {
    einsum: &'a Einsum,
    system: &'a System,
    chain: &'a Chain,
    nest: &'a Nest,
    pub(super) slot: Slot,
    /// Step that keeps it further out.
    parent: usize,
    /// Step that keeps it further in; behind the last step the engine.
    child: usize,
    /// Whether a tile stays further in until another one comes.
    stays: bool,
    convention: Convention,
}

impl Transfer<'_> {
    /// Levels of both ends; the engine's is behind the last.
    pub(super) fn ends(&self) -> (usize, usize) {
        (self.level(self.parent), self.level(self.child))
    }

    /// What crosses in all, and what would if no temporal loop repeated it, in whole blocks.
    pub(super) fn flows(&self, sizes: &Extents, blocks: Blocks) -> (Flow, Flow) {
        let mut walk = self.walk(sizes);
        walk.blocks = blocks;
        (walk.run(sizes, Visits::All), walk.run(sizes, Visits::Once))
    }

    fn walk(&self, sizes: &Extents) -> Walk<'_> {
        Walk {
            einsum: self.einsum,
            slot: self.slot,
            convention: self.convention,
            loops: self.loops(sizes),
            stays: self.stays,
            merged: self.merged(sizes),
            blocks: Blocks::default(),
        }
    }

    /// Books the accesses at both ends and in between.
    fn book(&self, count: &mut Accesses, sizes: &Extents) {
        let walk = self.walk(sizes);
        let (parent, child) = self.ends();
        let is_engine = child == self.chain.levels.len();
        let slot = self.slot as usize;
        let visits = walk.run(sizes, Visits::All);
        match self.slot {
            Slot::Lhs | Slot::Rhs => {
                count.levels[parent][slot].reads += visits.reads;
                if !is_engine {
                    count.levels[child][slot].fills += visits.fills;
                }
            }
            Slot::Acc => {
                let once = walk.run(sizes, Visits::Once);
                let above = &mut count.levels[parent][slot];
                above.updates += visits.reads;
                // The first sum has nothing to add to; copies that the network does not add are added here.
                above.reads += visits.reads - once.base;
                if !is_engine {
                    above.finished_updates += once.base;
                    let below = &mut count.levels[child][slot];
                    below.fills += visits.fills - once.fills;
                    if self.convention.reads_drains() {
                        below.reads += visits.fills;
                        below.finished_reads += once.fills;
                    }
                }
            }
        }
        for fanout in (parent + 1)..child {
            if self.chain.memory(fanout).is_none() {
                count.delivered[fanout][slot] += visits.fills;
            }
        }
    }

    /// Level of a step that keeps something; the engine's is behind the last.
    fn level(&self, step: usize) -> usize {
        match self.nest.steps.get(step) {
            Some(Step::Keep { level, .. }) => usize::from(*level),
            Some(Step::Loop(_)) => unreachable!("slots are kept at keeps"),
            None => self.chain.levels.len(),
        }
    }

    /// The loops above the child.
    fn loops(&self, sizes: &Extents) -> SmallVec<[Seen; 16]> {
        let mut found = SmallVec::new();
        let mut extents = sizes.clone();
        for (at, step) in self.nest.steps[..self.child].iter().enumerate() {
            let Step::Loop(step) = *step else { continue };
            if step.factor <= 1 {
                continue;
            }
            let extent = &mut extents[step.rank as usize];
            *extent = extent.div_ceil(step.factor);
            found.push(Seen {
                step,
                part: *extent,
                moves: self.einsum.is_relevant(self.slot, step.rank as usize),
                inside: at > self.parent,
                shared: at > self.parent
                    && step
                        .place
                        .is_some_and(|place| shares(self.system, self.chain, self.slot, place)),
            });
        }
        found
    }

    /// Share of the tiles on the way that are not the same as another one's.
    fn merged(&self, sizes: &Extents) -> f64 {
        let inside = self.nest.steps[self.parent..self.child].iter().enumerate();
        let spatial = inside.filter_map(|(i, step)| match step {
            Step::Loop(l) if l.factor > 1 && l.place.is_some() => {
                let below = self.nest.extents_at(sizes, self.parent + i + 1);
                Some((*l, below[l.rank as usize]))
            }
            Step::Loop(_) | Step::Keep { .. } => None,
        });
        let spatial: SmallVec<[(Loop, u64); 6]> = spatial.collect();
        merged(
            self.einsum,
            self.system,
            self.chain,
            self.slot,
            &spatial,
            self.convention,
        )
    }
}

/// Whether one access of a memory serves all iterations of a loop on a fan-out that does not move a slot.
fn shares(system: &System, chain: &Chain, slot: Slot, place: Place) -> bool {
    let axes = chain.axes(system, usize::from(place.level));
    let Some(axis) = axes.get(usize::from(place.axis)) else {
        return false;
    };
    match slot {
        Slot::Lhs | Slot::Rhs => axis.multicast.contains(&slot),
        Slot::Acc => axis.reduce.contains(&slot),
    }
}

/// Share of the tiles on fan-outs that are not the same as another one's: ranks of one axis of the tensor
/// that run side by side meet at equal offsets.
///
/// `spatial`: loops, and what they leave of their ranks.
pub fn merged(
    einsum: &Einsum,
    system: &System,
    chain: &Chain,
    slot: Slot,
    spatial: &[(Loop, u64)],
    convention: Convention,
) -> f64 {
    let serves = |one: &Loop, two: &Loop| {
        let (Some(a), Some(b)) = (one.place, two.place) else {
            return false;
        };
        let Level::Fanout { fanout } = chain.levels[usize::from(a.level)] else {
            return false;
        };
        let named = |l: &Loop, d: &Diagonal| {
            let rank = &einsum.ranks[usize::from(l.rank)];
            d.ranks.iter().any(|r| names(*r, rank))
        };
        let mut wires = system.fanouts[fanout].diagonal.iter();
        a.level == b.level
            && (convention.merges_axes()
                || (a.axis == b.axis && shares(system, chain, slot, a))
                || wires.any(|d| d.slot == slot && named(one, d) && named(two, d)))
    };
    let mut share = 1.0;
    for axis in einsum.operand(slot) {
        let [a, b] = axis.terms.as_slice() else {
            continue;
        };
        for (first, below) in spatial.iter().filter(|s| s.0.rank == a.rank) {
            for (second, beside) in spatial.iter().filter(|s| s.0.rank == b.rank) {
                if serves(first, second) {
                    let offset =
                        |below: u64, term: &Term| below.saturating_mul(u64::from(term.coefficient));
                    let offsets = (offset(*below, a), offset(*beside, b));
                    share *= apart(offsets, (first.factor, second.factor));
                }
            }
        }
    }
    share
}

/// Share of the pairs `(i, j)` of two loops that are the first with their value of `s·i + d·j`.
fn apart((s, d): (u64, u64), (n, m): (u64, u64)) -> f64 {
    let common = gcd(s, d);
    let again = n.saturating_sub(d / common) as f64 * m.saturating_sub(s / common) as f64;
    1.0 - again / (n as f64 * m as f64)
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a.max(1) } else { gcd(b, a % b) }
}

/// A loop as one slot sees it.
#[derive(Clone, Copy)]
struct Seen {
    step: Loop,
    /// Extent that one iteration covers, of the rank and of a whole tile.
    part: u64,
    moves: bool,
    /// Further in than the parent's tile.
    inside: bool,
    /// Further in, and one access of the parent serves all iterations.
    shared: bool,
}

/// Elements of a tile, or those of them that a slide does not bring along.
fn tile(
    einsum: &Einsum,
    slot: Slot,
    extents: &[u64],
    slide: Option<Slide>,
    convention: Convention,
) -> f64 {
    let boxes = convention.boxes();
    let mut elements = 1.0;
    for axis in einsum.operand(slot) {
        let moved = slide.filter(|s| axis.terms.iter().any(|t| t.rank == s.rank));
        elements *= match moved {
            Some(slide) => fresh(axis, extents, slide, boxes),
            None => points(axis, extents, boxes),
        } as f64;
    }
    elements
}

/// Whether temporal loops that do not move a slot repeat its visits.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Visits {
    All,
    Once,
}

/// Elements that cross between a level and its child.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Flow {
    /// Over all instances of the child.
    pub(super) fills: f64,
    /// As far as the network does not merge copies.
    pub(super) reads: f64,
    /// Each once for every instance of the parent that has it.
    pub(super) base: f64,
    /// Whether no instance sees more than one tile.
    still: bool,
}

impl Flow {
    fn add(&mut self, other: Self, times: f64) {
        self.fills += other.fills * times;
        self.reads += other.reads * times;
        self.base += other.base * times;
    }
}

/// Elements of a block at both ends of a transfer: every tile that moves takes whole ones.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Blocks {
    /// Further out, where the tiles of all children that move at once count together.
    pub(super) parent: Option<f64>,
    /// Further in.
    pub(super) child: Option<f64>,
}

impl Blocks {
    fn whole(block: Option<f64>, elements: f64) -> f64 {
        // What is lost in multiplying must not start another block.
        block.map_or(elements, |b| (elements / b - 1e-9).ceil() * b)
    }
}

struct Walk<'a> {
    einsum: &'a Einsum,
    slot: Slot,
    convention: Convention,
    loops: SmallVec<[Seen; 16]>,
    stays: bool,
    merged: f64,
    blocks: Blocks,
}

impl Walk<'_> {
    fn run(&self, sizes: &Extents, visits: Visits) -> Flow {
        let mut extents = sizes.clone();
        let mut flow = self.visit(0, &mut extents, None, visits);
        flow.reads *= self.merged;
        flow.base *= self.merged;
        flow
    }

    /// Different tiles that one instance of the parent moves at once.
    fn together(&self) -> f64 {
        let side_by_side = |s: &&Seen| s.inside && s.moves && s.step.place.is_some();
        let loops = self.loops.iter().filter(side_by_side);
        loops.map(|s| s.step.factor as f64).product::<f64>() * self.merged
    }

    /// What crosses while the loops from `at` inwards run once, starting with nothing there.
    fn visit(
        &self,
        at: usize,
        extents: &mut Extents,
        slide: Option<Slide>,
        visits: Visits,
    ) -> Flow {
        let Some(seen) = self.loops.get(at) else {
            let elements = tile(self.einsum, self.slot, extents, slide, self.convention);
            let together = self.together();
            let read = Blocks::whole(self.blocks.parent, elements * together) / together;
            return Flow {
                fills: Blocks::whole(self.blocks.child, elements),
                reads: read,
                base: read,
                still: true,
            };
        };
        let rank = seen.step.rank as usize;
        let entering = extents[rank];
        let part = seen.part.min(entering);
        let (whole, rest) = (entering / part, entering % part);
        let mut go = |extent: u64, slide: Option<Slide>| {
            extents[rank] = extent;
            let flow = self.visit(at + 1, extents, slide, visits);
            extents[rank] = entering;
            flow
        };
        // Inside of a spatial loop each instance slides on its own.
        let slide = slide.map(|s| match seen.step.place {
            Some(_) if usize::from(s.rank) == rank => Slide {
                before: s.before.min(seen.part),
                ..s
            },
            Some(_) | None => s,
        });
        let first = go(part, slide);
        let n = whole as f64;
        let is_one = whole + rest.min(1) == 1;
        match (seen.step.place, seen.moves) {
            (Some(_), true) => {
                let mut sum = Flow {
                    still: first.still,
                    ..Flow::default()
                };
                sum.add(first, n);
                if rest > 0 {
                    sum.add(go(rest, slide), 1.0);
                }
                sum
            }
            (Some(_), false) => {
                let copies = n + if rest > 0 { 1.0 } else { 0.0 };
                Flow {
                    fills: first.fills * copies,
                    reads: first.reads * if seen.shared { 1.0 } else { copies },
                    base: first.base * if seen.inside { 1.0 } else { copies },
                    still: first.still,
                }
            }
            (None, false) if visits == Visits::Once || (self.stays && first.still) => first,
            (None, true) if self.stays && first.still && visits == Visits::All => {
                if is_one {
                    return first;
                }
                let slide = Slide {
                    rank: seen.step.rank,
                    step: part,
                    before: part,
                };
                let mut next = |extent| go(extent, Some(slide));
                let mut sum = Flow::default();
                sum.add(first, 1.0);
                if whole > 1 {
                    sum.add(next(part), n - 1.0);
                }
                if rest > 0 {
                    sum.add(next(rest), 1.0);
                }
                sum
            }
            (None, _) => {
                let mut sum = Flow {
                    still: first.still && is_one,
                    ..Flow::default()
                };
                sum.add(first, n);
                if rest > 0 {
                    sum.add(go(rest, slide), 1.0);
                }
                sum
            }
        }
    }
}
