//! One page that stands alone: results with linked charts, without network.
//!
//! The page holds its figures as one JSON object, a style and a script; the script draws ten panels from the object. Points of
//! a sweep lie column by column; beyond [`MOST_POINTS`] dominated ones are left out, and the page says so.

mod pack;
mod page;
mod run;

pub use pack::MOST_POINTS;
pub use page::{of_run, of_sweep};
