//! Recurrent layers as the fields describe them.

use crate::workload::{Recurrence, Scan};

use super::experts::is_of_mamba;
use super::family::{Family, RecurrentTraits};
use super::fields::{Fields, SIZE_LIMIT};
use super::plan::RecurrentPlan;
use super::read;

const STATE: &[&str] = &["ssm_state_size", "mamba_d_state", "state_size"];
const CONV: &[&str] = &["conv_kernel", "mamba_d_conv"];
const EXPAND: &[&str] = &["expand", "mamba_expand"];
const HEADS: &[&str] = &["mamba_num_heads", "mamba_n_heads", "num_heads"];
const HEAD_DIM: &[&str] = &["mamba_head_dim", "mamba_d_head"];
const GROUPS: &[&str] = &["n_groups", "mamba_n_groups", "mamba_ngroups"];
const CHUNK: &[&str] = &["chunk_size", "mamba_chunk_size"];
const CONV_BIAS: &[&str] = &["use_conv_bias", "mamba_conv_bias"];
const STEP_RANK: &[&str] = &["time_step_rank", "mamba_dt_rank"];

/// Taps of the short convolution. Source: transformers `MambaConfig.conv_kernel`.
const TAPS: u64 = 4;

/// Tokens of a chunk. Source: transformers `Mamba2Config.chunk_size`.
const MAMBA_CHUNK: u64 = 256;

/// How many times wider than the stream the inner state is. Source: transformers `MambaConfig.expand`.
const WIDER: u64 = 2;

/// The recurrence of a model that has one.
pub(super) fn recurrent(fields: &Fields<'_>, family: &Family, hidden: u64) -> RecurrentPlan {
    match family.recurrent {
        RecurrentTraits::Lightning => lightning(fields, hidden),
        RecurrentTraits::Griffin => griffin(fields, hidden),
        RecurrentTraits::NormedMamba => selective(fields, hidden, true),
        RecurrentTraits::Fields if fields.has("linear_num_value_heads") => delta(fields),
        RecurrentTraits::Fields if fields.name_of(HEADS).is_some() => dual(fields, family, hidden),
        RecurrentTraits::Fields => selective(fields, hidden, false),
    }
}

fn flag(fields: &Fields<'_>, names: &[&'static str], default: bool) -> bool {
    let name = fields.name_of(names);
    name.and_then(|n| fields.flag(n)).unwrap_or(default)
}

/// Bias of input and output projection.
fn bias(fields: &Fields<'_>) -> bool {
    let own = fields.flag("mamba_proj_bias");
    let all = || {
        fields
            .flag("use_bias")
            .filter(|_| is_of_mamba(fields, "use_bias"))
    };
    own.or_else(all).unwrap_or(false)
}

fn expanded(fields: &Fields<'_>, hidden: u64) -> u64 {
    hidden * fields.count(EXPAND, 64).unwrap_or(WIDER)
}

fn selective(fields: &Fields<'_>, hidden: u64, inner_norms: bool) -> RecurrentPlan {
    let name = fields.name_of(STEP_RANK).filter(|n| !fields.is_text(n));
    let rank = name.and_then(|n| fields.count(&[n], SIZE_LIMIT));
    RecurrentPlan {
        rule: Recurrence::Selective,
        heads: expanded(fields, hidden),
        width: 1,
        state: fields.need(STATE, SIZE_LIMIT),
        groups: 1,
        conv: fields.count(CONV, 1024).unwrap_or(TAPS),
        conv_bias: flag(fields, CONV_BIAS, true),
        bias: bias(fields),
        // Source: transformers `MambaConfig`, `time_step_rank = "auto"`.
        step_rank: rank.unwrap_or_else(|| hidden.div_ceil(16)),
        inner_norms,
        gated_norm: false,
        chunk: 1,
    }
}

fn dual(fields: &Fields<'_>, family: &Family, hidden: u64) -> RecurrentPlan {
    let heads = fields.need(HEADS, SIZE_LIMIT);
    let inner = fields.count(&["mamba_d_ssm"], SIZE_LIMIT);
    let inner = inner.unwrap_or_else(|| expanded(fields, hidden));
    // `head_dim` is that of the state only where there is no attention.
    let own = match fields.has(read::HEADS[0]) {
        true => HEAD_DIM,
        false => &["mamba_head_dim", "mamba_d_head", "head_dim"],
    };
    let name = fields.name_of(own).filter(|n| !fields.is_text(n));
    let width = name.and_then(|n| fields.count(&[n], SIZE_LIMIT));
    let normed = match fields.flag("mamba_rms_norm") {
        Some(normed) => normed,
        None => family.name != "falcon_h1",
    };
    RecurrentPlan {
        rule: Recurrence::Dual,
        heads,
        width: width.unwrap_or((inner / heads).max(1)),
        state: fields.need(STATE, SIZE_LIMIT),
        groups: fields.count(GROUPS, heads).unwrap_or(1),
        conv: fields.count(CONV, 1024).unwrap_or(TAPS),
        conv_bias: flag(fields, CONV_BIAS, true),
        bias: bias(fields),
        step_rank: 0,
        inner_norms: false,
        gated_norm: normed,
        chunk: fields.count(CHUNK, 1 << 20).unwrap_or(MAMBA_CHUNK),
    }
}

fn delta(fields: &Fields<'_>) -> RecurrentPlan {
    let need = |name: &'static str| fields.need(&[name], SIZE_LIMIT);
    RecurrentPlan {
        rule: Recurrence::GatedDelta,
        heads: need("linear_num_value_heads"),
        width: need("linear_value_head_dim"),
        state: need("linear_key_head_dim"),
        groups: need("linear_num_key_heads"),
        conv: fields
            .count(&["linear_conv_kernel_dim"], 1024)
            .unwrap_or(TAPS),
        conv_bias: false,
        bias: false,
        step_rank: 0,
        inner_norms: false,
        gated_norm: true,
        chunk: Scan::DELTA_CHUNK,
    }
}

/// Source: MiniMax, "MiniMax-01", 2025, section 2.2; the block is `block_size`.
fn lightning(fields: &Fields<'_>, hidden: u64) -> RecurrentPlan {
    let heads = fields.need(read::HEADS, SIZE_LIMIT);
    let dim = read::head_dim(fields, hidden, heads, None);
    RecurrentPlan {
        rule: Recurrence::Linear,
        heads,
        width: dim,
        state: dim,
        groups: heads,
        conv: 0,
        conv_bias: false,
        bias: false,
        step_rank: 0,
        inner_norms: false,
        gated_norm: true,
        chunk: fields.count(&["block_size"], 1 << 20).unwrap_or(256),
    }
}

/// Source: De et al., "Griffin", 2024, section 2.4; gates are block-diagonal over the heads.
fn griffin(fields: &Fields<'_>, hidden: u64) -> RecurrentPlan {
    let width = fields.count(&["lru_width"], SIZE_LIMIT).unwrap_or(hidden);
    let heads = fields.need(read::HEADS, SIZE_LIMIT);
    if fields.are_right() && !width.is_multiple_of(heads) {
        let found = width.to_string();
        fields.out_of_range::<()>("lru_width", &found, "it must be a multiple of the heads");
    }
    RecurrentPlan {
        rule: Recurrence::Gated,
        heads: width,
        width: 1,
        state: 1,
        groups: heads,
        conv: fields.count(&["conv1d_width"], 1024).unwrap_or(TAPS),
        conv_bias: true,
        bias: true,
        step_rank: 0,
        inner_norms: false,
        gated_norm: false,
        chunk: 1,
    }
}
