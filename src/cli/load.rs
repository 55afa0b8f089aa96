//! Names and files to checked models and chips; the one place that binds the command to the readers.

use crate::catalog::{self, Content, Entry, Kind};
use crate::diag::{Code, Problem, Problems, did_you_mean};
use crate::hardware::{Profile, System};
use crate::import;
use crate::workload::Workload;

/// A model or a chip.
pub(super) enum Named {
    Model,
    Chip,
    Sweep,
    /// An Einsum to map.
    Problem,
}

/// The model of a name or path.
///
/// # Errors
/// As [`catalog::model`] and [`import::model`].
pub(super) fn model(name: &str) -> Result<Workload, Problems> {
    import::model(&catalog::model(name)?)
}

/// The chip of a name or path with these knobs, and warnings.
///
/// # Errors
/// As [`catalog::chip`] and [`Profile`].
pub(super) fn evaluate(
    name: &str,
    sets: &[(String, String)],
) -> Result<(System, Vec<Problem>), Problems> {
    let mut profile = chip(name)?;
    let mut problems = Problems::new();
    for (key, value) in sets {
        if let Err(wrong) = profile.set(key, value) {
            problems.extend(wrong);
        }
    }
    if problems.has_errors() {
        return Err(problems);
    }
    profile.evaluate()
}

/// The chip of a name or path, to be turned.
///
/// # Errors
/// As [`catalog::chip`] and [`Profile::parse`].
pub(super) fn chip(name: &str) -> Result<Profile, Problems> {
    profile(&catalog::chip(name)?)
}

fn profile(entry: &Entry) -> Result<Profile, Problems> {
    let source = entry.source()?;
    let lookup = |name: &str| {
        let base = catalog::chip(name)?.source()?;
        Ok((base.name.to_string(), base.text.to_string()))
    };
    Profile::parse(&source.name, &source.text, lookup)
}

/// What a name or path is.
///
/// # Errors
/// E0201 if it is neither; what reading the file says.
pub(super) fn kind_of(name: &str) -> Result<Named, Problems> {
    if catalog::models().contains(&name) {
        return Ok(Named::Model);
    }
    if catalog::chips().contains(&name) {
        return Ok(Named::Chip);
    }
    // Graphs may be large; what they are is in their name.
    if name.ends_with(".onnx") {
        return Ok(Named::Model);
    }
    match catalog::model(name) {
        Ok(entry) => Ok(kind_of_entry(&entry)),
        Err(problems) if problems.0.iter().any(|p| p.code == Code::NoModel) => {
            Err(neither(name).into())
        }
        Err(problems) => Err(problems),
    }
}

/// A TOML file is a model if it names a graph or carries a configuration.
fn kind_of_entry(entry: &Entry) -> Named {
    match (entry.kind, &entry.content) {
        (Kind::Toml, Content::Text(text)) => {
            let is_model = table_has(text, &["onnx", "config", "op", "inputs", "model"]);
            let is_sweep = table_has(text, &["axis", "minimize", "maximize"]);
            if table_has(text, &["einsum"]) {
                return Named::Problem;
            }
            match (is_model, is_sweep) {
                (true, _) => Named::Model,
                (false, true) => Named::Sweep,
                (false, false) => Named::Chip,
            }
        }
        (Kind::Onnx | Kind::Json | Kind::Csv | Kind::Toml, _) => Named::Model,
    }
}

fn table_has(text: &str, keys: &[&str]) -> bool {
    let table = toml::de::DeTable::parse(text);
    table.is_ok_and(|t| keys.iter().any(|key| t.get_ref().contains_key(*key)))
}

fn neither(name: &str) -> Problem {
    let (models, chips) = (catalog::models(), catalog::chips());
    let names = models.iter().chain(&chips).copied();
    let problem = Problem::new(Code::NoModel, format!("no model or chip called `{name}`"));
    let problem = match did_you_mean(name, names) {
        Some(hint) => problem.help(hint),
        None => problem,
    };
    problem.help(format!(
        "{} models: wattline list models · {} chips: wattline list chips · or give a path",
        models.len(),
        chips.len()
    ))
}
