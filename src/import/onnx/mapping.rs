//! Operators that the reader does not know, described by the user.

use std::collections::BTreeMap;

use smallvec::SmallVec;

use super::call::{Call, Reply, Work, like, map, reduce};
use super::ir::Attr;
use super::ops;
use super::value::{Dims, Fault, Value, broadcast, wrong};
use crate::expr::{Environment, Expr};
use crate::units::{Dimension, Quantity};
use crate::workload::Einsum;

/// Descriptions by `domain::Op`.
#[derive(Clone, Debug, Default)]
pub struct Mapping(pub BTreeMap<String, Mapped>);

/// One description: a known kind, or formulas over the sizes of the inputs.
///
/// In formulas `in1_0` is the first size of the second input, also written `in1.0`, and integer attributes
/// of the node go by their own names.
#[derive(Clone, Debug, Default)]
pub struct Mapped {
    /// It takes and makes shapes as this kind does.
    pub like: Option<Like>,
    /// Query heads, for operands `[batch, length, heads · width]`.
    pub heads: Option<u64>,
    /// Key-value heads; as many as query heads if left out.
    pub kv_heads: Option<u64>,
    /// Multiply-accumulates of one execution.
    pub macs: Option<Expr>,
    /// Operations on a vector engine of one execution.
    pub vector_ops: Option<Expr>,
    /// Sizes of each output; those left out are like the first, the first like the first input.
    pub out: Vec<Vec<Expr>>,
}

/// Kinds that an operator can be like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Like {
    /// Inputs queries, keys, values.
    Attention,
    /// Product of the first two inputs.
    Matmul,
    /// Convolution of the first input with the second.
    Conv,
    /// One result per element of the inputs, broadcast.
    Elementwise,
    /// One pass over the first input.
    Reduction,
    /// The first input, moved.
    Copy,
}

impl Like {
    /// All kinds with the names that users write.
    pub const ALL: [(&'static str, Self); 6] = [
        ("attention", Self::Attention),
        ("matmul", Self::Matmul),
        ("conv", Self::Conv),
        ("elementwise", Self::Elementwise),
        ("reduction", Self::Reduction),
        ("copy", Self::Copy),
    ];
}

/// Shapes and work of a node by its description.
pub(super) fn apply(c: &Call, mapped: &Mapped) -> Result<Reply, Fault> {
    let reply = match mapped.like {
        Some(kind) => of_kind(c, mapped, kind)?,
        None => Reply::one(first(c)?, Work::Copy),
    };
    let env = environment(c);
    let reply = shaped(c, mapped, reply, &env)?;
    worked(mapped, reply, &env)
}

fn first(c: &Call) -> Result<Value, Fault> {
    let x = c.need(0)?;
    like(x, x.dims.clone())
}

fn of_kind(c: &Call, mapped: &Mapped, kind: Like) -> Result<Reply, Fault> {
    match kind {
        Like::Attention => {
            let count = |own: Option<u64>, names: [&str; 2]| {
                let named = names.iter().map(|n| c.int(n, 0)).find(|n| *n > 0);
                own.map_or(named.unwrap_or(0), |n| n as i64)
            };
            let heads = count(mapped.heads, ["num_heads", "q_num_heads"]);
            let kv_heads = count(mapped.kv_heads, ["kv_num_heads", "num_kv_heads"]);
            let kv_heads = if kv_heads > 0 { kv_heads } else { heads };
            ops::attend(c, [heads, kv_heads], None)
        }
        Like::Matmul => ops::multiply(c),
        Like::Conv => ops::convolve(c),
        Like::Elementwise => {
            let x = c.need(0)?;
            let mut dims = x.dims.clone();
            // Scales and tables that do not broadcast are parameters.
            for v in c.ins.iter().flatten() {
                dims = broadcast(&dims, &v.dims).unwrap_or(dims);
            }
            let inputs = c.ins.iter().flatten().count().max(2) as f64 - 1.0;
            Ok(Reply::one(like(x, dims)?, map(inputs, 0.0)))
        }
        Like::Reduction => Ok(Reply::one(first(c)?, reduce(c.need(0)?, 1.0, 0.0))),
        Like::Copy => Ok(Reply::one(first(c)?, Work::Copy)),
    }
}

fn environment(c: &Call) -> Environment {
    let mut env = Environment::default();
    let number = |x: i64| Quantity::new(x as f64, Dimension::NONE);
    for (name, attr) in &c.node.attrs {
        if let Attr::Int(x) = attr {
            env.insert(name.clone(), number(*x));
        }
    }
    for (i, v) in c.ins.iter().enumerate() {
        for (k, d) in v.iter().flat_map(|v| v.dims.iter().enumerate()) {
            env.insert(format!("in{i}_{k}"), number(*d));
        }
    }
    env
}

fn number(expr: &Expr, env: &Environment, what: &str) -> Result<f64, Fault> {
    match expr.evaluate(env) {
        Ok(q) if q.dimension == Dimension::NONE && q.value.is_finite() && q.value >= 0.0 => {
            Ok(q.value)
        }
        Ok(q) => wrong(format!("the formula of `{what}` gives {}", q.value)),
        Err(e) => wrong(format!("the formula of `{what}`: {}", e.message)),
    }
}

/// Outputs in the shapes of the formulas.
fn shaped(c: &Call, mapped: &Mapped, mut reply: Reply, env: &Environment) -> Result<Reply, Fault> {
    let x = reply.outs.first().cloned();
    let Some(x) = x else { return Ok(reply) };
    for (i, sizes) in mapped.out.iter().enumerate() {
        let mut dims = Dims::new();
        for size in sizes {
            let n = number(size, env, "out")?;
            if n.fract() != 0.0 || n > 1e15 {
                return wrong(format!("the formula of `out` gives a size of {n}"));
            }
            dims.push(n as i64);
        }
        let value = like(&x, dims)?;
        match reply.outs.get_mut(i) {
            Some(slot) => *slot = value,
            None => reply.outs.push(value),
        }
    }
    while reply.outs.len() < c.node.outs.len() {
        let next = reply.outs[0].clone();
        reply.outs.push(next);
    }
    Ok(reply)
}

/// Work by the formulas, instead of that of the kind.
fn worked(mapped: &Mapped, mut reply: Reply, env: &Environment) -> Result<Reply, Fault> {
    let Some(out) = reply.outs.first().cloned() else {
        return Ok(reply);
    };
    let count = |e: &Option<Expr>, what| e.as_ref().map(|e| number(e, env, what)).transpose();
    let macs = count(&mapped.macs, "macs")?;
    let vector = count(&mapped.vector_ops, "vector_ops")?;
    let each = vector.map(|ops| map(ops / out.elements().max(1) as f64, 0.0));
    let product = macs.map(|macs| product(&out, macs)).transpose()?;
    match (product, each) {
        (None, None) => {}
        (Some(product), None) => reply.work = product,
        (None, Some(each)) => reply.work = each,
        (Some(product), Some(each)) => {
            let made = reply.temp(out);
            let ins: SmallVec<[_; 4]> = (0..2).map(super::call::Feed::In).collect();
            reply.part(product, ins.to_vec(), vec![made]);
            reply.work = each;
            reply.feeds = Some(vec![made]);
        }
    }
    Ok(reply)
}

/// A product of that many multiply-accumulates: over the rows and columns of the result if they divide it.
fn product(out: &Value, macs: f64) -> Result<Work, Fault> {
    if macs > 2f64.powi(62) {
        return wrong(format!("the formula of `macs` gives {macs}"));
    }
    let macs = macs.round() as u64;
    let elements = out.elements() as u64;
    let columns = out.dims.last().map_or(1, |n| *n as u64);
    if macs == 0 {
        return Ok(Work::Copy);
    }
    let einsum = match (elements, columns) {
        (1.., 1..) if macs.is_multiple_of(elements) => {
            Einsum::matmul(1, elements / columns, columns, macs / elements)
        }
        _ => Einsum::matmul(1, 1, 1, macs),
    };
    Ok(Work::Product {
        einsum: Box::new(einsum),
        lhs: 0,
        rhs: 1,
    })
}
