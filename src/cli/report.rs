//! `wattline report`: pages and tables from stored results; nothing is computed anew.

use std::path::{Path, PathBuf};

use crate::diag::{Code, Problem, Problems};
use crate::record::{self, Stored, StoredPoint, StoredRun, StoredSweep};
use crate::report::{Cell, Column, Table, html};
use crate::units::significant;

use super::args::{Format, ReportArgs};
use super::console::Console;
use super::start::Answer;

/// File name of a page in its folder.
pub(super) const PAGE: &str = "report.html";

pub(super) fn command(args: &ReportArgs, console: &Console) -> Result<Answer, Problems> {
    if args.output.is_some() && args.runs.len() > 1 {
        let message = "-o names one page, but several runs are given";
        return Err(Problem::new(Code::Usage, message)
            .help("leave -o out: every page then goes into the folder of its run")
            .into());
    }
    for path in &args.runs {
        let stored = Stored::open(path)?;
        match console.format {
            Format::Table => page(args, path, &stored, console)?,
            Format::Md => console.print(&markdown(&stored))?,
            Format::Csv => console.print(&table(&stored).csv())?,
            Format::Json => console.print(&array(&table(&stored).jsonl()))?,
            Format::Jsonl => console.print(&table(&stored).jsonl())?,
        }
    }
    Ok(Answer::Yes)
}

fn page(
    args: &ReportArgs,
    path: &Path,
    stored: &Stored,
    console: &Console,
) -> Result<(), Problems> {
    let place = args.output.clone().unwrap_or_else(|| beside(path));
    record::write_file(&place, text(stored).as_bytes())?;
    let shown = place.display();
    console.print(&format!("saved {shown}   ·   open it in a browser\n"))
}

/// In the folder of the results.
fn beside(path: &Path) -> PathBuf {
    if path.is_dir() {
        path.join(PAGE)
    } else {
        path.with_extension("html")
    }
}

/// The page of stored results.
pub(super) fn text(stored: &Stored) -> String {
    match stored {
        Stored::Run(run, manifest) => html::of_run(run, manifest),
        Stored::Sweep(sweep) => html::of_sweep(sweep),
    }
}

fn markdown(stored: &Stored) -> String {
    let title = match stored {
        Stored::Run(run, _) => format!("{} on {}", run.workload.name, run.hardware.name),
        Stored::Sweep(sweep) => {
            let space = &sweep.space;
            let (name, n) = (&space.name, space.points);
            format!(
                "{name} on {}: {n} points, {} feasible",
                space.hardware, space.feasible
            )
        }
    };
    format!("## {title}\n\n{}", table(stored).md())
}

/// JSON lines as one array.
fn array(lines: &str) -> String {
    let rows: Vec<&str> = lines.lines().collect();
    format!("[\n{}\n]\n", rows.join(",\n"))
}

/// The front of a sweep, or the operators of a run.
fn table(stored: &Stored) -> Table {
    match stored {
        Stored::Run(run, _) => operators(run),
        Stored::Sweep(sweep) => front(sweep),
    }
}

fn operators(run: &StoredRun) -> Table {
    let columns = vec![
        Column::text("name", "operator"),
        Column::text("phase", "phase"),
        Column::text("kind", "kind"),
        Column::number("count", "count"),
        Column::number("latency_s", "latency, s"),
        Column::number("energy_j", "energy, J"),
        Column::text("bound", "bound"),
    ];
    let mut table = Table::new("operators", columns);
    for op in &run.operators {
        table.push(vec![
            Cell::text(op.name.clone()),
            Cell::text(op.phase.clone()),
            Cell::text(op.kind.clone()),
            Cell::number(op.count as f64, op.count.to_string()),
            Cell::number(op.latency_s, significant(op.latency_s, 4)),
            Cell::maybe(op.energy_j, |e| significant(e, 4)),
            Cell::text(op.bound.clone()),
        ]);
    }
    table
}

fn front(sweep: &StoredSweep) -> Table {
    let space = &sweep.space;
    let axes = space.axes.iter().map(|axis| axis.set.join("="));
    let known = |c: usize| sweep.points.iter().any(|p| p.means[c].is_some());
    let metrics: Vec<usize> = (0..space.columns.len()).filter(|c| known(*c)).collect();
    let mut columns = vec![Column::number("point", "#")];
    columns.extend(axes.map(|path| Column::text(path.clone(), path)));
    columns.extend(metrics.iter().map(|&c| {
        let column = &space.columns[c];
        Column::number(
            column.key.clone(),
            format!("{}, {}", column.label, column.unit),
        )
    }));
    let mut table = Table::new("front", columns);
    let on_front = sweep.points.iter().filter(|p| p.is_on_front);
    for point in on_front {
        table.push(row(sweep, point, &metrics));
    }
    table
}

fn row(sweep: &StoredSweep, point: &StoredPoint, metrics: &[usize]) -> Vec<Cell> {
    let steps = sweep.space.steps(point.index);
    let axes = sweep.space.axes.iter().zip(steps);
    let values = axes.map(|(axis, step)| {
        let value = axis.values.get(step).cloned();
        Cell::text(value.unwrap_or_default())
    });
    let figures = metrics
        .iter()
        .map(|&c| Cell::maybe(point.means[c], |v| significant(v, 4)));
    std::iter::once(Cell::number(point.index as f64, point.index.to_string()))
        .chain(values)
        .chain(figures)
        .collect()
}
