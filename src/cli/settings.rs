//! `--set`: keys of the chip, and `scenario.NAME` for what is asked of the model.

use crate::diag::{Code, Problem, Problems, did_you_mean};
use crate::simulate::Task;
use crate::workload::{KNOBS, Phase, Precision, Scenario, Software, SoftwareError, Workload};

use super::load;

/// Before the names of settings of the scenario.
const PREFIX: &str = "scenario.";

/// Settings of the scenario that are not of the software: name, values, default, and what it is.
pub(super) const OWN: [(&str, &str, &str, &str); 5] = [
    (
        "batch",
        "give a whole number from 1",
        "1",
        "sequences or samples at once, as --batch",
    ),
    (
        "prompt",
        "give a whole number from 1",
        "1024",
        "prompt tokens per sequence, as --prompt",
    ),
    (
        "output",
        "give a whole number from 1",
        "256",
        "output tokens per sequence, as --output",
    ),
    (
        "dtype",
        "give a data type, or one by role, such as w=int4,a=bf16,kv=fp8",
        "the model's own",
        "formats, as --dtype",
    ),
    (
        "phase",
        "give infer, prefill, decode, generate, train or post-train",
        "the model's own",
        "part of the model's life, as --phase",
    ),
];

/// Names and values.
pub(super) type Pairs = Vec<(String, String)>;

/// Settings of the chip, and of the scenario without their prefix.
pub(super) fn split(sets: &[(String, String)]) -> (Pairs, Pairs) {
    let (mut chip, mut scenario) = (Pairs::new(), Pairs::new());
    for (key, value) in sets {
        match key.strip_prefix(PREFIX) {
            Some(name) => scenario.push((name.to_owned(), value.clone())),
            None => chip.push((key.clone(), value.clone())),
        }
    }
    (chip, scenario)
}

/// Puts settings into a scenario; `given` are those that an option of their own has set already.
///
/// # Errors
/// E0110 for a name that is no setting, E0105 for a value that it does not take, E0104 for one that is set
/// twice, E0201 if the draft is no model.
pub(super) fn apply(
    scenario: &mut Scenario,
    sets: &[(String, String)],
    given: &[(&str, bool)],
) -> Result<(), Problems> {
    let mut problems = Problems::new();
    for (i, (name, value)) in sets.iter().enumerate() {
        let by_option = given.iter().any(|(option, is)| *is && option == name);
        let earlier = sets[..i].iter().any(|(other, _)| other == name);
        if by_option || earlier {
            let other = if by_option {
                format!("`--{name}`")
            } else {
                "another --set".to_owned()
            };
            let message = format!("`scenario.{name}` is also given by {other}");
            problems.push(Problem::new(Code::Disagreement, message).help("keep one"));
        } else if let Err(problem) = set(scenario, name, value) {
            problems.push(problem);
        }
    }
    if problems.has_errors() {
        return Err(problems);
    }
    if let Some(draft) = scenario.software.draft.clone() {
        scenario.draft_model = Some(load::model(&draft)?);
    }
    Ok(())
}

fn set(scenario: &mut Scenario, name: &str, value: &str) -> Result<(), Problem> {
    let wrong = |allowed: String| {
        let message = format!("`scenario.{name}` = {value} is not possible");
        Problem::new(Code::OutOfRange, message).note(allowed)
    };
    let whole = || {
        let n = value.parse::<u64>().ok().filter(|n| *n > 0);
        n.ok_or_else(|| wrong("give a whole number from 1".to_owned()))
    };
    match name {
        "batch" => scenario.batch = Some(whole()?),
        "prompt" => scenario.prompt = whole()?,
        "output" => scenario.output = whole()?,
        "dtype" => {
            let parsed = value.parse::<Precision>();
            scenario.precision = parsed.map_err(|e| wrong(e.to_string()))?;
        }
        "phase" => scenario.phase = Some(value.parse::<Phase>().map_err(wrong)?),
        _ => match scenario.software.set(name, value) {
            Ok(()) => {}
            Err(SoftwareError::Value { allowed, .. }) => return Err(wrong(allowed.to_owned())),
            Err(SoftwareError::Name(_)) => return Err(unknown(name)),
        },
    }
    Ok(())
}

fn unknown(name: &str) -> Problem {
    let problem = Problem::new(
        Code::Reference,
        format!("`scenario.{name}` is not a setting"),
    );
    let names = KNOBS.iter().map(|k| k.name).chain(OWN.map(|own| own.0));
    let problem = match did_you_mean(name, names) {
        Some(hint) => problem.help(hint),
        None => problem,
    };
    problem.help("all of them: wattline list settings")
}

/// W0301 for each changed setting of the software without which the same work is done.
///
/// # Errors
/// As [`Task::new`] of the scenario itself.
pub(super) fn without_effect(
    workload: &Workload,
    scenario: &Scenario,
) -> Result<Vec<Problem>, Problems> {
    let changed = scenario.software.changed();
    if changed.is_empty() {
        return Ok(Vec::new());
    }
    let as_set = Task::new(workload, scenario)?;
    let plain = Software::default();
    let mut dead = Vec::new();
    for (name, _) in changed {
        let mut reset = scenario.clone();
        let back = plain
            .get(name)
            .map(|value| reset.software.set(name, &value));
        if !matches!(back, Some(Ok(()))) {
            continue;
        }
        if reset.software.draft.is_none() {
            reset.draft_model = None;
        }
        // A model that cannot be bound without it depends on it.
        if Task::new(workload, &reset).is_ok_and(|other| other.does_the_same(&as_set)) {
            let message = format!("`scenario.{name}` was set but no result depends on it");
            dead.push(Problem::new(Code::NoEffect, message));
        }
    }
    Ok(dead)
}
