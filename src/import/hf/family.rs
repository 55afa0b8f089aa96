//! What the fields of a configuration leave to its family.
//!
//! Source: the configuration and modeling classes of transformers 5.24 for each `model_type`.

use super::plan::{Activation, HeadNorm, Norm, Placement};

/// Defaults and fixed traits of a `model_type`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Family {
    /// `model_type`.
    pub(super) name: &'static str,
    /// Kind of norm.
    pub(super) norm: Norm,
    /// Place of the norms.
    pub(super) placement: Placement,
    /// Bias of q, k, v and of the output projection, unless the file says so.
    pub(super) attention_bias: [bool; 4],
    /// Bias of the feed-forward part, unless the file says so.
    pub(super) mlp_bias: bool,
    /// Whether the feed-forward part has a gate.
    pub(super) gated: bool,
    /// Nonlinearity where the file names none.
    pub(super) activation: Activation,
    /// Norms of queries and keys.
    pub(super) qk_norm: HeadNorm,
    /// Norms of queries and keys where the file asks for some.
    pub(super) qk_asked: HeadNorm,
    /// Whether the head is tied, unless `tie_word_embeddings` says so.
    pub(super) tied: bool,
    /// Whether logits have a bias.
    pub(super) head_bias: bool,
    /// Which layers have a window, unless `layer_types` says so.
    pub(super) windows: Windows,
    /// Positions of the input.
    pub(super) positions: PositionKind,
    /// Share of a head that is rotated, unless the file says so.
    pub(super) rotary: f64,
    /// Whether the embedding is normalized.
    pub(super) embedding_norm: bool,
    /// A learned score per head in the softmax.
    pub(super) sinks: bool,
    /// Queries bring a gate for the result.
    pub(super) gate: bool,
    /// A norm of the result of attention before the output projection.
    pub(super) sub_norm: bool,
    /// Traits of its mixtures of experts.
    pub(super) experts: ExpertTraits,
    /// Traits of its recurrent layers.
    pub(super) recurrent: RecurrentTraits,
    /// Sizes used where the file leaves them out.
    pub(super) sizes: Sizes,
}

/// What is fixed of a family's experts.
#[derive(Clone, Copy, Debug)]
pub(super) struct ExpertTraits {
    /// Bias of the scores.
    pub(super) router_bias: bool,
    /// Bias of each expert.
    pub(super) bias: bool,
    /// A gate of the shared part.
    pub(super) shared_gate: bool,
    /// A shared part as wide as one expert, though the file does not name one.
    pub(super) shared: bool,
    /// A learned shift of every score.
    pub(super) correction: bool,
}

/// What is fixed of a family's recurrent layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RecurrentTraits {
    /// Whatever the fields say; Mamba-2 where heads are named, else Mamba-1.
    Fields,
    /// Mamba-1, with norms of its maps.
    NormedMamba,
    /// Lightning attention.
    Lightning,
    /// Gated linear recurrence.
    Griffin,
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
    /// All but each `n`-th see only their chunk.
    ChunkAllBut(u64),
}

/// How positions get into the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PositionKind {
    /// Rotation of queries and keys.
    Rotary,
    /// A learned table with this many rows more than positions.
    Learned(u64),
    /// A fixed slope per head, or none at all.
    Fixed,
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
    /// Tokens of a window.
    pub(super) window: Option<u64>,
}

const SIZES: Sizes = Sizes {
    head_dim: None,
    q_heads: None,
    kv_heads: None,
    vocab: None,
    ffn_ratio: None,
    window: None,
};

const EXPERTS: ExpertTraits = ExpertTraits {
    router_bias: false,
    bias: false,
    shared_gate: false,
    shared: false,
    correction: false,
};

/// A decoder with root-mean-square norms, a gate and rotary positions.
const BASE: Family = Family {
    name: "llama",
    norm: Norm::Rms,
    placement: Placement::Before,
    attention_bias: [false; 4],
    mlp_bias: false,
    gated: true,
    activation: Activation::Silu,
    qk_norm: HeadNorm::None,
    qk_asked: HeadNorm::Head,
    tied: false,
    head_bias: false,
    windows: Windows::None,
    positions: PositionKind::Rotary,
    rotary: 1.0,
    embedding_norm: false,
    sinks: false,
    gate: false,
    sub_norm: false,
    experts: EXPERTS,
    recurrent: RecurrentTraits::Fields,
    sizes: SIZES,
};

/// Biases of q, k and v.
const QKV: [bool; 4] = [true, true, true, false];

/// A decoder with layer norms and biases everywhere, without a gate.
const CLASSIC: Family = Family {
    norm: Norm::Layer,
    attention_bias: [true; 4],
    mlp_bias: true,
    gated: false,
    activation: Activation::Gelu,
    tied: true,
    sizes: Sizes {
        ffn_ratio: Some(4),
        ..SIZES
    },
    ..BASE
};

const fn head_dim(n: u64) -> Sizes {
    Sizes {
        head_dim: Some(n),
        ..SIZES
    }
}

/// Decoders.
const DECODERS: &[Family] = &[
    BASE,
    Family {
        name: "mistral",
        windows: Windows::All,
        ..BASE
    },
    Family {
        name: "ministral",
        windows: Windows::All,
        ..BASE
    },
    Family {
        name: "ministral3",
        windows: Windows::All,
        ..BASE
    },
    Family {
        name: "mixtral",
        windows: Windows::All,
        ..BASE
    },
    Family {
        name: "qwen2",
        attention_bias: QKV,
        windows: Windows::Upper,
        ..BASE
    },
    Family {
        name: "qwen2_vl_text",
        attention_bias: QKV,
        windows: Windows::Upper,
        ..BASE
    },
    Family {
        name: "qwen2_5_vl_text",
        attention_bias: QKV,
        windows: Windows::Upper,
        ..BASE
    },
    Family {
        name: "qwen2_moe",
        attention_bias: QKV,
        windows: Windows::Upper,
        experts: ExpertTraits {
            shared_gate: true,
            ..EXPERTS
        },
        ..BASE
    },
    Family {
        name: "qwen3",
        qk_norm: HeadNorm::Head,
        windows: Windows::Upper,
        sizes: head_dim(128),
        ..BASE
    },
    Family {
        name: "qwen3_vl_text",
        qk_norm: HeadNorm::Head,
        sizes: head_dim(128),
        ..BASE
    },
    Family {
        name: "qwen3_moe",
        qk_norm: HeadNorm::Head,
        windows: Windows::Upper,

        ..BASE
    },
    Family {
        name: "qwen3_vl_moe_text",
        qk_norm: HeadNorm::Head,
        sizes: head_dim(128),
        ..BASE
    },
    Family {
        name: "qwen3_next",
        qk_norm: HeadNorm::Head,
        gate: true,
        rotary: 0.25,
        experts: ExpertTraits {
            shared_gate: true,
            ..EXPERTS
        },
        sizes: head_dim(256),
        ..BASE
    },
    Family {
        name: "qwen3_5_text",
        qk_norm: HeadNorm::Head,
        gate: true,
        rotary: 0.25,
        sizes: head_dim(256),
        ..BASE
    },
    Family {
        name: "qwen3_5_moe_text",
        qk_norm: HeadNorm::Head,
        gate: true,
        rotary: 0.25,
        experts: ExpertTraits {
            shared_gate: true,
            ..EXPERTS
        },
        sizes: head_dim(256),
        ..BASE
    },
    Family {
        name: "phi3",
        windows: Windows::All,
        ..BASE
    },
    Family {
        name: "phimoe",
        norm: Norm::Layer,
        windows: Windows::All,
        ..BASE
    },
    Family {
        name: "phi",
        qk_asked: HeadNorm::HeadBias,
        placement: Placement::Shared,
        tied: false,
        head_bias: true,
        rotary: 0.5,
        ..CLASSIC
    },
    Family {
        name: "gemma",
        tied: true,
        activation: Activation::Gelu,
        sizes: head_dim(256),
        ..BASE
    },
    Family {
        name: "gemma2",
        placement: Placement::Around,
        tied: true,
        activation: Activation::Gelu,
        windows: Windows::AllBut(2),
        sizes: Sizes {
            window: Some(4096),
            ..head_dim(256)
        },
        ..BASE
    },
    Family {
        name: "gemma3_text",
        placement: Placement::Around,
        qk_norm: HeadNorm::Head,
        tied: true,
        activation: Activation::Gelu,
        windows: Windows::AllBut(6),
        sizes: Sizes {
            head_dim: Some(256),
            q_heads: Some(8),
            kv_heads: Some(4),
            vocab: Some(262_208),
            window: Some(4096),
            ffn_ratio: None,
        },
        ..BASE
    },
    Family {
        name: "gpt_oss",
        attention_bias: [true; 4],
        windows: Windows::AllBut(2),
        sinks: true,
        experts: ExpertTraits {
            router_bias: true,
            bias: true,
            ..EXPERTS
        },
        sizes: Sizes {
            window: Some(128),
            ..head_dim(64)
        },
        ..BASE
    },
    Family {
        name: "gpt2",
        positions: PositionKind::Learned(0),
        ..CLASSIC
    },
    Family {
        name: "gpt_bigcode",
        positions: PositionKind::Learned(0),
        sizes: Sizes {
            kv_heads: Some(1),
            ffn_ratio: Some(4),
            ..SIZES
        },
        ..CLASSIC
    },
    Family {
        name: "gpt_neo",
        attention_bias: [false, false, false, true],
        positions: PositionKind::Learned(0),
        ..CLASSIC
    },
    Family {
        name: "gpt_neox",
        placement: Placement::Beside,
        tied: false,
        rotary: 0.25,
        ..CLASSIC
    },
    Family {
        name: "gptj",
        placement: Placement::Shared,
        attention_bias: [false; 4],
        tied: false,
        head_bias: true,
        ..CLASSIC
    },
    Family {
        name: "codegen",
        placement: Placement::Shared,
        attention_bias: [false; 4],
        tied: false,
        head_bias: true,
        ..CLASSIC
    },
    Family {
        name: "opt",
        activation: Activation::Relu,
        positions: PositionKind::Learned(2),
        ..CLASSIC
    },
    Family {
        name: "bloom",
        positions: PositionKind::Fixed,
        embedding_norm: true,
        ..CLASSIC
    },
    Family {
        name: "mpt",
        norm: Norm::LayerWeight,
        attention_bias: [false; 4],
        mlp_bias: false,
        positions: PositionKind::Fixed,
        ..CLASSIC
    },
    Family {
        name: "falcon",
        placement: Placement::Shared,
        attention_bias: [false; 4],
        mlp_bias: false,
        ..CLASSIC
    },
    Family {
        name: "starcoder2",
        windows: Windows::All,
        sizes: SIZES,
        ..CLASSIC
    },
    Family {
        name: "persimmon",
        qk_asked: HeadNorm::HeadBias,
        activation: Activation::Relu,
        tied: false,
        sizes: SIZES,
        rotary: 0.5,
        ..CLASSIC
    },
    Family {
        name: "stablelm",
        qk_asked: HeadNorm::EachHead,
        norm: Norm::Layer,
        rotary: 0.25,
        ..BASE
    },
    Family {
        name: "nemotron",
        attention_bias: [false; 4],
        mlp_bias: false,
        activation: Activation::Relu,
        tied: false,
        rotary: 0.5,
        sizes: SIZES,
        ..CLASSIC
    },
    Family {
        name: "olmo",
        norm: Norm::Plain,
        ..BASE
    },
    Family {
        name: "olmo2",
        placement: Placement::Branch,
        qk_norm: HeadNorm::Whole,
        ..BASE
    },
    Family {
        name: "olmo3",
        placement: Placement::Branch,
        qk_norm: HeadNorm::Whole,
        windows: Windows::AllBut(4),
        ..BASE
    },
    Family {
        name: "olmoe",
        qk_norm: HeadNorm::Whole,
        ..BASE
    },
    Family {
        name: "cohere",
        qk_asked: HeadNorm::EachHead,
        placement: Placement::Shared,
        norm: Norm::LayerWeight,
        tied: true,
        ..BASE
    },
    Family {
        name: "cohere2",
        placement: Placement::Shared,
        norm: Norm::LayerWeight,
        tied: true,
        windows: Windows::AllBut(4),
        ..BASE
    },
    Family {
        name: "granite",
        ..BASE
    },
    Family {
        name: "granitemoe",
        ..BASE
    },
    Family {
        name: "granitemoeshared",
        ..BASE
    },
    Family {
        name: "granitemoehybrid",
        ..BASE
    },
    Family {
        name: "glm",
        attention_bias: QKV,
        rotary: 0.5,
        sizes: head_dim(128),
        ..BASE
    },
    Family {
        name: "glm4",
        placement: Placement::Around,
        attention_bias: QKV,
        rotary: 0.5,
        sizes: head_dim(128),
        ..BASE
    },
    Family {
        name: "glm4_moe",
        attention_bias: QKV,
        rotary: 0.5,

        ..BASE
    },
    Family {
        name: "glm4_moe_lite",
        ..BASE
    },
    Family {
        name: "arcee",
        gated: false,
        activation: Activation::Relu,
        ..BASE
    },
    Family {
        name: "deepseek",
        ..BASE
    },
    Family {
        name: "deepseek_v2",
        ..BASE
    },
    Family {
        name: "deepseek_v3",
        ..BASE
    },
    Family {
        name: "kimi_k2",
        ..BASE
    },
    Family {
        name: "dots1",
        qk_norm: HeadNorm::Head,
        ..BASE
    },
    Family {
        name: "ernie4_5",
        tied: true,
        ..BASE
    },
    Family {
        name: "ernie4_5_moe",
        tied: true,
        experts: ExpertTraits {
            correction: true,
            ..EXPERTS
        },
        ..BASE
    },
    Family {
        name: "lfm2",
        tied: true,
        qk_norm: HeadNorm::Head,
        ..BASE
    },
    Family {
        name: "lfm2_moe",
        tied: true,
        qk_norm: HeadNorm::Head,
        experts: ExpertTraits {
            correction: true,
            ..EXPERTS
        },
        ..BASE
    },
    Family {
        name: "hunyuan_v1_dense",
        qk_norm: HeadNorm::Head,
        ..BASE
    },
    Family {
        name: "hunyuan_v1_moe",
        qk_norm: HeadNorm::Head,
        ..BASE
    },
    Family {
        name: "seed_oss",
        attention_bias: QKV,
        sizes: head_dim(128),
        ..BASE
    },
    Family {
        name: "smollm3",
        tied: true,
        windows: Windows::Upper,
        ..BASE
    },
    Family {
        name: "exaone4",
        placement: Placement::Branch,
        qk_norm: HeadNorm::Head,
        windows: Windows::AllBut(4),
        ..BASE
    },
    Family {
        name: "internlm3",
        ..BASE
    },
    Family {
        name: "baichuan",
        ..BASE
    },
    Family {
        name: "minimax",
        recurrent: RecurrentTraits::Lightning,
        ..BASE
    },
    Family {
        name: "minimax_m2",
        qk_norm: HeadNorm::Whole,
        rotary: 0.5,
        ..BASE
    },
    Family {
        name: "llama4_text",
        qk_norm: HeadNorm::Plain,
        windows: Windows::ChunkAllBut(4),
        experts: ExpertTraits {
            shared: true,
            ..EXPERTS
        },
        sizes: head_dim(128),
        ..BASE
    },
    Family {
        name: "jamba",
        positions: PositionKind::Fixed,
        recurrent: RecurrentTraits::NormedMamba,
        ..BASE
    },
    Family {
        name: "mamba",
        tied: true,
        ..BASE
    },
    Family {
        name: "falcon_mamba",
        tied: true,
        ..BASE
    },
    Family {
        name: "mamba2",
        ..BASE
    },
    Family {
        name: "bamba",
        rotary: 0.5,
        ..BASE
    },
    Family {
        name: "falcon_h1",
        ..BASE
    },
    Family {
        name: "nemotron_h",
        gated: false,
        activation: Activation::Relu,
        positions: PositionKind::Fixed,
        sizes: head_dim(128),
        ..BASE
    },
    Family {
        name: "recurrent_gemma",
        tied: true,
        activation: Activation::Gelu,
        rotary: 0.5,
        mlp_bias: true,
        attention_bias: [false, false, false, true],
        windows: Windows::All,
        recurrent: RecurrentTraits::Griffin,
        sizes: Sizes {
            window: Some(2048),
            ..SIZES
        },
        ..BASE
    },
];

/// Other names of a decoder family.
const SYNONYMS: &[(&str, &str)] = &[
    ("yi", "llama"),
    ("codellama", "llama"),
    ("code_llama", "llama"),
    ("mistral3", "mistral"),
    ("kimi_k25", "deepseek_v3"),
    ("glm46v", "glm4_moe"),
    ("qwen3_5", "qwen3_5_text"),
    ("qwen3_5_moe", "qwen3_5_moe_text"),
    ("RefinedWeb", "falcon"),
    ("RefinedWebModel", "falcon"),
    ("gemma3", "gemma3_text"),
    ("llama4", "llama4_text"),
    ("qwen2_vl", "qwen2"),
    ("qwen2_5_vl", "qwen2"),
    ("qwen3_vl", "qwen3"),
    ("qwen3_vl_moe", "qwen3_moe"),
];

/// The decoder family of a `model_type`.
pub(super) fn decoder(name: &str) -> Option<&'static Family> {
    let of = |name: &str| DECODERS.iter().find(|f| f.name == name);
    of(name).or_else(|| {
        let synonym = SYNONYMS.iter().find(|(other, _)| *other == name)?;
        of(synonym.1)
    })
}

/// The family that is taken for a decoder that is not listed: its fields say the rest.
pub(super) const UNLISTED: &Family = &BASE;

/// Every `model_type` of a decoder that is listed.
pub(super) fn decoders() -> impl Iterator<Item = &'static str> {
    let synonyms = SYNONYMS.iter().map(|(name, _)| *name);
    DECODERS.iter().map(|f| f.name).chain(synonyms)
}
