//! Fan-outs: shape, what each axis may unroll, what its wires can do.

use super::chip::{Chip, disagree};
use super::keys::{CONVOLUTION_RANKS, RANKS, SLOTS, refuse_not_modelled};
use super::network;
use super::tree::Placed;
use crate::diag::Code;
use crate::document::{Node, Reader};
use crate::hardware::{AxisRank, Diagonal, FanAxis, Fanout};

const MAX_AXIS: u64 = 1 << 32;

/// Ranks that one axis unrolls at once, unless the file says.
const MAX_RANKS: u32 = 2;

/// Reads one fan-out, whose axes are known.
pub(super) fn read(
    chip: &Chip,
    name: &str,
    reader: &Reader,
    placed: &Placed,
    axes: Vec<FanAxis>,
) -> Fanout {
    refuse_not_modelled(reader);
    reader.string("source");
    let network = network::read(chip, reader, &axes);
    Fanout {
        name: name.to_owned(),
        parents: placed.parents.clone(),
        diagonal: diagonals(reader, &axes),
        distributed: reader.choices("distributed", &SLOTS).unwrap_or_default(),
        imperfect: reader.boolean("imperfect").unwrap_or(true),
        axes,
        instances: placed.instances,
        network: network.kind,
        bandwidth: network.bandwidth,
        hop: network.hop,
        hop_energy: network.energy,
    }
}

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
            forward: Vec::new(),
            max_ranks: MAX_RANKS,
            full: Vec::new(),
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
    let words = words(reader);
    let mut found = Vec::new();
    for (axis, size) in axes.into_iter().zip(sizes) {
        refuse_not_modelled(&axis);
        let ranks = ranks(&axis, words);
        let max_ranks = axis.integer("max_ranks", 1..=64);
        found.push(FanAxis {
            size,
            full: full(&axis, words, &ranks),
            ranks,
            max_ranks: max_ranks.map_or(MAX_RANKS, |n| n as u32),
            forward: axis.choices("forward", &SLOTS).unwrap_or_default(),
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

/// What an axis may unroll.
fn ranks(axis: &Reader, words: &[(&str, AxisRank)]) -> Vec<AxisRank> {
    if axis.strings("ranks").unwrap_or_default().is_empty() {
        axis.missing(
            "ranks",
            "name what may be unrolled, e.g. ranks = [\"M\", \"N\"]",
        );
    }
    axis.choices("ranks", words).unwrap_or_default()
}

/// Ranks of the axis that are unrolled wholly or not at all.
fn full(axis: &Reader, words: &[(&str, AxisRank)], ranks: &[AxisRank]) -> Vec<AxisRank> {
    let found = axis.choices("full", words).unwrap_or_default();
    if found.iter().any(|rank| !ranks.contains(rank)) {
        let path = axis.path();
        let message = format!("`{path}.full` names a rank that `{path}.ranks` does not");
        disagree(
            axis,
            "full",
            message,
            "add it to `ranks`, or remove it here",
        );
    }
    found
}

/// The names of ranks of a fan-out: if any of its tables names one of convolutions, all use their names,
/// where `K` counts output channels.
fn words(fanout: &Reader) -> &'static [(&'static str, AxisRank)] {
    let lists = ["axes", "diagonal"]
        .iter()
        .filter_map(|key| fanout.raw().get(key)?.as_list());
    let tables = lists.flatten().filter_map(Node::as_table);
    let values = tables.flat_map(|table| [table.get("ranks"), table.get("full")]);
    let names = values
        .flatten()
        .flat_map(|node| node.as_list().unwrap_or(std::slice::from_ref(node)));
    let only_there = |name: &str| matches!(name, "B" | "P" | "Q" | "C" | "R" | "S");
    if names.filter_map(Node::as_text).any(only_there) {
        &CONVOLUTION_RANKS
    } else {
        &RANKS
    }
}

fn diagonals(reader: &Reader, axes: &[FanAxis]) -> Vec<Diagonal> {
    let words = words(reader);
    let mut found = Vec::new();
    for entry in reader.tables("diagonal") {
        if entry.raw().get("slot").is_none() {
            entry.missing(
                "slot",
                "name the operand that the diagonal shares: slot = \"lhs\"",
            );
        }
        let slot = entry.choice("slot", &SLOTS);
        let ranks = entry.choices("ranks", words);
        let ranks = ranks.unwrap_or_default();
        let unrolls = |rank| axes.iter().any(|a| a.ranks.contains(rank));
        if ranks.len() < 2 {
            let help = "name the ranks whose sum is the same along it: ranks = [\"R\", \"P\"]";
            let message = format!("`{}` needs two ranks", entry.path());
            let problem = entry.key_problem("ranks", Code::MissingKey, message);
            reader.push(problem.help(help));
        } else if !ranks.iter().all(unrolls) {
            let path = entry.path();
            let message = format!("`{path}.ranks` names a rank that no axis unrolls");
            disagree(&entry, "ranks", message, "add it to `ranks` of an axis");
        }
        entry.finish();
        found.extend(slot.map(|slot| Diagonal { slot, ranks }));
    }
    found
}
