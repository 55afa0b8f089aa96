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

/// A memory's room for the slots of one stop.
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

/// Places that keep tiles at one depth.
#[derive(Clone, Debug)]
pub(super) struct Stop {
    pub(super) rooms: SmallVec<[Room; 3]>,
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
    /// `orders: [level]` gives the slots of a memory, outermost first, where each has its own depth.
    ///
    /// `None` for what the search cannot describe: too many ranks or levels, axes of three ranks.
    pub(super) fn of(given: Mapspace<'a>, chain: Chain, orders: &[[Slot; 3]]) -> Option<Self> {
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
            || chain.levels.len() > super::goal::LEVELS
            || 2 * memories.count() > super::goal::PORTS
        {
            return None;
        }
        let [lhs, rhs, acc] = Slot::ALL.map(|slot| shape(given, &ranks, slot));
        let axes = Slot::ALL.into_iter().flat_map(|slot| given.einsum.operand(slot));
        let is_strided = axes.flat_map(|axis| &axis.terms).any(|t| t.coefficient > 1);
        let stops = stops(given, &chain, orders);
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
            let rooms = self.stops.iter().flat_map(|stop| &stop.rooms);
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
        let start = self.last_level(gap) + 1;
        let end = match self.stops.get(gap + 1) {
            Some(stop) => stop.rooms.iter().map(|r| r.level).min(),
            None => None,
        };
        let end = end.unwrap_or(self.chain.levels.len());
        (start..end).filter(|&level| matches!(self.chain.levels[level], Level::Fanout { .. }))
    }

    /// Innermost level of a stop, where the loops below it are written.
    pub(super) fn last_level(&self, stop: usize) -> usize {
        let rooms = self.stops[stop].rooms.iter();
        rooms.map(|r| r.level).max().unwrap_or(0)
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

/// Siblings that keep different slots stop at one depth; in an uneven mapspace every slot of a memory has its
/// own, in the order of that memory.
fn stops(given: Mapspace<'_>, chain: &Chain, orders: &[[Slot; 3]]) -> Vec<Stop> {
    let mut stops: Vec<Stop> = Vec::new();
    let mut apart = true;
    for (level, at) in chain.levels.iter().enumerate() {
        let Level::Memory { memory, holds } = *at else {
            apart = true;
            continue;
        };
        let at = &given.system.memories[memory];
        let usable = match given.convention.charges_buffers() {
            true => at.usable().0,
            false => at.capacity.0,
        };
        let all = holds.iter().filter(|h| **h).count();
        let groups: SmallVec<[[bool; 3]; 3]> = if given.uneven && level > 0 {
            let each = orders[level].iter().filter(|s| holds[**s as usize]);
            each.map(|s| Slot::ALL.map(|slot| slot == *s)).collect()
        } else {
            SmallVec::from_elem(holds, usize::from(all > 0))
        };
        let count = groups.len();
        for (i, slots) in groups.into_iter().enumerate() {
            let room = Room {
                level,
                slots,
                usable,
                bank: at.banks.map(|n| at.capacity.0 / n as f64),
                shared: i + 1 < count,
            };
            let joins = !apart
                && !given.uneven
                && stops.last().is_some_and(|stop: &Stop| {
                    let beside = stop.rooms.iter().all(|room| {
                        let other = chain.memory(room.level);
                        other.is_some_and(|o| given.system.memories[o].parents == at.parents)
                    });
                    let both = |s: &Slot| slots[*s as usize] && stop.keeps[*s as usize].is_some();
                    beside && !Slot::ALL.iter().any(both)
                });
            let keeps = slots.map(|held| held.then_some(level));
            match stops.last_mut().filter(|_| joins) {
                Some(stop) => {
                    stop.rooms.push(room);
                    for (mine, theirs) in stop.keeps.iter_mut().zip(keeps) {
                        *mine = mine.or(theirs);
                    }
                }
                None => stops.push(Stop {
                    rooms: SmallVec::from_slice(&[room]),
                    keeps,
                }),
            }
            apart = false;
        }
    }
    stops
}
