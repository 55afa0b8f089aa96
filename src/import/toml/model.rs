//! The file as a model: what is known before sizes are bound, and the graph at given sizes.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::catalog::Entry;
use crate::diag::{Code, Problem, Problems, Source};
use crate::document::{Context, Node, Reader, Table};
use crate::expr::Environment;
use crate::workload::{Binding, Card, Dtype, Limits, Model, OpGraph, Phase, Role, Stage, Workload};

use super::draft::{Draft, Formats};
use super::walk::Walk;
use super::{dims, input, part, request};

/// Most samples or sequences.
const MAX_BATCH: u64 = 1 << 40;

/// A graph written by hand.
struct Written {
    table: Table,
    card: Card,
    parts: BTreeMap<String, Workload>,
}

/// What the head of the file says.
struct Head {
    name: Option<String>,
    family: Option<String>,
    dtype: Dtype,
    phase: Phase,
}

/// Reads a file with `[[op]]`; it stands `depth` levels within other models.
///
/// # Errors
/// Every problem of its head, and of the models that it names. What is wrong with operators shows when they are
/// bound.
pub(in crate::import) fn read(
    entry: &Entry,
    source: &Source,
    depth: usize,
) -> Result<Workload, Problems> {
    let table = Table::parse(source)?;
    let context = Context::new(Environment::default());
    let root = context.reader(&table);
    let head = head(&root);
    let extras = request::read(&root);
    let problems = context.finish();
    let ((head, extras), _) = problems.or((head, extras))?;
    let parts = part::load(entry, &table, depth)?;
    let mut card = Card {
        family: head.family.unwrap_or_else(|| "operators".to_owned()),
        default_phase: head.phase,
        dtype: head.dtype,
        active_parameters: None,
        kv_elements_per_token: None,
        state_elements: 0.0,
        limits: Limits::default(),
        symbols: dims::symbols(&table),
        deadline: extras.deadline,
    };
    if head.phase != Phase::Infer {
        // Sizes of a pass are bound by its stage.
        card.symbols
            .retain(|s| s.name != "tokens" && s.name != "past");
    }
    let mut model = Written { table, card, parts };
    if head.phase != Phase::Infer {
        model.card.kv_elements_per_token = model.kv_per_token();
    }
    let name = head.name.unwrap_or_else(|| entry.name.clone());
    let workload = Workload::new(name, &*entry.origin, Arc::new(model));
    extras.attach(workload)
}

fn head(root: &Reader<'_>) -> Head {
    if root.raw().get("schema").is_none() {
        root.missing("schema", "schema = 1");
    }
    if let Some(node) = root.get("schema")
        && root
            .evaluate("schema", node)
            .is_some_and(|q| q.value != 1.0)
    {
        root.out_of_range(
            "schema",
            node,
            "is not one that this version reads: schema = 1",
        );
    }
    root.required_string(
        "source",
        "say where the sizes come from: a paper with its table, a repository",
    );
    root.string("doc");
    let name = root.string("name").map(str::to_owned);
    let family = root.string("family").map(str::to_owned);
    let dtype = root.string("dtype").map(|text| (text, Dtype::parse(text)));
    if let Some((text, None)) = dtype {
        let message = format!("`{text}` is not a data type");
        let problem = root.key_problem("dtype", Code::Reference, message);
        root.push(problem.help("such as fp32, bf16, fp16, int8"));
    }
    let phases = [("infer", Phase::Infer), ("generate", Phase::Generate)];
    Head {
        name,
        family,
        dtype: dtype.and_then(|d| d.1).unwrap_or(Dtype::Fp32),
        phase: root.choice("phase", &phases).unwrap_or(Phase::Infer),
    }
}

impl Written {
    /// Values of dimensions that come from outside, or what is wrong with them.
    fn given(&self, binding: &Binding) -> Result<BTreeMap<String, f64>, Vec<Problem>> {
        let mut problems = Vec::new();
        let symbols = &self.card.symbols;
        let mut given = input::implied(&self.table, symbols, binding, &mut problems);
        for (name, value) in &binding.dims {
            if symbols.iter().any(|s| s.name == *name) {
                given.insert(name.clone(), *value);
                continue;
            }
            let known: Vec<&str> = symbols.iter().map(|s| s.name.as_str()).collect();
            let message = format!("the model has no dimension `{name}` that can be bound");
            let help = match known.is_empty() {
                true => "all its sizes are fixed".to_owned(),
                false => format!("it has {}", known.join(", ")),
            };
            problems.push(Problem::new(Code::FixedDim, message).help(help));
        }
        let has_batch = symbols.iter().any(|s| s.name == "batch");
        match binding.batch {
            Some(batch) if has_batch => drop(given.insert("batch".to_owned(), batch)),
            Some(batch) if batch != 1 => {
                let message =
                    format!("batch {batch} is asked for, but the model has no dimension `batch`");
                let help = "add batch = 1 to its [dims], and use it in the shapes of its inputs";
                problems.push(Problem::new(Code::FixedDim, message).help(help));
            }
            Some(_) | None => {}
        }
        let (tokens, past) = match binding.stage {
            Stage::Infer => (None, None),
            Stage::Tokens { tokens, past } | Stage::Check { tokens, past } => {
                (Some(tokens), Some(past))
            }
        };
        for (name, value) in [("tokens", tokens), ("past", past)] {
            if let Some(value) = value {
                given.insert(name.to_owned(), value);
            }
        }
        for (name, value) in given
            .iter()
            .filter(|(name, n)| **n > MAX_BATCH || (**n == 0 && *name != "past"))
        {
            let problem = Problem::new(
                Code::OutOfRange,
                format!("`{name}` = {value} is out of range"),
            );
            problems.push(problem.note(format!("allowed is 1 to {MAX_BATCH}")));
        }
        match problems.is_empty() {
            true => Ok(given.into_iter().map(|(n, v)| (n, v as f64)).collect()),
            false => Err(problems),
        }
    }

    /// Elements that a token adds to the caches.
    fn kv_per_token(&self) -> Option<f64> {
        let elements = |past: u64| {
            let binding = Binding {
                stage: Stage::Tokens { tokens: 1, past },
                ..Binding::infer()
            };
            let (graph, _) = self.graph(&binding).ok()?;
            let caches = graph.tensors().iter().filter(|t| t.role == Role::KvCache);
            Some(caches.map(|t| t.elements() * t.copies as f64).sum::<f64>())
        };
        Some(elements(2)? - elements(1)?)
    }
}

impl Model for Written {
    fn card(&self) -> &Card {
        &self.card
    }

    fn graph(&self, binding: &Binding) -> Result<(OpGraph, Vec<Problem>), Problems> {
        let given = self.given(binding).map_err(Problems)?;
        let context = Context::new(Environment::default());
        let root = context.reader(&self.table);
        head(&root);
        request::read(&root);
        let env = match root.raw().get("dims").and_then(|_| root.table("dims")) {
            Some(dims) => dims::evaluate(&dims, Environment::default(), &given),
            None => Environment::default(),
        };
        let blocks = root.raw().get("block").and_then(|_| root.table("block"));
        let formats = Formats::new(self.card.dtype, &binding.precision);
        let blocks = blocks.map(|b| b.raw());
        let mut walk = Walk::new(Draft::new(formats), blocks, &self.parts, binding);
        walk.frame().has_channels = env.get("channels").is_some();
        walk.frame().env = env;
        if root.raw().get("inputs").is_some() {
            input::read(&root, &mut walk);
        }
        let list = root.tables("op");
        if list.is_empty() {
            root.missing("op", "at least one [[op]]");
        }
        walk.run(list);
        for entry in blocks.iter().flat_map(|b| &b.entries) {
            if !walk.used.contains(&*entry.key) {
                let message = format!("the block `{}` is used nowhere", entry.key);
                root.push(
                    Problem::new(Code::NoEffect, message).at(&entry.node.source, &entry.key_span),
                );
            }
        }
        unread(&root, &mut walk);
        root.finish();
        let is_whole = walk.frame().current.is_some();
        let draft = walk.draft;
        let (_, warnings) = context.finish().or(())?;
        if draft.operators.is_empty() {
            let message = "the model has no operator that computes anything";
            return Err(Problem::new(Code::MissingKey, message).into());
        }
        if !is_whole {
            let message = "an operator was left out without a reason";
            return Err(Problem::new(Code::Internal, message).into());
        }
        Ok((draft.into_graph(), warnings.0))
    }
}

/// Warns of inputs that no operator takes.
fn unread(root: &Reader<'_>, walk: &mut Walk<'_>) {
    let inputs = root.raw().get("inputs").and_then(Node::as_table);
    for entry in inputs.iter().flat_map(|t| &t.entries) {
        let Some(Some(id)) = walk.frame().names.get(&*entry.key).copied() else {
            continue;
        };
        if !walk
            .draft
            .operators
            .iter()
            .any(|op| op.inputs.contains(&id))
        {
            let message = format!("no operator takes the input `{}`", entry.key);
            let problem = Problem::new(Code::NoEffect, message);
            root.push(problem.at(&entry.node.source, &entry.key_span));
        }
    }
}
