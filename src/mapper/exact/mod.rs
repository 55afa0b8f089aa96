//! The provably best mapping of a declared mapspace.
//!
//! # Mapspace
//! A mapping is a chain of tiles, each of which divides the one further out. Between two places that keep
//! tiles all that counts is where the loops of a rank stand, and which loops run innermost: those of one
//! class let one operand stay, and the first loop outside of them decides what a sliding window keeps.
//! Sibling memories keep their tiles at one depth, unless the chip's mapspace is uneven: then each operand
//! has a depth of its own. Axes of a fan-out are filled as far as their factors allow. What a memory need
//! not hold may pass it by.
//!
//! # Search
//! From the outside in, place by place. Moving a factor inwards never raises a count where factors divide, so
//! that only the largest tiles matter, with one exception: an operand that stayed further out must not be
//! moved again by loops further in, and such tiles are tried as well. Every partial mapping has a lower bound,
//! its own counts and the least that the rest can add; what cannot beat the best mapping so far is dropped.
//!
//! Where a last tile is smaller, counts are bounds: complete mappings are priced one by one, and tiles that are
//! not the largest could be better, which the result says by its gap.

mod best;
mod bill;
mod curve;
mod descend;
mod flow;
mod front;
mod goal;
mod path;
mod rest;
mod run;
mod sides;
mod space;
mod table;
mod tiles;

pub use best::{Found, Search};
pub use bill::Engine;
pub use curve::{CurvePoint, curve};
pub use front::{Counts, Front, FrontPoint, Frontier, Prices};
pub use goal::Aim;
pub use space::Mapspace;
