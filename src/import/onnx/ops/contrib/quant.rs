//! Operators on integers with scales beside them.

use smallvec::smallvec;

use crate::import::onnx::call::{Call, Feed, Reply, Work, like, map, reduce};
use crate::import::onnx::elem::Elem;
use crate::import::onnx::ops::matmul::product;
use crate::import::onnx::ops::{Rule, conv, pool, recurrent};
use crate::import::onnx::value::{Dims, Fault, Value, axis, broadcast, elements, show, wrong};

pub(super) fn rule(op: &str) -> Option<Rule> {
    Some(match op {
        "QLinearAdd" | "QLinearMul" => |c| pair(c, 3.0, 0.0),
        "QLinearSigmoid" => |c| unary(c, map(4.0, 2.0)),
        "QLinearLeakyRelu" => |c| unary(c, map(4.0, 0.0)),
        "QLinearSoftmax" => |c| unary(c, reduce(c.need(0)?, 6.0, 1.0)),
        "QLinearGlobalAveragePool" => global_pool,
        "QLinearAveragePool" => pool::sliding,
        "QLinearReduceMean" => reduce_mean,
        "QLinearWhere" => choose,
        "QLinearConcat" => concat,
        "QLinearConv" => |c| conv::quantized(c, c.int("channels_last", 0) != 0),
        "NhwcMaxPool" => pool::channels_last,
        "QGemm" => gemm,
        "DynamicQuantizeMatMul" | "MatMulIntegerToFloat" => matmul,
        "MulInteger" => |c| pair(c, 1.0, 0.0),
        "DynamicQuantizeLSTM" => recurrent::quantized_lstm,
        "GatherBlockQuantized" => gather,
        _ => return None,
    })
}

fn unary(c: &Call, work: Work) -> Result<Reply, Fault> {
    let x = c.need(0)?;
    Ok(Reply::one(like(x, x.dims.clone())?, work))
}

/// `A, A_scale, A_zero, B, B_scale, B_zero, C_scale, C_zero`.
fn pair(c: &Call, ops: f64, special: f64) -> Result<Reply, Fault> {
    let a = c.need(0)?;
    let b = if c.op() == "MulInteger" {
        c.need(2)?
    } else {
        c.need(3)?
    };
    let dims = broadcast(&a.dims, &b.dims)?;
    Ok(Reply::one(like(a, dims)?, map(ops, special)))
}

fn global_pool(c: &Call) -> Result<Reply, Fault> {
    let x = c.need(0)?;
    let last = c.int("channels_last", 0) != 0;
    let rank = x.dims.len();
    let kept = |i: usize| i == 0 || i == if last { rank - 1 } else { 1 };
    let each = x.dims.iter().enumerate();
    let dims: Dims = each.map(|(i, d)| if kept(i) { *d } else { 1 }).collect();
    Ok(Reply::one(like(x, dims)?, reduce(x, 1.0, 0.0)))
}

fn reduce_mean(c: &Call) -> Result<Reply, Fault> {
    let x = c.need(0)?;
    let rank = x.dims.len();
    let axes = match c.ints("axes") {
        Some(list) => list
            .iter()
            .map(|a| axis(*a, rank))
            .collect::<Result<Vec<_>, _>>()?,
        None => (0..rank).collect(),
    };
    let keep = c.int("keepdims", 1) != 0;
    let each = x.dims.iter().enumerate();
    let dims: Dims = each
        .filter(|(i, _)| keep || !axes.contains(i))
        .map(|(i, d)| if axes.contains(&i) { 1 } else { *d })
        .collect();
    Ok(Reply::one(like(x, dims)?, reduce(x, 2.0, 0.0)))
}

/// `condition, X, X_scale, X_zero, Y, Y_scale, Y_zero, z_scale, z_zero`.
fn choose(c: &Call) -> Result<Reply, Fault> {
    let (test, x, y) = (c.need(0)?, c.need(1)?, c.need(4)?);
    let dims = broadcast(&broadcast(&test.dims, &x.dims)?, &y.dims)?;
    Ok(Reply::one(like(x, dims)?, map(3.0, 0.0)))
}

/// `Y_scale, Y_zero`, then three inputs per part.
fn concat(c: &Call) -> Result<Reply, Fault> {
    let first = c.need(2)?;
    let at = axis(c.int("axis", 0), first.dims.len())?;
    let mut dims = first.dims.clone();
    dims[at] = 0;
    for i in (2..c.ins.len()).step_by(3) {
        let part = c.need(i)?;
        match part.dims.get(at) {
            Some(d) => dims[at] = dims[at].saturating_add(*d),
            None => {
                return wrong(format!(
                    "{} does not join along axis {at}",
                    show(&part.dims)
                ));
            }
        }
    }
    elements(&dims)?;
    Ok(Reply::one(like(first, dims)?, Work::Copy))
}

fn matmul(c: &Call) -> Result<Reply, Fault> {
    let (a, b) = (c.need(0)?, c.need(1)?);
    let (dims, sizes) = product(&a.dims, &b.dims)?;
    let out = Value::new(dims, Elem::F32)?;
    if a.elem.is_float() {
        // Activations are made integers first, by their own range.
        let byte = Value::new(a.dims.clone(), b.elem)?;
        let mut reply = Reply::one(out, sizes.work(c, 0, 1));
        let quantized = reply.temp(byte);
        reply.part(reduce(a, 5.0, 0.0), vec![Feed::In(0)], vec![quantized]);
        reply.work = sizes.free();
        let feeds = [quantized, Feed::In(1)].into_iter().chain(c.rest(2));
        reply.feeds = Some(feeds.collect());
        return Ok(reply);
    }
    Ok(Reply::one(out, sizes.work(c, 0, 1)))
}

/// `A, a_scale, a_zero, B, b_scale, b_zero, C, y_scale, y_zero`; floats without the last two.
fn gemm(c: &Call) -> Result<Reply, Fault> {
    let (a, b) = (c.ranked(0, 2)?, c.ranked(3, 2)?);
    let pair = |v: &Value, name: &str| match c.int(name, 0) {
        0 => [v.dims[0], v.dims[1]],
        _ => [v.dims[1], v.dims[0]],
    };
    let (dims, sizes) = product(&pair(a, "transA"), &pair(b, "transB"))?;
    let elem = match c.get(7) {
        Some(_) => a.elem,
        None => Elem::F32,
    };
    Ok(Reply::many(
        smallvec![Value::new(dims, elem)?],
        sizes.work(c, 0, 3),
    ))
}

/// Rows of a table of a few bits, scaled when they are read: `data, indices, scales, zero_points`.
fn gather(c: &Call) -> Result<Reply, Fault> {
    let (data, at, scales) = (c.need(0)?, c.need(1)?, c.need(2)?);
    let rank = data.dims.len();
    let k = axis(c.int("gather_axis", 0), rank)?;
    let packed = axis(c.int("quantize_axis", 1), rank)?;
    // Bytes hold several elements; types of four bits hold one.
    let bits = c.int("bits", 4).clamp(1, 8);
    let per_place = if data.dtype().bits() >= 8.0 {
        8 / bits
    } else {
        1
    };
    let mut whole = data.dims.clone();
    whole[packed] = whole[packed].saturating_mul(per_place);
    let mut dims = Dims::from_slice(&whole[..k]);
    dims.extend_from_slice(&at.dims);
    dims.extend_from_slice(&whole[k + 1..]);
    let out = like(scales, dims)?;
    let read = out.elements() as f64 / per_place as f64;
    let mut rows: Dims = data.dims.clone();
    rows[k] = at.elements();
    let mut reply = Reply::one(out, map(2.0, 0.0));
    let picked = reply.temp(like(data, rows)?);
    let table = Work::Gather {
        elements: read,
        table: 0,
    };
    reply.part(table, vec![Feed::In(0), Feed::In(1)], vec![picked]);
    reply.feeds = Some([picked].into_iter().chain(c.rest(2)).collect());
    Ok(reply)
}
