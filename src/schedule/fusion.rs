//! Which elementwise operators ride on the operator that makes their input.
//!
//! A result that only one elementwise operator reads is transformed on its way out, as runtimes do with
//! activations, scales and residual additions: it is neither written nor read back. Only the other
//! operands of the rider are read.

use rustc_hash::FxHashMap;

use crate::workload::{OpGraph, OpId, OpKind, Operator, Role, TensorId};

/// For each operator, in graph order, the one it is fused into.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fusion {
    /// `[operator]`: the operator that carries it, if it is fused.
    pub into: Vec<Option<OpId>>,
}

impl Fusion {
    /// The carrier of an operator, if it is fused.
    pub fn carrier(&self, op: OpId) -> Option<OpId> {
        self.into.get(op.index()).copied().flatten()
    }
}

/// Finds all riders. Chains of riders share one carrier.
pub fn fuse(graph: &OpGraph) -> Fusion {
    let mut readers: FxHashMap<TensorId, u32> = FxHashMap::default();
    for op in graph.operators() {
        for input in &op.inputs {
            *readers.entry(*input).or_default() += 1;
        }
    }
    let mut into: Vec<Option<OpId>> = vec![None; graph.len()];
    // The tensor that leaves each carrier after the riders found so far.
    let mut leaves: FxHashMap<TensorId, OpId> = FxHashMap::default();
    for (id, op) in graph.nodes() {
        match &op.kind {
            OpKind::Einsum { .. } => {
                for output in &op.outputs {
                    leaves.insert(*output, id);
                }
            }
            OpKind::Elementwise(_) => {
                let ridden = op.inputs.iter().find_map(|input| {
                    let carrier = *leaves.get(input)?;
                    let alone = readers.get(input) == Some(&1);
                    let inner = graph.tensor(*input).role == Role::Activation;
                    (alone && inner && same_size(graph, op, *input, carrier)).then_some(carrier)
                });
                if let Some(carrier) = ridden {
                    into[id.index()] = Some(carrier);
                    // Further results, such as masks, go to memory.
                    for output in op.outputs.iter().take(1) {
                        leaves.insert(*output, carrier);
                    }
                }
            }
            OpKind::Attention(_)
            | OpKind::Experts(_)
            | OpKind::Route { .. }
            | OpKind::Scan(_)
            | OpKind::Reduction(_)
            | OpKind::Gather { .. }
            | OpKind::Layout(_)
            | OpKind::KvAppend { .. }
            | OpKind::Collective(_)
            | OpKind::Opaque { .. } => {}
        }
    }
    Fusion { into }
}

/// One result element per carried element, as often executed.
fn same_size(graph: &OpGraph, op: &Operator, input: TensorId, carrier: OpId) -> bool {
    let elements = graph.tensor(input).elements();
    let out = op.outputs.first().map(|o| graph.tensor(*o).elements());
    out == Some(elements) && op.count == graph.operator(carrier).count
}
