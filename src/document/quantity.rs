//! Getters for numbers and physical quantities.

use std::ops::RangeInclusive;

use super::{Meaning, Node, Reader, Value};
use crate::diag::{Code, Problem};
use crate::units::{Dimension, Quantity, Typed};

impl Reader<'_> {
    /// The value of a number, a text with a unit, or an expression; always finite.
    pub fn evaluate(&self, key: &str, node: &Node) -> Option<Quantity> {
        let path = || self.path_of(key);
        let quantity = match &node.value {
            Value::Integer(value) => Quantity::number(*value as f64),
            Value::Float(value) => Quantity::number(*value),
            Value::Text(text) => match &*text.meaning {
                Meaning::Quantity(quantity) => *quantity,
                Meaning::Expr(expr) => match self.context.evaluate(expr)? {
                    Ok(quantity) => quantity,
                    Err(error) => {
                        self.push(node.expr_problem(&path(), &error));
                        return None;
                    }
                },
                Meaning::Broken(error) => {
                    self.push(node.expr_problem(&path(), error));
                    return None;
                }
                Meaning::Plain => {
                    self.push(not_a_quantity(&path(), node, &text.text));
                    return None;
                }
            },
            Value::Boolean(_) | Value::List(_) | Value::Table(_) => {
                self.wrong_type(key, node, "a number, a text with a unit, or an expression");
                return None;
            }
        };
        if !quantity.value.is_finite() {
            let message = format!("`{} = {}` is not a finite number", path(), node.show());
            self.push(node.problem(Code::OutOfRange, message));
            return None;
        }
        Some(quantity)
    }

    /// The value of a key with any dimension.
    pub fn any_quantity(&self, key: &'static str) -> Option<Quantity> {
        let node = self.get(key)?;
        self.evaluate(key, node)
    }

    /// A quantity of the type's dimension.
    pub fn quantity<T: Typed>(&self, key: &'static str) -> Option<T> {
        let node = self.get(key)?;
        self.typed(key, node)
    }

    /// A quantity that must be there.
    pub fn required<T: Typed>(&self, key: &'static str) -> Option<T> {
        if self.raw().get(key).is_none() {
            self.missing(key, &format!("give {}", T::DIMENSION.hint()));
        }
        self.quantity(key)
    }

    /// A quantity above zero.
    pub fn positive<T: Typed>(&self, key: &'static str) -> Option<T> {
        let node = self.get(key)?;
        self.positive_of(key, node)
    }

    /// A quantity of zero or more.
    pub fn non_negative<T: Typed>(&self, key: &'static str) -> Option<T> {
        let node = self.get(key)?;
        let value: T = self.typed(key, node)?;
        if value.si() < 0.0 {
            self.out_of_range(key, node, "must not be negative");
            return None;
        }
        Some(value)
    }

    /// A value as a quantity above zero.
    pub fn positive_of<T: Typed>(&self, key: &str, node: &Node) -> Option<T> {
        let value: T = self.typed(key, node)?;
        if value.si() <= 0.0 {
            self.out_of_range(key, node, "must be above zero");
            return None;
        }
        Some(value)
    }

    /// A value as a quantity of the type's dimension.
    pub fn typed<T: Typed>(&self, key: &str, node: &Node) -> Option<T> {
        let quantity = self.evaluate(key, node)?;
        let typed = quantity.into_typed();
        if typed.is_none() {
            self.wrong_dimension(key, node, quantity.dimension, T::DIMENSION);
        }
        typed
    }

    /// A bare number within a range.
    pub fn number(&self, key: &'static str, range: RangeInclusive<f64>) -> Option<f64> {
        let node = self.get(key)?;
        self.number_of(key, node, range)
    }

    /// A value as a bare number within a range.
    pub fn number_of(&self, key: &str, node: &Node, range: RangeInclusive<f64>) -> Option<f64> {
        let quantity = self.evaluate(key, node)?;
        if !quantity.dimension.is_none() {
            self.wrong_dimension(key, node, quantity.dimension, Dimension::NONE);
            return None;
        }
        if !range.contains(&quantity.value) {
            let (low, high) = (range.start(), range.end());
            self.out_of_range(key, node, &format!("must lie within {low} and {high}"));
            return None;
        }
        Some(quantity.value)
    }

    /// A share: above 0, at most 1.
    pub fn share(&self, key: &'static str) -> Option<f64> {
        let node = self.get(key)?;
        let value = self.number_of(key, node, f64::MIN..=f64::MAX)?;
        if value <= 0.0 || value > 1.0 {
            self.out_of_range(key, node, "must be above 0 and at most 1");
            return None;
        }
        Some(value)
    }

    /// A whole number within a range.
    pub fn integer(&self, key: &'static str, range: RangeInclusive<u64>) -> Option<u64> {
        let node = self.get(key)?;
        self.integer_of(key, node, range)
    }

    /// A value as a whole number within a range.
    pub fn integer_of(&self, key: &str, node: &Node, range: RangeInclusive<u64>) -> Option<u64> {
        let (low, high) = (*range.start(), *range.end());
        let value = self.number_of(key, node, low as f64..=high as f64)?;
        if value.fract() != 0.0 {
            self.out_of_range(key, node, "must be a whole number");
            return None;
        }
        Some(value as u64)
    }

    /// Reports a value outside of what the key allows (E0105).
    pub fn out_of_range(&self, key: &str, node: &Node, rule: &str) {
        let message = format!("`{} = {}` {rule}", self.path_of(key), node.show());
        self.push(node.problem(Code::OutOfRange, message));
    }

    /// Reports a missing or wrong unit (E0102).
    pub fn wrong_dimension(&self, key: &str, node: &Node, found: Dimension, wanted: Dimension) {
        let path = self.path_of(key);
        let shown = node.show();
        let (message, help) = if found.is_none() {
            (
                format!("`{path} = {shown}` has no unit"),
                missing_unit_help(&shown, wanted),
            )
        } else {
            (
                format!("`{path} = {shown}` is in {found}"),
                format!("expected {}", wanted.hint()),
            )
        };
        self.push(node.problem(Code::NoUnit, message).help(help));
    }
}

fn missing_unit_help(shown: &str, wanted: Dimension) -> String {
    let is_number = shown.parse::<f64>().is_ok();
    if wanted == Dimension::BYTES && is_number {
        return format!(
            "write \"{shown} GiB\" (2^30) or \"{shown} GB\" (10^9); they differ by 7.4 %"
        );
    }
    format!("expected {}", wanted.hint())
}

fn not_a_quantity(path: &str, node: &Node, text: &str) -> Problem {
    let message = format!("`{path} = {}` cannot be read", node.show());
    let reason = Quantity::parse(text).err().map(|e| e.to_string());
    let problem = node.problem(Code::NoUnit, message);
    let problem = problem.label(reason.unwrap_or_default());
    problem.help("write a number with a unit, or an expression that starts with `=`")
}
