//! What the forward pass must keep for the backward pass.

use std::collections::BTreeMap;

use crate::units::Bytes;

use super::super::{OpGraph, OpKind, Role, TensorId, View};
use super::backward::LOSS;

/// Activations that stay in memory from the forward to the backward pass.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Kept {
    /// Of all layers.
    pub total: Bytes,
    /// Of one of each kind of layer: what the graph itself shows.
    pub once: Bytes,
}

/// What a training step keeps: results of the forward pass that an operator behind the loss reads.
///
/// A tensor counts as often as the most repeated of those readers runs, so the input of a repeated layer
/// counts once a layer. Views of one buffer take no more than the buffer.
///
/// Source: derived; equal to Korthikanti et al., MLSys 2023, equations 1 and 2, on their layer.
pub fn kept(graph: &OpGraph) -> Kept {
    let loss = graph.operators().position(|op| op.source == LOSS);
    let Some(loss) = loss else {
        return Kept::default();
    };
    let mut readers: BTreeMap<TensorId, u64> = BTreeMap::new();
    for (id, op) in graph.nodes() {
        if id.index() < loss {
            continue;
        }
        for input in &op.inputs {
            let from_forward = graph.producer(*input).is_some_and(|p| p.index() < loss);
            if from_forward && graph.tensor(*input).role == Role::Activation {
                let count = readers.entry(*input).or_insert(1);
                *count = op.count.max(*count);
            }
        }
    }
    // By buffer: bytes of the views of it, and how often.
    let mut buffers: BTreeMap<TensorId, (f64, u64)> = BTreeMap::new();
    for (tensor, count) in readers {
        let buffer = buffers.entry(root(graph, tensor)).or_insert((0.0, 1));
        buffer.0 += graph.tensor(tensor).bytes().0;
        buffer.1 = count.max(buffer.1);
    }
    let mut kept = Kept::default();
    for (id, (bytes, count)) in buffers {
        let bytes = Bytes(bytes).min(graph.tensor(id).bytes());
        kept.once += bytes;
        kept.total += bytes * count as f64;
    }
    kept
}

/// The tensor whose buffer a view shares.
fn root(graph: &OpGraph, tensor: TensorId) -> TensorId {
    let mut at = tensor;
    while let Some(op) = graph.producer(at).map(|p| graph.operator(p)) {
        match (&op.kind, op.inputs.first()) {
            (OpKind::Layout(View::Free), Some(&from))
                if graph.tensor(from).role == Role::Activation =>
            {
                at = from;
            }
            _ => break,
        }
    }
    at
}
