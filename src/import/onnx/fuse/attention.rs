//! `softmax(q·kᵀ · scale + mask)·v` written out, and keys and values behind those of the past.

use super::engine::Fuser;
use crate::import::onnx::call::{Heads, Work};
use crate::import::onnx::hint;
use crate::import::onnx::walk::Effort;
use crate::workload::{Class, Einsum, Mask};

/// Steps between the product and the softmax that keep every score in its place.
const BETWEEN: [&str; 8] = [
    "Add", "Sub", "Mul", "Div", "Where", "Cast", "Dropout", "Identity",
];

/// Starts at the softmax. The mask is read from what is added to the scores or chooses among them, where
/// that follows from places alone.
pub(super) fn fuse(f: &mut Fuser, softmax: usize) -> Option<()> {
    let mut members = vec![softmax];
    let scores = before(f, softmax, &mut members)?;
    let values = behind(f, softmax, &mut members)?;
    members.extend([scores, values]);
    let (
        Work::Product {
            einsum: qk,
            lhs: 0,
            rhs: 1,
        },
        Work::Product {
            einsum: pv,
            lhs: 0,
            rhs: 1,
        },
    ) = (f.work(scores)?, f.work(values)?)
    else {
        return None;
    };
    let (q, k, v) = (
        f.input(scores, 0)?,
        f.input(scores, 1)?,
        f.input(values, 1)?,
    );
    let mut sizes = heads(qk, pv, &f.value(q)?.dims)?;
    let beside = members.iter().filter(|m| BETWEEN.contains(&f.op(**m)));
    let beside = beside.flat_map(|m| f.ins(*m)).filter_map(|ix| f.value(*ix));
    if let Some(mask) = hint::mask(beside, sizes.q_len, sizes.kv_len) {
        sizes.mask = mask;
    }
    let bare = (members.clone(), [q, k, v], sizes);
    let (members, operands, sizes) = shed(f, bare.clone()).unwrap_or(bare);
    // Named after the product with the values, whatever the last step is.
    let node = f.steps[values].as_ref()?.node;
    f.replace(
        &members,
        &operands,
        "Attention",
        Work::Attend(Box::new(sizes)),
    )?;
    f.steps[*members.iter().max()?].as_mut()?.node = node;
    Some(())
}

/// An operator of its own whose operands are repeated or turned in front of it.
pub(super) fn share(f: &mut Fuser, step: usize) -> Option<()> {
    let [q, k, v, ..] = *f.ins(step) else {
        return None;
    };
    let Work::Attend(sizes) = f.work(step)? else {
        return None;
    };
    let bare = (vec![step], [q, k, v], **sizes);
    let (members, operands, sizes) = shed(f, bare)?;
    if members.len() == 1 {
        return None;
    }
    f.replace(
        &members,
        &operands,
        "Attention",
        Work::Attend(Box::new(sizes)),
    )
}

/// Steps, operands and sizes of an attention.
type Found = (Vec<usize>, [u32; 3], Heads);

/// Takes in what a fused kernel does while it reads and writes: transposes, constant scales, and the
/// repetition of shared key and value heads.
fn shed(f: &Fuser, (mut members, operands, mut sizes): Found) -> Option<Found> {
    let [q, k, v] = operands.map(|ix| source(f, ix, &mut members));
    let heads = |ix: u32, width: i64| {
        let each = sizes.batch.checked_mul(sizes.kv_len)?.checked_mul(width)?;
        let n = f.value(ix)?.elements();
        (each > 0 && n % each == 0).then_some(n / each)
    };
    let (of_k, of_v) = (heads(k, sizes.qk_dim)?, heads(v, sizes.v_dim)?);
    let whole = sizes
        .batch
        .checked_mul(sizes.q_heads)?
        .checked_mul(sizes.q_len)?
        .checked_mul(sizes.qk_dim)?;
    let shared = of_k == of_v && of_k >= 1 && sizes.q_heads % of_k == 0;
    if !shared || f.value(q)?.elements() != whole {
        return None;
    }
    sizes.kv_heads = of_k;
    let last = *members.iter().max()?;
    if let Some(next) = f.next_is(last, &["Transpose"]) {
        members.push(next);
    }
    Some((members, [q, k, v], sizes))
}

/// The tensor behind changes of layout that only this attention reads.
fn source(f: &Fuser, mut ix: u32, members: &mut Vec<usize>) -> u32 {
    for _ in 0..12 {
        let mine = |i: &usize| f.next(*i).is_some_and(|n| members.contains(&n));
        let Some(step) = f.maker(ix).filter(mine) else {
            break;
        };
        let one = |s: &u32| f.is_fixed(*s) && f.value(*s).is_some_and(|v| v.elements() == 1);
        let scale = f.op(step) == "Mul" && f.ins(step).iter().any(one);
        let view = [
            "Reshape",
            "Unsqueeze",
            "Squeeze",
            "Identity",
            "Transpose",
            "Expand",
        ]
        .contains(&f.op(step));
        let from = f.ins(step).iter().copied().find(|i| !f.is_fixed(*i));
        let Some(from) = from.filter(|_| scale || view) else {
            break;
        };
        members.push(step);
        ix = from;
    }
    ix
}

fn heads(qk: &Einsum, pv: &Einsum, q: &[i64]) -> Option<Heads> {
    let of = |e: &Einsum, class| i64::try_from(e.size(class)).ok();
    let (g, q_len, kv_len, qk_dim) = (
        of(qk, Class::G)?,
        of(qk, Class::M)?,
        of(qk, Class::N)?,
        of(qk, Class::K)?,
    );
    let v_dim = of(pv, Class::N)?;
    let same = of(pv, Class::G)? == g && of(pv, Class::M)? == q_len && of(pv, Class::K)? == kv_len;
    let (batch, heads) = match q {
        [b, h, s, _] if b.checked_mul(*h) == Some(g) && *s == q_len => (*b, *h),
        [gh, s, _] if *gh == g && *s == q_len => (1, g),
        _ => return None,
    };
    same.then_some(Heads {
        batch,
        q_heads: heads,
        kv_heads: heads,
        q_len,
        kv_len,
        qk_dim,
        v_dim,
        mask: Mask::Full,
    })
}

/// The product that the scores come from.
fn before(f: &Fuser, softmax: usize, members: &mut Vec<usize>) -> Option<usize> {
    let mut at = f.input(softmax, 0)?;
    let n = f.value(at)?.elements();
    // Scale, mask, bias and casts: more in a row is something else.
    for _ in 0..8 {
        if let Some(product) = f.made_by(at, &["MatMul"]) {
            return Some(product);
        }
        let step = f.maker(at)?;
        if !BETWEEN.contains(&f.op(step)) && !matches!(f.work(step)?, Work::Free) {
            return None;
        }
        members.push(step);
        let whole =
            |ix: &u32| f.value(*ix).is_some_and(|v| v.elements() == n) && f.maker(*ix).is_some();
        let from: Vec<u32> = f.ins(step).iter().copied().filter(whole).collect();
        let direct = from
            .iter()
            .find(|ix| f.made_by(**ix, &["MatMul"]).is_some());
        at = *direct.or(from.first())?;
    }
    None
}

/// The product with the values; exporters replace rows that are all masked in between.
fn behind(f: &Fuser, softmax: usize, members: &mut Vec<usize>) -> Option<usize> {
    let mut at = softmax;
    for _ in 0..6 {
        let readers = f.readers(f.out(at)?);
        let next = match readers.as_slice() {
            [one] => *one,
            [a, b] => {
                let (test, choice) = if f.op(*a) == "IsNaN" {
                    (*a, *b)
                } else {
                    (*b, *a)
                };
                if f.op(test) != "IsNaN" || f.op(choice) != "Where" || f.next(test) != Some(choice)
                {
                    return None;
                }
                members.push(test);
                choice
            }
            _ => return None,
        };
        if f.op(next) == "MatMul" {
            return (f.input(next, 0) == f.out(at)).then_some(next);
        }
        if !["Where", "Cast", "Dropout", "Identity", "Mul"].contains(&f.op(next))
            && !matches!(f.work(next)?, Work::Free)
        {
            return None;
        }
        members.push(next);
        at = next;
    }
    None
}

/// New keys or values joined to those of the past: only the new ones are written, behind the others.
pub(super) fn append(f: &mut Fuser, concat: usize) -> Option<()> {
    let [past, new] = *f.ins(concat) else {
        return None;
    };
    is_cache(f, past)?;
    place(f, concat, new)
}

/// New keys or values written into a cache of fixed length.
pub(super) fn scatter(f: &mut Fuser, step: usize) -> Option<()> {
    let new = match f.op(step) {
        "TensorScatter" => f.input(step, 1)?,
        _ => f.input(step, 2)?,
    };
    is_cache(f, f.input(step, 0)?)?;
    place(f, step, new)
}

fn is_cache(f: &Fuser, mut past: u32) -> Option<()> {
    while let Some(view) = f
        .maker(past)
        .filter(|i| matches!(f.work(*i), Some(Work::Free)))
    {
        past = f.input(view, 0)?;
    }
    f.is_past(past).then_some(())
}

fn place(f: &mut Fuser, at: usize, new: u32) -> Option<()> {
    let elements = f.value(new)?.elements() as f64;
    let step = f.steps[at].as_mut()?;
    step.ins = [new].into_iter().collect();
    step.work = Effort::Known(Work::Append { elements });
    Some(())
}
