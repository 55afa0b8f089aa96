//! What a configuration says, with every default filled in: a closed plan of layers.

use crate::workload::Dtype;

/// A model, ready to be built at any size.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Plan {
    /// `model_type` of the file.
    pub(super) family: String,
    /// The model's own type.
    pub(super) dtype: Dtype,
    /// Width of the residual stream.
    pub(super) hidden: u64,
    /// Kind of every norm of the residual stream.
    pub(super) norm: Norm,
    /// Where the norms of a layer are.
    pub(super) placement: Placement,
    /// How the first residual comes about.
    pub(super) input: Input,
    /// Layers, grouped by kind in order of first appearance.
    pub(super) segments: Vec<Segment>,
    /// What follows the last layer.
    pub(super) head: Head,
    /// Longest context stated.
    pub(super) context: Option<u64>,
    /// Parameters that are resident but take no part in a pass over text, such as a vision tower.
    pub(super) idle_parameters: u64,
}

/// A normalization.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Norm {
    /// Root mean square, one weight per channel.
    Rms,
    /// Mean and variance, weight and bias per channel.
    Layer,
}

/// Where a layer normalizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Placement {
    /// Before attention and before the feed-forward part; once more behind the last layer.
    Before,
    /// Behind each residual addition.
    Behind,
    /// Before and behind each part, inside the residual branch; once more behind the last layer.
    Around,
}

/// How the first residual comes about.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Input {
    /// Token ids.
    Tokens(TokenInput),
    /// An image cut into patches, and one class token.
    Patches(PatchInput),
}

/// Tables that token ids index.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct TokenInput {
    /// Rows of the token table.
    pub(super) vocab: u64,
    /// Rows of the table of learned positions, if there is one.
    pub(super) positions: Option<u64>,
    /// Rows of the table of token types, if there is one.
    pub(super) types: Option<u64>,
    /// Whether the sum is normalized.
    pub(super) norm: bool,
}

/// A patch embedding, which is a convolution with kernel = stride.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PatchInput {
    /// Side of the square image in pixels.
    pub(super) image: u64,
    /// Side of a patch in pixels.
    pub(super) patch: u64,
    /// Color channels.
    pub(super) channels: u64,
}

/// Consecutive or interleaved layers of one kind.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Segment {
    /// How the layers mix tokens.
    pub(super) mixer: Mixer,
    /// What they do per token.
    pub(super) ffn: Ffn,
    /// How many there are.
    pub(super) count: u64,
}

/// How tokens see each other.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Mixer {
    /// Multi-head, grouped-query or multi-query attention.
    Attention(AttentionPlan),
}

/// Which tokens attention sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sight {
    /// All tokens of the input, no cache.
    Both,
    /// Past tokens.
    Past,
    /// The last `n`, its own included.
    Window(u64),
}

/// Attention with separate keys and values per key-value head.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct AttentionPlan {
    /// Which tokens it sees.
    pub(super) sight: Sight,
    /// Query heads.
    pub(super) q_heads: u64,
    /// Key-value heads; divides `q_heads`.
    pub(super) kv_heads: u64,
    /// Width of a head.
    pub(super) head_dim: u64,
    /// Bias of the three input projections.
    pub(super) qkv_bias: bool,
    /// Bias of the output projection.
    pub(super) output_bias: bool,
    /// RMS norm of each query and key head.
    pub(super) qk_norm: bool,
    /// Elements of a head that are rotated; 0 without rotary positions.
    pub(super) rotary: u64,
}

/// What a layer does per token.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Ffn {
    /// The same weights for every token.
    Dense(DensePlan),
}

/// `down(activation(gate(x)) * up(x))`, or without the gate `down(activation(up(x)))`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct DensePlan {
    /// Inner width.
    pub(super) width: u64,
    /// Whether there is a gate.
    pub(super) gated: bool,
    /// Bias of all projections.
    pub(super) bias: bool,
    /// Nonlinearity.
    pub(super) activation: Activation,
}

/// A nonlinearity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Activation {
    /// `x · sigmoid(x)`.
    Silu,
    /// Any form of the Gaussian error unit.
    Gelu,
    /// `max(x, 0)`, possibly squared.
    Relu,
    /// Hyperbolic tangent.
    Tanh,
}

/// What follows the last layer.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Head {
    /// Logits over the vocabulary.
    Logits {
        /// Whether the token table is used again.
        tied: bool,
        /// Whether logits are capped by a hyperbolic tangent.
        capped: bool,
    },
    /// Dense layer, norm and logits with a bias, for every token.
    Masked {
        /// Whether the token table is used again.
        tied: bool,
    },
    /// Dense layer on the first token, then classes if there are any.
    Pooled {
        /// Classes.
        labels: Option<u64>,
    },
    /// Classes from the first token.
    Classes(u64),
}

impl Plan {
    /// True if it makes tokens one after another, with a cache.
    pub(super) fn is_decoder(&self) -> bool {
        self.segments.iter().any(|s| match &s.mixer {
            Mixer::Attention(a) => a.sight != Sight::Both,
        })
    }

    /// Elements appended to the KV cache per token: `Σ layers · 2 · kv_heads · head_dim`.
    ///
    /// Source: derived.
    pub(super) fn kv_elements_per_token(&self) -> f64 {
        let each = self.segments.iter().map(|s| match &s.mixer {
            Mixer::Attention(a) => s.count as f64 * 2.0 * (a.kv_heads * a.head_dim) as f64,
        });
        each.sum()
    }
}

impl Sight {
    /// The name in operator names where a model has layers of several kinds.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Both | Self::Past => "full",
            Self::Window(_) => "sliding",
        }
    }
}
