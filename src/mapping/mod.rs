//! Loop nests: which tile of an Einsum lives where, in which order tiles are visited.
//!
//! A [`Chain`] is the way from main memory to a matrix engine; a [`Nest`] is a list of loops, outermost
//! first, with the places where memories of the chain keep tiles. A loop of factor `f` over an extent `e`
//! leaves `⌈e / f⌉`.
//!
//! ```
//! use wattline::mapping::{Loop, Nest, Step};
//!
//! let nest = Nest { steps: vec![Step::Loop(Loop::temporal(0, 2)), Step::Loop(Loop::temporal(0, 4))] };
//! assert_eq!(nest.extents_at(&[8], 1).as_slice(), [4]); // what the second loop runs over
//! ```

mod chain;
mod convention;
mod einsum;
mod names;
mod nest;
mod problem;
mod row_stationary;
mod text;

pub use chain::{Chain, Level};
pub use convention::Convention;
pub use names::names;
pub use nest::{Extents, Loop, Nest, Place, Step};
pub use problem::MapProblem;
pub use row_stationary::{ConvSizes, RowPlan, Side};
