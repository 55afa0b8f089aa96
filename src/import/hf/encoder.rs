//! Encoders of text and of images.

use crate::diag::{Code, Problem};
use crate::workload::Dtype;

use super::fields::{CONTEXT_LIMIT, Fields, LAYER_LIMIT, SIZE_LIMIT};
use super::plan::{
    Activation, AttentionPlan, DensePlan, Ffn, Head, HeadNorm, Input, LayerPlan, Mixer, Narrow,
    Norm, PatchInput, Placement, Plan, Positions, Segment, Sight, TokenInput,
};
use super::read::{self, CONTEXT, HEADS, HIDDEN, INNER, LAYERS, VOCAB};

/// Every `model_type` of an encoder.
pub(super) const FAMILIES: &[&str] = &[
    "albert",
    "bert",
    "camembert",
    "deit",
    "dinov2",
    "distilbert",
    "electra",
    "modernbert",
    "roberta",
    "vit",
    "xlm-roberta",
];

/// Token types of BERT. Source: transformers `BertConfig`.
const BERT_TYPES: u64 = 2;

/// Classes where the file names none. Source: transformers `PretrainedConfig.num_labels`.
const LABELS: u64 = 2;

/// Color channels of an image. Source: transformers `ViTConfig.num_channels`.
const CHANNELS: u64 = 3;

/// The plan of an encoder.
pub(super) fn plan(fields: &Fields<'_>, name: &str) -> Option<Plan> {
    match name {
        "vit" | "deit" | "dinov2" => images(fields, name),
        "modernbert" => modern(fields),
        _ => text(fields, name),
    }
}

/// BERT and its descendants: norms behind the additions, a head that depends on `architectures`.
fn text(fields: &Fields<'_>, name: &str) -> Option<Plan> {
    let vocab = fields.need(VOCAB, SIZE_LIMIT);
    let context = fields.need(CONTEXT, CONTEXT_LIMIT);
    // Positions of RoBERTa begin behind its padding token, 1.
    let behind = match name {
        "roberta" | "xlm-roberta" | "camembert" => 2,
        _ => 0,
    };
    let types = match name {
        "distilbert" => None,
        _ => Some(
            fields
                .count(&["type_vocab_size"], SIZE_LIMIT)
                .unwrap_or(BERT_TYPES),
        ),
    };
    let mut plan = encoder(fields, name, Placement::Behind, Activation::Gelu);
    let narrow = fields.count(&["embedding_size"], SIZE_LIMIT);
    let narrow = narrow
        .filter(|n| *n != plan.hidden)
        .map(|width| Narrow { width, bias: true });
    plan.input = Input::Tokens(TokenInput {
        vocab,
        narrow,
        positions: Some(Positions {
            rows: context,
            usable: context.saturating_sub(behind).max(1),
        }),
        types,
        norm: true,
        shared: false,
    });
    plan.context = Some(context.saturating_sub(behind).max(1));
    plan.segments
        .iter_mut()
        .for_each(|s| s.shared = name == "albert");
    plan.head = text_head(fields, name, narrow.map_or(plan.hidden, |n| n.width))?;
    Some(plan)
}

fn text_head(fields: &Fields<'_>, name: &str, width: u64) -> Option<Head> {
    let tied = fields.flag("tie_word_embeddings").unwrap_or(true);
    let pooled = !matches!(name, "distilbert" | "electra");
    let class = architecture(fields).map(|a| a.find("For").map_or("Model", |i| &a[i..]));
    Some(match class {
        None | Some("Model") if pooled => Head::Pooled { labels: None },
        None | Some("Model") => Head::None,
        Some("ForMaskedLM") => Head::Masked {
            tied,
            bias: true,
            width,
        },
        Some("ForSequenceClassification") => Head::Pooled {
            labels: Some(labels(fields)),
        },
        Some("ForPreTraining") if name == "electra" => Head::Pooled { labels: Some(1) },
        Some("ForTokenClassification") => Head::Projected {
            width: labels(fields),
            first: false,
            bias: true,
        },
        Some("ForQuestionAnswering") => Head::Projected {
            width: 2,
            first: false,
            bias: true,
        },
        Some(_) => {
            let known = "Model, ForMaskedLM, ForSequenceClassification, ForTokenClassification, \
                         ForQuestionAnswering";
            return no_head(fields, architecture(fields).unwrap_or_default(), known);
        }
    })
}

/// ModernBERT: norms without bias before each part, a gate, rotary positions, windows but for each third layer.
///
/// Source: transformers `ModernBertModel`.
fn modern(fields: &Fields<'_>) -> Option<Plan> {
    let mut plan = encoder(fields, "modernbert", Placement::Before, Activation::Gelu);
    let bias = |name: &'static str| fields.flag(name).unwrap_or(false);
    let context = fields.need(CONTEXT, CONTEXT_LIMIT);
    let window = fields
        .count(&["local_attention"], CONTEXT_LIMIT)
        .unwrap_or(128);
    let every = fields
        .count(&["global_attn_every_n_layers"], LAYER_LIMIT)
        .unwrap_or(3);
    let layers: u64 = plan.segments.iter().map(|s| s.count).sum();
    let base = plan.segments.first()?.layer.clone();
    let layer = |i: u64| {
        let mut layer = base.clone();
        if let Some(Mixer::Attention(a)) = &mut layer.mixer {
            let has = bias("attention_bias");
            a.bias = [has; 3];
            a.output_bias = has;
            a.rotary = a.head_dim;
            a.sight = match i.is_multiple_of(every) {
                true => Sight::Both,
                false => Sight::Near(window),
            };
        }
        if let Some(Ffn::Dense(d)) = &mut layer.ffn {
            d.gated = true;
            d.bias = bias("mlp_bias");
        }
        layer.bare = i == 0;
        layer
    };
    plan.segments.clear();
    for layer in (0..layers).map(layer) {
        push(&mut plan.segments, layer);
    }
    plan.norm = match bias("norm_bias") {
        true => Norm::Layer,
        false => Norm::LayerWeight,
    };
    plan.input = Input::Tokens(TokenInput {
        vocab: fields.need(VOCAB, SIZE_LIMIT),
        narrow: None,
        positions: None,
        types: None,
        norm: true,
        shared: false,
    });
    plan.final_norm = true;
    plan.context = Some(context);
    plan.head = match architecture(fields) {
        None | Some("ModernBertModel") => Head::None,
        Some("ModernBertForMaskedLM") => Head::Masked {
            tied: fields.flag("tie_word_embeddings").unwrap_or(true),
            bias: bias("classifier_bias"),
            width: plan.hidden,
        },
        Some(other) => return no_head(fields, other, "ModernBertModel, ModernBertForMaskedLM"),
    };
    Some(plan)
}

/// Adds a layer to the segment of its kind.
pub(super) fn push(segments: &mut Vec<Segment>, layer: LayerPlan) {
    match segments.iter_mut().find(|s| s.layer == layer) {
        Some(segment) => segment.count += 1,
        None => segments.push(Segment {
            layer,
            count: 1,
            shared: false,
        }),
    }
}

/// ViT and its descendants: norms before, patches, classes from the class token.
fn images(fields: &Fields<'_>, name: &str) -> Option<Plan> {
    let mut plan = encoder(fields, name, Placement::Before, Activation::Gelu);
    let mut patches = patches(fields, None);
    patches.extra = if name == "deit" { 2 } else { 1 };
    plan.input = Input::Patches(patches);
    plan.final_norm = true;
    if name == "dinov2" {
        plan.segments.iter_mut().for_each(|s| s.layer.scales = true);
        if fields.flag("use_mask_token") != Some(false) {
            plan.idle.push(("mask_token", plan.hidden));
        }
    }
    let class = architecture(fields).map(|a| a.find("For").map_or("Model", |i| &a[i..]));
    plan.head = match (class, name) {
        (None | Some("Model"), "dinov2") => Head::None,
        (None | Some("Model"), _) => Head::Pooled { labels: None },
        (Some("ForImageClassification"), "vit" | "deit") => Head::Classes(labels(fields)),
        (Some(_), _) => {
            let known = "the bare model, and ForImageClassification of vit and deit";
            return no_head(fields, architecture(fields).unwrap_or_default(), known);
        }
    };
    Some(plan)
}

/// The patch embedding of an image encoder; `side` is the image where the file gives none.
pub(super) fn patches(fields: &Fields<'_>, side: Option<u64>) -> PatchInput {
    let image = match side {
        Some(side) => fields.side(&["image_size"], SIZE_LIMIT).unwrap_or(side),
        None => fields.need_side(&["image_size"], SIZE_LIMIT),
    };
    let patch = fields.need_side(&["patch_size"], SIZE_LIMIT);
    let channels = fields.count(&["num_channels", "in_channels", "in_chans"], SIZE_LIMIT);
    if patch > image {
        let message = format!("`patch_size` = {patch} is larger than `image_size` = {image}");
        fields.report("patch_size", Problem::new(Code::Disagreement, message));
    }
    PatchInput {
        image: image.max(patch),
        patch,
        frames: 1,
        channels: channels.unwrap_or(CHANNELS),
        extra: 1,
        positions: true,
        bias: true,
        norm: false,
    }
}

/// Layers of one kind that see all tokens; input and head are set by the family.
pub(super) fn encoder(
    fields: &Fields<'_>,
    family: &str,
    placement: Placement,
    default: Activation,
) -> Plan {
    let hidden = fields.need(HIDDEN, SIZE_LIMIT);
    let heads = fields.need(HEADS, SIZE_LIMIT);
    let bias = fields.flag("qkv_bias").unwrap_or(true);
    let head_dim = read::head_dim(fields, hidden, heads, None);
    let attention = AttentionPlan {
        sight: Sight::Both,
        q_heads: heads,
        kv_heads: heads,
        head_dim,
        v_dim: head_dim,
        bias: [bias; 3],
        output_bias: true,
        norm: HeadNorm::None,
        rotary: 0,
        sinks: false,
        gate: false,
        relative: None,
        sub_norm: false,
    };
    let width = match fields.name_of(INNER) {
        // A ratio of the width: 4 where it is not given. Source: transformers `Dinov2Config.mlp_ratio`.
        None if fields.has("mlp_ratio") => hidden * fields.count(&["mlp_ratio"], 64).unwrap_or(4),
        _ => fields.need(INNER, SIZE_LIMIT),
    };
    let dense = DensePlan {
        width,
        gated: false,
        bias: true,
        activation: read::activation(fields, default),
    };
    let layer = LayerPlan {
        placement,
        mixer: Some(Mixer::Attention(attention)),
        cross: None,
        ffn: Some(Ffn::Dense(dense)),
        scales: false,
        bare: false,
    };
    Plan {
        family: family.to_owned(),
        dtype: read::dtype(fields, Dtype::Fp32),
        stored: None,
        hidden,
        norm: Norm::Layer,
        input: Input::Vectors,
        segments: vec![Segment {
            layer,
            count: fields.need(LAYERS, LAYER_LIMIT),
            shared: false,
        }],
        final_norm: false,
        head: Head::None,
        context: None,
        sources: Vec::new(),
        idle: Vec::new(),
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

fn no_head<T>(fields: &Fields<'_>, found: &str, known: &str) -> Option<T> {
    let message = format!("architecture `{found}` is not supported yet");
    let problem = Problem::new(Code::UnsupportedModel, message).help(format!("supported: {known}"));
    fields.report("architectures", problem);
    None
}
