//! Fused attention over many new tokens: blocks of queries walk over blocks of keys.

use crate::hardware::System;
use crate::hardware::kernels::Prefill;
use crate::units::Seconds;
use crate::workload::{Attention, Dtype, Mask};

use super::append::{Append, append};
use super::{Gpu, Parts};
use crate::cost::vector::vector_time;

/// Keys of one block.
const KEYS: f64 = 128.0;

/// Query rows that one matrix instruction of a thread group takes.
///
/// Source: NVIDIA PTX ISA, `wgmma.mma_async`: m64; four `mma` of 16 rows before Hopper.
const LEAST_ROWS: f64 = 64.0;

/// Keys that a shortened block is rounded to. Source: NVIDIA PTX ISA, `mma` with k of 16.
const LEAST_KEYS: f64 = 16.0;

/// Bytes of a query or result.
const WIDTH: f64 = 2.0;

/// Time of a call on a chip whose engines run `peak` MACs per second.
///
/// ```text
/// tile  = max(macs / (peak/SM engine (128/d)^wide) + softmax rows keys / (exp/SM), block)
/// body  = max((blocks tile + items item) / SMs, longest) + tail longest min(1, items/SMs)
/// t     = launch + max(body, bytes / (B read)) + append + rotary
/// ```
///
/// The mask decides which blocks of keys are walked over; an item is a block of queries of one head, or of
/// all heads of a group.
pub(super) fn prefill(
    system: &System,
    gpu: &Gpu,
    a: &Attention,
    peak: f64,
    kv_width: f64,
    is_cached: bool,
    c: &Prefill,
) -> Parts {
    let (batch, tokens) = (a.batch as f64, a.q_len as f64);
    let (heads, kv_heads) = (a.q_heads as f64, a.kv_heads as f64);
    let group = heads / kv_heads;
    let dim = (a.qk_dim + a.v_dim) as f64 / 2.0;
    let packed = if tokens < c.pack_below { group } else { 1.0 };
    let walk = Walk::of(a, c.rows, packed);
    let rows = ((tokens * packed).min(c.rows) / LEAST_ROWS).ceil() * LEAST_ROWS / c.rows;
    let keys = (a.kv_len as f64 / LEAST_KEYS).ceil() * LEAST_KEYS / KEYS;
    let filled = rows.min(1.0) * keys.min(1.0);
    let macs = 2.0 * c.rows * KEYS * dim;
    let rate = peak / gpu.clusters * c.engine * (128.0 / dim).min(1.0).powf(c.wide);
    let scores = c.rows * KEYS;
    let exponentials = vector_time(system, 0.0, scores, Dtype::Fp32).0 * gpu.clusters;
    let tile = ((macs / rate + c.softmax * exponentials) * filled).max(c.block.0);
    let items = batch * heads / packed * walk.items;
    let blocks = batch * heads / packed * walk.blocks;
    let longest = walk.longest * tile + c.item.0;
    let even = (blocks * tile + items * c.item.0) / gpu.clusters;
    let body = even.max(longest) + c.tail * longest * (items / gpu.clusters).min(1.0);
    let moved = batch * dim * WIDTH * 2.0 * (tokens * heads + a.kv_len as f64 * kv_heads);
    let in_front = if is_cached {
        let new = Append {
            tokens: batch * tokens,
            row: kv_heads * dim,
            kv_width,
        };
        let appended = append(gpu, new, c.token, gpu.memory.0 * c.append);
        appended + c.rotary * batch * tokens * dim * heads * 2.0 * WIDTH / gpu.memory.0
    } else {
        0.0
    };
    let launch = if is_cached {
        c.launch
    } else {
        // One kernel less.
        Seconds((c.launch.0 - system.overhead.kernel.0).max(c.launch.0 / 2.0))
    };
    Parts {
        launch,
        engine: Seconds(body),
        memory: Seconds(moved / (gpu.memory.0 * c.read)),
        total: Seconds(body.max(moved / (gpu.memory.0 * c.read)) + in_front),
        occupancy: items / gpu.clusters,
    }
}

/// How one head, or one group of heads, walks over its keys.
struct Walk {
    /// Blocks of queries.
    items: f64,
    /// Blocks of keys, summed over the blocks of queries.
    blocks: f64,
    /// Blocks of keys of the longest walk.
    longest: f64,
}

impl Walk {
    fn of(a: &Attention, rows: f64, packed: f64) -> Self {
        let (tokens, keys) = (a.q_len as f64, a.kv_len as f64);
        let each = (rows / packed).max(1.0);
        let items = (tokens * packed / rows).ceil();
        let full = (keys / KEYS).ceil();
        let past = (keys - tokens).max(0.0);
        // The edge of the mask cuts through a block; where many items share one, half of it is in vain.
        let edge = 0.5 * (1.0 - each / KEYS).max(0.0);
        let causal = items * past / KEYS + items * (items + 1.0) / 2.0 * each / KEYS + items * edge;
        let last = ((past + items * each).min(keys) / KEYS).ceil();
        let near = |span: f64| ((span + each) / KEYS).ceil().min(full);
        let (blocks, longest) = match a.mask {
            Mask::Full => (items * full, full),
            Mask::Causal => (causal, last),
            Mask::Window(span) | Mask::Near(span) => {
                let span = near(span as f64);
                (causal.min(items * span), last.min(span))
            }
            Mask::Chunk(span) => {
                let span = near(span as f64);
                (causal.min(items * (span + 1.0) / 2.0), last.min(span))
            }
        };
        Self {
            items,
            blocks: blocks.min(items * full).max(items),
            longest: longest.max(1.0),
        }
    }
}
