//! What the backward pass of a vector operator reads, by the operator's name in its source.

use super::super::lora::SUM;
use super::super::{OpKind, Operator};

/// Results that are sums of their inputs.
const SUMS: [&str; 3] = ["add", "sum", SUM];

/// Operators whose gradient needs nothing of the forward pass.
const LINEAR: [&str; 17] = [
    "add",
    "sum",
    "sub",
    "neg",
    "identity",
    "cast",
    "rotary",
    "rotaryembedding",
    "mean",
    "reducemean",
    "reducesum",
    "averagepool",
    "globalaveragepool",
    "last_token",
    "resize",
    "upsample",
    "pad",
];

/// Operators whose gradient follows from their result.
const BY_RESULT: [&str; 12] = [
    "relu",
    "leakyrelu",
    "clip",
    "sigmoid",
    "hardsigmoid",
    "tanh",
    "exp",
    "sqrt",
    "reciprocal",
    "softmax",
    "logsoftmax",
    "elu",
];

/// What of the forward pass a gradient needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Needs {
    /// Nothing.
    Nothing,
    /// The result.
    Result,
    /// The mask, its second result.
    Mask,
    /// All inputs.
    Inputs,
}

/// What of the forward pass the gradient of a vector operator needs.
///
/// Source: the formulas of the derivatives; PyTorch's `derivatives.yaml`.
pub(super) fn needs(op: &Operator) -> Needs {
    let name = op.source.to_lowercase();
    let name = name.as_str();
    if name == "dropout" && op.outputs.len() > 1 {
        Needs::Mask
    } else if LINEAR.contains(&name) {
        Needs::Nothing
    } else if BY_RESULT.contains(&name) {
        Needs::Result
    } else {
        Needs::Inputs
    }
}

/// Whether the result is the sum of the inputs.
pub(super) fn is_sum(op: &Operator) -> bool {
    matches!(op.kind, OpKind::Elementwise(_)) && SUMS.contains(&op.source.to_lowercase().as_str())
}

/// Whether it turns scores into shares.
pub(super) fn is_softmax(op: &Operator) -> bool {
    matches!(op.kind, OpKind::Reduction(_)) && op.source.eq_ignore_ascii_case("softmax")
}
