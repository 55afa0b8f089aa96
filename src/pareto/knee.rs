//! The point of a front where giving up a little of one objective no longer buys much of another.

/// Index of the front point farthest from the hyperplane through the extreme points, toward the ideal.
///
/// Each objective is scaled to 0..1 over the front; the logarithm is taken first where all its values are
/// positive and span more than a factor of ten. The extremes are the front points that are worst in one
/// objective. If they do not span a plane that falls in every objective, the plane
/// `Σ objectives = constant` takes its place. Of equal distances the first point of `front` wins; points
/// that are not finite are passed over.
///
/// `None` if no point of `front` is usable.
///
/// Source: Das, "On characterizing the 'knee' of the Pareto curve based on normal-boundary intersection",
/// Structural Optimization 18, 1999.
pub fn knee<P: AsRef<[f64]>>(points: &[P], front: &[usize]) -> Option<usize> {
    let usable: Vec<(usize, &[f64])> = front
        .iter()
        .filter_map(|&i| Some((i, points.get(i)?.as_ref())))
        .filter(|(_, p)| p.iter().all(|v| v.is_finite()))
        .collect();
    let dimension = usable.first()?.1.len();
    let usable: Vec<(usize, &[f64])> = usable
        .into_iter()
        .filter(|(_, p)| p.len() == dimension)
        .collect();
    let columns: Vec<Vec<f64>> = (0..dimension)
        .map(|d| scaled(usable.iter().map(|(_, p)| p[d]).collect()))
        .collect();
    let rows: Vec<Vec<f64>> = (0..usable.len())
        .map(|i| columns.iter().map(|c| c[i]).collect())
        .collect();
    let normal = plane_through_extremes(&rows).unwrap_or_else(|| vec![1.0; dimension]);
    let mut best: Option<(f64, usize)> = None;
    for (row, (idx, _)) in rows.iter().zip(&usable) {
        let height = dot(&normal, row);
        // Rounding must not decide between points that lie on the plane together.
        if best.is_none_or(|(least, _)| height < least - 1e-12) {
            best = Some((height, *idx));
        }
    }
    best.map(|(_, idx)| idx)
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// One objective on 0..1; constant objectives become 0.
fn scaled(mut values: Vec<f64>) -> Vec<f64> {
    let bounds = |values: &[f64]| {
        let low = values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        (low, high)
    };
    let (low, high) = bounds(&values);
    if low > 0.0 && high / low > 10.0 {
        for value in &mut values {
            *value = value.log10();
        }
    }
    let (low, high) = bounds(&values);
    // Halves, because `high - low` of two finite numbers may overflow.
    let range = high / 2.0 - low / 2.0;
    for value in &mut values {
        *value = if range > 0.0 {
            (*value / 2.0 - low / 2.0) / range
        } else {
            0.0
        };
    }
    values
}

/// Normal `n` with `n · extreme = 1` for each extreme; `None` if singular or not falling everywhere.
fn plane_through_extremes(rows: &[Vec<f64>]) -> Option<Vec<f64>> {
    let dimension = rows.first()?.len();
    let mut matrix: Vec<Vec<f64>> = Vec::with_capacity(dimension);
    for d in 0..dimension {
        let mut extreme = &rows[0];
        for row in rows {
            let better = |a: f64, b: f64| a.total_cmp(&b);
            let order = better(row[d], extreme[d])
                .then_with(|| better(extreme.iter().sum(), row.iter().sum()));
            if order.is_gt() {
                extreme = row;
            }
        }
        let mut equation = extreme.clone();
        equation.push(1.0);
        matrix.push(equation);
    }
    let normal = solve(matrix)?;
    normal.iter().all(|n| *n > 0.0).then_some(normal)
}

/// Gaussian elimination with partial pivoting on `[A | b]`.
fn solve(mut matrix: Vec<Vec<f64>>) -> Option<Vec<f64>> {
    let n = matrix.len();
    for column in 0..n {
        let pivot = (column..n)
            .max_by(|&a, &b| matrix[a][column].abs().total_cmp(&matrix[b][column].abs()))?;
        if matrix[pivot][column].abs() < 1e-9 {
            return None;
        }
        matrix.swap(column, pivot);
        let pivot_row = matrix[column].clone();
        for (i, row) in matrix.iter_mut().enumerate() {
            if i != column {
                let factor = row[column] / pivot_row[column];
                for (value, above) in row.iter_mut().zip(&pivot_row) {
                    *value -= factor * above;
                }
            }
        }
    }
    Some((0..n).map(|i| matrix[i][n] / matrix[i][i]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pareto::front;
    use proptest::prelude::*;

    #[test]
    fn the_corner_of_an_l_is_the_knee() {
        let points = [[0.0, 10.0], [1.0, 6.0], [2.0, 1.0], [6.0, 0.5], [10.0, 0.0]];
        assert_eq!(knee(&points, &front(&points)), Some(2));
    }

    #[test]
    fn wide_ranges_are_compared_by_ratio() {
        // In logarithms the distances below the line are 0, 1/2, 1/4, 0; without, [3] would win.
        let points = [[1.0, 1e4], [10.0, 1e1], [1e3, 1.0], [1e4, 0.9999]];
        assert_eq!(knee(&points, &[0, 1, 2, 3]), Some(1));
    }

    #[test]
    fn three_objectives_use_the_plane() {
        let points = [
            [1.0, 0.0, 0.0],
            [0.0, 1.0, 0.0],
            [0.0, 0.0, 1.0],
            [0.3, 0.3, 0.3],
            [0.2, 0.2, 0.25],
        ];
        assert_eq!(knee(&points, &[0, 1, 2, 3, 4]), Some(4));
    }

    #[test]
    fn degenerate_fronts_have_an_answer() {
        assert_eq!(knee::<[f64; 2]>(&[], &[]), None);
        assert_eq!(knee(&[[1.0, 2.0]], &[0]), Some(0));
        assert_eq!(knee(&[[1.0, 2.0], [2.0, 1.0]], &[0, 1]), Some(0));
        assert_eq!(knee(&[[f64::INFINITY, 2.0]], &[0]), None);
        assert_eq!(knee(&[[1.0]], &[7]), None);
        assert_eq!(knee(&[[f64::MAX, 0.0], [-f64::MAX, 1.0]], &[0, 1]), Some(0));
    }

    proptest! {
        #[test]
        fn the_knee_is_the_farthest_point_from_the_chord(
            points in prop::collection::vec([1.0..9.0, 1.0..9.0], 1..30),
        ) {
            let front = front(&points);
            let found = knee(&points, &front).expect("finite points");
            // On a plane front the first objective rises while the second falls.
            let mut ends: Vec<[f64; 2]> = front.iter().map(|&i| points[i]).collect();
            ends.sort_by(|a, b| a[0].total_cmp(&b[0]));
            let (left, right) = (ends[0], ends[ends.len() - 1]);
            // Cross product with the chord, in units where the chord's box is the unit square.
            let (w, h) = (right[0] - left[0], left[1] - right[1]);
            let below = |i: usize| if w * h == 0.0 { 0.0 } else {
                1.0 - (points[i][0] - left[0]) / w - (points[i][1] - right[1]) / h
            };
            for &i in &front {
                prop_assert!(below(found) >= below(i) - 1e-9);
            }
        }
    }
}
