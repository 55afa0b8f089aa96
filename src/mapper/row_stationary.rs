//! The row-stationary mapspace: every plan of a convolution that the chip has room for, and the best of them.
//!
//! A set of `R x e` engines makes `e` output rows; sets stand side by side and one above the other; one of more
//! output rows than the fan-out has columns is folded. Sets above each other hold other input channels, whose
//! sums meet (`r`), or other output channels, as sets side by side do (`t`). Output channels, input channels and
//! images are cut into equal parts, output rows into strips of any size, output columns into as few strips as the
//! row limit asks for. Each memory has room for its part, inputs with their padding.
//!
//! Source: Chen et al., ISCA 2016 and JSSC 52 (2017); the row limit is inferred from published counts.

use crate::cost::{Cost, RowWork};
use crate::hardware::{RowStationary, System};
use crate::mapping::{ConvSizes, RowPlan};
use crate::units::Bytes;
use crate::workload::Slot;

use super::Request;

/// A convolution that a row-stationary chip runs, with its best plan.
#[derive(Clone, Debug)]
pub struct RowChoice<'a> {
    /// Who takes which role on the chip.
    pub rows: &'a RowStationary,
    /// Sizes.
    pub conv: ConvSizes,
    /// The plan of the fewest coded words of main memory, then of the buffer, then cycles.
    pub plan: RowPlan,
    /// Plans that fit.
    pub tried: usize,
}

impl RowChoice<'_> {
    /// What the plan is priced with.
    pub fn work<'a>(&'a self, system: &'a System, request: &'a Request<'_>) -> RowWork<'a> {
        RowWork {
            conv: &self.conv,
            system,
            rows: self.rows,
            dtype: request.dtype,
            widths: &request.widths,
        }
    }
}

/// The best plan; `None` if the chip or the Einsum is of another kind, or no plan fits.
pub fn row_stationary<'a>(system: &'a System, request: &Request<'_>) -> Option<RowChoice<'a>> {
    let rows = system.dataflow.as_ref()?;
    system.arrays[0].peak(request.dtype)?;
    let conv = ConvSizes::of(request.einsum)?;
    let (plan, tried) = Search::new(system, rows, &conv, request).best()?;
    Some(RowChoice {
        rows,
        conv,
        plan,
        tried,
    })
}

/// Cost of the best plan; `None` as for [`row_stationary`].
pub fn price_row_stationary(system: &System, request: &Request<'_>) -> Option<Cost> {
    let found = row_stationary(system, request)?;
    let work = found.work(system, request);
    Some(work.price(request.einsum, &found.plan, request.zeros).0)
}

struct Search<'a> {
    work: RowWork<'a>,
    request: &'a Request<'a>,
    /// Elements that an engine has room for: `[lhs, rhs, acc]`.
    spads: [u64; 3],
    /// Rows and columns of engines.
    shape: [u64; 2],
    /// Equal parts of output channels, input channels and images.
    parts: [Vec<u64>; 3],
}

impl<'a> Search<'a> {
    fn new(
        system: &'a System,
        rows: &'a RowStationary,
        conv: &'a ConvSizes,
        request: &'a Request<'a>,
    ) -> Self {
        let room = |slot: Slot| {
            let usable = system.memories[rows.spads[slot as usize]].usable();
            (usable.0 / request.widths.of(slot)) as u64
        };
        let axes = &system.fanouts[rows.fanout].axes;
        Self {
            work: RowWork {
                conv,
                system,
                rows,
                dtype: request.dtype,
                widths: &request.widths,
            },
            request,
            spads: Slot::ALL.map(room),
            shape: [axes[0].size, axes[1].size],
            parts: [conv.filters, conv.channels, conv.images].map(divisors),
        }
    }

    /// The best plan and how many fit.
    fn best(&self) -> Option<(RowPlan, usize)> {
        let mut best: Option<([f64; 2], f64, RowPlan)> = None;
        let mut tried = 0;
        let columns = self.work.conv.sides[1].outputs;
        let limit = self.work.rows.row_limit.unwrap_or(columns);
        let f = columns.div_ceil(columns.div_ceil(limit));
        for e in even_parts(self.work.conv.sides[0].outputs) {
            self.each_set(e, f, &mut |plan| {
                tried += 1;
                let words = self.words(&plan);
                if best.as_ref().is_some_and(|b| words > b.0) {
                    return;
                }
                let cycles = self.work.cycles(&plan);
                if best.as_ref().is_none_or(|b| (words, cycles) < (b.0, b.1)) {
                    best = Some((words, cycles, plan));
                }
            });
        }
        best.map(|b| (b.2, tried))
    }

    /// Plans of one strip: sets on the fan-out, parts inside of an engine, parts of the buffer.
    fn each_set(&self, e: u64, f: u64, found: &mut impl FnMut(RowPlan)) {
        let (conv, [height, width]) = (self.work.conv, self.shape);
        let [row, column] = conv.sides;
        let folds = e.div_ceil(width);
        let across = if folds == 1 { width / e } else { 1 };
        let above = height / row.taps / folds;
        let fits_row = |channels: u64| {
            let limit = self.work.rows.row_limit.unwrap_or(u64::MAX);
            channels == 1 || channels * f <= limit
        };
        let [filters, channels, _] = &self.parts;
        for &q in channels {
            if q * column.taps > self.spads[Slot::Lhs as usize] {
                break;
            }
            for r in (1..=above).filter(|r| (conv.channels / q).is_multiple_of(*r)) {
                if !fits_row(q * r) {
                    break;
                }
                for t in grids(above / r, across) {
                    let sets = t[0] * t[1];
                    let whole = |p: &&u64| (conv.filters / **p).is_multiple_of(sets);
                    for &p in filters.iter().filter(whole) {
                        let plan = RowPlan {
                            m: p * sets,
                            n: 1,
                            e,
                            p,
                            q,
                            r,
                            t,
                            f,
                        };
                        if !self.fits_engine(&plan) {
                            break;
                        }
                        self.each_part(plan, found);
                    }
                }
            }
        }
    }

    /// Parts of output channels and images that fit the buffer.
    fn each_part(&self, pass: RowPlan, found: &mut impl FnMut(RowPlan)) {
        let passes = self.work.conv.filters / pass.m;
        let [filters, _, images] = &self.parts;
        for k in filters.iter().filter(|k| passes.is_multiple_of(**k)) {
            let mut any = false;
            for &n in images {
                let plan = RowPlan {
                    m: pass.m * k,
                    n,
                    ..pass
                };
                if !self.fits_buffer(&plan) {
                    break;
                }
                any = true;
                found(plan);
            }
            if !any {
                break;
            }
        }
    }

    fn fits_engine(&self, plan: &RowPlan) -> bool {
        let [row, column] = self.work.conv.sides;
        let weights = plan.p * plan.q * column.taps;
        let pass = plan.filters_of_pass() * plan.channels_of_pass() * row.taps * column.taps;
        let waits = self.work.rows.prefetch.is_none_or(|memory| {
            Bytes(pass as f64 * self.work.widths.rhs) <= self.work.system.memories[memory].usable()
        });
        let [_, rhs, acc] = self.spads;
        plan.p <= acc && weights <= rhs && waits
    }

    fn fits_buffer(&self, plan: &RowPlan) -> bool {
        let [row, column] = self.work.conv.sides;
        let buffer = &self.work.system.memories[self.work.rows.buffer];
        let inputs = plan.n * plan.channels_of_pass() * row.reach(plan.e) * column.reach(plan.f);
        let sums = plan.n * plan.m * plan.e * plan.f;
        let room = |words: u64, width: f64| buffer.room(Bytes(words as f64 * width));
        room(inputs, self.work.widths.lhs) + room(sums, self.work.widths.partial) <= buffer.usable()
    }

    /// Coded words of main memory, whole ones, and words of the buffer.
    fn words(&self, plan: &RowPlan) -> [f64; 2] {
        let words = self.work.words(plan);
        let zeros = self.request.zeros;
        let coded = Slot::ALL.map(|slot| words.main[slot as usize] * zeros.held(0, slot));
        [coded.iter().sum::<f64>().round(), words.buffer.iter().sum()]
    }
}

/// Sizes of equal parts, the last one smaller, each with another number of parts.
fn even_parts(size: u64) -> impl Iterator<Item = u64> {
    let parts = (1..=size).map(move |n| (size.div_ceil(n), n));
    parts
        .filter(move |(part, n)| size.div_ceil(*part) == *n)
        .map(|p| p.0)
}

/// Ways to put sets on a grid, each number of sets once.
fn grids(above: u64, across: u64) -> Vec<[u64; 2]> {
    let mut found: Vec<[u64; 2]> = Vec::new();
    for t in (1..=across).flat_map(|x| (1..=above).map(move |y| [y, x])) {
        if !found.iter().any(|g| g[0] * g[1] == t[0] * t[1]) {
            found.push(t);
        }
    }
    found
}

/// Ascending.
fn divisors(n: u64) -> Vec<u64> {
    let small: Vec<u64> = (1..=n.isqrt()).filter(|d| n.is_multiple_of(*d)).collect();
    let large = small.iter().rev().map(|d| n / d);
    let all = small.iter().copied().chain(large.filter(|d| d * d > n));
    all.collect()
}
