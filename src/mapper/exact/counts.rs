//! What a mapping moves: one number per memory, direction and fan-out.

/// Places for bytes: twice the levels of a chain.
pub(super) const TILES: usize = 24;
/// Numbers of a count: bytes, outermost tiles, tiles put in place.
pub(super) const LENGTH: usize = 26;
/// Where the number of tiles that the engine's latch takes stands.
pub(super) const LOADS: usize = 25;

/// Bytes read (`2 · level`) and written (`2 · level + 1`) at each memory, over all instances; bytes that cross
/// each fan-out (`2 · level`); tiles of the outermost on-chip stop; tiles put in place in one engine.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Counts(pub(super) [f64; LENGTH]);

impl Counts {
    pub(super) const NONE: Self = Self([0.0; LENGTH]);

    pub(super) fn read(&mut self, level: usize, bytes: f64) {
        self.0[2 * level] += bytes;
    }

    pub(super) fn write(&mut self, level: usize, bytes: f64) {
        self.0[2 * level + 1] += bytes;
    }
}
