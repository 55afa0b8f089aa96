//! The table of single operators: CSV text in, CSV text out.

use crate::diag::Problems;
use crate::hardware::System;

use super::decimal::cell;
use super::table::Table;
use super::unpriced::count;
use super::{OpRow, ops};

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

/// Prices a table of operators: the same rows with predictions behind, and the reasons of empty ones with
/// their number, most frequent first.
///
/// # Errors
/// E0103 for missing columns, E0109 if the text is not a table.
pub fn run_ops_csv(
    name: &str,
    text: &str,
    chips: &dyn Fn(&str) -> Result<System, Problems>,
) -> Result<(String, Vec<(String, usize)>), Problems> {
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
    let reasons = count(prices.iter().filter_map(|p| p.as_ref().err()));
    Ok((written, reasons))
}
