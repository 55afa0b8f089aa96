//! Products timed by hand on a chip of round figures.

use super::*;
use crate::hardware::kernels::Coefficients;
use crate::units::{Bytes, BytesPerSecond, Hertz};

/// Ten clusters, 1 TB/s, 10 MB of cache, 1 GHz.
const GPU: Gpu = Gpu {
    clusters: 10.0,
    memory: BytesPerSecond(1e12),
    cache: Bytes(10e6),
    clock: Hertz(1e9),
};

/// MACs per second.
const PEAK: f64 = 1e14;

/// Half of every peak, no losses that the tests do not name. A step of 64 elements of a tile of 128 by 128
/// takes `128·128·64 / (1e13 · 0.5) = 0.21 us` of the engine and, at 128 bytes per cycle,
/// `(128 + 128) · 2 · 64 / 128e9 = 0.256 us` of the port to the cache.
fn coefficients() -> Gemm {
    Gemm {
        launch: Seconds(2e-6),
        engine: 0.5,
        small_tile: 0.0,
        step: Seconds(5e-9),
        long_side: 0.0,
        prologue: Seconds(1e-6),
        read: 0.5,
        write: 0.5,
        cluster: BytesPerSecond(5e12),
        cache: 2.0,
        resident: 0.01,
        fresh: 0.05,
        split: Seconds(3e-6),
        parts: 1.0,
        fractional: 0.0,
        exposed: 0.5,
        choice: 0.0,
        vector_launch: Seconds(1e-6),
        vector_read: 0.5,
        vector_step: Seconds(1e-9),
        depth: 128.0,
        narrow: Seconds(5e-6),
        narrow_read: 0.5,
    }
}

fn product(sizes: [f64; 4], bytes: [f64; 3]) -> Product {
    Product {
        sizes,
        widths: [2.0, 2.0],
        bytes,
        stored: None,
        steps: 1.0,
    }
}

#[track_caller]
fn close(found: f64, expected: f64) {
    assert!(
        (found / expected - 1.0).abs() < 1e-3,
        "{found} against {expected}"
    );
}

#[track_caller]
fn timed(p: &Product, c: &Gemm) -> (Parts, LibraryTile) {
    let (parts, tile) = gemm(&GPU, &[128], PEAK, p, c).expect("a tile");
    (parts, tile.expect("no matrix-vector kernel"))
}

#[test]
fn one_wave_is_its_steps_and_the_prologue() {
    // 10 tiles on 10 clusters, 1024/64 = 16 steps of 0.256 us, and 1 us.
    let p = product([1.0, 128.0, 1280.0, 1024.0], [0.0; 3]);
    let (parts, tile) = timed(&p, &coefficients());
    close(parts.total.0, 16.0 * 0.256e-6 + 1e-6);
    close(parts.launch.0, 2e-6);
    assert_eq!((tile.m, tile.n, tile.k, tile.split), (128, 128, 64, 1));
}

#[test]
fn two_tiles_share_a_cluster_until_the_last_wave() {
    // 25 tiles on 20 places: a wave of two tiles each, then 5 tiles of their own.
    let p = product([1.0, 128.0, 3200.0, 1024.0], [0.0; 3]);
    let (parts, _) = timed(&p, &coefficients());
    close(
        parts.total.0,
        (16.0 * 0.512e-6 + 1e-6) + (16.0 * 0.256e-6 + 1e-6),
    );
}

#[test]
fn operands_out_of_the_cache_are_read_at_the_achieved_rate() {
    // 1 GB at 0.5 TB/s, and over 10 clusters of 5 TB/s; 1 MB written at 0.5 TB/s, half of it exposed.
    let p = product([1.0, 128.0, 1280.0, 1024.0], [0.0, 1e9, 1e6]);
    let (parts, _) = timed(&p, &coefficients());
    close(parts.total.0, 2e-3 + 2e-5 + 2e-6 + 1e-6);
    // A weight of a tenth of the cache's share stays there: (1e4 / 1e5)^4 of it is read.
    let p = product([1.0, 128.0, 1280.0, 1024.0], [0.0, 1e4, 0.0]);
    let (parts, _) = timed(&p, &coefficients());
    close(parts.memory.0, 1e4 * 1e-4 * (2e-12 + 2e-14));
}

#[test]
fn a_long_sum_is_split() {
    // One tile, 1024 steps: in four parts 256 each, and 3 us and 4 B · 128² · 4 at 10 · 128 GB/s to join them.
    let p = product([1.0, 128.0, 128.0, 65536.0], [0.0; 3]);
    let c = Gemm {
        parts: 4.0,
        ..coefficients()
    };
    let (parts, tile) = timed(&p, &c);
    assert_eq!(tile.split, 4);
    close(
        parts.total.0,
        256.0 * 0.256e-6 + 1e-6 + 3e-6 + 262_144.0 / 1.28e12,
    );
}

#[test]
fn one_row_takes_the_matrix_vector_kernel() {
    // 2 MB at 0.5 TB/s.
    let p = product([1.0, 1.0, 1024.0, 1024.0], [2048.0, 2_097_152.0, 2048.0]);
    let (parts, tile) = gemm(&GPU, &[128], PEAK, &p, &coefficients()).expect("a time");
    assert_eq!(tile, None);
    close(parts.launch.0, 1e-6);
    close(parts.total.0, 2_101_248.0 / 0.5e12);
}

#[test]
fn narrowing_moves_the_operand_twice() {
    // 128 x 1024 elements of 2 bytes in and 1 byte out, at 0.5 TB/s, after 5 us.
    let base = product([1.0, 128.0, 1280.0, 1024.0], [0.0; 3]);
    let mut p = base;
    p.widths = [1.0, 1.0];
    let (plain, _) = timed(&p, &coefficients());
    p.stored = Some(2.0);
    let (narrowed, _) = timed(&p, &coefficients());
    close(narrowed.launch.0 - plain.launch.0, 5e-6);
    close(
        narrowed.total.0 - plain.total.0,
        128.0 * 1024.0 * 3.0 / 0.5e12,
    );
}

#[test]
fn a_library_that_misses_the_best_tile() {
    let mut best = Best::default();
    for time in [4.0, 1.0, 3.0, 2.0, 5.0] {
        best.take(Candidate {
            time,
            body: 0.0,
            read: 0.0,
            tile: [1.0, 1.0],
            splits: 1.0,
            tiles: 1.0,
        });
    }
    // Half of the time the first, else one of 2, 3 and 4.
    close(best.expected(0.0), 1.0);
    close(best.expected(0.5), 0.5 + 0.5 * 3.0);
}

#[test]
fn no_tile_of_no_sides() {
    let p = product([1.0, 128.0, 128.0, 128.0], [0.0; 3]);
    assert!(gemm(&GPU, &[], PEAK, &p, &coefficients()).is_none());
}

#[test]
fn values_come_back_as_they_were() {
    let set = coefficients();
    assert_eq!(Gemm::from_values(&set.values()), set);
}
