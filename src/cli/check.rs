//! `wattline check`: every problem of chip, model, sweep and map files, without simulating.

use crate::catalog;
use crate::diag::{Problem, Problems};
use crate::explore::Plan;
use crate::mapping::MapProblem;
use crate::record::{self, ProblemsDocument};
use crate::simulate;
use crate::workload::{Phase, Scenario, Stage};

use super::args::{CheckArgs, Format};
use super::console::Console;
use super::load::{self, Named};
use super::start::Answer;

pub(super) fn command(args: &CheckArgs, console: &Console) -> Result<Answer, Problems> {
    let mut all: Vec<Problem> = Vec::new();
    let mut lines = String::new();
    for name in &args.names {
        let found = findings(name);
        let n_errors = found.iter().filter(|p| p.code.is_error()).count();
        lines.push_str(&match (n_errors, found.len()) {
            (0, 0) => format!("{name}: {}\n", console.good("ok")),
            (0, n) => format!("{name}: {}, {}\n", console.good("ok"), plural(n, "warning")),
            (n, _) => format!("{name}: {}\n", console.bad(&plural(n, "error"))),
        });
        all.extend(found);
    }
    let has_errors = all.iter().any(|p| p.code.is_error());
    if console.format == Format::Json {
        console.print(&record::to_json(&ProblemsDocument::of(&all)))?;
    } else {
        console.print(&lines)?;
    }
    console.warn(&all);
    Ok(if has_errors { Answer::No } else { Answer::Yes })
}

fn plural(n: usize, noun: &str) -> String {
    match n {
        1 => format!("1 {noun}"),
        n => format!("{n} {noun}s"),
    }
}

/// Binds a model at its default sizes.
fn bind(name: &str) -> Result<Vec<Problem>, Problems> {
    let workload = load::model(name)?;
    let card = workload.card();
    let scenario = Scenario::within(card.limits.context);
    let stage = match simulate::phase_of(&workload, &scenario)? {
        Phase::Infer => Stage::Infer,
        Phase::Prefill
        | Phase::Decode
        | Phase::Generate
        | Phase::Train
        | Phase::PostTrain
        | Phase::Score => Stage::Tokens {
            tokens: scenario.prompt,
            past: 0,
        },
    };
    let (_, warnings) = workload.graph(&simulate::binding(&scenario, stage))?;
    Ok(warnings)
}

fn findings(name: &str) -> Vec<Problem> {
    let checked = load::kind_of(name).and_then(|kind| match kind {
        Named::Model => bind(name),
        Named::Chip => load::evaluate(name, &[]).map(|(_, warnings)| warnings),
        Named::Sweep => {
            let plan = Plan::load(&catalog::sweep(name)?, &[]);
            plan.map(|(_, warnings)| warnings.0)
        }
        Named::Problem => {
            let source = catalog::problem(name)?.source()?;
            MapProblem::parse(&source).map(|_| Vec::new())
        }
    });
    match checked {
        Ok(warnings) => warnings,
        Err(problems) => problems.0,
    }
}
