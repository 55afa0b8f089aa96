//! `wattline map --curve`: the least traffic of main memory over the capacity of one buffer.

use std::path::Path;

use crate::cost::Widths;
use crate::diag::{Code, Problem, Problems};
use crate::hardware::System;
use crate::mapper::exact::curve;
use crate::mapping::MapProblem;
use crate::record::{self, CurveDocument};
use crate::report::plot::{self, Axis, Better, Plot, Scatter, ScatterPoint};
use crate::report::{Cell, Column, Table, ascii};
use crate::units::{Bytes, significant};

use super::args::Format;
use super::console::{Console, width};
use super::start::Answer;

/// Prints the curve, and draws it into a file.
pub(super) fn command(
    problem: &MapProblem,
    system: &System,
    widths: Widths,
    path: Option<&Path>,
    console: &Console,
) -> Result<Answer, Problems> {
    let points = curve(&problem.einsum, system, widths);
    if points.is_empty() {
        let message = "the search cannot describe this Einsum, so that it has no curve";
        return Err(Problem::new(Code::Usage, message)
            .help("axes of three ranks, and more than 12 ranks that have loops, are too many")
            .into());
    }
    let document = CurveDocument::of(&problem.name, problem.einsum.macs(), &points);
    let picture = picture(&document);
    if let Some(path) = path {
        write(&picture, path)?;
    }
    let table = table(&document);
    match console.format {
        Format::Table => {
            let drawn = ascii::scatter(&picture, ascii::Letters::Unicode);
            console.print(&format!(
                "{}\n{drawn}\n{}",
                picture.title,
                table.text(width())
            ))?;
        }
        Format::Csv | Format::Json | Format::Jsonl | Format::Md => {
            console.table(&table, &document)?;
        }
    }
    Ok(Answer::Yes)
}

fn table(document: &CurveDocument) -> Table {
    let columns = vec![
        Column::number("capacity_bytes", "capacity"),
        Column::number("traffic_bytes", "least traffic"),
        Column::number("over_least", "of the least"),
        Column::number("macs_per_byte", "MACs a byte"),
        Column::text("proof", "proof"),
    ];
    let mut table = Table::new("", columns);
    for point in &document.points {
        let proof = match point.bound_bytes < point.traffic_bytes * (1.0 - 1e-9) {
            true => format!("at least {}", Bytes(point.bound_bytes)),
            false => "optimal".to_owned(),
        };
        table.push(vec![
            Cell::number(
                point.capacity_bytes,
                Bytes(point.capacity_bytes).to_string(),
            ),
            Cell::number(point.traffic_bytes, Bytes(point.traffic_bytes).to_string()),
            Cell::number(
                point.over_least,
                format!("{} x", significant(point.over_least, 4)),
            ),
            Cell::number(point.macs_per_byte, significant(point.macs_per_byte, 4)),
            Cell::text(&proof),
        ]);
    }
    table
}

fn picture(document: &CurveDocument) -> Scatter {
    let axis = |name: &str| Axis {
        name: name.to_owned(),
        unit: "B".to_owned(),
        better: Better::Lower,
    };
    let points = document.points.iter().map(|point| ScatterPoint {
        x: point.capacity_bytes,
        y: point.traffic_bytes,
        color: f64::NAN,
        is_feasible: true,
    });
    Scatter {
        title: format!("{}: least traffic of main memory", document.problem),
        subtitle: "one buffer, single buffered; tiles that divide their ranks".to_owned(),
        x: axis("Capacity"),
        y: axis("Traffic"),
        color: None,
        points: points.collect(),
        front: (0..document.points.len()).collect(),
        marks: Vec::new(),
    }
}

fn write(picture: &Scatter, path: &Path) -> Result<(), Problems> {
    let plot = Plot::Scatter(picture.clone());
    let drawn = match path.extension().and_then(|e| e.to_str()) {
        Some("svg") => plot::svg(&plot).map(String::into_bytes),
        Some("png") => plot::png(&plot),
        Some(_) | None => {
            let message = format!("`{}` is neither .svg nor .png", path.display());
            let problem = Problem::new(Code::Usage, message);
            return Err(problem.help("e.g. --plot curve.svg").into());
        }
    };
    let drawn = drawn.map_err(|error| {
        let message = format!("the curve cannot be drawn: {error}");
        Problems::from(Problem::new(Code::Internal, message))
    })?;
    record::write_file(path, &drawn)
}
