//! Work of the vector engine: softmax, sums, free formulas, gated halves; and weights as values.

use crate::document::Node;
use crate::workload::{TensorId, VectorWork};

use super::super::args::{self, MAX_SIZE};
use super::super::draft::show;
use super::super::rider::{activation, broadcast};
use super::super::walk::{Call, Walk};
use super::check_size;

/// Operations per element of a softmax: maximum, difference, sum, product; one exponential.
/// Source: derived.
const SOFTMAX_OPS: f64 = 4.0;

/// Most operations per element that a formula takes.
const MAX_OPS: f64 = 1e6;

/// `softmax = true` over the last axis, or `softmax = { axis }`.
pub(super) fn softmax(walk: &mut Walk<'_>, call: &Call<'_, '_>) -> Option<TensorId> {
    let shape = call.ranked(walk, "softmax", (1, 8))?.to_vec();
    let args = call.args("softmax", "");
    let axis = args.axis("axis", shape.len(), -1);
    args.finish()?;
    axis?;
    let work = VectorWork {
        elements: walk.draft.elements(call.x()),
        ops: SOFTMAX_OPS,
        special: 1.0,
    };
    Some(
        walk.draft
            .reduction(&call.name, "softmax", &[call.x()], &shape, work),
    )
}

/// `elementwise = { ops, special, of }`: one result per element of all inputs.
pub(super) fn elementwise(walk: &mut Walk<'_>, call: &Call<'_, '_>) -> Option<TensorId> {
    let args = call.args("elementwise", "ops");
    let ops = args.number_or("ops", 1.0, 0.0..=MAX_OPS);
    let special = args.number_or("special", 0.0, 0.0..=MAX_OPS);
    args.finish()?;
    let shape = broadcast(walk, call, "elementwise", &call.inputs)?;
    Some(walk.draft.map(
        &call.name,
        "elementwise",
        &call.inputs,
        &shape,
        (ops?, special?),
    ))
}

/// `glu = "sigmoid"` or `glu = { act, axis }`: one half times the activation of the other.
pub(super) fn glu(walk: &mut Walk<'_>, call: &Call<'_, '_>) -> Option<TensorId> {
    let mut shape = call.ranked(walk, "glu", (1, 8))?.to_vec();
    let args = call.args("glu", "act");
    let act = activation(&args, "act", "sigmoid");
    let axis = args.axis("axis", shape.len(), -1);
    args.finish()?;
    let ((source, (ops, special)), axis) = (act?, axis?);
    if !shape[axis].is_multiple_of(2) {
        call.wrong(
            "glu",
            format!("axis {axis} of {} has no halves", show(&shape)),
        );
        return None;
    }
    shape[axis] /= 2;
    Some(walk.draft.map(
        &call.name,
        source,
        &[call.x()],
        &shape,
        (ops + 1.0, special),
    ))
}

/// `reduce = "mean"` over the last axis, or `reduce = { kind, axis, keep }`.
pub(super) fn reduce(walk: &mut Walk<'_>, call: &Call<'_, '_>) -> Option<TensorId> {
    let mut shape = call.ranked(walk, "reduce", (1, 8))?.to_vec();
    let args = call.args("reduce", "kind");
    if !args.has("kind") {
        args.missing("kind");
    }
    let kinds = [
        ("mean", 1.0),
        ("sum", 1.0),
        ("max", 1.0),
        ("min", 1.0),
        ("norm", 2.0),
    ];
    let ops = args.word("kind", &kinds, 1.0);
    let axis = args.axis("axis", shape.len(), -1);
    let keep = args.flag("keep", false);
    args.finish()?;
    let (axis, ops) = (axis?, ops?);
    if keep? {
        shape[axis] = 1;
    } else {
        shape.remove(axis);
    }
    let work = VectorWork {
        elements: walk.draft.elements(call.x()),
        ops,
        special: 0.0,
    };
    Some(
        walk.draft
            .reduction(&call.name, "reduce", &[call.x()], &shape, work),
    )
}

/// `param = [16, 768]`: a weight that other operators add or multiply with.
pub(super) fn param(walk: &mut Walk<'_>, call: &Call<'_, '_>) -> Option<TensorId> {
    let args = call.args("param", "shape");
    let shape = args.sizes("shape", 1..=MAX_SIZE);
    if !args.has("shape") {
        args.missing("shape");
    }
    args.finish()?;
    let shape = shape?;
    check_size(call, "param", &shape)?;
    let found = walk.draft.vector(&call.name, &shape);
    found.map_err(|message| call.wrong("share", message)).ok()
}

/// A list of sizes in which one may be -1: what is left of `elements`.
pub(super) fn shape(
    call: &Call<'_, '_>,
    key: &str,
    items: &[Node],
    elements: u64,
) -> Option<Vec<u64>> {
    let mut open = None;
    let mut found = Vec::new();
    for (at, item) in items.iter().enumerate() {
        let is_open = matches!(item.value, crate::document::Value::Integer(-1));
        if is_open && open.is_none() {
            open = Some(at);
            found.push(1);
        } else {
            found.push(args::size(call.reader, key, item, &call.env, 1..=MAX_SIZE)?);
        }
    }
    let known = check_size(call, key, &found)?;
    if let Some(at) = open {
        found[at] = elements / known.max(1);
    }
    let product = found.iter().try_fold(1u64, |p, n| p.checked_mul(*n));
    if product != Some(elements) {
        call.wrong(
            key,
            format!("{elements} elements do not make a tensor {}", show(&found)),
        );
        return None;
    }
    Some(found)
}
