//! Fused attention of one or a few new tokens behind a cache: the keys are split over clusters.

use crate::hardware::System;
use crate::hardware::kernels::Decode;
use crate::units::Seconds;
use crate::workload::Attention;

use super::append::{Append, append};
use super::{Gpu, Parts};

/// Keys of one block, for heads up to [`WIDE`].
const KEYS: f64 = 128.0;

/// Widest head whose blocks are full. Source: FlashAttention 3, `tile_size.h`.
const WIDE: f64 = 128.0;

/// Widest head of the common kernels. Source: FlashAttention 2 and 3.
const WIDEST: f64 = 256.0;

/// Query rows that one matrix instruction takes. Source: NVIDIA PTX ISA, `mma.m16n8k16`.
const LEAST_ROWS: f64 = 16.0;

/// Query heads that share one walk over a latent cache. Source: FlashMLA, `BLOCK_M` of 64.
const LATENT_ROWS: f64 = 64.0;

/// Share of the engines' peak that kernels for latent caches reach.
///
/// Source: FlashMLA's README, 660 TFLOP/s of 989 on H800, from memory; not fitted, for lack of measurements.
const LATENT_ENGINE: f64 = 0.67;

/// Bytes of a query or result.
const WIDTH: f64 = 2.0;

/// Bytes of a partial result.
const PARTIAL: f64 = 4.0;

/// Whether keys and values are one latent vector that all heads share, so that it is read once.
///
/// Source: DeepSeek-V2 report, section 2.1: the up-projections are absorbed, 512 + 64 per token.
pub(super) fn is_latent(a: &Attention) -> bool {
    a.kv_heads == 1 && a.v_dim < a.qk_dim && a.v_dim as f64 > WIDEST
}

/// Time of a call on a chip whose engines run `peak` MACs per second.
///
/// ```text
/// splits = min(keys / least_keys, ceil(SMs waves / units)), at least 1
/// tile   = max(block, bytes / cluster, macs / (peak/SM engine))
/// body   = waves of (units splits / SMs) x (blocks per part x tile + item)
/// memory = (missed KV + walks again / cache + q, out) / (B read)
/// t      = launch + (body^3 + memory^3)^(1/3) + [splits > 1] (combine + partials / B) + append
///          + [wide heads] serial units
/// ```
///
/// `kv_width` is the mean of bytes of an element of keys and values.
pub(super) fn decode(
    system: &System,
    gpu: &Gpu,
    a: &Attention,
    peak: f64,
    kv_width: f64,
    is_cached: bool,
    c: &Decode,
) -> Parts {
    let (batch, heads, kv_heads) = (a.batch as f64, a.q_heads as f64, a.kv_heads as f64);
    let keys = a.keys_read().max(1.0);
    let group = heads / kv_heads;
    let rows = group * a.q_len as f64;
    let dim = (a.qk_dim + a.v_dim) as f64 / 2.0;
    let is_latent = is_latent(a);
    // Elements that a key and its value take in memory.
    let stored = if is_latent {
        a.qk_dim as f64
    } else {
        2.0 * dim
    };
    let kernel = Kernel::of(
        c,
        // All heads of a latent cache share one walk.
        if is_latent { f64::INFINITY } else { group },
        batch * kv_heads * (keys / KEYS).floor().max(1.0),
        gpu,
    );
    let (units, rows, walks) = if kernel.is_single {
        (batch * heads, a.q_len as f64, group)
    } else {
        let pack = if is_latent { LATENT_ROWS } else { c.pack };
        let walks = (rows / pack).ceil();
        (batch * kv_heads * walks, (rows / walks).ceil(), walks)
    };
    let splits = if group < c.split_from {
        1.0
    } else {
        let most = (gpu.clusters * c.waves / units).ceil();
        (keys / c.least_keys).floor().min(most).max(1.0)
    };
    let block = if dim <= WIDE { KEYS } else { KEYS / 2.0 };
    let chunk = ((keys / block).ceil() / splits).ceil();
    let bytes = block * stored * kv_width;
    let macs = 2.0 * block * dim * (rows / LEAST_ROWS).ceil() * LEAST_ROWS;
    let engine = if is_latent { LATENT_ENGINE } else { c.engine };
    let rate = peak / gpu.clusters * engine;
    let tile = kernel.block.0.max(bytes / kernel.cluster).max(macs / rate);
    let each = chunk * tile * (keys / block).min(1.0) + kernel.item.0;
    let filled = units * splits / gpu.clusters;
    let waves = if filled <= 1.0 {
        1.0
    } else {
        (1.0 - c.fractional) * filled.ceil() + c.fractional * filled
    };
    let body = waves * each;
    let kv = batch * keys * kv_heads * stored * kv_width;
    let missed = 1.0 / (1.0 + (gpu.cache.0 * c.resident / kv).powi(3));
    let again = (walks - missed).max(0.0) / c.cache;
    let ends = 2.0 * batch * a.q_len as f64 * heads * dim * WIDTH;
    let main = gpu.memory.0;
    let memory = (kv * (missed + again) + ends) / (main * c.read);
    let summed = if splits > 1.0 {
        let partials = splits * batch * a.q_len as f64 * heads * (a.v_dim as f64 + 2.0) * PARTIAL;
        c.combine.0 + partials / main
    } else {
        0.0
    };
    let in_front = if is_cached {
        let new = Append {
            tokens: batch * a.q_len as f64,
            row: kv_heads * dim,
            kv_width,
        };
        append(gpu, new, c.token, main * c.read)
    } else {
        0.0
    };
    let is_regrouped = group > 1.0 && kv_heads > 1.0 && batch > 1.0;
    let regroup = if is_regrouped { c.regroup.0 } else { 0.0 };
    let serial = if dim > WIDEST && !is_latent && batch < c.serial_below {
        c.serial.0 * batch * kv_heads
    } else {
        0.0
    };
    let alone = c.launch.0 + kernel.launch.0;
    let launch = if is_cached {
        alone
    } else {
        // One kernel less.
        (alone - system.overhead.kernel.0).max(alone / 2.0)
    };
    Parts {
        launch: Seconds(launch),
        engine: Seconds(body),
        memory: Seconds(memory),
        total: Seconds(
            (body.powi(3) + memory.powi(3)).cbrt() + summed + in_front + regroup + serial,
        ),
        occupancy: filled,
    }
}

/// The kernel that a library takes.
struct Kernel {
    is_single: bool,
    launch: Seconds,
    item: Seconds,
    block: Seconds,
    cluster: f64,
}

impl Kernel {
    /// `parts` is the number of parts of 128 keys of all groups.
    fn of(c: &Decode, group: f64, parts: f64, gpu: &Gpu) -> Self {
        let is_few = group == 1.0 || (group.is_finite() && c.few * parts < gpu.clusters);
        if c.few > 0.0 && is_few {
            Self {
                is_single: true,
                launch: c.few_launch,
                item: c.few_item,
                block: c.few_block,
                cluster: c.few_cluster.0,
            }
        } else {
            Self {
                is_single: false,
                launch: Seconds::ZERO,
                item: c.item,
                block: c.block,
                cluster: c.cluster.0,
            }
        }
    }
}
