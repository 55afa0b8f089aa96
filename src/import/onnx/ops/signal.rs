//! Fourier transforms, windows and filter banks.

use smallvec::smallvec;

use super::Rule;
use crate::import::onnx::call::{Call, Reply, Work, known_ints, like};
use crate::import::onnx::elem::Elem;
use crate::import::onnx::value::{Dims, Fault, Value, axis, open, wrong};

pub(super) fn rule(op: &str) -> Option<Rule> {
    Some(match op {
        "DFT" => dft,
        "STFT" => stft,
        "MelWeightMatrix" => mel,
        "HannWindow" | "HammingWindow" | "BlackmanWindow" => window,
        _ => return None,
    })
}

fn scalar(c: &Call, i: usize) -> Result<Option<i64>, Fault> {
    match c.get(i) {
        None => Ok(None),
        Some(v) => match known_ints(v)?.first() {
            Some(n) => Ok(Some(*n)),
            None => wrong(format!("input {i} is empty")),
        },
    }
}

/// Five operations per element and doubling, as of a transform by radix 2.
///
/// Source: Van Loan, Computational Frameworks for the Fast Fourier Transform, 1992: `5 n log2 n`.
fn transform(transforms: f64, n: i64) -> Work {
    Work::Reduce {
        elements: transforms * n as f64,
        ops: 5.0 * (n.max(2) as f64).log2(),
        special: 0.0,
    }
}

fn dft(c: &Call) -> Result<Reply, Fault> {
    let x = c.need(0)?;
    let rank = x.dims.len();
    if rank < 2 {
        return wrong("a signal without an axis for its parts");
    }
    // Up to operator set 19 the axis is an attribute.
    let along = match scalar(c, 2)? {
        Some(at) => at,
        None => c.int("axis", if c.opset() < 20 { 1 } else { -2 }),
    };
    let at = axis(along, rank)?;
    let (one_sided, inverse) = (c.int("onesided", 0) != 0, c.int("inverse", 0) != 0);
    let n = match scalar(c, 1)? {
        Some(n) => n,
        None if one_sided && inverse => x.dims[at].saturating_sub(1).saturating_mul(2),
        None => x.dims[at],
    };
    let mut dims = x.dims.clone();
    dims[at] = if one_sided && !inverse { n / 2 + 1 } else { n };
    dims[rank - 1] = if one_sided && inverse { 1 } else { 2 };
    let out = like(x, dims)?;
    let others = x.dims[..rank - 1].iter().enumerate();
    let transforms = others
        .filter(|(i, _)| *i != at)
        .map(|(_, d)| *d as f64)
        .product();
    Ok(Reply::one(out, transform(transforms, n)))
}

fn stft(c: &Call) -> Result<Reply, Fault> {
    let x = c.need(0)?;
    let (Some(&batch), Some(&length)) = (x.dims.first(), x.dims.get(1)) else {
        return wrong("a signal of fewer than two axes");
    };
    let Some(step) = scalar(c, 1)?.filter(|s| *s > 0) else {
        return wrong("its step is not a positive number");
    };
    let frame = match (scalar(c, 3)?, c.get(2)) {
        (Some(n), _) => n,
        (None, Some(w)) => w.elements(),
        (None, None) => return wrong("it has neither a window nor a frame length"),
    };
    if frame < 1 || frame > length {
        return wrong(format!("frames of {frame} in a signal of {length}"));
    }
    let frames = (length - frame) / step + 1;
    let bins = if c.int("onesided", 1) != 0 {
        frame / 2 + 1
    } else {
        frame
    };
    let out = like(x, Dims::from_slice(&[batch, frames, bins, 2]))?;
    Ok(Reply::one(
        out,
        transform(batch as f64 * frames as f64, frame),
    ))
}

fn typed(c: &Call, name: &str) -> Elem {
    let code = i32::try_from(c.int(name, 1)).unwrap_or(1);
    Elem::of(code).unwrap_or(Elem::F32)
}

fn mel(c: &Call) -> Result<Reply, Fault> {
    let (Some(bins), Some(n)) = (scalar(c, 0)?, scalar(c, 1)?) else {
        return open("the number of bins is computed at run time");
    };
    let dims = Dims::from_slice(&[n.max(0) / 2 + 1, bins]);
    let out = Value::new(dims, typed(c, "output_datatype"))?;
    Ok(Reply::one(out, Work::Copy))
}

fn window(c: &Call) -> Result<Reply, Fault> {
    let Some(n) = scalar(c, 0)? else {
        return wrong("it has no size");
    };
    let out = Value::new(Dims::from_slice(&[n]), typed(c, "output_datatype"))?;
    let work = Work::Map {
        ops: 4.0,
        special: 1.0,
    };
    Ok(Reply::many(smallvec![out], work))
}
