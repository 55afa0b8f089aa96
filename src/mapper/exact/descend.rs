//! The search under one spatial choice: stops from the outside in, the most promising tiles first.

use smallvec::SmallVec;

use crate::workload::Slot;

use super::bill::Bill;
use super::flow::{Flow, Node, Order};
use super::goal::{Goal, Key};
use super::path::Path;
use super::rest::Rest;
use super::run::State;
use super::sides::Side;
use super::space::{RANKS, Space, bits};
use super::table::{Index, Table};
use super::tiles::Fit;

/// A spatial choice with all that its search looks up.
pub(super) struct Prepared<'a> {
    pub(super) flow: Flow<'a>,
    rest: Rest,
    pub(super) root: Node,
    /// Whether counts are exact, so that they need no pricing.
    trusts: bool,
}

impl<'a> Prepared<'a> {
    /// `None` if not even single iterations fit.
    pub(super) fn of(
        space: &'a Space<'a>,
        side: &'a Side,
        table: Table,
        goal: &impl Goal,
    ) -> Option<Self> {
        let is_exact = table.is_exact && goal.trusts(space);
        let flow = Flow::of(space, side, table, goal.rates(space, side));
        let used = [0.0; RANKS];
        let fit = Fit {
            space,
            table: &flow.table,
            used: &used,
        };
        let single = [0; RANKS];
        if !(1..space.engine()).all(|stop| fit.fits(stop, &single)) {
            return None;
        }
        let rest = Rest::of(&flow, &fit);
        Some(Self {
            root: flow.root(),
            rest,
            trusts: is_exact && flow.is_monotone,
            flow,
        })
    }

    /// The least rank that a chain of tiles can come to; `None` if nothing of it is wanted.
    pub(super) fn bound(&self, node: &Node, stop: usize, goal: &impl Goal) -> Option<Key> {
        let mut least: Option<Key> = None;
        let rank = |bill: &Bill| goal.rank(&self.flow.rates, bill);
        let is_hopeless = |bill: &Bill| rank(bill).is_none();
        self.rest
            .below(&self.flow, (node, stop), is_hopeless, |bill| {
                if let Some(key) = rank(bill)
                    && least.is_none_or(|l| key.beats(l))
                {
                    least = Some(key);
                }
            });
        least
    }
}

/// The search under one spatial choice.
pub(super) struct Descent<'a, 's, G> {
    given: &'a Prepared<'a>,
    state: &'s mut State<G>,
    path: Path,
    used: [f64; RANKS],
    doubtful: &'s mut Vec<Doubtful<'a>>,
    /// The least of the counts so far under this spatial choice.
    record: Option<Key>,
}

/// A mapping whose counts are bounds only.
pub(super) struct Doubtful<'a> {
    pub(super) key: Key,
    /// The least that it can come to.
    pub(super) bill: Bill,
    pub(super) given: &'a Prepared<'a>,
    pub(super) path: Path,
}

/// A choice for the next stop.
struct Choice {
    key: Key,
    node: Node,
    order: Order,
    /// Ranks whose tiles must not shrink at the stop after it.
    locked: u16,
}

impl<'a, 's, G: Goal> Descent<'a, 's, G> {
    pub(super) fn run(
        given: &'a Prepared<'a>,
        key: Key,
        state: &'s mut State<G>,
        doubtful: &'s mut Vec<Doubtful<'a>>,
    ) {
        let mut descent = Self {
            given,
            state,
            path: SmallVec::new(),
            used: [0.0; RANKS],
            doubtful,
            record: None,
        };
        descent.expand(0, &given.root, 0, key);
    }

    fn expand(&mut self, gap: usize, node: &Node, locked: u16, key: Key) {
        if self.state.is_spent() {
            self.state.leave(key);
            return;
        }
        let stop = gap + 1;
        if stop == self.given.flow.space.engine() {
            self.finish(gap, node);
            return;
        }
        let mut choices = self.choices(gap, node, locked);
        choices.sort_by(|a, b| {
            a.key
                .0
                .total_cmp(&b.key.0)
                .then(a.key.1.total_cmp(&b.key.1))
        });
        for choice in &choices {
            let goal = &self.state.goal;
            // What was found meanwhile may be better.
            let again = || self.given.bound(&choice.node, stop, goal).is_none();
            if goal.is_hopeless(choice.key) || G::LOOKS_AGAIN && again() {
                continue;
            }
            let kept = self.keep(stop, &choice.node.at);
            self.path.push((choice.node.at, choice.order));
            self.expand(stop, &choice.node, choice.locked, choice.key);
            self.path.pop();
            self.used = kept;
        }
    }

    /// Takes room in memories that keep other slots further in; what was used before is returned.
    fn keep(&mut self, stop: usize, at: &Index) -> [f64; RANKS] {
        let before = self.used;
        let space = self.given.flow.space;
        let room = &space.stops[stop].room;
        if room.shared {
            for slot in Slot::ALL.into_iter().filter(|s| room.slots[*s as usize]) {
                let elements = self.given.flow.table.footprint(space, slot, stop, at);
                self.used[room.level] += room.takes(elements * space.given.widths.of(slot));
            }
        }
        before
    }

    /// Tiles of the next stop with the orders of the loops above them that could lead to a better mapping.
    fn choices(&mut self, gap: usize, node: &Node, locked: u16) -> Vec<Choice> {
        let stop = gap + 1;
        let space = self.given.flow.space;
        let all = (0..space.ranks.len()).fold(0_u16, |set, r| set | 1 << r);
        let fit = Fit {
            space,
            table: &self.given.flow.table,
            used: &self.used,
        };
        let mut tiles: Vec<(Index, u16, [bool; 3])> = Vec::new();
        let mut found = Vec::new();
        let is_shared = space.stops[stop].room.shared;
        let takes_all = is_shared || !self.given.flow.is_monotone;
        if takes_all {
            fit.every(stop, &node.at, all, locked, false, &mut found);
        } else {
            fit.largest(stop, &node.at, locked, &mut found);
        }
        tiles.extend(found.drain(..).map(|at| (at, 0, [false; 3])));
        if space.given.convention.tiles_stay() && !takes_all {
            self.pinned(gap, node, locked, &mut tiles);
        }
        let mut choices = Vec::new();
        for (at, pinned, slots) in tiles {
            let mut step = self.given.flow.step(node, gap, at);
            for order in step.orders() {
                let stays = |s: &Slot| slots[*s as usize] && step.stays(order, *s);
                if pinned != 0 && !Slot::ALL.iter().any(stays) {
                    continue;
                }
                self.state.steps += 1;
                let next = step.take(order, None);
                if let Some(key) = self.given.bound(&next, stop, &self.state.goal) {
                    choices.push(Choice {
                        key,
                        node: next,
                        order,
                        locked: pinned,
                    });
                }
            }
        }
        choices
    }

    /// Tiles for an operand that stayed in this gap and must not move again in the next: they are no larger
    /// in the ranks that move it than at the stop after.
    fn pinned(
        &self,
        gap: usize,
        node: &Node,
        locked: u16,
        tiles: &mut Vec<(Index, u16, [bool; 3])>,
    ) {
        let stop = gap + 1;
        let space = self.given.flow.space;
        let all = (0..space.ranks.len()).fold(0_u16, |set, r| set | 1 << r);
        let fit = Fit {
            space,
            table: &self.given.flow.table,
            used: &self.used,
        };
        let mut pins: SmallVec<[(u16, [bool; 3]); 4]> = SmallVec::new();
        for slot in Slot::ALL
            .into_iter()
            .filter(|s| space.is_kept_below(stop, *s))
        {
            let only = Slot::ALL.map(|other| other == slot);
            pins.push((space.shapes[slot as usize].moving, only));
        }
        if pins.len() > 1 && space.shapes.iter().any(|s| !s.windows.is_empty()) {
            pins.push((all, [true; 3]));
        }
        let (mut bases, mut found) = (Vec::new(), Vec::new());
        for (pinned, slots) in pins {
            bases.clear();
            let bounds = |next, until| super::tiles::Bounds {
                stop,
                outer: &node.at,
                next,
                until,
            };
            let is_one = |slot: &Slot| slots[*slot as usize];
            let again = stop + 1 < space.engine()
                && Slot::ALL
                    .iter()
                    .any(|s| is_one(s) && space.is_kept_below(stop + 1, *s));
            let slides = Slot::ALL
                .iter()
                .any(|s| is_one(s) && !space.shapes[*s as usize].windows.is_empty());
            // What the other ranks have at the next stop matters where the operand is kept once more.
            if !again {
                fit.largest_of(bounds(pinned, stop + 1), locked, &mut bases);
            } else if pinned == all || !slides {
                // It may stay for one stop or for all that keep it.
                for until in stop + 1..=space.engine() {
                    fit.largest_of(bounds(all, until), locked, &mut bases);
                }
            } else {
                fit.every(stop, &node.at, pinned, locked, true, &mut bases);
            }
            for base in &mut bases {
                for r in bits(all & !pinned & !locked) {
                    base[r] = 0;
                }
            }
            bases.sort_unstable();
            bases.dedup();
            for base in &bases {
                let mut outer = node.at;
                for r in bits(pinned) {
                    outer[r] = base[r];
                }
                fit.largest(stop, &outer, pinned | locked, &mut found);
            }
            tiles.extend(found.drain(..).map(|at| (at, pinned, slots)));
        }
    }

    /// Single iterations for the engine: the mapping is complete.
    fn finish(&mut self, gap: usize, node: &Node) {
        let single = [0; RANKS];
        let mut step = self.given.flow.step(node, gap, single);
        for order in step.orders() {
            self.state.steps += 1;
            let last = step.take(order, None);
            let (flow, goal) = (&self.given.flow, &mut self.state.goal);
            let Some(key) = goal.rank(&flow.rates, &last.bill) else {
                continue;
            };
            let mut path = self.path.clone();
            path.push((single, order));
            if self.given.trusts {
                goal.take(&flow.rates, &last.bill, || flow.nest(&path));
            } else if self.record.is_none_or(|record| key.beats(record)) {
                self.record = Some(key);
                goal.price(flow, &path);
            } else {
                self.doubtful.push(Doubtful {
                    key,
                    bill: last.bill,
                    given: self.given,
                    path,
                });
            }
        }
    }
}
