//! The places that keep tiles and the shape of the operands, as the search sees them.

use smallvec::SmallVec;

use crate::cost::Widths;
use crate::hardware::System;
use crate::mapper::NoMapping;
use crate::mapping::{Chain, Convention, Level};
use crate::workload::{Axis, Class, Einsum, Slot};

/// Most ranks that have loops.
pub(super) const RANKS: usize = 12;

/// One value per rank that has loops.
pub(super) type PerRank<T> = [T; RANKS];

/// An Einsum on a chain of levels, and how its mappings are counted.
#[derive(Clone, Copy, Debug)]
pub struct Mapspace<'a> {
    /// What to compute.
    pub einsum: &'a Einsum,
    /// On what.
    pub system: &'a System,
    /// Bytes per element.
    pub widths: Widths,
    /// How accesses are counted.
    pub convention: Convention,
    /// Whether each operand may be kept at a depth of its own.
    pub uneven: bool,
}

/// A rank that has loops.
#[derive(Clone, Copy, Debug)]
pub(super) struct RankAt {
    /// Index into the Einsum's ranks.
    pub(super) index: usize,
    pub(super) size: u64,
    pub(super) class: Class,
}

/// An axis of an operand that is more than the extent of one rank.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window<'a> {
    pub(super) axis: &'a Axis,
    /// Ranks with loops, the second perhaps absent.
    pub(super) ranks: [Option<usize>; 2],
}

/// An operand.
#[derive(Clone, Debug, Default)]
pub(super) struct Shape<'a> {
    /// Ranks that are axes of their own.
    pub(super) plain: u16,
    pub(super) windows: Vec<Window<'a>>,
    /// Ranks that move it.
    pub(super) moving: u16,
    /// Ranks that do not.
    pub(super) still: u16,
}

/// A memory's room for the slots of a stop.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    /// Level of the chain.
    pub(super) level: usize,
    pub(super) slots: [bool; 3],
    /// Bytes.
    pub(super) usable: f64,
    /// Bytes of a bank, if tiles take whole ones.
    pub(super) bank: Option<f64>,
    /// Whether a stop further in keeps slots in the same memory.
    pub(super) shared: bool,
}

impl Room {
    /// Bytes that a tile takes.
    pub(super) fn takes(&self, bytes: f64) -> f64 {
        self.bank.map_or(bytes, |bank| (bytes / bank).ceil() * bank)
    }
}

/// A place that keeps tiles.
#[derive(Clone, Debug)]
pub(super) struct Stop {
    pub(super) room: Room,
    /// Level of the chain that keeps a slot.
    pub(super) keeps: [Option<usize>; 3],
}

/// What the search knows before it chooses anything.
#[derive(Clone, Debug)]
pub(super) struct Space<'a> {
    pub(super) given: Mapspace<'a>,
    pub(super) chain: Chain,
    pub(super) ranks: SmallVec<[RankAt; RANKS]>,
    pub(super) shapes: [Shape<'a>; 3],
    /// Outermost first; the engine comes after the last.
    pub(super) stops: Vec<Stop>,
    /// Operand that the engine holds between steps.
    pub(super) latched: Option<Slot>,
    /// Whether larger tiles never cost more: not where boxes around strided tiles count.
    pub(super) is_monotone: bool,
}

impl<'a> Space<'a> {
    /// `None` for what the search cannot describe: too many ranks or levels, axes of three ranks.
    pub(super) fn of(given: Mapspace<'a>, chain: Chain, places: &Places) -> Option<Self> {
        let all = given.einsum.ranks.iter().enumerate();
        let ranks: SmallVec<[RankAt; RANKS]> = all
            .filter(|(_, rank)| rank.size > 1)
            .map(|(index, rank)| RankAt {
                index,
                size: rank.size,
                class: rank.class,
            })
            .collect();
        let memories = (0..chain.levels.len()).filter(|&l| chain.memory(l).is_some());
        if ranks.len() > RANKS
            || chain.levels.len() > super::bill::LEVELS
            || 2 * memories.count() > super::bill::PORTS
        {
            return None;
        }
        let [lhs, rhs, acc] = Slot::ALL.map(|slot| shape(given, &ranks, slot));
        let axes = Slot::ALL
            .into_iter()
            .flat_map(|slot| given.einsum.operand(slot));
        let is_strided = axes.flat_map(|axis| &axis.terms).any(|t| t.coefficient > 1);
        let stops = stops(given, &chain, places);
        let latched = if given.convention.tiles_stay() {
            given.system.arrays[chain.array].stationary
        } else {
            None
        };
        Some(Self {
            given,
            ranks,
            shapes: [lhs?, rhs?, acc?],
            stops,
            latched,
            is_monotone: !(is_strided && given.convention.boxes()),
            chain,
        })
    }

    /// The first memory that single elements of what it must keep overfill.
    pub(super) fn lacking(&self) -> Option<NoMapping> {
        for (level, at) in self.chain.levels.iter().enumerate() {
            let Level::Memory { memory, .. } = *at else {
                continue;
            };
            let rooms = self.stops.iter().map(|stop| &stop.room);
            let rooms = rooms.filter(|room| room.level == level);
            let (mut needed, mut usable) = (0.0, f64::INFINITY);
            let mut largest: Option<(f64, Slot)> = None;
            for room in rooms {
                usable = room.usable;
                for slot in Slot::ALL.into_iter().filter(|s| room.slots[*s as usize]) {
                    let bytes = room.takes(self.given.widths.of(slot));
                    needed += bytes;
                    if largest.is_none_or(|l| bytes > l.0) {
                        largest = Some((bytes, slot));
                    }
                }
            }
            if needed > usable {
                return Some(NoMapping {
                    memory: self.given.system.memories[memory].name.clone(),
                    slot: largest.map(|l| l.1),
                    needed,
                    usable,
                });
            }
        }
        None
    }

    /// Stops, and the engine.
    pub(super) fn engine(&self) -> usize {
        self.stops.len()
    }

    /// Levels of fan-outs in a gap.
    pub(super) fn fanouts(&self, gap: usize) -> impl Iterator<Item = usize> + '_ {
        let start = self.level(gap) + 1;
        let next = self.stops.get(gap + 1).map(|stop| stop.room.level);
        let end = next.unwrap_or(self.chain.levels.len());
        (start..end).filter(|&level| matches!(self.chain.levels[level], Level::Fanout { .. }))
    }

    /// Level of a stop.
    pub(super) fn level(&self, stop: usize) -> usize {
        self.stops[stop].room.level
    }

    /// Whether a slot is kept somewhere below a stop, or held by the engine.
    pub(super) fn is_kept_below(&self, stop: usize, slot: Slot) -> bool {
        let mut below = self.stops[stop + 1..].iter();
        below.any(|s| s.keeps[slot as usize].is_some()) || self.latched == Some(slot)
    }

    /// The ranks of a class.
    pub(super) fn of_class(&self, class: Class) -> u16 {
        let ranks = self.ranks.iter().enumerate();
        let same = ranks.filter(|(_, r)| r.class == class);
        same.fold(0, |mask, (i, _)| mask | 1 << i)
    }
}

/// The class that does not move an operand.
pub(super) fn still_class(slot: Slot) -> Class {
    match slot {
        Slot::Lhs => Class::N,
        Slot::Rhs => Class::M,
        Slot::Acc => Class::K,
    }
}

/// Bits of a set, lowest first.
pub(super) fn bits(mask: u16) -> impl Iterator<Item = usize> {
    let mut left = mask;
    std::iter::from_fn(move || {
        let bit = left.trailing_zeros() as usize;
        (left != 0).then(|| {
            left &= left - 1;
            bit
        })
    })
}

fn shape<'a>(given: Mapspace<'a>, ranks: &[RankAt], slot: Slot) -> Option<Shape<'a>> {
    let mut shape = Shape::default();
    let boxes = given.convention.boxes();
    for (i, rank) in ranks.iter().enumerate() {
        if given.einsum.is_relevant(slot, rank.index) {
            shape.moving |= 1 << i;
        } else {
            shape.still |= 1 << i;
        }
    }
    for axis in given.einsum.operand(slot) {
        let at = |rank: u8| ranks.iter().position(|r| r.index == usize::from(rank));
        let looped: SmallVec<[usize; 2]> = axis.terms.iter().filter_map(|t| at(t.rank)).collect();
        let spread = axis.terms.iter().any(|t| t.coefficient > 1);
        match *looped.as_slice() {
            [] => {}
            [one] if axis.size >= ranks[one].size && !(boxes && spread) => shape.plain |= 1 << one,
            [one] => shape.windows.push(Window {
                axis,
                ranks: [Some(one), None],
            }),
            [one, two] => shape.windows.push(Window {
                axis,
                ranks: [Some(one), Some(two)],
            }),
            [..] => return None,
        }
    }
    Some(shape)
}

/// Memories outermost first, and the slots that each keeps at one depth.
pub(super) type Places = Vec<(usize, [bool; 3])>;

fn stops(given: Mapspace<'_>, chain: &Chain, places: &Places) -> Vec<Stop> {
    let stop = |(i, &(level, slots)): (usize, &(usize, [bool; 3]))| {
        let memory = &given.system.memories[chain.memory(level)?];
        let usable = match given.convention.charges_buffers() {
            true => memory.usable().0,
            false => memory.capacity.0,
        };
        Some(Stop {
            room: Room {
                level,
                slots,
                usable,
                bank: memory.banks.map(|n| memory.capacity.0 / n as f64),
                shared: places[i + 1..].iter().any(|(other, _)| *other == level),
            },
            keeps: slots.map(|held| held.then_some(level)),
        })
    };
    places.iter().enumerate().filter_map(stop).collect()
}

impl Mapspace<'_> {
    /// Every order of the places that keep tiles: siblings in any, and in an uneven mapspace the slots of each
    /// memory in any, each at a depth of its own.
    pub(super) fn arrangements(self, chain: &Chain) -> Vec<Places> {
        let memories = chain.levels.iter().enumerate();
        let memories = memories.filter_map(|(level, at)| match *at {
            Level::Memory { memory, holds } if holds.contains(&true) => {
                Some((level, memory, holds))
            }
            Level::Memory { .. } | Level::Fanout { .. } => None,
        });
        // Runs of siblings.
        let mut runs: Vec<Vec<(usize, usize, [bool; 3])>> = Vec::new();
        for (level, memory, holds) in memories {
            let parents = |m: usize| &self.system.memories[m].parents;
            match runs.last_mut() {
                Some(run) if parents(run[0].1) == parents(memory) => {
                    run.push((level, memory, holds))
                }
                Some(_) | None => runs.push(vec![(level, memory, holds)]),
            }
        }
        let mut all: Vec<Places> = vec![Vec::new()];
        for run in &runs {
            let mut items: Places = Vec::new();
            for &(level, _, holds) in run {
                if self.uneven && level > 0 {
                    let kept = (0..3).filter(|&s| holds[s]);
                    items.extend(kept.map(|s| (level, [0, 1, 2].map(|t| t == s))));
                } else {
                    items.push((level, holds));
                }
            }
            let mut next = Vec::new();
            for places in &all {
                for order in orders(&items) {
                    let mut places = places.clone();
                    places.extend(order);
                    next.push(places);
                }
            }
            all = next;
        }
        all
    }
}

/// All orders, the given one first.
fn orders(items: &Places) -> Vec<Places> {
    if items.is_empty() {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for (i, first) in items.iter().enumerate() {
        let mut rest = items.clone();
        rest.remove(i);
        for mut tail in orders(&rest) {
            tail.insert(0, *first);
            all.push(tail);
        }
    }
    all
}
