//! One result per element: arithmetic, comparisons, activations, casts.

use smallvec::smallvec;

use super::Rule;
use crate::import::onnx::call::{Call, Reply, Work, like, map};
use crate::import::onnx::elem::Elem;
use crate::import::onnx::value::{Dims, Fault, Lit, Value, broadcast, spread, wrong};

pub(super) fn rule(op: &str) -> Option<Rule> {
    Some(match op {
        "Cast" => cast,
        "CastLike" => cast_like,
        "BitCast" => bit_cast,
        "SwiGLU" => |c| {
            let x = c.need(0)?;
            Ok(Reply::one(like(x, x.dims.clone())?, map(4.0, 2.0)))
        },
        "Where" => select,
        "Clip" => clip,
        "Add" | "Sub" | "Mul" | "Div" | "Pow" | "Mod" | "Min" | "Max" | "Sum" | "Mean" | "And"
        | "Or" | "Xor" | "BitwiseAnd" | "BitwiseOr" | "BitwiseXor" | "BitShift" | "Equal"
        | "Less" | "LessOrEqual" | "Greater" | "GreaterOrEqual" | "PRelu" => combine,
        "Dropout" => dropout,
        _ if cost(op).is_some() => unary,
        _ => return None,
    })
}

/// Operations and special functions (exponentials, roots, divisions) per element.
///
/// Source: derived from each operator's definition in the ONNX operator list; hyperbolic and error
/// functions count as one special function.
pub(super) fn cost(op: &str) -> Option<(f64, f64)> {
    Some(match op {
        "Abs" | "Neg" | "Relu" | "Not" | "Sign" | "Floor" | "Ceil" | "Round" | "IsNaN"
        | "IsInf" | "Add" | "Sub" | "Mul" | "Min" | "Max" | "Sum" | "And" | "Or" | "Xor"
        | "BitwiseAnd" | "BitwiseOr" | "BitwiseXor" | "BitwiseNot" | "BitShift" | "Equal"
        | "Less" | "LessOrEqual" | "Greater" | "GreaterOrEqual" | "Where" | "Cast" | "CastLike"
        | "Dropout" | "Bernoulli" => (1.0, 0.0),
        "LeakyRelu" | "PRelu" | "ThresholdedRelu" | "Clip" | "Shrink" | "Mean" => (2.0, 0.0),
        "HardSigmoid" => (4.0, 0.0),
        "HardSwish" => (5.0, 0.0),
        "Exp" | "Log" | "Sqrt" | "Reciprocal" | "Div" | "Mod" | "Pow" | "Erf" | "Tanh" | "Sin"
        | "Cos" | "Tan" | "Sinh" | "Cosh" | "Asin" | "Acos" | "Atan" | "Asinh" | "Acosh"
        | "Atanh" => (0.0, 1.0),
        "Sigmoid" | "Softplus" => (2.0, 2.0),
        "Softsign" => (2.0, 1.0),
        "Elu" | "Celu" | "Selu" => (3.0, 1.0),
        // x·σ(x): negate, exp, add, divide, multiply.
        "Swish" => (3.0, 2.0),
        // x·tanh(ln(1 + e^x)).
        "Mish" => (2.0, 3.0),
        // 0.5·x·(1 + erf(x/√2)).
        "Gelu" => (4.0, 1.0),
        _ => return None,
    })
}

fn work(op: &str) -> Work {
    let (ops, special) = cost(op).unwrap_or((1.0, 0.0));
    Work::Map { ops, special }
}

fn unary(c: &Call) -> Result<Reply, Fault> {
    let x = c.need(0)?;
    let op: &str = c.op();
    let elem = match op {
        "IsNaN" | "IsInf" | "Not" => Elem::Bool,
        _ => x.elem,
    };
    let mut out = Value::new(x.dims.clone(), elem)?;
    out = out.with(x.known.as_ref().and_then(|k| fold_unary(op, k)));
    Ok(Reply::one(out, work(op)))
}

fn fold_unary(op: &str, known: &Lit) -> Option<Lit> {
    match known {
        Lit::Int(v) => {
            let f: fn(i64) -> Option<i64> = match op {
                "Abs" => i64::checked_abs,
                "Neg" => i64::checked_neg,
                "Relu" => |x| Some(x.max(0)),
                "Not" => |x| Some(i64::from(x == 0)),
                "Sign" => |x| Some(x.signum()),
                "Floor" | "Ceil" | "Round" => Some,
                _ => return None,
            };
            v.iter()
                .map(|x| f(*x))
                .collect::<Option<Vec<_>>>()
                .map(|v| Lit::Int(v.into()))
        }
        Lit::Float(v) => {
            if op == "IsNaN" {
                return Some(Lit::Int(v.iter().map(|x| i64::from(x.is_nan())).collect()));
            }
            let f: fn(f64) -> f64 = match op {
                "Abs" => f64::abs,
                "Neg" => |x| -x,
                "Relu" => |x| x.max(0.0),
                "Floor" => f64::floor,
                "Ceil" => f64::ceil,
                "Round" => f64::round_ties_even,
                "Sqrt" => f64::sqrt,
                "Exp" => f64::exp,
                "Log" => f64::ln,
                "Reciprocal" => |x| 1.0 / x,
                "Sign" => |x| if x == 0.0 { 0.0 } else { x.signum() },
                "Sin" => f64::sin,
                "Cos" => f64::cos,
                "Tanh" => f64::tanh,
                _ => return None,
            };
            Some(Lit::Float(v.iter().map(|x| f(*x)).collect()))
        }
    }
}

fn combine(c: &Call) -> Result<Reply, Fault> {
    let op: &str = c.op();
    let first = c.need(0)?;
    let mut dims = first.dims.clone();
    // Before operator set 7 the second operand is spread along `axis` to the shape of the first.
    let legacy = c.opset() < 7 && c.int("broadcast", 0) == 1;
    for i in 1..c.ins.len() {
        if !legacy && op != "PRelu" {
            dims = broadcast(&dims, &c.need(i)?.dims)?;
        }
    }
    let elem = match op {
        "Equal" | "Less" | "LessOrEqual" | "Greater" | "GreaterOrEqual" | "And" | "Or" | "Xor" => {
            Elem::Bool
        }
        _ => first.elem,
    };
    let mut out = Value::new(dims, elem)?;
    if !legacy && out.is_small() {
        out = fold_combine(c, op, out);
    }
    let inputs = c.ins.len().max(2) as f64 - 1.0;
    let (ops, special) = cost(op).unwrap_or((1.0, 0.0));
    let squared = op == "Pow"
        && c.get(1)
            .and_then(|v| v.known.as_ref())
            .is_some_and(|k| k.len() == 1 && k.float(0) == Some(2.0));
    let work = if squared {
        Work::Map {
            ops: 1.0,
            special: 0.0,
        }
    } else {
        Work::Map {
            ops: ops * inputs,
            special: special * inputs,
        }
    };
    Ok(Reply::one(out, work))
}

fn fold_combine(c: &Call, op: &str, out: Value) -> Value {
    let mut acc: Option<(Lit, Dims)> = None;
    for i in 0..c.ins.len() {
        let Some(Value {
            dims,
            known: Some(known),
            ..
        }) = c.get(i)
        else {
            return out;
        };
        acc = match acc {
            None => Some((known.clone(), dims.clone())),
            Some((lit, at)) => {
                let Ok(joint) = broadcast(&at, dims) else {
                    return out;
                };
                let a = lit.pick(spread(&at, &joint).into_iter());
                let b = known.pick(spread(dims, &joint).into_iter());
                let (Some(a), Some(b)) = (a, b) else {
                    return out;
                };
                let Some(lit) = fold_pair(op, &a, &b) else {
                    return out;
                };
                Some((lit, joint))
            }
        };
    }
    // A variadic mean would have to divide at the end.
    if op == "Mean" {
        return out;
    }
    out.with(acc.map(|(lit, _)| lit))
}

fn fold_pair(op: &str, a: &Lit, b: &Lit) -> Option<Lit> {
    if let (Lit::Int(a), Lit::Int(b)) = (a, b) {
        let f: fn(i64, i64) -> Option<i64> = match op {
            "Add" | "Sum" => i64::checked_add,
            "Sub" => i64::checked_sub,
            "Mul" => i64::checked_mul,
            // Integers are divided towards zero.
            "Div" => i64::checked_div,
            "Mod" => |x, y| {
                if y == 0 {
                    None
                } else {
                    x.checked_rem_euclid(y)
                        .map(|r| if y < 0 && r != 0 { r + y } else { r })
                }
            },
            "Pow" => |x, y| x.checked_pow(u32::try_from(y).ok()?),
            "Min" => |x, y| Some(x.min(y)),
            "Max" => |x, y| Some(x.max(y)),
            "And" => |x, y| Some(i64::from(x != 0 && y != 0)),
            "Or" => |x, y| Some(i64::from(x != 0 || y != 0)),
            "Xor" => |x, y| Some(i64::from((x != 0) != (y != 0))),
            "Equal" => |x, y| Some(i64::from(x == y)),
            "Less" => |x, y| Some(i64::from(x < y)),
            "LessOrEqual" => |x, y| Some(i64::from(x <= y)),
            "Greater" => |x, y| Some(i64::from(x > y)),
            "GreaterOrEqual" => |x, y| Some(i64::from(x >= y)),
            _ => return None,
        };
        let each = a.iter().zip(b.iter()).map(|(x, y)| f(*x, *y));
        return each.collect::<Option<Vec<_>>>().map(|v| Lit::Int(v.into()));
    }
    let n = a.len().min(b.len());
    let pairs = (0..n).filter_map(|i| Some((a.float(i)?, b.float(i)?)));
    let test: Option<fn(f64, f64) -> bool> = match op {
        "Equal" => Some(|x, y| x == y),
        "Less" => Some(|x, y| x < y),
        "LessOrEqual" => Some(|x, y| x <= y),
        "Greater" => Some(|x, y| x > y),
        "GreaterOrEqual" => Some(|x, y| x >= y),
        _ => None,
    };
    if let Some(test) = test {
        return Some(Lit::Int(
            pairs.map(|(x, y)| i64::from(test(x, y))).collect(),
        ));
    }
    let f: fn(f64, f64) -> f64 = match op {
        "Add" | "Sum" => |x, y| x + y,
        "Sub" => |x, y| x - y,
        "Mul" => |x, y| x * y,
        "Div" => |x, y| x / y,
        "Pow" => f64::powf,
        "Min" => f64::min,
        "Max" => f64::max,
        "Mod" => |x, y| x % y,
        _ => return None,
    };
    // An integer power of an integer stays one; mixed operands do not occur elsewhere.
    Some(Lit::Float(pairs.map(|(x, y)| f(x, y)).collect()))
}

fn cast(c: &Call) -> Result<Reply, Fault> {
    let code = c.int("to", 0);
    let elem = i32::try_from(code).ok().and_then(Elem::of);
    // Operator set 1 names the type.
    let elem = elem.or(match c.text("to") {
        "FLOAT" => Some(Elem::F32),
        "INT64" => Some(Elem::I64),
        "INT32" => Elem::of(6),
        "FLOAT16" => Elem::of(10),
        "DOUBLE" => Elem::of(11),
        "BOOL" => Some(Elem::Bool),
        _ => None,
    });
    match elem {
        Some(elem) => converted(c.need(0)?, elem),
        None => wrong(format!("element type {code} is not known")),
    }
}

fn cast_like(c: &Call) -> Result<Reply, Fault> {
    converted(c.need(0)?, c.need(1)?.elem)
}

fn converted(x: &Value, elem: Elem) -> Result<Reply, Fault> {
    let known = x.known.as_ref().map(|k| match (k, elem) {
        (Lit::Float(v), Elem::Int(_)) => Lit::Int(v.iter().map(|x| *x as i64).collect()),
        (Lit::Float(v), Elem::Bool) => Lit::Int(v.iter().map(|x| i64::from(*x != 0.0)).collect()),
        (Lit::Int(v), Elem::Bool) => Lit::Int(v.iter().map(|x| i64::from(*x != 0)).collect()),
        (Lit::Int(v), Elem::Float(_)) => Lit::Float(v.iter().map(|x| *x as f64).collect()),
        (k, _) => k.clone(),
    });
    let mut out = Value::new(x.dims.clone(), elem)?.with(known);
    if elem.is_float() {
        out.stored = x.stored;
    }
    let work = if x.elem == elem {
        Work::Free
    } else {
        work("Cast")
    };
    Ok(Reply::one(out, work))
}

/// The same bits under another type of the same width.
fn bit_cast(c: &Call) -> Result<Reply, Fault> {
    let elem = i32::try_from(c.int("to", 0)).ok().and_then(Elem::of);
    let x = c.need(0)?;
    Ok(Reply::one(
        Value::new(x.dims.clone(), elem.unwrap_or(x.elem))?,
        Work::Free,
    ))
}

fn select(c: &Call) -> Result<Reply, Fault> {
    let (test, yes, no) = (c.need(0)?, c.need(1)?, c.need(2)?);
    let dims = broadcast(&broadcast(&test.dims, &yes.dims)?, &no.dims)?;
    let mut out = Value::new(dims, yes.elem)?;
    if out.is_small()
        && let (Some(t), Some(y), Some(n)) = (&test.known, &yes.known, &no.known)
    {
        let spreads = [&test.dims, &yes.dims, &no.dims].map(|d| spread(d, &out.dims));
        let parts = [t, y, n]
            .into_iter()
            .zip(spreads)
            .map(|(k, at)| k.pick(at.into_iter()));
        let parts: Option<Vec<Lit>> = parts.collect();
        out = out.with(parts.and_then(|p| choose(&p)));
    }
    Ok(Reply::one(out, work("Where")))
}

fn choose(parts: &[Lit]) -> Option<Lit> {
    let [Lit::Int(test), yes, no] = parts else {
        return None;
    };
    match (yes, no) {
        (Lit::Int(y), Lit::Int(n)) => {
            let each = test.iter().zip(y.iter().zip(n.iter()));
            Some(Lit::Int(
                each.map(|(t, (y, n))| if *t != 0 { *y } else { *n })
                    .collect(),
            ))
        }
        (Lit::Float(y), Lit::Float(n)) => {
            let each = test.iter().zip(y.iter().zip(n.iter()));
            Some(Lit::Float(
                each.map(|(t, (y, n))| if *t != 0 { *y } else { *n })
                    .collect(),
            ))
        }
        (Lit::Int(_), Lit::Float(_)) | (Lit::Float(_), Lit::Int(_)) => None,
    }
}

fn clip(c: &Call) -> Result<Reply, Fault> {
    let x = c.need(0)?;
    let mut out = Value::new(x.dims.clone(), x.elem)?;
    let bound = |i: usize, name: &str, open: f64| -> Option<f64> {
        if c.node.attr(name).is_some() {
            return Some(c.float(name, open));
        }
        match c.get(i) {
            None => Some(open),
            Some(v) => v.known.as_ref()?.float(0),
        }
    };
    let (low, high) = (
        bound(1, "min", f64::NEG_INFINITY),
        bound(2, "max", f64::INFINITY),
    );
    if let (Some(known), Some(low), Some(high)) = (&x.known, low, high) {
        let known = match known {
            Lit::Int(v) => Lit::Int(
                v.iter()
                    .map(|x| (*x as f64).max(low).min(high) as i64)
                    .collect(),
            ),
            Lit::Float(v) => Lit::Float(v.iter().map(|x| x.max(low).min(high)).collect()),
        };
        out = out.with(Some(known));
    }
    Ok(Reply::one(out, work("Clip")))
}

/// At inference the data pass through.
fn dropout(c: &Call) -> Result<Reply, Fault> {
    let x = c.need(0)?;
    let mut outs = smallvec![x.clone()];
    if c.wants(1) {
        outs.push(Value::new(x.dims.clone(), Elem::Bool)?);
    }
    Ok(Reply::many(outs, Work::Free))
}
