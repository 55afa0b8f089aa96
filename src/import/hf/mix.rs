//! How a layer mixes tokens: attention over keys and values, their cache, latent attention.

use crate::workload::{Attention, Dtype, Einsum, Latent, Mask, OpKind, Role, TensorId, View};

use super::build::{Builder, Linear, ROTARY_OPS};
use super::plan::{AttentionPlan, LatentPlan, Mixer, Norm, Sight};
use super::recur;

/// What a layer sees besides its input.
#[derive(Clone, Copy, Debug)]
pub(super) struct Context {
    /// Cached tokens per sequence.
    pub(super) past: u64,
    /// The encoder's result and its tokens per sequence; without a tensor where keys and values of an
    /// earlier step are used.
    pub(super) source: Option<(Option<TensorId>, u64)>,
}

/// `y: [batch, tokens, width]` of `x` of the same shape.
pub(super) fn mixer(
    b: &mut Builder,
    plan: &Mixer,
    x: TensorId,
    width: u64,
    context: &Context,
) -> TensorId {
    match plan {
        Mixer::Attention(a) => attention(b, a, x, width, context.past),
        Mixer::Latent(l) => latent(b, l, x, width, context.past),
        Mixer::Recurrent(r) => recur::recurrent(b, r, x, width),
        Mixer::Short(s) => recur::short(b, *s, x, width),
        Mixer::Both(a, r) => {
            let parts = [
                attention(b, a, x, width, context.past),
                recur::recurrent(b, r, x, width),
            ];
            b.sum("mixer_add", &parts, width)
        }
    }
}

/// One fused input projection, rotation, cache, attention, output projection.
fn attention(
    b: &mut Builder,
    plan: &AttentionPlan,
    x: TensorId,
    width: u64,
    past: u64,
) -> TensorId {
    let AttentionPlan {
        q_heads,
        kv_heads,
        head_dim,
        v_dim,
        ..
    } = *plan;
    let gate = if plan.gate { 2 } else { 1 };
    let outputs = [
        gate * q_heads * head_dim,
        kv_heads * head_dim,
        kv_heads * v_dim,
    ];
    let biases = outputs.iter().zip(plan.bias).filter(|(_, has)| *has);
    let qkv = Linear {
        bias: biases.map(|(n, _)| n).sum(),
        ..Linear::new("qkv_proj", width, outputs.iter().sum())
    };
    let qkv = b.linear(x, &qkv);
    let of = |b: &Builder, n, dim| [b.batch, b.tokens, n, dim];
    let (of_q, of_k, of_v) = (
        of(b, q_heads, head_dim),
        of(b, kv_heads, head_dim),
        of(b, kv_heads, v_dim),
    );
    let mut q = b.activation("q", &of_q);
    let mut k = b.activation("k", &of_k);
    let v = b.activation("v", &of_v);
    let mut parts = vec![q, k, v];
    let gate = plan.gate.then(|| b.activation("gate", &of_q));
    parts.extend(gate);
    let split = OpKind::Layout(View::Free);
    b.operator("split_qkv", "split", split, &[qkv], &parts);
    [q, k] = b.head_norms(plan.norm, [q, k], [q_heads, kv_heads], head_dim);
    if plan.rotary > 0 {
        let rotated = [
            b.activation("rotary.q", &of_q),
            b.activation("rotary.k", &of_k),
        ];
        let elements = b.rows() as f64 * ((q_heads + kv_heads) * plan.rotary) as f64;
        let work = (elements, ROTARY_OPS, 0.0);
        b.elementwise("rotary", "rotary", work, &[q, k], &rotated);
        [q, k] = rotated;
    }
    let mut mixed = core(b, plan, [q, k, v], past);
    if let Some(gate) = gate {
        let y = b.stream("gated.out", q_heads * v_dim);
        // Sigmoid and product.
        let work = (b.rows() as f64 * (q_heads * v_dim) as f64, 3.0, 1.0);
        b.elementwise("gated", "sigmoid_mul", work, &[mixed, gate], &[y]);
        mixed = y;
    }
    output(b, plan, mixed, width)
}

fn output(b: &mut Builder, plan: &AttentionPlan, mut mixed: TensorId, width: u64) -> TensorId {
    let inner = plan.q_heads * plan.v_dim;
    if plan.sub_norm {
        mixed = b.norm("sub_norm", mixed, Norm::Rms, inner);
    }
    b.linear(
        mixed,
        &Linear::new("o_proj", inner, width).biased(plan.output_bias),
    )
}

/// What the queries of a pass see: the mask, the keys that the operator reads, those that the cache holds
/// and those that are new to it.
struct Seen {
    mask: Mask,
    kv_len: u64,
    held: Option<u64>,
    new: u64,
}

/// Keys out of every query's window are not in the operator: it reads `min(T, S + w - 1)` keys, and the
/// cache holds `min(T, w)`, of `T = past + S` tokens.
fn seen(b: &Builder, sight: Sight, past: u64) -> Seen {
    let total = past + b.tokens;
    let window = |w: u64| Seen {
        mask: Mask::Window(w),
        kv_len: total.min(b.tokens + w - 1),
        held: Some(total.min(w)),
        new: b.tokens.min(w),
    };
    let view = |mask, kv_len, held| Seen {
        mask,
        kv_len,
        held,
        new: b.tokens,
    };
    match (sight, b.software.window) {
        (Sight::Both, None) => view(Mask::Full, b.tokens, None),
        (Sight::Both, Some(w)) => view(Mask::Near(w.min(b.tokens)), b.tokens, None),
        (Sight::Near(w), limit) => {
            let w = limit.map_or(w, |l| l.min(w));
            view(Mask::Near(w.min(b.tokens)), b.tokens, None)
        }
        (Sight::Past, None) => view(Mask::Causal, total, Some(total)),
        (Sight::Past, Some(w)) => window(w),
        (Sight::Window(w), limit) => window(limit.map_or(w, |l| l.min(w))),
        (Sight::Chunk(c), Some(w)) if w < c => window(w),
        (Sight::Chunk(c), _) => Seen {
            mask: Mask::Chunk(c),
            // Whole chunks before the first new token are out of sight of all.
            kv_len: b.tokens + past % c,
            held: Some(total.min(c)),
            new: b.tokens.min(c),
        },
    }
}

/// Cache update and the fused products.
fn core(b: &mut Builder, plan: &AttentionPlan, qkv: [TensorId; 3], past: u64) -> TensorId {
    let [q, mut k, mut v] = qkv;
    let seen = seen(b, plan.sight, past);
    let mut keys = b.formats.activation;
    if let Some(held) = seen.held {
        keys = b.formats.kv;
        let shape = |dim| [b.batch, plan.kv_heads, held, dim];
        let (of_k, of_v) = (shape(plan.head_dim), shape(plan.v_dim));
        let cache = [
            b.tensor("k_cache", &of_k, keys, Role::KvCache),
            b.tensor("v_cache", &of_v, keys, Role::KvCache),
        ];
        let each = plan.kv_heads as f64 * (plan.head_dim + plan.v_dim) as f64 / 2.0;
        let elements = (b.batch * seen.new) as f64 * each;
        let kind = OpKind::KvAppend { elements };
        b.operator("kv_append", "kv_append", kind, &[k, v], &cache);
        [k, v] = cache;
    }
    let attention = Attention {
        batch: b.batch,
        q_heads: plan.q_heads,
        kv_heads: plan.kv_heads,
        q_len: b.tokens,
        kv_len: seen.kv_len,
        qk_dim: plan.head_dim,
        v_dim: plan.v_dim,
        mask: seen.mask,
        dtype: b.formats.attention(keys),
    };
    let mut others = Vec::new();
    if plan.sinks {
        others.push(b.weight("sinks", &[plan.q_heads]));
    }
    if let Some(rows) = plan.relative {
        others.push(b.weight("relative_positions", &[rows, plan.q_heads]));
    }
    attend(b, attention, [q, k, v], &others)
}

/// `softmax(q·kᵀ)·v` in one kernel.
fn attend(b: &mut Builder, a: Attention, qkv: [TensorId; 3], others: &[TensorId]) -> TensorId {
    let y = b.stream("attention.out", a.q_heads * a.v_dim);
    let inputs: Vec<TensorId> = qkv.iter().chain(others).copied().collect();
    b.operator(
        "attention",
        "attention",
        OpKind::Attention(a),
        &inputs,
        &[y],
    );
    y
}

/// Attention to the encoder's result: keys and values are made once for each sequence.
pub(super) fn cross(
    b: &mut Builder,
    plan: &AttentionPlan,
    x: TensorId,
    width: u64,
    context: &Context,
) -> TensorId {
    let (source, length) = context.source.unwrap_or((None, 1));
    let outer = b.prefix.clone();
    b.prefix.push_str("cross.");
    let (q_width, kv_width) = (plan.q_heads * plan.head_dim, plan.kv_heads * plan.head_dim);
    let q = b.linear(
        x,
        &Linear::new("q_proj", width, q_width).biased(plan.bias[0]),
    );
    let keys = b.formats.kv;
    let shape = [b.batch, plan.kv_heads, length, plan.head_dim];
    let cache = [
        b.tensor("k_cache", &shape, keys, Role::KvCache),
        b.tensor("v_cache", &shape, keys, Role::KvCache),
    ];
    let biases = u64::from(plan.bias[1]) + u64::from(plan.bias[2]);
    let kv = Linear {
        bias: biases * kv_width,
        ..Linear::new("kv_proj", width, 2 * kv_width)
    };
    match source {
        Some(source) => {
            let tokens = std::mem::replace(&mut b.tokens, length);
            let made = b.linear(source, &kv);
            let parts = b.split("split_kv", made, [kv_width, kv_width]);
            b.tokens = tokens;
            let elements = (b.batch * length) as f64 * kv_width as f64;
            let kind = OpKind::KvAppend { elements };
            b.operator("kv_append", "kv_append", kind, &parts, &cache);
        }
        None => b.hold_linear(&kv),
    }
    let attention = Attention {
        batch: b.batch,
        q_heads: plan.q_heads,
        kv_heads: plan.kv_heads,
        q_len: b.tokens,
        kv_len: length,
        qk_dim: plan.head_dim,
        v_dim: plan.v_dim,
        mask: Mask::Full,
        dtype: b.formats.attention(keys),
    };
    let mixed = attend(b, attention, [q, cache[0], cache[1]], &[]);
    let y = output(b, plan, mixed, width);
    b.prefix = outer;
    y
}

/// Multi-head latent attention.
///
/// Naive: keys and values of all heads are expanded from the compressed cache of all tokens. Absorbed: the
/// expansion is multiplied into queries and results, and all heads share the compressed cache.
///
/// Source: DeepSeek-AI, "DeepSeek-V2", 2024, section 2.1 and appendix C.
fn latent(b: &mut Builder, plan: &LatentPlan, x: TensorId, width: u64, past: u64) -> TensorId {
    let dim = plan.nope + plan.rope;
    let q = queries(b, plan, x, width);
    let compressed = Linear::new("kv_a_proj", width, plan.kv_rank + plan.rope).biased(plan.bias);
    let joined = b.linear(x, &compressed);
    let kv = b.stream("kv_a", plan.kv_rank);
    let k_rope = b.stream("k_rope", plan.rope);
    let split = OpKind::Layout(View::Free);
    b.operator("split_kv", "split", split, &[joined], &[kv, k_rope]);
    let kv = b.norm("kv_a_norm", kv, Norm::Rms, plan.kv_rank);
    let q_rotated = b.stream("rotary.q", plan.heads * dim);
    let k_rotated = b.stream("rotary.k", plan.rope);
    let elements = b.rows() as f64 * ((plan.heads + 1) * plan.rope) as f64;
    let work = (elements, ROTARY_OPS, 0.0);
    b.elementwise(
        "rotary",
        "rotary",
        work,
        &[q, k_rope],
        &[q_rotated, k_rotated],
    );
    let seen = seen(b, Sight::Past, past);
    let keys = b.formats.kv;
    let held = seen.held.unwrap_or(seen.kv_len);
    let shape = [b.batch, 1, held, plan.kv_rank + plan.rope];
    let cache = b.tensor("kv_cache", &shape, keys, Role::KvCache);
    let elements = (b.batch * seen.new) as f64 * (plan.kv_rank + plan.rope) as f64;
    let kind = OpKind::KvAppend { elements };
    let joined = b.stream("join_kv.out", plan.kv_rank + plan.rope);
    let join = OpKind::Layout(View::Free);
    b.operator("join_kv", "concat", join, &[kv, k_rotated], &[joined]);
    b.operator("kv_append", "kv_append", kind, &[joined], &[cache]);
    let absorbed = match b.software.latent {
        Latent::Auto => is_cheaper_absorbed(b, plan, &seen),
        Latent::Naive => false,
        Latent::Absorbed => true,
    };
    let mixed = match absorbed {
        true => absorbed_core(b, plan, q_rotated, cache, &seen),
        false => naive_core(b, plan, q_rotated, cache, &seen),
    };
    let out = Linear::new("o_proj", plan.heads * plan.v_dim, width).biased(plan.bias);
    b.linear(mixed, &out)
}

fn queries(b: &mut Builder, plan: &LatentPlan, x: TensorId, width: u64) -> TensorId {
    let q_width = plan.heads * (plan.nope + plan.rope);
    match plan.q_rank {
        None => b.linear(x, &Linear::new("q_proj", width, q_width)),
        Some(rank) => {
            let q = b.linear(x, &Linear::new("q_a_proj", width, rank).biased(plan.bias));
            let q = b.norm("q_a_norm", q, Norm::Rms, rank);
            b.linear(q, &Linear::new("q_b_proj", rank, q_width))
        }
    }
}

/// Whether the absorbed form takes fewer multiply-accumulates: per head, `pairs·(2·rank + rope)` and two
/// products with the expansion for each new token, against `pairs·(nope + rope + v)` and the expansion of each key.
fn is_cheaper_absorbed(b: &Builder, plan: &LatentPlan, seen: &Seen) -> bool {
    let of = |n: u64| n as f64;
    let expansion = of(plan.kv_rank) * of(plan.nope + plan.v_dim);
    let pairs = products(b, plan, seen, (1, 1, 1), b.formats.kv).useful_pairs();
    let absorbed = pairs * of(2 * plan.kv_rank + plan.rope) + of(b.tokens) * expansion;
    let naive = pairs * of(plan.nope + plan.rope + plan.v_dim) + of(seen.kv_len) * expansion;
    absorbed < naive
}

/// Both products of latent attention.
fn products(
    b: &Builder,
    plan: &LatentPlan,
    seen: &Seen,
    (kv_heads, qk_dim, v_dim): (u64, u64, u64),
    keys: Dtype,
) -> Attention {
    Attention {
        batch: b.batch,
        q_heads: plan.heads,
        kv_heads,
        q_len: b.tokens,
        kv_len: seen.kv_len,
        qk_dim,
        v_dim,
        mask: seen.mask,
        dtype: b.formats.attention(keys),
    }
}

fn naive_core(
    b: &mut Builder,
    plan: &LatentPlan,
    q: TensorId,
    cache: TensorId,
    seen: &Seen,
) -> TensorId {
    let (heads, nope, rope, v_dim) = (plan.heads, plan.nope, plan.rope, plan.v_dim);
    let total = seen.kv_len;
    let tokens = std::mem::replace(&mut b.tokens, total);
    let expansion = Linear::new("kv_b_proj", plan.kv_rank, heads * (nope + v_dim));
    let expanded = b.linear(cache, &expansion);
    let shape = |dim| [b.batch, heads, total, dim];
    let (of_k, of_v) = (shape(nope + rope), shape(v_dim));
    b.tokens = tokens;
    let k = b.activation("k", &of_k);
    let v = b.activation("v", &of_v);
    let copy = OpKind::Layout(View::Copy);
    b.operator("join_k", "concat", copy, &[expanded, cache], &[k]);
    let split = OpKind::Layout(View::Free);
    b.operator("split_v", "split", split, &[expanded], &[v]);
    let keys = b.formats.activation;
    let attention = products(b, plan, seen, (heads, nope + rope, v_dim), keys);
    attend(b, attention, [q, k, v], &[])
}

fn absorbed_core(
    b: &mut Builder,
    plan: &LatentPlan,
    q: TensorId,
    cache: TensorId,
    seen: &Seen,
) -> TensorId {
    let (heads, nope, rope, v_dim) = (plan.heads, plan.nope, plan.rope, plan.v_dim);
    let (rank, rows) = (plan.kv_rank, b.rows());
    // Both halves of one stored matrix.
    let dtype = b.formats.linear;
    let of_k = b.tensor(
        "kv_b_proj.k.weight",
        &[heads, nope, rank],
        dtype,
        Role::Weight,
    );
    let of_v = b.tensor(
        "kv_b_proj.v.weight",
        &[heads, rank, v_dim],
        dtype,
        Role::Weight,
    );
    b.set_group(of_k);
    b.set_group(of_v);
    let product = |n, k| OpKind::Einsum {
        einsum: Einsum::matmul(heads, rows, n, k),
        dtype: b.formats.linear_product,
    };
    let (into_q, out_of) = (product(rank, nope), product(v_dim, rank));
    let absorbed = b.stream("absorb_q.out", heads * (rank + rope));
    b.operator("absorb_q", "matmul", into_q, &[q, of_k], &[absorbed]);
    let keys = b.formats.kv;
    let attention = products(b, plan, seen, (1, rank + rope, rank), keys);
    let mixed = attend(b, attention, [absorbed, cache, cache], &[]);
    let y = b.stream("absorb_v.out", heads * v_dim);
    b.operator("absorb_v", "matmul", out_of, &[mixed, of_v], &[y]);
    y
}
