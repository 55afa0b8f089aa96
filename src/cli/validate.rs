//! `wattline validate`: predictions against measurements.

use std::collections::BTreeMap;

use crate::calibrate::{Scored, bands, score, score_table};
use crate::cases::read_measured;
use crate::catalog;
use crate::diag::{Code, Problem, Problems};
use crate::record::{ErrorPart, ScorePart, ValidationDocument};
use crate::report::plot::{self, Agreement, AgreementPoint, Plot};
use crate::report::{Cell, Column, Table};

use super::args::ValidateArgs;
use super::console::Console;
use super::load;
use super::plots::Files;
use super::run::write_all;
use super::start::Answer;

pub(super) fn command(
    args: &ValidateArgs,
    console: &Console,
    words: &[String],
) -> Result<Answer, Problems> {
    let (source, limits) = match &args.table {
        Some(path) => (catalog::table(path)?.source()?, Vec::new()),
        None => (
            catalog::measured_operators(),
            bands(catalog::measured_bands())?,
        ),
    };
    let chip = match &args.on {
        Some(name) => Some(load::chip(name)?.name().to_owned()),
        None => None,
    };
    let mut table = read_measured(&source.name, &source.text, chip.as_deref())?;
    if let Some(op) = &args.op {
        table.rows.retain(|m| m.row.op == *op);
    }
    if table.rows.is_empty() {
        return Err(nothing(&source.name, args, table.n_others).into());
    }
    let chips = |name: &str| {
        let file = args.on.as_deref().filter(|_| chip.as_deref() == Some(name));
        load::evaluate(file.unwrap_or(name), &[]).map(|(system, _)| system)
    };
    let scored = score(&table.rows, &chips);
    let rows = score_table(&scored);
    let document = ValidationDocument::new(&source.name, &rows, &limits);
    let shown = score_text(&document, console.verbose);
    console.table(&shown, &document)?;
    unpriced(&scored, console);
    if let Some(folder) = &args.path {
        let mut files = Files::new();
        files.push(("validation.csv".into(), rows_csv(&scored)?.into_bytes()));
        let all = score_text(&document, true);
        files.push(("validation.md".into(), all.md().into_bytes()));
        files.extend(plots(&scored)?);
        write_all(folder, &files, words)?;
    }
    let missed: Vec<String> = document.missed().map(describe).collect();
    if missed.is_empty() {
        return Ok(Answer::Yes);
    }
    console.note(&format!("outside of the stated band:\n{}", missed.concat()));
    Ok(Answer::No)
}

fn nothing(table: &str, args: &ValidateArgs, n_others: usize) -> Problem {
    let of_op = args.op.as_ref().map(|op| format!(" of operator `{op}`"));
    let on = args.on.as_ref().map(|chip| format!(" on `{chip}`"));
    let (of_op, on) = (of_op.unwrap_or_default(), on.unwrap_or_default());
    let problem = Problem::new(
        Code::TooFewRows,
        format!("`{table}` has no measurement{of_op}{on}"),
    );
    if n_others > 0 {
        problem.note(format!("{n_others} rows name other chips in column `chip`"))
    } else {
        problem
    }
}

fn describe(part: &ScorePart) -> String {
    let of = |errors: &Option<ErrorPart>| match errors {
        Some(e) => percent(e.mean),
        None => "n/a".to_owned(),
    };
    let mut text = format!("  {} {} {} {}:", part.chip, part.op, part.dtype, part.stack);
    if let Some(band) = part.latency_band {
        text.push_str(&format!(
            " time {} (band {})",
            of(&part.latency),
            percent(band)
        ));
    }
    if let Some(band) = part.power_band {
        text.push_str(&format!(
            " power {} (band {})",
            of(&part.power),
            percent(band)
        ));
    }
    text.push('\n');
    text
}

fn score_text(document: &ValidationDocument, all_sizes: bool) -> Table {
    let columns = vec![
        Column::text("chip", "chip"),
        Column::text("op", "operator"),
        Column::text("dtype", "as"),
        Column::text("stack", "stack"),
        Column::text("size", "measured"),
        Column::number("rows", "rows"),
        Column::number("latency_mean", "time: mean"),
        Column::number("latency_median", "median"),
        Column::number("latency_p90", "90 %"),
        Column::number("latency_ratio", "pred/meas"),
        Column::number("power_mean", "power: mean"),
        Column::number("power_median", "median"),
        Column::number("latency_band", "band"),
        Column::text("within", ""),
    ];
    let title = format!("|predicted/measured - 1| over {}", document.measured);
    let mut table = Table::new(title, columns);
    let whole = |part: &&ScorePart| all_sizes || part.size.is_empty();
    for part in document.errors.iter().filter(whole) {
        let time = |of: fn(&ErrorPart) -> f64| Cell::maybe(part.latency.as_ref().map(of), percent);
        let power = |of: fn(&ErrorPart) -> f64| Cell::maybe(part.power.as_ref().map(of), percent);
        table.push(vec![
            Cell::text(&part.chip),
            Cell::text(&part.op),
            Cell::text(&part.dtype),
            Cell::text(&part.stack),
            Cell::text(if part.size.is_empty() {
                "all"
            } else {
                part.size
            }),
            Cell::number(part.rows as f64, part.rows.to_string()),
            time(|e| e.mean),
            time(|e| e.median),
            time(|e| e.p90),
            Cell::maybe(part.latency.as_ref().map(|e| e.ratio), |r| {
                format!("{r:.3}")
            }),
            power(|e| e.mean),
            power(|e| e.median),
            Cell::maybe(part.latency_band, percent),
            Cell::text(match part.within {
                Some(true) => "ok",
                Some(false) => "MISSED",
                None => "",
            }),
        ]);
    }
    table
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

fn unpriced(scored: &[Scored<'_>], console: &Console) {
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    for row in scored {
        if let Err(reason) = &row.predicted {
            *reasons.entry(reason.to_string()).or_default() += 1;
        }
    }
    for (reason, n) in reasons {
        console.note(&format!("{n} rows not priced: {reason}\n"));
    }
}

/// Every row with its prediction.
fn rows_csv(scored: &[Scored<'_>]) -> Result<String, Problems> {
    let columns = ["chip", "stack", "regime", "op", "dtype", "shape"];
    let figures = ["measured_s", "predicted_s", "measured_w", "predicted_w"];
    let columns = columns.into_iter().chain(figures);
    let mut columns: Vec<Column> = columns.map(|key| Column::text(key, key)).collect();
    columns.push(Column::text("bound", "bound"));
    let mut table = Table::new("", columns);
    for row in scored {
        let of = &row.measured.row;
        let price = row.predicted.as_ref().ok();
        let figure = |value: Option<f64>| Cell::maybe(value, |v| format!("{v:.6e}"));
        table.push(vec![
            Cell::text(&of.chip),
            Cell::text(&of.stack),
            Cell::text(&of.regime),
            Cell::text(&of.op),
            Cell::text(&of.dtype),
            Cell::text(&of.shape),
            figure(Some(row.measured.latency.0)),
            figure(price.map(|p| p.latency.0)),
            figure(row.measured.power.map(|p| p.0)),
            figure(price.and_then(|p| p.power).map(|p| p.0)),
            Cell::text(price.map_or("", |p| p.bound.as_str())),
        ]);
    }
    Ok(table.csv())
}

/// One picture per operator for time, one for power.
fn plots(scored: &[Scored<'_>]) -> Result<Files, Problems> {
    let mut by_op: BTreeMap<&str, Vec<&Scored<'_>>> = BTreeMap::new();
    for row in scored {
        by_op.entry(&row.measured.row.op).or_default().push(row);
    }
    let mut files = Files::new();
    for (op, rows) in by_op {
        let points = rows.iter().map(|row| AgreementPoint {
            measured: row.measured.latency.0,
            predicted: row.predicted.as_ref().map_or(f64::NAN, |p| p.latency.0),
            group: row.measured.row.chip.clone(),
        });
        let agreement = Agreement {
            title: format!("{op}: time predicted and measured"),
            subtitle: format!("{} rows", rows.len()),
            quantity: "time".into(),
            unit: "s".into(),
            points: points.collect(),
        };
        files.push((format!("time-{op}.svg"), drawn(agreement)?));
    }
    let with_power = scored.iter().filter_map(|row| {
        Some(AgreementPoint {
            measured: row.measured.power?.0,
            predicted: row
                .predicted
                .as_ref()
                .ok()
                .and_then(|p| p.power)
                .map_or(f64::NAN, |p| p.0),
            group: format!("{} {}", row.measured.row.chip, row.measured.row.op),
        })
    });
    let points: Vec<AgreementPoint> = with_power.collect();
    if !points.is_empty() {
        let agreement = Agreement {
            title: "Power predicted and measured".into(),
            subtitle: format!("{} rows", points.len()),
            quantity: "power".into(),
            unit: "W".into(),
            points,
        };
        files.push(("power.svg".into(), drawn(agreement)?));
    }
    Ok(files)
}

fn drawn(agreement: Agreement) -> Result<Vec<u8>, Problems> {
    let svg = plot::svg(&Plot::Agreement(agreement));
    let svg =
        svg.map_err(|e| Problem::new(Code::Internal, format!("the plot cannot be drawn: {e}")))?;
    Ok(svg.into_bytes())
}
