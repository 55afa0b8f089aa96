//! Lower bounds from compulsory work at peak rates.

use crate::hardware::{Direction, Memory, System};
use crate::units::{Bytes, BytesPerSecond, Macs, MacsPerSecond, Seconds};
use crate::workload::Dtype;

/// The roofline: `max(macs / peak, bytes / bandwidth)`.
///
/// Source: Williams et al., "Roofline", CACM 52 (2009).
pub fn ceiling(
    macs: Macs,
    peak: MacsPerSecond,
    bytes: Bytes,
    bandwidth: BytesPerSecond,
) -> Seconds {
    let compute = if macs.0 > 0.0 {
        macs / peak
    } else {
        Seconds::ZERO
    };
    let memory = if bytes.0 > 0.0 {
        bytes / bandwidth
    } else {
        Seconds::ZERO
    };
    compute.max(memory)
}

/// Time of MACs of a format at the chip's peak rate.
pub fn compute_bound(system: &System, macs: Macs, dtype: Dtype) -> Seconds {
    let peak = system.peak(system.executed_as(dtype));
    ceiling(
        macs,
        peak.unwrap_or(MacsPerSecond(f64::INFINITY)),
        Bytes::ZERO,
        BytesPerSecond(f64::INFINITY),
    )
}

/// Time of bytes that may have stayed on the chip since they were made.
pub fn near_bound(system: &System, bytes: Bytes) -> Seconds {
    let rates = system.memories.iter().enumerate();
    let able = rates.filter(|(i, m)| *i == 0 || m.is_on_chip());
    let all = able.map(|(_, m)| m.bandwidth(Direction::Both) * m.instances as f64);
    let rate = all.take(2).fold(BytesPerSecond::ZERO, BytesPerSecond::max);
    ceiling(Macs::ZERO, MacsPerSecond(f64::INFINITY), bytes, rate)
}

/// Where bytes that must be touched once come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// The outermost on-chip memory: all of them fit there, so that they may have stayed.
    Near,
    /// Main memory.
    Main,
}

/// The outermost memory on the chip.
fn near(system: &System) -> Option<&Memory> {
    system.memories.iter().find(|m| m.is_on_chip())
}

/// Where bytes come from that share a memory with `beside` more.
pub fn origin(system: &System, bytes: Bytes, beside: Bytes) -> Origin {
    let stays = |m: &Memory| bytes + beside <= m.capacity * m.instances as f64;
    if near(system).is_some_and(stays) {
        Origin::Near
    } else {
        Origin::Main
    }
}

/// Time of bytes that must be touched once, of which `beside` more share the same memory.
///
/// If all of them fit into the outermost on-chip memory they may have stayed there, and its bandwidth sets
/// the rate; otherwise main memory's does.
pub fn memory_bound(system: &System, bytes: Bytes, beside: Bytes) -> Seconds {
    memory_bound_from(system, bytes, origin(system, bytes, beside))
}

/// As [`memory_bound`], of bytes whose origin is known.
pub fn memory_bound_from(system: &System, bytes: Bytes, origin: Origin) -> Seconds {
    let all = |m: &Memory| m.bandwidth(Direction::Both) * m.instances as f64;
    let main = all(system.main_memory());
    let rate = match origin {
        Origin::Near => near(system).map_or(main, |m| all(m).max(main)),
        Origin::Main => main,
    };
    ceiling(Macs::ZERO, MacsPerSecond(f64::INFINITY), bytes, rate)
}
