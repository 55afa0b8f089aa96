//! Number formats and what they cost to store.

use std::fmt;

/// A number format of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Dtype {
    /// IEEE double.
    Fp64,
    /// IEEE single.
    Fp32,
    /// 19-bit tensor-core format, stored in 32 bits.
    Tf32,
    /// bfloat16.
    Bf16,
    /// IEEE half.
    Fp16,
    /// 8-bit float, one scale per tensor.
    Fp8,
    /// 8-bit float, one fp32 scale per 128x128 block.
    Fp8Block,
    /// 64-bit integer.
    Int64,
    /// 32-bit integer.
    Int32,
    /// 16-bit integer.
    Int16,
    /// 8-bit integer.
    Int8,
    /// 4-bit integer with a 16-bit scale and a 4-bit zero point per group of 128.
    Int4,
    /// 4-bit float with an 8-bit scale per group of 32.
    Mxfp4,
    /// 4-bit float with an 8-bit scale per group of 16.
    Nvfp4,
    /// One byte truth value.
    Bool,
}

impl Dtype {
    /// All formats.
    pub const ALL: &'static [Self] = &[
        Self::Fp64,
        Self::Fp32,
        Self::Tf32,
        Self::Bf16,
        Self::Fp16,
        Self::Fp8,
        Self::Fp8Block,
        Self::Int64,
        Self::Int32,
        Self::Int16,
        Self::Int8,
        Self::Int4,
        Self::Mxfp4,
        Self::Nvfp4,
        Self::Bool,
    ];

    /// The name users write.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fp64 => "fp64",
            Self::Fp32 => "fp32",
            Self::Tf32 => "tf32",
            Self::Bf16 => "bf16",
            Self::Fp16 => "fp16",
            Self::Fp8 => "fp8",
            Self::Fp8Block => "fp8_block",
            Self::Int64 => "int64",
            Self::Int32 => "int32",
            Self::Int16 => "int16",
            Self::Int8 => "int8",
            Self::Int4 => "int4",
            Self::Mxfp4 => "mxfp4",
            Self::Nvfp4 => "nvfp4",
            Self::Bool => "bool",
        }
    }

    /// The format of that name; `half` and `fp4` are synonyms.
    pub fn parse(name: &str) -> Option<Self> {
        let name = match name {
            "half" | "float16" => "fp16",
            "bfloat16" => "bf16",
            "float32" | "float" => "fp32",
            "fp4" => "nvfp4",
            other => other,
        };
        Self::ALL.iter().copied().find(|d| d.name() == name)
    }

    /// The format of single elements, as multipliers see them: without scales per block.
    pub fn element(self) -> Self {
        match self {
            Self::Fp8Block => Self::Fp8,
            other => other,
        }
    }

    /// Bits of one element without scales: the width of an operand on a bus or in a multiplier.
    pub fn bits(self) -> f64 {
        match self {
            Self::Fp64 | Self::Int64 => 64.0,
            Self::Fp32 | Self::Tf32 | Self::Int32 => 32.0,
            Self::Bf16 | Self::Fp16 | Self::Int16 => 16.0,
            Self::Fp8 | Self::Fp8Block | Self::Int8 | Self::Bool => 8.0,
            Self::Int4 | Self::Mxfp4 | Self::Nvfp4 => 4.0,
        }
    }

    /// Bytes an element occupies in storage, group scales and zero points included.
    ///
    /// `bits + (scale bits + zero bits) / group`
    ///
    /// Source: int4 with group 128, fp16 scale, 4-bit zero: GPTQ/AWQ checkpoints; MXFP4: OCP
    /// Microscaling Formats v1.0 (8-bit scale per 32); NVFP4: NVIDIA Blackwell (8-bit scale per 16);
    /// block fp8: DeepSeek-V3 report (fp32 scale per 128x128).
    pub fn stored_bytes(self) -> f64 {
        let scales = match self {
            Self::Int4 => 20.0 / 128.0,
            Self::Mxfp4 => 8.0 / 32.0,
            Self::Nvfp4 => 8.0 / 16.0,
            Self::Fp8Block => 32.0 / 16_384.0,
            Self::Fp64
            | Self::Fp32
            | Self::Tf32
            | Self::Bf16
            | Self::Fp16
            | Self::Fp8
            | Self::Int64
            | Self::Int32
            | Self::Int16
            | Self::Int8
            | Self::Bool => 0.0,
        };
        (self.bits() + scales) / 8.0
    }

    /// True for floating-point formats.
    pub fn is_float(self) -> bool {
        match self {
            Self::Fp64
            | Self::Fp32
            | Self::Tf32
            | Self::Bf16
            | Self::Fp16
            | Self::Fp8
            | Self::Fp8Block
            | Self::Mxfp4
            | Self::Nvfp4 => true,
            Self::Int64 | Self::Int32 | Self::Int16 | Self::Int8 | Self::Int4 | Self::Bool => false,
        }
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
