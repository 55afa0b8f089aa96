//! Fill and load of systolic arrays, in cycles, from the sizes of the fan-out above.

use super::chip::disagree;
use crate::document::{Meaning, Node, Reader, Value};
use crate::expr::{Environment, Expr};
use crate::hardware::{FanAxis, Systolic};
use crate::units::{Dimension, Quantity};

/// Most cycles of one fill or load.
const MAX_CYCLES: f64 = 1e9;

/// Reads `systolic` of an engine whose nearest fan-out has these axes.
///
/// Defaults: an operand takes `rows + cols - 2` steps from corner to corner, and a stationary operand is
/// shifted in row by row.
pub(super) fn read(array: &Reader, axes: Option<&[FanAxis]>) -> Option<Systolic> {
    let reader = array.table("systolic")?;
    let Some(axes) = axes else {
        let path = array.path_of("systolic");
        let message = format!(
            "`{path}` is given, but `{}` is below no fan-out",
            array.path()
        );
        disagree(
            array,
            "systolic",
            message,
            "describe the array as a [[fanout]] of its cells",
        );
        return None;
    };
    let size = |axis: usize| axes.get(axis).map_or(1.0, |a| a.size as f64);
    let (rows, cols) = (size(0), size(1));
    let mut sizes = Environment::default();
    sizes.insert("rows", Quantity::number(rows));
    sizes.insert("cols", Quantity::number(cols));
    let found = Systolic {
        fill: cycles(&reader, "fill", &sizes).unwrap_or(rows + cols - 2.0),
        load: cycles(&reader, "load", &sizes).unwrap_or(rows),
        overlap_load: reader.boolean("overlap_load").unwrap_or(false),
    };
    reader.finish();
    Some(found)
}

/// A count, `"16 cycle"`, or words and numbers such as `rows + cols - 2`.
fn cycles(reader: &Reader, key: &'static str, sizes: &Environment) -> Option<f64> {
    let node = reader.get(key)?;
    let quantity = match of_sizes(node) {
        None => reader.evaluate(key, node)?,
        Some(text) => match Expr::parse(text).and_then(|e| e.evaluate(sizes)) {
            Ok(quantity) => quantity,
            Err(error) => {
                let message = format!("`{}`: {}", reader.path_of(key), error.message);
                let problem = node.problem(error.code, message);
                reader.push(problem.help("it may use rows, cols and numbers"));
                return None;
            }
        },
    };
    let is_count = quantity.dimension.is_none() || quantity.dimension == Dimension::CYCLES;
    if !is_count {
        reader.wrong_dimension(key, node, quantity.dimension, Dimension::CYCLES);
        return None;
    }
    if !(0.0..=MAX_CYCLES).contains(&quantity.value) {
        reader.out_of_range(key, node, "must lie within 0 and 1e9 cycles");
        return None;
    }
    Some(quantity.value)
}

/// The text, if it is neither a quantity nor an expression over knobs.
fn of_sizes(node: &Node) -> Option<&str> {
    match &node.value {
        Value::Text(text) => match &*text.meaning {
            Meaning::Plain => Some(&text.text),
            Meaning::Quantity(_) | Meaning::Expr(_) | Meaning::Broken(_) => None,
        },
        Value::Integer(_)
        | Value::Float(_)
        | Value::Boolean(_)
        | Value::List(_)
        | Value::Table(_) => None,
    }
}
