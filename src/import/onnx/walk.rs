//! One pass over the nodes in order: shapes, contents, and the work that depends on inputs.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use super::call::{Call, Feed, Reply, Work};
use super::ir::{Ix, Node, Source};
use super::symbols::Bound;
use super::value::{Dims, Fault, Origin, Value, show};
use crate::diag::{Code, Problem, Problems};

/// Faults listed at once.
const MAX_LISTED: usize = 8;

/// What one operator of the graph is made from.
#[derive(Clone, Debug)]
pub(super) struct Step<'a> {
    pub(super) node: &'a Node,
    /// Appended to the node's name where it is several operators.
    pub(super) suffix: usize,
    pub(super) ins: Vec<Ix>,
    pub(super) outs: Vec<Ix>,
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
    pub(super) unknown_as_bytes: bool,
    pub(super) values: Vec<Option<Value>>,
    pub(super) steps: Vec<Step<'a>>,
    /// Outputs of control flow are tensors of a body.
    pub(super) alias: FxHashMap<Ix, Ix>,
    /// Names of tensors within nodes, from the number of named tensors on.
    pub(super) temps: Vec<String>,
    /// Executions of each node of the body at hand.
    pub(super) count: u64,
    unknown: BTreeMap<String, (usize, String)>,
    faults: Vec<(&'a Node, Fault)>,
    /// Nodes that could not be followed because of an earlier one.
    behind: usize,
}

impl<'a> Walk<'a> {
    pub(super) fn new(source: &'a Source, bound: &'a Bound, unknown_as_bytes: bool) -> Self {
        Self {
            source,
            bound,
            unknown_as_bytes,
            values: vec![None; source.names.len()],
            steps: Vec::with_capacity(source.main.nodes.len()),
            alias: FxHashMap::default(),
            temps: Vec::new(),
            count: 1,
            unknown: BTreeMap::new(),
            faults: Vec::new(),
            behind: 0,
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
            match Value::new(dims.clone(), declared.elem) {
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
            self.node(node);
        }
    }

    pub(super) fn get(&self, ix: Ix) -> Option<&Value> {
        self.values.get(ix as usize).and_then(Option::as_ref)
    }

    pub(super) fn fault(&mut self, node: &'a Node, fault: Fault) {
        self.faults.push((node, fault));
    }

    fn node(&mut self, node: &'a Node) {
        let all = node.ins.iter().flatten().chain(&node.captures);
        let mut origin = Origin::Static;
        for ix in all {
            if let Some(v) = self.get(*ix) {
                origin = origin.max(v.origin);
            } else if !node.captures.contains(ix) {
                // A body may read what only the branch not taken would have made; a node may not.
                if !self.pin_outputs(node, Origin::Data) {
                    self.behind += 1;
                }
                return;
            }
        }
        if node.domain.is_empty() {
            match &*node.op {
                "If" => return self.branch(node, origin),
                "Loop" => return self.repeat(node),
                "Scan" => return self.scan(node),
                "Shape" | "Size" => origin = Origin::Shape,
                // Of its second input only the type is read.
                "CastLike" => {
                    let first = node
                        .ins
                        .first()
                        .copied()
                        .flatten()
                        .and_then(|ix| self.get(ix));
                    origin = first.map_or(origin, |v| v.origin.max(Origin::Shape));
                }
                _ => {}
            }
        }
        let Some(rule) = node.rule else {
            return self.unknown(node);
        };
        let outcome = {
            let each = node.ins.iter();
            let ins = each.map(|ix| ix.and_then(|ix| self.get(ix))).collect();
            rule(&Call { node, ins })
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

    fn accept(&mut self, node: &'a Node, reply: Reply, origin: Origin) {
        let origin = if reply.random { Origin::Data } else { origin };
        for (ix, mut value) in node.outs.iter().zip(reply.outs) {
            if let Some(ix) = ix {
                value.origin = origin;
                self.put(*ix, value);
            }
        }
        if origin != Origin::Data {
            return;
        }
        let first = self.values.len() as Ix;
        for (i, mut temp) in reply.temps.into_iter().enumerate() {
            temp.origin = Origin::Data;
            self.values.push(Some(temp));
            self.temps.push(format!("{}.{i}", node.name));
        }
        let at = |feed: &Feed| match feed {
            Feed::In(i) => node.ins.get(*i).copied().flatten(),
            Feed::Temp(i) => Some(first + *i as Ix),
        };
        for (i, part) in reply.parts.into_iter().enumerate() {
            self.steps.push(Step {
                node,
                suffix: i + 1,
                ins: part.ins.iter().filter_map(at).collect(),
                outs: part.outs.iter().map(|o| first + *o as Ix).collect(),
                work: Effort::Known(part.work),
                count: self.count.saturating_mul(part.count),
                label: None,
            });
        }
        let (ins, work) = match reply.feeds {
            Some(feeds) => (feeds.iter().filter_map(at).collect(), reply.work),
            None => packed(node, reply.work),
        };
        let outs = node.outs.iter().flatten().copied().collect();
        let work = Effort::Known(work);
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
        if !self.bound.pinned.is_empty()
            && let Some(dims) = self.bound.pinned.get(self.source.name(ix))
            && let Ok(mut pinned) = Value::new(dims.clone(), value.elem)
        {
            pinned.origin = value.origin;
            value = pinned;
        }
        self.values[ix as usize] = Some(value);
    }

    /// Takes the outputs from the user or from the file's own declarations, if all are there.
    fn pin_outputs(&mut self, node: &'a Node, origin: Origin) -> bool {
        let mut found = Vec::new();
        for ix in node.outs.iter().flatten() {
            let Some(declared) = self.source.declared.get(ix) else {
                match self.bound.pinned.get(self.source.name(*ix)) {
                    Some(dims) => found.push((*ix, dims.clone(), super::elem::Elem::F32)),
                    None => return false,
                }
                continue;
            };
            let pinned = self.bound.pinned.get(self.source.name(*ix)).cloned();
            let own = || declared.sizes.as_ref().and_then(|s| self.bound.shape(s));
            match pinned.or_else(own) {
                Some(dims) => found.push((*ix, dims, declared.elem)),
                None => return false,
            }
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
        let entry = self
            .unknown
            .entry(node.title())
            .or_insert((0, node.name.clone()));
        entry.0 += 1;
        if !self.pin_outputs(node, Origin::Data) {
            let first = node
                .ins
                .iter()
                .flatten()
                .find_map(|ix| self.get(*ix))
                .cloned();
            let Some(mut value) = first else {
                let why = "the operator is not known and has no inputs".to_owned();
                return self.fault(node, Fault::Open(why));
            };
            value.origin = Origin::Data;
            value.known = None;
            for ix in node.outs.iter().flatten() {
                self.put(*ix, value.clone());
            }
        }
        self.opaque(node, format!("operator {} is not known", node.title()));
    }

    fn opaque(&mut self, node: &'a Node, reason: String) {
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

    fn verdict(&mut self) -> Result<(), Problems> {
        let mut problems = Problems::new();
        if !self.unknown_as_bytes {
            for (title, (n, example)) in &self.unknown {
                let nodes = if *n == 1 {
                    "1 node"
                } else {
                    &format!("{n} nodes")
                };
                let text = format!("operator `{title}` (`{example}`, {nodes}) is not known");
                let help = "continue without it using --unknown=bytes-only; the report will show the coverage";
                problems.push(Problem::new(Code::UnknownOp, text).help(help));
            }
        }
        for (node, fault) in self.faults.iter().take(MAX_LISTED) {
            let name = node
                .outs
                .iter()
                .flatten()
                .next()
                .map_or(node.name.as_str(), |ix| self.source.name(*ix));
            let (Fault::Open(why) | Fault::Wrong(why)) = fault;
            let text = format!(
                "cannot infer the shape of `{name}` (node `{}`, {}): {why}",
                node.name,
                node.title()
            );
            let mut problem = Problem::new(Code::UnknownShape, text);
            if matches!(fault, Fault::Open(_)) {
                problem = problem.help(format!("pin it with --shape {name}=..."));
            } else {
                let shapes = node
                    .ins
                    .iter()
                    .flatten()
                    .filter_map(|ix| self.get(*ix))
                    .map(|v| show(&v.dims));
                problem = problem.note(format!(
                    "its inputs are {}",
                    shapes.collect::<Vec<_>>().join(", ")
                ));
            }
            problems.push(problem);
        }
        if let (Some(last), true) = (
            problems.0.last_mut(),
            self.behind > 0 && !self.faults.is_empty(),
        ) {
            let more = self.faults.len().saturating_sub(MAX_LISTED);
            let other = if more > 0 {
                format!(" {more} more like this;")
            } else {
                String::new()
            };
            *last = last.clone().note(
                format!("{other} {} nodes depend on it", self.behind)
                    .trim()
                    .to_owned(),
            );
        }
        if problems.is_empty() {
            Ok(())
        } else {
            Err(problems)
        }
    }
}

/// Inputs without those left out, and the work with its input numbers moved accordingly.
fn packed(node: &Node, mut work: Work) -> (Vec<Ix>, Work) {
    let ins: Vec<Ix> = node.ins.iter().flatten().copied().collect();
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
            | Work::Append => {}
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
