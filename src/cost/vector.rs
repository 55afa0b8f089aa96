//! Operators of the vector engines: passes over data, simple and special operations.

use crate::hardware::{Managed, System};
use crate::units::{Bytes, Seconds};
use crate::workload::{Dtype, VectorWork};

use super::book::{Cost, Traffic};

/// Where an operator's bytes come from and go to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Served {
    /// Bytes that must cross main memory's ports.
    pub main: Traffic,
    /// Bytes that a cache serves.
    pub cached: Traffic,
}

impl Served {
    /// Adds a tensor that is read. If an operator made it with `between` bytes passing since, it is found in
    /// a cache of which both take up no more than half.
    pub fn read(&mut self, system: &System, bytes: Bytes, between: Option<Bytes>) {
        let near = between.is_some_and(|between| fits_a_cache(system, bytes + between));
        let into = if near {
            &mut self.cached
        } else {
            &mut self.main
        };
        into.read += bytes;
    }

    /// Adds a tensor that is written; one that `stays` on the chip if it takes up no more than half of a
    /// cache.
    pub fn write(&mut self, system: &System, bytes: Bytes, stays: bool) {
        let near = stays && fits_a_cache(system, bytes);
        let into = if near {
            &mut self.cached
        } else {
            &mut self.main
        };
        into.written += bytes;
    }
}

fn fits_a_cache(system: &System, bytes: Bytes) -> bool {
    let cache = last_cache(system).map(|i| &system.memories[i]);
    cache.is_some_and(|c| bytes <= c.capacity * (c.instances as f64 / 2.0))
}

/// Index of the outermost on-chip cache.
fn last_cache(system: &System) -> Option<usize> {
    let caches = system.memories.iter();
    caches
        .clone()
        .position(|m| m.is_on_chip() && m.managed == Managed::Cache)
}

/// Cost of a vector operator.
///
/// Bytes of main memory also cross the outermost on-chip memory. Time: the longest of main memory, that
/// memory, and the vector engine, whose simple and special operations run one after the other.
pub fn vector(system: &System, work: VectorWork, dtype: Dtype, served: Served) -> Cost {
    let mut cost = Cost::free(system);
    cost.traffic[0] = served.main;
    let on_chip = system.memories.iter().position(|m| m.is_on_chip());
    if let Some(on_chip) = on_chip {
        cost.traffic[on_chip].read += served.main.read + served.cached.read;
        cost.traffic[on_chip].written += served.main.written + served.cached.written;
    }
    for i in std::iter::once(0).chain(on_chip.filter(|i| *i != 0)) {
        let memory = &system.memories[i];
        cost.ports[i] = cost.traffic[i].port_time(memory, memory.instances as f64);
    }
    let (ops, special) = (work.elements * work.ops, work.elements * work.special);
    cost.vector = vector_time(system, ops, special, dtype);
    cost.energy.book_ops(system, dtype, ops + special);
    let traffic = cost.traffic.clone();
    cost.energy.book_traffic(system, &traffic);
    cost
}

/// Time of simple and special operations on all vector engines; zero without an engine, since then the
/// file says that they are part of something else.
pub(super) fn vector_time(system: &System, ops: f64, special: f64, dtype: Dtype) -> Seconds {
    let simple: f64 = system.vectors.iter().map(|v| v.peak(dtype).0).sum();
    let exotic: f64 = system.vectors.iter().map(|v| v.special_peak().0).sum();
    let time = |work: f64, rate: f64| if rate > 0.0 { work / rate } else { 0.0 };
    Seconds(time(ops, simple) + time(special, exotic))
}
