//! The search itself: stops from the outside in, the most promising tiles first.

use smallvec::SmallVec;

use crate::mapper::NoMapping;
use crate::mapping::{Chain, Level, Loop, Nest, Step};
use crate::workload::Slot;

use super::flow::{Flow, Node, Order};
use super::goal::{Aim, Bill, Engine, Found, Key, Rates};
use super::rest::Rest;
use super::sides::{self, Side};
use super::space::{Mapspace, RANKS, Space, bits};
use super::table::{Index, Table};
use super::tiles::Fit;

/// How to search.
#[derive(Clone, Copy, Debug)]
pub struct Search {
    /// What to look for.
    pub aim: Aim,
    /// Partial mappings after which the search stops with a gap.
    pub limit: u64,
}

/// The best mapping so far and what it took to find it.
struct State<'p> {
    aim: Aim,
    best: Option<(Key, (f64, f64), Nest)>,
    steps: u64,
    limit: u64,
    /// Least bound of what was left out at the limit.
    left: Option<f64>,
    price: &'p mut dyn FnMut(&Nest) -> (f64, f64),
}

impl State<'_> {
    fn is_hopeless(&self, key: Key) -> bool {
        self.best
            .as_ref()
            .is_some_and(|(best, ..)| !key.beats(*best))
    }

    fn is_spent(&self) -> bool {
        self.steps >= self.limit
    }

    /// Prices a mapping and keeps it if it is better.
    fn price(&mut self, nest: &Nest) {
        let cost = (self.price)(nest);
        self.take(cost, || nest.clone());
    }

    fn take(&mut self, cost: (f64, f64), nest: impl FnOnce() -> Nest) {
        let key = self.aim.key(cost.0, cost.1);
        if !self.is_hopeless(key) {
            self.best = Some((key, cost, nest()));
        }
    }

    fn leave(&mut self, key: Key) {
        self.left = Some(self.left.map_or(key.0, |left| left.min(key.0)));
    }
}

impl<'a> Mapspace<'a> {
    /// The best mapping of the mapspace; `None` if nothing fits or the search cannot describe the problem.
    ///
    /// `price` gives energy and time of a nest: where counts are bounds only, it decides.
    pub fn search(
        self,
        array: usize,
        engine: Engine,
        how: Search,
        price: &mut dyn FnMut(&Nest) -> (f64, f64),
    ) -> Option<Found> {
        let mut state = State {
            aim: how.aim,
            best: None,
            steps: 0,
            limit: how.limit,
            left: None,
            price,
        };
        let spaces = self.spaces(array)?;
        let mut entries: Vec<(Key, usize, Side)> = Vec::new();
        let mut is_whole = true;
        for (at, space) in spaces.iter().enumerate() {
            let (sides, all) = sides::all(space);
            is_whole &= all;
            for side in sides {
                let rates = Rates::of(space, &side, engine);
                let (energy, time) = rates.cost(&least(space, &rates));
                entries.push((how.aim.key(energy, time), at, side));
            }
        }
        entries.sort_by(|a, b| a.0.0.total_cmp(&b.0.0).then(a.0.1.total_cmp(&b.0.1)));
        // Where last tiles are smaller, the largest tiles need not be the best.
        let mut rounded: Vec<Key> = Vec::new();
        for batch in entries.chunks(BATCH) {
            let mut prepared: Vec<(Key, Prepared<'_>)> = Vec::new();
            for (key, at, side) in batch {
                if state.is_hopeless(*key) {
                    continue;
                }
                if state.is_spent() {
                    state.leave(*key);
                    continue;
                }
                match Table::of(&spaces[*at], side) {
                    Some(table) => {
                        if !table.is_exact {
                            rounded.push(*key);
                        }
                        let ready = Prepared::of(&spaces[*at], side, table, engine);
                        prepared
                            .extend(ready.and_then(|p| Some((p.bound(&p.root, 0, &state)?, p))));
                    }
                    None => state.leave(*key),
                }
            }
            prepared.sort_by(|a, b| a.0.0.total_cmp(&b.0.0).then(a.0.1.total_cmp(&b.0.1)));
            let mut doubtful: Vec<Doubtful<'_>> = Vec::new();
            for (key, prepared) in &prepared {
                if !state.is_hopeless(*key) {
                    Descent::run(prepared, *key, &mut state, &mut doubtful);
                }
            }
            // The most promising first: the fewest are priced.
            doubtful.sort_by(|a, b| {
                a.key
                    .0
                    .total_cmp(&b.key.0)
                    .then(a.key.1.total_cmp(&b.key.1))
            });
            for Doubtful { key, given, path } in doubtful {
                if !state.is_hopeless(key) {
                    state.price(&given.nest(&path));
                }
            }
        }
        let (key, cost, nest) = state.best?;
        let doubts = rounded.iter().filter(|bound| bound.beats(key)).map(|k| k.0);
        let bound = doubts.chain(state.left).fold(key.0, f64::min);
        Some(Found {
            nest,
            cost,
            bound,
            value: key.0,
            steps: state.steps,
            is_whole: is_whole && state.left.is_none(),
        })
    }

    /// What is missing where not even single iterations fit, in the memories that nothing may pass by.
    pub fn lacking(self, array: usize) -> Option<NoMapping> {
        let spaces = self.spaces(array)?;
        let mut lacks = None;
        for space in &spaces {
            match space.lacking() {
                None => return None,
                Some(lack) => lacks = Some(lack),
            }
        }
        lacks
    }

    /// What each memory keeps, and in which order where depths differ: every choice that the chip allows.
    fn spaces(self, array: usize) -> Option<Vec<Space<'a>>> {
        let mut chains = vec![Chain::of(self.system, array)];
        for level in 1..chains[0].levels.len() {
            for slot in Slot::ALL {
                let mut others = Vec::new();
                for chain in &chains {
                    let mut other = chain.clone();
                    if let Level::Memory { memory, holds } = &mut other.levels[level]
                        && holds[slot as usize]
                        && !self.system.memories[*memory].must_hold.slot(slot)
                    {
                        holds[slot as usize] = false;
                        others.push(other);
                    }
                }
                chains.extend(others);
            }
        }
        let mut spaces = Vec::new();
        for chain in chains {
            for places in self.arrangements(&chain) {
                spaces.push(Space::of(self, chain.clone(), &places)?);
            }
        }
        Some(spaces)
    }
}

/// What every mapping of a spatial choice costs: main memory moves each operand once.
fn least(space: &Space<'_>, rates: &Rates) -> Bill {
    let mut bill = Bill::NONE;
    let widths = &space.given.widths;
    for slot in Slot::ALL {
        let elements = space.given.einsum.elements(slot);
        match slot {
            Slot::Lhs | Slot::Rhs => rates.read(&mut bill, 0, elements * widths.of(slot)),
            Slot::Acc => {
                let width = widths.result.min(widths.of(slot));
                rates.write(&mut bill, 0, elements * width);
            }
        }
    }
    bill
}

/// Spatial choices whose bounds are found before the most promising is searched.
const BATCH: usize = 256;

/// A spatial choice with all that its search looks up.
struct Prepared<'a> {
    flow: Flow<'a>,
    rest: Rest,
    root: Node,
    /// Whether counts are exact, so that they need no pricing.
    trusts: bool,
}

impl<'a> Prepared<'a> {
    /// `None` if not even single iterations fit.
    fn of(space: &'a Space<'a>, side: &'a Side, table: Table, engine: Engine) -> Option<Self> {
        let has_blocks = space
            .given
            .system
            .memories
            .iter()
            .any(|m| m.block.is_some());
        let is_exact = table.is_exact && !has_blocks && !space.given.convention.leaks_at_work();
        let flow = Flow::of(space, side, table, Rates::of(space, side, engine));
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

    /// The least that a chain of tiles can come to; `None` if it cannot be better than the best.
    fn bound(&self, node: &Node, stop: usize, state: &State<'_>) -> Option<Key> {
        let mut least: Option<Key> = None;
        let key = |(energy, time)| state.aim.key(energy, time);
        let is_hopeless = |cost| state.is_hopeless(key(cost));
        self.rest
            .below(&self.flow, (node, stop), is_hopeless, |cost| {
                let key = key(cost);
                if !state.is_hopeless(key) && least.is_none_or(|l| key.beats(l)) {
                    least = Some(key);
                }
            });
        least
    }
}

/// The search under one spatial choice.
struct Descent<'a, 's, 'p> {
    given: &'a Prepared<'a>,
    state: &'s mut State<'p>,
    path: Path,
    used: [f64; RANKS],
    doubtful: &'s mut Vec<Doubtful<'a>>,
    /// The least of the counts so far under this spatial choice.
    record: Option<Key>,
}

/// A mapping whose counts are bounds only.
struct Doubtful<'a> {
    key: Key,
    given: &'a Prepared<'a>,
    path: Path,
}

/// Tiles and orders, outermost first, the engine last.
type Path = SmallVec<[(Index, Order); 6]>;

/// A choice for the next stop.
struct Choice {
    key: Key,
    node: Node,
    order: Order,
    /// Ranks whose tiles must not shrink at the stop after it.
    locked: u16,
}

impl<'a, 's, 'p> Descent<'a, 's, 'p> {
    fn run(
        given: &'a Prepared<'a>,
        key: Key,
        state: &'s mut State<'p>,
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
            if self.state.is_hopeless(choice.key) {
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
                if let Some(key) = self.given.bound(&next, stop, self.state) {
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
            let (energy, time) = self.given.flow.rates.cost(&last.bill);
            let key = self.state.aim.key(energy, time);
            if self.state.is_hopeless(key) {
                continue;
            }
            let mut path = self.path.clone();
            path.push((single, order));
            if self.given.trusts {
                self.state.take((energy, time), || self.given.nest(&path));
            } else if self.record.is_none_or(|record| key.beats(record)) {
                self.record = Some(key);
                self.state.price(&self.given.nest(&path));
            } else {
                self.doubtful.push(Doubtful {
                    key,
                    given: self.given,
                    path,
                });
            }
        }
    }
}

impl Prepared<'_> {
    /// The loops of the path.
    fn nest(&self, path: &Path) -> Nest {
        let space = self.flow.space;
        let mut levels: Vec<Vec<Loop>> = vec![Vec::new(); space.chain.levels.len()];
        let mut outer = self.flow.table.whole;
        let mut steps = Vec::new();
        for (gap, (inner, order)) in path.iter().enumerate() {
            let mut loops = Vec::new();
            for r in self.in_order(&outer, inner, *order) {
                let factor = self.flow.factor(r, outer[r], inner[r]) as u64;
                loops.push(Loop::temporal(space.ranks[r].index as u8, factor));
            }
            steps.push((gap, loops));
            outer = *inner;
        }
        for level in 0..space.chain.levels.len() {
            levels[level].extend(self.flow.side.at(level));
        }
        nest_of(space, steps, &levels)
    }

    /// Ranks with loops between two tiles, outermost first.
    fn in_order(&self, outer: &Index, inner: &Index, order: Order) -> SmallVec<[usize; RANKS]> {
        let space = self.flow.space;
        let looped = (0..space.ranks.len()).filter(|&r| outer[r] != inner[r]);
        let place = |r: &usize| {
            let is_inner = order.inner == Some(space.ranks[*r].class);
            let named = |n: Option<u8>| n == Some(*r as u8);
            match (is_inner, named(order.first), named(order.last)) {
                (true, _, true) => 3,
                (true, _, false) => 2,
                (false, true, _) => 1,
                (false, false, _) => 0,
            }
        };
        let mut ranks: SmallVec<[usize; RANKS]> = looped.collect();
        ranks.sort_by_key(place);
        ranks
    }
}

/// Keeps above loops, gap by gap.
fn nest_of(space: &Space<'_>, gaps: Vec<(usize, Vec<Loop>)>, levels: &[Vec<Loop>]) -> Nest {
    let mut nest = Nest::default();
    for (gap, loops) in gaps {
        let room = &space.stops[gap].room;
        nest.steps.push(Step::Keep {
            level: room.level as u16,
            slots: room.slots,
        });
        nest.steps.extend(loops.into_iter().map(Step::Loop));
        for level in space.fanouts(gap) {
            nest.steps
                .extend(levels[level].iter().copied().map(Step::Loop));
        }
    }
    nest
}
