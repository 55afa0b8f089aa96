//! `[peak]`: the data sheet's matrix throughput, as an engine or as a check of the engines.

use super::chip::Chip;
use super::engine::dtype;
use super::tree::Tree;
use crate::diag::Code;
use crate::document::{Entry, Reader};
use crate::hardware::{Array, Class, Memory, NativeTile, Node, Vector, ZeroSupport};
use crate::technology;
use crate::units::{OpsPerSecond, Watts};
use crate::workload::{Dtype, Slot};

/// Rates this far apart are taken as equal: data sheets round.
const TOLERANCE: f64 = 0.02;

/// Native instruction of an engine that is known by its peak alone.
///
/// Source: estimate: between mma m16n8k16 (NVIDIA PTX ISA) and systolic arrays of 32 and up.
const NATIVE: NativeTile = NativeTile {
    m: 16,
    n: 16,
    k: 16,
};

/// Peak operations per second by format, widest first.
pub(super) fn read(root: &Reader) -> Vec<(Dtype, OpsPerSecond)> {
    let Some(table) = root.table("peak") else {
        return Vec::new();
    };
    let mut found: Vec<(Dtype, OpsPerSecond)> = Vec::new();
    for (name, node) in table.all() {
        if name == "source" {
            continue;
        }
        let seen: Vec<Dtype> = found.iter().map(|(d, _)| *d).collect();
        if let Some(dtype) = dtype(&table, name, &seen) {
            found.extend(table.positive_of(name, node).map(|p| (dtype, p)));
        }
    }
    found.sort_by(|a: &(Dtype, OpsPerSecond), b| {
        b.0.bits().total_cmp(&a.0.bits()).then(a.0.cmp(&b.0))
    });
    found
}

/// Reports peaks that the engines do not give (E0104).
pub(super) fn compare(
    root: &Reader,
    peaks: &[(Dtype, OpsPerSecond)],
    arrays: &[Array],
    is_checked: &dyn Fn(&Entry) -> bool,
) {
    let Some(table) = root.table("peak") else {
        return;
    };
    for &(dtype, stated) in peaks {
        let total: f64 = arrays
            .iter()
            .filter_map(|a| a.peak(dtype))
            .map(|p| p.0)
            .sum();
        let given = OpsPerSecond(2.0 * total);
        let mut entries = table.raw().entries.iter();
        let entry = entries.find(|e| Dtype::parse(&e.key) == Some(dtype));
        let Some(entry) = entry.filter(|e| is_checked(e)) else {
            continue;
        };
        let path = table.path_of(&entry.key);
        if given.0 == 0.0 {
            let message = format!("`{path}` is given, but no [[array]] has a rate for {dtype}");
            let problem = entry.node.problem(Code::Disagreement, message);
            table.push(problem.help("[peak] counts matrix engines only; remove it if none has it"));
            continue;
        }
        let factor = stated / given;
        if (factor - 1.0).abs() <= TOLERANCE {
            continue;
        }
        let times = crate::units::significant(factor, 2);
        let (stated, given) = (show(dtype, stated), show(dtype, given));
        let message = format!("`{path}` = {stated} is {times} × what [[array]] gives ({given})");
        let problem = entry.node.problem(Code::Disagreement, message);
        table.push(if (1.9..2.1).contains(&factor) {
            problem.help(format!(
                "data sheets often print the 2:4-sparse number; set {path} = \"{given}\""
            ))
        } else {
            problem.help(format!(
                "correct {path}, or the rates, fan-outs and clock of the arrays"
            ))
        });
    }
}

/// In the unit data sheets use: 989.4 TFLOP/s, 1979 TOPS.
fn show(dtype: Dtype, rate: OpsPerSecond) -> String {
    let unit = if dtype.is_float() { "TFLOP/s" } else { "TOPS" };
    format!("{} {unit}", crate::units::significant(rate.0 / 1e12, 4))
}

/// One engine that reaches the data sheet's peaks, below the innermost memory.
pub(super) fn array(chip: &Chip, tree: &Tree, peaks: &[(Dtype, OpsPerSecond)]) -> Array {
    let (parents, instances) = innermost(tree);
    let per_cycle = |peak: OpsPerSecond| peak.0 / 2.0 / chip.clock.0 / instances as f64;
    let rate: Vec<(Dtype, f64)> = peaks.iter().map(|&(d, p)| (d, per_cycle(p))).collect();
    let energy = peaks
        .iter()
        .filter_map(|&(d, _)| Some((d, technology::mac_energy(chip.node, d)?)));
    let area = rate
        .first()
        .and_then(|&(d, r)| technology::mac_area(chip.node, d).map(|a| a * r));
    let achievable = match chip.class {
        Class::Gpu => 0.85,
        Class::Cpu => 0.8,
        Class::Npu | Class::Edge | Class::Imc | Class::Photonic => 0.9,
    };
    let reason = "no engine is described, so that the mapping shows no losses";
    chip.assume("array.peak.achievable".into(), achievable, reason);
    let reason = "tensor cores and systolic arrays take 16 x 8 x 16 and up at once";
    chip.assume("array.peak.tile".into(), "M = 16, N = 16, K = 16", reason);
    let reason = "partial sums stay in the engine";
    chip.assume("array.peak.stationary".into(), "acc", reason);
    Array {
        name: "peak".to_owned(),
        parents,
        energy: energy.collect(),
        rate,
        instances,
        clock: chip.clock,
        tile: Some(NATIVE),
        stationary: Some(Slot::Acc),
        swap: false,
        systolic: None,
        zeros: ZeroSupport::default(),
        constant: Watts::ZERO,
        acc: Vec::new(),
        area,
        achievable,
        source: chip.source.to_owned(),
    }
}

/// Lanes of a vector engine beside an engine made from the peak.
///
/// Source: fp32 over dense bf16 throughput is 67/989 (H100), 19.5/312 (A100), 15.7/125 (V100).
pub(super) fn vector(chip: &Chip, tree: &Tree, array: &Array) -> Vector {
    let (parents, instances) = innermost(tree);
    let half = array.rate.iter().find(|(d, _)| d.bits() <= 16.0);
    let rate = half.or(array.rate.first()).map_or(1.0, |r| r.1);
    let lanes = ((rate / 16.0).ceil() as u64).max(1);
    let reason = "the fp32 lanes of GPUs give 1/16 of the bf16 matrix rate";
    chip.assume("vector.vector.lanes".into(), lanes, reason);
    let energy = technology::op_energy(chip.node, Dtype::Fp32);
    Vector {
        name: "vector".to_owned(),
        parents,
        lanes,
        rate: vec![(Dtype::Fp32, 1.0)],
        special: 0.125,
        instances,
        clock: chip.clock,
        energy: vec![(Dtype::Fp32, energy)],
        area: technology::mac_area(chip.node, Dtype::Fp32).map(|a| a * lanes as f64),
        source: chip.source.to_owned(),
    }
}

/// The deepest memory; of several the last one.
fn innermost(tree: &Tree) -> (Vec<Node>, u64) {
    let memories = tree
        .placed
        .iter()
        .filter(|p| matches!(p.node, Some(Node::Memory(_))));
    let last = memories.max_by_key(|p| depth(tree, p.node));
    let node = last.and_then(|p| p.node);
    (node.into_iter().collect(), last.map_or(1, |p| p.instances))
}

fn depth(tree: &Tree, node: Option<Node>) -> usize {
    let mut depth = 0;
    let mut at = node;
    // Parents come first, so each step moves towards the root.
    while let Some(parent) = at.and_then(|n| tree.at(n)).and_then(|p| p.parents.first()) {
        depth += 1;
        at = Some(*parent);
    }
    depth
}

/// Whether a memory can hold what a matrix engine works on.
pub(super) fn roots_hold_all(memories: &[Memory]) -> [bool; 3] {
    let roots = memories.iter().filter(|m| m.parents.is_empty());
    roots.fold([false; 3], |[lhs, rhs, acc], root| {
        [
            lhs || root.holds.lhs,
            rhs || root.holds.rhs,
            acc || root.holds.acc,
        ]
    })
}
