//! Bits of compressed tiles.

use crate::hardware::Compression;
use crate::workload::{Density, Patch};

/// Bits of the run length before each value, and pairs that share one flag.
///
/// Source: Chen et al., "Eyeriss: An Energy-Efficient Reconfigurable Accelerator for Deep Convolutional Neural
/// Networks", JSSC 52 (2017): 5-bit runs, 16-bit values, three pairs and a bit in 64 bits.
const RUN_BITS: f64 = 5.0;
const PAIRS_OF_A_WORD: f64 = 3.0;

/// Zeros that a padding entry stands for: the longest run and its own value.
const RUN: f64 = 32.0;

/// A compressed tile.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stored {
    /// Bits of its nonzeros.
    pub values: f64,
    /// Bits that say where they are, values of padding entries included.
    pub places: f64,
}

impl Stored {
    /// Both.
    pub fn bits(self) -> f64 {
        self.values + self.places
    }
}

/// Mean size of a tile of `bits`-wide elements in a format.
///
/// With n elements of which z are nonzero, a tile of `rows x columns`:
/// - bitmask: `n` bits of places;
/// - coordinates: `z · (⌈log2 rows⌉ + ⌈log2 columns⌉)`;
/// - CSR: `z · ⌈log2 columns⌉ + (rows + 1) · ⌈log2(most + 1)⌉`, [`Density::most`];
/// - run lengths: an entry of `5 + bits + 1/3` for each nonzero and after each 31 zeros in a row a padding entry
///   with a zero for value, in reading order; the tile's size is known, so trailing zeros need none. The mean
///   number of padding entries is exact for uniform tensors (with `p(s)` the chance that s neighbors are all
///   zero, `Σ max(0, n - 32m) · (p(32m) - p(32m + 1)) + p(32m)` over `32m <= n`), at most `(n - z) / 32` for
///   bands, and that of a uniform tensor for groups that can leave 32 zeros between two values.
///
/// A format may be larger than the dense tile; it is the caller who keeps the smaller one.
///
/// Source: formats of Wu et al., "Sparseloop", MICRO 2022, and of Saad, "Iterative Methods for Sparse Linear
/// Systems", 2nd edition 2003, section 3.4 (coordinates, CSR); run lengths as in Eyeriss; derived.
pub fn stored(format: Compression, density: Density, tile: Patch, bits: f64) -> Stored {
    let nonzeros = density.expected(tile);
    let places = match format {
        Compression::Bitmask => tile.elements(),
        Compression::Coordinate => nonzeros * (index_bits(tile.rows) + index_bits(tile.columns)),
        Compression::Csr => {
            let offset = (density.most(tile) + 1.0).log2().ceil();
            nonzeros * index_bits(tile.columns) + (tile.rows as f64 + 1.0) * offset
        }
        Compression::Rle => {
            let padding = full_runs(density, tile);
            let entry = RUN_BITS + 1.0 / PAIRS_OF_A_WORD;
            (nonzeros + padding) * entry + padding * bits
        }
    };
    Stored {
        values: nonzeros * bits,
        places,
    }
}

/// Bits of an index below `size`.
fn index_bits(size: u64) -> f64 {
    f64::from(size.max(1).next_power_of_two().trailing_zeros())
}

/// Mean number of padding entries: runs of zeros as long as an entry can say.
fn full_runs(density: Density, tile: Patch) -> f64 {
    let n = tile.elements();
    match density {
        Density::Dense => 0.0,
        Density::Uniform { density, elements } => uniform_runs(density, elements.max(n), n),
        Density::Structured { keep, group } => {
            if 2 * u64::from(group - keep) < RUN as u64 {
                0.0
            } else {
                uniform_runs(density.share(), f64::INFINITY, n)
            }
        }
        Density::Banded { .. } => (n - density.expected(tile)) / RUN,
    }
}

/// That of n neighbors out of uniformly distributed elements.
fn uniform_runs(share: f64, elements: f64, n: f64) -> f64 {
    // Chance that one element more is zero, given that the `i` before it are.
    let more = |i: f64| {
        if elements.is_finite() {
            (1.0 - share * elements / (elements - i)).max(0.0)
        } else {
            1.0 - share
        }
    };
    let (mut found, mut all_zero, mut length) = (0.0, 1.0, 0.0);
    while length < n && all_zero > f64::EPSILON / n {
        all_zero *= more(length);
        length += 1.0;
        if length % RUN == 0.0 {
            let next = if length < n { more(length) } else { 0.0 };
            found += (n - length) * all_zero * (1.0 - next) + all_zero;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(columns: u64) -> Patch {
        Patch { rows: 1, columns }
    }

    fn near(found: f64, expected: f64) {
        assert!((found / expected - 1.0).abs() < 1e-9, "{found} {expected}");
    }

    /// Entries of a run-length code, one element after the other.
    fn entries(mask: impl Iterator<Item = bool>) -> f64 {
        let (mut entries, mut run) = (0.0, 0);
        for nonzero in mask {
            if nonzero || run == 31 {
                entries += 1.0;
                run = 0;
            } else {
                run += 1;
            }
        }
        entries
    }

    /// Every way to place three nonzeros.
    #[test]
    fn run_lengths_equal_the_mean_over_all_placements() {
        for (elements, tile) in [(40, 40), (70, 70), (70, 40), (70, 33), (40, 8)] {
            let (mut all, mut ways) = (0.0, 0.0);
            for a in 0..elements {
                for b in a + 1..elements {
                    for c in b + 1..elements {
                        all += entries((0..tile).map(|i| [a, b, c].contains(&i)));
                        ways += 1.0;
                    }
                }
            }
            let density = Density::Uniform {
                density: 3.0 / elements as f64,
                elements: elements as f64,
            };
            let nonzeros = density.expected(row(tile));
            near(nonzeros + full_runs(density, row(tile)), all / ways);
        }
    }

    /// Independent elements, by the distribution of the run before each element.
    #[test]
    fn run_lengths_of_independent_elements_equal_their_recursion() {
        for (share, n) in [(0.5, 64), (0.05, 500), (0.01, 1000), (0.001, 96)] {
            let mut runs = [0.0; 32];
            runs[0] = 1.0;
            let mut all = 0.0;
            for _ in 0..n {
                let ends: f64 = runs[..31].iter().map(|p| p * share).sum::<f64>() + runs[31];
                all += ends;
                for i in (1..32).rev() {
                    runs[i] = runs[i - 1] * (1.0 - share);
                }
                runs[0] = ends;
            }
            let density = Density::Uniform {
                density: share,
                elements: f64::INFINITY,
            };
            let nonzeros = density.expected(row(n));
            near(nonzeros + full_runs(density, row(n)), all);
        }
    }

    #[test]
    fn formats_equal_a_count_by_hand() {
        let half = Density::Structured { keep: 2, group: 4 };
        let tile = Patch {
            rows: 8,
            columns: 16,
        };
        let places = |format| stored(format, half, tile, 16.0).places;
        // 128 elements, 64 of them nonzero.
        assert_eq!(
            stored(Compression::Bitmask, half, tile, 16.0).values,
            1024.0
        );
        assert_eq!(places(Compression::Bitmask), 128.0);
        assert_eq!(places(Compression::Coordinate), 64.0 * 7.0);
        // Offsets up to 64 need seven bits, nine of them.
        assert_eq!(places(Compression::Csr), 64.0 * 4.0 + 63.0);
        // Three pairs of 5 and 16 bits and a flag make 64 bits.
        let packed = stored(Compression::Rle, half, tile, 16.0).bits();
        near(packed, 64.0 / 3.0 * 64.0);
    }

    /// A band of three in 64 columns: a row holds at most three, and most of it is runs of zeros.
    #[test]
    fn a_band_has_few_entries() {
        let band = Density::Banded {
            rows: 64,
            columns: 64,
            below: 1,
            above: 1,
        };
        let tile = Patch {
            rows: 64,
            columns: 64,
        };
        let mask = (0..64 * 64).map(|i: i64| (i % 64 - i / 64).abs() <= 1);
        let counted = entries(mask);
        let bound = band.expected(tile) + full_runs(band, tile);
        assert!(
            (counted..counted * 1.3).contains(&bound),
            "{counted} {bound}"
        );
    }

    #[test]
    fn dense_tiles_grow() {
        for format in [
            Compression::Bitmask,
            Compression::Coordinate,
            Compression::Csr,
            Compression::Rle,
        ] {
            let found = stored(format, Density::Dense, row(64), 8.0);
            assert_eq!(found.values, 512.0);
            assert!(found.places > 0.0);
        }
    }
}
