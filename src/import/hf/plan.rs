//! What a configuration says, with every default filled in: a closed plan of layers.

use crate::workload::{Dtype, Recurrence};

/// A model, ready to be built at any size.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Plan {
    /// `model_type` of the file.
    pub(super) family: String,
    /// The model's own type.
    pub(super) dtype: Dtype,
    /// How the file says that linear layers are stored, if not in the model's own type.
    pub(super) stored: Option<Stored>,
    /// Width of the residual stream.
    pub(super) hidden: u64,
    /// Kind of every norm of the residual stream.
    pub(super) norm: Norm,
    /// How the first residual comes about.
    pub(super) input: Input,
    /// Layers, grouped by kind in order of first appearance.
    pub(super) segments: Vec<Segment>,
    /// Whether the result of the last layer is normalized.
    pub(super) final_norm: bool,
    /// What follows the last layer.
    pub(super) head: Head,
    /// Longest context stated.
    pub(super) context: Option<u64>,
    /// What runs before this stack: an encoder whose result the layers look at, or towers whose result
    /// takes the place of tokens.
    pub(super) sources: Vec<SourcePlan>,
    /// Parameters that are resident and take no part in a pass, each with its name.
    pub(super) idle: Vec<(&'static str, u64)>,
}

/// How the linear layers of a checkpoint are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stored {
    /// Format.
    pub(super) dtype: Dtype,
    /// Weights that share a scale, where the file says.
    pub(super) group: Option<u32>,
    /// Whether only the weights of experts are stored so.
    pub(super) experts_only: bool,
}

/// An encoder or a tower.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SourcePlan {
    /// Prefix of its operators: `encoder`, `vision`.
    pub(super) name: &'static str,
    /// Its own layers; its head ends in the width that the stack wants.
    pub(super) plan: Plan,
    /// Positions of one item: of the encoder's input, of one image.
    pub(super) tokens: Extent,
    /// Whether it runs once for every sequence, or only for as many images as are asked for.
    pub(super) always: bool,
}

/// How many tokens a source has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// Always as many.
    Fixed(u64),
    /// As many as the symbol `source` says, with a default.
    Open(u64),
}

/// A normalization.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Norm {
    /// Root mean square, one weight per channel.
    Rms,
    /// Mean and variance, weight and bias per channel.
    Layer,
    /// Mean and variance, a weight alone.
    LayerWeight,
    /// Mean and variance, without parameters.
    Plain,
}

/// Where a layer normalizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Placement {
    /// Before attention and before the feed-forward part.
    Before,
    /// Behind each residual addition.
    Behind,
    /// Before and behind each part, inside the residual branch.
    Around,
    /// Behind each part, inside the residual branch.
    Branch,
    /// Once, before both parts, which run side by side.
    Shared,
    /// Before each part; the parts run side by side.
    Beside,
}

/// How the first residual comes about.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Input {
    /// Token ids.
    Tokens(TokenInput),
    /// An image cut into patches.
    Patches(PatchInput),
    /// A spectrogram, or a waveform, through convolutions over time.
    Sound(SoundInput),
    /// Vectors of the residual width, made elsewhere.
    Vectors,
}

/// Tables that token ids index.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct TokenInput {
    /// Rows of the token table.
    pub(super) vocab: u64,
    /// Width of the tables, where a projection leads from it to the residual width.
    pub(super) narrow: Option<Narrow>,
    /// Rows of the table of learned positions, if there is one.
    pub(super) positions: Option<Positions>,
    /// Rows of the table of token types, if there is one.
    pub(super) types: Option<u64>,
    /// Whether the sum is normalized.
    pub(super) norm: bool,
    /// The table is that of the stack this one feeds.
    pub(super) shared: bool,
}

/// Tables narrower than the residual stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Narrow {
    /// Their width.
    pub(super) width: u64,
    /// Whether the projection has a bias.
    pub(super) bias: bool,
}

/// A table of learned positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Positions {
    /// Rows of the table.
    pub(super) rows: u64,
    /// Positions that can be used.
    pub(super) usable: u64,
}

/// A patch embedding, which is a convolution with kernel = stride.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PatchInput {
    /// Side of the square image in pixels.
    pub(super) image: u64,
    /// Side of a patch in pixels.
    pub(super) patch: u64,
    /// Frames that one patch spans.
    pub(super) frames: u64,
    /// Color channels.
    pub(super) channels: u64,
    /// Learned tokens in front of the patches.
    pub(super) extra: u64,
    /// Whether positions are learned, one for each token.
    pub(super) positions: bool,
    /// Whether the convolution has a bias.
    pub(super) bias: bool,
    /// Whether the sum is normalized.
    pub(super) norm: bool,
}

impl PatchInput {
    /// Tokens of one image: its whole patches, and the learned ones.
    pub(super) fn tokens(&self) -> u64 {
        let side = self.image / self.patch;
        side * side + self.extra
    }
}

/// Convolutions over time.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SoundInput {
    /// Channels of the input: mel bins, or 1.
    pub(super) channels: u64,
    /// In order.
    pub(super) convs: Vec<SoundConv>,
    /// Rows of a table of positions, if there is one.
    pub(super) positions: Option<u64>,
}

/// One convolution over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SoundConv {
    /// Output channels.
    pub(super) channels: u64,
    /// Taps.
    pub(super) kernel: u64,
    /// Step.
    pub(super) stride: u64,
}

/// Layers of one kind.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Segment {
    /// The kind.
    pub(super) layer: LayerPlan,
    /// How many there are.
    pub(super) count: u64,
    /// Whether all have the same weights.
    pub(super) shared: bool,
}

/// One layer.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct LayerPlan {
    /// Where it normalizes.
    pub(super) placement: Placement,
    /// How it mixes tokens; `None` where it is a feed-forward part alone.
    pub(super) mixer: Option<Mixer>,
    /// Attention to the result of the encoder.
    pub(super) cross: Option<AttentionPlan>,
    /// What it does per token; `None` where it mixes alone.
    pub(super) ffn: Option<Ffn>,
    /// A learned scale of each channel behind each part.
    pub(super) scales: bool,
    /// Without the norm in front of the mixer that its placement asks for.
    pub(super) bare: bool,
}

/// How tokens see each other.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Mixer {
    /// Multi-head, grouped-query or multi-query attention.
    Attention(AttentionPlan),
    /// Attention over a compressed cache.
    Latent(LatentPlan),
    /// A recurrence.
    Recurrent(RecurrentPlan),
    /// Attention and a recurrence side by side, their results added.
    Both(AttentionPlan, RecurrentPlan),
    /// A short gated convolution.
    Short(ShortPlan),
}

/// A causal convolution of each channel over the last few tokens, gated before and behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ShortPlan {
    /// Taps.
    pub(super) taps: u64,
    /// Bias of the convolution and of both projections.
    pub(super) bias: bool,
}

/// Which tokens attention sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sight {
    /// All tokens of the input, no cache.
    Both,
    /// The last and next `n / 2` tokens of the input, no cache.
    Near(u64),
    /// Past tokens.
    Past,
    /// The last `n`, its own included.
    Window(u64),
    /// Those of its own chunk of `n`, up to itself.
    Chunk(u64),
}

/// Norms of queries and keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeadNorm {
    /// None.
    None,
    /// Of each head; one weight per element of a head.
    Head,
    /// Of each head; one weight and one bias per element of a head.
    HeadBias,
    /// Of each head, with a weight of its own for every head.
    EachHead,
    /// Of all heads together.
    Whole,
    /// Of each head, without parameters.
    Plain,
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
    /// Width of a query and key head.
    pub(super) head_dim: u64,
    /// Width of a value head.
    pub(super) v_dim: u64,
    /// Biases of the query, key and value projection.
    pub(super) bias: [bool; 3],
    /// Bias of the output projection.
    pub(super) output_bias: bool,
    /// Norms of queries and keys.
    pub(super) norm: HeadNorm,
    /// Elements of a head that are rotated; 0 without rotary positions.
    pub(super) rotary: u64,
    /// One learned score per query head that takes part in the softmax.
    pub(super) sinks: bool,
    /// Whether queries bring a gate for the result, as wide as themselves.
    pub(super) gate: bool,
    /// Rows of a table of relative positions, one column per head; `None` where another layer has it.
    pub(super) relative: Option<u64>,
    /// A norm of the result before the output projection, of Rms kind.
    pub(super) sub_norm: bool,
}

/// Multi-head latent attention: keys and values of all heads come from one cached vector.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct LatentPlan {
    /// Heads.
    pub(super) heads: u64,
    /// Width of the compressed query; `None`: queries are not compressed.
    pub(super) q_rank: Option<u64>,
    /// Width of the compressed keys and values.
    pub(super) kv_rank: u64,
    /// Elements of a head without position.
    pub(super) nope: u64,
    /// Rotated elements of a head, which all heads share in the keys.
    pub(super) rope: u64,
    /// Width of a value head.
    pub(super) v_dim: u64,
    /// Bias of the compressing projections and of the output.
    pub(super) bias: bool,
}

/// A recurrence with its projections.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct RecurrentPlan {
    /// Rule.
    pub(super) rule: Recurrence,
    /// Heads of the state; channels of Mamba-1.
    pub(super) heads: u64,
    /// Values of a head; 1 in Mamba-1.
    pub(super) width: u64,
    /// State of each value: `N`, or the key width of a delta rule.
    pub(super) state: u64,
    /// Groups (Mamba-2), or key heads (delta rule).
    pub(super) groups: u64,
    /// Taps of the short convolution; 0 without.
    pub(super) conv: u64,
    /// Whether the short convolution has a bias.
    pub(super) conv_bias: bool,
    /// Bias of input and output projection.
    pub(super) bias: bool,
    /// Width of the compressed step size (Mamba-1).
    pub(super) step_rank: u64,
    /// Learned norms of step size, input and output maps (Jamba).
    pub(super) inner_norms: bool,
    /// Whether the result is normalized before the output projection.
    pub(super) gated_norm: bool,
    /// Tokens of a chunk.
    pub(super) chunk: u64,
}

impl RecurrentPlan {
    /// Values of a token over all heads.
    pub(super) fn inner(&self) -> u64 {
        self.heads * self.width
    }

    /// Channels of the short convolution.
    pub(super) fn conv_channels(&self) -> u64 {
        match self.rule {
            Recurrence::Selective | Recurrence::Gated | Recurrence::Linear => self.inner(),
            Recurrence::Dual => self.inner() + 2 * self.groups * self.state,
            Recurrence::GatedDelta => self.inner() + 2 * self.groups * self.state,
        }
    }

    /// Elements of the recurrent state of a sequence.
    pub(super) fn state_elements(&self) -> f64 {
        self.inner() as f64 * self.state as f64
    }

    /// Elements of the short convolution's state of a sequence, one column per tap as the cache of
    /// transformers has it.
    pub(super) fn conv_elements(&self) -> f64 {
        self.conv_channels() as f64 * self.conv as f64
    }
}

/// What a layer does per token.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Ffn {
    /// The same weights for every token.
    Dense(DensePlan),
    /// Weights chosen by the token.
    Experts(ExpertsPlan),
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

/// A mixture of experts.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ExpertsPlan {
    /// To choose from.
    pub(super) experts: u64,
    /// Chosen for each token.
    pub(super) top_k: u64,
    /// Each expert.
    pub(super) each: DensePlan,
    /// Bias of the scores.
    pub(super) router_bias: bool,
    /// What every token passes as well.
    pub(super) shared: Option<DensePlan>,
    /// A learned gate of the shared part, one number per token.
    pub(super) shared_gate: bool,
    /// A learned shift of every expert's score.
    pub(super) correction: bool,
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
        /// Whether each logit has a bias.
        bias: bool,
    },
    /// Dense layer, norm and logits with a bias, for every token.
    Masked {
        /// Whether the token table is used again.
        tied: bool,
        /// Bias of the dense layer and of the logits.
        bias: bool,
        /// Width behind the dense layer, where it is that of narrow tables.
        width: u64,
    },
    /// Dense layer on the first token, then classes if there are any.
    Pooled {
        /// Classes.
        labels: Option<u64>,
    },
    /// Classes from the first token.
    Classes(u64),
    /// A projection of the first token (`first`) or of all to a width, then nothing.
    Projected {
        /// Width.
        width: u64,
        /// Whether only one token of each sequence is projected.
        first: bool,
        /// Bias.
        bias: bool,
    },
    /// Several linear layers from groups of `merge` tokens to a width: what joins a tower to a decoder.
    Merged {
        /// Tokens that become one.
        merge: u64,
        /// Whether a group is averaged instead of joined.
        average: bool,
        /// Norm before, of this kind.
        norm: Option<Norm>,
        /// Widths of the layers behind each other.
        widths: Vec<u64>,
        /// Bias.
        bias: bool,
    },
    /// The last layer's result itself.
    None,
}

impl Plan {
    /// True if it makes tokens one after another.
    pub(super) fn is_decoder(&self) -> bool {
        let attention = |a: &AttentionPlan| !matches!(a.sight, Sight::Both | Sight::Near(_));
        self.segments.iter().any(|s| match &s.layer.mixer {
            Some(Mixer::Attention(a)) => attention(a),
            Some(Mixer::Latent(_) | Mixer::Recurrent(_) | Mixer::Both(..) | Mixer::Short(_)) => {
                true
            }
            None => false,
        })
    }

    /// Elements appended to the KV cache per token: `Σ layers · kv_heads · (qk + v)`, or
    /// `Σ layers · (kv_rank + rope)` where the cache is compressed.
    ///
    /// Source: derived.
    pub(super) fn kv_elements_per_token(&self) -> f64 {
        let attention = |a: &AttentionPlan| (a.kv_heads * (a.head_dim + a.v_dim)) as f64;
        let each = self.segments.iter().map(|s| {
            let elements = match &s.layer.mixer {
                Some(Mixer::Attention(a) | Mixer::Both(a, _)) => attention(a),
                Some(Mixer::Latent(l)) => (l.kv_rank + l.rope) as f64,
                Some(Mixer::Recurrent(_) | Mixer::Short(_)) | None => 0.0,
            };
            s.count as f64 * elements
        });
        each.sum()
    }

    /// Elements of recurrent and convolution state of a sequence.
    pub(super) fn state_elements(&self) -> f64 {
        let each = self.segments.iter().map(|s| {
            let elements = match &s.layer.mixer {
                Some(Mixer::Recurrent(r) | Mixer::Both(_, r)) => {
                    r.state_elements() + r.conv_elements()
                }
                Some(Mixer::Short(short)) => self.hidden as f64 * short.taps as f64,
                Some(Mixer::Attention(_) | Mixer::Latent(_)) | None => 0.0,
            };
            s.count as f64 * elements
        });
        each.sum()
    }

    /// Parameters of experts that a token does not meet: `Σ layers · (1 - k/E) · experts · each`.
    pub(super) fn idle_experts(&self) -> f64 {
        let each = self.segments.iter().map(|s| match &s.layer.ffn {
            Some(Ffn::Experts(e)) => {
                let one = e.each.parameters(self.hidden) as f64;
                s.count as f64 * one * e.experts.saturating_sub(e.top_k) as f64
            }
            Some(Ffn::Dense(_)) | None => 0.0,
        });
        each.sum()
    }
}

impl DensePlan {
    /// Parameters of its two or three matrices on a stream of this width, with their biases.
    pub(super) fn parameters(&self, hidden: u64) -> u64 {
        let up = if self.gated { 2 } else { 1 };
        let biases = if self.bias {
            up * self.width + hidden
        } else {
            0
        };
        (up + 1) * self.width * hidden + biases
    }
}

impl LayerPlan {
    /// The name of what it does per token.
    pub(super) fn feed_label(&self) -> &'static str {
        match &self.ffn {
            Some(Ffn::Dense(_)) => "dense",
            Some(Ffn::Experts(_)) => "moe",
            None => "alone",
        }
    }

    /// The name in operator names where a model has layers of several kinds.
    pub(super) fn label(&self) -> &'static str {
        match &self.mixer {
            None if matches!(self.ffn, Some(Ffn::Experts(_))) => "moe",
            None => "mlp",
            Some(Mixer::Attention(a)) => match a.sight {
                Sight::Both | Sight::Past => "full",
                Sight::Window(_) | Sight::Near(_) => "sliding",
                Sight::Chunk(_) => "chunked",
            },
            Some(Mixer::Latent(_)) => "latent",
            Some(Mixer::Both(..)) => "hybrid",
            Some(Mixer::Short(_)) => "conv",
            Some(Mixer::Recurrent(r)) => match r.rule {
                Recurrence::Selective | Recurrence::Dual => "mamba",
                Recurrence::GatedDelta => "delta",
                Recurrence::Linear => "linear",
                Recurrence::Gated => "recurrent",
            },
        }
    }
}
