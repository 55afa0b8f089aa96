//! Matrix products on a systolic array, in closed form: cycles, utilization and buffer accesses.
//!
//! A product is cut into *folds*, each as large as the array. Per stationary operand the sizes lie so:
//!
//! | stationary | rows hold | columns hold | streamed |
//! |---|---|---|---|
//! | result | M | N | K |
//! | right | K | N | M |
//! | left | K | M | N |
//!
//! Processing element `(i, j)` starts `i + j` cycles after `(0, 0)`: operands enter skewed.
//!
//! ```
//! use wattline::cost::systolic::{Array, Model, Product, run};
//! use wattline::workload::Slot;
//!
//! let array = Array { rows: 32, columns: 32, load: Default::default(), edges: Default::default() };
//! let product = Product { groups: 1, m: 1024, n: 64, k: 1024 };
//! assert_eq!(run(array, product, Slot::Rhs, Model::ScaleSim).cycles, 71_551.0);
//! assert_eq!(run(array, product, Slot::Rhs, Model::Overlapped).cycles, 65_630.0);
//! ```

use crate::workload::Slot;

/// The array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Array {
    /// Processing elements along which partial sums or left operands run down.
    pub rows: u64,
    /// Processing elements of a row.
    pub columns: u64,
    /// Whether the stationary operand has a second register.
    pub load: Load,
    /// What idle rows and columns cost.
    pub edges: Edges,
}

/// Where the stationary operand of the next fold goes (or where finished results wait).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Load {
    /// Into a second register, while the present fold streams.
    #[default]
    Behind,
    /// Into the only register, once the present fold has passed.
    Exposed,
}

/// What a fold costs that leaves rows or columns idle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Edges {
    /// Loading and running through the rows and columns that it uses.
    #[default]
    Partial,
    /// Loading and running through the whole array: nothing can enter or leave before its rim.
    Full,
}

/// How folds follow each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Model {
    /// As SCALE-Sim 3.0.0 counts: one after the other, each as long as a full one, with its own load, fill
    /// and drain; the last cycle's index, which is one less than their number.
    ScaleSim,
    /// A fold enters right behind the one before it. See [`run`].
    #[default]
    Overlapped,
}

/// `groups` independent products `[M, N, K]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Product {
    /// Products of the same sizes, one after the other.
    pub groups: u64,
    /// Rows of the result.
    pub m: u64,
    /// Columns of the result.
    pub n: u64,
    /// Length of the sums.
    pub k: u64,
}

/// What a product costs on an array that nothing makes wait.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Run {
    /// From the first load to the last multiplication.
    pub cycles: f64,
    /// Folds.
    pub folds: f64,
    /// Cycles that stream operands: `folds · streamed size`. The rest is loading, filling and draining.
    pub streaming: f64,
    /// Multiply-accumulates over what the array could do in its cycles.
    pub utilization: f64,
    /// Mean share of processing elements that a fold uses.
    pub occupied: f64,
    /// Elements between the array and the buffers beside it.
    pub elements: Elements,
}

/// Elements that pass between an array and its buffers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Elements {
    /// Left operands read.
    pub lhs_read: f64,
    /// Right operands read.
    pub rhs_read: f64,
    /// Results and partial sums written.
    pub acc_written: f64,
    /// Partial sums read back to be added to.
    pub acc_read: f64,
}

/// Cost of a product whose operand `stationary` stays in the array.
///
/// [`Model::ScaleSim`], with `F = ⌈rows needed / R⌉ · ⌈columns needed / C⌉` and T the streamed size:
/// `F · (T + R + C - 2) - 1` with the result stationary, else `F · (T + 2R + C - 2) - 1`; it writes `2R`
/// results too many a fold where the result is stationary.
///
/// [`Model::Overlapped`], with r and c the rows and columns that a fold occupies ([`Edges`]): operands
/// stationary, a fold starts `max(T, r)` after the one before it, or `T + r` if its load is exposed
/// ([`Load`]), the first after r; result stationary, it starts `max(T, r)` (or `T + r`) after it, r of the one
/// before, whose results must have left. A fold ends `T + r + c - 2` after its start, and the product with its
/// last fold. Never above SCALE-Sim's number of cycles (one more than its last index) where registers are
/// double and the array has two columns, never below `M · N · K / (R · C)`.
///
/// Source: SCALE-Sim 3.0.0, compute report (Samajdar et al., "A Systematic Methodology for Characterizing
/// Scalability of DNN Accelerators using SCALE-Sim", ISPASS 2020, section III); overlapped: derived from the
/// skew, with double-buffered weights as in Jouppi et al., "In-Datacenter Performance Analysis of a Tensor
/// Processing Unit", ISCA 2017, section 2.
pub fn run(array: Array, product: Product, stationary: Slot, model: Model) -> Run {
    let cut = Folds::of(array, product, stationary);
    let folds = cut.down * cut.across * cut.groups;
    let cycles = match model {
        Model::ScaleSim => cut.scale_sim(array),
        Model::Overlapped => cut.overlapped(array),
    };
    let places = array.rows as f64 * array.columns as f64;
    let macs = cut.rows * cut.columns * cut.stream * cut.groups;
    Run {
        cycles,
        folds,
        streaming: folds * cut.stream,
        utilization: macs / (cycles * places),
        occupied: cut.rows * cut.columns * cut.groups / (folds * places),
        elements: cut.elements(array, product, model),
    }
}

/// A product cut for an array.
struct Folds {
    stationary: Slot,
    groups: f64,
    /// Rows, columns and cycles that one product needs.
    rows: f64,
    columns: f64,
    stream: f64,
    /// Folds of one product.
    down: f64,
    across: f64,
    /// Rows and columns of the folds at the end of each direction.
    last_rows: f64,
    last_columns: f64,
}

impl Folds {
    fn of(array: Array, product: Product, stationary: Slot) -> Self {
        let Product { groups, m, n, k } = product;
        let (rows, columns, stream) = match stationary {
            Slot::Acc => (m, n, k),
            Slot::Rhs => (k, n, m),
            Slot::Lhs => (k, m, n),
        };
        let (down, across) = (rows.div_ceil(array.rows), columns.div_ceil(array.columns));
        Self {
            stationary,
            groups: groups as f64,
            rows: rows as f64,
            columns: columns as f64,
            stream: stream as f64,
            down: down as f64,
            across: across as f64,
            last_rows: (rows - (down - 1) * array.rows) as f64,
            last_columns: (columns - (across - 1) * array.columns) as f64,
        }
    }

    fn scale_sim(&self, array: Array) -> f64 {
        let loads = match self.stationary {
            Slot::Acc => 1.0,
            Slot::Lhs | Slot::Rhs => 2.0,
        };
        let (rows, columns) = (array.rows as f64, array.columns as f64);
        let each = self.stream + loads * rows + columns - 2.0;
        self.groups * (self.down * self.across * each - 1.0)
    }

    /// Folds run through one block of rows after the other, along the columns within each.
    fn overlapped(&self, array: Array) -> f64 {
        let (full, across) = (array.rows as f64, array.columns as f64);
        let (edge_rows, edge_columns) = match array.edges {
            Edges::Partial => (self.last_rows, self.last_columns),
            Edges::Full => (full, across),
        };
        let gap = |rows: f64| match array.load {
            Load::Behind => self.stream.max(rows),
            Load::Exposed => self.stream + rows,
        };
        let (full_gap, edge_gap) = (gap(full), gap(edge_rows));
        let n_full = self.groups * (self.down - 1.0) * self.across;
        let n_edge = self.groups * self.across;
        let all = n_full * full_gap + n_edge * edge_gap;
        // Start of the last fold, and gaps from the last fold of full rows to it.
        let (last, from_full) = match self.stationary {
            Slot::Acc => (all - edge_gap, full_gap + (self.across - 1.0) * edge_gap),
            Slot::Lhs | Slot::Rhs => {
                let (first, its_gap) = if self.down > 1.0 {
                    (full, full_gap)
                } else {
                    (edge_rows, edge_gap)
                };
                (first + all - its_gap, self.across * edge_gap)
            }
        };
        // A small last fold may end before a larger one that started earlier.
        let end = |start: f64, rows: f64, columns: f64| start + self.stream + rows + columns - 2.0;
        let mut cycles = end(last, edge_rows, edge_columns);
        if self.across > 1.0 {
            cycles = cycles.max(end(last - edge_gap, edge_rows, across));
        }
        if self.down > 1.0 {
            let start = last - from_full;
            cycles = cycles.max(end(start, full, edge_columns));
            if self.across > 1.0 {
                cycles = cycles.max(end(start - full_gap, full, across));
            }
        }
        cycles
    }

    fn elements(&self, array: Array, product: Product, model: Model) -> Elements {
        let Product { m, n, k, .. } = product;
        let (m, n, k) = (m as f64, n as f64, k as f64);
        let (lhs, rhs, result) = (m * k, k * n, m * n);
        let surplus = match model {
            Model::ScaleSim => 2.0 * array.rows as f64 * self.down * self.across,
            Model::Overlapped => 0.0,
        };
        let (lhs_read, rhs_read, acc_written, acc_read) = match self.stationary {
            Slot::Acc => (lhs * self.across, rhs * self.down, result + surplus, 0.0),
            Slot::Rhs => (
                lhs * self.across,
                rhs,
                result * self.down,
                result * (self.down - 1.0),
            ),
            Slot::Lhs => (
                lhs,
                rhs * self.across,
                result * self.down,
                result * (self.down - 1.0),
            ),
        };
        Elements {
            lhs_read: lhs_read * self.groups,
            rhs_read: rhs_read * self.groups,
            acc_written: acc_written * self.groups,
            acc_read: acc_read * self.groups,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOADS: [Load; 2] = [Load::Behind, Load::Exposed];
    const EDGES: [Edges; 2] = [Edges::Partial, Edges::Full];

    /// Every fold in order, its start from the one before it: the definition, without closed forms.
    fn fold_by_fold(array: Array, product: Product, stationary: Slot) -> f64 {
        let Product { groups, m, n, k } = product;
        let (rows, columns, stream) = match stationary {
            Slot::Acc => (m, n, k),
            Slot::Rhs => (k, n, m),
            Slot::Lhs => (k, m, n),
        };
        let side = |at: u64, all: u64, size: u64| match array.edges {
            Edges::Partial => size.min(all - at),
            Edges::Full => size,
        };
        let gap = |rows: u64| match array.load {
            Load::Behind => stream.max(rows),
            Load::Exposed => stream + rows,
        };
        let (mut start, mut end, mut before) = (0, 0, None);
        for _ in 0..groups {
            for i in (0..rows).step_by(array.rows as usize) {
                for j in (0..columns).step_by(array.columns as usize) {
                    let r = side(i, rows, array.rows);
                    let c = side(j, columns, array.columns);
                    start += match (stationary, before) {
                        (Slot::Acc, None) => 0,
                        (Slot::Acc, Some(of)) => gap(of),
                        (Slot::Lhs | Slot::Rhs, None) => r,
                        (Slot::Lhs | Slot::Rhs, Some(_)) => gap(r),
                    };
                    before = Some(r);
                    end = end.max(start + stream + r + c - 2);
                }
            }
        }
        end as f64
    }

    fn sizes() -> impl Iterator<Item = Product> {
        let sizes = [1, 2, 3, 4, 7, 8, 9];
        let pairs = sizes.into_iter().flat_map(move |m| sizes.map(|n| (m, n)));
        let all = pairs.flat_map(move |(m, n)| sizes.map(|k| (m, n, k)));
        all.flat_map(|(m, n, k)| [1, 2].map(|groups| Product { groups, m, n, k }))
    }

    fn arrays() -> impl Iterator<Item = Array> {
        let shapes = [(1, 1), (1, 4), (4, 1), (3, 4), (4, 4), (8, 2)];
        let with = |(rows, columns)| {
            LOADS.into_iter().flat_map(move |load| {
                EDGES.map(|edges| Array {
                    rows,
                    columns,
                    load,
                    edges,
                })
            })
        };
        shapes.into_iter().flat_map(with)
    }

    #[test]
    fn the_closed_form_equals_all_folds_one_by_one() {
        for array in arrays() {
            for product in sizes() {
                for slot in Slot::ALL {
                    let found = run(array, product, slot, Model::Overlapped).cycles;
                    let expected = fold_by_fold(array, product, slot);
                    assert_eq!(found, expected, "{array:?} {product:?} {slot:?}");
                }
            }
        }
    }

    #[test]
    fn overlap_is_never_slower_and_never_beats_the_peak() {
        for array in arrays() {
            for product in sizes() {
                for slot in Slot::ALL {
                    let better = run(array, product, slot, Model::Overlapped);
                    let peer = run(array, product, slot, Model::ScaleSim);
                    let context = format!("{array:?} {product:?} {slot:?}");
                    assert!(better.utilization <= 1.0, "{context}");
                    assert!(better.cycles >= better.streaming, "{context}");
                    let counted = peer.cycles + product.groups as f64;
                    if array.load == Load::Behind || array.columns > 1 {
                        assert!(better.cycles <= counted, "{context}");
                    }
                }
            }
        }
    }

    #[test]
    fn folds_overlap_as_counted_by_hand() {
        let array = Array {
            rows: 4,
            columns: 4,
            load: Load::Behind,
            edges: Edges::Partial,
        };
        let product = Product {
            groups: 1,
            m: 10,
            n: 6,
            k: 6,
        };
        let cycles = |array, slot| run(array, product, slot, Model::Overlapped).cycles;
        // Four folds that stream 10, loads hidden: 4 to load, 4 · 10, and 2 + 2 - 2 to run out.
        assert_eq!(cycles(array, Slot::Rhs), 46.0);
        // One register: loads of 4, 4, 2 and 2.
        let single = Array {
            load: Load::Exposed,
            ..array
        };
        assert_eq!(cycles(single, Slot::Rhs), 54.0);
        // The rim of a full array: 4 + 4 - 2 to run out.
        let full = Array {
            edges: Edges::Full,
            ..array
        };
        assert_eq!(cycles(full, Slot::Rhs), 50.0);
        // Result stationary: six folds that stream 6, no load, 2 + 2 - 2 to run out.
        assert_eq!(cycles(array, Slot::Acc), 38.0);
    }
}
