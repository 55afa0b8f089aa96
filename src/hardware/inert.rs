//! Keys of the description language that are checked and kept, but that no calculation uses yet.

use crate::diag::{Code, Problem};
use crate::document::{Node, Table, Value};

const KEYS: [&str; 6] = [
    "resident",
    "swap",
    "forward",
    "distributed",
    "dma_setup",
    "instruction",
];

/// Keys without effect inside of one table only: `(table, key)`.
const INSIDE: [(&str, &str); 3] = [
    ("network", "bandwidth"),
    ("network", "hop"),
    ("ports", "slots"),
];

/// One warning for all of them; `None` without any.
pub(super) fn warning(tree: &Table) -> Option<Problem> {
    let mut found: Vec<(&str, &Node)> = Vec::new();
    collect(tree, "", &mut found);
    if is_row_stationary(tree) {
        // Its passes take what the wires need.
        found.retain(|(key, _)| *key != "bandwidth");
    }
    let (_, first) = found.first()?;
    let mut names: Vec<&str> = found.iter().map(|f| f.0).collect();
    names.sort_unstable();
    names.dedup();
    let names: Vec<String> = names.iter().map(|n| format!("`{n}`")).collect();
    let message = format!("no calculation uses {} yet", names.join(", "));
    let problem = Problem::new(Code::NoEffect, message).at(&first.source, &first.span);
    Some(problem.note("these keys are checked and kept; figures are those of a chip without them"))
}

fn is_row_stationary(tree: &Table) -> bool {
    let mapspace = tree.get("mapspace").and_then(Node::as_table);
    let dataflow = mapspace.and_then(|table| table.get("dataflow"));
    dataflow.and_then(Node::as_text) == Some("row-stationary")
}

fn collect<'a>(table: &'a Table, name: &str, found: &mut Vec<(&'a str, &'a Node)>) {
    for entry in &table.entries {
        let key = &*entry.key;
        let is_inside = INSIDE.contains(&(name, key));
        let is_set = key == "tiles" && matches!(entry.node.as_text(), Some("divisors" | "ceil"));
        if KEYS.contains(&key) || is_inside || is_set {
            found.push((key, &entry.node));
        }
        visit(&entry.node, key, found);
    }
}

fn visit<'a>(node: &'a Node, name: &str, found: &mut Vec<(&'a str, &'a Node)>) {
    match &node.value {
        Value::Table(table) => collect(table, name, found),
        Value::List(items) => items.iter().for_each(|item| visit(item, name, found)),
        Value::Text(_) | Value::Integer(_) | Value::Float(_) | Value::Boolean(_) => {}
    }
}
