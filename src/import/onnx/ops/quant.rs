//! Quantization and products of integers.

use smallvec::smallvec;

use super::Rule;
use super::matmul::product;
use crate::import::onnx::call::{Call, Reply, Work};
use crate::import::onnx::elem::Elem;
use crate::import::onnx::value::{Dims, Fault, Stored, Value};
use crate::workload::Dtype;

pub(super) fn rule(op: &str) -> Option<Rule> {
    Some(match op {
        "QuantizeLinear" => quantize,
        "DequantizeLinear" => dequantize,
        "DynamicQuantizeLinear" => dynamic,
        "MatMulInteger" => |c| matmul(c, 1, Some(Elem::Int(Dtype::Int32))),
        "QLinearMatMul" => |c| matmul(c, 3, c.get(7).map(|v| v.elem)),
        _ => return None,
    })
}

/// Scale, round, clamp.
fn quantize(c: &Call) -> Result<Reply, Fault> {
    let x = c.need(0)?;
    let named = i32::try_from(c.int("output_dtype", 0))
        .ok()
        .and_then(Elem::of);
    let elem = c
        .get(2)
        .map(|v| v.elem)
        .or(named)
        .unwrap_or(Elem::Int(Dtype::Int8));
    Ok(Reply::one(
        Value::new(x.dims.clone(), elem)?,
        Work::Map {
            ops: 3.0,
            special: 0.0,
        },
    ))
}

/// The data stay in their integer format; who reads them scales on the fly.
fn dequantize(c: &Call) -> Result<Reply, Fault> {
    let x = c.need(0)?;
    let mut out = Value::new(x.dims.clone(), c.need(1)?.elem)?;
    // One scale for all is part of the arithmetic; many are a tensor of their own.
    let each = [c.get(1), c.get(2)].into_iter().flatten();
    let beside = each.filter(|v| v.elements() > 1);
    let bits: f64 = beside.map(|v| v.elements() as f64 * v.dtype().bits()).sum();
    out.stored = Some(Stored {
        dtype: x.dtype(),
        scale_bits: bits / x.elements().max(1) as f64,
    });
    Ok(Reply::one(out, Work::Free))
}

fn dynamic(c: &Call) -> Result<Reply, Fault> {
    let x = c.need(0)?;
    let byte = Elem::Int(Dtype::Int8);
    let outs = smallvec![
        Value::new(x.dims.clone(), byte)?,
        Value::new(Dims::new(), Elem::F32)?,
        Value::new(Dims::new(), byte)?
    ];
    // Two passes: the range, then scale, round, clamp.
    let elements = x.elements() as f64;
    Ok(Reply::many(
        outs,
        Work::Reduce {
            elements,
            ops: 5.0,
            special: 0.0,
        },
    ))
}

fn matmul(c: &Call, rhs: usize, elem: Option<Elem>) -> Result<Reply, Fault> {
    let (a, b) = (c.need(0)?, c.need(rhs)?);
    let (dims, sizes) = product(&a.dims, &b.dims)?;
    Ok(Reply::one(
        Value::new(dims, elem.unwrap_or(a.elem))?,
        sizes.work(c, 0, rhs),
    ))
}
