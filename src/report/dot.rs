//! A model's graph in the language of Graphviz, its layers as clusters.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::record::{GraphDocument, NodePart};
use crate::units::si;

/// The text of a `.dot` file: `dot -Tsvg model.dot -o model.svg` draws it.
pub fn dot(graph: &GraphDocument) -> String {
    let mut out = format!("digraph {} {{\n", quoted(&graph.name));
    out.push_str("  rankdir=TB;\n  node [shape=box, style=\"rounded,filled\", fontname=\"sans-serif\", fontsize=10];\n");
    out.push_str(
        "  graph [fontname=\"sans-serif\", fontsize=11, style=rounded, color=\"#999999\"];\n",
    );
    let mut layers: BTreeMap<usize, (&str, Vec<usize>)> = BTreeMap::new();
    let mut first: BTreeMap<&str, usize> = BTreeMap::new();
    for (i, node) in graph.nodes.iter().enumerate() {
        let at = *first.entry(node.layer.as_str()).or_insert(i);
        let entry = layers
            .entry(at)
            .or_insert((node.layer.as_str(), Vec::new()));
        entry.1.push(i);
    }
    for (at, (layer, nodes)) in &layers {
        let inside = !layer.is_empty();
        if inside {
            let _ = writeln!(
                out,
                "  subgraph cluster_{at} {{\n    label={};",
                quoted(layer)
            );
        }
        for i in nodes {
            let _ = writeln!(out, "    n{i} [{}];", attributes(&graph.nodes[*i]));
        }
        if inside {
            out.push_str("  }\n");
        }
    }
    for (from, to) in &graph.edges {
        let _ = writeln!(out, "  n{from} -> n{to};");
    }
    out.push_str("}\n");
    out
}

fn attributes(node: &NodePart) -> String {
    let shape = node.shape.iter().map(u64::to_string).collect::<Vec<_>>();
    let mut lines = vec![node.name.clone(), node.source.clone()];
    if !shape.is_empty() {
        lines.push(shape.join(" × "));
    }
    if node.macs > 0.0 {
        lines.push(si(node.macs, "MAC"));
    }
    if node.count > 1 {
        lines.push(format!("{} times", node.count));
    }
    format!(
        "label={}, fillcolor=\"{}\"",
        quoted(&lines.join("\n")),
        color(node.kind)
    )
}

/// A pale color for each kind of work. Source: ColorBrewer, qualitative "Pastel1" (safe for print).
fn color(kind: &str) -> &'static str {
    match kind {
        "einsum" => "#b3cde3",
        "attention" => "#ccebc5",
        "experts" | "route" => "#decbe4",
        "scan" => "#fed9a6",
        "opaque" => "#fbb4ae",
        "reduction" => "#ffffcc",
        _ => "#f2f2f2",
    }
}

/// A text in quotes; line breaks stay.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_are_clusters_and_names_are_quoted() {
        let node = |name: &str, layer: &str| NodePart {
            name: name.to_owned(),
            source: "MatMul".to_owned(),
            kind: "einsum",
            layer: layer.to_owned(),
            count: 1,
            macs: 2e9,
            shape: vec![1, 8],
        };
        let graph = GraphDocument {
            name: "a \"b\"".to_owned(),
            nodes: vec![
                node("x", ""),
                node("y\\z", "layers.0"),
                node("w", "layers.0"),
            ],
            edges: vec![(0, 1), (1, 2)],
        };
        let text = dot(&graph);
        assert!(text.starts_with("digraph \"a \\\"b\\\"\" {"));
        assert_eq!(text.matches("subgraph cluster_").count(), 1);
        assert!(text.contains("label=\"layers.0\""));
        assert!(text.contains("y\\\\z\\nMatMul\\n1 × 8\\n2 GMAC"), "{text}");
        assert!(text.contains("n0 -> n1;") && text.ends_with("}\n"));
    }
}
