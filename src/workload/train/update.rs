//! The optimizer step: one pass over each weight, its gradient, and what the optimizer keeps of it.

use super::super::{
    Dtype, OpKind, Operator, Optimizer, Role, Software, Tensor, TensorId, VectorWork,
};
use super::tape::Tape;

/// What an optimizer keeps and computes for each parameter.
struct Rule {
    /// Formats of its moments.
    moments: &'static [Dtype],
    /// Operations per parameter.
    ops: f64,
    /// Roots and divisions per parameter.
    special: f64,
}

impl Rule {
    /// Adam: two products and a sum for each moment and one square, two corrections, root, division,
    /// decay and step: 12 in all. With 8-bit moments, scaling, lookup and rounding of both on top.
    ///
    /// Source: Kingma and Ba, "Adam", ICLR 2015, algorithm 1; Dettmers et al., "8-bit Optimizers via
    /// Block-wise Quantization", ICLR 2022, section 2; Rajbhandari et al., "ZeRO", SC 2020, section 3.1
    /// (bytes); operations derived.
    fn of(optimizer: Optimizer) -> Self {
        match optimizer {
            Optimizer::Adam => Self {
                moments: &[Dtype::Fp32, Dtype::Fp32],
                ops: 10.0,
                special: 2.0,
            },
            Optimizer::Adam8 => Self {
                moments: &[Dtype::Int8, Dtype::Int8],
                ops: 18.0,
                special: 2.0,
            },
            Optimizer::Sgd => Self {
                moments: &[],
                ops: 2.0,
                special: 0.0,
            },
        }
    }
}

/// Adds an update of every weight that has a gradient. Weights of fewer than 32 bits have a master copy.
pub(super) fn step(tape: &mut Tape, software: &Software) {
    let rule = Rule::of(software.optimizer);
    for (weight, gradient) in std::mem::take(&mut tape.weights) {
        update(tape, &rule, weight, gradient);
    }
}

fn update(tape: &mut Tape, rule: &Rule, weight: TensorId, gradient: TensorId) {
    let tensor = tape.graph.tensor(weight).clone();
    let mut state = |suffix: &str, dtype| {
        tape.graph.add_tensor(Tensor {
            name: format!("{}.{suffix}", tensor.name),
            dtype,
            role: Role::Optimizer,
            group: None,
            sparsity: None,
            packed: None,
            ..tensor.clone()
        })
    };
    let master = (tensor.dtype.bits() < Dtype::Fp32.bits()).then(|| state("master", Dtype::Fp32));
    let names = ["moment1", "moment2"];
    let moments: Vec<TensorId> = names
        .iter()
        .zip(rule.moments)
        .map(|(name, dtype)| state(name, *dtype))
        .collect();
    // The master copy is read in place of the weight, which is only written.
    let mut inputs = vec![master.unwrap_or(weight), gradient];
    inputs.extend(&moments);
    let mut outputs: Vec<TensorId> = master.into_iter().collect();
    outputs.push(weight);
    outputs.extend(&moments);
    tape.graph.add(Operator {
        name: format!("{}.update", tensor.name),
        source: "optimizer".to_owned(),
        block: "optimizer".to_owned(),
        kind: OpKind::Elementwise(VectorWork {
            elements: tensor.elements(),
            ops: rule.ops,
            special: rule.special,
        }),
        inputs,
        outputs,
        count: tensor.copies,
    });
}
