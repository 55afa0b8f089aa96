//! Gradients of elementwise operators, norms, softmax and pooling.

use super::super::{OpKind, Operator, Role, TensorId, VectorWork};
use super::rules::{self, Needs};
use super::tape::Tape;

/// About twice the work of the forward pass: a derivative and a product with the gradient, for norms two
/// more sums. Source: derived.
const BACKWARD_WORK: f64 = 2.0;

/// The gradients of the inputs; those of a sum are the gradient itself.
pub(super) fn backward(tape: &mut Tape, op: &Operator, work: VectorWork, dy: &[TensorId]) {
    let needs = rules::needs(op);
    if rules::is_sum(op) {
        return sum(tape, op, dy[0]);
    }
    let wanted = tape.wanted_inputs(op);
    if wanted.is_empty() {
        return;
    }
    let saved: Vec<TensorId> = match needs {
        Needs::Nothing => Vec::new(),
        Needs::Result => op.outputs.iter().take(1).copied().collect(),
        Needs::Mask => op.outputs.iter().skip(1).take(1).copied().collect(),
        Needs::Inputs => op.inputs.clone(),
    };
    let saved = saved.into_iter().map(|id| tape.saved(id));
    let mut inputs: Vec<TensorId> = dy.iter().copied().chain(saved).collect();
    let outputs = tape.targets(&wanted, op.count, &mut inputs);
    let factor = match needs {
        Needs::Nothing | Needs::Mask => 1.0,
        Needs::Result | Needs::Inputs => BACKWARD_WORK,
    };
    let work = VectorWork {
        elements: work.elements,
        ops: factor * work.ops,
        special: factor * work.special,
    };
    let kind = if matches!(op.kind, OpKind::Reduction(_)) {
        OpKind::Reduction(work)
    } else {
        OpKind::Elementwise(work)
    };
    tape.add(op, "grad", kind, inputs, outputs);
}

/// Inputs of the result's size get its gradient; what was repeated over rows gets a sum.
fn sum(tape: &mut Tape, op: &Operator, dy: TensorId) {
    let size = tape.graph.tensor(dy).elements();
    for input in &op.inputs {
        if !tape.is_wanted(*input) {
            continue;
        }
        let tensor = tape.graph.tensor(*input);
        if tensor.elements() == size && tensor.role != Role::Weight {
            tape.pass(*input, dy, op.count);
            continue;
        }
        let mut inputs = vec![dy];
        let outputs = tape.targets(&[*input], op.count, &mut inputs);
        let work = VectorWork {
            elements: size,
            ops: 1.0,
            special: 0.0,
        };
        tape.add(op, "grad", OpKind::Reduction(work), inputs, outputs);
    }
}
