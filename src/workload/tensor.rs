//! Tensors: how many elements, in which format, and what they are for.

use crate::units::Bytes;

use super::Dtype;

/// Index of a tensor in its graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TensorId(pub u32);

/// What a tensor is for. The memory verdict and the traffic of fused operators depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Learned or constant, there before the run.
    Weight,
    /// Made and used within the run.
    Activation,
    /// Keys and values of past tokens.
    KvCache,
    /// Recurrent state.
    State,
    /// Given by the caller.
    Input,
    /// Handed to the caller.
    Output,
}

/// A tensor of concrete size.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Name in the model.
    pub name: String,
    /// Sizes of its ranks, outermost first; empty for a scalar.
    pub shape: Vec<u64>,
    /// Storage format.
    pub dtype: Dtype,
    /// What it is for.
    pub role: Role,
    /// How many equal tensors this one stands for (one a layer, where layers repeat).
    pub copies: u64,
}

impl Tensor {
    /// One tensor of a name, shape, format and role.
    pub fn new(name: impl Into<String>, shape: &[u64], dtype: Dtype, role: Role) -> Self {
        Self {
            name: name.into(),
            shape: shape.to_vec(),
            dtype,
            role,
            copies: 1,
        }
    }

    /// Elements of one copy.
    pub fn elements(&self) -> f64 {
        self.shape.iter().map(|&n| n as f64).product()
    }

    /// Stored size of one copy, group scales included.
    pub fn bytes(&self) -> Bytes {
        Bytes(self.elements() * self.dtype.stored_bytes())
    }
}
