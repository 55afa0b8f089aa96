//! Time and energy of a loop nest.

use crate::hardware::System;
use crate::mapping::{Chain, Convention, Level, Nest};
use crate::units::{Bytes, Seconds};
use crate::workload::{Dtype, Einsum, Slot};

use super::book::{Cost, Traffic};
use super::evaluate::cycles;
use super::reuse::{Accesses, Widths, account};
use super::sparse::{Counted, Thinned, Zeros, shares};

/// Cost of an Einsum under a nest.
///
/// Time of the engine: `steps · MACs per step · share left ÷ rate` ([`shares`]); time of a memory: bytes of its
/// busiest instance ÷ bandwidth. The first tile must arrive and the last one leave before and after everything else.
pub fn price_nest(
    einsum: &Einsum,
    dtype: Dtype,
    system: &System,
    chain: &Chain,
    nest: &Nest,
    widths: &Widths,
    zeros: &Zeros,
) -> Cost {
    let array = &system.arrays[chain.array];
    let accesses = account(einsum, system, chain, nest, Convention::Physical);
    let left = shares(&array.zeros, zeros.densities);
    let work = Work {
        einsum,
        dtype,
        system,
        chain,
        nest,
        widths,
        zeros,
    };
    let mut cost = work.book(&accesses);
    let cycles = cycles(array, dtype, nest, &accesses, left.steps);
    let time = |cycles: f64| Seconds(cycles / array.clock.0 / array.achievable);
    cost.matrix = time(cycles.busy);
    // Each outermost tile is a transfer that must be set up.
    let setups = system.overhead.tile * nest.outer_tiles();
    if let Some(outer) = chain.memory(0) {
        cost.ports[outer] += setups;
    }
    cost.exposed =
        work.unbuffered(&accesses) + edges(system, chain, nest, &cost) + time(cycles.edges);
    cost
}

/// An Einsum on its way over a chip.
pub(super) struct Work<'a> {
    pub(super) einsum: &'a Einsum,
    pub(super) dtype: Dtype,
    pub(super) system: &'a System,
    pub(super) chain: &'a Chain,
    pub(super) nest: &'a Nest,
    pub(super) widths: &'a Widths,
    pub(super) zeros: &'a Zeros,
}

impl Work<'_> {
    /// Traffic, busy times of ports and energy of counted accesses, without what zeros save.
    pub(super) fn book(&self, accesses: &Accesses) -> Cost {
        let (system, chain, nest) = (self.system, self.chain, self.nest);
        let (widths, macs) = (self.widths, self.einsum.macs());
        let mut cost = Cost::free(system);
        let left = shares(&system.arrays[chain.array].zeros, self.zeros.densities);
        let thinned = Thinned {
            zeros: self.zeros,
            shares: &left,
            macs,
        };
        cost.executed_macs = macs * left.macs;
        for (level, at) in chain.levels.iter().enumerate() {
            match *at {
                Level::Fanout { fanout } => {
                    if let Some(each) = system.fanouts[fanout].hop_energy {
                        let ends = |slot| delivered(accesses, chain, nest, &thinned, (level, slot));
                        let bytes = Slot::ALL.map(|slot| ends(slot) * widths.of(slot));
                        cost.energy.network += each * Bytes(bytes.iter().sum());
                    }
                }
                Level::Memory { memory, .. } => {
                    let counts = &accesses.levels[level];
                    let feeds = feeds(nest, level);
                    let count = |counted| thinned.traffic(counts, memory, widths, feeds, counted);
                    let (bytes, timed) = (count(Counted::Made), count(Counted::Timed));
                    let time = timed.port_time(&system.memories[memory], nest.instances(level));
                    cost.traffic[memory].read += bytes.read;
                    cost.traffic[memory].written += bytes.written;
                    cost.ports[memory] = cost.ports[memory].max(time);
                }
            }
        }
        cost.energy
            .book_macs(system, chain.array, self.dtype, cost.executed_macs);
        let traffic = cost.traffic.clone();
        cost.energy.book_traffic(system, &traffic);
        cost
    }

    /// Time in which memories of one buffer take in tiles and can give none.
    fn unbuffered(&self, accesses: &Accesses) -> Seconds {
        let mut sum = Seconds::ZERO;
        for (level, counts) in accesses.levels.iter().enumerate() {
            let Some(index) = self.chain.memory(level) else {
                continue;
            };
            let memory = &self.system.memories[index];
            let kept = Slot::ALL.map(|s| counts[s as usize].kept(s, self.widths));
            if !memory.stalls_while_filled(Bytes(kept.iter().sum())) {
                continue;
            }
            let filled = |slot: Slot| match slot {
                Slot::Acc => 0.0,
                Slot::Lhs | Slot::Rhs => {
                    counts[slot as usize].filled(slot, self.widths) * self.zeros.held(index, slot)
                }
            };
            let fills = Traffic {
                written: Bytes(Slot::ALL.map(filled).iter().sum()),
                ..Traffic::default()
            };
            sum += fills.port_time(memory, self.nest.instances(level));
        }
        sum
    }
}

/// Slots for which a level serves the engine alone: kept there last, and nowhere else at this level.
fn feeds(nest: &Nest, level: usize) -> [bool; 3] {
    Slot::ALL.map(|slot| {
        let here = nest.keeps(slot).filter(|(_, at)| *at == level).count();
        here == 1 && nest.keeps(slot).last().is_some_and(|(_, at)| at == level)
    })
}

/// Elements of a slot that cross a fan-out, at the fuller width of its two ends.
fn delivered(
    accesses: &Accesses,
    chain: &Chain,
    nest: &Nest,
    thinned: &Thinned<'_>,
    (fanout, slot): (usize, Slot),
) -> f64 {
    let all = accesses.delivered[fanout][slot as usize];
    let at = |level: usize| chain.memory(level);
    let outer = nest.keeps(slot).filter(|(_, level)| *level < fanout).last();
    let inner = nest.keeps(slot).find(|(_, level)| *level > fanout);
    let Some(outer) = outer.and_then(|(_, level)| at(level)) else {
        return all;
    };
    let held = |memory| match slot {
        Slot::Lhs | Slot::Rhs => thinned.zeros.held(memory, slot),
        Slot::Acc => 1.0,
    };
    match inner.and_then(|(_, level)| at(level)) {
        Some(inner) => all * held(outer).max(held(inner)),
        None => all * held(outer) * thinned.fed(outer, slot, all, Counted::Made),
    }
}

/// First fill and last drain: main memory's share of one outermost tile.
fn edges(system: &System, chain: &Chain, nest: &Nest, cost: &Cost) -> Seconds {
    let Some(outer) = chain.memory(0) else {
        return Seconds::ZERO;
    };
    cost.traffic[outer].port_time(&system.memories[outer], 1.0) / nest.outer_tiles()
}
