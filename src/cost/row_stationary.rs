//! Words, cycles and energy of a row-stationary mapping.
//!
//! Words come from the general accounting of the nest, but for inputs, where the machine differs: padding lies in
//! the buffer and not in main memory; and one read of the buffer serves all engines on a diagonal, over all loops
//! that make up the rows of a strip and over a smaller last strip, while the accounting tells equal rows apart
//! for two loops at a time.
//!
//! Cycles are a closed form, since the accounting knows only sums: within a pass multiplications and the wires of
//! each operand overlap; passes follow each other; filter rows move in before each.

use crate::hardware::{Buffering, RowStationary, System};
use crate::mapping::{Chain, ConvSizes, Convention, Nest, RowPlan};
use crate::units::{Bytes, Seconds};
use crate::workload::{Dtype, Einsum, Slot};

use super::book::{Cost, Traffic};
use super::evaluate::{Counted, Evaluation, evaluate_counted};
use super::nest::Work;
use super::reuse::{Accesses, Widths, account};
use super::sparse::Zeros;

/// Words that cross two boundaries; partial sums of the buffer are counted where they are read and where they are
/// written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RowWords {
    /// Between main memory and the chip: `[lhs, rhs, acc]`, without coding.
    pub main: [f64; 3],
    /// Between the buffer and the engines: `[lhs, acc]`.
    pub buffer: [f64; 2],
}

/// All strips into which the outputs of one channel are cut.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Strips {
    /// How many.
    pub count: u64,
    /// Inputs that they read from main memory: without padding, those of two strips twice.
    pub fetched: f64,
    /// Inputs that they read from the buffer: with padding.
    pub touched: f64,
}

impl Strips {
    /// Of so many rows and columns each.
    pub fn of(conv: &ConvSizes, e: u64, f: u64) -> Self {
        let [row, column] = conv.sides;
        Self {
            count: row.outputs.div_ceil(e) * column.outputs.div_ceil(f),
            fetched: row.fetched(e) as f64 * column.fetched(f) as f64,
            touched: row.touched(e) as f64 * column.touched(f) as f64,
        }
    }
}

/// A convolution under a plan, on a chip.
#[derive(Clone, Copy, Debug)]
pub struct RowWork<'a> {
    /// Sizes.
    pub conv: &'a ConvSizes,
    /// The chip.
    pub system: &'a System,
    /// Who takes which role there.
    pub rows: &'a RowStationary,
    /// Format of the multiplications.
    pub dtype: Dtype,
    /// Bytes of an element.
    pub widths: &'a Widths,
}

impl RowWork<'_> {
    /// Words under a plan:
    ///
    /// - inputs: stored rows and columns of all strips, with the halo of each, `· M/m`;
    /// - weights: all, for every strip and `N/n`, unless one pass holds all that the buffer's sums need;
    /// - results: once;
    /// - inputs read from the buffer: rows and columns of all strips with padding, `· M/(p·t)`;
    /// - partial sums: written once a pass, read as often: to be added to, and at last to leave.
    ///
    /// Source: derived; equal to the accounting of [`RowPlan::nest`], which tests hold it against.
    pub fn words(&self, plan: &RowPlan) -> RowWords {
        self.words_of(plan, &Strips::of(self.conv, plan.e, plan.f))
    }

    /// As [`RowWork::words`], for strips of the plan that are counted already.
    pub fn words_of(&self, plan: &RowPlan, strips: &Strips) -> RowWords {
        let conv = self.conv;
        let [row, column] = conv.sides;
        let images = (conv.images * conv.groups) as f64;
        let input = images * conv.channels as f64;
        let sums = images * (conv.filters * row.outputs * column.outputs) as f64;
        let weights = conv.groups * conv.filters * conv.channels * row.taps * column.taps;
        let channel_passes = conv.channels / plan.channels_of_pass();
        let stays = channel_passes * (plan.m / plan.filters_of_pass()) == 1;
        let repeats = if stays {
            1
        } else {
            strips.count * (conv.images / plan.n)
        };
        RowWords {
            main: [
                input * strips.fetched * (conv.filters / plan.m) as f64,
                weights as f64 * repeats as f64,
                sums,
            ],
            buffer: [
                input * strips.touched * (conv.filters / plan.filters_of_pass()) as f64,
                2.0 * sums * channel_passes as f64,
            ],
        }
    }

    /// Cycles of all passes. One over a strip of `x` rows and `y` columns takes
    ///
    /// `max(n·p·y·(q·S + c), n·p·t·x·y · w / B_acc, n·q·r·rows·cols · w / B_lhs, next weights over main memory's
    /// port) + p·t·q·r·R·S · w / B_rhs`
    ///
    /// with `c` the cycles to add a sum from below, and each way of partial sums on wires of its own.
    ///
    /// Source: derived from the description in Chen et al., JSSC 52 (2017), sections III to V.
    pub fn cycles(&self, plan: &RowPlan) -> f64 {
        let (conv, system) = (self.conv, self.system);
        let [row, column] = conv.sides;
        let array = &system.arrays[0];
        let rate = array.rate.iter().find(|r| r.0 == self.dtype);
        let rate = rate.map_or(1.0, |r| r.1) * array.achievable;
        let (filters, channels) = (plan.filters_of_pass(), plan.channels_of_pass());
        let wires = |words: [u64; 3]| {
            let bytes = Slot::ALL.map(|s| Bytes(words[s as usize] as f64 * self.widths.of(s)));
            system.fanouts[self.rows.fanout].bandwidth.time(bytes).0 * array.clock.0
        };
        let weights = filters * channels * row.taps * column.taps;
        let next = Traffic {
            read: Bytes(weights as f64 * self.widths.rhs),
            ..Traffic::default()
        };
        let next = match self.rows.prefetch {
            Some(_) => next.port_time(system.main_memory(), 1.0).0 * array.clock.0,
            None => 0.0,
        };
        let chains = (plan.q * column.taps) as f64 / rate + self.rows.sum_cycles;
        let mut cycles = 0.0;
        for (x, n_x) in strips(row.outputs, plan.e) {
            for (y, n_y) in strips(column.outputs, plan.f) {
                let work = (plan.n * plan.p * y) as f64 * chains;
                let inputs = plan.n * channels * row.reach(x) * column.reach(y);
                let sums = plan.n * filters * x * y;
                let pass = work.max(wires([inputs, 0, sums])).max(next) + wires([0, weights, 0]);
                cycles += pass * (n_x * n_y) as f64;
            }
        }
        cycles * plan.passes(conv) as f64
    }

    /// Cost of a plan, and its nest.
    ///
    /// Time: [`RowWork::cycles`]; transfers of inputs and results come on top where the buffer holds one copy.
    pub fn price(&self, einsum: &Einsum, plan: &RowPlan, zeros: &Zeros) -> (Cost, Nest) {
        let (system, rows) = (self.system, self.rows);
        let chain = Chain::of(system, 0);
        let nest = plan.nest(self.conv, system, &chain, rows);
        let accesses = self.accesses(einsum, plan, &chain, &nest);
        let work = Work {
            einsum,
            dtype: self.dtype,
            system,
            chain: &chain,
            nest: &nest,
            widths: self.widths,
            zeros,
        };
        let mut cost = work.book(&accesses);
        cost.matrix = Seconds(self.cycles(plan) / system.arrays[0].clock.0);
        let main = system.main_memory();
        let weights = accesses.levels[0][Slot::Rhs as usize].reads * self.widths.rhs;
        let maps = Traffic {
            read: cost.traffic[0].read - Bytes(weights * zeros.held(0, Slot::Rhs)),
            ..cost.traffic[0]
        };
        let alone = if system.memories[rows.buffer].buffering == Buffering::Copies(1) {
            cost.matrix + maps.port_time(main, 1.0)
        } else {
            cost.matrix
        };
        cost.exposed = (alone - cost.overlapped()).max(Seconds::ZERO);
        cost.mapping = Some(format!(
            "row-stationary m={} n={} e={} p={} q={} r={} t={} F={}",
            plan.m,
            plan.n,
            plan.e,
            plan.p,
            plan.q,
            plan.r,
            plan.t[0] * plan.t[1],
            plan.f
        ));
        (cost, nest)
    }

    /// Accesses, energy and time of a plan as [`evaluate`](super::evaluate) gives them for any nest, without zeros.
    pub fn evaluate(&self, einsum: &Einsum, plan: &RowPlan) -> (Evaluation, Nest) {
        let (cost, nest) = self.price(einsum, plan, &Zeros::none());
        let chain = Chain::of(self.system, 0);
        let counted = Counted {
            einsum,
            dtype: self.dtype,
            system: self.system,
            chain: &chain,
            nest: &nest,
            widths: self.widths,
            convention: Convention::Physical,
        };
        let accesses = self.accesses(einsum, plan, &chain, &nest);
        let found = evaluate_counted(&counted, accesses);
        let timed = Evaluation {
            cycles: self.cycles(plan),
            compute: cost.matrix,
            latency: cost.alone(self.system, 1.0),
            ..found
        };
        (timed, nest)
    }

    /// The accounting of a nest, with the inputs that main memory and the buffer give.
    pub fn accesses(
        &self,
        einsum: &Einsum,
        plan: &RowPlan,
        chain: &Chain,
        nest: &Nest,
    ) -> Accesses {
        let padded = self.conv.padded(einsum);
        let mut found = account(&padded, self.system, chain, nest, Convention::Physical);
        let words = self.words(plan);
        let lhs = Slot::Lhs as usize;
        found.levels[0][lhs].reads = words.main[lhs];
        for (level, counts) in found.levels.iter_mut().enumerate() {
            if chain.memory(level) == Some(self.rows.buffer) {
                counts[lhs].reads = words.buffer[0];
            }
        }
        found
    }
}

/// Sizes of the strips, and how many there are of each.
fn strips(outputs: u64, size: u64) -> impl Iterator<Item = (u64, u64)> + Clone {
    let rest = outputs % size;
    let all = [(size, outputs / size), (rest, u64::from(rest > 0))];
    all.into_iter().filter(|s| s.1 > 0)
}
