//! Operator graphs written by hand: a workload TOML with `[[op]]`, blocks, open sizes and other models as parts.
//!
//! The text becomes a tree once; every binding walks it with its own sizes, infers all shapes, and adds
//! operators to a draft. Blocks that repeat with equal shapes become operators with a count.

mod args;
mod block;
mod dims;
mod draft;
mod input;
mod model;
mod ops;
mod part;
mod request;
mod rider;
mod walk;

pub(super) use model::read;
pub(super) use part::relative;
pub(super) use request::extras;
