//! Decoders with towers beside them: images become tokens of the text. Pairs of encoders.
//!
//! Source: the modeling classes of transformers 5.24 for each `model_type`.

use crate::diag::{Code, Problem};

use super::encoder::{encoder, patches};
use super::fields::{Fields, SIZE_LIMIT};
use super::plan::{
    Activation, Extent, Ffn, Head, Input, Mixer, Norm, Placement, Plan, Positions, SourcePlan,
    TokenInput,
};
use super::read::{self, VOCAB};

/// The part of a file that describes the text.
const TEXT: &[&str] = &["text_config", "llm_config", "language_config"];

/// Side of an image of a tower that takes any size. Source: estimate: 448 pixels, a common setting.
const ANY_SIDE: u64 = 448;

/// Text families of outer families whose inner part does not name one.
const TEXTS: &[(&str, &str)] = &[
    ("llava", "llama"),
    ("llava_next", "llama"),
    ("paligemma", "gemma"),
    ("mistral3", "mistral"),
];

/// True if the file describes several models.
pub(super) fn is_nested(fields: &Fields<'_>) -> bool {
    fields.name_of(TEXT).is_some() || fields.has("vision_config")
}

/// The plan of the text part, with its towers as sources.
pub(super) fn plan(fields: &Fields<'_>, name: &str) -> Option<Plan> {
    if name == "clip" {
        return clip(fields);
    }
    let nested = match fields.name_of(TEXT) {
        Some(part) => Some(fields.object(part)?),
        None => None,
    };
    let text = nested.as_ref().unwrap_or(fields);
    let inner = nested.as_ref().and_then(|t| t.text(&["model_type"]));
    let by_outer = TEXTS.iter().find(|(outer, _)| *outer == name).map(|t| t.1);
    let family = read::family(text, inner.or(by_outer).unwrap_or(name))?;
    let mut plan = read::decoder(text, family);
    name.clone_into(&mut plan.family);
    plan.dtype = read::dtype(fields, plan.dtype);
    if let (Head::Logits { tied, .. }, Some(outer)) =
        (&mut plan.head, fields.flag("tie_word_embeddings"))
    {
        // Where both say something, the inner part is what is built.
        if nested
            .as_ref()
            .is_none_or(|t| !t.has("tie_word_embeddings"))
        {
            *tied = outer;
        }
    }
    if fields.has("vision_config") {
        let vision = fields.object("vision_config")?;
        match tower(fields, &vision, name, plan.hidden) {
            Some(tower) => plan.sources.push(SourcePlan {
                name: "vision",
                plan: tower,
                tokens: Extent::Fixed(0),
                always: false,
            }),
            None => left_out(fields, "vision_config"),
        }
    }
    if fields.has("audio_config") {
        left_out(fields, "audio_config");
    }
    Some(plan)
}

fn left_out(fields: &Fields<'_>, part: &'static str) {
    let message = format!("`{part}` is not read: its parameters and its work are not counted");
    let problem = Problem::new(Code::OpCoverage, message);
    fields.report(
        part,
        problem.help("the text part alone is what the figures stand for"),
    );
}

/// The vision tower with what joins it to the text; nothing if its kind is not known.
fn tower(outer: &Fields<'_>, fields: &Fields<'_>, name: &str, text: u64) -> Option<Plan> {
    let kind = fields.text(&["model_type"]).unwrap_or(name);
    Some(match kind {
        "siglip_vision_model" | "gemma3" | "paligemma" => siglip(outer, fields, name, text),
        "clip_vision_model" | "llava" | "llava_next" => {
            let bias = outer.flag("multimodal_projector_bias").unwrap_or(true);
            Plan {
                head: merged(1, false, None, vec![text, text], bias),
                ..clip_vision(fields)
            }
        }
        "pixtral" => pixtral(outer, fields, text),
        "qwen2_vl" => qwen(fields, text, false),
        "qwen2_5_vl" => qwen(fields, text, true),
        "llama4_vision_model" | "llama4" => llama4(fields, text),
        _ => return None,
    })
}

fn merged(merge: u64, average: bool, norm: Option<Norm>, widths: Vec<u64>, bias: bool) -> Head {
    Head::Merged {
        merge,
        average,
        norm,
        widths,
        bias,
    }
}

fn siglip(outer: &Fields<'_>, fields: &Fields<'_>, name: &str, text: u64) -> Plan {
    let mut patches = patches(fields, None);
    patches.extra = 0;
    let n = patches.tokens();
    let wanted = outer.count(&["mm_tokens_per_image"], SIZE_LIMIT);
    let head = match (name, wanted) {
        ("paligemma", _) => merged(1, false, None, vec![text], true),
        (_, wanted) => {
            let merge = (n / wanted.unwrap_or(256)).max(1);
            merged(merge, true, Some(Norm::Rms), vec![text], false)
        }
    };
    Plan {
        input: Input::Patches(patches),
        final_norm: true,
        head,
        ..encoder(fields, "siglip", Placement::Before, Activation::Gelu)
    }
}

fn clip_vision(fields: &Fields<'_>) -> Plan {
    let mut patches = patches(fields, None);
    patches.bias = false;
    patches.norm = true;
    Plan {
        input: Input::Patches(patches),
        final_norm: true,
        ..encoder(fields, "clip", Placement::Before, Activation::Gelu)
    }
}

/// Layers of a tower with root-mean-square norms, rotary positions and a gate.
fn modern(plan: &mut Plan, bias: bool, gated: bool) {
    for segment in &mut plan.segments {
        if let Some(Mixer::Attention(a)) = &mut segment.layer.mixer {
            a.bias = [bias; 3];
            a.output_bias = bias;
            a.rotary = a.head_dim;
        }
        if let Some(Ffn::Dense(d)) = &mut segment.layer.ffn {
            d.gated = gated;
            d.bias = bias;
        }
    }
}

fn pixtral(outer: &Fields<'_>, fields: &Fields<'_>, text: u64) -> Plan {
    let mut plan = encoder(fields, "pixtral", Placement::Before, Activation::Silu);
    modern(&mut plan, false, true);
    let mut patches = patches(fields, Some(ANY_SIDE));
    patches.extra = 0;
    patches.bias = false;
    patches.positions = false;
    patches.norm = true;
    let side = outer.count(&["spatial_merge_size"], 64).unwrap_or(1);
    let bias = outer.flag("multimodal_projector_bias").unwrap_or(false);
    let (norm, widths) = match side {
        1 => (None, vec![text, text]),
        _ => (Some(Norm::Rms), vec![plan.hidden, text, text]),
    };
    Plan {
        norm: Norm::Rms,
        input: Input::Patches(patches),
        head: merged(side * side, false, norm, widths, bias),
        ..plan
    }
}

fn qwen(fields: &Fields<'_>, text: u64, newer: bool) -> Plan {
    let mut plan = encoder(fields, "qwen_vl", Placement::Before, Activation::Gelu);
    // Qwen2-VL calls its own width `embed_dim` and that of the text `hidden_size`.
    if let Some(width) = fields.count(&["embed_dim"], SIZE_LIMIT) {
        let heads = fields.need(read::HEADS, SIZE_LIMIT);
        let dim = (width / heads).max(1);
        plan.hidden = width;
        for segment in &mut plan.segments {
            if let Some(Mixer::Attention(a)) = &mut segment.layer.mixer {
                (a.head_dim, a.v_dim) = (dim, dim);
            }
            if let (Some(Ffn::Dense(d)), true) = (&mut segment.layer.ffn, fields.has("mlp_ratio")) {
                d.width = width * fields.count(&["mlp_ratio"], 64).unwrap_or(4);
            }
        }
    }
    modern(&mut plan, true, newer);
    let mut patches = patches(fields, Some(ANY_SIDE));
    patches.extra = 0;
    patches.bias = false;
    patches.positions = false;
    patches.frames = fields.count(&["temporal_patch_size"], 64).unwrap_or(2);
    let side = fields.count(&["spatial_merge_size"], 64).unwrap_or(2);
    let merge = side * side;
    let norm = if newer { Norm::Rms } else { Norm::Layer };
    let out = fields
        .count(&["out_hidden_size"], SIZE_LIMIT)
        .unwrap_or(text);
    let widths = vec![plan.hidden * merge, out];
    Plan {
        norm,
        input: Input::Patches(patches),
        head: merged(merge, false, Some(norm), widths, true),
        ..plan
    }
}

fn llama4(fields: &Fields<'_>, text: u64) -> Plan {
    let mut plan = encoder(fields, "llama4_vision", Placement::Before, Activation::Gelu);
    for segment in &mut plan.segments {
        if let Some(Mixer::Attention(a)) = &mut segment.layer.mixer {
            a.rotary = a.head_dim;
        }
    }
    let mut patches = patches(fields, None);
    patches.bias = false;
    patches.norm = true;
    let inner = fields.need(&["projector_input_dim"], SIZE_LIMIT);
    let out = fields.need(&["projector_output_dim"], SIZE_LIMIT);
    // Pixel shuffle joins two by two patches.
    let ratio = fields.share("pixel_shuffle_ratio").unwrap_or(0.5);
    let merge = (1.0 / (ratio * ratio).max(1e-3)).round() as u64;
    Plan {
        input: Input::Patches(patches),
        final_norm: true,
        head: merged(merge.max(1), false, None, vec![inner, out, text], false),
        ..plan
    }
}

/// Two encoders that map text and images to one space.
fn clip(fields: &Fields<'_>) -> Option<Plan> {
    let width = fields.count(&["projection_dim"], SIZE_LIMIT).unwrap_or(512);
    let projected = Head::Projected {
        width,
        first: true,
        bias: false,
    };
    let vision = Plan {
        head: projected.clone(),
        ..clip_vision(&fields.object("vision_config")?)
    };
    let text = fields.object("text_config")?;
    let rows = text
        .count(&["max_position_embeddings"], SIZE_LIMIT)
        .unwrap_or(77);
    let plan = encoder(&text, "clip", Placement::Before, Activation::Gelu);
    Some(Plan {
        input: Input::Tokens(TokenInput {
            vocab: text.need(VOCAB, SIZE_LIMIT),
            narrow: None,
            positions: Some(Positions { rows, usable: rows }),
            types: None,
            norm: false,
            shared: false,
        }),
        final_norm: true,
        head: projected,
        context: Some(rows),
        sources: vec![SourcePlan {
            name: "vision",
            plan: vision,
            tokens: Extent::Fixed(0),
            always: true,
        }],
        idle: vec![("logit_scale", 1)],
        ..plan
    })
}
