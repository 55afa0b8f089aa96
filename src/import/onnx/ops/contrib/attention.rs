//! Attention with packed operands, shared heads and caches.

use smallvec::{SmallVec, smallvec};

use crate::import::onnx::call::{Call, Feed, Heads, Reply, Work, known_ints, like};
use crate::import::onnx::elem::Elem;
use crate::import::onnx::ops::Rule;
use crate::import::onnx::ops::attention::{Kept, heads, keep};
use crate::import::onnx::ops::matmul::product;
use crate::import::onnx::value::{Dims, Fault, Value, show, wrong};
use crate::workload::Mask;

pub(super) fn rule(op: &str) -> Option<Rule> {
    Some(match op {
        "GroupQueryAttention" => |c| group_query(c, 3),
        "PagedAttention" => |c| group_query(c, 3),
        "SparseAttention" => |c| group_query(c, 3),
        "MultiHeadAttention" => |c| multi_head(c, 6, None),
        "DecoderMaskedMultiHeadAttention" => |c| multi_head(c, 5, None),
        "PackedMultiHeadAttention" => |c| multi_head(c, usize::MAX, Some(4)),
        "Attention" | "DecoderMaskedSelfAttention" => |c| packed(c, ATTENTION),
        "PackedAttention" => |c| packed(c, PACKED),
        "QAttention" => |c| packed(c, QUANTIZED),
        _ => return None,
    })
}

fn mask_of(c: &Call) -> Mask {
    let window = c.int("local_window_size", -1);
    if window > 0 {
        Mask::Window(window as u64)
    } else if c.int("unidirectional", 0) != 0 {
        Mask::Causal
    } else {
        Mask::Full
    }
}

/// Length of a cache `[batch, heads, length, width]`, `[2, batch, heads, length, width]` if joint.
fn length(past: Option<&Value>) -> i64 {
    let dims = past.map(|p| p.dims.as_slice());
    match dims {
        Some([_, _, n, _] | [_, _, _, n, _]) => *n,
        Some(_) | None => 0,
    }
}

/// Queries, and keys and values that may be packed behind them.
fn group_query(c: &Call, past_at: usize) -> Result<Reply, Fault> {
    let q = c.ranked(0, 3)?;
    let (q_heads, kv_heads) = (c.int("num_heads", 0), c.int("kv_num_heads", 0));
    if q_heads < 1 || kv_heads < 1 {
        return wrong(format!("{q_heads} query heads, {kv_heads} key-value heads"));
    }
    let (batch, q_len) = (q.dims[0], q.dims[1]);
    let is_packed = c.get(1).is_none();
    let all_heads = if is_packed {
        q_heads.saturating_add(kv_heads.saturating_mul(2))
    } else {
        q_heads
    };
    let width = q.dims[2] / all_heads;
    let past = length(c.get(past_at));
    // Where the past is as long as all may become, the cache is one buffer for both.
    let total = c.get(6).and_then(|v| known_ints(v).ok());
    let total = total.and_then(|v| v.first().copied()).filter(|t| *t > 0);
    let kv_len = match total {
        Some(total) if total <= past => total,
        Some(_) | None => past.saturating_add(q_len),
    };
    let held = kv_len.max(past);
    let cache = |v: Option<&Value>| {
        let dims = Dims::from_slice(&[batch, kv_heads, held, width]);
        like(v.unwrap_or(q), dims)
    };
    let out = Dims::from_slice(&[batch, q_len, q_heads.saturating_mul(width)]);
    let outs = smallvec![
        like(q, out)?,
        cache(c.get(past_at))?,
        cache(c.get(past_at + 1))?
    ];
    let mask = match mask_of(c) {
        Mask::Full => Mask::Causal,
        other => other,
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
    let mut operands = [Feed::In(0), Feed::In(1), Feed::In(2)];
    if is_packed {
        operands = split(
            &mut reply,
            q,
            Feed::In(0),
            [q_heads, kv_heads, kv_heads].map(|h| [h, width]),
        )?;
    }
    let new = Dims::from_slice(&[batch, kv_heads, q_len, width]);
    finish(
        c,
        &mut reply,
        operands,
        like(q, new)?.elements(),
        c.get(past_at).is_some(),
    );
    // What is left: tables of the rotation, masks, bounds.
    let rest = c.rest(past_at + 2);
    reply.feeds.get_or_insert_default().extend(rest);
    Ok(reply)
}

/// Parts of one tensor, `[heads, width]` each.
fn split(
    reply: &mut Reply,
    joint: &Value,
    from: Feed,
    parts: [[i64; 2]; 3],
) -> Result<[Feed; 3], Fault> {
    let lead = &joint.dims[..joint.dims.len().min(2)];
    let mut outs = [from; 3];
    for (slot, part) in outs.iter_mut().zip(parts) {
        let mut dims = Dims::from_slice(lead);
        dims.extend_from_slice(&part);
        *slot = reply.temp(like(joint, dims)?);
    }
    reply.part(Work::Free, vec![from], outs.to_vec());
    Ok(outs)
}

/// Feeds the attention, with keys and values by way of their caches.
fn finish(c: &Call, reply: &mut Reply, [q, k, v]: [Feed; 3], elements: i64, has_past: bool) {
    let kept = |from, out| Kept {
        from,
        elements,
        out,
    };
    let keys = keep(c, reply, kept(k, 1), has_past);
    let values = keep(c, reply, kept(v, 2), has_past);
    reply.feeds = Some(vec![q, keys, values]);
}

/// Queries, keys and values, apart or packed; `lengths` is the input with the places of tokens where
/// sequences of different length lie behind each other.
fn multi_head(c: &Call, past_at: usize, lengths: Option<usize>) -> Result<Reply, Fault> {
    let n = c.int("num_heads", 0);
    let q = c.need(0)?;
    let (q_dims, parts) = match *q.dims.as_slice() {
        // [batch, length, heads, 3, width]
        [b, s, h, 3, d] => ([b, h, s, d], 3),
        // [tokens, heads, 3, width]
        [t, h, 3, d] if lengths.is_some() => ([1, h, t, d], 3),
        [t, w] if n > 0 && w % n == 0 => ([1, n, t, w / n], 1),
        _ => (heads(q, n)?, 1),
    };
    let [mut batch, q_heads, mut q_len, qk_dim] = q_dims;
    let (mut k_len, v_dim) = match (c.get(1), c.get(2)) {
        (Some(k), Some(v)) if k.dims.len() != 2 => {
            let [_, _, k_len, _] = heads(k, n)?;
            let [_, _, _, v_dim] = heads(v, n)?;
            (k_len, v_dim)
        }
        (Some(_), Some(v)) if n > 0 => (q_len, v.dims.last().map_or(0, |w| w / n)),
        // [batch, length, heads, 2, width]
        (Some(kv), None) if kv.dims.len() == 5 => (kv.dims[1], kv.dims[4]),
        (None, None) if parts == 3 => (q_len, qk_dim),
        _ => return wrong(format!("queries {} without keys and values", show(&q.dims))),
    };
    let tokens = q_len;
    if let Some(at) = lengths {
        // [sequences, longest]
        let places = c.ranked(at, 2)?;
        (batch, q_len) = (places.dims[0], places.dims[1]);
        k_len = q_len;
    }
    let past = length(c.get(past_at));
    let kv_len = k_len.saturating_add(past);
    let width = n.max(q_heads).saturating_mul(v_dim);
    let out = match lengths {
        Some(_) => Dims::from_slice(&[tokens, width]),
        None => Dims::from_slice(&[batch, q_len, width]),
    };
    let outs = smallvec![
        like(q, out)?,
        like(q, Dims::from_slice(&[batch, q_heads, kv_len, qk_dim]))?,
        like(q, Dims::from_slice(&[batch, q_heads, kv_len, v_dim]))?,
        like(q, Dims::from_slice(&[batch, q_heads, q_len, kv_len]))?,
    ];
    let sizes = Heads {
        batch,
        q_heads,
        kv_heads: q_heads,
        q_len,
        kv_len,
        qk_dim,
        v_dim,
        mask: mask_of(c),
    };
    let mut reply = Reply::many(outs, Work::Attend(Box::new(sizes)));
    let one = [q_heads, qk_dim];
    let operands = match (parts, c.get(1), c.get(2)) {
        (3, ..) => split(&mut reply, q, Feed::In(0), [one; 3])?,
        (_, Some(kv), None) => {
            let [_, k, v] = split(&mut reply, kv, Feed::In(1), [one; 3])?;
            [Feed::In(0), k, v]
        }
        _ => [Feed::In(0), Feed::In(1), Feed::In(2)],
    };
    let new = Dims::from_slice(&[batch, q_heads, k_len, qk_dim]);
    finish(c, &mut reply, operands, like(q, new)?.elements(), past > 0);
    let bias = [3, 5].into_iter().filter(|i| c.get(*i).is_some());
    let bias = bias.filter(|i| *i < past_at).map(Feed::In);
    reply.feeds.get_or_insert_default().extend(bias);
    Ok(match lengths {
        Some(_) => reply.at_most("every sequence is as long as the longest"),
        None => reply,
    })
}

/// Inputs of an operator that projects and attends.
#[derive(Clone, Copy)]
struct Packed {
    /// Bias of the projection.
    bias: usize,
    /// Cache of keys and values in one.
    past: Option<usize>,
    /// Added to the scores.
    mask: Option<usize>,
    /// Places of tokens where sequences lie behind each other.
    lengths: Option<usize>,
    /// Inputs and weights are integers with scales.
    is_quantized: bool,
}

const ATTENTION: Packed = Packed {
    bias: 2,
    past: Some(4),
    mask: Some(5),
    lengths: None,
    is_quantized: false,
};
const PACKED: Packed = Packed {
    bias: 2,
    past: None,
    mask: Some(5),
    lengths: Some(3),
    is_quantized: false,
};
const QUANTIZED: Packed = Packed {
    bias: 2,
    past: Some(8),
    mask: None,
    lengths: None,
    is_quantized: true,
};

/// One product makes queries, keys and values; attention follows.
fn packed(c: &Call, at: Packed) -> Result<Reply, Fault> {
    let (x, w) = (c.need(0)?, c.ranked(1, 2)?);
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
        return wrong(format!("{n} heads of widths {}", show(&widths)));
    }
    let (batch, q_len) = match (at.lengths, x.dims.as_slice()) {
        (Some(i), [_, _]) => {
            let places = c.ranked(i, 2)?;
            (places.dims[0], places.dims[1])
        }
        (None, &[batch, q_len, _]) => (batch, q_len),
        _ => return wrong(format!("an input of {}", show(&x.dims))),
    };
    let past = at.past.and_then(|i| c.get(i));
    let kv_len = q_len.saturating_add(length(past));
    let elem = if at.is_quantized { Elem::F32 } else { x.elem };
    let make = |dims: &[i64]| Value::new(Dims::from_slice(dims), elem);
    let mut out = dims.clone();
    if let Some(last) = out.last_mut() {
        *last = widths[2];
    }
    let mut outs: SmallVec<[Value; 1]> = smallvec![make(&out)?];
    outs.push(make(&[2, batch, n, kv_len, widths[1] / n])?);
    let heads = Heads {
        batch,
        q_heads: n,
        kv_heads: n,
        q_len,
        kv_len,
        qk_dim: widths[0] / n,
        v_dim: widths[2] / n,
        mask: mask_of(c),
    };
    let mut reply = Reply::many(outs, Work::Attend(Box::new(heads)));
    let joint = make(&dims)?;
    let made = reply.temp(joint.clone());
    let scales = [3, 4].into_iter().filter(|_| at.is_quantized);
    let rest = std::iter::once(at.bias).chain(scales);
    let rest = rest.filter(|i| c.get(*i).is_some()).map(Feed::In);
    let ins = [Feed::In(0), Feed::In(1)].into_iter().chain(rest).collect();
    reply.part(sizes.free(), ins, vec![made]);
    let [q, mut k, mut v] = split(&mut reply, &joint, made, widths.map(|w| [n, w / n]))?;
    if c.wants(1) {
        // One tensor for the cache of both.
        let elements = 2.0 * batch as f64 * n as f64 * q_len as f64 * (widths[1] / n) as f64;
        reply.part(Work::Append { elements }, vec![k, v], vec![Feed::Out(1)]);
        let half = make(&[batch, n, kv_len, widths[1] / n])?;
        (k, v) = (reply.temp(half.clone()), reply.temp(half));
        reply.part(Work::Free, vec![Feed::Out(1)], vec![k, v]);
    }
    let mask = at.mask.filter(|i| c.get(*i).is_some()).map(Feed::In);
    reply.feeds = Some([q, k, v].into_iter().chain(mask).collect());
    Ok(match at.lengths {
        Some(_) => reply.at_most("every sequence is as long as the longest"),
        None => reply,
    })
}
