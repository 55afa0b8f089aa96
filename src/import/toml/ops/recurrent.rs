//! Recurrences: state-space scans, and networks that pass their state from token to token.

use crate::workload::{Einsum, OpKind, Recurrence, Role, Scan, TensorId, VectorWork};

use super::super::args::{MAX_SIZE, MAX_SMALL};
use super::super::block::MAX_COUNT;
use super::super::draft::show;
use super::super::walk::{Call, Walk};
use super::check_size;

const RECURRENCES: [(&str, Recurrence); 5] = [
    ("selective", Recurrence::Selective),
    ("dual", Recurrence::Dual),
    ("gated-delta", Recurrence::GatedDelta),
    ("linear", Recurrence::Linear),
    ("gated", Recurrence::Gated),
];

/// `scan = { kind, heads, state, groups, chunk }` over `[batch, tokens, values]`; the state is kept.
pub(super) fn scan(walk: &mut Walk<'_>, call: &Call<'_, '_>) -> Option<TensorId> {
    let shape = call.ranked(walk, "scan", (3, 3))?.to_vec();
    let [batch, tokens, values] = [shape[0], shape[1], shape[2]];
    let args = call.args("scan", "kind");
    if !args.has("kind") {
        args.missing("kind");
    }
    let recurrence = args.word("kind", &RECURRENCES, Recurrence::Dual);
    let heads = args.size_or("heads", values, 1..=MAX_SIZE);
    let state = args.size_or("state", 1, 1..=MAX_SMALL);
    let groups = args.size_or("groups", 1, 1..=MAX_SMALL);
    let chunk = args.size_or("chunk", 1, 1..=MAX_SMALL);
    args.finish()?;
    let (heads, state, groups) = (heads?, state?, groups?);
    if !values.is_multiple_of(heads) {
        call.wrong(
            "scan",
            format!(
                "{values} values of {} do not divide into {heads} heads",
                show(&shape)
            ),
        );
        return None;
    }
    let width = values / heads;
    check_size(call, "scan", &[batch, heads, width, state])?;
    let dtype = walk.draft.formats.activation;
    let kept = walk.draft.add(
        &call.sub("state"),
        &[batch, heads, width, state],
        Scan::STATE,
        Role::State,
    );
    let y = walk.draft.activation(&call.sub("out"), &shape);
    let kind = OpKind::Scan(Scan {
        recurrence: recurrence?,
        batch,
        tokens,
        heads,
        width,
        state,
        groups,
        chunk: chunk?,
        dtype,
    });
    let mut inputs = call.inputs.clone();
    inputs.push(kept);
    walk.draft
        .operator(&call.name, "scan", kind, &inputs, &[y, kept]);
    Some(y)
}

/// Gates of a cell, work per value of the state: operations and special functions.
///
/// LSTM: three sigmoids and two hyperbolic tangents, two products, one sum, one product; GRU: two
/// sigmoids, one tangent, a product with the reset gate, the mix of old and new.
///
/// Source: torch documentation of `LSTM`, `GRU`, `RNN`; derived.
const CELLS: [(&str, (u64, f64, f64)); 3] = [
    ("lstm", (4, 10.0, 8.0)),
    ("gru", (3, 8.0, 5.0)),
    ("rnn", (1, 1.0, 1.0)),
];

/// `rnn = { kind, width, bias, both_ways }` over `[batch, tokens, inputs]`: one product for all tokens, then one for
/// each token, one after the other.
pub(super) fn rnn(walk: &mut Walk<'_>, call: &Call<'_, '_>) -> Option<TensorId> {
    let shape = call.ranked(walk, "rnn", (3, 3))?.to_vec();
    let args = call.args("rnn", "width");
    if !args.has("kind") {
        args.missing("kind");
    }
    let words: Vec<(&str, usize)> = CELLS.iter().enumerate().map(|(i, c)| (c.0, i)).collect();
    let cell = args.word("kind", &words, 0);
    let width = args.need("width", 1..=MAX_SIZE);
    let bias = args.flag("bias", true);
    let both = args.flag("both_ways", false);
    args.finish()?;
    let (cell, width, bias, both) = (CELLS[cell?], width?, bias?, both?);
    let steps = shape[1];
    if walk.draft.count.saturating_mul(steps) > MAX_COUNT {
        call.wrong(
            "rnn",
            format!("{steps} tokens one after the other are too many"),
        );
        return None;
    }
    let ways: &[&str] = if both {
        &["forward", "backward"]
    } else {
        &["forward"]
    };
    let mut made = Vec::new();
    for way in ways {
        made.push(one_way(
            walk,
            call,
            &shape,
            (cell.0, cell.1),
            width,
            bias,
            way,
        )?);
    }
    if let [x] = made[..] {
        return Some(x);
    }
    let dims = [shape[0], shape[1], width.saturating_mul(2)];
    check_size(call, "rnn", &dims)?;
    let y = walk.draft.activation(&call.sub("out"), &dims);
    let kind = OpKind::Layout(crate::workload::View::Copy);
    walk.draft
        .operator(&call.sub("join"), "concat", kind, &made, &[y]);
    Some(y)
}

fn one_way(
    walk: &mut Walk<'_>,
    call: &Call<'_, '_>,
    shape: &[u64],
    (source, (gates, ops, special)): (&'static str, (u64, f64, f64)),
    width: u64,
    bias: bool,
    way: &str,
) -> Option<TensorId> {
    let [batch, steps, inputs] = [shape[0], shape[1], shape[2]];
    let part = |name: &str| format!("{way}.{name}");
    let wide = gates.saturating_mul(width);
    check_size(call, "rnn", &[inputs, wide])?;
    check_size(call, "rnn", &[width, wide])?;
    check_size(call, "rnn", &[batch, steps, wide])?;
    let dtype = walk.draft.formats.product();
    let einsum = |m, k| OpKind::Einsum {
        einsum: Einsum::matmul(1, m, wide, k),
        dtype,
    };
    let mut of_input = vec![
        call.x(),
        call.weight(walk, &part("input.weight"), &[inputs, wide])?,
    ];
    if bias {
        of_input.push(call.vector(walk, &part("input.bias"), &[wide])?);
    }
    let x = walk
        .draft
        .activation(&call.sub(&part("input.out")), &[batch, steps, wide]);
    let kind = einsum(batch * steps, inputs);
    walk.draft
        .operator(&call.sub(&part("input")), source, kind, &of_input, &[x]);
    let state = walk.draft.add(
        &call.sub(&part("state")),
        &[batch, width],
        walk.draft.formats.activation,
        Role::State,
    );
    let mut of_state = vec![
        state,
        call.weight(walk, &part("state.weight"), &[width, wide])?,
    ];
    if bias {
        of_state.push(call.vector(walk, &part("state.bias"), &[wide])?);
    }
    let h = walk
        .draft
        .activation(&call.sub(&part("state.out")), &[batch, wide]);
    let kind = einsum(batch, width);
    walk.draft.operator_times(
        &call.sub(&part("state")),
        source,
        kind,
        &of_state,
        &[h],
        steps,
    );
    // The gates of all tokens: one token's at a time, so the whole input is read once.
    let y = walk
        .draft
        .activation(&call.sub(&part("out")), &[batch, steps, width]);
    let kind = OpKind::Elementwise(VectorWork {
        elements: (batch * steps * width) as f64,
        ops,
        special,
    });
    walk.draft
        .operator(&call.sub(&part("gates")), source, kind, &[x, h], &[y]);
    Some(y)
}
