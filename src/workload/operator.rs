//! The closed list of operator kinds that everything else matches on.

use crate::units::Bytes;

use super::{Attention, Collective, Dtype, Einsum, Experts, Scan, Tensor, TensorId};

/// Arithmetic of a vector engine, per output or input element.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct VectorWork {
    /// Elements processed.
    pub elements: f64,
    /// Additions, multiplications, comparisons per element.
    pub ops: f64,
    /// Exponentials, roots, divisions per element.
    pub special: f64,
}

/// Whether a change of layout moves data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum View {
    /// Only the description changes: free.
    Free,
    /// Every element is read and written.
    Copy,
}

/// What an operator computes.
#[derive(Clone, Debug, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "most operators are products; a box each would cost an allocation"
)]
pub enum OpKind {
    /// Matrix product or convolution: inputs `lhs`, `rhs`, then an optional bias; output `acc`.
    Einsum {
        /// Ranks and projections.
        einsum: Einsum,
        /// Format of the multiplier inputs.
        dtype: Dtype,
    },
    /// Fused attention: inputs `q`, `k`, `v`; `k` and `v` may be one tensor, which is read once.
    Attention(Attention),
    /// Product with weights chosen by the row: inputs `x`, all weights, then an optional bias.
    Experts(Experts),
    /// Choice of `top_k` of `experts` for each token: input the scores.
    Route {
        /// Tokens.
        tokens: u64,
        /// To choose from.
        experts: u64,
        /// Chosen.
        top_k: u64,
    },
    /// A recurrence over tokens: inputs the values of the new tokens, then the state, which it updates in
    /// place as its last output.
    Scan(Scan),
    /// One result per element.
    Elementwise(VectorWork),
    /// Sums over a rank and possibly a second pass: softmax, norms, pooling.
    Reduction(VectorWork),
    /// Rows picked from a table, the first input; only those are read.
    Gather {
        /// Elements read from the table.
        elements: f64,
    },
    /// A change of layout.
    Layout(View),
    /// New keys and values appended to the cache: only the new elements are written.
    KvAppend {
        /// Elements written.
        elements: f64,
    },
    /// An exchange with other chips: input this chip's part or summand.
    Collective(Collective),
    /// Not known: its bytes count, its arithmetic does not.
    Opaque {
        /// Why.
        reason: String,
    },
}

impl OpKind {
    /// Names of all kinds, and what each is.
    pub const KINDS: [(&'static str, &'static str); 12] = [
        ("einsum", "matrix product or convolution"),
        ("attention", "fused attention: scores never leave the chip"),
        (
            "experts",
            "product with weights chosen by the row: mixture of experts, adapters",
        ),
        ("route", "choice of experts for each token"),
        (
            "scan",
            "recurrence over tokens: state-space layer, gated delta rule",
        ),
        ("elementwise", "one result per element"),
        ("reduction", "softmax, norms, pooling: sums over a rank"),
        ("gather", "rows picked from a table"),
        ("layout", "reshape (free) or transpose (a copy)"),
        ("kv-append", "new keys and values into the cache"),
        (
            "collective",
            "exchange with other chips: sum, gather, scatter",
        ),
        ("opaque", "not known: bytes count, arithmetic does not"),
    ];

    /// Stable short name for tables.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Einsum { .. } => "einsum",
            Self::Attention(_) => "attention",
            Self::Experts(_) => "experts",
            Self::Route { .. } => "route",
            Self::Scan(_) => "scan",
            Self::Elementwise(_) => "elementwise",
            Self::Reduction(_) => "reduction",
            Self::Gather { .. } => "gather",
            Self::Layout(_) => "layout",
            Self::KvAppend { .. } => "kv-append",
            Self::Collective(_) => "collective",
            Self::Opaque { .. } => "opaque",
        }
    }

    /// Format of its matrix products, if it has any.
    pub fn product_dtype(&self) -> Option<Dtype> {
        match self {
            Self::Einsum { dtype, .. } => Some(*dtype),
            Self::Attention(attention) => Some(attention.dtype),
            Self::Experts(experts) => Some(experts.dtype),
            Self::Scan(scan) if scan.is_chunked() => Some(scan.dtype),
            Self::Scan(_)
            | Self::Route { .. }
            | Self::Elementwise(_)
            | Self::Reduction(_)
            | Self::Gather { .. }
            | Self::Layout(_)
            | Self::KvAppend { .. }
            | Self::Collective(_)
            | Self::Opaque { .. } => None,
        }
    }
}

/// One node of the graph, standing for `count` equal executions.
#[derive(Clone, Debug, PartialEq)]
pub struct Operator {
    /// Name in the model.
    pub name: String,
    /// Operator of the source format (`Conv`, `MatMul`, `linear`), for histograms.
    pub source: String,
    /// Layer or block it belongs to, for grouping; empty if unknown.
    pub block: String,
    /// What it computes.
    pub kind: OpKind,
    /// Tensors read.
    pub inputs: Vec<TensorId>,
    /// Tensors written.
    pub outputs: Vec<TensorId>,
    /// Executions (one per repeated layer).
    pub count: u64,
}

impl Operator {
    /// The layer that its block lies in: the block up to the first number or `*`, or up to the name behind
    /// `layers`; else its first part.
    pub fn layer(&self) -> &str {
        let mut end = 0;
        let mut after_layers = false;
        for part in self.block.split('.') {
            end += part.len();
            if part == "*" || part.parse::<u64>().is_ok() || after_layers {
                return &self.block[..end];
            }
            after_layers = part == "layers";
            end += 1;
        }
        self.block.split('.').next().unwrap_or_default()
    }

    /// MACs of one execution, attention over the full square of queries and keys.
    pub fn macs(&self) -> f64 {
        match &self.kind {
            OpKind::Einsum { einsum, .. } => einsum.macs(),
            OpKind::Attention(attention) => attention.full_macs(),
            OpKind::Experts(experts) => experts.macs(),
            OpKind::Scan(scan) => scan.macs(),
            OpKind::Route { .. }
            | OpKind::Elementwise(_)
            | OpKind::Reduction(_)
            | OpKind::Gather { .. }
            | OpKind::Layout(_)
            | OpKind::KvAppend { .. }
            | OpKind::Collective(_)
            | OpKind::Opaque { .. } => 0.0,
        }
    }

    /// MACs of one execution that the result depends on (masked pairs left out).
    pub fn useful_macs(&self) -> f64 {
        match &self.kind {
            OpKind::Attention(attention) => attention.useful_macs(),
            OpKind::Scan(scan) => scan.useful_macs(),
            OpKind::Einsum { .. }
            | OpKind::Experts(_)
            | OpKind::Route { .. }
            | OpKind::Elementwise(_)
            | OpKind::Reduction(_)
            | OpKind::Gather { .. }
            | OpKind::Layout(_)
            | OpKind::KvAppend { .. }
            | OpKind::Collective(_)
            | OpKind::Opaque { .. } => self.macs(),
        }
    }

    /// Bytes of input `index` that one execution must read at least once.
    pub fn bytes_read(&self, index: usize, tensor: &Tensor) -> Bytes {
        let whole = tensor.bytes();
        match &self.kind {
            OpKind::Gather { elements } if index == 0 => {
                Bytes(elements * tensor.element_bytes()).min(whole)
            }
            OpKind::Einsum { einsum, .. } if index < 2 => {
                let slot = super::Slot::ALL[index];
                Bytes(einsum.elements(slot) * tensor.element_bytes()).min(whole)
            }
            // Only the chosen ones of all weights and biases.
            OpKind::Experts(experts) if index > 0 => {
                whole * (experts.loads.touched() / experts.experts.max(1) as f64).min(1.0)
            }
            OpKind::Attention(_) if index == 2 && self.inputs.get(1) == self.inputs.get(2) => {
                Bytes::ZERO
            }
            OpKind::Attention(attention) if index == 1 || index == 2 => {
                // A windowed cache may hold fewer keys than a long prompt brings along and reads.
                let width = if index == 1 {
                    attention.qk_dim
                } else {
                    attention.v_dim
                };
                let heads = attention.batch as f64 * attention.kv_heads as f64;
                Bytes(attention.keys_read() * heads * width as f64 * tensor.element_bytes())
            }
            // The cache is written in place: what it held before is not read.
            OpKind::KvAppend { elements } => Bytes(elements * tensor.element_bytes()).min(whole),
            OpKind::Layout(View::Free) => Bytes::ZERO,
            OpKind::Einsum { .. }
            | OpKind::Attention(_)
            | OpKind::Experts(_)
            | OpKind::Route { .. }
            | OpKind::Scan(_)
            | OpKind::Elementwise(_)
            | OpKind::Reduction(_)
            | OpKind::Gather { .. }
            | OpKind::Layout(View::Copy)
            | OpKind::Collective(_)
            | OpKind::Opaque { .. } => whole,
        }
    }

    /// Bytes of an output that one execution writes.
    pub fn bytes_written(&self, tensor: &Tensor) -> Bytes {
        match &self.kind {
            OpKind::Layout(View::Free) => Bytes::ZERO,
            OpKind::KvAppend { elements } => Bytes(elements * tensor.element_bytes()),
            OpKind::Einsum { .. }
            | OpKind::Attention(_)
            | OpKind::Experts(_)
            | OpKind::Route { .. }
            | OpKind::Scan(_)
            | OpKind::Elementwise(_)
            | OpKind::Reduction(_)
            | OpKind::Gather { .. }
            | OpKind::Layout(View::Copy)
            | OpKind::Collective(_)
            | OpKind::Opaque { .. } => tensor.bytes(),
        }
    }
}
