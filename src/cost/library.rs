//! Matrix products by library tiles, as GPU kernels do them.
//!
//! The result is cut into tiles, each made by one cluster (streaming multiprocessor); tiles run in
//! waves. Time is the longest of the waves' arithmetic, the traffic of the shared cache, and main memory.
//!
//! Source: the tile and wave decomposition of CUTLASS (NVIDIA, "Efficient GEMM in CUDA"); derived.

use crate::hardware::{Direction, System};
use crate::units::{Bytes, Seconds};
use crate::workload::Dtype;

use super::book::{Cost, Traffic};
use super::reuse::Widths;

/// One way to cut a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LibraryTile {
    /// Rows of the result.
    pub m: u64,
    /// Columns of the result.
    pub n: u64,
    /// Parts into which the sum is split.
    pub split: u64,
}

/// Step along the summed rank.
const STEP_K: u64 = 64;

/// Bytes per cycle that one cluster can take from the shared cache.
///
/// Source: NVIDIA A100 whitepaper (2020): 64 B per cycle and streaming multiprocessor; the same since.
const CLUSTER_PORT: f64 = 64.0;

/// Sizes of a product: `acc[g, m, n] = Σ_k lhs[g, m, k] · rhs[g, k, n]`, and bytes of its operands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Product {
    pub(super) g: u64,
    pub(super) m: u64,
    pub(super) n: u64,
    pub(super) k: u64,
}

/// Cost of a product `[g, m, n, k]` under a library tile on an engine.
///
/// `lhs`, `rhs` and `result` are the bytes that main memory must move at least once.
pub fn library_gemm(
    system: &System,
    array: usize,
    dtype: Dtype,
    sizes: [u64; 4],
    tile: LibraryTile,
    widths: &Widths,
    compulsory: Traffic,
) -> Cost {
    let product = Product {
        g: sizes[0],
        m: sizes[1],
        n: sizes[2],
        k: sizes[3],
    };
    let mut cost = Cost::free(system);
    let clusters = clusters(system);
    let tiles =
        (product.g * product.m.div_ceil(tile.m) * product.n.div_ceil(tile.n) * tile.split) as f64;
    let k = (product.k.div_ceil(STEP_K).div_ceil(tile.split) * STEP_K) as f64;
    let engine = &system.arrays[array];
    let peak = engine.peak(dtype).map_or(1.0, |p| p.0) * engine.achievable;
    let per_tile = (tile.m * tile.n) as f64 * k;
    let waves = (tiles / clusters).ceil();
    // Each wave fills its pipeline and writes its tile out.
    cost.matrix = Seconds(waves * per_tile * clusters / peak) + system.overhead.tile * waves;
    cost.executed_macs = tiles * per_tile;
    let partials = if tile.split > 1 {
        Bytes((product.g * product.m * product.n * tile.split) as f64 * widths.partial)
    } else {
        Bytes::ZERO
    };
    let operands = tiles * k * (tile.m as f64 * widths.lhs + tile.n as f64 * widths.rhs);
    // Clusters without a tile ask for nothing; bandwidth needs enough of them.
    let busy = (tiles / clusters).min(1.0);
    for (i, memory) in system.memories.iter().enumerate() {
        let rate = memory.achieved_bandwidth(Direction::Both) * memory.instances as f64;
        let outermost_cache = i > 0 && memory.parents.len() == 1 && memory.instances == 1;
        let traffic = if i == 0 {
            compulsory
        } else if outermost_cache {
            Traffic {
                read: Bytes(operands) + partials,
                written: compulsory.written + partials,
            }
        } else if memory.holds.lhs || memory.holds.rhs {
            inner_traffic(system, i, &product, tile, operands, widths)
        } else {
            Traffic::default()
        };
        cost.traffic[i] = traffic;
        if traffic.total() > Bytes::ZERO {
            // Main memory needs no share of its own: its bytes pass the cache as well.
            let share = if outermost_cache {
                (tiles.min(clusters) * CLUSTER_PORT * system.process.clock.0 / rate.0).min(1.0)
            } else if i > 0 {
                busy
            } else {
                1.0
            };
            cost.ports[i] = traffic.total() / (rate * share);
        }
    }
    cost.energy
        .book_macs(system, array, dtype, cost.executed_macs);
    let traffic = cost.traffic.clone();
    cost.energy.book_traffic(system, &traffic);
    cost.mapping = Some(format!(
        "tile {}x{}{}, {} tiles in {} waves",
        tile.m,
        tile.n,
        if tile.split > 1 {
            format!(" split-k {}", tile.split)
        } else {
            String::new()
        },
        tiles,
        waves
    ));
    cost
}

/// Scratchpads take the operands of a tile once and hand them to the engine; register files feed native
/// instructions.
fn inner_traffic(
    system: &System,
    memory: usize,
    product: &Product,
    tile: LibraryTile,
    operands: f64,
    widths: &Widths,
) -> Traffic {
    let at = &system.memories[memory];
    let fills = Bytes(operands);
    let native = system.arrays.first().and_then(|a| a.tile);
    let is_nearest = system
        .arrays
        .iter()
        .any(|a| a.parents.contains(&crate::hardware::Node::Memory(memory)));
    if !is_nearest || !at.holds.lhs {
        return Traffic {
            read: fills,
            written: fills,
        };
    }
    let (m, n) = native.map_or((1.0, 1.0), |t| (t.m as f64, t.n as f64));
    let macs = (product.g * product.m.div_ceil(tile.m) * tile.m) as f64
        * (product.n.div_ceil(tile.n) * tile.n) as f64
        * product.k as f64;
    Traffic {
        read: Bytes(macs * (widths.lhs / n + widths.rhs / m)),
        written: fills,
    }
}

/// Places that a tile can run: instances of the innermost memory that is still shared by engines.
pub(super) fn clusters(system: &System) -> f64 {
    let first = system.fanouts.first();
    first.map_or(1.0, |f| {
        f.axes.iter().map(|a| a.size as f64).product::<f64>() * f.instances as f64
    })
}
