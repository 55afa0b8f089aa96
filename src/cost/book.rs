//! What an operator costs: busy times, traffic and energy, by component.

use smallvec::SmallVec;

use crate::hardware::{Direction, Memory, System};
use crate::units::{Bytes, Joules, Seconds};
use crate::workload::Dtype;

/// Bytes at one memory, all instances together.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Traffic {
    /// Read from it.
    pub read: Bytes,
    /// Written to it.
    pub written: Bytes,
}

impl Traffic {
    /// Both directions.
    pub fn total(&self) -> Bytes {
        self.read + self.written
    }

    /// Busy time of one of `instances` equally loaded instances of a memory: reads and writes add where a
    /// port serves both, and overlap where they have ports of their own.
    pub fn port_time(&self, memory: &Memory, instances: f64) -> Seconds {
        let time = |bytes: Bytes, direction| {
            if bytes > Bytes::ZERO {
                bytes / instances / memory.achieved_bandwidth(direction)
            } else {
                Seconds::ZERO
            }
        };
        let shared = memory.ports.iter().any(|p| p.direction == Direction::Both);
        if shared {
            time(self.total(), Direction::Both)
        } else {
            time(self.read, Direction::Read).max(time(self.written, Direction::Write))
        }
    }
}

/// The resource that sets the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Bound {
    /// Matrix engines.
    Matrix,
    /// Vector engines.
    Vector,
    /// Ports of a memory, by index.
    Memory(usize),
    /// Start of the operator.
    Launch,
    /// Links to other chips.
    Link,
    /// Nothing takes time.
    Free,
}

/// Energy of events by component. Events without a figure lower the coverage.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EnergyBook {
    /// Multiply-accumulates.
    pub matrix: Joules,
    /// Vector operations.
    pub vector: Joules,
    /// Wires of fan-outs.
    pub network: Joules,
    /// Accesses, by memory index.
    pub memories: SmallVec<[Joules; 6]>,
    /// Events with a figure: bytes, MACs and vector operations.
    pub covered: f64,
    /// All events.
    pub events: f64,
}

impl EnergyBook {
    /// The sum of all parts.
    pub fn total(&self) -> Joules {
        self.on_chip_logic() + self.memories.iter().copied().sum()
    }

    /// Energy of matrix, vector and wires.
    pub fn on_chip_logic(&self) -> Joules {
        self.matrix + self.vector + self.network
    }

    /// Adds all parts of another book, times `count`.
    pub fn add(&mut self, other: &Self, count: f64) {
        self.matrix += other.matrix * count;
        self.vector += other.vector * count;
        self.network += other.network * count;
        self.memories
            .resize(self.memories.len().max(other.memories.len()), Joules::ZERO);
        for (mine, theirs) in self.memories.iter_mut().zip(&other.memories) {
            *mine += *theirs * count;
        }
        self.covered += other.covered * count;
        self.events += other.events * count;
    }

    /// Books the accesses of every memory.
    pub(super) fn book_traffic(&mut self, system: &System, traffic: &[Traffic]) {
        self.memories.resize(system.memories.len(), Joules::ZERO);
        for (i, (memory, bytes)) in system.memories.iter().zip(traffic).enumerate() {
            let parts = [
                (memory.read_energy, bytes.read),
                (memory.write_energy, bytes.written),
            ];
            for (per_byte, bytes) in parts {
                self.events += bytes.0;
                if let Some(per_byte) = per_byte {
                    self.memories[i] += per_byte * bytes;
                    self.covered += bytes.0;
                }
            }
        }
    }

    /// Books MACs of a format on an engine.
    pub(super) fn book_macs(&mut self, system: &System, array: usize, dtype: Dtype, macs: f64) {
        self.events += macs;
        if let Some(each) = system.arrays[array].mac_energy(dtype) {
            self.matrix += each * macs;
            self.covered += macs;
        }
    }

    /// Books vector operations of a format.
    pub(super) fn book_ops(&mut self, system: &System, dtype: Dtype, ops: f64) {
        if ops == 0.0 {
            return;
        }
        self.events += ops;
        // Run, like the time, on the narrowest wide enough format; narrower figures say nothing.
        let able = system.vectors.iter().flat_map(|v| &v.energy);
        let able = able.filter(|(d, _)| d.bits() >= dtype.bits());
        let each = able.min_by(|a, b| a.0.bits().total_cmp(&b.0.bits()));
        let each = each.map(|e| e.1);
        if let Some(each) = each {
            self.vector += each * ops;
            self.covered += ops;
        }
    }
}

/// Cost of one execution of one operator, alone on the chip.
#[derive(Clone, Debug, PartialEq)]
pub struct Cost {
    /// Busy time of the matrix engines.
    pub matrix: Seconds,
    /// Busy time of the vector engines.
    pub vector: Seconds,
    /// Busy time of each memory's ports.
    pub ports: SmallVec<[Seconds; 6]>,
    /// Busy time of links to other chips.
    pub link: Seconds,
    /// Time that nothing can hide: first fill, last drain, unbuffered transfers.
    pub exposed: Seconds,
    /// Start of the kernel, where its library is known; else that of the chip counts.
    pub launch: Option<Seconds>,
    /// Share of the clusters that have work while the operator runs.
    pub occupancy: f64,
    /// Time of the host for a call that is not replayed from a graph, where it is known for the kernel.
    pub host: Option<Seconds>,
    /// Mean error of the kernel's time, as a share, where it was measured.
    pub error: Option<f64>,
    /// Bytes at each memory.
    pub traffic: SmallVec<[Traffic; 6]>,
    /// Energy of events.
    pub energy: EnergyBook,
    /// MACs executed, padding and masked tiles included.
    pub executed_macs: f64,
    /// The mapping in one line.
    pub mapping: Option<String>,
}

impl Cost {
    /// A cost without any work on a chip.
    pub fn free(system: &System) -> Self {
        let n = system.memories.len();
        Self {
            matrix: Seconds::ZERO,
            vector: Seconds::ZERO,
            ports: SmallVec::from_elem(Seconds::ZERO, n),
            link: Seconds::ZERO,
            exposed: Seconds::ZERO,
            launch: None,
            occupancy: 1.0,
            host: None,
            error: None,
            traffic: SmallVec::from_elem(Traffic::default(), n),
            energy: EnergyBook::default(),
            executed_macs: 0.0,
            mapping: None,
        }
    }

    /// Takes in the work of an operator that rides on this one: both run at the same time.
    pub fn absorb(&mut self, rider: &Self) {
        self.matrix += rider.matrix;
        self.vector += rider.vector;
        self.link += rider.link;
        self.exposed += rider.exposed;
        self.executed_macs += rider.executed_macs;
        for (mine, theirs) in self.ports.iter_mut().zip(&rider.ports) {
            *mine += *theirs;
        }
        for (mine, theirs) in self.traffic.iter_mut().zip(&rider.traffic) {
            mine.read += theirs.read;
            mine.written += theirs.written;
        }
        self.energy.add(&rider.energy, 1.0);
    }

    /// Time with every transfer hidden behind the longest resource.
    pub fn overlapped(&self) -> Seconds {
        self.ports
            .iter()
            .copied()
            .fold(self.matrix.max(self.vector).max(self.link), Seconds::max)
    }

    /// Time of the operator alone, at a clock of `ratio` times the nominal one.
    ///
    /// On-chip resources slow down with the clock; memories outside of the die do not.
    pub fn alone(&self, system: &System, ratio: f64) -> Seconds {
        let mut longest = (self.matrix.max(self.vector) / ratio).max(self.link);
        for (memory, &busy) in system.memories.iter().zip(&self.ports) {
            let slow = if memory.is_on_chip() { ratio } else { 1.0 };
            longest = longest.max(busy / slow);
        }
        longest + self.exposed
    }

    /// The resource with the longest busy time.
    pub fn bound(&self) -> Bound {
        let longest = self.overlapped();
        if longest == Seconds::ZERO {
            return Bound::Free;
        }
        if self.matrix == longest {
            return Bound::Matrix;
        }
        if self.link == longest {
            return Bound::Link;
        }
        if let Some(memory) = self.ports.iter().position(|t| *t == longest) {
            return Bound::Memory(memory);
        }
        Bound::Vector
    }
}
