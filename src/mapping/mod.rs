//! Loop nests: which tile of an Einsum lives where, in which order tiles are visited.
//!
//! A [`Chain`] is the way from main memory to a matrix engine; a [`Nest`] gives each level of it its
//! loops. Tiles follow from the top by rounding up: a loop of factor `f` over an extent `e` leaves
//! `⌈e / f⌉`.
//!
//! ```
//! use wattline::mapping::{Loop, Nest};
//!
//! let nest = Nest::new(vec![vec![Loop::temporal(0, 2)], vec![Loop::temporal(0, 4)]]);
//! assert_eq!(nest.extents(&[8])[1].as_slice(), [4]); // the tile of the second level
//! ```

mod chain;
mod nest;

pub use chain::{Chain, Level};
pub use nest::{Extents, Loop, Nest};
