//! Values that are set from outside of a file.

use std::sync::Arc;

use super::{Meaning, Node, Table, Text, Value};
use crate::diag::{Source, Span};
use crate::units::Quantity;

/// The value of `key=value` as it would stand in a file; a word without quotes is a text.
///
/// Its origin is a source with the given name whose text is `key=value`.
pub fn parse_value(origin: &str, key: &str, value: &str) -> Node {
    let source = Source::new(origin, format!("{key}={value}"));
    let span = key.len() + 1..key.len() + 1 + value.len();
    let wrapped = Source::new(origin, format!("v={value}"));
    let parsed = Table::parse(&wrapped).ok();
    let node = parsed.and_then(|table| match table.entries.as_slice() {
        [entry] if &*entry.key == "v" => Some(entry.node.clone()),
        _ => None,
    });
    let mut node = node.unwrap_or_else(|| Node {
        value: Value::Text(Text::new(value.trim())),
        source: source.clone(),
        span: span.clone(),
    });
    node.place_at(&source, &span);
    node
}

/// A node for a quantity that was computed, such as a value on a sweep axis.
///
/// Its origin is a source with the given name whose text is `key=value`.
pub fn quantity_node(origin: &str, key: &str, quantity: Quantity) -> Node {
    let value = quantity.value;
    let text = if quantity.dimension.is_none() {
        value.to_string()
    } else {
        format!("{value} {}", quantity.dimension)
    };
    let source = Source::new(origin, format!("{key}={text}"));
    let value = if quantity.dimension.is_none() {
        Value::Float(value)
    } else {
        Value::Text(Text {
            text: text.into(),
            meaning: Arc::new(Meaning::Quantity(quantity)),
        })
    };
    Node {
        value,
        span: key.len() + 1..source.text.len(),
        source,
    }
}

impl Node {
    fn place_at(&mut self, source: &Source, span: &Span) {
        self.source = source.clone();
        self.span = span.clone();
        match &mut self.value {
            Value::List(items) => items.iter_mut().for_each(|i| i.place_at(source, span)),
            Value::Table(table) => {
                for entry in &mut table.entries {
                    entry.key_span = span.clone();
                    entry.node.place_at(source, span);
                }
            }
            Value::Text(_) | Value::Integer(_) | Value::Float(_) | Value::Boolean(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_numbers_and_lists_are_read() {
        let kind = |text: &str| parse_value("--set", "a.b", text).kind();
        assert_eq!(kind("512 KiB"), "a text");
        assert_eq!(kind("= 2 * x"), "a text");
        assert_eq!(kind("16"), "a number");
        assert_eq!(kind("[4, 4]"), "a list");
        assert_eq!(kind("true"), "true or false");
        assert_eq!(kind(""), "a text");
        assert_eq!(kind("1\nw=2"), "a text");
        let node = parse_value("--set", "a.b", "\"512 KiB\"");
        assert_eq!(node.as_text(), Some("512 KiB"));
        assert_eq!(&node.source.text[node.span], "\"512 KiB\"");
    }
}
