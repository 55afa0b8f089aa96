//! From choices to loops.

use smallvec::SmallVec;

use crate::mapping::{Loop, Nest, Step};

use super::flow::{Flow, Order};
use super::space::{RANKS, Space};
use super::table::Index;

/// Tiles and orders, outermost first, the engine last.
pub(super) type Path = SmallVec<[(Index, Order); 6]>;

impl Flow<'_> {
    /// The loops of a path.
    pub(super) fn nest(&self, path: &Path) -> Nest {
        let space = self.space;
        let mut levels: Vec<Vec<Loop>> = vec![Vec::new(); space.chain.levels.len()];
        let mut outer = self.table.whole;
        let mut steps = Vec::new();
        for (gap, (inner, order)) in path.iter().enumerate() {
            let mut loops = Vec::new();
            for r in self.in_order(&outer, inner, *order) {
                let factor = self.factor(r, outer[r], inner[r]) as u64;
                loops.push(Loop::temporal(space.ranks[r].index as u8, factor));
            }
            steps.push((gap, loops));
            outer = *inner;
        }
        for level in 0..space.chain.levels.len() {
            levels[level].extend(self.side.at(level));
        }
        nest_of(space, steps, &levels)
    }

    /// Ranks with loops between two tiles, outermost first.
    fn in_order(&self, outer: &Index, inner: &Index, order: Order) -> SmallVec<[usize; RANKS]> {
        let space = self.space;
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
