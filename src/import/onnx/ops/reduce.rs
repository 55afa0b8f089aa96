//! Reductions along axes, scans, sorting.

use smallvec::smallvec;

use super::Rule;
use crate::import::onnx::call::{Call, Reply, Work, int64, like};
use crate::import::onnx::value::{Dims, Fault, Lit, Value, axis, show, strides, unravel, wrong};

pub(super) fn rule(op: &str) -> Option<Rule> {
    Some(match op {
        "ReduceMean" | "ReduceSum" | "ReduceMax" | "ReduceMin" | "ReduceProd" | "ReduceL1"
        | "ReduceL2" | "ReduceSumSquare" | "ReduceLogSum" | "ReduceLogSumExp" => along,
        "ArgMax" | "ArgMin" => arg,
        "CumSum" | "CumProd" => scan,
        "TopK" => top_k,
        _ => return None,
    })
}

fn along(c: &Call) -> Result<Reply, Fault> {
    let x = c.need(0)?;
    let rank = x.dims.len();
    let listed = c.axes_at(1, rank)?.filter(|a| !a.is_empty());
    if listed.is_none() && c.int("noop_with_empty_axes", 0) == 1 {
        return Ok(Reply::one(x.clone(), Work::Free));
    }
    let axes = listed.unwrap_or_else(|| (0..rank).collect());
    let keep = c.int("keepdims", 1) != 0;
    let mut dims = Dims::new();
    for (i, &d) in x.dims.iter().enumerate() {
        match (axes.contains(&i), keep) {
            (false, _) => dims.push(d),
            (true, true) => dims.push(1),
            (true, false) => {}
        }
    }
    let op: &str = c.op();
    let out = like(x, dims)?;
    let out = match &x.known {
        Some(known) if out.is_small() => {
            let folded = fold(op, known, x, &axes, out.elements() as usize);
            out.with(folded)
        }
        Some(_) | None => out,
    };
    let (ops, special) = match op {
        "ReduceL1" | "ReduceL2" | "ReduceSumSquare" => (2.0, 0.0),
        "ReduceLogSumExp" => (2.0, 1.0),
        _ => (1.0, 0.0),
    };
    let elements = x.elements() as f64;
    Ok(Reply::one(
        out,
        Work::Reduce {
            elements,
            ops,
            special,
        },
    ))
}

fn fold(op: &str, known: &Lit, x: &Value, axes: &[usize], n: usize) -> Option<Lit> {
    let outer: Dims = x
        .dims
        .iter()
        .enumerate()
        .map(|(i, d)| if axes.contains(&i) { 1 } else { *d })
        .collect();
    let step = strides(&outer);
    let place = |p: usize| -> usize {
        let at = unravel(p, &x.dims);
        (0..at.len())
            .filter(|i| !axes.contains(i))
            .map(|i| at[i] * step[i])
            .sum()
    };
    match known {
        Lit::Int(v) => {
            let f: fn(i64, i64) -> Option<i64> = match op {
                "ReduceSum" => i64::checked_add,
                "ReduceProd" => i64::checked_mul,
                "ReduceMax" => |a, b| Some(a.max(b)),
                "ReduceMin" => |a, b| Some(a.min(b)),
                _ => return None,
            };
            let mut acc: Vec<Option<i64>> = vec![None; n];
            for (p, x) in v.iter().enumerate() {
                let slot = acc.get_mut(place(p))?;
                *slot = Some(match *slot {
                    None => *x,
                    Some(a) => f(a, *x)?,
                });
            }
            acc.into_iter()
                .collect::<Option<Vec<_>>>()
                .map(|v| Lit::Int(v.into()))
        }
        Lit::Float(v) => {
            let f: fn(f64, f64) -> f64 = match op {
                "ReduceSum" => |a, b| a + b,
                "ReduceProd" => |a, b| a * b,
                "ReduceMax" => f64::max,
                "ReduceMin" => f64::min,
                _ => return None,
            };
            let mut acc: Vec<Option<f64>> = vec![None; n];
            for (p, x) in v.iter().enumerate() {
                let slot = acc.get_mut(place(p))?;
                *slot = Some(slot.map_or(*x, |a| f(a, *x)));
            }
            acc.into_iter()
                .collect::<Option<Vec<_>>>()
                .map(|v| Lit::Float(v.into()))
        }
    }
}

fn arg(c: &Call) -> Result<Reply, Fault> {
    let x = c.need(0)?;
    let at = axis(c.int("axis", 0), x.dims.len())?;
    let mut dims = x.dims.clone();
    if c.int("keepdims", 1) != 0 {
        dims[at] = 1;
    } else {
        dims.remove(at);
    }
    let elements = x.elements() as f64;
    Ok(Reply::one(
        int64(dims)?,
        Work::Reduce {
            elements,
            ops: 1.0,
            special: 0.0,
        },
    ))
}

fn scan(c: &Call) -> Result<Reply, Fault> {
    let x = c.need(0)?;
    let elements = x.elements() as f64;
    let mut out = like(x, x.dims.clone())?;
    if let (Some(Lit::Int(v)), 1, "CumSum") = (&x.known, x.dims.len(), c.op())
        && c.int("exclusive", 0) == 0
        && c.int("reverse", 0) == 0
    {
        let mut sum = 0i64;
        let sums = v.iter().map(|x| {
            sum = sum.checked_add(*x)?;
            Some(sum)
        });
        let sums: Option<Vec<i64>> = sums.collect();
        out = out.with(sums.map(|s| Lit::Int(s.into())));
    }
    Ok(Reply::one(
        out,
        Work::Reduce {
            elements,
            ops: 1.0,
            special: 0.0,
        },
    ))
}

fn top_k(c: &Call) -> Result<Reply, Fault> {
    let x = c.need(0)?;
    let at = axis(c.int("axis", -1), x.dims.len())?;
    let asked = match c.int_at(1, "k") {
        Err(Fault::Open(_)) => None,
        other => Some(other?),
    };
    let k = match asked {
        Some(Some(k)) => k,
        Some(None) => return wrong("it has no k"),
        None => x.dims[at],
    };
    if !(0..=x.dims[at]).contains(&k) {
        return wrong(format!("the top {k} along axis {at} of {}", show(&x.dims)));
    }
    let mut dims = x.dims.clone();
    dims[at] = k;
    let outs = smallvec![like(x, dims.clone())?, int64(dims)?];
    // A heap of k: one comparison per element and level.
    let ops = 1.0 + (k.max(1) as f64).log2().ceil();
    let elements = x.elements() as f64;
    let reply = Reply::many(
        outs,
        Work::Reduce {
            elements,
            ops,
            special: 0.0,
        },
    );
    Ok(match asked {
        Some(_) => reply,
        None => reply.at_most("k is all"),
    })
}
