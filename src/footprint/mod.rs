//! What a chip takes: silicon area of its described components.

mod area;

pub use area::{Area, area};
