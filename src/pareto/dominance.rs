//! Which points are beaten by another one.

use std::cmp::Ordering;

/// True if `a` is at least as good as `b` in every objective and better in one.
///
/// False if the lengths differ or either holds a NaN.
pub fn dominates(a: &[f64], b: &[f64]) -> bool {
    covers(a, b) && a.iter().zip(b).any(|(x, y)| x < y)
}

/// True if `a` is at least as good as `b` in every objective; equal points cover each other.
pub(super) fn covers(a: &[f64], b: &[f64]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(x, y)| x <= y)
}

/// Indices of the points that no other point dominates, ascending.
///
/// Of equal points only the first is kept. Points with a NaN, and points whose number of objectives is
/// not that of the first point without NaN, are never on the front. Infinities compare as usual.
///
/// `O(n log n)` for one and two objectives, `O(n · front)` for more.
pub fn front<P: AsRef<[f64]>>(points: &[P]) -> Vec<usize> {
    let Some(dimension) = points
        .iter()
        .map(AsRef::as_ref)
        .find(|p| is_comparable(p))
        .map(<[f64]>::len)
    else {
        return Vec::new();
    };
    let mut order: Vec<usize> = (0..points.len())
        .filter(|&i| {
            let point = points[i].as_ref();
            point.len() == dimension && is_comparable(point)
        })
        .collect();
    // In this order a point can only be covered by an earlier one.
    order.sort_by(|&a, &b| lexicographic(points[a].as_ref(), points[b].as_ref()).then(a.cmp(&b)));

    let mut kept: Vec<usize> = Vec::new();
    for i in order {
        let point = points[i].as_ref();
        let covered = if dimension <= 2 {
            // The last kept point has the least second objective so far.
            kept.last()
                .is_some_and(|&k| covers(points[k].as_ref(), point))
        } else {
            kept.iter()
                .rev()
                .any(|&k| covers(points[k].as_ref(), point))
        };
        if !covered {
            kept.push(i);
        }
    }
    kept.sort_unstable();
    kept
}

pub(super) fn is_comparable(point: &[f64]) -> bool {
    !point.iter().any(|v| v.is_nan())
}

/// Order of points without NaN; `-0` equals `0`, as in [`covers`].
pub(super) fn lexicographic(a: &[f64], b: &[f64]) -> Ordering {
    a.iter()
        .zip(b)
        .map(|(x, y)| x.partial_cmp(y).unwrap_or(Ordering::Equal))
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The definition, in quadratic time.
    fn brute_force(points: &[Vec<f64>]) -> Vec<usize> {
        (0..points.len())
            .filter(|&i| {
                is_comparable(&points[i])
                    && !points.iter().any(|other| dominates(other, &points[i]))
                    && !points[..i].iter().any(|other| other == &points[i])
            })
            .collect()
    }

    fn clouds() -> impl Strategy<Value = Vec<Vec<f64>>> {
        let value = prop_oneof![
            8 => (0_i32..6).prop_map(f64::from),
            4 => -5.0..5.0,
            1 => Just(f64::NAN),
            1 => Just(f64::INFINITY),
            1 => Just(f64::NEG_INFINITY),
            1 => Just(-0.0),
        ];
        (1_usize..5).prop_flat_map(move |dimension| {
            prop::collection::vec(prop::collection::vec(value.clone(), dimension), 0..40)
        })
    }

    proptest! {
        #[test]
        fn the_front_is_the_definition(points in clouds()) {
            prop_assert_eq!(front(&points), brute_force(&points));
        }

        #[test]
        fn front_of_fronts_is_the_front(points in clouds(), cut in 0_usize..40) {
            let cut = cut.min(points.len());
            let mut joined: Vec<Vec<f64>> = Vec::new();
            for part in [&points[..cut], &points[cut..]] {
                joined.extend(front(part).into_iter().map(|i| part[i].clone()));
            }
            let whole: Vec<_> = front(&points).into_iter().map(|i| points[i].clone()).collect();
            let merged: Vec<_> = front(&joined).into_iter().map(|i| joined[i].clone()).collect();
            prop_assert_eq!(merged, whole);
        }
    }

    #[test]
    fn duplicates_keep_the_first_and_nan_is_left_out() {
        let points = [[2.0, 2.0], [1.0, f64::NAN], [2.0, 2.0], [1.0, 3.0]];
        assert_eq!(front(&points), [0, 3]);
        assert!(front::<[f64; 2]>(&[]).is_empty());
        assert!(front(&[[f64::NAN]]).is_empty());
    }

    #[test]
    fn points_of_another_dimension_are_left_out() {
        assert_eq!(front(&[vec![1.0, 1.0], vec![0.0], vec![0.5, 2.0]]), [0, 2]);
    }
}
