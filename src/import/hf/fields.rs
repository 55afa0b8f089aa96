//! Reading fields of a configuration: synonyms, types, ranges, and a message for each that is wrong.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::diag::{Code, Problem, Problems, Source, Span};

/// Largest width, number of heads, vocabulary or window accepted: products of three stay below 2^64.
pub(super) const SIZE_LIMIT: u64 = 1 << 24;

/// Most layers accepted.
pub(super) const LAYER_LIMIT: u64 = 10_000;

/// Longest context accepted, in tokens.
pub(super) const CONTEXT_LIMIT: u64 = 1 << 32;

/// An object of a configuration. Names of a field are synonyms, tried in order; `null` is absent.
pub(super) struct Fields<'a> {
    source: &'a Source,
    object: &'a Map<String, Value>,
    inside: Option<&'static str>,
    problems: &'a RefCell<Problems>,
    reading: &'a Reading,
}

/// What was read so far.
#[derive(Default)]
pub(super) struct Reading {
    /// Sizes that were looked for, and are there.
    read: RefCell<BTreeSet<String>>,
    /// Objects that were opened, with the sizes in them.
    sizes: RefCell<BTreeMap<String, u64>>,
    /// Whether the family is taken from the fields alone.
    guessed: Cell<bool>,
}

impl<'a> Fields<'a> {
    /// The outermost object.
    pub(super) fn new(
        source: &'a Source,
        object: &'a Map<String, Value>,
        problems: &'a RefCell<Problems>,
        reading: &'a Reading,
    ) -> Self {
        let fields = Self {
            source,
            object,
            inside: None,
            problems,
            reading,
        };
        fields.note_sizes();
        fields
    }

    /// Remembers the sizes of this object.
    fn note_sizes(&self) {
        let numbers = self.object.iter().filter(|(name, _)| is_size(name));
        let numbers = numbers.filter_map(|(name, value)| Some((name, value.as_u64()?)));
        let mut sizes = self.reading.sizes.borrow_mut();
        sizes.extend(
            numbers
                .filter(|(_, n)| *n > 1)
                .map(|(name, n)| (self.path(name), n)),
        );
    }

    /// Sizes of the objects opened that nothing looked for.
    pub(super) fn unread_sizes(&self) -> Vec<(String, u64)> {
        let (sizes, read) = (self.reading.sizes.borrow(), self.reading.read.borrow());
        let unread = sizes.iter().filter(|(name, _)| !read.contains(*name));
        unread.map(|(name, n)| (name.clone(), *n)).collect()
    }

    /// Remembers that the family is taken from the fields alone.
    pub(super) fn guess(&self) {
        self.reading.guessed.set(true);
    }

    /// Whether the family is taken from the fields alone.
    pub(super) fn is_guessed(&self) -> bool {
        self.reading.guessed.get()
    }

    /// A nested object.
    pub(super) fn object(&self, name: &'static str) -> Option<Fields<'a>> {
        match self.find(&[name])?.1 {
            Value::Object(object) => {
                let inner = Fields {
                    object,
                    inside: Some(name),
                    ..*self
                };
                inner.note_sizes();
                Some(inner)
            }
            other => self.wrong_type(name, "an object", other),
        }
    }

    /// Whether a field is there at all.
    pub(super) fn has(&self, name: &'static str) -> bool {
        self.find(&[name]).is_some()
    }

    /// A whole number from 1 to `limit`.
    pub(super) fn count(&self, names: &[&'static str], limit: u64) -> Option<u64> {
        self.whole(names, 1, limit)
    }

    /// A whole number from `least` to `limit`.
    pub(super) fn whole(&self, names: &[&'static str], least: u64, limit: u64) -> Option<u64> {
        let (name, value) = self.find(names)?;
        let Value::Number(number) = value else {
            return self.wrong_type(name, "a whole number", value);
        };
        let Some(x) = number.as_f64().filter(|x| x.fract() == 0.0) else {
            return self.wrong_type(name, "a whole number", value);
        };
        // Compared as a float first, so that a huge or negative one cannot wrap.
        if x < least as f64 || x > limit as f64 {
            let allowed = format!("allowed is {least} to {limit}");
            return self.out_of_range(name, &number.to_string(), &allowed);
        }
        Some(number.as_u64().unwrap_or(x as u64))
    }

    /// A whole number that may be negative.
    pub(super) fn signed(&self, name: &'static str) -> Option<i64> {
        let value = self.find(&[name])?.1;
        value
            .as_i64()
            .or_else(|| self.wrong_type(name, "a whole number", value))
    }

    /// A required whole number from 1 to `limit`; 1 where it is wrong, which is reported.
    pub(super) fn need(&self, names: &[&'static str], limit: u64) -> u64 {
        if self.find(names).is_none() {
            self.missing(names);
        }
        self.count(names, limit).unwrap_or(1)
    }

    /// A truth value.
    pub(super) fn flag(&self, name: &'static str) -> Option<bool> {
        match self.find(&[name])?.1 {
            Value::Bool(flag) => Some(*flag),
            other => self.wrong_type(name, "true or false", other),
        }
    }

    /// A text.
    pub(super) fn text(&self, names: &[&'static str]) -> Option<&'a str> {
        match self.find(names)? {
            (_, Value::String(text)) => Some(text),
            (name, other) => self.wrong_type(name, "a text", other),
        }
    }

    /// A list of whole numbers from `least` to `limit`.
    pub(super) fn wholes(&self, name: &'static str, least: u64, limit: u64) -> Option<Vec<u64>> {
        let value = self.find(&[name])?.1;
        let wanted = "a list of whole numbers";
        let list = value.as_array().and_then(|list| {
            let numbers = list.iter().map(Value::as_u64);
            numbers.collect::<Option<Vec<u64>>>()
        });
        let list = list.or_else(|| self.wrong_type(name, wanted, value))?;
        match list.iter().find(|n| !(least..=limit).contains(*n)) {
            Some(n) => {
                let allowed = format!("allowed is {least} to {limit}");
                self.out_of_range(name, &n.to_string(), &allowed)
            }
            None => Some(list),
        }
    }

    /// Whether a field is a list.
    pub(super) fn is_list(&self, name: &'static str) -> bool {
        self.find(&[name])
            .is_some_and(|(_, value)| value.is_array())
    }

    /// Whether a field is a text.
    pub(super) fn is_text(&self, name: &'static str) -> bool {
        self.find(&[name])
            .is_some_and(|(_, value)| value.is_string())
    }

    /// Whether a field is an object.
    pub(super) fn is_object(&self, name: &'static str) -> bool {
        self.find(&[name])
            .is_some_and(|(_, value)| value.is_object())
    }

    /// A side from 1 to `limit`: a number, or a list whose first one counts if all are equal.
    pub(super) fn side(&self, names: &[&'static str], limit: u64) -> Option<u64> {
        let (name, value) = self.find(names)?;
        if !value.is_array() {
            return self.count(names, limit);
        }
        let sides = self.wholes(name, 1, limit)?;
        match sides.as_slice() {
            [first, rest @ ..] if rest.iter().all(|n| n == first) => Some(*first),
            _ => {
                let message = format!("`{}` must have equal sides", self.path(name));
                self.report(name, Problem::new(Code::OutOfRange, message));
                None
            }
        }
    }

    /// A required side; 1 where it is wrong, which is reported.
    pub(super) fn need_side(&self, names: &[&'static str], limit: u64) -> u64 {
        if self.find(names).is_none() {
            self.missing(names);
        }
        self.side(names, limit).unwrap_or(1)
    }

    /// The first of these names that is there.
    pub(super) fn name_of(&self, names: &[&'static str]) -> Option<&'static str> {
        self.find(names).map(|(name, _)| name)
    }

    /// A list of texts.
    pub(super) fn texts(&self, name: &'static str) -> Option<Vec<&'a str>> {
        let value = self.find(&[name])?.1;
        let list = value.as_array().and_then(|list| {
            let texts = list.iter().map(Value::as_str);
            texts.collect::<Option<Vec<&str>>>()
        });
        list.or_else(|| self.wrong_type(name, "a list of texts", value))
    }

    /// A number from 0 to 1.
    pub(super) fn share(&self, name: &'static str) -> Option<f64> {
        let value = self.find(&[name])?.1;
        match value.as_f64() {
            Some(x) if (0.0..=1.0).contains(&x) => Some(x),
            Some(_) => self.out_of_range(name, &value.to_string(), "allowed is 0 to 1"),
            None => self.wrong_type(name, "a number", value),
        }
    }

    /// A number from `least` to `most`.
    pub(super) fn number(&self, name: &'static str, least: f64, most: f64) -> Option<f64> {
        let value = self.find(&[name])?.1;
        match value.as_f64() {
            Some(x) if (least..=most).contains(&x) => Some(x),
            Some(_) => {
                let allowed = format!("allowed is {least} to {most}");
                self.out_of_range(name, &value.to_string(), &allowed)
            }
            None => self.wrong_type(name, "a number", value),
        }
    }

    /// How many members an object has.
    pub(super) fn members(&self, name: &'static str) -> Option<u64> {
        match self.find(&[name])?.1 {
            Value::Object(object) => Some(object.len() as u64),
            other => self.wrong_type(name, "an object", other),
        }
    }

    /// True while nothing is wrong: only then do relations between fields mean anything.
    pub(super) fn are_right(&self) -> bool {
        !self.problems.borrow().has_errors()
    }

    /// Reports a field whose value cannot be.
    pub(super) fn out_of_range<T>(&self, name: &str, found: &str, allowed: &str) -> Option<T> {
        let message = format!("`{}` = {found} is out of range", self.path(name));
        self.report(name, Problem::new(Code::OutOfRange, message).note(allowed));
        None
    }

    /// Reports a problem at a field.
    pub(super) fn report(&self, name: &str, problem: Problem) {
        let placed = match self.locate(name) {
            Some(span) => problem.at(self.source, &span),
            None => problem,
        };
        self.problems.borrow_mut().push(placed);
    }

    pub(super) fn missing(&self, names: &[&'static str]) {
        let name = self.path(names[0]);
        let message = format!("required key `{name}` is missing in {}", self.source.name);
        let problem = Problem::new(Code::MissingKey, message);
        let problem = match &names[1..] {
            [] => problem,
            others => problem.help(format!("also known as `{}`", others.join("`, `"))),
        };
        self.problems.borrow_mut().push(problem);
    }

    fn wrong_type<T>(&self, name: &str, wanted: &str, found: &Value) -> Option<T> {
        let found = match found {
            Value::Null => "null".to_owned(),
            Value::Bool(flag) => flag.to_string(),
            Value::Number(number) => number.to_string(),
            Value::String(_) => "a text".to_owned(),
            Value::Array(_) => "a list".to_owned(),
            Value::Object(_) => "an object".to_owned(),
        };
        let message = format!("`{}` must be {wanted}, found {found}", self.path(name));
        self.report(name, Problem::new(Code::WrongType, message));
        None
    }

    fn find(&self, names: &[&'static str]) -> Option<(&'static str, &'a Value)> {
        let there = names.iter().filter(|name| self.object.contains_key(**name));
        let mut read = self.reading.read.borrow_mut();
        read.extend(there.map(|name| self.path(name)));
        names.iter().find_map(|name| {
            let value = self.object.get(*name)?;
            (!value.is_null()).then_some((*name, value))
        })
    }

    fn path(&self, name: &str) -> String {
        match self.inside {
            Some(outer) => format!("{outer}.{name}"),
            None => name.to_owned(),
        }
    }

    /// Where a key stands, in JSON or TOML; the first in its object's text.
    fn locate(&self, name: &str) -> Option<Span> {
        let from = match self.inside {
            Some(outer) => key_span(&self.source.text, outer, 0)?.end,
            None => 0,
        };
        key_span(&self.source.text, name, from)
    }
}

/// Whether a field's name is that of a size that shapes a model.
fn is_size(name: &str) -> bool {
    const PARTS: [&str; 8] = [
        "size", "dim", "rank", "width", "num_", "heads", "n_", "layers",
    ];
    const OTHERS: [&str; 14] = [
        "token",
        "max_",
        "chunk_size_feed_forward",
        "n_group",
        "num_return",
        "beam",
        "num_labels",
        "pretraining",
        "num_nextn",
        "initializer",
        "no_repeat",
        "batch",
        "num_logits",
        "query_pre",
    ];
    let has = |list: &[&str]| list.iter().any(|part| name.contains(part));
    has(&PARTS) && !has(&OTHERS)
}

fn key_span(text: &str, name: &str, from: usize) -> Option<Span> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let found = text[from..].match_indices(name).map(|(i, _)| from + i);
    for start in found {
        let end = start + name.len();
        let before = text[..start].chars().next_back();
        let after = text[end..].trim_start_matches('"').trim_start();
        let whole = !before.is_some_and(is_word) && after.starts_with([':', '=', ']']);
        if whole {
            return Some(start..end);
        }
    }
    None
}
