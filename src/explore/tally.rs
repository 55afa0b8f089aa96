//! Warnings of points: equal ones joined and counted, whatever the order in which points come.

use rustc_hash::FxHashMap;

use crate::diag::{Code, Problem};

/// Most different warnings that are kept.
const MAX_WARNINGS: usize = 12;

/// Warnings of all points so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    kinds: Vec<Kind>,
    known: FxHashMap<(Code, String), usize>,
    points: usize,
}

/// A warning of some points.
#[derive(Debug)]
struct Kind {
    /// That of the first point that has it.
    problem: Problem,
    /// That point, and where it stands there.
    first: (usize, usize),
    points: usize,
}

impl Tally {
    /// Adds a point.
    pub(super) fn add(&mut self, point: usize, warnings: Vec<Problem>) {
        self.points += 1;
        let mut seen: Vec<usize> = Vec::new();
        for (place, problem) in warnings.into_iter().enumerate() {
            let at = self.kind(&problem, (point, place));
            let kind = &mut self.kinds[at];
            if (point, place) < kind.first {
                kind.first = (point, place);
                kind.problem = problem;
            }
            if !seen.contains(&at) {
                seen.push(at);
                kind.points += 1;
            }
        }
    }

    fn kind(&mut self, problem: &Problem, first: (usize, usize)) -> usize {
        let words = match problem.code {
            // These differ in figures from point to point.
            Code::EnergyCoverage => problem
                .message
                .replace(|c: char| c.is_ascii_digit() || c == '.', ""),
            _ => problem.message.clone(),
        };
        *self.known.entry((problem.code, words)).or_insert_with(|| {
            self.kinds.push(Kind {
                problem: problem.clone(),
                first,
                points: 0,
            });
            self.kinds.len() - 1
        })
    }

    /// The first few in the order of the points that have them, each with the number of points.
    pub(super) fn joined(mut self) -> impl Iterator<Item = Problem> {
        self.kinds.sort_by_key(|kind| kind.first);
        let all = self.points;
        self.kinds.into_iter().take(MAX_WARNINGS).map(move |kind| {
            let note = format!("in {} of {all} points", kind.points);
            kind.problem.note(note)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(order: [usize; 3]) -> Vec<Problem> {
        let said = |code, text: &str| Problem::new(code, text.to_owned());
        let of = [
            vec![
                said(Code::EnergyCoverage, "12.5 % of it"),
                said(Code::CapMissed, "hot"),
            ],
            vec![said(Code::CapMissed, "hot"), said(Code::CapMissed, "hot")],
            vec![said(Code::EnergyCoverage, "50 % of it")],
        ];
        let mut tally = Tally::default();
        for point in order {
            tally.add(point, of[point].clone());
        }
        tally.joined().collect()
    }

    #[test]
    fn equal_warnings_are_counted_once_a_point_in_any_order() {
        let found = shares([0, 1, 2]);
        assert_eq!(found, shares([2, 1, 0]));
        let texts: Vec<&str> = found.iter().map(|p| p.message.as_str()).collect();
        assert_eq!(texts, ["12.5 % of it", "hot"]);
        assert!(
            found
                .iter()
                .all(|p| format!("{p:?}").contains("in 2 of 3 points"))
        );
    }
}
