//! A dataflow that the hardware fixes, and the components that take its roles.

use super::chip::disagree;
use crate::document::Reader;
use crate::hardware::{Array, Fanout, Memory, Node, RowStationary};
use crate::workload::Slot;

/// Most cycles to add a sum.
const MAX_CYCLES: f64 = 1e6;
/// Most columns of a strip times channels.
const MAX_COLUMNS: u64 = 1 << 40;

/// Reads `dataflow` of the mapspace, and the keys that belong to it.
pub(super) fn read(
    mapspace: &Reader,
    memories: &[Memory],
    fanouts: &[Fanout],
    arrays: &[Array],
) -> Option<RowStationary> {
    let wanted = mapspace.choice("dataflow", &[("any", false), ("row-stationary", true)]);
    let limit = mapspace.integer("row_limit", 1..=MAX_COLUMNS);
    let sum_cycles = mapspace.number("sum_cycles", 0.0..=MAX_CYCLES);
    if wanted != Some(true) {
        for key in ["row_limit", "sum_cycles"] {
            if mapspace.raw().get(key).is_some() {
                let path = mapspace.path_of(key);
                let message = format!("`{path}` belongs to a dataflow that the file does not name");
                let help = "add dataflow = \"row-stationary\", or remove it";
                disagree(mapspace, key, message, help);
            }
        }
        return None;
    }
    match roles(memories, fanouts, arrays) {
        Ok(roles) => Some(RowStationary {
            row_limit: limit,
            sum_cycles: sum_cycles.unwrap_or(0.0),
            ..roles
        }),
        Err(lacking) => {
            let message = format!("a row-stationary dataflow needs {lacking}");
            let help = "describe it, or let the mapper choose: dataflow = \"any\"";
            disagree(mapspace, "dataflow", message, help);
            None
        }
    }
}

/// Who does what; what is lacking where nobody does.
fn roles(
    memories: &[Memory],
    fanouts: &[Fanout],
    arrays: &[Array],
) -> Result<RowStationary, &'static str> {
    let array = arrays.first().ok_or("an [[array]]")?;
    let (mut inside, mut open) = (Vec::new(), array.parents.clone());
    let mut fanout = None;
    while let Some(node) = open.pop() {
        match node {
            Node::Memory(i) if !inside.contains(&i) => {
                inside.push(i);
                open.extend(memories[i].parents.iter().copied());
            }
            Node::Memory(_) => {}
            Node::Fanout(i) => fanout = Some(i),
        }
    }
    let fanout = fanout.ok_or("a [[fanout]] above the engines")?;
    if fanouts[fanout].axes.len() != 2 {
        return Err("a fan-out with rows and columns");
    }
    let holder = |slot: Slot, lacking: &'static str| -> Result<usize, &'static str> {
        let mut holders = inside.iter().filter(|m| memories[**m].holds.slot(slot));
        let first = holders.next().ok_or(lacking)?;
        Ok(*first)
    };
    let spads = [
        holder(Slot::Lhs, "a memory for `lhs` in each engine")?,
        holder(Slot::Rhs, "a memory for `rhs` in each engine")?,
        holder(Slot::Acc, "a memory for `acc` in each engine")?,
    ];
    // Between main memory and the fan-out, and nothing else between them.
    let between = |node: &Node| match node {
        Node::Memory(i) if memories[*i].parents == [Node::Memory(0)] => Some(*i),
        Node::Memory(_) | Node::Fanout(_) => None,
    };
    let between = || fanouts[fanout].parents.iter().filter_map(between);
    let holds = |m: usize, slot| memories[m].holds.slot(slot);
    let buffer = between().find(|m| holds(*m, Slot::Lhs) && holds(*m, Slot::Acc));
    let lacking = "a memory for `lhs` and `acc` directly above the fan-out and below main memory";
    let buffer = buffer.ok_or(lacking)?;
    Ok(RowStationary {
        buffer,
        prefetch: between().find(|m| holds(*m, Slot::Rhs) && *m != buffer),
        fanout,
        spads,
        row_limit: None,
        sum_cycles: 0.0,
    })
}
