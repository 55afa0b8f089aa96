//! The tree: tables, lists and scalars, each with the source and bytes it came from.

use std::sync::Arc;

use crate::diag::{Code, Problem, Source, Span};
use crate::expr::{Expr, ExprError};
use crate::units::Quantity;

/// A value and where it stands.
#[derive(Clone, Debug)]
pub struct Node {
    /// The value.
    pub value: Value,
    /// The text it came from.
    pub source: Source,
    /// Its bytes in that text.
    pub span: Span,
}

/// What a node holds.
#[derive(Clone, Debug)]
pub enum Value {
    /// A text in quotes, already read as what it may stand for.
    Text(Text),
    /// A whole number.
    Integer(i64),
    /// A number with a point or an exponent; may be infinite or not a number.
    Float(f64),
    /// `true` or `false`.
    Boolean(bool),
    /// A list.
    List(Vec<Node>),
    /// A table.
    Table(Table),
}

/// A text and its pre-parsed meaning.
#[derive(Clone, Debug)]
pub struct Text {
    /// As written, escapes resolved.
    pub text: Arc<str>,
    /// What it may stand for.
    pub meaning: Arc<Meaning>,
}

/// What a text stands for where a quantity is wanted.
#[derive(Clone, Debug, PartialEq)]
pub enum Meaning {
    /// Neither a quantity nor an expression.
    Plain,
    /// A number with a unit.
    Quantity(Quantity),
    /// Starts with `=`.
    Expr(Expr),
    /// Starts with `=`, but cannot be parsed.
    Broken(ExprError),
}

/// Keys in the order of the file.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// The entries; keys are unique.
    pub entries: Vec<Entry>,
}

/// One key of a table.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The key.
    pub key: Arc<str>,
    /// Its bytes in the source of the node.
    pub key_span: Span,
    /// The value.
    pub node: Node,
}

impl Table {
    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|e| &e.node)
    }

    /// The entry of a key.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|e| &*e.key == key)
    }

    /// The value of a key, to be changed.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Node> {
        let entry = self.entries.iter_mut().find(|e| &*e.key == key)?;
        Some(&mut entry.node)
    }

    /// Replaces the value of a key, or adds it at the end.
    pub fn insert(&mut self, key: impl Into<Arc<str>>, key_span: Span, node: Node) {
        let key = key.into();
        match self.entries.iter_mut().find(|e| e.key == key) {
            Some(entry) => (entry.node, entry.key_span) = (node, key_span),
            None => self.entries.push(Entry {
                key,
                key_span,
                node,
            }),
        }
    }
}

impl Text {
    /// Reads what a text may stand for.
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        let text = text.into();
        let meaning = match text.trim_start().strip_prefix('=') {
            Some(expression) => match Expr::parse(expression) {
                Ok(expr) => Meaning::Expr(expr),
                Err(error) => Meaning::Broken(error),
            },
            None => match Quantity::parse(&text) {
                Ok(quantity) => Meaning::Quantity(quantity),
                Err(_) => Meaning::Plain,
            },
        };
        Self {
            text,
            meaning: Arc::new(meaning),
        }
    }
}

impl Node {
    /// The table, if it is one.
    pub fn as_table(&self) -> Option<&Table> {
        match &self.value {
            Value::Table(table) => Some(table),
            Value::Text(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::Boolean(_)
            | Value::List(_) => None,
        }
    }

    /// The list, if it is one.
    pub fn as_list(&self) -> Option<&[Node]> {
        match &self.value {
            Value::List(items) => Some(items),
            Value::Text(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::Boolean(_)
            | Value::Table(_) => None,
        }
    }

    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(&text.text),
            Value::Integer(_)
            | Value::Float(_)
            | Value::Boolean(_)
            | Value::List(_)
            | Value::Table(_) => None,
        }
    }

    /// What kind of value it is, with an article.
    pub fn kind(&self) -> &'static str {
        match self.value {
            Value::Text(_) => "a text",
            Value::Integer(_) | Value::Float(_) => "a number",
            Value::Boolean(_) => "true or false",
            Value::List(_) => "a list",
            Value::Table(_) => "a table",
        }
    }

    /// The value as a message shows it; long ones are cut.
    pub fn show(&self) -> String {
        let shown = match &self.value {
            Value::Text(text) => text.text.to_string(),
            Value::Integer(value) => value.to_string(),
            Value::Float(value) => value.to_string(),
            Value::Boolean(value) => value.to_string(),
            Value::List(_) => "[...]".to_owned(),
            Value::Table(_) => "{...}".to_owned(),
        };
        match shown.char_indices().nth(60) {
            Some((end, _)) => format!("{}...", &shown[..end]),
            None => shown,
        }
    }

    /// A problem that points at the value.
    pub fn problem(&self, code: Code, message: impl Into<String>) -> Problem {
        Problem::new(code, message).at(&self.source, &self.span)
    }

    /// The problem of an expression inside of the value.
    pub fn expr_problem(&self, path: &str, error: &ExprError) -> Problem {
        let Some(text) = self.as_text() else {
            return self.problem(error.code, format!("`{path}`: {}", error.message));
        };
        // The text starts behind its quote unless escapes or a multi-line string shift it.
        let written = self.source.text.get(self.span.clone()).unwrap_or("");
        let equals = text.len() - text.trim_start().len() + 1;
        match written.find(text) {
            Some(at) => error.problem(path, &self.source, self.span.start + at + equals),
            None => {
                let problem = self.problem(error.code, format!("`{path}`: {}", error.message));
                match &error.help {
                    Some(help) => problem.help(help.clone()),
                    None => problem,
                }
            }
        }
    }
}
