//! Products whose weights are chosen by the row: experts of a mixture, adapters of many tenants.

use super::Dtype;

/// `y[r, n] = Σ_k x[r, k] · w[expert(r), k, n]` over rows that each go to one of many weights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Experts {
    /// Weights that are resident.
    pub experts: u64,
    /// How many rows go to each, expected.
    pub loads: Loads,
    /// Rows: tokens times experts per token.
    pub rows: u64,
    /// Rows of all chips among which the weights are shared out; `rows` on a chip that has all of them.
    pub routed: u64,
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

/// Rows of the weights that at least one row goes to, in sixteen bins of equally many weights, the busiest
/// first: what tells how many tiles the rows of all of them fill.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Loads {
    /// Weights that at least one row goes to, expected.
    touched: f64,
    /// Mean rows of a weight of each bin.
    bins: [f64; N_BINS],
}

const N_BINS: usize = 16;

impl Loads {
    /// As many rows for each of some weights.
    pub fn even(touched: f64, rows: f64) -> Self {
        Self {
            touched,
            bins: [rows / touched.max(1e-12); N_BINS],
        }
    }

    /// Of weights that are chosen with a chance and then have a mean number of rows: `(chance, rows)`.
    pub fn of(weights: impl IntoIterator<Item = (f64, f64)>) -> Self {
        let mut weights: Vec<(f64, f64)> = weights.into_iter().filter(|w| w.0 > 0.0).collect();
        weights.sort_by(|a, b| b.1.total_cmp(&a.1));
        let touched: f64 = weights.iter().map(|w| w.0).sum();
        let width = touched / N_BINS as f64;
        let mut bins = [0.0; N_BINS];
        let (mut bin, mut room) = (0, width);
        for (mut chance, rows) in weights {
            while chance > 0.0 && bin < N_BINS {
                let part = chance.min(room);
                bins[bin] += part * rows / width;
                chance -= part;
                room -= part;
                // What is left of the last bin is rounding.
                if room <= width * 1e-12 {
                    bin += 1;
                    room = width;
                }
            }
        }
        Self { touched, bins }
    }

    /// Weights that at least one row goes to, expected.
    pub fn touched(&self) -> f64 {
        self.touched
    }

    /// Tiles of so many rows that all rows fill, each tile with rows of one weight.
    pub fn tiles(&self, rows: f64) -> f64 {
        let filled: f64 = self.bins.iter().map(|load| (load / rows).ceil()).sum();
        self.touched * filled / N_BINS as f64
    }

    /// Bits that tell loads apart.
    pub(crate) fn bits(&self) -> [u64; N_BINS + 1] {
        let mut bits = [self.touched.to_bits(); N_BINS + 1];
        for (bit, load) in bits.iter_mut().zip(&self.bins) {
            *bit = load.to_bits();
        }
        bits
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
        self.chances.iter().map(|p| chosen(*p, tokens)).sum()
    }

    /// Rows of the experts that at least one of `tokens` goes to: an expert that is chosen at all has
    /// `tokens p / (1 - (1 - p)^tokens)` of them.
    ///
    /// Source: derived, tokens independent of each other.
    pub fn loads(&self, tokens: f64) -> Loads {
        let chances = self.chances.iter().filter(|p| **p > 0.0);
        Loads::of(chances.map(|p| {
            let chance = chosen(*p, tokens);
            (chance, tokens * p / chance)
        }))
    }
}

/// Chance that at least one of so many tokens goes to an expert of chance `p`.
fn chosen(p: f64, tokens: f64) -> f64 {
    1.0 - (1.0 - p).powf(tokens)
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
    fn loads_keep_their_sum() {
        // 10 rows on the first, 3 on each of two more, 1 on each of thirteen: 29 rows, 16 weights, a bin each.
        let counts = [10.0, 3.0, 3.0].into_iter().chain([1.0; 13]);
        let loads = Loads::of(counts.map(|rows| (1.0, rows)));
        assert!((loads.touched() - 16.0).abs() < 1e-12);
        assert!((loads.bins.iter().sum::<f64>() - 29.0).abs() < 1e-9);
        // Tiles of 4 rows: three for the first, one for each of the others.
        assert!((loads.tiles(4.0) - 18.0).abs() < 1e-9);
        let even = Loads::even(8.0, 40.0);
        assert!((even.tiles(4.0) - 16.0).abs() < 1e-9);
        // 100 tokens of 2 experts each over 4: every expert is chosen and has 50 rows.
        let loads = Popularity::new(4, 2, 1.0).loads(100.0);
        assert!((loads.touched() - 4.0).abs() < 1e-9);
        assert!((loads.tiles(16.0) - 16.0).abs() < 1e-9);
    }

    #[test]
    fn a_popular_expert_leaves_others_alone() {
        let skewed = Popularity::new(64, 4, 3.0);
        assert!((skewed.chances[0] * 16.0 - 3.0).abs() < 1e-6);
        assert!((skewed.chances.iter().sum::<f64>() - 4.0).abs() < 1e-9);
        assert!(skewed.touched(16.0) < Popularity::new(64, 4, 1.0).touched(16.0));
    }
}
