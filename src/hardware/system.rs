//! A chip as checked and evaluated: the component tree with figures, every one of them resolved.

use std::sync::Arc;

use super::features::{
    Buffering, Compression, Diagonal, NetworkKind, RowStationary, Systolic, Wires, ZeroSupport,
};
use super::kernels::Kernels;
use crate::technology::MemoryKind;
use crate::units::{
    Bytes, BytesPerSecond, Hertz, Joules, JoulesPerByte, MacsPerSecond, Meters, OpsPerSecond,
    Quantity, Seconds, SquareMeters, Volts, Watts,
};
use crate::workload::{Dtype, Slot};

/// Which defaults apply to what a file leaves out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Data-center and desktop GPUs.
    Gpu,
    /// Data-center accelerators with software-managed memories.
    Npu,
    /// Small accelerators in devices.
    Edge,
    /// In-memory compute.
    Imc,
    /// Photonic compute.
    Photonic,
    /// Processors.
    Cpu,
}

/// A component that others hang below.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Node {
    /// Index into [`System::memories`].
    Memory(usize),
    /// Index into [`System::fanouts`].
    Fanout(usize),
}

/// What a memory may hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Holds {
    /// Left inputs of matrix engines.
    pub lhs: bool,
    /// Right inputs of matrix engines.
    pub rhs: bool,
    /// Results and partial sums.
    pub acc: bool,
    /// Keys and values.
    pub kv: bool,
    /// Operands of vector engines.
    pub vector: bool,
}

/// How a memory decides what it keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Managed {
    /// Tiles are placed by the mapping.
    Software,
    /// A cache: reuse follows its capacity.
    Cache,
    /// Placed by the mapping, read once in the order of arrival.
    Fifo,
}

/// Direction of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Reads only.
    Read,
    /// Writes only.
    Write,
    /// Reads and writes share it.
    Both,
}

/// One port of one instance of a memory.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Port {
    /// What may pass.
    pub direction: Direction,
    /// Peak rate.
    pub bandwidth: BytesPerSecond,
    /// Share of the peak that long transfers reach, at most 1.
    pub achievable: f64,
    /// Slots that may pass: `[lhs, rhs, acc]`.
    pub slots: [bool; 3],
}

/// One level of the memory tree.
#[derive(Clone, Debug, PartialEq)]
pub struct Memory {
    /// Name, unique among components.
    pub name: String,
    /// Technology.
    pub kind: MemoryKind,
    /// Where it hangs; empty for a root.
    pub parents: Vec<Node>,
    /// Capacity of one instance; infinite where the file says `unbounded`.
    pub capacity: Bytes,
    /// Operand slots it may hold.
    pub holds: Holds,
    /// Of the held operand slots, those that have no way round it.
    pub must_hold: Holds,
    /// Of the held slots, those whose tensors may stay from one operator to the next.
    pub resident: Holds,
    /// How zeros are left out, by operand slot: `[lhs, rhs, acc]`.
    pub compression: [Option<Compression>; 3],
    /// Smallest access, if it matters: traffic comes in whole blocks.
    pub block: Option<Bytes>,
    /// Banks of equal size, each of which holds one slot at a time; `None`: slots share the room freely.
    pub banks: Option<u64>,
    /// How it is managed.
    pub managed: Managed,
    /// How the next tiles arrive.
    pub buffering: Buffering,
    /// At least one.
    pub ports: Vec<Port>,
    /// Copies in the whole chip.
    pub instances: u64,
    /// Energy per byte read, if known.
    pub read_energy: Option<JoulesPerByte>,
    /// Energy per byte written, if known.
    pub write_energy: Option<JoulesPerByte>,
    /// Area of one instance on the die, if known (off-chip memories: zero).
    pub area: Option<SquareMeters>,
    /// Leakage of one instance, if known.
    pub leakage: Option<Watts>,
    /// Where the figures come from.
    pub source: String,
}

/// What one axis of a fan-out may unroll and what its wires can do.
#[derive(Clone, Debug, PartialEq)]
pub struct FanAxis {
    /// Instances along the axis.
    pub size: u64,
    /// Rank names that may be unrolled: `G M N K`, or `B P Q C R S` and `N` of convolutions.
    pub ranks: Vec<AxisRank>,
    /// Slots one parent read of which serves the whole axis.
    pub multicast: Vec<Slot>,
    /// Slots whose partial results are added along the axis.
    pub reduce: Vec<Slot>,
    /// Slots that a child passes on to its neighbor.
    pub forward: Vec<Slot>,
    /// Most ranks unrolled at once, at least 1.
    pub max_ranks: u32,
    /// Ranks that are unrolled wholly or not at all.
    pub full: Vec<AxisRank>,
}

/// A rank that an axis may unroll.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AxisRank {
    /// Any rank of the batch class.
    G,
    /// Any rank of the left-only class (batch and output positions).
    M,
    /// Any rank of the right-only class (output channels).
    N,
    /// Any summed rank.
    K,
    /// Batch of a convolution.
    B,
    /// Output rows.
    P,
    /// Output columns.
    Q,
    /// Input channels.
    C,
    /// Kernel rows.
    R,
    /// Kernel columns.
    S,
}

/// Copies of everything below.
#[derive(Clone, Debug, PartialEq)]
pub struct Fanout {
    /// Name, unique among components.
    pub name: String,
    /// What it multiplies the children of.
    pub parents: Vec<Node>,
    /// One or two axes.
    pub axes: Vec<FanAxis>,
    /// Instances of its parent in the whole chip.
    pub instances: u64,
    /// Operands that one parent read brings to a diagonal of children.
    pub diagonal: Vec<Diagonal>,
    /// Slots whose child buffers make up one address space.
    pub distributed: Vec<Slot>,
    /// Whether the last round may leave children idle; else factors must divide the ranks.
    pub imperfect: bool,
    /// Layout of the wires, if known.
    pub network: Option<NetworkKind>,
    /// Rate out of one parent.
    pub bandwidth: Wires,
    /// Delay of one hop, if known.
    pub hop: Option<Seconds>,
    /// Energy per byte delivered to one child, if known.
    pub hop_energy: Option<JoulesPerByte>,
}

/// Shape of one native instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NativeTile {
    /// Rows of the result.
    pub m: u64,
    /// Columns of the result.
    pub n: u64,
    /// Summed length.
    pub k: u64,
}

/// A matrix engine.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// Name, unique among components.
    pub name: String,
    /// Where its operands come from.
    pub parents: Vec<Node>,
    /// MACs per cycle of one leaf, by format.
    pub rate: Vec<(Dtype, f64)>,
    /// Leaves in the whole chip.
    pub instances: u64,
    /// Clock.
    pub clock: Hertz,
    /// Native instruction, if it has one.
    pub tile: Option<NativeTile>,
    /// Operand that stays in place, if the hardware fixes it.
    pub stationary: Option<Slot>,
    /// Whether `C = A·B` may run as `Cᵀ = Bᵀ·Aᵀ`.
    pub swap: bool,
    /// Fill and load of a systolic array; `None` for other engines.
    pub systolic: Option<Systolic>,
    /// What zeros save.
    pub zeros: ZeroSupport,
    /// Drawn by one leaf at all times: lasers, tuning.
    pub constant: Watts,
    /// Format of partial sums by format of the inputs.
    pub acc: Vec<(Dtype, Dtype)>,
    /// Energy of one MAC by format, as far as known.
    pub energy: Vec<(Dtype, Joules)>,
    /// Area of one leaf, if known.
    pub area: Option<SquareMeters>,
    /// Share of the peak that long products reach, at most 1.
    pub achievable: f64,
    /// Where the figures come from.
    pub source: String,
}

/// A vector engine.
#[derive(Clone, Debug, PartialEq)]
pub struct Vector {
    /// Name, unique among components.
    pub name: String,
    /// Where its operands come from.
    pub parents: Vec<Node>,
    /// Lanes of one instance.
    pub lanes: u64,
    /// Simple operations per lane and cycle, by format.
    pub rate: Vec<(Dtype, f64)>,
    /// Exponentials, roots and divisions per lane and cycle.
    pub special: f64,
    /// Copies in the whole chip.
    pub instances: u64,
    /// Clock.
    pub clock: Hertz,
    /// Energy of one simple operation by format, as far as known.
    pub energy: Vec<(Dtype, Joules)>,
    /// Area of one instance, if known.
    pub area: Option<SquareMeters>,
    /// Where the figures come from.
    pub source: String,
}

/// A connection to other chips.
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    /// Name.
    pub name: String,
    /// Per direction, all lanes together.
    pub bandwidth: BytesPerSecond,
    /// Of one message.
    pub latency: Seconds,
    /// Chips reachable directly.
    pub peers: u64,
}

/// Time and memory that the runtime takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Overhead {
    /// Device time from one operator's end to the next one's start, replayed from a graph.
    pub kernel: Seconds,
    /// Host time of one launch where nothing is replayed.
    pub launch: Seconds,
    /// Fixed time of one pass over a tile.
    pub tile: Seconds,
    /// Fixed time of one transfer from or to main memory.
    pub dma_setup: Seconds,
    /// Time to issue one native instruction.
    pub instruction: Seconds,
    /// Memory the runtime keeps for itself.
    pub reserve: Bytes,
}

/// Power of the whole chip.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PowerLimits {
    /// Thermal design power, if known.
    pub tdp: Option<Watts>,
    /// Enforced limit; the TDP if the file does not say.
    pub cap: Option<Watts>,
    /// Drawn when nothing runs.
    pub idle: Option<Watts>,
    /// Drawn on top as soon as anything runs: clocks, schedulers, refresh.
    pub active: Option<Watts>,
}

/// Node, clock and operating points.
#[derive(Clone, Debug, PartialEq)]
pub struct Process {
    /// Feature size.
    pub node: Meters,
    /// Nominal clock.
    pub clock: Hertz,
    /// Voltage and clock pairs, ascending; empty for one fixed point.
    pub vf: Vec<(Volts, Hertz)>,
}

/// The declared set of tile sizes.
#[derive(Clone, Debug, PartialEq)]
pub enum Tiles {
    /// Only sizes that divide the rank.
    Divisors,
    /// Equal divisions of each rank, the last one partly idle.
    Padded,
    /// Any size; the last tile is as small as what is left.
    Ceil,
    /// Library tiles: sizes of M, N and K.
    Listed {
        /// Rows of the result.
        m: Vec<u64>,
        /// Columns of the result.
        n: Vec<u64>,
        /// Summed length.
        k: Vec<u64>,
    },
}

/// A value taken from the class because the file does not give it.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Assumed {
    /// Path of the key: `memory.hbm.block`.
    pub path: String,
    /// The value, with its unit.
    pub value: String,
    /// Why this value.
    pub reason: String,
}

/// A knob of the file, evaluated.
#[derive(Clone, Debug, PartialEq)]
pub struct Param {
    /// Name.
    pub name: String,
    /// Value.
    pub value: Quantity,
    /// What it is.
    pub doc: String,
}

/// One chip at one design point.
#[derive(Clone, Debug, PartialEq)]
pub struct System {
    /// Vendor and part.
    pub name: String,
    /// Class.
    pub class: Class,
    /// Where the description comes from.
    pub source: String,
    /// Knobs, in file order.
    pub params: Vec<Param>,
    /// Node and clock.
    pub process: Process,
    /// Parents before children; the first is a root.
    pub memories: Vec<Memory>,
    /// Parents before children.
    pub fanouts: Vec<Fanout>,
    /// Matrix engines; at least one.
    pub arrays: Vec<Array>,
    /// Vector engines; may be empty.
    pub vectors: Vec<Vector>,
    /// Links to other chips.
    pub links: Vec<Link>,
    /// Runtime.
    pub overhead: Overhead,
    /// Power.
    pub power: PowerLimits,
    /// Tile sizes.
    pub tiles: Tiles,
    /// Coefficients of library kernels, where the chip runs such.
    pub kernels: Option<Arc<Kernels>>,
    /// Whether operands of one memory may be kept at different depths of the loop nest.
    pub uneven: bool,
    /// How convolutions run, where the hardware fixes it.
    pub dataflow: Option<RowStationary>,
    /// Published die area, to hold the sum of components against.
    pub die: Option<SquareMeters>,
    /// What was taken from the class.
    pub assumed: Vec<Assumed>,
}

impl System {
    /// The memory that holds weights and caches between runs: the first root.
    pub fn main_memory(&self) -> &Memory {
        &self.memories[0]
    }

    /// Peak rate of matrix products in a format, over all engines; `None` without that format.
    pub fn peak(&self, dtype: Dtype) -> Option<MacsPerSecond> {
        let rates = self.arrays.iter().filter_map(|a| a.peak(dtype));
        let total: MacsPerSecond = rates.sum();
        (total.0 > 0.0).then_some(total)
    }

    /// Formats that some matrix engine multiplies, widest first.
    pub fn dtypes(&self) -> Vec<Dtype> {
        let mut all: Vec<Dtype> = Vec::new();
        for (dtype, _) in self.arrays.iter().flat_map(|a| &a.rate) {
            if !all.contains(dtype) {
                all.push(*dtype);
            }
        }
        all.sort_by(|a, b| b.bits().total_cmp(&a.bits()).then(a.cmp(b)));
        all
    }

    /// Drawn when nothing runs: idle power, the leakage of all memories and what engines draw at all
    /// times; `None` if not known.
    pub fn idle_power(&self) -> Option<Watts> {
        let leakages = self.memories.iter();
        let leakage: Watts = leakages
            .filter_map(|m| m.leakage.map(|l| l * m.instances as f64))
            .sum();
        let engines = self.arrays.iter();
        let constant: Watts = engines.map(|a| a.constant * a.instances as f64).sum();
        self.power.idle.map(|idle| idle + leakage + constant)
    }

    /// The format in which a product of the asked format runs: itself, else the narrowest wider one,
    /// else the widest.
    pub fn executed_as(&self, dtype: Dtype) -> Dtype {
        if self.peak(dtype).is_some() {
            return dtype;
        }
        let known = self.dtypes();
        // Of equal width and kind first, such as fp16 for bf16.
        let wider = known.iter().rev().filter(|d| d.bits() >= dtype.bits());
        let same_kind = wider.clone().find(|d| d.is_float() == dtype.is_float());
        let any = wider.clone().find(|d| d.is_float() || !dtype.is_float());
        *same_kind.or(any).or(known.first()).unwrap_or(&dtype)
    }
}

/// The figure of a format, else that of its elements.
fn figure<T: Copy>(figures: &[(Dtype, T)], dtype: Dtype) -> Option<T> {
    let of = |asked| figures.iter().find(|(d, _)| *d == asked).map(|f| f.1);
    of(dtype).or_else(|| of(dtype.element()))
}

impl Array {
    /// MACs per instance and cycle in a format, or `None` without that format.
    pub fn macs_per_cycle(&self, dtype: Dtype) -> Option<f64> {
        figure(&self.rate, dtype)
    }

    /// Peak rate in a format, or `None` without that format.
    pub fn peak(&self, dtype: Dtype) -> Option<MacsPerSecond> {
        let rate = self.macs_per_cycle(dtype)?;
        Some(MacsPerSecond(rate * self.instances as f64 * self.clock.0))
    }

    /// Energy of one MAC in a format, if known.
    pub fn mac_energy(&self, dtype: Dtype) -> Option<Joules> {
        figure(&self.energy, dtype)
    }

    /// Format of partial sums.
    pub fn accumulator(&self, dtype: Dtype) -> Dtype {
        figure(&self.acc, dtype).unwrap_or(if dtype.is_float() {
            Dtype::Fp32
        } else {
            Dtype::Int32
        })
    }
}

impl Vector {
    /// Peak rate of simple operations in a format, falling back to the nearest wider one.
    pub fn peak(&self, dtype: Dtype) -> OpsPerSecond {
        let wide_enough = self.rate.iter().filter(|(d, _)| d.bits() >= dtype.bits());
        let best = wide_enough
            .min_by(|a, b| a.0.bits().total_cmp(&b.0.bits()))
            .or(self.rate.first())
            .map_or(1.0, |r| r.1);
        OpsPerSecond(best * self.all_lanes())
    }

    /// Peak rate of special functions.
    pub fn special_peak(&self) -> OpsPerSecond {
        OpsPerSecond(self.special * self.all_lanes())
    }

    fn all_lanes(&self) -> f64 {
        (self.lanes * self.instances) as f64 * self.clock.0
    }
}

impl Memory {
    /// Peak rate of one instance in a direction.
    pub fn bandwidth(&self, direction: Direction) -> BytesPerSecond {
        self.sum_ports(direction, |port| port.bandwidth)
    }

    /// Rate that long transfers of one instance reach in a direction.
    pub fn achieved_bandwidth(&self, direction: Direction) -> BytesPerSecond {
        self.sum_ports(direction, |port| port.bandwidth * port.achievable)
    }

    fn sum_ports(
        &self,
        direction: Direction,
        of: impl Fn(&Port) -> BytesPerSecond,
    ) -> BytesPerSecond {
        let serves = |p: &&Port| {
            p.direction == direction
                || p.direction == Direction::Both
                || direction == Direction::Both
        };
        self.ports.iter().filter(serves).map(of).sum()
    }

    /// Capacity one tile set may use: the rest is the other half of the double buffer.
    pub fn usable(&self) -> Bytes {
        match self.buffering {
            Buffering::Copies(n) => self.capacity / f64::from(n.max(1)),
            Buffering::Shared => self.capacity,
        }
    }

    /// Room that a tile of one slot takes: whole banks where the memory has them.
    pub fn room(&self, tile: Bytes) -> Bytes {
        match self.banks {
            Some(banks) => {
                let bank = self.capacity / banks as f64;
                bank * (tile / bank).ceil()
            }
            None => tile,
        }
    }

    /// True if nothing can be read while a tile arrives: no room for another one beside those `kept`, and no
    /// ports to spare as register files have them.
    pub fn stalls_while_filled(&self, kept: Bytes) -> bool {
        let has_room = match self.buffering {
            Buffering::Copies(n) => n > 1,
            Buffering::Shared => kept * 2.0 <= self.capacity,
        };
        !has_room && self.kind == MemoryKind::Sram && self.managed == Managed::Software
    }

    /// True if the memory is part of the die.
    pub fn is_on_chip(&self) -> bool {
        self.kind.is_on_chip()
    }
}

impl Holds {
    /// Nothing.
    pub const NONE: Self = Self {
        lhs: false,
        rhs: false,
        acc: false,
        kv: false,
        vector: false,
    };

    /// Everything.
    pub const ALL: Self = Self {
        lhs: true,
        rhs: true,
        acc: true,
        kv: true,
        vector: true,
    };

    /// The operand slots of matrix engines among it.
    pub fn operands(self) -> Self {
        Self {
            kv: false,
            vector: false,
            ..self
        }
    }

    /// Whether it holds an operand slot.
    pub fn slot(self, slot: Slot) -> bool {
        match slot {
            Slot::Lhs => self.lhs,
            Slot::Rhs => self.rhs,
            Slot::Acc => self.acc,
        }
    }
}
