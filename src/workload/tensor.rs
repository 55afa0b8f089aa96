//! Tensors: how many elements, in which format, and what they are for.

use crate::units::Bytes;

use super::{Dtype, Sparsity};

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
    /// Gradient of a weight.
    Gradient,
    /// What an optimizer keeps of a weight.
    Optimizer,
    /// Given by the caller.
    Input,
    /// Handed to the caller.
    Output,
}

/// Scales that a quantized tensor carries.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Group {
    /// Elements that share a scale.
    pub size: f64,
    /// Bits of a scale and of a zero point together; 0 where they are tensors of their own.
    pub bits: f64,
}

impl Group {
    /// A 16-bit scale for each `size` elements, and a 4-bit zero point where they are integers.
    ///
    /// Source: GPTQ and AWQ checkpoints; floats have no zero point. MXFP4 and NVFP4 scales have 8 bits (OCP
    /// Microscaling Formats v1.0; NVIDIA Blackwell).
    pub fn of(size: u32, dtype: Dtype) -> Self {
        let bits = match dtype {
            Dtype::Mxfp4 | Dtype::Nvfp4 => 8.0,
            other if other.is_float() => 16.0,
            _ => 20.0,
        };
        Self {
            size: f64::from(size),
            bits,
        }
    }

    /// No scales in the tensor itself.
    pub const NONE: Self = Self {
        size: 1.0,
        bits: 0.0,
    };
}

/// Bits of an element on a chip whose memories leave zeros out in formats of their own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Packed {
    /// In main memory.
    pub main: f64,
    /// In the memory where it is smallest.
    pub least: f64,
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
    /// Scales, where they are not those that its format usually has.
    pub group: Option<Group>,
    /// Zeros that are not stored.
    pub sparsity: Option<Sparsity>,
    /// How a chip stores it, where that is not as `sparsity` says.
    pub packed: Option<Packed>,
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
            group: None,
            sparsity: None,
            packed: None,
        }
    }

    /// Elements of one copy.
    pub fn elements(&self) -> f64 {
        self.shape.iter().map(|&n| n as f64).product()
    }

    /// Stored size of an element, scales and places of nonzeros included.
    ///
    /// `compressed(bits) + scale bits / group`, in bytes; in main memory where a chip packs it.
    pub fn element_bytes(&self) -> f64 {
        let bits = self.dtype.bits();
        let stored = self.sparsity.map_or(bits, |s| s.stored_bits(bits));
        self.with_scales(self.packed.map_or(stored, |p| p.main))
    }

    /// Size of an element in bytes if it takes so many bits without its scales.
    pub fn with_scales(&self, bits: f64) -> f64 {
        let scales = self
            .group
            .map_or(8.0 * self.dtype.stored_bytes() - self.dtype.bits(), |g| {
                g.bits / g.size.max(1.0)
            });
        (bits + scales) / 8.0
    }

    /// Stored size of one copy, scales included.
    pub fn bytes(&self) -> Bytes {
        Bytes(self.elements() * self.element_bytes())
    }
}
