//! The closed sets of words in a chip file: sections, keys, classes, ranks, process names.

use crate::document::Reader;
use crate::hardware::{AxisRank, Class, Compression, Direction, Managed, NetworkKind};
use crate::technology::MemoryKind;
use crate::workload::{Dtype, Slot};

pub(super) const CLASSES: [(&str, Class); 6] = [
    ("gpu", Class::Gpu),
    ("npu", Class::Npu),
    ("edge", Class::Edge),
    ("imc", Class::Imc),
    ("photonic", Class::Photonic),
    ("cpu", Class::Cpu),
];

pub(super) const MANAGED: [(&str, Managed); 3] = [
    ("software", Managed::Software),
    ("cache", Managed::Cache),
    ("fifo", Managed::Fifo),
];

pub(super) const COMPRESSIONS: [(&str, Option<Compression>); 5] = [
    ("none", None),
    ("rle", Some(Compression::Rle)),
    ("bitmask", Some(Compression::Bitmask)),
    ("coordinate", Some(Compression::Coordinate)),
    ("csr", Some(Compression::Csr)),
];

pub(super) const NETWORKS: [(&str, NetworkKind); 5] = [
    ("mesh", NetworkKind::Mesh),
    ("bus", NetworkKind::Bus),
    ("tree", NetworkKind::Tree),
    ("systolic", NetworkKind::Systolic),
    ("crossbar", NetworkKind::Crossbar),
];

pub(super) const DIRECTIONS: [(&str, Direction); 3] = [
    ("r", Direction::Read),
    ("w", Direction::Write),
    ("rw", Direction::Both),
];

pub(super) const SLOTS: [(&str, Slot); 3] =
    [("lhs", Slot::Lhs), ("rhs", Slot::Rhs), ("acc", Slot::Acc)];

/// Canonical rank names.
pub(super) const RANKS: [(&str, AxisRank); 4] = [
    ("G", AxisRank::G),
    ("M", AxisRank::M),
    ("N", AxisRank::N),
    ("K", AxisRank::K),
];

/// Rank names of convolutions, where `K` counts output channels.
pub(super) const CONVOLUTION_RANKS: [(&str, AxisRank); 8] = [
    ("G", AxisRank::G),
    ("B", AxisRank::B),
    ("P", AxisRank::P),
    ("Q", AxisRank::Q),
    ("K", AxisRank::N),
    ("C", AxisRank::C),
    ("R", AxisRank::R),
    ("S", AxisRank::S),
];

/// Foundry names and the feature size they are sold as, in nm.
///
/// Source: TSMC and Samsung process names as used in NVIDIA, AMD and Google data sheets; `4N` is TSMC's
/// custom N5 derivative, sold as 4 nm.
pub(super) const PROCESS_NAMES: [(&str, f64); 18] = [
    ("N3", 3.0),
    ("N3E", 3.0),
    ("N3P", 3.0),
    ("4N", 4.0),
    ("4NP", 4.0),
    ("N4", 4.0),
    ("N4P", 4.0),
    ("5N", 5.0),
    ("N5", 5.0),
    ("N5P", 5.0),
    ("N6", 6.0),
    ("N7", 7.0),
    ("N7P", 7.0),
    ("8N", 8.0),
    ("12FFN", 12.0),
    ("12FFC", 12.0),
    ("16FF", 16.0),
    ("16FFC", 16.0),
];

/// Keys of each section that a `--set` may name although the file does not give them.
pub(super) const SECTIONS: [(&str, &[&str]); 6] = [
    ("process", &["node", "clock", "vf"]),
    ("power", &["tdp", "cap", "idle", "active"]),
    (
        "overhead",
        &[
            "kernel",
            "launch",
            "tile",
            "dma_setup",
            "instruction",
            "reserve",
        ],
    ),
    ("package", &["die"]),
    ("kernels", &["family"]),
    (
        "mapspace",
        &["tiles", "uneven", "dataflow", "row_limit", "sum_cycles"],
    ),
];

/// Keys of each kind of component.
pub(super) const COMPONENTS: [(&str, &[&str]); 5] = [
    (
        "memory",
        &[
            "kind",
            "capacity",
            "bandwidth",
            "achievable",
            "holds",
            "must_hold",
            "resident",
            "block",
            "banks",
            "compression",
            "managed",
            "buffering",
            "area",
            "leakage",
            "energy",
            "ports",
        ],
    ),
    (
        "fanout",
        &[
            "shape",
            "axes",
            "network",
            "diagonal",
            "distributed",
            "imperfect",
        ],
    ),
    (
        "array",
        &[
            "rate",
            "tile",
            "stationary",
            "swap",
            "systolic",
            "sparsity",
            "static",
            "acc",
            "energy",
            "area",
            "achievable",
            "clock",
        ],
    ),
    (
        "vector",
        &["lanes", "rate", "special", "clock", "energy", "area"],
    ),
    ("link", &["bandwidth", "latency", "peers"]),
];

/// Keys of the full description language that no calculation uses yet.
const NOT_MODELLED: [&str; 10] = [
    "partitions",
    "cluster",
    "operands",
    "converters",
    "bits_per_cycle",
    "reload",
    "pe",
    "topology",
    "yield",
    "interposer",
];

/// Refuses keys that are part of the description language, but would have no effect.
pub(super) fn refuse_not_modelled(reader: &Reader) {
    for key in NOT_MODELLED {
        if reader.raw().get(key).is_some() {
            refuse(reader, key);
        }
    }
}

/// Refuses one key that would have no effect.
pub(super) fn refuse(reader: &Reader, key: &'static str) {
    reader.get(key);
    let path = reader.path_of(key);
    let message = format!("`{path}` is not modelled yet");
    let problem = reader.key_problem(key, crate::diag::Code::UnknownKey, message);
    reader.push(
        problem.note(
            "a key that changes no result is refused, so that nobody relies on it; remove it",
        ),
    );
}

/// Words for memory kinds.
pub(super) fn memory_kinds() -> Vec<(&'static str, MemoryKind)> {
    MemoryKind::ALL.iter().map(|k| (k.name(), *k)).collect()
}

/// Words for number formats.
pub(super) fn dtypes() -> Vec<(&'static str, Dtype)> {
    Dtype::ALL.iter().map(|d| (d.name(), *d)).collect()
}
