//! Parts of the forward pass that run again in the backward pass, so that their results need not be kept.

use rustc_hash::{FxHashMap, FxHashSet};

use super::super::{OpGraph, OpKind, Operator, Recompute, Role, Tensor, TensorId};
use super::tape::Tape;

/// Tensors of the segment at hand that were made again.
#[derive(Default)]
pub(super) struct Again {
    made: FxHashMap<TensorId, TensorId>,
}

impl Again {
    /// The tensor as it is found in the backward pass.
    pub(super) fn of(&self, id: TensorId) -> TensorId {
        self.made.get(&id).copied().unwrap_or(id)
    }
}

/// Which operators run again together.
pub(super) struct Segments {
    /// `[operator]`.
    of: Vec<Option<usize>>,
}

impl Segments {
    /// The segments of a forward pass.
    ///
    /// Full: each kind of repeated layer; where nothing repeats, about `√n` runs of operators between
    /// which one activation passes, the last of them not. Selective: everything without weights between
    /// the products of attention.
    ///
    /// Source: Chen et al., "Training Deep Nets with Sublinear Memory Cost", 2016, section 4; Korthikanti
    /// et al., MLSys 2023, section 5.
    pub(super) fn of(forward: &OpGraph, recompute: Recompute) -> Self {
        let of = match recompute {
            Recompute::None => vec![None; forward.len()],
            Recompute::Selective => cores(forward),
            Recompute::Full if forward.operators().any(|op| op.count > 1) => layers(forward),
            Recompute::Full => runs(forward),
        };
        Self { of }
    }

    /// Before the backward pass of operator `at`: makes its segment again, if it was not yet.
    pub(super) fn enter(
        &self,
        tape: &mut Tape,
        forward: &OpGraph,
        operators: &[&Operator],
        at: usize,
    ) {
        let segment = self.of[at];
        let is_first = !self.of[at + 1..].contains(&segment);
        if segment.is_none() {
            tape.again = Again::default();
            return;
        }
        if !is_first {
            return;
        }
        let within: Vec<usize> = (0..operators.len())
            .filter(|i| self.of[*i] == segment)
            .collect();
        let outside: FxHashSet<TensorId> = operators
            .iter()
            .enumerate()
            .filter(|(i, _)| self.of[*i] != segment)
            .flat_map(|(_, op)| op.inputs.iter().copied())
            .collect();
        let mut made: FxHashMap<TensorId, TensorId> = FxHashMap::default();
        for &i in &within {
            let mut op = operators[i].clone();
            for input in &mut op.inputs {
                *input = made.get(input).copied().unwrap_or(*input);
            }
            for output in &mut op.outputs {
                let tensor = forward.tensor(*output);
                if matches!(tensor.role, Role::State | Role::KvCache) {
                    continue;
                }
                let again = tape.graph.add_tensor(Tensor {
                    name: format!("{}.again", tensor.name),
                    role: Role::Activation,
                    ..tensor.clone()
                });
                made.insert(*output, again);
                *output = again;
            }
            op.name.push_str(".again");
            tape.graph.add(op);
        }
        // What others read was kept for them.
        let is_kept =
            |id: &TensorId| outside.contains(id) || forward.tensor(*id).role == Role::Output;
        made.retain(|id, _| !is_kept(id));
        tape.again = Again { made };
    }
}

/// One segment for each run of repeated operators of a kind of layer.
fn layers(forward: &OpGraph) -> Vec<Option<usize>> {
    let kind = |op: &Operator| {
        let layer = op.block.rsplit_once('.').map_or("", |(layer, _)| layer);
        (op.count, layer.to_owned())
    };
    let mut found = Vec::with_capacity(forward.len());
    let (mut last, mut n) = (None, 0);
    for op in forward.operators() {
        let kind = (op.count > 1).then(|| kind(op));
        if kind.is_some() && kind != last {
            n += 1;
        }
        found.push(kind.as_ref().map(|_| n));
        last = kind;
    }
    found
}

/// Runs of about `√n` operators, cut where one activation passes.
fn runs(forward: &OpGraph) -> Vec<Option<usize>> {
    let n = forward.len();
    let wanted = (n as f64).sqrt().ceil() as usize;
    let passing = passing(forward);
    let mut found = Vec::with_capacity(n);
    let (mut segment, mut length) = (0, 0);
    for (i, crossing) in passing.iter().enumerate() {
        found.push(Some(segment));
        length += 1;
        if length >= wanted && *crossing <= 1 && i + 1 < n {
            segment += 1;
            length = 0;
        }
    }
    for of in &mut found {
        *of = of.filter(|s| *s < segment);
    }
    found
}

/// Activations that pass from the operators up to each one to those behind it.
fn passing(forward: &OpGraph) -> Vec<usize> {
    let mut change = vec![0_i64; forward.len() + 1];
    let mut last: FxHashMap<TensorId, usize> = FxHashMap::default();
    for (id, op) in forward.nodes() {
        for input in &op.inputs {
            last.insert(*input, id.index());
        }
    }
    for (id, op) in forward.nodes() {
        for output in &op.outputs {
            if let Some(&end) = last.get(output) {
                change[id.index()] += 1;
                change[end] -= 1;
            }
        }
    }
    let mut open = 0;
    let each = change.iter().take(forward.len());
    each.map(|c| {
        open += c;
        usize::try_from(open).unwrap_or(0)
    })
    .collect()
}

/// Weights, and what is cut or picked from them.
fn views_of_weights(forward: &OpGraph) -> FxHashSet<TensorId> {
    let all = (0..forward.tensors().len() as u32).map(TensorId);
    let mut found: FxHashSet<TensorId> = all
        .filter(|id| forward.tensor(*id).role == Role::Weight)
        .collect();
    for op in forward.operators() {
        let is_view = matches!(op.kind, OpKind::Layout(_) | OpKind::Gather { .. });
        if is_view && op.inputs.first().is_some_and(|i| found.contains(i)) {
            found.extend(&op.outputs);
        }
    }
    found
}

/// Attention: fused, or everything without weights between two products without weights.
fn cores(forward: &OpGraph) -> Vec<Option<usize>> {
    let weights = views_of_weights(forward);
    let has_weight = |op: &Operator| op.inputs.iter().any(|i| weights.contains(i));
    let is_product = |op: &Operator| matches!(op.kind, OpKind::Einsum { .. }) && !has_weight(op);
    let mut found: Vec<Option<usize>> = vec![None; forward.len()];
    // Forward from each first product: what depends on it without a weight in between.
    let mut from: FxHashMap<TensorId, usize> = FxHashMap::default();
    let mut reached: Vec<Option<usize>> = vec![None; forward.len()];
    for (id, op) in forward.nodes() {
        let i = id.index();
        if matches!(op.kind, OpKind::Attention(_)) {
            found[i] = Some(i);
            continue;
        }
        if has_weight(op) {
            continue;
        }
        let known = op.inputs.iter().find_map(|t| from.get(t).copied());
        let start = known.or(is_product(op).then_some(i));
        let Some(start) = start else { continue };
        reached[i] = Some(start);
        // The second product ends it.
        if !(is_product(op) && start != i) {
            from.extend(op.outputs.iter().map(|o| (*o, start)));
        }
    }
    // Back from each second product.
    let mut needed: FxHashSet<TensorId> = FxHashSet::default();
    let operators: Vec<&Operator> = forward.operators().collect();
    for (i, op) in operators.iter().enumerate().rev() {
        let Some(start) = reached[i] else { continue };
        let ends = is_product(op) && start != i;
        if ends || op.outputs.iter().any(|o| needed.contains(o)) {
            found[i] = Some(start);
            if start != i {
                needed.extend(&op.inputs);
            }
        }
    }
    found
}
