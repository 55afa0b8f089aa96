//! The precision a user asks for: `int8`, `fp8`, `w=int4,a=bf16,kv=fp8`.

use std::fmt;
use std::str::FromStr;

use super::Dtype;

/// Formats by tensor role; `None` keeps what the model says.
///
/// A bare name stands for a common way to run a model:
/// 16- and 32-bit floats apply to weights, activations and KV cache alike; `int8` and `sq` to weights
/// and activations; `fp8`, `fp8_block` and `nvfp4` store the weights so and quantize the operands of
/// each matrix product on the fly, while activations between operators and the KV cache keep the
/// model's own type; `int4`, `int4_wo`, `int8_wo`, `mxfp4`, `w4a16_mxfp4` store the weights only, and
/// products run at the type of the activations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Precision {
    /// Storage of weights.
    pub weights: Option<Dtype>,
    /// Operands of matrix products with weights, where they differ from the stored activations.
    pub operands: Option<Dtype>,
    /// Storage of activations.
    pub activations: Option<Dtype>,
    /// Storage of the KV cache.
    pub kv: Option<Dtype>,
    /// Sums within products, where they are wider or narrower than the engine's own.
    pub accumulator: Option<Dtype>,
    /// Weights that share a scale, where it is not the format's usual number.
    pub group: Option<u32>,
}

/// Why a precision could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrecisionError {
    /// Not a format.
    #[error(
        "`{0}` is not a data type; known: fp32, tf32, bf16, fp16, fp8, fp8_block, int8, sq, int8_wo, int4, int4_wo, mxfp4, w4a16_mxfp4, nvfp4, or roles such as w=int4,a=bf16,kv=fp8"
    )]
    Unknown(String),
    /// Not a role.
    #[error(
        "`{0}` is not a tensor role; use w (weights), a (activations), kv (KV cache), acc (sums), or g (weights that share a scale)"
    )]
    Role(String),
    /// Not a group.
    #[error(
        "`{0}` is not a group; give the weights that share a scale, from 1 to 65536, such as g=32"
    )]
    Group(String),
    /// A group for weights that have no scales of their own.
    #[error("g needs weights of 8 bits or less, such as w=int4,g=32")]
    NoScales,
}

impl Precision {
    /// The format of a matrix product between a weight and an activation stored as given.
    pub fn product(&self, weight: Dtype, activation: Dtype) -> Dtype {
        self.operands.unwrap_or_else(|| {
            if weight.bits() > activation.bits() {
                weight
            } else {
                activation
            }
        })
    }

    fn named(name: &str) -> Result<Self, PrecisionError> {
        let weight_only = |d| Self {
            weights: Some(d),
            ..Self::default()
        };
        let dynamic = |d| Self {
            weights: Some(d),
            operands: Some(d),
            ..Self::default()
        };
        Ok(match name {
            "sq" => Self::both(Dtype::Int8),
            "int4_wo" => weight_only(Dtype::Int4),
            "int8_wo" => weight_only(Dtype::Int8),
            "w4a16_mxfp4" => weight_only(Dtype::Mxfp4),
            _ => {
                let unknown = || PrecisionError::Unknown(name.to_owned());
                let dtype = Dtype::parse(name).ok_or_else(unknown)?;
                match dtype {
                    Dtype::Fp64 | Dtype::Fp32 | Dtype::Tf32 | Dtype::Bf16 | Dtype::Fp16 => Self {
                        kv: Some(dtype),
                        ..Self::both(dtype)
                    },
                    Dtype::Int8 | Dtype::Int16 => Self::both(dtype),
                    Dtype::Fp8 | Dtype::Fp8Block | Dtype::Nvfp4 => dynamic(dtype),
                    Dtype::Int4 | Dtype::Mxfp4 => weight_only(dtype),
                    Dtype::Int64 | Dtype::Int32 | Dtype::Bool => return Err(unknown()),
                }
            }
        })
    }

    fn both(dtype: Dtype) -> Self {
        Self {
            weights: Some(dtype),
            operands: Some(dtype),
            activations: Some(dtype),
            ..Self::default()
        }
    }
}

impl FromStr for Precision {
    type Err = PrecisionError;

    fn from_str(text: &str) -> Result<Self, PrecisionError> {
        let text = text.trim();
        if !text.contains('=') {
            return match text.split_once('/') {
                None => Self::named(text),
                Some((compute, kv)) => {
                    let mut precision = Self::named(compute)?;
                    precision.kv = Some(role_dtype(kv)?);
                    Ok(precision)
                }
            };
        }
        let mut precision = Self::default();
        for part in text.split(',').filter(|p| !p.trim().is_empty()) {
            let (role, name) = part.split_once('=').unwrap_or((part, ""));
            let dtype = || role_dtype(name).map(Some);
            match role.trim() {
                "w" => precision.weights = dtype()?,
                "a" => precision.activations = dtype()?,
                "kv" => precision.kv = dtype()?,
                "acc" => precision.accumulator = dtype()?,
                "g" => precision.group = Some(group(name)?),
                other => return Err(PrecisionError::Role(other.to_owned())),
            }
        }
        let scaled = precision.weights.is_some_and(|d| d.bits() <= 8.0);
        if precision.group.is_some() && !scaled {
            return Err(PrecisionError::NoScales);
        }
        Ok(precision)
    }
}

fn group(text: &str) -> Result<u32, PrecisionError> {
    let size = text.trim().parse::<u32>().ok();
    let size = size.filter(|n| (1..=65_536).contains(n));
    size.ok_or_else(|| PrecisionError::Group(text.trim().to_owned()))
}

fn role_dtype(name: &str) -> Result<Dtype, PrecisionError> {
    Dtype::parse(name.trim()).ok_or_else(|| PrecisionError::Unknown(name.trim().to_owned()))
}

impl fmt::Display for Precision {
    /// The shortest text that reads back as the same precision; empty if nothing is asked for.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = Dtype::ALL.iter().map(|d| d.name()).chain(["int8_wo"]);
        for name in names {
            if Self::named(name).is_ok_and(|p| p == *self) {
                return f.write_str(name);
            }
        }
        let roles = [
            ("w", self.weights),
            ("a", self.activations),
            ("kv", self.kv),
            ("acc", self.accumulator),
        ];
        let each = roles.iter();
        let each = each.filter_map(|(role, d)| d.map(|d| format!("{role}={d}")));
        let group = self.group.map(|n| format!("g={n}"));
        let parts: Vec<String> = each.chain(group).collect();
        f.write_str(&parts.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_roles_are_read_and_printed() {
        for text in [
            "bf16",
            "int8",
            "fp8",
            "int4",
            "int8_wo",
            "w=int4,a=bf16,kv=fp8",
            "w=int4,a=bf16,acc=fp16,g=32",
        ] {
            let precision: Precision = text.parse().expect("parses");
            assert_eq!(precision.to_string(), text);
        }
        let mixed: Precision = "bf16/fp8".parse().expect("parses");
        assert_eq!(mixed.kv, Some(Dtype::Fp8));
        assert!("fp9".parse::<Precision>().is_err());
        for wrong in ["x=int8", "w=int4,g=0", "w=bf16,g=32", "g=32", "acc=x"] {
            assert!(wrong.parse::<Precision>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn weight_only_formats_multiply_at_the_activation_type() {
        let int4: Precision = "int4".parse().expect("parses");
        assert_eq!(int4.product(Dtype::Int4, Dtype::Bf16), Dtype::Bf16);
        let fp8: Precision = "fp8".parse().expect("parses");
        assert_eq!(fp8.product(Dtype::Fp8, Dtype::Bf16), Dtype::Fp8);
    }
}
