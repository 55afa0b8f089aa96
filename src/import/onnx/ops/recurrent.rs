//! Recurrent layers: the product with the input at once, the one with the state step by step.

use smallvec::SmallVec;

use super::Rule;
use super::matmul::Sizes;
use crate::import::onnx::call::{Call, Feed, Part, Reply, Work, like};
use crate::import::onnx::value::{Dims, Fault, Value, show, wrong};
use crate::workload::Einsum;

pub(super) fn rule(op: &str) -> Option<Rule> {
    Some(match op {
        "LSTM" => |c| layer(c, 4, false),
        "GRU" => |c| layer(c, 3, false),
        "RNN" => |c| layer(c, 1, false),
        _ => return None,
    })
}

/// Weights of integers, `[directions, inputs, gates · hidden]`.
pub(super) fn quantized_lstm(c: &Call) -> Result<Reply, Fault> {
    layer(c, 4, true)
}

fn layer(c: &Call, gates: i64, is_flipped: bool) -> Result<Reply, Fault> {
    let (x, w, r) = (c.ranked(0, 3)?, c.ranked(1, 3)?, c.ranked(2, 3)?);
    let flip = |v: &Value| match is_flipped {
        true => [v.dims[0], v.dims[2], v.dims[1]],
        false => [v.dims[0], v.dims[1], v.dims[2]],
    };
    let (w_dims, r_dims) = (flip(w), flip(r));
    let batch_first = c.int("layout", 0) != 0;
    let (steps, batch) = if batch_first {
        (x.dims[1], x.dims[0])
    } else {
        (x.dims[0], x.dims[1])
    };
    let (dirs, rows, width, hidden) = (w_dims[0], w_dims[1], x.dims[2], r_dims[2]);
    if w_dims[2] != width
        || hidden.checked_mul(gates) != Some(rows)
        || r_dims[1] != rows
        || r_dims[0] != dirs
    {
        return wrong(format!(
            "weights {} and {} for input {}",
            show(&w.dims),
            show(&r.dims),
            show(&x.dims)
        ));
    }
    let (y, state) = if batch_first {
        ([batch, steps, dirs, hidden], [batch, dirs, hidden])
    } else {
        ([steps, dirs, batch, hidden], [dirs, batch, hidden])
    };
    let mut outs: SmallVec<[Value; 1]> = SmallVec::new();
    let n_outs = c.node.outs.len().min(3);
    for i in 0..n_outs {
        let dims = if i == 0 {
            Dims::from_slice(&y)
        } else {
            Dims::from_slice(&state)
        };
        outs.push(like(x, dims)?);
    }
    let gate = like(x, Dims::from_slice(&[dirs, steps, batch, rows]))?;
    let state = like(x, Dims::from_slice(&state))?;
    let step = like(x, Dims::from_slice(&[dirs, batch, rows]))?;
    // Per gate and element an activation and its part in the new state. Source: derived.
    let cell = Work::Reduce {
        elements: gate.elements() as f64,
        ops: 4.0,
        special: 2.0,
    };
    let mut reply = Reply::many(outs, cell);
    if gate.elements() == 0 {
        return Ok(reply);
    }
    let input = Sizes {
        g: dirs,
        m: steps.saturating_mul(batch),
        n: rows,
        k: width,
    };
    let recurrent = Einsum::matmul(dirs as u64, batch as u64, rows as u64, hidden as u64);
    reply.parts = vec![
        Part {
            work: input.work(c, 0, 1),
            ins: vec![Feed::In(0), Feed::In(1)],
            outs: vec![Feed::Temp(0)],
            count: 1,
        },
        Part {
            work: Work::Product {
                einsum: Box::new(recurrent),
                lhs: 0,
                rhs: 1,
            },
            ins: vec![Feed::Temp(1), Feed::In(2)],
            outs: vec![Feed::Temp(2)],
            count: steps as u64,
        },
    ];
    reply.temps = vec![gate, state, step];
    let rest = (3..c.ins.len())
        .filter(|i| c.get(*i).is_some())
        .map(Feed::In);
    reply.feeds = Some(
        [Feed::Temp(0), Feed::Temp(2)]
            .into_iter()
            .chain(rest)
            .collect(),
    );
    Ok(reply)
}
