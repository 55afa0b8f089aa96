//! One tree over another: what `extends` means.

use super::{Node, Table, Value};

impl Table {
    /// Lays another table over this one.
    ///
    /// Tables merge by key. Lists of tables that all carry a `name` merge by it, new ones are added. A
    /// scalar over a table with the key `value` replaces that value, so that a knob keeps its range.
    /// Everything else is replaced.
    pub fn merge(&mut self, over: Self) {
        for entry in over.entries {
            match self.get_mut(&entry.key) {
                Some(node) => node.merge(entry.node),
                None => self.entries.push(entry),
            }
        }
    }
}

impl Node {
    fn merge(&mut self, over: Self) {
        match (&mut self.value, over.value) {
            (Value::Table(base), Value::Table(table)) => base.merge(table),
            (Value::List(base), Value::List(items)) if are_named(base) && are_named(&items) => {
                for item in items {
                    let same = base.iter_mut().find(|b| name_of(b) == name_of(&item));
                    match same {
                        Some(node) => node.merge(item),
                        None => base.push(item),
                    }
                }
            }
            (
                Value::Table(base),
                value @ (Value::Text(_) | Value::Integer(_) | Value::Float(_) | Value::Boolean(_)),
            ) if base.get("value").is_some() => {
                if let Some(node) = base.get_mut("value") {
                    *node = Self {
                        value,
                        source: over.source,
                        span: over.span,
                    };
                }
            }
            (_, value) => {
                *self = Self {
                    value,
                    source: over.source,
                    span: over.span,
                };
            }
        }
    }
}

fn are_named(items: &[Node]) -> bool {
    !items.is_empty() && items.iter().all(|item| name_of(item).is_some())
}

fn name_of(node: &Node) -> Option<&str> {
    node.as_table()?.get("name")?.as_text()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::Source;

    fn tree(text: &str) -> Table {
        Table::parse(&Source::new("t.toml", text)).expect("parses")
    }

    #[test]
    fn named_tables_merge_and_lists_are_replaced() {
        let mut base = tree(
            "[params]\nglb = { value = 1, max = 9 }\n\
             [[memory]]\nname = 'a'\nholds = ['lhs', 'rhs']\nbanks = 1\n[[memory]]\nname = 'b'\n",
        );
        base.merge(tree(
            "[params]\nglb = 4\n[[memory]]\nname = 'a'\nholds = ['acc']\n[[memory]]\nname = 'c'\n",
        ));
        let knob = base.get("params").and_then(Node::as_table).expect("table");
        let knob = knob.get("glb").and_then(Node::as_table).expect("table");
        assert_eq!(knob.get("value").expect("kept").show(), "4");
        assert_eq!(knob.get("max").expect("kept").show(), "9");
        let memories = base.get("memory").and_then(Node::as_list).expect("list");
        let names: Vec<_> = memories.iter().filter_map(name_of).collect();
        assert_eq!(names, ["a", "b", "c"]);
        let first = memories[0].as_table().expect("table");
        assert_eq!(first.get("banks").expect("kept").show(), "1");
        let holds = first.get("holds").and_then(Node::as_list).expect("list");
        assert_eq!(holds.len(), 1);
    }
}
