//! Pooling, resizing, and the squeeze-and-excite block.

use crate::diag::Code;
use crate::workload::{TensorId, VectorWork};

use super::super::args::{MAX_SIZE, MAX_SMALL};
use super::super::draft::show;
use super::super::rider::activation;
use super::super::walk::{Call, Walk};
use super::check_size;
use super::conv::windows;
use super::linear::{Layer, project};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Max,
    Mean,
    /// One mean for each channel.
    Global,
}

/// One operation per element.
fn once(elements: f64) -> VectorWork {
    VectorWork {
        elements,
        ops: 1.0,
        special: 0.0,
    }
}

/// `pool = "global"` or `pool = { kind, kernel, stride, pad, ceil, to, keep }`.
pub(super) fn pool(walk: &mut Walk<'_>, call: &Call<'_, '_>) -> Option<TensorId> {
    let shape = call.ranked(walk, "pool", (3, 5))?.to_vec();
    let n = shape.len() - 2;
    let args = call.args("pool", "kind");
    if !args.has("kind") {
        args.missing("kind");
    }
    let kinds = [
        ("max", Kind::Max),
        ("mean", Kind::Mean),
        ("global", Kind::Global),
    ];
    let kind = args.word("kind", &kinds, Kind::Max)?;
    if kind == Kind::Global {
        let keep = args.flag("keep", false);
        args.finish()?;
        return Some(global(walk, call, &shape, keep?));
    }
    if args.has("to") {
        let to = args.each("to", n, 1, 1..=MAX_SIZE);
        args.finish()?;
        let result: Vec<u64> = shape[..2].iter().copied().chain(to?).collect();
        check_size(call, "pool", &result)?;
        let elements = walk.draft.elements(call.x());
        return Some(walk.draft.reduction(
            &call.name,
            "pool",
            &[call.x()],
            &result,
            once(elements),
        ));
    }
    let kernel = args.each("kernel", n, 1, 1..=MAX_SMALL);
    let windows = windows(&args, n, kernel.as_deref());
    let ceil = args.flag("ceil", false);
    args.finish()?;
    let mut result = shape[..2].to_vec();
    let mut taps = 1.0;
    for (window, &input) in windows?.iter().zip(&shape[2..]) {
        let Some(output) = window.outputs(input, ceil?) else {
            call.wrong(
                "pool",
                format!(
                    "a window of {} is larger than the {input} of {}",
                    window.kernel,
                    show(&shape)
                ),
            );
            return None;
        };
        taps *= window.kernel as f64;
        result.push(output);
    }
    check_size(call, "pool", &result)?;
    let elements: f64 = result.iter().map(|n| *n as f64).product();
    let work = once(elements * taps);
    Some(
        walk.draft
            .reduction(&call.name, "pool", &[call.x()], &result, work),
    )
}

fn global(walk: &mut Walk<'_>, call: &Call<'_, '_>, shape: &[u64], keep: bool) -> TensorId {
    let mut result = shape[..2].to_vec();
    if keep {
        result.resize(shape.len(), 1);
    }
    let elements = walk.draft.elements(call.x());
    walk.draft.reduction(
        &call.name,
        "global_pool",
        &[call.x()],
        &result,
        once(elements),
    )
}

/// `resize = scale` or `resize = { scale | to, kind }` of the axes behind the channels.
pub(super) fn resize(walk: &mut Walk<'_>, call: &Call<'_, '_>) -> Option<TensorId> {
    let shape = call.ranked(walk, "resize", (3, 5))?.to_vec();
    let n = shape.len() - 2;
    let args = call.args("resize", "scale");
    let scale = args.each("scale", n, 1, 1..=MAX_SMALL);
    let to = args.has("to").then(|| args.each("to", n, 1, 1..=MAX_SIZE));
    let linear = args.word("kind", &[("nearest", false), ("linear", true)], false);
    if args.has("to") == args.has("scale") {
        args.refuse(
            "to",
            Code::Disagreement,
            "`resize` needs either `scale` or `to`",
        );
    }
    args.finish()?;
    let (scale, linear) = (scale?, linear?);
    let mut result = shape[..2].to_vec();
    match to {
        Some(to) => result.extend(to?),
        None => result.extend(
            shape[2..]
                .iter()
                .zip(scale)
                .map(|(n, s)| n.saturating_mul(s)),
        ),
    }
    check_size(call, "resize", &result)?;
    // Linear: 2^n neighbors, a product and a sum for each.
    let ops = if linear {
        2.0 * f64::from(1u32 << n)
    } else {
        1.0
    };
    Some(
        walk.draft
            .map(&call.name, "resize", &[call.x()], &result, (ops, 0.0)),
    )
}

/// `squeeze = width` or `squeeze = { width, act, gate }`: means of all channels, two products, and a factor for
/// each channel (squeeze-and-excite).
pub(super) fn squeeze(walk: &mut Walk<'_>, call: &Call<'_, '_>) -> Option<TensorId> {
    let shape = call.ranked(walk, "squeeze", (3, 5))?.to_vec();
    let args = call.args("squeeze", "width");
    let width = args.need("width", 1..=MAX_SIZE);
    let act = activation(&args, "act", "relu");
    let gate = activation(&args, "gate", "sigmoid");
    args.finish()?;
    let (width, act, gate) = (width?, act?, gate?);
    let elements = walk.draft.elements(call.x());
    let (batch, channels) = (shape[0], shape[1]);
    let mean = walk.draft.reduction(
        &call.sub("mean"),
        "global_pool",
        &[call.x()],
        &[batch, channels],
        once(elements),
    );
    let layer = |name, out| Layer {
        name,
        out,
        bias: true,
    };
    let x = project(walk, call, "squeeze", mean, &layer("down", width))?;
    let x = walk
        .draft
        .map(&call.sub("act"), act.0, &[x], &[batch, width], act.1);
    let x = project(walk, call, "squeeze", x, &layer("up", channels))?;
    let x = walk
        .draft
        .map(&call.sub("gate"), gate.0, &[x], &[batch, channels], gate.1);
    Some(
        walk.draft
            .map(&call.sub("mul"), "mul", &[call.x(), x], &shape, (1.0, 0.0)),
    )
}
