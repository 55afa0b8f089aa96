//! Design spaces: a sweep file read and checked, every point priced in parallel, the front and what matters.
//!
//! A [`Plan`] is loaded once; [`run`] prices its points and tells a [`Sink`] of each. Results do not depend
//! on the number of threads. Nothing here prints or writes.
//!
//! ```
//! use wattline::explore::{self, Plan};
//! use wattline::catalog::{Base, Content, Entry, Kind};
//!
//! let text = r#"
//! schema = 1
//! name = "buffers"
//! on = "edge-npu"
//! minimize = ["latency", "area"]
//! workload = [{ model = "mobilenet-v2", dtype = "int8" }]
//! axis = [{ set = "chip.glb", values = ["256 KiB", "1 MiB"] }]
//! "#;
//! let entry = Entry {
//!     name: "buffers".to_owned(),
//!     origin: "buffers.toml".to_owned(),
//!     kind: Kind::Toml,
//!     content: Content::Text(text.to_owned()),
//!     base: Base::Catalog,
//! };
//! let (plan, _) = Plan::load(&entry, &[])?;
//! let (sweep, _) = explore::run(&plan, &explore::Silent, &explore::NoLedger)?;
//! assert_eq!(sweep.points.len(), 2);
//! assert!(!sweep.front.is_empty());
//! # Ok::<(), wattline::diag::Problems>(())
//! ```

mod axis;
mod detail;
mod drift;
mod effect;
mod evolve;
mod figures;
mod infeasible;
mod ledger;
mod load;
mod once;
mod plan;
mod point;
mod random;
mod read;
mod regret;
mod run;
mod sensitivity;
mod sheets;
mod sobol;
mod space;
mod strategy;
mod summary;
mod tally;

pub use detail::{Detail, detail};
pub use drift::{Drift, DriftResult, Drifted, drifts};
pub use effect::{Effect, Step};
pub use evolve::Progress;
pub use figures::{Figures, Row};
pub use ledger::{Answer, Ledger, NoLedger, Shard};
pub use plan::{Input, Job, Plan, digest};
pub use point::{Point, Reason};
pub use regret::{Best, Regret, WorkloadRegret, regrets};
pub use run::{Count as Counted, Silent, Sink, run, run_shard};
pub use sensitivity::{Moved, Parameter, Sensitivity, Upgrade, sensitivity};
pub use space::{Axis, Choice, Setting, Space, Value};
pub use strategy::{Spread, Strategy};
pub use summary::{Count, Sweep};
