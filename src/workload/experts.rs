//! Products whose weights are chosen by the row: experts of a mixture, adapters of many tenants.

use super::Dtype;

/// `y[r, n] = Σ_k x[r, k] · w[expert(r), k, n]` over rows that each go to one of many weights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Experts {
    /// Weights that are resident.
    pub experts: u64,
    /// Weights that at least one row goes to, expected.
    pub touched: f64,
    /// Rows: tokens times experts per token.
    pub rows: u64,
    /// Width of the result.
    pub n: u64,
    /// Width of the input.
    pub k: u64,
    /// Format of the products.
    pub dtype: Dtype,
}

impl Experts {
    /// Multiply-accumulates: every row meets one weight.
    pub fn macs(&self) -> f64 {
        self.rows as f64 * self.n as f64 * self.k as f64
    }
}

/// How often each expert is chosen.
#[derive(Clone, Debug, PartialEq)]
pub struct Popularity {
    /// `[expert]`: chance that a token goes to it; sums to the experts per token.
    chances: Vec<f64>,
}

impl Popularity {
    /// Chances of `experts`, `top_k` of them for each token, the most popular `imbalance` times the mean.
    ///
    /// Falling as a power of the rank, `p_i ∝ i^(-a)`, with `a` such that `p_1 = imbalance · mean`; none is
    /// chosen more than once by a token, so `imbalance` is at most `experts / top_k`.
    ///
    /// Source: derived; the power law is an assumption.
    pub fn new(experts: u64, top_k: u64, imbalance: f64) -> Self {
        let (n, mean) = (experts.max(1), top_k as f64 / experts.max(1) as f64);
        let wanted = imbalance.clamp(1.0, 1.0 / mean.max(1e-12));
        if wanted == 1.0 {
            return Self::falling(experts, top_k, 0.0);
        }
        let (mut low, mut high) = (0.0, 20.0);
        // The largest share grows with the exponent; 60 halvings leave no digit open.
        for _ in 0..60 {
            let middle = (low + high) / 2.0;
            match shares(n, middle)[0] * n as f64 > wanted {
                true => high = middle,
                false => low = middle,
            }
        }
        Self::falling(experts, top_k, high)
    }

    /// Chances that fall as `i^(-exponent)` with the rank.
    pub fn falling(experts: u64, top_k: u64, exponent: f64) -> Self {
        let each = shares(experts.max(1), exponent).into_iter();
        Self {
            chances: each.map(|s| (s * top_k as f64).min(1.0)).collect(),
        }
    }

    /// Experts that at least one of `tokens` goes to, expected: `Σ 1 - (1 - p_i)^tokens`.
    ///
    /// Source: derived, tokens independent of each other.
    pub fn touched(&self, tokens: f64) -> f64 {
        let missed = |p: &f64| 1.0 - (1.0 - p).powf(tokens);
        self.chances.iter().map(missed).sum()
    }
}

/// `i^(-exponent)` over their sum.
fn shares(n: u64, exponent: f64) -> Vec<f64> {
    let raw: Vec<f64> = (1..=n).map(|i| (i as f64).powf(-exponent)).collect();
    let sum: f64 = raw.iter().sum();
    raw.iter().map(|x| x / sum).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distinct_experts_equal_a_simulation() {
        // Monte Carlo of uniform choices; its own noise is a few parts in a thousand.
        for (e, k, n, simulated) in [
            (8, 2, 4.0, 5.48),
            (128, 8, 16.0, 82.42),
            (256, 8, 32.0, 163.35),
        ] {
            let touched = Popularity::new(e, k, 1.0).touched(n);
            assert!(
                (touched / simulated - 1.0).abs() < 3e-3,
                "{touched} {simulated}"
            );
        }
    }

    #[test]
    fn a_popular_expert_leaves_others_alone() {
        let skewed = Popularity::new(64, 4, 3.0);
        assert!((skewed.chances[0] * 16.0 - 3.0).abs() < 1e-6);
        assert!((skewed.chances.iter().sum::<f64>() - 4.0).abs() < 1e-9);
        assert!(skewed.touched(16.0) < Popularity::new(64, 4, 1.0).touched(16.0));
    }
}
