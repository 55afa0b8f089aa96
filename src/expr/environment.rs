//! Names that an expression may use, with their values.

use std::sync::Arc;

use crate::units::Quantity;

/// Named quantities, in the order in which they were inserted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Environment(Vec<(Arc<str>, Quantity)>);

impl Environment {
    /// Adds or replaces a name.
    pub fn insert(&mut self, name: impl Into<Arc<str>>, value: Quantity) {
        let name = name.into();
        match self.0.iter_mut().find(|(n, _)| *n == name) {
            Some(entry) => entry.1 = value,
            None => self.0.push((name, value)),
        }
    }

    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<Quantity> {
        self.0.iter().find(|(n, _)| &**n == name).map(|e| e.1)
    }

    /// All names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| &**name)
    }
}
