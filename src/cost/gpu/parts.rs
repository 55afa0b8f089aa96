//! Times of a kernel, put in place of a general estimate's.

use crate::cost::Cost;
use crate::units::Seconds;

/// Times of one kernel, or of the few kernels of one call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Parts {
    /// Start to end of an empty call.
    pub(super) launch: Seconds,
    /// Busy time of the clusters.
    pub(super) engine: Seconds,
    /// Busy time of main memory.
    pub(super) memory: Seconds,
    /// All but the launch.
    pub(super) total: Seconds,
    /// Share of the clusters that have work.
    pub(super) occupancy: f64,
}

impl Parts {
    /// A cost with these times, and bytes and energy as they were.
    pub(super) fn put_into(self, mut cost: Cost) -> Cost {
        let longest = self.engine.max(self.memory);
        cost.launch = Some(self.launch);
        cost.occupancy = self.occupancy.clamp(0.0, 1.0);
        cost.matrix = self.engine;
        cost.vector = cost.vector.min(longest);
        for port in cost.ports.iter_mut() {
            *port = port.min(longest);
        }
        if let Some(main) = cost.ports.first_mut() {
            *main = self.memory;
        }
        cost.exposed = Seconds((self.total.0 - longest.0).max(0.0));
        cost
    }
}
