//! Norms written out: `x / √(mean(x²) + ε) · γ + β`, with or without the mean taken off first.

use super::engine::Fuser;
use crate::import::onnx::call::Work;

/// Operations per element of a norm without and with the mean. Source: as for the operators of their own.
const RMS: f64 = 4.0;
const LAYER: f64 = 8.0;

/// Starts at the mean of the squares.
pub(super) fn fuse(f: &mut Fuser, mean: usize) -> Option<()> {
    let square = f.made_by(f.input(mean, 0)?, &["Pow", "Mul"])?;
    let base = f.input(square, 0)?;
    let squared = match f.op(square) {
        "Mul" => f.input(square, 1)? == base,
        _ => f.value(f.input(square, 1)?)?.known.as_ref()?.float(0)? == 2.0,
    };
    if !squared {
        return None;
    }
    let shift = f.next_is(mean, &["Add"])?;
    let root = f.next_is(shift, &["Sqrt"])?;
    let mut members = vec![square, mean, shift, root];
    let last = f.next_is(root, &["Reciprocal", "Div"])?;
    members.push(last);
    let mut end = last;
    let divides = f.op(last) == "Div" && f.input(last, 0)? == base;
    if !divides {
        end = f.next_is(last, &["Mul"])?;
        if f.other(end, f.out(last)?)? != base {
            return None;
        }
        members.push(end);
    }
    affine(f, &mut members, end);
    let x = front(f, &mut members, base);
    let ops = if members.iter().any(|m| f.op(*m) == "Sub") {
        LAYER
    } else {
        RMS
    };
    let label = if ops == LAYER {
        "LayerNormalization"
    } else {
        "RMSNormalization"
    };
    let elements = f.value(base)?.elements() as f64;
    f.replace(
        &members,
        &[x],
        label,
        Work::Reduce {
            elements,
            ops,
            special: 0.0,
        },
    )
}

/// Weight and bias behind the norm, and the cast between.
fn affine(f: &Fuser, members: &mut Vec<usize>, end: usize) {
    let mut cast = None;
    let mut at = end;
    if let Some(next) = f.next_is(at, &["Cast"]) {
        cast = Some(next);
        at = next;
    }
    for op in ["Mul", "Add"] {
        let Some(next) = f.next_is(at, &[op]) else {
            continue;
        };
        let weight = f.out(at).and_then(|out| f.other(next, out));
        if weight.is_some_and(|w| f.is_fixed(w)) {
            members.extend(cast.take());
            members.push(next);
            at = next;
        }
    }
}

/// The subtraction of the mean, and a cast, before the norm; the tensor that is normalized.
fn front(f: &Fuser, members: &mut Vec<usize>, base: u32) -> u32 {
    let mut x = base;
    if let Some(sub) = f.made_by(base, &["Sub"])
        && let (Some(from), Some(mean)) = (f.input(sub, 0), f.input(sub, 1))
        && let Some(first) = f.made_by(mean, &["ReduceMean"])
        && f.input(first, 0) == Some(from)
    {
        members.extend([first, sub]);
        x = from;
    }
    if let Some(cast) = f.made_by(x, &["Cast"])
        && let Some(from) = f.input(cast, 0)
        && f.readers(x).iter().all(|r| members.contains(r))
    {
        members.push(cast);
        x = from;
    }
    x
}
