//! Which reader a file needs, and the workload TOML that names a graph or carries a configuration.

use ::toml::de::{DeTable, DeValue};
use serde_json::{Map, Value};

use crate::catalog::{self, Content, Entry, Kind};
use crate::diag::{Code, Problem, Problems, Source, Span, did_you_mean};
use crate::workload::Workload;

use super::onnx::Mapping;
use super::{hf, onnx, opmap, toml};

/// Keys of a workload TOML that names a model or carries a configuration.
const KEYS: [&str; 11] = [
    "schema", "name", "source", "doc", "onnx", "ops", "config", "model", "request", "deadline",
    "rate",
];

/// Keys that only a graph of operators has.
const GRAPH_KEYS: [&str; 4] = ["op", "block", "inputs", "dims"];

/// Keys that say how a model is used, whatever it is.
const USE_KEYS: [&str; 3] = ["request", "deadline", "rate"];

/// Models that name each other.
const MAX_DEPTH: usize = 4;

/// Keys a workload TOML must have, whichever form it takes.
const REQUIRED: [&str; 2] = ["schema", "source"];

/// The schema this version reads.
const SCHEMA: &str = "1";

/// The model of an entry, whatever its kind.
///
/// # Errors
/// [`Problems`] of the file: E0109 if it is damaged, E0204 if it is no model, E0205 if its family is not
/// supported, E0101 to E0108 for wrong keys and values.
pub fn model(entry: &Entry) -> Result<Workload, Problems> {
    model_within(entry, 0)
}

/// As [`model`], of an entry that stands `depth` levels within other models.
pub(super) fn model_within(entry: &Entry, depth: usize) -> Result<Workload, Problems> {
    match (entry.kind, &entry.content) {
        (Kind::Onnx, Content::Bytes(bytes)) => {
            onnx::read(&entry.name, &entry.origin, bytes, Mapping::default())
        }
        (Kind::Json, Content::Text(text)) => hf::read(&entry.name, &entry.origin, text),
        (Kind::Toml, _) => from_toml(entry, depth),
        (Kind::Csv, _) | (Kind::Onnx, Content::Text(_)) | (Kind::Json, Content::Bytes(_)) => {
            let message = format!("`{}` is not a model file", entry.origin);
            Err(Problem::new(Code::NotAModel, message).into())
        }
    }
}

/// The model of a workload TOML: `schema`, `source`, and either operators, or `onnx`, `[config]` or `model`.
///
/// # Errors
/// As [`model`].
pub fn workload_toml(entry: &Entry) -> Result<Workload, Problems> {
    from_toml(entry, 0)
}

fn from_toml(entry: &Entry, depth: usize) -> Result<Workload, Problems> {
    let source = entry.source()?;
    let table = parse(&source)?;
    if GRAPH_KEYS.iter().any(|key| table.contains_key(*key)) {
        return toml::read(entry, &source, depth);
    }
    let extras = match USE_KEYS.iter().any(|key| table.contains_key(*key)) {
        true => Some(toml::extras(&source)),
        false => None,
    };
    match (base(entry, &source, &table, depth), extras) {
        (found, None) => found,
        (Ok(workload), Some(Ok(extras))) => extras.attach(workload),
        (Err(mut problems), Some(extras)) => {
            problems.extend(extras.err().unwrap_or_default());
            Err(problems)
        }
        (Ok(_), Some(Err(problems))) => Err(problems),
    }
}

/// The model itself, without what the file says of its use.
fn base(
    entry: &Entry,
    source: &Source,
    table: &DeTable<'_>,
    depth: usize,
) -> Result<Workload, Problems> {
    let mut problems = check_keys(source, table);
    let name = text(source, table, "name", &mut problems).unwrap_or(&entry.name);
    let onnx = text(source, table, "onnx", &mut problems);
    let other = text(source, table, "model", &mut problems);
    let config = table.get("config").map(::toml::Spanned::get_ref);
    let origin = entry.origin.as_str();
    let ops = table.get("ops");
    if let (Some(ops), None) = (ops, onnx) {
        let message = "`ops` describes operators of a graph, but no graph is named";
        let problem = Problem::new(Code::Disagreement, message).at(source, &ops.span());
        problems.push(problem.help("name it, `onnx = \"model.onnx\"`"));
    }
    let mapping = ops.map(|ops| opmap::read(source, ops, &mut problems));
    let mapping = mapping.unwrap_or_default();
    if problems.has_errors() {
        return Err(problems);
    }
    let n_given = [onnx.is_some(), config.is_some(), other.is_some()];
    match (onnx, config, other) {
        (Some(path), None, None) => {
            let file = catalog::beside(entry, path)?;
            match &file.content {
                Content::Bytes(bytes) => onnx::read(name, &file.origin, bytes, mapping),
                Content::Text(_) => {
                    let message = format!("`{path}` is not an ONNX graph");
                    Err(Problem::new(Code::NotAModel, message).into())
                }
            }
        }
        (None, Some(DeValue::Table(config)), None) => {
            hf::configuration(name, origin, source, &object(config))
        }
        (None, Some(_), None) => {
            let message = "`config` must be a table of the keys of a config.json";
            Err(Problem::new(Code::WrongType, message).into())
        }
        (None, None, Some(_)) if depth == MAX_DEPTH => {
            let message = format!("models name each other in a circle, or deeper than {MAX_DEPTH}");
            Err(Problem::new(Code::Cycle, message).into())
        }
        (None, None, Some(model)) => {
            let found = catalog::model(&toml::relative(entry, model))?;
            Ok(model_within(&found, depth + 1)?.named(name, origin))
        }
        (None, None, None) => {
            let message =
                format!("`{origin}` has no operators, no `onnx`, no `[config]` and no `model`");
            let help = "write operators, [[op]]; name a graph, `onnx = \"model.onnx\"`; put the keys of a config.json below \
                        [config]; or name a model, `model = \"llama-3.1-8b\"`";
            Err(Problem::new(Code::MissingKey, message).help(help).into())
        }
        _ => {
            let all = ["`onnx`", "`[config]`", "`model`"];
            let given = all.iter().zip(n_given).filter(|(_, is)| *is);
            let given: Vec<&str> = given.map(|(name, _)| *name).collect();
            let message = format!("`{origin}` has both {}", given.join(" and "));
            Err(Problem::new(Code::Disagreement, message)
                .help("keep one")
                .into())
        }
    }
}

fn parse(source: &Source) -> Result<DeTable<'_>, Problems> {
    let (table, errors) = DeTable::parse_recoverable(&source.text);
    let mut problems = Problems::new();
    for error in errors {
        let problem = Problem::new(Code::Syntax, "not valid TOML").label(error.message());
        problems.push(match error.span() {
            Some(span) => problem.at(source, &span),
            None => problem,
        });
    }
    problems.or(table.into_inner()).map(|(table, _)| table)
}

fn check_keys(source: &Source, table: &DeTable<'_>) -> Problems {
    let mut problems = Problems::new();
    for key in table.keys() {
        let found: &str = key.get_ref();
        if !KEYS.contains(&found) {
            let problem = Problem::new(Code::UnknownKey, format!("unknown key `{found}`"))
                .at(source, &key.span())
                .note("unknown keys are errors, so that a typing slip cannot change your results unnoticed");
            problems.push(match did_you_mean(found, KEYS) {
                Some(label) => problem.label(label),
                None => problem.help(format!("keys here: {}", KEYS.join(", "))),
            });
        }
    }
    for key in REQUIRED {
        if table.get(key).is_none() {
            let message = format!("required key `{key}` is missing in {}", source.name);
            problems.push(Problem::new(Code::MissingKey, message));
        }
    }
    if let Some(schema) = table.get("schema") {
        let known = matches!(schema.get_ref(), DeValue::Integer(n) if n.as_str() == SCHEMA);
        if !known {
            problems.push(
                Problem::new(
                    Code::OutOfRange,
                    "`schema` is not one that this version reads",
                )
                .at(source, &schema.span())
                .help(format!("schema = {SCHEMA}")),
            );
        }
    }
    text(source, table, "source", &mut problems);
    problems
}

fn text<'t>(
    source: &Source,
    table: &'t DeTable<'_>,
    key: &str,
    problems: &mut Problems,
) -> Option<&'t str> {
    let value = table.get(key)?;
    match value.get_ref() {
        DeValue::String(text) => Some(text),
        DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_)
        | DeValue::Array(_)
        | DeValue::Table(_) => {
            let span: Span = value.span();
            problems.push(
                Problem::new(Code::WrongType, format!("`{key}` must be a text")).at(source, &span),
            );
            None
        }
    }
}

/// A TOML table as the JSON object that it stands for.
fn object(table: &DeTable<'_>) -> Map<String, Value> {
    let pairs = table.iter();
    pairs
        .map(|(key, value)| (key.get_ref().to_string(), json(value.get_ref())))
        .collect()
}

fn json(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Integer(n) => i64::from_str_radix(n.as_str(), n.radix())
            .map_or_else(|_| Value::String(n.to_string()), Value::from),
        DeValue::Float(x) => x
            .as_str()
            .parse::<f64>()
            .map_or_else(|_| Value::String(x.to_string()), Value::from),
        DeValue::Boolean(b) => Value::Bool(*b),
        DeValue::Datetime(time) => Value::String(time.to_string()),
        DeValue::Array(list) => list.iter().map(|v| json(v.get_ref())).collect(),
        DeValue::Table(table) => Value::Object(object(table)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Base;
    use expect_test::{Expect, expect};

    #[track_caller]
    fn refused(text: &str, expected: &Expect) {
        let entry = Entry {
            name: "toy".to_owned(),
            origin: "toy.toml".to_owned(),
            kind: Kind::Toml,
            content: Content::Text(text.to_owned()),
            base: Base::Catalog,
        };
        let found = model(&entry).expect_err("must be refused");
        expected.assert_eq(&found.to_string());
    }

    #[test]
    fn a_wrong_workload_gets_every_problem_at_once() {
        refused(
            "schema = 2\nsourc = 'x'\nname = 3\n",
            &expect![[r#"
            E0101 unknown key `sourc`
             --> toy.toml:2:1
              |
            2 | sourc = 'x'
              | ^^^^^ did you mean `source`?
              = note: unknown keys are errors, so that a typing slip cannot change your results unnoticed

            E0103 required key `source` is missing in toy.toml

            E0105 `schema` is not one that this version reads
             --> toy.toml:1:10
              |
            1 | schema = 2
              |          ^
              = help: schema = 1

            E0108 `name` must be a text
             --> toy.toml:3:8
              |
            3 | name = 3
              |        ^"#]],
        );
        refused(
            "schema = 1\nsource = 'x'\n",
            &expect![[r#"
                E0103 `toy.toml` has no operators, no `onnx`, no `[config]` and no `model`
                  = help: write operators, [[op]]; name a graph, `onnx = "model.onnx"`; put the keys of a config.json below [config]; or name a model, `model = "llama-3.1-8b"`"#]],
        );
        refused(
            "schema = 1\nsource = 'x'\nonnx = 'a.onnx'\n[config]\n",
            &expect![[r#"
                E0104 `toy.toml` has both `onnx` and `[config]`
                  = help: keep one"#]],
        );
        refused(
            "schema = 1\nsource = 'x'\nconfig = 3\n",
            &expect!["E0108 `config` must be a table of the keys of a config.json"],
        );
        refused(
            "schema = 1\nsource = 'x'\nonnx = 'onnx/no.onnx'\n",
            &expect![
                "E0110 `toy.toml` names the graph `onnx/no.onnx`, which is not in the catalog"
            ],
        );
        refused(
            "schema = = 1\nsource = 'x\n",
            &expect![[r#"
            E0109 not valid TOML
             --> toy.toml:1:10
              |
            1 | schema = = 1
              |          ^ extra `=`, expected nothing

            E0109 not valid TOML
             --> toy.toml:1:12
              |
            1 | schema = = 1
              |            ^ unexpected key or value, expected newline, `#`

            E0109 not valid TOML
             --> toy.toml:2:12
              |
            2 | source = 'x
              |            ^ invalid literal string, expected `'`"#]],
        );
    }

    #[test]
    fn fields_of_a_config_are_found_in_the_toml() {
        let head = "schema = 1\nsource = 'x'\n[config]\nmodel_type = 'gpt2'\nn_embd = 'a'\n";
        let rest = "n_layer = 2\nn_head = 2\nn_positions = 8\nvocab_size = 0xffff_ffff_ffff\n";
        refused(
            &format!("{head}{rest}"),
            &expect![[r#"
            E0108 `n_embd` must be a whole number, found a text
             --> toy.toml:5:1
              |
            5 | n_embd = 'a'
              | ^^^^^^

            E0105 `vocab_size` = 281474976710655 is out of range
             --> toy.toml:9:1
              |
            9 | vocab_size = 0xffff_ffff_ffff
              | ^^^^^^^^^^
              = note: allowed is 1 to 16777216"#]],
        );
    }

    #[test]
    fn deep_nesting_is_an_error_and_not_a_crash() {
        let deep = format!("a = {}", "[".repeat(100_000));
        let source = Source::new("toy.toml", deep);
        assert!(parse(&source).is_err());
        let deep = "[".repeat(100_000);
        assert!(hf::read("toy", "config.json", &deep).is_err());
    }
}
