//! Rotary embedding written out: `x·cos + rotated(x)·sin`, in halves or interleaved.

use super::engine::Fuser;
use crate::import::onnx::call::Work;

/// Two multiplications and an addition per element.
const WORK: Work = Work::Map {
    ops: 3.0,
    special: 0.0,
};

/// Starts at the negation in `concat(-x2, x1)`.
pub(super) fn rotate(f: &mut Fuser, neg: usize) -> Option<()> {
    let mut members = vec![neg];
    let x = part(f, f.input(neg, 0)?, &mut members)?;
    let mut at = neg;
    let mut joined = None;
    // Interleaved halves get an axis of their own first, and lose it behind.
    for _ in 0..4 {
        at = f.next(at)?;
        match (f.op(at), joined) {
            ("Unsqueeze" | "Reshape", _) => members.push(at),
            ("Concat", None) => {
                joined = Some(at);
                members.push(at);
            }
            ("Mul", Some(_)) => break,
            _ => return None,
        }
    }
    let concat = joined?;
    for ix in f.ins(concat).to_vec() {
        let mut from = ix;
        if let Some(view) = f.made_by(from, &["Unsqueeze"]) {
            from = f.input(view, 0)?;
            members.push(view);
        }
        if f.maker(from) != Some(neg) && part(f, from, &mut members)? != x {
            return None;
        }
    }
    let with_sine = at;
    let sum = f.next_is(with_sine, &["Add"])?;
    let with_cosine = f.maker(f.other(sum, f.out(with_sine)?)?)?;
    if f.op(with_cosine) != "Mul" {
        return None;
    }
    let mut cosine = f.ins(with_cosine).iter();
    if !cosine.any(|ix| *ix == x) {
        return None;
    }
    members.extend([with_sine, sum, with_cosine]);
    finish(f, members, x)
}

/// Starts at `x1·cos - x2·sin`, which is joined with `x2·cos + x1·sin`.
pub(super) fn pair(f: &mut Fuser, sub: usize) -> Option<()> {
    let mut members = vec![sub];
    let factors = |f: &Fuser, step: usize| -> Option<[usize; 2]> {
        let [a, b] = *f.ins(step) else { return None };
        Some([f.made_by(a, &["Mul"])?, f.made_by(b, &["Mul"])?])
    };
    let mut at = f.next(sub)?;
    if f.op(at) == "Unsqueeze" {
        members.push(at);
        at = f.next(at)?;
    }
    if f.op(at) != "Concat" {
        return None;
    }
    members.push(at);
    let mut add = None;
    for ix in f.ins(at).to_vec() {
        let mut from = ix;
        if let Some(view) = f.made_by(from, &["Unsqueeze"]) {
            from = f.input(view, 0)?;
            members.push(view);
        }
        if f.maker(from) != Some(sub) {
            add = Some(f.made_by(from, &["Add"])?);
        }
    }
    let add = add?;
    let products = [factors(f, sub)?, factors(f, add)?].concat();
    members.push(add);
    members.extend(&products);
    // Each product has a half of x and a sine or cosine.
    let mut x = None;
    for product in products {
        let found = f.ins(product).to_vec();
        let halves = found.iter().filter_map(|ix| part(f, *ix, &mut members));
        let whole = halves.into_iter().next()?;
        if *x.get_or_insert(whole) != whole {
            return None;
        }
    }
    if let Some(view) = f.next_is(at, &["Reshape"]) {
        members.push(view);
    }
    finish(f, members, x?)
}

/// The tensor that a half is cut out of.
fn part(f: &Fuser, half: u32, members: &mut Vec<usize>) -> Option<u32> {
    let cut = f.made_by(half, &["Slice", "Split", "Gather"])?;
    members.push(cut);
    let mut whole = f.input(cut, 0)?;
    if let Some(view) = f.made_by(whole, &["Reshape"]) {
        let inner = |r: &usize| matches!(f.op(*r), "Slice" | "Split" | "Gather");
        if f.readers(whole).iter().all(inner) {
            members.push(view);
            whole = f.input(view, 0)?;
        }
    }
    Some(whole)
}

/// A transpose in front is a matter of how the kernel reads.
fn finish(f: &mut Fuser, mut members: Vec<usize>, mut x: u32) -> Option<()> {
    if let Some(turn) = f.made_by(x, &["Transpose"])
        && f.readers(x).iter().all(|r| members.contains(r))
    {
        members.push(turn);
        x = f.input(turn, 0)?;
    }
    f.replace(&members, &[x], "RotaryEmbedding", WORK)
}
