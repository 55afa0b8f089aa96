//! The graph of a file with names resolved: tensors are numbers, nodes are in an order that can run.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::elem::Elem;
use super::ops::Rule;
use super::value::Value;

/// Index of a tensor in [`Source::names`].
pub(super) type Ix = u32;

/// An attribute of a node.
#[derive(Clone, Debug)]
pub(super) enum Attr {
    Int(i64),
    Float(f64),
    Text(String),
    Ints(Vec<i64>),
    Floats(Vec<f64>),
    Tensor(Value),
    Graph(Arc<Body>),
    /// Of a kind that no rule reads.
    Other,
}

/// One node.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// Its own name, or the operator and its place.
    pub(super) name: String,
    pub(super) domain: Arc<str>,
    pub(super) op: Arc<str>,
    /// Module that it came from; empty if unknown.
    pub(super) block: String,
    /// Version of the operator set of its domain.
    pub(super) opset: i64,
    /// `None` where an optional input is left out.
    pub(super) ins: SmallVec<[Option<Ix>; 4]>,
    pub(super) outs: SmallVec<[Option<Ix>; 2]>,
    pub(super) attrs: Vec<(String, Attr)>,
    /// What its bodies read from outside of them.
    pub(super) captures: Vec<Ix>,
    /// `None` for an operator that is not known.
    pub(super) rule: Option<Rule>,
}

impl Node {
    pub(super) fn attr(&self, name: &str) -> Option<&Attr> {
        self.attrs.iter().find(|(n, _)| n == name).map(|(_, a)| a)
    }

    pub(super) fn body(&self, name: &str) -> Option<&Arc<Body>> {
        match self.attr(name) {
            Some(Attr::Graph(body)) => Some(body),
            _ => None,
        }
    }

    /// `domain::Op`, without the default domain.
    pub(super) fn title(&self) -> String {
        if self.domain.is_empty() {
            self.op.to_string()
        } else {
            format!("{}::{}", self.domain, self.op)
        }
    }
}

/// A graph, or the body of a control-flow operator.
#[derive(Clone, Debug, Default)]
pub(super) struct Body {
    pub(super) nodes: Vec<Node>,
    pub(super) inputs: Vec<Ix>,
    pub(super) outputs: Vec<Ix>,
}

/// A size in a declaration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Size {
    Fixed(i64),
    Named(String),
    Unknown,
}

/// What the file declares of a tensor.
#[derive(Clone, Debug)]
pub(super) struct Declared {
    pub(super) elem: Elem,
    /// `None` without a shape at all.
    pub(super) sizes: Option<Vec<Size>>,
}

/// Everything read from a file.
#[derive(Clone, Debug, Default)]
pub(super) struct Source {
    pub(super) names: Vec<String>,
    pub(super) main: Body,
    /// Initializers of all bodies.
    pub(super) constants: Vec<(Ix, Value)>,
    pub(super) declared: FxHashMap<Ix, Declared>,
    /// `producer version`, or an empty text.
    pub(super) producer: String,
}

impl Source {
    pub(super) fn name(&self, ix: Ix) -> &str {
        &self.names[ix as usize]
    }
}
