//! Matrix products of GPU libraries: every tile and split is timed, the library takes about the best.

use smallvec::SmallVec;

use crate::hardware::kernels::Gemm;
use crate::units::Seconds;

use super::{Gpu, Parts};
use crate::cost::LibraryTile;

/// Parts into which libraries split a sum.
const SPLITS: [f64; 10] = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 12.0, 16.0, 24.0];

/// Least length of a part of a sum.
const LEAST_PART: f64 = 256.0;

/// Waves of tiles beyond which no sum is split.
const FULL: f64 = 3.0;

/// Accumulators of a tile that has a cluster to itself: 128 by 256 results in 128 KiB of its 256 KiB of
/// registers. Source: NVIDIA H100 and A100 whitepapers, register file per streaming multiprocessor.
const WHOLE: f64 = 32768.0;

/// Most accumulators of a tile: three quarters of the registers.
const MOST_AREA: f64 = 49152.0;

/// Least accumulators of a tile: 32 by 32.
const LEAST_AREA: f64 = 1024.0;

/// Most that one side of a tile is longer than the other.
const SLENDER: f64 = 8.0;

/// Most tiles that share a cluster.
const TOGETHER: f64 = 4.0;

/// Bytes per cycle that one cluster takes from the shared cache. Source: NVIDIA A100 whitepaper (2020).
const PORT: f64 = 64.0;

/// Rows up to which a matrix-vector kernel is considered.
const FEW_ROWS: f64 = 4.0;

/// Columns of a block of a matrix-vector kernel. Source: estimate.
pub(super) const VECTOR_COLUMNS: f64 = 64.0;

/// Bytes of a partial sum.
const PARTIAL: f64 = 4.0;

/// Bytes of a step that `step` is the time of.
const STEP_BYTES: f64 = 128.0;

/// A product as its kernel sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Product {
    /// Sizes `g, m, n, k`.
    pub(super) sizes: [f64; 4],
    /// Bytes of an element of the left and right operand.
    pub(super) widths: [f64; 2],
    /// Bytes of all of the left operand, the right one and the result.
    pub(super) bytes: [f64; 3],
    /// Bytes of an element of the left operand before it is narrowed.
    pub(super) stored: Option<f64>,
    /// Share of the steps that zeros leave.
    pub(super) steps: f64,
}

/// Time of a product, and the tile that is behind it, none for a matrix-vector kernel; `None` if no tile can be
/// made of the sides.
///
/// ```text
/// math   = tm tn kt / (peak/SM engine min(1, tm tn / 128·256)^small_tile)
/// step   = max(t math, step (kt a/128 B) (max(tm, tn)/128)^long_side, t (tm a + tn b) kt / (64 B cache clock))
/// body   = (waves - 1)(step of full clusters x steps + prologue) + step of the last wave x steps + prologue
/// read   = (missed A + missed B) (1/(B read) + 1/(tiles at once x cluster ((tm + tn)/256)^0.5))
/// write  = C / (B write)
/// t      = launch + max(body, read + write) + exposed min(write, max(body, read))
///          + [splits > 1] (split + 4 m n splits / cache)
/// T      = (1 - choice) best t + choice mean of the next three
/// ```
///
/// `t` in `step` is the number of tiles that share a cluster: tiles of half the registers or less run
/// together, and hide each other's latency. With up to four rows a matrix-vector kernel may be faster:
/// `vector_launch + max(bytes / (B vector_read), k/64 vector_step)`. `peak` is in MACs per second.
pub(super) fn gemm(
    gpu: &Gpu,
    sides: &[u64],
    peak: f64,
    p: &Product,
    c: &Gemm,
) -> Option<(Parts, Option<LibraryTile>)> {
    let [g, m, n, k] = p.sizes;
    let [left, right, result] = p.bytes;
    let cache = gpu.cache.0;
    let stays = |bytes: f64, share: f64| 1.0 / (1.0 + (bytes / (cache * share)).powi(4));
    let missed = right * (1.0 - stays(right, c.resident)) + left * (1.0 - stays(left, c.fresh));
    let work = Work {
        gpu,
        c,
        p,
        peak,
        depth: c.depth / p.widths[0],
        missed,
        write: result / (gpu.memory.0 * c.write),
    };
    let mut best = Best::default();
    let least = sides.iter().copied().min().unwrap_or(1);
    let sides: SmallVec<[Side; 8]> = sides.iter().map(|side| Side::of(*side, c)).collect();
    let fits = |size: f64| move |side: &&Side| !is_mostly_empty(side.length, least, size);
    for tm in sides.iter().filter(fits(m)) {
        for tn in sides.iter().filter(fits(n)) {
            let (short, long) = (tm.length.min(tn.length), tm.length.max(tn.length));
            if (LEAST_AREA..=MOST_AREA).contains(&(short * long)) && long <= SLENDER * short {
                work.try_splits([tm, tn], &mut best);
            }
        }
    }
    let narrowing = p.stored.map_or((0.0, 0.0), |stored| {
        let moved = g * m * k * (stored + p.widths[0]);
        (c.narrow.0, moved / (gpu.memory.0 * c.narrow_read))
    });
    let tiled = best.expected(c.choice);
    let vector = if m <= FEW_ROWS {
        let moved = (left + right + result) / (gpu.memory.0 * c.vector_read);
        moved.max(k / 64.0 * c.vector_step.0)
    } else {
        f64::INFINITY
    };
    if c.vector_launch.0 + vector < c.launch.0 + tiled {
        let parts = Parts {
            launch: Seconds(c.vector_launch.0 + narrowing.0),
            engine: Seconds::ZERO,
            memory: Seconds(vector + narrowing.1),
            total: Seconds(vector + narrowing.1),
            occupancy: n / VECTOR_COLUMNS / gpu.clusters,
        };
        return Some((parts, None));
    }
    let first = best.first()?;
    let parts = Parts {
        launch: Seconds(c.launch.0 + narrowing.0),
        engine: Seconds(first.body),
        memory: Seconds((first.read + work.write + narrowing.1).min(tiled + narrowing.1)),
        total: Seconds(tiled + narrowing.1),
        occupancy: first.tiles / gpu.clusters,
    };
    let tile = LibraryTile {
        m: first.tile[0] as u64,
        n: first.tile[1] as u64,
        k: work.depth as u64,
        split: first.splits as u64,
    };
    Some((parts, Some(tile)))
}

/// A side twice as long as what it covers serves no product that a shorter one does not serve better.
fn is_mostly_empty(side: f64, least: u64, size: f64) -> bool {
    side > least.max(64) as f64 && side >= 2.0 * size
}

/// A side of tiles, with the powers of it that all tiles share.
#[derive(Clone, Copy, Debug)]
struct Side {
    length: f64,
    /// Over the side of a square tile that has a cluster to itself, to the power by which small tiles lose rate.
    rate: f64,
    /// Over 128, to the power by which long sides take longer steps.
    latency: f64,
}

impl Side {
    fn of(length: u64, c: &Gemm) -> Self {
        let length = length as f64;
        Self {
            length,
            rate: (length / WHOLE.sqrt()).powf(c.small_tile),
            latency: (length / 128.0).powf(c.long_side),
        }
    }
}

/// What all candidates share.
struct Work<'a> {
    gpu: &'a Gpu,
    c: &'a Gemm,
    p: &'a Product,
    peak: f64,
    /// Elements along the sum in one step.
    depth: f64,
    /// Bytes of operands that main memory is asked for.
    missed: f64,
    write: f64,
}

impl Work<'_> {
    fn try_splits(&self, sides: [&Side; 2], best: &mut Best) {
        let [tm, tn] = sides.map(|side| side.length);
        let (c, gpu) = (self.c, self.gpu);
        let [g, m, n, k] = self.p.sizes;
        let [a, b] = self.p.widths;
        let clusters = gpu.clusters;
        let area = tm * tn;
        let tiles = g * (m / tm).ceil() * (n / tn).ceil();
        let small = (sides[0].rate * sides[1].rate).min(1.0);
        let rate = self.peak / clusters * c.engine * small;
        let math = area * self.depth / rate * self.p.steps;
        let long = sides[0].latency.max(sides[1].latency);
        let latency = c.step.0 * (c.depth / STEP_BYTES) * long;
        let port = (a * tm + b * tn) * self.depth / (c.cache * PORT * gpu.clock.0);
        let step = |tiles: f64| (tiles * math.max(port)).max(latency);
        let together = (WHOLE / area).floor().clamp(1.0, TOGETHER);
        let slots = clusters * together;
        let in_flight = c.cluster.0 * ((tm + tn) / 256.0).sqrt();
        let blocks = (k / self.depth).ceil();
        for splits in SPLITS {
            let steps = (blocks / splits).ceil();
            let is_short = steps * self.depth < LEAST_PART;
            let is_split = splits > 1.0;
            if is_split && (splits > c.parts || is_short || tiles * splits > FULL * clusters) {
                break;
            }
            let splits = (blocks / steps).ceil();
            let all = tiles * splits;
            let waves = (all / slots).ceil();
            let last = ((all - (waves - 1.0) * slots) / clusters).max(1.0);
            let last = (1.0 - c.fractional) * last.ceil() + c.fractional * last;
            let body = (waves - 1.0) * (step(together) * steps + c.prologue.0)
                + step(last) * steps
                + c.prologue.0;
            let at_once = 1.0 / (gpu.memory.0 * c.read) + 1.0 / (all.min(slots) * in_flight);
            let read = self.missed * at_once;
            let exposed = c.exposed * self.write.min(body.max(read));
            let mut time = body.max(read + self.write) + exposed;
            if splits > 1.0 {
                let rate = clusters * c.cache * PORT * gpu.clock.0;
                time += c.split.0 + PARTIAL * g * m * n * splits / rate;
            }
            best.take(Candidate {
                time,
                body,
                read,
                tile: [tm, tn],
                splits,
                tiles: all,
            });
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Candidate {
    time: f64,
    body: f64,
    read: f64,
    tile: [f64; 2],
    splits: f64,
    /// Tiles, those of each part of the sum counted.
    tiles: f64,
}

/// The four fastest, in order.
#[derive(Default)]
struct Best(SmallVec<[Candidate; 4]>);

impl Best {
    fn take(&mut self, candidate: Candidate) {
        let at = self.0.partition_point(|c| c.time <= candidate.time);
        if at < self.0.inline_size() {
            self.0.truncate(self.0.inline_size() - 1); // room for one, so that nothing moves to the heap
            self.0.insert(at, candidate);
        }
    }

    fn first(&self) -> Option<Candidate> {
        self.0.first().copied()
    }

    /// The time of a library that finds the best with probability `1 - choice`, else one of the next.
    fn expected(&self, choice: f64) -> f64 {
        let first = self.first().map_or(f64::INFINITY, |c| c.time);
        let rest = self.0.get(1..).unwrap_or_default();
        if rest.is_empty() {
            return first;
        }
        let mean = rest.iter().map(|c| c.time).sum::<f64>() / rest.len() as f64;
        (1.0 - choice) * first + choice * mean
    }
}

#[cfg(test)]
mod tests;
