//! Rows picked from tables, neighbors of points, the largest of many, sorting.

use crate::diag::Code;
use crate::workload::{OpKind, Role, TensorId, VectorWork};

use super::super::args::MAX_SIZE;
use super::super::block::MAX_COUNT;
use super::super::draft::show;
use super::super::walk::{Call, Walk};
use super::check_size;

/// Operations per pair of points: three differences, three squares, two sums, one comparison.
/// Source: derived.
const DISTANCE_OPS: f64 = 9.0;

/// `embedding = { rows, width, pool, weight }`: a row of the table for each index; with `pool` the last axis of the
/// indices is summed. `rows` may be a list: one table for each place of the last axis.
pub(super) fn embedding(walk: &mut Walk<'_>, call: &Call<'_, '_>) -> Option<TensorId> {
    let shape = call.ranked(walk, "embedding", (1, 7))?.to_vec();
    let args = call.args("embedding", "width");
    let rows = args.sizes("rows", 1..=MAX_SIZE);
    if !args.has("rows") {
        args.missing("rows");
    }
    let width = args.need("width", 1..=MAX_SIZE);
    let pool = args.flag("pool", false);
    let tied = args.text("weight");
    let is_list = args.has("rows") && rows.as_ref().is_some_and(|r| r.len() > 1);
    args.finish()?;
    let (rows, width, pool) = (rows?, width?, pool?);
    let last = shape[shape.len() - 1];
    if is_list && (pool || last != rows.len() as u64) {
        call.wrong(
            "embedding",
            format!(
                "{} tables, and the last axis of the indices {} is not as long",
                rows.len(),
                show(&shape)
            ),
        );
        return None;
    }
    let total = rows.iter().fold(0u64, |sum, n| sum.saturating_add(*n));
    check_size(call, "embedding", &[total, width])?;
    let table = match tied {
        Some(_) => super::linear::weight(walk, call, "embedding", tied, &[total, width])?,
        None => call.vector(walk, "weight", &[total, width])?,
    };
    let mut dims = shape.clone();
    dims.push(width);
    let elements = check_size(call, "embedding", &dims)? as f64;
    let y = walk.draft.activation(&call.sub("out"), &dims);
    let kind = OpKind::Gather { elements };
    walk.draft
        .operator(&call.name, "embedding", kind, &[table, call.x()], &[y]);
    if !pool {
        return Some(y);
    }
    dims.remove(dims.len() - 2);
    let work = VectorWork {
        elements,
        ops: 1.0,
        special: 0.0,
    };
    Some(
        walk.draft
            .reduction(&call.sub("sum"), "embedding_sum", &[y], &dims, work),
    )
}

/// `gather = ["batch", 512, 32, 64]`: elements picked from the first input; further inputs are the indices.
pub(super) fn gather(walk: &mut Walk<'_>, call: &Call<'_, '_>) -> Option<TensorId> {
    let args = call.args("gather", "shape");
    let shape = args.sizes("shape", 1..=MAX_SIZE);
    if !args.has("shape") {
        args.missing("shape");
    }
    args.finish()?;
    let shape = shape?;
    let elements = check_size(call, "gather", &shape)? as f64;
    let dtype = walk.draft.tensor(call.x()).dtype;
    let y = walk
        .draft
        .add(&call.sub("out"), &shape, dtype, Role::Activation);
    walk.draft.operator(
        &call.name,
        "gather",
        OpKind::Gather { elements },
        &call.inputs,
        &[y],
    );
    Some(y)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Search {
    /// The first `k` within a radius.
    Ball,
    /// The `k` nearest.
    Nearest,
    /// `k` points far from each other, one after the other.
    Farthest,
}

/// `neighbors = { kind, k }`: indices of `k` points of the second input for each of the first `[batch, points, 3]`;
/// `farthest` takes one input, and gives `[batch, k]`.
pub(super) fn neighbors(walk: &mut Walk<'_>, call: &Call<'_, '_>) -> Option<TensorId> {
    let shape = call.ranked(walk, "neighbors", (3, 3))?.to_vec();
    let args = call.args("neighbors", "k");
    let kinds = [
        ("ball", Search::Ball),
        ("nearest", Search::Nearest),
        ("farthest", Search::Farthest),
    ];
    if !args.has("kind") {
        args.missing("kind");
    }
    let kind = args.word("kind", &kinds, Search::Ball);
    let k = args.need("k", 1..=MAX_SIZE);
    args.finish()?;
    let (kind, k) = (kind?, k?);
    let (batch, points) = (shape[0], shape[1]);
    if kind == Search::Farthest {
        call.takes("neighbors", 1, "one set of points")?;
        check_size(call, "neighbors", &[batch, k])?;
        if walk.draft.count.saturating_mul(k) > MAX_COUNT {
            call.wrong(
                "neighbors",
                format!("{k} steps one after the other are too many"),
            );
            return None;
        }
        let y = walk.draft.indices(&call.sub("out"), &[batch, k]);
        let kind = OpKind::Reduction(VectorWork {
            elements: (batch * points) as f64,
            ops: DISTANCE_OPS,
            special: 0.0,
        });
        walk.draft
            .operator_times(&call.name, "farthest_points", kind, &[call.x()], &[y], k);
        return Some(y);
    }
    call.takes(
        "neighbors",
        2,
        "the points that look and those that are found",
    )?;
    let theirs = walk.draft.shape(call.inputs[1]).to_vec();
    if theirs.len() != 3 || theirs[0] != batch {
        call.wrong(
            "neighbors",
            format!(
                "{} and {} are not points of one batch",
                show(&shape),
                show(&theirs)
            ),
        );
        return None;
    }
    check_size(call, "neighbors", &[batch, points, theirs[1]])?;
    check_size(call, "neighbors", &[batch, points, k])?;
    let (source, ops) = match kind {
        Search::Ball | Search::Farthest => ("ball_query", DISTANCE_OPS),
        // A heap of k: one comparison for each level.
        Search::Nearest => ("nearest", DISTANCE_OPS + (k as f64).log2().ceil()),
    };
    let y = walk.draft.indices(&call.sub("out"), &[batch, points, k]);
    let kind = OpKind::Reduction(VectorWork {
        elements: (batch * points * theirs[1]) as f64,
        ops,
        special: 0.0,
    });
    walk.draft
        .operator(&call.name, source, kind, &call.inputs, &[y]);
    Some(y)
}

/// `topk = k` along the last axis, or `topk = { k, axis }`.
pub(super) fn topk(walk: &mut Walk<'_>, call: &Call<'_, '_>) -> Option<TensorId> {
    let mut shape = call.ranked(walk, "topk", (1, 8))?.to_vec();
    let args = call.args("topk", "k");
    let k = args.need("k", 1..=MAX_SIZE);
    let axis = args.axis("axis", shape.len(), -1);
    args.finish()?;
    let (k, axis) = (k?, axis?);
    if k > shape[axis] {
        let problem = call.reader.key_problem(
            "topk",
            Code::Disagreement,
            format!(
                "`{}`: the {k} largest along axis {axis} of {}",
                call.name,
                show(&shape)
            ),
        );
        call.reader.push(problem);
        return None;
    }
    shape[axis] = k;
    // A heap of k: one comparison per element and level.
    let work = VectorWork {
        elements: walk.draft.elements(call.x()),
        ops: 1.0 + (k as f64).log2().ceil(),
        special: 0.0,
    };
    Some(
        walk.draft
            .reduction(&call.name, "topk", &[call.x()], &shape, work),
    )
}

/// `sort = true` along the last axis, or `sort = { axis }`: `log2 n` comparisons per element.
pub(super) fn sort(walk: &mut Walk<'_>, call: &Call<'_, '_>) -> Option<TensorId> {
    let shape = call.ranked(walk, "sort", (1, 8))?.to_vec();
    let args = call.args("sort", "");
    let axis = args.axis("axis", shape.len(), -1);
    args.finish()?;
    let work = VectorWork {
        elements: walk.draft.elements(call.x()),
        ops: (shape[axis?] as f64).log2().ceil().max(1.0),
        special: 0.0,
    };
    Some(
        walk.draft
            .reduction(&call.name, "sort", &[call.x()], &shape, work),
    )
}
