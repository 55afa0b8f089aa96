//! Least absolute deviations within bounds, by reweighted damped Gauss-Newton steps.

use ndarray::{Array1, Array2, Axis};

/// Step of the finite differences: a hundredth of a coefficient's range. Predictions jump where a library
/// takes another tile; a shorter step sees the jumps, not the trend.
const DIFFERENCE: f64 = 0.01;

/// Residuals below this weigh as this one: 1 % is about what measurements repeat to.
const LEAST_RESIDUAL: f64 = 0.01;

/// Relative gain below which an iteration counts as idle.
const WORTH: f64 = 1e-4;

/// Idle iterations after which the search ends.
const PATIENCE: usize = 2;

/// Steps of the search along single coefficients, in parts of the range.
const COMPASS: [f64; 5] = [0.08, 0.04, 0.02, 0.01, 0.005];

/// A problem in normalized coefficients, each between 0 and 1.
pub(super) trait Residuals {
    /// Log of predicted over measured, row by row; rows that cannot be priced are not finite.
    fn at(&self, point: &[f64]) -> Vec<f64>;
}

/// How long to search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Effort {
    /// Gauss-Newton iterations.
    pub(super) iterations: usize,
    /// Whether single coefficients are then searched along.
    pub(super) polish: bool,
}

/// Mean absolute residual.
pub(super) fn loss(residuals: &[f64]) -> f64 {
    let finite = residuals.iter().filter(|r| r.is_finite());
    let (sum, n) = finite.fold((0.0, 0usize), |(s, n), r| (s + r.abs(), n + 1));
    sum / n.max(1) as f64
}

/// The best point found from `start`, moving only the coefficients of `free`.
///
/// Minimizes the mean of `|r|`: each iteration solves `(JᵀWJ + λ diag) d = -JᵀWr` with `W = 1/|r|`, keeps the
/// step within the bounds, and takes it if the loss falls.
///
/// Source: iteratively reweighted least squares (Holland and Welsch, 1977); Levenberg (1944), Marquardt (1963).
pub(super) fn minimize(
    problem: &impl Residuals,
    start: &[f64],
    free: &[usize],
    effort: Effort,
) -> Vec<f64> {
    let mut point = start.to_vec();
    let mut residuals = problem.at(&point);
    let mut best = loss(&residuals);
    let mut damping = 1e-2;
    let mut idle = 0;
    for _ in 0..effort.iterations {
        let slopes = jacobian(problem, &point, &residuals, free);
        let mut taken = false;
        for _ in 0..6 {
            let Some(step) = step(&slopes, &residuals, &point, free, damping) else {
                damping *= 10.0;
                continue;
            };
            let mut next = point.clone();
            for (at, d) in free.iter().zip(&step) {
                next[*at] = (next[*at] + d).clamp(0.0, 1.0);
            }
            let found = problem.at(&next);
            let value = loss(&found);
            if value < best {
                idle = if value < best * (1.0 - WORTH) {
                    0
                } else {
                    idle + 1
                };
                (point, residuals, best) = (next, found, value);
                damping = (damping * 0.3).max(1e-6);
                taken = true;
                break;
            }
            damping *= 4.0;
        }
        if !taken {
            damping = damping.min(1e2) * 0.1;
            idle += 1;
        }
        if idle >= PATIENCE {
            break;
        }
    }
    if effort.polish {
        polish(problem, &mut point, &mut best, free);
    }
    point
}

/// Slope of every row along every free coefficient.
pub(super) fn jacobian(
    problem: &impl Residuals,
    point: &[f64],
    residuals: &[f64],
    free: &[usize],
) -> Array2<f64> {
    let mut slopes = Array2::zeros((residuals.len(), free.len()));
    for (mut column, at) in slopes.axis_iter_mut(Axis(1)).zip(free) {
        let mut moved = point.to_vec();
        let h = if point[*at] > 0.5 {
            -DIFFERENCE
        } else {
            DIFFERENCE
        };
        moved[*at] += h;
        let after = problem.at(&moved);
        for ((slope, new), old) in column.iter_mut().zip(&after).zip(residuals) {
            let difference = (new - old) / h;
            *slope = if difference.is_finite() {
                difference
            } else {
                0.0
            };
        }
    }
    slopes
}

fn step(
    slopes: &Array2<f64>,
    residuals: &[f64],
    point: &[f64],
    free: &[usize],
    damping: f64,
) -> Option<Vec<f64>> {
    let finite = |r: f64| if r.is_finite() { r } else { 0.0 };
    let r = Array1::from_iter(residuals.iter().map(|r| finite(*r)));
    let weights = r.mapv(|r| 1.0 / r.abs().max(LEAST_RESIDUAL));
    let weighted = slopes * &weights.view().insert_axis(Axis(1));
    let gradient = weighted.t().dot(&r);
    let mut normal = weighted.t().dot(slopes);
    let largest = normal.diag().iter().copied().fold(0.0, f64::max);
    if largest <= 0.0 {
        return None;
    }
    for (i, at) in free.iter().enumerate() {
        // At a bound and pushed against it: it stays.
        let is_held =
            (point[*at] <= 0.0 && gradient[i] > 0.0) || (point[*at] >= 1.0 && gradient[i] < 0.0);
        let diagonal = normal[[i, i]];
        if is_held || diagonal <= 1e-12 * largest {
            normal.row_mut(i).fill(0.0);
            normal.column_mut(i).fill(0.0);
            normal[[i, i]] = largest;
        } else {
            normal[[i, i]] = diagonal * (1.0 + damping) + 1e-9 * largest;
        }
    }
    let held: Vec<bool> = free
        .iter()
        .enumerate()
        .map(|(i, at)| {
            (point[*at] <= 0.0 && gradient[i] > 0.0) || (point[*at] >= 1.0 && gradient[i] < 0.0)
        })
        .collect();
    let factor = cholesky(normal)?;
    let solved = solve(&factor, &gradient);
    Some(
        solved
            .iter()
            .zip(held)
            .map(|(d, held)| if held { 0.0 } else { -d })
            .collect(),
    )
}

/// `L` of `A = L Lᵀ`; `None` if `A` is not positive definite.
pub(super) fn cholesky(mut a: Array2<f64>) -> Option<Array2<f64>> {
    let n = a.nrows();
    for j in 0..n {
        let left: f64 = (0..j).map(|k| a[[j, k]].powi(2)).sum();
        let pivot = a[[j, j]] - left;
        if pivot <= 0.0 || !pivot.is_finite() {
            return None;
        }
        let root = pivot.sqrt();
        a[[j, j]] = root;
        for i in j + 1..n {
            let left: f64 = (0..j).map(|k| a[[i, k]] * a[[j, k]]).sum();
            a[[i, j]] = (a[[i, j]] - left) / root;
        }
    }
    Some(a)
}

/// `x` of `L Lᵀ x = b`.
pub(super) fn solve(factor: &Array2<f64>, b: &Array1<f64>) -> Array1<f64> {
    let n = b.len();
    let mut x = b.clone();
    for i in 0..n {
        let left: f64 = (0..i).map(|k| factor[[i, k]] * x[k]).sum();
        x[i] = (x[i] - left) / factor[[i, i]];
    }
    for i in (0..n).rev() {
        let left: f64 = (i + 1..n).map(|k| factor[[k, i]] * x[k]).sum();
        x[i] = (x[i] - left) / factor[[i, i]];
    }
    x
}

/// Moves single coefficients as long as that helps, by ever shorter steps.
fn polish(problem: &impl Residuals, point: &mut [f64], best: &mut f64, free: &[usize]) {
    for step in COMPASS {
        for _ in 0..2 {
            let before = *best;
            for at in free {
                for d in [step, -step] {
                    let old = point[*at];
                    point[*at] = (old + d).clamp(0.0, 1.0);
                    let value = if (point[*at] - old).abs() > 0.0 {
                        loss(&problem.at(point))
                    } else {
                        f64::INFINITY
                    };
                    if value < *best {
                        *best = value;
                        break;
                    }
                    point[*at] = old;
                }
            }
            if *best > before * (1.0 - WORTH) {
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests;
