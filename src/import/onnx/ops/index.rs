//! Reads and writes at computed places.

use super::Rule;
use crate::import::onnx::call::{Call, Reply, Work, known_ints, like, picked};
use crate::import::onnx::value::{Dims, Fault, axis, open, show, wrong};

pub(super) fn rule(op: &str) -> Option<Rule> {
    Some(match op {
        "Gather" => gather,
        "GatherND" => gather_nd,
        "GatherElements" => gather_elements,
        "ScatterND" | "ScatterElements" | "Scatter" | "TensorScatter" => scatter,
        "GridSample" => grid_sample,
        "RoiAlign" => roi_align,
        "NonMaxSuppression" | "Compress" | "Unique" => data_dependent,
        _ => return None,
    })
}

fn picks(out: &crate::import::onnx::value::Value) -> Work {
    Work::Gather {
        elements: out.elements() as f64,
        table: 0,
    }
}

fn gather(c: &Call) -> Result<Reply, Fault> {
    let (x, at) = (c.need(0)?, c.need(1)?);
    let k = axis(c.int("axis", 0), x.dims.len())?;
    let mut dims = Dims::from_slice(&x.dims[..k]);
    dims.extend_from_slice(&at.dims);
    dims.extend_from_slice(&x.dims[k + 1..]);
    let n = x.dims[k];
    let index: Option<Vec<usize>> = at.known.as_ref().and_then(|_| {
        let list = known_ints(at).ok()?;
        let each = list
            .iter()
            .map(|i| if *i < 0 { i.checked_add(n) } else { Some(*i) });
        each.map(|i| i.filter(|i| (0..n).contains(i)).map(|i| i as usize))
            .collect()
    });
    let inner: i64 = x.dims[k + 1..].iter().product();
    let outer: i64 = x.dims[..k].iter().product();
    let mut out = like(x, dims.clone())?;
    out.stored = x.stored;
    if let Some(index) = index {
        out = picked(x, dims, || {
            let (n, inner) = (n as usize, inner as usize);
            let mut all = Vec::new();
            for o in 0..outer as usize {
                for i in &index {
                    all.extend((0..inner).map(|p| (o * n + i) * inner + p));
                }
            }
            all
        })?;
    }
    let work = picks(&out);
    Ok(Reply::one(out, work))
}

fn gather_nd(c: &Call) -> Result<Reply, Fault> {
    let (x, at) = (c.need(0)?, c.need(1)?);
    let batch = usize::try_from(c.int("batch_dims", 0)).unwrap_or(usize::MAX);
    let Some((&depth, lead)) = at.dims.split_last() else {
        return wrong("its indices have no axes");
    };
    let taken = usize::try_from(depth)
        .unwrap_or(usize::MAX)
        .saturating_add(batch);
    if taken > x.dims.len() {
        return wrong(format!("indices {} of {}", show(&at.dims), show(&x.dims)));
    }
    let mut dims = Dims::from_slice(lead);
    dims.extend_from_slice(&x.dims[taken..]);
    let out = like(x, dims)?;
    let work = picks(&out);
    Ok(Reply::one(out, work))
}

fn gather_elements(c: &Call) -> Result<Reply, Fault> {
    let (x, at) = (c.need(0)?, c.need(1)?);
    let out = like(x, at.dims.clone())?;
    let work = picks(&out);
    Ok(Reply::one(out, work))
}

fn scatter(c: &Call) -> Result<Reply, Fault> {
    let x = c.need(0)?;
    Ok(Reply::one(like(x, x.dims.clone())?, Work::Copy))
}

fn grid_sample(c: &Call) -> Result<Reply, Fault> {
    let (x, grid) = (c.need(0)?, c.need(1)?);
    if x.dims.len() < 3 || grid.dims.len() != x.dims.len() {
        return wrong(format!("a grid {} for {}", show(&grid.dims), show(&x.dims)));
    }
    let mut dims = Dims::from_slice(&x.dims[..2]);
    dims.extend_from_slice(&grid.dims[1..grid.dims.len() - 1]);
    // Bilinear: four taps, each weighted and added.
    Ok(Reply::one(
        like(x, dims)?,
        Work::Map {
            ops: 8.0,
            special: 0.0,
        },
    ))
}

fn roi_align(c: &Call) -> Result<Reply, Fault> {
    let (x, rois) = (c.ranked(0, 4)?, c.ranked(1, 2)?);
    let (h, w) = (c.int("output_height", 1), c.int("output_width", 1));
    let dims = Dims::from_slice(&[rois.dims[0], x.dims[1], h, w]);
    let samples = c.int("sampling_ratio", 0).clamp(1, 64) as f64;
    Ok(Reply::one(
        like(x, dims)?,
        Work::Map {
            ops: 8.0 * samples * samples,
            special: 0.0,
        },
    ))
}

fn data_dependent(_: &Call) -> Result<Reply, Fault> {
    open("the number of results depends on data")
}
