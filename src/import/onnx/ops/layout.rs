//! Changes of shape and order that compute nothing.

use super::Rule;
use crate::import::onnx::call::{Call, Reply, Work, known_ints, like, picked, reshaped};
use crate::import::onnx::value::{
    Dims, Fault, Value, axis, broadcast, elements, show, spread, strides, walk, wrong,
};

pub(super) fn rule(op: &str) -> Option<Rule> {
    Some(match op {
        "Reshape" => reshape,
        "Flatten" => flatten,
        "Squeeze" => squeeze,
        "Unsqueeze" => unsqueeze,
        "Identity" | "StopGradient" => identity,
        "Transpose" => transpose,
        "Expand" => expand,
        "DepthToSpace" => depth_to_space,
        "SpaceToDepth" => space_to_depth,
        "Trilu" => trilu,
        "ReverseSequence" => copy_of_first,
        _ => return None,
    })
}

/// Rows of a table by their numbers.
pub(super) fn embedding(c: &Call) -> Result<Reply, Fault> {
    let (table, at) = (c.ranked(0, 2)?, c.need(1)?);
    let mut dims = at.dims.clone();
    dims.push(table.dims[1]);
    let out = like(table, dims)?;
    let elements = out.elements() as f64;
    Ok(Reply::one(out, Work::Gather { elements, table: 0 }))
}

fn identity(c: &Call) -> Result<Reply, Fault> {
    Ok(Reply::one(c.need(0)?.clone(), Work::Free))
}

fn copy_of_first(c: &Call) -> Result<Reply, Fault> {
    let x = c.need(0)?;
    Ok(Reply::one(like(x, x.dims.clone())?, Work::Copy))
}

fn reshape(c: &Call) -> Result<Reply, Fault> {
    let x = c.need(0)?;
    let Some(target) = c.ints_at(1, "shape")? else {
        return wrong("it has no target shape");
    };
    let mut dims = Dims::new();
    let mut open_at = None;
    for (i, &d) in target.iter().enumerate() {
        dims.push(match d {
            0 if c.int("allowzero", 0) == 0 => match x.dims.get(i) {
                Some(&d) => d,
                None => {
                    return wrong(format!(
                        "target {} keeps an axis that {} lacks",
                        show(&target),
                        show(&x.dims)
                    ));
                }
            },
            -1 if open_at.is_none() => {
                open_at = Some(i);
                1
            }
            d if d < 0 => return wrong(format!("target shape {}", show(&target))),
            d => d,
        });
    }
    let (have, rest) = (x.elements(), elements(&dims)?);
    if let Some(i) = open_at {
        dims[i] = if rest == 0 { 0 } else { have / rest };
    }
    if elements(&dims)? != have {
        return wrong(format!("{} cannot become {}", show(&x.dims), show(&target)));
    }
    Ok(Reply::one(reshaped(x, dims)?, Work::Free))
}

fn flatten(c: &Call) -> Result<Reply, Fault> {
    let x = c.need(0)?;
    let rank = x.dims.len() as i64;
    let at = c.int("axis", 1);
    let at = if at < 0 { at.saturating_add(rank) } else { at };
    if !(0..=rank).contains(&at) {
        return wrong(format!("axis {at} of {}", show(&x.dims)));
    }
    let (outer, inner) = x.dims.split_at(at as usize);
    let dims = Dims::from_slice(&[elements(outer)?, elements(inner)?]);
    Ok(Reply::one(reshaped(x, dims)?, Work::Free))
}

fn squeeze(c: &Call) -> Result<Reply, Fault> {
    let x = c.need(0)?;
    let axes = c.axes_at(1, x.dims.len())?;
    let mut dims = Dims::new();
    for (i, &d) in x.dims.iter().enumerate() {
        match &axes {
            Some(axes) if axes.contains(&i) && d != 1 => {
                return wrong(format!("axis {i} of {} is not 1", show(&x.dims)));
            }
            Some(axes) if !axes.contains(&i) => dims.push(d),
            None if d != 1 => dims.push(d),
            Some(_) | None => {}
        }
    }
    Ok(Reply::one(reshaped(x, dims)?, Work::Free))
}

fn unsqueeze(c: &Call) -> Result<Reply, Fault> {
    let x = c.need(0)?;
    let list = c.ints_at(1, "axes")?.unwrap_or_default();
    let rank = x.dims.len() + list.len();
    let axes = c.axes_at(1, rank)?.unwrap_or_default();
    if axes.len() != list.len() {
        return wrong("an axis is named twice");
    }
    let mut old = x.dims.iter();
    let dims: Dims = (0..rank)
        .filter_map(|i| {
            if axes.contains(&i) {
                Some(1)
            } else {
                old.next().copied()
            }
        })
        .collect();
    Ok(Reply::one(reshaped(x, dims)?, Work::Free))
}

fn transpose(c: &Call) -> Result<Reply, Fault> {
    let x = c.need(0)?;
    let rank = x.dims.len();
    let order: Vec<usize> = match c.ints("perm") {
        Some(perm) => perm
            .iter()
            .map(|p| axis(*p, rank))
            .collect::<Result<_, _>>()?,
        None => (0..rank).rev().collect(),
    };
    let mut sorted = order.clone();
    sorted.sort_unstable();
    if sorted != (0..rank).collect::<Vec<_>>() {
        return wrong(format!("order {order:?} of {rank} axes"));
    }
    let dims: Dims = order.iter().map(|i| x.dims[*i]).collect();
    let step = strides(&x.dims);
    let out = picked(x, dims.clone(), || {
        walk(&dims, |i| step[order[i]], x.elements() as usize)
    })?;
    // Axes of size 1 may move without moving data.
    let moved: Vec<usize> = order.iter().copied().filter(|i| x.dims[*i] != 1).collect();
    let work = if moved.is_sorted() {
        Work::Free
    } else {
        Work::Copy
    };
    Ok(Reply::one(out, work))
}

fn expand(c: &Call) -> Result<Reply, Fault> {
    let x = c.need(0)?;
    let target = known_ints(c.need(1)?)?;
    let dims = broadcast(&x.dims, &target)?;
    if dims == x.dims {
        return Ok(Reply::one(reshaped(x, dims)?, Work::Free));
    }
    let out = picked(x, dims.clone(), || spread(&x.dims, &dims))?;
    Ok(Reply::one(out, Work::Copy))
}

fn blocks<'a>(c: &Call<'a>) -> Result<(&'a Value, i64), Fault> {
    let x = c.ranked(0, 4)?;
    match c.int("blocksize", 0) {
        b @ 1..=65_536 => Ok((x, b)),
        b => wrong(format!("a block size of {b}")),
    }
}

fn depth_to_space(c: &Call) -> Result<Reply, Fault> {
    let (x, b) = blocks(c)?;
    let (n, ch, h, w) = (x.dims[0], x.dims[1], x.dims[2], x.dims[3]);
    let dims = Dims::from_slice(&[n, ch / (b * b), h.saturating_mul(b), w.saturating_mul(b)]);
    Ok(Reply::one(like(x, dims)?, Work::Copy))
}

fn space_to_depth(c: &Call) -> Result<Reply, Fault> {
    let (x, b) = blocks(c)?;
    let (n, ch, h, w) = (x.dims[0], x.dims[1], x.dims[2], x.dims[3]);
    let dims = Dims::from_slice(&[n, ch.saturating_mul(b * b), h / b, w / b]);
    Ok(Reply::one(like(x, dims)?, Work::Copy))
}

fn trilu(c: &Call) -> Result<Reply, Fault> {
    let x = c.need(0)?;
    if x.dims.len() < 2 {
        return wrong("a triangle of fewer than two axes");
    }
    Ok(Reply::one(
        like(x, x.dims.clone())?,
        Work::Map {
            ops: 1.0,
            special: 0.0,
        },
    ))
}
