//! Accesses of a nest without those that zeros save.

use smallvec::SmallVec;

use crate::cost::{Count, Traffic, Widths};
use crate::units::Bytes;
use crate::workload::{Density, Slot};

use super::Shares;

/// Zeros of a product's operands.
#[derive(Clone, Debug, PartialEq)]
pub struct Zeros {
    /// Where those of `[lhs, rhs]` are.
    pub densities: [Density; 2],
    /// Share of an element's width that it takes where its memory leaves zeros out, by memory and `[lhs, rhs,
    /// finished result]`; `None`, and a memory behind the end of the list, stores zeros.
    pub packed: SmallVec<[[Option<f64>; 3]; 6]>,
}

impl Zeros {
    /// Dense operands.
    pub fn none() -> Self {
        Self {
            densities: [Density::Dense; 2],
            packed: SmallVec::new(),
        }
    }

    fn packing(&self, memory: usize, slot: Slot) -> Option<f64> {
        self.packed.get(memory)?[slot as usize]
    }

    /// Share of an element's width that a memory holds.
    pub fn held(&self, memory: usize, slot: Slot) -> f64 {
        self.packing(memory, slot).unwrap_or(1.0)
    }
}

/// Which accesses count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// Those that take energy.
    Made,
    /// Those that take time: gated ones as well.
    Timed,
}

/// A product with zeros on an engine.
#[derive(Clone, Copy, Debug)]
pub struct Thinned<'a> {
    /// Its zeros.
    pub zeros: &'a Zeros,
    /// What they leave on the engine.
    pub shares: &'a Shares,
    /// MACs of the dense product.
    pub macs: f64,
}

impl Thinned<'_> {
    /// Share of the accesses between a memory and the engine that are left, of so many dense ones.
    ///
    /// An access that serves several MACs is made if any of them is.
    pub fn fed(&self, memory: usize, slot: Slot, dense: f64, counted: Counted) -> f64 {
        let by_others = match counted {
            Counted::Made => self.shares.accesses,
            Counted::Timed => self.shares.timed,
        };
        // Sums of factors may miss the product by rounding.
        let each_its_own = dense >= self.macs * (1.0 - 1e-9);
        let by_others = match slot {
            _ if each_its_own => by_others[slot as usize],
            Slot::Lhs | Slot::Rhs => 1.0,
            Slot::Acc => self.shares.pattern,
        };
        let stores_zeros = self.zeros.packing(memory, slot).is_none();
        match slot {
            Slot::Lhs | Slot::Rhs if stores_zeros => by_others * self.shares.own[slot as usize],
            Slot::Lhs | Slot::Rhs | Slot::Acc => by_others,
        }
    }

    /// Bytes at a memory; `feeds` tells for which slots the engine is the only one that it serves.
    pub fn traffic(
        &self,
        counts: &[Count; 3],
        memory: usize,
        widths: &Widths,
        feeds: [bool; 3],
        counted: Counted,
    ) -> Traffic {
        let mut sum = Traffic::default();
        for slot in Slot::ALL {
            let (mut count, held) = (counts[slot as usize], self.zeros.held(memory, slot));
            match slot {
                Slot::Lhs | Slot::Rhs => {
                    if feeds[slot as usize] {
                        count.reads *= self.fed(memory, slot, count.reads, counted);
                    }
                    sum.read += Bytes(count.read(slot, widths) * held);
                    sum.written += Bytes(count.filled(slot, widths) * held);
                }
                Slot::Acc => {
                    if feeds[slot as usize] {
                        let saved = 1.0 - self.fed(memory, slot, count.updates, counted);
                        // What is not updated is not read before.
                        let saved = saved * count.updates;
                        count.updates -= saved;
                        count.reads = (count.reads - saved).max(count.finished_reads);
                    }
                    // Partial sums have no zeros.
                    let result = widths.result.min(widths.partial) * (1.0 - held);
                    let (read, written) = (count.finished_reads, count.finished_updates);
                    sum.read += Bytes(count.read(slot, widths) - read * result);
                    let all = count.filled(slot, widths) + count.updated(slot, widths);
                    sum.written += Bytes(all - written * result);
                }
            }
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use crate::cost::sparse::shares;
    use crate::hardware::ZeroSupport;

    use super::*;

    const ONES: Widths = Widths {
        lhs: 1.0,
        rhs: 1.0,
        partial: 1.0,
        result: 1.0,
    };

    /// Eight MACs that fetch both operands and update a sum each; half of the left operands are zero.
    fn traffic(engine: &ZeroSupport, packed: Option<f64>, counted: Counted) -> (f64, f64) {
        let half = Density::Uniform {
            density: 0.5,
            elements: f64::INFINITY,
        };
        let mut zeros = Zeros::none();
        zeros.densities = [half, Density::Dense];
        zeros.packed.push([packed, None, None]);
        let shares = shares(engine, zeros.densities);
        let thinned = Thinned {
            zeros: &zeros,
            shares: &shares,
            macs: 8.0,
        };
        let operand = Count {
            reads: 8.0,
            ..Count::default()
        };
        // Two sums of four: the first addition of each reads nothing.
        let sums = Count {
            reads: 6.0,
            updates: 8.0,
            ..Count::default()
        };
        let found = thinned.traffic(&[operand, operand, sums], 0, &ONES, [true; 3], counted);
        (found.read.0, found.written.0)
    }

    #[test]
    fn accesses_equal_a_count_by_hand() {
        let dense = ZeroSupport::default();
        let gate = ZeroSupport {
            gate: [true, false, false],
            ..ZeroSupport::default()
        };
        let skip = ZeroSupport {
            skip: [true, false, false],
            ..ZeroSupport::default()
        };
        let made = |engine, packed| traffic(engine, packed, Counted::Made);
        assert_eq!(made(&dense, None), (22.0, 8.0));
        // 8 left, 4 right, 2 sums that are there already.
        assert_eq!(made(&gate, None), (14.0, 4.0));
        assert_eq!(traffic(&gate, None, Counted::Timed), (22.0, 8.0));
        assert_eq!(made(&skip, None), (10.0, 4.0));
        assert_eq!(traffic(&skip, None, Counted::Timed), (10.0, 4.0));
        // A packed operand of 0.6 of its width comes without its zeros.
        assert_eq!(made(&skip, Some(0.625)), (11.0, 4.0));
    }

    #[test]
    fn an_access_for_several_macs_is_not_saved_by_one_of_them() {
        let zeros = Zeros::none();
        let shares = Shares {
            accesses: [1.0, 0.5, 0.5],
            ..Shares::ALL
        };
        let thinned = Thinned {
            zeros: &zeros,
            shares: &shares,
            macs: 8.0,
        };
        assert_eq!(thinned.fed(0, Slot::Rhs, 4.0, Counted::Made), 1.0);
        assert_eq!(thinned.fed(0, Slot::Acc, 4.0, Counted::Made), 1.0);
        assert_eq!(thinned.fed(0, Slot::Rhs, 8.0, Counted::Made), 0.5);
    }
}
