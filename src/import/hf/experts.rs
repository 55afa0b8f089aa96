//! The feed-forward part as the fields describe it: its width, its experts, which layers have them.

use super::family::{Family, RecurrentTraits};
use super::fields::{Fields, LAYER_LIMIT, SIZE_LIMIT};
use super::plan::{Activation, DensePlan, ExpertsPlan, Ffn};
use super::read::{self, INNER};

/// Experts to choose from.
const EXPERTS: &[&str] = &[
    "num_local_experts",
    "num_experts",
    "n_routed_experts",
    "moe_num_experts",
    "num_routed_experts",
];

/// Experts chosen for each token.
const TOP_K: &[&str] = &[
    "num_experts_per_tok",
    "num_experts_per_token",
    "moe_k",
    "moe_topk",
    "moe_top_k",
    "top_k_experts",
];

/// Inner width of an expert; else that of the dense part.
const WIDTH: &[&str] = &[
    "moe_intermediate_size",
    "expert_ffn_hidden_size",
    "moe_ffn_hidden_size",
];

/// How many experts every token passes, each as wide as the others.
const SHARED: &[&str] = &[
    "n_shared_experts",
    "num_shared_experts",
    "moe_num_shared_experts",
    "num_shared_expert",
];

/// Inner width of what every token passes.
const SHARED_WIDTH: &[&str] = &[
    "shared_expert_intermediate_size",
    "moe_shared_expert_intermediate_size",
    "shared_intermediate_size",
];

/// Inner width of dense layers where the other name is that of experts.
const DENSE: &[&str] = &["intermediate_size_mlp"];

/// How many experts there are; `None` without a mixture.
fn count(fields: &Fields<'_>) -> Option<u64> {
    fields.whole(EXPERTS, 0, 1 << 20).filter(|n| *n > 0)
}

/// The part that is the same for every token.
pub(super) fn dense(fields: &Fields<'_>, family: &Family, hidden: u64) -> DensePlan {
    let inner = || match family.sizes.ffn_ratio {
        Some(ratio) => fields.count(INNER, SIZE_LIMIT).unwrap_or(ratio * hidden),
        // Where all layers have experts, theirs may be the only width.
        None if fields.name_of(INNER).is_none() && count(fields).is_some() => {
            fields.need(WIDTH, SIZE_LIMIT)
        }
        None => fields.need(INNER, SIZE_LIMIT),
    };
    // Without experts, what every token passes is all there is.
    let shared = || {
        let width = fields.whole(&["shared_intermediate_size"], 0, SIZE_LIMIT);
        width.filter(|n| *n > 0)
    };
    let width = match fields.count(DENSE, SIZE_LIMIT) {
        Some(width) => width,
        None if fields.has("num_local_experts") && count(fields).is_none() => {
            shared().unwrap_or_else(inner)
        }
        None => inner(),
    };
    let width = adjusted(fields, family, width);
    let all = fields
        .name_of(&["use_bias", "bias"])
        .filter(|n| !is_of_mamba(fields, n));
    DensePlan {
        width,
        gated: family.gated,
        bias: fields
            .flag("mlp_bias")
            .or_else(|| fields.flag(all?))
            .unwrap_or(family.mlp_bias),
        activation: read::activation(fields, family.activation),
    }
}

/// What some families make of the inner width in the file.
///
/// Source: transformers `Lfm2MLP`, `RecurrentGemmaMlp`.
fn adjusted(fields: &Fields<'_>, family: &Family, width: u64) -> u64 {
    if family.recurrent == RecurrentTraits::Griffin {
        return (width / 2).max(1);
    }
    if fields.flag("block_auto_adjust_ff_dim") != Some(true) {
        return width;
    }
    let factor = fields
        .number("block_ffn_dim_multiplier", 0.0, 1e3)
        .unwrap_or(1.0);
    let of = fields
        .count(&["block_multiple_of"], SIZE_LIMIT)
        .unwrap_or(256);
    let wanted = (factor * (2 * width / 3) as f64) as u64;
    wanted.max(1).next_multiple_of(of)
}

/// `use_bias` of a model with recurrent layers is theirs.
pub(super) fn is_of_mamba(fields: &Fields<'_>, name: &str) -> bool {
    name == "use_bias" && fields.name_of(&["ssm_state_size", "state_size"]).is_some()
}

/// The mixture of experts, if there is one.
pub(super) fn experts(fields: &Fields<'_>, family: &Family, dense: &DensePlan) -> Option<Ffn> {
    let experts = count(fields)?;
    let top_k = fields.need(TOP_K, experts.max(1));
    let inner = || fields.count(INNER, SIZE_LIMIT).unwrap_or(dense.width);
    let width = if fields.is_list("moe_intermediate_size") {
        fields
            .side(&["moe_intermediate_size"], SIZE_LIMIT)
            .unwrap_or(1)
    } else {
        fields.count(WIDTH, SIZE_LIMIT).unwrap_or_else(inner)
    };
    let part = |width: u64, bias: bool| DensePlan {
        width,
        gated: dense.gated,
        bias,
        activation: dense.activation,
    };
    let own = fields.whole(SHARED_WIDTH, 0, SIZE_LIMIT).filter(|n| *n > 0);
    let name = fields.name_of(SHARED).filter(|n| !fields.is_list(n));
    let several = name.and_then(|n| fields.whole(&[n], 0, 1 << 16));
    let shared = match (several, own) {
        (Some(0), _) => None,
        // A width of their own is that of all together.
        (_, Some(own)) => Some(own),
        (Some(n), None) => Some(n * width),
        (None, None) if family.experts.shared => Some(width),
        (None, None) => None,
    };
    Some(Ffn::Experts(ExpertsPlan {
        experts,
        top_k,
        each: part(width, family.experts.bias),
        router_bias: family.experts.router_bias,
        shared: shared.map(|width| part(width, dense.bias && family.experts.bias)),
        shared_gate: family.experts.shared_gate,
        correction: family.experts.correction,
    }))
}

/// Whether a layer of a model with experts has them.
pub(super) fn is_sparse(fields: &Fields<'_>, layer: u64) -> bool {
    let limit = LAYER_LIMIT;
    let whole = |name: &'static str| match fields.is_list(name) {
        true => None,
        false => fields.whole(&[name], 0, limit),
    };
    if let Some(types) = fields.texts("mlp_layer_types") {
        return types.get(layer as usize) == Some(&"sparse");
    }
    if fields.is_list("moe_layers") {
        let listed = fields.wholes("moe_layers", 0, limit).unwrap_or_default();
        return listed.contains(&layer);
    }
    if fields.is_list("moe_layer_freq") {
        let listed = fields.wholes("moe_layer_freq", 0, 1).unwrap_or_default();
        return listed.get(layer as usize) == Some(&1);
    }
    if fields.has("mlp_only_layers") {
        let listed = fields
            .wholes("mlp_only_layers", 0, limit)
            .unwrap_or_default();
        if listed.contains(&layer) {
            return false;
        }
    }
    let first = whole("first_k_dense_replace").or_else(|| whole("moe_layer_start_index"));
    if first.is_some_and(|n| layer < n) {
        return false;
    }
    if whole("moe_layer_end_index").is_some_and(|n| layer > n) {
        return false;
    }
    if let Some(period) = whole("expert_layer_period").filter(|n| *n > 0) {
        let offset = whole("expert_layer_offset").unwrap_or(0);
        return layer % period == offset % period;
    }
    let after = [
        "decoder_sparse_step",
        "interleave_moe_layer_step",
        "moe_layer_interval",
    ];
    if let Some(step) = after.into_iter().find_map(whole) {
        return step > 0 && (layer + 1).is_multiple_of(step);
    }
    whole("moe_layer_freq").is_none_or(|n| n > 0 && layer.is_multiple_of(n))
}

/// The plan of a nonlinearity, for parts that have one of their own.
pub(super) fn plain(width: u64, activation: Activation) -> DensePlan {
    DensePlan {
        width,
        gated: false,
        bias: true,
        activation,
    }
}
