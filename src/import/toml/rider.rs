//! What an operator's table may add to its result: norm, products, sums, activation.

use crate::document::{Node, Reader};
use crate::workload::{OpKind, TensorId, VectorWork};

use super::args::{Args, MAX_SIZE};
use super::draft::show;
use super::walk::{Call, Walk};

/// Keys of riders in the order in which they act.
const KEYS: [&str; 4] = ["norm", "mul", "add", "act"];

/// Operations and special functions per element: `x·σ(x)`, `erf`, and so on.
///
/// Source: derived from each function's definition; hyperbolic and error functions count as one special
/// function.
const ACTIVATIONS: [(&str, (f64, f64)); 18] = [
    ("relu", (1.0, 0.0)),
    ("relu6", (2.0, 0.0)),
    ("leaky-relu", (2.0, 0.0)),
    ("prelu", (2.0, 0.0)),
    ("hard-sigmoid", (4.0, 0.0)),
    ("hard-swish", (5.0, 0.0)),
    ("sigmoid", (2.0, 2.0)),
    ("silu", (3.0, 2.0)),
    ("gelu", (4.0, 1.0)),
    ("tanh", (0.0, 1.0)),
    ("elu", (3.0, 1.0)),
    ("mish", (2.0, 3.0)),
    ("softplus", (2.0, 2.0)),
    ("exp", (0.0, 1.0)),
    ("sqrt", (0.0, 1.0)),
    ("sin", (0.0, 1.0)),
    ("square", (1.0, 0.0)),
    ("abs", (1.0, 0.0)),
];

/// The kinds of norms.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Norm {
    Batch,
    Layer,
    Rms,
    Group,
    Instance,
}

const NORMS: [(&str, Norm); 5] = [
    ("batch", Norm::Batch),
    ("layer", Norm::Layer),
    ("rms", Norm::Rms),
    ("group", Norm::Group),
    ("instance", Norm::Instance),
];

/// Operations per element of a root-mean-square norm: square, accumulate, scale, weight.
/// Source: derived.
const RMS_OPS: f64 = 4.0;

/// Operations per element of a norm with a mean: two sums, center, square, scale, weight, bias.
/// Source: derived.
const MEAN_OPS: f64 = 8.0;

/// Operations per element of a batch norm at inference: scale and shift.
const BATCH_OPS: f64 = 2.0;

/// The first rider of a table that has no operator.
pub(super) fn first(reader: &Reader<'_>) -> Option<&'static str> {
    KEYS.into_iter().find(|key| reader.raw().get(key).is_some())
}

/// Whether a table's convolution or product is followed by a batch norm, which has the bias.
pub(super) fn has_batch_norm(reader: &Reader<'_>) -> bool {
    let Some(node) = reader.raw().get("norm") else {
        return false;
    };
    let kind = |n: &Node| n.as_text() == Some("batch");
    kind(node)
        || node
            .as_table()
            .and_then(|t| t.get("kind"))
            .is_some_and(kind)
}

/// Work of one element of an activation, by name; the whole as a problem if it is not known.
pub(super) fn activation(
    args: &Args<'_, '_>,
    key: &'static str,
    default: &str,
) -> Option<(&'static str, (f64, f64))> {
    let words: Vec<(&str, usize)> = ACTIVATIONS
        .iter()
        .enumerate()
        .map(|(i, a)| (a.0, i))
        .collect();
    let default = ACTIVATIONS.iter().position(|a| a.0 == default).unwrap_or(0);
    args.word(key, &words, default).map(|i| ACTIVATIONS[i])
}

/// Applies all riders of a table to `x`, which the operator at `carrier` made last.
pub(super) fn all(
    walk: &mut Walk<'_>,
    call: &Call<'_, '_>,
    x: TensorId,
    own_input: Option<TensorId>,
    carrier: Option<usize>,
) -> Option<TensorId> {
    let reader = call.reader;
    let has = |key: &str| reader.raw().get(key).is_some();
    let alone = carrier.is_none();
    let mut x = x;
    if has("norm") {
        let folded = carrier.filter(|_| has_batch_norm(reader)).filter(|i| {
            let operator = walk.draft.operators.get(*i);
            operator.is_some_and(|operator| {
                matches!(operator.kind, OpKind::Einsum { .. }) && operator.outputs.contains(&x)
            })
        });
        let name = sub(call, "norm", alone);
        x = match folded {
            Some(at) => fold(walk, call, x, &name, at)?,
            None => norm(walk, call, "norm", x, &name)?,
        };
    }
    for key in ["mul", "add"] {
        if has(key) {
            let is_first = alone && first(reader) == Some(key);
            x = combine(walk, call, key, x, is_first)?;
        }
    }
    if has("residual") && reader.boolean("residual")? {
        let operands = [x, own_input?];
        x = sum(walk, call, "residual", "residual", "add", &operands)?;
    }
    if has("act") {
        let name = sub(call, "act", alone && first(reader) == Some("act"));
        x = act(walk, call, x, &name)?;
    }
    Some(x)
}

fn sub(call: &Call<'_, '_>, part: &str, alone: bool) -> String {
    if alone {
        return call.name.clone();
    }
    call.sub(part)
}

fn act(walk: &mut Walk<'_>, call: &Call<'_, '_>, x: TensorId, name: &str) -> Option<TensorId> {
    let args = call.args("act", "kind");
    let found = activation(&args, "kind", "");
    args.finish()?;
    let (source, work) = found?;
    let shape = walk.draft.shape(x).to_vec();
    let mut inputs = vec![x];
    if source == "prelu" {
        let channels = shape.get(1).copied().unwrap_or(1);
        inputs.push(named(walk, call, &format!("{name}.slope"), &[channels])?);
    }
    Some(walk.draft.map(name, source, &inputs, &shape, work))
}

fn named(walk: &mut Walk<'_>, call: &Call<'_, '_>, name: &str, shape: &[u64]) -> Option<TensorId> {
    let found = walk.draft.vector(name, shape);
    found.map_err(|message| call.wrong("share", message)).ok()
}

/// Scale and shift in the last step of the product: two vectors are read, nothing else is done.
fn fold(
    walk: &mut Walk<'_>,
    call: &Call<'_, '_>,
    x: TensorId,
    name: &str,
    at: usize,
) -> Option<TensorId> {
    let args = call.args("norm", "kind");
    args.word("kind", &NORMS, Norm::Batch);
    args.finish()?;
    let shape = walk.draft.shape(x);
    let channels = *shape.get(1).or(shape.last())?;
    for part in ["weight", "bias"] {
        let id = named(walk, call, &format!("{name}.{part}"), &[channels])?;
        walk.draft.operators[at].inputs.push(id);
    }
    Some(x)
}

/// A norm of its own.
pub(super) fn norm(
    walk: &mut Walk<'_>,
    call: &Call<'_, '_>,
    key: &'static str,
    x: TensorId,
    name: &str,
) -> Option<TensorId> {
    let shape = walk.draft.shape(x).to_vec();
    let args = call.args(key, "kind");
    if !args.has("kind") {
        args.missing("kind");
    }
    let kind = args.word("kind", &NORMS, Norm::Batch);
    let of_channels = matches!(kind, Some(Norm::Batch | Norm::Group | Norm::Instance));
    let axis = args.axis("axis", shape.len(), if of_channels { 1 } else { -1 });
    let affine = args.flag("affine", true);
    let bias = args.flag("bias", kind != Some(Norm::Rms));
    let groups = (kind == Some(Norm::Group)).then(|| args.size_or("groups", 32, 1..=MAX_SIZE));
    args.finish()?;
    let (kind, axis, affine, bias) = (kind?, axis?, affine?, bias?);
    let channels = shape[axis];
    if let Some(groups) = groups.flatten().filter(|g| !channels.is_multiple_of(*g)) {
        let have = show(&shape);
        call.wrong(
            key,
            format!("{channels} channels of {have} do not divide into {groups} groups"),
        );
        return None;
    }
    let mut inputs = vec![x];
    if affine {
        inputs.push(named(walk, call, &format!("{name}.weight"), &[channels])?);
    }
    if affine && bias {
        inputs.push(named(walk, call, &format!("{name}.bias"), &[channels])?);
    }
    let (source, ops) = match kind {
        Norm::Batch => {
            let work = (BATCH_OPS, 0.0);
            return Some(walk.draft.map(name, "batch_norm", &inputs, &shape, work));
        }
        Norm::Layer => ("layer_norm", MEAN_OPS),
        Norm::Rms => ("rms_norm", RMS_OPS),
        Norm::Group => ("group_norm", MEAN_OPS),
        Norm::Instance => ("instance_norm", MEAN_OPS),
    };
    let elements = walk.draft.elements(x);
    let work = VectorWork {
        elements,
        ops,
        special: 0.0,
    };
    Some(walk.draft.reduction(name, source, &inputs, &shape, work))
}

/// `add` and `mul`: with the values named; alone, a list stands for all operands.
fn combine(
    walk: &mut Walk<'_>,
    call: &Call<'_, '_>,
    key: &'static str,
    x: TensorId,
    is_first: bool,
) -> Option<TensorId> {
    let is_list = call.reader.raw().get(key).and_then(Node::as_list).is_some();
    let names = call.reader.strings(key)?;
    if names.is_empty() {
        call.wrong(key, format!("`{key}` names nothing"));
        return None;
    }
    let mut operands = if is_first && is_list && names.len() > 1 {
        Vec::new()
    } else {
        vec![x]
    };
    let found: Vec<Option<TensorId>> = names
        .iter()
        .map(|(name, node)| walk.value(call.reader, key, name, node))
        .collect();
    operands.extend(found.into_iter().collect::<Option<Vec<_>>>()?);
    let part = if is_first { "" } else { key };
    sum(walk, call, key, part, key, &operands)
}

fn sum(
    walk: &mut Walk<'_>,
    call: &Call<'_, '_>,
    key: &str,
    part: &str,
    source: &str,
    operands: &[TensorId],
) -> Option<TensorId> {
    let shape = broadcast(walk, call, key, operands)?;
    let name = match part {
        "" => call.name.clone(),
        part => call.sub(part),
    };
    let work = (operands.len() as f64 - 1.0, 0.0);
    Some(walk.draft.map(&name, source, operands, &shape, work))
}

/// The shape of operands that are stretched along axes of size 1, as numpy does.
pub(super) fn broadcast(
    walk: &Walk<'_>,
    call: &Call<'_, '_>,
    key: &str,
    operands: &[TensorId],
) -> Option<Vec<u64>> {
    let shapes: Vec<&[u64]> = operands.iter().map(|x| walk.draft.shape(*x)).collect();
    let rank = shapes.iter().map(|s| s.len()).max().unwrap_or(0);
    let mut out = vec![1; rank];
    for shape in &shapes {
        for (at, &size) in shape.iter().rev().enumerate() {
            let slot = &mut out[rank - 1 - at];
            if *slot == 1 {
                *slot = size;
            } else if size != 1 && size != *slot {
                let all: Vec<String> = shapes.iter().map(|s| show(s)).collect();
                call.wrong(
                    key,
                    format!("{key} of {}: the shapes do not fit", all.join(" and ")),
                );
                return None;
            }
        }
    }
    Some(out)
}
