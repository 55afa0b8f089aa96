//! The search of all spatial choices, the most promising first.

use crate::mapper::NoMapping;
use crate::mapping::{Chain, Level};
use crate::workload::Slot;

use super::bill::{Bill, Rates};
use super::descend::{Descent, Doubtful, Prepared};
use super::goal::{Goal, Key};
use super::sides::{self, Side};
use super::space::{Mapspace, Space};
use super::table::Table;

/// A search on its way.
pub(super) struct State<G> {
    pub(super) goal: G,
    pub(super) steps: u64,
    limit: u64,
    /// Least rank of what was left out at the limit.
    left: Option<Key>,
}

impl<G> State<G> {
    pub(super) fn is_spent(&self) -> bool {
        self.steps >= self.limit
    }

    pub(super) fn leave(&mut self, key: Key) {
        self.left = Some(self.left.filter(|left| !key.beats(*left)).unwrap_or(key));
    }
}

/// What a search has done.
pub(super) struct Outcome<G> {
    pub(super) goal: G,
    /// Partial mappings that were looked at.
    pub(super) steps: u64,
    /// Least rank of what was left out at the limit.
    pub(super) left: Option<Key>,
    /// Least ranks of spatial choices under which last tiles are smaller: there the largest tiles need not be the
    /// best.
    pub(super) rounded: Vec<Key>,
    /// Whether there are no other spatial choices.
    pub(super) is_whole: bool,
}

/// Spatial choices whose bounds are found before the most promising is searched.
const BATCH: usize = 256;

impl<'a> Mapspace<'a> {
    /// Searches for what a goal wants, at most `limit` partial mappings; `None` if the search cannot describe the
    /// problem.
    pub(super) fn run<G: Goal>(self, array: usize, limit: u64, goal: G) -> Option<Outcome<G>> {
        let spaces = self.spaces(array)?;
        let mut state = State {
            goal,
            steps: 0,
            limit,
            left: None,
        };
        let mut rounded: Vec<Key> = Vec::new();
        let (entries, is_whole) = entries(&spaces, &state.goal);
        for batch in entries.chunks(BATCH) {
            let mut prepared: Vec<(Key, Prepared<'_>)> = Vec::new();
            for (key, at, side) in batch {
                let rates = state.goal.rates(&spaces[*at], side);
                if state
                    .goal
                    .rank(&rates, &least(&spaces[*at], &rates))
                    .is_none()
                {
                    continue;
                }
                if state.is_spent() {
                    state.leave(*key);
                    continue;
                }
                let Some(table) = Table::of(&spaces[*at], side) else {
                    state.leave(*key);
                    continue;
                };
                if !table.is_exact {
                    rounded.push(*key);
                }
                let ready = Prepared::of(&spaces[*at], side, table, &state.goal);
                prepared.extend(ready.and_then(|p| Some((p.bound(&p.root, 0, &state.goal)?, p))));
            }
            prepared.sort_by(|a, b| a.0.order(&b.0));
            let mut doubtful: Vec<Doubtful<'_>> = Vec::new();
            for (key, prepared) in &prepared {
                if prepared.bound(&prepared.root, 0, &state.goal).is_some() {
                    Descent::run(prepared, *key, &mut state, &mut doubtful);
                }
            }
            // The most promising first: the fewest are priced.
            doubtful.sort_by(|a, b| a.key.order(&b.key));
            for Doubtful {
                bill, given, path, ..
            } in doubtful
            {
                let flow = &given.flow;
                if state.goal.rank(&flow.rates, &bill).is_some() {
                    state.goal.price(flow, &path);
                }
            }
        }
        Some(Outcome {
            goal: state.goal,
            steps: state.steps,
            left: state.left,
            rounded,
            is_whole,
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

/// Spatial choices with their space, the most promising first, and whether there are no others.
fn entries(spaces: &[Space<'_>], goal: &impl Goal) -> (Vec<(Key, usize, Side)>, bool) {
    let mut entries: Vec<(Key, usize, Side)> = Vec::new();
    let mut is_whole = true;
    for (at, space) in spaces.iter().enumerate() {
        let (sides, all) = sides::all(space);
        is_whole &= all;
        for side in sides {
            let rates = goal.rates(space, &side);
            if let Some(key) = goal.rank(&rates, &least(space, &rates)) {
                entries.push((key, at, side));
            }
        }
    }
    entries.sort_by(|a, b| a.0.order(&b.0));
    (entries, is_whole)
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
