//! How measured blocks of experts were routed: rows of each expert on the busiest chip.
//!
//! Source: the collectors of NVIDIA AIConfigurator, Apache-2.0, `collector/helper.py` and its documentation of
//! power-law distributions: each expert's share is drawn from a power law between 1 row and 0.8 of the tokens
//! (0.01 and 2 where there are fewer rows than experts), shares are scaled to the number of rows, rounded, and
//! what rounding left over is given to or taken from single experts. The chip with the most rows is timed.

use crate::workload::Loads;

/// How rows are spread over experts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Spread {
    /// One after the other.
    Balanced,
    /// Drawn from a power law with this exponent.
    PowerLaw(f64),
}

/// A routed block: how many rows go to how many experts, shared out over how many chips.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Routing {
    pub(super) tokens: u64,
    pub(super) top_k: u64,
    pub(super) experts: u64,
    pub(super) chips: u64,
    pub(super) spread: Spread,
}

/// Placements of experts on chips that are tried where it is drawn; the one of median load counts.
const PLACEMENTS: u64 = 5;

impl Routing {
    /// Rows on the busiest chip, and how they are spread over its experts.
    pub(super) fn busiest(&self) -> (u64, Loads) {
        let counts = match self.spread {
            Spread::Balanced => self.balanced(),
            Spread::PowerLaw(exponent) => self.drawn(exponent),
        };
        let mine = match self.spread {
            Spread::Balanced => busiest_chip(&counts, self.chips).1,
            Spread::PowerLaw(_) if self.chips > 1 => self.placed(counts),
            Spread::PowerLaw(_) => counts,
        };
        let rows: u64 = mine.iter().sum();
        let touched = mine.iter().filter(|count| **count > 0);
        (rows, Loads::of(touched.map(|count| (1.0, *count as f64))))
    }

    fn rows(&self) -> u64 {
        self.tokens * self.top_k
    }

    fn balanced(&self) -> Vec<u64> {
        let (rows, n) = (self.rows(), self.experts);
        let mut counts = vec![rows / n; n as usize];
        // What is left over is spread over all chips.
        let left = rows % n;
        for i in 0..left {
            counts[(i * n / left) as usize] += 1;
        }
        counts
    }

    /// Quantiles in place of draws, largest first.
    fn drawn(&self, exponent: f64) -> Vec<u64> {
        let (rows, n) = (self.rows(), self.experts as usize);
        let (low, high) = if rows > self.experts {
            (1.0, (0.8 * self.tokens as f64).max(1.0 + 1e-6))
        } else {
            (0.01, 2.0)
        };
        // The inverse of the distribution function; at an exponent of 1 it is a limit.
        let power = if (exponent - 1.0).abs() < 1e-6 {
            1e-6
        } else {
            1.0 - exponent
        };
        let (from, to) = (f64::powf(low, power), f64::powf(high, power));
        let draw = |i: usize| {
            let share = 1.0 - (i as f64 + 0.5) / n as f64;
            ((to - from) * share + from).powf(1.0 / power)
        };
        let draws: Vec<f64> = (0..n).map(draw).collect();
        let sum: f64 = draws.iter().sum();
        let scaled = draws.iter().map(|d| (d / sum * rows as f64).round() as u64);
        let mut counts: Vec<u64> = scaled.collect();
        let mut sum: u64 = counts.iter().sum();
        for i in (0..n).cycle() {
            if sum >= rows {
                break;
            }
            counts[i] += 1;
            sum += 1;
        }
        for i in (0..n).rev().cycle() {
            if sum <= rows {
                break;
            }
            if counts[i] > 0 {
                counts[i] -= 1;
                sum -= 1;
            }
        }
        counts
    }

    /// Counts of the busiest chip where experts are placed by chance.
    fn placed(&self, mut counts: Vec<u64>) -> Vec<u64> {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut tried: Vec<(u64, Vec<u64>)> = Vec::new();
        for _ in 0..PLACEMENTS {
            for i in (1..counts.len()).rev() {
                // Marsaglia, "Xorshift RNGs" (2003).
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                counts.swap(i, (state % (i as u64 + 1)) as usize);
            }
            tried.push(busiest_chip(&counts, self.chips));
        }
        tried.sort();
        let median = tried.len() / 2;
        tried.swap_remove(median).1
    }
}

fn busiest_chip(counts: &[u64], chips: u64) -> (u64, Vec<u64>) {
    let each = counts.len() / chips as usize;
    let of_chips = counts.chunks_exact(each.max(1));
    let loads = of_chips.map(|chip| (chip.iter().sum::<u64>(), chip));
    let busiest = loads.max_by_key(|(load, _)| *load);
    busiest.map_or((0, Vec::new()), |(load, chip)| (load, chip.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routing(tokens: u64, chips: u64, spread: Spread) -> Routing {
        Routing {
            tokens,
            top_k: 8,
            experts: 128,
            chips,
            spread,
        }
    }

    #[test]
    fn balanced_rows_are_the_same_everywhere() {
        // 64 · 8 rows over 128 experts: 4 each; a quarter of them on each of four chips.
        let (rows, loads) = routing(64, 4, Spread::Balanced).busiest();
        assert_eq!(rows, 128);
        assert!((loads.touched() - 32.0).abs() < 1e-9);
        assert!((loads.tiles(16.0) - 32.0).abs() < 1e-9);
        // 8 rows on 8 of 128 experts, two on each of four chips.
        let (rows, loads) = routing(1, 4, Spread::Balanced).busiest();
        assert_eq!(rows, 2);
        assert!((loads.touched() - 2.0).abs() < 1e-9);
    }

    #[test]
    fn a_power_law_keeps_all_rows_and_its_busiest_chip_has_more_than_its_share() {
        for tokens in [1, 5, 100, 4096] {
            for exponent in [1.0, 1.01, 1.2] {
                let spread = Spread::PowerLaw(exponent);
                let (rows, _) = routing(tokens, 1, spread).busiest();
                assert_eq!(rows, tokens * 8);
                let (busiest, _) = routing(tokens, 8, spread).busiest();
                assert!(busiest >= tokens, "{tokens} {busiest}");
            }
        }
    }

    #[test]
    fn a_log_uniform_load_by_hand() {
        // At an exponent of 1 the draws are log-uniform between 1 and 0.8 · 4096 = 3277: the mean of a draw is
        // (3277 - 1) / ln 3277 = 405, so the largest of 128 (quantile 0.996) is 3277^0.996 / 405 = 7.8 times it.
        let (rows, loads) = routing(4096, 1, Spread::PowerLaw(1.0)).busiest();
        let mean = rows as f64 / 128.0;
        let (touched, tiles) = (loads.touched(), loads.tiles(7.0 * mean));
        // The first bin holds the eight largest, at 6.6 times the mean.
        assert!((tiles / touched - 1.0).abs() < 1e-9, "{tiles} of {touched}");
        assert!(loads.tiles(6.0 * mean) > touched);
    }
}
