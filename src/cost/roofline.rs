//! Lower bounds from compulsory work at peak rates.

use crate::hardware::{Direction, System};
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

/// Lower bound of work whose bytes must be touched once.
///
/// Bytes that fit on the chip may have stayed there, so the fastest memory that could hold all of them
/// sets the rate; otherwise main memory does.
pub fn operator_bound(system: &System, macs: Macs, dtype: Dtype, bytes: Bytes) -> Seconds {
    let executed = system.executed_as(dtype);
    let peak = system
        .peak(executed)
        .unwrap_or(MacsPerSecond(f64::INFINITY));
    ceiling(macs, peak, bytes, holding_bandwidth(system, bytes))
}

/// Rate of the fastest memory that could hold these bytes.
fn holding_bandwidth(system: &System, bytes: Bytes) -> BytesPerSecond {
    let able = system.memories.iter().enumerate().filter(|(i, memory)| {
        let all = memory.capacity * memory.instances as f64;
        *i == 0 || (memory.is_on_chip() && bytes <= all)
    });
    able.map(|(_, m)| m.bandwidth(Direction::Both) * m.instances as f64)
        .fold(BytesPerSecond::ZERO, BytesPerSecond::max)
}
