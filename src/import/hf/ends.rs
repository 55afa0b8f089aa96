//! What stands before the first layer and behind the last.

use crate::workload::{ConvDim, Dtype, Einsum, OpKind, Role, TensorId, View};

use super::build::{Builder, Linear};
use super::plan::{Activation, Head, Input, Norm, PatchInput, Plan, SoundInput, TokenInput};

/// Which tokens logits are made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Every token.
    All,
    /// The last token of each sequence.
    Last,
}

/// The first residual.
pub(super) fn input(b: &mut Builder, plan: &Plan) -> TensorId {
    let block = format!("{}embedding", b.prefix);
    let prefix = b.prefix.clone();
    b.enter(&prefix, &block, 1);
    match &plan.input {
        Input::Tokens(tokens) => embed(b, plan, tokens),
        Input::Patches(patches) => cut(b, plan, patches),
        Input::Sound(sound) => listen(b, plan, sound),
        Input::Vectors => {
            let shape = [b.batch, b.tokens, plan.hidden];
            let dtype = b.formats.activation;
            b.tensor("input", &shape, dtype, Role::Input)
        }
    }
}

fn embed(b: &mut Builder, plan: &Plan, tokens: &TokenInput) -> TensorId {
    let width = tokens.narrow.map_or(plan.hidden, |n| n.width);
    let shape = [b.batch, b.tokens];
    let ids = b.tensor("input_ids", &shape, Dtype::Int64, Role::Input);
    let table = match b.table {
        Some(table) => table,
        None => b.weight("embedding.weight", &[tokens.vocab, width]),
    };
    b.table = Some(table);
    let mut parts = vec![b.lookup("embedding", table, ids, width)];
    let others = [
        (
            "position_embedding",
            "position_ids",
            tokens.positions.map(|p| p.rows),
        ),
        ("type_embedding", "token_type_ids", tokens.types),
    ];
    for (name, of, rows) in others {
        if let Some(rows) = rows {
            let ids = b.tensor(of, &shape, Dtype::Int64, Role::Input);
            let table = b.weight(&format!("{name}.weight"), &[rows, width]);
            parts.push(b.lookup(name, table, ids, width));
        }
    }
    let mut x = parts[0];
    if parts.len() > 1 {
        x = b.sum("embedding_add", &parts, width);
    }
    if tokens.norm {
        x = b.norm("embedding_norm", x, plan.norm, width);
    }
    match tokens.narrow {
        Some(narrow) => {
            let layer = Linear::new("embedding_projection", width, plan.hidden);
            b.linear(x, &layer.biased(narrow.bias))
        }
        None => x,
    }
}

/// Patch convolution, then learned tokens in front and learned positions on all.
fn cut(b: &mut Builder, plan: &Plan, patches: &PatchInput) -> TensorId {
    let PatchInput {
        image,
        patch,
        frames,
        channels,
        extra,
        ..
    } = *patches;
    let (h, side) = (plan.hidden, image / patch);
    let shape = [b.batch, channels * frames, image, image];
    let dtype = b.formats.activation;
    let pixels = b.tensor("pixel_values", &shape, dtype, Role::Input);
    let shape = [h, channels * frames, patch, patch];
    let mut inputs = vec![pixels, b.weight("patch_embedding.weight", &shape)];
    if patches.bias {
        inputs.push(b.weight("patch_embedding.bias", &[h]));
    }
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
        einsum: Einsum::conv(b.batch, 1, h, channels * frames, &[dim, dim]),
        dtype: b.formats.head_product(),
    };
    b.operator("patch_embedding", "conv", kind, &inputs, &[cells]);
    let mut parts = vec![cells];
    match extra {
        0 => {}
        1 => parts.push(b.weight("class_token", &[h])),
        _ => parts.push(b.weight("class_tokens", &[extra, h])),
    }
    if patches.positions {
        parts.push(b.weight("position_embedding.weight", &[b.tokens, h]));
    }
    let mut x = cells;
    if parts.len() > 1 {
        x = b.sum("embedding_add", &parts, h);
    }
    match patches.norm {
        true => b.norm("embedding_norm", x, plan.norm, h),
        false => x,
    }
}

/// Convolutions over time, each with its nonlinearity, then positions.
fn listen(b: &mut Builder, plan: &Plan, sound: &SoundInput) -> TensorId {
    const NAMES: [&str; 8] = [
        "conv1", "conv2", "conv3", "conv4", "conv5", "conv6", "conv7", "conv8",
    ];
    let steps: u64 = sound.convs.iter().map(|c| c.stride).product();
    let (mut length, mut channels) = (b.tokens * steps, sound.channels);
    let dtype = b.formats.activation;
    let shape = [b.batch, channels, length];
    let mut x = b.tensor("input_features", &shape, dtype, Role::Input);
    for (conv, name) in sound.convs.iter().zip(NAMES) {
        let shape = [conv.channels, channels, conv.kernel];
        let weight = b.weight(&format!("{name}.weight"), &shape);
        let bias = b.weight(&format!("{name}.bias"), &[conv.channels]);
        let output = length / conv.stride;
        let y = b.activation(&format!("{name}.out"), &[b.batch, conv.channels, output]);
        let dim = ConvDim {
            input: length,
            output,
            kernel: conv.kernel,
            stride: u32::try_from(conv.stride).unwrap_or(u32::MAX),
            dilation: 1,
        };
        let kind = OpKind::Einsum {
            einsum: Einsum::conv(b.batch, 1, conv.channels, channels, &[dim]),
            dtype: b.formats.head_product(),
        };
        b.operator(name, "conv", kind, &[x, weight, bias], &[y]);
        (length, channels) = (output, conv.channels);
        let acted = b.activation(&format!("{name}.act.out"), &[b.batch, channels, length]);
        let (source, ops, special) = Activation::Gelu.work();
        let elements = b.batch as f64 * channels as f64 * length as f64;
        let work = (elements, ops, special);
        b.elementwise(&format!("{name}.act"), source, work, &[y], &[acted]);
        x = acted;
    }
    match sound.positions {
        Some(rows) => {
            let table = b.weight("position_embedding.weight", &[rows, plan.hidden]);
            b.sum("embedding_add", &[x, table], plan.hidden)
        }
        None => x,
    }
}

/// Norm and head; what leaves the stack, and its tokens per sequence.
pub(super) fn head(b: &mut Builder, plan: &Plan, x: TensorId, wanted: Wanted) -> TensorId {
    let h = plan.hidden;
    let block = format!("{}head", b.prefix);
    let prefix = b.prefix.clone();
    b.enter(&prefix, &block, 1);
    let x = match plan.final_norm {
        true => b.norm("final_norm", x, plan.norm, h),
        false => x,
    };
    match &plan.head {
        Head::Logits { tied, capped, bias } => {
            let x = match wanted {
                Wanted::Last => b.pick("last_token", x, h),
                Wanted::All => x,
            };
            let (table, rows) = vocabulary(b, plan, *tied, h);
            let mut inputs = vec![x, table];
            if *bias {
                inputs.push(b.weight("lm_head.bias", &[rows]));
            }
            let y = b.logits(&inputs, rows, h);
            if *capped { cap(b, y, rows) } else { y }
        }
        Head::Masked { tied, bias, width } => {
            let x = b.linear(x, &Linear::new("transform", h, *width).biased(*bias));
            let x = b.nonlinear("transform_act", x, Activation::Gelu, *width, 0.0);
            let norm = match plan.norm {
                Norm::LayerWeight => Norm::LayerWeight,
                Norm::Rms | Norm::Layer | Norm::Plain => Norm::Layer,
            };
            let x = b.norm("transform_norm", x, norm, *width);
            let (table, rows) = vocabulary(b, plan, *tied, *width);
            let bias = b.weight("lm_head.bias", &[rows]);
            b.logits(&[x, table, bias], rows, *width)
        }
        Head::Pooled { labels } => {
            let x = b.pick("first_token", x, h);
            let x = b.linear(x, &Linear::new("pooler", h, h).biased(true));
            let x = b.nonlinear("pooler_act", x, Activation::Tanh, h, 0.0);
            match labels {
                Some(n) => b.linear(x, &Linear::new("classifier", h, *n).biased(true)),
                None => x,
            }
        }
        Head::Classes(n) => {
            let x = b.pick("first_token", x, h);
            b.linear(x, &Linear::new("classifier", h, *n).biased(true))
        }
        Head::Projected { width, first, bias } => {
            let x = match first {
                true => b.pick("first_token", x, h),
                false => x,
            };
            b.linear(x, &Linear::new("projection", h, *width).biased(*bias))
        }
        Head::Merged {
            merge,
            average,
            norm,
            widths,
            bias,
        } => join(b, x, h, (*merge, *average, *norm), widths, *bias),
        Head::None => x,
    }
}

/// Groups of tokens become one, then linear layers with nonlinearities between them.
fn join(
    b: &mut Builder,
    mut x: TensorId,
    mut width: u64,
    (merge, average, norm): (u64, bool, Option<Norm>),
    widths: &[u64],
    bias: bool,
) -> TensorId {
    const NAMES: [&str; 3] = ["projector.1", "projector.2", "projector.3"];
    let tokens = (b.tokens / merge).max(1);
    if average {
        b.tokens = tokens;
        let y = b.stream("merge.out", width);
        let work = (b.rows() as f64 * width as f64, merge as f64, 0.0);
        b.elementwise("merge", "average", work, &[x], &[y]);
        x = y;
    }
    if let Some(norm) = norm {
        x = b.norm("merge_norm", x, norm, width);
    }
    if !average && merge > 1 {
        b.tokens = tokens;
        width *= merge;
        let y = b.stream("merge.out", width);
        b.operator("merge", "reshape", OpKind::Layout(View::Copy), &[x], &[y]);
        x = y;
    }
    for (i, (next, name)) in widths.iter().zip(NAMES).enumerate() {
        if i > 0 {
            x = b.nonlinear(&format!("{name}.act"), x, Activation::Gelu, width, 0.0);
        }
        x = b.linear(x, &Linear::new(name, width, *next).biased(bias));
        width = *next;
    }
    x
}

/// The weight of the head and its rows; the token table itself where it is tied.
fn vocabulary(b: &mut Builder, plan: &Plan, tied: bool, width: u64) -> (TensorId, u64) {
    let rows = match &plan.input {
        Input::Tokens(tokens) => tokens.vocab,
        Input::Patches(_) | Input::Sound(_) | Input::Vectors => 1,
    };
    let weight = b.table.filter(|_| tied);
    (
        weight.unwrap_or_else(|| b.weight("lm_head.weight", &[width, rows])),
        rows,
    )
}

fn cap(b: &mut Builder, x: TensorId, vocab: u64) -> TensorId {
    let y = b.stream("logits_cap.out", vocab);
    // Scale, tangent, scale back.
    let work = (b.rows() as f64 * vocab as f64, 2.0, 1.0);
    b.elementwise("logits_cap", "tanh", work, &[x], &[y]);
    y
}
