//! A model's operators and who feeds whom, for drawing.

use crate::workload::{OpGraph, Operator};

/// One operator.
#[derive(Clone, Debug, PartialEq)]
pub struct NodePart {
    /// Name in the model.
    pub name: String,
    /// Operator of the source format.
    pub source: String,
    /// Kind.
    pub kind: &'static str,
    /// Layer that it is drawn in; empty if unknown.
    pub layer: String,
    /// Executions.
    pub count: u64,
    /// Multiply-accumulates of one execution.
    pub macs: f64,
    /// `[batch, tokens, width]` of its first result.
    pub shape: Vec<u64>,
}

/// The graph of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct GraphDocument {
    /// Of the model.
    pub name: String,
    /// In execution order.
    pub nodes: Vec<NodePart>,
    /// Indices of maker and reader, each pair once.
    pub edges: Vec<(usize, usize)>,
}

impl GraphDocument {
    /// Of a bound graph.
    pub fn of(name: &str, graph: &OpGraph) -> Self {
        let mut edges: Vec<(usize, usize)> = graph
            .petgraph()
            .raw_edges()
            .iter()
            .map(|e| (e.source().index(), e.target().index()))
            .collect();
        edges.sort_unstable();
        edges.dedup();
        Self {
            name: name.to_owned(),
            nodes: graph.operators().map(|op| node(graph, op)).collect(),
            edges,
        }
    }
}

fn node(graph: &OpGraph, op: &Operator) -> NodePart {
    let first = op.outputs.first();
    NodePart {
        name: op.name.clone(),
        source: op.source.clone(),
        kind: op.kind.name(),
        layer: op.layer().to_owned(),
        count: op.count,
        macs: op.macs(),
        shape: first.map_or_else(Vec::new, |id| graph.tensor(*id).shape.clone()),
    }
}
