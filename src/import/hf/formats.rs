//! Which number format each tensor and product of a model has.

use crate::workload::{Dtype, Group, Precision};

use super::plan::Stored;

/// Formats of a model under a precision.
///
/// Weights narrower than 16 bits are those of linear layers only: tables, norms, biases, routers and the
/// head keep the model's own type, as quantized checkpoints do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Formats {
    /// Activations between operators.
    pub(super) activation: Dtype,
    /// Keys and values.
    pub(super) kv: Dtype,
    /// Weights of linear layers.
    pub(super) linear: Dtype,
    /// Weights of experts.
    pub(super) experts: Dtype,
    /// All other weights.
    pub(super) other: Dtype,
    /// Products of linear layers.
    pub(super) linear_product: Dtype,
    /// Products of experts.
    pub(super) experts_product: Dtype,
    /// Scales of the weights of linear layers and experts, where the file says.
    pub(super) group: Option<Group>,
}

impl Formats {
    /// The formats of a model of type `own` that is `stored` in another way unless the precision asks for
    /// something else.
    pub(super) fn new(own: Dtype, stored: Option<Stored>, precision: &Precision) -> Self {
        let activation = precision.activations.unwrap_or(own);
        let as_stored = stored.filter(|_| precision.weights.is_none());
        let linear = match as_stored {
            Some(s) if !s.experts_only => s.dtype,
            Some(_) | None => precision.weights.unwrap_or(own),
        };
        let experts = as_stored.map_or(linear, |s| s.dtype);
        // Checkpoints in 8-bit floats quantize their activations on the fly; narrower ones do not.
        let product = |weight: Dtype| match as_stored {
            Some(s) if s.dtype == weight && matches!(weight, Dtype::Fp8 | Dtype::Fp8Block) => {
                precision.operands.unwrap_or(weight)
            }
            Some(_) | None => precision.product(weight, activation),
        };
        let group = as_stored.and_then(|s| Some(Group::of(s.group?, s.dtype)));
        Self {
            activation,
            kv: precision.kv.unwrap_or(own),
            linear,
            experts,
            other: match precision.weights {
                Some(dtype) if dtype.bits() >= 16.0 => dtype,
                Some(_) | None => own,
            },
            linear_product: product(linear),
            experts_product: product(experts),
            group,
        }
    }

    /// Products of what is not quantized.
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
