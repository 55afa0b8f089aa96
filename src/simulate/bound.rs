//! The roofline of a whole graph: compulsory work only, so that no mapping, fusion or overlap beats it.

use rustc_hash::FxHashMap;

use crate::cost::operator_bound;
use crate::hardware::System;
use crate::units::{Bytes, Macs, Seconds};
use crate::workload::{Dtype, OpGraph, Operator, Role, TensorId};

/// Weights, caches, state and graph inputs once, outputs once, useful MACs at peak rates.
pub(super) fn graph_bound(graph: &OpGraph, system: &System) -> Seconds {
    let mut compute = Seconds::ZERO;
    let mut touched: FxHashMap<TensorId, f64> = FxHashMap::default();
    let mut order: Vec<TensorId> = Vec::new();
    for op in graph.operators() {
        let macs = op.useful_macs() * op.count as f64;
        if let Some(dtype) = op.kind.product_dtype() {
            compute += operator_bound(system, Macs(macs), dtype, Bytes::ZERO);
        }
        let reads = op.inputs.iter().enumerate();
        let reads = reads.map(|(i, t)| (*t, op.bytes_read(i, graph.tensor(*t))));
        let writes = op.outputs.iter();
        let writes = writes.map(|t| (*t, op.bytes_written(graph.tensor(*t))));
        for (tensor, bytes) in reads.chain(writes) {
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
    let bytes = order.iter().map(|t| touched[t]).sum();
    let memory = operator_bound(system, Macs::ZERO, Dtype::Fp32, Bytes(bytes));
    compute.max(memory)
}

/// The roofline of one operator: its operands once, its useful MACs at the peak rate.
pub(super) fn one_bound(graph: &OpGraph, system: &System, op: &Operator) -> Seconds {
    let reads = op.inputs.iter().enumerate();
    let read: Bytes = reads.map(|(i, t)| op.bytes_read(i, graph.tensor(*t))).sum();
    let outputs = op.outputs.iter();
    let written: Bytes = outputs.map(|t| op.bytes_written(graph.tensor(*t))).sum();
    let dtype = op.kind.product_dtype().unwrap_or(Dtype::Fp32);
    operator_bound(system, Macs(op.useful_macs()), dtype, read + written)
}

fn is_compulsory(role: Role) -> bool {
    match role {
        Role::Weight | Role::KvCache | Role::State | Role::Input | Role::Output => true,
        Role::Activation => false,
    }
}
