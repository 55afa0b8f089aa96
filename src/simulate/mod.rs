//! One design point end to end: the front door.

mod estimate;

pub use estimate::{
    Area, Coverage, Estimate, Fidelity, Generation, MemoryUse, OperatorEstimate, PhaseEstimate,
    Roofs, Totals,
};
