//! Fan-outs: shape, what each axis may unroll, what its wires can do.

use super::chip::Chip;
use super::keys::{CONVOLUTION_RANKS, RANKS, SLOTS, refuse, refuse_not_modelled};
use crate::diag::Code;
use crate::document::Reader;
use crate::hardware::{AxisRank, FanAxis};
use crate::units::{Dimension, JoulesPerByte};

const MAX_AXIS: u64 = 1 << 32;

/// The axes of a fan-out.
pub(super) fn axes(chip: &Chip, reader: &Reader) -> Vec<FanAxis> {
    let sizes = sizes(reader);
    if reader.raw().get("axes").is_none() {
        reader.get("axes");
        let ranks = RANKS.map(|r| r.1).to_vec();
        let text = "every axis unrolls G, M, N and K, without multicast or reduction";
        chip.assume(reader.path_of("axes"), text, "the file does not say");
        let axis = |size| FanAxis {
            size,
            ranks: ranks.clone(),
            multicast: Vec::new(),
            reduce: Vec::new(),
        };
        return sizes.into_iter().map(axis).collect();
    }
    let axes = reader.tables("axes");
    if axes.len() != sizes.len() {
        let (shape, given) = (sizes.len(), axes.len());
        let path = reader.path();
        let message =
            format!("`{path}.shape` has {shape} axes, but `{path}.axes` describes {given}");
        reader.push(reader.key_problem("axes", Code::Disagreement, message));
    }
    let mut found = Vec::new();
    for (axis, size) in axes.into_iter().zip(sizes) {
        refuse_not_modelled(&axis);
        found.push(FanAxis {
            size,
            ranks: ranks(&axis),
            multicast: axis.choices("multicast", &SLOTS).unwrap_or_default(),
            reduce: axis.choices("reduce", &SLOTS).unwrap_or_default(),
        });
        axis.finish();
    }
    found
}

fn sizes(reader: &Reader) -> Vec<u64> {
    let Some(items) = reader.one_or_more("shape") else {
        reader.missing("shape", "e.g. shape = [16, 16]");
        return vec![1];
    };
    if !(1..=2).contains(&items.len()) {
        let message = format!("`{}` must have one or two axes", reader.path_of("shape"));
        reader.push(reader.key_problem("shape", Code::OutOfRange, message));
        return vec![1];
    }
    let size = |node| reader.integer_of("shape", node, 1..=MAX_AXIS).unwrap_or(1);
    items.iter().map(size).collect()
}

/// An axis that names a rank of convolutions uses their names, where `K` counts output channels.
fn ranks(axis: &Reader) -> Vec<AxisRank> {
    let names = axis.strings("ranks").unwrap_or_default();
    if names.is_empty() {
        axis.missing(
            "ranks",
            "name what may be unrolled, e.g. ranks = [\"M\", \"N\"]",
        );
    }
    let only_there = |name: &str| matches!(name, "B" | "P" | "Q" | "C" | "R" | "S");
    let is_convolution = names.iter().any(|(name, _)| only_there(name));
    let words: &[(&str, AxisRank)] = if is_convolution {
        &CONVOLUTION_RANKS
    } else {
        &RANKS
    };
    axis.choices("ranks", words).unwrap_or_default()
}

/// Energy per byte brought to one child, if the file says.
pub(super) fn hop_energy(reader: &Reader) -> Option<JoulesPerByte> {
    let network = reader.table("network")?;
    for key in ["kind", "bandwidth", "hop"] {
        if network.raw().get(key).is_some() {
            refuse(&network, key);
        }
    }
    let per_length = Dimension::ENERGY_PER_BYTE / Dimension::LENGTH;
    let energy = network.get("energy").and_then(|node| {
        let quantity = network.evaluate("energy", node)?;
        if quantity.value < 0.0 {
            network.out_of_range("energy", node, "must not be negative");
            return None;
        }
        if quantity.dimension != per_length {
            return network.typed("energy", node);
        }
        let Some(pitch) = network.positive::<crate::units::Meters>("pitch") else {
            network.missing(
                "pitch",
                "an energy per length needs the length of a hop, e.g. \"1 mm\"",
            );
            return None;
        };
        Some(JoulesPerByte(quantity.value * pitch.0))
    });
    network.finish();
    energy
}
