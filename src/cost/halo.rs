//! What a sliding tile must fetch anew.

use crate::workload::{Axis, Term};

/// A tile moved along one rank, by the extent that the loop advances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slide {
    /// Index into the Einsum's ranks.
    pub rank: u8,
    /// Iterations of the rank between the two tiles.
    pub step: u64,
    /// Extent of the rank in the tile before.
    pub before: u64,
}

/// Most points that are listed where no closed form holds.
const LISTED: u64 = 1 << 12;

/// Points of an axis: distinct ones, or those of the box around them.
pub fn points(axis: &Axis, extents: &[u64], boxes: bool) -> u64 {
    if boxes {
        length(axis, extents, None)
    } else {
        axis.distinct(extents)
    }
}

/// Points of an axis that were not in the tile before.
///
/// Where tiles are intervals the overlap is what the step leaves of the tile before. Otherwise points
/// `s·i + d·j` that have only one such form meet where `i` differs by `q + k·d` and `j` by `k·s`, for all
/// whole `k`. Where neither holds the points are listed; tiles too large to list share nothing.
///
/// Source: derived.
pub fn fresh(axis: &Axis, extents: &[u64], slide: Slide, boxes: bool) -> u64 {
    let now = points(axis, extents, boxes);
    let Some(term) = axis.terms.iter().find(|t| t.rank == slide.rank) else {
        return now;
    };
    let full = length(axis, extents, None);
    let shift = u64::from(term.coefficient).saturating_mul(slide.step);
    let [a, b] = axis.terms.as_slice() else {
        return if shift == 0 { 0 } else { now };
    };
    let is_interval = boxes || axis.distinct(extents) == full || axis.size < full;
    if is_interval {
        let before = length(axis, extents, Some(slide));
        return now - before.saturating_sub(shift).min(now);
    }
    let other = if term.rank == a.rank { b } else { a };
    let (n, m) = (extents[term.rank as usize], extents[other.rank as usize]);
    let has_one_form = |n: u64| {
        let (s, d) = (term.coefficient, other.coefficient);
        let common = gcd(i128::from(s), i128::from(d));
        i128::from(n) <= i128::from(d) / common || i128::from(m) <= i128::from(s) / common
    };
    if has_one_form(n.max(slide.before)) {
        return now - meeting((*term, n), (*other, m), slide).min(now);
    }
    if n.saturating_mul(m) > LISTED {
        return now;
    }
    listed((*term, n), (*other, m), slide)
}

/// Extent of the box around the points; the rank of a slide counts as in the tile before.
fn length(axis: &Axis, extents: &[u64], slide: Option<Slide>) -> u64 {
    let reach = axis.terms.iter().map(|t| {
        let extent = match slide {
            Some(s) if s.rank == t.rank => s.before,
            Some(_) | None => extents[t.rank as usize],
        };
        u64::from(t.coefficient).saturating_mul(extent.saturating_sub(1))
    });
    reach.fold(1, u64::saturating_add)
}

/// Pairs of equal points where every point has one form.
fn meeting(along: (Term, u64), across: (Term, u64), slide: Slide) -> u64 {
    let (s, d) = (
        i128::from(along.0.coefficient),
        i128::from(across.0.coefficient),
    );
    let common = gcd(s, d);
    let (s, d) = (s / common, d / common);
    let (now, before) = (i128::from(along.1), i128::from(slide.before));
    let (width, step) = (i128::from(across.1), i128::from(slide.step));
    let mut sum = 0;
    // Beyond these k the other rank has left its range.
    let reach = (width - 1) / s.max(1);
    for k in -reach..=reach {
        let offset = step + k * d;
        let low = 0.max(-offset);
        let high = now.min(before - offset);
        let beside = width - (k * s).abs();
        sum += (high - low).max(0) * beside.max(0);
    }
    u64::try_from(sum).unwrap_or(u64::MAX)
}

fn listed(along: (Term, u64), across: (Term, u64), slide: Slide) -> u64 {
    let all = |n: u64, from: u64| -> std::collections::BTreeSet<u64> {
        let (s, d) = (
            u64::from(along.0.coefficient),
            u64::from(across.0.coefficient),
        );
        let rows = (0..n).flat_map(|i| (0..across.1).map(move |j| s * (i + from) + d * j));
        rows.collect()
    };
    let before = all(slide.before, 0);
    all(along.1, slide.step).difference(&before).count() as u64
}

fn gcd(a: i128, b: i128) -> i128 {
    if b == 0 { a.max(1) } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use smallvec::smallvec;

    #[test]
    fn fresh_points_equal_a_count_by_hand() {
        for (s, d) in [(1, 1), (2, 1), (1, 2), (3, 1), (3, 2), (4, 1)] {
            for (p, r) in [(1, 1), (1, 3), (3, 1), (3, 2), (4, 3), (2, 5)] {
                for (rank, step, before) in
                    [(0, 1, p), (0, p, p), (1, 1, r), (1, r, r), (0, 2, p + 1)]
                {
                    let term = |rank, coefficient| Term { rank, coefficient };
                    let axis = Axis {
                        terms: smallvec![term(0, s), term(1, d)],
                        size: u64::MAX,
                    };
                    let slide = Slide { rank, step, before };
                    let (along, across) = if rank == 0 {
                        ((term(0, s), p), (term(1, d), r))
                    } else {
                        ((term(1, d), r), (term(0, s), p))
                    };
                    let found = fresh(&axis, &[p, r], slide, false);
                    assert_eq!(
                        found,
                        listed(along, across, slide),
                        "{s} {d} {p} {r} {slide:?}"
                    );
                }
            }
        }
    }
}
