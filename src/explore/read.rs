//! The sweep file as read: names and numbers checked, nothing looked up yet.

use crate::diag::{Code, Problems, Source};
use crate::document::{Context, Node, Reader, Table};
use crate::expr::Environment;
use crate::simulate::{Constraint, Metric};
use crate::workload::{KNOBS, Phase, Precision, Scenario};

use super::axis::{self, ReadAxis};
use super::drift::Drift;
use super::space::Setting;
use super::strategy::{Spread, Strategy};

/// The schema this version reads.
const SCHEMA: f64 = 1.0;

/// Largest count that a setting of the scenario takes.
const MAX_COUNT: f64 = 1e12;

/// `[[workload]]`.
pub(super) struct ReadWorkload {
    pub(super) model: String,
    /// Where the model is named.
    pub(super) place: Node,
    /// The whole table.
    pub(super) table: Table,
    pub(super) weight: f64,
    pub(super) scenario: Scenario,
}

/// A sweep file.
pub(super) struct Read {
    pub(super) name: Option<String>,
    /// The chip, unless an axis names chips; and where.
    pub(super) on: Option<(String, Node)>,
    pub(super) objectives: Vec<Metric>,
    pub(super) constraints: Vec<Constraint>,
    pub(super) workloads: Vec<ReadWorkload>,
    pub(super) axes: Vec<ReadAxis>,
    pub(super) drifts: Vec<Drift>,
    pub(super) strategy: Strategy,
}

/// Parses the text of a sweep file.
pub(super) fn parse(source: &Source) -> Result<Table, Problems> {
    Table::parse(source)
}

/// Reads a sweep file; every problem of it at once.
pub(super) fn read(table: &Table) -> Result<(Read, Problems), Problems> {
    let context = Context::new(Environment::default());
    let read = root(context.reader(table));
    let problems = context.finish();
    match read {
        Some(read) => problems.or(read),
        None => Err(problems),
    }
}

fn root(root: Reader<'_>) -> Option<Read> {
    if root.raw().get("schema").is_none() {
        root.missing("schema", "schema = 1");
    }
    if let Some(node) = root.get("schema")
        && root
            .evaluate("schema", node)
            .is_some_and(|q| q.value != SCHEMA)
    {
        root.out_of_range(
            "schema",
            node,
            "is not one that this version reads: schema = 1",
        );
    }
    let name = root.string("name").filter(|name| checked_name(&root, name));
    let objectives = objectives(&root);
    let constraints = constraints(&root);
    let workloads: Vec<_> = root.tables("workload").into_iter().map(workload).collect();
    if root.raw().get("workload").is_none() {
        root.missing("workload", "at least one [[workload]] with a `model`");
    }
    let axes = root.tables("axis");
    if axes.is_empty() && root.raw().get("axis").is_none() {
        root.missing("axis", "at least one [[axis]] with `set` and `values`");
    }
    let axes: Vec<_> = axes
        .into_iter()
        .map(|reader| {
            let axis = axis::read(&reader);
            reader.finish();
            axis
        })
        .collect();
    let drifts: Vec<_> = root.tables("drift").into_iter().collect();
    let drifts: Vec<_> = drifts
        .into_iter()
        .map(|r| drift(r, workloads.len()))
        .collect();
    let strategy = strategy(&root);
    let on = on(&root, &axes);
    repeated_settings(&root, &axes);
    set_twice(&root, &axes, &workloads);
    root.finish();
    Some(Read {
        name: name.map(str::to_owned),
        on: on?,
        objectives: objectives?,
        constraints: constraints?,
        workloads: workloads.into_iter().collect::<Option<_>>()?,
        axes: axes.into_iter().collect::<Option<_>>()?,
        drifts: drifts.into_iter().collect::<Option<_>>()?,
        strategy: strategy?,
    })
}

/// The chip of all points, which stands in one place only.
fn on(root: &Reader, axes: &[Option<ReadAxis>]) -> Option<Option<(String, Node)>> {
    let named = axes.iter().flatten().flat_map(|a| &a.axis.settings);
    let is_axis = named.into_iter().any(|s| *s == Setting::Profile);
    let place = root.raw().get("on").cloned();
    if !is_axis {
        let help = "name a chip or a file: on = \"edge-npu\"";
        let on = root.required_string("on", help)?;
        return Some(Some((on.to_owned(), place?)));
    }
    if root.string("on").is_some() {
        let message = "`on` names a chip, and an axis names chips as well";
        let problem = root.key_problem("on", Code::Disagreement, message);
        root.push(problem.help("keep one"));
        return None;
    }
    Some(None)
}

/// The name is part of a folder's name.
fn checked_name(root: &Reader, name: &str) -> bool {
    let allowed = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    let right = !name.is_empty()
        && !name.starts_with('.')
        && name.len() <= 100
        && name.chars().all(allowed);
    if !right {
        let message = format!("`name = {name}` cannot name a folder");
        root.push(
            root.key_problem("name", Code::OutOfRange, message)
                .help("use up to 100 letters, digits, `-`, `_` and `.`"),
        );
    }
    right
}

fn objectives(root: &Reader) -> Option<Vec<Metric>> {
    let mut words: [Vec<(&str, Metric)>; 2] = [Vec::new(), Vec::new()];
    for metric in Metric::ALL {
        words[usize::from(metric.is_maximized())].push((metric.name(), metric));
    }
    let mut found = Vec::new();
    let mut complete = true;
    for (key, words, others, other) in [
        ("minimize", &words[0], &words[1], "maximize"),
        ("maximize", &words[1], &words[0], "minimize"),
    ] {
        if root.raw().get(key).is_none() {
            root.get(key);
            continue;
        }
        for (text, node) in root.strings(key).unwrap_or_default() {
            if others.iter().any(|(word, _)| *word == text) {
                let message =
                    format!("`{text}` is no figure to {key}: its other end is the good one");
                let problem = node.problem(Code::OutOfRange, message);
                root.push(problem.help(format!("write {other} = [\"{text}\"]")));
                complete = false;
                continue;
            }
            match root.choice_of(key, node, words) {
                Some(metric) if !found.contains(&metric) => found.push(metric),
                Some(_) => {
                    let message = format!("`{text}` is named twice");
                    root.push(node.problem(Code::Disagreement, message));
                }
                None => complete = false,
            }
        }
    }
    if found.is_empty() && complete {
        root.missing("minimize", "such as minimize = [\"latency\", \"energy\"]");
        return None;
    }
    complete.then_some(found)
}

fn constraints(root: &Reader) -> Option<Vec<Constraint>> {
    if root.raw().get("constraints").is_none() {
        root.get("constraints");
        return Some(Vec::new());
    }
    let mut found = Vec::new();
    let mut complete = true;
    for (text, node) in root.strings("constraints").unwrap_or_default() {
        match text.parse::<Constraint>() {
            Ok(constraint) => found.push(constraint),
            Err(error) => {
                root.push(node.problem(Code::OutOfRange, error.to_string()));
                complete = false;
            }
        }
    }
    complete.then_some(found)
}

fn workload(reader: Reader<'_>) -> Option<ReadWorkload> {
    let model = reader.required_string("model", "name a model or a file: model = \"resnet-50\"");
    let weight = weight(&reader);
    let scenario = scenario(&reader);
    let place = reader.raw().get("model").cloned();
    let table = reader.raw().clone();
    reader.finish();
    Some(ReadWorkload {
        model: model?.to_owned(),
        place: place?,
        table,
        weight: weight?,
        scenario: scenario?,
    })
}

/// 1 where the file does not say.
fn weight(reader: &Reader) -> Option<f64> {
    let Some(node) = reader.get("weight") else {
        return Some(1.0);
    };
    let weight = reader.number_of("weight", node, f64::MIN..=f64::MAX)?;
    if weight <= 0.0 {
        reader.out_of_range("weight", node, "must be above zero");
        return None;
    }
    Some(weight)
}

fn scenario(reader: &Reader) -> Option<Scenario> {
    let mut scenario = Scenario::default();
    let mut complete = true;
    let mut parsed = |key: &'static str, take: &mut dyn FnMut(&str) -> Result<(), String>| {
        if let Some(text) = reader.string(key)
            && let Err(message) = take(text)
        {
            let node = reader.raw().get(key);
            if let Some(node) = node {
                reader.push(node.problem(Code::Reference, message));
            }
            complete = false;
        }
    };
    parsed("phase", &mut |text| {
        scenario.phase = Some(text.parse::<Phase>()?);
        Ok(())
    });
    parsed("dtype", &mut |text| {
        scenario.precision = text.parse::<Precision>().map_err(|e| e.to_string())?;
        Ok(())
    });
    for knob in KNOBS {
        let Some(node) = reader.get(knob.name) else {
            continue;
        };
        let number = || {
            reader
                .evaluate(knob.name, node)
                .map(|q| q.value.to_string())
        };
        let text = node.as_text().map(str::to_owned).or_else(number);
        let set = text.map(|text| scenario.software.set(knob.name, &text));
        if let Some(Err(error)) = &set {
            reader.push(node.problem(Code::OutOfRange, error.to_string()));
        }
        complete &= matches!(set, Some(Ok(())));
    }
    if let Some(batch) = count(reader, "batch") {
        scenario.batch = Some(batch);
    }
    if let Some(prompt) = count(reader, "prompt") {
        scenario.prompt = prompt;
    }
    if let Some(output) = count(reader, "output") {
        scenario.output = output;
    }
    if let Some(dims) = reader.table("dims") {
        for (name, node) in dims.all() {
            if let Some(size) = count_of(&dims, name, node) {
                scenario.dims.insert(name.to_owned(), size);
            }
        }
        dims.finish();
    }
    complete.then_some(scenario)
}

/// `[[drift]]`: at least one change, and a share for each workload where the mix changes.
fn drift(reader: Reader<'_>, n_workloads: usize) -> Option<Drift> {
    let name = reader.required_string("name", "name = \"longer contexts\"");
    let mut complete = true;
    let mut factor = |key: &'static str| {
        let node = reader.get(key)?;
        let found = reader.number_of(key, node, 1e-3..=1e6);
        complete &= found.is_some();
        found
    };
    let (context, batch) = (factor("context"), factor("batch"));
    let precision = reader.string("dtype").and_then(|text| {
        let found = text.parse::<Precision>();
        if let (Err(error), Some(node)) = (&found, reader.raw().get("dtype")) {
            reader.push(node.problem(Code::Reference, error.to_string()));
            complete = false;
        }
        found.ok()
    });
    let mut weights = None;
    if let Some(node) = reader.get("weights") {
        let list = node.as_list().unwrap_or_default().iter();
        let shares: Vec<f64> = list
            .filter_map(|node| reader.number_of("weights", node, 0.0..=1e12))
            .collect();
        let sum: f64 = shares.iter().sum();
        if shares.len() == n_workloads && sum > 0.0 {
            weights = Some(shares.iter().map(|w| w / sum).collect());
        } else {
            let message =
                format!("`weights` must be {n_workloads} number(s), one a workload, not all zero");
            reader.push(node.problem(Code::OutOfRange, message));
            complete = false;
        }
    }
    let found = Drift {
        name: name.unwrap_or_default().to_owned(),
        context,
        batch,
        precision,
        weights,
    };
    if complete && found.change().is_empty() {
        reader.missing(
            "context",
            "a change: context = 2, batch = 4, dtype = \"int4\", or weights = [0.2, 0.8]",
        );
        complete = false;
    }
    reader.finish();
    (complete && name.is_some()).then_some(found)
}

fn count(reader: &Reader, key: &'static str) -> Option<u64> {
    let node = reader.get(key)?;
    count_of(reader, key, node)
}

fn count_of(reader: &Reader, key: &str, node: &Node) -> Option<u64> {
    let value = reader.number_of(key, node, 1.0..=MAX_COUNT)?;
    if value.fract() != 0.0 {
        let message = format!("`{}` must be a whole number", reader.path_of(key));
        reader.push(node.problem(Code::OutOfRange, message));
        return None;
    }
    Some(value as u64)
}

/// `[strategy]`: every point without it.
fn strategy(root: &Reader) -> Option<Strategy> {
    let Some(reader) = root.table("strategy") else {
        return Some(Strategy::Exact);
    };
    if reader.raw().get("kind").is_none() {
        reader.missing("kind", "kind = \"exact\": every point of the grid");
    }
    let kinds = [("exact", 0), ("sample", 1), ("evolve", 2)];
    let kind = reader.choice("kind", &kinds);
    let seed = reader.integer("seed", 0..=u64::MAX);
    let given = |key: &str| reader.raw().get(key).is_some();
    let number = |key: &'static str, usual: usize, least: f64| match given(key) {
        true => {
            let node = reader.get(key)?;
            let value = reader.number_of(key, node, least..=1e9)?;
            Some(value.round() as usize)
        }
        false => Some(usual),
    };
    let found = match kind {
        None => None,
        Some(0) => {
            if given("seed") {
                let message =
                    "`strategy.seed` has no effect on kind = \"exact\", which prices every point";
                reader.push(reader.key_problem("seed", Code::NoEffect, message));
            }
            Some(Strategy::Exact)
        }
        Some(1) => {
            let spread = match given("spread") {
                true => reader.choice("spread", &Spread::ALL),
                false => Some(Spread::Sobol),
            };
            let points = number("points", 1024, 1.0);
            spread.zip(points).map(|(spread, points)| Strategy::Sample {
                spread,
                points,
                seed: seed.unwrap_or(1),
            })
        }
        Some(_) => {
            let population = number("population", 64, 4.0);
            let generations = number("generations", 50, 1.0);
            population
                .zip(generations)
                .map(|(n, generations)| Strategy::Evolve {
                    population: n + n % 2,
                    generations,
                    seed: seed.unwrap_or(1),
                })
        }
    };
    reader.finish();
    found
}

fn repeated_settings(root: &Reader, axes: &[Option<ReadAxis>]) {
    let mut seen = Vec::new();
    for axis in axes.iter().flatten() {
        for (setting, node) in axis.axis.settings.iter().zip(&axis.settings) {
            if seen.contains(&setting) {
                let message = format!("`{}` is turned twice", setting.path());
                root.push(node.problem(Code::Disagreement, message));
            }
            seen.push(setting);
        }
    }
}

/// A workload that fixes what an axis turns would have no effect.
fn set_twice(root: &Reader, axes: &[Option<ReadAxis>], workloads: &[Option<ReadWorkload>]) {
    for axis in axes.iter().flatten() {
        for setting in axis.axis.settings.iter().filter(|s| !s.is_of_chip()) {
            for workload in workloads.iter().flatten() {
                let dims = || workload.table.get("dims").and_then(Node::as_table);
                let name = setting.short();
                let given = match setting {
                    Setting::Dim(_) => dims().and_then(|d| d.get(name)),
                    Setting::Chip(_) | Setting::Profile => None,
                    Setting::Batch
                    | Setting::Prompt
                    | Setting::Output
                    | Setting::Software(_)
                    | Setting::Dtype => workload.table.get(name),
                };
                if let Some(node) = given {
                    let message =
                        format!("`{name}` of `{}` is also turned by an axis", workload.model);
                    root.push(node.problem(Code::Disagreement, message).help("keep one"));
                }
            }
        }
    }
}
