//! `--set`: keys of the chip, and `scenario.NAME` for what is asked of the model.

use crate::diag::{Code, Problem, Problems, did_you_mean};
use crate::simulate;
use crate::workload::{Scenario, SettingError, Workload};

use super::load;

/// Before the names of settings of the scenario.
const PREFIX: &str = "scenario.";

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
        } else if let Err(error) = scenario.set(name, value) {
            problems.push(refused(&error));
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

/// The problem of a setting that could not be made.
fn refused(error: &SettingError) -> Problem {
    match error {
        SettingError::Value {
            name,
            value,
            allowed,
        } => {
            let message = format!("`scenario.{name}` = {value} is not possible");
            Problem::new(Code::OutOfRange, message).note(allowed.clone())
        }
        SettingError::Name(name) => {
            let problem = Problem::new(Code::Reference, error.to_string());
            let problem = match did_you_mean(name, Scenario::setting_names()) {
                Some(hint) => problem.help(hint),
                None => problem,
            };
            problem.help("all of them: wattline list settings")
        }
    }
}

/// W0301 for each changed setting of the software without which the same work is done.
///
/// # Errors
/// As [`simulate::idle_settings`].
pub(super) fn without_effect(
    workload: &Workload,
    scenario: &Scenario,
) -> Result<Vec<Problem>, Problems> {
    let idle = simulate::idle_settings(workload, scenario)?;
    let problem = |name: &str| {
        let message = format!("`scenario.{name}` was set but no result depends on it");
        Problem::new(Code::NoEffect, message)
    };
    Ok(idle.into_iter().map(problem).collect())
}
