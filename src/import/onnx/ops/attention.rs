//! Attention, linear attention and rotary embedding as operators of the standard set.

use smallvec::smallvec;

use super::Rule;
use super::matmul::Sizes;
use crate::import::onnx::call::{Call, Feed, Heads, Reply, Work, like, map};
use crate::import::onnx::hint;
use crate::import::onnx::value::{Dims, Fault, Value, show, wrong};
use crate::workload::{Dtype, Mask, Recurrence, Scan};

pub(super) fn rule(op: &str) -> Option<Rule> {
    Some(match op {
        "Attention" | "FlexAttention" => attention,
        "RotaryEmbedding" => rotary,
        "LinearAttention" => linear,
        "CausalConvWithState" => causal_conv,
        _ => return None,
    })
}

/// `[batch, heads, length, width]` of an operand given so or as `[batch, length, heads · width]`.
pub(super) fn heads(v: &Value, heads: i64) -> Result<[i64; 4], Fault> {
    match v.dims.as_slice() {
        &[b, h, s, d] => Ok([b, h, s, d]),
        &[b, s, w] if heads > 0 && w % heads == 0 => Ok([b, heads, s, w / heads]),
        other => wrong(format!("{heads} heads of {}", show(other))),
    }
}

/// Where an operand of attention comes from, and the cache that it is kept in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kept {
    pub(super) from: Feed,
    /// New elements.
    pub(super) elements: i64,
    /// Output that holds the past and the new, if it is asked for.
    pub(super) out: usize,
}

/// Writes new keys or values into their cache, if there is one, and says where attention reads them.
pub(super) fn keep(c: &Call, reply: &mut Reply, kept: Kept, has_past: bool) -> Feed {
    if !c.wants(kept.out) && !has_past {
        return kept.from;
    }
    let cache = match (c.wants(kept.out), reply.outs.get(kept.out).cloned()) {
        (false, Some(whole)) => reply.temp(whole),
        (true, _) | (false, None) => Feed::Out(kept.out),
    };
    let elements = kept.elements as f64;
    reply.part(Work::Append { elements }, vec![kept.from], vec![cache]);
    cache
}

fn attention(c: &Call) -> Result<Reply, Fault> {
    let heads = [c.int("q_num_heads", 0), c.int("kv_num_heads", 0)];
    attend(c, heads, c.get(4))
}

/// Attention of the first three inputs; heads as given where they are not axes of their own.
pub(in crate::import::onnx) fn attend(
    c: &Call,
    [q_heads, kv_heads]: [i64; 2],
    past: Option<&Value>,
) -> Result<Reply, Fault> {
    let (q, k, v) = (c.need(0)?, c.need(1)?, c.need(2)?);
    let [batch, q_heads, q_len, qk_dim] = heads(q, q_heads)?;
    let [_, kv_heads, k_len, k_dim] = heads(k, kv_heads)?;
    let [_, _, v_len, v_dim] = heads(v, kv_heads)?;
    let past_len = match past {
        Some(p) if p.dims.len() == 4 => p.dims[2],
        Some(p) => return wrong(format!("a past of {}", show(&p.dims))),
        None => 0,
    };
    if k_dim != qk_dim || k_len != v_len {
        return wrong(format!(
            "queries {}, keys {}, values {}",
            show(&q.dims),
            show(&k.dims),
            show(&v.dims)
        ));
    }
    let kv_len = k_len.saturating_add(past_len);
    let dims = if q.dims.len() == 4 {
        Dims::from_slice(&[batch, q_heads, q_len, v_dim])
    } else {
        Dims::from_slice(&[batch, q_len, q_heads.saturating_mul(v_dim)])
    };
    let outs = smallvec![
        like(q, dims)?,
        like(k, Dims::from_slice(&[batch, kv_heads, kv_len, qk_dim]))?,
        like(v, Dims::from_slice(&[batch, kv_heads, kv_len, v_dim]))?,
        like(q, Dims::from_slice(&[batch, q_heads, q_len, kv_len]))?,
    ];
    let given = c
        .get(3)
        .and_then(|v| hint::mask([v].into_iter(), q_len, kv_len));
    let mask = if c.int("is_causal", 0) != 0 {
        Mask::Causal
    } else {
        given.unwrap_or(Mask::Full)
    };
    let sizes = Heads {
        batch,
        q_heads,
        kv_heads,
        q_len,
        kv_len,
        qk_dim,
        v_dim,
        mask,
    };
    let mut reply = Reply::many(outs, Work::Attend(Box::new(sizes)));
    let [keys, values] = [(1, k), (2, v)].map(|(i, new)| {
        let kept = Kept {
            from: Feed::In(i),
            elements: new.elements(),
            out: i,
        };
        keep(c, &mut reply, kept, past.is_some())
    });
    let mask = c.get(3).map(|_| Feed::In(3));
    let feeds = [Feed::In(0), keys, values].into_iter().chain(mask);
    reply.feeds = Some(feeds.collect());
    Ok(reply)
}

/// Two multiplications and an addition per element.
fn rotary(c: &Call) -> Result<Reply, Fault> {
    let x = c.need(0)?;
    Ok(Reply::one(like(x, x.dims.clone())?, map(3.0, 0.0)))
}

/// Per token and head, the state takes in `k·vᵀ` and is read by each query; the delta rules first take
/// off what the key reads.
fn linear(c: &Call) -> Result<Reply, Fault> {
    let (q, k, v) = (c.ranked(0, 3)?, c.ranked(1, 3)?, c.ranked(2, 3)?);
    let [batch, q_heads, steps, qk_dim] = heads(q, c.int("q_num_heads", 0))?;
    let [_, kv_heads, _, k_dim] = heads(k, c.int("kv_num_heads", 0))?;
    let [_, _, _, v_dim] = heads(v, c.int("kv_num_heads", 0))?;
    if qk_dim != k_dim || q_heads % kv_heads.max(1) != 0 {
        return wrong(format!(
            "queries {} and keys {}",
            show(&q.dims),
            show(&k.dims)
        ));
    }
    let state = Dims::from_slice(&[batch, kv_heads, k_dim, v_dim]);
    let state = match c.get(3) {
        Some(past) => like(past, state)?,
        None => like(q, state)?,
    };
    let out = Dims::from_slice(&[batch, steps, q_heads.saturating_mul(v_dim)]);
    let out = like(q, out)?;
    let recurrence = match c.text("update_rule") {
        "linear" | "gated" => Recurrence::Linear,
        _ => Recurrence::GatedDelta,
    };
    let scan = Scan {
        recurrence,
        batch: batch as u64,
        tokens: steps as u64,
        heads: q_heads as u64,
        width: v_dim as u64,
        state: k_dim as u64,
        groups: kv_heads as u64,
        chunk: c.int("chunk_size", 64).clamp(1, 4096) as u64,
        dtype: Dtype::Fp32,
    };
    let mut reply = Reply::many(smallvec![out, state.clone()], Work::Scan(Box::new(scan)));
    let mut feeds: Vec<Feed> = (0..3).chain(4..c.ins.len()).map(Feed::In).collect();
    feeds.retain(|f| matches!(f, Feed::In(i) if c.get(*i).is_some()));
    // The state is updated in place.
    feeds.push(match c.wants(1) {
        true => Feed::Out(1),
        false => reply.temp(state),
    });
    reply.feeds = Some(feeds);
    Ok(reply)
}

/// A depthwise convolution over the last `k` positions of each channel.
fn causal_conv(c: &Call) -> Result<Reply, Fault> {
    let (x, w) = (c.ranked(0, 3)?, c.ranked(1, 3)?);
    let taps = w.dims[2];
    let state = Dims::from_slice(&[x.dims[0], x.dims[1], (taps - 1).max(0)]);
    let outs = smallvec![like(x, x.dims.clone())?, like(x, state)?];
    let sizes = Sizes {
        g: x.dims[1],
        m: x.dims[0].saturating_mul(x.dims[2]),
        n: 1,
        k: taps,
    };
    Ok(Reply::many(outs, sizes.work(c, 0, 1)))
}
