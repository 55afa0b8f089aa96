//! Static liveness: the largest set of activations that must be in memory at once.

use rustc_hash::FxHashMap;

use crate::units::Bytes;
use crate::workload::{OpGraph, OpId, OpKind, Role, TensorId, View};

use super::Fusion;

/// The largest live set.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Peak {
    /// Its size.
    pub bytes: Bytes,
    /// The operator during which it is reached.
    pub at: Option<OpId>,
}

/// Walks the operators in order. Inputs live from the start to their last use, outputs from their making
/// to the end; views share their input's buffer; what a fused operator passes on is never in memory.
pub fn peak(graph: &OpGraph, fusion: &Fusion) -> Peak {
    let root = aliases(graph);
    let of = |id: TensorId| root.get(&id).copied().unwrap_or(id);
    let counted = |id: TensorId| {
        matches!(
            graph.tensor(id).role,
            Role::Activation | Role::Input | Role::Output
        )
    };
    let mut last_use: FxHashMap<TensorId, usize> = FxHashMap::default();
    for (id, op) in graph.nodes() {
        let reader = fusion
            .carrier(id)
            .map_or(id.index(), |c| c.index().max(id.index()));
        for input in &op.inputs {
            last_use.insert(of(*input), reader);
        }
        for output in &op.outputs {
            let end = if graph.tensor(*output).role == Role::Output {
                usize::MAX
            } else {
                id.index()
            };
            let entry = last_use.entry(of(*output)).or_insert(end);
            *entry = (*entry).max(end);
        }
    }
    let mut live = 0.0;
    let mut made: FxHashMap<TensorId, f64> = FxHashMap::default();
    for op in graph.operators() {
        for input in op.inputs.iter().map(|i| of(*i)) {
            if graph.tensor(input).role == Role::Input && !made.contains_key(&input) {
                live += add(graph, &mut made, input);
            }
        }
    }
    let mut dies: Vec<Vec<TensorId>> = vec![Vec::new(); graph.len()];
    for (&tensor, &at) in &last_use {
        if at < dies.len() {
            dies[at].push(tensor);
        }
    }
    let mut found = Peak {
        bytes: Bytes(live),
        at: None,
    };
    for (id, op) in graph.nodes() {
        for output in op.outputs.iter().map(|o| of(*o)) {
            if counted(output) && !made.contains_key(&output) && !passed_on(graph, fusion, output) {
                live += add(graph, &mut made, output);
            }
        }
        if live > found.bytes.0 {
            found = Peak {
                bytes: Bytes(live),
                at: Some(id),
            };
        }
        for tensor in &dies[id.index()] {
            live -= made.get(tensor).copied().unwrap_or(0.0);
            made.insert(*tensor, 0.0);
        }
    }
    found
}

fn add(graph: &OpGraph, made: &mut FxHashMap<TensorId, f64>, tensor: TensorId) -> f64 {
    let bytes = graph.tensor(tensor).bytes().0;
    made.insert(tensor, bytes);
    bytes
}

/// True if the only reader of a tensor is fused into its maker.
fn passed_on(graph: &OpGraph, fusion: &Fusion, tensor: TensorId) -> bool {
    let Some(maker) = graph.producer(tensor) else {
        return false;
    };
    let carrier = fusion.carrier(maker).unwrap_or(maker);
    let readers = graph.petgraph().edges(maker);
    let mut of_tensor = readers.filter(|e| *e.weight() == tensor).peekable();
    use petgraph::visit::EdgeRef as _;
    of_tensor.peek().is_some()
        && of_tensor.all(|e| fusion.carrier(e.target()) == Some(carrier))
        && graph.tensor(tensor).role == Role::Activation
}

/// The tensor whose buffer each view shares.
fn aliases(graph: &OpGraph) -> FxHashMap<TensorId, TensorId> {
    let mut root: FxHashMap<TensorId, TensorId> = FxHashMap::default();
    for op in graph.operators() {
        if let (OpKind::Layout(View::Free), Some(&from)) = (&op.kind, op.inputs.first()) {
            let first = root.get(&from).copied().unwrap_or(from);
            // A graph output keeps its own name, so that it lives to the end.
            for &output in &op.outputs {
                if graph.tensor(output).role == Role::Activation {
                    root.insert(output, first);
                }
            }
        }
    }
    root
}
