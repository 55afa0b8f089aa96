//! Tiles and loop orders of the memories, outer memories first.

use smallvec::SmallVec;

use crate::hardware::System;
use crate::mapping::{Chain, Extents, Loop, Nest};
use crate::workload::{Class, Einsum, Slot};

use super::search::NoMapping;
use super::spatial::Spatial;

/// Orders of the classes, outermost first; G is always outside.
const ORDERS: [[Class; 3]; 6] = [
    [Class::M, Class::N, Class::K],
    [Class::M, Class::K, Class::N],
    [Class::N, Class::M, Class::K],
    [Class::N, Class::K, Class::M],
    [Class::K, Class::M, Class::N],
    [Class::K, Class::N, Class::M],
];

/// Most divisions of one class that are tried.
const DIVISIONS: usize = 16;

/// Which of the tiles that cross equally many bytes is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tie {
    /// The largest: inner memories find the most reuse in it.
    Reuse,
    /// The one of the fewest bytes: it arrives soonest, and the rest overlaps with work.
    Overlap,
}

impl Tie {
    /// Both.
    pub(super) const ALL: [Self; 2] = [Self::Reuse, Self::Overlap];
}

/// Completes spatial loops to a nest, of which the outermost on-chip tile fills `1 / 2^halvings` of what its
/// memory offers at most.
///
///
///
/// `bytes: [lhs, rhs, acc]` per element, partial sums for `acc`.
pub(super) fn fill(
    einsum: &Einsum,
    system: &System,
    chain: &Chain,
    spatial: &Spatial,
    bytes: [f64; 3],
    tie: Tie,
    halvings: i32,
) -> Result<Nest, NoMapping> {
    let n = chain.levels.len();
    let mut levels: Vec<Vec<Loop>> = spatial.iter().map(|l| l.to_vec()).collect();
    let mut extents: Extents = einsum.ranks.iter().map(|r| r.size).collect();
    let mut level = 0;
    while level < n {
        // The next memory below this one, and what runs side by side in between.
        let next = (level + 1..n).find(|&l| chain.memory(l).is_some());
        let between = next.unwrap_or(n);
        let side = product_of(einsum, &spatial[level + 1..between]);
        let inner = least(einsum, system, chain, spatial, between);
        let (tile, order) = match next {
            Some(next) => choose(Choice {
                einsum,
                system,
                chain,
                level: next,
                entering: &extents,
                side: &side,
                least: &inner,
                bytes,
                tie,
                share: if level == 0 {
                    0.5_f64.powi(halvings)
                } else {
                    1.0
                },
            })?,
            // Nothing below but the engine: one step at a time.
            None => (inner.clone(), engine_order(einsum, system, chain)),
        };
        let mut loops = Vec::new();
        for rank in in_order(einsum, order) {
            let step = (tile[rank] * side[rank]).max(1);
            let factor = extents[rank].div_ceil(step);
            if factor > 1 {
                loops.push(Loop::temporal(rank as u8, factor));
            }
            extents[rank] = extents[rank].div_ceil(factor);
        }
        levels[level] = loops;
        for l in levels[level + 1..between].iter().flatten() {
            let extent = &mut extents[l.rank as usize];
            *extent = extent.div_ceil(l.factor);
        }
        level = between;
    }
    Ok(Nest::even(chain, &levels))
}

/// Keeps the stationary operand in place: the loops it does not depend on run innermost.
fn engine_order(einsum: &Einsum, system: &System, chain: &Chain) -> [Class; 3] {
    let by_size = if einsum.size(Class::M) >= einsum.size(Class::N) {
        ORDERS[3]
    } else {
        ORDERS[1]
    };
    match system.arrays[chain.array].stationary {
        Some(Slot::Rhs) => ORDERS[3],
        Some(Slot::Lhs) => ORDERS[1],
        Some(Slot::Acc) => ORDERS[0],
        None => by_size,
    }
}

struct Choice<'a> {
    einsum: &'a Einsum,
    system: &'a System,
    chain: &'a Chain,
    level: usize,
    entering: &'a Extents,
    side: &'a Extents,
    least: &'a Extents,
    bytes: [f64; 3],
    tie: Tie,
    share: f64,
}

/// The tile of a memory, and the order of the loops above it, that cross the fewest bytes; bytes
/// weigh more where the tile does not divide what enters.
fn choose(c: Choice<'_>) -> Result<(Extents, [Class; 3]), NoMapping> {
    let at = c.chain.memory(c.level).expect("a memory level");
    let usable = c.system.memories[at].usable().0 * c.share;
    let held = Slot::ALL.map(|slot| c.chain.holds(c.level, slot));
    let smallest = Needs::of(&c, held, c.least);
    if smallest.total() > usable {
        return Err(NoMapping {
            memory: c.system.memories[at].name.clone(),
            slot: smallest.largest(),
            needed: smallest.total(),
            usable,
        });
    }
    let [m, n, k] = [Class::M, Class::N, Class::K].map(|class| divisions(&c, class));
    let mut best: Option<(f64, f64, Extents, [Class; 3])> = None;
    let mut tile = c.least.clone();
    for tile_m in &m {
        write(&mut tile, tile_m);
        for tile_n in &n {
            write(&mut tile, tile_n);
            // The largest part of the sum that fits, in a list that shrinks: more never crosses more bytes.
            let too_large = k.partition_point(|tile_k| {
                write(&mut tile, tile_k);
                Needs::of(&c, held, &tile).total() > usable
            });
            let Some(tile_k) = k.get(too_large) else {
                continue;
            };
            write(&mut tile, tile_k);
            let needs = Needs::of(&c, held, &tile);
            let rounds = Rounds::of(&c, &tile);
            let padding = padding(&c, &tile);
            let least = rounds.once(&needs).iter().sum::<f64>() * padding;
            if best.as_ref().is_some_and(|b| least > b.0) {
                continue;
            }
            let tie = match c.tie {
                Tie::Reuse => -tile.iter().map(|&e| e as f64).product::<f64>(),
                Tie::Overlap => needs.total(),
            };
            for order in ORDERS {
                let crossed = rounds.crossing(&needs, order) * padding;
                let better = best.as_ref().is_none_or(|b| (crossed, tie) < (b.0, b.1));
                if better {
                    best = Some((crossed, tie, tile.clone(), order));
                }
            }
        }
    }
    // The smallest tile fits, and it is the last of every list.
    let (_, _, tile, order) = best.expect("the smallest tile fits");
    Ok((tile, order))
}

/// Bytes of each slot that a tile occupies; zero for slots that do not stop here.
struct Needs([f64; 3]);

impl Needs {
    fn of(c: &Choice<'_>, held: [bool; 3], tile: &Extents) -> Self {
        Self(Slot::ALL.map(|slot| {
            if held[slot as usize] {
                c.einsum.footprint(slot, tile) * c.bytes[slot as usize]
            } else {
                0.0
            }
        }))
    }

    fn total(&self) -> f64 {
        self.0.iter().sum()
    }

    /// The slot that takes most.
    fn largest(&self) -> Option<Slot> {
        let needs = Slot::ALL.into_iter().zip(self.0);
        let largest = needs.max_by(|a, b| a.1.total_cmp(&b.1));
        largest.map(|(slot, _)| slot)
    }
}

/// Iterations of the loops above a memory, per class: all ranks of a class move the same slots.
struct Rounds {
    m: f64,
    n: f64,
    k: f64,
    g: f64,
}

impl Rounds {
    fn of(c: &Choice<'_>, tile: &Extents) -> Self {
        let mut rounds = Self {
            m: 1.0,
            n: 1.0,
            k: 1.0,
            g: 1.0,
        };
        for (i, rank) in c.einsum.ranks.iter().enumerate() {
            let step = (tile[i] * c.side[i]).max(1);
            let times = c.entering[i].div_ceil(step) as f64;
            match rank.class {
                Class::M => rounds.m *= times,
                Class::N => rounds.n *= times,
                Class::K => rounds.k *= times,
                Class::G => rounds.g *= times,
            }
        }
        rounds
    }

    fn get(&self, class: Class) -> f64 {
        match class {
            Class::M => self.m,
            Class::N => self.n,
            Class::K => self.k,
            Class::G => self.g,
        }
    }

    /// Bytes that cross the memory's boundary: each tile once, times the outer loops that repeat it.
    fn crossing(&self, needs: &Needs, order: [Class; 3]) -> f64 {
        let [outer, middle, inner] = order.map(|class| self.get(class));
        // A loop that does not move a slot repeats its tiles if a loop inside of it moves them.
        let repeats = |still: Class| {
            if still == order[2] {
                1.0
            } else if still == order[1] {
                if inner > 1.0 { middle } else { 1.0 }
            } else if middle * inner > 1.0 {
                outer
            } else {
                1.0
            }
        };
        let [lhs, rhs, acc] = self.once(needs);
        let sums = repeats(Class::K);
        // Partial sums travel both ways but for the first visit.
        lhs * repeats(Class::N) + rhs * repeats(Class::M) + acc * (2.0 * sums - 1.0)
    }

    /// Bytes of each slot's tiles, each tile once.
    fn once(&self, needs: &Needs) -> [f64; 3] {
        let [lhs, rhs, acc] = needs.0;
        [
            lhs * self.g * self.m * self.k,
            rhs * self.g * self.n * self.k,
            acc * self.g * self.m * self.n,
        ]
    }
}

/// Iterations with every tile whole over those that are needed: rounding costs time at every level below.
fn padding(c: &Choice<'_>, tile: &Extents) -> f64 {
    let ranks = c.entering.iter().zip(tile).zip(c.side);
    let ratios = ranks.map(|((&entering, &tile), &side)| {
        let step = (tile * side).max(1);
        (entering.div_ceil(step) * step) as f64 / entering as f64
    });
    ratios.product()
}

/// Extents of the ranks of a class, largest tile first: equal divisions of one rank after the other.
fn divisions(c: &Choice<'_>, class: Class) -> Vec<SmallVec<[(usize, u64); 4]>> {
    let ranks: SmallVec<[usize; 4]> = ranks_of(c.einsum, class).map(|(i, _)| i).collect();
    let largest = |r: usize| c.entering[r].div_ceil(c.side[r]).max(c.least[r]);
    let mut current: SmallVec<[(usize, u64); 4]> = ranks.iter().map(|&r| (r, largest(r))).collect();
    let mut found = vec![current.clone()];
    for i in 0..current.len() {
        let (rank, full) = current[i];
        let mut parts = 2;
        while current[i].1 > c.least[rank] {
            let tile = full.div_ceil(parts).max(c.least[rank]);
            if tile < current[i].1 {
                current[i].1 = tile;
                found.push(current.clone());
            }
            parts = if parts < 4 {
                parts + 1
            } else {
                parts + parts / 2
            };
        }
    }
    if found.len() > DIVISIONS {
        let (n, last) = (found.len(), found.len() - 1);
        let picked = (0..DIVISIONS).map(|i| i * last / (DIVISIONS - 1));
        found = picked.map(|i| found[i.min(n - 1)].clone()).collect();
    }
    found
}

/// Least tile at a level: what runs side by side below it, times one step of the engine.
fn least(
    einsum: &Einsum,
    system: &System,
    chain: &Chain,
    spatial: &Spatial,
    level: usize,
) -> Extents {
    let mut tile = product_of(einsum, &spatial[level.min(spatial.len())..]);
    if let Some(native) = system.arrays[chain.array].tile {
        for (class, size) in [
            (Class::M, native.m),
            (Class::N, native.n),
            (Class::K, native.k),
        ] {
            let largest = ranks_of(einsum, class).max_by_key(|(_, size)| *size);
            if let Some((rank, _)) = largest {
                tile[rank] *= size;
            }
        }
    }
    for (extent, rank) in tile.iter_mut().zip(&einsum.ranks) {
        *extent = (*extent).min(rank.size);
    }
    tile
}

fn product_of(einsum: &Einsum, levels: &[SmallVec<[Loop; 6]>]) -> Extents {
    let mut product: Extents = SmallVec::from_elem(1, einsum.ranks.len());
    for l in levels.iter().flatten() {
        product[l.rank as usize] *= l.factor;
    }
    product
}

fn write(tile: &mut Extents, part: &[(usize, u64)]) {
    for &(rank, extent) in part {
        tile[rank] = extent;
    }
}

/// Ranks outermost first: G, then the classes in their order.
fn in_order(einsum: &Einsum, order: [Class; 3]) -> SmallVec<[usize; 10]> {
    let classes = std::iter::once(Class::G).chain(order);
    classes
        .flat_map(|class| ranks_of(einsum, class).map(|(i, _)| i))
        .collect()
}

fn ranks_of(einsum: &Einsum, class: Class) -> impl DoubleEndedIterator<Item = (usize, u64)> + '_ {
    let ranks = einsum.ranks.iter().enumerate();
    ranks
        .filter(move |(_, r)| r.class == class)
        .map(|(i, r)| (i, r.size))
}
