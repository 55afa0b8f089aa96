//! Encoders, and decoders with a vision tower beside them.

use crate::diag::{Code, Problem};
use crate::workload::Dtype;

use super::family;
use super::fields::{CONTEXT_LIMIT, Fields, LAYER_LIMIT, SIZE_LIMIT};
use super::plan::{
    Activation, AttentionPlan, DensePlan, Ffn, Head, Input, Mixer, Norm, PatchInput, Placement,
    Plan, Segment, Sight, TokenInput,
};
use super::read::{self, CONTEXT, HEADS, HIDDEN, INNER, LAYERS, VOCAB};

/// Token types of BERT. Source: transformers `BertConfig`.
const BERT_TYPES: u64 = 2;

/// Classes where the file names none. Source: transformers `PretrainedConfig.num_labels`.
const LABELS: u64 = 2;

/// Color channels of an image. Source: transformers `ViTConfig.num_channels`.
const CHANNELS: u64 = 3;

/// BERT: norms behind the additions, a head that depends on `architectures`.
pub(super) fn bert(fields: &Fields<'_>) -> Option<Plan> {
    let vocab = fields.need(VOCAB, SIZE_LIMIT);
    let context = fields.need(CONTEXT, CONTEXT_LIMIT);
    let types = fields
        .count(&["type_vocab_size"], SIZE_LIMIT)
        .unwrap_or(BERT_TYPES);
    let tied = fields.flag("tie_word_embeddings").unwrap_or(true);
    let head = match architecture(fields) {
        None | Some("BertModel") => Head::Pooled { labels: None },
        Some("BertForMaskedLM") => Head::Masked { tied },
        Some("BertForSequenceClassification") => Head::Pooled {
            labels: Some(labels(fields)),
        },
        Some(other) => {
            let known = "BertModel, BertForMaskedLM, BertForSequenceClassification";
            return no_head(fields, other, known);
        }
    };
    Some(Plan {
        context: Some(context),
        ..encoder(
            fields,
            "bert",
            Placement::Behind,
            (
                Input::Tokens(TokenInput {
                    vocab,
                    positions: Some(context),
                    types: Some(types),
                    norm: true,
                }),
                head,
            ),
        )
    })
}

/// ViT: norms before, patches, classes from the class token.
pub(super) fn vit(fields: &Fields<'_>) -> Option<Plan> {
    let image = fields.need(&["image_size"], SIZE_LIMIT);
    let patch = fields.need(&["patch_size"], SIZE_LIMIT);
    let channels = fields
        .count(&["num_channels"], SIZE_LIMIT)
        .unwrap_or(CHANNELS);
    whole_patches(fields, image, patch);
    let head = match architecture(fields) {
        None | Some("ViTModel") => Head::Pooled { labels: None },
        Some("ViTForImageClassification") => Head::Classes(labels(fields)),
        Some(other) => return no_head(fields, other, "ViTModel, ViTForImageClassification"),
    };
    let input = Input::Patches(PatchInput {
        image,
        patch,
        channels,
    });
    Some(encoder(fields, "vit", Placement::Before, (input, head)))
}

/// Gemma 3 with its vision tower: a pass over text, the tower resident.
pub(super) fn with_vision(fields: &Fields<'_>) -> Option<Plan> {
    let family = family::decoder("gemma3_text")?;
    let Some(text) = fields.object("text_config") else {
        let message = "required key `text_config` is missing";
        fields.report("text_config", Problem::new(Code::MissingKey, message));
        return None;
    };
    let mut plan = read::decoder(&text, family);
    "gemma3".clone_into(&mut plan.family);
    plan.dtype = read::dtype(fields, plan.dtype);
    if let Some(vision) = fields.object("vision_config") {
        plan.idle_parameters = tower(&vision, plan.hidden);
    }
    Some(plan)
}

/// Parameters of a SigLIP tower without its pooling head, and of the projection to the text's width.
///
/// Per layer: four projections and two feed-forward matrices with biases, two layer norms.
/// Patch convolution with bias, learned positions, one norm; one norm and one matrix to the text.
///
/// Source: transformers `SiglipVisionModel`, `Gemma3MultiModalProjector`.
fn tower(fields: &Fields<'_>, text: u64) -> u64 {
    let h = u128::from(fields.need(HIDDEN, SIZE_LIMIT));
    let f = u128::from(fields.need(INNER, SIZE_LIMIT));
    let layers = u128::from(fields.need(LAYERS, LAYER_LIMIT));
    let (image, patch) = (
        fields.need(&["image_size"], SIZE_LIMIT),
        fields.need(&["patch_size"], SIZE_LIMIT),
    );
    let channels = fields
        .count(&["num_channels"], SIZE_LIMIT)
        .unwrap_or(CHANNELS);
    whole_patches(fields, image, patch);
    let (side, patch) = (u128::from(image / patch), u128::from(patch));
    let layer = 4 * (h * h + h) + 2 * h * f + f + h + 4 * h;
    let embedding = u128::from(channels) * patch * patch * h + h + side * side * h;
    let total = layers * layer + embedding + 2 * h + h * u128::from(text) + h;
    u64::try_from(total).unwrap_or_else(|_| {
        let message = "the vision tower has more than 2^64 parameters";
        fields.report(HIDDEN[0], Problem::new(Code::OutOfRange, message));
        0
    })
}

fn encoder(fields: &Fields<'_>, family: &str, placement: Placement, ends: (Input, Head)) -> Plan {
    let hidden = fields.need(HIDDEN, SIZE_LIMIT);
    let heads = fields.need(HEADS, SIZE_LIMIT);
    let bias = fields.flag("qkv_bias").unwrap_or(true);
    let attention = AttentionPlan {
        sight: Sight::Both,
        q_heads: heads,
        kv_heads: heads,
        head_dim: read::head_dim(fields, hidden, heads, None),
        qkv_bias: bias,
        output_bias: true,
        qk_norm: false,
        rotary: 0,
    };
    let dense = DensePlan {
        width: fields.need(INNER, SIZE_LIMIT),
        gated: false,
        bias: true,
        activation: match fields.has("hidden_act") {
            true => read::activation(fields),
            false => Activation::Gelu,
        },
    };
    Plan {
        family: family.to_owned(),
        dtype: read::dtype(fields, Dtype::Fp32),
        hidden,
        norm: Norm::Layer,
        placement,
        input: ends.0,
        segments: vec![Segment {
            mixer: Mixer::Attention(attention),
            ffn: Ffn::Dense(dense),
            count: fields.need(LAYERS, LAYER_LIMIT),
        }],
        head: ends.1,
        context: None,
        idle_parameters: 0,
    }
}

fn whole_patches(fields: &Fields<'_>, image: u64, patch: u64) {
    if patch > image {
        let message = format!("`patch_size` = {patch} is larger than `image_size` = {image}");
        fields.report("patch_size", Problem::new(Code::Disagreement, message));
    }
}

fn architecture<'a>(fields: &Fields<'a>) -> Option<&'a str> {
    fields.texts("architectures")?.first().copied()
}

fn labels(fields: &Fields<'_>) -> u64 {
    let named = fields.members("id2label").filter(|n| *n > 0);
    let given = fields.count(&["num_labels"], SIZE_LIMIT);
    given.or(named).unwrap_or(LABELS)
}

fn no_head(fields: &Fields<'_>, found: &str, known: &str) -> Option<Plan> {
    let message = format!("architecture `{found}` is not supported yet");
    let problem = Problem::new(Code::UnsupportedModel, message).help(format!("supported: {known}"));
    fields.report("architectures", problem);
    None
}
