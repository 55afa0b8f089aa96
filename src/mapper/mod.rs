//! Chooses how an Einsum runs on an engine: spatial loops, tiles per memory, loop orders.
//!
//! The declared mapspace: each axis of a fan-out unrolls one of its ranks and packs a second one into
//! what is left; each memory takes the tile that moves the fewest bytes across its boundary among equal
//! divisions of each rank, ties going to the largest tile or to the one that arrives soonest; outer memories
//! choose first. Library-tile chips choose among their tiles and splits of the sum.

pub mod exact;
mod library;
mod row_stationary;
mod search;
mod spatial;
mod tiles;

pub use row_stationary::{NotRowStationary, RowChoice, price_row_stationary, row_stationary};
pub use search::{Candidates, NoMapping, Objective, Request, best, best_of, candidates, proposals};
