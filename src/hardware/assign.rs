//! Paths: `glb`, `memory.hbm.capacity`, `array.tensor.rate.bf16`, `power.cap`.

use super::kernels::is_key;
use super::keys::{COMPONENTS, SECTIONS};
use crate::diag::{Code, Problem, Problems, did_you_mean};
use crate::document::{Node, Table, Value};
use crate::workload::Dtype;

/// Keys of components that are not values to turn.
const FIXED: [&str; 7] = ["name", "in", "source", "schema", "class", "extends", "doc"];

/// Puts a value at a path.
pub(super) fn assign(tree: &mut Table, path: &str, node: Node) -> Result<(), Problems> {
    let parts: Vec<&str> = path.split('.').collect();
    let known = match parts.as_slice() {
        [knob] => assign_knob(tree, knob, &node),
        ["params", knob] => assign_knob(tree, knob, &node),
        ["peak", dtype] => match Dtype::parse(dtype) {
            Some(dtype) => put(section(tree, "peak", &node), &[dtype.name()], &node),
            None => false,
        },
        [name, key] if is_section_key(name, key) => put(section(tree, name, &node), &[key], &node),
        ["kernels", kind, format, stack, key] if is_key([kind, format, stack, key]) => {
            put_deep(tree, &["kernels", kind, format, stack], key, &node);
            true
        }
        [kind, name, rest @ ..] => assign_component(tree, kind, name, rest, &node),
        [] => false,
    };
    if known {
        return Ok(());
    }
    let message = format!("`{path}` is neither a knob nor a key of this chip");
    let problem = Problem::new(Code::Reference, message).at(&node.source, &(0..path.len()));
    let paths = settable(tree);
    let problem = match did_you_mean(path, paths.iter().map(String::as_str)) {
        Some(label) => problem.label(label),
        None => {
            let some = paths[..paths.len().min(12)].join(", ");
            problem.help(format!("known are: {some}"))
        }
    };
    Err(problem.into())
}

fn is_section_key(section: &str, key: &str) -> bool {
    SECTIONS
        .iter()
        .any(|(name, keys)| *name == section && keys.contains(&key))
}

fn assign_knob(tree: &mut Table, knob: &str, node: &Node) -> bool {
    let params = tree.get_mut("params").and_then(table_mut);
    let Some(old) = params.and_then(|p| p.get_mut(knob)) else {
        return false;
    };
    let target = match &mut old.value {
        Value::Table(table) => match table.get_mut("value") {
            Some(value) => value,
            None => return false,
        },
        Value::Text(_)
        | Value::Integer(_)
        | Value::Float(_)
        | Value::Boolean(_)
        | Value::List(_) => old,
    };
    *target = node.clone();
    true
}

fn assign_component(tree: &mut Table, kind: &str, name: &str, rest: &[&str], node: &Node) -> bool {
    let keys = COMPONENTS.iter().find(|(k, _)| *k == kind).map(|c| c.1);
    let (Some(keys), [first, ..]) = (keys, rest) else {
        return false;
    };
    let items = match tree.get_mut(kind).map(|n| &mut n.value) {
        Some(Value::List(items)) => items,
        _ => return false,
    };
    let mut tables = items.iter_mut().filter_map(table_mut);
    let Some(table) = tables.find(|t| t.get("name").and_then(Node::as_text) == Some(name)) else {
        return false;
    };
    if !keys.contains(first) {
        return false;
    }
    // `memory.hbm.bandwidth` means the port, where the file lists exactly one.
    if kind == "memory" && (*first == "bandwidth" || *first == "achievable") {
        match table.get("ports").and_then(Node::as_list) {
            Some([_]) => return put(Some(table), &["ports", "0", first], node),
            Some(_) => return false,
            None => {}
        }
    }
    put(Some(table), rest, node)
}

/// The table of a section, made empty if the file has none.
fn section<'a>(tree: &'a mut Table, name: &str, origin: &Node) -> Option<&'a mut Table> {
    if tree.get(name).is_none() {
        let node = Node {
            value: Value::Table(Table::default()),
            ..origin.clone()
        };
        tree.insert(name, origin.span.clone(), node);
    }
    tree.get_mut(name).and_then(table_mut)
}

/// Puts a value at a key below tables that are made where the file has none.
fn put_deep(tree: &mut Table, tables: &[&str], key: &str, node: &Node) {
    match tables {
        [] => {
            put(Some(tree), &[key], node);
        }
        [first, rest @ ..] => {
            if let Some(table) = section(tree, first, node) {
                put_deep(table, rest, key, node);
            }
        }
    }
}

/// Puts a value at keys and places below a table; only the last key may be new.
fn put(table: Option<&mut Table>, path: &[&str], node: &Node) -> bool {
    let (Some(table), [key, rest @ ..]) = (table, path) else {
        return false;
    };
    if rest.is_empty() {
        let key_span = 0..node.span.start.saturating_sub(1);
        table.insert(*key, key_span, node.clone());
        return true;
    }
    if table.get(key).is_none() {
        let may_be_new = matches!(
            *key,
            "rate"
                | "energy"
                | "acc"
                | "tile"
                | "network"
                | "compression"
                | "systolic"
                | "sparsity"
        );
        if !may_be_new || rest.len() != 1 {
            return false;
        }
        let new = Node {
            value: Value::Table(Table::default()),
            ..node.clone()
        };
        table.insert(*key, node.span.clone(), new);
    }
    match table.get_mut(key) {
        Some(found) => put_below(found, rest, node),
        None => false,
    }
}

fn put_below(found: &mut Node, path: &[&str], node: &Node) -> bool {
    match &mut found.value {
        Value::Table(table) => put(Some(table), path, node),
        Value::List(items) => {
            let place = path[0].parse::<usize>().ok();
            let Some(item) = place.and_then(|i| items.get_mut(i)) else {
                return false;
            };
            if path.len() > 1 {
                return put_below(item, &path[1..], node);
            }
            *item = node.clone();
            true
        }
        Value::Text(_) | Value::Integer(_) | Value::Float(_) | Value::Boolean(_) => false,
    }
}

fn table_mut(node: &mut Node) -> Option<&mut Table> {
    match &mut node.value {
        Value::Table(table) => Some(table),
        Value::Text(_)
        | Value::Integer(_)
        | Value::Float(_)
        | Value::Boolean(_)
        | Value::List(_) => None,
    }
}

/// Every path that can be set: knobs, values of the file, and keys that the file leaves out.
pub(super) fn settable(tree: &Table) -> Vec<String> {
    let mut paths = Vec::new();
    let mut push = |path: String| {
        if !paths.contains(&path) {
            paths.push(path);
        }
    };
    let params = tree.get("params").and_then(Node::as_table);
    for entry in params.iter().flat_map(|p| &p.entries) {
        if &*entry.key != "source" {
            push(entry.key.to_string());
        }
    }
    for (kind, keys) in COMPONENTS {
        let items = tree.get(kind).and_then(Node::as_list).unwrap_or(&[]);
        for table in items.iter().filter_map(Node::as_table) {
            let Some(name) = table.get("name").and_then(Node::as_text) else {
                continue;
            };
            let prefix = format!("{kind}.{name}");
            let ports = table.get("ports").and_then(Node::as_list);
            let n_ports = ports.map_or(1, <[Node]>::len);
            for key in keys {
                match table.get(key) {
                    Some(node) => leaves(&format!("{prefix}.{key}"), node, &mut push),
                    None if n_ports != 1 && matches!(*key, "bandwidth" | "achievable") => {}
                    None if is_scalar_key(key) => push(format!("{prefix}.{key}")),
                    None => {}
                }
            }
        }
    }
    let peak = tree.get("peak").and_then(Node::as_table);
    for entry in peak.iter().flat_map(|p| &p.entries) {
        if &*entry.key != "source" {
            push(format!("peak.{}", entry.key));
        }
    }
    for (section, keys) in SECTIONS {
        for key in keys {
            push(format!("{section}.{key}"));
        }
    }
    paths
}

fn is_scalar_key(key: &str) -> bool {
    !matches!(
        key,
        "rate"
            | "energy"
            | "acc"
            | "tile"
            | "ports"
            | "axes"
            | "shape"
            | "network"
            | "compression"
            | "diagonal"
            | "distributed"
            | "systolic"
            | "sparsity"
    )
}

/// Paths of the scalars at and below a value. The parser limits how deeply values nest.
fn leaves(path: &str, node: &Node, push: &mut impl FnMut(String)) {
    match &node.value {
        Value::Table(table) => {
            for entry in &table.entries {
                if !FIXED.contains(&&*entry.key) {
                    leaves(&format!("{path}.{}", entry.key), &entry.node, push);
                }
            }
        }
        Value::List(items) => {
            for (place, item) in items.iter().enumerate() {
                leaves(&format!("{path}.{place}"), item, push);
            }
        }
        Value::Text(_) | Value::Integer(_) | Value::Float(_) | Value::Boolean(_) => {
            push(path.to_owned());
        }
    }
}
