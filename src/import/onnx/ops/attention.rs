//! The standard Attention operator (operator set 23) and rotary embedding.

use smallvec::smallvec;

use super::Rule;
use crate::import::onnx::call::{Call, Heads, Reply, Work, like};
use crate::import::onnx::value::{Dims, Fault, Value, show, wrong};
use crate::workload::Mask;

pub(super) fn rule(op: &str) -> Option<Rule> {
    Some(match op {
        "Attention" => attention,
        "RotaryEmbedding" => rotary,
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

fn attention(c: &Call) -> Result<Reply, Fault> {
    let (q, k, v) = (c.need(0)?, c.need(1)?, c.need(2)?);
    let (q_heads, kv_heads) = (c.int("q_num_heads", 0), c.int("kv_num_heads", 0));
    let [batch, q_heads, q_len, qk_dim] = heads(q, q_heads)?;
    let [_, kv_heads, k_len, k_dim] = heads(k, kv_heads)?;
    let [_, _, v_len, v_dim] = heads(v, kv_heads)?;
    let past = match c.get(4) {
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
    let kv_len = k_len.saturating_add(past);
    let dims = if q.dims.len() == 4 {
        Dims::from_slice(&[batch, q_heads, q_len, v_dim])
    } else {
        Dims::from_slice(&[batch, q_len, q_heads.saturating_mul(v_dim)])
    };
    let mut outs = smallvec![like(q, dims)?];
    let more = [
        Dims::from_slice(&[batch, kv_heads, kv_len, qk_dim]),
        Dims::from_slice(&[batch, kv_heads, kv_len, v_dim]),
        Dims::from_slice(&[batch, q_heads, q_len, kv_len]),
    ];
    for dims in more.into_iter().take(c.node.outs.len().saturating_sub(1)) {
        outs.push(like(q, dims)?);
    }
    let mask = if c.int("is_causal", 0) != 0 {
        Mask::Causal
    } else {
        Mask::Full
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
    Ok(Reply::many(outs, Work::Attend(Box::new(sizes))))
}

/// Two multiplications and an addition per element.
fn rotary(c: &Call) -> Result<Reply, Fault> {
    let x = c.need(0)?;
    Ok(Reply::one(
        like(x, x.dims.clone())?,
        Work::Map {
            ops: 3.0,
            special: 0.0,
        },
    ))
}
