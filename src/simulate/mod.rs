//! One design point end to end: the front door.

mod estimate;
mod metric;

pub use estimate::{
    Area, Coverage, Estimate, Fidelity, Generation, MemoryUse, OperatorEstimate, PhaseEstimate,
    Roofs, Totals,
};
pub use metric::{Constraint, ConstraintError, Metric, Relation};
