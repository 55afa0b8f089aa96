//! Reads and writes at computed places.

use smallvec::smallvec;

use super::Rule;
use crate::import::onnx::call::{Call, Reply, Work, int64, known_ints, like, picked, reduce};
use crate::import::onnx::value::{Dims, Fault, axis, show, wrong};

pub(super) fn rule(op: &str) -> Option<Rule> {
    Some(match op {
        "Gather" => gather,
        "GatherND" => gather_nd,
        "GatherElements" => gather_elements,
        "ScatterND" | "ScatterElements" | "Scatter" | "TensorScatter" => scatter,
        "Compress" => compress,
        "Unique" => unique,
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

fn compress(c: &Call) -> Result<Reply, Fault> {
    let (x, test) = (c.need(0)?, c.need(1)?);
    let known = test.known.as_ref().map(|k| {
        let hits = (0..k.len()).filter(|i| k.float(*i) != Some(0.0));
        hits.count() as i64
    });
    let most = test.elements();
    let mut dims = match c.node.attr("axis") {
        Some(_) => x.dims.clone(),
        None => Dims::from_slice(&[x.elements()]),
    };
    let at = axis(c.int("axis", 0), dims.len())?;
    dims[at] = known.unwrap_or(most).min(dims[at]);
    let reply = Reply::one(like(x, dims)?, Work::Copy);
    Ok(match known {
        Some(_) => reply,
        None => reply.at_most("everything is kept"),
    })
}

fn unique(c: &Call) -> Result<Reply, Fault> {
    let x = c.need(0)?;
    let (dims, n) = match c.node.attr("axis") {
        Some(_) => {
            let at = axis(c.int("axis", 0), x.dims.len())?;
            (x.dims.clone(), x.dims[at])
        }
        None => (Dims::from_slice(&[x.elements()]), x.elements()),
    };
    let list = || int64(Dims::from_slice(&[n]));
    let outs = smallvec![like(x, dims)?, list()?, list()?, list()?];
    // A sort.
    let work = reduce(x, (n.max(2) as f64).log2(), 0.0);
    let reply = Reply::many(outs, work);
    Ok(match (&x.known, n) {
        (_, 0 | 1) => reply,
        _ => reply.at_most("no two elements are equal"),
    })
}
