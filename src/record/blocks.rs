//! A model's layers in few rows: equal layers are one.

use serde::Serialize;

use crate::workload::{OpGraph, Operator, Role};

/// Layers of one name.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BlockPart {
    /// Name, with `*` for the numbers of equal layers; empty for operators without one.
    pub name: String,
    /// How many there are.
    pub count: u64,
    /// Operators of all of them, repeated ones counted.
    pub operators: u64,
    /// Parameters of all of them; a weight belongs to its first reader.
    pub parameters: f64,
    /// Multiply-accumulates of all of them.
    pub macs: f64,
}

impl BlockPart {
    /// The layers of a graph, in order of first appearance.
    pub fn all(graph: &OpGraph) -> Vec<Self> {
        let mut found = Blocks::default();
        let mut counted = rustc_hash::FxHashSet::default();
        for op in graph.operators() {
            let layer = op.layer();
            let block = found.of(layer, op);
            block.operators = block.operators.saturating_add(op.count);
            block.macs += op.macs() * op.count as f64;
            for id in op.inputs.iter().filter(|id| counted.insert(**id)) {
                let tensor = graph.tensor(*id);
                if tensor.role == Role::Weight {
                    block.parameters += tensor.elements() * tensor.copies as f64;
                }
            }
        }
        found.rows
    }
}

#[derive(Default)]
struct Blocks {
    rows: Vec<BlockPart>,
    by_name: rustc_hash::FxHashMap<String, usize>,
    seen: rustc_hash::FxHashSet<String>,
}

impl Blocks {
    /// The row of a layer, which counts it if it is new.
    fn of(&mut self, layer: &str, op: &Operator) -> &mut BlockPart {
        let name = starred(layer);
        let index = match self.by_name.get(&name) {
            Some(index) => *index,
            None => {
                self.rows.push(BlockPart {
                    name: name.clone(),
                    count: 0,
                    operators: 0,
                    parameters: 0.0,
                    macs: 0.0,
                });
                self.by_name.insert(name, self.rows.len() - 1);
                self.rows.len() - 1
            }
        };
        let row = &mut self.rows[index];
        if self.seen.insert(layer.to_owned()) {
            // One set of operators may stand for many layers.
            row.count = row
                .count
                .saturating_add(if layer.is_empty() { 1 } else { op.count });
        }
        row
    }
}

/// `layers.*` of `layers.17`.
fn starred(layer: &str) -> String {
    match layer.rsplit_once('.') {
        Some((head, last)) if last.parse::<u64>().is_ok() => format!("{head}.*"),
        Some(_) | None => layer.to_owned(),
    }
}
