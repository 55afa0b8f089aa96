//! A chip description as parsed: one tree, merged from a file and the files it extends.

use crate::catalog;
use crate::diag::{Code, Problem, Problems, Source};
use crate::document::{Entry, Node, Table, Value, parse_value, quantity_node};
use crate::hardware::System;
use crate::units::Quantity;

/// Longest chain of `extends`.
const MAX_CHAIN: usize = 16;
/// Origin of values that a sweep sets.
const DESIGN_POINT: &str = "design point";

/// A parsed chip description. Evaluating it at a design point reads no text again.
#[derive(Clone, Debug)]
pub struct Profile {
    name: String,
    tree: Table,
    /// Whether a value other than those of `[peak]` was set after parsing.
    is_changed: bool,
}

impl Profile {
    /// Parses a chip file and those it extends.
    ///
    /// `lookup` gives name and text of a chip by what `extends` says. Values are checked by
    /// [`Profile::evaluate`].
    ///
    /// # Errors
    /// Syntax errors, and a chain of `extends` that is unknown, circular or too long.
    pub fn parse(
        name: &str,
        text: &str,
        lookup: impl Fn(&str) -> Result<(String, String), Problems>,
    ) -> Result<Self, Problems> {
        let mut chain = vec![Table::parse(&Source::new(name, text))?];
        let mut names = vec![name.to_owned()];
        while let Some(base) = chain.last().and_then(|t| t.get("extends")).cloned() {
            let Some(wanted) = base.as_text() else {
                let message = "`extends` must be a text in quotes";
                return Err(base.problem(Code::WrongType, message).into());
            };
            let (found, text) = lookup(wanted).map_err(|problems| place(problems, &base))?;
            if names.contains(&found) || names.len() > MAX_CHAIN {
                names.push(found);
                let message = format!("`extends` runs in a circle: {}", names.join(" -> "));
                return Err(base.problem(Code::Cycle, message).into());
            }
            chain.push(Table::parse(&Source::new(found.as_str(), text))?);
            names.push(found);
        }
        let mut tree = Table::default();
        for mut layer in chain.into_iter().rev() {
            inherit_sources(&tree, &mut layer);
            tree.merge(layer);
        }
        Ok(Self {
            name: name.to_owned(),
            tree,
            is_changed: false,
        })
    }

    /// Parses a chip of the catalog or a file, by name or path.
    ///
    /// # Errors
    /// As [`catalog::chip`] and [`Profile::parse`].
    pub fn named(arg: &str) -> Result<Self, Problems> {
        let text = |arg: &str| {
            let entry = catalog::chip(arg)?;
            let source = entry.source()?;
            Ok((source.name.to_string(), source.text.to_string()))
        };
        let (origin, content) = text(arg)?;
        Self::parse(&origin, &content, text)
    }

    /// The name of the chip: what the file says, else the name it was parsed under.
    pub fn name(&self) -> &str {
        let given = self.tree.get("name").and_then(Node::as_text);
        given.unwrap_or(&self.name)
    }

    /// Everything that the description says, as one text: equal for equal chips.
    pub fn text(&self) -> String {
        fn write(table: &Table, text: &mut String) {
            for entry in &table.entries {
                text.push_str(&format!("{}=", entry.key));
                value(&entry.node.value, text);
                text.push(';');
            }
        }
        fn value(value_: &Value, text: &mut String) {
            match value_ {
                Value::Table(table) => write(table, text),
                Value::List(items) => items.iter().for_each(|item| value(&item.value, text)),
                other => text.push_str(&format!("{other:?}")),
            }
        }
        let mut text = format!("{} ", self.name());
        write(&self.tree, &mut text);
        text
    }

    /// Sets a value as `--set key=value` does: `glb=1 MiB`, `memory.hbm.capacity=96 GB`.
    ///
    /// # Errors
    /// A key that the chip does not have. Whether the value fits is found by [`Profile::evaluate`].
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), Problems> {
        let key = key.trim();
        let origin = format!("--set {key}={value}");
        let node = parse_value(&origin, key, value);
        super::assign::assign(&mut self.tree, key, node)?;
        self.is_changed |= !key.starts_with("peak.");
        Ok(())
    }

    /// The chip as described, and warnings.
    ///
    /// # Errors
    /// Every problem of the description.
    pub fn evaluate(&self) -> Result<(System, Vec<Problem>), Problems> {
        let (system, mut problems) = self.evaluate_tree(&self.tree, self.is_changed)?;
        for problem in super::params::unused(&self.tree) {
            problems.push(problem);
        }
        if let Some(problem) = super::inert::warning(&self.tree) {
            problems.push(problem);
        }
        Ok((system, problems.0))
    }

    /// The chip with some paths at other values, such as one point of a sweep.
    ///
    /// # Errors
    /// A path that the chip does not have, or every problem of the description.
    pub fn evaluate_with(&self, values: &[(&str, Quantity)]) -> Result<System, Problems> {
        let mut tree = self.tree.clone();
        let mut problems = Problems::new();
        for (path, value) in values {
            let node = quantity_node(DESIGN_POINT, path, *value);
            if let Err(found) = super::assign::assign(&mut tree, path, node) {
                problems.extend(found);
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let is_changed = values.iter().any(|(path, _)| !path.starts_with("peak."));
        let (system, _) = self.evaluate_tree(&tree, self.is_changed || is_changed)?;
        Ok(system)
    }

    /// Peaks of the file are checked against its engines as long as both stand there as written; peaks
    /// that were set are always checked, those of a base file were checked there.
    fn evaluate_tree(
        &self,
        tree: &Table,
        is_changed: bool,
    ) -> Result<(System, Problems), Problems> {
        let is_checked = |entry: &Entry| {
            let from = &*entry.node.source.name;
            from.starts_with("--set ") || from == DESIGN_POINT || (from == self.name && !is_changed)
        };
        super::evaluate::evaluate(&self.name, tree, &is_checked)
    }

    /// The paths that [`Profile::set`] knows for this chip: knobs first, then keys of components.
    pub fn settable(&self) -> Vec<String> {
        super::assign::settable(&self.tree)
    }
}

/// Problems of a base file's name point at `extends`, if they have no place of their own.
fn place(problems: Problems, at: &Node) -> Problems {
    let mut placed = problems;
    for problem in &mut placed.0 {
        if problem.place.is_none() {
            problem.place = Some(at.source.place(&at.span));
        }
    }
    placed
}

/// A derived block without a source of its own says so next to the base's source.
fn inherit_sources(base: &Table, layer: &mut Table) {
    let Some(own) = layer.get("source").and_then(Node::as_text) else {
        return;
    };
    let own = own.to_owned();
    for section in ["memory", "fanout", "array", "vector", "link"] {
        let Some(node) = layer.get_mut(section) else {
            continue;
        };
        let Value::List(items) = &mut node.value else {
            continue;
        };
        for item in items {
            let span = item.span.clone();
            let source = item.source.clone();
            let Value::Table(table) = &mut item.value else {
                continue;
            };
            let name = table.get("name").and_then(Node::as_text);
            let inherited = name.and_then(|n| source_of(base, section, n));
            if let (Some(inherited), None) = (inherited, table.get("source")) {
                let text = format!("{own}; what it does not change: {inherited}");
                let node = Node {
                    value: Value::Text(crate::document::Text::new(text)),
                    source,
                    span: span.clone(),
                };
                table.insert("source", span, node);
            }
        }
    }
}

fn source_of<'a>(base: &'a Table, section: &str, name: &str) -> Option<&'a str> {
    let items = base.get(section)?.as_list()?;
    let mut tables = items.iter().filter_map(Node::as_table);
    let table = tables.find(|t| t.get("name").and_then(Node::as_text) == Some(name))?;
    table.get("source")?.as_text()
}
