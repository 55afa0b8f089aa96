//! Chooses how an Einsum runs on an engine: spatial loops, tiles per memory, loop orders.
//!
//! On chips with loop nests the candidates are the front of what mappings move ([`exact`]), which holds the best
//! for all energies and bandwidths, and a short list of nests whose first tiles arrive early: each axis of a fan-out
//! unrolls one of its ranks and packs a second one into what is left; each memory takes the tile that moves the
//! fewest bytes across its boundary among equal divisions of each rank. Library-tile chips choose among their tiles
//! and splits of the sum.

pub mod exact;
mod library;
mod row_stationary;
mod search;
mod spatial;
mod tiles;

pub use row_stationary::{NotRowStationary, RowChoice, price_row_stationary, row_stationary};
pub use search::{Candidates, NoMapping, Objective, Request, best, best_of, candidates, proposals};
