//! The largest set of tensors alive at once when the nodes run as exported, one after the other.

use super::elem::Elem;
use super::emit::kept;
use super::ir::{Body, Ix, Node};
use super::value::{Origin, Value};
use super::walk::Walk;
use crate::units::Bytes;
use crate::workload::{Precision, Role};

/// Operators whose result lies where their input lay.
const VIEWS: [&str; 6] = [
    "Reshape",
    "Flatten",
    "Squeeze",
    "Unsqueeze",
    "Identity",
    "Dropout",
];

/// Liveness over the main graph in the order of the file, without fusion: inputs live from the start to
/// their last reader, outputs to the end, a result from its node on. What depends on constants alone is
/// not counted, what depends on shapes is. Floats are kept in the activation format asked for, if there is
/// one.
pub(super) fn exported(walk: &Walk, precision: &Precision) -> Bytes {
    let main = &walk.source.main;
    let n = walk.values.len();
    let mut root: Vec<Ix> = (0..n as Ix).collect();
    for node in &main.nodes {
        if let (true, Some(from), Some(to)) = (is_view(node), first(&node.ins), first(&node.outs)) {
            root[to as usize] = root[from as usize];
        }
    }
    let mut last: Vec<u32> = vec![0; n];
    for (i, node) in in_file_order(main).enumerate() {
        for at in touched(node).map(|ix| root[ix as usize] as usize) {
            last[at] = i as u32;
        }
    }
    for ix in &main.outputs {
        last[root[*ix as usize] as usize] = u32::MAX;
    }
    let size = |ix: Ix| -> f64 {
        let counted = walk.get(ix).filter(|v| v.origin != Origin::Static);
        counted.map_or(0.0, |v| bytes(v, kept(walk.source.name(ix), v), precision))
    };
    let mut held: Vec<f64> = vec![0.0; n];
    for ix in &main.inputs {
        held[*ix as usize] = size(*ix);
    }
    let mut live: f64 = held.iter().sum();
    let mut found = live;
    for (i, node) in in_file_order(main).enumerate() {
        for ix in node.outs.iter().flatten() {
            let at = root[*ix as usize] as usize;
            if at == *ix as usize {
                held[at] = size(*ix);
                live += held[at];
            }
        }
        found = found.max(live);
        for at in touched(node).map(|ix| root[ix as usize] as usize) {
            if last[at] == i as u32 {
                live -= std::mem::take(&mut held[at]);
            }
        }
    }
    Bytes(found)
}

fn in_file_order(body: &Body) -> impl Iterator<Item = &Node> {
    let own = body.nodes.iter().filter(|_| body.places.is_empty());
    let moved = body
        .places
        .iter()
        .filter_map(|i| body.nodes.get(*i as usize));
    own.chain(moved)
}

fn touched(node: &Node) -> impl Iterator<Item = Ix> {
    let ends = node.ins.iter().chain(&node.outs).flatten();
    ends.chain(node.captures.iter()).copied()
}

fn first(list: &[Option<Ix>]) -> Option<Ix> {
    list.first().copied().flatten()
}

fn is_view(node: &Node) -> bool {
    node.op.domain.is_empty() && VIEWS.contains(&&*node.op.name)
}

/// Dequantized tensors are held in the format they were dequantized to; a list holds no data of its own.
fn bytes(v: &Value, kept: Option<Role>, precision: &Precision) -> f64 {
    if v.items.is_some() {
        return 0.0;
    }
    let asked = match kept {
        Some(_) => precision.kv,
        None => precision.activations,
    };
    let dtype = match v.elem {
        Elem::Float(own) => asked.unwrap_or(own),
        Elem::Int(_) | Elem::Bool | Elem::Text => v.elem.dtype(),
    };
    v.elements() as f64 * dtype.bits() / 8.0
}
