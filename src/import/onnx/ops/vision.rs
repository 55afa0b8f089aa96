//! Sampling, patches, and what else images need beside convolutions.

use smallvec::smallvec;

use super::Rule;
use super::conv::windows;
use super::matmul::Sizes;
use crate::import::onnx::call::{Call, Feed, Reply, Work, int64, known_ints, like, map, reduce};
use crate::import::onnx::value::{Dims, Fault, elements, open, show, wrong};

pub(super) fn rule(op: &str) -> Option<Rule> {
    Some(match op {
        "GridSample" => grid_sample,
        "AffineGrid" => affine_grid,
        "RoiAlign" => roi_align,
        "Col2Im" => col2im,
        "DeformConv" => deform,
        "NonMaxSuppression" => suppress,
        "Det" => determinant,
        "ImageDecoder" => |_| open("the size of the picture is in its data"),
        _ => return None,
    })
}

/// Taps of an interpolation over so many axes.
fn taps(mode: &str, axes: usize) -> f64 {
    let each: f64 = match mode {
        "nearest" => 1.0,
        "cubic" | "bicubic" => 4.0,
        _ => 2.0,
    };
    each.powi(axes.min(8) as i32)
}

fn grid_sample(c: &Call) -> Result<Reply, Fault> {
    let (x, grid) = (c.need(0)?, c.need(1)?);
    if x.dims.len() < 3 || grid.dims.len() != x.dims.len() {
        return wrong(format!("a grid {} for {}", show(&grid.dims), show(&x.dims)));
    }
    let mut dims = Dims::from_slice(&x.dims[..2]);
    dims.extend_from_slice(&grid.dims[1..grid.dims.len() - 1]);
    // Each tap is weighted and added.
    let taps = taps(c.text("mode"), x.dims.len() - 2);
    Ok(Reply::one(like(x, dims)?, map(2.0 * taps, 0.0)))
}

/// A small matrix times each place of the grid.
fn affine_grid(c: &Call) -> Result<Reply, Fault> {
    let theta = c.ranked(0, 3)?;
    let size = known_ints(c.need(1)?)?;
    let Some(space) = size.get(2..).filter(|s| s.len() == 2 || s.len() == 3) else {
        return wrong(format!("a grid for {}", show(&size)));
    };
    let axes = space.len() as i64;
    let mut dims = Dims::from_slice(&[theta.dims[0]]);
    dims.extend_from_slice(space);
    dims.push(axes);
    Ok(Reply::one(
        like(theta, dims)?,
        map(2.0 * (axes as f64 + 1.0), 0.0),
    ))
}

fn roi_align(c: &Call) -> Result<Reply, Fault> {
    let (x, rois) = (c.ranked(0, 4)?, c.ranked(1, 2)?);
    let (h, w) = (c.int("output_height", 1), c.int("output_width", 1));
    let dims = Dims::from_slice(&[rois.dims[0], x.dims[1], h, w]);
    let samples = c.int("sampling_ratio", 0).clamp(1, 64) as f64;
    Ok(Reply::one(
        like(x, dims)?,
        map(8.0 * samples * samples, 0.0),
    ))
}

/// Patches added up where they overlap.
fn col2im(c: &Call) -> Result<Reply, Fault> {
    let x = c.ranked(0, 3)?;
    let (image, block) = (known_ints(c.need(1)?)?, known_ints(c.need(2)?)?);
    let patch = elements(&block)?;
    if patch < 1 || x.dims[1] % patch != 0 {
        return wrong(format!("blocks {} of {}", show(&block), show(&x.dims)));
    }
    let mut dims = Dims::from_slice(&[x.dims[0], x.dims[1] / patch]);
    dims.extend_from_slice(&image);
    Ok(Reply::one(like(x, dims)?, reduce(x, 1.0, 0.0)))
}

/// Samples at learned places, then a product as of any convolution.
fn deform(c: &Call) -> Result<Reply, Fault> {
    let (x, w, offset) = (c.need(0)?, c.need(1)?, c.need(2)?);
    let groups = c.int("group", 1);
    let fits = x.dims.len() == w.dims.len()
        && offset.dims.len() == x.dims.len()
        && (3..=5).contains(&x.dims.len())
        && groups >= 1
        && w.dims[1].checked_mul(groups) == Some(x.dims[1])
        && w.dims[0] % groups == 0;
    if !fits {
        return wrong(format!(
            "{} with {} and offsets {}",
            show(&x.dims),
            show(&w.dims),
            show(&offset.dims)
        ));
    }
    let mut dims = Dims::from_slice(&[x.dims[0], w.dims[0]]);
    for (window, &input) in windows(c, &w.dims[2..])?.iter().zip(&x.dims[2..]) {
        dims.push(window.outputs(input, "", false)?);
    }
    let (pixels, kernel) = (elements(&dims[2..])?, elements(&w.dims[2..])?);
    let sizes = Sizes {
        g: groups,
        m: x.dims[0].saturating_mul(pixels),
        n: w.dims[0] / groups,
        k: w.dims[1].saturating_mul(kernel),
    };
    let patches = like(
        x,
        Dims::from_slice(&[x.dims[0], x.dims[1].saturating_mul(kernel), pixels]),
    )?;
    let mut reply = Reply::one(like(x, dims)?, sizes.work(c, 0, 1));
    let sampled = reply.temp(patches);
    let mask = c.get(4).map(|_| Feed::In(4));
    // Four taps, each weighted and added, and the mask.
    let ins = [Feed::In(0), Feed::In(2)].into_iter().chain(mask).collect();
    reply.part(map(9.0, 0.0), ins, vec![sampled]);
    let bias = c.get(3).map(|_| Feed::In(3));
    reply.feeds = Some([sampled, Feed::In(1)].into_iter().chain(bias).collect());
    Ok(reply)
}

/// At most so many boxes of each class and picture.
fn suppress(c: &Call) -> Result<Reply, Fault> {
    let (boxes, scores) = (c.ranked(0, 3)?, c.ranked(1, 3)?);
    let most = match c.get(2) {
        None => Some(0),
        Some(v) => known_ints(v).ok().and_then(|v| v.first().copied()),
    };
    let each = most.unwrap_or(boxes.dims[1]).clamp(0, boxes.dims[1]);
    let found = scores.dims[0]
        .saturating_mul(scores.dims[1])
        .saturating_mul(each);
    let out = int64(Dims::from_slice(&[found, 3]))?;
    // A sort by score, then each kept box against those that are left.
    let n = scores.elements() as f64;
    let work = Work::Reduce {
        elements: n,
        ops: (boxes.dims[1].max(2) as f64).log2() + 10.0 * each as f64,
        special: each as f64,
    };
    Ok(Reply::one(out, work).at_most("every class keeps as many boxes as it may"))
}

/// A third of `n³` per matrix.
fn determinant(c: &Call) -> Result<Reply, Fault> {
    let x = c.need(0)?;
    let Some((lead, n)) = x.dims.len().checked_sub(2).map(|i| (i, x.dims[i])) else {
        return wrong("not a matrix");
    };
    let out = like(x, Dims::from_slice(&x.dims[..lead]))?;
    Ok(Reply::many(
        smallvec![out],
        reduce(x, 2.0 * n as f64 / 3.0, 0.0),
    ))
}
