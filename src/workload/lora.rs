//! Low-rank adapters beside the linear layers of a graph.
//!
//! `y = x·W + (x·A)·B` with `A: [k, r]`, `B: [r, n]`. A product that joins several layers (queries, keys and
//! values; both halves of a gate) has an `A` of its own for each part, as adapters are trained for the
//! separate layers. The layer that makes the output has none.
//!
//! Source: Hu et al., "LoRA", ICLR 2022, equation 3; the choice of layers: Hugging Face PEFT,
//! `target_modules="all-linear"`.

use rustc_hash::{FxHashMap, FxHashSet};

use super::{
    Binding, Class, Dtype, Einsum, Experts, Loads, OpGraph, OpKind, Operator, Popularity, Role,
    Tensor, TensorId, VectorWork,
};

/// Ends of the names of adapters' weights.
const SUFFIXES: [&str; 2] = [".lora_a", ".lora_b"];

/// Layers that importers join, and how many they are.
const JOINED: [(&str, u64); 2] = [("qkv_proj", 3), ("gate_up_proj", 2)];

/// Name of the sum in its source.
pub(super) const SUM: &str = "lora_add";

/// Whether a tensor belongs to an adapter.
pub(super) fn is_adapter(tensor: &Tensor) -> bool {
    SUFFIXES.iter().any(|s| tensor.name.ends_with(s))
}

/// How the rows of a layer choose an adapter.
#[derive(Clone, Copy)]
struct Tenants {
    rank: u64,
    adapters: u64,
    /// Adapters that at least one sequence uses, expected.
    touched: f64,
}

/// The graph with adapters on all its linear layers but the last; itself without a rank.
pub(super) fn apply(graph: OpGraph, binding: &Binding) -> OpGraph {
    let software = &binding.software;
    if software.lora_rank == 0 {
        return graph;
    }
    let tenants = Tenants {
        rank: software.lora_rank,
        adapters: software.adapters,
        touched: Popularity::new(software.adapters, 1, 1.0)
            .touched(binding.batch.unwrap_or(1) as f64),
    };
    let finished = outputs(&graph);
    let mut adapted = graph.without_operators();
    let mut instead: FxHashMap<TensorId, TensorId> = FxHashMap::default();
    for op in graph.operators() {
        let mut op = op.clone();
        for input in &mut op.inputs {
            *input = instead.get(input).copied().unwrap_or(*input);
        }
        let is_last = op.outputs.iter().any(|o| finished.contains(o));
        let linear = linear(&graph, &op).filter(|_| !is_last);
        adapted.add(op.clone());
        if let (Some(sizes), Some(&y)) = (linear, op.outputs.first()) {
            let parts = parts(&op);
            let sum = beside(&mut adapted, &op, sizes, parts, tenants);
            instead.insert(y, sum);
        }
    }
    adapted
}

/// Rows, columns and summed length of a product with a weight of two ranks.
fn linear(graph: &OpGraph, op: &Operator) -> Option<[u64; 3]> {
    let OpKind::Einsum { einsum, .. } = &op.kind else {
        return None;
    };
    let (x, weight) = (op.inputs.first()?, op.inputs.get(1)?);
    let weight = graph.tensor(*weight);
    let is_linear = weight.role == Role::Weight
        && weight.shape.len() == 2
        && graph.tensor(*x).role != Role::Weight;
    let [m, n, k] = [Class::M, Class::N, Class::K].map(|c| einsum.size(c));
    // A convolution's weight has more ranks, a batch of products more weights.
    (is_linear && n as f64 * k as f64 == weight.elements()).then_some([m, n, k])
}

/// Tensors that become the output without meeting another activation: results of the output layer.
fn outputs(graph: &OpGraph) -> FxHashSet<TensorId> {
    let mut found: FxHashSet<TensorId> = FxHashSet::default();
    let operators: Vec<&Operator> = graph.operators().collect();
    for op in operators.iter().rev() {
        for output in &op.outputs {
            if graph.tensor(*output).role == Role::Output {
                found.insert(*output);
            }
        }
        let streams: Vec<TensorId> = op
            .inputs
            .iter()
            .copied()
            .filter(|i| graph.tensor(*i).role != Role::Weight)
            .collect();
        // A norm has weights; a softmax over classes has none.
        let is_plain = match &op.kind {
            OpKind::Elementwise(_) | OpKind::Layout(_) => true,
            OpKind::Reduction(_) => streams.len() == op.inputs.len(),
            OpKind::Einsum { .. }
            | OpKind::Attention(_)
            | OpKind::Experts(_)
            | OpKind::Route { .. }
            | OpKind::Scan(_)
            | OpKind::Gather { .. }
            | OpKind::KvAppend { .. }
            | OpKind::Collective(_)
            | OpKind::Opaque { .. } => false,
        };
        let is_finish = is_plain && op.outputs.iter().any(|o| found.contains(o));
        if let (true, [only]) = (is_finish, streams.as_slice()) {
            found.insert(*only);
        }
    }
    found
}

/// How many layers were joined into one product: importers of configurations name them so.
fn parts(op: &Operator) -> u64 {
    let joined = JOINED.iter().find(|(name, _)| op.name.ends_with(name));
    joined.map_or(1, |(_, parts)| *parts)
}

/// Adds both products and the sum behind a linear layer; returns the sum.
fn beside(
    graph: &mut OpGraph,
    op: &Operator,
    [m, n, k]: [u64; 3],
    parts: u64,
    tenants: Tenants,
) -> TensorId {
    let (x, y) = (op.inputs[0], op.outputs[0]);
    let (rank, wide) = (tenants.rank, tenants.rank * parts);
    let like = graph.tensor(x).dtype;
    let dtype = if like.is_float() { like } else { Dtype::Bf16 };
    let weight = |graph: &mut OpGraph, suffix: &str, shape: [u64; 2]| {
        let mut sizes = shape.to_vec();
        if tenants.adapters > 1 {
            sizes.insert(0, tenants.adapters);
        }
        let mut tensor = Tensor::new(format!("{}{suffix}", op.name), &sizes, dtype, Role::Weight);
        tensor.copies = op.count;
        graph.add_tensor(tensor)
    };
    let product = |n: u64, k: u64| match tenants.adapters {
        0 | 1 => OpKind::Einsum {
            einsum: Einsum::matmul(1, m, n, k),
            dtype,
        },
        adapters => OpKind::Experts(Experts {
            experts: adapters,
            loads: Loads::even(tenants.touched, m as f64),
            rows: m,
            routed: m,
            n,
            k,
            dtype,
        }),
    };
    let a = weight(graph, SUFFIXES[0], [k, wide]);
    let b = weight(graph, SUFFIXES[1], [rank, n]);
    let result = graph.tensor(y).clone();
    let low = Tensor {
        copies: op.count,
        ..Tensor::new(
            format!("{}.lora_a.out", op.name),
            &[m, wide],
            dtype,
            Role::Activation,
        )
    };
    let low = graph.add_tensor(low);
    let high = graph.add_tensor(Tensor {
        name: format!("{}.lora_b.out", op.name),
        role: Role::Activation,
        ..result.clone()
    });
    let sum = graph.add_tensor(Tensor {
        name: format!("{}.lora.out", op.name),
        ..result.clone()
    });
    graph.tensor_mut(y).role = Role::Activation;
    let mut add = |suffix: &str, source: &str, kind, inputs, output| {
        graph.add(Operator {
            name: format!("{}{suffix}", op.name),
            source: source.to_owned(),
            kind,
            inputs,
            outputs: vec![output],
            ..op.clone()
        });
    };
    add(SUFFIXES[0], "linear", product(wide, k), vec![x, a], low);
    add(SUFFIXES[1], "linear", product(n, rank), vec![low, b], high);
    let work = OpKind::Elementwise(VectorWork {
        elements: result.elements(),
        ops: 1.0,
        special: 0.0,
    });
    add(".lora", SUM, work, vec![y, high], sum);
    sum
}
