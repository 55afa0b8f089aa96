//! Which ranks run side by side on each fan-out.

use smallvec::SmallVec;

use crate::hardware::{AxisRank, FanAxis, System};
use crate::mapping::{Chain, Loop};
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
        for (axis_idx, axis) in chain.axes(system, level).iter().enumerate() {
            let mut next = Vec::new();
            for (spatial, left) in &open {
                for loops in unrolls(einsum, axis, (level as u16, axis_idx as u8), left) {
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
    (level, at): (u16, u8),
    left: &[u64],
) -> Vec<SmallVec<[Loop; 6]>> {
    let allowed: SmallVec<[usize; 8]> = (0..einsum.ranks.len())
        .filter(|&r| left[r] > 1 && may_unroll(axis, &einsum.ranks[r]))
        .collect();
    let mut found: Vec<SmallVec<[Loop; 6]>> = Vec::new();
    for &first in &allowed {
        let mut loops: SmallVec<[Loop; 6]> = SmallVec::new();
        let factor = even(left[first], axis.size);
        loops.push(Loop::spatial(first as u8, factor, level, at));
        let room = axis.size / factor;
        let second = allowed
            .iter()
            .filter(|&&r| r != first && room > 1)
            .max_by_key(|&&r| (even(left[r], room), std::cmp::Reverse(r)));
        if let Some(&second) = second {
            loops.push(Loop::spatial(
                second as u8,
                even(left[second], room),
                level,
                at,
            ));
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

/// Whether an axis may unroll a rank; summed ranks need an adder for the results.
fn may_unroll(axis: &FanAxis, rank: &Rank) -> bool {
    let summed = rank.class == Class::K;
    let allowed = axis.ranks.iter().any(|&r| matches(r, rank));
    allowed && (!summed || axis.reduce.contains(&Slot::Acc))
}

fn matches(allowed: AxisRank, rank: &Rank) -> bool {
    let class = |c| rank.class == c;
    // A product's M and K stand for the output positions and channels of a convolution.
    match allowed {
        AxisRank::G => class(Class::G),
        AxisRank::M => class(Class::M),
        AxisRank::N => class(Class::N),
        AxisRank::K => class(Class::K),
        AxisRank::B => rank.name.as_str() == "B",
        AxisRank::P => matches!(rank.name.as_str(), "P" | "O" | "M"),
        AxisRank::Q => matches!(rank.name.as_str(), "Q" | "M"),
        AxisRank::C => match rank.name.as_str() {
            "C" => true,
            // Some count output channels by this name.
            "K" => class(Class::K),
            _ => false,
        },
        AxisRank::R => matches!(rank.name.as_str(), "R" | "T"),
        AxisRank::S => rank.name.as_str() == "S",
    }
}
