//! What changed between two stored results, by how much, and because of which operators and resources.
//!
//! ```
//! use wattline::compare::{Subject, compare};
//! use wattline::record::StoredRun;
//!
//! let mut slow = StoredRun::default();
//! slow.totals.latency_s = Some(0.2);
//! let mut fast = slow.clone();
//! fast.totals.latency_s = Some(0.1);
//! let found = compare(&Subject::of_run("a", &slow), &Subject::of_run("b", &fast));
//! assert_eq!(found.figures[0].share, Some(-0.5));
//! ```

mod cause;
mod gate;
mod subject;

pub use cause::{Cause, Causes, Comparison, FigureChange, InputChange, compare};
pub use gate::{Gate, GateError};
pub use subject::{Figure, Subject};
