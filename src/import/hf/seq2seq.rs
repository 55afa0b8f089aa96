//! Encoders with a decoder that looks at their result: translation, summaries, speech.
//!
//! Source: the modeling classes of transformers 5.24 for each `model_type`.

use crate::workload::Dtype;

use super::encoder::push;
use super::fields::{CONTEXT_LIMIT, Fields, LAYER_LIMIT, SIZE_LIMIT};
use super::plan::{
    Activation, AttentionPlan, DensePlan, Extent, Ffn, Head, HeadNorm, Input, LayerPlan, Mixer,
    Norm, Placement, Plan, Positions, Segment, Sight, SoundConv, SoundInput, SourcePlan,
    TokenInput,
};
use super::read::{self, HIDDEN, VOCAB};

/// Every `model_type` of this kind.
pub(super) const FAMILIES: &[&str] = &["bart", "mbart", "mt5", "t5", "umt5", "whisper"];

/// Source tokens unless the user binds `source`.
const SOURCE: u64 = 512;

/// Rows of positions in front of the first token. Source: transformers `BartLearnedPositionalEmbedding`.
const BART_OFFSET: u64 = 2;

/// Buckets of relative positions. Source: transformers `T5Config.relative_attention_num_buckets`.
const BUCKETS: u64 = 32;

/// The plan of the decoder, with its encoder as a source.
pub(super) fn plan(fields: &Fields<'_>, name: &str) -> Option<Plan> {
    Some(match name {
        "whisper" => whisper(fields),
        "bart" | "mbart" => bart(fields, name),
        _ => t5(fields, name),
    })
}

/// One half: the names of its sizes.
struct Half {
    layers: &'static [&'static str],
    heads: &'static [&'static str],
    inner: &'static [&'static str],
}

const ENCODER: Half = Half {
    layers: &["encoder_layers"],
    heads: &["encoder_attention_heads"],
    inner: &["encoder_ffn_dim"],
};

const DECODER: Half = Half {
    layers: &["decoder_layers"],
    heads: &["decoder_attention_heads"],
    inner: &["decoder_ffn_dim"],
};

fn attention(heads: u64, dim: u64, sight: Sight, bias: [bool; 4]) -> AttentionPlan {
    let [q, k, v, o] = bias;
    AttentionPlan {
        sight,
        q_heads: heads,
        kv_heads: heads,
        head_dim: dim,
        v_dim: dim,
        bias: [q, k, v],
        output_bias: o,
        norm: HeadNorm::None,
        rotary: 0,
        sinks: false,
        gate: false,
        relative: None,
        sub_norm: false,
    }
}

/// Layers with layer norms and biases.
fn classic(
    fields: &Fields<'_>,
    half: &Half,
    hidden: u64,
    kind: (Sight, Placement, [bool; 4]),
) -> Segment {
    let (sight, placement, bias) = kind;
    let heads = fields.need(half.heads, SIZE_LIMIT);
    let dim = read::head_dim(fields, hidden, heads, None);
    let seen = |sight| attention(heads, dim, sight, bias);
    let layer = LayerPlan {
        placement,
        mixer: Some(Mixer::Attention(seen(sight))),
        cross: (sight == Sight::Past).then(|| seen(Sight::Both)),
        ffn: Some(Ffn::Dense(DensePlan {
            width: fields.need(half.inner, SIZE_LIMIT),
            gated: false,
            bias: true,
            activation: read::activation(fields, Activation::Gelu),
        })),
        scales: false,
        bare: false,
    };
    Segment {
        layer,
        count: fields.need(half.layers, LAYER_LIMIT),
        shared: false,
    }
}

/// A stack that is not finished: no input, no head.
fn stack(
    fields: &Fields<'_>,
    name: &str,
    hidden: u64,
    segments: Vec<Segment>,
    default: Dtype,
) -> Plan {
    Plan {
        family: name.to_owned(),
        dtype: read::dtype(fields, default),
        stored: None,
        hidden,
        norm: Norm::Layer,
        input: Input::Vectors,
        segments,
        final_norm: false,
        head: Head::None,
        context: None,
        sources: Vec::new(),
        idle: Vec::new(),
    }
}

fn logits(tied: bool) -> Head {
    Head::Logits {
        tied,
        capped: false,
        bias: false,
    }
}

fn whisper(fields: &Fields<'_>) -> Plan {
    // Keys have no bias.
    let bias = [true, false, true, true];
    let hidden = fields.need(HIDDEN, SIZE_LIMIT);
    let mels = fields.need(&["num_mel_bins"], SIZE_LIMIT);
    let frames = fields.need(&["max_source_positions"], CONTEXT_LIMIT);
    let context = fields.need(&["max_target_positions"], CONTEXT_LIMIT);
    let segments = vec![classic(
        fields,
        &ENCODER,
        hidden,
        (Sight::Both, Placement::Before, bias),
    )];
    let conv = |stride| SoundConv {
        channels: hidden,
        kernel: 3,
        stride,
    };
    let encoder = Plan {
        input: Input::Sound(SoundInput {
            channels: mels,
            convs: vec![conv(1), conv(2)],
            positions: Some(frames),
        }),
        final_norm: true,
        ..stack(fields, "whisper", hidden, segments, Dtype::Fp16)
    };
    let segments = vec![classic(
        fields,
        &DECODER,
        hidden,
        (Sight::Past, Placement::Before, bias),
    )];
    Plan {
        input: Input::Tokens(TokenInput {
            vocab: fields.need(VOCAB, SIZE_LIMIT),
            narrow: None,
            positions: Some(Positions {
                rows: context,
                usable: context,
            }),
            types: None,
            norm: false,
            shared: false,
        }),
        final_norm: true,
        head: logits(fields.flag("tie_word_embeddings").unwrap_or(true)),
        context: Some(context),
        sources: vec![SourcePlan {
            name: "encoder",
            plan: encoder,
            tokens: Extent::Fixed(frames),
            always: true,
        }],
        ..stack(fields, "whisper", hidden, segments, Dtype::Fp16)
    }
}

fn bart(fields: &Fields<'_>, name: &str) -> Plan {
    let hidden = fields.need(HIDDEN, SIZE_LIMIT);
    let vocab = fields.need(VOCAB, SIZE_LIMIT);
    let context = fields.need(&["max_position_embeddings"], CONTEXT_LIMIT);
    let (placement, final_norm) = match name {
        "mbart" => (Placement::Before, true),
        _ => (Placement::Behind, false),
    };
    let half = |half: &Half, sight, shared| Plan {
        input: Input::Tokens(TokenInput {
            vocab,
            narrow: None,
            positions: Some(Positions {
                rows: context + BART_OFFSET,
                usable: context,
            }),
            types: None,
            norm: true,
            shared,
        }),
        final_norm,
        ..stack(
            fields,
            name,
            hidden,
            vec![classic(fields, half, hidden, (sight, placement, [true; 4]))],
            Dtype::Fp32,
        )
    };
    let encoder = half(&ENCODER, Sight::Both, true);
    Plan {
        head: logits(fields.flag("tie_word_embeddings").unwrap_or(true)),
        context: Some(context),
        sources: vec![SourcePlan {
            name: "encoder",
            plan: encoder,
            tokens: Extent::Open(SOURCE.min(context)),
            always: true,
        }],
        ..half(&DECODER, Sight::Past, false)
    }
}

fn t5(fields: &Fields<'_>, name: &str) -> Plan {
    let hidden = fields.need(HIDDEN, SIZE_LIMIT);
    let vocab = fields.need(VOCAB, SIZE_LIMIT);
    let heads = fields.need(&["num_heads"], SIZE_LIMIT);
    let dim = fields.need(&["d_kv"], SIZE_LIMIT);
    let inner = fields.need(&["d_ff"], SIZE_LIMIT);
    let buckets = fields.count(&["relative_attention_num_buckets"], SIZE_LIMIT);
    let buckets = buckets.unwrap_or(BUCKETS);
    let text = fields.text(&["feed_forward_proj"]).unwrap_or("relu");
    let dense = DensePlan {
        width: inner,
        gated: text.starts_with("gated"),
        bias: false,
        activation: match text.contains("gelu") {
            true => Activation::Gelu,
            false => Activation::Relu,
        },
    };
    let layers = fields.need(&["num_layers"], LAYER_LIMIT);
    let decoder_layers = fields
        .count(&["num_decoder_layers"], LAYER_LIMIT)
        .unwrap_or(layers);
    // All layers of umT5 have a table of relative positions, else the first alone.
    let everywhere = name == "umt5";
    let half = |count: u64, sight: Sight, shared| {
        let mut segments = Vec::new();
        for i in 0..count {
            let plain = |sight| attention(heads, dim, sight, [false; 4]);
            let layer = LayerPlan {
                placement: Placement::Before,
                mixer: Some(Mixer::Attention(AttentionPlan {
                    relative: (everywhere || i == 0).then_some(buckets),
                    ..plain(sight)
                })),
                cross: (sight == Sight::Past).then(|| plain(Sight::Both)),
                ffn: Some(Ffn::Dense(dense.clone())),
                scales: false,
                bare: false,
            };
            push(&mut segments, layer);
        }
        Plan {
            norm: Norm::Rms,
            input: Input::Tokens(TokenInput {
                vocab,
                narrow: None,
                positions: None,
                types: None,
                norm: false,
                shared,
            }),
            final_norm: true,
            ..stack(fields, name, hidden, segments, Dtype::Fp32)
        }
    };
    let encoder = half(layers, Sight::Both, true);
    // Newer forms are not tied. Source: the configurations of T5 v1.1, mT5 and Flan-T5.
    let tied = fields.flag("tie_word_embeddings").unwrap_or(name == "t5");
    Plan {
        head: logits(tied),
        sources: vec![SourcePlan {
            name: "encoder",
            plan: encoder,
            tokens: Extent::Open(SOURCE),
            always: true,
        }],
        ..half(decoder_layers, Sight::Past, false)
    }
}
