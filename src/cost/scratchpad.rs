//! Latency of one layer on a weight-stationary array that loads tiles into a scratchpad, under a given mapping.
//!
//! The machine: a square array behind a scratchpad that instructions fill and drain; requests of a few bytes go over
//! a bus to two caches and main memory. Elements have one byte. What the machine does for a layer is counted first
//! ([`Layer::count`]: facts of shape, mapping and chip); constants of the machine turn counts into cycles
//! ([`Counts::cycles`]).
//!
//! ```
//! use wattline::cost::scratchpad::{Chip, Cache, Layer, Mapping, Rank, Sizes};
//!
//! let cache = Cache { line: 64, lines: 8192, ways: 8 };
//! let chip = Chip { side: 16, floor: 4, bus: 16, request: 64, caches: [cache; 2] };
//! let layer = Layer::product(64, 128, 128);
//! let mapping = Mapping { tile: Sizes { k: 64, ..layer.sizes }, loops: vec![(Rank::K, 2)] };
//! let counts = layer.count(&mapping, &chip);
//! assert_eq!(counts.rows, 4096); // 8 x 8 blocks of weights, 64 rows through each
//! assert_eq!(counts.loads[0].bytes, 2 * 64 * 128); // inputs come again for each half of the outputs
//! ```

pub use super::lines::Cache;

/// A loop of the layer. Source: the usual names of convolutions, as Timeloop has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rank {
    /// Input channels; the inner size of a matrix product.
    C,
    /// Output channels; the columns of a product.
    K,
    /// Outputs of a row; the rows of a product.
    P,
    /// Rows of outputs.
    Q,
    /// Weights along a row.
    R,
    /// Rows of weights.
    S,
}

impl Rank {
    /// Whether partial sums are added up over it.
    pub fn is_reduced(self) -> bool {
        match self {
            Self::C | Self::R | Self::S => true,
            Self::K | Self::P | Self::Q => false,
        }
    }
}

/// A size for every loop, none of them 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "named as the variants of `Rank`")]
pub struct Sizes {
    pub c: u64,
    pub k: u64,
    pub p: u64,
    pub q: u64,
    pub r: u64,
    pub s: u64,
}

impl Sizes {
    /// Of one loop.
    pub fn of(&self, rank: Rank) -> u64 {
        match rank {
            Rank::C => self.c,
            Rank::K => self.k,
            Rank::P => self.p,
            Rank::Q => self.q,
            Rank::R => self.r,
            Rank::S => self.s,
        }
    }

    /// The same with another size of one loop.
    pub fn with(mut self, rank: Rank, size: u64) -> Self {
        match rank {
            Rank::C => self.c = size,
            Rank::K => self.k = size,
            Rank::P => self.p = size,
            Rank::Q => self.q = size,
            Rank::R => self.r = size,
            Rank::S => self.s = size,
        }
        self
    }

    /// None larger than in `outer`.
    pub(super) fn within(&self, outer: &Self) -> Self {
        use Rank::{C, K, P, Q, R, S};
        let clip = |found: Self, rank| found.with(rank, self.of(rank).min(outer.of(rank)));
        [C, K, P, Q, R, S].into_iter().fold(*self, clip)
    }
}

/// One image through a convolution with padding that keeps its size, or a matrix product (`Q = R = S = 1`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layer {
    /// Sizes of its loops.
    pub sizes: Sizes,
    /// Distance of two windows, along rows and columns.
    pub stride: u64,
}

/// Tiles of a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// What lies in the scratchpad at a time; the last tile of a loop may be smaller.
    pub tile: Sizes,
    /// Loops over tiles, outermost first.
    pub loops: Vec<(Rank, u64)>,
}

/// The machine, as far as counts depend on it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Chip {
    /// Rows, and columns, of the array.
    pub side: u64,
    /// Least rows that one instruction occupies the array for.
    pub floor: u64,
    /// Bytes per cycle between scratchpad and caches.
    pub bus: u64,
    /// Most bytes of a request.
    pub request: u64,
    /// Caches, the one next to the scratchpad first.
    pub caches: [Cache; 2],
}

/// Cycles of the machine, measured or fitted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Constants {
    /// Of issuing one block of weights and one strip of inputs.
    pub pair: f64,
    /// Of a load request.
    pub request: f64,
    /// Of a line missed in each cache, on top of those before it.
    pub miss: [f64; 2],
    /// Of a store request.
    pub store: f64,
    /// Once a layer.
    pub start: f64,
    /// Of each tile: commands of its loops.
    pub tile: f64,
    /// Share of the shorter of loading and executing that is not hidden behind the longer, where tiles follow each
    /// other in a convolution.
    pub unhidden: f64,
}

/// What is loaded of one tensor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Loads {
    /// Bytes into the scratchpad.
    pub bytes: u64,
    /// Requests for them.
    pub requests: u64,
    /// Lines missed in each cache.
    pub missed: [f64; 2],
}

/// What the machine does for a layer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Counts {
    /// Whether the layer is a matrix product.
    pub product: bool,
    /// Tiles.
    pub tiles: u64,
    /// Cycles in which rows enter the array.
    pub rows: u64,
    /// Instructions: a block of weights and a strip of inputs each.
    pub pairs: u64,
    /// Of inputs and weights.
    pub loads: [Loads; 2],
    /// Requests that store results.
    pub stores: u64,
    /// Bytes per cycle of the bus.
    pub bus: u64,
}

impl Layer {
    /// `[m, c] x [c, k]`.
    pub fn product(m: u64, c: u64, k: u64) -> Self {
        let sizes = Sizes {
            c,
            k,
            p: m,
            q: 1,
            r: 1,
            s: 1,
        };
        Self { sizes, stride: 1 }
    }

    /// Whether it is a matrix product.
    pub fn is_product(&self) -> bool {
        self.sizes.q == 1 && self.sizes.r == 1 && self.sizes.s == 1
    }

    /// Rows and columns of inputs under a tile of outputs.
    pub(super) fn window(&self, tile: &Sizes) -> [u64; 2] {
        if self.is_product() {
            return [1, tile.p];
        }
        let side = |outputs: u64, taps: u64, all: u64| {
            (outputs * self.stride + taps - 1).min(all * self.stride)
        };
        [
            side(tile.q, tile.s, self.sizes.q),
            side(tile.p, tile.r, self.sizes.p),
        ]
    }

    /// What the machine does under a mapping.
    ///
    /// - rows: every block of `side x side` weights takes every output once, in strips of at most `side` of a row and
    ///   at least `floor` cycles each; the first strip after new weights takes as long as these enter, `side`;
    /// - loads: every iteration over tiles loads its inputs (without padding) and its weights anew;
    /// - stores: results leave once, after the last step of the reduction, as blocks of `side` channels, of whole
    ///   requests in products.
    ///
    /// Source: loops, tiles and requests from the C library of Gemmini (`gemmini.h` of ucb-bar/gemmini-rocc-tests);
    /// the cycles of strips from memory of its generator.
    pub fn count(&self, mapping: &Mapping, chip: &Chip) -> Counts {
        let (all, tile) = (&self.sizes, mapping.tile.within(&self.sizes));
        let n = |rank: Rank| all.of(rank).div_ceil(tile.of(rank));
        let units = |rank: Rank, unit: u64| {
            let cut = chunks(all.of(rank), tile.of(rank));
            cut.map(|size| size.div_ceil(unit)).sum::<u64>()
        };
        let blocks = units(Rank::C, chip.side) * units(Rank::K, chip.side) * all.r * all.s;
        let (rows, pairs) = self.strips(&tile, chip);
        let pixels = self.pixels(&tile) * n(Rank::K);
        let weight_rows = all.c * all.r * all.s * n(Rank::P) * n(Rank::Q);
        let missed = chip.caches.map(|cache| cache.misses(self, mapping));
        let load = |slot: usize, rows: u64, rank: Rank| Loads {
            bytes: rows * all.of(rank),
            requests: rows * units(rank, chip.request),
            missed: missed.map(|lines| lines[slot]),
        };
        let stored = if self.is_product() {
            chip.request
        } else {
            chip.side
        };
        use Rank::{C, K, P, Q, R, S};
        Counts {
            product: self.is_product(),
            tiles: [C, K, P, Q, R, S].map(n).iter().product(),
            rows: blocks * rows,
            pairs: blocks * pairs,
            loads: [load(0, pixels, C), load(1, weight_rows, K)],
            stores: all.p * all.q * units(K, stored),
            bus: chip.bus,
        }
    }

    /// Cycles and strips of all outputs through one block of weights.
    fn strips(&self, tile: &Sizes, chip: &Chip) -> (u64, u64) {
        let (mut rows, mut pairs) = (0, 0);
        for p in chunks(self.sizes.p, tile.p) {
            let strips = chunks(p, chip.side);
            // Rows of a product are padded to whole blocks.
            let cycles = |strip: u64| match self.is_product() {
                true => chip.side,
                false => strip.max(chip.floor),
            };
            let first = strips.clone().next().map_or(chip.side, cycles);
            let line: u64 = strips.clone().map(cycles).sum();
            for q in chunks(self.sizes.q, tile.q) {
                pairs += q * strips.clone().count() as u64;
                rows += q * line + chip.side.saturating_sub(first);
            }
        }
        (rows, pairs)
    }

    /// Pixels of inputs that are read over all tiles of `P, Q, R, S`.
    fn pixels(&self, tile: &Sizes) -> u64 {
        let all = &self.sizes;
        if self.is_product() {
            return all.p;
        }
        self.inside([all.q, tile.q], [all.s, tile.s])
            * self.inside([all.p, tile.p], [all.r, tile.r])
    }

    /// Rows within the image that all tiles read, of outputs `[all, tile]` and taps `[all, tile]`.
    fn inside(&self, outputs: [u64; 2], taps: [u64; 2]) -> u64 {
        let (padding, rows) = (taps[0] / 2, outputs[0] * self.stride);
        let mut sum = 0;
        for (i, n) in (0..)
            .step_by(outputs[1] as usize)
            .zip(chunks(outputs[0], outputs[1]))
        {
            for (j, k) in (0..)
                .step_by(taps[1] as usize)
                .zip(chunks(taps[0], taps[1]))
            {
                let from: u64 = i * self.stride + j;
                let to = (from + n * self.stride + k - 1).saturating_sub(padding);
                sum += to.min(rows).saturating_sub(from.saturating_sub(padding));
            }
        }
        sum
    }
}

impl Loads {
    /// `max(bytes / bus, requests · request) + Σ missed · miss`
    fn cycles(&self, bus: u64, constants: &Constants) -> f64 {
        let moved = self.bytes as f64 / bus as f64;
        let issued = self.requests as f64 * constants.request;
        let [near, far] = constants.miss;
        moved.max(issued) + self.missed[0] * near + self.missed[1] * far
    }
}

impl Counts {
    /// Cycles to execute: rows, or the instructions that send them.
    pub fn execute(&self, constants: &Constants) -> f64 {
        (self.rows as f64).max(self.pairs as f64 * constants.pair)
    }

    /// Cycles to load inputs and weights.
    pub fn load(&self, constants: &Constants) -> f64 {
        let [lhs, rhs] = self.loads.map(|loads| loads.cycles(self.bus, constants));
        lhs + rhs
    }

    /// Cycles to store results.
    pub fn store(&self, constants: &Constants) -> f64 {
        self.stores as f64 * constants.store
    }

    /// Cycles of the layer:
    ///
    /// `max(execute + unhidden · min(execute, load), load, store) + load / n + store / n + start + n · tile`
    ///
    /// over `n` tiles: loading, executing and storing overlap, but for the first load, the last store, and in
    /// convolutions of several tiles a share of the shorter. Products load within a tile while they execute, thus
    /// neither wait for a first load nor lose that share.
    ///
    /// Source: derived, but for the share: fitted on FireSim runs of Gemmini.
    pub fn cycles(&self, constants: &Constants) -> f64 {
        let n = self.tiles as f64;
        let (execute, load) = (self.execute(constants), self.load(constants));
        let store = self.store(constants);
        let (first, unhidden) = if self.product {
            (0.0, 0.0)
        } else if self.tiles == 1 {
            (load, 0.0)
        } else {
            (load / n, constants.unhidden * execute.min(load))
        };
        let overlapped = (execute + unhidden).max(load).max(store);
        overlapped + first + store / n + constants.start + n * constants.tile
    }
}

/// Sizes of the pieces of a loop, all but the last the same.
fn chunks(all: u64, size: u64) -> impl Iterator<Item = u64> + Clone {
    (0..all.div_ceil(size)).map(move |i| size.min(all - i * size))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CACHE: Cache = Cache {
        line: 64,
        lines: 1 << 30,
        ways: 1 << 30,
    };
    const CHIP: Chip = Chip {
        side: 16,
        floor: 4,
        bus: 16,
        request: 64,
        caches: [CACHE; 2],
    };
    const CONSTANTS: Constants = Constants {
        pair: 10.0,
        request: 5.0,
        miss: [0.0; 2],
        store: 2.0,
        start: 1000.0,
        tile: 10.0,
        unhidden: 0.5,
    };

    /// 3x3, 8x8 outputs of 32 channels from 16, in two tiles of four rows.
    fn convolution() -> (Layer, Mapping) {
        let sizes = Sizes {
            c: 16,
            k: 32,
            p: 8,
            q: 8,
            r: 3,
            s: 3,
        };
        let mapping = Mapping {
            tile: Sizes { q: 4, ..sizes },
            loops: vec![(Rank::Q, 2)],
        };
        (Layer { sizes, stride: 1 }, mapping)
    }

    #[test]
    fn a_convolution_by_hand() {
        let (layer, mapping) = convolution();
        let counts = layer.count(&mapping, &CHIP);
        // 1 x 2 x 3 x 3 blocks; per tile four rows of 8 outputs, and 8 more cycles for new weights.
        assert_eq!(counts.rows, 18 * 2 * (4 * 8 + 8));
        assert_eq!(counts.pairs, 18 * 2 * 4);
        // Each tile needs five of the eight rows: four, and one beside the edge.
        assert_eq!(counts.loads[0].bytes, (5 + 5) * 8 * 16);
        assert_eq!(counts.loads[0].requests, (5 + 5) * 8);
        assert_eq!(counts.loads[1].bytes, 2 * 9 * 16 * 32);
        assert_eq!(counts.loads[1].requests, 2 * 9 * 16);
        assert_eq!(counts.stores, 64 * 2);
        assert_eq!(counts.tiles, 2);
    }

    #[test]
    fn cycles_by_hand() {
        let (layer, mapping) = convolution();
        let counts = layer.count(&mapping, &CHIP);
        let counts = Counts {
            loads: counts.loads.map(|l| Loads {
                missed: [0.0; 2],
                ..l
            }),
            ..counts
        };
        // Instructions: 144 pairs of 10 cycles, and 1440 rows, the same. Requests: 80 and 288 of 5 cycles; bytes on
        // the bus, 80 and 576 cycles, are less. Stores: 128 of 2.
        assert_eq!(counts.execute(&CONSTANTS), 1440.0);
        assert_eq!(counts.load(&CONSTANTS), 1840.0);
        assert_eq!(counts.store(&CONSTANTS), 256.0);
        // Half of 1440 is not hidden: 2160, longer than the loads; half the load, half the store, start, two tiles.
        let cycles = 2160.0 + 920.0 + 128.0 + 1000.0 + 20.0;
        assert_eq!(counts.cycles(&CONSTANTS), cycles);
    }

    #[test]
    fn a_product_hides_its_loads() {
        let layer = Layer::product(40, 64, 64);
        let mapping = Mapping {
            tile: layer.sizes,
            loops: vec![],
        };
        let counts = layer.count(&mapping, &CHIP);
        // 16 blocks, 40 rows padded to 48.
        assert_eq!(counts.rows, 16 * 48);
        assert_eq!(counts.loads[0].requests, 40);
        assert_eq!(counts.loads[1].requests, 64);
        assert_eq!(counts.stores, 40);
        let cycles = counts.cycles(&CONSTANTS);
        assert!(
            (cycles - (768.0 + 80.0 + 1000.0 + 10.0)).abs() < 1e-6,
            "{cycles}"
        );
    }

    #[test]
    fn strides_read_the_rows_between() {
        // Two tiles of two outputs, stride 2, one tap: four rows each.
        let (layer, _) = convolution();
        let layer = Layer { stride: 2, ..layer };
        assert_eq!(layer.inside([4, 2], [1, 1]), 8);
        // Three taps, taps apart: padding of one row at the top is not read, at the bottom the image ends.
        assert_eq!(layer.inside([4, 4], [3, 1]), 7 + 8 + 7);
    }
}
