//! Zeros in a tensor: their pattern, and what a compressed tensor occupies.

use std::fmt;
use std::str::FromStr;

/// Which elements of a tensor are zero. Stored compressed: zeros are left out, places are added.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sparsity {
    /// At most `keep` of each `group` elements along the summed rank are nonzero, as sparse tensor cores
    /// want it: `2:4`.
    Structured {
        /// Nonzero elements of a group.
        keep: u32,
        /// Elements of a group.
        group: u32,
    },
    /// This share of the elements, anywhere, is nonzero.
    Unstructured {
        /// From above 0 to 1.
        density: f64,
    },
}

/// Why a pattern could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a sparsity; write a pattern such as 2:4, or the share of zeros from 0 to below 1, such as 0.9"
)]
pub struct SparsityError(String);

impl Sparsity {
    /// Share of nonzero elements.
    pub fn density(self) -> f64 {
        match self {
            Self::Structured { keep, group } => f64::from(keep) / f64::from(group),
            Self::Unstructured { density } => density,
        }
    }

    /// Bits of an element in compressed storage: its share of a nonzero, and its place.
    ///
    /// Structured: `density · (bits + log2 group)`; unstructured: `density · bits + 1` (a bitmap).
    ///
    /// Source: Mishra et al., "Accelerating Sparse Deep Neural Networks", 2021, section 3 (2-bit index per
    /// kept element of 2:4); bitmap: derived. Never more than the dense form.
    pub fn stored_bits(self, bits: f64) -> f64 {
        let packed = match self {
            Self::Structured { group, .. } => {
                self.density() * (bits + f64::from(group).log2().ceil())
            }
            Self::Unstructured { density } => density * bits + 1.0,
        };
        packed.min(bits)
    }
}

impl FromStr for Sparsity {
    type Err = SparsityError;

    fn from_str(text: &str) -> Result<Self, SparsityError> {
        let wrong = || SparsityError(text.to_owned());
        let trimmed = text.trim();
        if let Some((keep, group)) = trimmed.split_once(':') {
            let of = |t: &str| t.trim().parse::<u32>().map_err(|_| wrong());
            let (keep, group) = (of(keep)?, of(group)?);
            let valid = keep >= 1 && keep <= group && group <= 1024;
            return valid
                .then_some(Self::Structured { keep, group })
                .ok_or_else(wrong);
        }
        let zeros: f64 = trimmed.parse().map_err(|_| wrong())?;
        let valid = (0.0..1.0).contains(&zeros);
        valid
            .then_some(Self::Unstructured {
                density: 1.0 - zeros,
            })
            .ok_or_else(wrong)
    }
}

impl fmt::Display for Sparsity {
    /// The text that reads back as the same pattern.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Structured { keep, group } => write!(f, "{keep}:{group}"),
            // Shares are read with a few digits; the difference to 1 must not grow more.
            Self::Unstructured { density } => {
                write!(f, "{}", (1e12 * (1.0 - density)).round() / 1e12)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_read_and_printed() {
        for text in ["2:4", "1:8", "0.9", "0"] {
            let read: Sparsity = text.parse().expect("parses");
            assert_eq!(read.to_string(), text);
        }
        for text in [
            "4:2", "0:4", "1", "-0.1", "2:", "x", "1e9:2", "2:99999", "nan",
        ] {
            assert!(text.parse::<Sparsity>().is_err(), "{text}");
        }
    }

    #[test]
    fn compressed_bits_equal_a_count_by_hand() {
        // 2:4 of 16 bits: two values of four and two 2-bit places: 36 bits for 4 elements.
        let half = Sparsity::Structured { keep: 2, group: 4 };
        assert_eq!(half.stored_bits(16.0), 9.0);
        // A tenth of 16 bits and a bit of the map.
        let tenth = Sparsity::Unstructured { density: 0.1 };
        assert!((tenth.stored_bits(16.0) - 2.6).abs() < 1e-12);
        // Hardly sparse: the dense form is smaller.
        let most = Sparsity::Unstructured { density: 0.99 };
        assert_eq!(most.stored_bits(8.0), 8.0);
    }
}
