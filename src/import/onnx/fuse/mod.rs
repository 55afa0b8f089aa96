//! Patterns of small operators that are one operator: norms, activations, attention.

mod activation;
mod attention;
mod engine;
mod norm;
mod rotary;

pub(super) use engine::fuse;
