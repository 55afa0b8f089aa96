//! Time and energy of a loop nest.

use crate::hardware::System;
use crate::mapping::{Chain, Convention, Level, Nest};
use crate::units::{Bytes, Seconds};
use crate::workload::{Dtype, Einsum, Slot};

use super::book::{Cost, Traffic};
use super::reuse::{Accesses, Widths, account};

/// Cost of an Einsum under a nest.
///
/// Time of the engine: `steps · MACs per step ÷ rate`; time of a memory: bytes of its busiest instance ÷
/// bandwidth. The first tile must arrive and the last one leave before and after everything else.
pub fn price_nest(
    einsum: &Einsum,
    dtype: Dtype,
    system: &System,
    chain: &Chain,
    nest: &Nest,
    widths: &Widths,
) -> Cost {
    let mut cost = Cost::free(system);
    let array = &system.arrays[chain.array];
    let accesses = account(einsum, system, chain, nest, Convention::Physical);
    let rate = array
        .rate
        .iter()
        .find(|(d, _)| *d == dtype)
        .map_or(1.0, |r| r.1);
    let per_step = array.tile.map_or(1.0, |t| (t.m * t.n * t.k) as f64);
    let cycles = nest.steps() * per_step / rate;
    cost.matrix = Seconds(cycles / array.clock.0 / array.achievable);
    cost.executed_macs = einsum.macs();
    let mut unbuffered = Seconds::ZERO;
    for (level, at) in chain.levels.iter().enumerate() {
        match *at {
            Level::Fanout { fanout } => {
                if let Some(each) = system.fanouts[fanout].hop_energy {
                    let bytes = Slot::ALL
                        .map(|slot| accesses.delivered[level][slot as usize] * widths.of(slot));
                    cost.energy.network += each * Bytes(bytes.iter().sum());
                }
            }
            Level::Memory { memory, .. } => {
                let bytes = traffic_at(&accesses, level, widths);
                let instances = nest.instances(level);
                let time = bytes.port_time(&system.memories[memory], instances);
                cost.traffic[memory].read += bytes.read;
                cost.traffic[memory].written += bytes.written;
                cost.ports[memory] = cost.ports[memory].max(time);
                if system.memories[memory].stalls_while_filled() {
                    let filled = |slot: Slot| match slot {
                        Slot::Acc => 0.0,
                        Slot::Lhs | Slot::Rhs => {
                            accesses.levels[level][slot as usize].filled(slot, widths)
                        }
                    };
                    let fills = Traffic {
                        written: Bytes(Slot::ALL.map(filled).iter().sum()),
                        ..Traffic::default()
                    };
                    unbuffered += fills.port_time(&system.memories[memory], instances);
                }
            }
        }
    }
    // Each outermost tile is a transfer that must be set up.
    let setups = system.overhead.tile * nest.outer_tiles();
    if let Some(outer) = chain.memory(0) {
        cost.ports[outer] += setups;
    }
    cost.exposed = unbuffered + edges(system, chain, nest, &cost);
    cost.energy
        .book_macs(system, chain.array, dtype, einsum.macs());
    let traffic = cost.traffic.clone();
    cost.energy.book_traffic(system, &traffic);
    cost
}

fn traffic_at(accesses: &Accesses, level: usize, widths: &Widths) -> Traffic {
    let mut sum = Traffic::default();
    for slot in Slot::ALL {
        let count = &accesses.levels[level][slot as usize];
        sum.read += Bytes(count.read(slot, widths));
        sum.written += Bytes(count.filled(slot, widths) + count.updated(slot, widths));
    }
    sum
}

/// First fill and last drain: main memory's share of one outermost tile.
fn edges(system: &System, chain: &Chain, nest: &Nest, cost: &Cost) -> Seconds {
    let Some(outer) = chain.memory(0) else {
        return Seconds::ZERO;
    };
    cost.traffic[outer].port_time(&system.memories[outer], 1.0) / nest.outer_tiles()
}
