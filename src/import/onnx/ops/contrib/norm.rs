//! Norms with what is added in front of them.

use smallvec::{SmallVec, smallvec};

use crate::import::onnx::call::{Call, Feed, Part, Reply, Work, like, reduce};
use crate::import::onnx::elem::Elem;
use crate::import::onnx::ops::Rule;
use crate::import::onnx::ops::norm::{LAYER_NORM, RMS_NORM};
use crate::import::onnx::value::{Dims, Fault, Value};
use crate::workload::Dtype;

pub(super) fn rule(op: &str) -> Option<Rule> {
    Some(match op {
        "SkipLayerNormalization" => |c| skip_norm(c, LAYER_NORM),
        "SkipSimplifiedLayerNormalization" => |c| skip_norm(c, RMS_NORM),
        "EmbedLayerNormalization" => |c| embed(c, FLOAT),
        "QEmbedLayerNormalization" => |c| embed(c, QUANTIZED),
        "GroupNorm" => |c| group(c, 1),
        "SkipGroupNorm" => |c| group(c, 2),
        _ => return None,
    })
}

/// Inputs of the embedding: tables of words, positions and segments; weight and bias; place of positions.
struct Tables {
    words: [usize; 3],
    rest: [usize; 2],
    places: usize,
}

const FLOAT: Tables = Tables {
    words: [2, 3, 4],
    rest: [5, 6],
    places: 8,
};
const QUANTIZED: Tables = Tables {
    words: [2, 3, 4],
    rest: [5, 6],
    places: usize::MAX,
};

/// Normalized in groups of channels, which are the last axis, with an activation behind.
fn group(c: &Call, n_outs: usize) -> Result<Reply, Fault> {
    let x = c.need(0)?;
    let mut outs: SmallVec<[Value; 1]> = smallvec![like(x, x.dims.clone())?];
    if n_outs > 1 {
        outs.push(like(x, x.dims.clone())?);
    }
    let (ops, special) = LAYER_NORM;
    let swish = if c.int("activation", 0) != 0 {
        2.0
    } else {
        0.0
    };
    Ok(Reply::many(outs, reduce(x, ops + swish, special + swish)))
}

/// The sum of two inputs, normalized; the sum itself is the fourth output.
fn skip_norm(c: &Call, (ops, special): (f64, f64)) -> Result<Reply, Fault> {
    let x = c.need(0)?;
    let mut stats = x.dims.clone();
    if let Some(last) = stats.last_mut() {
        *last = 1;
    }
    let mut outs: SmallVec<[Value; 1]> = smallvec![like(x, x.dims.clone())?];
    for i in 1..c.node.outs.len().min(4) {
        outs.push(match i {
            3 => like(x, x.dims.clone())?,
            _ => Value::new(stats.clone(), Elem::F32)?,
        });
    }
    let elements = x.elements() as f64;
    Ok(Reply::many(
        outs,
        Work::Reduce {
            elements,
            ops: ops + 1.0,
            special,
        },
    ))
}

fn embed(c: &Call, at: Tables) -> Result<Reply, Fault> {
    let (ids, table) = (c.ranked(0, 2)?, c.ranked(at.words[0], 2)?);
    let dims = Dims::from_slice(&[ids.dims[0], ids.dims[1], table.dims[1]]);
    let out = like(table, dims)?;
    let mut outs: SmallVec<[Value; 1]> = smallvec![out.clone()];
    if c.node.outs.len() > 1 {
        outs.push(Value::new(
            Dims::from_slice(&[ids.dims[0]]),
            Elem::Int(Dtype::Int32),
        )?);
    }
    if c.node.outs.len() > 2 {
        outs.push(out.clone());
    }
    let (ops, special) = LAYER_NORM;
    let elements = out.elements() as f64;
    let mut reply = Reply::many(
        outs,
        Work::Reduce {
            elements,
            ops: ops + 2.0,
            special,
        },
    );
    // Three tables are read by rows before their sum is normalized.
    let mut feeds = Vec::new();
    for (temp, (table, index)) in [
        (at.words[0], Some(0)),
        (at.words[1], c.get(at.places).map(|_| at.places)),
        (at.words[2], c.get(1).map(|_| 1)),
    ]
    .into_iter()
    .enumerate()
    {
        reply.temps.push(out.clone());
        if c.get(table).is_none() {
            continue;
        }
        let index = index.map(Feed::In);
        reply.parts.push(Part {
            work: Work::Gather {
                elements: out.elements() as f64,
                table: 0,
            },
            ins: [Feed::In(table)].into_iter().chain(index).collect(),
            outs: vec![Feed::Temp(temp)],
            count: 1,
        });
        feeds.push(Feed::Temp(temp));
    }
    feeds.extend(
        at.rest
            .into_iter()
            .filter(|i| c.get(*i).is_some())
            .map(Feed::In),
    );
    reply.feeds = Some(feeds);
    Ok(reply)
}
