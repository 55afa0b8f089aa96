//! Operators of onnxruntime's own domain, `com.microsoft`.

use smallvec::{SmallVec, smallvec};

use super::Rule;
use super::attention::heads;
use super::matmul::{Sizes, product};
use super::norm::{LAYER_NORM, RMS_NORM};
use crate::import::onnx::call::{Call, Feed, Heads, Part, Reply, Work, like};
use crate::import::onnx::elem::Elem;
use crate::import::onnx::value::{Dims, Fault, Value, elements, show, wrong};
use crate::workload::{Dtype, Mask};

pub(super) fn rule(op: &str) -> Option<Rule> {
    Some(match op {
        "GroupQueryAttention" => group_query,
        "MultiHeadAttention" => multi_head,
        "Attention" => packed,
        "MatMulNBits" => matmul_nbits,
        "FusedMatMul" => fused_matmul,
        "SkipLayerNormalization" => |c| skip_norm(c, LAYER_NORM),
        "SkipSimplifiedLayerNormalization" => |c| skip_norm(c, RMS_NORM),
        "EmbedLayerNormalization" => embed,
        "BiasGelu" | "FastGelu" | "QuickGelu" | "Gelu" => |c| map(c, 5.0, 1.0),
        "RotaryEmbedding" => |c| map(c, 3.0, 0.0),
        "QLinearAdd" | "QLinearMul" => |c| quantized_pair(c, 3.0, 0.0),
        "QLinearSigmoid" => |c| map(c, 4.0, 2.0),
        "QLinearLeakyRelu" => |c| map(c, 4.0, 0.0),
        "QLinearGlobalAveragePool" => quantized_pool,
        "QLinearConcat" => quantized_concat,
        "DynamicQuantizeMatMul" | "MatMulIntegerToFloat" => quantized_matmul,
        _ => return None,
    })
}

fn map(c: &Call, ops: f64, special: f64) -> Result<Reply, Fault> {
    let x = c.need(0)?;
    Ok(Reply::one(
        like(x, x.dims.clone())?,
        Work::Map { ops, special },
    ))
}

/// Queries, and keys and values that may be packed behind them.
fn group_query(c: &Call) -> Result<Reply, Fault> {
    let q = c.ranked(0, 3)?;
    let (q_heads, kv_heads) = (c.int("num_heads", 0), c.int("kv_num_heads", 0));
    if q_heads < 1 || kv_heads < 1 {
        return wrong(format!("{q_heads} query heads, {kv_heads} key-value heads"));
    }
    let (batch, q_len) = (q.dims[0], q.dims[1]);
    let all_heads = match c.get(1) {
        Some(_) => q_heads,
        None => q_heads.saturating_add(kv_heads.saturating_mul(2)),
    };
    let width = q.dims[2] / all_heads;
    let past = match c.get(3) {
        Some(p) if p.dims.len() == 4 => p.dims[2],
        Some(_) | None => 0,
    };
    let kv_len = past.saturating_add(q_len);
    let out = like(
        q,
        Dims::from_slice(&[batch, q_len, q_heads.saturating_mul(width)]),
    )?;
    let mut outs: SmallVec<[Value; 1]> = smallvec![out];
    for _ in 1..c.node.outs.len().min(3) {
        outs.push(like(
            q,
            Dims::from_slice(&[batch, kv_heads, kv_len, width]),
        )?);
    }
    let window = c.int("local_window_size", -1);
    let mask = if window > 0 {
        Mask::Window(window as u64)
    } else {
        Mask::Causal
    };
    let sizes = Heads {
        batch,
        q_heads,
        kv_heads,
        q_len,
        kv_len,
        qk_dim: width,
        v_dim: width,
        mask,
    };
    let mut reply = Reply::many(outs, Work::Attend(Box::new(sizes)));
    if c.get(1).is_none() {
        // One packed tensor: each of the three is a part of it.
        let part = |heads: i64| like(q, Dims::from_slice(&[batch, heads, q_len, width]));
        reply.temps = vec![part(q_heads)?, part(kv_heads)?, part(kv_heads)?];
        reply.parts = vec![Part {
            work: Work::Free,
            ins: vec![Feed::In(0)],
            outs: vec![0, 1, 2],
            count: 1,
        }];
        let rest = (3..c.ins.len())
            .filter(|i| c.get(*i).is_some())
            .map(Feed::In);
        reply.feeds = Some((0..3).map(Feed::Temp).chain(rest).collect());
    }
    Ok(reply)
}

fn multi_head(c: &Call) -> Result<Reply, Fault> {
    let n = c.int("num_heads", 0);
    let q = c.need(0)?;
    let (Some(k), Some(v)) = (c.get(1), c.get(2)) else {
        return wrong("packed queries, keys and values are not supported");
    };
    let [batch, q_heads, q_len, qk_dim] = heads(q, n)?;
    let [_, _, k_len, _] = heads(k, n)?;
    let [_, _, _, v_dim] = heads(v, n)?;
    let past = c
        .get(6)
        .filter(|p| p.dims.len() == 4)
        .map_or(0, |p| p.dims[2]);
    let kv_len = k_len.saturating_add(past);
    let mut outs: SmallVec<[Value; 1]> = smallvec![like(
        q,
        Dims::from_slice(&[batch, q_len, n.saturating_mul(v_dim)])
    )?];
    for _ in 1..c.node.outs.len().min(3) {
        outs.push(like(q, Dims::from_slice(&[batch, n, kv_len, qk_dim]))?);
    }
    let mask = if c.int("unidirectional", 0) != 0 {
        Mask::Causal
    } else {
        Mask::Full
    };
    let sizes = Heads {
        batch,
        q_heads,
        kv_heads: q_heads,
        q_len,
        kv_len,
        qk_dim,
        v_dim,
        mask,
    };
    Ok(Reply::many(outs, Work::Attend(Box::new(sizes))))
}

/// One product makes queries, keys and values; attention follows.
fn packed(c: &Call) -> Result<Reply, Fault> {
    let (x, w) = (c.ranked(0, 3)?, c.ranked(1, 2)?);
    let n = c.int("num_heads", 0);
    let (dims, sizes) = product(&x.dims, &w.dims)?;
    let widths = match c.ints("qkv_hidden_sizes") {
        Some(&[q, k, v]) => [q, k, v],
        Some(_) | None => [w.dims[1] / 3; 3],
    };
    if n < 1
        || widths.iter().any(|w| w % n != 0)
        || widths.iter().try_fold(0i64, |a, w| a.checked_add(*w)) != Some(w.dims[1])
    {
        return wrong(format!("{n} heads of weights {}", show(&w.dims)));
    }
    let (batch, q_len) = (x.dims[0], x.dims[1]);
    let past = c
        .get(4)
        .filter(|p| p.dims.len() == 5)
        .map_or(0, |p| p.dims[3]);
    let kv_len = q_len.saturating_add(past);
    let mut outs: SmallVec<[Value; 1]> =
        smallvec![like(x, Dims::from_slice(&[batch, q_len, widths[2]]))?];
    if c.node.outs.len() > 1 {
        outs.push(like(
            x,
            Dims::from_slice(&[2, batch, n, kv_len, widths[1] / n]),
        )?);
    }
    let mask = if c.int("unidirectional", 0) != 0 {
        Mask::Causal
    } else {
        Mask::Full
    };
    let heads = Heads {
        batch,
        q_heads: n,
        kv_heads: n,
        q_len,
        kv_len,
        qk_dim: widths[0] / n,
        v_dim: widths[2] / n,
        mask,
    };
    let mut reply = Reply::many(outs, Work::Attend(Box::new(heads)));
    let joint = like(x, dims)?;
    let part = |w: i64| like(x, Dims::from_slice(&[batch, n, q_len, w / n]));
    reply.temps = vec![joint, part(widths[0])?, part(widths[1])?, part(widths[2])?];
    let bias = c.get(2).map(|_| Feed::In(2));
    reply.parts = vec![
        Part {
            work: sizes.work(c, 0, 1),
            ins: [Feed::In(0), Feed::In(1)].into_iter().chain(bias).collect(),
            outs: vec![0],
            count: 1,
        },
        Part {
            work: Work::Free,
            ins: vec![Feed::Temp(0)],
            outs: vec![1, 2, 3],
            count: 1,
        },
    ];
    let rest = (3..c.ins.len())
        .filter(|i| c.get(*i).is_some())
        .map(Feed::In);
    reply.feeds = Some((1..4).map(Feed::Temp).chain(rest).collect());
    Ok(reply)
}

/// Weights of a few bits in blocks: `K`, `N` and `bits` are attributes, the tensor holds packed bytes.
fn matmul_nbits(c: &Call) -> Result<Reply, Fault> {
    let x = c.need(0)?;
    let (k, n) = (c.int("K", 0), c.int("N", 0));
    let (dims, sizes) = product(&x.dims, &[k, n])?;
    c.need(1)?;
    Ok(Reply::one(
        Value::new(dims, x.elem)?,
        Sizes::work(sizes, c, 0, 1),
    ))
}

fn fused_matmul(c: &Call) -> Result<Reply, Fault> {
    let (a, b) = (c.need(0)?, c.need(1)?);
    let flip = |v: &Value, name: &str| {
        let mut dims = v.dims.clone();
        let n = dims.len();
        if c.int(name, 0) != 0 && n > 1 {
            dims.swap(n - 1, n - 2);
        }
        dims
    };
    let (dims, sizes) = product(&flip(a, "transA"), &flip(b, "transB"))?;
    Ok(Reply::one(Value::new(dims, a.elem)?, sizes.work(c, 0, 1)))
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

fn embed(c: &Call) -> Result<Reply, Fault> {
    let (ids, table) = (c.ranked(0, 2)?, c.ranked(2, 2)?);
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
        (2, Some(0)),
        (3, c.get(7).map(|_| 7)),
        (4, c.get(1).map(|_| 1)),
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
                elements: elements_of(&out),
                table: 0,
            },
            ins: [Feed::In(table)].into_iter().chain(index).collect(),
            outs: vec![temp],
            count: 1,
        });
        feeds.push(Feed::Temp(temp));
    }
    feeds.extend(
        [5, 6]
            .into_iter()
            .filter(|i| c.get(*i).is_some())
            .map(Feed::In),
    );
    reply.feeds = Some(feeds);
    Ok(reply)
}

fn elements_of(v: &Value) -> f64 {
    v.elements() as f64
}

/// `A, A_scale, A_zero, B, B_scale, B_zero, C_scale, C_zero`.
fn quantized_pair(c: &Call, ops: f64, special: f64) -> Result<Reply, Fault> {
    let (a, b) = (c.need(0)?, c.need(3)?);
    let dims = crate::import::onnx::value::broadcast(&a.dims, &b.dims)?;
    Ok(Reply::one(like(a, dims)?, Work::Map { ops, special }))
}

fn quantized_pool(c: &Call) -> Result<Reply, Fault> {
    let x = c.need(0)?;
    let last = c.int("channels_last", 0) != 0;
    let rank = x.dims.len();
    let kept = |i: usize| i == 0 || i == if last { rank - 1 } else { 1 };
    let dims: Dims = x
        .dims
        .iter()
        .enumerate()
        .map(|(i, d)| if kept(i) { *d } else { 1 })
        .collect();
    let elements = x.elements() as f64;
    Ok(Reply::one(
        like(x, dims)?,
        Work::Reduce {
            elements,
            ops: 1.0,
            special: 0.0,
        },
    ))
}

/// `Y_scale, Y_zero`, then three inputs per part.
fn quantized_concat(c: &Call) -> Result<Reply, Fault> {
    let first = c.need(2)?;
    let at = crate::import::onnx::value::axis(c.int("axis", 0), first.dims.len())?;
    let mut dims = first.dims.clone();
    dims[at] = 0;
    for i in (2..c.ins.len()).step_by(3) {
        let part = c.need(i)?;
        match part.dims.get(at) {
            Some(d) => dims[at] = dims[at].saturating_add(*d),
            None => {
                return wrong(format!(
                    "{} does not join along axis {at}",
                    show(&part.dims)
                ));
            }
        }
    }
    elements(&dims)?;
    Ok(Reply::one(like(first, dims)?, Work::Copy))
}

fn quantized_matmul(c: &Call) -> Result<Reply, Fault> {
    let (a, b) = (c.need(0)?, c.need(1)?);
    let (dims, sizes) = product(&a.dims, &b.dims)?;
    Ok(Reply::one(
        Value::new(dims, Elem::F32)?,
        sizes.work(c, 0, 1),
    ))
}
