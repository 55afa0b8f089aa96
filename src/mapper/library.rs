//! The best library tile of a product.

use crate::cost::Traffic;
use crate::cost::{Cost, LibraryTile, Widths, library_gemm};
use crate::hardware::System;
use crate::workload::{Class, Dtype, Einsum};

/// Splits of the sum that libraries offer.
const SPLITS: [u64; 6] = [1, 2, 4, 8, 16, 32];

/// Tries every tile and split, in both orientations, and keeps the fastest.
pub(super) fn best(
    einsum: &Einsum,
    dtype: Dtype,
    system: &System,
    array: usize,
    (tiles_m, tiles_n): (&[u64], &[u64]),
    widths: &Widths,
    compulsory: Traffic,
) -> Option<Cost> {
    let sizes = [Class::G, Class::M, Class::N, Class::K].map(|class| einsum.size(class));
    let mut best: Option<Cost> = None;
    for &m in tiles_m {
        for &n in tiles_n {
            for (m, n) in [(m, n), (n, m)] {
                for split in SPLITS {
                    // A split must leave a few steps each.
                    if split > 1 && sizes[3] / split < 256 {
                        break;
                    }
                    let tile = LibraryTile { m, n, split };
                    let cost = library_gemm(system, array, dtype, sizes, tile, widths, compulsory);
                    let better = best
                        .as_ref()
                        .is_none_or(|b| cost.overlapped() < b.overlapped());
                    if better {
                        best = Some(cost);
                    }
                }
            }
        }
    }
    best
}
