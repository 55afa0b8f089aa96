//! Names of ranks in chip files.

use crate::hardware::AxisRank;
use crate::workload::{Class, Rank};

/// Whether a name of a chip file stands for a rank of an Einsum.
pub fn names(allowed: AxisRank, rank: &Rank) -> bool {
    let class = |c| rank.class == c;
    // A product's M and K stand for the output positions and channels of a convolution.
    match allowed {
        AxisRank::G => class(Class::G),
        AxisRank::M => class(Class::M),
        AxisRank::N => class(Class::N),
        AxisRank::K => class(Class::K),
        AxisRank::B => rank.name.as_str() == "B",
        AxisRank::P => matches!(rank.name.as_str(), "P" | "O" | "M"),
        AxisRank::Q => matches!(rank.name.as_str(), "Q" | "M"),
        AxisRank::C => match rank.name.as_str() {
            "C" => true,
            // Some count output channels by this name.
            "K" => class(Class::K),
            _ => false,
        },
        AxisRank::R => matches!(rank.name.as_str(), "R" | "T"),
        AxisRank::S => rank.name.as_str() == "S",
    }
}
