//! Control flow: branches and loops, whose bodies are walked like the graph around them.

use super::call::{Work, known_ints};
use super::elem::Elem;
use super::ir::{Attr, Body, Ix, Node};
use super::value::{Dims, Fault, Origin, Value, axis};
use super::walk::{Effort, Step, Walk, without};
use crate::diag::{Code, Problem};

/// Items of a list that grows in a loop.
const MAX_ITEMS: usize = 1 << 10;

/// What a branch led to.
struct Path<'a> {
    body: &'a Body,
    steps: Vec<Step<'a>>,
    faults: Vec<(&'a Node, Fault)>,
    behind: usize,
    /// Upper bounds and warnings from here on are those of this branch.
    bounded: Vec<(Ix, &'a Node, &'static str)>,
    warnings: Vec<Problem>,
}

impl<'a> Walk<'a> {
    /// The branch that a known condition takes, else the costlier one.
    pub(super) fn branch(&mut self, node: &'a Node, origin: Origin) {
        let (Some(yes), Some(no)) = (node.body("then_branch"), node.body("else_branch")) else {
            return self.fault(node, Fault::Wrong("a branch is missing".to_owned()));
        };
        let test = self.input(node, 0).and_then(|v| known_ints(v).ok());
        match test.and_then(|v| v.first().copied()) {
            Some(x) => {
                let taken = if x != 0 { yes } else { no };
                self.nodes(&taken.nodes);
                self.outputs(node, &taken.outputs, Origin::Static);
            }
            None => {
                let (yes, no) = (self.follow_branch(yes), self.follow_branch(no));
                self.settle(node, yes, no, origin);
            }
        }
    }

    fn follow_branch(&mut self, body: &'a Body) -> Path<'a> {
        let (steps, faults, behind) = (self.steps.len(), self.faults.len(), self.behind);
        let (bounded, warnings) = (self.bounded.len(), self.warnings.len());
        self.nodes(&body.nodes);
        let met = self.behind - behind;
        self.behind = behind;
        Path {
            body,
            steps: self.steps.split_off(steps),
            faults: self.faults.split_off(faults),
            behind: met,
            bounded: self.bounded.split_off(bounded),
            warnings: self.warnings.split_off(warnings),
        }
    }

    /// Keeps the branch that can be followed, or the one with more to do.
    fn settle(&mut self, node: &'a Node, yes: Path<'a>, no: Path<'a>, origin: Origin) {
        let takes_else = match (yes.faults.is_empty(), no.faults.is_empty()) {
            (true, false) => false,
            (false, true) => true,
            _ => self.cost(&no.steps) > self.cost(&yes.steps),
        };
        let computes = |p: &Path| {
            let mut works = p.steps.iter().map(|s| &s.work);
            works.any(|w| !matches!(w, Effort::Known(Work::Free | Work::Copy)))
        };
        if computes(&yes) && computes(&no) {
            let (name, which) = (
                self.source.label(node),
                if takes_else { "else" } else { "then" },
            );
            let text = format!(
                "`{name}` (If) depends on data: its {which} branch, the costlier one, was taken"
            );
            self.warn(Problem::new(Code::Assumed, text));
        }
        let path = if takes_else { no } else { yes };
        self.steps.extend(path.steps);
        self.faults.extend(path.faults);
        self.behind += path.behind;
        self.bounded.extend(path.bounded);
        self.warnings.extend(path.warnings);
        self.outputs(node, &path.body.outputs, origin);
    }

    /// Multiplications first, then elements written.
    fn cost(&self, steps: &[Step]) -> (f64, f64) {
        let mut sum = (0.0, 0.0);
        for step in steps {
            let n = step.count as f64;
            sum.0 += n * macs(&step.work);
            if !matches!(step.work, Effort::Known(Work::Free)) {
                let outs = step.outs.iter().filter_map(|ix| self.get(*ix));
                sum.1 += n * outs.map(|v| v.elements() as f64).sum::<f64>();
            }
        }
        sum
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

    /// How often a loop runs: its own count, what the user says, or once.
    fn trips(&mut self, node: &'a Node) -> i64 {
        let own = self.input(node, 0).and_then(|v| known_ints(v).ok());
        let own = own.and_then(|v| v.first().copied());
        if let Some(&trips) = self.bound.trips.get(&node.label) {
            return own.map_or(trips, |own| own.min(trips)).max(0);
        }
        let ends = self.input(node, 1).and_then(|v| known_ints(v).ok());
        if ends.is_some_and(|v| v.first() == Some(&0)) {
            return 0;
        }
        // A loop without a limit is written with the largest integer.
        if let Some(own) = own.filter(|t| *t < i64::from(i32::MAX)) {
            return own.max(0);
        }
        let name = self.source.label(node);
        let text =
            format!("how often `{name}` (Loop) runs depends on data: its body was counted once");
        let help = format!("set it with  --dim {name}:trips=10");
        self.warn(Problem::new(Code::Assumed, text).help(help));
        1
    }

    /// A loop: its body once, as often as it runs.
    pub(super) fn repeat(&mut self, node: &'a Node) {
        let Some(body) = node.body("body") else {
            return self.fault(node, Fault::Wrong("its body is missing".to_owned()));
        };
        let trips = self.trips(node);
        for (i, inner) in body.inputs.iter().enumerate() {
            if i < 2 {
                let elem = [Elem::I64, Elem::Bool][i];
                let declared = self.source.declared.get(inner).map_or(elem, |d| d.elem);
                if let Ok(value) = Value::new(Dims::new(), declared) {
                    self.enter(*inner, None, value);
                }
            } else if let Some(value) = self.input(node, i).cloned() {
                self.enter(*inner, node.ins.get(i).copied().flatten(), value);
            }
        }
        self.body(body, trips as u64);
        let kept = node.ins.len().saturating_sub(2);
        for (i, outer) in node.outs.iter().enumerate() {
            let (Some(outer), Some(inner)) = (*outer, body.outputs.get(i + 1)) else {
                continue;
            };
            if i >= kept {
                self.result(node, outer, *inner, Some((0, trips)));
            } else if trips == 0 {
                // The state goes out as it came in.
                let Some(Some(from)) = node.ins.get(i + 2) else {
                    continue;
                };
                if let Some(value) = self.get(*from).cloned() {
                    self.put(outer, value);
                    self.alias.insert(outer, *from);
                }
            } else {
                self.grow(*inner, body.inputs.get(i + 2).copied(), trips);
                self.result(node, outer, *inner, None);
            }
        }
    }

    /// A list that gets longer in each turn has its full length behind the last.
    fn grow(&mut self, after: Ix, before: Option<Ix>, trips: i64) {
        let items = |ix| self.get(ix).and_then(|v: &Value| v.items.clone());
        let (Some(new), Some(old)) = (items(after), before.and_then(items)) else {
            return;
        };
        let turns = usize::try_from(trips)
            .unwrap_or(usize::MAX)
            .saturating_sub(1);
        let Some(added) = new.get(old.len()..).filter(|a| !a.is_empty()) else {
            return;
        };
        let all: Vec<Value> = new.iter().cloned().collect();
        let n_more = turns.saturating_mul(added.len());
        let items = if all.len().saturating_add(n_more) <= MAX_ITEMS {
            let more = added.iter().cycle().take(n_more).cloned();
            Some(all.into_iter().chain(more).collect())
        } else {
            None
        };
        if let Some(Some(value)) = self.values.get_mut(after as usize) {
            value.items = items;
        }
    }

    /// Gives an input of a body its value; contents change from turn to turn.
    fn enter(&mut self, inner: Ix, outer: Option<Ix>, mut value: Value) {
        value.known = None;
        value.origin = Origin::Data;
        self.values[inner as usize] = Some(value);
        if let Some(outer) = outer {
            self.alias.insert(inner, outer);
        }
    }

    /// A scan: its body once per element along the scanned axes.
    pub(super) fn scan(&mut self, node: &'a Node) {
        let Some(body) = node.body("body") else {
            return self.fault(node, Fault::Wrong("its body is missing".to_owned()));
        };
        // In operator set 8 a list of lengths comes first, and axis 0 of all tensors is the batch.
        let old = node.op.opset < 9;
        let skip = usize::from(old);
        let scanned = match node.attr("num_scan_inputs") {
            Some(Attr::Int(n)) => usize::try_from(*n).unwrap_or(0),
            _ => 0,
        };
        let first = body.inputs.len().saturating_sub(scanned);
        let axes = |name: &str, i: usize| match node.attr(name) {
            Some(Attr::Ints(v)) => v.get(i).copied().unwrap_or(0),
            _ => 0,
        };
        let (mut trips, mut batch) = (1, 1);
        for (i, inner) in body.inputs.iter().enumerate() {
            let Some(mut value) = self.input(node, i + skip).cloned() else {
                continue;
            };
            if old && !value.dims.is_empty() {
                batch = value.dims.remove(0);
            }
            if i < first {
                let outer = node.ins.get(i).copied().flatten().filter(|_| !old);
                self.enter(*inner, outer, value);
                continue;
            }
            match axis(axes("scan_input_axes", i - first), value.dims.len()) {
                Ok(at) => {
                    trips = value.dims[at];
                    value.dims = without(&value.dims, at);
                    self.enter(*inner, None, value);
                }
                Err(fault) => return self.fault(node, fault),
            }
        }
        self.body(body, (trips as u64).saturating_mul(batch as u64));
        for (i, outer) in node.outs.iter().enumerate() {
            let (Some(outer), Some(inner)) = (*outer, body.outputs.get(i)) else {
                continue;
            };
            let stacked = (i >= first).then(|| (axes("scan_output_axes", i - first), trips));
            self.result(node, outer, *inner, stacked);
            if old && let Some(Some(value)) = self.values.get_mut(outer as usize) {
                let mut dims = value.dims.clone();
                dims.insert(0, batch);
                match Value::new(dims, value.elem) {
                    Ok(whole) => value.dims = whole.dims,
                    Err(fault) => return self.fault(node, fault),
                }
            }
        }
    }

    /// A body applied to each tensor of a list: to the largest, as often as there are tensors.
    pub(super) fn each(&mut self, node: &'a Node) {
        let Some(body) = node.body("body") else {
            return self.fault(node, Fault::Wrong("its body is missing".to_owned()));
        };
        let Some(items) = self.input(node, 0).and_then(|v| v.items.clone()) else {
            let why = "the list is given at run time".to_owned();
            return self.fault(node, Fault::Open(why));
        };
        for (i, inner) in body.inputs.iter().enumerate() {
            let Some(value) = self.input(node, i).cloned() else {
                continue;
            };
            let item = match &value.items {
                Some(items) => items.iter().max_by_key(|v| v.elements()).cloned(),
                None => Some(value),
            };
            if let Some(item) = item {
                self.enter(*inner, None, item);
            }
        }
        self.body(body, items.len() as u64);
        for (outer, inner) in node.outs.iter().zip(&body.outputs) {
            let (Some(outer), Some(value)) = (*outer, self.get(*inner).cloned()) else {
                continue;
            };
            match super::ops::list(vec![value; items.len()]) {
                Ok(mut list) => {
                    list.origin = Origin::Data;
                    self.put(outer, list);
                }
                Err(fault) => return self.fault(node, fault),
            }
        }
    }

    fn body(&mut self, body: &'a Body, trips: u64) {
        let outside = self.count;
        self.count = self.times(trips);
        let start = self.steps.len();
        self.nodes(&body.nodes);
        if trips == 0 {
            self.steps.truncate(start);
        }
        self.count = outside;
    }

    /// An output of a loop: the last state, or all turns behind each other.
    fn result(&mut self, node: &'a Node, outer: Ix, inner: Ix, stacked: Option<(i64, i64)>) {
        let Some(value) = self.get(inner).cloned() else {
            return;
        };
        let mut dims = value.dims.clone();
        if let Some((along, trips)) = stacked {
            match axis(along, dims.len() + 1) {
                Ok(at) => dims.insert(at, trips),
                Err(fault) => return self.fault(node, fault),
            }
        } else {
            self.alias.insert(outer, inner);
        }
        match Value::new(dims, value.elem) {
            Ok(mut out) => {
                out.origin = Origin::Data;
                out.items = value.items.filter(|_| stacked.is_none());
                self.put(outer, out);
            }
            Err(fault) => return self.fault(node, fault),
        }
        if stacked.is_some() {
            self.steps.push(Step {
                node,
                suffix: 0,
                ins: [inner].into_iter().collect(),
                outs: [outer].into_iter().collect(),
                work: Effort::Known(Work::Copy),
                count: self.count,
                label: None,
            });
        }
    }
}

fn macs(work: &Effort) -> f64 {
    match work {
        Effort::Known(Work::Product { einsum, .. }) => einsum.macs(),
        Effort::Known(Work::Attend(heads)) => heads.macs(),
        Effort::Known(Work::Scan(scan)) => scan.macs(),
        Effort::Known(Work::Experts {
            tokens,
            top_k,
            n,
            k,
            ..
        }) => *tokens as f64 * *top_k as f64 * *n as f64 * *k as f64,
        Effort::Known(_) | Effort::Unknown(_) => 0.0,
    }
}
