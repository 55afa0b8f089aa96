//! Reading a table key by key; what was not asked for is reported.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use super::{Entry, Node, Table, Value};
use crate::diag::{Code, Problem, Problems, closest, did_you_mean};
use crate::expr::{Environment, Expr, ExprError};
use crate::units::Quantity;

/// What readers of one document share: the environment of its expressions, and the problems found.
#[derive(Debug, Default)]
pub struct Context {
    env: RefCell<Environment>,
    /// Names whose own definition failed; what uses them is not reported again.
    broken: RefCell<Vec<Arc<str>>>,
    problems: RefCell<Problems>,
}

/// A table that is being read.
#[derive(Debug)]
pub struct Reader<'a> {
    pub(super) context: &'a Context,
    table: &'a Table,
    /// The table's own node; `None` for the root of a document.
    node: Option<&'a Node>,
    path: String,
    asked: RefCell<Vec<&'static str>>,
    all_read: Cell<bool>,
}

impl Context {
    /// A context without problems.
    pub fn new(env: Environment) -> Self {
        Self {
            env: RefCell::new(env),
            ..Self::default()
        }
    }

    /// Defines a name for the expressions that are evaluated from now on.
    pub fn define(&self, name: &str, value: Quantity) {
        self.env.borrow_mut().insert(name, value);
    }

    /// Marks a name whose definition was already reported as faulty.
    pub fn define_broken(&self, name: &str) {
        self.broken.borrow_mut().push(name.into());
    }

    /// The value of an expression; `None` if it uses a name that is marked as broken.
    pub(super) fn evaluate(&self, expr: &Expr) -> Option<Result<Quantity, ExprError>> {
        let result = expr.evaluate(&self.env.borrow());
        let is_broken = |name: &str| self.broken.borrow().iter().any(|b| &**b == name);
        if result.is_err() && expr.names().any(|(name, _)| is_broken(name)) {
            return None;
        }
        Some(result)
    }

    /// A reader over the root of a document.
    pub fn reader<'a>(&'a self, table: &'a Table) -> Reader<'a> {
        self.nested(table, None, String::new())
    }

    /// A reader over a table that has a path of its own.
    pub fn nested<'a>(
        &'a self,
        table: &'a Table,
        node: Option<&'a Node>,
        path: String,
    ) -> Reader<'a> {
        Reader {
            context: self,
            table,
            node,
            path,
            asked: RefCell::default(),
            all_read: Cell::new(false),
        }
    }

    /// Adds a problem.
    pub fn push(&self, problem: Problem) {
        self.problems.borrow_mut().push(problem);
    }

    /// All problems, those of one file in the order of its lines.
    pub fn finish(self) -> Problems {
        let mut problems = self.problems.into_inner();
        problems.0.sort_by_key(|p| {
            let place = p.place.as_ref();
            let line = place.map_or(usize::MAX, |p| p.line);
            (place.map(|p| p.file.clone()), line)
        });
        // Problems without a place come last.
        let unplaced = problems.0.iter().filter(|p| p.place.is_none()).count();
        problems.0.rotate_left(unplaced);
        problems
    }
}

impl<'a> Reader<'a> {
    /// The path of the table: `memory.hbm`; empty for the root.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The path of a key in it.
    pub fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }

    /// The shared context.
    pub fn context(&self) -> &'a Context {
        self.context
    }

    /// The table itself, without marking anything as read.
    pub fn raw(&self) -> &'a Table {
        self.table
    }

    /// The value of a key, which thereby counts as read.
    pub fn get(&self, key: &'static str) -> Option<&'a Node> {
        self.asked.borrow_mut().push(key);
        self.table.get(key)
    }

    /// Every key with its value; all count as read.
    pub fn all(&self) -> impl Iterator<Item = (&'a str, &'a Node)> + use<'a> {
        self.all_read.set(true);
        self.table.entries.iter().map(|e| (&*e.key, &e.node))
    }

    /// Reports a problem.
    pub fn push(&self, problem: Problem) {
        self.context.push(problem);
    }

    /// A problem that points at a key's name, or at the table where the key is absent.
    pub fn key_problem(&self, key: &str, code: Code, message: impl Into<String>) -> Problem {
        let problem = Problem::new(code, message);
        match (self.table.entry(key), self.node) {
            (Some(entry), _) => problem.at(&entry.node.source, &entry.key_span),
            (None, Some(node)) => problem.at(&node.source, &node.span),
            (None, None) => problem,
        }
    }

    /// Reports that a required key is absent; a misspelled one is left to [`Reader::finish`].
    pub fn missing(&self, key: &'static str, help: &str) {
        self.asked.borrow_mut().push(key);
        let is_slip = |e: &Entry| {
            let is_asked = self.asked.borrow().contains(&&*e.key);
            !is_asked && closest(&e.key, [key]).is_some()
        };
        if self.table.get(key).is_none() && self.table.entries.iter().any(is_slip) {
            return;
        }
        let message = if self.path.is_empty() {
            format!("required key `{key}` is missing")
        } else {
            format!("required key `{key}` is missing in `{}`", self.path)
        };
        let problem = self.key_problem(key, Code::MissingKey, message);
        self.push(if help.is_empty() {
            problem
        } else {
            problem.help(help)
        });
    }

    /// Reports a value of the wrong kind.
    pub fn wrong_type(&self, key: &str, node: &Node, wanted: &str) {
        let path = self.path_of(key);
        let message = format!("`{path}` must be {wanted}, not {}", node.kind());
        self.push(node.problem(Code::WrongType, message));
    }

    /// A text.
    pub fn string(&self, key: &'static str) -> Option<&'a str> {
        let node = self.get(key)?;
        let text = node.as_text();
        if text.is_none() {
            self.wrong_type(key, node, "a text in quotes");
        }
        text
    }

    /// A text that must be there.
    pub fn required_string(&self, key: &'static str, help: &str) -> Option<&'a str> {
        if self.table.get(key).is_none() {
            self.missing(key, help);
        }
        self.string(key)
    }

    /// `true` or `false`.
    pub fn boolean(&self, key: &'static str) -> Option<bool> {
        let node = self.get(key)?;
        let value = match node.value {
            Value::Boolean(value) => Some(value),
            Value::Text(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::List(_)
            | Value::Table(_) => None,
        };
        if value.is_none() {
            self.wrong_type(key, node, "true or false");
        }
        value
    }

    /// One of a closed set of words.
    pub fn choice<T: Copy>(&self, key: &'static str, words: &[(&str, T)]) -> Option<T> {
        let node = self.get(key)?;
        self.choice_of(key, node, words)
    }

    /// A value as one of a closed set of words.
    pub fn choice_of<T: Copy>(&self, key: &str, node: &Node, words: &[(&str, T)]) -> Option<T> {
        let Some(text) = node.as_text() else {
            self.wrong_type(key, node, "a text in quotes");
            return None;
        };
        let found = words.iter().find(|(word, _)| *word == text);
        if found.is_none() {
            let names: Vec<&str> = words.iter().map(|w| w.0).collect();
            let message = format!("`{} = {}` is not known", self.path_of(key), node.show());
            let problem = node.problem(Code::Reference, message);
            let problem = match did_you_mean(text, names.iter().copied()) {
                Some(label) => problem.label(label),
                None => problem,
            };
            self.push(problem.help(format!("known are: {}", names.join(", "))));
        }
        found.map(|(_, value)| *value)
    }

    /// A nested table.
    pub fn table(&self, key: &'static str) -> Option<Reader<'a>> {
        let node = self.get(key)?;
        let Some(table) = node.as_table() else {
            self.wrong_type(key, node, "a table");
            return None;
        };
        Some(self.context.nested(table, Some(node), self.path_of(key)))
    }

    /// A list of named tables, such as `[[memory]]`; their paths carry the names: `memory.hbm`.
    pub fn named_tables(&self, key: &'static str) -> Vec<(&'a str, Reader<'a>)> {
        let mut found = Vec::new();
        for (place, node, table) in self.table_list(key) {
            let path = self.path_of(key);
            let reader = |label: &str| {
                let path = format!("{path}.{label}");
                self.context.nested(table, Some(node), path)
            };
            match table.get("name").and_then(Node::as_text) {
                Some(name) => {
                    let reader = reader(name);
                    reader.get("name");
                    found.push((name, reader));
                }
                None => {
                    let reader = reader(&place.to_string());
                    reader.required_string("name", "every component needs a name of its own");
                }
            }
        }
        found
    }

    /// A list of tables; their paths carry their places from 0: `axis.0`.
    pub fn tables(&self, key: &'static str) -> Vec<Reader<'a>> {
        let path = self.path_of(key);
        let nested = |(place, node, table): (usize, &'a Node, &'a Table)| {
            let path = format!("{path}.{place}");
            self.context.nested(table, Some(node), path)
        };
        self.table_list(key).into_iter().map(nested).collect()
    }

    fn table_list(&self, key: &'static str) -> Vec<(usize, &'a Node, &'a Table)> {
        let Some(node) = self.get(key) else {
            return Vec::new();
        };
        let Some(items) = node.as_list() else {
            let wanted = format!("a list of tables, written [[{key}]]");
            self.wrong_type(key, node, &wanted);
            return Vec::new();
        };
        let mut found = Vec::new();
        for (place, item) in items.iter().enumerate() {
            match item.as_table() {
                Some(table) => found.push((place, item, table)),
                None => self.wrong_type(&format!("{key}.{place}"), item, "a table"),
            }
        }
        found
    }

    /// Reports every key that nobody asked for.
    pub fn finish(self) {
        if self.all_read.get() {
            return;
        }
        let asked = self.asked.borrow();
        for entry in &self.table.entries {
            if asked.contains(&&*entry.key) {
                continue;
            }
            let message = format!("unknown key `{}`", self.path_of(&entry.key));
            let problem =
                Problem::new(Code::UnknownKey, message).at(&entry.node.source, &entry.key_span);
            let problem = match did_you_mean(&entry.key, asked.iter().copied()) {
                Some(label) => problem.label(label),
                None => problem,
            };
            self.push(problem.note(
                "unknown keys are errors, so that a typing slip cannot change your results unnoticed",
            ));
        }
    }
}
