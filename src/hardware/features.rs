//! What memories, wires and engines can do beyond holding, delivering and multiplying.

use std::fmt;

use super::system::AxisRank;
use crate::units::{Bytes, BytesPerSecond, Seconds};
use crate::workload::Slot;

/// How a memory takes in the next tiles while the present ones are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Buffering {
    /// Room for so many tile sets is set apart: with 1 transfers are exposed, with 2 they are hidden and half of
    /// the capacity is usable.
    Copies(u32),
    /// All of the capacity is usable; transfers are hidden where the tiles fit twice, else exposed.
    Shared,
}

impl fmt::Display for Buffering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Copies(n) => n.fmt(f),
            Self::Shared => f.write_str("shared"),
        }
    }
}

/// How zeros of an operand are left out of a memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Run lengths of zeros before each value.
    Rle,
    /// One bit per element says whether it is there.
    Bitmask,
    /// The place of each value, all coordinates spelled out.
    Coordinate,
    /// The column of each value, and where each row starts.
    Csr,
}

/// One parent read that serves a whole diagonal of a fan-out.
///
/// With `lhs` and the ranks P and R, children whose `p + r` is the same share one input row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagonal {
    /// What is shared.
    pub slot: Slot,
    /// The ranks whose sum tells the diagonals apart, at least two.
    pub ranks: Vec<AxisRank>,
}

/// Layout of the wires of a fan-out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NetworkKind {
    /// Routers between neighbors, fed at one corner.
    Mesh,
    /// One wire past all children.
    Bus,
    /// Branches of equal length.
    Tree,
    /// Each child passes on to its neighbor.
    Systolic,
    /// A wire of its own for each pair.
    Crossbar,
}

impl NetworkKind {
    /// Lengths of a hop that a byte travels to one child of `rows` × `cols`, on average.
    ///
    /// Mesh: `1 .. rows` along one side and `0 .. cols - 1` along the other, each equally often, make
    /// `(rows + cols) / 2`. Tree: halves of the two sides, then halves of these, make the same. Bus and
    /// crossbar: the driven wire spans both sides, `rows + cols`. Systolic: the neighbor's distance, 1.
    ///
    /// Source: derived.
    pub fn mean_hops(self, rows: u64, cols: u64) -> f64 {
        let sides = rows as f64 + cols as f64;
        match self {
            Self::Mesh | Self::Tree => sides / 2.0,
            Self::Bus | Self::Crossbar => sides,
            Self::Systolic => 1.0,
        }
    }
}

/// Rate at which bytes leave the parent of a fan-out into it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Wires {
    /// Never the limit.
    #[default]
    Unlimited,
    /// All slots take turns.
    Shared(BytesPerSecond),
    /// Each slot has wires of its own, `[lhs, rhs, acc]`; one without a rate is not limited.
    PerSlot([Option<BytesPerSecond>; 3]),
}

impl Wires {
    /// Time that bytes of `[lhs, rhs, acc]` take: the sum on shared wires, else the longest.
    pub fn time(self, bytes: [Bytes; 3]) -> Seconds {
        match self {
            Self::Unlimited => Seconds::ZERO,
            Self::Shared(rate) => bytes.into_iter().sum::<Bytes>() / rate,
            Self::PerSlot(rates) => {
                let times = bytes.into_iter().zip(rates);
                times
                    .filter_map(|(bytes, rate)| Some(bytes / rate?))
                    .fold(Seconds::ZERO, Seconds::max)
            }
        }
    }
}

/// Cycles that a systolic array spends besides its products.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Systolic {
    /// Cycles from the first operand in to the last result out, beyond one per step.
    pub fill: f64,
    /// Cycles to put the stationary operand in place.
    pub load: f64,
    /// Whether the next stationary operand moves in while the present one works.
    pub overlap_load: bool,
}

/// A pattern of zeros that an engine skips.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Structured {
    /// Values kept of each group.
    pub keep: u32,
    /// Values of a group.
    pub group: u32,
    /// The operand with the zeros.
    pub slot: Slot,
}

/// What a matrix engine makes of zeros.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ZeroSupport {
    /// Operands whose zeros save the energy of a MAC, but not its cycle: `[lhs, rhs, acc]`.
    pub gate: [bool; 3],
    /// Operands whose zeros save energy and cycle: `[lhs, rhs, acc]`.
    pub skip: [bool; 3],
    /// Regular patterns that save energy and cycle.
    pub structured: Vec<Structured>,
}

/// Filter rows stay in the engines of a two-axis fan-out, sums of a column move up, and input rows run diagonally.
///
/// Source: Chen et al., "Eyeriss: A Spatial Architecture for Energy-Efficient Dataflow for Convolutional Neural
/// Networks", ISCA 2016, section V.
#[derive(Clone, Debug, PartialEq)]
pub struct RowStationary {
    /// Memory that keeps the inputs and partial sums of a pass: index into the memories.
    pub buffer: usize,
    /// Memory in which the next pass' weights wait, if there is one.
    pub prefetch: Option<usize>,
    /// Index into the fan-outs: rows, then columns.
    pub fanout: usize,
    /// Memories of each engine, `[lhs, rhs, acc]`.
    pub spads: [usize; 3],
    /// Most channels summed in a pass times columns of a strip, where more than one channel is.
    pub row_limit: Option<u64>,
    /// Cycles in which an engine adds a sum from below instead of a product.
    pub sum_cycles: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wires_of_one_kind_add_up_and_those_of_several_do_not() {
        let bytes = [Bytes(8.0), Bytes(4.0), Bytes(2.0)];
        assert_eq!(Wires::Unlimited.time(bytes).0, 0.0);
        assert_eq!(Wires::Shared(BytesPerSecond(2.0)).time(bytes).0, 7.0);
        let own = [Some(BytesPerSecond(8.0)), Some(BytesPerSecond(1.0)), None];
        assert_eq!(Wires::PerSlot(own).time(bytes).0, 4.0);
    }

    #[test]
    fn a_mesh_is_as_long_as_the_mean_of_its_routes() {
        let (rows, cols) = (3, 5);
        let all = (1..=rows).flat_map(|r| (0..cols).map(move |c| (r + c) as f64));
        let mean = all.sum::<f64>() / (rows * cols) as f64;
        assert!((NetworkKind::Mesh.mean_hops(rows, cols) - mean).abs() < 1e-12);
    }
}
