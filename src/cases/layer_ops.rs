//! Rows of whole parts of a layer: routed experts, recurrences and their convolution, latent attention.

use crate::workload::{
    Attention, Dtype, Experts, Mask, OpGraph, OpKind, Recurrence, Role, Scan, VectorWork,
};

use super::op_graph::{Builder, QUANTIZE_OPS, plain_dtype, precision};
use super::routing::{Routing, Spread};
use super::shape::elements;
use super::unpriced::short;
use super::{OpRow, Shape, Unpriced};

/// Operations per result of a gated nonlinearity: SiLU and the product. Source: derived.
const GATE_OPS: f64 = 5.0;

/// Most experts of a row: their loads are counted one by one.
const MOST_EXPERTS: u64 = 1 << 16;

/// The share of one GPU in a routed block: products with gate, nonlinearity, product back, weighted sum.
///
/// `experts / ep` weights of `inter / tp` are on the GPU, and their share of the rows.
pub(super) fn moe(row: &OpRow, shape: &Shape) -> Result<OpGraph, Unpriced> {
    let sizes = ["tokens", "hidden", "inter", "topk", "experts", "tp", "ep"];
    shape.only(&[&sizes[..], &["distribution"]].concat())?;
    let [tokens, hidden, inter, top_k, experts, tp, ep] = {
        let mut all = [0; 7];
        for (size, key) in all.iter_mut().zip(sizes) {
            *size = shape.size(key)?;
        }
        all
    };
    if top_k > experts || experts % ep != 0 || inter % tp != 0 {
        return Err(Unpriced::Contradiction("experts or widths do not divide"));
    }
    let spread = match shape.text("distribution")? {
        "balanced" => Spread::Balanced,
        other => {
            let exponent = other
                .strip_prefix("power_law_")
                .and_then(|a| a.parse().ok());
            let exponent = exponent.filter(|a: &f64| (0.0..=10.0).contains(a));
            let exponent = exponent.ok_or_else(|| Unpriced::NotANumber("distribution".into()))?;
            Spread::PowerLaw(exponent)
        }
    };
    let p = precision(&row.dtype)?;
    let stored = Dtype::Bf16;
    let weights = p.weights.unwrap_or(stored);
    let dtype = p.product(weights, stored);
    let (mine, width) = (experts / ep, inter / tp);
    let routed = elements(&[tokens, top_k]).map(|_| tokens * top_k)?;
    if experts > MOST_EXPERTS {
        return Err(Unpriced::OutOfRange("experts".into()));
    }
    let routing = Routing {
        tokens,
        top_k,
        experts,
        chips: ep,
        spread,
    };
    let (rows, loads) = routing.busiest();
    let rows = rows.max(1);
    for sizes in [
        [mine, hidden, 2 * width],
        [1, rows, hidden],
        [1, rows, 2 * width],
    ] {
        elements(&sizes)?;
    }
    let mut b = Builder::default();
    let mut x = b.tensor("x", &[tokens, hidden], stored, Role::Input);
    let quantizes = p.operands.is_some() && p.activations.is_none();
    if quantizes {
        let narrow = b.tensor("x.quantized", &[tokens, hidden], dtype, Role::Activation);
        let work = ((tokens * hidden) as f64, QUANTIZE_OPS);
        b.reduction(row, "quantize", work, x, narrow);
        x = narrow;
    }
    let product = |n, k| {
        OpKind::Experts(Experts {
            experts: mine,
            loads,
            rows,
            routed,
            n,
            k,
            dtype,
        })
    };
    let up = b.tensor("w.up", &[mine, hidden, 2 * width], weights, Role::Weight);
    let inner = b.tensor("inner", &[rows, 2 * width], stored, Role::Activation);
    b.add(row, "up", product(2 * width, hidden), &[x, up], &[inner]);
    let act_type = if quantizes { dtype } else { stored };
    let acted = b.tensor("acted", &[rows, width], act_type, Role::Activation);
    let act = OpKind::Elementwise(VectorWork {
        elements: (rows * width) as f64,
        ops: GATE_OPS,
        special: 1.0,
    });
    b.add(row, "act", act, &[inner], &[acted]);
    let down = b.tensor("w.down", &[mine, width, hidden], weights, Role::Weight);
    let each = b.tensor("each", &[rows, hidden], stored, Role::Activation);
    b.add(row, "down", product(hidden, width), &[acted, down], &[each]);
    let out = b.tensor("out", &[tokens, hidden], stored, Role::Output);
    let sum = OpKind::Elementwise(VectorWork {
        elements: (rows * hidden) as f64,
        ops: 2.0,
        special: 0.0,
    });
    b.add(row, "sum", sum, &[each], &[out]);
    Ok(b.graph)
}

/// A kernel of a gated delta net.
pub(super) fn gated_delta_net(row: &OpRow, shape: &Shape) -> Result<OpGraph, Unpriced> {
    let heads = ["num_k_heads", "head_k_dim", "num_v_heads", "head_v_dim"];
    let others = ["kernel", "phase", "batch", "seq", "d_model", "d_conv"];
    shape.only(&[&heads[..], &others[..]].concat())?;
    let (k_heads, k_dim) = (shape.size("num_k_heads")?, shape.size("head_k_dim")?);
    let (v_heads, v_dim) = (shape.size("num_v_heads")?, shape.size("head_v_dim")?);
    let scan = Scan {
        recurrence: Recurrence::GatedDelta,
        batch: shape.size("batch")?,
        tokens: shape.size("seq")?,
        heads: v_heads,
        width: v_dim,
        state: k_dim,
        groups: k_heads,
        chunk: Scan::DELTA_CHUNK,
        dtype: plain_dtype(&row.dtype)?,
    };
    let channels = v_heads * v_dim + 2 * k_heads * k_dim;
    recurrence(row, shape, scan, channels)
}

/// A kernel of a Mamba-2 layer.
pub(super) fn mamba2(row: &OpRow, shape: &Shape) -> Result<OpGraph, Unpriced> {
    let sizes = [
        "d_model",
        "d_state",
        "d_conv",
        "nheads",
        "head_dim",
        "n_groups",
        "chunk_size",
    ];
    shape.only(&[&sizes[..], &["kernel", "phase", "batch", "seq"]].concat())?;
    let (heads, width) = (shape.size("nheads")?, shape.size("head_dim")?);
    let (state, groups) = (shape.size("d_state")?, shape.size("n_groups")?);
    let scan = Scan {
        recurrence: Recurrence::Dual,
        batch: shape.size("batch")?,
        tokens: shape.size("seq")?,
        heads,
        width,
        state,
        groups,
        chunk: shape.size_or("chunk_size", 256)?,
        dtype: plain_dtype(&row.dtype)?,
    };
    recurrence(row, shape, scan, heads * width + 2 * groups * state)
}

/// The convolution in front of a recurrence, or the recurrence itself, as `kernel` says.
fn recurrence(row: &OpRow, shape: &Shape, scan: Scan, channels: u64) -> Result<OpGraph, Unpriced> {
    let kernel = shape.text("kernel")?;
    let scan = match shape.text("phase")? {
        "context" | "prefill" => scan,
        "generation" | "decode" => Scan {
            tokens: 1,
            chunk: 1,
            ..scan
        },
        other => return Err(Unpriced::Operator(short(other))),
    };
    let (batch, tokens) = (scan.batch, scan.tokens);
    let stored = scan.dtype;
    elements(&[batch, tokens, channels])?;
    elements(&[batch, scan.heads, scan.width, scan.state])?;
    let mut b = Builder::default();
    let x = b.tensor("x", &[batch, tokens, channels], stored, Role::Input);
    if kernel.starts_with("causal_conv1d") {
        let taps = shape.size("d_conv")?;
        let weight = b.tensor("w", &[channels, taps], stored, Role::Weight);
        let state = b.tensor("state", &[batch, channels, taps], stored, Role::State);
        let out = b.tensor("out", &[batch, tokens, channels], stored, Role::Output);
        let kind = OpKind::Elementwise(VectorWork {
            elements: (batch * tokens) as f64 * channels as f64,
            ops: 2.0 * taps as f64 + 3.0,
            special: 1.0,
        });
        b.add(row, "conv", kind, &[x, weight, state], &[out, state]);
        return Ok(b.graph);
    }
    let recurrent = ["fused_recurrent", "selective_state_update"];
    let chunked = ["chunk", "mamba_chunk_scan", "mamba_split"];
    let is = |list: &[&str]| list.iter().any(|name| kernel.starts_with(name));
    let chunk = match (is(&recurrent), is(&chunked)) {
        (true, _) => 1,
        (_, true) => scan.chunk,
        _ => return Err(Unpriced::Operator(short(kernel))),
    };
    let scan = Scan { chunk, ..scan };
    let values = scan.heads * scan.width;
    let rates = b.tensor(
        "rates",
        &[batch, tokens, 2 * scan.heads],
        stored,
        Role::Input,
    );
    let state = b.tensor(
        "state",
        &[batch, values, scan.state],
        Scan::STATE,
        Role::State,
    );
    let out = b.tensor("out", &[batch, tokens, values], stored, Role::Output);
    b.add(
        row,
        "scan",
        OpKind::Scan(scan),
        &[x, rates, state],
        &[out, state],
    );
    Ok(b.graph)
}

/// Widths of DeepSeek's latent attention: compressed cache, rotated part, head without position, value.
/// Source: DeepSeek-AI, "DeepSeek-V3", 2024, section 4.2.
const LATENT: (u64, u64, u64, u64) = (512, 64, 128, 128);

/// The core of latent attention: naive over new tokens, absorbed behind a cache.
pub(super) fn mla(row: &OpRow, shape: &Shape) -> Result<OpGraph, Unpriced> {
    shape.only(&["phase", "batch", "seq", "kv_len", "q_heads", "tp_size"])?;
    let (rank, rope, nope, v_dim) = LATENT;
    let (compute, kv) = row
        .dtype
        .split_once('/')
        .unwrap_or((&row.dtype, &row.dtype));
    let (stored, kv) = (plain_dtype(compute)?, plain_dtype(kv)?);
    let (batch, heads) = (shape.size("batch")?, shape.size("q_heads")?);
    let mut b = Builder::default();
    let (attention, inputs, out_width) = match shape.text("phase")? {
        "prefill" | "context" => {
            let seq = shape.size_or("seq", shape.size_or("kv_len", 1)?)?;
            let (dim, tokens) = (nope + rope, seq);
            for sizes in [[batch, tokens, heads, dim], [batch, tokens, heads, v_dim]] {
                elements(&sizes)?;
            }
            let q = b.tensor("q", &[batch, tokens, heads, dim], stored, Role::Input);
            let k = b.tensor("k", &[batch, tokens, heads, dim], stored, Role::Input);
            let v = b.tensor("v", &[batch, tokens, heads, v_dim], stored, Role::Input);
            let core = Attention {
                batch,
                q_heads: heads,
                kv_heads: heads,
                q_len: tokens,
                kv_len: tokens,
                qk_dim: dim,
                v_dim,
                mask: Mask::Causal,
                dtype: stored,
            };
            (core, [q, k, v], v_dim)
        }
        "decode" | "generation" => {
            let keys = shape.size_or("kv_len", shape.size_or("seq", 1)?)?;
            elements(&[batch, keys, heads, rank + rope])?;
            let q = b.tensor("q", &[batch, 1, heads, rank + rope], stored, Role::Input);
            let cache = b.tensor("cache", &[batch, 1, keys, rank + rope], kv, Role::KvCache);
            let core = Attention {
                batch,
                q_heads: heads,
                kv_heads: 1,
                q_len: 1,
                kv_len: keys,
                qk_dim: rank + rope,
                v_dim: rank,
                mask: Mask::Causal,
                dtype: stored,
            };
            (core, [q, cache, cache], rank)
        }
        other => return Err(Unpriced::Operator(short(other))),
    };
    let shape = [batch, attention.q_len, heads, out_width];
    let out = b.tensor("out", &shape, stored, Role::Output);
    b.add(row, "mla", OpKind::Attention(attention), &inputs, &[out]);
    Ok(b.graph)
}
