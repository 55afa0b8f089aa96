//! The search itself: stops from the outside in, the most promising tiles first.

use smallvec::SmallVec;

use crate::mapping::{Chain, Level, Loop, Nest};
use crate::workload::Slot;

use super::flow::{Flow, Node, Order};
use super::goal::{Aim, Engine, Found, Key, Rates};
use super::rest::Rest;
use super::sides::{self, Side};
use super::space::{Mapspace, RANKS, Space, bits, still_class};
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
        self.best.as_ref().is_some_and(|(best, ..)| !key.beats(*best))
    }

    fn is_spent(&self) -> bool {
        self.steps >= self.limit
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
                let (energy, time) = rates.cost(&least(space, &side));
                entries.push((how.aim.key(energy, time), at, side));
            }
        }
        entries.sort_by(|a, b| a.0.0.total_cmp(&b.0.0).then(a.0.1.total_cmp(&b.0.1)));
        for (key, at, side) in &entries {
            if state.is_hopeless(*key) {
                // Ties in the first value may differ in the second.
                continue;
            }
            if state.is_spent() {
                state.leave(*key);
                continue;
            }
            let space = &spaces[*at];
            match Table::of(space, side) {
                Some(table) => Descent::run(space, side, &table, engine, &mut state),
                None => state.leave(*key),
            }
        }
        let (key, cost, nest) = state.best?;
        let bound = state.left.map_or(key.0, |left| left.min(key.0));
        Some(Found {
            nest,
            cost,
            bound,
            value: key.0,
            steps: state.steps,
            is_whole: is_whole && state.left.is_none(),
        })
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
        let orders: &[[Slot; 3]] = if self.uneven { &ORDERS } else { &ORDERS[..1] };
        let mut spaces = Vec::new();
        for chain in chains {
            for order in orders {
                spaces.push(Space::of(self, chain.clone(), order)?);
            }
        }
        Some(spaces)
    }
}

const ORDERS: [[Slot; 3]; 6] = [
    [Slot::Lhs, Slot::Rhs, Slot::Acc],
    [Slot::Lhs, Slot::Acc, Slot::Rhs],
    [Slot::Rhs, Slot::Lhs, Slot::Acc],
    [Slot::Rhs, Slot::Acc, Slot::Lhs],
    [Slot::Acc, Slot::Lhs, Slot::Rhs],
    [Slot::Acc, Slot::Rhs, Slot::Lhs],
];

/// Counts that every mapping of a spatial choice has, without a table: each operand once.
fn least(space: &Space<'_>, side: &Side) -> super::counts::Counts {
    let mut counts = super::counts::Counts::NONE;
    for slot in Slot::ALL {
        let width = space.given.widths.of(slot);
        let bytes = space.given.einsum.elements(slot) * width;
        match slot {
            Slot::Lhs | Slot::Rhs => counts.read(0, bytes),
            Slot::Acc => counts.write(0, bytes / width * width.min(space.given.widths.result)),
        }
    }
    let _ = side;
    counts
}

/// The search under one spatial choice.
struct Descent<'a, 's, 'p> {
    flow: Flow<'a>,
    rates: Rates,
    rest: Rest,
    state: &'s mut State<'p>,
    path: SmallVec<[(Index, Order); 8]>,
    used: [f64; RANKS],
    trusts: bool,
}

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
        space: &'a Space<'a>,
        side: &'a Side,
        table: &'a Table,
        engine: Engine,
        state: &'s mut State<'p>,
    ) {
        let flow = Flow::of(space, side, table);
        let used = [0.0; RANKS];
        let fit = Fit {
            space,
            table,
            used: &used,
        };
        let single = [0; RANKS];
        if !(1..space.engine()).all(|stop| fit.fits(stop, &single)) {
            return;
        }
        let rest = Rest::of(&flow, &fit);
        let has_blocks = space.given.system.memories.iter().any(|m| m.block.is_some());
        let root = flow.root();
        let mut descent = Self {
            rates: Rates::of(space, side, engine),
            trusts: table.is_exact && !has_blocks && !space.given.convention.leaks_at_work(),
            flow,
            rest,
            state,
            path: SmallVec::new(),
            used,
        };
        if let Some(key) = descent.bound(&root, 0) {
            descent.expand(0, &root, 0, key);
        }
    }

    /// The least that a chain of tiles can come to; `None` if it cannot be better than the best.
    fn bound(&self, node: &Node, stop: usize) -> Option<Key> {
        let mut least: Option<Key> = None;
        for below in self.rest.below(stop) {
            let (energy, time) = self.rates.cost(&node.counts.plus(below));
            let key = self.state.aim.key(energy, time);
            if !self.state.is_hopeless(key) && least.is_none_or(|l| key.beats(l)) {
                least = Some(key);
            }
        }
        least
    }

    fn expand(&mut self, gap: usize, node: &Node, locked: u16, key: Key) {
        if self.state.is_spent() {
            self.state.leave(key);
            return;
        }
        let stop = gap + 1;
        if stop == self.flow.space.engine() {
            self.finish(gap, node);
            return;
        }
        let mut choices = self.choices(gap, node, locked);
        choices.sort_by(|a, b| a.key.0.total_cmp(&b.key.0).then(a.key.1.total_cmp(&b.key.1)));
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
        let space = self.flow.space;
        for room in &space.stops[stop].rooms {
            if room.shared || before[room.level] > 0.0 {
                for slot in Slot::ALL.into_iter().filter(|s| room.slots[*s as usize]) {
                    let elements = self.flow.table.footprint(space, slot, stop, at);
                    self.used[room.level] += elements * space.given.widths.of(slot);
                }
            }
        }
        before
    }

    /// Tiles of the next stop with the orders of the loops above them that could lead to a better mapping.
    fn choices(&mut self, gap: usize, node: &Node, locked: u16) -> Vec<Choice> {
        let stop = gap + 1;
        let space = self.flow.space;
        let all = (0..space.ranks.len()).fold(0_u16, |set, r| set | 1 << r);
        let fit = Fit {
            space,
            table: self.flow.table,
            used: &self.used,
        };
        let mut tiles: Vec<(Index, u16, [bool; 3])> = Vec::new();
        let mut found = Vec::new();
        let is_shared = space.stops[stop].rooms.iter().any(|r| r.shared);
        if is_shared {
            fit.every(stop, &node.at, all, locked, false, &mut found);
        } else {
            fit.largest(stop, &node.at, locked, &mut found);
        }
        tiles.extend(found.drain(..).map(|at| (at, 0, [false; 3])));
        if space.given.convention.tiles_stay() && !is_shared {
            // An operand that stayed in this gap and must not move again in the next.
            let mut pins: SmallVec<[(u16, [bool; 3]); 4]> = SmallVec::new();
            for slot in Slot::ALL.into_iter().filter(|s| space.is_kept_below(stop, *s)) {
                let only = Slot::ALL.map(|other| other == slot);
                pins.push((space.shapes[slot as usize].moving, only));
            }
            if pins.len() > 1 && space.shapes.iter().any(|s| !s.windows.is_empty()) {
                pins.push((all, [true; 3]));
            }
            let mut bases = Vec::new();
            for (pinned, slots) in pins {
                bases.clear();
                fit.every(stop, &node.at, pinned, locked, true, &mut bases);
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
        let mut choices = Vec::new();
        for (at, pinned, slots) in tiles {
            for order in self.flow.orders(&node.at, &at) {
                self.state.steps += 1;
                let next = self.flow.descend(node, gap, &at, order);
                if pinned != 0 && !Slot::ALL.iter().any(|s| slots[*s as usize] && next.stayed[*s as usize]) {
                    continue;
                }
                if let Some(key) = self.bound(&next, stop) {
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

    /// Single iterations for the engine: the mapping is complete.
    fn finish(&mut self, gap: usize, node: &Node) {
        let single = [0; RANKS];
        for order in self.flow.orders(&node.at, &single) {
            self.state.steps += 1;
            let last = self.flow.descend(node, gap, &single, order);
            let (energy, time) = self.rates.cost(&last.counts);
            let key = self.state.aim.key(energy, time);
            if self.state.is_hopeless(key) {
                continue;
            }
            self.path.push((single, order));
            let nest = self.nest();
            self.path.pop();
            let cost = if self.trusts { (energy, time) } else { (self.state.price)(&nest) };
            let key = self.state.aim.key(cost.0, cost.1);
            if !self.state.is_hopeless(key) {
                self.state.best = Some((key, cost, nest));
            }
        }
    }

    /// The loops of the path.
    fn nest(&self) -> Nest {
        let space = self.flow.space;
        let mut levels: Vec<Vec<Loop>> = vec![Vec::new(); space.chain.levels.len()];
        let mut outer = self.flow.table.whole;
        let mut steps = Vec::new();
        for (gap, (inner, order)) in self.path.iter().enumerate() {
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
    use crate::mapping::Step;
    let mut nest = Nest::default();
    for (gap, loops) in gaps {
        for room in &space.stops[gap].rooms {
            nest.steps.push(Step::Keep {
                level: room.level as u16,
                slots: room.slots,
            });
        }
        nest.steps.extend(loops.into_iter().map(Step::Loop));
        for level in space.fanouts(gap) {
            nest.steps.extend(levels[level].iter().copied().map(Step::Loop));
        }
    }
    let _ = still_class;
    nest
}
