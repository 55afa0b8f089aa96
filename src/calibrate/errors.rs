//! Errors of predictions, as shares of what was measured.

/// Sizes by which errors are stated: the end of each in seconds, and its name.
pub const SIZES: [(f64, &str); 3] = [
    (20e-6, "< 20 us"),
    (1e-3, "20 us - 1 ms"),
    (f64::INFINITY, "> 1 ms"),
];

/// How far predictions are from measurements.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Errors {
    /// Rows compared.
    pub n: usize,
    /// Mean of `|predicted/measured - 1|`.
    pub mean: f64,
    /// Its median.
    pub median: f64,
    /// What nine of ten rows stay within.
    pub p90: f64,
    /// Median of `predicted/measured`.
    pub ratio: f64,
}

impl Errors {
    /// Of `predicted/measured`, row by row; `None` without rows.
    pub fn of(ratios: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut ratios: Vec<f64> = ratios.into_iter().filter(|r| r.is_finite()).collect();
        if ratios.is_empty() {
            return None;
        }
        let mut errors: Vec<f64> = ratios.iter().map(|r| (r - 1.0).abs()).collect();
        errors.sort_by(f64::total_cmp);
        ratios.sort_by(f64::total_cmp);
        Some(Self {
            n: errors.len(),
            mean: errors.iter().sum::<f64>() / errors.len() as f64,
            median: quantile(&errors, 0.5),
            p90: quantile(&errors, 0.9),
            ratio: quantile(&ratios, 0.5),
        })
    }
}

/// Linear between the neighbors of a sorted list.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let at = share * (sorted.len() - 1) as f64;
    let (below, above) = (at.floor() as usize, at.ceil() as usize);
    sorted[below] + (sorted[above] - sorted[below]) * at.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_four_rows() {
        let errors = Errors::of([1.1, 0.8, 1.0, f64::NAN, 1.3]).expect("has rows");
        assert_eq!(errors.n, 4);
        assert!((errors.mean - 0.15).abs() < 1e-12);
        assert!((errors.median - 0.15).abs() < 1e-12);
        assert!((errors.p90 - 0.27).abs() < 1e-12);
        assert!((errors.ratio - 1.05).abs() < 1e-12);
        assert_eq!(Errors::of([]), None);
    }
}
