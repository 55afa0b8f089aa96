//! A front that grows one point at a time.

use super::dominance::{covers, is_comparable};

/// A point of an [`Archive`] and what it stands for.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry<T> {
    /// Minimized.
    pub objectives: Vec<f64>,
    /// What the caller keeps beside it.
    pub tag: T,
}

/// The points of a stream that no other one dominates, in order of arrival.
///
/// Inserting all points of a slice gives the same set as [`super::front`].
#[derive(Clone, Debug, PartialEq)]
pub struct Archive<T> {
    entries: Vec<Entry<T>>,
}

impl<T> Default for Archive<T> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
        }
    }
}

impl<T> Archive<T> {
    /// An empty archive.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a point and drops those it dominates; returns whether it was taken.
    ///
    /// Refused: a dominated point, an equal one, a NaN, another number of objectives than the first.
    pub fn insert(&mut self, objectives: Vec<f64>, tag: T) -> bool {
        let other_length = self
            .entries
            .first()
            .is_some_and(|e| e.objectives.len() != objectives.len());
        if other_length
            || !is_comparable(&objectives)
            || self
                .entries
                .iter()
                .any(|e| covers(&e.objectives, &objectives))
        {
            return false;
        }
        self.entries.retain(|e| !covers(&objectives, &e.objectives));
        self.entries.push(Entry { objectives, tag });
        true
    }

    /// True if some kept point is at least as good in every objective, so that the point would be refused.
    pub fn covers(&self, objectives: &[f64]) -> bool {
        self.entries
            .iter()
            .any(|e| covers(&e.objectives, objectives))
    }

    /// The kept points, in order of arrival.
    pub fn entries(&self) -> &[Entry<T>] {
        &self.entries
    }

    /// The kept points by value.
    pub fn into_entries(self) -> Vec<Entry<T>> {
        self.entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pareto::front;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_archive_equals_the_front(
            points in prop::collection::vec(
                prop::collection::vec((0_i32..8).prop_map(f64::from), 3), 0..60),
        ) {
            let mut archive = Archive::new();
            for (i, point) in points.iter().enumerate() {
                let refused = archive.covers(point);
                prop_assert_eq!(archive.insert(point.clone(), i), !refused);
            }
            let kept: Vec<usize> = archive.entries().iter().map(|e| e.tag).collect();
            prop_assert_eq!(kept, front(&points));
        }
    }

    #[test]
    fn nan_and_other_lengths_are_refused() {
        let mut archive = Archive::new();
        assert!(!archive.insert(vec![f64::NAN, 0.0], 0));
        assert!(archive.insert(vec![1.0, 1.0], 1));
        assert!(!archive.insert(vec![0.0], 2));
        assert!(!archive.insert(vec![1.0, 1.0], 3));
        assert_eq!(archive.into_entries().len(), 1);
    }
}
