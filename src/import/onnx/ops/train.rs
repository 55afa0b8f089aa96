//! Losses, and operators of training graphs.

use smallvec::{SmallVec, smallvec};

use super::Rule;
use crate::import::onnx::call::{Call, Reply, like, map, reduce};
use crate::import::onnx::value::{Dims, Fault, Value, wrong};

pub(super) fn rule(op: &str) -> Option<Rule> {
    Some(match op {
        "NegativeLogLikelihoodLoss" => |c| loss(c, (2.0, 0.0)),
        "SoftmaxCrossEntropyLoss" => |c| loss(c, (6.0, 2.0)),
        _ => return None,
    })
}

/// Operators of the domain `ai.onnx.preview.training`.
pub(super) fn preview(op: &str) -> Option<Rule> {
    Some(match op {
        "Gradient" => gradient,
        // Per element: square and sum, root, divide, decay.
        "Adagrad" => |c| optimizer(c, 3, 2, (5.0, 2.0)),
        "Adam" => |c| optimizer(c, 4, 3, (9.0, 2.0)),
        "Momentum" => |c| optimizer(c, 3, 2, (5.0, 0.0)),
        _ => return None,
    })
}

fn loss(c: &Call, (ops, special): (f64, f64)) -> Result<Reply, Fault> {
    let (x, target) = (c.need(0)?, c.need(1)?);
    let dims = match c.text("reduction") {
        "none" => target.dims.clone(),
        _ => Dims::new(),
    };
    let mut outs: SmallVec<[Value; 1]> = smallvec![like(x, dims)?];
    if c.wants(1) {
        outs.push(like(x, x.dims.clone())?);
    }
    Ok(Reply::many(outs, reduce(x, ops, special)))
}

/// One gradient for each input.
fn gradient(c: &Call) -> Result<Reply, Fault> {
    let outs = (0..c.node.outs.len()).map(|i| c.need(i).cloned());
    let mut outs: SmallVec<[Value; 1]> = outs.collect::<Result<_, _>>()?;
    for out in &mut outs {
        out.known = None;
    }
    Ok(Reply::opaque(
        outs,
        "the backward pass is not written out in the graph",
    ))
}

/// Rate and step, then lists of equal length: the first `written` but the gradients come out anew.
fn optimizer(
    c: &Call,
    lists: usize,
    written: usize,
    (ops, special): (f64, f64),
) -> Result<Reply, Fault> {
    let n = c.ins.len().saturating_sub(2) / lists;
    if n == 0 {
        return wrong("it has nothing to update");
    }
    let mut outs: SmallVec<[Value; 1]> = SmallVec::new();
    let mut elements = 0.0;
    for list in (0..lists).filter(|l| *l != 1).take(written) {
        for i in 0..n {
            let x = c.need(2 + list * n + i)?;
            if list == 0 {
                elements += x.elements() as f64;
            }
            outs.push(like(x, x.dims.clone())?);
        }
    }
    let first = outs.first().map_or(1.0, |v| v.elements().max(1) as f64);
    let share = elements / first;
    Ok(Reply::many(outs, map(ops * share, special * share)))
}
