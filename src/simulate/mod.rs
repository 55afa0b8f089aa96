//! One design point end to end: the front door.

mod estimate;

pub use crate::footprint::Area;
pub use estimate::{
    Coverage, Estimate, Fidelity, Generation, MemoryUse, OperatorEstimate, PhaseEstimate, Roofs,
    Totals,
};
