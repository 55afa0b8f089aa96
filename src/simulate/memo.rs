//! The content-addressed store of operator prices.

use std::collections::hash_map::DefaultHasher;
use std::fmt::{self, Write};
use std::hash::{Hash, Hasher};
use std::sync::{Arc, OnceLock, RwLock};

use rustc_hash::FxHashMap;

use crate::cost::Cost;
use crate::cost::gpu::appends;
use crate::hardware::{Direction, Managed, System};
use crate::mapper::Candidates;

/// Prices found so far, shared by all points of a sweep. Results do not depend on it.
#[derive(Default)]
pub struct Memo {
    prices: RwLock<FxHashMap<u128, Arc<Cost>>>,
    nests: Arc<RwLock<FxHashMap<u128, Shared>>>,
}

/// Loop nests that one thread finds while others that want the same ones wait.
type Shared = Arc<OnceLock<Candidates>>;

impl Memo {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// A store without prices that shares what chips of one shape have in common with this one.
    pub fn sibling(&self) -> Self {
        Self {
            prices: RwLock::default(),
            nests: Arc::clone(&self.nests),
        }
    }

    /// Number of prices.
    pub fn len(&self) -> usize {
        self.prices.read().map_or(0, |p| p.len())
    }

    /// True without prices.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a price is stored.
    pub(super) fn knows(&self, key: u128) -> bool {
        self.prices.read().is_ok_and(|p| p.contains_key(&key))
    }

    /// The stored price, or the one that `make` gives.
    pub(super) fn get<E>(
        &self,
        key: u128,
        make: impl FnOnce() -> Result<Cost, E>,
    ) -> Result<Arc<Cost>, E> {
        if let Ok(prices) = self.prices.read()
            && let Some(found) = prices.get(&key)
        {
            return Ok(Arc::clone(found));
        }
        let made = Arc::new(make()?);
        if let Ok(mut prices) = self.prices.write() {
            prices.insert(key, Arc::clone(&made));
        }
        Ok(made)
    }

    /// Hands the loop nests of a key to `look`; they are the stored ones, or what `make` gives.
    pub(super) fn with_nests<T>(
        &self,
        key: u128,
        make: impl FnOnce() -> Candidates,
        look: impl FnOnce(&Candidates) -> T,
    ) -> T {
        let known = self.nests.read().ok();
        let known = known.and_then(|nests| nests.get(&key).map(Arc::clone));
        let shared = known.unwrap_or_else(|| match self.nests.write() {
            Ok(mut nests) => Arc::clone(nests.entry(key).or_default()),
            Err(_) => Shared::default(),
        });
        look(shared.get_or_init(make))
    }
}

/// Shape of a chip: all that loop nests depend on.
pub(super) fn shape(system: &System) -> u128 {
    let memories = system.memories.iter();
    let memories = memories.map(|m| {
        let slots = (m.holds, m.must_hold);
        let room = (m.capacity, m.buffering, m.banks);
        let timed = [Direction::Read, Direction::Write];
        let timed = timed.map(|d| m.achieved_bandwidth(d).0.is_finite());
        (&m.name, &m.parents, slots, room, timed)
    });
    let fanouts = system.fanouts.iter().map(|f| {
        let wires = (&f.diagonal, f.imperfect, f.hop_energy.is_some());
        (&f.name, &f.parents, &f.axes, f.instances, wires)
    });
    let arrays = system.arrays.iter().map(|a| {
        let formats: Vec<_> = a.rate.iter().map(|(dtype, _)| dtype).collect();
        let waits = (a.stationary, a.systolic.is_some());
        (&a.parents, formats, a.tile, waits)
    });
    let parts = (
        memories.collect::<Vec<_>>(),
        fanouts.collect::<Vec<_>>(),
        arrays.collect::<Vec<_>>(),
        (&system.tiles, system.uneven),
    );
    let mut sink = Digest::default();
    // The sink never fails.
    let _ = write!(sink, "{parts:?}");
    sink.finish()
}

/// What decides how a chip is asked for the price of an operator: its formats, caches and compressions, and whether
/// kernels of a library append to caches.
pub(super) fn asking(system: &System) -> u128 {
    let near = system.memories.iter().position(|m| m.is_on_chip());
    // Library kernels are held to a roofline: what fits on the chip may have stayed there.
    let near = near.filter(|_| system.kernels.is_some());
    let memories = system.memories.iter().enumerate().map(|(i, m)| {
        let counts = m.managed == Managed::Cache || near == Some(i);
        let room = counts.then(|| m.capacity * m.instances as f64);
        (m.kind.is_on_chip(), room, m.compression)
    });
    let arrays = system.arrays.iter().map(|a| {
        let formats: Vec<_> = a.rate.iter().map(|(dtype, _)| dtype).collect();
        (formats, &a.acc, &a.zeros)
    });
    let parts = (
        memories.collect::<Vec<_>>(),
        arrays.collect::<Vec<_>>(),
        system.kernels.is_some(),
        appends(system),
    );
    let mut sink = Digest::default();
    // The sink never fails.
    let _ = write!(sink, "{parts:?}");
    sink.finish()
}

/// Content of a chip as far as prices depend on it.
pub(super) fn fingerprint(system: &System) -> u128 {
    let parts = (
        &system.memories,
        &system.fanouts,
        &system.arrays,
        &system.vectors,
        &system.tiles,
        &system.dataflow,
        &system.overhead,
        &system.process,
        &system.kernels,
    );
    let mut sink = Digest::default();
    // The sink never fails.
    let _ = write!(sink, "{parts:?}");
    sink.finish()
}

/// Content of one operator, under a chip's fingerprint.
pub(super) fn key(system: u128, content: &impl Hash) -> u128 {
    let mut sink = Digest::default();
    for hasher in &mut sink.0 {
        system.hash(hasher);
        content.hash(hasher);
    }
    sink.finish()
}

/// Two independent 64-bit hashes: 128 bits make a collision within one sweep implausible.
struct Digest([DefaultHasher; 2]);

impl Default for Digest {
    fn default() -> Self {
        let mut second = DefaultHasher::new();
        0x9e37_79b9_7f4a_7c15_u64.hash(&mut second);
        Self([DefaultHasher::new(), second])
    }
}

impl Digest {
    fn finish(&self) -> u128 {
        let [a, b] = &self.0;
        (u128::from(a.finish()) << 64) | u128::from(b.finish())
    }
}

impl Write for Digest {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for hasher in &mut self.0 {
            hasher.write(text.as_bytes());
        }
        Ok(())
    }
}
