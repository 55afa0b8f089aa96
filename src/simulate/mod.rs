//! One design point end to end: the front door.

mod bound;
mod desk;
mod estimate;
mod isolated;
mod memo;
mod memory;
mod metric;
mod mix;
mod phase;
mod price;
mod question;
mod replay;
mod run;
mod settings;
mod sheet;
mod speculative;
mod stage;
mod summary;
mod task;
mod training;
mod verdict;
mod zeros;

pub use crate::footprint::Area;
pub use desk::{Answer as DeskAnswer, Desk};
pub use estimate::{
    Coverage, Estimate, Expected, Fidelity, Generation, MemoryUse, OperatorEstimate, PhaseEstimate,
    Roofs, Totals,
};
pub use isolated::{Conditions, Isolated, isolated};
pub use memo::Memo;
pub use memory::{PREFILL_CHUNK, memory_use};
pub use metric::{Constraint, ConstraintError, Metric, Relation};
pub use price::{Prepared, Priced, Prints, price, price_on, resource};
pub use replay::Replay;
pub use run::{roofs, run};
pub use settings::idle_settings;
pub use sheet::Sheet;
pub use stage::{Step, binding, phase_of, steps};
pub use summary::Summary;
pub use task::{Task, runnable};
