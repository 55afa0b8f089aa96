//! Cache lines that a tiled layer misses in the caches between a scratchpad and main memory.
//!
//! Caches of a few ways do not keep the most recent lines exactly: whether a line is still there is a chance that
//! falls with what came in between.

use super::scratchpad::{Layer, Mapping, Rank, Sizes};

/// A cache between the scratchpad and main memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cache {
    /// Bytes of a line.
    pub line: u64,
    /// How many lines it holds.
    pub lines: u64,
    /// Lines of a set.
    pub ways: u64,
}

/// Lines of inputs, weights and outputs.
type Lines = [f64; 3];

impl Cache {
    /// Lines of `[lhs, rhs, acc]` that are missed in a run of the layer after one of the same layer.
    ///
    /// From the tile outwards, a loop of `n` iterations that each miss `M` lines of a tensor, and `fp` different
    /// ones, misses
    ///
    /// `h · min(n·M, fp' + M − fp) + (1 − h) · n·M`, with `h = exp(−(pressure / lines)²)`
    ///
    /// where `fp'` are the different lines of the whole loop, and the pressure is what one iteration brings in; lines of
    /// the tensor itself count for more where the distance of its rows leaves sets unused. Of what is left, `h · fp`
    /// is there from the run before. Outputs are written in the last step of reductions only.
    ///
    /// Source: estimate; the exponent 2 was chosen among 1, 2 and 4 on FireSim runs of Gemmini.
    pub(super) fn misses(&self, layer: &Layer, mapping: &Mapping) -> Lines {
        let mut tile = mapping.tile.within(&layer.sizes);
        let mut distinct = self.distinct(layer, &tile);
        let mut missed = distinct;
        for &(rank, iterations) in mapping.loops.iter().rev() {
            let whole = (tile.of(rank) * iterations).min(layer.sizes.of(rank));
            let repeats = whole.div_ceil(tile.of(rank)) as f64;
            let wider = tile.with(rank, whole);
            let all = self.distinct(layer, &wider);
            let stores = !rank.is_reduced();
            let kept = self.kept(layer, &tile, missed, stores);
            for x in 0..if stores { 3 } else { 2 } {
                let every = repeats * missed[x];
                let fresh = every.min(all[x] + (missed[x] - distinct[x]).max(0.0));
                missed[x] = kept[x] * fresh + (1.0 - kept[x]) * every;
            }
            (tile, distinct) = (wider, all);
        }
        let kept = self.kept(layer, &tile, missed, true);
        [0, 1, 2].map(|x| missed[x] - kept[x] * distinct[x].min(missed[x]))
    }

    /// Chance of each tensor that a line outlives one iteration.
    fn kept(&self, layer: &Layer, tile: &Sizes, missed: Lines, stores: bool) -> Lines {
        let (c, k) = (Rank::C, Rank::K);
        let [lhs, rhs] = [c, k].map(|rank| self.reach(tile.of(rank), layer.sizes.of(rank)));
        let reach = [lhs, rhs, rhs];
        let brought = [missed[0], missed[1], if stores { missed[2] } else { 0.0 }];
        let total: f64 = brought.iter().sum();
        [0, 1, 2].map(|x| {
            let pressure = brought[x] / reach[x] + total - brought[x];
            (-(pressure / self.lines as f64).powi(2)).exp()
        })
    }

    /// Share of the sets in which rows of `run` bytes can lie that start every `pitch` bytes.
    fn reach(&self, run: u64, pitch: u64) -> f64 {
        if !pitch.is_multiple_of(self.line) {
            return 1.0;
        }
        let stride = common_divisor(pitch / self.line, self.lines / self.ways);
        (run.div_ceil(self.line) as f64 / stride as f64).min(1.0)
    }

    /// Different lines of each tensor within a tile; a row that lies in memory without gaps shares its last line.
    fn distinct(&self, layer: &Layer, tile: &Sizes) -> Lines {
        let lines = |rank: Rank| {
            let (run, pitch) = (tile.of(rank), layer.sizes.of(rank));
            if run >= pitch {
                run as f64 / self.line as f64
            } else {
                run.div_ceil(self.line) as f64
            }
        };
        let [rows, columns] = layer.window(tile);
        [
            (rows * columns) as f64 * lines(Rank::C),
            (tile.r * tile.s * tile.c) as f64 * lines(Rank::K),
            (tile.p * tile.q) as f64 * lines(Rank::K),
        ]
    }
}

fn common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: Cache = Cache {
        line: 64,
        lines: 1024,
        ways: 4,
    };

    #[test]
    fn rows_at_a_large_pitch_reach_few_sets() {
        // 256 sets; a row every 16 lines starts in each 16th, one of two lines fills each eighth.
        assert_eq!(SMALL.reach(64, 1024), 1.0 / 16.0);
        assert_eq!(SMALL.reach(128, 1024), 1.0 / 8.0);
        assert_eq!(SMALL.reach(1024, 1024), 1.0);
        assert_eq!(SMALL.reach(16, 100), 1.0);
    }

    #[test]
    fn what_fits_by_far_is_there_from_the_run_before() {
        let layer = Layer::product(64, 64, 64);
        let mapping = Mapping {
            tile: layer.sizes,
            loops: vec![],
        };
        let huge = Cache {
            lines: 1 << 30,
            ways: 1 << 30,
            ..SMALL
        };
        let missed: f64 = huge.misses(&layer, &mapping).iter().sum();
        assert!(missed < 1e-9, "{missed}");
    }

    #[test]
    fn what_never_fits_is_missed_each_time() {
        // Inputs of 64 x 64 bytes are 64 lines, read once for each of two halves of 64 outputs: 128.
        let layer = Layer::product(64, 64, 128);
        let mapping = Mapping {
            tile: Sizes {
                k: 64,
                ..layer.sizes
            },
            loops: vec![(Rank::K, 2)],
        };
        let tiny = Cache {
            lines: 1,
            ways: 1,
            ..SMALL
        };
        let [lhs, rhs, acc] = tiny.misses(&layer, &mapping);
        assert_eq!([lhs, rhs, acc], [128.0, 128.0, 128.0]);
    }
}
