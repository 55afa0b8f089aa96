//! Matrix products by library tiles, as GPU kernels do them.
//!
//! The result is cut into tiles, each made by one cluster (streaming multiprocessor); tiles run in
//! waves. Time is the longest of the waves' arithmetic, the traffic of the shared cache, and main memory.
//!
//! Source: the tile and wave decomposition of CUTLASS (NVIDIA, "Efficient GEMM in CUDA"); derived.

use crate::hardware::System;
use crate::mapping::Chain;
use crate::units::{Bytes, BytesPerSecond, Seconds};
use crate::workload::{Dtype, Slot};

use super::book::{Cost, Traffic};
use super::reuse::Widths;
use super::sparse::{Shares, Zeros, shares};

/// One way to cut a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LibraryTile {
    /// Rows of the result.
    pub m: u64,
    /// Columns of the result.
    pub n: u64,
    /// Step along the sum.
    pub k: u64,
    /// Parts into which the sum is split.
    pub split: u64,
}

/// Operands of a product.
#[derive(Clone, Copy, Debug)]
pub struct Operands<'a> {
    /// Bytes per element.
    pub widths: &'a Widths,
    /// Bytes that main memory must move at least once.
    pub compulsory: Traffic,
    /// Their zeros.
    pub zeros: &'a Zeros,
}

/// Bytes per cycle that one cluster can take from the shared cache.
///
/// Source: NVIDIA A100 whitepaper (2020): 64 B per cycle and streaming multiprocessor; the same since.
const CLUSTER_PORT: f64 = 64.0;

/// Cost of a product `[g, m, n, k]` under a library tile on an engine.
///
/// A chip whose clusters are not described has no waves: its tiles spread evenly. Memories on the chip hold
/// operands at their full widths.
pub fn library_gemm(
    system: &System,
    chain: &Chain,
    dtype: Dtype,
    sizes: [u64; 4],
    tile: LibraryTile,
    operands: Operands<'_>,
) -> Cost {
    let Operands {
        widths,
        compulsory,
        zeros,
    } = operands;
    let [g, m, n, k] = sizes;
    let mut cost = Cost::free(system);
    let clusters = clusters(system);
    let cut = Cut::of([g, m, n, k], tile);
    let engine = &system.arrays[chain.array];
    let peak = engine.peak(dtype).map_or(1.0, |p| p.0) * engine.achievable;
    // Each wave fills its pipeline and writes its tile out.
    let waves = clusters.map_or(1.0, |c| (cut.tiles / c).ceil());
    let in_step = clusters.map_or(cut.tiles, |c| waves * c);
    let left = shares(&engine.zeros, zeros.densities);
    cost.matrix = Seconds(in_step * cut.macs * left.steps / peak) + system.overhead.tile * waves;
    cost.executed_macs = cut.tiles * cut.macs * left.macs;
    let partials = if tile.split > 1 {
        Bytes(g as f64 * m as f64 * n as f64 * tile.split as f64 * widths.partial)
    } else {
        Bytes::ZERO
    };
    let mut first_cache = true;
    for level in 0..chain.levels.len() {
        let Some(i) = chain.memory(level) else {
            continue;
        };
        let memory = &system.memories[i];
        let shared_cache = level > 0 && first_cache && memory.instances == 1;
        let traffic = if level == 0 {
            compulsory
        } else if shared_cache {
            first_cache = false;
            Traffic {
                read: Bytes(cut.operands(tile, widths)) + partials,
                written: compulsory.written + partials,
            }
        } else {
            inner_traffic(system, chain, level, &cut, tile, (widths, zeros, &left))
        };
        cost.traffic[i].read += traffic.read;
        cost.traffic[i].written += traffic.written;
        let all = memory.instances as f64;
        let busy = clusters.map_or(1.0, |c| (cut.tiles / c).min(1.0));
        let mut time = traffic.port_time(
            memory,
            if level > 0 && !shared_cache {
                all * busy
            } else {
                all
            },
        );
        if let Some(clusters) = clusters.filter(|_| shared_cache) {
            // Clusters without a tile ask for nothing, and each takes a line per cycle at most.
            let asked = cut.tiles.min(clusters) * CLUSTER_PORT * system.process.clock.0;
            time = time.max(traffic.total() / BytesPerSecond(asked));
        }
        cost.ports[i] = cost.ports[i].max(time);
    }
    // Rows and columns that only fill up a tile are zeros: they take time, but next to nothing switches.
    let filled = g as f64 * m as f64 * n as f64 * k as f64 / (cut.tiles * cut.macs);
    let macs = cost.executed_macs * filled;
    cost.energy.book_macs(system, chain.array, dtype, macs);
    let mut traffic = cost.traffic.clone();
    for (memory, traffic) in system.memories.iter().zip(&mut traffic) {
        if memory.instances > 1 && memory.is_on_chip() {
            traffic.read = traffic.read * filled;
            traffic.written = traffic.written * filled;
        }
    }
    cost.energy.book_traffic(system, &traffic);
    cost
}

/// A tile in one line.
pub fn describe_library(system: &System, sizes: [u64; 4], tile: LibraryTile) -> String {
    let cut = Cut::of(sizes, tile);
    let split = match tile.split {
        1 => String::new(),
        parts => format!(" split-k {parts}"),
    };
    let waves = clusters(system).map_or(1.0, |c| (cut.tiles / c).ceil());
    let (m, n, tiles) = (tile.m, tile.n, cut.tiles);
    format!("tile {m}x{n}{split}, {tiles} tiles in {waves} waves")
}

/// Tiles of a product.
struct Cut {
    /// Number, all groups and splits.
    tiles: f64,
    /// Summed length of one, in whole steps.
    k: f64,
    /// MACs of one.
    macs: f64,
}

impl Cut {
    fn of([g, m, n, k]: [u64; 4], tile: LibraryTile) -> Self {
        let rows = m.div_ceil(tile.m) as f64;
        let columns = n.div_ceil(tile.n) as f64;
        let k = k.div_ceil(tile.k).div_ceil(tile.split) as f64 * tile.k as f64;
        Self {
            tiles: g as f64 * rows * columns * tile.split as f64,
            k,
            macs: (tile.m * tile.n) as f64 * k,
        }
    }

    /// Bytes of operands that all tiles take.
    fn operands(&self, tile: LibraryTile, widths: &Widths) -> f64 {
        self.tiles * self.k * (tile.m as f64 * widths.lhs + tile.n as f64 * widths.rhs)
    }
}

/// Memories inside a cluster take the operands of a tile once and hand them on. The last one that holds a
/// slot feeds the engine's native instructions, one of `m x n x k` reading `m·k` left and `k·n` right
/// elements, and reading and writing `m·n` partial sums.
fn inner_traffic(
    system: &System,
    chain: &Chain,
    level: usize,
    cut: &Cut,
    tile: LibraryTile,
    (widths, zeros, left): (&Widths, &Zeros, &Shares),
) -> Traffic {
    // An access serves a whole instruction: only zeros of its own and patterns save one.
    let stores_zeros = |slot: Slot| {
        let at = chain.memory(level).and_then(|m| zeros.packed.get(m));
        at.is_none_or(|packed| packed[slot as usize].is_none())
    };
    let fed = |slot: Slot| match slot {
        Slot::Lhs | Slot::Rhs if stores_zeros(slot) => left.own[slot as usize],
        Slot::Lhs | Slot::Rhs => 1.0,
        Slot::Acc => left.pattern,
    };
    let native = system.arrays[chain.array].tile;
    let (m, n, k) = native.map_or((1.0, 1.0, 1.0), |t| (t.m as f64, t.n as f64, t.k as f64));
    let macs = cut.tiles * cut.macs;
    let is_last = |slot: Slot| {
        let inner = level + 1..chain.levels.len();
        chain.holds(level, slot) && !inner.clone().any(|l| chain.holds(l, slot))
    };
    let mut traffic = Traffic::default();
    let inputs = [
        (Slot::Lhs, tile.m as f64 * widths.lhs, widths.lhs / n),
        (Slot::Rhs, tile.n as f64 * widths.rhs, widths.rhs / m),
    ];
    for (slot, per_step, per_mac) in inputs {
        if chain.holds(level, slot) {
            let filled = Bytes(cut.tiles * cut.k * per_step);
            traffic.written += filled;
            traffic.read += if is_last(slot) {
                Bytes(macs * per_mac * fed(slot))
            } else {
                filled
            };
        }
    }
    if is_last(Slot::Acc) && system.arrays[chain.array].stationary != Some(Slot::Acc) {
        let updates = Bytes(macs * widths.partial / k * fed(Slot::Acc));
        traffic.read += updates;
        traffic.written += updates;
    }
    traffic
}

/// Places that a tile can run: instances below the first fan-out, or `None` where none is described.
pub(super) fn clusters(system: &System) -> Option<f64> {
    let first = system.fanouts.first()?;
    let each: f64 = first.axes.iter().map(|a| a.size as f64).product();
    Some(each * first.instances as f64)
}
