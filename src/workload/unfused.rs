//! Fused attention taken apart: scores and probabilities become tensors in memory.

use super::{Attention, Einsum, OpGraph, OpKind, Operator, Role, Tensor, TensorId, VectorWork};

/// Operations per score: scale, mask, maximum, difference, sum, division. Source: derived.
const SOFTMAX_OPS: f64 = 6.0;

/// A graph in which every fused attention is two products and a softmax, over the full square of queries
/// and keys; all else is as before.
pub(super) fn unfuse(graph: &OpGraph) -> OpGraph {
    let mut parted = graph.without_operators();
    for op in graph.operators() {
        match &op.kind {
            OpKind::Attention(attention) => part(&mut parted, op, attention),
            OpKind::Einsum { .. }
            | OpKind::Experts(_)
            | OpKind::Route { .. }
            | OpKind::Scan(_)
            | OpKind::Elementwise(_)
            | OpKind::Reduction(_)
            | OpKind::Gather { .. }
            | OpKind::Layout(_)
            | OpKind::KvAppend { .. }
            | OpKind::Collective(_)
            | OpKind::Opaque { .. } => {
                parted.add(op.clone());
            }
        }
    }
    parted
}

/// `scores[b, h, q, k] = Σ_d q · k`, `softmax`, `y = Σ_k probabilities · v`; queries that share a key
/// head are rows of one product.
fn part(graph: &mut OpGraph, op: &Operator, a: &Attention) {
    let (Some(&q), Some(&k)) = (op.inputs.first(), op.inputs.get(1)) else {
        graph.add(op.clone());
        return;
    };
    let v = op.inputs.get(2).copied().unwrap_or(k);
    let heads = a.kv_heads.max(1);
    let (groups, rows) = (a.batch * heads, a.q_len * (a.q_heads / heads).max(1));
    let of_q = graph.tensor(q);
    let square = Tensor {
        name: format!("{}.scores.out", op.name),
        shape: vec![a.batch, a.q_heads, a.q_len, a.kv_len],
        role: Role::Activation,
        group: None,
        ..of_q.clone()
    };
    let probabilities = Tensor {
        name: format!("{}.softmax.out", op.name),
        ..square.clone()
    };
    let elements = square.elements();
    let (square, probabilities) = (graph.add_tensor(square), graph.add_tensor(probabilities));
    let product = |n, k| OpKind::Einsum {
        einsum: Einsum::matmul(groups, rows, n, k),
        dtype: a.dtype,
    };
    let mut add = |part: &str, kind, inputs: Vec<TensorId>, outputs: Vec<TensorId>| {
        graph.add(Operator {
            name: format!("{}.{part}", op.name),
            source: part.to_owned(),
            kind,
            inputs,
            outputs,
            ..op.clone()
        });
    };
    add(
        "scores",
        product(a.kv_len, a.qk_dim),
        vec![q, k],
        vec![square],
    );
    let softmax = OpKind::Reduction(VectorWork {
        elements,
        ops: SOFTMAX_OPS,
        special: 1.0,
    });
    // Biases and sinks take part in the softmax.
    let others = op.inputs.iter().skip(3).copied();
    let inputs = std::iter::once(square).chain(others).collect();
    add("softmax", softmax, inputs, vec![probabilities]);
    let mixed = product(a.v_dim, a.kv_len);
    add("mix", mixed, vec![probabilities, v], op.outputs.clone());
}
