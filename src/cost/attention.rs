//! Fused attention: scores and probabilities never leave the chip.
//!
//! Prefill walks over key tiles for each block of queries; decode streams the cache once. The two
//! products and the softmax between them depend on each other within a tile, so their times add.
//!
//! Source: Dao et al., "FlashAttention-2", ICLR 2024, algorithm 1 for the tiling; derived for the rest.

use crate::hardware::{Array, Direction, System};
use crate::units::{Bytes, Seconds};
use crate::workload::{Attention, Dtype, Mask};

use super::book::{Cost, Traffic};
use super::vector::vector_time;

/// Query rows and keys of one tile.
const BLOCK: u64 = 128;

/// Simple vector operations per score: scale, maximum, subtract, sum.
const OPS_PER_SCORE: f64 = 4.0;

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
    let group = (attention.q_heads / attention.kv_heads.max(1)).max(1);
    let tiles = Tiles::of(attention, group);
    cost.executed_macs = tiles.macs;
    let rate = engine.peak(dtype).map_or(1.0, |p| p.0) * engine.achievable;
    let spread = tiles.spread(compute_clusters(system, engine));
    let softmax = vector_time(
        system,
        tiles.scores * OPS_PER_SCORE,
        tiles.scores,
        Dtype::Fp32,
    );
    cost.matrix = Seconds(tiles.macs / rate * spread) + softmax * spread;
    cost.vector = softmax;
    let repeats = refetch(system, attention, keys_and_values, tiles.query_blocks);
    let on_chip = system.memories.iter().position(|m| m.is_on_chip());
    cost.traffic[0] = Traffic {
        read: query_and_result.read + keys_and_values * repeats,
        written: query_and_result.written,
    };
    if let Some(i) = on_chip.filter(|i| *i != 0) {
        cost.traffic[i] = Traffic {
            read: query_and_result.read + keys_and_values * tiles.query_blocks,
            written: query_and_result.written,
        };
    }
    for (i, memory) in system.memories.iter().enumerate() {
        let rate = memory.achieved_bandwidth(Direction::Both) * memory.instances as f64;
        if cost.traffic[i].total() > Bytes::ZERO {
            cost.ports[i] = cost.traffic[i].total() / rate;
        }
    }
    cost.energy.book_macs(system, array, dtype, tiles.macs);
    let ops = tiles.scores * (OPS_PER_SCORE + 1.0);
    cost.energy.book_ops(system, Dtype::Fp32, ops);
    let traffic = cost.traffic.clone();
    cost.energy.book_traffic(system, &traffic);
    cost
}

/// Work of all tiles.
struct Tiles {
    /// MACs executed, masked parts of edge tiles included.
    macs: f64,
    /// Scores computed.
    scores: f64,
    /// Independent pieces: query blocks of all heads and sequences.
    items: f64,
    /// Blocks that walk over the same keys.
    query_blocks: f64,
}

impl Tiles {
    fn of(a: &Attention, group: u64) -> Self {
        // The query heads of a group share their keys, so they fill one block's rows together.
        let rows = a.q_len * group;
        let packed = a.q_len < BLOCK;
        let blocks = if packed {
            rows.div_ceil(BLOCK) as f64
        } else {
            (a.q_len.div_ceil(BLOCK) * group) as f64
        };
        let per_sequence = scores_of_head(a) * a.q_heads as f64;
        let scores = per_sequence * a.batch as f64;
        let (heads, batch) = (a.kv_heads as f64, a.batch as f64);
        // Keys are split as well where queries are few.
        let splits = (a.keys_read() / BLOCK as f64).ceil().max(1.0);
        let items = blocks * heads * batch * if packed { splits } else { 1.0 };
        Self {
            macs: scores * (a.qk_dim + a.v_dim) as f64,
            scores,
            items,
            query_blocks: blocks.max(1.0),
        }
    }

    /// Ratio of the time of the busiest cluster to an even spread.
    fn spread(&self, clusters: f64) -> f64 {
        let waves = (self.items / clusters).ceil().max(1.0);
        (waves * clusters / self.items).max(1.0)
    }
}

/// Scores of one query head, in whole tiles where the mask cuts through them.
fn scores_of_head(a: &Attention) -> f64 {
    let useful = a.useful_pairs();
    match a.mask {
        Mask::Full => useful,
        // Half a tile of each query row is computed and masked.
        Mask::Causal | Mask::Window(_) | Mask::Chunk(_) if a.q_len >= BLOCK => {
            let full = a.q_len as f64 * a.kv_len as f64;
            (useful + a.q_len as f64 * BLOCK as f64 / 2.0).min(full)
        }
        Mask::Causal | Mask::Window(_) | Mask::Chunk(_) => useful,
    }
}

/// Independent places that tiles are spread over: instances of what holds a tile's operands.
fn compute_clusters(system: &System, engine: &Array) -> f64 {
    let near = system.memories.iter().filter(|m| m.is_on_chip());
    let shared = near
        .filter(|m| m.instances < engine.instances || engine.instances == 1)
        .map(|m| m.instances)
        .max();
    shared.unwrap_or(1).max(1) as f64
}

/// How often main memory delivers the keys and values: once if the cache of one head and sequence stays
/// on the chip between query blocks, else once per block.
fn refetch(system: &System, a: &Attention, keys_and_values: Bytes, blocks: f64) -> f64 {
    let one = keys_and_values / (a.batch * a.kv_heads).max(1) as f64;
    let outer = system.memories.iter().find(|m| m.is_on_chip());
    let room = outer.map_or(Bytes::ZERO, |m| m.usable() * m.instances as f64 / 2.0);
    if one <= room { 1.0 } else { blocks }
}
