//! A calibration: errors before and after as a document, and the fitted coefficients as a chip file.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Serialize;

use crate::calibrate::{Calibration, Errors, FittedGroup, FittedKnob, State};

use super::SCHEMA;
use super::manifest::now;

/// Errors as shares of what was measured.
#[derive(Clone, Debug, Serialize)]
pub struct ErrorPart {
    /// Rows.
    pub rows: usize,
    /// Mean of `|predicted/measured - 1|`.
    pub mean: f64,
    /// Its median.
    pub median: f64,
    /// What nine of ten rows stay within.
    pub p90: f64,
    /// Median of `predicted/measured`.
    pub ratio: f64,
}

impl ErrorPart {
    /// The same figures.
    pub fn of(errors: &Errors) -> Self {
        Self {
            rows: errors.n,
            mean: errors.mean,
            median: errors.median,
            p90: errors.p90,
            ratio: errors.ratio,
        }
    }
}

/// Errors of one operator, format, stack and size.
#[derive(Clone, Debug, Serialize)]
pub struct ErrorRowPart {
    /// Operator.
    pub op: String,
    /// Format.
    pub dtype: String,
    /// Kernel library.
    pub stack: &'static str,
    /// Bounds of the measured time; empty for all rows.
    pub size: &'static str,
    /// With the coefficients as they were.
    pub before: ErrorPart,
    /// With the fitted ones.
    pub after: ErrorPart,
    /// Of rows whose shapes were held out of the fit.
    pub held_out: Option<ErrorPart>,
}

/// One coefficient.
#[derive(Clone, Debug, Serialize)]
pub struct CoefficientPart {
    /// Path in the chip's file.
    pub path: String,
    /// Unit of the values.
    pub unit: String,
    /// Value before, in SI units.
    pub before: f64,
    /// Value after.
    pub after: f64,
    /// Standard error; `None` where it was not fitted.
    pub standard_error: Option<f64>,
    /// `fitted`, `at bound`, `given`, `no effect` or `not identified`.
    pub state: &'static str,
}

/// A calibration.
#[derive(Clone, Debug, Serialize)]
pub struct CalibrationDocument {
    /// Of this layout.
    pub schema: u32,
    /// The chip.
    pub chip: String,
    /// The table of measurements.
    pub measured: String,
    /// By operator, format, stack and size.
    pub errors: Vec<ErrorRowPart>,
    /// All coefficients of the groups that rows depend on.
    pub coefficients: Vec<CoefficientPart>,
    /// Rows that are not priced, by reason.
    pub unpriced: BTreeMap<String, usize>,
}

impl CalibrationDocument {
    /// Of a chip and a table of measurements.
    pub fn new(chip: &str, measured: &str, found: &Calibration) -> Self {
        let errors = found.table.iter().map(|row| ErrorRowPart {
            op: row.op.clone(),
            dtype: row.dtype.clone(),
            stack: row.stack.name(),
            size: row.size,
            before: ErrorPart::of(&row.before),
            after: ErrorPart::of(&row.after),
            held_out: row.held_out.as_ref().map(ErrorPart::of),
        });
        let knobs = found.groups.iter().flat_map(|group| &group.knobs);
        let coefficients = knobs.map(|fitted| CoefficientPart {
            path: fitted.knob.path.clone(),
            unit: fitted.knob.dimension.to_string(),
            before: fitted.knob.start,
            after: fitted.value,
            standard_error: fitted.error,
            state: state_name(fitted.state),
        });
        Self {
            schema: SCHEMA,
            chip: chip.to_owned(),
            measured: measured.to_owned(),
            errors: errors.collect(),
            coefficients: coefficients.collect(),
            unpriced: found.unpriced.iter().cloned().collect(),
        }
    }
}

/// A state as tables print it.
pub(crate) fn state_name(state: State) -> &'static str {
    match state {
        State::Fitted => "fitted",
        State::AtBound => "at bound",
        State::Given => "given",
        State::NoEffect => "no effect",
        State::NotIdentified => "not identified",
    }
}

/// The fitted coefficients as a chip file that extends the chip: with dataset, date, errors and the command that
/// fits them again.
pub fn overlay(chip: &str, measured: &str, found: &Calibration, command: &[String]) -> String {
    let mut text = format!(
        "# Fitted to `{measured}`; again: wattline {}\n#\n",
        command.join(" ")
    );
    let mut line = |row: std::fmt::Arguments<'_>| {
        // Writing into a text does not fail.
        let _ = writeln!(text, "{row}");
    };
    for group in &found.groups {
        line(format_args!("# {}", summary(group)));
    }
    line(format_args!("schema = 1"));
    line(format_args!("extends = {}", quoted(chip)));
    line(format_args!(
        "source = {}",
        quoted(&format!("calibrated to {measured} on {}", now()))
    ));
    let mut groups: Vec<&FittedGroup> = found.groups.iter().collect();
    // Tables of a chip's own figures first: kernels may extend what they rest on.
    groups.sort_by_key(|group| !group.path.is_empty());
    for group in groups {
        if group.path.is_empty() {
            text.push_str(&own_figures(&group.knobs));
        } else {
            text.push_str(&kernel_set(group));
        }
    }
    text
}

fn summary(group: &FittedGroup) -> String {
    let shown = |errors: &Option<Errors>| match errors {
        Some(e) => format!(
            "{:.1} % mean, {:.1} % median",
            e.mean * 100.0,
            e.median * 100.0
        ),
        None => "n/a".to_owned(),
    };
    let name = if group.path.is_empty() {
        format!("rates and overheads ({})", group.stack)
    } else {
        group.path.clone()
    };
    format!(
        "{name}: {} rows, {} coefficients fitted; before {}, after {}, held-out shapes {}",
        group.n_rows,
        group.n_free,
        shown(&group.before),
        shown(&group.after),
        shown(&group.held_out)
    )
}

fn kernel_set(group: &FittedGroup) -> String {
    let mut text = format!("\n[{}]\n", group.path);
    if let Some(e) = &group.held_out {
        text.push_str(&format!(
            "error = {{ mean = {:.4}, median = {:.4}, p90 = {:.4}, rows = {} }}\n",
            e.mean, e.median, e.p90, group.n_rows
        ));
    }
    for fitted in &group.knobs {
        let key = fitted.knob.path.rsplit('.').next().unwrap_or_default();
        text.push_str(&format!("{key} = {}{}\n", value(fitted), remark(fitted)));
    }
    text
}

/// Figures of the chip itself, as tables of its sections and components.
fn own_figures(knobs: &[FittedKnob]) -> String {
    let mut text = String::new();
    let fitted = knobs
        .iter()
        .filter(|k| matches!(k.state, State::Fitted | State::AtBound));
    let mut last = String::new();
    for knob in fitted {
        let parts: Vec<&str> = knob.knob.path.split('.').collect();
        let (head, key) = match parts.as_slice() {
            [section, key] => (format!("\n[{section}]\n"), key),
            [kind, name, key] => (format!("\n[[{kind}]]\nname = {}\n", quoted(name)), key),
            _ => continue,
        };
        if head != last {
            text.push_str(&head);
            last = head;
        }
        text.push_str(&format!("{key} = {}\n", value(knob)));
    }
    text
}

fn value(fitted: &FittedKnob) -> String {
    let shown = (fitted.knob.show)(fitted.value);
    if fitted.knob.dimension.is_none() {
        format!("{:.4}", fitted.value)
    } else {
        quoted(&shown)
    }
}

fn remark(fitted: &FittedKnob) -> String {
    match fitted.state {
        State::Fitted => String::new(),
        state @ (State::AtBound | State::Given | State::NoEffect | State::NotIdentified) => {
            format!(" # {}", state_name(state))
        }
    }
}

fn quoted(text: &str) -> String {
    // A JSON text is a TOML text.
    serde_json::Value::from(text).to_string()
}
