//! What is known of index lists and masks too long to be followed element by element.

use super::call::{Call, known_ints};
use super::value::{Lit, Value};
use crate::workload::Mask;

/// Scores with this or less added to them count as masked.
pub(super) const BLOCKED: f64 = -1e4;

/// Pairs of a query `q` and a key `k`, by the distance `k - q` of their places in the mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Band {
    pub(super) from: Option<i64>,
    pub(super) to: Option<i64>,
    /// All pairs of the band, not only pairs of the band.
    is_whole: bool,
}

/// A law that all elements of a tensor follow.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Hint {
    /// All are this number.
    Fill(f64),
    /// `start + i` along one axis, counted from the last, and the same along all others.
    Count { axis: usize, start: i64 },
    /// True, or 1, for pairs of the band: queries on the last axis but one, keys on the last.
    Allowed(Band),
    /// Far below zero for pairs out of the band.
    Added(Band),
}

impl Band {
    pub(super) fn up_to(to: i64) -> Self {
        Self {
            from: None,
            to: Some(to),
            is_whole: true,
        }
    }

    fn starting(from: i64) -> Self {
        Self {
            from: Some(from),
            to: None,
            is_whole: true,
        }
    }

    fn part(self) -> Self {
        Self {
            is_whole: false,
            ..self
        }
    }

    fn and(self, other: Self) -> Self {
        let tighter = |a: Option<i64>, b: Option<i64>, pick: fn(i64, i64) -> i64| match (a, b) {
            (Some(a), Some(b)) => Some(pick(a, b)),
            (a, b) => a.or(b),
        };
        Self {
            from: tighter(self.from, other.from, i64::max),
            to: tighter(self.to, other.to, i64::min),
            is_whole: self.is_whole && other.is_whole,
        }
    }

    /// The pairs left out, if they are a band, too.
    fn not(self) -> Option<Self> {
        match (self.is_whole, self.from, self.to) {
            (true, None, Some(to)) => Some(Self::starting(to.checked_add(1)?)),
            (true, Some(from), None) => Some(Self::up_to(from.checked_sub(1)?)),
            _ => None,
        }
    }

    /// The same pairs where the mask starts so many queries and keys later.
    fn shifted(self, queries: i64, keys: i64) -> Option<Self> {
        let by = queries.checked_sub(keys)?;
        let moved = |x: Option<i64>| x.map(|x| x.checked_add(by));
        Some(Self {
            from: moved(self.from).unwrap_or_default(),
            to: moved(self.to).unwrap_or_default(),
            is_whole: self.is_whole,
        })
    }

    /// The mask of attention that it stands for.
    pub(super) fn mask(self, q_len: i64, kv_len: i64) -> Option<Mask> {
        let past = kv_len - q_len;
        let to = self.to.filter(|to| *to <= past)?;
        match self.from.map(|from| to - from + 1) {
            Some(window) if window < 1 => None,
            Some(window) if window < kv_len => Some(Mask::Window(window as u64)),
            Some(_) | None => Some(Mask::Causal),
        }
    }
}

/// The tightest mask among what is added to scores or chooses among them.
pub(super) fn mask<'v>(
    parts: impl Iterator<Item = &'v Value>,
    q_len: i64,
    kv_len: i64,
) -> Option<Mask> {
    let bands = parts.filter_map(|v| match v.hint {
        Some(Hint::Allowed(band) | Hint::Added(band)) => Some(band),
        Some(Hint::Fill(_) | Hint::Count { .. }) | None => None,
    });
    bands.reduce(Band::and)?.mask(q_len, kv_len)
}

fn of(v: &Value) -> Option<Hint> {
    let one = || match v.known.as_ref() {
        Some(known) if known.len() == 1 => known.float(0).map(Hint::Fill),
        Some(_) | None => None,
    };
    v.hint.or_else(one)
}

fn number(c: &Call, i: usize) -> Option<f64> {
    match of(c.get(i)?)? {
        Hint::Fill(x) => Some(x),
        Hint::Count { .. } | Hint::Allowed(_) | Hint::Added(_) => None,
    }
}

/// The law of a node's first output.
pub(super) fn hint(c: &Call, out: &Value) -> Option<Hint> {
    if !c.node.op.domain.is_empty() {
        return None;
    }
    let has_law = |v: &&Value| v.hint.is_some();
    if !c.ins.iter().flatten().any(has_law) {
        return source(c, out);
    }
    match c.op() {
        "Identity" | "Cast" | "Dropout" => of(c.get(0)?),
        "Reshape" | "Unsqueeze" | "Squeeze" | "Flatten" | "Expand" => moved(c.get(0)?, out),
        "Slice" => sliced(c, out),
        "Add" | "Sub" => sum(c),
        "Mul" => product(c),
        "And" => both(c),
        "Not" => match of(c.get(0)?)? {
            Hint::Allowed(band) => band.not().map(Hint::Allowed),
            Hint::Fill(_) | Hint::Count { .. } | Hint::Added(_) => None,
        },
        "LessOrEqual" => compare(c, 0, 1, 0),
        "Less" => compare(c, 0, 1, -1),
        "GreaterOrEqual" => compare(c, 1, 0, 0),
        "Greater" => compare(c, 1, 0, -1),
        "Where" => chosen(c),
        "Trilu" => triangle(c),
        _ => None,
    }
}

fn source(c: &Call, out: &Value) -> Option<Hint> {
    match c.op() {
        "Range" => {
            let start = c.get(0)?.known.as_ref()?.float(0)?;
            let step = c.get(2)?.known.as_ref()?.float(0)?;
            let counts = step == 1.0 && start.fract() == 0.0 && start.abs() < 1e15;
            counts.then_some(Hint::Count {
                axis: 0,
                start: start as i64,
            })
        }
        "ConstantOfShape" => match c.tensor("value") {
            Some(v) => v.known.as_ref()?.float(0).map(Hint::Fill),
            None => Some(Hint::Fill(0.0)),
        },
        "Expand" => match of(c.get(0)?)? {
            Hint::Fill(x) => Some(Hint::Fill(x)),
            Hint::Count { .. } | Hint::Allowed(_) | Hint::Added(_) => None,
        },
        // An index list short enough to be followed.
        "Add" | "Sub" | "Cast" | "CumSum" => short_count(out),
        _ => None,
    }
}

/// `start, start + 1, ..` by its contents.
pub(super) fn short_count(v: &Value) -> Option<Hint> {
    let Some(Lit::Int(list)) = &v.known else {
        return None;
    };
    let [start, second, ..] = **list else {
        return None;
    };
    if start.checked_add(1) != Some(second) {
        return None;
    }
    let axis = v.dims.iter().rev().position(|d| *d == list.len() as i64)?;
    let counts = list.windows(2).all(|w| w[0].checked_add(1) == Some(w[1]));
    counts.then_some(Hint::Count { axis, start })
}

/// The same elements in another shape, or repeated.
fn moved(v: &Value, out: &Value) -> Option<Hint> {
    let last = |dims: &[i64]| dims.iter().rev().take(2).copied().collect::<Vec<i64>>();
    match of(v)? {
        Hint::Fill(x) => Some(Hint::Fill(x)),
        Hint::Count { axis, start } => {
            let n = *v.dims.iter().rev().nth(axis)?;
            let alone = v.elements() == n;
            let axis = if alone && out.elements() == n {
                out.dims.iter().rev().position(|d| *d == n)?
            } else {
                axis
            };
            let same = out.dims.iter().rev().nth(axis) == Some(&n);
            same.then_some(Hint::Count { axis, start })
        }
        law @ (Hint::Allowed(_) | Hint::Added(_)) => {
            (last(&v.dims) == last(&out.dims)).then_some(law)
        }
    }
}

fn sliced(c: &Call, out: &Value) -> Option<Hint> {
    let x = c.get(0)?;
    let rank = x.dims.len();
    let mut starts = vec![0i64; rank];
    let list = |i: usize, name: &str| c.ints_at(i, name).ok().flatten();
    let (from, axes) = (list(1, "starts")?, list(3, "axes"));
    if list(4, "steps").is_some_and(|s| s.iter().any(|s| *s != 1)) {
        return None;
    }
    for (i, &start) in from.iter().enumerate() {
        let at = match &axes {
            Some(axes) => super::value::axis(*axes.get(i)?, rank).ok()?,
            None => i,
        };
        let n = *x.dims.get(at)?;
        let start = if start < 0 {
            start.checked_add(n)?
        } else {
            start
        };
        starts[at] = start.clamp(0, n);
    }
    let behind = |axis: usize| starts.iter().rev().nth(axis).copied().unwrap_or(0);
    match of(x)? {
        Hint::Fill(v) => Some(Hint::Fill(v)),
        Hint::Count { axis, start } => Some(Hint::Count {
            axis,
            start: start.checked_add(behind(axis))?,
        }),
        Hint::Allowed(band) => band.shifted(behind(1), behind(0)).map(Hint::Allowed),
        Hint::Added(band) => band.shifted(behind(1), behind(0)).map(Hint::Added),
    }
    .filter(|_| out.dims.len() == rank)
}

fn sum(c: &Call) -> Option<Hint> {
    let sign = if c.op() == "Sub" { -1.0 } else { 1.0 };
    let (a, b) = (of(c.get(0)?), of(c.get(1)?));
    match (a, b) {
        (Some(Hint::Count { axis, start }), Some(Hint::Fill(x))) => counted(axis, start, sign * x),
        (Some(Hint::Fill(x)), Some(Hint::Count { axis, start })) if sign > 0.0 => {
            counted(axis, start, x)
        }
        (Some(Hint::Fill(x)), Some(Hint::Fill(y))) => Some(Hint::Fill(x + sign * y)),
        // One less a mask of ones and zeros is what it leaves out.
        (Some(Hint::Fill(1.0)), Some(Hint::Allowed(band))) if sign < 0.0 => {
            band.not().map(Hint::Allowed)
        }
        (Some(Hint::Added(a)), Some(Hint::Added(b))) if sign > 0.0 => Some(Hint::Added(a.and(b))),
        // Whatever else is added, what was far below zero stays so.
        (Some(Hint::Added(band)), _) | (_, Some(Hint::Added(band))) if sign > 0.0 => {
            Some(Hint::Added(band.part()))
        }
        _ => None,
    }
}

fn counted(axis: usize, start: i64, by: f64) -> Option<Hint> {
    let is_place = by.fract() == 0.0 && by.abs() < 1e15;
    let start = start.checked_add(by as i64).filter(|_| is_place)?;
    Some(Hint::Count { axis, start })
}

fn product(c: &Call) -> Option<Hint> {
    match (of(c.get(0)?), of(c.get(1)?)) {
        (Some(Hint::Fill(x)), Some(Hint::Fill(y))) => Some(Hint::Fill(x * y)),
        // Ones, for what is left out, times a number far below zero.
        (Some(Hint::Allowed(band)), Some(Hint::Fill(x)))
        | (Some(Hint::Fill(x)), Some(Hint::Allowed(band)))
            if x <= BLOCKED =>
        {
            band.not().map(Hint::Added)
        }
        (Some(Hint::Allowed(a)), Some(Hint::Allowed(b))) => Some(Hint::Allowed(a.and(b))),
        _ => None,
    }
}

fn both(c: &Call) -> Option<Hint> {
    match (of(c.get(0)?), of(c.get(1)?)) {
        (Some(Hint::Allowed(a)), Some(Hint::Allowed(b))) => Some(Hint::Allowed(a.and(b))),
        (Some(Hint::Allowed(band)), Some(Hint::Fill(x)))
        | (Some(Hint::Fill(x)), Some(Hint::Allowed(band)))
            if x != 0.0 =>
        {
            Some(Hint::Allowed(band))
        }
        (Some(Hint::Allowed(band)), _) | (_, Some(Hint::Allowed(band))) => {
            Some(Hint::Allowed(band.part()))
        }
        _ => None,
    }
}

/// Input `low` is at most input `high` plus `slack`.
fn compare(c: &Call, low: usize, high: usize, slack: i64) -> Option<Hint> {
    let count = |i: usize| match of(c.get(i)?)? {
        Hint::Count { axis, start } if axis < 2 => Some((axis, start)),
        Hint::Count { .. } | Hint::Fill(_) | Hint::Allowed(_) | Hint::Added(_) => None,
    };
    let ((low_axis, low_start), (high_axis, high_start)) = (count(low)?, count(high)?);
    let distance = high_start.checked_sub(low_start)?.checked_add(slack)?;
    match (low_axis, high_axis) {
        // k + low <= q + high
        (0, 1) => Some(Hint::Allowed(Band::up_to(distance))),
        // q + low <= k + high
        (1, 0) => Some(Hint::Allowed(Band::starting(distance.checked_neg()?))),
        _ => None,
    }
}

fn chosen(c: &Call) -> Option<Hint> {
    let Hint::Allowed(band) = of(c.get(0)?)? else {
        return None;
    };
    let is_blocked = |x: Option<f64>| x.is_some_and(|x| x <= BLOCKED);
    match (number(c, 1), number(c, 2)) {
        (yes, no) if is_blocked(no) && !is_blocked(yes) => Some(Hint::Added(band)),
        (yes, no) if is_blocked(yes) && !is_blocked(no) => band.not().map(Hint::Added),
        (Some(yes), Some(0.0)) if yes != 0.0 => Some(Hint::Allowed(band)),
        (Some(0.0), Some(no)) if no != 0.0 => band.not().map(Hint::Allowed),
        _ => None,
    }
}

fn triangle(c: &Call) -> Option<Hint> {
    let fill = number(c, 0)?;
    let diagonal = match c.get(1) {
        Some(v) => known_ints(v).ok()?.first().copied()?,
        None => 0,
    };
    let is_upper = c.int("upper", 1) != 0;
    let kept = if is_upper {
        Band::starting(diagonal)
    } else {
        Band::up_to(diagonal)
    };
    match fill {
        x if x <= BLOCKED => kept.not().map(Hint::Added),
        0.0 => Some(Hint::Fill(0.0)),
        _ => Some(Hint::Allowed(kept)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_band_is_the_mask_that_it_cuts_out() {
        // Four queries behind three past keys: query q sees keys up to q + 3.
        assert_eq!(Band::up_to(3).mask(4, 7), Some(Mask::Causal));
        assert_eq!(Band::up_to(4).mask(4, 7), None);
        let window = Band::up_to(3).and(Band::starting(2));
        assert_eq!(window.mask(4, 7), Some(Mask::Window(2)));
        assert_eq!(Band::starting(1).not(), Some(Band::up_to(0)));
        assert_eq!(Band::up_to(0).part().not(), None);
        // Rows from 3 on of a square triangle.
        assert_eq!(Band::up_to(0).shifted(3, 0), Some(Band::up_to(3)));
    }
}
