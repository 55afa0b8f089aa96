//! How far batch, context and number of chips can be stretched.

use crate::simulate::MemoryUse;

use super::{Ask, Fit, Probe};

/// Most chips that are tried.
pub const MAX_CHIPS: u64 = 1024;

/// Beyond it nothing is searched: no machine holds so many sequences or tokens.
const SEARCH_END: u64 = 1 << 40;

/// Largest batch and context, fewest chips.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// At this context; 0 if not even one fits, `None` if the model's batch is fixed or unlimited.
    pub max_batch: Option<u64>,
    /// At this batch; 0 if not even two tokens fit, `None` without a context or if it needs no memory.
    pub max_context: Option<u64>,
    /// Of this kind, tensor parallel; `None` if no number up to [`MAX_CHIPS`] is enough.
    pub min_chips: Option<u64>,
    /// Longest context the model states.
    pub model_context: Option<u64>,
}

/// All limits of a question.
pub(super) fn find(probe: &Probe<'_>, ask: &Ask, fit: &Fit) -> Limits {
    Limits {
        max_batch: max_batch(probe, ask, fit),
        max_context: max_context(probe, ask, fit),
        min_chips: min_chips(probe, fit),
        model_context: probe.model_context,
    }
}

/// Largest batch that fits, everything else as asked.
pub(super) fn max_batch(probe: &Probe<'_>, ask: &Ask, fit: &Fit) -> Option<u64> {
    let with = |batch| Ask {
        batch: Some(batch),
        ..ask.clone()
    };
    // A model whose batch is fixed refuses another one.
    (probe.memory)(&with(ask.sequences().saturating_add(1))).ok()?;
    largest(1, |batch| fits(probe, &with(batch), fit))
}

/// Longest context that fits, everything else as asked.
pub(super) fn max_context(probe: &Probe<'_>, ask: &Ask, fit: &Fit) -> Option<u64> {
    ask.context?;
    let with = |context| Ask {
        context: Some(context),
        ..ask.clone()
    };
    largest(2, |context| fits(probe, &with(context), fit))
}

fn min_chips(probe: &Probe<'_>, fit: &Fit) -> Option<u64> {
    (1..=MAX_CHIPS).find(|chips| fit.holds(&probe.shard.per_chip(&fit.memory, *chips)))
}

fn fits(probe: &Probe<'_>, ask: &Ask, fit: &Fit) -> bool {
    let holds = |memory: MemoryUse| fit.holds(&memory);
    (probe.memory)(ask).is_ok_and(holds)
}

/// Largest `n >= least` for which a monotone property holds: 0 if it does not even for `least`,
/// `None` if there is no end to it.
fn largest(least: u64, holds: impl Fn(u64) -> bool) -> Option<u64> {
    if !holds(least) {
        return Some(0);
    }
    let mut good = least;
    let mut bad = least * 2;
    while holds(bad) {
        good = bad;
        bad *= 2;
        if bad > SEARCH_END {
            return None;
        }
    }
    while bad - good > 1 {
        let middle = good + (bad - good) / 2;
        if holds(middle) {
            good = middle;
        } else {
            bad = middle;
        }
    }
    Some(good)
}

#[cfg(test)]
mod tests {
    use super::largest;

    #[test]
    fn the_largest_is_found_exactly() {
        for end in [1, 2, 3, 7, 8, 9, 481_000] {
            assert_eq!(largest(1, |n| n <= end), Some(end));
        }
        assert_eq!(largest(1, |_| false), Some(0));
        assert_eq!(largest(1, |_| true), None);
    }
}
