//! Tables of measured operators.

use crate::diag::{Code, Problem, Problems, Source};
use crate::units::{Seconds, Watts};

use super::OpRow;
use super::table::Table;
use super::unpriced::short;

/// Columns that a table of measurements must have. `chip`, `stack`, `regime` and `power_w` may be there.
const COLUMNS: [&str; 4] = ["op", "dtype", "shape", "us"];

/// Longest time of one operator that is taken for a measurement.
const LONGEST_US: f64 = 1e9;

/// An operator and what was measured of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// The operator.
    pub row: OpRow,
    /// Time of one execution.
    pub latency: Seconds,
    /// Mean power while it repeats.
    pub power: Option<Watts>,
}

/// The measurements of a chip.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MeasuredTable {
    /// In the order of the table.
    pub rows: Vec<Measured>,
    /// Rows of other chips.
    pub n_others: usize,
    /// Rows without a time.
    pub n_empty: usize,
}

/// Reads measurements: a CSV table with `op,dtype,shape,us` and, if known, `chip,stack,regime,power_w`.
///
/// With `chip` a row without a chip is taken to be of it, and those of others are left out; without it
/// every row must name its chip. Other columns are notes and not read.
///
/// # Errors
/// E0103 for missing columns, E0105 for a time or power that is none, E0109 if the text is not a table.
pub fn read_measured(
    name: &str,
    text: &str,
    chip: Option<&str>,
) -> Result<MeasuredTable, Problems> {
    let with_chip = [&["chip"], COLUMNS.as_slice()].concat();
    let columns = if chip.is_some() {
        &COLUMNS
    } else {
        with_chip.as_slice()
    };
    let table = Table::read(name, text, columns)?;
    let mut found = MeasuredTable::default();
    let mut problems = Problems::new();
    for i in 0..table.len() {
        let cell = |column: &str| table.cell(i, column);
        let named = Some(cell("chip")).filter(|name| !name.is_empty());
        if chip.is_some() && named.is_some() && named != chip {
            found.n_others += 1;
            continue;
        }
        if cell("us").is_empty() {
            found.n_empty += 1;
            continue;
        }
        let mut number = |column: &str, largest: f64| {
            let value = cell(column).parse::<f64>().ok();
            let value = value.filter(|v| *v > 0.0 && *v <= largest);
            if value.is_none() {
                problems.push(not_a_figure(name, text, &table, i, column));
            }
            value
        };
        let latency = number("us", LONGEST_US).map(|us| Seconds(us * 1e-6));
        let power = if cell("power_w").is_empty() {
            None
        } else {
            number("power_w", 1e6).map(Watts)
        };
        let word = |column: &str| cell(column).to_owned();
        if let Some(latency) = latency {
            found.rows.push(Measured {
                row: OpRow {
                    chip: chip.or(named).unwrap_or_default().to_owned(),
                    stack: word("stack"),
                    regime: word("regime"),
                    op: word("op"),
                    dtype: word("dtype"),
                    shape: word("shape"),
                },
                latency,
                power,
            });
        }
    }
    if problems.has_errors() {
        return Err(problems);
    }
    Ok(found)
}

fn not_a_figure(name: &str, text: &str, table: &Table, row: usize, column: &str) -> Problem {
    let value = short(table.cell(row, column));
    let message = format!("`{column}` = `{value}` is not a positive number");
    let problem = Problem::new(Code::OutOfRange, message);
    let problem = match table.place(row) {
        Some(span) => problem.at(&Source::new(name, text), &span),
        None => problem,
    };
    problem.help(
        "times are in microseconds, power in watts; leave a cell empty if it was not measured",
    )
}
