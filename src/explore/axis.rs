//! `[[axis]]` as read: settings that are linked, and a list or a range of values.

use crate::diag::{Code, Problem, did_you_mean};
use crate::document::{Node, Reader};
use crate::units::{Dimension, Quantity};
use crate::workload::{Precision, Software};

use super::space::{Axis, Choice, Setting, Value};

/// Most values of one axis.
const MAX_VALUES: usize = 10_000;

/// Largest count that a setting of the scenario takes.
const MAX_COUNT: f64 = 1e12;

/// An axis and where its parts stand.
pub(super) struct ReadAxis {
    pub(super) axis: Axis,
    /// Of each setting.
    pub(super) settings: Vec<Node>,
    /// Of each choice; of the range for a range.
    pub(super) choices: Vec<Node>,
}

/// What an axis takes.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Numbers,
    Formats,
    /// Words, patterns and numbers.
    Texts,
}

#[derive(Clone, Copy)]
enum Scale {
    Linear,
    Log(f64),
}

/// One axis; what is wrong with it is pushed to the reader's context.
pub(super) fn read(reader: &Reader<'_>) -> Option<ReadAxis> {
    let settings = settings(reader);
    let is_scenario = |s: &&Setting| !s.is_of_chip();
    let named = || settings.iter().flatten().map(|(s, _)| s);
    let kind = match named().next() {
        Some(Setting::Dtype) => Kind::Formats,
        Some(Setting::Software(_) | Setting::Profile) => Kind::Texts,
        Some(_) | None => Kind::Numbers,
    };
    let counts = kind == Kind::Numbers && named().any(|s| is_scenario(&s));
    let values = reader
        .get("values")
        .map(|node| (node, values(reader, node, kind)));
    let range = reader
        .get("range")
        .map(|node| (node, reader.table("range")));
    let read = match (values, range) {
        (Some((_, values)), None) => values,
        (None, Some((node, table))) => range_values(table?, node),
        (Some(_), Some(_)) => {
            let message = format!("`{}` has both `values` and `range`", reader.path());
            reader.push(
                reader
                    .key_problem("range", Code::Disagreement, message)
                    .help("keep one"),
            );
            return None;
        }
        (None, None) => {
            reader.missing(
                "values",
                "give `values = [...]`, or `range = { from = 8, to = 64, scale = \"log2\" }`",
            );
            return None;
        }
    };
    let (settings, read) = (settings?, read?);
    if counts && !check_counts(reader, &read) || !check_software(reader, &settings, &read) {
        return None;
    }
    let (choices, places) = read.into_iter().map(|(c, n)| (c, n.clone())).unzip();
    let (settings, setting_places) = settings.into_iter().map(|(s, n)| (s, n.clone())).unzip();
    Some(ReadAxis {
        axis: Axis { settings, choices },
        settings: setting_places,
        choices: places,
    })
}

fn settings<'a>(reader: &Reader<'a>) -> Option<Vec<(Setting, &'a Node)>> {
    if reader.raw().get("set").is_none() {
        reader.missing(
            "set",
            "name what the axis turns: set = \"chip.glb\" or \"scenario.batch\"",
        );
    }
    let node = reader.get("set")?;
    let items = node.as_list().unwrap_or(std::slice::from_ref(node));
    if items.is_empty() {
        let message = format!("`{}` names nothing to turn", reader.path_of("set"));
        reader.push(
            node.problem(Code::EmptyAxis, message)
                .help("such as set = \"chip.glb\""),
        );
        return None;
    }
    let mut found: Vec<(Setting, &Node)> = Vec::new();
    let mut complete = true;
    for item in items {
        let Some(text) = item.as_text() else {
            reader.wrong_type("set", item, "a path in quotes, or a list of them");
            complete = false;
            continue;
        };
        match setting(text) {
            Some(setting) => found.push((setting, item)),
            None => {
                reader.push(unknown(text, item));
                complete = false;
            }
        }
    }
    let of = |is: fn(&Setting) -> bool| found.iter().filter(|(s, _)| is(s)).count();
    let software = of(|s| matches!(s, Setting::Software(_)));
    if software > 0 && software < found.len() {
        let message = "settings of the software are linked with each other only";
        reader.push(
            node.problem(Code::Disagreement, message)
                .help("give each an axis of its own"),
        );
        return None;
    }
    let formats = of(|s| *s == Setting::Dtype);
    if formats > 0 && formats < found.len() {
        let message = "`scenario.dtype` takes data types, and what it is linked to takes numbers";
        reader.push(
            node.problem(Code::Disagreement, message)
                .help("give it an axis of its own"),
        );
        return None;
    }
    let profiles = of(|s| *s == Setting::Profile);
    if profiles > 0 && found.len() > 1 {
        let message = "`chip` takes names of chips, and what it is linked to takes numbers";
        reader.push(
            node.problem(Code::Disagreement, message)
                .help("give it an axis of its own"),
        );
        return None;
    }
    let of_chip = found.iter().filter(|(s, _)| s.is_of_chip()).count();
    if of_chip > 0 && of_chip < found.len() {
        let message = "an axis cannot link the chip with the scenario";
        reader.push(
            node.problem(Code::Disagreement, message)
                .help("give each an axis of its own"),
        );
        return None;
    }
    complete.then_some(found)
}

fn setting(text: &str) -> Option<Setting> {
    if text == "chip" {
        return Some(Setting::Profile);
    }
    let (prefix, rest) = text.split_once('.')?;
    match (prefix, rest) {
        (_, "") => None,
        ("chip", path) => Some(Setting::Chip(path.to_owned())),
        ("scenario", "batch") => Some(Setting::Batch),
        ("scenario", "prompt") => Some(Setting::Prompt),
        ("scenario", "output") => Some(Setting::Output),
        ("scenario", "dtype") => Some(Setting::Dtype),
        ("scenario", name) => Some(match Software::knob(name) {
            Some(knob) => Setting::Software(knob.name),
            None => Setting::Dim(name.to_owned()),
        }),
        (_, _) => None,
    }
}

fn unknown(text: &str, node: &Node) -> Problem {
    let message = format!("`{text}` is not a path that an axis can turn");
    let known = [
        "scenario.batch",
        "scenario.prompt",
        "scenario.output",
        "scenario.dtype",
    ];
    let problem = node.problem(Code::Reference, message);
    let problem = match did_you_mean(text, known) {
        Some(label) => problem.label(label),
        None if !text.contains('.') => problem.label(format!("did you mean `chip.{text}`?")),
        None => problem,
    };
    problem.help(
        "paths are chip (names of whole chips), chip.<knob>, chip.memory.<name>.<key>, scenario.batch, .prompt, .output, .dtype, \
         scenario.<setting> (wattline list settings), or scenario.<symbolic dimension>",
    )
}

type Read<'a> = Vec<(Choice, &'a Node)>;

fn values<'a>(reader: &Reader<'a>, node: &'a Node, kind: Kind) -> Option<Read<'a>> {
    let Some(items) = node.as_list() else {
        reader.wrong_type("values", node, "a list");
        return None;
    };
    if items.is_empty() {
        let message = format!("`{}` has no value", reader.path_of("values"));
        reader.push(node.problem(Code::EmptyAxis, message));
        return None;
    }
    if items.len() > MAX_VALUES {
        let message = format!(
            "`{}` has more than {MAX_VALUES} values",
            reader.path_of("values")
        );
        reader.push(node.problem(Code::OutOfRange, message));
        return None;
    }
    let mut found: Read<'a> = Vec::with_capacity(items.len());
    for item in items {
        let value = match (kind, item.as_text()) {
            (Kind::Formats, _) => precision(reader, item),
            (Kind::Texts, Some(text)) => Some(Value::Text(text.to_owned())),
            (Kind::Texts, None) | (Kind::Numbers, _) => {
                reader.evaluate("values", item).map(Value::Quantity)
            }
        };
        let Some(value) = value else { continue };
        if found.iter().any(|(c, _)| c.value == value) {
            let message = format!("`{}` has `{}` twice", reader.path_of("values"), item.show());
            reader.push(item.problem(Code::Disagreement, message));
        } else if let Some((first, _)) = found.first()
            && first.value.dimension() != value.dimension()
        {
            reader.wrong_dimension("values", item, value.dimension(), first.value.dimension());
        } else {
            let choice = match value {
                Value::Quantity(quantity) => Choice::of_quantity(quantity),
                Value::Precision(_) | Value::Text(_) => Choice {
                    value,
                    shown: item.show(),
                },
            };
            found.push((choice, item));
        }
    }
    (found.len() == items.len()).then_some(found)
}

fn precision(reader: &Reader, item: &Node) -> Option<Value> {
    let Some(text) = item.as_text() else {
        reader.wrong_type("values", item, "a data type in quotes, such as \"int8\"");
        return None;
    };
    match text.parse::<Precision>() {
        Ok(precision) => Some(Value::Precision(precision)),
        Err(error) => {
            reader.push(item.problem(Code::Reference, error.to_string()));
            None
        }
    }
}

fn range_values<'a>(range: Reader<'a>, node: &'a Node) -> Option<Read<'a>> {
    for key in ["from", "to"] {
        if range.raw().get(key).is_none() {
            range.missing(key, "");
        }
    }
    let (from, to) = (range.any_quantity("from"), range.any_quantity("to"));
    let scales = [
        ("linear", Scale::Linear),
        ("log2", Scale::Log(2.0)),
        ("log10", Scale::Log(10.0)),
    ];
    let scale = match range.raw().get("scale") {
        Some(_) => range.choice("scale", &scales),
        None => Some(Scale::Linear),
    };
    let steps = range.raw().get("steps").is_some();
    let most = MAX_VALUES as f64;
    let steps = steps.then(|| range.number("steps", 2.0..=most).map(|n| n as usize));
    // Marks the key as one that is read even where it is absent.
    range.get("scale");
    range.get("steps");
    let (from, to, scale) = (from?, to?, scale?);
    let place = range.context();
    if to.dimension != from.dimension {
        let to_node = range.raw().get("to")?;
        range.wrong_dimension("to", to_node, to.dimension, from.dimension);
        range.finish();
        return None;
    }
    range.finish();
    let steps = match steps {
        Some(steps) => Some(steps?),
        None => None,
    };
    match points(from.value, to.value, scale, steps) {
        Ok(values) => {
            let quantity = |v| Quantity::new(v, from.dimension);
            let choices = values
                .into_iter()
                .map(|v| (Choice::of_quantity(quantity(v)), node));
            Some(choices.collect())
        }
        Err((code, message)) => {
            place.push(node.problem(code, message));
            None
        }
    }
}

/// Why a range has no values.
type Refusal = (Code, &'static str);

/// Values of a range: whole numbers where both ends are.
fn points(from: f64, to: f64, scale: Scale, steps: Option<usize>) -> Result<Vec<f64>, Refusal> {
    if from > to {
        return Err((Code::EmptyAxis, "the range is empty: `from` is above `to`"));
    }
    let values: Vec<f64> = match (scale, steps) {
        (Scale::Linear, None) => {
            return Err((
                Code::MissingKey,
                "a linear range needs `steps`, the number of values from `from` to `to`",
            ));
        }
        (Scale::Linear, Some(n)) => {
            let step = (to - from) / (n - 1) as f64;
            (0..n)
                .map(|i| {
                    if i + 1 == n {
                        to
                    } else {
                        from + step * i as f64
                    }
                })
                .collect()
        }
        (Scale::Log(_), _) if from <= 0.0 => {
            return Err((Code::OutOfRange, "a logarithmic range starts above zero"));
        }
        (Scale::Log(_), Some(n)) => {
            let ratio = (to / from).powf(1.0 / (n - 1) as f64);
            let value = |i: usize| from * ratio.powi(i as i32);
            (0..n)
                .map(|i| if i + 1 == n { to } else { value(i) })
                .collect()
        }
        (Scale::Log(base), None) => {
            let exponents = (0..).map(|i| from * base.powi(i));
            // Rounding must not lose the last value.
            exponents
                .take_while(|v| *v <= to * (1.0 + 1e-9))
                .take(MAX_VALUES)
                .collect()
        }
    };
    let whole = from.fract() == 0.0 && to.fract() == 0.0;
    let mut values: Vec<f64> = values
        .into_iter()
        .map(|v| if whole { v.round() } else { v })
        .collect();
    values.dedup();
    Ok(values)
}

fn check_counts(reader: &Reader, values: &Read) -> bool {
    let mut right = true;
    for (choice, node) in values {
        let value = match choice.value {
            Value::Quantity(q) if q.dimension == Dimension::NONE => q.value,
            Value::Quantity(_) | Value::Precision(_) | Value::Text(_) => f64::NAN,
        };
        if !(value.fract() == 0.0 && (1.0..=MAX_COUNT).contains(&value)) {
            let message = format!("`{}` is not a whole number from 1", choice.shown);
            reader.push(node.problem(Code::OutOfRange, message));
            right = false;
        }
    }
    right
}

/// Every setting of the software must take every value.
fn check_software(reader: &Reader, settings: &[(Setting, &Node)], values: &Read) -> bool {
    let mut right = true;
    for (setting, _) in settings {
        let Setting::Software(name) = setting else {
            continue;
        };
        for (choice, node) in values {
            let set = Software::default().set(name, &choice.value.text());
            if let Err(error) = set {
                reader.push(node.problem(Code::OutOfRange, error.to_string()));
                right = false;
            }
        }
    }
    right
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_include_both_ends() {
        let found = |from, to, scale, steps| points(from, to, scale, steps).expect("is a range");
        assert_eq!(
            found(8.0, 64.0, Scale::Log(2.0), None),
            [8.0, 16.0, 32.0, 64.0]
        );
        assert_eq!(found(1e-3, 1.0, Scale::Log(10.0), None).len(), 4);
        assert_eq!(
            found(8.0, 32.0, Scale::Log(2.0), Some(5)),
            [8.0, 11.0, 16.0, 23.0, 32.0]
        );
        assert_eq!(found(0.5, 1.0, Scale::Linear, Some(3)), [0.5, 0.75, 1.0]);
        assert_eq!(found(4.0, 4.0, Scale::Linear, Some(3)), [4.0]);
        assert!(points(0.0, 4.0, Scale::Log(2.0), None).is_err());
        assert!(points(5.0, 4.0, Scale::Log(2.0), None).is_err());
        assert!(points(1.0, 4.0, Scale::Linear, None).is_err());
    }
}
