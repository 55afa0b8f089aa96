//! Fits with known answers.

use super::*;

/// `r = a x - b`, row by row.
struct Linear {
    a: Vec<Vec<f64>>,
    b: Vec<f64>,
}

impl Residuals for Linear {
    fn at(&self, point: &[f64]) -> Vec<f64> {
        let dot = |row: &Vec<f64>| row.iter().zip(point).map(|(a, x)| a * x).sum::<f64>();
        self.a
            .iter()
            .zip(&self.b)
            .map(|(row, b)| dot(row) - b)
            .collect()
    }
}

const EFFORT: Effort = Effort {
    iterations: 60,
    polish: true,
};

#[test]
fn a_line_through_points_with_one_far_off() {
    // y = 0.3 + 0.5 x; least absolute deviations pass an outlier by.
    let xs: Vec<f64> = (0..20).map(|i| f64::from(i) / 10.0).collect();
    let mut b: Vec<f64> = xs.iter().map(|x| 0.3 + 0.5 * x).collect();
    b[7] += 40.0;
    let a = xs.iter().map(|x| vec![1.0, *x]).collect();
    let found = minimize(&Linear { a, b }, &[0.9, 0.1], &[0, 1], EFFORT);
    assert!((found[0] - 0.3).abs() < 5e-3, "{found:?}");
    assert!((found[1] - 0.5).abs() < 5e-3, "{found:?}");
}

#[test]
fn a_minimum_beyond_a_bound_ends_at_the_bound() {
    // Alone the second would be 1.5; held at 1, the first stays the median of what is left.
    let a = vec![
        vec![1.0, 0.0],
        vec![1.0, 0.0],
        vec![0.0, 1.0],
        vec![0.0, 1.0],
    ];
    let found = minimize(
        &Linear {
            a,
            b: vec![0.4, 0.4, 1.5, 1.5],
        },
        &[0.5, 0.5],
        &[0, 1],
        EFFORT,
    );
    assert!((found[0] - 0.4).abs() < 5e-3, "{found:?}");
    assert_eq!(found[1], 1.0);
}

#[test]
fn what_is_not_free_stays() {
    let problem = Linear {
        a: vec![vec![1.0, 1.0]; 3],
        b: vec![0.9; 3],
    };
    let found = minimize(&problem, &[0.2, 0.1], &[1], EFFORT);
    assert_eq!(found[0], 0.2);
    assert!((found[1] - 0.7).abs() < 5e-3, "{found:?}");
}

#[test]
fn a_system_of_two_by_hand() {
    // [4 2; 2 3] = L Lᵀ with L = [2 0; 1 √2]; its solution for [2, 5] is [-1/2, 2].
    let a = ndarray::array![[4.0, 2.0], [2.0, 3.0]];
    let factor = cholesky(a).expect("positive definite");
    assert!((factor[[1, 1]] - 2.0_f64.sqrt()).abs() < 1e-12);
    let x = solve(&factor, &ndarray::array![2.0, 5.0]);
    assert!((x[0] + 0.5).abs() < 1e-12 && (x[1] - 2.0).abs() < 1e-12);
    assert!(cholesky(ndarray::array![[1.0, 2.0], [2.0, 1.0]]).is_none());
}
