//! Volume dominated by a set of points, up to a reference point.

use super::dominance::lexicographic;

/// Volume of the region that the points dominate and that dominates `reference`.
///
/// Exact for one, two and three objectives; `None` for more or for none, where the sweep does not apply.
/// Points that are not finite, have another length, or are not better than `reference` in every
/// objective add nothing. Dominated points are harmless.
///
/// Source: Fonseca, Paquete, López-Ibáñez, "An improved dimension-sweep algorithm for the hypervolume
/// indicator", CEC 2006; the plane sweep is derived.
pub fn hypervolume<P: AsRef<[f64]>>(points: &[P], reference: &[f64]) -> Option<f64> {
    if !(1..=3).contains(&reference.len()) || !reference.iter().all(|v| v.is_finite()) {
        return None;
    }
    let mut inside: Vec<&[f64]> = points
        .iter()
        .map(AsRef::as_ref)
        .filter(|p| p.len() == reference.len())
        .filter(|p| p.iter().zip(reference).all(|(v, r)| v.is_finite() && v < r))
        .collect();
    inside.sort_by(|a, b| lexicographic(a, b));
    Some(match *reference {
        [x] => inside.first().map_or(0.0, |p| x - p[0]),
        [x, y] => area(inside.iter().map(|p| (p[0], p[1])), (x, y)),
        [x, y, z] => volume(&mut inside, (x, y, z)),
        _ => return None,
    })
}

/// Points must come in ascending order of their first objective.
fn area(points: impl Iterator<Item = (f64, f64)>, reference: (f64, f64)) -> f64 {
    let mut floor = reference.1;
    let mut sum = 0.0;
    for (x, y) in points {
        if y < floor {
            sum += (reference.0 - x) * (floor - y);
            floor = y;
        }
    }
    sum
}

/// Sweeps the third objective; between two of its values the section is a plane front.
fn volume(points: &mut [&[f64]], reference: (f64, f64, f64)) -> f64 {
    points.sort_by(|a, b| a[2].total_cmp(&b[2]).then(lexicographic(a, b)));
    let mut section: Vec<(f64, f64)> = Vec::new();
    let mut sum = 0.0;
    for (i, point) in points.iter().enumerate() {
        let (x, y) = (point[0], point[1]);
        if !section.iter().any(|&(a, b)| a <= x && b <= y) {
            section.retain(|&(a, b)| !(x <= a && y <= b));
            let at = section.partition_point(|&(a, _)| a < x);
            section.insert(at, (x, y));
        }
        let next = points.get(i + 1).map_or(reference.2, |p| p[2]);
        if next > point[2] {
            let plane = area(section.iter().copied(), (reference.0, reference.1));
            sum += plane * (next - point[2]);
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Counts unit cells of an integer grid: exact for integer points.
    fn count_cells(points: &[Vec<f64>], side: usize) -> f64 {
        let dimension = points.first().map_or(2, Vec::len);
        let cells = side.pow(u32::try_from(dimension).expect("2 or 3"));
        let is_dominated = |cell: usize| {
            points.iter().any(|p| {
                let mut rest = cell;
                p.iter().all(|v| {
                    let at = rest % side;
                    rest /= side;
                    *v <= at as f64
                })
            })
        };
        (0..cells).filter(|&c| is_dominated(c)).count() as f64
    }

    proptest! {
        #[test]
        fn sweep_equals_counted_cells(
            points in (2_usize..4).prop_flat_map(|d| prop::collection::vec(
                prop::collection::vec((0_i32..7).prop_map(f64::from), d), 1..12)),
        ) {
            let reference = vec![6.0; points[0].len()];
            prop_assert_eq!(hypervolume(&points, &reference), Some(count_cells(&points, 6)));
        }
    }

    #[test]
    fn three_boxes_by_hand() {
        // Inclusion-exclusion: 3 × 4 (boxes 1×2×2) − 3 × 2 (pairs 1×1×2) + 1 (all three) = 7.
        let points = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
        assert_eq!(hypervolume(&points, &[2.0, 2.0, 2.0]), Some(7.0));
    }

    #[test]
    fn unusable_points_add_nothing() {
        let points = [
            vec![f64::NAN, 0.0],
            vec![f64::NEG_INFINITY, 0.0],
            vec![3.0, 0.0],
            vec![0.0],
        ];
        assert_eq!(hypervolume(&points, &[2.0, 2.0]), Some(0.0));
        assert_eq!(hypervolume(&[[0.0; 4]], &[1.0; 4]), None);
    }
}
