//! The graph of a file with names resolved: tensors are numbers, nodes are in an order that can run.

use std::sync::{Arc, OnceLock};

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::elem::Elem;
use super::ops::Rule;
use super::proto::infos;
use super::resolve::declared;
use super::value::Value;

/// Index of a tensor in [`Source::names`].
pub(super) type Ix = u32;

/// Bytes of all names of a kind; more is a file made to exhaust memory.
const MAX_TEXT: usize = 1 << 27;

/// Texts, one behind the other.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    text: String,
    ends: Vec<u32>,
}

impl Names {
    /// The number of the next text.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn reserve(&mut self, n: usize) {
        self.ends.reserve(n);
        self.text.reserve(n.saturating_mul(24).min(MAX_TEXT));
    }

    /// Adds a text; its number. Beyond [`MAX_TEXT`] texts are empty.
    pub(super) fn push(&mut self, text: &str) -> u32 {
        if self.text.len().saturating_add(text.len()) <= MAX_TEXT {
            self.text.push_str(text);
        }
        self.end()
    }

    /// Adds `prefix/text` for a text that is there; its number.
    pub(super) fn push_below(&mut self, prefix: &str, i: u32) -> u32 {
        let (start, end) = self.range(i);
        let more = prefix.len().saturating_add(end - start + 1);
        if self.text.len().saturating_add(more) <= MAX_TEXT {
            self.text.push_str(prefix);
            self.text.push('/');
            self.text.extend_from_within(start..end);
        }
        self.end()
    }

    fn end(&mut self) -> u32 {
        let end = u32::try_from(self.text.len()).unwrap_or(u32::MAX);
        self.ends.push(end);
        self.ends.len() as u32 - 1
    }

    /// A text by its number; empty if there is none.
    pub(super) fn get(&self, i: u32) -> &str {
        let (start, end) = self.range(i);
        self.text.get(start..end).unwrap_or("")
    }

    fn range(&self, i: u32) -> (usize, usize) {
        let at = |i: usize| self.ends.get(i).map(|e| *e as usize);
        let start = (i as usize).checked_sub(1).map_or(Some(0), at);
        start.zip(at(i as usize)).unwrap_or((0, 0))
    }

    /// All texts, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.ends.len() as u32).map(|i| self.get(i))
    }
}

/// An attribute of a node.
#[derive(Clone, Debug)]
pub(super) enum Attr {
    Int(i64),
    Float(f64),
    Text(Arc<str>),
    Ints(Arc<[i64]>),
    Floats(Arc<[f64]>),
    /// Number of texts.
    Texts(usize),
    Tensor(Arc<Value>),
    Graph(Arc<Body>),
    /// Of a kind that no rule reads.
    Other,
}

/// An operator and what is done with it, shared by all its nodes.
#[derive(Clone, Debug)]
pub(super) struct Op {
    pub(super) domain: Box<str>,
    pub(super) name: Box<str>,
    /// Version of the operator set of its domain.
    pub(super) opset: i64,
    /// `None` for an operator that is not known.
    pub(super) rule: Option<Rule>,
    pub(super) flow: Option<Flow>,
}

/// Operators whose bodies the walk over the graph follows itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    If,
    Loop,
    Scan,
    SequenceMap,
}

impl Op {
    /// `domain::Op`, without the default domain.
    pub(super) fn title(&self) -> String {
        if self.domain.is_empty() {
            self.name.to_string()
        } else {
            format!("{}::{}", self.domain, self.name)
        }
    }
}

/// One node.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// Its own name, or the operator and its place: a number in [`Source::labels`].
    pub(super) label: u32,
    /// Module that it came from: a number in [`Source::blocks`].
    pub(super) block: u32,
    pub(super) op: Arc<Op>,
    /// `None` where an optional input is left out.
    pub(super) ins: SmallVec<[Option<Ix>; 3]>,
    pub(super) outs: SmallVec<[Option<Ix>; 1]>,
    pub(super) attrs: Box<[(Arc<str>, Attr)]>,
    /// What its bodies read from outside of them.
    pub(super) captures: Box<[Ix]>,
}

impl Node {
    pub(super) fn attr(&self, name: &str) -> Option<&Attr> {
        self.attrs
            .iter()
            .find(|(n, _)| &**n == name)
            .map(|(_, a)| a)
    }

    pub(super) fn body(&self, name: &str) -> Option<&Arc<Body>> {
        match self.attr(name) {
            Some(Attr::Graph(body)) => Some(body),
            _ => None,
        }
    }
}

/// A graph, or the body of a control-flow operator.
#[derive(Clone, Debug, Default)]
pub(super) struct Body {
    pub(super) nodes: Vec<Node>,
    /// For each node of the file its place in `nodes`; empty if that is its own.
    pub(super) places: Vec<u32>,
    pub(super) inputs: Vec<Ix>,
    pub(super) outputs: Vec<Ix>,
}

/// A size in a declaration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Size {
    Fixed(i64),
    Named(Arc<str>),
    Unknown,
}

/// What the file declares of a tensor.
#[derive(Clone, Debug)]
pub(super) struct Declared {
    pub(super) elem: Elem,
    /// `None` without a shape at all.
    pub(super) sizes: Option<SmallVec<[Size; 4]>>,
    /// A list of such tensors.
    pub(super) is_list: bool,
}

/// Everything read from a file.
#[derive(Clone, Debug, Default)]
pub(super) struct Source {
    pub(super) names: Names,
    /// Names of nodes.
    pub(super) labels: Names,
    /// Names of modules.
    pub(super) blocks: Names,
    pub(super) main: Body,
    /// Initializers and constants of all bodies.
    pub(super) constants: Vec<(Ix, Value)>,
    /// Of inputs, outputs, and all tensors of bodies.
    pub(super) declared: FxHashMap<Ix, Declared>,
    /// Declarations of tensors within the main graph, as they stand in the file.
    pub(super) infos: Vec<u8>,
    /// The same, once they were asked for.
    pub(super) read_infos: OnceLock<FxHashMap<Ix, Declared>>,
    /// `producer version`, or an empty text.
    pub(super) producer: String,
}

impl Source {
    /// What the file declares of a tensor.
    pub(super) fn declared(&self, ix: Ix) -> Option<&Declared> {
        let inner = || self.read_infos.get_or_init(|| self.all_infos()).get(&ix);
        self.declared.get(&ix).or_else(inner)
    }

    fn all_infos(&self) -> FxHashMap<Ix, Declared> {
        let made = self.main.nodes.iter().flat_map(|n| n.outs.iter().flatten());
        let by_name: FxHashMap<&str, Ix> = made.map(|ix| (self.name(*ix), *ix)).collect();
        let each = infos(&self.infos);
        each.filter_map(|info| Some((*by_name.get(info.name)?, declared(&info)?)))
            .collect()
    }

    pub(super) fn name(&self, ix: Ix) -> &str {
        self.names.get(ix)
    }

    pub(super) fn label(&self, node: &Node) -> &str {
        self.labels.get(node.label)
    }

    pub(super) fn block(&self, node: &Node) -> &str {
        self.blocks.get(node.block)
    }
}
