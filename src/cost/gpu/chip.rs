//! The figures of a chip that the time of its kernels follows from.

use crate::cost::library::clusters;
use crate::hardware::kernels::Accuracy;
use crate::hardware::{Array, Direction, System, Tiles};
use crate::units::{Bytes, BytesPerSecond, Hertz, MacsPerSecond};
use crate::workload::Dtype;

/// What kernels see of a GPU, all of it from the datasheet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gpu {
    /// Streaming multiprocessors.
    pub clusters: f64,
    /// Peak rate of main memory.
    pub memory: BytesPerSecond,
    /// Size of the cache that all clusters share.
    pub cache: Bytes,
    /// Nominal clock.
    pub clock: Hertz,
}

impl Gpu {
    /// The figures of a chip; `None` if it runs no library kernels, or its clusters or shared cache are not
    /// described.
    pub fn of(system: &System) -> Option<Self> {
        if system.kernels.is_none() || !matches!(system.tiles, Tiles::Listed { .. }) {
            return None;
        }
        let cache = system.memories.iter().find(|m| m.is_on_chip())?;
        let main = system.main_memory();
        Some(Self {
            clusters: clusters(system)?,
            memory: main.bandwidth(Direction::Both) * main.instances as f64,
            cache: cache.capacity * cache.instances as f64,
            clock: system.process.clock,
        })
    }

    /// Peak rate of an engine in a format it has, before any loss.
    pub fn peak(array: &Array, dtype: Dtype) -> MacsPerSecond {
        array.peak(dtype).unwrap_or(MacsPerSecond(1.0))
    }
}

/// What a kernel on a chip that its family was not fitted on is further off, over one that it was.
///
/// Source: sustained products and attention of H200 with the coefficients of H100, NVIDIA AIConfigurator,
/// Apache-2.0: 1.2 to 1.4 times the error on H100.
const ELSEWHERE: f64 = 1.5;

/// The mean error to expect of a set's kernels on a chip; `None` if the set was not compared to measurements.
pub(in crate::cost) fn expected_error(system: &System, accuracy: Option<Accuracy>) -> Option<f64> {
    let kernels = system.kernels.as_deref()?;
    let is_fitted = kernels.fitted_on.contains(&system.name);
    accuracy.map(|a| a.mean * if is_fitted { 1.0 } else { ELSEWHERE })
}
