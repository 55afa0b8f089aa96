//! Einsums: ranks with sizes, and one affine projection per operand.
//!
//! Everything that a mapper knows comes from this: a GEMM, a strided dilated convolution, a depthwise
//! or a batched product differ only in ranks and projections.

use std::fmt;

use smallvec::{SmallVec, smallvec};

/// Which operands a rank appears in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// All three operands: batch of independent products, groups.
    G,
    /// Left operand and result.
    M,
    /// Right operand and result.
    N,
    /// Both inputs: summed over.
    K,
}

/// Name of a rank, at most [`RankName::LONGEST`] bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RankName([u8; Self::LONGEST]);

impl RankName {
    /// Bytes of the longest name.
    pub const LONGEST: usize = 15;

    /// `None` if the name is empty or too long.
    pub fn new(name: &str) -> Option<Self> {
        let mut bytes = [0; Self::LONGEST];
        let place = bytes.get_mut(..name.len())?;
        place.copy_from_slice(name.as_bytes());
        (!name.is_empty()).then_some(Self(bytes))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        let end = self.0.iter().position(|b| *b == 0);
        let bytes = &self.0[..end.unwrap_or(Self::LONGEST)];
        std::str::from_utf8(bytes).expect("made from a str")
    }
}

impl fmt::Display for RankName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for RankName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// One iteration dimension.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rank {
    /// Short name: `M N K` of a product; `G B P Q N C R S` of a convolution (`O`, `T` for depth).
    pub name: RankName,
    /// Iterations.
    pub size: u64,
    /// Which operands it appears in.
    pub class: Class,
}

/// Operand slots of a matrix engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Slot {
    /// Left input: activations of a layer.
    Lhs,
    /// Right input: weights of a layer.
    Rhs,
    /// Result and its partial sums.
    Acc,
}

impl Slot {
    /// All three.
    pub const ALL: [Self; 3] = [Self::Lhs, Self::Rhs, Self::Acc];

    /// As in chip and problem files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lhs => "lhs",
            Self::Rhs => "rhs",
            Self::Acc => "acc",
        }
    }
}

/// `coefficient · rank`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Term {
    /// Index into [`Einsum::ranks`].
    pub rank: u8,
    /// Stride or dilation.
    pub coefficient: u32,
}

/// One axis of an operand: a sum of one or two terms, and its size in the tensor.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Axis {
    /// `stride · p + dilation · r`, or a single rank.
    pub terms: SmallVec<[Term; 2]>,
    /// Elements along the axis in the stored tensor (padding is not stored).
    pub size: u64,
}

/// How an operand's axes follow from the ranks.
pub type Projection = SmallVec<[Axis; 5]>;

/// `acc[..] += lhs[..] · rhs[..]` over all ranks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Einsum {
    /// Iteration dimensions; sizes are at least 1.
    pub ranks: SmallVec<[Rank; 8]>,
    /// Left input.
    pub lhs: Projection,
    /// Right input.
    pub rhs: Projection,
    /// Result.
    pub acc: Projection,
}

/// One spatial dimension of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvDim {
    /// Stored input size, without padding.
    pub input: u64,
    /// Output size.
    pub output: u64,
    /// Kernel size.
    pub kernel: u64,
    /// Step between outputs.
    pub stride: u32,
    /// Step between kernel taps.
    pub dilation: u32,
}

impl Einsum {
    /// `acc[g, m, n] = Σ_k lhs[g, m, k] · rhs[g, k, n]`.
    pub fn matmul(g: u64, m: u64, n: u64, k: u64) -> Self {
        let ranks = smallvec![
            rank("G", g, Class::G),
            rank("M", m, Class::M),
            rank("N", n, Class::N),
            rank("K", k, Class::K),
        ];
        let one = |i: u8, size| Axis {
            terms: smallvec![Term {
                rank: i,
                coefficient: 1
            }],
            size,
        };
        Self {
            ranks,
            lhs: smallvec![one(0, g), one(1, m), one(3, k)],
            rhs: smallvec![one(0, g), one(3, k), one(2, n)],
            acc: smallvec![one(0, g), one(1, m), one(2, n)],
        }
    }

    /// A convolution of up to three spatial dimensions, outermost first.
    ///
    /// `acc[b, g, n, p..] = Σ_{c, r..} lhs[b, g, c, stride·p + dilation·r ..] · rhs[g, n, c, r..]`,
    /// with `n` output and `c` input channels per group.
    pub fn conv(batch: u64, groups: u64, n: u64, c: u64, dims: &[ConvDim]) -> Self {
        const OUT: [&str; 3] = ["O", "P", "Q"];
        const TAP: [&str; 3] = ["T", "R", "S"];
        let skip = 3 - dims.len().min(3);
        let mut ranks: SmallVec<[Rank; 8]> = smallvec![
            rank("G", groups, Class::G),
            rank("B", batch, Class::M),
            rank("N", n, Class::N),
            rank("C", c, Class::K),
        ];
        let one = |i: u8, size| Axis {
            terms: smallvec![Term {
                rank: i,
                coefficient: 1
            }],
            size,
        };
        let mut lhs: Projection = smallvec![one(1, batch), one(0, groups), one(3, c)];
        let mut rhs: Projection = smallvec![one(0, groups), one(2, n), one(3, c)];
        let mut acc: Projection = smallvec![one(1, batch), one(0, groups), one(2, n)];
        for (i, dim) in dims.iter().take(3).enumerate() {
            let at = ranks.len() as u8;
            ranks.push(rank(OUT[i + skip], dim.output, Class::M));
            ranks.push(rank(TAP[i + skip], dim.kernel, Class::K));
            let (out, tap) = (
                Term {
                    rank: at,
                    coefficient: dim.stride,
                },
                Term {
                    rank: at + 1,
                    coefficient: dim.dilation,
                },
            );
            lhs.push(Axis {
                terms: smallvec![out, tap],
                size: dim.input,
            });
            rhs.push(one(at + 1, dim.kernel));
            acc.push(one(at, dim.output));
        }
        Self {
            ranks,
            lhs,
            rhs,
            acc,
        }
    }

    /// Multiply-accumulates: the product of all rank sizes.
    pub fn macs(&self) -> f64 {
        self.ranks.iter().map(|r| r.size as f64).product()
    }

    /// The projection of a slot.
    pub fn operand(&self, slot: Slot) -> &Projection {
        match slot {
            Slot::Lhs => &self.lhs,
            Slot::Rhs => &self.rhs,
            Slot::Acc => &self.acc,
        }
    }

    /// Product of the sizes of all ranks of a class.
    pub fn size(&self, class: Class) -> u64 {
        let of_class = self.ranks.iter().filter(|r| r.class == class);
        of_class.fold(1, |product: u64, r| product.saturating_mul(r.size))
    }

    /// Whether a rank moves the operand of a slot.
    pub fn is_relevant(&self, slot: Slot, rank: usize) -> bool {
        match (self.ranks[rank].class, slot) {
            (Class::G, _)
            | (Class::M, Slot::Lhs | Slot::Acc)
            | (Class::N, Slot::Rhs | Slot::Acc)
            | (Class::K, Slot::Lhs | Slot::Rhs) => true,
            (Class::M, Slot::Rhs) | (Class::N, Slot::Lhs) | (Class::K, Slot::Acc) => false,
        }
    }

    /// Distinct elements of an operand that a box of iterations touches.
    ///
    /// `extents: [rank]` gives the box. Distinct points are counted, not the bounding box.
    pub fn footprint(&self, slot: Slot, extents: &[u64]) -> f64 {
        let axes = self.operand(slot).iter();
        axes.map(|axis| axis.distinct(extents) as f64).product()
    }

    /// Elements of an operand that the whole operator touches.
    pub fn elements(&self, slot: Slot) -> f64 {
        let full: SmallVec<[u64; 8]> = self.ranks.iter().map(|r| r.size).collect();
        self.footprint(slot, &full)
    }
}

impl Axis {
    /// Distinct values of the axis over a box of iterations, at most its size.
    ///
    /// For `s·p + d·r` with `p < P`, `r < R` and `s`, `d` divided by their common divisor, two points
    /// coincide exactly if they differ by `(d, -s)`; so `P·R - max(0, P - d)·max(0, R - s)` differ.
    ///
    /// Source: derived.
    pub fn distinct(&self, extents: &[u64]) -> u64 {
        let points = match self.terms.as_slice() {
            [a, b] => {
                let (p, r) = (extents[a.rank as usize], extents[b.rank as usize]);
                let (s, d) = (u64::from(a.coefficient), u64::from(b.coefficient));
                let common = if s == 1 || d == 1 { 1 } else { gcd(s, d) };
                let (s, d) = (s / common, d / common);
                let all = p.saturating_mul(r);
                all - p
                    .saturating_sub(d)
                    .saturating_mul(r.saturating_sub(s))
                    .min(all)
            }
            terms => terms.iter().fold(1, |product: u64, t| {
                product.saturating_mul(extents[t.rank as usize])
            }),
        };
        points.min(self.size)
    }
}

fn rank(name: &str, size: u64, class: Class) -> Rank {
    Rank {
        name: RankName::new(name).expect("a letter"),
        size: size.max(1),
        class,
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a.max(1) } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn distinct_points_equal_a_count_by_hand() {
        for (stride, dilation) in [(1, 1), (2, 1), (1, 2), (2, 2), (3, 2), (2, 3), (4, 2)] {
            for (p, r) in [(1, 1), (1, 3), (5, 1), (4, 3), (7, 5)] {
                let axis = Axis {
                    terms: smallvec![
                        Term {
                            rank: 0,
                            coefficient: stride
                        },
                        Term {
                            rank: 1,
                            coefficient: dilation
                        }
                    ],
                    size: u64::MAX,
                };
                let mut seen = BTreeSet::new();
                for i in 0..p {
                    for j in 0..r {
                        seen.insert(u64::from(stride) * i + u64::from(dilation) * j);
                    }
                }
                let found = axis.distinct(&[p, r]);
                assert_eq!(found, seen.len() as u64, "{stride} {dilation} {p} {r}");
            }
        }
    }

    #[test]
    fn a_strided_pointwise_convolution_touches_a_quarter_of_its_input() {
        let dim = ConvDim {
            input: 56,
            output: 28,
            kernel: 1,
            stride: 2,
            dilation: 1,
        };
        let conv = Einsum::conv(1, 1, 128, 64, &[dim, dim]);
        assert_eq!(conv.elements(Slot::Lhs), 64.0 * 28.0 * 28.0);
        assert_eq!(conv.macs(), 28.0 * 28.0 * 128.0 * 64.0);
    }
}
