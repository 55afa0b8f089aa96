//! What all parts of one evaluation share: class, node, clock, inherited source, assumed values.

use std::cell::RefCell;
use std::fmt::Display;

use crate::diag::Code;
use crate::document::{Node, Reader};
use crate::hardware::{Assumed, Class};
use crate::units::{Bytes, BytesPerSecond, Dimension, Hertz, Meters, Quantity, Seconds, Typed};

/// The chip under evaluation.
#[derive(Debug)]
pub(super) struct Chip<'a> {
    pub(super) class: Class,
    pub(super) node: Meters,
    pub(super) clock: Hertz,
    pub(super) source: &'a str,
    pub(super) assumed: RefCell<Vec<Assumed>>,
}

impl<'a> Chip<'a> {
    /// Lists a value that the file does not give.
    pub(super) fn assume(&self, path: String, value: impl Display, reason: &str) {
        self.assumed.borrow_mut().push(Assumed {
            path,
            value: value.to_string(),
            reason: reason.to_owned(),
        });
    }

    /// The value found, else the default, which is listed unless the key is there but faulty.
    pub(super) fn or<T: Display>(
        &self,
        found: Option<T>,
        reader: &Reader,
        key: &str,
        default: T,
        reason: &str,
    ) -> T {
        found.unwrap_or_else(|| {
            if reader.raw().get(key).is_none() {
                self.assume(reader.path_of(key), &default, reason);
            }
            default
        })
    }

    /// Where a block comes from: its own `source`, else that of the file.
    pub(super) fn source_of(&self, reader: &Reader<'a>) -> String {
        reader.string("source").unwrap_or(self.source).to_owned()
    }

    /// A bandwidth in bytes per second, or in bytes per cycle times a clock.
    pub(super) fn bandwidth(&self, reader: &Reader, key: &'static str) -> Option<BytesPerSecond> {
        let node = reader.get(key)?;
        self.bandwidth_of(reader, key, node)
    }

    /// A value as a bandwidth.
    pub(super) fn bandwidth_of(
        &self,
        reader: &Reader,
        key: &str,
        node: &Node,
    ) -> Option<BytesPerSecond> {
        self.per_clock(reader, key, node, Dimension::BYTES_PER_CYCLE, self.clock.0)
    }

    /// A time in seconds, or in clock cycles.
    pub(super) fn time(&self, reader: &Reader, key: &'static str) -> Option<Seconds> {
        let node = reader.get(key)?;
        let quantity = reader.evaluate(key, node)?;
        let value = match quantity.dimension {
            Dimension::CYCLES => Quantity::new(quantity.value / self.clock.0, Dimension::TIME),
            _ => quantity,
        };
        let Some(time) = value.into_typed::<Seconds>() else {
            reader.wrong_dimension(key, node, quantity.dimension, Dimension::TIME);
            return None;
        };
        if time.0 < 0.0 {
            reader.out_of_range(key, node, "must not be negative");
            return None;
        }
        Some(time)
    }

    fn per_clock<T: Typed>(
        &self,
        reader: &Reader,
        key: &str,
        node: &Node,
        per_cycle: Dimension,
        factor: f64,
    ) -> Option<T> {
        let quantity = reader.evaluate(key, node)?;
        let value = if quantity.dimension == per_cycle {
            Quantity::new(quantity.value * factor, T::DIMENSION)
        } else {
            quantity
        };
        let Some(typed) = value.into_typed::<T>() else {
            reader.wrong_dimension(key, node, quantity.dimension, T::DIMENSION);
            return None;
        };
        if typed.si() <= 0.0 || !typed.si().is_finite() {
            reader.out_of_range(key, node, "must be above zero");
            return None;
        }
        Some(typed)
    }

    /// A capacity: `unbounded`, or a size above zero.
    pub(super) fn capacity(&self, reader: &Reader) -> Bytes {
        let key = "capacity";
        match reader.get(key) {
            None => {
                reader.missing(key, "give a size, e.g. \"80 GiB\", or \"unbounded\"");
                Bytes(1.0)
            }
            Some(node) if node.as_text() == Some("unbounded") => Bytes(f64::INFINITY),
            Some(node) => reader.positive_of(key, node).unwrap_or(Bytes(1.0)),
        }
    }
}

/// Reports two statements that do not go together (E0104).
pub(super) fn disagree(reader: &Reader, key: &str, message: String, help: &str) {
    let problem = reader.key_problem(key, Code::Disagreement, message);
    reader.push(problem.help(help));
}
