//! Fields to a plan: which family, which sizes, which layers.

use std::cell::RefCell;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::diag::{Code, Problem, Problems, Source, did_you_mean};
use crate::workload::{Dtype, Workload};

use super::family::{self, Family, Positions};
use super::fields::{CONTEXT_LIMIT, Fields, SIZE_LIMIT};
use super::model::Configured;
use super::plan::{Activation, AttentionPlan, DensePlan, Head, Input, Plan, Sight, TokenInput};
use super::{encoder, layers};

/// Synonyms of sizes.
pub(super) const HIDDEN: &[&str] = &["hidden_size", "n_embd", "d_model", "dim"];
/// Layers.
pub(super) const LAYERS: &[&str] = &["num_hidden_layers", "n_layer", "n_layers", "num_layers"];
/// Query heads.
pub(super) const HEADS: &[&str] = &["num_attention_heads", "n_head", "n_heads"];
/// Inner width of the feed-forward part.
pub(super) const INNER: &[&str] = &["intermediate_size", "n_inner", "ffn_dim"];
/// Rows of the token table.
pub(super) const VOCAB: &[&str] = &["vocab_size"];
/// Longest context.
pub(super) const CONTEXT: &[&str] = &[
    "max_position_embeddings",
    "n_positions",
    "n_ctx",
    "seq_length",
];
/// Nonlinearity.
pub(super) const ACTIVATION: &[&str] = &["hidden_act", "hidden_activation", "activation_function"];
const KV_HEADS: &[&str] = &["num_key_value_heads", "n_kv_heads"];

/// Fields of mixtures of experts: a dense family that has one of them is another family.
const EXPERTS: [&str; 3] = ["num_local_experts", "num_experts", "n_routed_experts"];

/// The model of a `config.json`.
///
/// # Errors
/// E0109 if it is not JSON, E0204 if it is not a configuration, E0205 if its family is not supported,
/// E0103, E0104, E0105 and E0108 for fields that are missing or wrong; all of them at once.
pub fn read(name: &str, origin: &str, text: &str) -> Result<Workload, Problems> {
    let source = Source::new(origin, text);
    let value: Value = serde_json::from_str(text).map_err(|error| syntax(&source, &error))?;
    match value {
        Value::Object(object) => configuration(name, origin, &source, &object),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            let message = format!("`{origin}` is JSON, but not a config.json: it holds no object");
            Err(Problem::new(Code::NotAModel, message).into())
        }
    }
}

/// The model of the keys of a `config.json`, wherever they stand in `source`.
///
/// # Errors
/// As [`read`].
pub fn configuration(
    name: &str,
    origin: &str,
    source: &Source,
    object: &Map<String, Value>,
) -> Result<Workload, Problems> {
    let problems = RefCell::new(Problems::new());
    let fields = Fields::new(source, object, &problems);
    let plan = plan(&fields);
    if plan.is_some() && fields.has("quantization_config") {
        let problem = Problem::new(
            Code::NoEffect,
            "`quantization_config` is not read: weights have the type of the model",
        )
        .help("ask for a precision, such as int4 or fp8");
        fields.report("quantization_config", problem);
    }
    let problems = problems.into_inner();
    match plan {
        Some(plan) if !problems.has_errors() => {
            let model = Configured::new(plan, problems.0);
            Ok(Workload::new(name, origin, Arc::new(model)))
        }
        _ => Err(problems),
    }
}

fn syntax(source: &Source, error: &serde_json::Error) -> Problems {
    let line = error.line().saturating_sub(1);
    let lines = source.text.split_inclusive('\n');
    let start: usize = lines.take(line).map(str::len).sum();
    let at = start + error.column().saturating_sub(1);
    let text = error.to_string();
    let cause = text.split(" at line ").next().unwrap_or(&text);
    Problem::new(Code::Syntax, "not valid JSON")
        .at(source, &(at..at))
        .label(cause)
        .into()
}

/// The plan, or nothing if the family is not supported, which is reported.
fn plan(fields: &Fields<'_>) -> Option<Plan> {
    let Some(name) = fields.text(&["model_type"]) else {
        let problem = Problem::new(Code::NotAModel, "not a config.json: it has no `model_type`");
        fields.report("model_type", problem);
        return None;
    };
    match name {
        "bert" => return encoder::bert(fields),
        "vit" => return encoder::vit(fields),
        "gemma3" => return encoder::with_vision(fields),
        _ => {}
    }
    let Some(family) = family::decoder(name) else {
        unsupported(fields, name);
        return None;
    };
    if let Some(expert) = EXPERTS.iter().find(|e| fields.has(e)) {
        let message = format!("`{expert}`: mixtures of experts are not supported yet");
        fields.report(expert, Problem::new(Code::UnsupportedModel, message));
    }
    Some(decoder(fields, family))
}

fn unsupported(fields: &Fields<'_>, name: &str) {
    let known = family::supported();
    let message = format!("architecture `{name}` is not supported yet");
    let problem = Problem::new(Code::UnsupportedModel, message);
    let problem = match did_you_mean(name, known.iter().copied()) {
        Some(label) if !name.contains("moe") => problem.label(label),
        _ => problem,
    };
    let help = format!("supported: {}", known.join(", "));
    fields.report("model_type", problem.help(help));
}

/// The plan of a decoder with dense layers.
pub(super) fn decoder(fields: &Fields<'_>, family: &Family) -> Plan {
    let hidden = fields.need(HIDDEN, SIZE_LIMIT);
    let attention = attention(fields, family, hidden);
    let inner = match family.sizes.ffn_ratio {
        Some(ratio) => fields.count(INNER, SIZE_LIMIT).unwrap_or(ratio * hidden),
        None => fields.need(INNER, SIZE_LIMIT),
    };
    let dense = DensePlan {
        width: inner,
        gated: family.gated,
        bias: fields.flag("mlp_bias").unwrap_or(family.mlp_bias),
        activation: activation(fields),
    };
    let context = fields.count(CONTEXT, CONTEXT_LIMIT);
    let positions = match family.positions {
        Positions::Rotary => None,
        Positions::Learned => {
            Some(fields.need(&["n_positions", "max_position_embeddings"], CONTEXT_LIMIT))
        }
    };
    Plan {
        family: family.name.to_owned(),
        dtype: dtype(fields, Dtype::Bf16),
        hidden,
        norm: family.norm,
        placement: family.placement,
        input: Input::Tokens(TokenInput {
            vocab: or_need(fields, VOCAB, family.sizes.vocab),
            positions,
            types: None,
            norm: false,
        }),
        segments: layers::segments(fields, family, &attention, &dense),
        head: Head::Logits {
            tied: fields.flag("tie_word_embeddings").unwrap_or(family.tied),
            capped: fields.has("final_logit_softcapping"),
        },
        context,
        idle_parameters: 0,
    }
}

fn or_need(fields: &Fields<'_>, names: &[&'static str], default: Option<u64>) -> u64 {
    match default {
        Some(default) => fields.count(names, SIZE_LIMIT).unwrap_or(default),
        None => fields.need(names, SIZE_LIMIT),
    }
}

fn attention(fields: &Fields<'_>, family: &Family, hidden: u64) -> AttentionPlan {
    let q_heads = or_need(fields, HEADS, family.sizes.q_heads);
    let default = family.sizes.kv_heads.unwrap_or(q_heads);
    let kv_heads = fields.count(KV_HEADS, SIZE_LIMIT).unwrap_or(default);
    if fields.are_right() && !q_heads.is_multiple_of(kv_heads) {
        let message = format!(
            "`num_key_value_heads` = {kv_heads} does not divide `{}` = {q_heads}",
            HEADS[0]
        );
        fields.report(KV_HEADS[0], Problem::new(Code::Disagreement, message));
    }
    let head_dim = head_dim(fields, hidden, q_heads, family.sizes.head_dim);
    let bias = fields.flag("attention_bias");
    let [qkv_bias, output_bias] = bias.map_or(family.attention_bias, |b| [b, b]);
    let rotary = match family.positions {
        Positions::Learned => 0,
        Positions::Rotary => {
            let share = fields.share("partial_rotary_factor").unwrap_or(1.0);
            (head_dim as f64 * share) as u64
        }
    };
    AttentionPlan {
        sight: Sight::Past,
        q_heads,
        kv_heads,
        head_dim,
        qkv_bias,
        output_bias,
        qk_norm: family.qk_norm,
        rotary,
    }
}

/// `head_dim`, else the family's, else the hidden width over the heads, which must be whole.
pub(super) fn head_dim(fields: &Fields<'_>, hidden: u64, heads: u64, default: Option<u64>) -> u64 {
    if let Some(given) = fields.count(&["head_dim"], SIZE_LIMIT).or(default) {
        return given;
    }
    if fields.are_right() && !hidden.is_multiple_of(heads) {
        let message =
            format!("the hidden width {hidden} is not a multiple of the {heads} attention heads");
        let problem = Problem::new(Code::OutOfRange, message).help("give `head_dim`");
        let name = HEADS.iter().copied().find(|n| fields.has(n));
        fields.report(name.unwrap_or(HEADS[0]), problem);
    }
    (hidden / heads).max(1)
}

/// The nonlinearity; SiLU if the file names none.
pub(super) fn activation(fields: &Fields<'_>) -> Activation {
    match fields.text(ACTIVATION) {
        None | Some("silu" | "swish") => Activation::Silu,
        Some("gelu" | "gelu_new" | "gelu_fast" | "gelu_pytorch_tanh" | "quick_gelu") => {
            Activation::Gelu
        }
        Some("relu" | "relu2") => Activation::Relu,
        Some(other) => {
            let message = format!("activation `{other}` is not known");
            let problem = Problem::new(Code::OutOfRange, message)
                .help("known: silu, swish, gelu, gelu_new, gelu_fast, gelu_pytorch_tanh, quick_gelu, relu, relu2");
            let name = ACTIVATION.iter().copied().find(|n| fields.has(n));
            fields.report(name.unwrap_or(ACTIVATION[0]), problem);
            Activation::Silu
        }
    }
}

/// The model's own type.
pub(super) fn dtype(fields: &Fields<'_>, default: Dtype) -> Dtype {
    let names: &[&'static str] = &["torch_dtype", "dtype"];
    let Some(text) = fields.text(names).filter(|t| *t != "auto") else {
        return default;
    };
    let known = Dtype::parse(text).filter(|d| d.is_float() && d.bits() >= 16.0);
    known.unwrap_or_else(|| {
        let name = names.iter().copied().find(|n| fields.has(n));
        fields.out_of_range::<()>(
            name.unwrap_or(names[0]),
            text,
            "known: bfloat16, float16, float32",
        );
        default
    })
}
