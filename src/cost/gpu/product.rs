//! A product by a GPU library: which coefficients hold, and its time in place of the general estimate.

use smallvec::SmallVec;

use crate::cost::sparse::shares;
use crate::cost::{Cost, LibraryTile, Operands, Widths, describe_library, library_gemm};
use crate::hardware::kernels::{Accuracy, Coefficients, GemmFormat, Sets};
use crate::hardware::{System, Tiles};
use crate::mapping::Chain;
use crate::units::Bytes;
use crate::workload::{Dtype, Experts, Stack};

use super::experts::grouped;
use super::gemm::{Product, VECTOR_COLUMNS, gemm};
use super::{Gpu, Parts, expected_error};

/// Cost of a product `[g, m, n, k]` by the kernels of a stack; `None` on chips without coefficients for it.
pub fn library_product(
    system: &System,
    chain: &Chain,
    dtype: Dtype,
    stack: Stack,
    sizes: [u64; 4],
    operands: Operands<'_>,
) -> Option<Cost> {
    let gpu = Gpu::of(system)?;
    let kernels = system.kernels.as_deref()?;
    let (set, accuracy) = nearest(&kernels.gemm, dtype, operands.widths, stack)?;
    let engine = &system.arrays[chain.array];
    let [g, m, n, k] = sizes.map(|size| size as f64);
    let narrowed = dtype.stored_bytes();
    let stored = operands.widths.lhs;
    let is_narrowed = stored > 1.5 * narrowed;
    let lhs = if is_narrowed { narrowed } else { stored };
    let widths = Widths {
        lhs,
        ..*operands.widths
    };
    let left = Bytes(g * m * k * lhs);
    let right = Bytes(g * k * n * widths.rhs).min(operands.compulsory.read);
    let left = if is_narrowed {
        left
    } else {
        // A convolution's windows overlap: it has fewer inputs than its product has rows.
        left.min(operands.compulsory.read - right)
    };
    let product = Product {
        sizes: [g, m, n, k],
        widths: [lhs, widths.rhs],
        bytes: [left.0, right.0, operands.compulsory.written.0],
        stored: is_narrowed.then_some(stored),
        steps: shares(&engine.zeros, operands.zeros.densities).steps,
    };
    let peak = Gpu::peak(engine, dtype).0;
    let (parts, tile) = gemm(&gpu, &sides(system), peak, &product, set)?;
    let mut compulsory = operands.compulsory;
    if is_narrowed {
        compulsory.read += left;
        compulsory.written += left;
    }
    let operands = Operands {
        widths: &widths,
        compulsory,
        ..operands
    };
    let mut cost = costed(system, chain, dtype, sizes, operands, parts, tile);
    cost.error = expected_error(system, accuracy);
    Some(cost)
}

/// Cost of a product of rows sorted by their weight, by the kernels of a stack; `None` on chips without
/// coefficients for it.
pub fn library_experts(
    system: &System,
    chain: &Chain,
    dtype: Dtype,
    stack: Stack,
    experts: &Experts,
    operands: Operands<'_>,
) -> Option<Cost> {
    let gpu = Gpu::of(system)?;
    let kernels = system.kernels.as_deref()?;
    let (set, accuracy) = nearest(&kernels.experts, dtype, operands.widths, stack)?;
    let engine = &system.arrays[chain.array];
    let widths = [operands.widths.lhs, operands.widths.rhs];
    let peak = Gpu::peak(engine, dtype).0;
    let (parts, tile) = grouped(&gpu, peak, experts, widths, set);
    let groups = experts.loads.touched().round().max(1.0);
    let rows = (experts.rows as f64 / groups).ceil().max(1.0);
    let sizes = [groups as u64, rows as u64, experts.n, experts.k];
    let mut cost = costed(system, chain, dtype, sizes, operands, parts, Some(tile));
    cost.error = expected_error(system, accuracy);
    Some(cost)
}

fn costed(
    system: &System,
    chain: &Chain,
    dtype: Dtype,
    sizes: [u64; 4],
    operands: Operands<'_>,
    parts: Parts,
    tile: Option<LibraryTile>,
) -> Cost {
    let (tile, text) = match tile {
        Some(tile) => (tile, describe_library(system, sizes, tile)),
        None => {
            let tile = LibraryTile {
                m: sizes[1].max(1),
                n: VECTOR_COLUMNS as u64,
                k: 1,
                split: 1,
            };
            (tile, "matrix-vector kernel".to_owned())
        }
    };
    let mut cost = parts.put_into(library_gemm(system, chain, dtype, sizes, tile, operands));
    cost.mapping = Some(text);
    cost
}

/// Sides of library tiles. Libraries have each tile both ways round.
fn sides(system: &System) -> SmallVec<[u64; 8]> {
    let mut sides = SmallVec::new();
    if let Tiles::Listed { m, n, .. } = &system.tiles {
        sides.extend(m.iter().chain(n).copied());
        sides.sort_unstable();
        sides.dedup();
    }
    sides
}

/// The set of a product's formats, else that of the nearest ones that have one.
fn nearest<'a, C: Coefficients<Format = GemmFormat>>(
    sets: &'a Sets<C>,
    dtype: Dtype,
    widths: &Widths,
    stack: Stack,
) -> Option<(&'a C, Option<Accuracy>)> {
    use GemmFormat::{Fp8, Fp8Block, Half, Int8, Nvfp4, Single, Weight4, Weight8};
    let chain: &[GemmFormat] = match dtype {
        Dtype::Fp32 | Dtype::Tf32 => &[Single],
        Dtype::Bf16 | Dtype::Fp16 if widths.rhs < 0.75 => &[Weight4, Weight8, Half],
        Dtype::Bf16 | Dtype::Fp16 if widths.rhs < 1.5 => &[Weight8, Half],
        Dtype::Bf16 | Dtype::Fp16 => &[Half],
        Dtype::Fp8 => &[Fp8, Half],
        Dtype::Fp8Block => &[Fp8Block, Fp8, Half],
        Dtype::Int8 => &[Int8, Fp8, Half],
        Dtype::Nvfp4 | Dtype::Mxfp4 => &[Nvfp4, Fp8, Half],
        Dtype::Fp64 | Dtype::Int64 | Dtype::Int32 | Dtype::Int16 | Dtype::Int4 | Dtype::Bool => &[],
    };
    let mut formats = chain.iter();
    formats.find_map(|format| {
        let set = sets.get(*format, stack)?;
        Some((set, sets.accuracy(*format, stack)))
    })
}
