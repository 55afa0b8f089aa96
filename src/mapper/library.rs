//! The best library tile of a product.

use crate::cost::gpu::library_product;
use crate::cost::{Cost, LibraryTile, Operands, describe_library, library_gemm};
use crate::hardware::System;
use crate::mapping::Chain;
use crate::workload::{Class, Dtype, Einsum, Stack};

/// Splits of the sum that libraries offer.
const SPLITS: [u64; 6] = [1, 2, 4, 8, 16, 32];

/// The product by the kernels of a stack. Where their coefficients are not known, every tile and split is tried in
/// both orientations, and the fastest kept.
pub(super) fn best(
    einsum: &Einsum,
    dtype: Dtype,
    stack: Stack,
    system: &System,
    array: usize,
    (tiles_m, tiles_n, steps): (&[u64], &[u64], &[u64]),
    operands: Operands<'_>,
) -> Option<Cost> {
    let sizes = [Class::G, Class::M, Class::N, Class::K].map(|class| einsum.size(class));
    let chain = Chain::of(system, array);
    if let Some(cost) = library_product(system, &chain, dtype, stack, sizes, operands) {
        return Some(cost);
    }
    let mut best: Option<(Cost, LibraryTile)> = None;
    // The shortest step rounds the sum the least.
    let step = steps.iter().copied().min().unwrap_or(1).max(1);
    for tile in tiles(tiles_m, tiles_n, step, sizes[3]) {
        let cost = library_gemm(system, &chain, dtype, sizes, tile, operands);
        let better = best
            .as_ref()
            .is_none_or(|(b, _)| cost.overlapped() < b.overlapped());
        if better {
            best = Some((cost, tile));
        }
    }
    best.map(|(mut cost, tile)| {
        cost.mapping = Some(describe_library(system, sizes, tile));
        cost
    })
}

/// All tiles, both ways round, with every split that leaves a few steps each.
fn tiles<'a>(
    m: &'a [u64],
    n: &'a [u64],
    step: u64,
    k: u64,
) -> impl Iterator<Item = LibraryTile> + 'a {
    let pairs = m.iter().flat_map(move |&m| n.iter().map(move |&n| (m, n)));
    let both = pairs.flat_map(|(m, n)| {
        let turned = (m != n).then_some((n, m));
        std::iter::once((m, n)).chain(turned)
    });
    both.flat_map(move |(m, n)| {
        let splits = SPLITS.into_iter().filter(move |s| *s == 1 || k / s >= 256);
        splits.map(move |split| LibraryTile {
            m,
            n,
            k: step,
            split,
        })
    })
}
