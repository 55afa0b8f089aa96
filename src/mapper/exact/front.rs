//! The mappings of which one is best whatever bytes cost: the Pareto front of what mappings move.
//!
//! Energy and time never fall when one of these counts grows, so the best mapping for any energies per byte,
//! bandwidths and clocks of a chip's shape is one of the front, or within its tolerance.

use std::cell::Cell;

use smallvec::SmallVec;

use crate::cost::{account, loads};
use crate::mapping::{Chain, Level, Nest};
use crate::workload::Slot;

use super::bill::{Bill, Engine, NOTHING, PORTS, Rate, Rates};
use super::flow::Flow;
use super::goal::{Goal, Key, SAME};
use super::path::Path;
use super::sides::Side;
use super::space::{Mapspace, Space};

/// What a mapping moves and how long its engine is at work: all that energies, bandwidths and clocks weigh.
#[derive(Clone, Debug, PartialEq)]
pub struct Counts {
    /// Iterations of one engine.
    steps: f64,
    /// Times that an engine takes a tile after its first.
    waits: f64,
    /// Bytes read, written and carried, level by level.
    bytes: [f64; PORTS],
    /// Instances that share them, where they take time.
    instances: [f64; PORTS],
}

/// A mapping of a front.
#[derive(Clone, Debug, PartialEq)]
pub struct FrontPoint {
    /// The mapping.
    pub nest: Nest,
    /// What it moves.
    pub counts: Counts,
}

/// Mappings none of which moves more than another one in every respect.
#[derive(Clone, Debug, PartialEq)]
pub struct Front {
    /// In the order in which they were found.
    pub points: Vec<FrontPoint>,
    /// Partial mappings that were looked at.
    pub steps: u64,
    /// Whether nothing is left out but what moves more than some point in every respect, within the tolerance.
    pub is_proven: bool,
}

/// How to look for a front.
#[derive(Clone, Copy, Debug)]
pub struct Frontier {
    /// Share by which a mapping that is left out may move less than those of the front.
    pub tolerance: f64,
    /// Partial mappings after which the search stops.
    pub limit: u64,
}

impl Counts {
    /// Of a mapping; `None` if there are too many kinds of bytes.
    pub fn of(space: &Mapspace<'_>, chain: &Chain, nest: &Nest) -> Option<Self> {
        let Mapspace {
            einsum,
            system,
            widths,
            convention,
            ..
        } = *space;
        let instances = |level: usize| nest.instances(level);
        let rates = Rates::counting(system, chain, nest.steps(), instances)?;
        let accesses = account(einsum, system, chain, nest, convention);
        let mut bill = Bill::NONE;
        for (level, at) in chain.levels.iter().enumerate() {
            match at {
                Level::Fanout { .. } => {
                    let delivered = &accesses.delivered[level];
                    let bytes = Slot::ALL.map(|s| delivered[s as usize] * widths.of(s));
                    rates.cross(&mut bill, level, bytes.iter().sum());
                }
                Level::Memory { .. } => {
                    for slot in Slot::ALL {
                        let count = &accesses.levels[level][slot as usize];
                        let written = count.filled(slot, &widths) + count.updated(slot, &widths);
                        rates.read(&mut bill, level, count.read(slot, &widths));
                        rates.write(&mut bill, level, written);
                    }
                }
            }
        }
        bill.waits = loads(&system.arrays[chain.array], nest, &accesses) - 1.0;
        Some(Self::from_bill(&rates, &bill))
    }

    fn from_bill(rates: &Rates, bill: &Bill) -> Self {
        Self {
            steps: rates.compute,
            waits: bill.waits,
            bytes: bill.busy,
            instances: rates.instances,
        }
    }

    /// Whether nothing is more than `slack` times what a bill has at least.
    fn covers(&self, rates: &Rates, bill: &Bill, slack: f64) -> bool {
        if self.steps > slack * rates.compute || self.waits > slack * bill.waits + SAME {
            return false;
        }
        let mine = self.bytes.iter().zip(&self.instances);
        let theirs = bill.busy.iter().zip(&rates.instances);
        mine.zip(theirs).all(|((own, at), (other, others_at))| {
            // Fewer instances are each longer at work.
            let own = if others_at > at {
                own * (others_at / at)
            } else {
                *own
            };
            own <= slack * other
        })
    }

    /// Whether nothing is more than another mapping has.
    fn is_within(&self, other: &Self) -> bool {
        self.steps <= other.steps
            && self.waits <= other.waits
            && (0..PORTS).all(|i| {
                let each = self.bytes[i] / self.instances[i];
                let others = other.bytes[i] / other.instances[i];
                self.bytes[i] <= other.bytes[i] && each <= others * (1.0 + SAME)
            })
    }
}

/// Energy and time of counts on one chip.
#[derive(Clone, Debug)]
pub struct Prices {
    rates: Rates,
    /// What the bytes of counts cost, kind by kind.
    kinds: SmallVec<[Rate; PORTS]>,
}

impl Prices {
    /// Of an engine of a chip.
    pub fn of(space: &Mapspace<'_>, chain: &Chain, engine: Engine) -> Self {
        let rates = Rates::priced(space.system, chain, space.convention, engine, |_| 1.0);
        Self {
            kinds: rates.kinds(space.system, chain),
            rates,
        }
    }

    /// Energy, in joule, and time, in seconds, with every transfer behind the longest.
    pub fn cost(&self, counts: &Counts) -> (f64, f64) {
        let engine = (counts.steps, counts.waits);
        let bytes = (&counts.bytes, &counts.instances);
        self.rates.weigh(engine, &self.kinds, bytes)
    }
}

/// The front so far.
struct Members {
    points: Vec<FrontPoint>,
    slack: f64,
    /// Who covered the last bill that was covered.
    last: Cell<usize>,
}

impl Members {
    fn covers(&self, rates: &Rates, bill: &Bill) -> bool {
        let covers = |point: &FrontPoint| point.counts.covers(rates, bill, self.slack);
        if self.points.get(self.last.get()).is_some_and(covers) {
            return true;
        }
        match self.points.iter().position(covers) {
            Some(at) => {
                self.last.set(at);
                true
            }
            None => false,
        }
    }

    fn add(&mut self, counts: Counts, nest: Nest) {
        self.points.retain(|p| !counts.is_within(&p.counts));
        self.points.push(FrontPoint { nest, counts });
        self.last.set(self.points.len() - 1);
    }
}

impl Goal for Members {
    const LOOKS_AGAIN: bool = true;

    fn rates(&self, space: &Space<'_>, side: &Side) -> Rates {
        // There are few enough kinds of bytes: the front was not asked for otherwise.
        counting(space, side).unwrap_or_else(|| Rates::none(NOTHING, 0.0))
    }

    fn trusts(&self, _: &Space<'_>) -> bool {
        true
    }

    fn rank(&self, rates: &Rates, bill: &Bill) -> Option<Key> {
        (!self.covers(rates, bill)).then(|| Key(bill.energy * rates.compute, bill.energy))
    }

    fn is_hopeless(&self, _: Key) -> bool {
        false
    }

    fn take(&mut self, rates: &Rates, bill: &Bill, nest: impl FnOnce() -> Nest) {
        self.add(Counts::from_bill(rates, bill), nest());
    }

    fn price(&mut self, flow: &Flow<'_>, path: &Path) {
        let nest = flow.nest(path);
        let space = flow.space;
        let Some(counts) = Counts::of(&space.given, &space.chain, &nest) else {
            return;
        };
        let rates = &flow.rates;
        let bill = Bill {
            energy: 0.0,
            waits: counts.waits,
            busy: counts.bytes,
        };
        if !self.covers(rates, &bill) {
            self.add(counts, nest);
        }
    }
}

fn counting(space: &Space<'_>, side: &Side) -> Option<Rates> {
    let instances = |level: usize| side.instances(level);
    Rates::counting(
        space.given.system,
        &space.chain,
        side.iterations(),
        instances,
    )
}

impl Mapspace<'_> {
    /// The front of an engine's mappings; `None` if nothing fits or the search cannot describe the problem.
    pub fn front(self, array: usize, how: Frontier) -> Option<Front> {
        let chain = Chain::of(self.system, array);
        Rates::counting(self.system, &chain, 1.0, |_| 1.0)?;
        let goal = Members {
            points: Vec::new(),
            slack: 1.0 + how.tolerance.max(SAME),
            last: Cell::new(0),
        };
        let done = self.run(array, how.limit, goal)?;
        let is_proven = done.is_whole && done.left.is_none() && done.rounded.is_empty();
        let points = done.goal.points;
        (!points.is_empty()).then_some(Front {
            points,
            steps: done.steps,
            is_proven,
        })
    }
}
