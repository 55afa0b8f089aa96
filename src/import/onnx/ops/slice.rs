//! Parts of tensors put together and taken apart.

use smallvec::SmallVec;

use super::Rule;
use crate::import::onnx::call::{Call, Reply, Work, known_ints, like, picked};
use crate::import::onnx::value::{Dims, Fault, Lit, Value, axis, show, strides, unravel, wrong};

pub(super) fn rule(op: &str) -> Option<Rule> {
    Some(match op {
        "Concat" => concat,
        "Slice" => slice,
        "Split" => split,
        "Pad" => pad,
        "Tile" => tile,
        "Resize" | "Upsample" => resize,
        "CenterCropPad" => center_crop_pad,
        _ => return None,
    })
}

fn concat(c: &Call) -> Result<Reply, Fault> {
    let first = c.need(0)?;
    let at = axis(
        c.int("axis", if c.opset() < 4 { 1 } else { 0 }),
        first.dims.len(),
    )?;
    let mut dims = first.dims.clone();
    for i in 1..c.ins.len() {
        let next = c.need(i)?;
        let fits = next.dims.len() == dims.len()
            && (0..dims.len()).all(|k| k == at || next.dims[k] == dims[k]);
        if !fits {
            return wrong(format!(
                "{} does not join {} along axis {at}",
                show(&next.dims),
                show(&first.dims)
            ));
        }
        dims[at] = dims[at].saturating_add(next.dims[at]);
    }
    let mut out = like(first, dims)?;
    out.stored = first.stored;
    if out.is_small() {
        let known = join(c, at, &out);
        out = out.with(known);
    }
    let work = if c.ins.len() == 1 {
        Work::Free
    } else {
        Work::Copy
    };
    Ok(Reply::one(out, work))
}

fn join(c: &Call, at: usize, out: &Value) -> Option<Lit> {
    let parts: Vec<&Value> = (0..c.ins.len()).map(|i| c.get(i)).collect::<Option<_>>()?;
    let outer: i64 = out.dims[..at].iter().product();
    let (mut ints, mut floats) = (Vec::new(), Vec::new());
    for o in 0..outer as usize {
        for part in &parts {
            let run = part.dims[at..].iter().product::<i64>() as usize;
            match part.known.as_ref()? {
                Lit::Int(v) => ints.extend_from_slice(v.get(o * run..(o + 1) * run)?),
                Lit::Float(v) => floats.extend_from_slice(v.get(o * run..(o + 1) * run)?),
            }
        }
    }
    Some(if out.elem.is_float() {
        Lit::Float(floats.into())
    } else {
        Lit::Int(ints.into())
    })
}

fn slice(c: &Call) -> Result<Reply, Fault> {
    let x = c.need(0)?;
    let rank = x.dims.len();
    let (starts, ends) = match (c.ints_at(1, "starts"), c.ints_at(2, "ends")) {
        (Err(Fault::Open(_)), _) | (_, Err(Fault::Open(_))) => {
            let out = like(x, x.dims.clone())?;
            return Ok(Reply::one(out, Work::Copy).at_most("all is kept"));
        }
        (starts, ends) => (starts?.unwrap_or_default(), ends?.unwrap_or_default()),
    };
    let axes = c
        .ints_at(3, "axes")?
        .unwrap_or_else(|| (0..starts.len() as i64).collect());
    let steps = c
        .ints_at(4, "steps")?
        .unwrap_or_else(|| vec![1; starts.len()]);
    if starts.len() != ends.len() || starts.len() != axes.len() || starts.len() != steps.len() {
        return wrong("starts, ends, axes and steps differ in length");
    }
    let mut dims = x.dims.clone();
    let mut from: SmallVec<[(i64, i64); 6]> = SmallVec::from_elem((0, 1), rank);
    for i in 0..starts.len() {
        let at = axis(axes[i], rank)?;
        let (start, n) = window(x.dims[at], starts[i], ends[i], steps[i])?;
        dims[at] = n;
        from[at] = (start, steps[i]);
    }
    let step = strides(&x.dims);
    let out = picked(x, dims.clone(), || {
        let n: i64 = dims.iter().product();
        let place = |p: usize| {
            let at = unravel(p, &dims);
            (0..rank)
                .map(|k| (from[k].0 + at[k] as i64 * from[k].1).max(0) as usize * step[k])
                .sum()
        };
        (0..n as usize).map(place).collect()
    })?;
    let work = if dims == x.dims && from.iter().all(|f| f.1 == 1) {
        Work::Free
    } else {
        Work::Copy
    };
    Ok(Reply::one(out, work))
}

/// First index and number of elements of `start..end` by `step`, clamped as NumPy does.
fn window(size: i64, start: i64, end: i64, step: i64) -> Result<(i64, i64), Fault> {
    if step == 0 {
        return wrong("a step of 0");
    }
    let place = |i: i64| i128::from(i) + if i < 0 { i128::from(size) } else { 0 };
    let n = i128::from(size);
    let (start, end, step) = (place(start), place(end), i128::from(step));
    let (start, count) = if step > 0 {
        let (s, e) = (start.clamp(0, n), end.clamp(0, n));
        (s, (e - s + step - 1) / step)
    } else {
        let (s, e) = (start.clamp(-1, n - 1), end.clamp(-1, n - 1));
        (s, (s - e - step - 1) / -step)
    };
    Ok((start as i64, count.max(0) as i64))
}

fn split(c: &Call) -> Result<Reply, Fault> {
    let x = c.need(0)?;
    let at = axis(c.int("axis", 0), x.dims.len())?;
    let n = c.node.outs.len().max(1) as i64;
    let sizes = match c.ints_at(1, "split")? {
        Some(sizes) => sizes,
        None => {
            // All parts are equal but the last, which takes what is left.
            let each = x.dims[at] / n + i64::from(x.dims[at] % n != 0);
            (0..n)
                .map(|i| (x.dims[at] - i * each).clamp(0, each))
                .collect()
        }
    };
    if sizes.len() as i64 != n
        || sizes.iter().any(|s| *s < 0)
        || sizes.iter().try_fold(0i64, |a, s| a.checked_add(*s)) != Some(x.dims[at])
    {
        return wrong(format!(
            "parts {} of axis {at} of {}",
            show(&sizes),
            show(&x.dims)
        ));
    }
    let mut outs = SmallVec::new();
    let mut start = 0;
    let step = strides(&x.dims);
    for size in sizes {
        let mut dims = x.dims.clone();
        dims[at] = size;
        outs.push(picked(x, dims.clone(), || {
            let n: i64 = dims.iter().product();
            let place = |p: usize| {
                let mut i = unravel(p, &dims);
                i[at] += start as usize;
                i.iter().zip(&step).map(|(i, s)| i * s).sum()
            };
            (0..n as usize).map(place).collect()
        })?);
        start += size;
    }
    Ok(Reply::many(outs, Work::Copy))
}

fn pad(c: &Call) -> Result<Reply, Fault> {
    let x = c.need(0)?;
    let rank = x.dims.len();
    let pads = match c.ints("paddings") {
        Some(list) => list.to_vec(),
        None => c.ints_at(1, "pads")?.unwrap_or_default(),
    };
    let axes = match c.get(3) {
        Some(v) => known_ints(v)?,
        None => (0..rank as i64).collect(),
    };
    if pads.len() != 2 * axes.len() {
        return wrong(format!("{} paddings for {} axes", pads.len(), axes.len()));
    }
    let mut dims = x.dims.clone();
    for (i, a) in axes.iter().enumerate() {
        let at = axis(*a, rank)?;
        let total = i128::from(dims[at]) + i128::from(pads[i]) + i128::from(pads[i + axes.len()]);
        dims[at] = match i64::try_from(total) {
            Ok(n) if n >= 0 => n,
            _ => return wrong(format!("padding {} of {}", show(&pads), show(&x.dims))),
        };
    }
    if pads.iter().all(|p| *p == 0) {
        return Ok(Reply::one(x.clone(), Work::Free));
    }
    Ok(Reply::one(like(x, dims)?, Work::Copy))
}

fn tile(c: &Call) -> Result<Reply, Fault> {
    let x = c.need(0)?;
    let mut repeats = known_ints(c.need(1)?)?;
    if c.opset() < 6 && c.ins.len() == 3 {
        let at = known_ints(c.need(2)?)?.first().copied().unwrap_or(0);
        let mut all = vec![1; x.dims.len()];
        all[axis(at, x.dims.len())?] = repeats.first().copied().unwrap_or(1);
        repeats = all;
    }
    if repeats.len() != x.dims.len() {
        return wrong(format!(
            "{} repeats of {} axes",
            repeats.len(),
            x.dims.len()
        ));
    }
    let dims: Dims = x
        .dims
        .iter()
        .zip(&repeats)
        .map(|(d, r)| d.saturating_mul(*r))
        .collect();
    let step = strides(&x.dims);
    let out = picked(x, dims.clone(), || {
        let n: i64 = dims.iter().product();
        let place = |p: usize| {
            let at = unravel(p, &dims);
            (0..at.len())
                .map(|k| at[k] % (x.dims[k].max(1) as usize) * step[k])
                .sum()
        };
        (0..n as usize).map(place).collect()
    })?;
    let work = if dims == x.dims {
        Work::Free
    } else {
        Work::Copy
    };
    Ok(Reply::one(out, work))
}

fn resize(c: &Call) -> Result<Reply, Fault> {
    let x = c.need(0)?;
    let rank = x.dims.len();
    let axes: Vec<usize> = match c.ints("axes") {
        Some(list) => list
            .iter()
            .map(|a| axis(*a, rank))
            .collect::<Result<_, _>>()?,
        None => (0..rank).collect(),
    };
    let sizes = match c.get(3) {
        Some(v) if v.elements() > 0 && c.opset() >= 10 => Some(known_ints(v)?),
        Some(_) | None => None,
    };
    let mut dims = x.dims.clone();
    if let Some(sizes) = sizes {
        if sizes.len() != axes.len() {
            return wrong(format!("{} sizes for {} axes", sizes.len(), axes.len()));
        }
        let each = axes.iter().zip(&sizes);
        let ratios = each
            .clone()
            .map(|(at, n)| *n as f64 / x.dims[*at].max(1) as f64);
        // The same scale along all axes: the one that fits inside, or around.
        let common = match c.text("keep_aspect_ratio_policy") {
            "not_larger" => Some(ratios.fold(f64::INFINITY, f64::min)),
            "not_smaller" => Some(ratios.fold(0.0, f64::max)),
            _ => None,
        };
        for (at, n) in each {
            dims[*at] = match common {
                Some(s) => (x.dims[*at] as f64 * s).round() as i64,
                None => *n,
            };
        }
    } else {
        let scales = scales(c)?;
        if scales.len() != axes.len() {
            return wrong(format!("{} scales for {} axes", scales.len(), axes.len()));
        }
        for (at, s) in axes.iter().zip(scales) {
            let n = (dims[*at] as f64 * s).floor();
            if !(0.0..1e12).contains(&n) {
                return wrong(format!("a scale of {s}"));
            }
            dims[*at] = n as i64;
        }
    }
    let taps = if c.text("mode") == "nearest" || c.text("mode").is_empty() {
        1.0
    } else {
        8.0
    };
    let work = if taps == 1.0 {
        Work::Copy
    } else {
        Work::Map {
            ops: taps,
            special: 0.0,
        }
    };
    Ok(Reply::one(like(x, dims)?, work))
}

fn scales(c: &Call) -> Result<Vec<f64>, Fault> {
    use crate::import::onnx::ir::Attr;
    if let Some(Attr::Floats(list)) = c.node.attr("scales") {
        return Ok(list.to_vec());
    }
    let at = if c.opset() >= 11 { 2 } else { 1 };
    match &c.need(at)?.known {
        Some(Lit::Float(v)) => Ok(v.to_vec()),
        Some(Lit::Int(v)) => Ok(v.iter().map(|x| *x as f64).collect()),
        None => Err(Fault::Open(
            "the scale is computed from data at run time".to_owned(),
        )),
    }
}

fn center_crop_pad(c: &Call) -> Result<Reply, Fault> {
    let x = c.need(0)?;
    let sizes = known_ints(c.need(1)?)?;
    let mut dims = x.dims.clone();
    let axes = c
        .ints("axes")
        .map_or_else(|| (0..dims.len() as i64).collect(), <[i64]>::to_vec);
    for (a, n) in axes.iter().zip(sizes) {
        let at = axis(*a, dims.len())?;
        dims[at] = n;
    }
    Ok(Reply::one(like(x, dims)?, Work::Copy))
}

#[cfg(test)]
mod tests {
    use super::window;

    #[test]
    fn slices_clamp_as_in_numpy() {
        assert_eq!(window(10, 2, 8, 3), Ok((2, 2)));
        assert_eq!(window(10, -3, i64::MAX, 1), Ok((7, 3)));
        assert_eq!(window(10, -1, i64::MIN, -1), Ok((9, 10)));
        assert_eq!(window(10, 8, 2, 1), Ok((8, 0)));
        assert!(window(10, 0, 1, 0).is_err());
        assert_eq!(window(3, i64::MIN, i64::MAX, i64::MAX), Ok((0, 1)));
    }
}
