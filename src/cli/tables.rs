//! `wattline ops` and `wattline run --cases`: tables of rows to price.

use std::path::Path;

use crate::cases::{self, Lookup, PricedTable};
use crate::catalog;
use crate::diag::{Code, Problem, Problems};
use crate::record;

use super::args::{Format, OpsArgs, RunArgs};
use super::console::Console;
use super::load;
use super::start::Answer;

/// Single operators.
pub(super) fn ops(args: &OpsArgs, console: &Console) -> Result<Answer, Problems> {
    only_csv(console)?;
    let source = catalog::table(&args.table)?.source()?;
    let chips = |name: &str| load::evaluate(name, &[]).map(|(system, _)| system);
    let priced = cases::run_ops_csv(&source.name, &source.text, &chips)?;
    deliver(&priced, args.path.as_deref(), console)
}

/// Whole models.
pub(super) fn cases(args: &RunArgs, console: &Console) -> Result<Answer, Problems> {
    only_csv(console)?;
    let path = args.cases.as_deref().unwrap_or_default();
    let source = catalog::table(path)?.source()?;
    let lookup = Lookup {
        chips: &|name| load::evaluate(name, &[]).map(|(system, _)| system),
        models: &load::model,
    };
    let priced = cases::run_models_csv(&source.name, &source.text, &lookup)?;
    deliver(&priced, args.path.as_deref(), console)
}

fn only_csv(console: &Console) -> Result<(), Problems> {
    match console.format {
        Format::Table | Format::Csv => Ok(()),
        Format::Json | Format::Jsonl | Format::Md => {
            let message = "priced tables are CSV, as the tables they come from";
            Err(Problem::new(Code::Usage, message)
                .help("leave --format and --json out")
                .into())
        }
    }
}

/// The table where it was asked for, and why rows are empty on standard error.
fn deliver(
    priced: &PricedTable,
    path: Option<&Path>,
    console: &Console,
) -> Result<Answer, Problems> {
    let (table, empty) = (priced.text.as_str(), &priced.empty);
    match path {
        Some(path) => record::write_file(path, table.as_bytes())?,
        None => console.print(table)?,
    }
    let n_empty: usize = empty.iter().map(|(_, n)| n).sum();
    if n_empty > 0 {
        let n_rows = csv::Reader::from_reader(table.as_bytes()).records().count();
        let mut text = format!("{n_empty} of {n_rows} rows are not priced\n");
        for (reason, n) in empty {
            text.push_str(&format!("  {n:>6}  {reason}\n"));
        }
        console.note(&text);
    }
    console.warn(&priced.warnings);
    Ok(Answer::Yes)
}
