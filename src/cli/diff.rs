//! `wattline diff`: what changed between two stored results, and why.

use std::path::Path;

use crate::compare::{Causes, Comparison, FigureChange, Subject, compare};
use crate::diag::{Code, Problem, Problems};
use crate::record::{self, Stored, StoredSweep};
use crate::report::{Cell, Column, Table};
use crate::units::{Bytes, Joules, Seconds, Watts, significant};

use super::args::{DiffArgs, Format};
use super::console::Console;
use super::start::Answer;

/// Most causes that are printed.
const MOST_CAUSES: usize = 8;

/// Most inputs that are printed.
const MOST_INPUTS: usize = 12;

pub(super) fn command(args: &DiffArgs, console: &Console) -> Result<Answer, Problems> {
    let found = compare(&subject(&args.a)?, &subject(&args.b)?);
    let mut failed = Vec::new();
    for gate in &args.fail_if {
        match gate.fails(&found) {
            Some(true) => failed.push(gate.to_string()),
            Some(false) => {}
            None => {
                let names: Vec<&str> = found.figures.iter().map(|f| f.name.as_str()).collect();
                let message = format!("`{gate}`: both sides must know `{}`", gate.figure);
                return Err(Problem::new(Code::Usage, message)
                    .help(format!("known here: {}", names.join(", ")))
                    .into());
            }
        }
    }
    match console.format {
        Format::Table => console.print(&text(&found))?,
        Format::Json => console.print(&record::to_json(&found))?,
        Format::Md => console.print(&figures(&found).md())?,
        Format::Csv => console.print(&figures(&found).csv())?,
        Format::Jsonl => console.print(&figures(&found).jsonl())?,
    }
    if failed.is_empty() {
        return Ok(Answer::Yes);
    }
    console.note(&format!("failed: {}\n", failed.join(", ")));
    Ok(Answer::No)
}

/// `FOLDER`, `FOLDER#POINT` of a sweep, or a document of a run.
pub(super) fn subject(asked: &str) -> Result<Subject, Problems> {
    let (path, point) = match asked.rsplit_once('#') {
        Some((path, point)) if !Path::new(asked).exists() => (path, Some(point)),
        _ => (asked, None),
    };
    match (Stored::open(Path::new(path))?, point) {
        (Stored::Run(run, _), None) => Ok(Subject::of_run(asked, &run)),
        (Stored::Run(..), Some(_)) => {
            let message = format!("`{path}` is a single run: it has no points");
            Err(Problem::new(Code::Usage, message)
                .help(format!("write {path}"))
                .into())
        }
        (Stored::Sweep(sweep), point) => of_sweep(asked, &sweep, point),
    }
}

/// A point by its number, or the knee.
fn of_sweep(asked: &str, sweep: &StoredSweep, point: Option<&str>) -> Result<Subject, Problems> {
    let knee = sweep.space.knee;
    let index = match point {
        None | Some("knee") => knee,
        Some(text) => text.parse().ok(),
    };
    let found = index.and_then(|index| Subject::of_point(asked, sweep, index));
    found.ok_or_else(|| {
        let message = match point {
            None => format!("`{asked}` has no knee to compare"),
            Some(point) => format!("`{asked}` has no point `{point}`"),
        };
        Problem::new(Code::Usage, message)
            .help("name a point by its number in the table: FOLDER#6, or FOLDER#knee")
            .into()
    })
}

fn show(value: Option<f64>, unit: &str) -> String {
    let Some(value) = value else {
        return "n/a".to_owned();
    };
    match unit {
        "s" => Seconds(value).to_string(),
        "J" => Joules(value).to_string(),
        "W" => Watts(value).to_string(),
        "B" => Bytes(value).to_string(),
        "share" => crate::units::percent(value),
        unit => format!("{} {unit}", significant(value, 4)),
    }
}

fn change(figure: &FigureChange) -> String {
    match figure.share {
        Some(share) if share.abs() < 5e-5 => "±0 %".to_owned(),
        Some(share) => {
            let sign = if share < 0.0 { '−' } else { '+' };
            format!("{sign}{} %", significant(100.0 * share.abs(), 3))
        }
        None => "n/a".to_owned(),
    }
}

fn figures(found: &Comparison) -> Table {
    let columns = vec![
        Column::text("figure", "figure"),
        Column::number("a", "A"),
        Column::number("b", "B"),
        Column::number("share", "change"),
    ];
    let mut table = Table::new("figures", columns);
    for figure in &found.figures {
        let cell = |value: Option<f64>| Cell::maybe(value, |v| show(Some(v), &figure.unit));
        table.push(vec![
            Cell::text(figure.name.clone()),
            cell(figure.a),
            cell(figure.b),
            Cell::maybe(figure.share, |_| change(figure)),
        ]);
    }
    table
}

fn text(found: &Comparison) -> String {
    let mut out = format!("A  {}\nB  {}\n\n", found.a, found.b);
    for line in figures(found).text(None).lines().skip(1) {
        out.push_str(&format!("  {line}\n"));
    }
    if !found.inputs.is_empty() {
        out.push_str("\n  what was changed\n");
        let side = |value: &Option<String>| match value.as_deref() {
            None | Some("") => "-".to_owned(),
            Some(value) => value.to_owned(),
        };
        for input in found.inputs.iter().take(MOST_INPUTS) {
            let (name, a, b) = (&input.name, side(&input.a), side(&input.b));
            out.push_str(&format!("    {name}: {a} → {b}\n"));
        }
        let more = found.inputs.len().saturating_sub(MOST_INPUTS);
        if more > 0 {
            out.push_str(&format!("    and {more} more (--json)\n"));
        }
    }
    for causes in &found.causes {
        out.push_str(&waterfall(causes));
    }
    if found.causes.is_empty() {
        out.push_str(
            "\n  operators are not stored on both sides: a sweep stores those of its knee, its ends and some more of its front\n",
        );
    }
    out
}

fn waterfall(causes: &Causes) -> String {
    let mut out = String::new();
    for (what, parts, unit) in [("time", &causes.time, "s"), ("energy", &causes.energy, "J")] {
        if parts.is_empty() {
            continue;
        }
        out.push_str(&format!("\n  {what} of {}, because\n", causes.workload));
        let total: f64 = parts.iter().map(|c| c.change).sum();
        let sign = |v: f64| if v < 0.0 { '−' } else { '+' };
        let line = |name: &str, change: f64, more: &str| {
            let shown = show(Some(change.abs()), unit);
            format!("    {}{shown:<10}  {name}{more}\n", sign(change))
        };
        for cause in parts.iter().take(MOST_CAUSES) {
            let count = match cause.operators {
                0 | 1 => String::new(),
                n => format!(" ({n} operators)"),
            };
            let bound = match cause.bound.as_str() {
                "" => String::new(),
                bound => format!(", bound by {bound}"),
            };
            out.push_str(&line(&cause.name, cause.change, &format!("{bound}{count}")));
        }
        let rest: f64 = parts.iter().skip(MOST_CAUSES).map(|c| c.change).sum();
        if parts.len() > MOST_CAUSES {
            out.push_str(&line(
                &format!("{} others", parts.len() - MOST_CAUSES),
                rest,
                "",
            ));
        }
        out.push_str(&line("in all", total, ""));
    }
    out
}
