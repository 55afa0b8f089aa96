//! Energy, area and leakage per action, by node, component kind and size.

mod kind;

pub use kind::MemoryKind;
