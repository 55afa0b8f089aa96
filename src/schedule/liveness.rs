//! Static liveness: the largest set of activations that must be in memory at once.

use std::collections::BTreeMap;

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
    let dies = deaths(graph, fusion, of);
    let mut live = Live::new(graph);
    for op in graph.operators() {
        for input in op.inputs.iter().map(|i| of(*i)) {
            if graph.tensor(input).role == Role::Input {
                live.add(input);
            }
        }
    }
    let mut found = Peak {
        bytes: Bytes(live.bytes),
        at: None,
    };
    for (id, op) in graph.nodes() {
        for output in op.outputs.iter().map(|o| of(*o)) {
            if is_counted(graph, output) && !passed_on(graph, fusion, output) {
                live.add(output);
            }
        }
        if live.bytes > found.bytes.0 {
            found = Peak {
                bytes: Bytes(live.bytes),
                at: Some(id),
            };
        }
        for tensor in &dies[id.index()] {
            live.remove(*tensor);
        }
    }
    found
}

fn is_counted(graph: &OpGraph, id: TensorId) -> bool {
    matches!(
        graph.tensor(id).role,
        Role::Activation | Role::Input | Role::Output
    )
}

/// The tensors last used by each operator, in the order of the tensors.
fn deaths(
    graph: &OpGraph,
    fusion: &Fusion,
    of: impl Fn(TensorId) -> TensorId,
) -> Vec<Vec<TensorId>> {
    let mut last_use: BTreeMap<TensorId, usize> = BTreeMap::new();
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
    let mut dies: Vec<Vec<TensorId>> = vec![Vec::new(); graph.len()];
    for (tensor, at) in last_use {
        if let Some(list) = dies.get_mut(at) {
            list.push(tensor);
        }
    }
    dies
}

/// What is in memory while the operators run.
struct Live<'a> {
    graph: &'a OpGraph,
    /// Of each tensor that was made; zero once it is gone.
    made: FxHashMap<TensorId, f64>,
    bytes: f64,
}

impl<'a> Live<'a> {
    fn new(graph: &'a OpGraph) -> Self {
        Self {
            graph,
            made: FxHashMap::default(),
            bytes: 0.0,
        }
    }

    /// Nothing is made twice.
    fn add(&mut self, tensor: TensorId) {
        let graph = self.graph;
        let bytes = &mut self.bytes;
        self.made.entry(tensor).or_insert_with(|| {
            let size = graph.tensor(tensor).bytes().0;
            *bytes += size;
            size
        });
    }

    fn remove(&mut self, tensor: TensorId) {
        self.bytes -= self.made.insert(tensor, 0.0).unwrap_or(0.0);
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::{Dtype, Operator, Tensor, VectorWork};

    fn add(graph: &mut OpGraph, inputs: &[TensorId], outputs: &[TensorId]) {
        graph.add(Operator {
            name: "op".to_owned(),
            source: String::new(),
            block: String::new(),
            kind: OpKind::Elementwise(VectorWork {
                elements: 1.0,
                ops: 1.0,
                special: 0.0,
            }),
            inputs: inputs.to_vec(),
            outputs: outputs.to_vec(),
            count: 1,
        });
    }

    #[test]
    fn what_is_read_last_leaves_in_the_order_of_the_tensors() {
        let mut graph = OpGraph::default();
        let mut tensor = |size: u64, role| {
            let tensor = Tensor::new("t", &[size], Dtype::Int8, role);
            graph.add_tensor(tensor)
        };
        let inputs: Vec<TensorId> = (1..=40).map(|n| tensor(n, Role::Input)).collect();
        let between = tensor(1000, Role::Activation);
        let out = tensor(10, Role::Output);
        let backwards: Vec<TensorId> = inputs.iter().rev().copied().collect();
        add(&mut graph, &backwards, &[between]);
        add(&mut graph, &[between], &[out]);
        let fusion = Fusion::default();
        let dies = deaths(&graph, &fusion, |id| id);
        assert_eq!(dies, [inputs, vec![between]]);
        // 1 + 2 + ... + 40 = 820 bytes of inputs beside the thousand; then 1000 and 10.
        let found = peak(&graph, &fusion);
        assert_eq!(found.bytes, Bytes(1820.0));
        assert_eq!(found.at.map(OpId::index), Some(0));
    }
}
