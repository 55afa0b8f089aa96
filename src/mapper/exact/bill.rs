//! What a mapping moves, and what that costs.

use smallvec::SmallVec;

use crate::hardware::{Direction, System};
use crate::mapping::{Chain, Convention, Level};
use crate::units::JoulesPerByte;
use crate::workload::{Dtype, Einsum};

use super::goal::SAME;
use super::sides::Side;
use super::space::Space;

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

/// An engine that takes no time but for its steps.
pub(super) const NOTHING: Engine = Engine {
    step: 1.0,
    edges: 0.0,
    load: None,
    macs: 0.0,
};

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
        let per_step = array.tile.map_or(1.0, |t| (t.m * t.n * t.k) as f64);
        let cycle = 1.0 / array.clock.0 / array.achievable;
        let systolic = match convention {
            Convention::Physical => array.systolic,
            Convention::Timeloop | Convention::AccelForge => None,
        };
        Self {
            step: cycle * per_step / array.macs_per_cycle(dtype).unwrap_or(1.0),
            edges: systolic.map_or(0.0, |s| (s.load + s.fill) * cycle),
            load: systolic.map(|s| (s.load * cycle, s.overlap_load)),
            macs: array
                .mac_energy(dtype)
                .map_or(0.0, |each| each.0 * einsum.macs()),
        }
    }
}

/// Most reads, writes and crossings that are told apart.
pub(super) const PORTS: usize = 16;
/// Levels of a chain.
pub(super) const LEVELS: usize = 12;

/// Ranks of a byte of main memory, and how much less one further in counts.
const OUTERMOST: f64 = 64.0;
const PER_LEVEL: f64 = 8.0;

/// What a mapping costs besides what every mapping does.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bill {
    /// Joule.
    pub(super) energy: f64,
    /// Times that an engine takes a tile after its first.
    pub(super) waits: f64,
    /// Seconds of reads and writes; the sum of both, and nothing, where one port serves both.
    pub(super) busy: [f64; PORTS],
}

/// A direction of a level.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rate {
    /// Joule per byte.
    energy: f64,
    /// Seconds per byte over all instances.
    time: f64,
    /// Which busy time.
    port: usize,
}

/// How energy and time follow from bytes under a spatial choice.
#[derive(Clone, Debug)]
pub(super) struct Rates {
    engine: Engine,
    /// Bytes that cross a fan-out, by level.
    wires: [Rate; LEVELS],
    /// `[level][read, written]`.
    each: [[Rate; 2]; LEVELS],
    /// Instances that share what counts as busy.
    pub(super) instances: [f64; PORTS],
    /// Seconds of the engine's steps.
    pub(super) compute: f64,
    /// Watt.
    leakage: f64,
}

impl Rates {
    /// Of a chip under a spatial choice.
    pub(super) fn of(space: &Space<'_>, side: &Side, engine: Engine) -> Self {
        let (system, convention) = (space.given.system, space.given.convention);
        let instances = |level: usize| side.instances(level);
        let mut rates = Self::priced(system, &space.chain, convention, engine, instances);
        rates.compute = side.iterations() * engine.step;
        rates
    }

    /// Of a chip, but for the time of the engine's steps.
    pub(super) fn priced(
        system: &System,
        chain: &Chain,
        convention: Convention,
        engine: Engine,
        instances: impl Fn(usize) -> f64,
    ) -> Self {
        let mut rates = Self::none(engine, 0.0);
        let joules = |each: Option<JoulesPerByte>| each.map_or(0.0, |e| e.0);
        let mut port = 0;
        for (level, at) in chain.levels.iter().enumerate() {
            let memory = match *at {
                Level::Fanout { fanout } => {
                    rates.wires[level].energy = joules(system.fanouts[fanout].hop_energy);
                    continue;
                }
                Level::Memory { memory, .. } => &system.memories[memory],
            };
            let instances = instances(level);
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

    /// Bytes instead of seconds, everything apart, and for energy what only ranks mappings: outer memories weigh
    /// more. `None` if there are too many kinds of bytes.
    pub(super) fn counting(
        system: &System,
        chain: &Chain,
        steps: f64,
        instances: impl Fn(usize) -> f64,
    ) -> Option<Self> {
        let mut rates = Self::none(NOTHING, steps);
        let (mut port, mut weight) = (0, OUTERMOST);
        for (level, at) in chain.levels.iter().enumerate() {
            match *at {
                Level::Fanout { fanout } => {
                    if system.fanouts[fanout].hop_energy.is_some() {
                        let each = Rate {
                            energy: weight,
                            time: 1.0,
                            port,
                        };
                        rates.wires[level] = each;
                        port += 1;
                    }
                }
                Level::Memory { memory, .. } => {
                    let memory = &system.memories[memory];
                    for (way, direction) in [Direction::Read, Direction::Write].iter().enumerate() {
                        rates.each[level][way] = Rate {
                            energy: weight,
                            time: 1.0,
                            port,
                        };
                        let is_timed = memory.achieved_bandwidth(*direction).0.is_finite();
                        if is_timed && port < PORTS {
                            rates.instances[port] = instances(level);
                        }
                        port += 1;
                    }
                    weight = (weight / PER_LEVEL).max(1.0);
                }
            }
        }
        (port <= PORTS).then_some(rates)
    }

    /// Nothing costs anything.
    pub(super) fn none(engine: Engine, compute: f64) -> Self {
        Self {
            engine,
            wires: [Rate::default(); LEVELS],
            each: [[Rate::default(); 2]; LEVELS],
            instances: [1.0; PORTS],
            compute,
            leakage: 0.0,
        }
    }

    pub(super) fn read(&self, bill: &mut Bill, level: usize, bytes: f64) {
        bill.add(self.each[level][0], bytes);
    }

    pub(super) fn write(&self, bill: &mut Bill, level: usize, bytes: f64) {
        bill.add(self.each[level][1], bytes);
    }

    /// Bytes that cross a fan-out; nothing for a memory.
    pub(super) fn cross(&self, bill: &mut Bill, level: usize, bytes: f64) {
        bill.add(self.wires[level], bytes);
    }

    /// The rates of the bytes that [`Self::counting`] tells apart, in its order.
    pub(super) fn kinds(&self, system: &System, chain: &Chain) -> SmallVec<[Rate; PORTS]> {
        let mut kinds = SmallVec::new();
        for (level, at) in chain.levels.iter().enumerate() {
            match *at {
                Level::Fanout { fanout } if system.fanouts[fanout].hop_energy.is_some() => {
                    kinds.push(self.wires[level]);
                }
                Level::Fanout { .. } => {}
                Level::Memory { .. } => kinds.extend(self.each[level]),
            }
        }
        kinds
    }

    /// Energy and time of an engine's steps and of bytes by kind, each over some instances.
    pub(super) fn weigh(
        &self,
        (steps, waits): (f64, f64),
        kinds: &[Rate],
        (bytes, instances): (&[f64; PORTS], &[f64; PORTS]),
    ) -> (f64, f64) {
        let mut bill = Bill::NONE;
        bill.waits = waits;
        for (i, kind) in kinds.iter().enumerate() {
            bill.energy += kind.energy * bytes[i];
            bill.busy[kind.port] += kind.time * bytes[i] / instances[i];
        }
        self.total(steps * self.engine.step, &bill)
    }

    /// Energy and time.
    pub(super) fn cost(&self, bill: &Bill) -> (f64, f64) {
        self.total(self.compute, bill)
    }

    fn total(&self, compute: f64, bill: &Bill) -> (f64, f64) {
        let wait = match self.engine.load {
            Some((load, true)) => (load - compute / (bill.waits + 1.0)).max(0.0),
            Some((load, false)) => load,
            None => 0.0,
        };
        let own = compute + bill.waits * wait + self.engine.edges;
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
