//! `wattline calibrate`: coefficients of a chip from measurements of it.

use crate::calibrate::{Calibration, ErrorRow, Errors, Settings, calibrate};
use crate::cases::read_measured;
use crate::catalog;
use crate::diag::{Code, Problem, Problems};
use crate::hardware::Profile;
use crate::record::{self, CalibrationDocument, state_name};
use crate::report::{Cell, Column, Table};

use super::args::{CalibrateArgs, Format};
use super::console::{Console, width};
use super::load;
use super::start::Answer;

pub(super) fn command(
    args: &CalibrateArgs,
    console: &Console,
    words: &[String],
) -> Result<Answer, Problems> {
    let profile = profile(args)?;
    let source = catalog::table(&args.table)?.source()?;
    let table = read_measured(&source.name, &source.text, Some(profile.name()))?;
    if table.rows.is_empty() {
        return Err(nothing(&source.name, profile.name(), table.n_others).into());
    }
    let settings = Settings {
        most_rows: args
            .rows
            .map_or(Settings::default().most_rows, |n| n as usize),
    };
    let found = calibrate(&profile, &table.rows, settings)?;
    let document = CalibrationDocument::new(profile.name(), &source.name, &found);
    match console.format {
        Format::Table => {
            console.print(&error_table(profile.name(), &found).text(width()))?;
            console.print("\n")?;
            console.print(&coefficient_table(&found, console.verbose).text(width()))?;
        }
        Format::Json | Format::Jsonl | Format::Csv | Format::Md => {
            console.table(&error_table(profile.name(), &found), &document)?;
        }
    }
    remarks(&found, table.n_others, table.n_empty, console);
    match &args.path {
        Some(path) => {
            let text = record::overlay(&args.on, &source.name, &found, words);
            record::write_file(path, text.as_bytes())?;
            let shown = path.display();
            console.note(&format!(
                "next: wattline run MODEL --on {shown}   (it extends {})\n",
                args.on
            ));
        }
        None => console.note("next: -o overlay.toml writes the fitted chip\n"),
    }
    Ok(Answer::Yes)
}

fn profile(args: &CalibrateArgs) -> Result<Profile, Problems> {
    let mut profile = load::chip(&args.on)?;
    let mut problems = Problems::new();
    for (key, value) in &args.sets {
        if let Err(wrong) = profile.set(key, value) {
            problems.extend(wrong);
        }
    }
    if problems.has_errors() {
        return Err(problems);
    }
    Ok(profile)
}

fn nothing(table: &str, chip: &str, n_others: usize) -> Problem {
    let message = format!("`{table}` has no measurement of `{chip}`");
    let problem = Problem::new(Code::TooFewRows, message);
    if n_others > 0 {
        problem
            .note(format!("{n_others} rows name other chips in column `chip`"))
            .help("name the chip with --on as the table does, or leave the column out")
    } else {
        problem.help(
            "each row needs op, dtype, shape and us; python/measure_gpu.py writes such a table",
        )
    }
}

fn error_table(chip: &str, found: &Calibration) -> Table {
    let mut columns = vec![
        Column::text("op", "operator"),
        Column::text("dtype", "as"),
        Column::text("stack", "stack"),
        Column::text("size", "measured"),
        Column::number("rows", "rows"),
    ];
    for (key, header) in [
        ("before", "before"),
        ("after", "after"),
        ("held_out", "held out"),
    ] {
        columns.push(Column::number(
            format!("{key}_mean"),
            format!("{header}: mean"),
        ));
        columns.push(Column::number(format!("{key}_median"), "median"));
    }
    let title = format!("Errors of {chip}, |predicted/measured - 1|");
    let mut table = Table::new(title, columns);
    for row in &found.table {
        table.push(error_row(row));
    }
    table
}

fn error_row(row: &ErrorRow) -> Vec<Cell> {
    let mut cells = vec![
        Cell::text(&row.op),
        Cell::text(&row.dtype),
        Cell::text(row.stack.name()),
        Cell::text(if row.size.is_empty() { "all" } else { row.size }),
        Cell::number(row.before.n as f64, row.before.n.to_string()),
    ];
    let both = |errors: Option<&Errors>| {
        [
            Cell::maybe(errors.map(|e| e.mean), percent),
            Cell::maybe(errors.map(|e| e.median), percent),
        ]
    };
    for errors in [Some(&row.before), Some(&row.after), row.held_out.as_ref()] {
        cells.extend(both(errors));
    }
    cells
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

fn coefficient_table(found: &Calibration, all: bool) -> Table {
    let columns = vec![
        Column::text("path", "coefficient"),
        Column::number("before", "before"),
        Column::number("after", "after"),
        Column::number("standard_error", "± standard error"),
        Column::text("state", ""),
    ];
    let mut table = Table::new("Coefficients", columns);
    let knobs = found.groups.iter().flat_map(|group| &group.knobs);
    for fitted in knobs.filter(|k| all || k.error.is_some()) {
        let shown = |value: f64| {
            if fitted.knob.dimension.is_none() {
                format!("{value:.4}")
            } else {
                (fitted.knob.show)(value)
            }
        };
        table.push(vec![
            Cell::text(&fitted.knob.path),
            Cell::number(fitted.knob.start, shown(fitted.knob.start)),
            Cell::number(fitted.value, shown(fitted.value)),
            Cell::maybe(fitted.error, shown),
            Cell::text(state_name(fitted.state)),
        ]);
    }
    table
}

fn remarks(found: &Calibration, n_others: usize, n_empty: usize, console: &Console) {
    let mut text = String::new();
    for (name, rows, needed) in &found.too_few {
        text.push_str(&format!(
            "left as it is: {name}, {rows} rows where {needed} are needed\n"
        ));
    }
    for (reason, n) in &found.unpriced {
        text.push_str(&format!("{n} rows not priced: {reason}\n"));
    }
    if n_others > 0 {
        text.push_str(&format!("{n_others} rows of other chips left out\n"));
    }
    if n_empty > 0 {
        text.push_str(&format!("{n_empty} rows without a time left out\n"));
    }
    console.note(&text);
}
