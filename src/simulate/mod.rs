//! One design point end to end: the front door.

mod bound;
mod estimate;
mod memo;
mod memory;
mod metric;
mod phase;
mod prepare;
mod price;
mod run;
mod stage;

pub use crate::footprint::Area;
pub use estimate::{
    Coverage, Estimate, Fidelity, Generation, MemoryUse, OperatorEstimate, PhaseEstimate, Roofs,
    Totals,
};
pub use memo::Memo;
pub use memory::memory_use;
pub use metric::{Constraint, ConstraintError, Metric, Relation};
pub use prepare::{Prepared, runnable};
pub use price::{Priced, price, resource};
pub use run::{roofs, run};
pub use stage::{Step, binding, longest_context, phase_of, steps};
