//! One row of a table to the operators that its measurement ran.
//!
//! A measured call is not always one kernel: products in `fp8`, `fp8_block`, `nvfp4` and `sq` quantize
//! their activations first, and a serving stack's attention call rotates queries and keys and appends
//! keys and values to the cache before it attends.
//!
//! Source: the collectors of NVIDIA AIConfigurator (`collector/`), Apache-2.0, for what a call contains.

use crate::workload::{
    Attention, Collective, CollectiveKind, ConvDim, Dtype, Einsum, Mask, OpGraph, OpKind, Operator,
    Precision, Role, Stack, Tensor, TensorId, VectorWork,
};

use super::shape::elements;
use super::unpriced::short;
use super::{OpRow, Regime, Shape, Unpriced, layer_ops};

/// Operations per element to quantize: magnitude, maximum, scale, round.
pub(super) const QUANTIZE_OPS: f64 = 4.0;

/// The graph of one row.
///
/// # Errors
/// [`Unpriced`] if the operator or a type is unknown, or a size is missing or out of range.
pub fn op_graph(row: &OpRow) -> Result<OpGraph, Unpriced> {
    let mut graph = plain_graph(row)?;
    graph.stack = Stack::of(&row.stack);
    Ok(graph)
}

fn plain_graph(row: &OpRow) -> Result<OpGraph, Unpriced> {
    let shape = Shape::parse(&row.shape)?;
    match row.op.as_str() {
        "gemm" | "linear" => gemm(row, &shape),
        "matmul" | "bmm" => matmul(row, &shape),
        "attention_prefill" => serving_attention(row, &shape, Step::Prefill),
        "attention_decode" => serving_attention(row, &shape, Step::Decode),
        "attention_encoder" => encoder_attention(row, &shape),
        "conv2d" => conv2d(row, &shape),
        "moe" => layer_ops::moe(row, &shape),
        "mla" => layer_ops::mla(row, &shape),
        "gated_delta_net" => layer_ops::gated_delta_net(row, &shape),
        "mamba2" => layer_ops::mamba2(row, &shape),
        other => {
            let mut kinds = CollectiveKind::ALL.iter();
            if let Some((_, kind)) = kinds.find(|(name, _)| *name == other) {
                return exchange(row, &shape, *kind);
            }
            match VectorKind::named(other) {
                Some(kind) => vector(row, &shape, kind),
                None => Err(Unpriced::Operator(short(other))),
            }
        }
    }
}

/// An exchange of a buffer of `bytes` among `num_gpus` chips.
fn exchange(row: &OpRow, shape: &Shape, kind: CollectiveKind) -> Result<OpGraph, Unpriced> {
    shape.only(&["num_gpus", "bytes"])?;
    let (chips, bytes) = (shape.size("num_gpus")?, shape.size("bytes")?);
    let dtype = plain_dtype(&row.dtype)?;
    let elements = ((bytes as f64 / dtype.stored_bytes()) as u64).max(1);
    let mut b = Builder::default();
    let mine = b.tensor("mine", &[elements], dtype, Role::Input);
    let all = b.tensor("all", &[elements], dtype, Role::Output);
    let kind = OpKind::Collective(Collective {
        kind,
        chips,
        bytes: bytes as f64,
        is_float: dtype.is_float(),
    });
    b.add(row, &row.op, kind, &[mine], &[all]);
    Ok(b.graph)
}

/// A graph under construction.
#[derive(Default)]
pub(super) struct Builder {
    pub(super) graph: OpGraph,
}

impl Builder {
    pub(super) fn tensor(
        &mut self,
        name: &str,
        shape: &[u64],
        dtype: Dtype,
        role: Role,
    ) -> TensorId {
        self.graph.add_tensor(Tensor::new(name, shape, dtype, role))
    }

    /// Sums over `elements` of one tensor into another.
    pub(super) fn reduction(
        &mut self,
        row: &OpRow,
        name: &str,
        work: (f64, f64),
        from: TensorId,
        to: TensorId,
    ) {
        let (elements, ops) = work;
        let kind = OpKind::Reduction(VectorWork {
            elements,
            ops,
            special: 0.0,
        });
        self.add(row, name, kind, &[from], &[to]);
    }

    pub(super) fn add(
        &mut self,
        row: &OpRow,
        name: &str,
        kind: OpKind,
        inputs: &[TensorId],
        out: &[TensorId],
    ) {
        self.graph.add(Operator {
            name: name.to_owned(),
            source: row.op.clone(),
            block: String::new(),
            kind,
            inputs: inputs.to_vec(),
            outputs: out.to_vec(),
            count: 1,
        });
    }
}

pub(super) fn precision(text: &str) -> Result<Precision, Unpriced> {
    let unknown = |_| Unpriced::Dtype(short(text));
    text.parse::<Precision>().map_err(unknown)
}

/// The one format of an operator without weights.
pub(super) fn plain_dtype(text: &str) -> Result<Dtype, Unpriced> {
    Dtype::parse(text).ok_or_else(|| Unpriced::Dtype(short(text)))
}

/// Activations at 16 bits unless the format says otherwise.
const STORED: Dtype = Dtype::Bf16;

/// `C[m, n] = A[m, k] · B[k, n]` with a weight `B`; `b` counts further rows of `A`.
fn gemm(row: &OpRow, shape: &Shape) -> Result<OpGraph, Unpriced> {
    // Whether an operand is stored transposed (`ta`, `tb`) moves the same bytes.
    shape.only(&["b", "m", "n", "k", "ta", "tb"])?;
    let p = precision(&row.dtype)?;
    let (m, n, k) = (shape.size("m")?, shape.size("n")?, shape.size("k")?);
    let m = rows_of(shape, m)?;
    for sizes in [[m, k], [k, n], [m, n]] {
        elements(&sizes)?;
    }
    let quantizes = row.dtype == "sq" || (p.operands.is_some() && p.activations.is_none());
    let stored = match p.activations {
        Some(dtype) if !quantizes => dtype,
        _ => STORED,
    };
    let weights = p.weights.unwrap_or(stored);
    let product = p.product(weights, stored);
    let mut b = Builder::default();
    // Where the operand is stored wider than it is multiplied, the product's kernels narrow it.
    let lhs = b.tensor("a", &[m, k], stored, Role::Input);
    let rhs = b.tensor("b", &[k, n], weights, Role::Weight);
    let out = b.tensor("c", &[m, n], stored, Role::Output);
    let kind = OpKind::Einsum {
        einsum: Einsum::matmul(1, m, n, k),
        dtype: product,
    };
    b.add(row, "gemm", kind, &[lhs, rhs], &[out]);
    Ok(b.graph)
}

/// `m` times the batch, if there is one.
fn rows_of(shape: &Shape, m: u64) -> Result<u64, Unpriced> {
    let batch = shape.size_or("b", 1)?;
    elements(&[m, batch])?;
    Ok(m * batch)
}

/// A product of two activations, batched over `b`.
fn matmul(row: &OpRow, shape: &Shape) -> Result<OpGraph, Unpriced> {
    shape.only(&["b", "m", "n", "k"])?;
    let dtype = plain_dtype(&row.dtype)?;
    let g = shape.size_or("b", 1)?;
    let (m, n, k) = (shape.size("m")?, shape.size("n")?, shape.size("k")?);
    for sizes in [[g, m, k], [g, k, n], [g, m, n]] {
        elements(&sizes)?;
    }
    let mut b = Builder::default();
    let lhs = b.tensor("a", &[g, m, k], dtype, Role::Input);
    let rhs = b.tensor("b", &[g, k, n], dtype, Role::Input);
    let out = b.tensor("c", &[g, m, n], dtype, Role::Output);
    let einsum = Einsum::matmul(g, m, n, k);
    b.add(
        row,
        "matmul",
        OpKind::Einsum { einsum, dtype },
        &[lhs, rhs],
        &[out],
    );
    Ok(b.graph)
}

/// Part of a generation.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Prefill,
    Decode,
}

/// Types of queries and of the cache; each may be written with the other behind a slash.
fn attention_dtypes(text: &str) -> Result<(Dtype, Dtype), Unpriced> {
    let (compute, kv) = text.split_once('/').unwrap_or((text, text));
    Ok((plain_dtype(compute)?, plain_dtype(kv)?))
}

/// Append to the cache, and attention over it; where a stack rotates on the way, that is part of the call.
///
/// Sustained measurements of prompts repeat the attention alone, over the prompt's own keys and values.
/// Source: those of vLLM 0.22 in AIConfigurator, which time `flash_attn` for prompts and the whole call for
/// single tokens.
fn serving_attention(row: &OpRow, shape: &Shape, step: Step) -> Result<OpGraph, Unpriced> {
    let length = match step {
        Step::Prefill => "seq",
        Step::Decode => "kv_len",
    };
    let heads_of = ["q_heads", "kv_heads", "head_dim", "window"];
    shape.only(&[&["batch", length], &heads_of[..]].concat())?;
    let (stored, kv) = attention_dtypes(&row.dtype)?;
    let (batch, dim) = (shape.size("batch")?, shape.size("head_dim")?);
    let (q_heads, kv_heads) = heads(shape)?;
    let keys = shape.size(length)?;
    let tokens = match step {
        Step::Prefill => keys,
        Step::Decode => 1,
    };
    let mask = match shape.count_or("window", 0)? {
        0 => Mask::Causal,
        window => Mask::Window(window),
    };
    for sizes in [[batch, tokens, q_heads, dim], [batch, keys, kv_heads, dim]] {
        elements(&sizes)?;
    }
    // TensorRT-LLM multiplies in fp8 where the cache is fp8; the other stacks widen the cache first.
    let narrow = row.stack == "trtllm" && kv.bits() < stored.bits() && step == Step::Prefill;
    let dtype = if narrow { kv } else { stored };
    let of_q = [batch, tokens, q_heads, dim];
    let of_new = [batch, tokens, kv_heads, dim];
    let of_cache = [batch, keys, kv_heads, dim];
    let mut b = Builder::default();
    let q = b.tensor("q", &of_q, stored, Role::Input);
    let is_sustained = row.regime.parse::<Regime>()?.is_sustained();
    // PyTorch's attention knows no cache.
    let is_alone = Stack::of(&row.stack) == Stack::Torch || (step == Step::Prefill && is_sustained);
    let appends = !is_alone;
    let role = if appends { Role::KvCache } else { Role::Input };
    let k = b.tensor("k.cache", &of_cache, kv, role);
    let v = b.tensor("v.cache", &of_cache, kv, role);
    if appends {
        let k_in = b.tensor("k.new", &of_new, stored, Role::Input);
        let v_in = b.tensor("v.new", &of_new, stored, Role::Input);
        let append = OpKind::KvAppend {
            elements: elements(&of_new)?,
        };
        b.add(row, "append", append, &[k_in, v_in], &[k, v]);
    }
    let out = b.tensor("out", &of_q, stored, Role::Output);
    let attention = Attention {
        batch,
        q_heads,
        kv_heads,
        q_len: tokens,
        kv_len: keys,
        qk_dim: dim,
        v_dim: dim,
        mask,
        dtype,
    };
    b.add(
        row,
        "attention",
        OpKind::Attention(attention),
        &[q, k, v],
        &[out],
    );
    Ok(b.graph)
}

/// Query heads and key-value heads, the first a multiple of the second.
fn heads(shape: &Shape) -> Result<(u64, u64), Unpriced> {
    let (q, kv) = (shape.size("q_heads")?, shape.size("kv_heads")?);
    if q % kv != 0 {
        return Err(Unpriced::Contradiction(
            "query heads are not a multiple of key-value heads",
        ));
    }
    Ok((q, kv))
}

/// Attention over the whole sequence, nothing else.
fn encoder_attention(row: &OpRow, shape: &Shape) -> Result<OpGraph, Unpriced> {
    shape.only(&["batch", "seq", "q_heads", "kv_heads", "head_dim"])?;
    let (dtype, _) = attention_dtypes(&row.dtype)?;
    let (batch, seq, dim) = (
        shape.size("batch")?,
        shape.size("seq")?,
        shape.size("head_dim")?,
    );
    let (q_heads, kv_heads) = heads(shape)?;
    let (of_q, of_kv) = ([batch, seq, q_heads, dim], [batch, seq, kv_heads, dim]);
    elements(&of_q)?;
    elements(&of_kv)?;
    let mut b = Builder::default();
    let q = b.tensor("q", &of_q, dtype, Role::Input);
    let k = b.tensor("k", &of_kv, dtype, Role::Input);
    let v = b.tensor("v", &of_kv, dtype, Role::Input);
    let out = b.tensor("out", &of_q, dtype, Role::Output);
    let attention = Attention {
        batch,
        q_heads,
        kv_heads,
        q_len: seq,
        kv_len: seq,
        qk_dim: dim,
        v_dim: dim,
        mask: Mask::Full,
        dtype,
    };
    b.add(
        row,
        "attention",
        OpKind::Attention(attention),
        &[q, k, v],
        &[out],
    );
    Ok(b.graph)
}

/// A convolution of `n` images of `w` by `h` and `c` channels with `k` filters of `s` by `r`.
fn conv2d(row: &OpRow, shape: &Shape) -> Result<OpGraph, Unpriced> {
    let places = ["pad_w", "pad_h", "stride_h", "stride_v"];
    shape.only(&[&["w", "h", "c", "n", "k", "s", "r"], &places[..]].concat())?;
    let dtype = plain_dtype(&row.dtype)?;
    let (n, c, k) = (shape.size("n")?, shape.size("c")?, shape.size("k")?);
    let dim = |size: &str, kernel: &str, pad: &str, stride: &str| -> Result<ConvDim, Unpriced> {
        let (input, taps) = (shape.size(size)?, shape.size(kernel)?);
        let (padding, step) = (shape.count_or(pad, 0)?, shape.count_or(stride, 1)?);
        let stride = u32::try_from(step).ok().filter(|s| *s > 0);
        let stride = stride.ok_or_else(|| Unpriced::OutOfRange("stride".to_owned()))?;
        let room = (input + 2 * padding).checked_sub(taps);
        let room = room.ok_or(Unpriced::Contradiction("kernel is larger than its input"))?;
        Ok(ConvDim {
            input,
            output: room / u64::from(stride) + 1,
            kernel: taps,
            stride,
            dilation: 1,
        })
    };
    let high = dim("h", "r", "pad_h", "stride_v")?;
    let wide = dim("w", "s", "pad_w", "stride_h")?;
    let image = [n, c, high.input, wide.input];
    let filter = [k, c, high.kernel, wide.kernel];
    let result = [n, k, high.output, wide.output];
    for sizes in [image, filter, result] {
        elements(&sizes)?;
    }
    let mut b = Builder::default();
    let lhs = b.tensor("image", &image, dtype, Role::Input);
    let rhs = b.tensor("filter", &filter, dtype, Role::Weight);
    let out = b.tensor("out", &result, dtype, Role::Output);
    let einsum = Einsum::conv(n, 1, k, c, &[high, wide]);
    b.add(
        row,
        "conv2d",
        OpKind::Einsum { einsum, dtype },
        &[lhs, rhs],
        &[out],
    );
    Ok(b.graph)
}

/// An operator of the vector engine as deep-learning frameworks run it.
#[derive(Clone, Copy)]
struct VectorKind {
    /// Tensors of full size that are read.
    inputs: usize,
    /// Simple operations per element.
    ops: f64,
    /// Exponentials, roots and divisions per element.
    special: f64,
    /// Whether rows are summed.
    reduces: bool,
}

impl VectorKind {
    fn named(op: &str) -> Option<Self> {
        let elementwise = |inputs, ops, special| Self {
            inputs,
            ops,
            special,
            reduces: false,
        };
        let reduction = |ops, special| Self {
            inputs: 1,
            ops,
            special,
            reduces: true,
        };
        Some(match op {
            "add" | "sub" | "mul" => elementwise(2, 1.0, 0.0),
            "div" => elementwise(2, 0.0, 1.0),
            "relu" | "neg" | "abs" => elementwise(1, 1.0, 0.0),
            "exp" | "sqrt" | "rsqrt" => elementwise(1, 0.0, 1.0),
            // x · Φ(x): a polynomial of degree five around one exponential.
            "gelu" | "erf" => elementwise(1, 8.0, 1.0),
            "silu" | "sigmoid" | "tanh" | "swish" => elementwise(1, 2.0, 2.0),
            // maximum, subtract, sum, scale; one exponential
            "softmax" => reduction(4.0, 1.0),
            // sum, subtract, square, sum, scale, shift
            "ln" | "layernorm" | "layer_norm" => reduction(6.0, 0.0),
            "rmsnorm" | "rms_norm" => reduction(4.0, 0.0),
            _ => return None,
        })
    }
}

fn vector(row: &OpRow, shape: &Shape, kind: VectorKind) -> Result<OpGraph, Unpriced> {
    let dtype = plain_dtype(&row.dtype)?;
    let sizes = if shape.has("h") {
        shape.only(&["b", "h"])?;
        [shape.size("b")?, shape.size("h")?]
    } else {
        shape.only(&["m", "n"])?;
        [shape.size_or("m", 1)?, shape.size("n")?]
    };
    let work = VectorWork {
        elements: elements(&sizes)?,
        ops: kind.ops,
        special: kind.special,
    };
    let mut b = Builder::default();
    let inputs: Vec<TensorId> = ["x", "y"]
        .iter()
        .take(kind.inputs)
        .map(|name| b.tensor(name, &sizes, dtype, Role::Input))
        .collect();
    let out = b.tensor("out", &sizes, dtype, Role::Output);
    let does = if kind.reduces {
        OpKind::Reduction(work)
    } else {
        OpKind::Elementwise(work)
    };
    b.add(row, &row.op, does, &inputs, &[out]);
    Ok(b.graph)
}
