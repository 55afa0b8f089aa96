//! Texts: their contents are not followed, only how many there are.

use smallvec::smallvec;

use super::Rule;
use crate::import::onnx::call::{Call, Reply, Work, int64, like};
use crate::import::onnx::elem::Elem;
use crate::import::onnx::ir::Attr;
use crate::import::onnx::value::{Dims, Fault, Value, broadcast, open, wrong};

pub(super) fn rule(op: &str) -> Option<Rule> {
    Some(match op {
        "StringNormalizer" => normalize,
        "StringConcat" => concat,
        "StringSplit" => split,
        "RegexFullMatch" => matches,
        "TfIdfVectorizer" => counts,
        _ => return None,
    })
}

/// What is done with letters is not arithmetic.
const LETTERS: Work = Work::Copy;

fn normalize(c: &Call) -> Result<Reply, Fault> {
    let x = c.need(0)?;
    let reply = Reply::one(like(x, x.dims.clone())?, LETTERS);
    Ok(match c.node.attr("stopwords") {
        Some(Attr::Texts(n)) if *n > 0 => reply.at_most("stop words are left out"),
        _ => reply,
    })
}

fn concat(c: &Call) -> Result<Reply, Fault> {
    let (a, b) = (c.need(0)?, c.need(1)?);
    Ok(Reply::one(like(a, broadcast(&a.dims, &b.dims)?)?, LETTERS))
}

fn split(c: &Call) -> Result<Reply, Fault> {
    let x = c.need(0)?;
    let most = c.int("maxsplit", -1);
    if most < 0 {
        return open("the number of words depends on data");
    }
    let mut dims = x.dims.clone();
    dims.push(most.saturating_add(1));
    let outs = smallvec![like(x, dims)?, int64(x.dims.clone())?];
    Ok(Reply::many(outs, LETTERS).at_most("every text is split as often as it may"))
}

fn matches(c: &Call) -> Result<Reply, Fault> {
    let x = c.need(0)?;
    Ok(Reply::one(Value::new(x.dims.clone(), Elem::Bool)?, LETTERS))
}

/// One count per place that the n-grams are given.
fn counts(c: &Call) -> Result<Reply, Fault> {
    let x = c.need(0)?;
    let places = c.ints("ngram_indexes").unwrap_or_default();
    let Some(last) = places.iter().max() else {
        return wrong("it has no ngram_indexes");
    };
    let lead = x.dims.len().saturating_sub(1);
    let mut dims = Dims::from_slice(&x.dims[..lead]);
    dims.push(last.saturating_add(1));
    Ok(Reply::one(Value::new(dims, Elem::F32)?, Work::Copy))
}
