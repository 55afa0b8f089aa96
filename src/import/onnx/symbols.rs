//! Open dimensions: which values the user, the shapes of inputs, and defaults give them.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::ir::{Body, Declared, Flow, Ix, Node, Size, Source};
use super::value::Dims;
use crate::diag::{Code, Problem, Problems, did_you_mean};
use crate::workload::{Binding, Stage, Symbol};

/// Names that stand for the number of samples.
const BATCH: [&str; 4] = ["batch", "batch_size", "N", "bs"];

fn is_batch(name: &str) -> bool {
    BATCH.contains(&name)
}

/// Open dimensions of the inputs, in order of appearance.
pub(super) fn of(source: &Source) -> Vec<Symbol> {
    let mut out: Vec<Symbol> = Vec::new();
    for (_, _, declared) in inputs(source) {
        for size in declared.sizes.iter().flatten() {
            if let Size::Named(name) = size
                && !out.iter().any(|s| *s.name == **name)
            {
                let default = is_batch(name).then_some(1);
                out.push(Symbol {
                    name: name.to_string(),
                    default,
                });
            }
        }
    }
    out
}

fn inputs(source: &Source) -> impl Iterator<Item = (Ix, &str, &Declared)> + Clone {
    let each = source.main.inputs.iter();
    each.filter_map(|ix| Some((*ix, source.name(*ix), source.declared.get(ix)?)))
}

/// Values of the open dimensions, and what was assumed.
pub(super) struct Bound {
    pub(super) values: BTreeMap<Arc<str>, i64>,
    /// Shapes of the inputs, in order.
    pub(super) inputs: Vec<(Ix, Dims)>,
    /// Shapes the user gave to other tensors.
    pub(super) pinned: FxHashMap<Ix, Dims>,
    /// How often loops run, by the label of their node.
    pub(super) trips: FxHashMap<u32, i64>,
    pub(super) warnings: Vec<Problem>,
}

impl Bound {
    /// A declared shape with its names replaced; `None` if one stays open.
    pub(super) fn shape(&self, sizes: &[Size]) -> Option<Dims> {
        sizes.iter().map(|s| self.size(s)).collect()
    }

    fn size(&self, size: &Size) -> Option<i64> {
        match size {
            Size::Fixed(n) => Some(*n),
            Size::Named(name) => self
                .values
                .get(name)
                .copied()
                .or_else(|| sum(name, &self.values)),
            Size::Unknown => None,
        }
    }
}

/// `past + seq - 1`: exporters write sums of other names as a name.
fn sum(text: &str, values: &BTreeMap<Arc<str>, i64>) -> Option<i64> {
    let mut total = 0i64;
    let mut sign = 1i64;
    for token in text
        .replace('+', " + ")
        .replace('-', " - ")
        .split_whitespace()
    {
        match token {
            "+" => sign = 1,
            "-" => sign = -1,
            name => {
                let mut product = 1i64;
                for factor in name.split('*') {
                    let n = factor
                        .parse()
                        .ok()
                        .or_else(|| values.get(factor).copied())?;
                    product = product.checked_mul(n)?;
                }
                total = total.checked_add(sign.checked_mul(product)?)?;
            }
        }
    }
    (total >= 0).then_some(total)
}

/// Gives every open dimension a value.
///
/// # Errors
/// Names that the model does not have, contradictions, and one problem for all that stay open.
pub(super) fn bind(source: &Source, binding: &Binding) -> Result<Bound, Problems> {
    let mut problems = Problems::new();
    let known = of(source);
    let mut bound = Bound {
        values: BTreeMap::new(),
        inputs: Vec::new(),
        pinned: FxHashMap::default(),
        trips: FxHashMap::default(),
        warnings: Vec::new(),
    };
    for (name, &value) in &binding.dims {
        if known.iter().any(|s| s.name == *name)
            || inputs(source).any(|(_, _, d)| mentions(d, name))
        {
            bound.values.insert(name.as_str().into(), clamp(value));
        } else if let Some(loops) = name.strip_suffix(":trips") {
            match find_node(&source.main, &|n| {
                n.op.flow == Some(Flow::Loop) && source.label(n) == loops
            }) {
                Some(node) => drop(bound.trips.insert(node.label, clamp(value))),
                None => problems.push(unknown("Loop", loops, std::iter::empty())),
            }
        } else {
            problems.push(unknown(
                "symbolic dimension",
                name,
                known.iter().map(|s| s.name.as_str()),
            ));
        }
    }
    from_shapes(source, binding, &mut bound, &mut problems);
    from_batch(source, binding, &known, &mut bound, &mut problems);
    from_stage(binding, &known, &mut bound);
    let mut open = Vec::new();
    for (ix, name, declared) in inputs(source) {
        if bound.inputs.iter().any(|(i, _)| *i == ix) {
            continue;
        }
        match declared.sizes.as_ref().and_then(|s| bound.shape(s)) {
            Some(dims) => bound.inputs.push((ix, dims)),
            None => open.push((name, declared)),
        }
    }
    if !open.is_empty() {
        problems.push(unbound(&open, &bound));
    }
    if problems.has_errors() {
        Err(problems)
    } else {
        Ok(bound)
    }
}

fn mentions(declared: &Declared, name: &str) -> bool {
    let named = declared.sizes.iter().flatten();
    named.into_iter().any(
        |s| matches!(s, Size::Named(text) if text.split([' ', '+', '-', '*']).any(|t| t == name)),
    )
}

fn clamp(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

fn unknown<'a>(what: &str, name: &str, names: impl Iterator<Item = &'a str> + Clone) -> Problem {
    let list: Vec<&str> = names.clone().collect();
    let known = match list.len() {
        0 => "it has none".to_owned(),
        _ => format!("it has {}", list.join(", ")),
    };
    let mut problem = Problem::new(
        Code::Reference,
        format!("the model has no {what} `{name}`; {known}"),
    );
    if let Some(hint) = did_you_mean(name, names) {
        problem = problem.help(hint);
    }
    problem
}

fn from_shapes(source: &Source, binding: &Binding, bound: &mut Bound, problems: &mut Problems) {
    for (name, shape) in &binding.shapes {
        let dims: Dims = shape.iter().map(|n| clamp(*n)).collect();
        let Some((ix, _, declared)) = inputs(source).find(|(_, n, _)| n == name) else {
            if let Some(ix) = inner(source, name) {
                bound.pinned.insert(ix, dims);
            } else {
                problems.push(unknown("input", name, inputs(source).map(|(_, n, _)| n)));
            }
            continue;
        };
        if let Some(sizes) = &declared.sizes {
            if sizes.len() != dims.len() {
                let text = format!(
                    "input `{name}` has {} dimensions, the shape given has {}",
                    sizes.len(),
                    dims.len()
                );
                problems.push(Problem::new(Code::FixedDim, text));
                continue;
            }
            for (i, (size, &n)) in sizes.iter().zip(&dims).enumerate() {
                let have = match size {
                    Size::Fixed(have) => Some(*have),
                    Size::Named(symbol) if is_plain(symbol) => {
                        Some(*bound.values.entry(symbol.clone()).or_insert(n))
                    }
                    Size::Named(_) | Size::Unknown => None,
                };
                if let Some(have) = have.filter(|have| *have != n) {
                    let what = match size {
                        Size::Named(symbol) => format!("`{symbol}`, bound to {have}"),
                        Size::Fixed(_) | Size::Unknown => format!("fixed at {have}"),
                    };
                    let text = format!(
                        "dimension {i} of input `{name}` is {what}, but the shape given has {n}"
                    );
                    problems.push(Problem::new(Code::FixedDim, text));
                }
            }
        }
        bound.inputs.push((ix, dims));
    }
}

/// A tensor within the graph by its own name, or as output of a node: `node:out`, `node:out1`.
fn inner(source: &Source, name: &str) -> Option<Ix> {
    let tensor = |name: &str| source.names.iter().position(|n| n == name);
    if let Some(ix) = tensor(name) {
        return Some(ix as Ix);
    }
    let (node, place) = name.rsplit_once(":out")?;
    let place: usize = if place.is_empty() {
        0
    } else {
        place.parse().ok()?
    };
    let found = find_node(&source.main, &|n| source.label(n) == node);
    let output = found.and_then(|n| n.outs.get(place).copied().flatten());
    output.or_else(|| tensor(node).filter(|_| place == 0).map(|ix| ix as Ix))
}

/// The first node of a kind, bodies included.
fn find_node<'a>(body: &'a Body, is: &dyn Fn(&Node) -> bool) -> Option<&'a Node> {
    body.nodes.iter().find_map(|node| {
        if is(node) {
            return Some(node);
        }
        let bodies = node.attrs.iter().filter_map(|(_, attr)| match attr {
            super::ir::Attr::Graph(body) => Some(body),
            _ => None,
        });
        bodies.into_iter().find_map(|body| find_node(body, is))
    })
}

fn is_plain(symbol: &str) -> bool {
    !symbol.contains([' ', '+', '-', '*'])
}

fn from_batch(
    source: &Source,
    binding: &Binding,
    known: &[Symbol],
    bound: &mut Bound,
    problems: &mut Problems,
) {
    let mut assumed = Vec::new();
    for symbol in known.iter().filter(|s| is_batch(&s.name)) {
        match (bound.values.get(symbol.name.as_str()), binding.batch) {
            (Some(&have), Some(asked)) if have != clamp(asked) => {
                let text = format!(
                    "batch {asked} is asked for, but `{}` is bound to {have}",
                    symbol.name
                );
                problems.push(Problem::new(Code::FixedDim, text));
            }
            (Some(_), _) => {}
            (None, Some(asked)) => {
                bound
                    .values
                    .insert(symbol.name.as_str().into(), clamp(asked));
            }
            (None, None) => {
                bound.values.insert(symbol.name.as_str().into(), 1);
                assumed.push(format!("{} = 1", symbol.name));
            }
        }
    }
    if !assumed.is_empty() {
        let text = format!("assumed open dimensions: {}", assumed.join(", "));
        bound.warnings.push(
            Problem::new(Code::Assumed, text).help("set them with --batch or --dim name=value"),
        );
    }
    let has_symbol = known.iter().any(|s| is_batch(&s.name));
    if let (Some(asked), false) = (binding.batch, has_symbol)
        && let Some((ix, name, declared)) = inputs(source).next()
    {
        let given = bound
            .inputs
            .iter()
            .find(|(i, _)| *i == ix)
            .and_then(|(_, d)| d.first().copied());
        let first = declared.sizes.as_ref().and_then(|s| s.first());
        let have = given.or_else(|| first.and_then(|s| bound.size(s)));
        match (have, first) {
            (Some(have), _) if have == clamp(asked) => {}
            (Some(have), _) => {
                let text = format!(
                    "batch {asked} is asked for, but input `{name}` has a fixed batch of {have}"
                );
                let help = "export the model with a symbolic batch dimension, or leave --batch out";
                problems.push(Problem::new(Code::FixedDim, text).help(help));
            }
            (None, Some(Size::Named(symbol))) => {
                bound.values.entry(symbol.clone()).or_insert(clamp(asked));
            }
            (None, _) => {}
        }
    }
}

/// A step of a language model says how many tokens are new and how many are cached.
fn from_stage(binding: &Binding, known: &[Symbol], bound: &mut Bound) {
    let Stage::Tokens { tokens, past } = binding.stage else {
        return;
    };
    for symbol in known {
        let value = match symbol.name.as_str() {
            "seq" | "seq_len" | "seq_length" | "sequence" | "sequence_length" => tokens,
            "past" | "past_len" | "past_seq_len" | "past_sequence_length" => past,
            "total_sequence_length" | "total_seq_len" => tokens.saturating_add(past),
            _ => continue,
        };
        bound
            .values
            .entry(symbol.name.as_str().into())
            .or_insert(clamp(value));
    }
}

/// One problem for all dimensions that stay open, with the options that bind them.
fn unbound(open: &[(&str, &Declared)], bound: &Bound) -> Problem {
    let (mut what, mut symbols, mut shapes) = (Vec::new(), Vec::<&str>::new(), Vec::new());
    for (name, declared) in open {
        let Some(sizes) = &declared.sizes else {
            what.push(format!("input `{name}` has no shape"));
            shapes.push(format!("--shape {name}=..."));
            continue;
        };
        let mut nameless = false;
        for size in sizes.iter().filter(|s| bound.size(s).is_none()) {
            match size {
                Size::Named(s) if !symbols.contains(&&**s) => {
                    what.push(format!("input `{name}` has the symbolic dimension `{s}`"));
                    symbols.push(s);
                }
                Size::Named(_) | Size::Fixed(_) => {}
                Size::Unknown => nameless = true,
            }
        }
        if nameless {
            what.push(format!(
                "input `{name}` has a dimension without a size or a name"
            ));
            let parts = sizes
                .iter()
                .map(|s| bound.size(s).map_or("?".to_owned(), |n| n.to_string()));
            shapes.push(format!(
                "--shape {name}={}",
                parts.collect::<Vec<_>>().join("x")
            ));
        }
    }
    let options = symbols
        .iter()
        .map(|s| format!("--dim {s}=128"))
        .chain(shapes);
    let text = format!("{}, which has no value", what.join("; "));
    let add = options.collect::<Vec<_>>().join(" ");
    Problem::new(Code::Unbound, text).help(format!("add  {add}   (with your own sizes)"))
}
