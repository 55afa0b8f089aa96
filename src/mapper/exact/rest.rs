//! The least that the stops further in can add.
//!
//! Between two stops one operand at most stays while loops run. What that one costs follows from the tile
//! further out; what the others cost follows from the tile further in, and is least for one of its largest.
//! So the two are bounded apart, for each operand that may stay.

use crate::workload::Slot;

use super::bill::Bill;
use super::flow::{Flow, Node, Order};
use super::space::{RANKS, still_class};
use super::tiles::Fit;

/// Most alternatives that are told apart; the others are merged into bounds below all of them.
const KEPT: usize = 16;

/// What no mapping is below.
pub(super) struct Rest {
    /// `[gap][slot that stays in it]`: what the other slots add at the stop below, and all further in.
    others: Vec<[Others; 3]>,
}

/// Alternatives, and what is below all of them.
struct Others {
    each: Vec<Bill>,
    least: Bill,
}

impl Rest {
    pub(super) fn of(flow: &Flow<'_>, fit: &Fit<'_, '_>) -> Self {
        let engine = flow.space.engine();
        let mut others: Vec<[Others; 3]> = Vec::new();
        let mut further_in = vec![Bill::NONE];
        for stop in (1..=engine).rev() {
            let above = flow.above(stop - 1);
            let mut tiles = Vec::new();
            if stop == engine {
                tiles.push([0; RANKS]);
            } else {
                fit.largest(stop, &flow.table.whole, 0, &mut tiles);
            }
            let here = Slot::ALL.map(|slot| {
                let own = match flow.is_monotone {
                    true => alternatives(flow, &above, stop, slot, &tiles),
                    false => vec![Bill::NONE],
                };
                let each = sums(&own, &further_in);
                let least = each.iter().skip(1).fold(each[0], |a, b| a.least(b));
                Others { each, least }
            });
            let mut all = Vec::new();
            for slot in Slot::ALL {
                let stays = flow.stay(&above, stop - 1, slot);
                for other in &here[slot as usize].each {
                    add(&mut all, other.plus(&stays));
                }
            }
            shorten(&mut all);
            further_in = all;
            others.push(here);
        }
        others.reverse();
        Self { others }
    }

    /// Looks at bills of which every mapping below a node exceeds at least one, unless `is_hopeless` says of
    /// something below them that it need not be; `gap` is the one below the node.
    pub(super) fn below(
        &self,
        flow: &Flow<'_>,
        (node, gap): (&Node, usize),
        is_hopeless: impl Fn(&Bill) -> bool,
        mut look: impl FnMut(&Bill),
    ) {
        let known = node.bill;
        let Some(others) = self.others.get(gap) else {
            look(&known);
            return;
        };
        for slot in Slot::ALL {
            let others = &others[slot as usize];
            if is_hopeless(&known.plus(&others.least)) {
                continue;
            }
            let known = known.plus(&flow.stay(node, gap, slot));
            if is_hopeless(&known.plus(&others.least)) {
                continue;
            }
            for other in &others.each {
                look(&known.plus(other));
            }
        }
    }
}

/// What the slots other than the one that stays add at a stop.
fn alternatives(
    flow: &Flow<'_>,
    above: &Node,
    stop: usize,
    stays: Slot,
    tiles: &[super::table::Index],
) -> Vec<Bill> {
    let mut found = Vec::new();
    for tile in tiles {
        let mut step = flow.step(above, stop - 1, *tile);
        let is_own = |o: &Order| o.inner == Some(still_class(stays));
        let mut orders = step.orders();
        orders.retain(|o| is_own(o));
        if orders.is_empty() {
            orders.push(Order {
                inner: Some(still_class(stays)),
                ..Order::default()
            });
        }
        for order in orders {
            add(&mut found, step.take(order, Some(stays)).bill);
        }
    }
    found
}

fn sums(one: &[Bill], two: &[Bill]) -> Vec<Bill> {
    let mut all = Vec::new();
    for a in one {
        for b in two {
            add(&mut all, a.plus(b));
        }
    }
    shorten(&mut all);
    all
}

/// Adds a bill unless others are within them; drops those that they are within.
fn add(front: &mut Vec<Bill>, bill: Bill) {
    if front.iter().any(|other| other.is_within(&bill)) {
        return;
    }
    front.retain(|other| !bill.is_within(other));
    front.push(bill);
}

fn shorten(front: &mut Vec<Bill>) {
    while front.len() > KEPT {
        if let (Some(one), Some(two)) = (front.pop(), front.pop()) {
            front.insert(0, one.least(&two));
        }
    }
}
