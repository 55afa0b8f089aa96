//! From operator to operator: names, scopes, and which rule an operator's table asks for.

use std::collections::{BTreeMap, BTreeSet};

use crate::diag::{Code, did_you_mean};
use crate::document::{Node, Reader, Table};
use crate::expr::Environment;
use crate::units::Quantity;
use crate::workload::{Binding, Role, TensorId, Workload};

use super::args::{Args, number};
use super::draft::{Draft, MAX_OPERATORS, show};
use super::{ops, rider};

/// The size of axis 1 of an operator's first input, in its expressions.
const CHANNELS: &str = "channels";

/// Largest share of zeros: a value of a million is left.
const MOST_ZEROS: f64 = 1.0 - 1e-6;

/// Most operator tables that are looked at, those of blocks once for each time they are used.
const MAX_STEPS: usize = 1_000_000;

/// Names and sizes of the model or of one use of a block.
#[derive(Default)]
pub(super) struct Frame {
    /// `None` where the operator of that name failed.
    pub(super) names: BTreeMap<String, Option<TensorId>>,
    pub(super) env: Environment,
    /// Whether a dimension or parameter has the name itself.
    pub(super) has_channels: bool,
    /// Whether an operator read a value from outside of the block.
    pub(super) reads_outside: bool,
    /// What the next operator takes if it does not say.
    pub(super) current: Option<TensorId>,
    pub(super) counters: BTreeMap<String, usize>,
}

/// A model in the making.
pub(super) struct Walk<'a> {
    pub(super) draft: Draft,
    pub(super) frames: Vec<Frame>,
    /// `[block]`, by name.
    pub(super) blocks: Option<&'a Table>,
    /// Names of the blocks that are being used, the outermost first.
    pub(super) stack: Vec<&'a str>,
    pub(super) used: BTreeSet<&'a str>,
    /// Models that are named as parts.
    pub(super) parts: &'a BTreeMap<String, Workload>,
    pub(super) binding: &'a Binding,
    steps: usize,
}

/// One operator's table, its name and inputs.
pub(super) struct Call<'c, 'r> {
    pub(super) reader: &'r Reader<'c>,
    pub(super) name: String,
    pub(super) inputs: Vec<TensorId>,
    pub(super) env: Environment,
}

impl<'c> Call<'c, '_> {
    /// The arguments below a key.
    pub(super) fn args(&self, key: &'static str, short: &'static str) -> Args<'c, '_> {
        Args::new(self.reader, key, short, &self.env)
    }

    /// The first input.
    pub(super) fn x(&self) -> TensorId {
        self.inputs[0]
    }

    /// The name of a part of the operator.
    pub(super) fn sub(&self, part: &str) -> String {
        format!("{}.{part}", self.name)
    }

    /// Reports that shapes do not go together.
    pub(super) fn wrong(&self, key: &str, message: impl AsRef<str>) {
        let message = format!("`{}`: {}", self.name, message.as_ref());
        let problem = self.reader.key_problem(key, Code::Disagreement, message);
        self.reader.push(problem);
    }

    /// The first input's shape, of at least `least` and at most `most` axes.
    pub(super) fn ranked<'w>(
        &self,
        walk: &'w Walk<'_>,
        key: &str,
        (least, most): (usize, usize),
    ) -> Option<&'w [u64]> {
        let shape = walk.draft.shape(self.x());
        if (least..=most).contains(&shape.len()) {
            return Some(shape);
        }
        let (have, axes) = (show(shape), if least == most { "" } else { "at least " });
        self.wrong(
            key,
            format!("{key} of {have}: {axes}{least} axes are needed"),
        );
        None
    }

    /// Checks that exactly `n` inputs are given.
    pub(super) fn takes(&self, key: &str, n: usize, what: &str) -> Option<()> {
        if self.inputs.len() == n {
            return Some(());
        }
        let message = format!("{key} takes {what}, and `in` names {}", self.inputs.len());
        self.wrong(key, message);
        None
    }

    /// A weight, or the problem with the one that is shared.
    pub(super) fn weight(
        &self,
        walk: &mut Walk<'_>,
        part: &str,
        shape: &[u64],
    ) -> Option<TensorId> {
        let found = walk.draft.weight(&self.sub(part), shape);
        found.map_err(|message| self.wrong("share", message)).ok()
    }

    /// As [`Call::weight`], of what is not an operand of a product.
    pub(super) fn vector(
        &self,
        walk: &mut Walk<'_>,
        part: &str,
        shape: &[u64],
    ) -> Option<TensorId> {
        let found = walk.draft.vector(&self.sub(part), shape);
        found.map_err(|message| self.wrong("share", message)).ok()
    }
}

impl<'a> Walk<'a> {
    pub(super) fn new(
        draft: Draft,
        blocks: Option<&'a Table>,
        parts: &'a BTreeMap<String, Workload>,
        binding: &'a Binding,
    ) -> Self {
        Self {
            draft,
            frames: Vec::new(),
            blocks,
            stack: Vec::new(),
            used: BTreeSet::new(),
            parts,
            binding,
            steps: 0,
        }
    }

    /// The innermost scope.
    pub(super) fn frame(&mut self) -> &mut Frame {
        if self.frames.is_empty() {
            self.frames.push(Frame::default());
        }
        let last = self.frames.len() - 1;
        &mut self.frames[last]
    }

    /// Gives a value a name in the innermost scope.
    pub(super) fn define(&mut self, name: String, value: Option<TensorId>) {
        self.frame().names.insert(name, value);
    }

    /// Runs the operators of a list; what the last one makes becomes the current value.
    pub(super) fn run(&mut self, list: Vec<Reader<'_>>) {
        for reader in list {
            self.steps += 1;
            if self.steps > MAX_STEPS || self.draft.operators.len() > MAX_OPERATORS {
                let message = format!("the model has more than {MAX_OPERATORS} operators");
                let problem = reader.key_problem("", Code::OutOfRange, message);
                reader.push(problem.help(
                    "equal layers count once: give them one input, and name no value from outside",
                ));
                self.frame().current = None;
                return;
            }
            if self.op(&reader) {
                reader.finish();
            }
        }
    }

    /// Adds one operator; false if its keys were not all asked for.
    fn op(&mut self, reader: &Reader<'_>) -> bool {
        let given = name(reader);
        let rule = ops::rule_of(reader);
        let key = match rule {
            Ok(rule) => rule.map_or_else(|| rider::first(reader), |r| Some(r.key)),
            Err(()) => None,
        };
        let is_taken = given.is_some_and(|n| self.frame().names.contains_key(n));
        if let (Some(name), true) = (given, is_taken) {
            let message = format!("two values are called `{name}`");
            reader.push(reader.key_problem("name", Code::Disagreement, message));
        }
        let name = match given {
            Some(name) => name.to_owned(),
            None => self.next_name(ops::stem(reader, key.unwrap_or("op"))),
        };
        let inputs = self.inputs(reader, key);
        let made = match (key, inputs) {
            (Some(_), Some(inputs)) => self.apply(reader, rule.ok().flatten(), &name, inputs),
            _ => None,
        };
        self.define(name, made);
        // A weight is named to be used later; the value before it goes on.
        if key != Some("param") {
            self.frame().current = made;
        }
        made.is_some()
    }

    fn apply(
        &mut self,
        reader: &Reader<'_>,
        rule: Option<&ops::Rule>,
        name: &str,
        mut inputs: Vec<TensorId>,
    ) -> Option<TensorId> {
        self.set_channels(reader, inputs.first().copied());
        let env = self.frame().env.clone();
        if let Some(node) = reader.get("when")
            && number(reader, "when", node, &env, f64::MIN..=f64::MAX)? == 0.0
        {
            let _ = reader.all();
            return inputs.first().copied();
        }
        let own_input = inputs.first().copied();
        if let (Some(first), Some(_)) = (inputs.first_mut(), reader.raw().get("pre")) {
            let call = Call {
                reader,
                name: name.to_owned(),
                inputs: vec![*first],
                env: env.clone(),
            };
            *first = rider::norm(self, &call, "pre", *first, &call.sub("pre"))?;
        }
        let call = Call {
            reader,
            name: name.to_owned(),
            inputs,
            env,
        };
        let before = self.draft.operators.len();
        let made = match rule {
            Some(rule) => (rule.apply)(self, &call),
            None => call.inputs.first().copied(),
        };
        let after = self.draft.operators.len();
        let last = if after > before { after - 1 } else { after };
        let carrier = rule.map(|_| last);
        let made = made.and_then(|x| rider::all(self, &call, x, own_input, carrier))?;
        if let Some(node) = reader.get("zeros") {
            let share = number(reader, "zeros", node, &call.env, 0.0..=MOST_ZEROS)?;
            self.draft.leave_zeros(before, share);
        }
        Some(made)
    }

    /// `in`, or what the operator before made.
    fn inputs(&mut self, reader: &Reader<'_>, key: Option<&'static str>) -> Option<Vec<TensorId>> {
        let Some(names) = reader.raw().get("in").and_then(|_| reader.strings("in")) else {
            if let Some(first) = key.and_then(|k| operand(reader, k)) {
                let text = first.as_text()?;
                return Some(vec![self.value(reader, "in", text, first)?]);
            }
            if key.is_some_and(|k| ops::is_source(k, reader)) {
                return Some(self.frame().current.into_iter().collect());
            }
            if key.is_some() && self.is_first(reader) {
                return None;
            }
            return self.frame().current.map(|x| vec![x]);
        };
        if names.is_empty() {
            let problem = reader.key_problem("in", Code::OutOfRange, "`in` names nothing");
            reader.push(problem);
            return None;
        }
        let found: Vec<Option<TensorId>> = names
            .iter()
            .map(|(name, node)| self.value(reader, "in", name, node))
            .collect();
        found.into_iter().collect()
    }

    /// Reports an operator that has nothing to take.
    fn is_first(&mut self, reader: &Reader<'_>) -> bool {
        let is_first = self.frame().names.is_empty();
        if is_first {
            let message = "the operator has no input";
            let problem = reader.key_problem("in", Code::MissingKey, message);
            reader.push(
                problem.help("give the model [inputs], such as x = [\"batch\", 3, 224, 224]"),
            );
        }
        is_first
    }

    /// The value of a name; reports one that is not there.
    pub(super) fn value(
        &mut self,
        reader: &Reader<'_>,
        key: &str,
        name: &str,
        node: &Node,
    ) -> Option<TensorId> {
        let depth = self.frames.len();
        let found = (0..depth)
            .rev()
            .find(|i| self.frames[*i].names.contains_key(name));
        let Some(at) = found else {
            let path = reader.path_of(key);
            let message = format!("`{path}`: no operator or input before it is called `{name}`");
            let problem = node.problem(Code::Reference, message);
            let names = self.frames.iter().flat_map(|f| f.names.keys());
            reader.push(match did_you_mean(name, names.map(String::as_str)) {
                Some(label) => problem.label(label),
                None => problem.help("operators are named by `name`, those of a block `use.name`"),
            });
            return None;
        };
        let value = self.frames[at].names.get(name).copied().flatten()?;
        if self.draft.tensor(value).role != Role::Weight {
            for frame in &mut self.frames[at + 1..] {
                frame.reads_outside = true;
            }
        }
        Some(value)
    }

    fn next_name(&mut self, stem: &str) -> String {
        let frame = self.frame();
        loop {
            let n = frame.counters.entry(stem.to_owned()).or_default();
            *n += 1;
            let name = match *n {
                1 => stem.to_owned(),
                n => format!("{stem}{n}"),
            };
            if !frame.names.contains_key(&name) {
                return name;
            }
        }
    }

    fn set_channels(&mut self, reader: &Reader<'_>, x: Option<TensorId>) {
        // Without such an axis it is 0, which no size may be.
        let size = x.and_then(|x| self.draft.shape(x).get(1).copied());
        let size = size.unwrap_or_default();
        let frame = self.frame();
        if !frame.has_channels {
            let value = Quantity::number(size as f64);
            frame.env.insert(CHANNELS, value);
            reader.context().define(CHANNELS, value);
        }
    }
}

/// The operator's name, if it has one and that is allowed.
fn name<'c>(reader: &Reader<'c>) -> Option<&'c str> {
    let name = reader.string("name")?;
    let allowed = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
    let is_right =
        !name.is_empty() && name.len() <= 100 && name.chars().all(allowed) && name != "in";
    if !is_right {
        let message = format!("`{name}` cannot be the name of an operator");
        let problem = reader.key_problem("name", Code::OutOfRange, message);
        reader.push(
            problem
                .help("use up to 100 letters, digits, `-` and `_`; `in` is the input of a block"),
        );
    }
    is_right.then_some(name)
}

/// The first of the values that a table adds or multiplies, if it does nothing else before.
fn operand<'c>(reader: &Reader<'c>, key: &str) -> Option<&'c Node> {
    let list = reader.raw().get(key)?.as_list()?;
    let is_sum = matches!(key, "add" | "mul");
    list.first().filter(|_| is_sum && list.len() > 1)
}
