//! Which operands a memory takes: held, obligatory, resident, compressed, and through which port.

use super::chip::{Chip, disagree};
use super::keys::{COMPRESSIONS, SLOTS};
use crate::document::Reader;
use crate::hardware::{Compression, Holds, Port};
use crate::technology::MemoryKind;
use crate::workload::Slot;

/// Names of what memories hold, with the place of each.
const NAMES: [(&str, usize); 5] = [("lhs", 0), ("rhs", 1), ("acc", 2), ("kv", 3), ("vector", 4)];

fn listed(reader: &Reader, key: &'static str) -> Option<Holds> {
    let found = reader.choices(key, &NAMES)?;
    Some(Holds {
        lhs: found.contains(&0),
        rhs: found.contains(&1),
        acc: found.contains(&2),
        kv: found.contains(&3),
        vector: found.contains(&4),
    })
}

fn flags(holds: Holds) -> [bool; 5] {
    [holds.lhs, holds.rhs, holds.acc, holds.kv, holds.vector]
}

/// What the memory may hold.
pub(super) fn holds(chip: &Chip, reader: &Reader, kind: MemoryKind) -> Holds {
    listed(reader, "holds").unwrap_or_else(|| {
        let is_file = matches!(kind, MemoryKind::RegFile | MemoryKind::Register);
        let (holds, text) = if is_file {
            let holds = Holds {
                kv: false,
                ..Holds::ALL
            };
            (holds, "lhs, rhs, acc, vector")
        } else {
            (Holds::ALL, "lhs, rhs, acc, kv, vector")
        };
        if reader.raw().get("holds").is_none() {
            chip.assume(reader.path_of("holds"), text, "the file excludes nothing");
        }
        holds
    })
}

/// The operand slots that have no way round the memory: all that it holds, unless the file says.
pub(super) fn must_hold(reader: &Reader, holds: Holds) -> Holds {
    reader.get("must_hold");
    if reader.raw().get("must_hold").is_none() {
        return holds.operands();
    }
    let found = reader.choices("must_hold", &SLOTS).unwrap_or_default();
    let has = |slot| found.contains(&slot);
    let found = Holds {
        lhs: has(Slot::Lhs),
        rhs: has(Slot::Rhs),
        acc: has(Slot::Acc),
        ..Holds::NONE
    };
    check_held(reader, "must_hold", found, holds);
    found
}

/// Slots whose tensors may stay from one operator to the next.
pub(super) fn resident(reader: &Reader, holds: Holds) -> Holds {
    let found = listed(reader, "resident").unwrap_or(Holds::NONE);
    check_held(reader, "resident", found, holds);
    found
}

fn check_held(reader: &Reader, key: &'static str, found: Holds, holds: Holds) {
    let both = flags(found).into_iter().zip(flags(holds));
    for ((is_named, is_held), (name, _)) in both.zip(NAMES) {
        if is_named && !is_held {
            let path = reader.path_of(key);
            let message = format!("`{path}` names `{name}`, which the memory does not hold");
            let help = format!("add `{name}` to `holds`, or remove it here");
            disagree(reader, key, message, &help);
        }
    }
}

/// How zeros of each operand are left out.
pub(super) fn compression(reader: &Reader, holds: Holds) -> [Option<Compression>; 3] {
    let mut found = [None; 3];
    let Some(table) = reader.table("compression") else {
        return found;
    };
    for (name, slot) in SLOTS {
        found[slot as usize] = table.choice(name, &COMPRESSIONS).flatten();
        if found[slot as usize].is_some() && !holds.slot(slot) {
            let path = table.path_of(name);
            let message = format!("`{path}` is given, but the memory does not hold `{name}`");
            disagree(&table, name, message, "remove it, or add it to `holds`");
        }
    }
    table.finish();
    found
}

/// Slots that may pass a port: all, unless the file says.
pub(super) fn of_port(port: &Reader) -> [bool; 3] {
    let is_all = port.raw().get("slots").and_then(|n| n.as_text()) == Some("all");
    if is_all {
        port.get("slots");
        return [true; 3];
    }
    match port.choices("slots", &SLOTS) {
        None => [true; 3],
        Some(found) => Slot::ALL.map(|slot| found.contains(&slot)),
    }
}

/// Reports operands that are held, but pass no port.
pub(super) fn check_ports(reader: &Reader, holds: Holds, ports: &[Port]) {
    for (name, slot) in SLOTS {
        if holds.slot(slot) && !ports.iter().any(|p| p.slots[slot as usize]) {
            let path = reader.path();
            let message = format!("`{path}` holds `{name}`, but none of its ports passes it");
            disagree(reader, "ports", message, "add it to `slots` of a port");
        }
    }
}
