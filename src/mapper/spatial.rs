//! Which ranks run side by side on each fan-out.

use smallvec::SmallVec;

use crate::hardware::{FanAxis, System};
use crate::mapping::{Chain, Level, Loop, Place, names};
use crate::workload::{Class, Einsum, Rank, Slot};

/// Spatial loops of every level of a chain, empty for memories.
pub(super) type Spatial = SmallVec<[SmallVec<[Loop; 6]>; 8]>;

/// Choices kept for the full search.
const KEPT: usize = 4;

/// Choices looked at before the best are kept.
const LOOKED_AT: usize = 4096;

/// The most parallel ways to unroll an Einsum, best first; ties go to the first in rank order.
pub(super) fn choices(einsum: &Einsum, system: &System, chain: &Chain) -> Vec<Spatial> {
    let empty: Spatial = chain.levels.iter().map(|_| SmallVec::new()).collect();
    let start: Vec<u64> = einsum.ranks.iter().map(|r| r.size).collect();
    let mut open: Vec<(Spatial, Vec<u64>)> = vec![(empty, start)];
    for level in 0..chain.levels.len() {
        let Level::Fanout { fanout } = chain.levels[level] else {
            continue;
        };
        let fanout = &system.fanouts[fanout];
        for (axis_idx, axis) in fanout.axes.iter().enumerate() {
            let place = Place {
                level: level as u16,
                axis: axis_idx as u8,
            };
            let mut next = Vec::new();
            for (spatial, left) in &open {
                for loops in unrolls(einsum, axis, fanout.imperfect, place, left) {
                    let mut left = left.clone();
                    for l in &loops {
                        let size = &mut left[l.rank as usize];
                        *size = size.div_ceil(l.factor);
                    }
                    let mut spatial = spatial.clone();
                    spatial[level].extend(loops);
                    next.push((spatial, left));
                }
            }
            next.truncate(LOOKED_AT);
            open = next;
        }
    }
    // Fewer steps left is more work done at once.
    let steps = |left: &[u64]| left.iter().map(|&n| n as f64).product::<f64>();
    open.sort_by(|a, b| steps(&a.1).total_cmp(&steps(&b.1)));
    open.truncate(KEPT);
    open.into_iter().map(|(spatial, _)| spatial).collect()
}

/// Ways to fill one axis: each allowed rank first, then each other one in what is left.
fn unrolls(
    einsum: &Einsum,
    axis: &FanAxis,
    imperfect: bool,
    place: Place,
    left: &[u64],
) -> Vec<SmallVec<[Loop; 6]>> {
    let factor = |rank: usize, room: u64| {
        let is_whole = axis.full.iter().any(|&r| names(r, &einsum.ranks[rank]));
        match (is_whole, imperfect) {
            (true, _) if left[rank] <= room => left[rank],
            (true, _) => 1,
            (false, true) => even(left[rank], room),
            (false, false) => divisor(left[rank], room),
        }
    };
    let allowed: SmallVec<[usize; 8]> = (0..einsum.ranks.len())
        .filter(|&r| may_unroll(axis, &einsum.ranks[r]) && factor(r, axis.size) > 1)
        .collect();
    let spatial = |rank: usize, factor: u64| Loop {
        rank: rank as u8,
        factor,
        place: Some(place),
    };
    let mut found: Vec<SmallVec<[Loop; 6]>> = Vec::new();
    for &first in &allowed {
        let mut loops: SmallVec<[Loop; 6]> = SmallVec::new();
        let across = factor(first, axis.size);
        loops.push(spatial(first, across));
        let room = axis.size / across;
        let second = allowed
            .iter()
            .filter(|&&r| r != first && room > 1 && axis.max_ranks > 1)
            .max_by_key(|&&r| (factor(r, room), std::cmp::Reverse(r)));
        if let Some(&second) = second {
            loops.push(spatial(second, factor(second, room)));
        }
        found.push(loops);
    }
    if found.is_empty() {
        found.push(SmallVec::new());
    }
    found
}

/// The smallest factor that needs no more rounds than the whole axis would.
fn even(size: u64, axis: u64) -> u64 {
    let rounds = size.div_ceil(axis.max(1));
    size.div_ceil(rounds.max(1))
}

/// The largest divisor that is no more than an axis.
fn divisor(size: u64, axis: u64) -> u64 {
    let small = (1..=size.isqrt()).filter(|d| size.is_multiple_of(*d));
    let both = small.flat_map(|d| [d, size / d]);
    both.filter(|f| *f <= axis).max().unwrap_or(1)
}

/// Whether an axis may unroll a rank; summed ranks need an adder for the results.
fn may_unroll(axis: &FanAxis, rank: &Rank) -> bool {
    let summed = rank.class == Class::K;
    let allowed = axis.ranks.iter().any(|&r| names(r, rank));
    allowed && (!summed || axis.reduce.contains(&Slot::Acc))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hardware::AxisRank;

    fn axis(max_ranks: u32, full: Vec<AxisRank>) -> FanAxis {
        FanAxis {
            size: 16,
            ranks: vec![AxisRank::M, AxisRank::N],
            multicast: Vec::new(),
            reduce: Vec::new(),
            forward: Vec::new(),
            max_ranks,
            full,
        }
    }

    /// Factors by rank of every choice.
    fn choices(axis: &FanAxis, imperfect: bool, m: u64, n: u64) -> Vec<Vec<(u8, u64)>> {
        let einsum = Einsum::matmul(1, m, n, 1);
        let place = Place { level: 1, axis: 0 };
        let found = unrolls(&einsum, axis, imperfect, place, &[1, m, n, 1]);
        let pairs = |loops: SmallVec<[Loop; 6]>| loops.iter().map(|l| (l.rank, l.factor)).collect();
        found.into_iter().map(pairs).collect()
    }

    #[test]
    fn axes_take_as_many_ranks_as_they_may() {
        let two = choices(&axis(2, Vec::new()), true, 8, 2);
        assert_eq!(two, [vec![(1, 8), (2, 2)], vec![(2, 2), (1, 8)]]);
        let one = choices(&axis(1, Vec::new()), true, 8, 2);
        assert_eq!(one, [vec![(1, 8)], vec![(2, 2)]]);
    }

    #[test]
    fn ranks_that_must_be_whole_are_whole_or_absent() {
        let full = || vec![AxisRank::M];
        assert_eq!(choices(&axis(2, full()), true, 17, 3), [vec![(2, 3)]]);
        let fits = choices(&axis(2, full()), true, 7, 2);
        assert_eq!(fits, [vec![(1, 7), (2, 2)], vec![(2, 2), (1, 7)]]);
    }

    #[test]
    fn factors_divide_where_nothing_may_idle() {
        assert_eq!(
            choices(&axis(1, Vec::new()), false, 34, 13),
            [vec![(1, 2)], vec![(2, 13)]]
        );
        assert_eq!(
            choices(&axis(1, Vec::new()), true, 34, 13),
            [vec![(1, 12)], vec![(2, 13)]]
        );
    }
}
