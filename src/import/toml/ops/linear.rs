//! Products: linear layers, feed-forward blocks, Einsums written with letters, experts.

use crate::diag::{Code, did_you_mean};
use crate::workload::{Einsum, Experts, OpKind, Popularity, TensorId, VectorWork};

use super::super::args::MAX_SIZE;
use super::super::draft::show;
use super::super::rider::{activation, has_batch_norm};
use super::super::walk::{Call, Walk};
use super::check_size;

/// The weight of an operator: a new one, or the one that `weight` names, of as many elements.
pub(super) fn weight(
    walk: &mut Walk<'_>,
    call: &Call<'_, '_>,
    key: &str,
    tied: Option<&str>,
    shape: &[u64],
) -> Option<TensorId> {
    let Some(name) = tied else {
        return call.weight(walk, "weight", shape);
    };
    let local = format!("{}{name}", walk.draft.prefix);
    let found = walk.draft.known_weight(&local);
    let Some(id) = found.or_else(|| walk.draft.known_weight(name)) else {
        let message = format!("`{}`: no weight before it is called `{name}`", call.name);
        let problem = call.reader.key_problem(key, Code::Reference, message);
        call.reader
            .push(match did_you_mean(name, walk.draft.weight_names()) {
                Some(label) => problem.label(label),
                None => problem.help("weights are called after their operator: `tokens.weight`"),
            });
        return None;
    };
    let elements: f64 = shape.iter().map(|n| *n as f64).product();
    if walk.draft.elements(id) != elements {
        let (have, want) = (show(walk.draft.shape(id)), show(shape));
        call.wrong(
            key,
            format!("the weight `{name}` is {have}, and {want} is needed"),
        );
        return None;
    }
    Some(id)
}

/// Width and bias of a product along the last axis.
pub(super) struct Layer<'s> {
    /// Name of the operator without the prefix.
    pub(super) name: &'s str,
    pub(super) out: u64,
    pub(super) bias: bool,
}

/// `y[.., n] = Σ_k x[.., k] · w[k, n] (+ b[n])`.
pub(super) fn project(
    walk: &mut Walk<'_>,
    call: &Call<'_, '_>,
    key: &str,
    x: TensorId,
    layer: &Layer<'_>,
) -> Option<TensorId> {
    let part = |part: &str| match layer.name {
        "" => part.to_owned(),
        name => format!("{name}.{part}"),
    };
    let k = walk.draft.shape(x).last().copied()?;
    check_size(call, key, &[k, layer.out])?;
    let w = call.weight(walk, &part("weight"), &[k, layer.out])?;
    multiply(walk, call, key, (x, w), layer)
}

fn multiply(
    walk: &mut Walk<'_>,
    call: &Call<'_, '_>,
    key: &str,
    (x, w): (TensorId, TensorId),
    layer: &Layer<'_>,
) -> Option<TensorId> {
    let (name, part) = match layer.name {
        "" => (call.name.clone(), String::new()),
        name => (call.sub(name), format!("{name}.")),
    };
    let mut shape = walk.draft.shape(x).to_vec();
    let k = shape.pop()?;
    let rows: u64 = shape.iter().product();
    shape.push(layer.out);
    check_size(call, key, &shape)?;
    let mut inputs = vec![x, w];
    if layer.bias {
        inputs.push(call.vector(walk, &format!("{part}bias"), &[layer.out])?);
    }
    let y = walk.draft.activation(&format!("{name}.out"), &shape);
    let kind = OpKind::Einsum {
        einsum: Einsum::matmul(1, rows, layer.out, k),
        dtype: walk.draft.formats.product(),
    };
    walk.draft.operator(&name, "linear", kind, &inputs, &[y]);
    Some(y)
}

/// `linear = out` or `linear = { out, bias, weight }` over the last axis.
pub(super) fn linear(walk: &mut Walk<'_>, call: &Call<'_, '_>) -> Option<TensorId> {
    let shape = call.ranked(walk, "linear", (2, 8))?.to_vec();
    let k = shape[shape.len() - 1];
    let args = call.args("linear", "out");
    let out = args.size_or("out", k, 1..=MAX_SIZE);
    let bias = args.flag("bias", !has_batch_norm(call.reader));
    let tied = args.text("weight");
    args.finish()?;
    let layer = Layer {
        name: "",
        out: out?,
        bias: bias?,
    };
    check_size(call, "linear", &[k, layer.out])?;
    let w = weight(walk, call, "linear", tied, &[k, layer.out])?;
    multiply(walk, call, "linear", (call.x(), w), &layer)
}

/// `mlp = { width, act, gated, bias, out }`: to `width`, a nonlinearity, and back.
pub(super) fn mlp(walk: &mut Walk<'_>, call: &Call<'_, '_>) -> Option<TensorId> {
    let shape = call.ranked(walk, "mlp", (2, 8))?.to_vec();
    let k = shape[shape.len() - 1];
    let args = call.args("mlp", "width");
    let width = args.need("width", 1..=MAX_SIZE);
    let out = args.size_or("out", k, 1..=MAX_SIZE);
    let gated = args.flag("gated", false);
    let bias = args.flag("bias", gated == Some(false));
    let nonlinear = activation(&args, "act", "gelu");
    args.finish()?;
    let (width, gated, bias) = (width?, gated?, bias?);
    let (source, (ops, special)) = nonlinear?;
    let up = Layer {
        name: if gated { "gate_up" } else { "up" },
        out: if gated { 2 * width } else { width },
        bias,
    };
    let x = project(walk, call, "mlp", call.x(), &up)?;
    let mut shape = shape;
    if let Some(last) = shape.last_mut() {
        *last = width;
    }
    // The product with the other half.
    let work = (ops + f64::from(u8::from(gated)), special);
    let x = walk.draft.map(&call.sub("act"), source, &[x], &shape, work);
    let down = Layer {
        name: "down",
        out: out?,
        bias,
    };
    project(walk, call, "mlp", x, &down)
}

/// `einsum = "bik,bkj->bij"` of two inputs; or of one and a weight, whose other letters `sizes` gives.
pub(super) fn einsum(walk: &mut Walk<'_>, call: &Call<'_, '_>) -> Option<TensorId> {
    let args = call.args("einsum", "equation");
    if !args.has("equation") {
        args.missing("equation");
    }
    let text = args.text("equation");
    let complex = args.flag("complex", false);
    let mut sizes: Vec<(char, u64)> = Vec::new();
    let given = args.sizes("sizes", 1..=MAX_SIZE).unwrap_or_default();
    args.finish()?;
    let (text, complex) = (text?, complex?);
    let Some((lhs, rhs, out)) = letters(text) else {
        call.wrong(
            "einsum",
            format!("`{text}` is not an equation of two operands, such as \"bik,bkj->bij\""),
        );
        return None;
    };
    if call.inputs.len() > 2 {
        return call.takes("einsum", 2, "one or two operands").and(None);
    }
    for (operand, id) in [&lhs, &rhs].into_iter().zip(&call.inputs) {
        let shape = walk.draft.shape(*id);
        // The real and imaginary part of a complex number are the last axis.
        let axes = shape.len() - usize::from(complex && shape.last() == Some(&2));
        if operand.len() != axes {
            let operand: String = operand.iter().collect();
            call.wrong("einsum", format!("`{operand}` of a tensor {}", show(shape)));
            return None;
        }
        for (letter, size) in operand.iter().zip(shape) {
            match sizes.iter().find(|s| s.0 == *letter) {
                Some((_, known)) if known != size => {
                    call.wrong(
                        "einsum",
                        format!("`{letter}` is {known} in one operand and {size} in the other"),
                    );
                    return None;
                }
                Some(_) => {}
                None => sizes.push((*letter, *size)),
            }
        }
    }
    let missing: Vec<char> = rhs
        .iter()
        .copied()
        .filter(|l| !sizes.iter().any(|s| s.0 == *l))
        .collect();
    if missing.len() != given.len() {
        let letters: String = missing.iter().collect();
        let message = format!(
            "`sizes` has {} numbers for the letters `{letters}` of the weight",
            given.len()
        );
        call.wrong("einsum", message);
        return None;
    }
    sizes.extend(missing.into_iter().zip(given));
    let size = |l: &char| sizes.iter().find(|s| s.0 == *l).map_or(1, |s| s.1);
    let shape = |operand: &[char]| -> Vec<u64> {
        let each = operand.iter().map(size);
        each.chain(complex.then_some(2)).collect()
    };
    let product = |of: &dyn Fn(char) -> bool| -> Vec<u64> {
        sizes.iter().filter(|s| of(s.0)).map(|s| s.1).collect()
    };
    let in_ = |list: &[char], l: char| list.contains(&l);
    let class = |a: bool, b: bool, c: bool| {
        let of = |l: char| in_(&lhs, l) == a && in_(&rhs, l) == b && in_(&out, l) == c;
        check_size(call, "einsum", &product(&of))
    };
    let (g, m) = (class(true, true, true)?, class(true, false, true)?);
    let (n, k) = (class(false, true, true)?, class(true, true, false)?);
    let alone = sizes.iter().find(|(l, _)| {
        let n =
            usize::from(in_(&lhs, *l)) + usize::from(in_(&rhs, *l)) + usize::from(in_(&out, *l));
        n < 2
    });
    if let Some((letter, _)) = alone {
        call.wrong(
            "einsum",
            format!("`{letter}` stands in one place only: use `reduce` first"),
        );
        return None;
    }
    check_size(call, "einsum", &shape(&out))?;
    check_size(call, "einsum", &shape(&rhs))?;
    let (y_shape, w_shape) = (shape(&out), shape(&rhs));
    let (rhs, dtype) = match call.inputs.get(1) {
        Some(rhs) => (*rhs, walk.draft.formats.activation),
        None => {
            let w = call.weight(walk, "weight", &w_shape)?;
            (w, walk.draft.formats.product())
        }
    };
    // A complex product is four real ones: twice the sums, and twice the results.
    let twice = if complex { 2 } else { 1 };
    let y = walk.draft.activation(&call.sub("out"), &y_shape);
    let kind = OpKind::Einsum {
        einsum: Einsum::matmul(g, m, n * twice, k * twice),
        dtype,
    };
    walk.draft
        .operator(&call.name, "einsum", kind, &[call.x(), rhs], &[y]);
    Some(y)
}

/// Letters of both operands and of the result; each at most once in each.
fn letters(text: &str) -> Option<(Vec<char>, Vec<char>, Vec<char>)> {
    let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let (operands, out) = text.split_once("->")?;
    let (lhs, rhs) = operands.split_once(',')?;
    let list = |text: &str| -> Option<Vec<char>> {
        let found: Vec<char> = text.chars().collect();
        let is_right = !found.is_empty() && found.len() <= 8;
        let is_letter = found.iter().all(char::is_ascii_alphabetic);
        let is_once = found
            .iter()
            .enumerate()
            .all(|(i, c)| !found[..i].contains(c));
        (is_right && is_letter && is_once).then_some(found)
    };
    let (lhs, rhs, out) = (list(lhs)?, list(rhs)?, list(out)?);
    let is_known = out.iter().all(|l| lhs.contains(l) || rhs.contains(l));
    is_known.then_some((lhs, rhs, out))
}

/// `experts = { experts, top_k, width, act, gated, bias, shared }`: a mixture of feed-forward blocks.
pub(super) fn experts(walk: &mut Walk<'_>, call: &Call<'_, '_>) -> Option<TensorId> {
    let shape = call.ranked(walk, "experts", (2, 8))?.to_vec();
    let k = shape[shape.len() - 1];
    let args = call.args("experts", "experts");
    let n = args.need("experts", 1..=65_536);
    let top_k = args.need("top_k", 1..=65_536);
    let width = args.need("width", 1..=MAX_SIZE);
    let gated = args.flag("gated", true);
    let nonlinear = activation(&args, "act", "silu");
    args.finish()?;
    let (n, top_k, width, gated) = (n?, top_k?, width?, gated?);
    let (source, (ops, special)) = nonlinear?;
    if top_k > n {
        call.wrong(
            "experts",
            format!("{top_k} of {n} experts cannot be chosen"),
        );
        return None;
    }
    let router = Layer {
        name: "router",
        out: n,
        bias: false,
    };
    let scores = project(walk, call, "experts", call.x(), &router)?;
    let tokens: u64 = shape[..shape.len() - 1].iter().product();
    let choice = walk.draft.indices(&call.sub("route.out"), &[tokens, top_k]);
    let kind = OpKind::Route {
        tokens,
        experts: n,
        top_k,
    };
    walk.draft
        .operator(&call.sub("route"), "route", kind, &[scores], &[choice]);
    let rows = check_size(call, "experts", &[tokens, top_k])?;
    let imbalance = walk.binding.software.imbalance;
    let loads = Popularity::new(n, top_k, imbalance).loads(tokens as f64);
    let dtype = walk.draft.formats.product();
    let product = |out: u64, k: u64| {
        OpKind::Experts(Experts {
            experts: n,
            loads,
            rows,
            routed: rows,
            n: out,
            k,
            dtype,
        })
    };
    let inner = if gated { 2 * width } else { width };
    check_size(call, "experts", &[n, k, inner])?;
    check_size(call, "experts", &[rows, inner])?;
    let up = call.weight(walk, "up.weight", &[n, k, inner])?;
    let down = call.weight(walk, "down.weight", &[n, width, k])?;
    let x = walk.draft.activation(&call.sub("up.out"), &[rows, inner]);
    let inputs = [call.x(), up, choice];
    walk.draft
        .operator(&call.sub("up"), "experts", product(inner, k), &inputs, &[x]);
    let work = (ops + f64::from(u8::from(gated)), special);
    let x = walk
        .draft
        .map(&call.sub("act"), source, &[x], &[rows, width], work);
    let y = walk.draft.activation(&call.sub("down.out"), &[rows, k]);
    walk.draft.operator(
        &call.sub("down"),
        "experts",
        product(k, width),
        &[x, down],
        &[y],
    );
    let work = VectorWork {
        elements: rows as f64 * k as f64,
        ops: 2.0,
        special: 0.0,
    };
    Some(
        walk.draft
            .reduction(&call.sub("combine"), "combine", &[y], &shape, work),
    )
}
