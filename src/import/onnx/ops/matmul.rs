//! Matrix products: MatMul, Gemm, Einsum.

use super::Rule;
use crate::import::onnx::call::{Call, Feed, Reply, Work};
use crate::import::onnx::value::{Dims, Fault, Origin, Value, broadcast, elements, show, wrong};
use crate::workload::Einsum;

pub(super) fn rule(op: &str) -> Option<Rule> {
    Some(match op {
        "MatMul" => matmul,
        "Gemm" => gemm,
        "Einsum" => einsum,
        _ => return None,
    })
}

/// Sizes of a product, its batch axes sorted by which operands have them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Sizes {
    pub(super) g: i64,
    pub(super) m: i64,
    pub(super) n: i64,
    pub(super) k: i64,
}

impl Sizes {
    /// The product of the first two tensors that it is fed.
    pub(super) fn free(self) -> Work {
        if self.g == 0 || self.m == 0 || self.n == 0 || self.k == 0 {
            return Work::Copy;
        }
        let [g, m, n, k] = [self.g, self.m, self.n, self.k].map(|x| x as u64);
        Work::Product {
            einsum: Box::new(Einsum::matmul(g, m, n, k)),
            lhs: 0,
            rhs: 1,
        }
    }

    /// The product of `lhs` and `rhs`, which are input numbers; the constant operand goes right.
    pub(super) fn work(self, c: &Call, lhs: usize, rhs: usize) -> Work {
        if self.g == 0 || self.m == 0 || self.n == 0 || self.k == 0 {
            return Work::Copy;
        }
        let fixed = |i: usize| c.get(i).is_some_and(|v| v.origin == Origin::Static);
        let (m, n, lhs, rhs) = if fixed(lhs) && !fixed(rhs) {
            (self.n, self.m, rhs, lhs)
        } else {
            (self.m, self.n, lhs, rhs)
        };
        let einsum = Einsum::matmul(self.g as u64, m as u64, n as u64, self.k as u64);
        Work::Product {
            einsum: Box::new(einsum),
            lhs,
            rhs,
        }
    }
}

/// Result shape and sizes of `[.., M, K] · [.., K, N]`, with vectors and broadcasting as in NumPy.
pub(super) fn product(a: &[i64], b: &[i64]) -> Result<(Dims, Sizes), Fault> {
    let clash = || wrong(format!("{} does not multiply {}", show(a), show(b)));
    let (Some(&last_a), Some(&last_b)) = (a.last(), b.last()) else {
        return clash();
    };
    let (lead_a, m, k) = match a {
        [lead @ .., m, k] => (lead, *m, *k),
        _ => (&a[..0], 1, last_a),
    };
    let (lead_b, kb, n) = match b {
        [lead @ .., k, n] => (lead, *k, *n),
        _ => (&b[..0], last_b, 1),
    };
    if k != kb {
        return clash();
    }
    let mut dims = broadcast(lead_a, lead_b)?;
    let rank = dims.len();
    let at = |v: &[i64], i: usize| (i + v.len()).checked_sub(rank).map_or(1, |i| v[i]);
    let mut sizes = Sizes { g: 1, m, n, k };
    for i in 0..rank {
        let (x, y) = (at(lead_a, i), at(lead_b, i));
        let slot = match (x, y) {
            (_, 1) => &mut sizes.m,
            (1, _) => &mut sizes.n,
            _ => &mut sizes.g,
        };
        *slot = slot.saturating_mul(x.max(y));
    }
    if a.len() > 1 {
        dims.push(m);
    }
    if b.len() > 1 {
        dims.push(n);
    }
    Ok((dims, sizes))
}

pub(in crate::import::onnx) fn matmul(c: &Call) -> Result<Reply, Fault> {
    let (a, b) = (c.need(0)?, c.need(1)?);
    let (dims, sizes) = product(&a.dims, &b.dims)?;
    Ok(Reply::one(Value::new(dims, a.elem)?, sizes.work(c, 0, 1)))
}

pub(super) fn gemm(c: &Call) -> Result<Reply, Fault> {
    let (a, b) = (c.ranked(0, 2)?, c.ranked(1, 2)?);
    let pair = |v: &Value, flip: bool| {
        if flip {
            [v.dims[1], v.dims[0]]
        } else {
            [v.dims[0], v.dims[1]]
        }
    };
    let (a2, b2) = (
        pair(a, c.int("transA", 0) != 0),
        pair(b, c.int("transB", 0) != 0),
    );
    let (dims, sizes) = product(&a2, &b2)?;
    Ok(Reply::one(Value::new(dims, a.elem)?, sizes.work(c, 0, 1)))
}

/// Label of an axis: a letter, or the n-th axis (from the end) of an ellipsis.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Label {
    Letter(u8),
    Rest(usize),
}

fn labels(term: &str, rank: Option<usize>) -> Result<Vec<Label>, Fault> {
    let (before, after) = match term.split_once("...") {
        Some((b, a)) => (b, Some(a)),
        None => (term, None),
    };
    let mut out: Vec<Label> = before.bytes().map(Label::Letter).collect();
    if let Some(after) = after {
        let named = before.len() + after.len();
        let rest = rank.map_or(0, |r| r.saturating_sub(named));
        out.extend((0..rest).rev().map(Label::Rest));
        out.extend(after.bytes().map(Label::Letter));
    }
    if rank.is_some_and(|r| r != out.len()) {
        return wrong(format!("term `{term}` does not fit its operand"));
    }
    Ok(out)
}

fn einsum(c: &Call) -> Result<Reply, Fault> {
    let text: String = c
        .text("equation")
        .chars()
        .filter(|x| !x.is_whitespace())
        .collect();
    let (left, right) = match text.split_once("->") {
        Some((l, r)) => (l, Some(r)),
        None => (text.as_str(), None),
    };
    let terms: Vec<&str> = left.split(',').collect();
    if terms.len() != c.ins.len() {
        return wrong(format!("equation `{text}` for {} operands", c.ins.len()));
    }
    let mut sizes: Vec<(Label, i64)> = Vec::new();
    let mut operands = Vec::new();
    for (i, term) in terms.iter().enumerate() {
        let x = c.need(i)?;
        let list = labels(term, Some(x.dims.len()))?;
        for (label, &d) in list.iter().zip(&x.dims) {
            match sizes.iter_mut().find(|(l, _)| l == label) {
                Some((_, have)) if *have == d || d == 1 => {}
                Some((_, have)) if *have == 1 => *have = d,
                Some(_) => return wrong(format!("equation `{text}` gives one letter two sizes")),
                None => sizes.push((*label, d)),
            }
        }
        operands.push(list);
    }
    let out = result_labels(right, &operands, &sizes)?;
    let size = |l: &Label| sizes.iter().find(|(x, _)| x == l).map_or(1, |(_, d)| *d);
    let shape = |list: &[Label]| list.iter().map(size).collect::<Dims>();
    let value = Value::new(shape(&out), c.need(0)?.elem)?;
    let contract = |a: &[Label], b: &[Label], out: &[Label]| -> Result<Sizes, Fault> {
        let of = |test: &dyn Fn(&Label) -> bool| {
            let each = sizes.iter().filter(|(l, _)| a.contains(l) || b.contains(l));
            let each: Dims = each.filter(|(l, _)| test(l)).map(|(_, d)| *d).collect();
            elements(&each)
        };
        Ok(Sizes {
            g: of(&|l| a.contains(l) && b.contains(l) && out.contains(l))?,
            m: of(&|l| a.contains(l) && !b.contains(l) && out.contains(l))?,
            n: of(&|l| !a.contains(l) && b.contains(l) && out.contains(l))?,
            k: of(&|l| !out.contains(l))?,
        })
    };
    match operands.as_slice() {
        [_] => Ok(Reply::one(value, Work::Copy)),
        [a, b] => Ok(Reply::one(value, contract(a, b, &out)?.work(c, 0, 1))),
        // Pair by pair from the left; what no later operand and no result needs is summed at once.
        [first, rest @ ..] => {
            let mut reply = Reply::one(value, Work::Copy);
            let (mut held, mut from) = (first.clone(), Feed::In(0));
            for (i, next) in rest.iter().enumerate() {
                let is_last = i + 1 == rest.len();
                let needed = |l: &Label| {
                    out.contains(l) || rest[i + 1..].iter().any(|later| later.contains(l))
                };
                let mut joint: Vec<Label> = Vec::new();
                for l in held.iter().chain(next).filter(|l| needed(l)) {
                    if !joint.contains(l) {
                        joint.push(*l);
                    }
                }
                let joint = if is_last { out.clone() } else { joint };
                let work = contract(&held, next, &joint)?.free();
                let pair = vec![from, Feed::In(i + 1)];
                if is_last {
                    (reply.work, reply.feeds) = (work, Some(pair));
                } else {
                    from = reply.temp(Value::new(shape(&joint), c.need(0)?.elem)?);
                    reply.part(work, pair, vec![from]);
                    held = joint;
                }
            }
            Ok(reply)
        }
        [] => wrong("it has no operands"),
    }
}

fn result_labels(
    right: Option<&str>,
    operands: &[Vec<Label>],
    sizes: &[(Label, i64)],
) -> Result<Vec<Label>, Fault> {
    let rest = sizes
        .iter()
        .filter(|(l, _)| matches!(l, Label::Rest(_)))
        .count();
    if let Some(term) = right {
        let named = term.replace("...", "").len();
        let rank = if term.contains("...") {
            Some(named + rest)
        } else {
            None
        };
        return labels(term, rank);
    }
    // Without an arrow: the ellipsis, then the letters that occur once, in alphabetical order.
    let once = |l: &Label| operands.iter().flatten().filter(|x| *x == l).count() == 1;
    let mut letters: Vec<u8> = sizes
        .iter()
        .filter_map(|(l, _)| match l {
            Label::Letter(b) if once(l) => Some(*b),
            Label::Letter(_) | Label::Rest(_) => None,
        })
        .collect();
    letters.sort_unstable();
    let mut out: Vec<Label> = (0..rest).rev().map(Label::Rest).collect();
    out.extend(letters.into_iter().map(Label::Letter));
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(a: &[i64], b: &[i64], dims: &[i64], sizes: [i64; 4]) {
        let (found, s) = product(a, b).expect("multiplies");
        assert_eq!((found.as_slice(), [s.g, s.m, s.n, s.k]), (dims, sizes));
    }

    #[test]
    fn batch_axes_go_where_their_operand_has_them() {
        check(
            &[8, 128, 768],
            &[768, 3072],
            &[8, 128, 3072],
            [1, 1024, 3072, 768],
        );
        check(
            &[2, 12, 128, 64],
            &[2, 12, 64, 128],
            &[2, 12, 128, 128],
            [24, 128, 128, 64],
        );
        check(&[1, 32, 1], &[4, 1, 16], &[4, 32, 16], [1, 32, 64, 1]);
        check(&[5], &[5], &[], [1, 1, 1, 5]);
        check(&[3, 5], &[5], &[3], [1, 3, 1, 5]);
        assert!(product(&[2, 3], &[2, 3]).is_err());
        assert!(product(&[], &[2]).is_err());
    }
}
