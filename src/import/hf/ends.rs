//! What stands before the first layer and behind the last.

use crate::workload::{ConvDim, Dtype, Einsum, OpKind, Role, TensorId, VectorWork};

use super::build::{Builder, Linear};
use super::plan::{Activation, Head, Input, Norm, PatchInput, Placement, Plan, TokenInput};

/// Which tokens logits are made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Every token.
    All,
    /// The last token of each sequence.
    Last,
}

/// The first residual, and the token table if there is one.
pub(super) fn input(b: &mut Builder, plan: &Plan) -> (TensorId, Option<TensorId>) {
    b.enter("", "embedding", 1);
    match &plan.input {
        Input::Tokens(tokens) => {
            let (x, table) = embed(b, plan, tokens);
            (x, Some(table))
        }
        Input::Patches(patches) => (cut(b, plan, patches), None),
    }
}

fn embed(b: &mut Builder, plan: &Plan, tokens: &TokenInput) -> (TensorId, TensorId) {
    let h = plan.hidden;
    let shape = [b.batch, b.tokens];
    let ids = b.tensor("input_ids", &shape, Dtype::Int64, Role::Input);
    let table = b.weight("embedding.weight", &[tokens.vocab, h]);
    let mut parts = vec![b.lookup("embedding", table, ids, h)];
    let others = [
        ("position_embedding", "position_ids", tokens.positions),
        ("type_embedding", "token_type_ids", tokens.types),
    ];
    for (name, of, rows) in others {
        if let Some(rows) = rows {
            let ids = b.tensor(of, &shape, Dtype::Int64, Role::Input);
            let table = b.weight(&format!("{name}.weight"), &[rows, h]);
            parts.push(b.lookup(name, table, ids, h));
        }
    }
    let mut x = parts[0];
    if parts.len() > 1 {
        x = b.sum("embedding_add", &parts, h);
    }
    if tokens.norm {
        x = b.norm("embedding_norm", x, plan.norm, h);
    }
    (x, table)
}

/// Patch convolution, then the class token in front and learned positions on all.
fn cut(b: &mut Builder, plan: &Plan, patches: &PatchInput) -> TensorId {
    let PatchInput {
        image,
        patch,
        channels,
    } = *patches;
    let (h, side) = (plan.hidden, image / patch);
    let shape = [b.batch, channels, image, image];
    let dtype = b.formats.activation;
    let pixels = b.tensor("pixel_values", &shape, dtype, Role::Input);
    let shape = [h, channels, patch, patch];
    let weight = b.weight("patch_embedding.weight", &shape);
    let bias = b.weight("patch_embedding.bias", &[h]);
    let cells = b.activation("patch_embedding.out", &[b.batch, h, side, side]);
    let dim = ConvDim {
        input: image,
        output: side,
        kernel: patch,
        // A patch is at most SIZE_LIMIT wide.
        stride: u32::try_from(patch).unwrap_or(u32::MAX),
        dilation: 1,
    };
    let kind = OpKind::Einsum {
        einsum: Einsum::conv(b.batch, 1, h, channels, &[dim, dim]),
        dtype: b.formats.head_product(),
    };
    b.operator(
        "patch_embedding",
        "conv",
        kind,
        &[pixels, weight, bias],
        &[cells],
    );
    let class = b.weight("class_token", &[h]);
    let positions = b.weight("position_embedding.weight", &[b.tokens, h]);
    b.sum("embedding_add", &[cells, class, positions], h)
}

/// Norm and head; the result is the output of the graph.
pub(super) fn head(
    b: &mut Builder,
    plan: &Plan,
    x: TensorId,
    table: Option<TensorId>,
    wanted: Wanted,
) {
    let h = plan.hidden;
    b.enter("", "head", 1);
    let x = match plan.placement {
        Placement::Before | Placement::Around => b.norm("final_norm", x, plan.norm, h),
        Placement::Behind => x,
    };
    let y = match plan.head {
        Head::Logits { tied, capped } => {
            let x = match wanted {
                Wanted::Last => b.pick("last_token", x, h),
                Wanted::All => x,
            };
            let table = vocabulary(b, plan, table.filter(|_| tied));
            let y = b.logits(&[x, table.0], table.1, h);
            if capped { cap(b, y, table.1) } else { y }
        }
        Head::Masked { tied } => {
            let x = project(b, "transform", x, h, h);
            let x = b.nonlinear(x, Activation::Gelu, h, 0.0);
            let x = b.norm("transform_norm", x, Norm::Layer, h);
            let table = vocabulary(b, plan, table.filter(|_| tied));
            let bias = b.weight("lm_head.bias", &[table.1]);
            b.logits(&[x, table.0, bias], table.1, h)
        }
        Head::Pooled { labels } => {
            let x = b.pick("first_token", x, h);
            let x = project(b, "pooler", x, h, h);
            let x = b.nonlinear(x, Activation::Tanh, h, 0.0);
            labels.map_or(x, |n| project(b, "classifier", x, h, n))
        }
        Head::Classes(n) => {
            let x = b.pick("first_token", x, h);
            project(b, "classifier", x, h, n)
        }
    };
    b.output(y);
    if plan.idle_parameters > 0 {
        b.enter("", "vision", 1);
        b.resident("vision_tower", plan.idle_parameters);
    }
}

/// The weight of the head and its rows; the token table itself where it is tied.
fn vocabulary(b: &mut Builder, plan: &Plan, tied: Option<TensorId>) -> (TensorId, u64) {
    let rows = match &plan.input {
        Input::Tokens(tokens) => tokens.vocab,
        Input::Patches(_) => 1,
    };
    let weight = tied.unwrap_or_else(|| b.weight("lm_head.weight", &[plan.hidden, rows]));
    (weight, rows)
}

fn project(b: &mut Builder, name: &'static str, x: TensorId, input: u64, output: u64) -> TensorId {
    let layer = Linear {
        name,
        input,
        output,
        bias: true,
    };
    b.linear(x, &layer)
}

fn cap(b: &mut Builder, x: TensorId, vocab: u64) -> TensorId {
    let y = b.stream("logits_cap.out", vocab);
    // Scale, tangent, scale back.
    let kind = OpKind::Elementwise(VectorWork {
        elements: b.rows() as f64 * vocab as f64,
        ops: 2.0,
        special: 1.0,
    });
    b.operator("logits_cap", "tanh", kind, &[x], &[y]);
    y
}
