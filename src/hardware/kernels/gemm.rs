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
    /// 16-bit activations, 4-bit integer weights.
    Weight4,
    /// 16-bit activations, 4-bit floating-point weights.
    Mxfp4,
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
        ("w4a16_mxfp4", Self::Mxfp4),
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
        /// Share of the matrix engines' peak that the largest tile reaches.
        engine: f64 = 0.05 ..= 1.0;
        /// Power of a tile's relative area by which smaller tiles lose engine rate.
        small_tile: f64 = 0.0 ..= 1.0;
        /// Least time of one step of 64 along the sum, for a tile of 128 by 128 or less.
        step: Seconds = 0.005e-6 ..= 5e-6;
        /// Power of a tile's longer side, over 128, by which a step takes longer.
        long_side: f64 = 0.0 ..= 1.0;
        /// Fill of the pipeline and write-out of each tile.
        prologue: Seconds = 0.0 ..= 20e-6;
        /// Share of the main memory's datasheet bandwidth that reads reach.
        read: f64 = 0.1 ..= 1.0;
        /// Share of the main memory's datasheet bandwidth that results are written at.
        write: f64 = 0.1 ..= 1.0;
        /// Rate at which one cluster with a tile of 128 by 128 takes operands: bytes in flight over latency.
        cluster: BytesPerSecond = 5e9 ..= 2e12;
        /// Rate of the shared cache, over the main memory's bandwidth.
        cache: f64 = 0.5 ..= 20.0;
        /// Share of the shared cache within which a weight stays from call to call.
        resident: f64 = 0.0 ..= 2.0;
        /// Launch of a reduction of partial sums.
        split: Seconds = 0.0 ..= 20e-6;
        /// Share of the last, partly filled wave that other work fills.
        fractional: f64 = 0.0 ..= 1.0;
        /// Share of the output's write that arithmetic does not hide.
        exposed: f64 = 0.0 ..= 1.0;
        /// Share of time lost to a library's choice of tile that is not the best one.
        choice: f64 = 0.0 ..= 1.0;
        /// Launch of a matrix-vector kernel.
        vector_launch: Seconds = 0.3e-6 ..= 60e-6;
        /// Share of the main memory's datasheet bandwidth that a matrix-vector kernel reaches.
        vector_read: f64 = 0.05 ..= 1.0;
    }
}
