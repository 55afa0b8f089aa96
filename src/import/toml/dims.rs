//! `[dims]`: named sizes, those that can be bound from outside and those that follow from them.

use std::collections::BTreeMap;

use crate::diag::Code;
use crate::document::{Meaning, Node, Reader, Table, Value};
use crate::expr::{Environment, Expr, order};
use crate::units::Quantity;
use crate::workload::Symbol;

use super::args::is_identifier;

/// Most named sizes.
const MAX_DIMS: usize = 256;

/// Largest value.
const MAX_VALUE: f64 = 1e12;

/// The value of a dimension or parameter: its own, or that of its table.
fn value(node: &Node) -> Option<&Node> {
    match node.as_table() {
        Some(table) => table.get("value"),
        None => Some(node),
    }
}

fn expression(node: &Node) -> Option<&Expr> {
    let Value::Text(text) = &node.value else {
        return None;
    };
    match &*text.meaning {
        Meaning::Expr(expr) => Some(expr),
        Meaning::Plain | Meaning::Quantity(_) | Meaning::Broken(_) => None,
    }
}

/// Dimensions that can be bound: those that are plain whole numbers.
pub(super) fn symbols(root: &Table) -> Vec<Symbol> {
    let dims = root.get("dims").and_then(Node::as_table);
    let entries = dims.iter().flat_map(|t| &t.entries);
    let plain = entries.filter_map(|entry| match value(&entry.node)?.value {
        Value::Integer(n) => Some((&entry.key, u64::try_from(n).ok()?)),
        Value::Text(_) | Value::Float(_) | Value::Boolean(_) | Value::List(_) | Value::Table(_) => {
            None
        }
    });
    plain
        .map(|(name, n)| Symbol {
            name: name.to_string(),
            default: Some(n),
        })
        .collect()
}

/// Reads named numbers of a table, each after those it uses, and defines them for the expressions of the reader;
/// `given` replaces what the file says.
pub(super) fn evaluate(
    reader: &Reader<'_>,
    mut env: Environment,
    given: &BTreeMap<String, f64>,
) -> Environment {
    let mut named: Vec<(&str, &Node)> = Vec::new();
    for (name, node) in reader.all() {
        if !is_identifier(name) || named.len() == MAX_DIMS {
            let message = match is_identifier(name) {
                true => format!("more than {MAX_DIMS} sizes"),
                false => format!("`{name}` cannot be the name of a size"),
            };
            let problem = reader.key_problem(name, Code::OutOfRange, message);
            reader.push(problem.help("use letters, digits and _, starting with a letter"));
            continue;
        }
        match described(reader, name, node) {
            Some(node) => named.push((name, node)),
            None => reader.context().define_broken(name),
        }
    }
    let sorted = sorted(reader, &mut named);
    for at in sorted {
        let (name, node) = named[at];
        let found = match given.get(name) {
            Some(value) => Some(*value),
            None => super::args::number(reader, name, node, &env, -MAX_VALUE..=MAX_VALUE),
        };
        match found {
            Some(value) => {
                let value = Quantity::number(value);
                reader.context().define(name, value);
                env.insert(name, value);
            }
            None => reader.context().define_broken(name),
        }
    }
    env
}

/// An order in which each comes after those it uses; those in a circle are reported and left out.
fn sorted(reader: &Reader<'_>, named: &mut Vec<(&str, &Node)>) -> Vec<usize> {
    let uses = |named: &[(&str, &Node)]| {
        let uses: Vec<(&str, Option<&Expr>)> =
            named.iter().map(|(n, v)| (*n, expression(v))).collect();
        order(&uses)
    };
    let cycles = match uses(named) {
        Ok(sorted) => return sorted,
        Err(cycles) => cycles,
    };
    let mut broken = Vec::new();
    for cycle in cycles {
        let members = cycle.0.iter().chain(cycle.0.first());
        let names: Vec<String> = members.map(|i| format!("`{}`", named[*i].0)).collect();
        let message = format!("sizes depend on each other: {}", names.join(" -> "));
        reader.push(named[cycle.0[0]].1.problem(Code::Cycle, message));
        broken.extend(cycle.0.iter().map(|i| named[*i].0));
    }
    for name in &broken {
        reader.context().define_broken(name);
    }
    named.retain(|(name, _)| !broken.contains(name));
    uses(named).unwrap_or_default()
}

/// The value of an entry; the keys of its table are checked.
fn described<'c>(reader: &Reader<'c>, name: &str, node: &'c Node) -> Option<&'c Node> {
    let Some(table) = node.as_table() else {
        return Some(node);
    };
    let table = reader
        .context()
        .nested(table, Some(node), reader.path_of(name));
    table.string("doc");
    let found = table.get("value");
    if found.is_none() {
        table.missing("value", "");
    }
    table.finish();
    found
}
