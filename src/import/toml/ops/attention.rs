//! Attention with or without its projections, over itself, another value, a window or a cache.

use crate::diag::Code;
use crate::workload::{Attention, Mask, OpKind, Role, TensorId, VectorWork, View};

use super::super::args::{MAX_SIZE, MAX_SMALL};
use super::super::draft::show;
use super::super::walk::{Call, Walk};
use super::check_size;
use super::linear::{Layer, project};

/// Operations per rotated element: two multiplications, one addition. Source: derived.
const ROTARY_OPS: f64 = 3.0;

/// Operations per element of a root-mean-square norm of heads. Source: derived.
const RMS_OPS: f64 = 4.0;

struct Plan {
    heads: u64,
    kv_heads: u64,
    head_dim: u64,
    mask: Mask,
    past: u64,
    rotary: bool,
    qk_norm: bool,
    bias: bool,
    out_bias: bool,
    bias_rows: u64,
    out: u64,
    /// Sequences: all axes but the last two.
    batch: u64,
    queries: u64,
    keys: u64,
}

/// `attention = { heads, kv_heads, head_dim, mask, window, past, rotary, qk_norm, bias, out_bias, context,
/// project, bias_rows, out }` over `[.., tokens, width]`.
pub(super) fn attention(walk: &mut Walk<'_>, call: &Call<'_, '_>) -> Option<TensorId> {
    let shape = call.ranked(walk, "attention", (3, 8))?.to_vec();
    let (tokens, width) = (shape[shape.len() - 2], shape[shape.len() - 1]);
    let args = call.args("attention", "heads");
    let heads = args.need("heads", 1..=MAX_SMALL);
    let kv_heads = args.size("kv_heads", 1..=MAX_SMALL);
    let head_dim = args.size("head_dim", 1..=MAX_SMALL);
    let causal = args.word("mask", &[("full", false), ("causal", true)], false);
    let window = args.size("window", 1..=MAX_SIZE);
    let past = args.size_or("past", 0, 0..=MAX_SIZE);
    let rotary = args.flag("rotary", false);
    let qk_norm = args.flag("qk_norm", false);
    let bias = args.flag("bias", true);
    let out_bias = args.flag("out_bias", bias.unwrap_or(true));
    let bias_rows = args.size_or("bias_rows", 0, 0..=MAX_SIZE);
    let is_projected = args.flag("project", true);
    let out = args.size_or("out", width, 1..=MAX_SIZE);
    let cached = args.has("past");
    let context = args.node("context");
    if window.is_some() && causal == Some(false) {
        args.refuse(
            "window",
            Code::Disagreement,
            "a window needs mask = \"causal\"",
        );
    }
    args.finish()?;
    let heads = heads?;
    let other = match context {
        Some(node) => {
            let name = node.as_text().unwrap_or_default();
            Some(walk.value(call.reader, "attention.context", name, node)?)
        }
        None => None,
    };
    if head_dim.is_none() && !width.is_multiple_of(heads) {
        call.wrong(
            "attention",
            format!(
                "a width of {width} of {} does not divide into {heads} heads",
                show(&shape)
            ),
        );
        return None;
    }
    let past = past?;
    let mask = match (causal?, window) {
        (true, Some(w)) => Mask::Window(w),
        (true, None) => Mask::Causal,
        (false, _) => Mask::Full,
    };
    let plan = Plan {
        heads,
        kv_heads: kv_heads.unwrap_or(heads),
        head_dim: head_dim.unwrap_or(width / heads),
        mask,
        past,
        rotary: rotary?,
        qk_norm: qk_norm?,
        bias: bias?,
        out_bias: out_bias?,
        bias_rows: bias_rows?,
        out: out?,
        batch: shape[..shape.len() - 2].iter().product(),
        queries: tokens,
        keys: tokens,
    };
    if !plan.heads.is_multiple_of(plan.kv_heads) {
        let message = format!(
            "{heads} heads do not share {} key-value heads equally",
            plan.kv_heads
        );
        call.wrong("attention", message);
        return None;
    }
    match (is_projected?, other) {
        (true, None) => itself(walk, call, plan, &shape, cached),
        (true, Some(other)) => across(walk, call, plan, &shape, other),
        (false, None) => plain(walk, call, plan, &shape),
        (false, Some(_)) => {
            call.wrong(
                "attention",
                "without projections name queries, keys and values: in = [\"q\", \"k\", \"v\"]",
            );
            None
        }
    }
}

fn heads(plan: &Plan, n: u64, tokens: u64) -> [u64; 4] {
    [plan.batch, tokens, n, plan.head_dim]
}

fn itself(
    walk: &mut Walk<'_>,
    call: &Call<'_, '_>,
    plan: Plan,
    shape: &[u64],
    cached: bool,
) -> Option<TensorId> {
    call.takes("attention", 1, "one value")?;
    let inner = plan.head_dim.checked_mul(plan.heads + 2 * plan.kv_heads)?;
    let layer = Layer {
        name: "qkv",
        out: inner,
        bias: plan.bias,
    };
    let qkv = project(walk, call, "attention", call.x(), &layer)?;
    let (of_q, of_kv) = (
        heads(&plan, plan.heads, plan.queries),
        heads(&plan, plan.kv_heads, plan.keys),
    );
    let q = walk.draft.activation(&call.sub("q"), &of_q);
    let k = walk.draft.activation(&call.sub("k"), &of_kv);
    let v = walk.draft.activation(&call.sub("v"), &of_kv);
    let free = OpKind::Layout(View::Free);
    walk.draft
        .operator(&call.sub("split"), "split", free, &[qkv], &[q, k, v]);
    let [q, k] = prepare(walk, call, &plan, [q, k])?;
    if cached {
        return cache(walk, call, plan, shape, [q, k, v]);
    }
    products(walk, call, &plan, shape, [q, k, v])
}

/// Norms and rotation of queries and keys.
fn prepare(
    walk: &mut Walk<'_>,
    call: &Call<'_, '_>,
    plan: &Plan,
    heads: [TensorId; 2],
) -> Option<[TensorId; 2]> {
    let mut heads = heads;
    let shapes = heads.map(|x| walk.draft.shape(x).to_vec());
    let elements: f64 = heads.iter().map(|x| walk.draft.elements(*x)).sum();
    if plan.qk_norm {
        let weights = [
            call.vector(walk, "q_norm.weight", &[plan.head_dim])?,
            call.vector(walk, "k_norm.weight", &[plan.head_dim])?,
        ];
        let out = [
            walk.draft.activation(&call.sub("q_norm.out"), &shapes[0]),
            walk.draft.activation(&call.sub("k_norm.out"), &shapes[1]),
        ];
        let kind = OpKind::Reduction(VectorWork {
            elements,
            ops: RMS_OPS,
            special: 0.0,
        });
        let inputs = [heads[0], heads[1], weights[0], weights[1]];
        walk.draft
            .operator(&call.sub("qk_norm"), "rms_norm", kind, &inputs, &out);
        heads = out;
    }
    if plan.rotary {
        let out = [
            walk.draft.activation(&call.sub("rotary.q"), &shapes[0]),
            walk.draft.activation(&call.sub("rotary.k"), &shapes[1]),
        ];
        let kind = OpKind::Elementwise(VectorWork {
            elements,
            ops: ROTARY_OPS,
            special: 0.0,
        });
        walk.draft
            .operator(&call.sub("rotary"), "rotary", kind, &heads, &out);
        heads = out;
    }
    Some(heads)
}

/// Appends to a cache of `past + tokens`, and attends to it.
fn cache(
    walk: &mut Walk<'_>,
    call: &Call<'_, '_>,
    mut plan: Plan,
    shape: &[u64],
    [q, k, v]: [TensorId; 3],
) -> Option<TensorId> {
    let total = plan.past.checked_add(plan.queries)?;
    let (held, new) = match plan.mask {
        Mask::Window(w) => (total.min(w), plan.queries.min(w)),
        Mask::Full | Mask::Causal | Mask::Chunk(_) | Mask::Near(_) => (total, plan.queries),
    };
    // Keys out of every query's window are not read.
    plan.keys = match plan.mask {
        Mask::Window(w) => total.min(plan.queries + w - 1),
        Mask::Full | Mask::Causal | Mask::Chunk(_) | Mask::Near(_) => total,
    };
    let dims = [plan.batch, plan.kv_heads, held, plan.head_dim];
    check_size(call, "attention", &dims)?;
    let dtype = walk.draft.formats.kv;
    let caches =
        ["k_cache", "v_cache"].map(|n| walk.draft.add(&call.sub(n), &dims, dtype, Role::KvCache));
    let elements = (plan.batch * new) as f64 * (plan.kv_heads * plan.head_dim) as f64;
    let kind = OpKind::KvAppend { elements };
    walk.draft
        .operator(&call.sub("kv_append"), "kv_append", kind, &[k, v], &caches);
    products(walk, call, &plan, shape, [q, caches[0], caches[1]])
}

fn across(
    walk: &mut Walk<'_>,
    call: &Call<'_, '_>,
    mut plan: Plan,
    shape: &[u64],
    other: TensorId,
) -> Option<TensorId> {
    let theirs = walk.draft.shape(other).to_vec();
    let sequences: Option<u64> = theirs
        .len()
        .checked_sub(2)
        .map(|n| theirs[..n].iter().product());
    if sequences != Some(plan.batch) {
        let message = format!(
            "attention of {} to {}: the sequences are not as many",
            show(shape),
            show(&theirs)
        );
        call.wrong("attention", message);
        return None;
    }
    plan.keys = theirs[theirs.len() - 2];
    let of_q = Layer {
        name: "q",
        out: plan.head_dim.checked_mul(plan.heads)?,
        bias: plan.bias,
    };
    let q = project(walk, call, "attention", call.x(), &of_q)?;
    let of_kv = Layer {
        name: "kv",
        out: plan.head_dim.checked_mul(2 * plan.kv_heads)?,
        bias: plan.bias,
    };
    let kv = project(walk, call, "attention", other, &of_kv)?;
    let dims = heads(&plan, plan.kv_heads, plan.keys);
    let k = walk.draft.activation(&call.sub("k"), &dims);
    let v = walk.draft.activation(&call.sub("v"), &dims);
    let free = OpKind::Layout(View::Free);
    walk.draft
        .operator(&call.sub("split"), "split", free, &[kv], &[k, v]);
    let [q, k] = prepare(walk, call, &plan, [q, k])?;
    products(walk, call, &plan, shape, [q, k, v])
}

/// Queries, keys and values are given.
fn plain(
    walk: &mut Walk<'_>,
    call: &Call<'_, '_>,
    mut plan: Plan,
    shape: &[u64],
) -> Option<TensorId> {
    let (k, v) = match call.inputs[..] {
        [_, k, v] | [_, k, v, _] => (k, v),
        _ => {
            let what = "queries, keys and values, and possibly what is added to the scores";
            call.takes("attention", 3, what)?;
            return None;
        }
    };
    let keys = walk.draft.shape(k).to_vec();
    let width = plan.head_dim.checked_mul(plan.kv_heads)?;
    let fits = keys == walk.draft.shape(v)
        && keys.len() == shape.len()
        && keys[..keys.len() - 2] == shape[..shape.len() - 2]
        && keys.last() == Some(&width)
        && shape.last() == Some(&(plan.head_dim * plan.heads));
    if !fits {
        let (q, k, v) = (show(shape), show(&keys), show(walk.draft.shape(v)));
        call.wrong(
            "attention",
            format!("attention of queries {q}, keys {k} and values {v}"),
        );
        return None;
    }
    plan.keys = keys[keys.len() - 2];
    core(walk, call, &plan, shape, [call.x(), k, v])
}

fn products(
    walk: &mut Walk<'_>,
    call: &Call<'_, '_>,
    plan: &Plan,
    shape: &[u64],
    qkv: [TensorId; 3],
) -> Option<TensorId> {
    let y = core(walk, call, plan, shape, qkv)?;
    let layer = Layer {
        name: "out",
        out: plan.out,
        bias: plan.out_bias,
    };
    project(walk, call, "attention", y, &layer)
}

fn core(
    walk: &mut Walk<'_>,
    call: &Call<'_, '_>,
    plan: &Plan,
    shape: &[u64],
    qkv: [TensorId; 3],
) -> Option<TensorId> {
    let keys = walk.draft.tensor(qkv[1]).dtype;
    let kind = OpKind::Attention(Attention {
        batch: plan.batch,
        q_heads: plan.heads,
        kv_heads: plan.kv_heads,
        q_len: plan.queries,
        kv_len: plan.keys,
        qk_dim: plan.head_dim,
        v_dim: plan.head_dim,
        mask: plan.mask,
        dtype: walk.draft.formats.wider(keys),
    });
    let mut dims = shape.to_vec();
    if let Some(last) = dims.last_mut() {
        *last = plan.head_dim.checked_mul(plan.heads)?;
    }
    check_size(call, "attention", &dims)?;
    let mut inputs = qkv.to_vec();
    inputs.extend(call.inputs.get(3));
    if plan.bias_rows > 0 {
        inputs.push(call.vector(walk, "position_bias", &[plan.bias_rows, plan.heads])?);
    }
    let y = walk.draft.activation(&call.sub("mix.out"), &dims);
    walk.draft
        .operator(&call.sub("mix"), "attention", kind, &inputs, &[y]);
    Some(y)
}
