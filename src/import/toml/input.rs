//! `[inputs]`: what the caller gives.

use std::collections::BTreeMap;

use crate::diag::{Code, Problem, did_you_mean};
use crate::document::{Node, Reader, Table};
use crate::workload::{Binding, Dtype, Role, Symbol};

use super::args::{MAX_SIZE, is_identifier, size};
use super::draft::{MAX_ELEMENTS, show};
use super::walk::Walk;

const ROLES: [(&str, Role); 3] = [
    ("input", Role::Input),
    ("kv", Role::KvCache),
    ("state", Role::State),
];

/// The list of sizes of an input.
fn shape(node: &Node) -> Option<&[Node]> {
    match node.as_table() {
        Some(table) => table.get("shape")?.as_list(),
        None => node.as_list(),
    }
}

/// Values of dimensions that shapes given from outside imply.
pub(super) fn implied(
    root: &Table,
    symbols: &[Symbol],
    binding: &Binding,
    problems: &mut Vec<Problem>,
) -> BTreeMap<String, u64> {
    let mut found: BTreeMap<String, u64> = BTreeMap::new();
    let inputs = root.get("inputs").and_then(Node::as_table);
    for (name, given) in &binding.shapes {
        let Some(items) = inputs.and_then(|t| t.get(name)).and_then(shape) else {
            let names = inputs.iter().flat_map(|t| &t.entries).map(|e| &*e.key);
            let label = did_you_mean(name, names.clone());
            let known = names.collect::<Vec<_>>().join(", ");
            let problem = Problem::new(Code::FixedDim, format!("the model has no input `{name}`"));
            problems.push(problem.help(label.unwrap_or(format!("it has {known}"))));
            continue;
        };
        for (item, value) in items.iter().zip(given) {
            let Some(dim) = item
                .as_text()
                .filter(|t| symbols.iter().any(|s| s.name == **t))
            else {
                continue;
            };
            if let Some(other) = found.insert(dim.to_owned(), *value).filter(|n| n != value) {
                let message = format!("`{dim}` is bound to {other} and to {value}");
                problems.push(Problem::new(Code::FixedDim, message));
            }
        }
    }
    found
}

/// Adds all inputs; the first one is what the first operator takes.
pub(super) fn read(root: &Reader<'_>, walk: &mut Walk<'_>) {
    let Some(reader) = root.table("inputs") else {
        return;
    };
    for (name, node) in reader.all() {
        let made = one(&reader, name, node, walk);
        if let Some(id) = made {
            let frame = walk.frame();
            frame.current = frame.current.or(Some(id));
        }
        walk.define(name.to_owned(), made);
    }
    let is_empty = reader.raw().entries.is_empty();
    if is_empty {
        reader.push(root.key_problem("inputs", Code::MissingKey, "the model has no input"));
    }
}

fn one(
    reader: &Reader<'_>,
    name: &str,
    node: &Node,
    walk: &mut Walk<'_>,
) -> Option<crate::workload::TensorId> {
    if !is_identifier(name) || name == "in" {
        let message = format!("`{name}` cannot be the name of an input");
        reader.push(reader.key_problem(name, Code::OutOfRange, message));
        return None;
    }
    let mut dtype = walk.draft.formats.activation;
    let mut role = Role::Input;
    if let Some(table) = node.as_table() {
        let table = reader
            .context()
            .nested(table, Some(node), reader.path_of(name));
        if table.raw().get("shape").is_none() {
            table.missing("shape", "shape = [\"batch\", 3, 224, 224]");
        }
        table.list("shape");
        table.string("doc");
        if let Some(text) = table.string("dtype") {
            match Dtype::parse(text) {
                Some(found) => dtype = found,
                None => {
                    let message = format!("`{text}` is not a data type");
                    table.push(table.key_problem("dtype", Code::Reference, message));
                }
            }
        }
        if let Some(found) = table.choice("role", &ROLES) {
            role = found;
            if role == Role::KvCache && table.raw().get("dtype").is_none() {
                dtype = walk.draft.formats.kv;
            }
        }
        table.finish();
    }
    let Some(items) = shape(node) else {
        if node.as_table().is_none() {
            reader.wrong_type(name, node, "a list of sizes or a table with `shape`");
        }
        return None;
    };
    let env = walk.frame().env.clone();
    let sizes: Option<Vec<u64>> = items
        .iter()
        .map(|item| size(reader, name, item, &env, 1..=MAX_SIZE))
        .collect();
    let sizes = sizes?;
    let product = sizes.iter().try_fold(1u64, |p, n| p.checked_mul(*n));
    if product.is_none_or(|n| n > MAX_ELEMENTS) || sizes.is_empty() || sizes.len() > 8 {
        let message = format!(
            "the input `{name}` of {} is too large, or has not 1 to 8 axes",
            show(&sizes)
        );
        reader.push(node.problem(Code::OutOfRange, message));
        return None;
    }
    if let Some(given) = walk.binding.shapes.get(name).filter(|g| **g != sizes) {
        let message = format!(
            "the input `{name}` is {}, and cannot be {}",
            show(&sizes),
            show(given)
        );
        reader.push(node.problem(Code::FixedDim, message));
        return None;
    }
    Some(walk.draft.add(name, &sizes, dtype, role))
}
