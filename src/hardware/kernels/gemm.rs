//! Coefficients of matrix products in tiles.

use super::Format;
use super::coefficients::coefficients;
use crate::units::{BytesPerSecond, Seconds};

/// Formats with kernels of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GemmFormat {
    /// 16-bit inputs.
    Half,
    /// 32-bit inputs on the vector lanes or, as tf32, on the matrix engines.
    Single,
    /// 8-bit floating point, one scale per tensor or token.
    Fp8,
    /// 8-bit floating point, one scale per block.
    Fp8Block,
    /// 8-bit integers on both sides.
    Int8,
    /// 16-bit activations, 8-bit integer weights.
    Weight8,
    /// 16-bit activations, 4-bit weights.
    Weight4,
    /// 4-bit floating point on both sides.
    Nvfp4,
}

impl Format for GemmFormat {
    const ALL: &'static [(&'static str, Self)] = &[
        ("bf16", Self::Half),
        ("fp32", Self::Single),
        ("fp8", Self::Fp8),
        ("fp8_block", Self::Fp8Block),
        ("int8", Self::Int8),
        ("int8_wo", Self::Weight8),
        ("int4_wo", Self::Weight4),
        ("nvfp4", Self::Nvfp4),
    ];
}

coefficients! {
    /// A product of `m x n x k` cut into library tiles.
    ///
    /// Source: forms derived from the tile and wave decomposition of CUTLASS (NVIDIA, "Efficient GEMM in
    /// CUDA") and Little's law for bytes in flight; values are fitted, see the family's file.
    Gemm in gemm (GemmFormat) {
        /// From the end of the kernel before to the end of an empty one, replayed from a graph.
        launch: Seconds = 0.3e-6 ..= 60e-6;
        /// Share of the matrix engines' peak that the largest tiles reach.
        engine: f64 = 0.05 ..= 1.0;
        /// Power of a tile's area, over 128 by 256, by which smaller tiles lose engine rate.
        small_tile: f64 = 0.0 ..= 1.0;
        /// Least time of a step of 128 bytes along the sum, for a tile whose longer side is 128.
        step: Seconds = 0.005e-6 ..= 5e-6;
        /// Power of a tile's longer side, over 128, by which that time grows.
        long_side: f64 = 0.0 ..= 1.0;
        /// Fill of the pipeline and write-out of a wave of tiles.
        prologue: Seconds = 0.0 ..= 20e-6;
        /// Share of the main memory's datasheet bandwidth that reads reach.
        read: f64 = 0.1 ..= 1.0;
        /// Share of the main memory's datasheet bandwidth that results are written at.
        write: f64 = 0.1 ..= 1.0;
        /// Rate at which one tile of 128 by 128 takes operands from main memory: bytes in flight over latency.
        cluster: BytesPerSecond = 5e9 ..= 5e12;
        /// Operands that a cluster takes from the shared cache, over 64 bytes per cycle; above 1 where clusters
        /// hand loads to each other.
        cache: f64 = 0.05 ..= 2.0;
        /// Share of the shared cache within which a weight stays from call to call.
        resident: f64 = 0.01 ..= 2.0;
        /// Share of the shared cache within which the left operand is still there.
        fresh: f64 = 0.05 ..= 2.0;
        /// Launch of a reduction of partial sums.
        split: Seconds = 0.0 ..= 20e-6;
        /// Most parts that the sum is split into.
        parts: f64 = 1.0 ..= 64.0;
        /// Share of the last, partly filled wave that other work fills.
        fractional: f64 = 0.0 ..= 1.0;
        /// Share of the result's write that arithmetic does not hide.
        exposed: f64 = 0.0 ..= 1.0;
        /// Share of time lost to a library's choice of tile that is not the best one.
        choice: f64 = 0.0 ..= 1.0;
        /// Launch of a matrix-vector kernel.
        vector_launch: Seconds = 0.3e-6 ..= 60e-6;
        /// Share of the main memory's datasheet bandwidth that a matrix-vector kernel reaches.
        vector_read: f64 = 0.05 ..= 1.0;
        /// Time of a matrix-vector kernel for 64 elements along the sum.
        vector_step: Seconds = 0.0 ..= 1e-6;
        /// Bytes of the left operand that one step along the sum takes of a row.
        depth: f64 = 16.0 ..= 256.0;
        /// Launch of the kernels that narrow the left operand, where it is stored wider than it is multiplied.
        narrow: Seconds = 0.0 ..= 30e-6;
        /// Share of the main memory's datasheet bandwidth at which they move it.
        narrow_read: f64 = 0.05 ..= 1.0;
    }
}
