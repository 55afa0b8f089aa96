//! Predictions against measurements, by chip, operator, format, stack and size.

use std::collections::BTreeMap;

use crate::cases::{Measured, OpPrice, OpRow, Unpriced, ops};
use crate::diag::{Code, Problem, Problems};
use crate::hardware::System;

use super::{Errors, SIZES};

/// A measurement and what is predicted of it.
#[derive(Clone, Debug)]
pub struct Scored<'a> {
    /// What was measured.
    pub measured: &'a Measured,
    /// What is predicted, or why nothing is.
    pub predicted: Result<OpPrice, Unpriced>,
}

/// Errors of one chip, operator, format, stack and size.
#[derive(Clone, Debug, PartialEq)]
pub struct ScoreRow {
    /// Chip.
    pub chip: String,
    /// Operator.
    pub op: String,
    /// Format.
    pub dtype: String,
    /// Kernel library, as the table names it.
    pub stack: String,
    /// Measured time; empty for all.
    pub size: &'static str,
    /// Rows.
    pub n: usize,
    /// Of time; `None` if no row is priced.
    pub latency: Option<Errors>,
    /// Of power; `None` if none is measured or predicted.
    pub power: Option<Errors>,
}

/// What a mean error must stay within.
#[derive(Clone, Debug, PartialEq)]
pub struct Band {
    /// Chip, operator, format and stack.
    pub key: [String; 4],
    /// Largest mean of `|predicted/measured - 1|` of time.
    pub latency: f64,
    /// The same of power, if stated.
    pub power: Option<f64>,
}

/// Prices every measured row.
pub fn score<'a>(
    measured: &'a [Measured],
    chips: &dyn Fn(&str) -> Result<System, Problems>,
) -> Vec<Scored<'a>> {
    let rows: Vec<OpRow> = measured.iter().map(|m| m.row.clone()).collect();
    let prices = ops(&rows, chips);
    let pairs = measured.iter().zip(prices);
    pairs
        .map(|(measured, predicted)| Scored {
            measured,
            predicted,
        })
        .collect()
}

/// Errors by chip, operator, format and stack; of all rows, then by size.
pub fn score_table(rows: &[Scored<'_>]) -> Vec<ScoreRow> {
    let mut groups: BTreeMap<[&str; 4], Vec<&Scored<'_>>> = BTreeMap::new();
    for row in rows {
        let of = &row.measured.row;
        groups
            .entry([&of.chip, &of.op, &of.dtype, &of.stack])
            .or_default()
            .push(row);
    }
    let mut table = Vec::new();
    for (key, members) in groups {
        table.push(score_row(key, "", &members));
        let mut least = 0.0;
        for (most, name) in SIZES {
            let within = |row: &&&Scored<'_>| (least..most).contains(&row.measured.latency.0);
            let of_size: Vec<&Scored<'_>> = members.iter().filter(within).copied().collect();
            if !of_size.is_empty() {
                table.push(score_row(key, name, &of_size));
            }
            least = most;
        }
    }
    table
}

fn score_row(key: [&str; 4], size: &'static str, rows: &[&Scored<'_>]) -> ScoreRow {
    let [chip, op, dtype, stack] = key.map(str::to_owned);
    let priced = || {
        let rows = rows.iter();
        rows.filter_map(|row| Some((row.measured, row.predicted.as_ref().ok()?)))
    };
    let latency = priced().map(|(measured, price)| price.latency / measured.latency);
    let power = priced().filter_map(|(measured, price)| Some(price.power? / measured.power?));
    ScoreRow {
        chip,
        op,
        dtype,
        stack,
        size,
        n: rows.len(),
        latency: Errors::of(latency),
        power: Errors::of(power),
    }
}

/// Reads bands: a CSV table `chip,op,dtype,stack,latency_percent,power_percent`.
///
/// # Errors
/// E0109 if the text is no such table.
pub fn bands(text: &str) -> Result<Vec<Band>, Problems> {
    let wrong = |what: &dyn std::fmt::Display| {
        Problems::from(Problem::new(
            Code::Syntax,
            format!("bands of errors: {what}"),
        ))
    };
    let mut bands = Vec::new();
    for record in csv::Reader::from_reader(text.as_bytes()).records() {
        let record = record.map_err(|e| wrong(&e))?;
        let cell = |i: usize| record.get(i).unwrap_or_default();
        let share = |i: usize| cell(i).parse::<f64>().map(|percent| percent / 100.0);
        bands.push(Band {
            key: [0, 1, 2, 3].map(|i| cell(i).to_owned()),
            latency: share(4).map_err(|e| wrong(&e))?,
            power: match cell(5) {
                "" => None,
                _ => Some(share(5).map_err(|e| wrong(&e))?),
            },
        });
    }
    Ok(bands)
}
