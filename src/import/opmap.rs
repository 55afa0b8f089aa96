//! The table `[ops."domain::Op"]` of a workload TOML: how operators of a graph that are not known are read.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::diag::{Code, Problem, Problems, Source, Span, did_you_mean};
use crate::expr::Expr;

use super::onnx::{Like, Mapped, Mapping};

/// Keys of one operator.
const KEYS: [&str; 6] = ["like", "heads", "kv_heads", "macs", "vector_ops", "out"];

/// Heads of an attention.
const MAX_HEADS: u64 = 1 << 20;

/// Reads the table; what is wrong is added to `problems`.
pub fn read(source: &Source, ops: &Spanned<DeValue<'_>>, problems: &mut Problems) -> Mapping {
    let mut mapping = Mapping::default();
    let Some(table) = ops.get_ref().as_table() else {
        let text = "`ops` must hold a table for each operator";
        problems.push(
            Problem::new(Code::WrongType, text)
                .at(source, &ops.span())
                .help("[ops.\"acme::FusedAttn\"]  like = \"attention\""),
        );
        return mapping;
    };
    for (name, value) in table {
        let name: &str = name.get_ref();
        let mut reader = Reader {
            source,
            name,
            problems,
        };
        if let Some(mapped) = reader.operator(value) {
            mapping.0.insert(name.to_owned(), mapped);
        }
    }
    mapping
}

struct Reader<'a> {
    source: &'a Source,
    name: &'a str,
    problems: &'a mut Problems,
}

impl Reader<'_> {
    fn wrong(&mut self, span: &Span, text: String) {
        let problem = Problem::new(Code::WrongType, text).at(self.source, span);
        self.problems.push(problem);
    }

    fn path(&self, key: &str) -> String {
        format!("ops.\"{}\".{key}", self.name)
    }

    fn operator(&mut self, value: &Spanned<DeValue<'_>>) -> Option<Mapped> {
        let span = value.span();
        let Some(table) = value.get_ref().as_table() else {
            self.wrong(&span, format!("`ops.\"{}\"` must be a table", self.name));
            return None;
        };
        self.keys(table);
        let mapped = Mapped {
            like: table.get("like").and_then(|v| self.like(v)),
            heads: table.get("heads").and_then(|v| self.count(v, "heads")),
            kv_heads: table
                .get("kv_heads")
                .and_then(|v| self.count(v, "kv_heads")),
            macs: table.get("macs").and_then(|v| self.formula(v, "macs")),
            vector_ops: table
                .get("vector_ops")
                .and_then(|v| self.formula(v, "vector_ops")),
            out: table.get("out").map(|v| self.shapes(v)).unwrap_or_default(),
        };
        self.agree(table, &span);
        Some(mapped)
    }

    fn keys(&mut self, table: &DeTable<'_>) {
        for key in table.keys() {
            let found: &str = key.get_ref();
            if KEYS.contains(&found) {
                continue;
            }
            let text = format!("unknown key `{}`", self.path(found));
            let problem = Problem::new(Code::UnknownKey, text).at(self.source, &key.span());
            self.problems.push(match did_you_mean(found, KEYS) {
                Some(label) => problem.label(label),
                None => problem.help(format!("keys here: {}", KEYS.join(", "))),
            });
        }
    }

    /// A kind, or formulas, but something.
    fn agree(&mut self, table: &DeTable<'_>, span: &Span) {
        let has = |key: &str| table.get(key).is_some();
        if !["like", "macs", "vector_ops", "out"].into_iter().any(has) {
            let text = format!(
                "`ops.\"{}\"` does not say what the operator does",
                self.name
            );
            let help =
                "give like = \"attention\", or formulas such as macs = \"in0.0 * in0.1 * in1.1\"";
            let problem = Problem::new(Code::MissingKey, text).at(self.source, span);
            self.problems.push(problem.help(help));
        }
        if has("like") && (has("macs") || has("vector_ops")) {
            let text = format!(
                "`ops.\"{}\"` has both `like` and formulas of work",
                self.name
            );
            let problem = Problem::new(Code::Disagreement, text).at(self.source, span);
            self.problems.push(problem.help("keep one"));
        }
    }

    fn like(&mut self, value: &Spanned<DeValue<'_>>) -> Option<Like> {
        let found = value.get_ref().as_str();
        let kind = Like::ALL.iter().find(|(name, _)| Some(*name) == found);
        if kind.is_none() {
            let names: Vec<&str> = Like::ALL.iter().map(|(name, _)| *name).collect();
            let text = format!("`{}` is not a kind that is known", self.path("like"));
            let problem = Problem::new(Code::OutOfRange, text)
                .at(self.source, &value.span())
                .help(format!("one of: {}", names.join(", ")));
            self.problems.push(problem);
        }
        kind.map(|(_, kind)| *kind)
    }

    fn count(&mut self, value: &Spanned<DeValue<'_>>, key: &str) -> Option<u64> {
        let n = match value.get_ref() {
            DeValue::Integer(n) => u64::from_str_radix(n.as_str(), n.radix()).ok(),
            _ => None,
        };
        let n = n.filter(|n| (1..=MAX_HEADS).contains(n));
        if n.is_none() {
            let text = format!(
                "`{}` must be a number from 1 to {MAX_HEADS}",
                self.path(key)
            );
            self.wrong(&value.span(), text);
        }
        n
    }

    /// A formula; the point of `in0.1` becomes a part of the name.
    fn formula(&mut self, value: &Spanned<DeValue<'_>>, key: &str) -> Option<Expr> {
        let text = match value.get_ref() {
            DeValue::String(text) => points_to_names(text),
            DeValue::Integer(n) => n.as_str().to_owned(),
            _ => {
                let text = format!(
                    "`{}` must be a formula, such as \"in0.0 * 64\"",
                    self.path(key)
                );
                self.wrong(&value.span(), text);
                return None;
            }
        };
        match Expr::parse(&text) {
            Ok(expr) => Some(expr),
            Err(error) => {
                let text = format!("`{}`: {}", self.path(key), error.message);
                let problem = Problem::new(error.code, text).at(self.source, &value.span());
                self.problems.push(problem);
                None
            }
        }
    }

    /// One list of sizes, or one for each output.
    fn shapes(&mut self, value: &Spanned<DeValue<'_>>) -> Vec<Vec<Expr>> {
        let Some(list) = value.get_ref().as_array() else {
            let text = format!("`{}` must be a list of sizes", self.path("out"));
            self.wrong(&value.span(), text);
            return Vec::new();
        };
        let is_nested = list.iter().any(|v| v.get_ref().as_array().is_some());
        if !is_nested {
            return vec![list.iter().filter_map(|v| self.formula(v, "out")).collect()];
        }
        let mut all = Vec::new();
        for one in list {
            match one.get_ref().as_array() {
                Some(sizes) => {
                    all.push(
                        sizes
                            .iter()
                            .filter_map(|v| self.formula(v, "out"))
                            .collect(),
                    );
                }
                None => {
                    let text = format!("`{}` mixes sizes and lists of sizes", self.path("out"));
                    self.wrong(&one.span(), text);
                }
            }
        }
        all
    }
}

/// `in0.1` to `in0_1`.
fn points_to_names(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("in") {
        let starts_name = !rest[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let (head, tail) = rest.split_at(at + 2);
        out.push_str(head);
        let n = tail.bytes().take_while(u8::is_ascii_digit).count();
        let is_place = starts_name && n > 0 && tail[n..].starts_with('.');
        out.push_str(&tail[..n]);
        rest = &tail[n..];
        if is_place {
            out.push('_');
            rest = &rest[1..];
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> (Mapping, String) {
        let source = Source::new("model.toml", text);
        let table = DeTable::parse(text).expect("is TOML");
        let mut problems = Problems::new();
        let ops = table.get_ref().get("ops").expect("has operators");
        let mapping = read(&source, ops, &mut problems);
        (mapping, problems.to_string())
    }

    #[test]
    fn kinds_and_formulas_are_read() {
        let text = "[ops.\"acme::A\"]\nlike = 'attention'\nheads = 8\n\
                    [ops.\"acme::B\"]\nmacs = 'in0.0 * in10.2'\nout = ['in0.0', 4]\n";
        let (mapping, problems) = parse(text);
        assert_eq!(problems, "");
        let a = &mapping.0["acme::A"];
        assert_eq!((a.like, a.heads), (Some(Like::Attention), Some(8)));
        assert_eq!(mapping.0["acme::B"].out[0].len(), 2);
        assert_eq!(
            points_to_names("min0.5 + in0.1*in12.3"),
            "min0.5 + in0_1*in12_3"
        );
    }

    #[test]
    fn slips_are_named() {
        let (_, problems) = parse("[ops.\"acme::A\"]\nlik = 'attention'\n");
        assert!(problems.contains("did you mean `like`?"), "{problems}");
        let (_, problems) = parse("[ops.\"acme::A\"]\nlike = 'magic'\n");
        assert!(problems.contains("one of: attention, matmul"), "{problems}");
        let (_, problems) = parse("[ops.\"acme::A\"]\nheads = 0\nmacs = '2 *'\n");
        assert!(
            problems.contains("E0108") && problems.contains("macs"),
            "{problems}"
        );
    }
}
