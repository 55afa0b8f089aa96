//! One design point: what it answers, and why it is out.

use crate::simulate::{Constraint, Metric};
use crate::units::Bytes;

use super::figures::Figures;

/// Why a point is not feasible.
#[derive(Clone, Debug, PartialEq)]
pub enum Reason {
    /// The chip contradicts itself, or a product fits nowhere on it.
    Unpriced(String),
    /// A model does not fit into main memory.
    Memory {
        /// Of the model that lacks most.
        short: Bytes,
    },
    /// An objective is not known.
    Unknown(Metric),
    /// A limit is missed.
    Constraint {
        /// Index into the plan's constraints.
        index: usize,
        /// Of the worst workload; `None` if it is not known.
        value: Option<f64>,
        /// Distance to the limit over the limit.
        excess: f64,
    },
}

/// One design point.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// In the order of the grid.
    pub index: usize,
    /// `None` if it could not be priced.
    pub figures: Option<Figures>,
    /// Empty if it is feasible.
    pub reasons: Vec<Reason>,
}

impl Point {
    /// Whether it meets everything.
    pub fn is_feasible(&self) -> bool {
        self.reasons.is_empty()
    }

    /// The mean of a metric over the mix.
    pub fn mean(&self, metric: Metric) -> Option<f64> {
        self.figures.as_ref().and_then(|f| f.mean(metric))
    }

    /// The metric of the workload that does worst.
    pub fn worst(&self, metric: Metric) -> Option<f64> {
        self.figures.as_ref().and_then(|f| f.worst(metric))
    }

    /// Objectives as minimized; NaN where one is not known.
    pub fn costs(&self, objectives: &[Metric]) -> Vec<f64> {
        let cost = |m: &Metric| {
            let value = self.mean(*m).unwrap_or(f64::NAN);
            if m.is_maximized() { -value } else { value }
        };
        objectives.iter().map(cost).collect()
    }
}

impl Reason {
    /// Short name for counts and columns: `area`, `memory`, `chip`.
    pub fn name(&self, constraints: &[Constraint]) -> String {
        match self {
            Self::Unpriced(_) => "not mappable".to_owned(),
            Self::Memory { .. } => "memory".to_owned(),
            Self::Unknown(metric) => format!("{metric} not known"),
            Self::Constraint { index, .. } => constraints[*index].metric.name().to_owned(),
        }
    }

    /// One sentence: what is violated and by how much.
    pub fn describe(&self, constraints: &[Constraint]) -> String {
        match self {
            Self::Unpriced(text) => text.clone(),
            Self::Memory { short } => format!("memory: short by {short}"),
            Self::Unknown(metric) => format!("{metric} is not known"),
            Self::Constraint { index, value, .. } => {
                let constraint = &constraints[*index];
                let shown = value.map_or("not known".to_owned(), |v| constraint.metric.show(v));
                format!("{constraint}: {shown}")
            }
        }
    }
}

/// The limits that figures miss.
pub(super) fn violations(figures: &Figures, constraints: &[Constraint]) -> Vec<Reason> {
    let mut found = Vec::new();
    for (index, constraint) in constraints.iter().enumerate() {
        let value = figures.worst(constraint.metric);
        if value.is_some_and(|v| constraint.relation.holds(v, constraint.limit)) {
            continue;
        }
        let excess = value.map_or(f64::INFINITY, |v| {
            let distance = (v - constraint.limit).abs();
            if distance == 0.0 {
                0.0
            } else {
                distance / constraint.limit.abs()
            }
        });
        found.push(Reason::Constraint {
            index,
            value,
            excess,
        });
    }
    found
}
