//! What a search is after: the best mapping by one aim.

use crate::hardware::{Direction, System};
use crate::mapping::{Convention, Level, Nest};
use crate::units::JoulesPerByte;
use crate::workload::{Dtype, Einsum};

use super::sides::Side;
use super::space::Space;

/// What the best mapping has the least of; ties go to the second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Aim {
    /// Time, then energy.
    #[default]
    Latency,
    /// Energy, then time.
    Energy,
    /// Energy times time, then time.
    Edp,
}

/// Value under an aim, and what decides between equal values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Key(pub(super) f64, pub(super) f64);

/// Values closer than this are equal.
const SAME: f64 = 1e-12;

impl Aim {
    /// What is least at the best, and what decides between equals.
    pub fn value(self, energy: f64, time: f64) -> (f64, f64) {
        match self {
            Self::Latency => (time, energy),
            Self::Energy => (energy, time),
            Self::Edp => (energy * time, time),
        }
    }

    pub(super) fn key(self, energy: f64, time: f64) -> Key {
        let (first, second) = self.value(energy, time);
        Key(first, second)
    }
}

impl Key {
    /// Whether this is less than another by more than rounding.
    pub(super) fn beats(self, other: Self) -> bool {
        let margin = SAME * other.0.abs();
        self.0 < other.0 - margin || (self.0 <= other.0 + margin && self.1 < other.1 * (1.0 - SAME))
    }
}

/// The outcome of a search.
#[derive(Clone, Debug)]
pub struct Found {
    /// The best mapping.
    pub nest: Nest,
    /// Its energy, in joule, and time, in seconds.
    pub cost: (f64, f64),
    /// No mapping of the mapspace has less of the aim.
    pub bound: f64,
    /// What the best mapping has.
    pub value: f64,
    /// Partial mappings that were looked at.
    pub steps: u64,
    /// Whether the search ended before its limit: then only mappings with smaller last tiles can be better.
    pub is_whole: bool,
}

impl Found {
    /// Share by which a better mapping could be better; zero where the mapping is proven optimal.
    pub fn gap(&self) -> f64 {
        (1.0 - self.bound / self.value).max(0.0)
    }
}

/// Time and energy of the engine, whatever the mapping.
#[derive(Clone, Copy, Debug)]
pub struct Engine {
    /// Seconds per step.
    pub step: f64,
    /// Seconds before the first step and after the last.
    pub edges: f64,
    /// Seconds that the stationary operand takes to be put in place, and whether it hides behind work.
    pub load: Option<(f64, bool)>,
    /// Energy of all multiply-accumulates, in joule.
    pub macs: f64,
}

impl Engine {
    /// The engine of a chip, as [`crate::cost::evaluate`] prices it; unknown energies count as none.
    pub fn of(
        system: &System,
        array: usize,
        dtype: Dtype,
        einsum: &Einsum,
        convention: Convention,
    ) -> Self {
        let array = &system.arrays[array];
        let rate = array.rate.iter().find(|(d, _)| *d == dtype);
        let per_step = array.tile.map_or(1.0, |t| (t.m * t.n * t.k) as f64);
        let cycle = 1.0 / array.clock.0 / array.achievable;
        let systolic = match convention {
            Convention::Physical => array.systolic,
            Convention::Timeloop | Convention::AccelForge => None,
        };
        Self {
            step: cycle * per_step / rate.map_or(1.0, |r| r.1),
            edges: systolic.map_or(0.0, |s| (s.load + s.fill) * cycle),
            load: systolic.map(|s| (s.load * cycle, s.overlap_load)),
            macs: array
                .mac_energy(dtype)
                .map_or(0.0, |each| each.0 * einsum.macs()),
        }
    }
}

/// Numbers of busy times: reads and writes of every memory.
pub(super) const PORTS: usize = 16;
/// Levels of a chain.
pub(super) const LEVELS: usize = 12;

/// What a mapping costs besides what every mapping does.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bill {
    /// Joule.
    energy: f64,
    /// Times that an engine takes a tile after its first.
    waits: f64,
    /// Seconds of reads and writes; the sum of both, and nothing, where one port serves both.
    busy: [f64; PORTS],
}

/// A direction of a level.
#[derive(Clone, Copy, Debug, Default)]
struct Rate {
    /// Joule per byte.
    energy: f64,
    /// Seconds per byte over all instances.
    time: f64,
    /// Which busy time.
    port: usize,
}

/// How energy and time follow from bytes under a spatial choice.
pub(super) struct Rates {
    engine: Engine,
    /// Joule per byte that crosses a fan-out, by level.
    wires: [f64; LEVELS],
    /// `[level][read, written]`.
    each: [[Rate; 2]; LEVELS],
    /// Seconds of the engine's steps.
    compute: f64,
    /// Watt.
    leakage: f64,
}

impl Rates {
    pub(super) fn of(space: &Space<'_>, side: &Side, engine: Engine) -> Self {
        let (system, convention) = (space.given.system, space.given.convention);
        let mut rates = Self {
            engine,
            wires: [0.0; LEVELS],
            each: [[Rate::default(); 2]; LEVELS],
            compute: side.iterations() * engine.step,
            leakage: 0.0,
        };
        let joules = |each: Option<JoulesPerByte>| each.map_or(0.0, |e| e.0);
        let mut port = 0;
        for (level, at) in space.chain.levels.iter().enumerate() {
            let memory = match *at {
                Level::Fanout { fanout } => {
                    rates.wires[level] = joules(system.fanouts[fanout].hop_energy);
                    continue;
                }
                Level::Memory { memory, .. } => &system.memories[memory],
            };
            let instances = side.instances(level);
            let is_one = memory.ports.iter().any(|p| p.direction == Direction::Both);
            let time = |d: Direction| 1.0 / memory.achieved_bandwidth(d).0 / instances;
            let (read, written) = match is_one {
                true => (time(Direction::Both), time(Direction::Both)),
                false => (time(Direction::Read), time(Direction::Write)),
            };
            let follows = is_one || convention.adds_ports();
            rates.each[level] = [
                Rate {
                    energy: joules(memory.read_energy),
                    time: read,
                    port,
                },
                Rate {
                    energy: joules(memory.write_energy),
                    time: written,
                    port: port + usize::from(!follows),
                },
            ];
            port += 2;
            let leaking = match convention.leaks_at_work() {
                true => instances,
                false => memory.instances as f64,
            };
            rates.leakage += memory.leakage.map_or(0.0, |w| w.0) * leaking;
        }
        rates
    }

    pub(super) fn read(&self, bill: &mut Bill, level: usize, bytes: f64) {
        bill.add(self.each[level][0], bytes);
    }

    pub(super) fn write(&self, bill: &mut Bill, level: usize, bytes: f64) {
        bill.add(self.each[level][1], bytes);
    }

    /// Bytes that cross a fan-out; nothing for a memory.
    pub(super) fn cross(&self, bill: &mut Bill, level: usize, bytes: f64) {
        bill.energy += self.wires[level] * bytes;
    }

    /// Energy and time.
    pub(super) fn cost(&self, bill: &Bill) -> (f64, f64) {
        let wait = match self.engine.load {
            Some((load, true)) => (load - self.compute / (bill.waits + 1.0)).max(0.0),
            Some((load, false)) => load,
            None => 0.0,
        };
        let own = self.compute + bill.waits * wait + self.engine.edges;
        let time = bill.busy.iter().copied().fold(own, f64::max);
        (self.engine.macs + bill.energy + self.leakage * time, time)
    }
}

impl Bill {
    pub(super) const NONE: Self = Self {
        energy: 0.0,
        waits: 0.0,
        busy: [0.0; PORTS],
    };

    fn add(&mut self, rate: Rate, bytes: f64) {
        self.energy += rate.energy * bytes;
        self.busy[rate.port] += rate.time * bytes;
    }

    /// An engine takes more tiles after its first.
    pub(super) fn waits(&mut self, more: f64) {
        self.waits += more;
    }

    /// The sum.
    pub(super) fn plus(&self, other: &Self) -> Self {
        let mut sum = *self;
        sum.energy += other.energy;
        sum.waits += other.waits;
        for (mine, theirs) in sum.busy.iter_mut().zip(&other.busy) {
            *mine += theirs;
        }
        sum
    }

    /// The smaller of each.
    pub(super) fn least(&self, other: &Self) -> Self {
        let mut least = *self;
        least.energy = least.energy.min(other.energy);
        least.waits = least.waits.min(other.waits);
        for (mine, theirs) in least.busy.iter_mut().zip(&other.busy) {
            *mine = mine.min(*theirs);
        }
        least
    }

    /// Whether nothing is more, within rounding.
    pub(super) fn is_within(&self, other: &Self) -> bool {
        let within = |mine: f64, theirs: f64| mine <= theirs * (1.0 + SAME);
        within(self.energy, other.energy)
            && within(self.waits, other.waits)
            && self
                .busy
                .iter()
                .zip(&other.busy)
                .all(|(a, b)| within(*a, *b))
    }
}
