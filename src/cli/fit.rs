//! `wattline fit`: does a model fit into a chip.

use crate::catalog;
use crate::diag::{Code, Problem, Problems};
use crate::fit::{self, Ask, Candidate, Fit, Probe, Shard};
use crate::hardware::System;
use crate::record::{self, FitDocument, HardwarePart, WorkloadPart};
use crate::report::{Cell, Column, Table};
use crate::simulate::{self, Estimate, Fidelity, Memo};
use crate::workload::{Dtype, Phase, Scenario, Stage, Workload};

use super::args::{FitArgs, FitPhase, Format};
use super::console::Console;
use super::run::{both, bound, write_all};
use super::start::Answer;
use super::{fit_text, load, settings};

/// Context unless asked otherwise.
const CONTEXT: u64 = 8192;

/// Settings of a scenario that are options of their own here.
const WITHOUT: [&str; 3] = ["prompt", "output", "phase"];

pub(super) fn command(
    args: &FitArgs,
    console: &Console,
    words: &[String],
) -> Result<Answer, Problems> {
    let model = load::model(&args.model);
    let (chip_sets, scenario_sets) = settings::split(&args.sets);
    let chip = load::evaluate(&args.on, &chip_sets);
    let (workload, (system, mut warnings)) = both(model, chip)?;
    let mut ask = ask(args, &workload, &scenario_sets)?;
    warnings.extend(settings::without_effect(&workload, &ask.scenario())?);
    let (runs, warning) = simulate::runnable(&workload, &system, &ask.scenario());
    ask.precision = runs.precision;
    warnings.extend(warning);
    let (mut fit, weight_dtype) = verdict(&workload, &system, &ask, args.margin)?;
    warnings.append(&mut fit.warnings);
    let speed = if fit.fits() && !ask.trains {
        speed(&workload, &system, &ask)?
    } else {
        None
    };
    fit.warnings = warnings;
    let document = document(&fit, &ask, &workload, &system, weight_dtype)?;
    present(console, &document, &fit, speed.as_ref(), &ask)?;
    if let Some(folder) = &args.path {
        let file = (
            "fit.json".to_owned(),
            record::to_json(&document).into_bytes(),
        );
        write_all(folder, &vec![file], words)?;
        if console.format == Format::Table && !console.quiet {
            console.print(&format!("saved {}\n", folder.display()))?;
        }
    }
    console.warn(&fit.warnings);
    Ok(if fit.fits() { Answer::Yes } else { Answer::No })
}

fn ask(args: &FitArgs, workload: &Workload, sets: &[(String, String)]) -> Result<Ask, Problems> {
    let card = workload.card();
    let limit = card.limits.context;
    let context = match (card.default_phase, args.context) {
        (Phase::Infer, None) => None,
        (Phase::Infer, Some(_)) => {
            let message = format!(
                "`{}` has no context: it is not a language model",
                workload.name
            );
            return Err(Problem::new(Code::FixedDim, message)
                .help("leave --context out")
                .into());
        }
        (_, Some(context)) => Some(context),
        (_, None) => {
            let longest = workload.requests().map(|mix| mix.longest());
            Some(longest.unwrap_or(limit.unwrap_or(CONTEXT).clamp(2, CONTEXT)))
        }
    };
    let mut bound = bound(&args.binding);
    if let Some((name, _)) = sets
        .iter()
        .find(|(name, _)| WITHOUT.contains(&name.as_str()))
    {
        let message = format!("`scenario.{name}` has no effect on fit");
        let problem = Problem::new(Code::Usage, message);
        return Err(problem.help("use --context and --phase").into());
    }
    let given = [
        ("batch", args.binding.batch.is_some()),
        ("dtype", args.binding.dtype.is_some()),
    ];
    settings::apply(&mut bound, sets, &given)?;
    Ok(Ask {
        context,
        batch: bound.batch,
        trains: args.phase == Some(FitPhase::Train),
        precision: bound.precision,
        software: bound.software,
        draft_model: bound.draft_model,
        dims: bound.dims,
        shapes: bound.shapes,
        unknown_as_bytes: bound.unknown_as_bytes,
    })
}

/// The verdict, and the type in which most of the weight bytes are stored.
fn verdict(
    workload: &Workload,
    system: &System,
    ask: &Ask,
    margin: f64,
) -> Result<(Fit, Option<Dtype>), Problems> {
    let scenario = ask.scenario();
    let stage = match ask.context {
        Some(context) => Stage::Tokens {
            tokens: 1,
            past: context.saturating_sub(1),
        },
        None => Stage::Infer,
    };
    let (graph, warnings) = workload.graph(&simulate::binding(&scenario, stage))?;
    let memory = |ask: &Ask| simulate::memory_use(workload, system, &ask.scenario());
    let probe = Probe {
        memory: &memory,
        shard: Shard::of(&graph),
        model_context: workload.card().limits.context,
        chip: &system.name,
        candidates: &candidates,
    };
    let mut fit = fit::check(&probe, ask, margin)?;
    fit.warnings = warnings;
    fit.warnings.extend(beyond(workload, ask));
    Ok((fit, graph.weight_dtype()))
}

/// Every chip of the catalog; one that cannot be read is no remedy.
fn candidates() -> Vec<Candidate> {
    let systems = catalog::chips()
        .into_iter()
        .filter_map(|name| load::evaluate(name, &[]).ok());
    systems
        .map(|(system, _)| Candidate {
            capacity: system.main_memory().capacity,
            reserve: system.overhead.reserve,
            name: system.name,
        })
        .filter(|c| c.capacity.0.is_finite())
        .collect()
}

fn beyond(workload: &Workload, ask: &Ask) -> Option<Problem> {
    let limit = workload.card().limits.context?;
    let asked = ask.context.filter(|c| *c > limit)?;
    let message = format!(
        "context {asked} is beyond what `{}` states: {limit}",
        workload.name
    );
    Some(Problem::new(Code::Extrapolated, message))
}

/// One decode step at the full context, or one pass.
fn speed(workload: &Workload, system: &System, ask: &Ask) -> Result<Option<Estimate>, Problems> {
    let scenario = match ask.context {
        // The second output token sees all of the context but itself.
        Some(context) => Scenario {
            phase: Some(Phase::Decode),
            prompt: context.saturating_sub(1).max(1),
            output: 2,
            ..ask.scenario()
        },
        None => ask.scenario(),
    };
    let memo = Memo::new();
    match simulate::run(workload, system, &scenario, Fidelity::Scheduled, &memo) {
        Ok(estimate) => Ok(Some(estimate)),
        // Memory is answered even where an operator has no mapping; `run` says why.
        Err(problems) if problems.0.iter().all(|p| p.code == Code::NoFit) => Ok(None),
        Err(problems) => Err(problems),
    }
}

fn document(
    fit: &Fit,
    ask: &Ask,
    workload: &Workload,
    system: &System,
    weight_dtype: Option<Dtype>,
) -> Result<FitDocument, Problems> {
    let scenario = ask.scenario();
    let phase = simulate::phase_of(workload, &scenario)?;
    let stored = weight_dtype.map(|d| d.name());
    let mut part = WorkloadPart::of(&workload.name, phase, &scenario, stored);
    // The split into prompt and output is not asked for.
    (part.prompt, part.output) = (None, None);
    let hardware = HardwarePart::of(system, &simulate::roofs(system), None);
    Ok(FitDocument::of(fit, part, hardware))
}

fn present(
    console: &Console,
    document: &FitDocument,
    fit: &Fit,
    speed: Option<&Estimate>,
    ask: &Ask,
) -> Result<(), Problems> {
    match console.format {
        Format::Table => console.print(&fit_text::text(document, fit, speed, ask, console)),
        Format::Json | Format::Jsonl | Format::Csv | Format::Md => {
            console.table(&table(document, console), document)
        }
    }
}

/// Parts of the memory, one a row.
fn table(document: &FitDocument, console: &Console) -> Table {
    let verdict = if document.fit.fits {
        "fits"
    } else {
        "does not fit"
    };
    let title = format!(
        "{} on {}: {verdict}",
        document.workload.name, document.hardware.name
    );
    let columns = vec![
        Column::text("part", "part"),
        Column::number("bytes", "size"),
        Column::number("share", "share of capacity"),
    ];
    let mut table = Table::new(title, columns);
    let fit = &document.fit;
    let shown = |bytes| console.size(crate::units::Bytes(bytes));
    let rows = fit
        .parts
        .0
        .iter()
        .map(|(name, bytes)| (name.as_str(), *bytes));
    let sums = [
        ("required_bytes", fit.required_bytes),
        ("short_bytes", fit.short_bytes),
    ];
    for (name, bytes) in rows.chain(sums) {
        let share = fit.capacity_bytes.map(|c| bytes / c);
        table.push(vec![
            Cell::text(name.trim_end_matches("_bytes").replace('_', " ")),
            Cell::number(bytes, shown(bytes)),
            Cell::maybe(share, crate::units::percent),
        ]);
    }
    table
}
