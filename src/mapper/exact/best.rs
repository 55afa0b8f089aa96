//! The best mapping by one aim.

use crate::mapping::Nest;

use super::bill::{Bill, Engine, Rates};
use super::flow::Flow;
use super::goal::{Aim, Goal, Key};
use super::path::Path;
use super::sides::Side;
use super::space::{Mapspace, Space};

/// How to search.
#[derive(Clone, Copy, Debug)]
pub struct Search {
    /// What to look for.
    pub aim: Aim,
    /// Partial mappings after which the search stops with a gap.
    pub limit: u64,
}

/// The outcome of a search.
#[derive(Clone, Debug)]
pub struct Found {
    /// The best mapping.
    pub nest: Nest,
    /// Its energy, in joule, and time, in seconds.
    pub cost: (f64, f64),
    /// No mapping of the mapspace has less of the aim.
    pub bound: f64,
    /// What the best mapping has.
    pub value: f64,
    /// Partial mappings that were looked at.
    pub steps: u64,
    /// Whether the search ended before its limit: then only mappings with smaller last tiles can be better.
    pub is_whole: bool,
}

impl Found {
    /// Share by which a better mapping could be better; zero where the mapping is proven optimal.
    pub fn gap(&self) -> f64 {
        (1.0 - self.bound / self.value).max(0.0)
    }
}

/// The best mapping so far.
struct Best<'p> {
    aim: Aim,
    engine: Engine,
    best: Option<(Key, (f64, f64), Nest)>,
    price: &'p mut dyn FnMut(&Nest) -> (f64, f64),
}

impl Best<'_> {
    fn keep(&mut self, cost: (f64, f64), nest: impl FnOnce() -> Nest) {
        let key = self.aim.key(cost.0, cost.1);
        if !self.is_hopeless(key) {
            self.best = Some((key, cost, nest()));
        }
    }
}

impl Goal for Best<'_> {
    const LOOKS_AGAIN: bool = false;

    fn rates(&self, space: &Space<'_>, side: &Side) -> Rates {
        Rates::of(space, side, self.engine)
    }

    fn trusts(&self, space: &Space<'_>) -> bool {
        let mut memories = space.given.system.memories.iter();
        memories.all(|m| m.block.is_none()) && !space.given.convention.leaks_at_work()
    }

    fn rank(&self, rates: &Rates, bill: &Bill) -> Option<Key> {
        let (energy, time) = rates.cost(bill);
        let key = self.aim.key(energy, time);
        (!self.is_hopeless(key)).then_some(key)
    }

    fn is_hopeless(&self, key: Key) -> bool {
        let best = self.best.as_ref();
        best.is_some_and(|(best, ..)| !key.beats(*best))
    }

    fn take(&mut self, rates: &Rates, bill: &Bill, nest: impl FnOnce() -> Nest) {
        self.keep(rates.cost(bill), nest);
    }

    fn price(&mut self, flow: &Flow<'_>, path: &Path) {
        let nest = flow.nest(path);
        let cost = (self.price)(&nest);
        self.keep(cost, || nest);
    }
}

impl Mapspace<'_> {
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
        let goal = Best {
            aim: how.aim,
            engine,
            best: None,
            price,
        };
        let done = self.run(array, how.limit, goal)?;
        let (key, cost, nest) = done.goal.best?;
        let doubts = done.rounded.iter().chain(&done.left);
        let doubts = doubts.filter(|bound| bound.beats(key)).map(|k| k.0);
        Some(Found {
            nest,
            cost,
            bound: doubts.fold(key.0, f64::min),
            value: key.0,
            steps: done.steps,
            is_whole: done.is_whole && done.left.is_none(),
        })
    }
}
