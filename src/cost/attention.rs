//! Fused attention: scores and probabilities never leave the chip.
//!
//! Each cluster walks over the key blocks of one block of queries; where queries are few, the keys are
//! split over clusters and a second kernel combines the parts. The two products and the softmax between
//! them depend on each other within a block, so their times add.
//!
//! Source: Dao et al., "FlashAttention-2", ICLR 2024, algorithm 1; Dao et al., "Flash-Decoding for
//! long-context inference", 2023, for the splits; derived for the rest.

use crate::hardware::{Array, System, Tiles as Mapspace};
use crate::mapping::Chain;
use crate::units::{Bytes, Seconds};
use crate::workload::{Attention, Dtype, Mask, Slot};

use super::book::{Cost, Traffic};
use super::library::clusters;
use super::vector::vector_time;

/// Query rows and keys of one block.
const BLOCK: u64 = 128;

/// Least rows of a block: the rows of one matrix instruction of a warp group.
///
/// Source: NVIDIA PTX ISA, `wgmma.mma_async`: m64; four `mma` of 16 rows before Hopper.
const LEAST_ROWS: u64 = 64;

/// Simple vector operations per score: scale, maximum, subtract, sum.
const OPS_PER_SCORE: f64 = 4.0;

/// Most parts into which the keys of one head are split.
///
/// Source: FlashAttention 2.x, `num_splits_heuristic`.
const MOST_SPLITS: u64 = 128;

/// Least time of one key block on one cluster of a GPU: a load that misses the caches, then the dependent
/// products and the softmax.
///
/// Source: estimate: 0.6 to 0.8 us for a loaded access to main memory, plus the dependent instructions.
const BLOCK_LATENCY: Seconds = Seconds(1e-6);

/// Cost of fused attention on an engine, with the bytes of its operands.
///
/// `query_and_result` crosses main memory once. The keys and values of one block of queries are read
/// once; blocks of the same head find them in the outermost on-chip memory if they fit.
pub fn attention(
    system: &System,
    array: usize,
    attention: &Attention,
    dtype: Dtype,
    query_and_result: Traffic,
    keys_and_values: Bytes,
) -> Cost {
    let mut cost = Cost::free(system);
    let engine = &system.arrays[array];
    let is_library = matches!(system.tiles, Mapspace::Listed { .. });
    let described = clusters(system).filter(|_| is_library);
    let blocks = Blocks::of(attention, described);
    let pairs = blocks.items * blocks.mean;
    let scores = pairs * (blocks.rows * BLOCK) as f64;
    let macs = scores * (attention.qk_dim + attention.v_dim) as f64;
    cost.executed_macs = macs;
    let rate = engine.peak(dtype).map_or(1.0, |p| p.0) * engine.achievable;
    let softmax = vector_time(system, scores * OPS_PER_SCORE, scores, Dtype::Fp32);
    let even = Seconds(macs / rate) + softmax;
    cost.matrix = match described {
        Some(clusters) => blocks.makespan(even * (clusters / pairs), clusters),
        None => even,
    };
    cost.vector = softmax;
    let repeats = refetch(system, attention, keys_and_values, blocks.walks);
    let width = dtype.bits() / 8.0;
    let chain = Chain::of(system, array);
    let mut first = true;
    for level in 0..chain.levels.len() {
        let Some(i) = chain.memory(level) else {
            continue;
        };
        let memory = &system.memories[i];
        let walked = |walks: f64| Traffic {
            read: query_and_result.read + keys_and_values * walks,
            written: query_and_result.written,
        };
        cost.traffic[i] = if level == 0 {
            walked(repeats)
        } else if first {
            walked(blocks.walks)
        } else {
            let block = (attention.qk_dim + attention.v_dim) as f64 * BLOCK as f64 * width;
            inner_traffic(engine, &chain, level, dtype, macs, Bytes(pairs * block))
        };
        if level > 0 && first {
            // What feeds the engine directly also serves every MAC.
            first = false;
            let fed = inner_traffic(engine, &chain, level, dtype, macs, Bytes::ZERO);
            cost.traffic[i].read += fed.read;
            cost.traffic[i].written += fed.written;
        }
        cost.ports[i] = cost.traffic[i].port_time(memory, memory.instances as f64);
    }
    let cache = (1..chain.levels.len()).find_map(|level| chain.memory(level));
    if let (Some(i), Some(clusters)) = (cache, described) {
        // A cluster gets its share of the cache's rate, and waits for each block.
        let shared = cost.ports[i] * (clusters / pairs);
        let walk = blocks.makespan(shared.max(BLOCK_LATENCY), clusters);
        cost.ports[i] = cost.ports[i].max(walk);
    }
    if blocks.splits > 1 {
        // The parts are combined by a kernel of their own.
        cost.exposed += system.overhead.kernel;
        cost.mapping = Some(format!("keys split {} ways", blocks.splits));
    }
    cost.energy.book_macs(system, array, dtype, macs);
    let ops = scores * (OPS_PER_SCORE + 1.0);
    cost.energy.book_ops(system, Dtype::Fp32, ops);
    let traffic = cost.traffic.clone();
    cost.energy.book_traffic(system, &traffic);
    cost
}

/// How the work is cut.
struct Blocks {
    /// Independent items: query blocks of all heads and sequences, times splits.
    items: f64,
    /// Key blocks of an item, in the mean.
    mean: f64,
    /// Key blocks of the longest item.
    longest: f64,
    /// Query rows of a block, padding included.
    rows: u64,
    /// Blocks that walk over the same keys.
    walks: f64,
    /// Parts of the keys.
    splits: u64,
}

impl Blocks {
    fn of(a: &Attention, clusters: Option<f64>) -> Self {
        let group = (a.q_heads / a.kv_heads.max(1)).max(1);
        if a.q_len < BLOCK {
            Self::packed(a, group, clusters)
        } else {
            Self::by_head(a, group)
        }
    }

    /// Few queries: the query heads of a group share their keys, so they fill one block's rows together.
    fn packed(a: &Attention, group: u64, clusters: Option<f64>) -> Self {
        let rows = a.q_len * group;
        let n_blocks = rows.div_ceil(BLOCK);
        let units = (n_blocks * a.kv_heads) as f64 * a.batch as f64;
        let keys = (a.keys_read() / BLOCK as f64).ceil().max(1.0);
        let splits = clusters.map_or(1, |c| splits(units, keys, c));
        let each = (keys / splits as f64).ceil();
        Self {
            items: units * splits as f64,
            mean: keys / splits as f64,
            longest: each,
            rows: rows.min(BLOCK).next_multiple_of(LEAST_ROWS),
            walks: n_blocks as f64,
            splits,
        }
    }

    /// Many queries: one item per query block and head. The mask cuts through half a block of each row
    /// of blocks.
    fn by_head(a: &Attention, group: u64) -> Self {
        let n_blocks = a.q_len.div_ceil(BLOCK);
        let padded = Attention {
            q_len: n_blocks * BLOCK,
            kv_len: a.kv_len + (n_blocks * BLOCK - a.q_len),
            ..*a
        };
        let area = (BLOCK * BLOCK) as f64;
        let keys = (a.kv_len as f64 / BLOCK as f64).ceil();
        let full = n_blocks as f64 * keys;
        let cut = match a.mask {
            Mask::Full => full,
            Mask::Causal | Mask::Window(_) | Mask::Chunk(_) | Mask::Near(_) => {
                (padded.useful_pairs() / area + n_blocks as f64 / 2.0).min(full)
            }
        };
        let mean = (cut / n_blocks as f64).max(a.useful_pairs() / (n_blocks as f64 * area));
        let longest = match a.mask {
            Mask::Full | Mask::Causal => keys,
            Mask::Window(w) | Mask::Chunk(w) | Mask::Near(w) => {
                keys.min((w as f64 / BLOCK as f64).ceil() + 1.0)
            }
        };
        Self {
            items: n_blocks as f64 * a.q_heads as f64 * a.batch as f64,
            mean,
            longest: longest.max(mean),
            rows: BLOCK,
            // The mask spares most blocks part of the keys.
            walks: (n_blocks * group) as f64 * (mean / keys).min(1.0),
            splits: 1,
        }
    }

    /// Time until the last item ends, with `each` per key block on one cluster: items are spread evenly,
    /// the last wave leaves half of its idle places unused, and the longest item runs alone at least.
    fn makespan(&self, each: Seconds, clusters: f64) -> Seconds {
        let waves = self.items / clusters;
        let waves = waves + (waves.ceil() - waves) / 2.0;
        (each * (waves * self.mean)).max(each * self.longest)
    }
}

/// The fewest parts that keep nearly as many clusters busy as any number of parts can.
fn splits(units: f64, keys: f64, clusters: f64) -> u64 {
    if units >= 0.8 * clusters {
        return 1;
    }
    let most = MOST_SPLITS.min(keys as u64).max(1);
    let filled = |s: u64| {
        let waves = units * s as f64 / clusters;
        waves / waves.ceil()
    };
    let best = (1..=most).map(filled).fold(0.0, f64::max);
    let enough = (1..=most).find(|s| filled(*s) >= 0.85 * best);
    enough.unwrap_or(1)
}

/// A memory inside a cluster takes each key block once and hands it on; the last one that holds a slot feeds
/// the engine, as for products.
fn inner_traffic(
    engine: &Array,
    chain: &Chain,
    level: usize,
    dtype: Dtype,
    macs: f64,
    blocks: Bytes,
) -> Traffic {
    let native = engine.tile;
    let (m, n, k) = native.map_or((1.0, 1.0, 1.0), |t| (t.m as f64, t.n as f64, t.k as f64));
    let width = dtype.bits() / 8.0;
    let sum = engine.accumulator(dtype).bits() / 8.0;
    let inner = level + 1..chain.levels.len();
    let is_last =
        |slot: Slot| chain.holds(level, slot) && !inner.clone().any(|l| chain.holds(l, slot));
    let mut traffic = Traffic::default();
    if chain.holds(level, Slot::Rhs) {
        traffic.written += blocks;
        traffic.read += if is_last(Slot::Rhs) {
            Bytes(macs * width / m)
        } else {
            blocks
        };
    }
    if is_last(Slot::Lhs) {
        traffic.read += Bytes(macs * width / n);
    }
    if is_last(Slot::Acc) && engine.stationary != Some(Slot::Acc) {
        traffic.read += Bytes(macs * sum / k);
        traffic.written += Bytes(macs * sum / k);
    }
    traffic
}

/// How often main memory delivers the keys and values: once if the cache of one head and sequence stays
/// on the chip between query blocks, else once per block.
fn refetch(system: &System, a: &Attention, keys_and_values: Bytes, blocks: f64) -> f64 {
    let one = keys_and_values / (a.batch as f64 * a.kv_heads as f64).max(1.0);
    let outer = system.memories.iter().find(|m| m.is_on_chip());
    let room = outer.map_or(Bytes::ZERO, |m| m.usable() * m.instances as f64 / 2.0);
    if one <= room { 1.0 } else { blocks }
}
