//! TOML text to tree.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Node, Table, Text, Value};
use crate::diag::{Code, Problem, Problems, Source};

/// Texts longer than this are no description of a chip, a workload or a sweep.
const MAX_TEXT: usize = 2 << 20;

impl Table {
    /// Reads a TOML text; entries keep the order of the file.
    ///
    /// # Errors
    /// Every syntax error of the text (E0109), and numbers that do not fit into 64 bits (E0105).
    pub fn parse(source: &Source) -> Result<Self, Problems> {
        let mut problems = Problems::new();
        if source.text.len() > MAX_TEXT {
            let message = format!("`{}` is larger than 2 MiB", source.name);
            return Err(Problem::new(Code::Syntax, message).into());
        }
        let (tree, errors) = DeTable::parse_recoverable(&source.text);
        let mut errors = errors;
        errors.sort_by_key(|error| error.span().map_or(0, |span| span.start));
        for error in errors {
            let span = error.span().unwrap_or(0..0);
            problems.push(Problem::new(Code::Syntax, error.message()).at(source, &span));
        }
        let table = convert_table(tree.get_ref(), source, &mut problems);
        problems.or(table).map(|(table, _)| table)
    }
}

fn convert_table(table: &DeTable, source: &Source, problems: &mut Problems) -> Table {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    let mut converted = Table::default();
    for (key, value) in entries {
        let node = convert(value, source, problems);
        converted.entries.push(super::Entry {
            key: key.get_ref().as_ref().into(),
            key_span: key.span(),
            node,
        });
    }
    converted
}

fn convert(value: &Spanned<DeValue>, source: &Source, problems: &mut Problems) -> Node {
    let span = value.span();
    let converted = match value.get_ref() {
        DeValue::String(text) => Value::Text(Text::new(text.as_ref())),
        DeValue::Integer(integer) => {
            let parsed = i64::from_str_radix(integer.as_str(), integer.radix());
            Value::Integer(parsed.unwrap_or_else(|_| {
                let message = format!("`{}` does not fit into 64 bits", integer.as_str());
                problems.push(Problem::new(Code::OutOfRange, message).at(source, &span));
                0
            }))
        }
        DeValue::Float(float) => Value::Float(float.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(value) => Value::Boolean(*value),
        DeValue::Datetime(date) => Value::Text(Text::new(date.to_string())),
        DeValue::Array(items) => {
            let items = items.iter().map(|item| convert(item, source, problems));
            Value::List(items.collect())
        }
        DeValue::Table(table) => Value::Table(convert_table(table, source, problems)),
    };
    Node {
        value: converted,
        source: source.clone(),
        span,
    }
}
