//! What the fields of a configuration leave to its family.
//!
//! Source: the configuration and modeling classes of transformers 5.23 for each `model_type`.

use super::plan::{Norm, Placement};

/// Defaults and fixed traits of a `model_type`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Family {
    /// `model_type`.
    pub(super) name: &'static str,
    /// Kind of norm.
    pub(super) norm: Norm,
    /// Place of the norms.
    pub(super) placement: Placement,
    /// Bias of q, k, v and of the output projection, unless `attention_bias` says so.
    pub(super) attention_bias: [bool; 2],
    /// Bias of the feed-forward part, unless `mlp_bias` says so.
    pub(super) mlp_bias: bool,
    /// Whether the feed-forward part has a gate.
    pub(super) gated: bool,
    /// Whether queries and keys are normalized per head.
    pub(super) qk_norm: bool,
    /// Whether the head is tied, unless `tie_word_embeddings` says so.
    pub(super) tied: bool,
    /// Which layers have a window, unless `layer_types` says so.
    pub(super) windows: Windows,
    /// Positions of the input.
    pub(super) positions: Positions,
    /// Sizes used where the file leaves them out.
    pub(super) sizes: Sizes,
}

/// Which layers have a sliding window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Windows {
    /// None.
    None,
    /// All, if `sliding_window` is given.
    All,
    /// From layer `max_window_layers` on, if `use_sliding_window`.
    Upper,
    /// All but each `n`-th, unless `sliding_window_pattern` gives another `n`.
    AllBut(u64),
}

/// How positions get into the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Positions {
    /// Rotation of queries and keys.
    Rotary,
    /// A learned table.
    Learned,
}

/// Sizes of a family used where the file leaves them out.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sizes {
    /// Width of a head; else `hidden / heads`.
    pub(super) head_dim: Option<u64>,
    /// Query heads.
    pub(super) q_heads: Option<u64>,
    /// Key-value heads; else the query heads.
    pub(super) kv_heads: Option<u64>,
    /// Rows of the token table.
    pub(super) vocab: Option<u64>,
    /// Inner width as a multiple of the hidden width.
    pub(super) ffn_ratio: Option<u64>,
}

/// A decoder with root-mean-square norms, a gate and rotary positions.
const BASE: Family = Family {
    name: "llama",
    norm: Norm::Rms,
    placement: Placement::Before,
    attention_bias: [false, false],
    mlp_bias: false,
    gated: true,
    qk_norm: false,
    tied: false,
    windows: Windows::None,
    positions: Positions::Rotary,
    sizes: Sizes {
        head_dim: None,
        q_heads: None,
        kv_heads: None,
        vocab: None,
        ffn_ratio: None,
    },
};

/// Decoders with dense layers.
const DECODERS: &[Family] = &[
    BASE,
    Family {
        name: "mistral",
        windows: Windows::All,
        ..BASE
    },
    Family {
        name: "qwen2",
        attention_bias: [true, false],
        windows: Windows::Upper,
        ..BASE
    },
    Family {
        name: "qwen3",
        qk_norm: true,
        windows: Windows::Upper,
        sizes: Sizes {
            head_dim: Some(128),
            ..BASE.sizes
        },
        ..BASE
    },
    Family {
        name: "phi3",
        windows: Windows::All,
        ..BASE
    },
    Family {
        name: "gemma2",
        placement: Placement::Around,
        tied: true,
        windows: Windows::AllBut(2),
        sizes: Sizes {
            head_dim: Some(256),
            ..BASE.sizes
        },
        ..BASE
    },
    Family {
        name: "gemma3_text",
        placement: Placement::Around,
        qk_norm: true,
        tied: true,
        windows: Windows::AllBut(6),
        sizes: Sizes {
            head_dim: Some(256),
            q_heads: Some(8),
            kv_heads: Some(4),
            vocab: Some(262_208),
            ffn_ratio: None,
        },
        ..BASE
    },
    Family {
        name: "gpt2",
        norm: Norm::Layer,
        attention_bias: [true, true],
        mlp_bias: true,
        gated: false,
        tied: true,
        positions: Positions::Learned,
        sizes: Sizes {
            ffn_ratio: Some(4),
            ..BASE.sizes
        },
        ..BASE
    },
];

/// The decoder family of a `model_type`.
pub(super) fn decoder(name: &str) -> Option<&'static Family> {
    DECODERS.iter().find(|f| f.name == name)
}

/// Every `model_type` that can be built.
pub(super) fn supported() -> Vec<&'static str> {
    let others = ["bert", "gemma3", "vit"];
    let mut names: Vec<&str> = DECODERS.iter().map(|f| f.name).chain(others).collect();
    names.sort_unstable();
    names
}
