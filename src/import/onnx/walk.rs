//! One pass over the nodes in order: shapes, contents, and the work that depends on inputs.

use std::collections::{BTreeMap, BTreeSet};

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::call::{Call, Feed, Reply, Work};
use super::hint::hint;
use super::ir::{Flow, Ix, Node, Source};
use super::mapping::{self, Mapping};
use super::symbols::Bound;
use super::value::{Dims, Fault, Origin, Value};
use crate::diag::{Code, Problem, Problems};

/// Elements of contents followed in one pass, counted where they are made and where they are read.
const MAX_FOLLOWED: usize = 1 << 25;
/// The same, at which the pass ends.
const MAX_TOUCHED: usize = 1 << 28;
/// Executions of a node; more is a file made to overflow sums.
const MAX_COUNT: u64 = 1 << 40;
/// Warnings of one pass beside upper bounds.
const MAX_WARNINGS: usize = 8;
/// Contents of this many elements are followed at any time: shapes.
const ALWAYS_FOLLOWED: usize = 64;

/// Tensors of a step.
pub(super) type Ends = SmallVec<[Ix; 3]>;

/// What one operator of the graph is made from.
#[derive(Clone, Debug)]
pub(super) struct Step<'a> {
    pub(super) node: &'a Node,
    /// Appended to the node's name where it is several operators.
    pub(super) suffix: usize,
    pub(super) ins: Ends,
    pub(super) outs: SmallVec<[Ix; 1]>,
    pub(super) work: Effort,
    pub(super) count: u64,
    /// Operator that it stands for where several nodes became one.
    pub(super) label: Option<&'static str>,
}

/// Work, or why it is not known.
#[derive(Clone, Debug)]
pub(super) enum Effort {
    Known(Work),
    Unknown(String),
}

/// State of the pass.
pub(super) struct Walk<'a> {
    pub(super) source: &'a Source,
    pub(super) bound: &'a Bound,
    pub(super) mapping: &'a Mapping,
    pub(super) unknown_as_bytes: bool,
    /// Descriptions of the user that a node had.
    pub(super) used: BTreeSet<String>,
    pub(super) values: Vec<Option<Value>>,
    pub(super) steps: Vec<Step<'a>>,
    /// Tensors of bodies and around them that are one and the same.
    pub(super) alias: FxHashMap<Ix, Ix>,
    /// Names of tensors within nodes, from the number of named tensors on.
    pub(super) temps: Vec<String>,
    /// Executions of each node of the body at hand.
    pub(super) count: u64,
    pub(super) unknown: BTreeMap<String, (usize, &'a Node)>,
    pub(super) faults: Vec<(&'a Node, Fault)>,
    /// Nodes that could not be followed because of an earlier one.
    pub(super) behind: usize,
    /// Tensors whose shape is an upper bound, and of what.
    pub(super) bounded: Vec<(Ix, &'a Node, &'static str)>,
    /// What else was assumed.
    pub(super) warnings: Vec<Problem>,
    /// Warnings beyond those.
    pub(super) n_unsaid: usize,
    followed: usize,
}

impl<'a> Walk<'a> {
    pub(super) fn new(source: &'a Source, bound: &'a Bound, mapping: &'a Mapping) -> Self {
        Self {
            source,
            bound,
            mapping,
            unknown_as_bytes: false,
            used: BTreeSet::new(),
            values: vec![None; source.names.len()],
            steps: Vec::with_capacity(source.main.nodes.len()),
            alias: FxHashMap::default(),
            temps: Vec::new(),
            count: 1,
            unknown: BTreeMap::new(),
            faults: Vec::new(),
            behind: 0,
            bounded: Vec::new(),
            warnings: Vec::new(),
            n_unsaid: 0,
            followed: 0,
        }
    }

    /// Runs the main graph.
    ///
    /// # Errors
    /// Operators that are not known, and shapes that cannot be inferred.
    pub(super) fn run(&mut self) -> Result<(), Problems> {
        for (ix, value) in &self.source.constants {
            self.values[*ix as usize] = Some(value.clone());
        }
        for (ix, dims) in &self.bound.inputs {
            let Some(declared) = self.source.declared.get(ix) else {
                continue;
            };
            let one = Value::new(dims.clone(), declared.elem);
            let made = match declared.is_list {
                true => one.and_then(|item| super::ops::list(vec![item])),
                false => one,
            };
            if declared.is_list {
                let name = self.source.name(*ix);
                let text = format!("the list `{name}` was taken to hold one tensor");
                self.warn(Problem::new(Code::Assumed, text));
            }
            match made {
                Ok(mut value) => {
                    value.origin = Origin::Data;
                    self.values[*ix as usize] = Some(value);
                }
                Err(Fault::Open(why) | Fault::Wrong(why)) => {
                    let text = format!("input `{}`: {why}", self.source.name(*ix));
                    return Err(Problem::new(Code::UnknownShape, text).into());
                }
            }
        }
        self.nodes(&self.source.main.nodes);
        self.verdict()
    }

    pub(super) fn nodes(&mut self, nodes: &'a [Node]) {
        for node in nodes {
            if self.followed > MAX_TOUCHED {
                let why = "the lists in front of it are too long to be followed";
                return self.fault(node, Fault::Wrong(why.to_owned()));
            }
            self.node(node);
        }
    }

    pub(super) fn get(&self, ix: Ix) -> Option<&Value> {
        self.values.get(ix as usize).and_then(Option::as_ref)
    }

    /// Input `i` of a node, if it is there.
    pub(super) fn input(&self, node: &Node, i: usize) -> Option<&Value> {
        self.get(node.ins.get(i).copied().flatten()?)
    }

    /// Says what was assumed, unless much has been said already.
    pub(super) fn warn(&mut self, problem: Problem) {
        if self.warnings.len() < MAX_WARNINGS {
            self.warnings.push(problem);
        } else {
            self.n_unsaid += 1;
        }
    }

    /// Executions of what runs `times` within the body at hand.
    pub(super) fn times(&self, times: u64) -> u64 {
        self.count.saturating_mul(times).min(MAX_COUNT)
    }

    pub(super) fn fault(&mut self, node: &'a Node, fault: Fault) {
        self.faults.push((node, fault));
    }

    fn node(&mut self, node: &'a Node) {
        let mut origin = Origin::Static;
        for ix in node.ins.iter().flatten() {
            let Some(v) = self.get(*ix) else {
                if !self.pin_outputs(node, Origin::Data) {
                    self.behind += 1;
                }
                return;
            };
            origin = origin.max(v.origin);
        }
        // A body may read what only the branch not taken would have made; a node may not.
        let captured = node.captures.iter().filter_map(|ix| self.get(*ix));
        origin = captured.fold(origin, |o, v| o.max(v.origin));
        match node.op.flow {
            Some(Flow::If) => return self.branch(node, origin),
            Some(Flow::Loop) => return self.repeat(node),
            Some(Flow::Scan) => return self.scan(node),
            Some(Flow::SequenceMap) => return self.each(node),
            None => {}
        }
        if node.op.domain.is_empty() {
            match &*node.op.name {
                "Shape" | "Size" => origin = Origin::Shape.min(origin),
                // Of its second input only the type is read.
                "CastLike" => {
                    let first = self.input(node, 0);
                    origin = first.map_or(origin, |v| v.origin.max(Origin::Shape));
                }
                _ => {}
            }
        }
        let mapped = match self.mapping.0.is_empty() {
            true => None,
            false => self.mapping.0.get_key_value(&node.op.title()),
        };
        if let Some((title, _)) = mapped.filter(|(title, _)| !self.used.contains(*title)) {
            self.used.insert(title.clone());
        }
        if node.op.rule.is_none() && mapped.is_none() {
            return self.unknown(node);
        }
        let outcome = {
            let each = node.ins.iter();
            let ins = each.map(|ix| ix.and_then(|ix| self.get(ix))).collect();
            let call = Call { node, ins };
            let reply = match (mapped, node.op.rule) {
                (Some((_, mapped)), _) => mapping::apply(&call, mapped),
                (None, Some(rule)) => rule(&call),
                (None, None) => Err(Fault::Open("the operator is not known".to_owned())),
            };
            reply.map(|mut reply| {
                if let Some(first) = reply.outs.first_mut() {
                    first.hint = hint(&call, first);
                }
                reply
            })
        };
        match outcome {
            Ok(reply) => self.accept(node, reply, origin),
            Err(fault) => {
                let reason = match &fault {
                    Fault::Open(why) | Fault::Wrong(why) => why.clone(),
                };
                if self.pin_outputs(node, Origin::Data) {
                    self.opaque(node, reason);
                } else {
                    self.fault(node, fault);
                }
            }
        }
    }

    /// Counts contents that a node reads; once there have been too many, only those of shapes are kept.
    fn follow(&mut self, node: &Node) {
        let read = node.ins.iter().flatten().filter_map(|ix| self.get(*ix));
        let n = read.map(weight).sum();
        self.spend(n);
    }

    fn spend(&mut self, n: usize) {
        if n <= ALWAYS_FOLLOWED {
            return;
        }
        let before = self.followed;
        self.followed = before.saturating_add(n);
        if before <= MAX_FOLLOWED && self.followed > MAX_FOLLOWED {
            for value in self.values.iter_mut().flatten() {
                forget(value);
            }
        }
    }

    fn accept(&mut self, node: &'a Node, reply: Reply, origin: Origin) {
        self.follow(node);
        let made = reply.outs.iter().map(weight).sum();
        self.spend(made);
        let origin = if reply.random { Origin::Data } else { origin };
        for (ix, mut value) in node.outs.iter().zip(reply.outs) {
            if let Some(ix) = ix {
                value.origin = origin;
                self.put(*ix, value);
            }
        }
        if let (Some(what), Some(Some(ix))) = (reply.bound, node.outs.first())
            && !self.bound.pinned.contains_key(ix)
        {
            self.bounded.push((*ix, node, what));
        }
        if origin != Origin::Data {
            return;
        }
        let first = self.values.len() as Ix;
        for (i, mut temp) in reply.temps.into_iter().enumerate() {
            temp.origin = Origin::Data;
            self.values.push(Some(temp));
            self.temps.push(format!("{}.{i}", self.source.label(node)));
        }
        let at = |feed: &Feed| match feed {
            Feed::In(i) => node.ins.get(*i).copied().flatten(),
            Feed::Temp(i) => Some(first + *i as Ix),
            Feed::Out(i) => node.outs.get(*i).copied().flatten(),
        };
        let made = |i: usize| {
            let mut outs = reply.parts.iter().flat_map(|p| &p.outs);
            outs.any(|o| matches!(o, Feed::Out(o) if *o == i))
        };
        let own = node.outs.iter().enumerate().filter(|(i, _)| !made(*i));
        let outs: SmallVec<[Ix; 1]> = own.filter_map(|(_, ix)| *ix).collect();
        for (i, part) in reply.parts.into_iter().enumerate() {
            self.steps.push(Step {
                node,
                suffix: i + 1,
                ins: part.ins.iter().filter_map(at).collect(),
                outs: part.outs.iter().filter_map(at).collect(),
                work: Effort::Known(part.work),
                count: self.times(part.count),
                label: None,
            });
        }
        let (ins, work) = match reply.feeds {
            Some(feeds) => (feeds.iter().filter_map(at).collect(), reply.work),
            None => packed(node, reply.work),
        };
        let work = match reply.opaque {
            None => Effort::Known(work),
            Some(why) => Effort::Unknown(why.to_owned()),
        };
        self.steps.push(Step {
            node,
            suffix: 0,
            ins,
            outs,
            work,
            count: self.count,
            label: None,
        });
    }

    /// Stores a value, in the shape that the user gave to the tensor if there is one.
    pub(super) fn put(&mut self, ix: Ix, mut value: Value) {
        if let Some(dims) = self.bound.pinned.get(&ix)
            && let Ok(mut pinned) = Value::new(dims.clone(), value.elem)
        {
            pinned.origin = value.origin;
            value = pinned;
        }
        if self.followed > MAX_FOLLOWED {
            forget(&mut value);
        }
        self.values[ix as usize] = Some(value);
    }

    /// Takes the outputs from the user or from the file's own declarations, if all are there.
    fn pin_outputs(&mut self, node: &'a Node, origin: Origin) -> bool {
        let mut found = Vec::new();
        for ix in node.outs.iter().flatten() {
            let pinned = self.bound.pinned.get(ix).cloned();
            let declared = self.source.declared(*ix).filter(|d| !d.is_list);
            let own = || declared?.sizes.as_ref().and_then(|s| self.bound.shape(s));
            let Some(dims) = pinned.or_else(own) else {
                return false;
            };
            let elem = declared.map_or(super::elem::Elem::F32, |d| d.elem);
            found.push((*ix, dims, elem));
        }
        for (ix, dims, elem) in found {
            let Ok(mut value) = Value::new(dims, elem) else {
                return false;
            };
            value.origin = origin;
            self.values[ix as usize] = Some(value);
        }
        true
    }

    fn unknown(&mut self, node: &'a Node) {
        let entry = self.unknown.entry(node.op.title()).or_insert((0, node));
        entry.0 += 1;
        if !self.pin_outputs(node, Origin::Data) {
            let first = node.ins.iter().flatten().find_map(|ix| self.get(*ix));
            let Some(mut value) = first.cloned() else {
                let why = "the operator is not known and has no inputs".to_owned();
                return self.fault(node, Fault::Open(why));
            };
            value.origin = Origin::Data;
            value.known = None;
            for ix in node.outs.iter().flatten() {
                self.put(*ix, value.clone());
            }
        }
        self.opaque(node, format!("operator {} is not known", node.op.title()));
    }

    pub(super) fn opaque(&mut self, node: &'a Node, reason: String) {
        self.steps.push(Step {
            node,
            suffix: 0,
            ins: node.ins.iter().flatten().copied().collect(),
            outs: node.outs.iter().flatten().copied().collect(),
            work: Effort::Unknown(reason),
            count: self.count,
            label: None,
        });
    }
}

/// Elements of what is followed of a tensor.
fn weight(v: &Value) -> usize {
    let items = v.items.as_ref().map_or(0, |items| 16 * items.len());
    v.known.as_ref().map_or(0, |k| k.len()) + items
}

/// Drops contents that are longer than a shape.
fn forget(value: &mut Value) {
    let is_long = |k: &super::value::Lit| k.len() > ALWAYS_FOLLOWED;
    if value.known.as_ref().is_some_and(is_long) {
        value.known = None;
    }
    if value
        .items
        .as_ref()
        .is_some_and(|i| i.len() > ALWAYS_FOLLOWED)
    {
        value.items = None;
    }
}

/// Inputs without those left out, and the work with its input numbers moved accordingly.
fn packed(node: &Node, mut work: Work) -> (Ends, Work) {
    let ins: Ends = node.ins.iter().flatten().copied().collect();
    if ins.len() < node.ins.len() {
        let place = |i: usize| node.ins[..i.min(node.ins.len())].iter().flatten().count();
        match &mut work {
            Work::Product { lhs, rhs, .. } => (*lhs, *rhs) = (place(*lhs), place(*rhs)),
            Work::Gather { table, .. } => *table = place(*table),
            Work::Free
            | Work::Copy
            | Work::Map { .. }
            | Work::Reduce { .. }
            | Work::Attend(_)
            | Work::Experts { .. }
            | Work::Route { .. }
            | Work::Scan(_)
            | Work::Append { .. } => {}
        }
    }
    (ins, work)
}

/// Shape of one step of a tensor that is walked along an axis.
pub(super) fn without(dims: &Dims, axis: usize) -> Dims {
    let mut out = dims.clone();
    if axis < out.len() {
        out.remove(axis);
    }
    out
}
