//! `use = "block"`: a named list of operators with parameters, once or repeated.

use std::collections::BTreeMap;

use crate::diag::{Code, did_you_mean};
use crate::document::{Context, Node, Table};
use crate::expr::Environment;
use crate::workload::TensorId;

use super::args::{number, size};
use super::dims;
use super::draft::Share;
use super::walk::{Call, Frame, Walk};

/// Most repetitions.
const MAX_REPEAT: u64 = 100_000;

/// Most executions of an operator.
pub(super) const MAX_COUNT: u64 = 1_000_000;

/// Blocks within blocks.
const MAX_DEPTH: usize = 16;

/// A block and what it is given.
struct Use<'a> {
    name: &'a str,
    node: &'a Node,
    table: &'a Table,
    given: BTreeMap<String, f64>,
}

/// What one use made.
struct Made {
    value: Option<TensorId>,
    reads_outside: bool,
    failed: bool,
    names: BTreeMap<String, Option<TensorId>>,
}

/// `use`, with `with`, `repeat`, `times` and `share` beside it.
pub(super) fn apply(walk: &mut Walk<'_>, call: &Call<'_, '_>) -> Option<TensorId> {
    let reader = call.reader;
    let name = reader.string("use");
    let repeat = counted(call, "repeat", 0..=MAX_REPEAT);
    let times = counted(call, "times", 1..=MAX_COUNT);
    let share = reader.raw().get("share").map(|_| reader.string("share"));
    let block = find(walk, call, name?)?;
    let given = parameters(call, &block);
    let (repeat, times, given) = (repeat?, times?, given?);
    let shared = match share {
        Some(name) => Some(share_of(walk, call, name?)?),
        None => None,
    };
    let block = Use { given, ..block };
    if repeat == 0 {
        return Some(call.x());
    }
    let (count, copies) = (walk.draft.count, walk.draft.copies);
    let all = count.checked_mul(times).and_then(|n| n.checked_mul(repeat));
    if all.is_none_or(|n| n > MAX_COUNT) {
        let problem = reader.key_problem(
            "repeat",
            Code::OutOfRange,
            format!("`{}` runs more than {MAX_COUNT} times", call.name),
        );
        reader.push(problem);
        return None;
    }
    walk.stack.push(block.name);
    walk.draft.count = count * times;
    let made = repeated(walk, call, &block, repeat, shared.as_deref());
    walk.draft.count = count;
    walk.draft.copies = copies;
    walk.stack.pop();
    made
}

fn counted(
    call: &Call<'_, '_>,
    key: &'static str,
    range: std::ops::RangeInclusive<u64>,
) -> Option<u64> {
    match call.reader.get(key) {
        Some(node) => size(call.reader, key, node, &call.env, range),
        None => Some(1),
    }
}

fn find<'a>(walk: &mut Walk<'a>, call: &Call<'_, '_>, name: &str) -> Option<Use<'a>> {
    let entry = walk.blocks.and_then(|t| t.entry(name));
    let found = entry.and_then(|e| Some((&*e.key, &e.node, e.node.as_table()?)));
    let Some((name, node, table)) = found else {
        let message = format!("no block is called `{name}`");
        let problem = call.reader.key_problem("use", Code::Reference, message);
        let names = walk.blocks.iter().flat_map(|t| &t.entries).map(|e| &*e.key);
        call.reader.push(match did_you_mean(name, names) {
            Some(label) => problem.label(label),
            None => problem.help(format!("blocks are tables: [block.{name}]")),
        });
        return None;
    };
    if walk.stack.contains(&name) || walk.stack.len() == MAX_DEPTH {
        let chain: Vec<&str> = walk.stack.iter().copied().chain([name]).collect();
        let message = format!(
            "blocks use each other in a circle, or deeper than {MAX_DEPTH}: {}",
            chain.join(" -> ")
        );
        call.reader
            .push(call.reader.key_problem("use", Code::Cycle, message));
        return None;
    }
    walk.used.insert(name);
    Some(Use {
        name,
        node,
        table,
        given: BTreeMap::new(),
    })
}

/// `with`: values of the block's parameters.
fn parameters(call: &Call<'_, '_>, block: &Use<'_>) -> Option<BTreeMap<String, f64>> {
    let mut given = BTreeMap::new();
    if call.reader.raw().get("with").is_none() {
        return Some(given);
    }
    let with = call.reader.table("with")?;
    let known = block.table.get("params").and_then(Node::as_table);
    let mut is_right = true;
    for (name, node) in with.all() {
        if known.is_none_or(|t| t.get(name).is_none()) {
            let message = format!("the block `{}` has no parameter `{name}`", block.name);
            let problem = with.key_problem(name, Code::Reference, message);
            let names = known.iter().flat_map(|t| &t.entries).map(|e| &*e.key);
            with.push(match did_you_mean(name, names) {
                Some(label) => problem.label(label),
                None => {
                    problem.help("parameters have a value in the block: params = { width = 64 }")
                }
            });
            is_right = false;
            continue;
        }
        match number(&with, name, node, &call.env, -1e12..=1e12) {
            Some(value) => drop(given.insert(name.to_owned(), value)),
            None => is_right = false,
        }
    }
    is_right.then_some(given)
}

/// The prefix of the weights that are shared.
fn share_of(walk: &Walk<'_>, call: &Call<'_, '_>, name: &str) -> Option<String> {
    let local = format!("{}{name}.", walk.draft.prefix);
    let known = |prefix: &str| walk.draft.weight_names().any(|w| w.starts_with(prefix));
    let outer = format!("{name}.");
    let found = [local, outer].into_iter().find(|p| known(p));
    if found.is_none() {
        let message = format!("nothing before it that is called `{name}` has weights");
        call.reader
            .push(call.reader.key_problem("share", Code::Reference, message));
    }
    found
}

/// Once with a count if the repetitions are equal, else one after the other.
fn repeated(
    walk: &mut Walk<'_>,
    call: &Call<'_, '_>,
    block: &Use<'_>,
    repeat: u64,
    shared: Option<&str>,
) -> Option<TensorId> {
    if repeat == 1 {
        let made = once(walk, call, block, &call.inputs, &call.name, shared);
        for (name, value) in made.names {
            walk.define(format!("{}.{name}", call.name), value);
        }
        return made.value;
    }
    let mark = walk.draft.mark();
    let (count, copies) = (walk.draft.count, walk.draft.copies);
    walk.draft.count = count * repeat;
    walk.draft.copies = copies.saturating_mul(repeat);
    let name = format!("{}.*", call.name);
    let made = once(walk, call, block, &call.inputs, &name, shared);
    let value = made.value?;
    if made.failed {
        return None;
    }
    let alike = |a: TensorId, b: TensorId| {
        let (a, b) = (walk.draft.tensor(a), walk.draft.tensor(b));
        a.shape == b.shape && a.dtype == b.dtype
    };
    if !made.reads_outside && call.inputs.len() == 1 && value != call.x() && alike(value, call.x())
    {
        return Some(value);
    }
    walk.draft.back_to(&mark);
    (walk.draft.count, walk.draft.copies) = (count, copies);
    let mut inputs = call.inputs.clone();
    for at in 0..repeat {
        let name = format!("{}.{at}", call.name);
        let made = once(walk, call, block, &inputs, &name, shared);
        if made.failed {
            return None;
        }
        for (inner, value) in made.names {
            walk.define(format!("{name}.{inner}"), value);
        }
        if let Some(first) = inputs.first_mut() {
            *first = made.value?;
        }
    }
    inputs.first().copied()
}

fn once(
    walk: &mut Walk<'_>,
    call: &Call<'_, '_>,
    block: &Use<'_>,
    inputs: &[TensorId],
    name: &str,
    shared: Option<&str>,
) -> Made {
    let outer = walk.draft.prefix.clone();
    let prefix = format!("{outer}{name}.");
    if let Some(of) = shared {
        walk.draft.shares.push(Share {
            of: of.to_owned(),
            by: prefix.clone(),
        });
    }
    walk.draft.prefix = prefix;
    let env = walk
        .frames
        .first()
        .map(|f| f.env.clone())
        .unwrap_or_default();
    let context = Context::new(env.clone());
    let value = inside(walk, &context, block, inputs, env);
    let frame = walk.frames.pop().unwrap_or_default();
    walk.draft.prefix = outer;
    if shared.is_some() {
        walk.draft.shares.pop();
    }
    let problems = context.finish();
    let failed = problems.has_errors();
    for problem in problems.0 {
        call.reader.push(problem);
    }
    // What a block within this one read from outside of this one too.
    Made {
        value: value.filter(|_| !failed),
        reads_outside: frame.reads_outside,
        failed,
        names: frame.names.into_iter().filter(|(n, _)| n != "in").collect(),
    }
}

/// Reads the block's table; leaves its frame on the stack.
fn inside(
    walk: &mut Walk<'_>,
    context: &Context,
    block: &Use<'_>,
    inputs: &[TensorId],
    env: Environment,
) -> Option<TensorId> {
    let path = format!("block.{}", block.name);
    let reader = context.nested(block.table, Some(block.node), path);
    reader.string("doc");
    let env = match reader
        .raw()
        .get("params")
        .and_then(|_| reader.table("params"))
    {
        Some(params) => dims::evaluate(&params, env, &block.given),
        None => env,
    };
    let mut frame = Frame {
        has_channels: env.get("channels").is_some() && walk_has_channels(walk, block),
        env,
        current: inputs.first().copied(),
        ..Frame::default()
    };
    frame.names.insert("in".to_owned(), inputs.first().copied());
    let named: Vec<&str> = match reader.raw().get("inputs") {
        Some(_) => reader
            .strings("inputs")
            .unwrap_or_default()
            .iter()
            .map(|n| n.0)
            .collect(),
        None => Vec::new(),
    };
    if inputs.len() != named.len().max(1) {
        let message = format!(
            "the block `{}` takes {} inputs, and {} are given",
            block.name,
            named.len().max(1),
            inputs.len()
        );
        reader.push(reader.key_problem("inputs", Code::Disagreement, message));
    }
    for (name, id) in named.iter().zip(inputs) {
        frame.names.insert((*name).to_owned(), Some(*id));
    }
    walk.frames.push(frame);
    let list = reader.tables("op");
    if list.is_empty() {
        reader.missing("op", "a block needs at least one operator");
    }
    walk.run(list);
    let value = match reader.raw().get("out") {
        Some(node) => {
            let name = reader.string("out")?;
            walk.value(&reader, "out", name, node)
        }
        None => walk.frame().current,
    };
    reader.finish();
    value
}

/// Whether the file itself calls something `channels`.
fn walk_has_channels(walk: &Walk<'_>, block: &Use<'_>) -> bool {
    let params = block.table.get("params").and_then(Node::as_table);
    let is_param = params.is_some_and(|t| t.get("channels").is_some());
    is_param || walk.frames.first().is_some_and(|f| f.has_channels)
}
