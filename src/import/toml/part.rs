//! `model = "name"`: another model as a part of this one.

use std::collections::BTreeMap;
use std::path::Path;

use crate::catalog::{self, Base, Entry};
use crate::diag::{Code, Problem, Problems};
use crate::document::{Node, Table};
use crate::workload::{Binding, OpGraph, Phase, Role, Stage, TensorId, Workload};

use super::args::size;
use super::block::MAX_COUNT;
use super::walk::{Call, Walk};

/// Models within models.
const MAX_DEPTH: usize = 4;

/// Most tokens of a part.
const MAX_TOKENS: u64 = 1 << 32;

/// Reads every model that the operators of a file name.
pub(super) fn load(
    entry: &Entry,
    table: &Table,
    depth: usize,
) -> Result<BTreeMap<String, Workload>, Problems> {
    let mut found = BTreeMap::new();
    let mut problems = Problems::new();
    let blocks = table.get("block").and_then(Node::as_table);
    let tables = blocks
        .iter()
        .flat_map(|t| &t.entries)
        .filter_map(|e| e.node.as_table());
    let lists = std::iter::once(table)
        .chain(tables)
        .filter_map(|t| t.get("op")?.as_list());
    for node in lists.flatten().filter_map(|op| op.as_table()?.get("model")) {
        let Some(name) = node.as_text().filter(|n| !found.contains_key(*n)) else {
            continue;
        };
        let read = if depth == MAX_DEPTH {
            let message =
                format!("models name each other as parts, in a circle or deeper than {MAX_DEPTH}");
            Err(Problem::new(Code::Cycle, message).into())
        } else {
            catalog::model(&relative(entry, name))
                .and_then(|e| super::super::file::model_within(&e, depth + 1))
        };
        match read {
            Ok(workload) => drop(found.insert(name.to_owned(), workload)),
            Err(more) => {
                for mut problem in more.0 {
                    problem.place = problem
                        .place
                        .or_else(|| Some(node.source.place(&node.span)));
                    problems.push(problem);
                }
            }
        }
    }
    problems.or(found).map(|(found, _)| found)
}

/// A path of a file is relative to the file that names it.
pub(in crate::import) fn relative(entry: &Entry, arg: &str) -> String {
    let lower = arg.to_lowercase();
    let ends = [".onnx", ".json", ".toml"];
    let is_path = arg.contains(['/', '\\']) || ends.iter().any(|e| lower.ends_with(e));
    match &entry.base {
        Base::Folder(folder) if is_path => {
            folder.join(Path::new(arg)).to_string_lossy().into_owned()
        }
        Base::Folder(_) | Base::Catalog => arg.to_owned(),
    }
}

/// What a part does.
struct Part {
    workload: Workload,
    phase: Phase,
    prompt: u64,
    output: u64,
    times: u64,
    batch: Option<u64>,
    dims: BTreeMap<String, u64>,
}

/// `model`, with `phase`, `prompt`, `output`, `times`, `batch`, `dims` and `share` beside it.
pub(super) fn apply(walk: &mut Walk<'_>, call: &Call<'_, '_>) -> Option<TensorId> {
    let reader = call.reader;
    let name = reader.string("model");
    let phases = [Phase::Infer, Phase::Prefill, Phase::Decode, Phase::Generate];
    let phases = phases.map(|p| (p.name(), p));
    let phase = reader
        .raw()
        .get("phase")
        .map(|_| reader.choice("phase", &phases));
    let number = |key: &'static str, default: u64, most: u64| match reader.get(key) {
        Some(node) => size(reader, key, node, &call.env, 1..=most),
        None => Some(default),
    };
    let (prompt, output) = (
        number("prompt", 1024, MAX_TOKENS),
        number("output", 256, MAX_TOKENS),
    );
    let times = number("times", 1, MAX_COUNT);
    let own = call
        .env
        .get("batch")
        .map(|q| q.value as u64)
        .or(walk.binding.batch);
    let batch = match reader.get("batch") {
        Some(node) => Some(size(reader, "batch", node, &call.env, 1..=MAX_TOKENS)?),
        None => own,
    };
    let mut dims = BTreeMap::new();
    if let Some(table) = reader.raw().get("dims").and_then(|_| reader.table("dims")) {
        for (name, node) in table.all() {
            dims.insert(
                name.to_owned(),
                size(&table, name, node, &call.env, 1..=MAX_TOKENS)?,
            );
        }
    }
    let share = reader.raw().get("share").map(|_| reader.string("share"));
    let workload = walk.parts.get(name?)?.clone();
    let phase = match phase {
        Some(phase) => phase?,
        None => workload.card().default_phase,
    };
    let has_batch = workload.card().symbols.iter().any(|s| s.name == "batch");
    let part = Part {
        phase,
        prompt: prompt?,
        output: output?,
        times: times?,
        batch: batch.filter(|n| has_batch || *n > 1),
        dims,
        workload,
    };
    let share = match share {
        Some(name) => Some(format!("{}{}.", walk.draft.prefix, name?)),
        None => None,
    };
    run(walk, call, &part, share.as_deref())
}

fn run(
    walk: &mut Walk<'_>,
    call: &Call<'_, '_>,
    part: &Part,
    share: Option<&str>,
) -> Option<TensorId> {
    let whole = Stage::Tokens {
        tokens: part.prompt,
        past: 0,
    };
    let steps = part.output.saturating_sub(1);
    // Every output token, at the middle of the generation.
    let middle = Stage::Tokens {
        tokens: 1,
        past: part.prompt.saturating_add(steps.saturating_sub(1) / 2),
    };
    let stages: Vec<(Stage, u64)> = match part.phase {
        Phase::Infer => vec![(Stage::Infer, 1)],
        Phase::Prefill => vec![(whole, 1)],
        Phase::Decode => vec![(middle, steps.max(1))],
        Phase::Generate if steps == 0 => vec![(whole, 1)],
        Phase::Generate | Phase::Train | Phase::PostTrain | Phase::Score => {
            vec![(whole, 1), (middle, steps)]
        }
    };
    let own = format!("{}{}.", walk.draft.prefix, call.name);
    let mut made = None;
    for (at, (stage, weight)) in stages.into_iter().enumerate() {
        let graph = bound(walk, call, part, stage)?;
        let of = if at == 0 { share } else { Some(own.as_str()) };
        let times = part.times.checked_mul(weight);
        let times = times
            .and_then(|n| n.checked_mul(walk.draft.count))
            .filter(|n| *n <= MAX_COUNT);
        let Some(times) = times else {
            call.wrong("times", "it runs too often");
            return None;
        };
        made = embed(walk, &own, &graph, of, times).or(made);
    }
    if made.is_none() {
        call.wrong("model", "the model has no operator");
    }
    made
}

fn bound(walk: &Walk<'_>, call: &Call<'_, '_>, part: &Part, stage: Stage) -> Option<OpGraph> {
    let binding = Binding {
        stage,
        batch: part.batch,
        precision: walk.binding.precision,
        software: walk.binding.software.clone(),
        dims: part.dims.clone(),
        shapes: BTreeMap::new(),
        unknown_as_bytes: walk.binding.unknown_as_bytes,
    };
    match part.workload.graph(&binding) {
        Ok((graph, warnings)) => {
            report(call, warnings);
            Some(graph)
        }
        Err(problems) => {
            report(call, problems.0);
            None
        }
    }
}

/// Problems without a place point at the part.
fn report(call: &Call<'_, '_>, problems: Vec<Problem>) {
    for mut problem in problems {
        if problem.place.is_none() {
            problem.place = call.reader.key_problem("model", problem.code, "").place;
        }
        call.reader.push(problem);
    }
}

/// Adds all operators of a graph; weights and caches that a part before has under the same name are its own. A
/// shared cache has the larger of both sizes.
fn embed(
    walk: &mut Walk<'_>,
    own: &str,
    graph: &OpGraph,
    share: Option<&str>,
    times: u64,
) -> Option<TensorId> {
    let draft = &mut walk.draft;
    let first = draft.tensors.len() as u32;
    let mut ids = Vec::new();
    for tensor in graph.tensors() {
        let known = share.and_then(|of| draft.known_weight(&format!("{of}{}", tensor.name)));
        let is_kept = matches!(tensor.role, Role::Weight | Role::KvCache | Role::State);
        if let Some(id) = known.filter(|_| is_kept) {
            let have = draft.tensor_mut(id);
            if have.role == Role::KvCache && tensor.elements() > have.elements() {
                have.shape.clone_from(&tensor.shape);
            }
            ids.push(id);
            continue;
        }
        let full = format!("{own}{}", tensor.name);
        let mut tensor = tensor.clone();
        tensor.copies = tensor.copies.saturating_mul(draft.copies);
        tensor.name.clone_from(&full);
        if tensor.role == Role::Output {
            tensor.role = Role::Activation;
        }
        let id = draft.push(tensor);
        if is_kept {
            draft.register(full, id);
        }
        ids.push(id);
    }
    let mut made = None;
    for op in graph.operators() {
        let mut op = op.clone();
        let map = |list: &[TensorId]| -> Vec<TensorId> {
            list.iter()
                .filter_map(|t| ids.get(t.0 as usize).copied())
                .collect()
        };
        (op.inputs, op.outputs) = (map(&op.inputs), map(&op.outputs));
        op.name = format!("{own}{}", op.name);
        op.block = match op.block.as_str() {
            "" => own.trim_end_matches('.').to_owned(),
            block => format!("{own}{block}"),
        };
        op.count = op.count.saturating_mul(times);
        made = op
            .outputs
            .last()
            .copied()
            .filter(|id| id.0 >= first)
            .or(made);
        draft.operators.push(op);
    }
    made
}
