//! What is known of a tensor while a graph is bound: shape, type, origin, and small contents.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::workload::Dtype;

use super::elem::Elem;
use super::hint::Hint;

/// Sizes of a tensor's axes, outermost first; never negative.
pub(super) type Dims = SmallVec<[i64; 6]>;

/// Contents longer than this are not followed: shapes, index lists and small masks are shorter.
pub(super) const MAX_KNOWN: i64 = 1 << 12;
/// No tensor in use has as many axes; more is a damaged file.
const MAX_RANK: usize = 32;
/// Keeps every later product of two sizes exact and within range.
const MAX_ELEMENTS: i64 = 1 << 53;

/// Why a node's outputs are not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The shape depends on data of the run.
    Open(String),
    /// Sizes, attributes or inputs contradict each other.
    Wrong(String),
}

pub(super) fn wrong<T>(text: impl Into<String>) -> Result<T, Fault> {
    Err(Fault::Wrong(text.into()))
}

pub(super) fn open<T>(text: impl Into<String>) -> Result<T, Fault> {
    Err(Fault::Open(text.into()))
}

/// What a tensor depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Origin {
    /// Initializers and constants only.
    Static,
    /// Sizes of inputs, too.
    Shape,
    /// Contents of inputs.
    Data,
}

/// Contents of a small tensor; truth values are 0 and 1.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Lit {
    Int(Arc<[i64]>),
    Float(Arc<[f64]>),
}

impl Lit {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Int(v) => v.len(),
            Self::Float(v) => v.len(),
        }
    }

    /// Elements at these places; `None` if one is outside.
    pub(super) fn pick(&self, at: impl Iterator<Item = usize>) -> Option<Self> {
        match self {
            Self::Int(v) => at
                .map(|i| v.get(i).copied())
                .collect::<Option<Vec<_>>>()
                .map(|v| Self::Int(v.into())),
            Self::Float(v) => at
                .map(|i| v.get(i).copied())
                .collect::<Option<Vec<_>>>()
                .map(|v| Self::Float(v.into())),
        }
    }

    pub(super) fn float(&self, i: usize) -> Option<f64> {
        match self {
            Self::Int(v) => v.get(i).map(|x| *x as f64),
            Self::Float(v) => v.get(i).copied(),
        }
    }
}

/// Integers that stand for floats.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Stored {
    pub(super) dtype: Dtype,
    /// Bits of scales and zero points for each element.
    pub(super) scale_bits: f64,
}

/// A tensor of known shape.
#[derive(Clone, Debug)]
pub(super) struct Value {
    pub(super) dims: Dims,
    pub(super) elem: Elem,
    pub(super) origin: Origin,
    /// How it is kept where that is not its element type: dequantized tensors.
    pub(super) stored: Option<Stored>,
    pub(super) known: Option<Lit>,
    /// Its tensors, if it is a list of them.
    pub(super) items: Option<Arc<[Value]>>,
    /// A law of its contents, where they may be too long to be followed.
    pub(super) hint: Option<Hint>,
}

impl Value {
    /// A tensor of unknown contents; its origin is set by the caller of the rule.
    pub(super) fn new(dims: Dims, elem: Elem) -> Result<Self, Fault> {
        if dims.len() > MAX_RANK {
            return wrong(format!("a tensor of {} axes", dims.len()));
        }
        if elements(&dims)? > MAX_ELEMENTS {
            return wrong(format!("a tensor of shape {} is too large", show(&dims)));
        }
        Ok(Self {
            dims,
            elem,
            origin: Origin::Static,
            stored: None,
            known: None,
            items: None,
            hint: None,
        })
    }

    /// With contents, if they fit the shape.
    pub(super) fn with(mut self, known: Option<Lit>) -> Self {
        self.known = known.filter(|k| k.len() as i64 == self.elements());
        self
    }

    /// A vector of integers.
    pub(super) fn ints(v: Vec<i64>) -> Result<Self, Fault> {
        let dims = Dims::from_slice(&[v.len() as i64]);
        Ok(Self::new(dims, Elem::I64)?.with(Some(Lit::Int(v.into()))))
    }

    pub(super) fn elements(&self) -> i64 {
        // Checked when it was made.
        self.dims.iter().product()
    }

    pub(super) fn dtype(&self) -> Dtype {
        self.stored.map_or(self.elem.dtype(), |s| s.dtype)
    }

    pub(super) fn is_small(&self) -> bool {
        self.elements() <= MAX_KNOWN
    }
}

/// Product of the sizes.
pub(super) fn elements(dims: &[i64]) -> Result<i64, Fault> {
    let mut product = 1i64;
    // Zeros last, so that an overflow is found whatever the order.
    for &d in dims.iter().filter(|d| **d != 0) {
        if d < 0 {
            return wrong(format!("negative size in shape {}", show(dims)));
        }
        match product.checked_mul(d) {
            Some(p) => product = p,
            None => return wrong(format!("shape {} is too large", show(dims))),
        }
    }
    Ok(if dims.contains(&0) { 0 } else { product })
}

/// `1x3x224x224`.
pub(super) fn show(dims: &[i64]) -> String {
    if dims.is_empty() {
        return "scalar".to_owned();
    }
    let parts: Vec<String> = dims.iter().map(i64::to_string).collect();
    parts.join("x")
}

/// The shape that both broadcast to, by the rules of NumPy.
pub(super) fn broadcast(a: &[i64], b: &[i64]) -> Result<Dims, Fault> {
    let rank = a.len().max(b.len());
    let at = |v: &[i64], i: usize| (i + v.len()).checked_sub(rank).map_or(1, |i| v[i]);
    let mut out = Dims::new();
    for i in 0..rank {
        let (x, y) = (at(a, i), at(b, i));
        out.push(match (x, y) {
            _ if x == y => x,
            (1, _) => y,
            (_, 1) => x,
            _ => return wrong(format!("{} does not broadcast with {}", show(a), show(b))),
        });
    }
    Ok(out)
}

/// `axis` within `rank`, counted from the end if negative.
pub(super) fn axis(axis: i64, rank: usize) -> Result<usize, Fault> {
    let rank_i = rank as i64;
    let at = if axis < 0 {
        axis.checked_add(rank_i)
    } else {
        Some(axis)
    };
    match at {
        Some(at) if (0..rank_i).contains(&at) => Ok(at as usize),
        _ => wrong(format!("axis {axis} of a tensor of {rank} axes")),
    }
}

/// Distances of neighbors along each axis in row-major order.
pub(super) fn strides(dims: &[i64]) -> SmallVec<[usize; 6]> {
    let mut out: SmallVec<[usize; 6]> = SmallVec::from_elem(1, dims.len());
    for i in (1..dims.len()).rev() {
        out[i - 1] = out[i].saturating_mul(dims[i] as usize);
    }
    out
}

/// Index of each axis for a place in row-major order.
pub(super) fn unravel(mut place: usize, dims: &[i64]) -> SmallVec<[usize; 6]> {
    let mut out: SmallVec<[usize; 6]> = SmallVec::from_elem(0, dims.len());
    for i in (0..dims.len()).rev() {
        let n = dims[i].max(1) as usize;
        out[i] = place % n;
        place /= n;
    }
    out
}

/// Places in a tensor of shape `from` that broadcasting to `to` reads, in row-major order of `to`.
pub(super) fn spread(from: &[i64], to: &[i64]) -> Vec<usize> {
    let n = to.iter().product::<i64>() as usize;
    if from == to {
        return (0..n).collect();
    }
    let step = strides(from);
    let skip = to.len().saturating_sub(from.len());
    let along = |axis: usize| match axis.checked_sub(skip) {
        Some(i) if from[i] != 1 => step[i],
        _ => 0,
    };
    walk(to, along, n)
}

/// Row-major order of `dims`, each axis with its own distance in the tensor that is read.
pub(super) fn walk(dims: &[i64], along: impl Fn(usize) -> usize, n: usize) -> Vec<usize> {
    if dims.contains(&0) {
        return Vec::new();
    }
    let mut out = Vec::with_capacity(n);
    out.push(0);
    // Each axis, outermost first, replaces a place by those along it.
    for (axis, &size) in dims.iter().enumerate() {
        let step = along(axis);
        if size == 1 {
            continue;
        }
        let mut next = Vec::with_capacity(out.len().saturating_mul(size.max(0) as usize));
        for start in &out {
            next.extend((0..size as usize).map(|i| start + i * step));
        }
        out = next;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_broadcast_as_in_numpy() {
        assert_eq!(
            broadcast(&[8, 1, 6, 1], &[7, 1, 5])
                .expect("fits")
                .as_slice(),
            [8, 7, 6, 5]
        );
        assert_eq!(broadcast(&[], &[2, 3]).expect("fits").as_slice(), [2, 3]);
        assert_eq!(broadcast(&[1], &[0]).expect("fits").as_slice(), [0]);
        assert!(broadcast(&[2], &[3]).is_err());
        assert_eq!(spread(&[2, 1], &[2, 3]), [0, 0, 0, 1, 1, 1]);
    }

    #[test]
    fn a_shape_too_large_to_count_is_refused() {
        assert!(elements(&[i64::MAX, 2]).is_err());
        assert!(elements(&[0, i64::MAX, 2]).is_err());
        assert!(Value::new(Dims::from_slice(&[1 << 40, 1 << 20]), Elem::F32).is_err());
        assert_eq!(elements(&[0, 5]).expect("fits"), 0);
    }
}
