//! The operators that a table can ask for, one rule each.

mod attention;
mod choose;
mod conv;
mod custom;
mod layout;
mod linear;
mod pool;
mod recurrent;
mod spectral;
mod vector;

use crate::diag::{Code, Problem, did_you_mean};
use crate::document::{Node, Reader};
use crate::workload::TensorId;

use super::draft::{MAX_ELEMENTS, show};
use super::walk::{Call, Walk};
use super::{block, part, rider};

/// Adds an operator of one kind; `None` if something is wrong, which is reported.
pub(super) type Apply = for<'a, 'c, 'r> fn(&mut Walk<'a>, &Call<'c, 'r>) -> Option<TensorId>;

/// What a key of a table stands for.
pub(super) struct Rule {
    /// The key.
    pub(super) key: &'static str,
    /// What it adds.
    pub(super) apply: Apply,
}

const fn rule(key: &'static str, apply: Apply) -> Rule {
    Rule { key, apply }
}

/// All operators.
static RULES: [Rule; 35] = [
    rule("use", block::apply),
    rule("model", part::apply),
    rule("conv", conv::conv),
    rule("depthwise", conv::depthwise),
    rule("linear", linear::linear),
    rule("mlp", linear::mlp),
    rule("einsum", linear::einsum),
    rule("experts", linear::experts),
    rule("attention", attention::attention),
    rule("pool", pool::pool),
    rule("resize", pool::resize),
    rule("squeeze", pool::squeeze),
    rule("softmax", vector::softmax),
    rule("elementwise", vector::elementwise),
    rule("glu", vector::glu),
    rule("reduce", vector::reduce),
    rule("param", vector::param),
    rule("concat", layout::concat),
    rule("split", layout::split),
    rule("slice", layout::slice),
    rule("reshape", layout::reshape),
    rule("transpose", layout::transpose),
    rule("flatten", layout::flatten),
    rule("tokens", layout::tokens),
    rule("image", layout::image),
    rule("pad", layout::pad),
    rule("embedding", choose::embedding),
    rule("gather", choose::gather),
    rule("neighbors", choose::neighbors),
    rule("topk", choose::topk),
    rule("sort", choose::sort),
    rule("scan", recurrent::scan),
    rule("rnn", recurrent::rnn),
    rule("fft", spectral::fft),
    rule("custom", custom::custom),
];

/// Keys that an operator's table has beside its operator.
const COMMON: [&str; 16] = [
    "name", "in", "when", "pre", "norm", "mul", "add", "residual", "act", "with", "repeat",
    "times", "share", "phase", "prompt", "zeros",
];

/// The rule of a table; none if it has only riders.
///
/// # Errors
/// Reported: no operator and no rider, or two operators.
pub(super) fn rule_of(reader: &Reader<'_>) -> Result<Option<&'static Rule>, ()> {
    let has = |key: &str| reader.raw().get(key).is_some();
    let mut found = RULES.iter().filter(|r| has(r.key));
    match (found.next(), found.next()) {
        (Some(rule), None) => Ok(Some(rule)),
        (Some(first), Some(second)) => {
            let message = format!("one operator is both `{}` and `{}`", first.key, second.key);
            let problem = reader.key_problem(second.key, Code::Disagreement, message);
            reader.push(problem.help("write one table for each"));
            Err(())
        }
        (None, _) if rider::first(reader).is_some() => Ok(None),
        (None, _) => {
            reader.push(unknown(reader));
            Err(())
        }
    }
}

fn unknown(reader: &Reader<'_>) -> Problem {
    let others = reader.raw().entries.iter().map(|e| &*e.key);
    let stranger = others.clone().find(|key| !COMMON.contains(key));
    let names = || {
        RULES
            .iter()
            .map(|r| r.key)
            .chain(["norm", "mul", "add", "act"])
    };
    let (problem, label) = match stranger {
        Some(key) => {
            let message = format!("`{key}` is not an operator");
            let problem = reader.key_problem(key, Code::UnknownKey, message);
            (problem, did_you_mean(key, names()))
        }
        None => {
            let message = format!("`{}` has no operator", reader.path());
            (reader.key_problem("", Code::MissingKey, message), None)
        }
    };
    match label {
        Some(label) => problem.label(label),
        None => problem.help(format!(
            "operators are: {}",
            names().collect::<Vec<_>>().join(", ")
        )),
    }
}

/// What an operator without a name is called.
pub(super) fn stem<'c>(reader: &Reader<'c>, key: &'static str) -> &'c str {
    let text = reader.raw().get(key).and_then(Node::as_text);
    let is_plain = |t: &&str| {
        t.chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '-' | '_'))
    };
    match key {
        "use" | "model" => text.filter(is_plain).unwrap_or(key),
        _ => key,
    }
}

/// Whether an operator can stand without a value before it.
pub(super) fn is_source(key: &str, reader: &Reader<'_>) -> bool {
    match key {
        "param" | "model" => true,
        "concat" => reader
            .raw()
            .get("concat")
            .is_some_and(|n| n.as_text().is_none()),
        _ => false,
    }
}

/// Refuses tensors of more elements than can be counted.
fn check_size(call: &Call<'_, '_>, key: &str, shape: &[u64]) -> Option<u64> {
    let product = shape
        .iter()
        .try_fold(1u64, |product, n| product.checked_mul(*n));
    let found = product.filter(|n| *n <= MAX_ELEMENTS);
    if found.is_none() {
        let message = format!("`{}`: a tensor of {} is too large", call.name, show(shape));
        let problem = call.reader.key_problem(key, Code::OutOfRange, message);
        call.reader
            .push(problem.note(format!("allowed are {MAX_ELEMENTS} elements")));
    }
    found
}
