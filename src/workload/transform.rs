//! Changes of a bound graph that hold for every source format: scales, zeros, accumulators, kernels.

use rustc_hash::FxHashSet;

use super::{Binding, Group, OpGraph, OpKind, Role, ScanForm, TensorId};

/// Widest format whose weights have scales.
const SCALED_BITS: f64 = 8.0;

/// Applies the settings of a binding that do not depend on how the graph was made.
pub(super) fn apply(graph: &mut OpGraph, binding: &Binding) {
    let (precision, software) = (&binding.precision, &binding.software);
    graph.accumulator = precision.accumulator;
    graph.stack = software.stack;
    if software.scan == ScanForm::Step {
        for op in graph.operators_mut() {
            if let OpKind::Scan(scan) = &mut op.kind {
                scan.chunk = 1;
            }
        }
    }
    let weights = operands(graph);
    let n = graph.tensors().len() as u32;
    for id in (0..n).map(TensorId) {
        let tensor = graph.tensor_mut(id);
        let is_product = weights.contains(&id);
        match tensor.role {
            Role::Weight if is_product => {
                tensor.sparsity = software.weight_sparsity;
                if let Some(size) = precision
                    .group
                    .filter(|_| tensor.dtype.bits() <= SCALED_BITS)
                {
                    tensor.group = Some(Group::of(size, tensor.dtype));
                }
            }
            // The model's own zeros are those of its tensors; a scenario speaks of all.
            Role::Activation => {
                tensor.sparsity = software.activation_sparsity.or(tensor.sparsity);
            }
            Role::KvCache => tensor.sparsity = software.kv_sparsity,
            Role::Weight
            | Role::State
            | Role::Gradient
            | Role::Optimizer
            | Role::Input
            | Role::Output => {}
        }
    }
}

/// Weights that a product multiplies with.
fn operands(graph: &OpGraph) -> FxHashSet<TensorId> {
    let products = graph.operators().filter_map(|op| match &op.kind {
        OpKind::Einsum { .. } => Some(&op.inputs[..op.inputs.len().min(2)]),
        OpKind::Experts(_) => op.inputs.get(1..2),
        OpKind::Attention(_)
        | OpKind::Route { .. }
        | OpKind::Scan(_)
        | OpKind::Elementwise(_)
        | OpKind::Reduction(_)
        | OpKind::Gather { .. }
        | OpKind::Layout(_)
        | OpKind::KvAppend { .. }
        | OpKind::Collective(_)
        | OpKind::Opaque { .. } => None,
    });
    products.flatten().copied().collect()
}

#[cfg(test)]
mod tests {
    use super::super::{Dtype, Einsum, Operator, Sparsity, Tensor};
    use super::*;

    /// One linear layer of 64 x 64 in int4.
    fn graph() -> OpGraph {
        let mut graph = OpGraph::new();
        let mut tensor =
            |name, dtype, role| graph.add_tensor(Tensor::new(name, &[64, 64], dtype, role));
        let x = tensor("x", Dtype::Bf16, Role::Activation);
        let w = tensor("w", Dtype::Int4, Role::Weight);
        let y = tensor("y", Dtype::Bf16, Role::Output);
        graph.add(Operator {
            name: "linear".to_owned(),
            source: String::new(),
            block: String::new(),
            kind: OpKind::Einsum {
                einsum: Einsum::matmul(1, 64, 64, 64),
                dtype: Dtype::Bf16,
            },
            inputs: vec![x, w],
            outputs: vec![y],
            count: 1,
        });
        graph
    }

    #[test]
    fn scales_and_zeros_change_what_is_stored() {
        let bytes = |change: &dyn Fn(&mut Binding)| {
            let (mut graph, mut binding) = (graph(), Binding::infer());
            change(&mut binding);
            apply(&mut graph, &binding);
            graph.weight_bytes().0 * 8.0 / 4096.0
        };
        // Bits per weight: 4 + 20/128; 4 + 20/32; half of 4 and a 2-bit place, and the scales.
        assert_eq!(bytes(&|_| {}), 4.15625);
        let group = |b: &mut Binding| b.precision = "w=int4,g=32".parse().expect("parses");
        assert_eq!(bytes(&group), 4.625);
        let half = Sparsity::Structured { keep: 2, group: 4 };
        let sparse = |b: &mut Binding| b.software.weight_sparsity = Some(half);
        assert_eq!(bytes(&sparse), 3.0 + 0.15625);
    }
}
