//! The least that the stops further in can add, whatever the tiles further out.

use super::counts::Counts;
use super::flow::Flow;
use super::tiles::Fit;

/// Most alternatives that are told apart; the others are merged into bounds below all of them.
const KEPT: usize = 24;

/// `[stop]`: counts below a stop of which every mapping exceeds at least one.
pub(super) struct Rest(Vec<Vec<Counts>>);

impl Rest {
    /// Each stop's tiles as if the one further out held everything, and as if nothing had moved there.
    pub(super) fn of(flow: &Flow<'_>, fit: &Fit<'_, '_>) -> Self {
        let engine = flow.space.engine();
        let mut from = vec![vec![Counts::NONE]; engine + 1];
        for stop in (1..=engine).rev() {
            let here = alternatives(flow, fit, stop);
            let mut sums = Vec::new();
            for below in &from[stop] {
                for own in &here {
                    add(&mut sums, below.plus(own));
                }
            }
            shorten(&mut sums);
            from[stop - 1] = sums;
        }
        Self(from)
    }

    /// The alternatives below a stop.
    pub(super) fn below(&self, stop: usize) -> &[Counts] {
        &self.0[stop]
    }
}

fn alternatives(flow: &Flow<'_>, fit: &Fit<'_, '_>, stop: usize) -> Vec<Counts> {
    let mut found = Vec::new();
    let mut tiles = Vec::new();
    if stop == flow.space.engine() {
        tiles.push([0; super::space::RANKS]);
    } else {
        fit.largest(stop, &flow.table.whole, 0, &mut tiles);
    }
    let above = flow.above(stop - 1);
    for tile in &tiles {
        for order in flow.orders(&above.at, tile) {
            add(&mut found, flow.descend(&above, stop - 1, tile, order).counts);
        }
    }
    found
}

/// Adds counts unless others are within them; drops those that they are within.
fn add(front: &mut Vec<Counts>, counts: Counts) {
    if front.iter().any(|other| other.is_within(&counts)) {
        return;
    }
    front.retain(|other| !counts.is_within(other));
    front.push(counts);
}

fn shorten(front: &mut Vec<Counts>) {
    while front.len() > KEPT {
        if let (Some(one), Some(two)) = (front.pop(), front.pop()) {
            front.insert(0, one.least(&two));
        }
    }
}
