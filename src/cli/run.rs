//! `wattline run`: one model on one chip.

use std::path::Path;

use crate::diag::{Code, Problem, Problems};
use crate::record::{self, Manifest, RunDocument};
use crate::simulate::{self, Estimate, Memo};
use crate::workload::{Phase, Scenario, Workload};

use super::args::{Format, ModelArgs, RunArgs, is_output};
use super::console::Console;
use super::operators::largest;
use super::start::Answer;
use super::{load, plots, run_text, settings};

pub(super) fn command(
    args: &RunArgs,
    console: &Console,
    words: &[String],
) -> Result<Answer, Problems> {
    let (Some(model), Some(on)) = (&args.model, &args.on) else {
        let message = "a model, --on CHIP, or --cases IN.csv is needed";
        return Err(Problem::new(Code::Usage, message).into());
    };
    let model = load::model(model);
    let (chip_sets, scenario_sets) = settings::split(&args.sets);
    let chip = load::evaluate(on, &chip_sets);
    let (workload, (system, mut warnings)) = both(model, chip)?;
    let scenario = scenario(args, &workload, &scenario_sets)?;
    let memo = Memo::new();
    let mut estimate = simulate::run(&workload, &system, &scenario, args.fidelity, &memo)?;
    warnings.extend(without_effect(args, &scenario_sets, &estimate));
    warnings.extend(settings::without_effect(&workload, &scenario)?);
    let asked = (args, on.as_str(), chip_sets.as_slice());
    warnings.extend(dead_settings(asked, &workload, &scenario, &estimate)?);
    warnings.append(&mut estimate.warnings);
    estimate.warnings = warnings;
    let document = RunDocument::of(&estimate, &system);
    present(args, console, &document, &estimate)?;
    if let Some(folder) = &args.path {
        write(folder, &document, words)?;
        if console.format == Format::Table && !console.quiet {
            console.print(&format!("saved {}\n", folder.display()))?;
        }
    }
    console.warn(&estimate.warnings);
    let met = args.require.iter().all(|limit| limit.met(&estimate));
    let in_time = estimate.meets_deadline() != Some(false);
    Ok(if met && in_time && estimate.memory.fits() {
        Answer::Yes
    } else {
        Answer::No
    })
}

/// Both, or the problems of both.
pub(super) fn both<A, B>(
    a: Result<A, Problems>,
    b: Result<B, Problems>,
) -> Result<(A, B), Problems> {
    match (a, b) {
        (Ok(a), Ok(b)) => Ok((a, b)),
        (Err(mut first), Err(second)) => {
            first.extend(second);
            Err(first)
        }
        (Err(problems), Ok(_)) | (Ok(_), Err(problems)) => Err(problems),
    }
}

/// What the model's arguments say, phase and lengths left as by default.
pub(super) fn bound(args: &ModelArgs) -> Scenario {
    let default = Scenario::default();
    let (shapes, sizes): (Vec<_>, Vec<_>) = args.dims.iter().partition(|d| is_output(&d.0));
    let sizes = sizes
        .into_iter()
        .filter_map(|(name, size)| Some((name.clone(), *size.first()?)));
    Scenario {
        batch: args.batch,
        precision: args.dtype.unwrap_or_default(),
        dims: sizes.collect(),
        shapes: args.shapes.iter().chain(shapes).cloned().collect(),
        unknown_as_bytes: args.unknown.is_some(),
        ..default
    }
}

/// Lengths that are given take the place of the model's own mix of requests.
fn scenario(
    args: &RunArgs,
    workload: &Workload,
    sets: &[(String, String)],
) -> Result<Scenario, Problems> {
    let bound = bound(&args.binding);
    let by_set = sets
        .iter()
        .any(|(name, _)| name == "prompt" || name == "output");
    let is_mix = args.prompt.is_none() && args.output.is_none() && !by_set;
    let fitting = Scenario::within(workload.card().limits.context);
    let mut scenario = Scenario {
        requests: workload.requests().filter(|_| is_mix).cloned(),
        phase: args.phase,
        prompt: args.prompt.unwrap_or(fitting.prompt),
        output: args.output.unwrap_or(fitting.output),
        ..bound
    };
    let given = [
        ("batch", args.binding.batch.is_some()),
        ("dtype", args.binding.dtype.is_some()),
        ("phase", args.phase.is_some()),
        ("prompt", args.prompt.is_some()),
        ("output", args.output.is_some()),
    ];
    settings::apply(&mut scenario, sets, &given)?;
    Ok(scenario)
}

/// Lengths that the phase has no use for.
fn without_effect(args: &RunArgs, sets: &[(String, String)], estimate: &Estimate) -> Vec<Problem> {
    let phase = estimate.phase;
    let (prompt, output) = match phase {
        Phase::Infer => (false, false),
        Phase::Train => (estimate.trained_tokens_per_s.is_some(), false),
        Phase::Prefill => (true, false),
        Phase::Decode | Phase::Generate | Phase::PostTrain | Phase::Score => (true, true),
    };
    let set = |name: &str| sets.iter().any(|(key, _)| key == name);
    let flags = [
        ("--prompt", args.prompt.is_some() && !prompt),
        ("--output", args.output.is_some() && !output),
        ("scenario.prompt", set("prompt") && !prompt),
        ("scenario.output", set("output") && !output),
    ];
    let unused = flags.iter().filter(|flag| flag.1);
    unused
        .map(|(flag, _)| {
            let message =
                format!("`{flag}` was given but the phase `{phase}` does not depend on it");
            Problem::new(Code::NoEffect, message)
        })
        .collect()
}

/// Settings of the chip that moved no result: each is left out once, then nudged.
fn dead_settings(
    (args, on, given): (&RunArgs, &str, &[(String, String)]),
    workload: &Workload,
    scenario: &Scenario,
    estimate: &Estimate,
) -> Result<Vec<Problem>, Problems> {
    let mut dead = Vec::new();
    for (i, (key, value)) in given.iter().enumerate() {
        let mut tries: Vec<Option<String>> = vec![None];
        tries.extend(nudged(value).into_iter().map(Some));
        let mut moved = false;
        for other in tries {
            let mut sets = given.to_vec();
            match other {
                Some(other) => sets[i].1 = other,
                None => drop(sets.remove(i)),
            }
            // Outside of what the key allows: this try says nothing.
            let Ok((system, _)) = load::evaluate(on, &sets) else {
                continue;
            };
            let memo = Memo::new();
            let Ok(found) = simulate::run(workload, &system, scenario, args.fidelity, &memo) else {
                moved = true;
                break;
            };
            if !same_figures(&found, estimate) {
                moved = true;
                break;
            }
        }
        if !moved {
            let message = format!("`{key}` was set but no result depends on it");
            dead.push(Problem::new(Code::NoEffect, message));
        }
    }
    Ok(dead)
}

/// A quarter more and a quarter less of a value that starts with a number.
fn nudged(value: &str) -> Vec<String> {
    let end = value
        .find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '-' | '+' | '_')))
        .unwrap_or(value.len());
    let Ok(number) = value[..end].replace('_', "").parse::<f64>() else {
        return Vec::new();
    };
    let is_whole = number.fract() == 0.0 && value[end..].trim().is_empty();
    [1.25, 0.75, 2.0, 0.5]
        .iter()
        .map(|factor| number * factor)
        .filter(|n| !is_whole || n.fract() == 0.0)
        .map(|n| format!("{n}{}", &value[end..]))
        .collect()
}

fn same_figures(a: &Estimate, b: &Estimate) -> bool {
    a.totals == b.totals
        && a.phases == b.phases
        && a.memory == b.memory
        && a.generation == b.generation
        && a.area == b.area
}

fn present(
    args: &RunArgs,
    console: &Console,
    document: &RunDocument,
    estimate: &Estimate,
) -> Result<(), Problems> {
    match console.format {
        Format::Table => console.print(&run_text::text(
            document,
            &args.require,
            args.top,
            estimate,
            console,
        )),
        Format::Json => console.print(&record::to_json(document)),
        Format::Csv => console.print(&record::operators_csv(&only_top(document, args.top))),
        Format::Jsonl => {
            let rows = only_top(document, args.top).operators;
            let lines: String = rows.iter().map(record::to_json_line).collect();
            console.print(&lines)
        }
        Format::Md => console.print(&run_text::markdown(document, args.top, console)),
    }
}

fn only_top(document: &RunDocument, top: Option<usize>) -> RunDocument {
    let mut operators = Vec::new();
    for phase in &document.phases {
        let all = document.operators.iter().filter(|o| o.phase == phase.phase);
        let all: Vec<_> = all.collect();
        operators.extend(largest(&all, top).into_iter().cloned());
    }
    RunDocument {
        operators,
        ..document.clone()
    }
}

/// Everything that is known of the run, as files.
fn write(folder: &Path, document: &RunDocument, words: &[String]) -> Result<(), Problems> {
    let mut files = plots::files(document)?;
    files.push((
        "run.json".to_owned(),
        record::to_json(document).into_bytes(),
    ));
    files.push((
        "operators.csv".to_owned(),
        record::operators_csv(document).into_bytes(),
    ));
    write_all(folder, &files, words)
}

/// Files and their manifest, which comes last.
pub(super) fn write_all(
    folder: &Path,
    files: &plots::Files,
    words: &[String],
) -> Result<(), Problems> {
    record::create_folder(folder)?;
    for (name, content) in files {
        record::write_file(&folder.join(name), content)?;
    }
    let names = files.iter().map(|(name, _)| name.clone()).collect();
    let manifest = Manifest::now(words.to_vec(), names);
    record::write_file(
        &folder.join("manifest.json"),
        record::to_json(&manifest).as_bytes(),
    )
}

#[cfg(test)]
mod tests {
    use super::nudged;

    #[test]
    fn values_are_nudged_with_their_unit() {
        assert_eq!(
            nudged("1 MiB"),
            ["1.25 MiB", "0.75 MiB", "2 MiB", "0.5 MiB"]
        );
        assert_eq!(nudged("16"), ["20", "12", "32", "8"]);
        assert_eq!(nudged("3"), ["6"]);
        assert!(nudged("hbm3").is_empty());
    }
}
