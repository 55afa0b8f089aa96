//! `wattline explain`: what a problem code means, or where a figure of a stored run comes from.

use crate::diag::{Code, Problem, Problems, did_you_mean};
use crate::record::CodeRow;
use crate::report::{Cell, Column, Table};

use super::args::{ExplainArgs, Format};
use super::console::Console;
use super::start::Answer;
use super::{diff, explain_run};

pub(super) fn command(args: &ExplainArgs, console: &Console) -> Result<Answer, Problems> {
    if let (Some(run), Some(figure)) = (&args.code, &args.figure) {
        return of_run(args, run, figure, console);
    }
    let Some(asked) = &args.code else {
        let rows: Vec<CodeRow> = Code::ALL.iter().map(|code| row(*code)).collect();
        console.table(&table(&rows), &rows)?;
        return Ok(Answer::Yes);
    };
    let found = Code::ALL
        .iter()
        .find(|c| c.as_str().eq_ignore_ascii_case(asked));
    if found.is_none() && std::path::Path::new(asked).exists() {
        let message = format!("which figure of `{asked}`?");
        return Err(Problem::new(Code::Usage, message)
            .help(format!("such as: wattline explain {asked} latency"))
            .into());
    }
    let code = *found.ok_or_else(|| unknown(asked))?;
    if console.format == Format::Table {
        let (name, title, text) = (code.as_str(), code.title(), code.explanation());
        console.print(&format!("{name}  {title}\n\n{text}\n"))?;
    } else {
        console.table(&table(&[row(code)]), &row(code))?;
    }
    Ok(Answer::Yes)
}

fn of_run(
    args: &ExplainArgs,
    run: &str,
    figure: &str,
    console: &Console,
) -> Result<Answer, Problems> {
    if console.format != Format::Table {
        let message = "an explanation is text, not a table";
        let problem = Problem::new(Code::Usage, message);
        return Err(problem.help("leave --format and --json out").into());
    }
    let subject = diff::subject(run)?;
    let Some(first) = subject.runs.first() else {
        let message = format!("`{run}` has no operators stored");
        let problem = Problem::new(Code::Usage, message);
        return Err(problem
            .help("a sweep stores those of its knee, its ends and some more of its front: FOLDER#POINT")
            .into());
    };
    let named = |name: &String| -> Result<_, Problems> {
        let found = subject.runs.iter().find(|r| r.workload.name == *name);
        found.ok_or_else(|| {
            let names: Vec<&str> = subject
                .runs
                .iter()
                .map(|r| r.workload.name.as_str())
                .collect();
            let message = format!("`{run}` has no workload `{name}`");
            let problem = Problem::new(Code::Usage, message);
            problem.help(format!("it has {}", names.join(", "))).into()
        })
    };
    let chosen = args.workload.as_ref().map_or(Ok(first), named)?;
    console.print(&explain_run::text(chosen, figure, args.op.as_deref())?)?;
    Ok(Answer::Yes)
}

fn row(code: Code) -> CodeRow {
    CodeRow {
        code: code.as_str(),
        title: code.title(),
        explanation: code.explanation(),
    }
}

fn table(rows: &[CodeRow]) -> Table {
    let columns = vec![
        Column::text("code", "code"),
        Column::text("title", "title"),
        Column::text("explanation", "what to do"),
    ];
    let mut table = Table::new("", columns);
    for row in rows {
        table.push(vec![
            Cell::text(row.code),
            Cell::text(row.title),
            Cell::text(row.explanation),
        ]);
    }
    table
}

fn unknown(asked: &str) -> Problem {
    let message = format!("no problem code called `{asked}`");
    let problem = Problem::new(Code::Usage, message);
    let names = Code::ALL.iter().map(|c| c.as_str());
    let problem = match did_you_mean(&asked.to_uppercase(), names) {
        Some(hint) => problem.help(hint),
        None => problem,
    };
    problem.help("`wattline explain` without a code prints all of them; a run takes a figure as well: explain RUN latency")
}
