//! Fields to a plan: which family, which sizes, which layers.

use std::cell::RefCell;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::diag::{Code, Problem, Problems, Source, did_you_mean};
use crate::workload::{Dtype, Workload};

use super::family::{self, Family, PositionKind};
use super::fields::{CONTEXT_LIMIT, Fields, Reading, SIZE_LIMIT};
use super::layers::{self, Parts};
use super::model::Configured;
use super::plan::{
    Activation, AttentionPlan, Ffn, Head, HeadNorm, Input, LatentPlan, Norm, Placement, Plan,
    Positions, Sight, TokenInput,
};
use super::{encoder, experts, multimodal, seq2seq, state, stored};

/// Synonyms of sizes.
pub(super) const HIDDEN: &[&str] = &["hidden_size", "n_embd", "d_model", "dim", "embed_dim"];
/// Layers.
pub(super) const LAYERS: &[&str] = &[
    "num_hidden_layers",
    "n_layer",
    "n_layers",
    "num_layers",
    "depth",
];
/// Query heads.
pub(super) const HEADS: &[&str] = &["num_attention_heads", "n_head", "n_heads", "num_heads"];
/// Inner width of the feed-forward part.
pub(super) const INNER: &[&str] = &[
    "intermediate_size",
    "n_inner",
    "ffn_dim",
    "ffn_hidden_size",
    "hidden_dim",
];
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
pub(super) const ACTIVATION: &[&str] = &[
    "hidden_act",
    "hidden_activation",
    "activation_function",
    "mlp_hidden_act",
    "activation",
];
const KV_HEADS: &[&str] = &["num_key_value_heads", "n_kv_heads", "num_kv_heads"];
const HEAD_DIM: &[&str] = &["head_dim", "attention_head_dim", "kv_channels"];

/// Fields that the configurations of decoders have and those of other models do not.
const MARKS: &[&str] = &[
    "rms_norm_eps",
    "rope_theta",
    "rope_parameters",
    "rope_scaling",
    "num_key_value_heads",
    "kv_lora_rank",
];

/// Fields without which a configuration is not that of a decoder.
const DECODER: [&[&str]; 4] = [HIDDEN, LAYERS, HEADS, VOCAB];

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
    let reading = Reading::default();
    let fields = Fields::new(source, object, &problems, &reading);
    let plan = plan(&fields);
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
    let mut plan = match () {
        () if encoder::FAMILIES.contains(&name) => encoder::plan(fields, name)?,
        () if seq2seq::FAMILIES.contains(&name) => seq2seq::plan(fields, name)?,
        () if multimodal::is_nested(fields) => multimodal::plan(fields, name)?,
        () => decoder(fields, family(fields, name)?),
    };
    refuse_unread(fields);
    plan.stored = stored::read(fields).or(plan.stored);
    Some(plan)
}

/// The family of a decoder. One that is not listed is read by its fields alone, which is said.
pub(super) fn family(fields: &Fields<'_>, name: &str) -> Option<&'static Family> {
    if let Some(family) = family::decoder(name) {
        return Some(family);
    }
    let is_complete = DECODER.iter().all(|names| fields.name_of(names).is_some());
    let is_decoder = fields.name_of(MARKS).is_some() && makes_tokens(fields);
    if !is_complete || !is_decoder {
        unsupported(fields, name);
        return None;
    }
    let message =
        format!("architecture `{name}` is not listed: it is read by its fields as a decoder");
    let problem = Problem::new(Code::Assumed, message).help(
        "assumed: RMS norms before each part, a gate, rotary positions, no biases but those the file names; \
         compare the parameters with the published ones",
    );
    fields.report("model_type", problem);
    fields.guess();
    Some(family::UNLISTED)
}

/// What the file says of its head, if it does: one that makes text.
fn makes_tokens(fields: &Fields<'_>) -> bool {
    let class = fields.texts("architectures");
    let class = class.as_ref().and_then(|list| list.first());
    let other = fields.flag("is_encoder_decoder") == Some(true);
    !other && class.is_none_or(|c| c.contains("ForCausalLM") || c.contains("LMHead"))
}

/// Sizes that a decoder of an unlisted family has and that nothing reads would make the counts wrong.
fn refuse_unread(fields: &Fields<'_>) {
    let unread = fields.unread_sizes();
    if unread.is_empty() || !fields.are_right() || !fields.is_guessed() {
        return;
    }
    let shown: Vec<String> = unread
        .iter()
        .map(|(name, n)| format!("{name} = {n}"))
        .collect();
    let message = "the architecture is not listed, and some of its sizes are not understood";
    let problem = Problem::new(Code::UnsupportedModel, message).note(shown.join(", "));
    let help = "take out what does not change the model's shape, or write it as a workload TOML";
    fields.report("model_type", problem.help(help));
}

fn unsupported(fields: &Fields<'_>, name: &str) {
    let known = families();
    let message = format!("architecture `{name}` is not supported yet");
    let problem = Problem::new(Code::UnsupportedModel, message);
    let problem = match did_you_mean(name, known.iter().map(|f| f.0)) {
        Some(label) => problem.label(label),
        None => problem,
    };
    let help = format!(
        "{} families are: wattline list families · a decoder that is not among them is read by its fields \
         hidden_size, num_hidden_layers, num_attention_heads, vocab_size and rms_norm_eps",
        known.len()
    );
    fields.report("model_type", problem.help(help));
}

/// Every `model_type` that is known by name, sorted, and what it is.
pub fn families() -> Vec<(&'static str, &'static str)> {
    let of = |kind: &'static str| move |name: &&'static str| (*name, kind);
    let mut all: Vec<(&str, &str)> = family::decoders().map(|name| (name, "decoder")).collect();
    all.extend(encoder::FAMILIES.iter().map(of("encoder")));
    all.extend(seq2seq::FAMILIES.iter().map(of("encoder-decoder")));
    all.push(("clip", "pair of encoders"));
    all.sort_unstable();
    all.dedup();
    all
}

/// The plan of a decoder.
pub(super) fn decoder(fields: &Fields<'_>, family: &Family) -> Plan {
    let hidden = fields.need(HIDDEN, SIZE_LIMIT);
    let only_state = layers::is_recurrent(fields);
    let latent = latent(fields);
    let attention = (!only_state && latent.is_none()).then(|| attention(fields, family, hidden));
    let recurrent =
        layers::has_recurrent(fields, family).then(|| state::recurrent(fields, family, hidden));
    let dense = match only_state {
        true => experts::plain(1, family.activation),
        false => experts::dense(fields, family, hidden),
    };
    let experts = experts::experts(fields, family, &dense);
    let dense = Ffn::Dense(dense);
    let parts = Parts {
        attention: attention.as_ref(),
        latent: latent.as_ref(),
        recurrent: recurrent.as_ref(),
        dense: &dense,
        experts: experts.as_ref(),
    };
    let family = placed(fields, family);
    let context = fields.count(CONTEXT, CONTEXT_LIMIT);
    Plan {
        family: family.name.to_owned(),
        dtype: dtype(fields, Dtype::Bf16),
        stored: None,
        hidden,
        norm: norm(fields, &family),
        input: Input::Tokens(TokenInput {
            vocab: or_need(fields, VOCAB, family.sizes.vocab),
            narrow: None,
            positions: positions(fields, &family),
            types: None,
            norm: family.embedding_norm,
            shared: false,
        }),
        segments: layers::segments(fields, &family, &parts),
        final_norm: true,
        head: Head::Logits {
            tied: fields.flag("tie_word_embeddings").unwrap_or(family.tied),
            capped: fields
                .name_of(&["final_logit_softcapping", "logits_soft_cap"])
                .is_some(),
            bias: fields.flag("lm_head_bias").unwrap_or(family.head_bias),
        },
        context,
        sources: Vec::new(),
        idle: Vec::new(),
    }
}

/// The family with the place of its norms as the file says.
fn placed(fields: &Fields<'_>, family: &Family) -> Family {
    let parallel = ["parallel_attn", "use_parallel_residual"];
    let name = fields.name_of(&parallel);
    let side_by_side = name.and_then(|n| fields.flag(n));
    let several = fields.flag("new_decoder_architecture") == Some(true)
        && fields.whole(&["num_ln_in_parallel_attn"], 0, 8) != Some(1);
    let placement = match (side_by_side, family.placement) {
        (Some(false), Placement::Shared | Placement::Beside) => Placement::Before,
        (Some(true), Placement::Before) => Placement::Shared,
        (_, Placement::Shared) if several => Placement::Beside,
        (_, placement) => placement,
    };
    Family {
        placement,
        ..*family
    }
}

fn norm(fields: &Fields<'_>, family: &Family) -> Norm {
    let without_bias = fields.flag("layer_norm_bias") == Some(false);
    match family.norm {
        Norm::Layer if without_bias => Norm::LayerWeight,
        norm => norm,
    }
}

fn positions(fields: &Fields<'_>, family: &Family) -> Option<Positions> {
    match family.positions {
        PositionKind::Rotary | PositionKind::Fixed => None,
        PositionKind::Learned(more) => {
            let names = &["n_positions", "max_position_embeddings"];
            let usable = fields.need(names, CONTEXT_LIMIT);
            let rows = usable + more;
            Some(Positions { rows, usable })
        }
    }
}

fn or_need(fields: &Fields<'_>, names: &[&'static str], default: Option<u64>) -> u64 {
    match default {
        Some(default) => fields.count(names, SIZE_LIMIT).unwrap_or(default),
        None => fields.need(names, SIZE_LIMIT),
    }
}

/// Latent attention, if the fields describe it.
fn latent(fields: &Fields<'_>) -> Option<LatentPlan> {
    let kv_rank = fields.count(&["kv_lora_rank"], SIZE_LIMIT)?;
    let need = |name: &'static str| fields.need(&[name], SIZE_LIMIT);
    Some(LatentPlan {
        heads: fields.need(HEADS, SIZE_LIMIT),
        q_rank: fields.count(&["q_lora_rank"], SIZE_LIMIT),
        kv_rank,
        nope: need("qk_nope_head_dim"),
        rope: need("qk_rope_head_dim"),
        v_dim: need("v_head_dim"),
        bias: fields.flag("attention_bias").unwrap_or(false),
    })
}

/// Attention that sees the past, as the fields describe it.
pub(super) fn attention(fields: &Fields<'_>, family: &Family, hidden: u64) -> AttentionPlan {
    let q_heads = or_need(fields, HEADS, family.sizes.q_heads);
    let kv_heads = kv_heads(fields, family, q_heads);
    if fields.are_right() && !q_heads.is_multiple_of(kv_heads) {
        let message = format!(
            "`num_key_value_heads` = {kv_heads} does not divide `{}` = {q_heads}",
            HEADS[0]
        );
        fields.report(KV_HEADS[0], Problem::new(Code::Disagreement, message));
    }
    let head_dim = head_dim(fields, hidden, q_heads, family.sizes.head_dim);
    let rotary = match family.positions {
        PositionKind::Learned(_) | PositionKind::Fixed => 0,
        PositionKind::Rotary => (head_dim as f64 * rotary_share(fields, family)) as u64,
    };
    let [q, k, v, o] = biases(fields, family);
    AttentionPlan {
        sight: Sight::Past,
        q_heads,
        kv_heads,
        head_dim,
        v_dim: head_dim,
        bias: [q, k, v],
        output_bias: o,
        norm: qk_norm(fields, family),
        rotary,
        sinks: family.sinks,
        gate: family.gate,
        relative: None,
        sub_norm: family.sub_norm,
    }
}

fn kv_heads(fields: &Fields<'_>, family: &Family, q_heads: u64) -> u64 {
    // Falcon's first form has one head of keys and values whatever `num_kv_heads` says.
    if fields.flag("multi_query") == Some(true)
        && fields.flag("new_decoder_architecture") != Some(true)
    {
        return 1;
    }
    let name = fields.name_of(KV_HEADS).filter(|n| !fields.is_list(n));
    let given = name.and_then(|n| fields.count(&[n], SIZE_LIMIT));
    let default = match fields.flag("multi_query") {
        Some(false) => q_heads,
        _ => family.sizes.kv_heads.unwrap_or(q_heads),
    };
    given.unwrap_or(default)
}

fn rotary_share(fields: &Fields<'_>, family: &Family) -> f64 {
    const NAME: &str = "partial_rotary_factor";
    let nested = ["rope_parameters", "rope_scaling"];
    let own = fields.share(NAME).or_else(|| fields.share("rotary_pct"));
    let mut inner = nested.into_iter().filter(|n| fields.is_object(n));
    let inner = inner.find_map(|n| fields.object(n)?.share(NAME));
    own.or(inner).unwrap_or(family.rotary)
}

/// Biases of q, k, v and the output projection.
fn biases(fields: &Fields<'_>, family: &Family) -> [bool; 4] {
    let all = |names: &[&'static str]| {
        let name = fields
            .name_of(names)
            .filter(|n| !experts::is_of_mamba(fields, n));
        name.and_then(|n| fields.flag(n))
    };
    let [q, k, v, o] = family.attention_bias;
    if let Some(qkv) = all(&["use_qkv_bias", "qkv_bias", "add_qkv_bias"]) {
        return [qkv, qkv, qkv, o];
    }
    if let Some(bias) = all(&["attention_bias", "use_bias", "bias", "enable_bias"]) {
        let out = all(&["attention_out_bias"]);
        // Where a family treats its output projection in another way, the field is about q, k and v.
        let of_output = if q == o { bias } else { o };
        return [bias, bias, bias, out.unwrap_or(of_output)];
    }
    [q, k, v, o]
}

fn qk_norm(fields: &Fields<'_>, family: &Family) -> HeadNorm {
    let name = fields.name_of(&["use_qk_norm", "qk_layernorm", "use_qk_layernorm"]);
    match (name.and_then(|n| fields.flag(n)), family.qk_norm) {
        (Some(false), _) => HeadNorm::None,
        (Some(true), HeadNorm::None) => family.qk_asked,
        (_, norm) => norm,
    }
}

/// `head_dim`, else the family's, else the hidden width over the heads, which must be whole.
pub(super) fn head_dim(fields: &Fields<'_>, hidden: u64, heads: u64, default: Option<u64>) -> u64 {
    if let Some(given) = fields.count(HEAD_DIM, SIZE_LIMIT).or(default) {
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

/// The nonlinearity; the default if the file names none.
pub(super) fn activation(fields: &Fields<'_>, default: Activation) -> Activation {
    const KNOWN: &str = "silu, swish, gelu, gelu_new, gelu_fast, gelu_python, gelu_pytorch_tanh, quick_gelu, \
                         relu, relu2, tanh";
    let Some(text) = fields.text(ACTIVATION) else {
        return default;
    };
    match text {
        "silu" | "swish" | "swiglu" => Activation::Silu,
        "gelu" | "gelu_new" | "gelu_fast" | "gelu_python" | "gelu_pytorch_tanh" | "quick_gelu"
        | "geglu" => Activation::Gelu,
        "relu" | "relu2" | "relu_squared" => Activation::Relu,
        "tanh" => Activation::Tanh,
        other => {
            let message = format!("activation `{other}` is not known");
            let problem = Problem::new(Code::OutOfRange, message).help(format!("known: {KNOWN}"));
            let name = ACTIVATION.iter().copied().find(|n| fields.has(n));
            fields.report(name.unwrap_or(ACTIVATION[0]), problem);
            default
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
