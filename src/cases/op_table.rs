//! The table of single operators: CSV text in, CSV text out.

use std::collections::BTreeMap;

use crate::diag::{Code, Problem, Problems};
use crate::hardware::System;

use super::decimal::cell;
use super::table::{PricedTable, Table};
use super::unpriced::{count, short};
use super::{OpPrice, OpRow, ops};

/// Columns that a table of operators must have.
const COLUMNS: [&str; 7] = ["id", "chip", "stack", "regime", "op", "dtype", "shape"];

/// Columns that are added.
const ADDED: [&str; 5] = [
    "predicted_us",
    "predicted_w",
    "predicted_j",
    "roofline_us",
    "bound",
];

/// Prices a table of operators: the same rows with predictions behind.
///
/// # Errors
/// E0103 for missing columns, E0109 if the text is not a table.
pub fn run_ops_csv(
    name: &str,
    text: &str,
    chips: &dyn Fn(&str) -> Result<System, Problems>,
) -> Result<PricedTable, Problems> {
    let table = Table::read(name, text, &COLUMNS)?;
    let rows: Vec<OpRow> = (0..table.len())
        .map(|i| {
            let text = |column| table.cell(i, column).to_owned();
            OpRow {
                chip: text("chip"),
                stack: text("stack"),
                regime: text("regime"),
                op: text("op"),
                dtype: text("dtype"),
                shape: text("shape"),
            }
        })
        .collect();
    let prices = ops(&rows, chips);
    let written = table.with(&ADDED, |i| match &prices[i] {
        Ok(price) => [
            cell(Some(price.latency.0 * 1e6)),
            cell(price.power.map(|p| p.0)),
            cell(price.energy.map(|e| e.0)),
            cell(Some(price.roofline.0 * 1e6)),
            price.bound.clone(),
        ],
        Err(_) => Default::default(),
    })?;
    let priced = rows.iter().zip(&prices);
    let priced = priced.filter_map(|(row, price)| Some((row, price.as_ref().ok()?)));
    Ok(PricedTable {
        text: written,
        empty: count(prices.iter().filter_map(|p| p.as_ref().err())),
        warnings: fallbacks(priced, rows.len()).into_iter().collect(),
    })
}

/// W0306 with the number of rows whose type has no rate on their chip.
fn fallbacks<'a>(
    priced: impl Iterator<Item = (&'a OpRow, &'a OpPrice)>,
    n_rows: usize,
) -> Option<Problem> {
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    for (row, price) in priced {
        if let Some((asked, runs)) = price.fallback {
            let kind = format!("{asked} on `{}` runs as {runs}", short(&row.chip));
            *kinds.entry(kind).or_default() += 1;
        }
    }
    let n: usize = kinds.values().sum();
    if n == 0 {
        return None;
    }
    let message = format!("{n} of {n_rows} rows have a data type without a rate on their chip");
    let noted =
        |problem: Problem, (kind, n): (String, usize)| problem.note(format!("{kind}: {n} rows"));
    let problem = Problem::new(Code::DtypeFallback, message);
    Some(kinds.into_iter().fold(problem, noted))
}
