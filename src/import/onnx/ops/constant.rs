//! Tensors from nothing: constants, ranges, shapes, random numbers.

use smallvec::smallvec;

use super::Rule;
use crate::import::onnx::call::{Call, Reply, Work, int64, known_ints, reduce};
use crate::import::onnx::elem::Elem;
use crate::import::onnx::ir::Attr;
use crate::import::onnx::value::{Dims, Fault, Lit, Value, open, unravel, wrong};

pub(super) fn rule(op: &str) -> Option<Rule> {
    Some(match op {
        "Constant" => constant,
        "ConstantOfShape" => of_shape,
        "ConstantFill" => fill,
        "Shape" => shape,
        "Size" => size,
        "Range" => range,
        "EyeLike" => eye_like,
        "NonZero" => non_zero,
        "RandomUniformLike" | "RandomNormalLike" | "Bernoulli" => random_like,
        "RandomUniform" | "RandomNormal" => random,
        "Multinomial" => multinomial,
        "OneHot" => one_hot,
        _ => return None,
    })
}

fn constant(c: &Call) -> Result<Reply, Fault> {
    let value = c
        .node
        .attrs
        .iter()
        .find(|(name, _)| name.starts_with("value"));
    match value {
        Some((_, attr)) => Ok(Reply::one(literal(attr)?, Work::Free)),
        None => Err(unplain()),
    }
}

/// The tensor that an attribute of a constant stands for.
pub(in crate::import::onnx) fn literal(attr: &Attr) -> Result<Value, Fault> {
    Ok(match attr {
        Attr::Tensor(t) => (**t).clone(),
        Attr::Int(i) => Value::new(Dims::new(), Elem::I64)?.with(Some(Lit::Int([*i].into()))),
        Attr::Ints(v) => {
            let dims = Dims::from_slice(&[v.len() as i64]);
            Value::new(dims, Elem::I64)?.with(Some(Lit::Int(v.clone())))
        }
        Attr::Float(f) => Value::new(Dims::new(), Elem::F32)?.with(Some(Lit::Float([*f].into()))),
        Attr::Floats(v) => {
            let dims = Dims::from_slice(&[v.len() as i64]);
            Value::new(dims, Elem::F32)?.with(Some(Lit::Float(v.clone())))
        }
        Attr::Text(_) => Value::new(Dims::new(), Elem::Text)?,
        Attr::Texts(n) => Value::new(Dims::from_slice(&[*n as i64]), Elem::Text)?,
        Attr::Graph(_) | Attr::Other => return Err(unplain()),
    })
}

fn unplain() -> Fault {
    Fault::Open("the constant is not a plain tensor".to_owned())
}

fn filled(dims: Dims, fill: Option<&Value>) -> Result<Value, Fault> {
    let out = Value::new(dims, fill.map_or(Elem::F32, |v| v.elem))?;
    if !out.is_small() {
        return Ok(out);
    }
    let n = out.elements() as usize;
    let known = match fill {
        None => Some(Lit::Float(vec![0.0; n].into())),
        Some(v) => v
            .known
            .as_ref()
            .and_then(|k| k.pick(std::iter::repeat_n(0, n))),
    };
    Ok(out.with(known))
}

fn of_shape(c: &Call) -> Result<Reply, Fault> {
    let dims = Dims::from_vec(known_ints(c.need(0)?)?);
    Ok(Reply::one(filled(dims, c.tensor("value"))?, Work::Copy))
}

fn fill(c: &Call) -> Result<Reply, Fault> {
    let dims = match (c.ints("shape"), c.get(0)) {
        (Some(shape), _) => Dims::from_slice(shape),
        (None, Some(v)) if c.int("input_as_shape", 0) == 1 => Dims::from_vec(known_ints(v)?),
        (None, Some(v)) => v.dims.clone(),
        (None, None) => return wrong("it has no shape"),
    };
    Ok(Reply::one(Value::new(dims, Elem::F32)?, Work::Copy))
}

fn shape(c: &Call) -> Result<Reply, Fault> {
    let dims = &c.need(0)?.dims;
    let rank = dims.len() as i64;
    let at = |name: &str, default: i64| {
        let i = c.int(name, default);
        (if i < 0 { i.saturating_add(rank) } else { i }).clamp(0, rank) as usize
    };
    let (start, end) = (at("start", 0), at("end", rank));
    let list = dims.get(start..end.max(start)).unwrap_or_default().to_vec();
    Ok(Reply::one(Value::ints(list)?, Work::Free))
}

fn size(c: &Call) -> Result<Reply, Fault> {
    let n = c.need(0)?.elements();
    let out = Value::new(Dims::new(), Elem::I64)?.with(Some(Lit::Int(vec![n].into())));
    Ok(Reply::one(out, Work::Free))
}

fn range(c: &Call) -> Result<Reply, Fault> {
    let elem = c.need(0)?.elem;
    let mut at = [0.0; 3];
    for (i, slot) in at.iter_mut().enumerate() {
        let known = c.need(i)?.known.as_ref().and_then(|k| k.float(0));
        let Some(x) = known else {
            return open("its bounds are computed from data at run time");
        };
        *slot = x;
    }
    let [start, limit, delta] = at;
    let n = ((limit - start) / delta).ceil().max(0.0);
    if !n.is_finite() || n > 1e12 {
        return wrong(format!("a range from {start} to {limit} by {delta}"));
    }
    let out = Value::new(Dims::from_slice(&[n as i64]), elem)?;
    if !out.is_small() {
        return Ok(Reply::one(out, Work::Copy));
    }
    let each = (0..n as i64).map(|i| start + delta * i as f64);
    let known = if elem.is_float() {
        Lit::Float(each.collect())
    } else {
        Lit::Int(each.map(|x| x as i64).collect())
    };
    Ok(Reply::one(out.with(Some(known)), Work::Copy))
}

fn eye_like(c: &Call) -> Result<Reply, Fault> {
    let x = c.need(0)?;
    let elem = i32::try_from(c.int("dtype", 0)).ok().and_then(Elem::of);
    Ok(Reply::one(
        Value::new(x.dims.clone(), elem.unwrap_or(x.elem))?,
        Work::Copy,
    ))
}

fn non_zero(c: &Call) -> Result<Reply, Fault> {
    let x = c.need(0)?;
    let rank = x.dims.len();
    let Some(known) = &x.known else {
        let out = int64(Dims::from_slice(&[rank as i64, x.elements()]))?;
        return Ok(Reply::one(out, Work::Copy).at_most("no element is zero"));
    };
    let hits: Vec<usize> = (0..known.len())
        .filter(|i| known.float(*i) != Some(0.0))
        .collect();
    let mut list = Vec::with_capacity(rank * hits.len());
    let at: Vec<_> = hits.iter().map(|p| unravel(*p, &x.dims)).collect();
    for axis in 0..rank {
        list.extend(at.iter().map(|a| a[axis] as i64));
    }
    let out = int64(Dims::from_slice(&[rank as i64, hits.len() as i64]))?;
    Ok(Reply::one(
        out.with(Some(Lit::Int(list.into()))),
        Work::Copy,
    ))
}

fn random_like(c: &Call) -> Result<Reply, Fault> {
    let x = c.need(0)?;
    let elem = i32::try_from(c.int("dtype", 0)).ok().and_then(Elem::of);
    let out = Value::new(x.dims.clone(), elem.unwrap_or(x.elem))?;
    Ok(Reply::one(
        out,
        Work::Map {
            ops: 1.0,
            special: 0.0,
        },
    ))
}

fn random(c: &Call) -> Result<Reply, Fault> {
    let Some(shape) = c.ints("shape") else {
        return wrong("it has no shape");
    };
    let elem = i32::try_from(c.int("dtype", 1)).ok().and_then(Elem::of);
    let out = Value::new(Dims::from_slice(shape), elem.unwrap_or(Elem::F32))?;
    let mut reply = Reply::many(
        smallvec![out],
        Work::Map {
            ops: 1.0,
            special: 0.0,
        },
    );
    reply.random = true;
    Ok(reply)
}

fn multinomial(c: &Call) -> Result<Reply, Fault> {
    let x = c.ranked(0, 2)?;
    let elem = i32::try_from(c.int("dtype", 6)).ok().and_then(Elem::of);
    let dims = Dims::from_slice(&[x.dims[0], c.int("sample_size", 1)]);
    let out = Value::new(dims, elem.unwrap_or(Elem::I64))?;
    let mut reply = Reply::one(out, reduce(x, 2.0, 1.0));
    reply.random = true;
    Ok(reply)
}

fn one_hot(c: &Call) -> Result<Reply, Fault> {
    let (x, values) = (c.need(0)?, c.need(2)?);
    let Some(depth) = known_ints(c.need(1)?)?.first().copied() else {
        return wrong("its depth is empty");
    };
    let mut dims = x.dims.clone();
    let at = crate::import::onnx::value::axis(c.int("axis", -1), dims.len() + 1)?;
    dims.insert(at, depth);
    Ok(Reply::one(
        Value::new(dims, values.elem)?,
        Work::Map {
            ops: 1.0,
            special: 0.0,
        },
    ))
}
