//! Accesses, energy and cycles of a given nest, level by level.

use crate::hardware::{Array, Memory, System};
use crate::mapping::{Chain, Convention, Level, Nest};
use crate::units::{Bytes, Joules, Seconds};
use crate::workload::{Dtype, Einsum, Slot};

use super::blocks::{Charge, charges};
use super::book::Traffic;
use super::reuse::{Accesses, Widths, account};

/// What one memory of the chain costs.
#[derive(Clone, Debug, PartialEq)]
pub struct LevelCost {
    /// Level of the chain.
    pub level: usize,
    /// Index into [`System::memories`].
    pub memory: usize,
    /// Instances at work.
    pub instances: f64,
    /// Bytes that one instance keeps, by slot, in whole banks where it has them.
    pub tiles: [Bytes; 3],
    /// Bytes that one instance has room for.
    pub usable: Bytes,
    /// Energy of accesses by slot, `None` without a figure.
    pub access_energy: Option<[Joules; 3]>,
    /// Energy of leakage.
    pub leakage: Joules,
    /// Busy time of the ports of one instance.
    pub busy: Seconds,
}

/// A nest with its price.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// Accesses.
    pub accesses: Accesses,
    /// Memories, outermost first.
    pub levels: Vec<LevelCost>,
    /// Multiply-accumulates.
    pub macs: f64,
    /// Cycles of one engine.
    pub cycles: f64,
    /// Engines at work.
    pub lanes: f64,
    /// Busy time of the engine.
    pub compute: Seconds,
    /// The longest busy time.
    pub latency: Seconds,
    /// Energy of multiply-accumulates, `None` without a figure.
    pub mac_energy: Option<Joules>,
    /// Energy of wires.
    pub network_energy: Joules,
}

impl LevelCost {
    /// Bytes that one instance keeps.
    pub fn kept(&self) -> Bytes {
        self.tiles.iter().copied().sum()
    }
}

impl Evaluation {
    /// All energy; `None` if a part has no figure.
    pub fn energy(&self) -> Option<Joules> {
        let mut sum = self.mac_energy? + self.network_energy;
        for level in &self.levels {
            sum += level.access_energy?.iter().copied().sum::<Joules>() + level.leakage;
        }
        Some(sum)
    }

    /// Memories whose tiles do not fit.
    pub fn overfull(&self) -> impl Iterator<Item = &LevelCost> {
        self.levels.iter().filter(|l| l.kept() > l.usable)
    }
}

/// Prices a nest under a convention.
///
/// Accesses are charged in whole blocks where the memory has them: of every tile that moves, in Timeloop and
/// AccelForge of all by slot, direction and instance. Time is the longest of the engine's and every memory's;
/// Timeloop rounds each up to cycles. Leakage runs for that time, in Timeloop for the instances at work,
/// otherwise for all of them.
pub fn evaluate(
    einsum: &Einsum,
    dtype: Dtype,
    system: &System,
    chain: &Chain,
    nest: &Nest,
    widths: &Widths,
    convention: Convention,
) -> Evaluation {
    let counted = Counted {
        einsum,
        dtype,
        system,
        chain,
        nest,
        widths,
        convention,
    };
    evaluate_counted(&counted, account(einsum, system, chain, nest, convention))
}

/// A nest whose accesses are counted under a convention.
pub(super) struct Counted<'a> {
    pub(super) einsum: &'a Einsum,
    pub(super) dtype: Dtype,
    pub(super) system: &'a System,
    pub(super) chain: &'a Chain,
    pub(super) nest: &'a Nest,
    pub(super) widths: &'a Widths,
    pub(super) convention: Convention,
}

/// Prices counted accesses, as [`evaluate`] does.
pub(super) fn evaluate_counted(counted: &Counted<'_>, accesses: Accesses) -> Evaluation {
    let Counted {
        einsum,
        dtype,
        system,
        chain,
        nest,
        widths,
        convention,
    } = *counted;
    let array = &system.arrays[chain.array];
    let engine = cycles(array, dtype, nest, &accesses, 1.0);
    let cycles = match convention {
        Convention::Physical => engine.busy + engine.edges,
        // Neither knows of arrays that take time to fill.
        Convention::Timeloop | Convention::AccelForge => nest_cycles(array, dtype, nest),
    };
    let compute = Seconds(cycles / array.clock.0 / array.achievable);
    let charges = match convention {
        Convention::Physical => Some(charges(einsum, system, chain, nest, widths, convention)),
        Convention::Timeloop | Convention::AccelForge => None,
    };
    let mut levels = Vec::new();
    for (level, at) in chain.levels.iter().enumerate() {
        let Level::Memory { memory, .. } = *at else {
            continue;
        };
        levels.push(level_cost(
            &accesses,
            system,
            nest,
            widths,
            convention,
            charges.as_ref().map(|c| &c[level]),
            (level, memory),
        ));
    }
    let whole = |time: Seconds| match convention {
        // A hair below a whole cycle is that cycle.
        Convention::Timeloop => Seconds((time.0 * array.clock.0 - 1e-9).ceil() / array.clock.0),
        Convention::Physical | Convention::AccelForge => time,
    };
    let busy = levels.iter().map(|l| whole(l.busy));
    let latency = busy.fold(compute, Seconds::max);
    for level in &mut levels {
        let memory = &system.memories[level.memory];
        let leaking = match convention {
            Convention::Timeloop => level.instances,
            Convention::Physical | Convention::AccelForge => memory.instances as f64,
        };
        if let Some(leakage) = memory.leakage {
            level.leakage = leakage * latency * leaking;
        }
    }
    let mut network_energy = Joules::ZERO;
    for (level, at) in chain.levels.iter().enumerate() {
        if let Level::Fanout { fanout } = *at
            && let Some(each) = system.fanouts[fanout].hop_energy
        {
            let bytes = Slot::ALL.map(|s| accesses.delivered[level][s as usize] * widths.of(s));
            network_energy += each * Bytes(bytes.iter().sum());
        }
    }
    Evaluation {
        accesses,
        levels,
        macs: einsum.macs(),
        cycles,
        lanes: nest.lanes(),
        compute,
        latency,
        mac_energy: array.mac_energy(dtype).map(|each| each * einsum.macs()),
        network_energy,
    }
}

/// Cycles of one engine.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Cycles {
    /// Of its steps, and of waiting for operands to be put in place between them.
    pub(super) busy: f64,
    /// Before the first step and after the last.
    pub(super) edges: f64,
}

/// Cycles of one engine: each step takes the MACs of a native instruction at the rate of the format, and `left`
/// of all steps are made.
///
/// A systolic array puts its stationary operand in place `n` times and streams the others for `s` cycles each
/// time: `n·s + (n - 1)·(load, or max(0, load - s) where it loads behind the stream)`, and once `load + fill`.
///
/// Source: derived; without overlap it is SCALE-Sim's weight-stationary form but for skews, which follow each
/// other here.
pub(super) fn cycles(
    array: &Array,
    dtype: Dtype,
    nest: &Nest,
    accesses: &Accesses,
    left: f64,
) -> Cycles {
    let steps = nest_cycles(array, dtype, nest) * left;
    let Some(systolic) = array.systolic else {
        return Cycles {
            busy: steps,
            edges: 0.0,
        };
    };
    let loads = loads(array, nest, accesses);
    let waits = if systolic.overlap_load {
        (systolic.load - steps / loads).max(0.0)
    } else {
        systolic.load
    };
    Cycles {
        busy: steps + (loads - 1.0) * waits,
        edges: systolic.load + systolic.fill,
    }
}

/// Times that one engine takes a tile of its stationary operand.
pub fn loads(array: &Array, nest: &Nest, accesses: &Accesses) -> f64 {
    // Where nothing below main memory keeps it, the operand is put in place once.
    let kept = array.stationary.and_then(|slot| {
        let inner = nest.keeps(slot).skip(1).last();
        inner.map(|(_, level)| (slot, level))
    });
    kept.map_or(1.0, |(slot, level)| {
        let count = &accesses.levels[level][slot as usize];
        (count.fills / nest.instances(level) / count.tile).max(1.0)
    })
}

fn nest_cycles(array: &Array, dtype: Dtype, nest: &Nest) -> f64 {
    let rate = array.rate.iter().find(|(d, _)| *d == dtype);
    let per_step = array.tile.map_or(1.0, |t| (t.m * t.n * t.k) as f64);
    nest.steps() * per_step / rate.map_or(1.0, |r| r.1)
}

fn level_cost(
    accesses: &Accesses,
    system: &System,
    nest: &Nest,
    widths: &Widths,
    convention: Convention,
    charges: Option<&[Charge; 3]>,
    (level, memory): (usize, usize),
) -> LevelCost {
    let at = &system.memories[memory];
    let instances = nest.instances(level);
    let mut traffic = Traffic::default();
    let mut tiles = [Bytes::ZERO; 3];
    let mut energies = [Joules::ZERO; 3];
    let mut is_known = true;
    for slot in Slot::ALL {
        let count = &accesses.levels[level][slot as usize];
        let (read, filled, updated) = (
            count.read(slot, widths),
            count.filled(slot, widths),
            count.updated(slot, widths),
        );
        tiles[slot as usize] = at.room(Bytes(count.kept(slot, widths)));
        traffic.read += Bytes(read);
        traffic.written += Bytes(filled + updated);
        let whole = |bytes: f64| in_blocks(at, bytes, instances);
        let (read, written) = match charges.filter(|_| at.block.is_some()) {
            Some(charges) => {
                let charge = charges[slot as usize];
                (charge.read, charge.written)
            }
            None => (whole(read), whole(filled) + whole(updated)),
        };
        for (bytes, each) in [(read, at.read_energy), (written, at.write_energy)] {
            match each {
                Some(each) => energies[slot as usize] += each * bytes,
                None => is_known &= bytes == Bytes::ZERO,
            }
        }
    }
    let usable = if convention.charges_buffers() {
        at.usable()
    } else {
        at.capacity
    };
    LevelCost {
        level,
        memory,
        instances,
        tiles,
        usable,
        access_energy: is_known.then_some(energies),
        leakage: Joules::ZERO,
        busy: busy(at, traffic, instances, convention),
    }
}

/// Busy time of one instance's ports; AccelForge adds reads and writes even where ports are apart.
fn busy(memory: &Memory, traffic: Traffic, instances: f64, convention: Convention) -> Seconds {
    match convention {
        Convention::Physical | Convention::Timeloop => traffic.port_time(memory, instances),
        Convention::AccelForge => {
            let read = Traffic {
                written: Bytes::ZERO,
                ..traffic
            };
            let written = Traffic {
                read: Bytes::ZERO,
                ..traffic
            };
            read.port_time(memory, instances) + written.port_time(memory, instances)
        }
    }
}

/// Bytes in whole blocks of every instance.
fn in_blocks(memory: &Memory, bytes: f64, instances: f64) -> Bytes {
    match memory.block {
        // Counts are whole; what is lost in dividing must not start another block.
        Some(block) => {
            let blocks = (bytes / instances / block.0 - 1e-9).ceil();
            block * (blocks.max(0.0) * instances)
        }
        None => Bytes(bytes),
    }
}
