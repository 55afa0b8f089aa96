//! Products of many weights in one kernel: the rows of each weight fill tiles of their own.

use crate::hardware::kernels::Grouped;
use crate::units::Seconds;
use crate::workload::Experts;

use super::{Gpu, Parts};
use crate::cost::LibraryTile;

/// Rows of a tile. Source: vLLM, `fused_moe` tuning files; CUTLASS grouped products.
const ROWS: [f64; 4] = [16.0, 32.0, 64.0, 128.0];

/// Columns of a tile. Source: as for its rows.
const COLUMNS: [f64; 3] = [64.0, 128.0, 256.0];

/// Accumulators of a tile that has a cluster to itself, as for single products.
const WHOLE: f64 = 32768.0;

/// Most tiles that share a cluster.
const TOGETHER: f64 = 4.0;

/// Bytes per cycle that one cluster takes from the shared cache. Source: NVIDIA A100 whitepaper (2020).
const PORT: f64 = 64.0;

/// Bytes along the sum of one step.
const DEPTH: f64 = 128.0;

/// Bytes of an element of a result.
const RESULT: f64 = 2.0;

/// Elements of a row that loads of whole vectors need it to be a multiple of.
/// Source: Triton, divisibility by 16 of the pointers and strides that it specializes for.
const VECTOR: u64 = 16;

/// Time of a product of rows sorted by their weight, and its tile.
///
/// ```text
/// tiles = Σ over weights of ceil(rows/tm), times ceil(n/tn)
/// step  = max(t math, step, t (tm a + tn w) kt / (64 B cache clock))
/// body  = steps (waves - 1)(step of full clusters) + steps (step of the last wave)
/// read  = (touched weights + rows) (1/(B read) + 1/(tiles at once x cluster ((tm + tn)/256)^0.5))
/// moved = (rows + walked (routed - rows)) (k a + n c)
/// t     = launch [+ share_launch] + max(body, read + written/(B write)) + each x touched + passes x moved/B
/// ```
///
/// The library takes the fastest tile. `widths` are bytes of an element of rows and weights, `peak` is in MACs
/// per second.
pub(super) fn grouped(
    gpu: &Gpu,
    peak: f64,
    experts: &Experts,
    widths: [f64; 2],
    c: &Grouped,
) -> (Parts, LibraryTile) {
    let [a, w] = widths;
    let (n, k) = (experts.n as f64, experts.k as f64);
    let (rows, touched) = (experts.rows as f64, experts.loads.touched());
    let is_ragged = !experts.n.is_multiple_of(VECTOR) || !experts.k.is_multiple_of(VECTOR);
    let rate_left = if is_ragged { c.ragged } else { 1.0 };
    let operands = touched * n * k * w + rows * k * a;
    let written = rows * n * RESULT / (gpu.memory.0 * c.write);
    let depth = DEPTH / a.max(w);
    let steps = (k / depth).ceil();
    let mut best = (f64::INFINITY, 0.0, 0.0, [0.0; 2]);
    for tm in ROWS {
        let filled = experts.loads.tiles(tm);
        for tn in COLUMNS {
            let area = tm * tn;
            if area > WHOLE {
                continue;
            }
            let tiles = filled * (n / tn).ceil();
            let rate = peak / gpu.clusters * c.engine * (area / WHOLE).powf(c.small_tile);
            let port = (a * tm + w * tn) * depth / (c.cache * PORT * gpu.clock.0);
            let math = (area * depth / rate).max(port) / rate_left;
            let step = |together: f64| (together * math).max(c.step.0 / rate_left);
            let together = (WHOLE / area).floor().clamp(1.0, TOGETHER);
            let slots = gpu.clusters * together;
            let waves = (tiles / slots).ceil();
            let last = ((tiles - (waves - 1.0) * slots) / gpu.clusters)
                .ceil()
                .max(1.0);
            let body = (waves - 1.0) * step(together) * steps + step(last) * steps;
            let in_flight = c.cluster.0 * ((tm + tn) / 256.0).sqrt();
            let at_once = 1.0 / (gpu.memory.0 * c.read) + 1.0 / (tiles.min(slots) * in_flight);
            let read = operands * at_once / rate_left;
            let time = body.max(read + written);
            if time < best.0 {
                best = (time, body, read + written, [tm, tn]);
            }
        }
    }
    let (time, body, memory, [tm, tn]) = best;
    let others = (experts.routed as f64 - rows).max(0.0);
    let moved = (rows + c.walked * others) * (k * a + n * RESULT);
    let passes = c.passes * moved / gpu.memory.0 + c.each.0 * touched;
    let is_share = experts.routed > experts.rows;
    let shared = if is_share { c.share_launch.0 } else { 0.0 };
    let parts = Parts {
        launch: Seconds(c.launch.0 + shared),
        engine: Seconds(body),
        memory: Seconds(memory + passes),
        total: Seconds(time + passes),
        occupancy: experts.loads.tiles(tm) * (n / tn).ceil() / gpu.clusters,
    };
    let tile = LibraryTile {
        m: tm as u64,
        n: tn as u64,
        k: depth as u64,
        split: 1,
    };
    (parts, tile)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{Bytes, BytesPerSecond, Hertz};
    use crate::workload::{Dtype, Loads};

    /// Ten clusters, 1 TB/s, 1 GHz.
    const GPU: Gpu = Gpu {
        clusters: 10.0,
        memory: BytesPerSecond(1e12),
        cache: Bytes(10e6),
        clock: Hertz(1e9),
    };

    fn coefficients() -> Grouped {
        Grouped {
            launch: Seconds(5e-6),
            share_launch: Seconds(2e-6),
            engine: 0.5,
            small_tile: 0.0,
            step: Seconds(1e-8),
            read: 0.5,
            write: 0.5,
            cluster: BytesPerSecond(5e12),
            cache: 2.0,
            each: Seconds(1e-7),
            passes: 0.0,
            walked: 1.0,
            ragged: 0.5,
        }
    }

    fn experts(loads: Loads, rows: u64, routed: u64) -> Experts {
        Experts {
            experts: 8,
            loads,
            rows,
            routed,
            n: 1024,
            k: 1024,
            dtype: Dtype::Bf16,
        }
    }

    #[track_caller]
    fn close(found: f64, expected: f64) {
        assert!(
            (found / expected - 1.0).abs() < 1e-3,
            "{found} against {expected}"
        );
    }

    #[test]
    fn few_rows_wait_for_the_weights_that_they_touch() {
        // 4 weights of 2 MB and 4 rows of 2 KB at 0.5 TB/s and over 40 tiles at once (16 by 64: 16 columns times
        // 4) of 5 TB/s · (80/256)^0.5; 8 KB written at 0.5 TB/s; 0.1 us for each weight.
        let one = experts(Loads::even(4.0, 4.0), 4, 4);
        let (parts, _) = grouped(&GPU, 1e14, &one, [2.0, 2.0], &coefficients());
        let operands = 4.0 * 2_097_152.0 + 4.0 * 2048.0;
        let read = operands * (2e-12 + 1.0 / (40.0 * 5e12 * (80.0f64 / 256.0).sqrt()));
        let spread = (operands * (2e-12 + 1.0 / (16.0 * 5e12))).max(read);
        let total = parts.total.0 - 0.4e-6;
        assert!(
            total >= operands * 2e-12 && total <= spread + 8192.0 / 0.5e12,
            "{total}"
        );
        close(parts.launch.0, 5e-6);
    }

    #[test]
    fn a_busy_weight_fills_more_tiles() {
        // 128 rows on each of 8 weights: 8 tiles of 128 rows, times 4 of 256 columns, on 10 clusters, one each:
        // four waves of 16 steps of 128 · 256 · 64 / (1e13 · 0.5) = 0.419 us.
        // Smaller tiles lose as much rate as they are smaller, and are no faster.
        let c = Grouped {
            small_tile: 1.0,
            ..coefficients()
        };
        let even = experts(Loads::even(8.0, 1024.0), 1024, 1024);
        let (parts, tile) = grouped(&GPU, 1e14, &even, [2.0, 2.0], &c);
        assert_eq!((tile.m, tile.n), (128, 256));
        close(parts.engine.0, 4.0 * 16.0 * 128.0 * 256.0 * 64.0 / 5e12);
        // 584 rows on one and 60 or 64 on each of the others: more tiles for the same rows.
        let counts = [584.0, 64.0, 64.0, 64.0, 64.0, 64.0, 60.0, 60.0];
        let skewed = Loads::of(counts.map(|rows| (1.0, rows)));
        let (slower, _) = grouped(&GPU, 1e14, &experts(skewed, 1024, 1024), [2.0, 2.0], &c);
        assert!(slower.engine > parts.engine * 0.99);
    }

    #[test]
    fn rows_of_other_chips_are_walked_through() {
        // 8 of 64 rows stay here; passes over 64 rows of 2 KB in and out, at 1 TB/s.
        let c = Grouped {
            passes: 3.0,
            ..coefficients()
        };
        let share = experts(Loads::even(8.0, 8.0), 8, 64);
        let (with, _) = grouped(&GPU, 1e14, &share, [2.0, 2.0], &c);
        let (without, _) = grouped(&GPU, 1e14, &share, [2.0, 2.0], &coefficients());
        close(with.total.0 - without.total.0, 3.0 * 64.0 * 4096.0 / 1e12);
        close(with.launch.0, 7e-6);
    }

    #[test]
    fn weights_of_odd_widths_load_at_half_the_rate() {
        let mut odd = experts(Loads::even(4.0, 4.0), 4, 4);
        odd.n = 1016;
        let mut even = odd;
        even.n = 1008;
        let time = |e: &Experts| {
            grouped(&GPU, 1e14, e, [2.0, 2.0], &coefficients())
                .0
                .memory
                .0
        };
        let ratio = time(&odd) / time(&even);
        assert!((1.8..2.1).contains(&ratio), "{ratio}");
    }
}
