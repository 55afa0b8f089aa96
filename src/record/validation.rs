//! A comparison of predictions with measurements.

use serde::Serialize;

use crate::calibrate::{Band, ScoreRow};

use super::{ErrorPart, SCHEMA};

/// Errors of one chip, operator, format, stack and size.
#[derive(Clone, Debug, Serialize)]
pub struct ScorePart {
    /// Chip.
    pub chip: String,
    /// Operator.
    pub op: String,
    /// Format.
    pub dtype: String,
    /// Kernel library.
    pub stack: String,
    /// Bounds of the measured time; empty for all rows.
    pub size: &'static str,
    /// Rows measured.
    pub rows: usize,
    /// Of time; `rows` in it are those priced.
    pub latency: Option<ErrorPart>,
    /// Of power.
    pub power: Option<ErrorPart>,
    /// What the mean error of time must stay within, if stated.
    pub latency_band: Option<f64>,
    /// What the mean error of power must stay within, if stated.
    pub power_band: Option<f64>,
    /// Whether the bands are met; `None` without.
    pub within: Option<bool>,
}

impl ScorePart {
    /// A row with its band.
    pub fn of(row: &ScoreRow, bands: &[Band]) -> Self {
        let key = [&row.chip, &row.op, &row.dtype, &row.stack];
        let is_whole = row.size.is_empty();
        let mut matching = bands.iter().filter(|b| is_whole && b.key.iter().eq(key));
        let band = matching.next();
        let power_band = band.and_then(|b| b.power);
        let below = |errors: Option<f64>, band: f64| errors.is_some_and(|mean| mean <= band);
        let latency = row.latency.map(|e| e.mean);
        let power = row.power.map(|e| e.mean);
        Self {
            chip: row.chip.clone(),
            op: row.op.clone(),
            dtype: row.dtype.clone(),
            stack: row.stack.clone(),
            size: row.size,
            rows: row.n,
            latency: row.latency.as_ref().map(ErrorPart::of),
            power: row.power.as_ref().map(ErrorPart::of),
            latency_band: band.map(|b| b.latency),
            power_band,
            within: band.map(|b| {
                below(latency, b.latency) && power_band.is_none_or(|band| below(power, band))
            }),
        }
    }
}

/// A comparison.
#[derive(Clone, Debug, Serialize)]
pub struct ValidationDocument {
    /// Of this layout.
    pub schema: u32,
    /// The table of measurements.
    pub measured: String,
    /// By chip, operator, format, stack and size.
    pub errors: Vec<ScorePart>,
}

impl ValidationDocument {
    /// Of a table of measurements.
    pub fn new(measured: &str, rows: &[ScoreRow], bands: &[Band]) -> Self {
        Self {
            schema: SCHEMA,
            measured: measured.to_owned(),
            errors: rows.iter().map(|row| ScorePart::of(row, bands)).collect(),
        }
    }

    /// Groups whose band is missed.
    pub fn missed(&self) -> impl Iterator<Item = &ScorePart> {
        self.errors.iter().filter(|part| part.within == Some(false))
    }
}
