//! From a sweep file to a plan: looks up the chip and the models, and tries every path once.

use std::cell::RefCell;
use std::path::Path;
use std::sync::Arc;

use crate::catalog::{self, Base, Content, Entry, Kind};
use crate::diag::{Code, Problem, Problems, did_you_mean};
use crate::document::{Node, Table, Value as Tree};
use crate::hardware::Profile;
use crate::import;
use crate::simulate::{Metric, idle_settings, phase_of};
use crate::units::{Quantity, count};
use crate::workload::{KNOBS, Phase, Requests, Scenario, SettingError, Workload};

use super::axis::ReadAxis;
use super::plan::{Input, Job, Plan, digest};
use super::read::{self, Read};
use super::space::{Setting, Space, Value};
use super::strategy::{Spread, Strategy, has_sobol};

/// Before the names of settings of the scenario.
const SCENARIO: &str = "scenario.";

/// Most scenarios in which settings are tried.
const MAX_TRIES: usize = 64;

/// Models within models that are looked at.
const MAX_PARTS: usize = 4;

/// Most points of a grid that is priced whole.
const MAX_POINTS: usize = 1_000_000;

impl Plan {
    /// Reads a sweep file, its chip and its models; `sets` are values of the chip set from outside,
    /// such as `("glb", "1 MiB")`. Warnings are returned beside the plan.
    ///
    /// # Errors
    /// Every problem of the file, then every problem of what it names.
    pub fn load(entry: &Entry, sets: &[(String, String)]) -> Result<(Self, Problems), Problems> {
        let source = entry.source()?;
        let table = read::parse(&source)?;
        let (read, mut problems) = read::read(&table)?;
        let inputs = RefCell::new(vec![input(entry)]);
        for (key, value) in sets {
            let text = format!("{key}={value}");
            inputs.borrow_mut().push(Input {
                name: format!("--set {text}"),
                digest: digest(text.as_bytes()),
            });
        }
        let is_of_scenario = |set: &&(String, String)| set.0.starts_with(SCENARIO);
        let of_chip: Vec<_> = sets
            .iter()
            .filter(|s| !is_of_scenario(s))
            .cloned()
            .collect();
        let of_scenario: Vec<_> = sets.iter().filter(is_of_scenario).collect();
        let mut chips = Vec::new();
        for (name, at) in named_chips(&read) {
            let chip = chip(entry, &name, &of_chip, &inputs).map_err(|p| place(p, &at));
            if let Some(chip) = keep(chip, &mut problems) {
                // A path that the first one does not have is reported once.
                if chips.is_empty() || !problems.has_errors() {
                    try_paths(&chip, &read.axes, &mut problems);
                }
                chips.push(chip);
            }
        }
        check_sets(sets, &read.axes, &mut problems);
        check_scenario_sets(&of_scenario, &mut problems);
        let mut jobs = Vec::new();
        let total: f64 = read.workloads.iter().map(|w| w.weight).sum();
        for workload in &read.workloads {
            let model =
                model(entry, &workload.model, &inputs).map_err(|p| place(p, &workload.place));
            if let Some(model) = keep(model, &mut problems) {
                let mut scenario = workload.scenario.clone();
                scenario.requests = mix(&model, &workload.table, &read.axes);
                // As in a single run, lengths that nobody asks for fit the model's context.
                let fitting = Scenario::within(model.card().limits.context);
                if workload.table.get("prompt").is_none() {
                    scenario.prompt = fitting.prompt;
                }
                if workload.table.get("output").is_none() {
                    scenario.output = fitting.output;
                }
                jobs.push(Job {
                    workload: model,
                    weight: workload.weight / total,
                    scenario: with_sets(&scenario, &of_scenario),
                });
            }
        }
        check_weights(total, &read, &mut problems);
        if jobs.len() == read.workloads.len() {
            check_dims(&read.axes, &jobs, &mut problems);
            check_generation(&read, &jobs, &mut problems);
        }
        let drafts =
            keep(drafts(entry, &read, &of_scenario, &inputs), &mut problems).unwrap_or_default();
        let name = read.name.clone().unwrap_or_else(|| entry.name.clone());
        let space = Space {
            axes: read.axes.into_iter().map(|a| a.axis).collect(),
        };
        if read.strategy == Strategy::Exact {
            check_size(&space, &mut problems);
        }
        check_strategy(&space, read.strategy, &mut problems);
        let (chips, mut plan_problems) = problems.or(chips)?;
        let plan = Self {
            name,
            chips,
            objectives: read.objectives,
            constraints: read.constraints,
            jobs,
            drafts,
            drifts: read.drifts,
            strategy: read.strategy,
            space,
            inputs: inputs.into_inner(),
        };
        warn_idle(&plan, &mut plan_problems);
        Ok((plan, plan_problems))
    }
}

/// W0301 for settings of the workloads and from outside without which every point does the same work.
fn warn_idle(plan: &Plan, problems: &mut Problems) {
    let set = plan.jobs.iter().flat_map(|j| j.scenario.software.changed());
    let mut names: Vec<&'static str> = Vec::new();
    for (name, _) in set {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    // One point for each scenario: the chip's axes stay at their first choices.
    let is_first = |point: &usize| {
        let choices = plan.space.choices(*point);
        let mut axes = plan.space.axes.iter().zip(choices);
        axes.all(|(axis, choice)| !axis.is_of_chip() || choice == 0)
    };
    let scenarios: Vec<usize> = match names.is_empty() {
        true => Vec::new(),
        false => (0..plan.space.len())
            .filter(is_first)
            .take(MAX_TRIES + 1)
            .collect(),
    };
    if scenarios.len() > MAX_TRIES {
        return;
    }
    for job in 0..plan.jobs.len() {
        for point in &scenarios {
            let scenario = plan.scenario(job, *point);
            // A scenario that cannot be bound is reported where it is priced.
            let idle = idle_settings(&plan.jobs[job].workload, &scenario).unwrap_or_default();
            let changed = scenario.software.changed();
            let acts = |name: &&'static str| {
                changed.iter().any(|(n, _)| n == name) && !idle.contains(name)
            };
            names.retain(|name| !acts(name));
        }
    }
    for name in names {
        let message = format!("`scenario.{name}` was set but no result depends on it");
        problems.push(Problem::new(Code::NoEffect, message));
    }
}

/// The value, or its problems in the list.
fn keep<T>(found: Result<T, Problems>, problems: &mut Problems) -> Option<T> {
    match found {
        Ok(value) => Some(value),
        Err(more) => {
            problems.extend(more);
            None
        }
    }
}

/// Problems without a place point at the name that led to them.
fn place(mut problems: Problems, at: &Node) -> Problems {
    for problem in problems.0.iter_mut().filter(|p| p.place.is_none()) {
        problem.place = Some(at.source.place(&at.span));
    }
    problems
}

/// The model's own mix of requests, unless the sweep gives lengths.
fn mix(model: &Workload, table: &Table, axes: &[ReadAxis]) -> Option<Arc<Requests>> {
    let is_given = ["prompt", "output"]
        .iter()
        .any(|key| table.get(key).is_some());
    let mut settings = axes.iter().flat_map(|a| &a.axis.settings);
    let is_turned = settings.any(|s| matches!(s, Setting::Prompt | Setting::Output));
    model
        .requests()
        .filter(|_| !is_given && !is_turned)
        .cloned()
}

fn input(entry: &Entry) -> Input {
    let digest = match &entry.content {
        Content::Text(text) => digest(text.as_bytes()),
        Content::Bytes(bytes) => digest(bytes),
    };
    Input {
        name: entry.origin.clone(),
        digest,
    }
}

/// A name as it is; a path starts from the folder of the sweep file.
fn relative(entry: &Entry, arg: &str) -> String {
    let is_path = arg.contains(['/', '\\'])
        || [".onnx", ".json", ".toml"]
            .iter()
            .any(|e| arg.to_lowercase().ends_with(e));
    match &entry.base {
        Base::Folder(folder) if is_path => {
            folder.join(Path::new(arg)).to_string_lossy().into_owned()
        }
        Base::Folder(_) | Base::Catalog => arg.to_owned(),
    }
}

/// Chips of the file and where it names them.
fn named_chips(read: &Read) -> Vec<(String, Node)> {
    let mut found: Vec<(String, Node)> = read.on.iter().cloned().collect();
    for axis in &read.axes {
        if axis.axis.settings.contains(&Setting::Profile) {
            let choices = axis.axis.choices.iter().zip(&axis.choices);
            found.extend(choices.map(|(c, place)| (c.value.text(), place.clone())));
        }
    }
    found
}

fn chip(
    entry: &Entry,
    name: &str,
    sets: &[(String, String)],
    inputs: &RefCell<Vec<Input>>,
) -> Result<Profile, Problems> {
    let found = catalog::chip(&relative(entry, name))?;
    inputs.borrow_mut().push(input(&found));
    let source = found.source()?;
    let lookup = |wanted: &str| {
        let base = catalog::chip(wanted)?;
        inputs.borrow_mut().push(input(&base));
        let source = base.source()?;
        Ok((source.name.to_string(), source.text.to_string()))
    };
    let mut profile = Profile::parse(&source.name, &source.text, lookup)?;
    let mut problems = Problems::new();
    for (key, value) in sets {
        if let Err(wrong) = profile.set(key, value) {
            problems.extend(wrong);
        }
    }
    let evaluated = if problems.has_errors() {
        None
    } else {
        keep(profile.evaluate(), &mut problems)
    };
    match evaluated {
        Some(_) => Ok(profile),
        None => Err(problems),
    }
}

/// Files that a workload takes its parts and lengths from.
fn parts(entry: &Entry, table: &Table, depth: usize, inputs: &RefCell<Vec<Input>>) {
    for crate::document::Entry { key, node, .. } in &table.entries {
        match (&**key, &node.value) {
            ("model", Tree::Text(text)) if depth > 0 => {
                let Ok(found) = catalog::model(&relative(entry, &text.text)) else {
                    continue;
                };
                inputs.borrow_mut().push(input(&found));
                if let Ok(inner) = found.source().and_then(|s| Table::parse(&s)) {
                    parts(&found, &inner, depth - 1, inputs);
                }
            }
            ("file", Tree::Text(text)) => {
                let path = relative(entry, &format!("./{}", text.text));
                inputs
                    .borrow_mut()
                    .extend(catalog::table(&path).ok().map(|e| input(&e)));
            }
            (_, Tree::List(items)) => {
                let tables = items.iter().filter_map(Node::as_table);
                tables.for_each(|t| parts(entry, t, depth, inputs));
            }
            (_, Tree::Table(table)) => parts(entry, table, depth, inputs),
            (_, Tree::Text(_) | Tree::Integer(_) | Tree::Float(_) | Tree::Boolean(_)) => {}
        }
    }
}

fn model(entry: &Entry, name: &str, inputs: &RefCell<Vec<Input>>) -> Result<Workload, Problems> {
    let found = catalog::model(&relative(entry, name))?;
    inputs.borrow_mut().push(input(&found));
    if found.kind == Kind::Toml
        && let Ok(table) = found.source().and_then(|s| Table::parse(&s))
    {
        parts(&found, &table, MAX_PARTS, inputs);
    }
    if let Content::Text(_) = &found.content
        && let Ok(table) = Table::parse(&found.source()?)
        && let Some(path) = table.get("onnx").and_then(Node::as_text)
        && let Ok(graph) = catalog::beside(&found, path)
    {
        inputs.borrow_mut().push(input(&graph));
    }
    import::model(&found)
}

/// A scenario with settings from outside; those that it does not take are reported once for all.
fn with_sets(scenario: &Scenario, sets: &[&(String, String)]) -> Scenario {
    let mut scenario = scenario.clone();
    for (key, value) in sets {
        let name = key.strip_prefix(SCENARIO).unwrap_or(key);
        // What is wrong is reported once for all, by `check_scenario_sets`.
        let _ = scenario.set(name, value);
    }
    scenario
}

fn check_scenario_sets(sets: &[&(String, String)], problems: &mut Problems) {
    for (key, value) in sets {
        let name = key.strip_prefix(SCENARIO).unwrap_or(key);
        let Err(error) = Scenario::default().set(name, value) else {
            continue;
        };
        let (code, hint) = match &error {
            SettingError::Name(name) => (
                Code::Reference,
                did_you_mean(name, Scenario::setting_names()),
            ),
            SettingError::Value { .. } => (Code::OutOfRange, None),
        };
        let problem = Problem::new(code, error.to_string());
        problems.push(match hint {
            Some(hint) => problem.help(hint),
            None => problem.help("all of them: wattline list settings"),
        });
    }
}

/// The models that propose tokens, by the name that a setting or an axis gives.
fn drafts(
    entry: &Entry,
    read: &Read,
    sets: &[&(String, String)],
    inputs: &RefCell<Vec<Input>>,
) -> Result<Vec<(String, Workload)>, Problems> {
    let mut found: Vec<(String, Workload)> = Vec::new();
    let mut problems = Problems::new();
    for workload in &read.workloads {
        let Some(name) = workload.scenario.software.draft.clone() else {
            continue;
        };
        let draft = model(entry, &name, inputs).map_err(|p| place(p, &workload.place));
        found.extend(keep(draft, &mut problems).map(|model| (name, model)));
    }
    let set = sets.iter().find(|(key, _)| key == "scenario.draft");
    if let Some((_, name)) = set.filter(|(_, name)| name != "none") {
        let found_model = catalog::model(name).and_then(|found| {
            inputs.borrow_mut().push(input(&found));
            import::model(&found)
        });
        found.extend(keep(found_model, &mut problems).map(|model| (name.clone(), model)));
    }
    for axis in &read.axes {
        if !axis.axis.settings.contains(&Setting::Software("draft")) {
            continue;
        }
        for (choice, node) in axis.axis.choices.iter().zip(&axis.choices) {
            let name = choice.value.text();
            if name == "none" || found.iter().any(|(known, _)| *known == name) {
                continue;
            }
            let model = model(entry, &name, inputs).map_err(|p| place(p, node));
            if let Some(model) = keep(model, &mut problems) {
                found.push((name, model));
            }
        }
    }
    problems.or(found).map(|(found, _)| found)
}

/// Every value alone: a path that the chip does not have, or a value outside of a knob's range, is an
/// error of the file. Values that only collide with each other make single points infeasible.
fn try_paths(chip: &Profile, axes: &[ReadAxis], problems: &mut Problems) {
    for axis in axes.iter().filter(|a| a.axis.is_of_chip()) {
        for (i, choice) in axis.axis.choices.iter().enumerate() {
            let Value::Quantity(quantity) = choice.value else {
                continue;
            };
            let Err(found) = chip.evaluate_with(&assignments(&axis.axis.settings, quantity)) else {
                continue;
            };
            for problem in found.0 {
                let (is_path, is_value) = match problem.code {
                    Code::Reference => (true, false),
                    Code::OutOfRange | Code::NoUnit | Code::WrongType => (false, true),
                    _ => (false, false),
                };
                if is_path && i == 0 {
                    problems.push(at_path(problem, axis));
                } else if is_value {
                    problems.push(at_value(problem, &axis.choices[i]));
                }
            }
        }
    }
}

/// A value set from outside must not be turned by an axis as well.
fn check_sets(sets: &[(String, String)], axes: &[ReadAxis], problems: &mut Problems) {
    for (key, _) in sets {
        let turned = axes.iter().flat_map(|a| &a.axis.settings);
        let clashes = |s: &Setting| match s {
            Setting::Chip(path) => path == key,
            other => other.path() == *key,
        };
        if turned.into_iter().any(clashes) {
            let message = format!("`{key}` is set on the command line and turned by an axis");
            let problem = Problem::new(Code::Disagreement, message);
            problems.push(problem.help("leave --set out, or take the axis out of the file"));
        }
    }
}

pub(super) fn assignments(settings: &[Setting], quantity: Quantity) -> Vec<(&str, Quantity)> {
    let paths = settings.iter().filter_map(|s| match s {
        Setting::Chip(path) => Some((path.as_str(), quantity)),
        Setting::Profile
        | Setting::Batch
        | Setting::Prompt
        | Setting::Output
        | Setting::Dtype
        | Setting::Software(_)
        | Setting::Dim(_) => None,
    });
    paths.collect()
}

/// The problem of a path, shown where the file names the path.
fn at_path(problem: Problem, axis: &ReadAxis) -> Problem {
    let named = |s: &&Setting| problem.message.contains(&format!("`{}`", s.short()));
    let at = axis
        .axis
        .settings
        .iter()
        .position(|s| named(&s))
        .unwrap_or(0);
    at_value(problem, &axis.settings[at])
}

fn at_value(mut problem: Problem, node: &Node) -> Problem {
    problem.place = Some(node.source.place(&node.span));
    problem
}

fn check_weights(total: f64, read: &Read, problems: &mut Problems) {
    if !total.is_finite()
        && let Some(first) = read.workloads.first()
    {
        let message = "the weights of the workloads are too large to be added up";
        problems.push(first.place.problem(Code::OutOfRange, message));
    }
}

/// A symbolic dimension that no model has would change nothing.
fn check_dims(axes: &[ReadAxis], jobs: &[Job], problems: &mut Problems) {
    let symbols = || {
        jobs.iter()
            .flat_map(|j| &j.workload.card().symbols)
            .map(|s| s.name.as_str())
    };
    for axis in axes {
        for (setting, node) in axis.axis.settings.iter().zip(&axis.settings) {
            let Setting::Dim(name) = setting else {
                continue;
            };
            if symbols().any(|s| s == name) {
                continue;
            }
            let message = format!("no workload has a symbolic dimension `{name}`");
            let problem = node.problem(Code::Reference, message);
            let keys = ["batch", "prompt", "output", "dtype"];
            let software = KNOBS.iter().map(|k| k.name);
            let known = symbols().chain(keys).chain(software);
            problems.push(match did_you_mean(name, known) {
                Some(label) => problem.label(label),
                None => problem.help(
                    "settings are batch, prompt, output, dtype, those of the software \
                     (wattline list settings), and symbolic dimensions",
                ),
            });
        }
    }
}

/// Figures of a generation need a workload that generates.
fn check_generation(read: &Read, jobs: &[Job], problems: &mut Problems) {
    let phase = |job: &Job| phase_of(&job.workload, &job.scenario).ok();
    if jobs.iter().any(|job| phase(job) == Some(Phase::Generate)) {
        return;
    }
    let trains = |job: &Job| matches!(phase(job), Some(Phase::Train | Phase::PostTrain));
    let learns = jobs.iter().any(trains);
    let constrained = read.constraints.iter().map(|c| c.metric);
    for metric in read.objectives.iter().copied().chain(constrained) {
        if metric.is_of_generation() && !(learns && metric == Metric::Throughput) {
            let message =
                format!("`{metric}` is a figure of a generation, and no workload generates tokens");
            problems.push(
                Problem::new(Code::FixedDim, message)
                    .help("use latency, energy, sample_rate or energy_per_sample"),
            );
        }
    }
}

/// A grid whose points have numbers, and axes that the strategy can take.
fn check_strategy(space: &Space, strategy: Strategy, problems: &mut Problems) {
    if space.checked_len().is_none() {
        let message = "the grid has more points than can be numbered";
        let problem = Problem::new(Code::OutOfRange, message);
        problems.push(problem.help("leave an axis out, or give it fewer values"));
    }
    let is_sobol = matches!(
        strategy,
        Strategy::Sample {
            spread: Spread::Sobol,
            ..
        }
    );
    if is_sobol && !has_sobol(space.axes.len()) {
        let message = format!(
            "Sobol's points are known for 21 axes, the grid has {}",
            space.axes.len()
        );
        let problem = Problem::new(Code::OutOfRange, message);
        problems.push(problem.help("write spread = \"latin\" in [strategy]"));
    }
}

fn check_size(space: &Space, problems: &mut Problems) {
    match space.checked_len() {
        Some(n) if n <= MAX_POINTS => {}
        found => {
            let size = found.map_or("more points than can be counted".to_owned(), |n| {
                format!("{} points", count(n as u64))
            });
            let message = format!(
                "the grid has {size}; at most {} are priced",
                count(MAX_POINTS as u64)
            );
            problems
                .push(Problem::new(Code::OutOfRange, message).help("give fewer or shorter axes"));
        }
    }
}
