//! ONNX element types and the storage formats they stand for.

use crate::workload::Dtype;

/// Element type of a tensor, as far as shapes and costs depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Elem {
    Float(Dtype),
    /// Integers, bits in storage as the format says.
    Int(Dtype),
    Bool,
    Text,
}

impl Elem {
    pub(super) const F32: Self = Self::Float(Dtype::Fp32);
    pub(super) const I64: Self = Self::Int(Dtype::Int64);

    /// The type of a `TensorProto.DataType` number.
    pub(super) fn of(code: i32) -> Option<Self> {
        Some(match code {
            1 => Self::Float(Dtype::Fp32),
            2 | 3 => Self::Int(Dtype::Int8),
            4 | 5 => Self::Int(Dtype::Int16),
            6 | 12 => Self::Int(Dtype::Int32),
            7 | 13 => Self::Int(Dtype::Int64),
            8 => Self::Text,
            9 => Self::Bool,
            10 => Self::Float(Dtype::Fp16),
            // A complex number of two singles takes the room of a double.
            11 | 14 | 15 => Self::Float(Dtype::Fp64),
            16 => Self::Float(Dtype::Bf16),
            17..=20 | 24 => Self::Float(Dtype::Fp8),
            21 | 22 | 25 | 26 => Self::Int(Dtype::Int4),
            23 => Self::Float(Dtype::Nvfp4),
            // Six bits are kept in bytes.
            27 | 28 => Self::Float(Dtype::Fp8),
            _ => return None,
        })
    }

    pub(super) fn dtype(self) -> Dtype {
        match self {
            Self::Float(d) | Self::Int(d) => d,
            Self::Bool => Dtype::Bool,
            Self::Text => Dtype::Int8,
        }
    }

    pub(super) fn is_float(self) -> bool {
        matches!(self, Self::Float(_))
    }

    /// Formats in which weights are kept: floats, and integers of at most 8 bits.
    pub(super) fn holds_weights(self) -> bool {
        match self {
            Self::Float(_) => true,
            Self::Int(d) => d.bits() <= 8.0,
            Self::Bool | Self::Text => false,
        }
    }
}
