//! What an engine leaves out where operands are zero.

use crate::hardware::{Structured, ZeroSupport};
use crate::workload::{Density, Slot};

/// What an engine makes of an operand's zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Treatment {
    /// Its pattern is one that the engine runs in fewer steps.
    Structured(Structured),
    /// Zeros take neither time nor energy.
    Skipped,
    /// Zeros take time, but no energy.
    Gated,
    /// Zeros are multiplied.
    Ignored,
}

/// Shares of a dense product's events that are left, 1 where zeros save nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shares {
    /// Steps of the engine.
    pub steps: f64,
    /// MACs that take energy.
    pub macs: f64,
    /// Reads of `[lhs, rhs]` that their own zeros leave, from a memory that stores zeros.
    pub own: [f64; 2],
    /// Accesses of `[lhs, rhs, acc]` that the zeros of the others leave, where each MAC makes its own.
    pub accesses: [f64; 3],
    /// Of these, those that take time: what gating saves does not shorten a step.
    pub timed: [f64; 3],
    /// Accesses of results that a pattern leaves, also where several MACs share one.
    pub pattern: f64,
}

impl Shares {
    /// Nothing saved.
    pub const ALL: Self = Self {
        steps: 1.0,
        macs: 1.0,
        own: [1.0; 2],
        accesses: [1.0; 3],
        timed: [1.0; 3],
        pattern: 1.0,
    };
}

/// What an engine makes of the zeros of its inputs `[lhs, rhs]`.
///
/// Of several patterns it runs one at a time, the one with the fewest steps.
pub fn treatments(zeros: &ZeroSupport, operands: [Density; 2]) -> [Treatment; 2] {
    let fitting = zeros.structured.iter().filter(|pattern| {
        let operand = operands.get(pattern.slot as usize);
        operand.is_some_and(|density| fits(*density, **pattern))
    });
    let best = fitting.min_by(|a, b| kept(**a).total_cmp(&kept(**b)));
    [Slot::Lhs, Slot::Rhs].map(|slot| {
        let (i, dense) = (slot as usize, operands[slot as usize].share() == 1.0);
        match best.filter(|pattern| pattern.slot == slot) {
            Some(pattern) => Treatment::Structured(*pattern),
            None if zeros.skip[i] && !dense => Treatment::Skipped,
            None if zeros.gate[i] && !dense => Treatment::Gated,
            None => Treatment::Ignored,
        }
    })
}

/// Events that are left on an engine whose inputs `[lhs, rhs]` have zeros.
///
/// Zeros of the two inputs are independent. Skipping `s` leaves its density of the steps, MACs and accesses of
/// all three operands; gating `s` leaves all steps and its own reads, and its density of the MACs, of the other
/// input's reads and of the result's accesses, where a gated left operand is looked at before a gated right
/// one; a pattern `k:g` leaves k/g of the steps, MACs, its own reads and the result's accesses, and what zeros it
/// still holds are skipped or gated as others are. Lanes that run in step are taken to be equally loaded: the
/// steps are a lower bound.
///
/// Source: gating and skipping of Wu et al., "Sparseloop", MICRO 2022; patterns of Mishra et al., "Accelerating
/// Sparse Deep Neural Networks", 2021, section 3; derived.
pub fn shares(zeros: &ZeroSupport, operands: [Density; 2]) -> Shares {
    let mut left = Shares::ALL;
    let treated = treatments(zeros, operands);
    let [lhs, rhs] = [Slot::Lhs as usize, Slot::Rhs as usize];
    for (i, treatment) in treated.into_iter().enumerate() {
        let (mut share, mut how) = (operands[i].share(), treatment);
        if let Treatment::Structured(pattern) = treatment {
            let kept = kept(pattern);
            left.steps *= kept;
            left.macs *= kept;
            left.own[i] *= kept;
            left.pattern *= kept;
            left.accesses[Slot::Acc as usize] *= kept;
            left.timed[Slot::Acc as usize] *= kept;
            share = (share / kept).min(1.0);
            how = match (zeros.skip[i], zeros.gate[i]) {
                (true, _) => Treatment::Skipped,
                (false, true) => Treatment::Gated,
                (false, false) => Treatment::Ignored,
            };
        }
        let other = if i == lhs { rhs } else { lhs };
        match how {
            Treatment::Skipped => {
                left.steps *= share;
                left.macs *= share;
                left.own[i] *= share;
                for slot in [other, Slot::Acc as usize] {
                    left.accesses[slot] *= share;
                    left.timed[slot] *= share;
                }
            }
            Treatment::Gated => {
                left.macs *= share;
                left.accesses[Slot::Acc as usize] *= share;
                let leads = i == lhs || !zeros.gate[other];
                if leads {
                    left.accesses[other] *= share;
                }
            }
            Treatment::Structured(_) | Treatment::Ignored => {}
        }
    }
    left
}

fn kept(pattern: Structured) -> f64 {
    f64::from(pattern.keep) / f64::from(pattern.group)
}

/// Whether every aligned group of the engine's pattern holds no more than it keeps.
fn fits(density: Density, pattern: Structured) -> bool {
    let Density::Structured { keep, group } = density else {
        return false;
    };
    let most = if pattern.group.is_multiple_of(group) {
        keep * (pattern.group / group)
    } else if group % pattern.group == 0 {
        keep.min(pattern.group)
    } else {
        return false;
    };
    most <= pattern.keep
}

#[cfg(test)]
mod tests {
    use super::*;

    const HALF: Density = Density::Structured { keep: 2, group: 4 };

    fn uniform(density: f64) -> Density {
        Density::Uniform {
            density,
            elements: f64::INFINITY,
        }
    }

    fn engine(gate: [bool; 2], skip: [bool; 2], structured: &[(u32, u32, Slot)]) -> ZeroSupport {
        let patterns = structured.iter();
        let pattern = |&(keep, group, slot)| Structured { keep, group, slot };
        ZeroSupport {
            gate: [gate[0], gate[1], false],
            skip: [skip[0], skip[1], false],
            structured: patterns.map(pattern).collect(),
        }
    }

    const NO: [bool; 2] = [false, false];
    const LEFT: [bool; 2] = [true, false];
    const BOTH: [bool; 2] = [true, true];

    #[test]
    fn a_dense_engine_saves_nothing() {
        let dense = engine(NO, NO, &[]);
        assert_eq!(shares(&dense, [uniform(0.1), HALF]), Shares::ALL);
        let able = engine(BOTH, NO, &[(2, 4, Slot::Rhs)]);
        assert_eq!(shares(&able, [Density::Dense, Density::Dense]), Shares::ALL);
    }

    /// All pairs of masks of the two operands of one sum, events counted one by one.
    #[test]
    fn shares_equal_events_counted() {
        let (lhs, rhs) = (3, 2);
        let masks = |set: u32| (0_u32..16).filter(move |m| m.count_ones() == set);
        for (gate, skip) in [
            (LEFT, NO),
            (BOTH, NO),
            (NO, LEFT),
            (NO, BOTH),
            (LEFT, [false, true]),
        ] {
            let mut count = [0.0; 5];
            let mut all = 0.0;
            for a in masks(lhs) {
                for b in masks(rhs) {
                    for bit in 0..4 {
                        all += 1.0;
                        let (l, r) = (a >> bit & 1 == 1, b >> bit & 1 == 1);
                        if (skip[0] && !l) || (skip[1] && !r) {
                            continue;
                        }
                        count[0] += 1.0;
                        // A gated left operand is looked at first.
                        let mut open = true;
                        for (i, nonzero) in [l, r].into_iter().enumerate() {
                            let waits = i == 0 && gate[1] && !gate[0];
                            count[2 + i] += f64::from(u8::from(open && (!waits || r)));
                            open &= !gate[i] || nonzero;
                        }
                        count[1] += f64::from(u8::from(open));
                        count[4] += f64::from(u8::from(open));
                    }
                }
            }
            let found = shares(&engine(gate, skip, &[]), [uniform(0.75), uniform(0.5)]);
            let [mut l, mut r, acc] = found.accesses;
            (l, r) = (l * found.own[0], r * found.own[1]);
            for (found, count) in [found.steps, found.macs, l, r, acc].iter().zip(count) {
                assert!((found - count / all).abs() < 1e-12, "{gate:?} {skip:?}");
            }
        }
    }

    #[test]
    fn a_pattern_needs_an_engine_that_knows_it() {
        let tensor_core = engine(NO, NO, &[(2, 4, Slot::Rhs)]);
        let steps = |rhs| shares(&tensor_core, [Density::Dense, rhs]).steps;
        assert_eq!(steps(HALF), 0.5);
        // Sparser patterns run as 2:4; 4:8 may put four into one group of four; anywhere is no pattern.
        assert_eq!(steps(Density::Structured { keep: 1, group: 4 }), 0.5);
        assert_eq!(steps(Density::Structured { keep: 1, group: 2 }), 0.5);
        assert_eq!(steps(Density::Structured { keep: 2, group: 8 }), 0.5);
        assert_eq!(steps(Density::Structured { keep: 4, group: 8 }), 1.0);
        assert_eq!(steps(Density::Structured { keep: 3, group: 4 }), 1.0);
        assert_eq!(steps(uniform(0.1)), 1.0);
        // The other operand's pattern is none of its own.
        assert_eq!(shares(&tensor_core, [HALF, Density::Dense]), Shares::ALL);
        let both = shares(&tensor_core, [Density::Dense, HALF]);
        assert_eq!((both.macs, both.own), (0.5, [1.0, 0.5]));
        assert_eq!(
            (both.accesses, both.timed),
            ([1.0, 1.0, 0.5], [1.0, 1.0, 0.5])
        );
    }

    #[test]
    fn zeros_within_a_pattern_are_gated_as_others_are() {
        let able = engine([false, true], NO, &[(2, 4, Slot::Rhs)]);
        let quarter = Density::Structured { keep: 1, group: 4 };
        let found = shares(&able, [Density::Dense, quarter]);
        assert_eq!((found.steps, found.macs), (0.5, 0.25));
        assert_eq!((found.accesses[2], found.timed[2]), (0.25, 0.5));
    }
}
