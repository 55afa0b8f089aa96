//! Products with weights of a few bits, with transposed operands, with an activation behind them.

use smallvec::smallvec;

use crate::import::onnx::call::{Call, Reply, Work, like, map, reduce};
use crate::import::onnx::ops::Rule;
use crate::import::onnx::ops::matmul::{Sizes, product};
use crate::import::onnx::ops::{conv, layout, matmul};
use crate::import::onnx::value::{Dims, Fault, Value, axis, broadcast, wrong};

pub(super) fn rule(op: &str) -> Option<Rule> {
    Some(match op {
        "MatMulNBits" | "MatMulBnb4" | "MatMulFpQ4" => few_bits,
        "FusedMatMul" | "TransposeMatMul" | "FusedMatMulActivation" => fused_matmul,
        "FusedGemm" => matmul::gemm,
        "GemmFloat8" => matmul::gemm,
        "GemmFastGelu" => fused_matmul,
        "FusedConv" => conv::float,
        "NhwcConv" | "NhwcFusedConv" => conv::channels_last,
        "ConvTransposeWithDynamicPads" => conv::transposed,
        "BiasGelu" | "FastGelu" | "QuickGelu" | "Gelu" => |c| same(c, 5.0, 1.0),
        "BiasAdd" => |c| same(c, 2.0, 0.0),
        "BiasDropout" | "BitmaskDropout" | "BitmaskBiasDropout" => |c| same(c, 2.0, 0.0),
        "RotaryEmbedding" | "GemmaRotaryEmbedding" => |c| same(c, 3.0, 0.0),
        "BiasSoftmax" => |c| {
            Ok(Reply::one(
                same(c, 0.0, 0.0)?.outs[0].clone(),
                reduce(c.need(0)?, 5.0, 1.0),
            ))
        },
        "BiasSplitGelu" => bias_split_gelu,
        "GatedRelativePositionBias" => gated_bias,
        "RelativePositionBias" => relative_bias,
        "ExpandDims" => expand_dims,
        "Inverse" => |c| {
            let x = c.need(0)?;
            let n = x.dims.last().map_or(1.0, |n| *n as f64);
            Ok(Reply::one(
                like(x, x.dims.clone())?,
                reduce(x, 2.0 * n, 0.0),
            ))
        },
        "CDist" => distances,
        "TorchEmbedding" => layout::embedding,
        _ => return None,
    })
}

fn same(c: &Call, ops: f64, special: f64) -> Result<Reply, Fault> {
    let x = c.need(0)?;
    Ok(Reply::one(like(x, x.dims.clone())?, map(ops, special)))
}

/// Weights of a few bits in blocks: `K`, `N` and the bits are attributes, the tensor holds packed bytes.
fn few_bits(c: &Call) -> Result<Reply, Fault> {
    let x = c.need(0)?;
    let (k, n) = (c.int("K", 0), c.int("N", 0));
    let (k, n) = match (k, n, c.get(2)) {
        // The shape is the last input where it is no attribute.
        (0, 0, Some(shape)) => match crate::import::onnx::call::known_ints(shape)?.as_slice() {
            [k, n] => (*k, *n),
            _ => return wrong("its shape has not two sizes"),
        },
        _ => (k, n),
    };
    let (dims, sizes) = product(&x.dims, &[k, n])?;
    c.need(1)?;
    Ok(Reply::one(
        Value::new(dims, x.elem)?,
        Sizes::work(sizes, c, 0, 1),
    ))
}

fn fused_matmul(c: &Call) -> Result<Reply, Fault> {
    let (a, b) = (c.need(0)?, c.need(1)?);
    let flip = |v: &Value, name: &str, batch: &str| {
        let mut dims = v.dims.clone();
        let n = dims.len();
        // The first axis is put behind the other batch axes.
        if c.int(batch, 0) != 0 && n > 2 {
            dims[..n - 1].rotate_left(1);
        }
        if c.int(name, 0) != 0 && n > 1 {
            dims.swap(n - 1, n - 2);
        }
        dims
    };
    let (dims, sizes) = product(
        &flip(a, "transA", "transBatchA"),
        &flip(b, "transB", "transBatchB"),
    )?;
    Ok(Reply::one(Value::new(dims, a.elem)?, sizes.work(c, 0, 1)))
}

/// Half of the last axis gates the other.
fn bias_split_gelu(c: &Call) -> Result<Reply, Fault> {
    let x = c.need(0)?;
    let mut dims = x.dims.clone();
    match dims.last_mut() {
        Some(last) => *last /= 2,
        None => return wrong("its input has no axes"),
    }
    Ok(Reply::one(like(x, dims)?, map(8.0, 1.0)))
}

/// `[batch, heads, length, length]` from queries `[batch, length, hidden]`.
fn gated_bias(c: &Call) -> Result<Reply, Fault> {
    let (q, table) = (c.need(0)?, c.ranked(2, 4)?);
    let (heads, length) = (c.int("num_heads", 1), table.dims[2]);
    let batch = q.dims.first().copied().unwrap_or(1);
    let dims = Dims::from_slice(&[batch, heads, length, length]);
    Ok(Reply::one(like(q, dims)?, map(4.0, 1.0)))
}

/// `[1, heads, queries, keys]` from a table `[buckets, heads]`.
fn relative_bias(c: &Call) -> Result<Reply, Fault> {
    let table = c.ranked(0, 2)?;
    let size = |i: usize| -> Result<i64, Fault> {
        let list = crate::import::onnx::call::known_ints(c.need(i)?)?;
        list.first()
            .map_or_else(|| wrong("a length is empty"), |n| Ok(*n))
    };
    let dims = Dims::from_slice(&[1, table.dims[1], size(1)?, size(2)?]);
    let out = like(table, dims)?;
    let elements = out.elements() as f64;
    Ok(Reply::one(out, Work::Gather { elements, table: 0 }))
}

fn expand_dims(c: &Call) -> Result<Reply, Fault> {
    let x = c.need(0)?;
    let list = crate::import::onnx::call::known_ints(c.need(1)?)?;
    let mut dims = x.dims.clone();
    let at = axis(list.first().copied().unwrap_or(0), dims.len() + 1)?;
    dims.insert(at, 1);
    Ok(Reply::one(like(x, dims)?, Work::Free))
}

/// A product of all pairs of rows.
fn distances(c: &Call) -> Result<Reply, Fault> {
    let (a, b) = (c.ranked(0, 2)?, c.ranked(1, 2)?);
    let (dims, sizes) = product(&a.dims, &[b.dims[1], b.dims[0]])?;
    broadcast(&dims, &[1, 1])?;
    Ok(Reply::many(
        smallvec![Value::new(dims, a.elem)?],
        sizes.work(c, 0, 1),
    ))
}
