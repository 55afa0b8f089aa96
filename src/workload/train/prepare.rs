//! The forward pass as training runs it: no cache, masks of dropout, attention taken apart if asked.

use rustc_hash::FxHashMap;

use super::super::lora::SUM;
use super::super::unfused::unfuse;
use super::super::{
    Dropout, Dtype, Fusing, OpGraph, OpKind, Operator, Role, Software, Tensor, TensorId, VectorWork,
};
use super::rules::{is_softmax, is_sum};

/// Operations of dropout per element: a random number, a comparison, a product. Source: derived.
const DROPOUT_OPS: f64 = 3.0;

/// The forward pass of a training step.
pub(super) fn prepare(forward: &OpGraph, software: &Software) -> OpGraph {
    let cacheless = without_cache(forward);
    let parted = match software.fusing {
        Fusing::None => unfuse(&cacheless),
        Fusing::Kernels | Fusing::Full => cacheless,
    };
    match software.dropout {
        Dropout::On if mixes_tokens(&parted) => with_dropout(&parted),
        Dropout::On | Dropout::Off => parted,
    }
}

/// Keys and values of the tokens themselves stand in for the cache. Results are no longer handed out.
fn without_cache(forward: &OpGraph) -> OpGraph {
    let mut graph = forward.without_operators();
    let mut instead: FxHashMap<TensorId, TensorId> = FxHashMap::default();
    for op in forward.operators() {
        let in_place = op
            .outputs
            .iter()
            .all(|o| forward.tensor(*o).role == Role::KvCache);
        if let OpKind::KvAppend { .. } = op.kind
            && in_place
            && op.inputs.len() == op.outputs.len()
        {
            instead.extend(op.outputs.iter().copied().zip(op.inputs.iter().copied()));
            continue;
        }
        let given = |id: &TensorId| instead.get(id).copied().unwrap_or(*id);
        graph.add(Operator {
            inputs: op.inputs.iter().map(given).collect(),
            ..op.clone()
        });
    }
    // A cache that nothing writes is no part of the step.
    for id in instead.keys() {
        graph.tensor_mut(*id).role = Role::Activation;
    }
    graph
}

/// Whether tokens see each other through scores, as in all models that are trained with dropout here.
fn mixes_tokens(graph: &OpGraph) -> bool {
    graph.operators().any(|op| {
        matches!(op.kind, OpKind::Attention(_)) || is_softmax(op) && feeds_product(graph, op)
    })
}

fn feeds_product(graph: &OpGraph, op: &Operator) -> bool {
    let reads = |reader: &Operator| {
        matches!(reader.kind, OpKind::Einsum { .. })
            && reader.inputs.iter().any(|i| op.outputs.contains(i))
    };
    graph.operators().any(reads)
}

/// Dropout behind every part that is added to a stream, and on probabilities that are tensors.
///
/// Source: Korthikanti et al., MLSys 2023, section 4.1: one byte of mask per element.
fn with_dropout(forward: &OpGraph) -> OpGraph {
    let mut graph = forward.without_operators();
    let mut instead: FxHashMap<TensorId, TensorId> = FxHashMap::default();
    for op in forward.operators() {
        let mut op = op.clone();
        for input in &mut op.inputs {
            *input = instead.get(input).copied().unwrap_or(*input);
        }
        if is_sum(&op) && op.source != SUM {
            let size = op.outputs.first().map(|o| graph.tensor(*o).elements());
            let streams: Vec<usize> = (0..op.inputs.len())
                .filter(|&i| {
                    let tensor = graph.tensor(op.inputs[i]);
                    tensor.role == Role::Activation && Some(tensor.elements()) == size
                })
                .collect();
            // The first is the stream, what is added to it is dropped in part.
            for &i in streams.iter().skip(1) {
                op.inputs[i] = drop(&mut graph, &op, op.inputs[i]);
            }
            graph.add(op);
        } else if is_softmax(&op) && feeds_product(forward, &op) {
            let whole = op.outputs.first().copied();
            graph.add(op.clone());
            if let Some(whole) = whole {
                let dropped = drop(&mut graph, &op, whole);
                instead.insert(whole, dropped);
            }
        } else {
            graph.add(op);
        }
    }
    graph
}

fn drop(graph: &mut OpGraph, near: &Operator, x: TensorId) -> TensorId {
    let of = graph.tensor(x).clone();
    let elements = of.elements();
    let mask = graph.add_tensor(Tensor {
        name: format!("{}.mask", of.name),
        dtype: Dtype::Bool,
        role: Role::Activation,
        group: None,
        sparsity: None,
        packed: None,
        ..of.clone()
    });
    let dropped = graph.add_tensor(Tensor {
        name: format!("{}.dropped", of.name),
        role: Role::Activation,
        ..of.clone()
    });
    graph.add(Operator {
        name: format!("{}.dropout", of.name),
        source: "dropout".to_owned(),
        block: near.block.clone(),
        kind: OpKind::Elementwise(VectorWork {
            elements,
            ops: DROPOUT_OPS,
            special: 0.0,
        }),
        inputs: vec![x],
        outputs: vec![dropped, mask],
        count: near.count,
    });
    dropped
}
