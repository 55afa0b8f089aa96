//! Every way to fill the axes of the fan-outs.

use smallvec::SmallVec;

use crate::hardware::{FanAxis, System, Tiles};
use crate::mapping::{Level, Loop, names};
use crate::workload::{Class, Slot};

use super::space::{PerRank, RANKS, Space};

/// A spatial choice.
#[derive(Clone, Debug)]
pub(super) struct Side {
    /// Loops in the order of their axes.
    pub(super) loops: SmallVec<[Loop; 6]>,
    /// `[gap][rank]`: instances side by side.
    pub(super) across: SmallVec<[PerRank<u64>; 6]>,
    /// `[stop][rank]`: instances side by side further out; the engine comes last.
    pub(super) above: SmallVec<[PerRank<u64>; 6]>,
    /// `[gap][slot]`: instances that one access of the level above serves.
    pub(super) shared: SmallVec<[[f64; 3]; 6]>,
    /// Iterations one after the other, by rank.
    pub(super) steps: PerRank<u64>,
}

/// Most spatial choices; beyond them the search has a gap.
const MOST: usize = 1 << 16;

/// Ranks are padded to the next size with small factors if that adds no more than this share.
const PADDING: f64 = 0.03;

/// All choices in canonical order, and whether there are no others.
pub(super) fn all(space: &Space<'_>) -> (Vec<Side>, bool) {
    let mut open: Vec<SmallVec<[Loop; 6]>> = vec![SmallVec::new()];
    let mut is_whole = true;
    for level in 0..space.chain.levels.len() {
        let Level::Fanout { fanout } = space.chain.levels[level] else {
            continue;
        };
        let fanout = &space.given.system.fanouts[fanout];
        for (axis_index, axis) in fanout.axes.iter().enumerate() {
            let mut next: Vec<SmallVec<[Loop; 6]>> = Vec::new();
            for loops in &open {
                let left: PerRank<u64> = left(space, loops);
                let divides = !fanout.imperfect || space.given.system.tiles == Tiles::Divisors;
                for filled in fill(space, axis, divides, &left) {
                    let mut loops = loops.clone();
                    loops.extend(filled.into_iter().map(|(rank, factor)| {
                        let index = space.ranks[rank].index as u8;
                        Loop::spatial(index, factor, level as u16, axis_index as u8)
                    }));
                    next.push(loops);
                }
                if next.len() > MOST {
                    is_whole = false;
                    break;
                }
            }
            open = next;
        }
    }
    let mut sides = Vec::new();
    for loops in open {
        for steps in totals(space, &left(space, &loops)) {
            sides.push(Side::of(space, loops.clone(), steps));
        }
    }
    (sides, is_whole)
}

/// Iterations that loops leave of every rank.
fn left(space: &Space<'_>, loops: &[Loop]) -> PerRank<u64> {
    let mut left = [1; RANKS];
    for (left, rank) in left.iter_mut().zip(&space.ranks) {
        *left = rank.size;
        for l in loops.iter().filter(|l| usize::from(l.rank) == rank.index) {
            *left = left.div_ceil(l.factor);
        }
    }
    left
}

/// Iterations of every rank that are split into loops: what is left, or the next number with small factors.
fn totals(space: &Space<'_>, left: &PerRank<u64>) -> Vec<PerRank<u64>> {
    let mut all = vec![*left];
    if space.given.system.tiles == Tiles::Divisors {
        return all;
    }
    for r in 0..space.ranks.len() {
        let most = (left[r] as f64 * (1.0 + PADDING)) as u64;
        if let Some(padded) = (left[r]..=most)
            .find(|n| is_smooth(*n))
            .filter(|n| *n > left[r])
        {
            for mut other in all.clone() {
                other[r] = padded;
                all.push(other);
            }
        }
    }
    all
}

/// Whether no prime factor is more than 7.
fn is_smooth(mut n: u64) -> bool {
    for p in [2, 3, 5, 7] {
        while n.is_multiple_of(p) {
            n /= p;
        }
    }
    n == 1
}

impl Side {
    fn of(space: &Space<'_>, loops: SmallVec<[Loop; 6]>, steps: PerRank<u64>) -> Self {
        let engine = space.engine();
        let mut side = Self {
            loops,
            across: SmallVec::new(),
            above: SmallVec::from_elem([1; RANKS], 1),
            shared: SmallVec::new(),
            steps,
        };
        for gap in 0..engine {
            let (mut across, mut shared) = ([1; RANKS], [1.0; 3]);
            for level in space.fanouts(gap) {
                let axes = space.chain.axes(space.given.system, level);
                for l in &side.loops {
                    let Some(place) = l.place.filter(|p| usize::from(p.level) == level) else {
                        continue;
                    };
                    let at = |r: &super::space::RankAt| r.index == usize::from(l.rank);
                    let Some(r) = space.ranks.iter().position(at) else {
                        continue;
                    };
                    across[r] *= l.factor;
                    for slot in Slot::ALL {
                        let moves = space.shapes[slot as usize].moving >> r & 1 == 1;
                        if !moves && shares(&axes[usize::from(place.axis)], slot) {
                            shared[slot as usize] *= l.factor as f64;
                        }
                    }
                }
            }
            let mut above = side.above[gap];
            for (above, across) in above.iter_mut().zip(&across) {
                *above *= across;
            }
            side.across.push(across);
            side.above.push(above);
            side.shared.push(shared);
        }
        side
    }

    /// Loops of a level.
    pub(super) fn at(&self, level: usize) -> impl Iterator<Item = &Loop> {
        let here = move |l: &&Loop| l.place.is_some_and(|p| usize::from(p.level) == level);
        self.loops.iter().filter(here)
    }

    /// Whether one access may serve equal points of a window that two ranks side by side share.
    pub(super) fn may_meet(&self, space: &Space<'_>, one: usize, two: usize) -> bool {
        let of = |rank: usize| {
            let index = space.ranks[rank].index;
            let loops = self.loops.iter();
            loops.filter(move |l| usize::from(l.rank) == index && l.factor > 1)
        };
        of(one).any(|a| {
            of(two).any(|b| {
                let (Some(a), Some(b)) = (a.place, b.place) else {
                    return false;
                };
                let Level::Fanout { fanout } = space.chain.levels[usize::from(a.level)] else {
                    return false;
                };
                let wires = &space.given.system.fanouts[fanout].diagonal;
                a.level == b.level
                    && (a.axis == b.axis
                        || space.given.convention.merges_axes()
                        || !wires.is_empty())
            })
        })
    }

    /// Instances below the fan-outs above a level.
    pub(super) fn instances(&self, level: usize) -> f64 {
        let above = |l: &&Loop| l.place.is_some_and(|p| usize::from(p.level) < level);
        let loops = self.loops.iter().filter(above);
        loops.map(|l| l.factor as f64).product()
    }

    /// Iterations of the engine.
    pub(super) fn iterations(&self) -> f64 {
        self.steps.iter().map(|&n| n as f64).product()
    }
}

/// Whether one access of the parent serves the instances along an axis.
fn shares(axis: &FanAxis, slot: Slot) -> bool {
    match slot {
        Slot::Lhs | Slot::Rhs => axis.multicast.contains(&slot),
        Slot::Acc => axis.reduce.contains(&slot),
    }
}

/// Ways to fill an axis with no room left for a larger factor: `(rank, factor)`.
fn fill(
    space: &Space<'_>,
    axis: &FanAxis,
    divides: bool,
    left: &PerRank<u64>,
) -> Vec<SmallVec<[(usize, u64); 3]>> {
    let ranks: SmallVec<[usize; RANKS]> = (0..space.ranks.len())
        .filter(|&r| left[r] > 1 && may_unroll(space.given.system, axis, space, r))
        .collect();
    let mut found = Vec::new();
    let mut taken = SmallVec::new();
    extend(
        space, axis, divides, left, &ranks, axis.size, &mut taken, &mut found,
    );
    if found.is_empty() {
        found.push(SmallVec::new());
    }
    found
}

#[expect(clippy::too_many_arguments, reason = "the state of one recursion")]
fn extend(
    space: &Space<'_>,
    axis: &FanAxis,
    divides: bool,
    left: &PerRank<u64>,
    ranks: &[usize],
    room: u64,
    taken: &mut SmallVec<[(usize, u64); 3]>,
    found: &mut Vec<SmallVec<[(usize, u64); 3]>>,
) {
    let next = |r: usize, room: u64| factors(space, axis, divides, r, left[r], room);
    // A rank that comes later in the list may follow; one that comes earlier had its turn.
    if (taken.len() as u32) < axis.max_ranks {
        for (i, &r) in ranks.iter().enumerate() {
            for factor in candidates(next(r, room), left[r], room, axis, divides) {
                taken.push((r, factor));
                extend(
                    space,
                    axis,
                    divides,
                    left,
                    &ranks[i + 1..],
                    room / factor,
                    taken,
                    found,
                );
                taken.pop();
            }
        }
    }
    let used: u64 = taken.iter().map(|t| t.1).product();
    // A divisor leaves nothing idle, the most even factor takes the fewest rounds: neither replaces the other.
    let mut grown = taken.iter().any(|&(r, factor)| {
        let is_whole = |f: u64| left[r].is_multiple_of(f);
        let mut larger = next(r, axis.size * factor / used).into_iter();
        larger.any(|f| f > factor && is_whole(f) == is_whole(factor))
    });
    if (taken.len() as u32) < axis.max_ranks {
        let allowed = (0..space.ranks.len())
            .filter(|&r| left[r] > 1 && may_unroll(space.given.system, axis, space, r));
        grown |= allowed
            .filter(|r| taken.iter().all(|t| t.0 != *r))
            .any(|r| !next(r, room).is_empty());
    }
    let stands = |&(r, factor): &(usize, u64)| next(r, axis.size * factor / used).contains(&factor);
    if !grown && !taken.is_empty() && taken.iter().all(stands) {
        found.push(taken.clone());
    }
}

/// Factors for a room, and where other ranks may take a part of it those for less.
fn candidates(
    mut found: SmallVec<[u64; 8]>,
    left: u64,
    room: u64,
    axis: &FanAxis,
    divides: bool,
) -> SmallVec<[u64; 8]> {
    if axis.max_ranks > 1 && !divides && axis.full.is_empty() {
        let rooms = 2..=room;
        found.extend(rooms.map(|room| left.div_ceil(left.div_ceil(room))));
        found.retain(|f| *f > 1);
        found.sort_unstable();
        found.dedup();
    }
    found
}

/// Factors of a rank, above one, that fit: divisors, and the one that needs no more rounds than all the room
/// would.
fn factors(
    space: &Space<'_>,
    axis: &FanAxis,
    divides: bool,
    rank: usize,
    left: u64,
    room: u64,
) -> SmallVec<[u64; 8]> {
    let at = &space.given.einsum.ranks[space.ranks[rank].index];
    if axis.full.iter().any(|&r| names(r, at)) {
        return (left <= room).then_some(left).into_iter().collect();
    }
    let mut found: SmallVec<[u64; 8]> = (2..=room.min(left))
        .filter(|f| left.is_multiple_of(*f))
        .collect();
    if !divides && room > 1 {
        let even = left.div_ceil(left.div_ceil(room).max(1));
        if even > 1 && !found.contains(&even) {
            found.push(even);
        }
    }
    found
}

/// Whether an axis may unroll a rank; summed ranks need an adder for the results.
fn may_unroll(_: &System, axis: &FanAxis, space: &Space<'_>, rank: usize) -> bool {
    let rank = &space.given.einsum.ranks[space.ranks[rank].index];
    let summed = rank.class == Class::K;
    let allowed = axis.ranks.iter().any(|&r| names(r, rank));
    allowed && (!summed || axis.reduce.contains(&Slot::Acc))
}
