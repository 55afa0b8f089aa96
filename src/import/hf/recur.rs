//! Recurrent layers: their projections, the short convolution, the scan and its state.

use crate::workload::{OpKind, Recurrence, Role, Scan, TensorId};

use super::build::{Builder, Linear};
use super::plan::{Norm, RecurrentPlan, ShortPlan};

/// `y: [batch, tokens, width]` of `x` of the same shape.
pub(super) fn recurrent(
    b: &mut Builder,
    plan: &RecurrentPlan,
    x: TensorId,
    width: u64,
) -> TensorId {
    let inner = plan.inner();
    let parts = match plan.rule {
        Recurrence::Selective => selective(b, plan, x, width),
        Recurrence::Dual => dual(b, plan, x, width),
        Recurrence::GatedDelta => delta(b, plan, x, width),
        Recurrence::Linear => linear(b, plan, x, width),
        Recurrence::Gated => gated(b, plan, x, width),
    };
    let mut y = scan(b, plan, parts);
    if plan.gated_norm {
        let norm_width = match plan.rule {
            // One weight for the values of a head, shared by all heads.
            Recurrence::GatedDelta => plan.width,
            Recurrence::Selective | Recurrence::Dual | Recurrence::Linear | Recurrence::Gated => {
                inner
            }
        };
        y = b.norm_of("gated_norm", y, Norm::Rms, inner, norm_width);
    }
    b.linear(y, &Linear::new("out_proj", inner, width).biased(plan.bias))
}

/// What a scan reads: tensors of the new tokens and weights.
struct Parts {
    tokens: Vec<TensorId>,
    weights: Vec<TensorId>,
}

/// Input projection, convolution, and the maps that depend on the token. Source: transformers `MambaMixer`.
fn selective(b: &mut Builder, plan: &RecurrentPlan, x: TensorId, width: u64) -> Parts {
    let (inner, n, rank) = (plan.inner(), plan.state, plan.step_rank);
    let joined = b.linear(
        x,
        &Linear::new("in_proj", width, 2 * inner).biased(plan.bias),
    );
    let [u, gate] = b.split("split_in", joined, [inner, inner]);
    let u = convolution(b, &Taps::of(plan), u);
    let maps = b.linear(u, &Linear::new("x_proj", inner, rank + 2 * n));
    let [step, maps] = b.split("split_maps", maps, [rank, 2 * n]);
    let [step, maps] = match plan.inner_norms {
        true => [
            b.norm("dt_norm", step, Norm::Rms, rank),
            b.norm("bc_norm", maps, Norm::Rms, 2 * n),
        ],
        false => [step, maps],
    };
    let step = b.linear(step, &Linear::new("dt_proj", rank, inner).biased(true));
    let decay = b.weight("A_log", &[inner, n]);
    let skip = b.weight("D", &[inner]);
    Parts {
        tokens: vec![u, step, maps, gate],
        weights: vec![decay, skip],
    }
}

/// One projection for values, gate, maps and step sizes. Source: transformers `Mamba2Mixer`.
fn dual(b: &mut Builder, plan: &RecurrentPlan, x: TensorId, width: u64) -> Parts {
    let (inner, heads, channels) = (plan.inner(), plan.heads, plan.conv_channels());
    let all = inner + channels + heads;
    let joined = b.linear(x, &Linear::new("in_proj", width, all).biased(plan.bias));
    let [gate, mixed, step] = b.split("split_in", joined, [inner, channels, heads]);
    let mixed = convolution(b, &Taps::of(plan), mixed);
    let weights = ["dt_bias", "A_log", "D"].map(|name| b.weight(name, &[heads]));
    Parts {
        tokens: vec![mixed, step, gate],
        weights: weights.to_vec(),
    }
}

/// Queries, keys, values and gate; decay and strength of each head. Source: transformers
/// `Qwen3NextGatedDeltaNet`.
fn delta(b: &mut Builder, plan: &RecurrentPlan, x: TensorId, width: u64) -> Parts {
    let (inner, heads, channels) = (plan.inner(), plan.heads, plan.conv_channels());
    let joined = b.linear(
        x,
        &Linear::new("in_proj", width, channels + inner).biased(plan.bias),
    );
    let [mixed, gate] = b.split("split_in", joined, [channels, inner]);
    let rates = b.linear(x, &Linear::new("rates_proj", width, 2 * heads));
    let mixed = convolution(b, &Taps::of(plan), mixed);
    let weights = ["dt_bias", "A_log"].map(|name| b.weight(name, &[heads]));
    Parts {
        tokens: vec![mixed, rates, gate],
        weights: weights.to_vec(),
    }
}

/// Queries, keys, values; a gate of the result. Source: transformers `MiniMaxLightningAttention`.
fn linear(b: &mut Builder, plan: &RecurrentPlan, x: TensorId, width: u64) -> Parts {
    let inner = plan.inner();
    let joined = b.linear(
        x,
        &Linear::new("qkv_proj", width, 3 * inner).biased(plan.bias),
    );
    let gate = b.linear(
        x,
        &Linear::new("output_gate", width, inner).biased(plan.bias),
    );
    Parts {
        tokens: vec![joined, gate],
        weights: Vec::new(),
    }
}

/// Two branches, one through convolution and recurrence with gates of their own that are block-diagonal over
/// `groups`. Source: transformers `RecurrentGemmaRecurrentBlock`.
fn gated(b: &mut Builder, plan: &RecurrentPlan, x: TensorId, width: u64) -> Parts {
    let inner = plan.inner();
    let joined = b.linear(
        x,
        &Linear::new("in_proj", width, 2 * inner).biased(plan.bias),
    );
    let [u, gate] = b.split("split_in", joined, [inner, inner]);
    let u = convolution(b, &Taps::of(plan), u);
    let (blocks, each) = (plan.groups, inner / plan.groups.max(1));
    let gates = b.block_linear("gates", u, blocks, each, 2 * each);
    let decay = b.weight("recurrent_param", &[inner]);
    Parts {
        tokens: vec![u, gates, gate],
        weights: vec![decay],
    }
}

/// A short convolution between two projections, its input and its result gated.
///
/// Source: transformers `Lfm2ShortConv`.
pub(super) fn short(b: &mut Builder, plan: ShortPlan, x: TensorId, width: u64) -> TensorId {
    let joined = b.linear(
        x,
        &Linear::new("in_proj", width, 3 * width).biased(plan.bias),
    );
    let [before, behind, u] = b.split("split_in", joined, [width, width, width]);
    let elements = b.rows() as f64 * width as f64;
    let gated = b.stream("gate_in.out", width);
    b.elementwise(
        "gate_in",
        "mul",
        (elements, 1.0, 0.0),
        &[u, before],
        &[gated],
    );
    let taps = Taps {
        channels: width,
        taps: plan.taps,
        bias: plan.bias,
        ops: 0.0,
        special: 0.0,
    };
    let mixed = convolution(b, &taps, gated);
    let y = b.stream("gate_out.out", width);
    b.elementwise(
        "gate_out",
        "mul",
        (elements, 1.0, 0.0),
        &[mixed, behind],
        &[y],
    );
    b.linear(y, &Linear::new("out_proj", width, width).biased(plan.bias))
}

/// A convolution over time and the work of the nonlinearity behind it.
struct Taps {
    channels: u64,
    taps: u64,
    bias: bool,
    ops: f64,
    special: f64,
}

impl Taps {
    /// With SiLU behind it.
    fn of(plan: &RecurrentPlan) -> Self {
        Self {
            channels: plan.conv_channels(),
            taps: plan.conv,
            bias: plan.conv_bias,
            ops: 3.0,
            special: 1.0,
        }
    }
}

/// Causal convolution of each channel over the last few tokens; the last tokens are state.
fn convolution(b: &mut Builder, plan: &Taps, x: TensorId) -> TensorId {
    if plan.taps == 0 {
        return x;
    }
    let mut inputs = vec![x, b.weight("conv.weight", &[plan.channels, plan.taps])];
    if plan.bias {
        inputs.push(b.weight("conv.bias", &[plan.channels]));
    }
    let dtype = b.formats.activation;
    let shape = [b.batch, plan.channels, plan.taps];
    let state = b.tensor("conv_state", &shape, dtype, Role::State);
    inputs.push(state);
    let y = b.stream("conv.out", plan.channels);
    // A multiplication and an addition for each tap.
    let elements = b.rows() as f64 * plan.channels as f64;
    let work = (elements, 2.0 * plan.taps as f64 + plan.ops, plan.special);
    b.elementwise("conv", "causal_conv", work, &inputs, &[y, state]);
    y
}

fn scan(b: &mut Builder, plan: &RecurrentPlan, parts: Parts) -> TensorId {
    let kind = Scan {
        recurrence: plan.rule,
        batch: b.batch,
        tokens: b.tokens,
        heads: plan.heads,
        width: plan.width,
        state: plan.state,
        groups: plan.groups.max(1),
        chunk: plan.chunk.max(1),
        dtype: b.formats.activation,
    };
    let state = [b.batch, plan.inner(), plan.state];
    let state = b.tensor("state", &state, Scan::STATE, Role::State);
    let y = b.stream("scan.out", plan.inner());
    let mut inputs = parts.tokens;
    inputs.extend(parts.weights);
    inputs.push(state);
    b.operator("scan", "scan", OpKind::Scan(kind), &inputs, &[y, state]);
    y
}
