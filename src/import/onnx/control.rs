//! Control flow: branches and loops, whose bodies are walked like the graph around them.

use super::call::known_ints;
use super::ir::{Body, Ix, Node};
use super::value::{Fault, Origin, Value};
use super::walk::{Effort, Walk, without};
use crate::import::onnx::call::Work;

impl<'a> Walk<'a> {
    /// The branch that a known condition takes, else the one with more multiplications.
    pub(super) fn branch(&mut self, node: &'a Node, origin: Origin) {
        let (Some(yes), Some(no)) = (node.body("then_branch"), node.body("else_branch")) else {
            return self.fault(node, Fault::Wrong("a branch is missing".to_owned()));
        };
        let test = node
            .ins
            .first()
            .copied()
            .flatten()
            .and_then(|ix| self.get(ix));
        let known = test
            .and_then(|v| known_ints(v).ok())
            .and_then(|v| v.first().copied());
        let taken = match known {
            Some(x) if x != 0 => yes,
            Some(_) => no,
            None => {
                let start = self.steps.len();
                self.nodes(&yes.nodes);
                let first = self.steps.split_off(start);
                self.nodes(&no.nodes);
                let second = self.steps.split_off(start);
                let heavier = if macs(&second) > macs(&first) {
                    (no, second)
                } else {
                    (yes, first)
                };
                self.steps.extend(heavier.1);
                return self.outputs(node, &heavier.0.outputs, origin);
            }
        };
        self.nodes(&taken.nodes);
        self.outputs(node, &taken.outputs, Origin::Static);
    }

    fn outputs(&mut self, node: &'a Node, inner: &'a [Ix], at_least: Origin) {
        for (outer, inner) in node.outs.iter().zip(inner) {
            let (Some(outer), Some(mut value)) = (*outer, self.get(*inner).cloned()) else {
                continue;
            };
            value.origin = value.origin.max(at_least);
            self.put(outer, value);
            self.alias.insert(outer, *inner);
        }
    }

    /// A loop: its body once, as often as it runs.
    pub(super) fn repeat(&mut self, node: &'a Node) {
        let Some(body) = node.body("body") else {
            return self.fault(node, Fault::Wrong("its body is missing".to_owned()));
        };
        let trips = node
            .ins
            .first()
            .copied()
            .flatten()
            .and_then(|ix| self.get(ix));
        let trips = trips
            .and_then(|v| known_ints(v).ok())
            .and_then(|v| v.first().copied());
        let Some(trips) = trips.filter(|t| *t >= 0) else {
            let why = "how often the loop runs is computed from data at run time".to_owned();
            return self.fault(node, Fault::Open(why));
        };
        let states: Vec<Option<Ix>> = node.ins.iter().skip(2).copied().collect();
        for (i, inner) in body.inputs.iter().enumerate() {
            let mut value = match i {
                0 | 1 => self
                    .source
                    .declared
                    .get(inner)
                    .and_then(|d| Value::new(Default::default(), d.elem).ok()),
                _ => states
                    .get(i - 2)
                    .copied()
                    .flatten()
                    .and_then(|ix| self.get(ix).cloned()),
            };
            if let Some(v) = &mut value {
                v.known = None;
                v.origin = Origin::Data;
            }
            self.values[*inner as usize] = value;
        }
        self.body(body, trips as u64);
        let kept = states.len();
        for (i, outer) in node.outs.iter().enumerate() {
            let (Some(outer), Some(inner)) = (*outer, body.outputs.get(i + 1)) else {
                continue;
            };
            self.result(node, outer, *inner, (i >= kept).then_some((0, trips)));
        }
    }

    /// A scan: its body once per element along the scanned axes.
    pub(super) fn scan(&mut self, node: &'a Node) {
        let Some(body) = node.body("body") else {
            return self.fault(node, Fault::Wrong("its body is missing".to_owned()));
        };
        let scanned = match node.attr("num_scan_inputs") {
            Some(super::ir::Attr::Int(n)) => usize::try_from(*n).unwrap_or(0),
            _ => 0,
        };
        let first = node.ins.len().saturating_sub(scanned);
        let axes = |name: &str, i: usize| match node.attr(name) {
            Some(super::ir::Attr::Ints(v)) => v.get(i).copied().unwrap_or(0),
            _ => 0,
        };
        let mut trips = 1;
        for (i, inner) in body.inputs.iter().enumerate() {
            let outer = node.ins.get(i).copied().flatten();
            let Some(mut value) = outer.and_then(|ix| self.get(ix)).cloned() else {
                continue;
            };
            if i >= first {
                let at = super::value::axis(axes("scan_input_axes", i - first), value.dims.len());
                let at = match at {
                    Ok(at) => at,
                    Err(fault) => return self.fault(node, fault),
                };
                trips = value.dims[at];
                value.dims = without(&value.dims, at);
            }
            value.known = None;
            value.origin = Origin::Data;
            self.values[*inner as usize] = Some(value);
        }
        self.body(body, trips as u64);
        for (i, outer) in node.outs.iter().enumerate() {
            let (Some(outer), Some(inner)) = (*outer, body.outputs.get(i)) else {
                continue;
            };
            let stacked = (i >= first).then(|| (axes("scan_output_axes", i - first), trips));
            self.result(node, outer, *inner, stacked);
        }
    }

    fn body(&mut self, body: &'a Body, trips: u64) {
        let outside = self.count;
        self.count = outside.saturating_mul(trips);
        let start = self.steps.len();
        self.nodes(&body.nodes);
        if trips == 0 {
            self.steps.truncate(start);
        }
        self.count = outside;
    }

    /// An output of a loop: the last state, or all steps behind each other.
    fn result(&mut self, node: &'a Node, outer: Ix, inner: Ix, stacked: Option<(i64, i64)>) {
        let Some(value) = self.get(inner).cloned() else {
            return;
        };
        let mut dims = value.dims.clone();
        if let Some((axis, trips)) = stacked {
            match super::value::axis(axis, dims.len() + 1) {
                Ok(at) => dims.insert(at, trips),
                Err(fault) => return self.fault(node, fault),
            }
        } else {
            self.alias.insert(outer, inner);
        }
        match Value::new(dims, value.elem) {
            Ok(mut out) => {
                out.origin = Origin::Data;
                self.put(outer, out);
            }
            Err(fault) => return self.fault(node, fault),
        }
        if stacked.is_some() {
            self.steps.push(super::walk::Step {
                node,
                suffix: 0,
                ins: vec![inner],
                outs: vec![outer],
                work: Effort::Known(Work::Copy),
                count: 1,
                label: None,
            });
        }
    }
}

fn macs(steps: &[super::walk::Step]) -> f64 {
    let each = steps.iter().map(|s| match &s.work {
        Effort::Known(Work::Product { einsum, .. }) => einsum.macs() * s.count as f64,
        Effort::Known(_) | Effort::Unknown(_) => 0.0,
    });
    each.sum()
}
