//! The grid of design points: axes, their values, and the fixed order of the points.

use ndarray::ArrayD;

use crate::units::{Bytes, Dimension, Quantity, si, significant};
use crate::workload::{Precision, Scenario};

/// What an axis turns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Setting {
    /// The whole chip, by its name or file.
    Profile,
    /// A path of the chip.
    Chip(String),
    /// Sequences or samples at once.
    Batch,
    /// Prompt tokens.
    Prompt,
    /// Output tokens.
    Output,
    /// Formats.
    Dtype,
    /// A setting of the software, by its name.
    Software(&'static str),
    /// A symbolic dimension.
    Dim(String),
}

/// One value of an axis.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A number, with its dimension.
    Quantity(Quantity),
    /// Formats.
    Precision(Precision),
    /// A word or pattern.
    Text(String),
}

/// A value as it is used and as people read it.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// Used.
    pub value: Value,
    /// Read.
    pub shown: String,
}

/// Settings that are turned together, and their values.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// At least one; all take the same value.
    pub settings: Vec<Setting>,
    /// At least one.
    pub choices: Vec<Choice>,
}

/// All combinations of the axes' values; the last axis turns fastest.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Space {
    /// In file order.
    pub axes: Vec<Axis>,
}

impl Setting {
    /// As in the file: `chip.glb`, `scenario.batch`.
    pub fn path(&self) -> String {
        match self {
            Self::Profile => "chip".to_owned(),
            Self::Chip(path) => format!("chip.{path}"),
            Self::Batch
            | Self::Prompt
            | Self::Output
            | Self::Dtype
            | Self::Software(_)
            | Self::Dim(_) => {
                format!("scenario.{}", self.short())
            }
        }
    }

    /// Without `chip.` or `scenario.`.
    pub fn short(&self) -> &str {
        match self {
            Self::Profile => "chip",
            Self::Chip(name) | Self::Dim(name) => name,
            Self::Batch => "batch",
            Self::Prompt => "prompt",
            Self::Output => "output",
            Self::Dtype => "dtype",
            Self::Software(name) => name,
        }
    }

    /// Whether it belongs to the chip.
    pub fn is_of_chip(&self) -> bool {
        matches!(self, Self::Chip(_) | Self::Profile)
    }

    /// Puts a value into a scenario; values of the chip leave it as it is.
    pub(super) fn apply(&self, value: &Value, scenario: &mut Scenario) {
        match (self, value) {
            (Self::Dtype, Value::Precision(precision)) => scenario.precision = *precision,
            (Self::Batch, Value::Quantity(q)) => scenario.batch = Some(q.value as u64),
            (Self::Prompt, Value::Quantity(q)) => scenario.prompt = q.value as u64,
            (Self::Output, Value::Quantity(q)) => scenario.output = q.value as u64,
            (Self::Dim(name), Value::Quantity(q)) => {
                scenario.dims.insert(name.clone(), q.value as u64);
            }
            (Self::Software(name), _) => {
                // The reader has tried every value.
                let _ = scenario.software.set(name, &value.text());
            }
            // The reader lets no other pair pass.
            (Self::Chip(_) | Self::Profile, _)
            | (Self::Dtype, Value::Quantity(_) | Value::Text(_)) => {}
            (
                Self::Batch | Self::Prompt | Self::Output | Self::Dim(_),
                Value::Precision(_) | Value::Text(_),
            ) => {}
        }
    }
}

impl Value {
    /// The number in SI base units; `None` for formats and words.
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Quantity(quantity) => Some(quantity.value),
            Self::Precision(_) | Self::Text(_) => None,
        }
    }

    /// Its dimension; none for formats and words.
    pub fn dimension(&self) -> Dimension {
        match self {
            Self::Quantity(quantity) => quantity.dimension,
            Self::Precision(_) | Self::Text(_) => Dimension::NONE,
        }
    }

    /// As a setting of the software takes it.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Quantity(quantity) => quantity.value.to_string(),
            Self::Precision(precision) => precision.to_string(),
            Self::Text(text) => text.clone(),
        }
    }
}

impl Choice {
    /// A number as people read it.
    pub fn of_quantity(quantity: Quantity) -> Self {
        Self {
            value: Value::Quantity(quantity),
            shown: show(quantity),
        }
    }
}

impl Axis {
    /// Name in tables: `glb`, `pe_rows=pe_cols`, `dtype`.
    pub fn label(&self) -> String {
        let names: Vec<&str> = self.settings.iter().map(Setting::short).collect();
        names.join("=")
    }

    /// Name in messages: `chip.pe_rows`, and what is linked to it.
    pub fn path(&self) -> String {
        let names: Vec<String> = self.settings.iter().map(Setting::path).collect();
        names.join(", ")
    }

    /// Whether it turns the chip.
    pub fn is_of_chip(&self) -> bool {
        self.settings.iter().any(Setting::is_of_chip)
    }

    /// Whether it turns nothing but keys of `[power]`.
    pub fn is_of_power(&self) -> bool {
        let is_power = |s: &Setting| matches!(s, Setting::Chip(path) if path.starts_with("power."));
        self.settings.iter().all(is_power)
    }
}

impl Space {
    /// Points of the grid; `None` if they cannot be counted.
    pub fn checked_len(&self) -> Option<usize> {
        let sizes = self.axes.iter().map(|a| a.choices.len());
        sizes
            .into_iter()
            .try_fold(1_usize, |n, size| n.checked_mul(size))
    }

    /// Points of the grid.
    pub fn len(&self) -> usize {
        self.checked_len().unwrap_or(usize::MAX)
    }

    /// True if an axis has no value.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Distance between the indices of two points that differ by one step of an axis.
    pub fn stride(&self, axis: usize) -> usize {
        self.axes[axis + 1..]
            .iter()
            .map(|a| a.choices.len())
            .product()
    }

    /// Indices of the points, one dimension per axis.
    ///
    /// Empty if there are not `n_points` points.
    pub fn grid(&self, n_points: usize) -> ArrayD<usize> {
        let shape: Vec<usize> = self.axes.iter().map(|a| a.choices.len()).collect();
        let indices = (0..n_points).collect();
        ArrayD::from_shape_vec(shape, indices)
            .unwrap_or_else(|_| ArrayD::from_elem(vec![0; self.axes.len()], 0))
    }

    /// Which choice of each axis a point takes.
    pub fn choices(&self, point: usize) -> Vec<usize> {
        let axes = 0..self.axes.len();
        axes.map(|a| point / self.stride(a) % self.axes[a].choices.len().max(1))
            .collect()
    }

    /// Index of the choice that a point takes on an axis.
    pub fn step(&self, axis: usize, point: usize) -> usize {
        point / self.stride(axis) % self.axes[axis].choices.len()
    }

    /// The choice that a point takes on an axis.
    pub fn choice(&self, axis: usize, point: usize) -> &Choice {
        &self.axes[axis].choices[self.step(axis, point)]
    }
}

/// A number with a unit that its dimension has.
fn show(quantity: Quantity) -> String {
    let value = quantity.value;
    match quantity.dimension {
        Dimension::NONE => significant(value, 6),
        Dimension::BYTES => Bytes(value).to_string(),
        Dimension::TIME => si(value, "s"),
        Dimension::FREQUENCY => si(value, "Hz"),
        Dimension::BANDWIDTH => si(value, "B/s"),
        Dimension::POWER => si(value, "W"),
        Dimension::ENERGY => si(value, "J"),
        Dimension::VOLTAGE => si(value, "V"),
        Dimension::OP_RATE => si(value, "OP/s"),
        other => format!("{} {other}", significant(value, 6)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_axis_turns_fastest() {
        let axis = |values: &[f64]| Axis {
            settings: vec![Setting::Batch],
            choices: values
                .iter()
                .map(|v| Choice::of_quantity(Quantity::number(*v)))
                .collect(),
        };
        let space = Space {
            axes: vec![axis(&[1.0, 2.0]), axis(&[3.0, 4.0, 5.0])],
        };
        assert_eq!(space.len(), 6);
        assert_eq!((space.stride(0), space.stride(1)), (3, 1));
        assert_eq!(space.choices(4), [1, 1]);
        assert_eq!(space.choice(1, 4).shown, "4");
        assert_eq!(Space::default().len(), 1);
    }
}
