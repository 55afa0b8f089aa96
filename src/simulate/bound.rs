//! Rooflines: compulsory work only, so that no mapping, fusion or overlap beats them.

use rustc_hash::FxHashMap;

use crate::cost::{Origin, compute_bound, memory_bound, memory_bound_from, near_bound, origin};
use crate::hardware::System;
use crate::schedule::Fusion;
use crate::units::{Bytes, Macs, Seconds};
use crate::workload::{Dtype, OpGraph, OpId, Operator, Role, Tensor, TensorId};

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
    Compulsory::of(graph, system, graph.operator(id), compulsory).bound(system)
}

/// What an operator cannot do without.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Compulsory {
    /// MACs that are not skipped.
    macs: Macs,
    dtype: Option<Dtype>,
    /// Bytes that must be touched, and where they come from.
    cold: Bytes,
    origin: Origin,
    /// Bytes that may have stayed on the chip.
    warm: Bytes,
}

impl Compulsory {
    /// Of an operator of a graph with so many compulsory bytes.
    pub(super) fn of(graph: &OpGraph, system: &System, op: &Operator, all: Bytes) -> Self {
        let (mut cold, mut warm) = (Bytes::ZERO, Bytes::ZERO);
        for (tensor, bytes) in touches(graph, op) {
            if is_compulsory(graph.tensor(tensor).role) {
                cold += bytes;
            } else {
                warm += bytes;
            }
        }
        Self {
            macs: Macs(op.useful_macs() * steps(graph, system, op)),
            dtype: op.kind.product_dtype(),
            cold,
            origin: origin(system, cold, (all - cold).max(Bytes::ZERO)),
            warm,
        }
    }

    /// Least time on a chip.
    pub(super) fn bound(&self, system: &System) -> Seconds {
        let compute = self.dtype.map(|d| compute_bound(system, self.macs, d));
        compute
            .unwrap_or(Seconds::ZERO)
            .max(memory_bound_from(system, self.cold, self.origin))
            .max(near_bound(system, self.warm))
    }

    /// The numbers that tell two of them apart.
    pub(super) fn bits(&self) -> ([u64; 3], Origin, Option<Dtype>) {
        let numbers = [self.macs.0, self.cold.0, self.warm.0];
        (numbers.map(f64::to_bits), self.origin, self.dtype)
    }
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
