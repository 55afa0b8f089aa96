//! The operators of one kind of layer.

use crate::workload::{Attention, Mask, OpKind, Role, TensorId, VectorWork, View};

use super::build::{Builder, Linear, ROTARY_OPS};
use super::plan::{AttentionPlan, DensePlan, Ffn, Mixer, Placement, Plan, Segment, Sight};

/// All layers of a plan, one set of operators for each kind; `past` cached tokens per sequence.
///
/// Kinds that alternate in the model stand one behind the other here.
pub(super) fn stack(b: &mut Builder, plan: &Plan, mut x: TensorId, past: u64) -> TensorId {
    for segment in &plan.segments {
        let Mixer::Attention(attention) = &segment.mixer;
        let prefix = match plan.segments.len() {
            1 => "layers.*.".to_owned(),
            _ => format!("layers.{}.", attention.sight.label()),
        };
        x = layer(b, plan, segment, &prefix, x, past);
    }
    x
}

fn layer(
    b: &mut Builder,
    plan: &Plan,
    segment: &Segment,
    prefix: &str,
    x: TensorId,
    past: u64,
) -> TensorId {
    let (norm, width) = (plan.norm, plan.hidden);
    let block = |part: &str| format!("{prefix}{part}");
    b.enter(prefix, &block("attention"), segment.count);
    let Mixer::Attention(plan_of_attention) = &segment.mixer;
    let mixed = match plan.placement {
        Placement::Before | Placement::Around => b.norm("input_norm", x, norm, width),
        Placement::Behind => x,
    };
    let mixed = attention(b, plan_of_attention, mixed, width, past);
    let mixed = match plan.placement {
        Placement::Around => b.norm("post_attention_norm", mixed, norm, width),
        Placement::Before | Placement::Behind => mixed,
    };
    let mut x = b.sum("attention_add", &[x, mixed], width);
    if plan.placement == Placement::Behind {
        x = b.norm("attention_norm", x, norm, width);
    }
    b.enter(prefix, &block("mlp"), segment.count);
    let Ffn::Dense(ffn) = &segment.ffn;
    let inner = match plan.placement {
        Placement::Before | Placement::Around => b.norm("mlp_norm", x, norm, width),
        Placement::Behind => x,
    };
    let inner = dense(b, ffn, inner, width);
    let inner = match plan.placement {
        Placement::Around => b.norm("post_mlp_norm", inner, norm, width),
        Placement::Before | Placement::Behind => inner,
    };
    let y = b.sum("mlp_add", &[x, inner], width);
    match plan.placement {
        Placement::Behind => b.norm("output_norm", y, norm, width),
        Placement::Before | Placement::Around => y,
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
        ..
    } = *plan;
    let qkv = b.linear(
        x,
        &Linear {
            name: "qkv_proj",
            input: width,
            output: (q_heads + 2 * kv_heads) * head_dim,
            bias: plan.qkv_bias,
        },
    );
    let heads = |b: &Builder, n| [b.batch, b.tokens, n, head_dim];
    let (of_q, of_kv) = (heads(b, q_heads), heads(b, kv_heads));
    let mut q = b.activation("q", &of_q);
    let mut k = b.activation("k", &of_kv);
    let v = b.activation("v", &of_kv);
    let split = OpKind::Layout(View::Free);
    b.operator("split_qkv", "split", split, &[qkv], &[q, k, v]);
    if plan.qk_norm {
        [q, k] = b.head_norms([q, k], [q_heads, kv_heads], head_dim);
    }
    if plan.rotary > 0 {
        let rotated = [
            b.activation("rotary.q", &of_q),
            b.activation("rotary.k", &of_kv),
        ];
        let kind = OpKind::Elementwise(VectorWork {
            elements: b.rows() as f64 * ((q_heads + kv_heads) * plan.rotary) as f64,
            ops: ROTARY_OPS,
            special: 0.0,
        });
        b.operator("rotary", "rotary", kind, &[q, k], &rotated);
        [q, k] = rotated;
    }
    let mixed = core(b, plan, [q, k, v], past);
    b.linear(
        mixed,
        &Linear {
            name: "o_proj",
            input: q_heads * head_dim,
            output: width,
            bias: plan.output_bias,
        },
    )
}

/// Cache update and the fused products.
///
/// Keys out of every query's window are not in the operator: it reads `min(T, S + w - 1)` keys, and
/// the cache holds `min(T, w)`, of `T = past + S` tokens.
fn core(b: &mut Builder, plan: &AttentionPlan, qkv: [TensorId; 3], past: u64) -> TensorId {
    let [q, mut k, mut v] = qkv;
    let total = past + b.tokens;
    let (mask, kv_len, held, new) = match plan.sight {
        Sight::Both => (Mask::Full, b.tokens, None, b.tokens),
        Sight::Past => (Mask::Causal, total, Some(total), b.tokens),
        Sight::Window(w) => (
            Mask::Window(w),
            total.min(b.tokens + w - 1),
            Some(total.min(w)),
            b.tokens.min(w),
        ),
    };
    let mut keys = b.formats.activation;
    if let Some(held) = held {
        keys = b.formats.kv;
        let shape = [b.batch, plan.kv_heads, held, plan.head_dim];
        let cache = [
            b.tensor("k_cache", &shape, keys, Role::KvCache),
            b.tensor("v_cache", &shape, keys, Role::KvCache),
        ];
        let elements = (b.batch * new) as f64 * (plan.kv_heads * plan.head_dim) as f64;
        let kind = OpKind::KvAppend { elements };
        b.operator("kv_append", "kv_append", kind, &[k, v], &cache);
        [k, v] = cache;
    }
    let kind = OpKind::Attention(Attention {
        batch: b.batch,
        q_heads: plan.q_heads,
        kv_heads: plan.kv_heads,
        q_len: b.tokens,
        kv_len,
        qk_dim: plan.head_dim,
        v_dim: plan.head_dim,
        mask,
        dtype: b.formats.attention(keys),
    });
    let y = b.stream("attention.out", plan.q_heads * plan.head_dim);
    b.operator("attention", "attention", kind, &[q, k, v], &[y]);
    y
}

fn dense(b: &mut Builder, plan: &DensePlan, x: TensorId, width: u64) -> TensorId {
    let (name, inner) = match plan.gated {
        true => ("gate_up_proj", 2 * plan.width),
        false => ("up_proj", plan.width),
    };
    let up = Linear {
        name,
        input: width,
        output: inner,
        bias: plan.bias,
    };
    let x = b.linear(x, &up);
    // The product with the other half.
    let more = if plan.gated { 1.0 } else { 0.0 };
    let x = b.nonlinear(x, plan.activation, plan.width, more);
    let down = Linear {
        name: "down_proj",
        input: plan.width,
        output: width,
        bias: plan.bias,
    };
    b.linear(x, &down)
}
