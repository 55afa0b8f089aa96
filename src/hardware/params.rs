//! Knobs: `[params]` in order of their dependencies, within their ranges.

use crate::diag::{Code, Problem};
use crate::document::{Meaning, Node, Reader, Table, Value};
use crate::expr::{Cycle, Expr, order};
use crate::hardware::Param;
use crate::units::Quantity;

/// Most knobs of one chip.
const MAX_PARAMS: usize = 1000;

struct Knob<'a> {
    name: &'a str,
    value: &'a Node,
    /// The reader of `{ value, min, max, doc }`, if it is written so.
    table: Option<Reader<'a>>,
}

/// Evaluates all knobs and defines them in the context.
pub(super) fn read(root: &Reader) -> Vec<Param> {
    let Some(reader) = root.table("params") else {
        return Vec::new();
    };
    let knobs = knobs(&reader);
    let named: Vec<_> = knobs.iter().map(|k| (k.name, expr_of(k.value))).collect();
    let sorted = order(&named).unwrap_or_else(|cycles| {
        for cycle in &cycles {
            report(&reader, &knobs, cycle);
            for &member in &cycle.0 {
                reader.context().define_broken(knobs[member].name);
            }
        }
        let circular = |i: &usize| cycles.iter().any(|c| c.0.contains(i));
        (0..knobs.len()).filter(|i| !circular(i)).collect()
    });
    let mut values: Vec<Option<Quantity>> = vec![None; knobs.len()];
    for i in sorted {
        values[i] = reader.evaluate(knobs[i].name, knobs[i].value);
        match values[i] {
            Some(value) => reader.context().define(knobs[i].name, value),
            None => reader.context().define_broken(knobs[i].name),
        }
    }
    let mut params = Vec::with_capacity(knobs.len());
    for (knob, value) in knobs.into_iter().zip(values) {
        let doc = knob.table.as_ref().and_then(|t| t.string("doc"));
        if let (Some(value), Some(table)) = (value, &knob.table) {
            check_range(&reader, &knob, value, table);
        }
        params.push(Param {
            name: knob.name.to_owned(),
            value: value.unwrap_or(Quantity::number(0.0)),
            doc: doc.unwrap_or("").to_owned(),
        });
        if let Some(table) = knob.table {
            table.finish();
        }
    }
    params
}

fn knobs<'a>(reader: &Reader<'a>) -> Vec<Knob<'a>> {
    let mut knobs = Vec::new();
    for (name, node) in reader.all() {
        if name == "source" {
            continue;
        }
        if !is_identifier(name) {
            let message = format!("`{name}` cannot be the name of a parameter");
            let problem = reader.key_problem(name, Code::OutOfRange, message);
            reader.push(problem.help("use letters, digits and _, starting with a letter"));
            continue;
        }
        if knobs.len() == MAX_PARAMS {
            let message = format!("more than {MAX_PARAMS} parameters");
            reader.push(reader.key_problem(name, Code::OutOfRange, message));
            break;
        }
        let Some(table) = node.as_table() else {
            knobs.push(Knob {
                name,
                value: node,
                table: None,
            });
            continue;
        };
        let path = format!("params.{name}");
        let table = reader.context().nested(table, Some(node), path);
        match table.get("value") {
            Some(value) => knobs.push(Knob {
                name,
                value,
                table: Some(table),
            }),
            None => {
                table.missing("value", "");
                reader.context().define_broken(name);
            }
        }
    }
    knobs
}

fn check_range(reader: &Reader, knob: &Knob, value: Quantity, table: &Reader) {
    let bound = |key: &'static str| {
        let node = table.get(key)?;
        let bound = table.evaluate(key, node)?;
        if bound.dimension != value.dimension {
            table.wrong_dimension(key, node, bound.dimension, value.dimension);
            return None;
        }
        Some((bound.value, node.show()))
    };
    let (min, max) = (bound("min"), bound("max"));
    let below = min.as_ref().is_some_and(|m| value.value < m.0);
    let above = max.as_ref().is_some_and(|m| value.value > m.0);
    if below || above {
        let name = knob.name;
        let message = format!("`{name} = {}` is outside of its range", knob.value.show());
        let problem = knob.value.problem(Code::OutOfRange, message);
        let range = match (min, max) {
            (Some(min), Some(max)) => format!("{} to {}", min.1, max.1),
            (Some(min), None) => format!("{} and more", min.1),
            (None, max) => format!("up to {}", max.unwrap_or_default().1),
        };
        reader.push(problem.help(format!("`{name}` may be {range}")));
    }
}

fn report(reader: &Reader, knobs: &[Knob], cycle: &Cycle) {
    let names: Vec<String> = cycle
        .0
        .iter()
        .chain(cycle.0.first())
        .map(|&i| format!("`{}`", knobs[i].name))
        .collect();
    let first = &knobs[cycle.0[0]];
    let message = format!("parameters depend on each other: {}", names.join(" -> "));
    let mut problem = first.value.problem(Code::Cycle, message);
    for &member in &cycle.0 {
        let node = knobs[member].value;
        let place = node.source.place(&node.span);
        problem = problem.note(format!(
            "`{}`: `{}` at {}:{}:{}",
            knobs[member].name,
            node.show(),
            place.file,
            place.line,
            place.column
        ));
    }
    reader.push(problem);
}

fn expr_of(node: &Node) -> Option<&Expr> {
    match &node.value {
        Value::Text(text) => match &*text.meaning {
            Meaning::Expr(expr) => Some(expr),
            Meaning::Plain | Meaning::Quantity(_) | Meaning::Broken(_) => None,
        },
        Value::Integer(_)
        | Value::Float(_)
        | Value::Boolean(_)
        | Value::List(_)
        | Value::Table(_) => None,
    }
}

fn is_identifier(name: &str) -> bool {
    name.starts_with(|c: char| c.is_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_alphanumeric() || c == '_')
}

/// A warning for every knob that no expression uses.
pub(super) fn unused(tree: &Table) -> Vec<Problem> {
    let mut used = Vec::new();
    collect_names(tree, &mut used);
    let params = tree.get("params").and_then(Node::as_table);
    let entries = params.into_iter().flat_map(|p| &p.entries);
    let idle = entries.filter(|e| &*e.key != "source" && !used.contains(&&*e.key));
    idle.map(|entry| {
        let message = format!("parameter `{}` is used by no expression", entry.key);
        Problem::new(Code::NoEffect, message).at(&entry.node.source, &entry.key_span)
    })
    .collect()
}

fn collect_names<'a>(table: &'a Table, used: &mut Vec<&'a str>) {
    for entry in &table.entries {
        collect_from(&entry.node, used);
    }
}

/// The parser limits how deeply values nest, so this recursion ends.
fn collect_from<'a>(node: &'a Node, used: &mut Vec<&'a str>) {
    match &node.value {
        Value::Table(table) => collect_names(table, used),
        Value::List(items) => items.iter().for_each(|item| collect_from(item, used)),
        Value::Text(_) => {
            for (name, _) in expr_of(node).iter().flat_map(|e| e.names()) {
                used.push(name);
            }
        }
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) => {}
    }
}
