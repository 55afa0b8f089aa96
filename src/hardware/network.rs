//! Wires of a fan-out: layout, rate, delay and energy.

use super::chip::Chip;
use super::keys::{NETWORKS, SLOTS, refuse_not_modelled};
use crate::document::{Node, Reader};
use crate::hardware::{FanAxis, NetworkKind, Wires};
use crate::units::{Dimension, JoulesPerByte, Meters, Seconds};

/// What `network` says.
#[derive(Default)]
pub(super) struct Network {
    pub(super) kind: Option<NetworkKind>,
    pub(super) bandwidth: Wires,
    pub(super) hop: Option<Seconds>,
    pub(super) energy: Option<JoulesPerByte>,
}

/// Reads `network` of a fan-out.
pub(super) fn read(chip: &Chip, fanout: &Reader, axes: &[FanAxis]) -> Network {
    let Some(reader) = fanout.table("network") else {
        return Network::default();
    };
    refuse_not_modelled(&reader);
    let kind = reader.choice("kind", &NETWORKS);
    let size = |axis: usize| axes.get(axis).map_or(1, |a| a.size);
    let hops = kind.map_or(1.0, |kind| kind.mean_hops(size(0), size(1)));
    let network = Network {
        kind,
        bandwidth: wires(chip, &reader),
        hop: chip.time(&reader, "hop"),
        energy: energy(&reader, hops),
    };
    reader.finish();
    network
}

/// One rate for all slots together, or one for each.
fn wires(chip: &Chip, reader: &Reader) -> Wires {
    let key = "bandwidth";
    match reader.get(key) {
        None => Wires::Unlimited,
        Some(node) if node.as_table().is_some() => {
            let Some(table) = reader.table(key) else {
                return Wires::Unlimited;
            };
            let rates = SLOTS.map(|(name, _)| chip.bandwidth(&table, name));
            table.finish();
            Wires::PerSlot(rates)
        }
        Some(node) => {
            let rate = chip.bandwidth_of(reader, key, node);
            rate.map_or(Wires::Unlimited, Wires::Shared)
        }
    }
}

/// Energy per byte brought to one child: as given, or per length times the hops on the way.
fn energy(reader: &Reader, hops: f64) -> Option<JoulesPerByte> {
    let node: &Node = reader.get("energy")?;
    let quantity = reader.evaluate("energy", node)?;
    if quantity.value < 0.0 {
        reader.out_of_range("energy", node, "must not be negative");
        return None;
    }
    if quantity.dimension != Dimension::ENERGY_PER_BYTE / Dimension::LENGTH {
        return reader.typed("energy", node);
    }
    if reader.raw().get("pitch").is_none() {
        reader.missing(
            "pitch",
            "an energy per length needs the length of a hop, e.g. \"1 mm\"",
        );
    }
    let pitch: Meters = reader.positive("pitch")?;
    Some(JoulesPerByte(quantity.value * pitch.0 * hops))
}
