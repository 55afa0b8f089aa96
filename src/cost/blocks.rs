//! Accesses in whole blocks.
//!
//! A memory with a `block` moves nothing less. Whenever a tile moves, the memory that has it reads or writes the
//! tiles of all children below one instance together, rounded up once; each child rounds up its own.
//!
//! Source: derived; ZigZag (Mei et al., IEEE TC 2021) rounds the same way.

use smallvec::SmallVec;

use crate::hardware::System;
use crate::mapping::{Chain, Convention, Extents, Nest};
use crate::units::Bytes;
use crate::workload::{Einsum, Slot};

use super::reuse::{Blocks, Flow, Transfer, Widths, each_transfer};

/// Bytes of one slot at one level over all instances, in whole blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Charge {
    /// Read.
    pub(super) read: Bytes,
    /// Written.
    pub(super) written: Bytes,
}

/// Charges of a nest: `[level][slot]`.
pub(super) type Charges = SmallVec<[[Charge; 3]; 8]>;

/// Counts what a nest accesses, tile by tile in whole blocks.
pub(super) fn charges(
    einsum: &Einsum,
    system: &System,
    chain: &Chain,
    nest: &Nest,
    widths: &Widths,
    convention: Convention,
) -> Charges {
    let sizes: Extents = einsum.ranks.iter().map(|r| r.size).collect();
    let mut charges: Charges = SmallVec::from_elem([Charge::default(); 3], chain.levels.len());
    each_transfer(einsum, system, chain, nest, convention, |transfer| {
        let flows = |width: f64| {
            let (parent, child) = transfer.ends();
            let elements = |level: usize| {
                let is_engine = level == chain.levels.len();
                let memory = if is_engine { None } else { chain.memory(level) };
                Some(system.memories[memory?].block?.0 / width)
            };
            let blocks = Blocks {
                parent: elements(parent),
                child: elements(child),
            };
            transfer.flows(&sizes, blocks)
        };
        charge(transfer, widths, flows, &mut charges);
    });
    charges
}

/// Charges one transfer, given what crosses at a width: in all, and without repeats.
fn charge(
    transfer: &Transfer,
    widths: &Widths,
    flows: impl Fn(f64) -> (Flow, Flow),
    charges: &mut Charges,
) {
    let (parent, child) = transfer.ends();
    let slot = transfer.slot;
    let at = slot as usize;
    let width = widths.of(slot);
    let (visits, once) = flows(width);
    match slot {
        Slot::Lhs | Slot::Rhs => {
            charges[parent][at].read += Bytes(visits.reads * width);
            if let Some(inner) = charges.get_mut(child) {
                inner[at].written += Bytes(visits.fills * width);
            }
        }
        Slot::Acc => {
            // The first sum has nothing to add to.
            let again = Bytes((visits.reads - once.base) * width);
            charges[parent][at].read += again;
            charges[parent][at].written += again;
            let Some(inner) = charges.get_mut(child) else {
                charges[parent][at].written += Bytes(once.base * width);
                return;
            };
            let again = Bytes((visits.fills - once.fills) * width);
            inner[at].written += again;
            inner[at].read += again;
            // What leaves for the last time is finished.
            let width = widths.result.min(width);
            let (_, last) = flows(width);
            inner[at].read += Bytes(last.fills * width);
            charges[parent][at].written += Bytes(last.base * width);
        }
    }
}
