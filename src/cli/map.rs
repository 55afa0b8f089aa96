//! `wattline map`: one Einsum, one loop nest, what it moves and costs.

use crate::catalog;
use crate::cost::{Widths, evaluate, sparse::Zeros};
use crate::diag::{Code, Problem, Problems};
use crate::hardware::System;
use crate::mapper::{NotRowStationary, Objective, Request, row_stationary};
use crate::mapping::{Chain, Convention, MapProblem, Nest};
use crate::record::MapDocument;
use crate::report::{Cell, Column, Table};
use crate::units::{Bytes, Joules, Seconds, significant};
use crate::workload::{Dtype, Stack};

use super::args::{Format, MapArgs};
use super::console::{Console, width};
use super::map_search::{Outcome, Question};
use super::run_text::UNKNOWN;
use super::start::Answer;
use super::{load, map_curve};

/// Why the search for a nest stopped.
const LEAST_WORDS: &str = "of all row-stationary plans that fit, the one of the fewest words of main memory, then \
                           of the buffer, then cycles";

const MANY_PLANS: &str =
    "row-stationary: too many plans fit to try all of them; not proven optimal";

pub(super) fn command(args: &MapArgs, console: &Console) -> Result<Answer, Problems> {
    let problem = MapProblem::parse(&catalog::problem(&args.problem)?.source()?)?;
    let (system, warnings) = load::evaluate(&args.on, &args.sets)?;
    let dtype = dtype(&problem, &system)?;
    let array = system.arrays.iter().position(|a| a.peak(dtype).is_some());
    let Some(array) = array else {
        let message = format!("`{}` has no matrix engine", system.name);
        return Err(Problem::new(Code::Reference, message).into());
    };
    let chain = Chain::of(&system, array);
    let widths = Widths {
        lhs: problem.bits[0] / 8.0,
        rhs: problem.bits[1] / 8.0,
        partial: problem.bits[2] / 8.0,
        result: problem.result_bits / 8.0,
    };
    if args.curve {
        console.warn(&warnings);
        return map_curve::command(&problem, &system, widths, args.plot.as_deref(), console);
    }
    let price = |nest: &Nest| {
        evaluate(
            &problem.einsum,
            dtype,
            &system,
            &chain,
            nest,
            &widths,
            problem.convention,
        )
    };
    let given = problem.nest(&system, &chain).transpose()?;
    let searched = match &given {
        Some(_) => None,
        None => {
            let request = Request {
                einsum: &problem.einsum,
                dtype,
                widths,
                compulsory: crate::cost::Traffic::default(),
                zeros: &Zeros::none(),
                objective: Objective::Energy,
                stack: Stack::Default,
            };
            match row_stationary(&system, &request) {
                Ok(choice) if problem.convention == Convention::Physical && array == 0 => {
                    let (evaluation, nest) = choice
                        .work(&system, &request)
                        .evaluate(&problem.einsum, &choice.plan);
                    let stopped = if choice.is_best {
                        LEAST_WORDS
                    } else {
                        MANY_PLANS
                    };
                    let outcome = Outcome {
                        nest,
                        evaluation,
                        tried: choice.tried,
                        bound: None,
                        stopped: stopped.to_owned(),
                    };
                    Some(outcome)
                }
                other => {
                    let question = Question {
                        problem: &problem,
                        system: &system,
                        array,
                        dtype,
                        widths,
                        aim: args.aim.into(),
                        limit: args.limit,
                    };
                    let mut outcome = question.answer(price)?;
                    outcome.stopped.push_str(&why_not(other.err()));
                    Some(outcome)
                }
            }
        }
    };
    let (nest, evaluation, searched) = match (given, searched) {
        (Some(nest), _) => {
            let evaluation = price(&nest);
            (nest, evaluation, None)
        }
        (None, Some(o)) => (o.nest, o.evaluation, Some((o.tried, o.bound, o.stopped))),
        (None, None) => return Err(Problem::new(Code::MissingKey, "no nest").into()),
    };
    let lines = problem.write(&nest, &system, &chain);
    let mut document = MapDocument::of(&problem, &system, &evaluation, &widths, lines);
    if let Some((tried, bound, stopped)) = searched {
        document.origin = "search";
        document.tried = tried;
        document.bound = bound;
        document.objective = Some(args.aim.name());
        document.stopped = stopped;
    }
    console.warn(&warnings);
    match console.format {
        Format::Table => console.print(&text(&document, console))?,
        Format::Csv | Format::Json | Format::Jsonl | Format::Md => {
            console.table(&accesses(&document), &document)?;
        }
    }
    Ok(if document.fits {
        Answer::Yes
    } else {
        Answer::No
    })
}

/// Why the search was needed where the chip has a dataflow of its own.
fn why_not(reason: Option<NotRowStationary>) -> String {
    match reason {
        Some(NotRowStationary::Chip) | None => String::new(),
        Some(reason) => format!("; not row-stationary: {reason}"),
    }
}

/// The format that the file names, else the narrowest of the chip that takes both inputs, else the widest.
fn dtype(problem: &MapProblem, system: &System) -> Result<Dtype, Problems> {
    let formats = system.dtypes();
    if let Some(named) = problem.dtype {
        if formats.contains(&named) {
            return Ok(named);
        }
        let names: Vec<&str> = formats.iter().map(|d| d.name()).collect();
        let message = format!("`{}` does not multiply {named}", system.name);
        let problem = Problem::new(Code::Reference, message);
        return Err(problem.help(format!("it has: {}", names.join(", "))).into());
    }
    let wanted = problem.bits[0].max(problem.bits[1]);
    let able = formats.iter().filter(|d| d.stored_bytes() * 8.0 >= wanted);
    let narrowest = able.min_by(|a, b| a.stored_bytes().total_cmp(&b.stored_bytes()));
    let widest = formats
        .iter()
        .max_by(|a, b| a.stored_bytes().total_cmp(&b.stored_bytes()));
    narrowest.or(widest).copied().ok_or_else(|| {
        let message = format!("`{}` has no matrix engine", system.name);
        Problem::new(Code::Reference, message).into()
    })
}

fn text(document: &MapDocument, console: &Console) -> String {
    let energy = |e: Option<f64>| e.map_or(UNKNOWN.to_owned(), |e| Joules(e).to_string());
    let mut out = format!(
        "{} on {} · {} accounting\n\n",
        document.problem, document.hardware, document.convention
    );
    let mut depth = 0;
    for line in &document.nest {
        out.push_str(&format!("{}{line}\n", "  ".repeat(depth)));
        if line.starts_with("for ") || line.starts_with("par ") {
            depth += 1;
        }
    }
    let rows = [
        ("MACs", significant(document.macs, 9)),
        (
            "cycles",
            format!(
                "{} on {} engines",
                significant(document.cycles, 6),
                significant(document.lanes, 6)
            ),
        ),
        ("latency", Seconds(document.latency_s).to_string()),
        ("energy", energy(document.energy_j)),
        ("per MAC", energy(document.energy_per_mac_j)),
        ("of MACs", energy(document.mac_energy_j)),
        ("of wires", energy(Some(document.network_energy_j))),
        (
            "searched",
            document.objective.unwrap_or_default().to_owned(),
        ),
        (
            "bound",
            document.bound.map_or(String::new(), |b| significant(b, 6)),
        ),
        ("search", document.stopped.clone()),
        ("no fit", document.misfit.clone()),
    ];
    out.push('\n');
    for (name, value) in rows.iter().filter(|r| !r.1.is_empty()) {
        out.push_str(&format!("  {name:<10} {value}\n"));
    }
    out.push('\n');
    out.push_str(&levels(document).text(width()));
    if !console.quiet {
        out.push('\n');
        out.push_str(&accesses(document).text(width()));
    }
    out
}

fn levels(document: &MapDocument) -> Table {
    let columns = vec![
        Column::text("memory", "memory"),
        Column::number("kept_bytes", "kept"),
        Column::number("usable_bytes", "room"),
        Column::number("busy_s", "busy"),
        Column::number("leakage_j", "leakage"),
        Column::number("energy_j", "energy"),
    ];
    let mut table = Table::new("", columns);
    for level in &document.levels {
        table.push(vec![
            Cell::text(&level.memory),
            Cell::number(level.kept_bytes, Bytes(level.kept_bytes).to_string()),
            Cell::maybe(level.usable_bytes, |b| Bytes(b).to_string()),
            Cell::number(level.busy_s, Seconds(level.busy_s).to_string()),
            Cell::number(level.leakage_j, Joules(level.leakage_j).to_string()),
            Cell::maybe(level.energy_j, |e| Joules(e).to_string()),
        ]);
    }
    table
}

fn accesses(document: &MapDocument) -> Table {
    let columns = vec![
        Column::text("memory", "memory"),
        Column::text("tensor", "tensor"),
        Column::number("instances", "instances"),
        Column::number("tile", "tile"),
        Column::number("reads", "reads"),
        Column::number("fills", "fills"),
        Column::number("updates", "updates"),
        Column::number("energy_j", "energy"),
    ];
    let mut table = Table::new("elements over all instances", columns);
    for row in &document.accesses {
        let number = |value: f64| Cell::number(value, significant(value, 7));
        table.push(vec![
            Cell::text(&row.memory),
            Cell::text(&row.tensor),
            number(row.instances),
            number(row.tile),
            number(row.reads),
            number(row.fills),
            number(row.updates),
            Cell::maybe(row.energy_j, |e| Joules(e).to_string()),
        ]);
    }
    table
}
