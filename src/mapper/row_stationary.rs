//! The row-stationary mapspace: every plan of a convolution that the chip has room for, and the best of them.
//!
//! A set of `R x e` engines makes `e` output rows; sets stand side by side and one above the other; one of more
//! output rows than the fan-out has columns is folded. Sets above each other hold other input channels, whose
//! sums meet (`r`), or other output channels, as sets side by side do (`t`). Output channels, input channels and
//! images are cut into equal parts, output rows into strips of any size, output columns into as few strips as the
//! row limit asks for. Each memory has room for its part, inputs with their padding.
//!
//! Source: Chen et al., ISCA 2016 and JSSC 52 (2017); the row limit is inferred from published counts.

use crate::cost::{Cost, RowWork, Strips};
use crate::hardware::{RowStationary, System};
use crate::mapping::{ConvSizes, RowPlan};
use crate::units::Bytes;
use crate::workload::Slot;

use super::Request;

/// Plans after which no more strips are tried: some seconds.
const ENOUGH: usize = 1 << 22;

/// A convolution that a row-stationary chip runs, with its best plan.
#[derive(Clone, Debug)]
pub struct RowChoice<'a> {
    /// Who takes which role on the chip.
    pub rows: &'a RowStationary,
    /// Sizes.
    pub conv: ConvSizes,
    /// The plan of the fewest coded words of main memory, then of the buffer, then cycles.
    pub plan: RowPlan,
    /// Plans that fit and were priced.
    pub tried: usize,
    /// Whether these are all.
    pub is_best: bool,
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

/// Why a product does not run row-stationary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotRowStationary {
    /// The chip leaves the dataflow to the mapper.
    #[error("the chip has no such dataflow")]
    Chip,
    /// Its first engine does not multiply the format.
    #[error("its engines do not multiply this format")]
    Format,
    /// It is no such convolution.
    #[error(
        "it is no convolution of images (its left input) without dilation and of fewer than 2^56 MACs"
    )]
    Kind,
    /// The filter is larger than the engines can hold.
    #[error("a filter of {} x {} where {rows} engines stand above each other and each holds {taps} taps of a row", size[0], size[1])]
    Filter {
        /// Rows and columns of the filter.
        size: [u64; 2],
        /// Engines of a column.
        rows: u64,
        /// Inputs that an engine has room for.
        taps: u64,
    },
    /// There is no room for the least plan.
    #[error("its rows do not fit the memories")]
    Room,
}

/// The best plan.
///
/// # Errors
/// [`NotRowStationary`] if the chip or the Einsum is of another kind, or no plan fits.
pub fn row_stationary<'a>(
    system: &'a System,
    request: &Request<'_>,
) -> Result<RowChoice<'a>, NotRowStationary> {
    let rows = system.dataflow.as_ref().ok_or(NotRowStationary::Chip)?;
    let able = system.arrays[0].peak(request.dtype);
    able.ok_or(NotRowStationary::Format)?;
    let conv = ConvSizes::of(request.einsum).ok_or(NotRowStationary::Kind)?;
    let search = Search::new(system, rows, &conv, request);
    search.fits_filter()?;
    let found = search.best().ok_or(NotRowStationary::Room)?;
    Ok(RowChoice {
        rows,
        plan: found.0,
        tried: found.1,
        is_best: found.2,
        conv,
    })
}

/// Cost of the best plan.
///
/// # Errors
/// As for [`row_stationary`].
pub fn price_row_stationary(
    system: &System,
    request: &Request<'_>,
) -> Result<Cost, NotRowStationary> {
    let found = row_stationary(system, request)?;
    let work = found.work(system, request);
    Ok(work.price(request.einsum, &found.plan, request.zeros).0)
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

    fn fits_filter(&self) -> Result<(), NotRowStationary> {
        let size = self.work.conv.sides.map(|side| side.taps);
        let (rows, taps) = (self.shape[0], self.spads[Slot::Lhs as usize]);
        if size[0] > rows || size[1] > taps {
            return Err(NotRowStationary::Filter { size, rows, taps });
        }
        Ok(())
    }

    /// The best plan, how many were priced, and whether these are all that fit.
    fn best(&self) -> Option<(RowPlan, usize, bool)> {
        let mut best: Option<([f64; 2], f64, RowPlan)> = None;
        let mut tried = 0;
        let [row, column] = self.work.conv.sides;
        let limit = self.work.rows.row_limit.unwrap_or(column.outputs);
        let f = column.outputs.div_ceil(column.outputs.div_ceil(limit));
        let mut heights = even_parts(row.outputs);
        for e in heights.by_ref() {
            let strips = Strips::of(self.work.conv, e, f);
            self.each_set(e, f, &mut |plan| {
                tried += 1;
                let words = self.words(&plan, &strips);
                if best.as_ref().is_some_and(|b| words > b.0) {
                    return;
                }
                let cycles = self.work.cycles(&plan);
                if best.as_ref().is_none_or(|b| (words, cycles) < (b.0, b.1)) {
                    best = Some((words, cycles, plan));
                }
            });
            if tried >= ENOUGH {
                break;
            }
        }
        let is_best = heights.next().is_none();
        best.map(|b| (b.2, tried, is_best))
    }

    /// Plans of one strip: sets on the fan-out, parts inside of an engine, parts of the buffer.
    fn each_set(&self, e: u64, f: u64, found: &mut impl FnMut(RowPlan)) {
        let (conv, [height, width]) = (self.work.conv, self.shape);
        let [row, column] = conv.sides;
        let folds = e.div_ceil(width);
        let across = if folds == 1 { width / e } else { 1 };
        let above = height / row.taps / folds;
        let limit = self.work.rows.row_limit.unwrap_or(u64::MAX);
        let fits_row = |channels: u64| channels == 1 || channels.saturating_mul(f) <= limit;
        let [filters, channels, _] = &self.parts;
        let inside = |q: &&u64| **q * column.taps <= self.spads[Slot::Lhs as usize];
        for &q in channels.iter().take_while(inside) {
            let beside = |r: &&u64| **r <= above && fits_row(q * **r);
            let whole = |r: &&u64| (conv.channels / q).is_multiple_of(**r);
            for &r in channels.iter().take_while(beside).filter(whole) {
                for t in grids(filters, above / r, across) {
                    let sets = t[0] * t[1];
                    let whole = |p: &&u64| (conv.filters / sets).is_multiple_of(**p);
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
    fn words(&self, plan: &RowPlan, strips: &Strips) -> [f64; 2] {
        let words = self.work.words_of(plan, strips);
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

/// Sets on a grid, for each number of them that divides the output channels the one of the fewest columns.
fn grids(filters: &[u64], above: u64, across: u64) -> impl Iterator<Item = [u64; 2]> {
    let fits = move |sets: &&u64| **sets <= above.saturating_mul(across);
    filters.iter().take_while(fits).filter_map(move |sets| {
        let widths = filters.iter().take_while(|width| **width <= across);
        let mut grids = widths
            .filter(|width| sets.is_multiple_of(**width))
            .map(|width| [sets / width, *width]);
        grids.find(|grid| grid[0] <= above)
    })
}

/// Ascending.
fn divisors(n: u64) -> Vec<u64> {
    let small: Vec<u64> = (1..=n.isqrt()).filter(|d| n.is_multiple_of(*d)).collect();
    let large = small.iter().rev().map(|d| n / d);
    let all = small.iter().copied().chain(large.filter(|d| d * d > n));
    all.collect()
}
