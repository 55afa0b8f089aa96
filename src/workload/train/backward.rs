//! The backward pass: the loss, then every operator's gradient in reverse order.

use super::super::{
    Attention, Class, Einsum, Experts, OpGraph, OpKind, Operator, Recompute, Role, Scan, Tensor,
    TensorId, VectorWork, View,
};
use super::recompute::Segments;
use super::tape::Tape;
use super::vector;

/// Name of the loss in its source; what stands before it is the forward pass.
pub(super) const LOSS: &str = "cross_entropy";

/// Operations per logit: maximum, difference, sum, then share less label. Source: derived.
const LOSS_OPS: f64 = 4.0;

/// Adds the loss and the gradients of all operators of the forward pass.
pub(super) fn run(tape: &mut Tape, forward: &OpGraph, recompute: Recompute) {
    loss(tape, forward);
    let segments = Segments::of(forward, recompute);
    let operators: Vec<&Operator> = forward.operators().collect();
    for (i, op) in operators.iter().enumerate().rev() {
        let gradients: Vec<TensorId> = op
            .outputs
            .iter()
            .filter_map(|output| tape.gradient(*output))
            .collect();
        segments.enter(tape, forward, &operators, i);
        if !gradients.is_empty() {
            of_operator(tape, op, &gradients);
        }
    }
}

/// Softmax cross-entropy over every result that depends on what is trained.
fn loss(tape: &mut Tape, forward: &OpGraph) {
    let results: Vec<(TensorId, Operator)> = forward
        .operators()
        .filter(|op| !matches!(op.kind, OpKind::KvAppend { .. }))
        .flat_map(|op| op.outputs.iter().map(move |o| (*o, op.clone())))
        .filter(|(o, _)| forward.tensor(*o).role == Role::Output && tape.is_wanted(*o))
        .collect();
    for (logits, maker) in results {
        let tensor = forward.tensor(logits);
        let rows = tensor.elements() / tensor.shape.last().map_or(1.0, |n| (*n as f64).max(1.0));
        let loss = tape.graph.add_tensor(Tensor::new(
            format!("{}.loss", tensor.name),
            &[rows as u64],
            tensor.dtype,
            Role::Output,
        ));
        let (gradient, _) = tape.target(logits, maker.count);
        tape.graph.add(Operator {
            name: format!("{}.loss", tensor.name),
            source: LOSS.to_owned(),
            block: maker.block.clone(),
            kind: OpKind::Reduction(VectorWork {
                elements: tensor.elements(),
                ops: LOSS_OPS,
                special: 1.0,
            }),
            inputs: vec![logits],
            outputs: vec![loss, gradient],
            count: maker.count,
        });
    }
}

/// The gradients of one operator's inputs from those of its outputs.
fn of_operator(tape: &mut Tape, op: &Operator, dy: &[TensorId]) {
    match &op.kind {
        OpKind::Einsum { einsum, dtype } => {
            for (slot, input) in op.inputs.iter().enumerate().take(2) {
                let other = op.inputs.get(1 - slot).copied();
                let (true, Some(other)) = (tape.is_wanted(*input), other) else {
                    continue;
                };
                let (part, turned) = match slot {
                    0 => ("grad_lhs", toward_lhs(einsum)),
                    _ => ("grad_rhs", toward_rhs(einsum)),
                };
                let other = tape.saved(other);
                let mut inputs = match slot {
                    0 => vec![dy[0], other],
                    _ => vec![other, dy[0]],
                };
                let outputs = tape.targets(&[*input], op.count, &mut inputs);
                let kind = OpKind::Einsum {
                    einsum: turned,
                    dtype: *dtype,
                };
                tape.add(op, part, kind, inputs, outputs);
            }
            biases(tape, op, 2, dy[0]);
        }
        OpKind::Experts(experts) => of_experts(tape, op, experts, dy[0]),
        OpKind::Attention(attention) => of_attention(tape, op, attention, dy[0]),
        OpKind::Scan(scan) => of_scan(tape, op, scan, dy),
        OpKind::Route {
            tokens, experts, ..
        } => {
            // Gradient of a softmax: product, sum, difference, product.
            let work = VectorWork {
                elements: *tokens as f64 * *experts as f64,
                ops: 4.0,
                special: 0.0,
            };
            grad(tape, op, OpKind::Elementwise(work), dy, &[]);
        }
        OpKind::Elementwise(work) | OpKind::Reduction(work) => {
            vector::backward(tape, op, *work, dy);
        }
        OpKind::Gather { elements } => of_gather(tape, op, *elements, dy),
        OpKind::Layout(view) => grad(tape, op, OpKind::Layout(*view), dy, &[]),
        OpKind::KvAppend { .. } => grad(tape, op, OpKind::Layout(View::Copy), dy, &[]),
        // The gradient of a sum is the sum of gradients; of a gather, the scatter that sends as much.
        OpKind::Collective(c) => grad(tape, op, OpKind::Collective(*c), dy, &[]),
        OpKind::Opaque { reason } => {
            let kind = OpKind::Opaque {
                reason: reason.clone(),
            };
            let inputs: Vec<TensorId> = op.inputs.iter().map(|i| tape.saved(*i)).collect();
            grad(tape, op, kind, dy, &inputs);
        }
    }
}

/// One operator that makes the gradients of all inputs.
fn grad(tape: &mut Tape, op: &Operator, kind: OpKind, dy: &[TensorId], saved: &[TensorId]) {
    let wanted = tape.wanted_inputs(op);
    if wanted.is_empty() {
        return;
    }
    let mut inputs: Vec<TensorId> = dy.iter().chain(saved).copied().collect();
    let outputs = tape.targets(&wanted, op.count, &mut inputs);
    tape.add(op, "grad", kind, inputs, outputs);
}

/// `d lhs = Σ_n d acc · rhs`: what was summed over is a column now, columns are summed over.
fn toward_lhs(einsum: &Einsum) -> Einsum {
    Einsum {
        ranks: einsum
            .ranks
            .iter()
            .map(|rank| {
                let mut rank = *rank;
                rank.class = match rank.class {
                    Class::G => Class::G,
                    Class::M => Class::M,
                    Class::N => Class::K,
                    Class::K => Class::N,
                };
                rank
            })
            .collect(),
        lhs: einsum.acc.clone(),
        rhs: einsum.rhs.clone(),
        acc: einsum.lhs.clone(),
    }
}

/// `d rhs = Σ_m lhs · d acc`: what was summed over is a row now, rows are summed over.
fn toward_rhs(einsum: &Einsum) -> Einsum {
    Einsum {
        ranks: einsum
            .ranks
            .iter()
            .map(|rank| {
                let mut rank = *rank;
                rank.class = match rank.class {
                    Class::G => Class::G,
                    Class::M => Class::K,
                    Class::N => Class::N,
                    Class::K => Class::M,
                };
                rank
            })
            .collect(),
        lhs: einsum.lhs.clone(),
        rhs: einsum.acc.clone(),
        acc: einsum.rhs.clone(),
    }
}

/// Sums of a gradient over all rows, for inputs from `first` on.
fn biases(tape: &mut Tape, op: &Operator, first: usize, dy: TensorId) {
    let elements = tape.graph.tensor(dy).elements();
    for bias in op.inputs.iter().skip(first) {
        if !tape.is_wanted(*bias) {
            continue;
        }
        let mut inputs = vec![dy];
        let outputs = tape.targets(&[*bias], op.count, &mut inputs);
        let work = VectorWork {
            elements,
            ops: 1.0,
            special: 0.0,
        };
        tape.add(op, "grad_bias", OpKind::Reduction(work), inputs, outputs);
    }
}

/// Both products for each expert. The gradient of the weights sums over the rows that went to each, so
/// its MACs are those of one product over all rows.
fn of_experts(tape: &mut Tape, op: &Operator, experts: &Experts, dy: TensorId) {
    let (Some(&x), Some(&w)) = (op.inputs.first(), op.inputs.get(1)) else {
        return;
    };
    if tape.is_wanted(x) {
        let mut inputs = vec![dy, tape.saved(w)];
        let outputs = tape.targets(&[x], op.count, &mut inputs);
        let kind = OpKind::Experts(Experts {
            n: experts.k,
            k: experts.n,
            ..*experts
        });
        tape.add(op, "grad_lhs", kind, inputs, outputs);
    }
    if tape.is_wanted(w) {
        let mut inputs = vec![tape.saved(x), dy];
        let outputs = tape.targets(&[w], op.count, &mut inputs);
        let kind = OpKind::Einsum {
            einsum: Einsum::matmul(1, experts.k, experts.n, experts.rows),
            dtype: experts.dtype,
        };
        tape.add(op, "grad_rhs", kind, inputs, outputs);
    }
    biases(tape, op, 2, dy);
}

/// Five products per pair of query and key: scores again, then those that give the gradients of values,
/// probabilities, queries and keys: `3·qk + 2·v` where the forward pass has `qk + v`.
///
/// Source: Dao, "FlashAttention-2", ICLR 2024, algorithm 2.
fn of_attention(tape: &mut Tape, op: &Operator, attention: &Attention, dy: TensorId) {
    let kind = OpKind::Attention(Attention {
        qk_dim: 3 * attention.qk_dim,
        v_dim: 2 * attention.v_dim,
        ..*attention
    });
    let mut inputs: Vec<TensorId> = op.inputs.iter().map(|i| tape.saved(*i)).collect();
    inputs.push(dy);
    inputs.extend(op.outputs.iter().map(|o| tape.saved(*o)));
    let wanted = tape.wanted_inputs(op);
    if wanted.is_empty() {
        return;
    }
    let outputs = tape.targets(&wanted, op.count, &mut inputs);
    tape.add(op, "grad", kind, inputs, outputs);
}

/// The states are made again from the inputs. Each product of the recurrence has two that lead back, so two more
/// passes of its size: one for the values, one for the maps into and out of the state.
///
/// Source: derived, as for any product.
fn of_scan(tape: &mut Tape, op: &Operator, scan: &Scan, dy: &[TensorId]) {
    let wanted = tape.wanted_inputs(op);
    let half = wanted.len().div_ceil(2);
    let inputs: Vec<TensorId> = op.inputs.iter().map(|i| tape.saved(*i)).collect();
    if !wanted.is_empty() {
        tape.add(
            op,
            "states",
            OpKind::Scan(*scan),
            inputs.clone(),
            Vec::new(),
        );
    }
    for (part, of) in [
        ("grad_values", &wanted[..half]),
        ("grad_maps", &wanted[half..]),
    ] {
        let mut read: Vec<TensorId> = inputs.iter().chain(dy).copied().collect();
        let outputs = tape.targets(of, op.count, &mut read);
        tape.add(op, part, OpKind::Scan(*scan), read, outputs);
    }
}

/// Rows are added to the gradient of a table where they were read; picked tokens get their gradient, the
/// others zero.
fn of_gather(tape: &mut Tape, op: &Operator, elements: f64, dy: &[TensorId]) {
    let Some(table) = op.inputs.first().copied().filter(|t| tape.is_wanted(*t)) else {
        return;
    };
    if tape.graph.tensor(table).role != Role::Weight {
        return grad(tape, op, OpKind::Layout(View::Copy), dy, &[]);
    }
    let (gradient, _) = tape.target(table, op.count);
    let rows = tape.graph.tensor(gradient).clone();
    let touched = tape.graph.add_tensor(Tensor {
        name: format!("{}.rows", rows.name),
        shape: vec![elements as u64],
        role: Role::Activation,
        ..rows
    });
    let mut inputs = vec![gradient];
    inputs.extend(dy);
    inputs.extend(op.inputs.iter().skip(1));
    tape.add(
        op,
        "grad",
        OpKind::Gather { elements },
        inputs,
        vec![touched],
    );
}
