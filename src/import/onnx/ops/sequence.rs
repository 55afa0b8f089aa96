//! Lists of tensors: made, changed and taken apart at places known before the run.

use super::Rule;
use crate::import::onnx::call::{Call, Reply, Work, known_ints, like};
use crate::import::onnx::elem::Elem;
use crate::import::onnx::value::{Dims, Fault, Lit, Value, axis, open, show, wrong};

pub(super) fn rule(op: &str) -> Option<Rule> {
    Some(match op {
        "SequenceEmpty" => |_| list(Vec::new()),
        "Optional" => optional,
        "OptionalGetElement" => |c| Ok(Reply::one(c.need(0)?.clone(), Work::Free)),
        "OptionalHasElement" => has_element,
        "SequenceConstruct" => construct,
        "SequenceInsert" => insert,
        "SequenceErase" => erase,
        "SequenceAt" => at,
        "SequenceLength" => length,
        "ConcatFromSequence" => concat,
        "SplitToSequence" => split,
        _ => return None,
    })
}

fn list(items: Vec<Value>) -> Result<Reply, Fault> {
    Ok(Reply::one(value(items)?, Work::Free))
}

/// A list counts as one tensor of all its elements.
pub(in crate::import::onnx) fn value(items: Vec<Value>) -> Result<Value, Fault> {
    let n = items
        .iter()
        .try_fold(0i64, |sum, v| sum.checked_add(v.elements()));
    let Some(n) = n else {
        return wrong("a list too large");
    };
    let elem = items.first().map_or(Elem::F32, |v| v.elem);
    let mut out = Value::new(Dims::from_slice(&[n]), elem)?;
    out.items = Some(items.into());
    Ok(out)
}

/// The tensor itself, or an empty list for nothing.
fn optional(c: &Call) -> Result<Reply, Fault> {
    match c.get(0) {
        Some(v) => Ok(Reply::one(v.clone(), Work::Free)),
        None => list(Vec::new()),
    }
}

fn has_element(c: &Call) -> Result<Reply, Fault> {
    let is_there = match c.get(0) {
        None => Some(false),
        Some(v) => match &v.items {
            // An empty list may be there or stand for nothing.
            Some(items) if items.is_empty() => None,
            Some(_) | None => Some(true),
        },
    };
    let known = is_there.map(|x| Lit::Int([i64::from(x)].into()));
    let out = Value::new(Dims::new(), Elem::Bool)?.with(known);
    Ok(Reply::one(out, Work::Free))
}

fn items(c: &Call) -> Result<Vec<Value>, Fault> {
    match &c.need(0)?.items {
        Some(items) => Ok(items.to_vec()),
        None => open("the list is given at run time"),
    }
}

fn construct(c: &Call) -> Result<Reply, Fault> {
    let each = (0..c.ins.len()).map(|i| c.need(i).cloned());
    list(each.collect::<Result<_, _>>()?)
}

/// Place in a list of `n`, counted from the end if negative; `default` without an input.
fn place(c: &Call, input: usize, n: usize, default: usize) -> Result<usize, Fault> {
    match c.get(input) {
        None => Ok(default),
        Some(v) => match known_ints(v)?.first() {
            Some(i) => axis(*i, n),
            None => wrong("an empty position"),
        },
    }
}

fn insert(c: &Call) -> Result<Reply, Fault> {
    let mut all = items(c)?;
    let i = place(c, 2, all.len() + 1, all.len())?;
    all.insert(i, c.need(1)?.clone());
    list(all)
}

fn erase(c: &Call) -> Result<Reply, Fault> {
    let mut all = items(c)?;
    if all.is_empty() {
        return wrong("nothing to erase");
    }
    all.remove(place(c, 1, all.len(), all.len() - 1)?);
    list(all)
}

fn at(c: &Call) -> Result<Reply, Fault> {
    let all = items(c)?;
    let i = match place(c, 1, all.len(), 0) {
        Err(Fault::Open(_)) => {
            let largest = all.iter().max_by_key(|v| v.elements());
            let found = largest.map(|v| like(v, v.dims.clone())).transpose()?;
            let Some(found) = found else {
                return open("the list is empty so far");
            };
            return Ok(Reply::one(found, Work::Free).at_most("the largest of the list"));
        }
        other => other?,
    };
    match all.get(i) {
        Some(v) => Ok(Reply::one(v.clone(), Work::Free)),
        None => wrong("a position outside of the list"),
    }
}

fn length(c: &Call) -> Result<Reply, Fault> {
    let n = items(c)?.len() as i64;
    let out = Value::new(Dims::new(), Elem::I64)?.with(Some(Lit::Int(vec![n].into())));
    Ok(Reply::one(out, Work::Free))
}

fn concat(c: &Call) -> Result<Reply, Fault> {
    let all = items(c)?;
    let Some(first) = all.first() else {
        return wrong("an empty list has no shape");
    };
    let new = c.int("new_axis", 0) != 0;
    let mut dims = first.dims.clone();
    let k = axis(c.int("axis", 0), dims.len() + usize::from(new))?;
    if new {
        dims.insert(k, all.len() as i64);
    } else {
        let sum = all
            .iter()
            .try_fold(0i64, |sum, v| sum.checked_add(*v.dims.get(k)?));
        match sum {
            Some(sum) => dims[k] = sum,
            None => {
                return wrong(format!(
                    "a list that does not join along axis {k} of {}",
                    show(&dims)
                ));
            }
        }
    }
    Ok(Reply::one(Value::new(dims, first.elem)?, Work::Copy))
}

/// Parts beyond this number are not listed.
const MAX_PARTS: i64 = 1 << 10;

fn split(c: &Call) -> Result<Reply, Fault> {
    let x = c.need(0)?;
    let k = axis(c.int("axis", 0), x.dims.len())?;
    let n = x.dims[k];
    let given = c
        .get(1)
        .map(|v| Ok((known_ints(v)?, v.dims.is_empty())))
        .transpose()?;
    let (sizes, drop) = match given {
        Some((list, false)) => (list, false),
        Some((list, true)) => match list.first() {
            Some(&each) if each > 0 && n / each < MAX_PARTS => {
                let whole = (0..n).step_by(usize::try_from(each).unwrap_or(usize::MAX));
                (whole.map(|start| each.min(n - start)).collect(), false)
            }
            _ => return wrong("parts of no size, or too many"),
        },
        None if n < MAX_PARTS => (vec![1; n as usize], c.int("keepdims", 1) == 0),
        None => return wrong(format!("{n} parts")),
    };
    let part = |size: i64| {
        let mut dims = x.dims.clone();
        if drop {
            dims.remove(k);
        } else {
            dims[k] = size;
        }
        Value::new(dims, x.elem)
    };
    let mut reply = list(sizes.into_iter().map(part).collect::<Result<_, _>>()?)?;
    reply.work = Work::Copy;
    Ok(reply)
}
