//! Memories: capacity, ports, what they hold, figures per action.

use super::chip::{Chip, disagree};
use super::keys::{DIRECTIONS, MANAGED, memory_kinds, refuse_not_modelled};
use super::slots;
use super::tree::Placed;
use crate::diag::Code;
use crate::document::{Node as Value, Reader};
use crate::hardware::{Buffering, Class, Direction, Managed, Memory, Port};
use crate::technology::{self, MemoryKind};
use crate::units::{Bytes, BytesPerSecond, Dimension, JoulesPerByte, SquareMeters};

/// Where a memory stands, as far as defaults depend on it.
pub(super) struct Surroundings {
    /// Directly below a root and above every fan-out.
    pub(super) below_root: bool,
    /// Bandwidth of all instances of its parents together.
    pub(super) parent_total: Option<BytesPerSecond>,
    /// What the engines below one instance take and give.
    pub(super) engines: BytesPerSecond,
}

/// Reads one memory.
pub(super) fn read<'a>(
    chip: &Chip<'a>,
    name: &str,
    reader: &Reader<'a>,
    placed: &Placed,
    around: &Surroundings,
) -> Memory {
    refuse_not_modelled(reader);
    reader.get("in");
    let is_root = placed.parents.is_empty();
    let kind = kind(chip, reader, is_root);
    let capacity = chip.capacity(reader);
    if kind.is_on_chip() && capacity.0.is_infinite() {
        let path = reader.path();
        let message = format!("`{path}` is on the chip, so that its capacity cannot be unbounded");
        disagree(
            reader,
            "capacity",
            message,
            "give a size, or an off-chip `kind`",
        );
    }
    let managed = managed(chip, reader, around.below_root);
    let holds = slots::holds(chip, reader, kind);
    let buffering = buffering(chip, reader, kind, managed);
    let ports = ports(chip, reader, kind, placed.instances, around);
    slots::check_ports(reader, holds, &ports);
    let source = chip.source_of(reader);
    let mut memory = Memory {
        name: name.to_owned(),
        kind,
        parents: placed.parents.clone(),
        capacity,
        holds,
        must_hold: slots::must_hold(reader, holds),
        resident: slots::resident(reader, holds),
        compression: slots::compression(reader, holds),
        block: reader.positive("block"),
        banks: reader.integer("banks", 1..=1 << 20),
        managed,
        buffering,
        ports,
        instances: placed.instances,
        read_energy: None,
        write_energy: None,
        area: None,
        leakage: None,
        source,
    };
    figures(chip, reader, &mut memory);
    memory
}

fn kind(chip: &Chip, reader: &Reader, is_root: bool) -> MemoryKind {
    let words = if reader.raw().get("kind").is_some() {
        memory_kinds()
    } else {
        Vec::new()
    };
    reader.choice("kind", &words).unwrap_or_else(|| {
        let kind = match (is_root, chip.class) {
            (false, _) => MemoryKind::Sram,
            (true, Class::Gpu) => MemoryKind::Hbm3,
            (true, Class::Npu | Class::Photonic) => MemoryKind::Hbm2e,
            (true, Class::Edge | Class::Imc) => MemoryKind::Lpddr5,
            (true, Class::Cpu) => MemoryKind::Ddr5,
        };
        if reader.raw().get("kind").is_none() {
            chip.assume(reader.path_of("kind"), kind.name(), "usual for the class");
        }
        kind
    })
}

fn managed(chip: &Chip, reader: &Reader, below_root: bool) -> Managed {
    reader.choice("managed", &MANAGED).unwrap_or_else(|| {
        let is_cached = match chip.class {
            Class::Gpu | Class::Cpu => below_root,
            Class::Npu | Class::Edge | Class::Imc | Class::Photonic => false,
        };
        let (managed, name) = if is_cached {
            (Managed::Cache, "cache")
        } else {
            (Managed::Software, "software")
        };
        if reader.raw().get("managed").is_none() {
            chip.assume(
                reader.path_of("managed"),
                name,
                "usual for the class and place",
            );
        }
        managed
    })
}

/// A list stands for a range that a mapping may choose from; its first value is taken.
fn buffering(chip: &Chip, reader: &Reader, kind: MemoryKind, managed: Managed) -> Buffering {
    let node = reader.get("buffering").map(|node| match node.as_list() {
        Some([first, ..]) => first,
        Some([]) | None => node,
    });
    let found = node.and_then(|node| match node.as_text() {
        Some("shared") => Some(Buffering::Shared),
        Some(text) if text.starts_with(char::is_alphabetic) => {
            let message = format!("`{} = {text}` is not known", reader.path_of("buffering"));
            let problem = node.problem(Code::Reference, message);
            reader.push(problem.help("give the number of copies, or \"shared\""));
            None
        }
        Some(_) | None => {
            let copies = reader.integer_of("buffering", node, 1..=64)?;
            u32::try_from(copies).ok().map(Buffering::Copies)
        }
    });
    let is_double = kind == MemoryKind::Sram && managed == Managed::Software;
    let default = Buffering::Copies(if is_double { 2 } else { 1 });
    let reason = "software-managed SRAM overlaps transfers with work, others hold one copy";
    chip.or(found, reader, "buffering", default, reason)
}

fn ports(
    chip: &Chip,
    reader: &Reader,
    kind: MemoryKind,
    instances: u64,
    around: &Surroundings,
) -> Vec<Port> {
    if reader.raw().get("ports").is_some() {
        if reader.get("bandwidth").is_some() {
            let path = reader.path();
            let message = format!("`{path}` has both `bandwidth` and `ports`");
            disagree(reader, "bandwidth", message, "keep one of them");
        }
        let ports: Vec<Port> = reader
            .tables("ports")
            .into_iter()
            .map(|port| read_port(chip, port, kind))
            .collect();
        if ports.is_empty() {
            reader.missing("ports", "give at least one port, or `bandwidth`");
        }
        return ports;
    }
    reader.get("ports");
    let bandwidth = chip.bandwidth(reader, "bandwidth");
    let found = bandwidth.or_else(|| default_bandwidth(chip, reader, kind, instances, around));
    vec![Port {
        direction: Direction::Both,
        bandwidth: found.unwrap_or(BytesPerSecond(1.0)),
        achievable: achievable(chip, reader, kind),
        slots: [true; 3],
    }]
}

fn read_port(chip: &Chip, reader: Reader, kind: MemoryKind) -> Port {
    refuse_not_modelled(&reader);
    let direction = reader.choice("dir", &DIRECTIONS);
    if reader.raw().get("bandwidth").is_none() {
        reader.missing(
            "bandwidth",
            "e.g. bandwidth = \"3.35 TB/s\" or \"128 B/cycle\"",
        );
    }
    let bandwidth = chip.bandwidth(&reader, "bandwidth");
    let port = Port {
        direction: direction.unwrap_or(Direction::Both),
        bandwidth: bandwidth.unwrap_or(BytesPerSecond(1.0)),
        achievable: achievable(chip, &reader, kind),
        slots: slots::of_port(&reader),
    };
    reader.finish();
    port
}

/// Source: HBM and DDR rows: `GEMV` rows of AIConfigurator kernel data reach 0.75 to 0.92 of the data
/// sheet's bandwidth; the rest is refresh, turnaround and row misses.
fn achievable(chip: &Chip, reader: &Reader, kind: MemoryKind) -> f64 {
    let found = reader.share("achievable");
    if kind.is_on_chip() {
        return found.unwrap_or(1.0);
    }
    let reason = "measured GPUs reach 0.75 to 0.92 of the data sheet";
    chip.or(found, reader, "achievable", 0.85, reason)
}

/// Source for the factor 3: H100 L2 5.5 over HBM 3.35 TB/s, A100 L2 5120 B/cycle over 2.04 TB/s, TPU v4i
/// CMEM 2.15 over 0.614 TB/s: 1.6 to 3.5.
fn default_bandwidth(
    chip: &Chip,
    reader: &Reader,
    kind: MemoryKind,
    instances: u64,
    around: &Surroundings,
) -> Option<BytesPerSecond> {
    if reader.raw().get("bandwidth").is_some() {
        return None;
    }
    let is_file = matches!(kind, MemoryKind::RegFile | MemoryKind::Register);
    let (bandwidth, reason) = match around.parent_total {
        None => {
            reader.missing("bandwidth", "e.g. bandwidth = \"3.35 TB/s\"");
            return None;
        }
        Some(_) if is_file && around.engines.0 > 0.0 => {
            (around.engines, "registers are built to feed their engines")
        }
        Some(total) if chip.class == Class::Gpu => {
            let reason =
                "caches of GPUs and TPUs give 1.6 to 3.5 times the bandwidth of their parent";
            (total * 3.0 / instances as f64, reason)
        }
        Some(total) => {
            let reason =
                "3 times the bandwidth of the parent, and no less than what the engines below take";
            ((total * 3.0 / instances as f64).max(around.engines), reason)
        }
    };
    chip.assume(reader.path_of("bandwidth"), bandwidth, reason);
    Some(bandwidth)
}

/// Energy, area and leakage: the file's, else those of the technology.
fn figures(chip: &Chip, reader: &Reader, memory: &mut Memory) {
    let known = technology::memory(memory.kind, chip.node, memory.capacity);
    let (mut read, mut write) = (None, None);
    match reader.get("energy") {
        Some(node) if node.as_table().is_some() => {
            if let Some(table) = reader.table("energy") {
                let of = |key: &'static str| energy(&table, key, table.get(key)?, memory.block);
                (read, write) = (of("read"), of("write"));
                table.finish();
            }
        }
        Some(node) => {
            read = energy(reader, "energy", node, memory.block);
            write = read;
        }
        None => {}
    }
    memory.read_energy = read.or(known.read);
    memory.write_energy = write.or(known.write);
    let area: Option<SquareMeters> = reader.non_negative("area");
    memory.area = area.or(known.area);
    memory.leakage = reader.non_negative("leakage").or(known.leakage);
}

/// An energy per byte, or one per access to a block.
fn energy(reader: &Reader, key: &str, node: &Value, block: Option<Bytes>) -> Option<JoulesPerByte> {
    let quantity = reader.evaluate(key, node)?;
    if quantity.value < 0.0 {
        reader.out_of_range(key, node, "must not be negative");
        return None;
    }
    if quantity.dimension != Dimension::ENERGY {
        let typed = quantity.into_typed();
        if typed.is_none() {
            let wanted = Dimension::ENERGY_PER_BYTE;
            reader.wrong_dimension(key, node, quantity.dimension, wanted);
        }
        return typed;
    }
    let Some(block) = block else {
        let message = format!(
            "`{} = {}` is an energy per access, but the memory has no `block`",
            reader.path_of(key),
            node.show()
        );
        let problem = node.problem(Code::MissingKey, message);
        reader.push(
            problem
                .help("give the bytes of one access, e.g. block = \"8 B\", or an energy per bit"),
        );
        return None;
    };
    Some(JoulesPerByte(quantity.value / block.0))
}
