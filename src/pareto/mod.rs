//! Pareto sets of minimized objectives: dominance, front, archive, hypervolume, knee.
//!
//! Every objective is minimized; negate one that is maximized. A point with a NaN is on no front.
//!
//! ```
//! use wattline::pareto;
//!
//! let points = [[1.0, 9.0], [2.0, 3.0], [8.0, 1.0], [9.0, 9.0]];
//! let front = pareto::front(&points);
//! assert_eq!(front, [0, 1, 2]);
//! assert_eq!(pareto::knee(&points, &front), Some(1));
//! assert_eq!(pareto::hypervolume(&points, &[10.0, 10.0]), Some(9.0 * 1.0 + 8.0 * 6.0 + 2.0 * 2.0));
//! ```

mod archive;
mod dominance;
mod hypervolume;
mod knee;

pub use archive::{Archive, Entry};
pub use dominance::{dominates, front};
pub use hypervolume::hypervolume;
pub use knee::knee;
