//! Which number format each tensor and product of a model has.

use crate::workload::{Dtype, Precision};

/// Formats of a model under a precision.
///
/// Weights narrower than 16 bits are those of linear layers only: tables, norms, biases and the head
/// keep the model's own type, as quantized checkpoints do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Formats {
    /// Activations between operators.
    pub(super) activation: Dtype,
    /// Keys and values.
    pub(super) kv: Dtype,
    /// Weights of linear layers.
    pub(super) linear: Dtype,
    /// All other weights.
    pub(super) other: Dtype,
    /// Products of linear layers.
    pub(super) linear_product: Dtype,
}

impl Formats {
    /// The formats of a model of type `own`.
    pub(super) fn new(own: Dtype, precision: &Precision) -> Self {
        let linear = precision.weights.unwrap_or(own);
        let activation = precision.activations.unwrap_or(own);
        Self {
            activation,
            kv: precision.kv.unwrap_or(own),
            linear,
            other: if linear.bits() < 16.0 { own } else { linear },
            linear_product: precision.product(linear, activation),
        }
    }

    /// Products of the head, which is not quantized.
    pub(super) fn head_product(&self) -> Dtype {
        wider(self.other, self.activation)
    }

    /// Both products of attention over keys of a format.
    pub(super) fn attention(&self, keys: Dtype) -> Dtype {
        wider(self.activation, keys)
    }
}

fn wider(a: Dtype, b: Dtype) -> Dtype {
    if a.bits() > b.bits() { a } else { b }
}
