//! New keys and values on their way into the cache: one thread block per token.

use crate::units::Seconds;

use super::Gpu;

/// Threads that one cluster holds. Source: NVIDIA CUDA C++ Programming Guide, compute capability 8.0, 9.0.
const THREADS: f64 = 2048.0;

/// Most threads of a block that appends a token. Source: vLLM, `csrc/cache_kernels.cu`.
const BLOCK: f64 = 512.0;

/// Most thread blocks that one cluster is given in time.
const BLOCKS: f64 = 16.0;

/// Bytes of a key or value as it is made.
const WIDTH: f64 = 2.0;

/// What is appended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Append {
    /// New tokens.
    pub(super) tokens: f64,
    /// Elements of a token's keys.
    pub(super) row: f64,
    /// Bytes of an element in the cache.
    pub(super) kv_width: f64,
}

/// Seconds for reading new keys and values and writing them into the cache.
///
/// `t = ((tokens block / (SMs blocks per SM))^3 + (bytes / rate)^3)^(1/3)`: thread blocks wait for their
/// memory, and few heads leave each with few threads.
pub(super) fn append(gpu: &Gpu, new: Append, block: Seconds, rate: f64) -> f64 {
    let resident = (THREADS / new.row.min(BLOCK)).min(BLOCKS);
    let waiting = new.tokens * block.0 / (gpu.clusters * resident);
    let moving = new.tokens * new.row * 2.0 * (WIDTH + new.kv_width) / rate;
    (waiting.powi(3) + moving.powi(3)).cbrt()
}
