//! What an operator is given: sizes, words and flags of its table, or the one value that stands for it.

use std::cell::Cell;
use std::ops::RangeInclusive;

use crate::diag::Code;
use crate::document::{Node, Reader, Text, Value};
use crate::expr::Environment;

/// Largest size of a dimension.
pub(super) const MAX_SIZE: u64 = 1 << 40;

/// Largest kernel, stride, number of heads and the like.
pub(super) const MAX_SMALL: u64 = 1 << 20;

/// Arguments of one operator. Getters that find something wrong report it and spoil the whole.
pub(super) struct Args<'a, 'r> {
    /// The operator's own table, if it has one.
    table: Option<Reader<'a>>,
    /// The table it stands in.
    pub(super) outer: &'r Reader<'a>,
    /// Its key there.
    pub(super) key: &'static str,
    /// The value that stands for the table, and the argument it gives.
    short: Option<(&'static str, &'a Node)>,
    pub(super) env: &'r Environment,
    bad: Cell<bool>,
}

impl<'a, 'r> Args<'a, 'r> {
    /// The arguments below `key`; anything but a table gives the argument `short`.
    pub(super) fn new(
        outer: &'r Reader<'a>,
        key: &'static str,
        short: &'static str,
        env: &'r Environment,
    ) -> Self {
        let node = outer.get(key);
        let table = node.and_then(|n| Some((n, n.as_table()?)));
        let table = table.map(|(n, t)| outer.context().nested(t, Some(n), outer.path_of(key)));
        let short = node.filter(|_| table.is_none()).map(|n| (short, n));
        let args = Self {
            table,
            outer,
            key,
            short,
            env,
            bad: Cell::new(false),
        };
        if let (Some((name, node)), true) = (args.short, short.is_some_and(|s| s.0.is_empty())) {
            let is_on = matches!(node.value, Value::Boolean(true));
            if name.is_empty() && !is_on {
                args.wrong_type("", node, "a table, or true");
            }
        }
        args
    }

    /// The value of an argument.
    pub(super) fn node(&self, key: &'static str) -> Option<&'a Node> {
        match (&self.table, self.short) {
            (Some(table), _) => table.get(key),
            (None, Some((short, node))) if short == key => Some(node),
            (None, _) => None,
        }
    }

    /// Whether an argument is given, without reading it.
    pub(super) fn has(&self, key: &str) -> bool {
        match (&self.table, self.short) {
            (Some(table), _) => table.raw().get(key).is_some(),
            (None, short) => short.is_some_and(|s| s.0 == key),
        }
    }

    fn reader(&self) -> (&Reader<'a>, Option<&'static str>) {
        match &self.table {
            Some(table) => (table, None),
            None => (self.outer, Some(self.key)),
        }
    }

    /// The name of an argument in messages.
    fn label<'k>(&self, key: &'k str) -> &'k str
    where
        'static: 'k,
    {
        self.reader().1.unwrap_or(key)
    }

    fn wrong_type(&self, key: &str, node: &Node, wanted: &str) {
        self.bad.set(true);
        self.reader().0.wrong_type(self.label(key), node, wanted);
    }

    /// Reports that a value of an argument cannot be.
    pub(super) fn refuse(&self, key: &str, code: Code, message: impl Into<String>) {
        self.bad.set(true);
        let (reader, short) = self.reader();
        reader.push(reader.key_problem(short.unwrap_or(key), code, message));
    }

    /// A whole number; `None` if it is absent or wrong.
    pub(super) fn size(&self, key: &'static str, range: RangeInclusive<u64>) -> Option<u64> {
        let node = self.node(key)?;
        self.size_of(key, node, range)
    }

    /// As [`Args::size`], with a value where it is absent.
    pub(super) fn size_or(
        &self,
        key: &'static str,
        default: u64,
        range: RangeInclusive<u64>,
    ) -> Option<u64> {
        match self.node(key) {
            Some(node) => self.size_of(key, node, range),
            None => Some(default),
        }
    }

    /// A whole number that must be there.
    pub(super) fn need(&self, key: &'static str, range: RangeInclusive<u64>) -> Option<u64> {
        let Some(node) = self.node(key) else {
            self.missing(key);
            return None;
        };
        self.size_of(key, node, range)
    }

    /// Reports an absent argument.
    pub(super) fn missing(&self, key: &'static str) {
        self.bad.set(true);
        match &self.table {
            Some(table) => table.missing(key, ""),
            None => {
                let message = format!("`{}` needs `{key}`", self.outer.path_of(self.key));
                let problem = self.outer.key_problem(self.key, Code::MissingKey, message);
                let help = format!("write {} = {{ {key} = ... }}", self.key);
                self.outer.push(problem.help(help));
            }
        }
    }

    fn size_of(&self, key: &str, node: &Node, range: RangeInclusive<u64>) -> Option<u64> {
        let found = size(self.reader().0, self.label(key), node, self.env, range);
        self.bad.set(self.bad.get() || found.is_none());
        found
    }

    /// One number for each of `n`, or one for all; `default` where absent.
    pub(super) fn each(
        &self,
        key: &'static str,
        n: usize,
        default: u64,
        range: RangeInclusive<u64>,
    ) -> Option<Vec<u64>> {
        let Some(node) = self.node(key) else {
            return Some(vec![default; n]);
        };
        let found = self.sizes_of(key, node, range)?;
        match found.len() {
            1 => Some(vec![found[0]; n]),
            len if len == n => Some(found),
            len => {
                let path = self.reader().0.path_of(self.label(key));
                let message = format!("`{path}` has {len} numbers for {n} axes");
                self.bad.set(true);
                let problem = node.problem(Code::Disagreement, message);
                self.outer.push(problem);
                None
            }
        }
    }

    /// A list of whole numbers, or one that stands for a list of one.
    pub(super) fn sizes(&self, key: &'static str, range: RangeInclusive<u64>) -> Option<Vec<u64>> {
        let node = self.node(key)?;
        self.sizes_of(key, node, range)
    }

    fn sizes_of(&self, key: &str, node: &Node, range: RangeInclusive<u64>) -> Option<Vec<u64>> {
        let items = node.as_list().unwrap_or(std::slice::from_ref(node));
        let each: Vec<Option<u64>> = items
            .iter()
            .map(|item| self.size_of(key, item, range.clone()))
            .collect();
        if items.is_empty() {
            self.wrong_type(key, node, "a list of at least one number");
            return None;
        }
        each.into_iter().collect()
    }

    /// A number of any size, such as operations per element.
    pub(super) fn number_or(
        &self,
        key: &'static str,
        default: f64,
        range: RangeInclusive<f64>,
    ) -> Option<f64> {
        let Some(node) = self.node(key) else {
            return Some(default);
        };
        let (reader, _) = self.reader();
        let found = number(reader, self.label(key), node, self.env, range);
        self.bad.set(self.bad.get() || found.is_none());
        found
    }

    /// `true` or `false`.
    pub(super) fn flag(&self, key: &'static str, default: bool) -> Option<bool> {
        let Some(node) = self.node(key) else {
            return Some(default);
        };
        if let Value::Boolean(value) = node.value {
            return Some(value);
        }
        self.wrong_type(key, node, "true or false");
        None
    }

    /// One of a closed set of words; `default` where absent.
    pub(super) fn word<T: Copy>(
        &self,
        key: &'static str,
        words: &[(&str, T)],
        default: T,
    ) -> Option<T> {
        let Some(node) = self.node(key) else {
            return Some(default);
        };
        let found = self.reader().0.choice_of(self.label(key), node, words);
        self.bad.set(self.bad.get() || found.is_none());
        found
    }

    /// A text; `None` where it is absent or wrong.
    pub(super) fn text(&self, key: &'static str) -> Option<&'a str> {
        let node = self.node(key)?;
        let text = node.as_text();
        if text.is_none() {
            self.wrong_type(key, node, "a text in quotes");
        }
        text
    }

    /// Whether an argument is this word.
    pub(super) fn is_word(&self, key: &'static str, word: &str) -> bool {
        self.node(key).and_then(Node::as_text) == Some(word)
    }

    /// An axis of a tensor of `rank` axes; negative ones count from the end.
    pub(super) fn axis(&self, key: &'static str, rank: usize, default: i64) -> Option<usize> {
        let range = -(rank as f64)..=(rank as f64 - 1.0);
        let at = self.number_or(key, default as f64, range.clone())?;
        if at.fract() != 0.0 || !range.contains(&at) {
            let message = format!("axis {at} of a tensor of {rank} axes");
            self.refuse(key, Code::OutOfRange, message);
            return None;
        }
        let at = at as i64;
        usize::try_from(if at < 0 { at + rank as i64 } else { at }).ok()
    }

    /// Whether everything that was read is right; reports keys that nobody asked for.
    pub(super) fn finish(self) -> Option<()> {
        if let Some(table) = self.table {
            table.finish();
        }
        (!self.bad.get()).then_some(())
    }
}

/// A whole number: written out, the name of a dimension, or an expression.
pub(super) fn size(
    reader: &Reader,
    key: &str,
    node: &Node,
    env: &Environment,
    range: RangeInclusive<u64>,
) -> Option<u64> {
    let value = number(
        reader,
        key,
        node,
        env,
        *range.start() as f64..=*range.end() as f64,
    )?;
    if value.fract() != 0.0 {
        let path = reader.path_of(key);
        let message = format!("`{path} = {}` is {value}, not a whole number", node.show());
        reader.push(node.problem(Code::OutOfRange, message));
        return None;
    }
    Some(value as u64)
}

/// A number: written out, the name of a dimension, or an expression.
pub(super) fn number(
    reader: &Reader,
    key: &str,
    node: &Node,
    env: &Environment,
    range: RangeInclusive<f64>,
) -> Option<f64> {
    let Some(name) = node.as_text().filter(|t| is_identifier(t)) else {
        return reader.number_of(key, node, range);
    };
    let path = reader.path_of(key);
    let Some(value) = env.get(name) else {
        // As an expression it is reported, unless its own definition already was.
        let expression = Node {
            value: Value::Text(Text::new(format!("= {name}"))),
            ..node.clone()
        };
        reader.evaluate(key, &expression);
        return None;
    };
    if !range.contains(&value.value) {
        let (low, high) = (range.start(), range.end());
        let message = format!(
            "`{path} = {name}` is {}, and must lie within {low} and {high}",
            value.value
        );
        reader.push(node.problem(Code::OutOfRange, message));
        return None;
    }
    Some(value.value)
}

/// Whether a text can be a name in an expression.
pub(super) fn is_identifier(text: &str) -> bool {
    let mut letters = text.chars();
    letters.next().is_some_and(|c| c.is_ascii_alphabetic())
        && letters.all(|c| c.is_ascii_alphanumeric() || c == '_')
}
