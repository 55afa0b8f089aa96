//! `wattline show`: what is known of a model or a chip.

use crate::diag::{Code, Problem, Problems};
use crate::footprint;
use crate::record::{self, ChipDocument, GraphDocument, HardwarePart, ModelDocument, ProblemPart};
use crate::report;
use crate::schedule::{fuse, peak};
use crate::simulate;
use crate::workload::{Card, Phase, Scenario, Stage, train};

use super::args::{Format, ShowArgs};
use super::console::Console;
use super::load::{self, Named};
use super::run::bound;
use super::settings;
use super::start::Answer;
use super::{card, card::chip_table, model_card, model_card::operator_table};

pub(super) fn command(args: &ShowArgs, console: &Console) -> Result<Answer, Problems> {
    match load::kind_of(&args.name)? {
        Named::Model => model(args, console)?,
        Named::Chip => chip(args, console)?,
        Named::Problem => {
            let message = format!("`{}` is a mapping problem", args.name);
            let problem = Problem::new(Code::NotAModel, message);
            return Err(problem
                .help("price it with `wattline map`, or validate it with `wattline check`")
                .into());
        }
        Named::Sweep => {
            let message = format!("`{}` is a sweep file", args.name);
            let problem = Problem::new(Code::NotAModel, message);
            return Err(problem
                .help("run it with `wattline sweep`, or validate it with `wattline check`")
                .into());
        }
    }
    Ok(Answer::Yes)
}

fn model(args: &ShowArgs, console: &Console) -> Result<(), Problems> {
    let (chip_sets, scenario_sets) = settings::split(&args.sets);
    refuse(&[("--set", !chip_sets.is_empty())], "model")?;
    let workload = load::model(&args.name)?;
    let scenario = scenario(args, workload.card(), &scenario_sets)?;
    let phase = simulate::phase_of(&workload, &scenario)?;
    let stage = match phase {
        Phase::Infer => Stage::Infer,
        Phase::Decode => Stage::Tokens {
            tokens: 1,
            past: scenario.prompt,
        },
        Phase::Prefill | Phase::Generate => Stage::Tokens {
            tokens: scenario.prompt,
            past: 0,
        },
        Phase::Train if workload.card().default_phase == Phase::Infer => Stage::Infer,
        Phase::Train | Phase::Score => Stage::Check {
            tokens: scenario.prompt,
            past: 0,
        },
        Phase::PostTrain => {
            let message = "post-training is several graphs, and show counts one";
            let problem = Problem::new(Code::Usage, message);
            return Err(problem.help("use --phase prefill, decode or train").into());
        }
    };
    if phase == Phase::Infer {
        refuse(
            &[("--prompt", args.prompt.is_some())],
            "model without tokens",
        )?;
    }
    let binding = simulate::binding(&scenario, stage);
    let (mut graph, mut warnings) = workload.graph(&binding)?;
    if phase == Phase::Train {
        graph = train::graph(&graph, &scenario.software);
    }
    warnings.extend(settings::without_effect(
        &workload,
        &shown_phase(&scenario, phase),
    )?);
    let fused = || peak(&graph, &fuse(&graph)).bytes;
    let live = graph.exported_peak().unwrap_or_else(fused);
    if let Some(path) = &args.dot {
        let drawn = report::dot(&GraphDocument::of(&workload.name, &graph));
        record::write_file(path, drawn.as_bytes())?;
    }
    let parts = ProblemPart::all(&warnings);
    let document = ModelDocument::of(&workload, &binding, &graph, live, parts);
    match console.format {
        Format::Table => console.print(&model_card::model(&document, &scenario, console))?,
        Format::Json => console.print(&record::to_json(&document))?,
        Format::Jsonl | Format::Csv | Format::Md => {
            console.table(&operator_table(&document, console), &document)?;
        }
    }
    console.warn(&warnings);
    Ok(())
}

fn scenario(args: &ShowArgs, card: &Card, sets: &[(String, String)]) -> Result<Scenario, Problems> {
    let bound = bound(&args.binding);
    let mut scenario = Scenario {
        phase: args.phase,
        prompt: args
            .prompt
            .unwrap_or(Scenario::within(card.limits.context).prompt),
        ..bound
    };
    let given = [
        ("batch", args.binding.batch.is_some()),
        ("dtype", args.binding.dtype.is_some()),
        ("phase", args.phase.is_some()),
        ("prompt", args.prompt.is_some()),
    ];
    settings::apply(&mut scenario, sets, &given)?;
    Ok(scenario)
}

/// The one step that is counted.
fn shown_phase(scenario: &Scenario, phase: Phase) -> Scenario {
    let counted = match phase {
        Phase::Generate => Phase::Prefill,
        Phase::Infer
        | Phase::Prefill
        | Phase::Decode
        | Phase::Train
        | Phase::PostTrain
        | Phase::Score => phase,
    };
    Scenario {
        phase: Some(counted),
        output: 2,
        ..scenario.clone()
    }
}

fn chip(args: &ShowArgs, console: &Console) -> Result<(), Problems> {
    let model = &args.binding;
    let flags = [
        ("--batch", model.batch.is_some()),
        ("--dtype", model.dtype.is_some()),
        ("--dim", !model.dims.is_empty()),
        ("--shape", !model.shapes.is_empty()),
        ("--unknown", model.unknown.is_some()),
        ("--phase", args.phase.is_some()),
        ("--prompt", args.prompt.is_some()),
        ("--dot", args.dot.is_some()),
    ];
    refuse(&flags, "chip")?;
    let (chip_sets, scenario_sets) = settings::split(&args.sets);
    refuse(&[("--set", !scenario_sets.is_empty())], "chip")?;
    let (system, warnings) = load::evaluate(&args.name, &chip_sets)?;
    let area = footprint::area(&system).total.map(|a| a.0);
    let hardware = HardwarePart::of(&system, &simulate::roofs(&system), area);
    let document = ChipDocument::of(&system, hardware, ProblemPart::all(&warnings));
    match console.format {
        Format::Table => console.print(&card::chip(&document, &system, console))?,
        Format::Json => console.print(&record::to_json(&document))?,
        Format::Jsonl | Format::Csv | Format::Md => {
            console.table(&chip_table(&document, console), &document)?;
        }
    }
    console.warn(&warnings);
    Ok(())
}

/// Flags that this kind of thing has no use for.
fn refuse(flags: &[(&str, bool)], kind: &str) -> Result<(), Problems> {
    let given: Vec<&str> = flags.iter().filter(|f| f.1).map(|f| f.0).collect();
    if given.is_empty() {
        return Ok(());
    }
    let message = format!("{} has no effect on a {kind}", given.join(", "));
    Err(Problem::new(Code::Usage, message).into())
}
