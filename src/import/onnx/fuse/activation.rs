//! Activations written out: GELU in both forms, SiLU, HardSwish.

use super::engine::Fuser;
use crate::import::onnx::call::Work;

/// `0.5·x·(1 + erf(x/√2))`.
pub(super) fn gelu_erf(f: &mut Fuser, erf: usize) -> Option<()> {
    let inner = f.made_by(f.input(erf, 0)?, &["Div", "Mul"])?;
    let x = f.ins(inner).iter().copied().find(|ix| !f.is_fixed(*ix))?;
    let plus = f.next_is(erf, &["Add"])?;
    let mut members = vec![inner, erf, plus];
    product(f, &mut members, plus, x)?;
    f.replace(
        &members,
        &[x],
        "Gelu",
        Work::Map {
            ops: 4.0,
            special: 1.0,
        },
    )
}

/// `0.5·x·(1 + tanh(√(2/π)·(x + 0.044715·x³)))`.
pub(super) fn gelu_tanh(f: &mut Fuser, tanh: usize) -> Option<()> {
    let scale = f.made_by(f.input(tanh, 0)?, &["Mul"])?;
    let sum = f
        .ins(scale)
        .iter()
        .find_map(|ix| f.made_by(*ix, &["Add"]))?;
    let cubic = f.ins(sum).iter().find_map(|ix| f.made_by(*ix, &["Mul"]))?;
    let x = f.other(sum, f.out(cubic)?)?;
    let mut members = vec![tanh, scale, sum, cubic];
    for ix in f.ins(cubic).to_vec() {
        if let Some(power) = f.made_by(ix, &["Pow", "Mul"]) {
            if f.input(power, 0)? != x {
                // x·x·x as two products.
                let square = f.made_by(f.input(power, 0)?, &["Mul"])?;
                members.push(square);
            }
            members.push(power);
        }
    }
    let plus = f.next_is(tanh, &["Add"])?;
    members.push(plus);
    product(f, &mut members, plus, x)?;
    f.replace(
        &members,
        &[x],
        "Gelu",
        Work::Map {
            ops: 8.0,
            special: 1.0,
        },
    )
}

/// The products with `x` and a constant behind `1 + ...`, in either order.
fn product(f: &Fuser, members: &mut Vec<usize>, plus: usize, x: u32) -> Option<()> {
    let first = f.next_is(plus, &["Mul"])?;
    members.push(first);
    let other = f.other(first, f.out(plus)?)?;
    if other == x {
        let half = f.next_is(first, &["Mul"])?;
        if f.is_fixed(f.other(half, f.out(first)?)?) {
            members.push(half);
        }
        return Some(());
    }
    let half = f.made_by(other, &["Mul"])?;
    let fixed = f.other(half, x)?;
    members.push(half);
    f.is_fixed(fixed).then_some(())
}

/// `x·σ(x)` and `x·hardsigmoid(x)`.
pub(super) fn gated(f: &mut Fuser, gate: usize) -> Option<()> {
    let x = f.input(gate, 0)?;
    let product = f.next_is(gate, &["Mul"])?;
    if f.other(product, f.out(gate)?)? != x {
        return None;
    }
    let (label, work) = match f.op(gate) {
        "Sigmoid" => (
            "Swish",
            Work::Map {
                ops: 3.0,
                special: 2.0,
            },
        ),
        _ => (
            "HardSwish",
            Work::Map {
                ops: 5.0,
                special: 0.0,
            },
        ),
    };
    f.replace(&[gate, product], &[x], label, work)
}

/// `x·clip(x + 3, 0, 6)/6`.
pub(super) fn hard_swish(f: &mut Fuser, clip: usize) -> Option<()> {
    let plus = f.made_by(f.input(clip, 0)?, &["Add"])?;
    let x = f.ins(plus).iter().copied().find(|ix| !f.is_fixed(*ix))?;
    let product = f.next_is(clip, &["Mul"])?;
    if f.other(product, f.out(clip)?)? != x {
        return None;
    }
    let last = f.next_is(product, &["Div", "Mul"])?;
    if !f.is_fixed(f.other(last, f.out(product)?)?) {
        return None;
    }
    let work = Work::Map {
        ops: 5.0,
        special: 0.0,
    };
    f.replace(&[plus, clip, product, last], &[x], "HardSwish", work)
}
