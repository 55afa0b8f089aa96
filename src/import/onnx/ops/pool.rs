//! Pooling.

use smallvec::{SmallVec, smallvec};

use super::Rule;
use super::conv::windows;
use crate::import::onnx::call::{Call, Reply, Work, int64, like};
use crate::import::onnx::value::{Dims, Fault, Value, show, wrong};

pub(super) fn rule(op: &str) -> Option<Rule> {
    Some(match op {
        "MaxPool" | "AveragePool" | "LpPool" => |c| pool(c, false),
        "GlobalAveragePool" | "GlobalMaxPool" | "GlobalLpPool" => global,
        "MaxUnpool" => unpool,
        "MaxRoiPool" => roi_pool,
        _ => return None,
    })
}

/// Pooling of channels that come before the axes of space, unless an attribute says otherwise.
pub(super) fn sliding(c: &Call) -> Result<Reply, Fault> {
    pool(c, c.int("channels_last", 0) != 0)
}

/// Pooling of channels that are the last axis.
pub(super) fn channels_last(c: &Call) -> Result<Reply, Fault> {
    pool(c, true)
}

fn pool(c: &Call, is_channels_last: bool) -> Result<Reply, Fault> {
    let x = c.need(0)?;
    let mut sizes = x.dims.clone();
    if is_channels_last && sizes.len() > 2 {
        sizes[1..].rotate_right(1);
    }
    let Some(kernel) = c.ints("kernel_shape") else {
        return wrong("it has no kernel_shape");
    };
    if x.dims.len() != kernel.len() + 2 {
        return wrong(format!(
            "a window of {} over {}",
            show(kernel),
            show(&x.dims)
        ));
    }
    let mut dims = Dims::from_slice(&sizes[..2]);
    for (window, &input) in windows(c, kernel)?.iter().zip(&sizes[2..]) {
        dims.push(window.outputs(input, c.text("auto_pad"), c.int("ceil_mode", 0) != 0)?);
    }
    if is_channels_last {
        dims[1..].rotate_left(1);
    }
    let mut outs: SmallVec<[Value; 1]> = smallvec![like(x, dims.clone())?];
    if c.wants(1) {
        outs.push(int64(dims)?);
    }
    let taps: f64 = kernel.iter().map(|k| *k as f64).product();
    let elements = outs[0].elements() as f64 * taps;
    Ok(Reply::many(
        outs,
        Work::Reduce {
            elements,
            ops: 1.0,
            special: 0.0,
        },
    ))
}

fn global(c: &Call) -> Result<Reply, Fault> {
    let x = c.need(0)?;
    let dims: Dims = x
        .dims
        .iter()
        .enumerate()
        .map(|(i, d)| if i < 2 { *d } else { 1 })
        .collect();
    let elements = x.elements() as f64;
    Ok(Reply::one(
        like(x, dims)?,
        Work::Reduce {
            elements,
            ops: 1.0,
            special: 0.0,
        },
    ))
}

fn unpool(c: &Call) -> Result<Reply, Fault> {
    let x = c.need(0)?;
    if let Some(v) = c.get(2) {
        let dims = Dims::from_vec(crate::import::onnx::call::known_ints(v)?);
        return Ok(Reply::one(like(x, dims)?, Work::Copy));
    }
    let Some(kernel) = c
        .ints("kernel_shape")
        .filter(|k| k.len() + 2 == x.dims.len())
    else {
        return wrong("it has no fitting kernel_shape");
    };
    let mut dims = Dims::from_slice(&x.dims[..2]);
    for (w, &n) in windows(c, kernel)?.iter().zip(&x.dims[2..]) {
        let full =
            (n as i128 - 1) * i128::from(w.stride) - i128::from(w.before) - i128::from(w.after);
        match i64::try_from(full + i128::from(w.kernel)) {
            Ok(n) => dims.push(n),
            Err(_) => return wrong("an output too large"),
        }
    }
    Ok(Reply::one(like(x, dims)?, Work::Copy))
}

fn roi_pool(c: &Call) -> Result<Reply, Fault> {
    let (x, rois) = (c.ranked(0, 4)?, c.ranked(1, 2)?);
    let Some([h, w]) = c.ints("pooled_shape") else {
        return wrong("it has no pooled_shape");
    };
    let dims = Dims::from_slice(&[rois.dims[0], x.dims[1], *h, *w]);
    let elements = x.elements() as f64;
    Ok(Reply::one(
        like(x, dims)?,
        Work::Reduce {
            elements,
            ops: 1.0,
            special: 0.0,
        },
    ))
}
