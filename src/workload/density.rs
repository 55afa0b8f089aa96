//! How nonzeros lie in a tensor: what a tile of it holds on average, at most, and how often nothing.
//!
//! ```
//! use wattline::workload::{Density, Patch};
//!
//! // A tenth of a million elements are nonzero: 0.9 to the 16th of the tiles of 16 are empty.
//! let tenth = Density::Uniform { density: 0.1, elements: 1e6 };
//! let tile = Patch { rows: 1, columns: 16 };
//! assert_eq!(tenth.expected(tile), 1.6);
//! assert!((tenth.empty(tile) - 0.1853).abs() < 1e-4);
//! ```

use super::Sparsity;

/// A tile of a tensor seen as a matrix; `columns` run along the summed rank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patch {
    /// Rows.
    pub rows: u64,
    /// Elements of a row.
    pub columns: u64,
}

impl Patch {
    /// Elements.
    pub fn elements(self) -> f64 {
        self.rows as f64 * self.columns as f64
    }
}

/// Where the nonzeros of a tensor are.
///
/// Source: the density models of Wu et al., "Sparseloop: An Analytical Approach To Sparse Tensor Accelerator
/// Modeling", MICRO 2022; formulas derived.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Density {
    /// Nothing is zero.
    Dense,
    /// `density · elements` of the tensor's elements, each choice as likely as any other.
    Uniform {
        /// From 0 to 1.
        density: f64,
        /// Elements of the tensor; infinite if each element is nonzero independently of the others.
        elements: f64,
    },
    /// Exactly `keep` of each aligned `group` elements of a row, each choice as likely as any other.
    Structured {
        /// Nonzero elements of a group, at least 1.
        keep: u32,
        /// Elements of a group.
        group: u32,
    },
    /// A matrix whose element `(i, j)` is nonzero where `-below <= j - i <= above`.
    Banded {
        /// Rows of the matrix.
        rows: u64,
        /// Its columns.
        columns: u64,
        /// Diagonals below the main one.
        below: u64,
        /// Diagonals above it.
        above: u64,
    },
}

/// Probabilities below this count as none: products of them are cut short.
const NONE: f64 = 1e-18;

impl Density {
    /// That of a tensor of so many elements with a pattern of zeros, if it has one.
    pub fn of(sparsity: Option<Sparsity>, elements: f64) -> Self {
        match sparsity {
            None => Self::Dense,
            Some(Sparsity::Structured { keep, group }) => Self::Structured { keep, group },
            Some(Sparsity::Unstructured { density }) => Self::Uniform { density, elements },
        }
    }

    /// Share of the tensor's elements that are nonzero.
    pub fn share(self) -> f64 {
        match self {
            Self::Dense => 1.0,
            Self::Uniform { density, .. } => density,
            Self::Structured { keep, group } => f64::from(keep) / f64::from(group),
            Self::Banded { rows, columns, .. } => {
                let whole = Patch { rows, columns };
                self.expected(whole) / whole.elements()
            }
        }
    }

    /// Nonzeros of a tile, the mean over all tiles.
    pub fn expected(self, tile: Patch) -> f64 {
        match self {
            Self::Banded { rows, columns, .. } => {
                let all = self.band_of(Patch { rows, columns }, 0);
                all / (rows.div_ceil(tile.rows) as f64 * columns.div_ceil(tile.columns) as f64)
            }
            Self::Dense | Self::Uniform { .. } | Self::Structured { .. } => {
                self.share() * tile.elements()
            }
        }
    }

    /// Probability that a tile holds no nonzero; of a band, the share of its tiles.
    ///
    /// Uniform: `C(N - n, K) / C(N, K)` for n of N elements, K of them nonzero (hypergeometric). Structured: the
    /// same within a group for what is not a whole one.
    pub fn empty(self, tile: Patch) -> f64 {
        match self {
            Self::Dense => 0.0,
            Self::Uniform { density, elements } => all_zero(elements, density, tile.elements()),
            Self::Structured { group, .. } => {
                let (share, group) = (self.share(), f64::from(group));
                let row = all_zero(group, share, (tile.columns as f64).min(group));
                row.powf(tile.rows as f64)
            }
            Self::Banded {
                rows,
                columns,
                below,
                above,
            } => {
                let across = columns.div_ceil(tile.columns) as f64;
                let mut touched = 0.0;
                for top in (0..rows).step_by(usize::try_from(tile.rows).unwrap_or(usize::MAX)) {
                    let bottom = top.saturating_add(tile.rows).min(rows) - 1;
                    let left = top.saturating_sub(below);
                    let right = bottom.saturating_add(above).min(columns - 1);
                    if left <= right {
                        touched += (right / tile.columns - left / tile.columns + 1) as f64;
                    }
                }
                1.0 - touched / (rows.div_ceil(tile.rows) as f64 * across)
            }
        }
    }

    /// Most nonzeros that any tile can hold.
    pub fn most(self, tile: Patch) -> f64 {
        match self {
            Self::Dense => tile.elements(),
            Self::Uniform { density, elements } => tile.elements().min(density * elements),
            Self::Structured { keep, group } => {
                let (keep, group) = (u64::from(keep), u64::from(group));
                let row = tile.columns / group * keep + (tile.columns % group).min(keep);
                tile.rows as f64 * row as f64
            }
            Self::Banded { below, above, .. } => {
                // Diagonals of a tile are longest in its middle; a band holds most where it lies around that.
                let (below, above) = (signed(below), signed(above));
                let middle = signed(tile.columns) - signed(tile.rows);
                let shift = (above - below - middle).div_euclid(2);
                let at = |shift| self.band_of(tile, shift);
                at(shift).max(at(shift + 1))
            }
        }
    }

    /// Room for nonzeros that none of `tiles` tiles exceeds, but for a probability of at most `risk`.
    ///
    /// Uniform: the mean plus the smaller of `sqrt(n · L / 2)` and `L / 3 + sqrt(L² / 9 + 2 · L · n · d · (1 - d))`,
    /// `L = ln(tiles / risk)`, and at most [`Density::most`]; the others: [`Density::most`].
    ///
    /// Source: Hoeffding, "Probability inequalities for sums of bounded random variables", JASA 58 (1963), theorem
    /// 1 and section 6 (draws without replacement); Bernstein's inequality by the same argument; union bound.
    pub fn room(self, tile: Patch, tiles: f64, risk: f64) -> f64 {
        match self {
            Self::Uniform { density, .. } => {
                let (n, l) = (tile.elements(), (tiles / risk).ln().max(0.0));
                let variance = n * density * (1.0 - density);
                let hoeffding = (n * l / 2.0).sqrt();
                let bernstein = l / 3.0 + (l * l / 9.0 + 2.0 * l * variance).sqrt();
                let above_mean = hoeffding.min(bernstein);
                (self.expected(tile) + above_mean).min(self.most(tile))
            }
            Self::Dense | Self::Structured { .. } | Self::Banded { .. } => self.most(tile),
        }
    }

    /// Nonzeros of a tile whose first column lies `shift` right of its first row's diagonal.
    fn band_of(self, tile: Patch, shift: i128) -> f64 {
        let Self::Banded { below, above, .. } = self else {
            return tile.elements();
        };
        let (a, b) = (signed(tile.rows), signed(tile.columns));
        // Elements with j - i <= x: per row, columns up to i + x.
        let triangle = |y: i128| {
            let inside = y.clamp(0, b);
            inside * (inside + 1) / 2 + (y - b).max(0) * b
        };
        let up_to = |x: i128| triangle(x + a) - triangle(x);
        (up_to(signed(above) - shift) - up_to(-signed(below) - 1 - shift)) as f64
    }
}

/// Probability that `drawn` of `all` elements, `density · all` of them nonzero, are all zero.
fn all_zero(all: f64, density: f64, drawn: f64) -> f64 {
    if all.is_infinite() {
        return (1.0 - density).powf(drawn);
    }
    let nonzeros = density * all;
    // Drawing n and asking for no nonzero equals placing K nonzeros outside of n: the shorter product serves.
    let whole = nonzeros.fract() == 0.0;
    let (taken, draws) = if whole && nonzeros < drawn {
        (drawn, nonzeros)
    } else {
        (nonzeros, drawn)
    };
    let mut chance = 1.0;
    let mut i = 0.0;
    while i < draws && chance > NONE {
        chance *= (1.0 - taken / (all - i)).max(0.0);
        i += 1.0;
    }
    if chance > NONE { chance } else { 0.0 }
}

fn signed(count: u64) -> i128 {
    i128::from(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patch(rows: u64, columns: u64) -> Patch {
        Patch { rows, columns }
    }

    fn near(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-12, "{found} {expected}");
    }

    /// Mean, share of empty and largest count of `n` chosen bits over all masks of `of` bits with `set` ones.
    fn enumerate(of: u32, set: u32, n: u32) -> (f64, f64, f64) {
        let masks = (0_u32..1 << of).filter(|m| m.count_ones() == set);
        let counts: Vec<u32> = masks.map(|m| (m & ((1 << n) - 1)).count_ones()).collect();
        let all = counts.len() as f64;
        let empty = counts.iter().filter(|c| **c == 0).count() as f64;
        let most = counts.iter().max().copied().unwrap_or(0);
        (
            f64::from(counts.iter().sum::<u32>()) / all,
            empty / all,
            f64::from(most),
        )
    }

    #[test]
    fn uniform_equals_all_placements_counted() {
        for (of, set) in [(12, 1), (12, 4), (10, 5), (9, 8), (6, 6)] {
            for n in 1..=of {
                let density = Density::Uniform {
                    density: f64::from(set) / f64::from(of),
                    elements: f64::from(of),
                };
                let tile = patch(1, u64::from(n));
                let (mean, empty, most) = enumerate(of, set, n);
                near(density.expected(tile), mean);
                assert!((density.empty(tile) - empty).abs() < 1e-9);
                near(density.most(tile), most);
            }
        }
    }

    #[test]
    fn structured_equals_all_placements_counted() {
        for (keep, group) in [(2, 4), (1, 4), (3, 4), (2, 8)] {
            let density = Density::Structured { keep, group };
            for n in 1..=group {
                let (mean, empty, most) = enumerate(group, keep, n);
                let tile = patch(1, u64::from(n));
                near(density.expected(tile), mean);
                near(density.empty(tile), empty);
                near(density.most(tile), most);
                near(density.empty(patch(3, u64::from(n))), empty.powi(3));
            }
            // Two whole groups and one element more.
            let longer = patch(1, 2 * u64::from(group) + 1);
            near(density.most(longer), f64::from(2 * keep + 1));
            near(density.empty(longer), 0.0);
        }
    }

    #[test]
    fn bands_equal_their_elements_counted() {
        for (rows, columns, below, above) in [(12, 12, 1, 2), (9, 14, 0, 0), (14, 9, 3, 1)] {
            let density = Density::Banded {
                rows,
                columns,
                below,
                above,
            };
            let set = |i: u64, j: u64| j + below >= i && j <= i + above;
            for tile in [
                patch(1, 1),
                patch(3, 4),
                patch(4, 3),
                patch(5, 14),
                patch(20, 20),
            ] {
                let mut counts = Vec::new();
                for top in (0..rows).step_by(tile.rows as usize) {
                    for left in (0..columns).step_by(tile.columns as usize) {
                        let inside = (top..rows.min(top + tile.rows)).flat_map(|i| {
                            (left..columns.min(left + tile.columns)).map(move |j| (i, j))
                        });
                        counts.push(inside.filter(|(i, j)| set(*i, *j)).count());
                    }
                }
                let all = counts.len() as f64;
                near(
                    density.expected(tile),
                    counts.iter().sum::<usize>() as f64 / all,
                );
                let empty = counts.iter().filter(|c| **c == 0).count() as f64;
                near(density.empty(tile), empty / all);
                let most = counts.iter().max().copied().unwrap_or(0) as f64;
                assert!(density.most(tile) >= most);
            }
            let inside = (0..rows).flat_map(|i| (0..columns).map(move |j| (i, j)));
            let all = inside.filter(|(i, j)| set(*i, *j)).count() as f64;
            near(density.share(), all / (rows * columns) as f64);
        }
    }

    /// The most of a tile of any place in an endless band.
    #[test]
    fn a_band_fills_a_tile_best_around_its_middle() {
        for (a, b, below, above) in [(3, 4, 1, 2), (4, 4, 0, 0), (6, 2, 2, 5), (1, 9, 3, 3)] {
            let count = |shift: i64| {
                let inside = (0..a).flat_map(|i| (0..b).map(move |j| j + shift - i));
                inside.filter(|d| -below <= *d && *d <= above).count()
            };
            let most = (-30..30).map(count).max().unwrap_or(0) as f64;
            let density = Density::Banded {
                rows: 1000,
                columns: 1000,
                below: below as u64,
                above: above as u64,
            };
            assert_eq!(density.most(patch(a as u64, b as u64)), most);
        }
    }

    /// Exact tail of the hypergeometric distribution, by enumeration, against the bound.
    #[test]
    fn room_is_exceeded_no_more_often_than_its_risk() {
        for (set, n) in [(2, 8), (4, 8), (8, 8), (3, 12)] {
            let density = Density::Uniform {
                density: f64::from(set) / 16.0,
                elements: 16.0,
            };
            for risk in [0.5, 0.1, 0.01] {
                let room = density.room(patch(1, n), 1.0, risk);
                let masks = (0_u32..1 << 16).filter(|m| m.count_ones() == set);
                let counts: Vec<u32> = masks.map(|m| (m & ((1 << n) - 1)).count_ones()).collect();
                let over = counts.iter().filter(|c| f64::from(**c) > room).count() as f64;
                assert!(over <= risk * counts.len() as f64, "{set} {n} {risk}");
            }
        }
        // A large tile needs little more than its mean: 6553.6 of 65,536, one in a million over 1000 tiles.
        let tenth = Density::Uniform {
            density: 0.1,
            elements: 1e9,
        };
        let room = tenth.room(patch(256, 256), 1000.0, 1e-6);
        assert!((6554.0..7200.0).contains(&room), "{room}");
    }

    #[test]
    fn a_large_tensor_is_like_independent_elements() {
        let [large, endless] = [1e10, f64::INFINITY].map(|elements| Density::Uniform {
            density: 0.05,
            elements,
        });
        let tile = patch(4, 16);
        assert!((large.empty(tile) / endless.empty(tile) - 1.0).abs() < 1e-6);
    }
}
