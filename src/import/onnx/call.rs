//! What a rule sees of a node, and what it answers.

use smallvec::{SmallVec, smallvec};

use crate::workload::{Einsum, Mask, Scan};

use super::elem::Elem;
use super::ir::{Attr, Node};
use super::value::{self, Dims, Fault, Lit, Value, open, wrong};

/// Cost of a node's arithmetic, before roles and formats are known.
#[derive(Clone, Debug)]
pub(super) enum Work {
    /// Same data under another description.
    Free,
    /// Data move, nothing is computed.
    Copy,
    /// Operations and special functions per output element.
    Map { ops: f64, special: f64 },
    /// Sums over `elements`, each with these operations.
    Reduce {
        elements: f64,
        ops: f64,
        special: f64,
    },
    /// `elements` read from the table, which is input `table`.
    Gather { elements: f64, table: usize },
    /// Product of inputs `lhs` and `rhs`; the others are scales and biases.
    Product {
        einsum: Box<Einsum>,
        lhs: usize,
        rhs: usize,
    },
    /// Scaled dot-product attention.
    Attend(Box<Heads>),
    /// Product with the weights of the chosen experts: inputs `x`, all weights, then biases and scales.
    Experts {
        tokens: u64,
        experts: u64,
        top_k: u64,
        n: u64,
        k: u64,
    },
    /// Choice of experts by the scores, the only input.
    Route {
        tokens: u64,
        experts: u64,
        top_k: u64,
    },
    /// Recurrence: inputs the values of the new tokens, then the state, which is its last output.
    Scan(Box<Scan>),
    /// New keys or values, the only input, written behind those in the cache, the output.
    Append { elements: f64 },
}

/// Sizes of an attention operator; its first three inputs are `q`, `k`, `v`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heads {
    pub(super) batch: i64,
    pub(super) q_heads: i64,
    pub(super) kv_heads: i64,
    pub(super) q_len: i64,
    pub(super) kv_len: i64,
    pub(super) qk_dim: i64,
    pub(super) v_dim: i64,
    pub(super) mask: Mask,
}

impl Heads {
    /// Of both products over the full square of queries and keys.
    pub(super) fn macs(&self) -> f64 {
        let pairs = self.batch as f64 * self.q_heads as f64 * self.q_len as f64;
        pairs * self.kv_len as f64 * (self.qk_dim as f64 + self.v_dim as f64)
    }
}

/// Where a part of a node takes a tensor from.
#[derive(Clone, Copy, Debug)]
pub(super) enum Feed {
    /// Input of the node.
    In(usize),
    /// Tensor within the node.
    Temp(usize),
    /// Output of the node.
    Out(usize),
}

/// One piece of a node that is several operators.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) work: Work,
    pub(super) ins: Vec<Feed>,
    /// Tensors that it makes.
    pub(super) outs: Vec<Feed>,
    /// Executions.
    pub(super) count: u64,
}

/// A rule's answer.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub(super) outs: SmallVec<[Value; 1]>,
    pub(super) work: Work,
    /// Inputs of `work`, if they are not the node's own in order.
    pub(super) feeds: Option<Vec<Feed>>,
    /// Work in front of it.
    pub(super) parts: Vec<Part>,
    /// Tensors within the node.
    pub(super) temps: Vec<Value>,
    /// Contents are made by chance, not by constants.
    pub(super) random: bool,
    /// The shapes are upper bounds, because of this.
    pub(super) bound: Option<&'static str>,
    /// Why the work is not known although the shapes are.
    pub(super) opaque: Option<&'static str>,
}

impl Reply {
    pub(super) fn one(out: Value, work: Work) -> Self {
        Self::many(smallvec![out], work)
    }

    pub(super) fn many(outs: SmallVec<[Value; 1]>, work: Work) -> Self {
        Self {
            outs,
            work,
            feeds: None,
            parts: Vec::new(),
            temps: Vec::new(),
            random: false,
            bound: None,
            opaque: None,
        }
    }

    /// Shapes without work, because of what is said.
    pub(super) fn opaque(outs: SmallVec<[Value; 1]>, why: &'static str) -> Self {
        Self {
            opaque: Some(why),
            ..Self::many(outs, Work::Free)
        }
    }

    /// Work on inputs and inner tensors in front of the last.
    pub(super) fn part(&mut self, work: Work, ins: Vec<Feed>, outs: Vec<Feed>) {
        self.parts.push(Part {
            work,
            ins,
            outs,
            count: 1,
        });
    }

    /// A tensor within the node.
    pub(super) fn temp(&mut self, value: Value) -> Feed {
        self.temps.push(value);
        Feed::Temp(self.temps.len() - 1)
    }

    /// The first output is as large as it can be, because of what is said.
    pub(super) fn at_most(mut self, why: &'static str) -> Self {
        self.bound = Some(why);
        self
    }
}

/// A node with what is known of its inputs.
pub(super) struct Call<'a> {
    pub(super) node: &'a Node,
    pub(super) ins: SmallVec<[Option<&'a Value>; 4]>,
}

impl<'a> Call<'a> {
    /// Inputs from `i` on, without those left out.
    pub(super) fn rest(&self, i: usize) -> impl Iterator<Item = Feed> {
        let there = (i..self.ins.len()).filter(|i| self.get(*i).is_some());
        there.map(Feed::In)
    }

    pub(super) fn opset(&self) -> i64 {
        self.node.op.opset
    }

    /// Name of the operator, without its domain.
    pub(super) fn op(&self) -> &'a str {
        &self.node.op.name
    }

    /// Input `i`, if it is there.
    pub(super) fn get(&self, i: usize) -> Option<&'a Value> {
        self.ins.get(i).copied().flatten()
    }

    /// Input `i`.
    pub(super) fn need(&self, i: usize) -> Result<&'a Value, Fault> {
        match self.get(i) {
            Some(v) => Ok(v),
            None => wrong(format!("input {i} is missing")),
        }
    }

    /// Input `i`, which must have `rank` axes.
    pub(super) fn ranked(&self, i: usize, rank: usize) -> Result<&'a Value, Fault> {
        let v = self.need(i)?;
        if v.dims.len() == rank {
            Ok(v)
        } else {
            wrong(format!(
                "input {i} has shape {}, not {rank} axes",
                value::show(&v.dims)
            ))
        }
    }

    /// Output `i` is asked for.
    pub(super) fn wants(&self, i: usize) -> bool {
        self.node.outs.get(i).is_some_and(Option::is_some)
    }

    pub(super) fn int(&self, name: &str, default: i64) -> i64 {
        match self.node.attr(name) {
            Some(Attr::Int(i)) => *i,
            _ => default,
        }
    }

    pub(super) fn float(&self, name: &str, default: f64) -> f64 {
        match self.node.attr(name) {
            Some(Attr::Float(f)) => *f,
            Some(Attr::Int(i)) => *i as f64,
            _ => default,
        }
    }

    pub(super) fn text(&self, name: &str) -> &'a str {
        match self.node.attr(name) {
            Some(Attr::Text(t)) => t,
            _ => "",
        }
    }

    pub(super) fn ints(&self, name: &str) -> Option<&'a [i64]> {
        match self.node.attr(name) {
            Some(Attr::Ints(v)) => Some(v),
            _ => None,
        }
    }

    pub(super) fn tensor(&self, name: &str) -> Option<&'a Value> {
        match self.node.attr(name) {
            Some(Attr::Tensor(v)) => Some(v),
            _ => None,
        }
    }

    /// Integers of input `i` or, in older operator sets, of an attribute; `None` if both are absent.
    pub(super) fn ints_at(&self, i: usize, name: &str) -> Result<Option<Vec<i64>>, Fault> {
        if let Some(list) = self.ints(name) {
            return Ok(Some(list.to_vec()));
        }
        match self.get(i) {
            None => Ok(None),
            Some(v) => known_ints(v).map(Some),
        }
    }

    /// As [`Self::ints_at`], of one integer.
    pub(super) fn int_at(&self, i: usize, name: &str) -> Result<Option<i64>, Fault> {
        if let Some(Attr::Int(x)) = self.node.attr(name) {
            return Ok(Some(*x));
        }
        Ok(self.ints_at(i, name)?.and_then(|v| v.first().copied()))
    }

    /// Axes of a reduction, a squeeze: sorted, without doubles.
    pub(super) fn axes_at(&self, i: usize, rank: usize) -> Result<Option<Vec<usize>>, Fault> {
        let Some(list) = self.ints_at(i, "axes")? else {
            return Ok(None);
        };
        let each = list.iter().map(|a| value::axis(*a, rank));
        let mut axes = each.collect::<Result<Vec<_>, _>>()?;
        axes.sort_unstable();
        axes.dedup();
        Ok(Some(axes))
    }
}

/// Contents as integers.
pub(super) fn known_ints(v: &Value) -> Result<Vec<i64>, Fault> {
    match &v.known {
        Some(Lit::Int(list)) => Ok(list.to_vec()),
        Some(Lit::Float(list)) => Ok(list.iter().map(|x| *x as i64).collect()),
        None => open("a size is computed from data at run time"),
    }
}

/// A tensor of this shape with another's element type.
pub(super) fn like(v: &Value, dims: Dims) -> Result<Value, Fault> {
    Value::new(dims, v.elem)
}

/// The same data in another shape.
pub(super) fn reshaped(v: &Value, dims: Dims) -> Result<Value, Fault> {
    let mut out = Value::new(dims, v.elem)?.with(v.known.clone());
    out.stored = v.stored;
    Ok(out)
}

/// The data picked at these places, if they are known.
pub(super) fn picked(
    v: &Value,
    dims: Dims,
    at: impl FnOnce() -> Vec<usize>,
) -> Result<Value, Fault> {
    let mut out = Value::new(dims, v.elem)?;
    out.stored = v.stored;
    if let Some(known) = v.known.as_ref().filter(|_| out.is_small()) {
        out = out.with(known.pick(at().into_iter()));
    }
    Ok(out)
}

/// Work of a map over the output.
pub(super) fn map(ops: f64, special: f64) -> Work {
    Work::Map { ops, special }
}

/// Work of a reduction over the elements of a tensor.
pub(super) fn reduce(v: &Value, ops: f64, special: f64) -> Work {
    Work::Reduce {
        elements: v.elements() as f64,
        ops,
        special,
    }
}

/// A tensor of 64-bit integers.
pub(super) fn int64(dims: Dims) -> Result<Value, Fault> {
    Value::new(dims, Elem::I64)
}
