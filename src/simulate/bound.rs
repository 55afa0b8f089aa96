//! Rooflines: compulsory work only, so that no mapping, fusion or overlap beats them.

use rustc_hash::FxHashMap;

use crate::cost::{compute_bound, memory_bound, near_bound};
use crate::hardware::System;
use crate::schedule::Fusion;
use crate::units::{Bytes, Macs, Seconds};
use crate::workload::{OpGraph, OpId, Operator, Role, Tensor, TensorId};

use super::zeros::steps;

/// Compulsory bytes of a graph: weights, caches, state and graph inputs once, outputs once.
pub(super) fn compulsory(graph: &OpGraph) -> Bytes {
    let mut touched: FxHashMap<TensorId, f64> = FxHashMap::default();
    let mut order: Vec<TensorId> = Vec::new();
    for op in graph.operators() {
        for (tensor, bytes) in touches(graph, op) {
            if is_compulsory(graph.tensor(tensor).role) {
                let total = bytes.0 * op.count as f64;
                let entry = touched.entry(tensor).or_insert_with(|| {
                    order.push(tensor);
                    0.0
                });
                *entry = entry.max(total);
            }
        }
    }
    Bytes(order.iter().map(|t| touched[t]).sum())
}

/// The roofline of a whole graph: compulsory bytes, and useful MACs that are not skipped at peak rates.
pub(super) fn graph_bound(graph: &OpGraph, system: &System, compulsory: Bytes) -> Seconds {
    let compute = graph.operators().filter_map(|op| {
        let macs = op.useful_macs() * op.count as f64 * steps(graph, system, op);
        Some(compute_bound(system, Macs(macs), op.kind.product_dtype()?))
    });
    let compute: Seconds = compute.sum();
    compute.max(memory_bound(system, compulsory, Bytes::ZERO))
}

/// The roofline of one operator within its graph.
///
/// Its weights, caches, inputs and outputs come from where the whole graph's would; activations may have
/// stayed on the chip; a fused operator takes no time of its own.
pub(super) fn operator_bound(
    graph: &OpGraph,
    fusion: &Fusion,
    system: &System,
    id: OpId,
    compulsory: Bytes,
) -> Seconds {
    if fusion.carrier(id).is_some() {
        return Seconds::ZERO;
    }
    let op = graph.operator(id);
    let (mut cold, mut warm) = (Bytes::ZERO, Bytes::ZERO);
    for (tensor, bytes) in touches(graph, op) {
        if is_compulsory(graph.tensor(tensor).role) {
            cold += bytes;
        } else {
            warm += bytes;
        }
    }
    let dtype = op.kind.product_dtype();
    let macs = Macs(op.useful_macs() * steps(graph, system, op));
    let compute = dtype.map(|d| compute_bound(system, macs, d));
    let beside = (compulsory - cold).max(Bytes::ZERO);
    compute
        .unwrap_or(Seconds::ZERO)
        .max(memory_bound(system, cold, beside))
        .max(near_bound(system, warm))
}

/// Tensors that an operator reads and writes, with the bytes of one execution, in the memory where they are
/// smallest.
fn touches<'a>(
    graph: &'a OpGraph,
    op: &'a Operator,
) -> impl Iterator<Item = (TensorId, Bytes)> + 'a {
    let reads = op.inputs.iter().enumerate();
    let reads = reads.map(|(i, t)| (*t, least(graph.tensor(*t), |t| op.bytes_read(i, t))));
    let writes = op.outputs.iter();
    let writes = writes.map(|t| (*t, least(graph.tensor(*t), |t| op.bytes_written(t))));
    reads.chain(writes)
}

/// Bytes of a tensor where it is smallest.
fn least(tensor: &Tensor, bytes: impl Fn(&Tensor) -> Bytes) -> Bytes {
    let here = bytes(tensor);
    match tensor.packed {
        Some(packed) => here * (tensor.with_scales(packed.least) / tensor.element_bytes()),
        None => here,
    }
}

fn is_compulsory(role: Role) -> bool {
    match role {
        Role::Weight
        | Role::KvCache
        | Role::State
        | Role::Optimizer
        | Role::Input
        | Role::Output => true,
        // A step may take in each gradient as it is made.
        Role::Activation | Role::Gradient => false,
    }
}
