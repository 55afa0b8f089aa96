//! Tiles of a stop that fit and cannot grow.

use smallvec::SmallVec;

use crate::workload::Slot;

use super::space::{RANKS, Space, bits};
use super::table::{Index, Table};

/// What the tiles of a stop must fit.
#[derive(Clone, Copy)]
pub(super) struct Fit<'a, 's> {
    pub(super) space: &'a Space<'s>,
    pub(super) table: &'a Table,
    /// Bytes already kept in a memory, by level of the chain: stops further out in an uneven mapspace.
    pub(super) used: &'a [f64; RANKS],
}

/// Which tiles are looked for.
#[derive(Clone, Copy)]
pub(super) struct Bounds<'a> {
    pub(super) stop: usize,
    /// What the tiles divide.
    pub(super) outer: &'a Index,
    /// Ranks whose extents must fit at the stops below as well.
    pub(super) next: u16,
    /// The last of these stops.
    pub(super) until: usize,
}

impl Fit<'_, '_> {
    /// Whether the tiles of a stop fit.
    pub(super) fn fits(&self, stop: usize, at: &Index) -> bool {
        let Some(places) = self.space.stops.get(stop) else {
            return true;
        };
        let room = &places.room;
        if room.usable.is_infinite() {
            return true;
        }
        let kept = Slot::ALL.iter().filter(|s| room.slots[**s as usize]);
        let bytes = kept.map(|&slot| {
            let elements = self.table.footprint(self.space, slot, stop, at);
            room.takes(elements * self.space.given.widths.of(slot))
        });
        self.used[room.level] + bytes.sum::<f64>() <= room.usable
    }

    /// Tiles that divide `outer`, equal it in the `locked` ranks, fit and cannot grow in any other.
    pub(super) fn largest(&self, stop: usize, outer: &Index, locked: u16, found: &mut Vec<Index>) {
        self.largest_of(
            Bounds {
                stop,
                outer,
                next: 0,
                until: stop,
            },
            locked,
            found,
        );
    }

    /// As [`Self::largest`], for tiles that fit the next stop as well in some ranks.
    pub(super) fn largest_of(&self, bounds: Bounds<'_>, locked: u16, found: &mut Vec<Index>) {
        let outer = bounds.outer;
        if self.fits_all(bounds, outer) {
            found.push(*outer);
            return;
        }
        let free = !locked & self.all_ranks();
        let mut at = *outer;
        for r in bits(free) {
            at[r] = 0;
        }
        if !self.fits_all(bounds, &at) {
            return;
        }
        let mut order: SmallVec<[usize; RANKS]> = bits(free).filter(|&r| outer[r] > 0).collect();
        // The last one is not walked through.
        order.sort_by_key(|&r| outer[r]);
        self.grow(bounds, &order, &order, &mut at, found);
    }

    fn fits_all(&self, bounds: Bounds<'_>, at: &Index) -> bool {
        if !self.fits(bounds.stop, at) {
            return false;
        }
        if bounds.next == 0 {
            return true;
        }
        let mut next = *at;
        for r in bits(self.all_ranks() & !bounds.next) {
            next[r] = 0;
        }
        (bounds.stop..bounds.until).all(|stop| self.fits_next(stop, &next))
    }

    fn grow(
        &self,
        bounds: Bounds<'_>,
        all: &[usize],
        left: &[usize],
        at: &mut Index,
        found: &mut Vec<Index>,
    ) {
        let Some((&r, rest)) = left.split_first() else {
            found.push(*at);
            return;
        };
        if rest.is_empty() {
            self.grow_last(bounds, all, r, at, found);
        } else {
            for i in self.table.under(r, bounds.outer[r]) {
                at[r] = i;
                if !self.fits_all(bounds, at) {
                    break;
                }
                self.grow(bounds, all, rest, at, found);
            }
        }
        at[r] = 0;
    }

    /// The tiles with the largest divisors of the last rank that fit, if no other rank can grow beside them.
    fn grow_last(
        &self,
        bounds: Bounds<'_>,
        all: &[usize],
        r: usize,
        at: &mut Index,
        found: &mut Vec<Index>,
    ) {
        // Larger divisors need more room: the first that does not fit ends the search.
        let (mut fits, mut fails) = (0_u8, bounds.outer[r] + 1);
        while fits + 1 < fails {
            let middle = fits + (fails - fits) / 2;
            at[r] = middle;
            if self.fits_all(bounds, at) {
                fits = middle;
            } else {
                fails = middle;
            }
        }
        let others = &all[..all.len() - 1];
        for i in self
            .table
            .under(r, bounds.outer[r])
            .take_while(|&i| i <= fits)
        {
            let mut ups = self.table.up(r, i).iter();
            let grows = ups.any(|&up| up <= fits && self.table.divides(r, up, bounds.outer[r]));
            at[r] = i;
            if !grows && !self.can_grow(bounds, others, at) {
                found.push(*at);
            }
        }
    }

    fn can_grow(&self, bounds: Bounds<'_>, ranks: &[usize], at: &Index) -> bool {
        let mut larger = *at;
        ranks.iter().any(|&r| {
            let mut ups = self.table.up(r, at[r]).iter();
            let grows = ups.any(|&up| {
                larger[r] = up;
                self.table.divides(r, up, bounds.outer[r]) && self.fits_all(bounds, &larger)
            });
            larger[r] = at[r];
            grows
        })
    }

    /// Every tile that divides `outer` and fits at a stop, and whose `ranks` fit at the next as well; the other
    /// ranks are as `outer` in the `locked` ones and least elsewhere.
    pub(super) fn every(
        &self,
        stop: usize,
        outer: &Index,
        ranks: u16,
        locked: u16,
        both: bool,
        found: &mut Vec<Index>,
    ) {
        let mut at = *outer;
        for r in bits(self.all_ranks() & !locked) {
            at[r] = 0;
        }
        let order: Vec<usize> = bits(ranks & !locked).filter(|&r| outer[r] > 0).collect();
        self.step(stop, outer, &order, both, &mut at, found);
    }

    fn step(
        &self,
        stop: usize,
        outer: &Index,
        left: &[usize],
        both: bool,
        at: &mut Index,
        found: &mut Vec<Index>,
    ) {
        if !self.fits(stop, at) || (both && !self.fits_next(stop, at)) {
            return;
        }
        let Some((&r, rest)) = left.split_first() else {
            found.push(*at);
            return;
        };
        for i in self.table.under(r, outer[r]) {
            at[r] = i;
            if !self.fits(stop, at) || (both && !self.fits_next(stop, at)) {
                break;
            }
            self.step(stop, outer, rest, both, at, found);
        }
        at[r] = 0;
    }

    /// At the engine only single iterations fit.
    fn fits_next(&self, stop: usize, at: &Index) -> bool {
        if stop + 1 == self.space.engine() {
            return at.iter().all(|&i| i == 0);
        }
        self.fits(stop + 1, at)
    }

    fn all_ranks(&self) -> u16 {
        ((1_u32 << self.space.ranks.len()) - 1) as u16
    }
}
