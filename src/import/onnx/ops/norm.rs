//! Normalizations and softmax.

use smallvec::{SmallVec, smallvec};

use super::Rule;
use crate::import::onnx::call::{Call, Reply, Work, like};
use crate::import::onnx::elem::Elem;
use crate::import::onnx::value::{Dims, Fault, Value, axis};

pub(super) fn rule(op: &str) -> Option<Rule> {
    Some(match op {
        "Softmax" | "LogSoftmax" | "Hardmax" => |c| same(c, SOFTMAX),
        "LayerNormalization" => |c| over_axis(c, LAYER_NORM),
        "RMSNormalization" | "SimplifiedLayerNormalization" => |c| over_axis(c, RMS_NORM),
        "InstanceNormalization" | "GroupNormalization" | "MeanVarianceNormalization" => {
            |c| same(c, LAYER_NORM)
        }
        "LpNormalization" => |c| same(c, RMS_NORM),
        "BatchNormalization" => batch_norm,
        "LRN" => local_response,
        _ => return None,
    })
}

/// Operations and special functions per element: maximum, subtract, exponential, sum, scale.
pub(super) const SOFTMAX: (f64, f64) = (4.0, 1.0);
/// Mean, subtract, square, sum, scale, weight, bias, and the share of the root. Source: derived.
pub(super) const LAYER_NORM: (f64, f64) = (8.0, 0.0);
/// Square, sum, scale, weight. Source: derived.
pub(super) const RMS_NORM: (f64, f64) = (4.0, 0.0);

fn reduce(x: &Value, (ops, special): (f64, f64)) -> Work {
    let elements = x.elements() as f64;
    Work::Reduce {
        elements,
        ops,
        special,
    }
}

fn same(c: &Call, cost: (f64, f64)) -> Result<Reply, Fault> {
    let x = c.need(0)?;
    Ok(Reply::one(like(x, x.dims.clone())?, reduce(x, cost)))
}

fn over_axis(c: &Call, cost: (f64, f64)) -> Result<Reply, Fault> {
    let x = c.need(0)?;
    let at = axis(c.int("axis", -1), x.dims.len())?;
    let mut outs: SmallVec<[Value; 1]> = smallvec![like(x, x.dims.clone())?];
    let stats: Dims = x
        .dims
        .iter()
        .enumerate()
        .map(|(i, d)| if i < at { *d } else { 1 })
        .collect();
    for i in 1..c.node.outs.len().min(3) {
        if c.wants(i) || c.wants(2) {
            outs.push(Value::new(stats.clone(), Elem::F32)?);
        }
    }
    Ok(Reply::many(outs, reduce(x, cost)))
}

/// At inference it is one multiplication and one addition per element.
fn batch_norm(c: &Call) -> Result<Reply, Fault> {
    let x = c.need(0)?;
    let mut outs: SmallVec<[Value; 1]> = smallvec![like(x, x.dims.clone())?];
    for _ in 1..c.node.outs.len().min(5) {
        let stat = c.need(1)?;
        outs.push(like(stat, stat.dims.clone())?);
    }
    Ok(Reply::many(
        outs,
        Work::Map {
            ops: 2.0,
            special: 0.0,
        },
    ))
}

/// `x / (k + α/n · Σ x²)^β` over `size` channels.
fn local_response(c: &Call) -> Result<Reply, Fault> {
    let size = c.int("size", 1).clamp(1, 1 << 20) as f64;
    same(c, (size + 3.0, 2.0))
}
