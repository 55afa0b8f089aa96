//! Sum of component areas.

use crate::hardware::System;
use crate::units::SquareMeters;

/// Area of the described components.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Area {
    /// Parts with a figure, in file order; instances together.
    pub parts: Vec<(String, SquareMeters)>,
    /// Sum, if every part on the die is known.
    pub total: Option<SquareMeters>,
}

/// Adds up memories, matrix and vector engines on the die. Control, wires between components, pads and
/// memory interfaces are not described and not counted.
pub fn area(system: &System) -> Area {
    let memories = system.memories.iter().filter(|m| m.is_on_chip());
    let memories = memories.map(|m| (&m.name, m.area, m.instances));
    let arrays = system.arrays.iter().map(|a| (&a.name, a.area, a.instances));
    let vectors = system.vectors.iter();
    let vectors = vectors.map(|v| (&v.name, v.area, v.instances));
    let mut found = Area::default();
    let mut known = true;
    for (name, each, instances) in memories.chain(arrays).chain(vectors) {
        match each {
            Some(each) => found.parts.push((name.clone(), each * instances as f64)),
            None => known = false,
        }
    }
    if known {
        found.total = Some(found.parts.iter().map(|p| p.1).sum());
    }
    found
}
