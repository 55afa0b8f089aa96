//! Coefficients of fused attention, for many new tokens and for a few behind a cache.

use super::Format;
use super::coefficients::coefficients;
use crate::units::{BytesPerSecond, Seconds};

/// Formats with kernels of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AttentionFormat {
    /// 16-bit queries and cache.
    Half,
    /// 16-bit queries, a cache of 8-bit floating point.
    NarrowCache,
}

impl Format for AttentionFormat {
    const ALL: &'static [(&'static str, Self)] =
        &[("bf16", Self::Half), ("bf16_fp8", Self::NarrowCache)];
}

coefficients! {
    /// Attention over new tokens, with the kernels in front of it: append to the cache and, in some stacks,
    /// the rotary embedding.
    ///
    /// Source: Dao et al., "FlashAttention-2", ICLR 2024, algorithm 1, for the blocks; one thread block per
    /// token for the append, as vLLM's `reshape_and_cache` does; values are fitted, see the family's file.
    Prefill in prefill (AttentionFormat) {
        /// From the end of the kernel before to the end of an empty call, replayed from a graph.
        launch: Seconds = 0.3e-6 ..= 60e-6;
        /// Share of the matrix engines' peak that the two products reach.
        engine: f64 = 0.05 ..= 1.0;
        /// Share of the exponentials' time that the products do not hide.
        softmax: f64 = 0.0 ..= 2.0;
        /// Power of 128 over the head's size by which wider heads lose engine rate.
        wide: f64 = -0.5 ..= 1.0;
        /// Least time of one block of keys.
        block: Seconds = 0.0 ..= 5e-6;
        /// Start of an item, a block of queries of one head, and write-out of its result.
        item: Seconds = 0.0 ..= 20e-6;
        /// Share of the longest item by which the last items end late.
        tail: f64 = 0.0 ..= 2.0;
        /// Times that the rotary embedding's kernel moves the queries in and out at the main memory's
        /// bandwidth; none where another call does it.
        rotary: f64 = 0.0 ..= 10.0;
        /// Rate of the append, over the main memory's bandwidth.
        append: f64 = 0.05 ..= 8.0;
        /// Time of a thread block that appends a token.
        token: Seconds = 0.0 ..= 40e-6;
        /// Share of the main memory's datasheet bandwidth.
        read: f64 = 0.1 ..= 1.0;
        /// Query rows of a block.
        rows: f64 = 16.0 ..= 256.0;
        /// New tokens below which the query heads of a group fill a block together.
        pack_below: f64 = 0.0 ..= 1e9;
    }
}

coefficients! {
    /// Attention of one or a few new tokens over a cache, with the append in front of it and the sum of
    /// parts behind it.
    ///
    /// Two kernels: one walks over the keys of a group of query heads, the other over those of a single one;
    /// libraries take the second for groups of one and where the first fills too few clusters.
    ///
    /// Source: Dao et al., "Flash-Decoding for long-context inference", 2023, for the splits; values are
    /// fitted, see the family's file.
    Decode in decode (AttentionFormat) {
        /// From the end of the kernel before to the end of an empty call, replayed from a graph.
        launch: Seconds = 0.3e-6 ..= 60e-6;
        /// Share of the main memory's datasheet bandwidth.
        read: f64 = 0.1 ..= 1.0;
        /// Launch of the sum of parts.
        combine: Seconds = 0.0 ..= 20e-6;
        /// Rate of the shared cache, over the main memory's bandwidth.
        cache: f64 = 1.0 ..= 20.0;
        /// Share of the shared cache within which keys and values stay from call to call.
        resident: f64 = 0.0 ..= 2.0;
        /// Time of a thread block that appends a token.
        token: Seconds = 0.0 ..= 40e-6;
        /// Share of the matrix engines' peak.
        engine: f64 = 0.01 ..= 1.0;
        /// Share of the last, partly filled wave that other work fills.
        fractional: f64 = 0.0 ..= 1.0;
        /// Parts, over clusters, up to which the keys are split.
        waves: f64 = 0.2 ..= 32.0;
        /// Least keys of a part.
        least_keys: f64 = 16.0 ..= 4096.0;
        /// Start and write-out of a part.
        item: Seconds = 0.0 ..= 20e-6;
        /// Least time of 128 keys.
        block: Seconds = 0.0 ..= 10e-6;
        /// Rate at which one cluster takes keys and values: bytes in flight over latency.
        cluster: BytesPerSecond = 5e9 ..= 2e12;
        /// Launch of the kernel of single heads, on top.
        few_launch: Seconds = 0.0 ..= 20e-6;
        /// Start and write-out of a part of a single head.
        few_item: Seconds = 0.0 ..= 20e-6;
        /// Least time of 128 keys of a single head.
        few_block: Seconds = 0.0 ..= 10e-6;
        /// Rate at which one cluster takes keys and values for a single head.
        few_cluster: BytesPerSecond = 5e9 ..= 2e12;
        /// Copies that bring the heads of a group together and apart.
        regroup: Seconds = 0.0 ..= 20e-6;
        /// Query rows that share one walk over the keys.
        pack: f64 = 1.0 ..= 256.0;
        /// Clusters per part of 128 keys above which single heads are taken; never if 0.
        few: f64 = 0.0 ..= 1e6;
        /// Time of one group of one sequence whose heads are wider than 256, where that kernel takes them one
        /// after the other.
        serial: Seconds = 0.0 ..= 20e-6;
        /// Sequences from which it takes them side by side.
        serial_below: f64 = 0.0 ..= 1e6;
        /// Least query heads of a group whose keys are split.
        split_from: f64 = 1.0 ..= 256.0;
    }
}
