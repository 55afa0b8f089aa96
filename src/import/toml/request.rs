//! What a workload says of its use: requests, and the time within which it must be done.

use crate::catalog;
use crate::diag::{Code, Problem, Problems, Source};
use crate::document::{Context, Node, Reader, Table};
use crate::expr::Environment;
use crate::units::{Hertz, Seconds};
use crate::workload::{Length, Phase, RequestClass, Requests, Workload};

/// Most tokens of a length.
const MAX_TOKENS: u64 = 1 << 32;

/// Most tokens of all contexts and answers of a mix.
const MAX_ALL: u64 = 1_000_000_000_000;

/// Most requests of a class.
const MAX_REQUESTS: u64 = 1_000_000;

/// Most calls of a chain.
const MAX_CALLS: u64 = 256;

/// Most kinds of requests.
const MAX_CLASSES: usize = 32;

/// Most turns of a mix: each of them is priced.
const MAX_TURNS: usize = 1024;

/// Requests and deadline.
#[derive(Clone, Debug, Default)]
pub(in crate::import) struct Extras {
    pub(super) requests: Option<Requests>,
    pub(super) deadline: Option<Seconds>,
}

impl Extras {
    /// The workload with them.
    ///
    /// # Errors
    /// E0305 if the model has no tokens to be asked for.
    pub(in crate::import) fn attach(self, mut workload: Workload) -> Result<Workload, Problems> {
        if let Some(limit) = self.deadline {
            workload = workload.with_deadline(limit);
        }
        let Some(requests) = self.requests else {
            return Ok(workload);
        };
        if workload.card().default_phase == Phase::Infer {
            let message = format!(
                "`{}` takes no requests: it is not a language model",
                workload.name
            );
            let problem = Problem::new(Code::FixedDim, message);
            return Err(problem.help("leave [[request]] out").into());
        }
        Ok(workload.with_requests(requests))
    }
}

/// Requests and deadline of a file whose other keys are read elsewhere.
///
/// # Errors
/// What is wrong with them.
pub(in crate::import) fn extras(source: &Source) -> Result<Extras, Problems> {
    let table = Table::parse(source)?;
    let context = Context::new(Environment::default());
    let found = read(&context.reader(&table));
    context.finish().or(found).map(|(found, _)| found)
}

/// Reads `deadline` or `rate`, and `[[request]]`.
pub(super) fn read(root: &Reader<'_>) -> Extras {
    let deadline = root.positive::<Seconds>("deadline");
    let rate = root.positive::<Hertz>("rate");
    if root.raw().get("deadline").is_some() && root.raw().get("rate").is_some() {
        let message = "`deadline` and `rate` say the same thing";
        root.push(
            root.key_problem("rate", Code::Disagreement, message)
                .help("keep one"),
        );
    }
    let has_requests = root.raw().get("request").is_some();
    let requests = has_requests.then(|| requests(root)).flatten();
    Extras {
        requests,
        deadline: deadline.or(rate.map(|r| Seconds(1.0 / r.0))),
    }
}

fn requests(root: &Reader<'_>) -> Option<Requests> {
    let tables = root.tables("request");
    if tables.len() > MAX_CLASSES {
        let message = format!("more than {MAX_CLASSES} kinds of requests");
        root.push(root.key_problem("request", Code::OutOfRange, message));
        return None;
    }
    let classes: Vec<Option<RequestClass>> = tables
        .into_iter()
        .enumerate()
        .map(|(at, reader)| {
            let found = class(&reader, at);
            reader.finish();
            found
        })
        .collect();
    let requests = Requests {
        classes: classes.into_iter().collect::<Option<_>>()?,
    };
    if requests.all_tokens() > MAX_ALL {
        let message = format!("the mix has more than {MAX_ALL} tokens");
        root.push(root.key_problem("request", Code::OutOfRange, message));
        return None;
    }
    if requests.turns().len() > MAX_TURNS {
        let message = format!("the mix has more than {MAX_TURNS} different turns");
        let problem = root.key_problem("request", Code::OutOfRange, message);
        root.push(problem.help("fewer calls, or fixed lengths"));
        return None;
    }
    Some(requests)
}

fn class(reader: &Reader<'_>, at: usize) -> Option<RequestClass> {
    let name = match reader.string("name") {
        Some(name) => name.to_owned(),
        None => format!("request{}", at + 1),
    };
    let number = |key: &'static str, default: u64, most: u64| match reader.raw().get(key) {
        Some(_) => reader.integer(key, default.min(1)..=most),
        None => Some(default),
    };
    if reader.raw().get("prompt").is_none() {
        reader.missing("prompt", "prompt = 512");
    }
    if reader.raw().get("output").is_none() {
        reader.missing("output", "output = 256");
    }
    let count = number("count", 1, MAX_REQUESTS);
    let (prompt, output) = (length(reader, "prompt", 1), length(reader, "output", 1));
    let (reasoning, tool) = (length(reader, "reasoning", 0), length(reader, "tool", 0));
    let cached = number("cached", 0, MAX_TOKENS);
    let calls = number("calls", 1, MAX_CALLS);
    let reuse = match reader.raw().get("reuse") {
        Some(_) => reader.number("reuse", 0.0..=1.0),
        None => Some(0.0),
    };
    if calls == Some(1) {
        for key in ["tool", "reuse"]
            .iter()
            .filter(|k| reader.raw().get(k).is_some())
        {
            let message = format!("`{key}` is of further calls, and there is one call");
            reader.push(
                reader
                    .key_problem(key, Code::Disagreement, message)
                    .help("give `calls`"),
            );
        }
    }
    Some(RequestClass {
        name,
        count: count?,
        prompt: prompt?,
        output: output?,
        reasoning: reasoning?,
        cached: cached?,
        calls: calls?,
        tool: tool?,
        reuse: reuse?,
    })
}

/// A number of tokens or a distribution; `least` where it is absent and may be.
fn length(reader: &Reader<'_>, key: &'static str, least: u64) -> Option<Length> {
    let Some(node) = reader.get(key) else {
        return (least == 0).then_some(Length::Fixed(0));
    };
    let Some(table) = node.as_table() else {
        return Some(Length::Fixed(reader.integer_of(
            key,
            node,
            least..=MAX_TOKENS,
        )?));
    };
    let table = reader
        .context()
        .nested(table, Some(node), reader.path_of(key));
    let range = || 1.0..=MAX_TOKENS as f64;
    let number = |key: &'static str| {
        let node = table.get(key)?;
        table.number_of(key, node, range())
    };
    let has = |key: &str| table.raw().get(key).is_some();
    let found = match (has("median"), has("mean"), has("values"), has("file")) {
        (true, false, false, false) => match (number("median"), number("p90")) {
            (Some(median), Some(p90)) if p90 >= median => Some(Length::by_p90(median, p90)),
            (Some(_), Some(_)) => {
                let message = "`p90` is below the median";
                table.push(table.key_problem("p90", Code::Disagreement, message));
                None
            }
            (_, None) if !has("p90") => {
                table.missing("p90", "the length that nine of ten stay below");
                None
            }
            _ => None,
        },
        (false, true, false, false) => {
            if !has("cv") {
                table.missing("cv", "standard deviation over mean");
            }
            let cv = table
                .get("cv")
                .and_then(|n| table.number_of("cv", n, 0.0..=100.0));
            number("mean")
                .zip(cv)
                .map(|(mean, cv)| Length::by_mean(mean, cv))
        }
        (false, false, true, false) => values(&table, least),
        (false, false, false, true) => from_file(&table),
        _ => {
            let message = format!("`{}` is no distribution", reader.path_of(key));
            let help = "{ median, p90 }, { mean, cv }, { values = [[128, 0.5], [1024, 0.5]] } or { file = \"lengths.csv\" }";
            reader.push(node.problem(Code::Disagreement, message).help(help));
            return None;
        }
    };
    table.finish();
    found
}

fn values(table: &Reader<'_>, least: u64) -> Option<Length> {
    let pair = |node: &Node| -> Option<(u64, f64)> {
        let Some([length, weight]) = node.as_list() else {
            table.wrong_type("values", node, "a list of pairs [length, weight]");
            return None;
        };
        let length = table.integer_of("values", length, least..=MAX_TOKENS)?;
        let weight = table.number_of("values", weight, 0.0..=1e12)?;
        Some((length, weight))
    };
    let items = table.list("values")?;
    let found: Vec<Option<(u64, f64)>> = items.iter().map(pair).collect();
    let mut found = found.into_iter().collect::<Option<Vec<_>>>()?;
    found.sort_by_key(|v| v.0);
    if found.iter().map(|v| v.1).sum::<f64>() <= 0.0 {
        table.push(table.key_problem(
            "values",
            Code::OutOfRange,
            "the weights of all lengths are 0",
        ));
        return None;
    }
    Some(Length::Values(found))
}

/// The first column of a table of measured lengths; a head is left out.
fn from_file(table: &Reader<'_>) -> Option<Length> {
    let path = table.string("file")?;
    let node = table.raw().get("file")?;
    // Beside the file that names it.
    let name: &str = &node.source.name;
    let folder = std::path::Path::new(name)
        .parent()
        .unwrap_or(std::path::Path::new(""));
    let entry = catalog::table(&folder.join(path).to_string_lossy());
    let text = match entry.and_then(|e| e.source()) {
        Ok(source) => source.text,
        Err(problems) => {
            for mut problem in problems.0 {
                problem.place = problem
                    .place
                    .or_else(|| Some(node.source.place(&node.span)));
                table.push(problem);
            }
            return None;
        }
    };
    let mut found = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let cell = line.split(',').next().unwrap_or("").trim();
        match cell.parse::<f64>() {
            Ok(n) if (1.0..=MAX_TOKENS as f64).contains(&n) => found.push((n.round() as u64, 1.0)),
            Err(_) if at == 0 || cell.is_empty() => {}
            _ => {
                let message = format!("line {} of `{path}` has no length: `{cell}`", at + 1);
                table.push(node.problem(Code::OutOfRange, message));
                return None;
            }
        }
    }
    if found.is_empty() {
        table.push(node.problem(Code::OutOfRange, format!("`{path}` has no lengths")));
        return None;
    }
    found.sort_by_key(|v| v.0);
    Some(Length::Values(found))
}
