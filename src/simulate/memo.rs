//! The content-addressed store of operator prices.

use std::collections::hash_map::DefaultHasher;
use std::fmt::{self, Write};
use std::hash::{Hash, Hasher};
use std::sync::{Arc, RwLock};

use rustc_hash::FxHashMap;

use crate::cost::Cost;
use crate::hardware::System;

/// Prices found so far, shared by all points of a sweep. Results do not depend on it.
#[derive(Default)]
pub struct Memo {
    prices: RwLock<FxHashMap<u128, Arc<Cost>>>,
}

impl Memo {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Number of prices.
    pub fn len(&self) -> usize {
        self.prices.read().map_or(0, |p| p.len())
    }

    /// True without prices.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
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
}

/// Content of a chip as far as prices depend on it.
pub(super) fn fingerprint(system: &System) -> u128 {
    let parts = (
        &system.memories,
        &system.fanouts,
        &system.arrays,
        &system.vectors,
        &system.tiles,
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
