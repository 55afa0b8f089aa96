//! Time and energy of a loop nest.

use crate::hardware::System;
use crate::mapping::{Chain, Level, Nest};
use crate::units::{Bytes, Seconds};
use crate::workload::{Dtype, Einsum};

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
    let accesses = account(einsum, system, chain, nest, widths);
    let rate = array
        .rate
        .iter()
        .find(|(d, _)| *d == dtype)
        .map_or(1.0, |r| r.1);
    let per_step = array.tile.map_or(1.0, |t| (t.m * t.n * t.k) as f64);
    let cycles = nest.steps() * per_step / rate;
    cost.matrix = Seconds(cycles / array.clock.0 / array.achievable);
    cost.executed_macs = einsum.macs();
    let mut instances = 1.0;
    let mut unbuffered = Seconds::ZERO;
    for (level, at) in chain.levels.iter().enumerate() {
        match *at {
            Level::Fanout { fanout } => {
                let used = nest.levels[level].iter().map(|l| l.factor as f64);
                instances *= used.product::<f64>();
                if let Some(each) = system.fanouts[fanout].hop_energy {
                    cost.energy.network += each * Bytes(accesses.delivered[level]);
                }
            }
            Level::Memory { memory, .. } => {
                let bytes = traffic_at(&accesses, level);
                let time = bytes.port_time(&system.memories[memory], instances);
                cost.traffic[memory].read += bytes.read;
                cost.traffic[memory].written += bytes.written;
                cost.ports[memory] = cost.ports[memory].max(time);
                if system.memories[memory].stalls_while_filled() {
                    let fills = Traffic {
                        written: Bytes(accesses.filled[level]),
                        ..Traffic::default()
                    };
                    unbuffered += fills.port_time(&system.memories[memory], instances);
                }
            }
        }
    }
    // Each outermost tile is a transfer that must be set up.
    let setups = system.overhead.tile * outer_tiles(nest);
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

fn traffic_at(accesses: &Accesses, level: usize) -> Traffic {
    Traffic {
        read: Bytes(accesses.read[level]),
        written: Bytes(accesses.written[level]),
    }
}

/// First fill and last drain: main memory's share of one outermost tile.
fn edges(system: &System, chain: &Chain, nest: &Nest, cost: &Cost) -> Seconds {
    let Some(outer) = chain.memory(0) else {
        return Seconds::ZERO;
    };
    cost.traffic[outer].port_time(&system.memories[outer], 1.0) / outer_tiles(nest)
}

/// Tiles that main memory delivers.
fn outer_tiles(nest: &Nest) -> f64 {
    let loops = nest.levels[0].iter().map(|l| l.factor as f64);
    loops.product::<f64>().max(1.0)
}
