//! Changes of layout: joined, cut, reshaped, transposed.

use crate::diag::Code;
use crate::workload::{OpKind, Role, TensorId, View};

use super::super::args::{MAX_SIZE, MAX_SMALL};
use super::super::draft::show;
use super::super::walk::{Call, Walk};
use super::{check_size, vector};

/// Most parts of a split.
const MAX_PARTS: u64 = 4096;

/// `concat = ["a", "b"]` along axis 1, or `concat = { of, axis }`; a name alone is put behind the current value.
pub(super) fn concat(walk: &mut Walk<'_>, call: &Call<'_, '_>) -> Option<TensorId> {
    let args = call.args("concat", "of");
    let node = args.node("of");
    let Some(node) = node else {
        args.missing("of");
        return None;
    };
    let names = node.as_list().unwrap_or(std::slice::from_ref(node));
    let mut operands = match node.as_list() {
        Some(_) => Vec::new(),
        None => call.inputs.clone(),
    };
    for item in names {
        let Some(name) = item.as_text() else {
            call.reader
                .wrong_type("concat", item, "a name or a list of names");
            return None;
        };
        operands.push(walk.value(call.reader, "concat", name, item)?);
    }
    let Some(first) = operands.first() else {
        call.wrong("concat", "there is nothing to join");
        return None;
    };
    let mut shape = walk.draft.shape(*first).to_vec();
    let axis = args.axis("axis", shape.len(), 1.min(shape.len() as i64 - 1));
    args.finish()?;
    let axis = axis?;
    for other in &operands[1..] {
        let theirs = walk.draft.shape(*other);
        let is_equal = |(i, n): (usize, &u64)| i == axis || theirs.get(i) == Some(n);
        if theirs.len() != shape.len() || !shape.iter().enumerate().all(is_equal) {
            let all: Vec<String> = operands
                .iter()
                .map(|x| show(walk.draft.shape(*x)))
                .collect();
            call.wrong(
                "concat",
                format!("{} do not join along axis {axis}", all.join(" and ")),
            );
            return None;
        }
        shape[axis] = shape[axis].saturating_add(theirs[axis]);
    }
    check_size(call, "concat", &shape)?;
    let dtype = walk.draft.tensor(operands[0]).dtype;
    let y = walk
        .draft
        .add(&call.sub("out"), &shape, dtype, Role::Activation);
    walk.draft.operator(
        &call.name,
        "concat",
        OpKind::Layout(View::Copy),
        &operands,
        &[y],
    );
    Some(y)
}

/// `split = 2` along axis 1, or `split = { parts | sizes, axis }`: parts `name.0`, `name.1`, ...
pub(super) fn split(walk: &mut Walk<'_>, call: &Call<'_, '_>) -> Option<TensorId> {
    let shape = call.ranked(walk, "split", (1, 8))?.to_vec();
    let args = call.args("split", "parts");
    let parts = args.size("parts", 1..=MAX_PARTS);
    let sizes = args.sizes("sizes", 1..=MAX_SIZE);
    let axis = args.axis("axis", shape.len(), 1.min(shape.len() as i64 - 1));
    if args.has("parts") == args.has("sizes") {
        args.refuse(
            "parts",
            Code::Disagreement,
            "`split` needs either `parts` or `sizes`",
        );
    }
    args.finish()?;
    let axis = axis?;
    let whole = shape[axis];
    let sizes = match (parts, sizes) {
        (_, Some(sizes)) => sizes,
        (Some(parts), None) => vec![whole / parts; parts as usize],
        (None, None) => return None,
    };
    if sizes.iter().try_fold(0u64, |sum, n| sum.checked_add(*n)) != Some(whole) {
        call.wrong(
            "split",
            format!(
                "axis {axis} of {} does not divide into {}",
                show(&shape),
                show(&sizes)
            ),
        );
        return None;
    }
    let dtype = walk.draft.tensor(call.x()).dtype;
    let mut outputs = Vec::new();
    for (at, size) in sizes.iter().enumerate() {
        let mut dims = shape.clone();
        dims[axis] = *size;
        let name = format!("{}.{at}", call.name);
        let id = walk.draft.add(&name, &dims, dtype, Role::Activation);
        walk.define(name, Some(id));
        outputs.push(id);
    }
    let free = OpKind::Layout(View::Free);
    walk.draft
        .operator(&call.name, "split", free, &[call.x()], &outputs);
    outputs.first().copied()
}

/// `slice = { axis, from, size, step }`: a part, read where it lies.
pub(super) fn slice(walk: &mut Walk<'_>, call: &Call<'_, '_>) -> Option<TensorId> {
    let mut shape = call.ranked(walk, "slice", (1, 8))?.to_vec();
    let args = call.args("slice", "size");
    let axis = args.axis("axis", shape.len(), 1.min(shape.len() as i64 - 1));
    let from = args.size_or("from", 0, 0..=MAX_SIZE);
    let step = args.size_or("step", 1, 1..=MAX_SMALL);
    let size = args.need("size", 1..=MAX_SIZE);
    args.finish()?;
    let (axis, from, step, size) = (axis?, from?, step?, size?);
    let end = (size - 1).saturating_mul(step).saturating_add(from);
    if end >= shape[axis] {
        call.wrong(
            "slice",
            format!(
                "{size} from {from} on are not in axis {axis} of {}",
                show(&shape)
            ),
        );
        return None;
    }
    shape[axis] = size;
    Some(
        walk.draft
            .layout(&call.name, "slice", call.x(), &shape, View::Free),
    )
}

/// `reshape = ["batch", -1, 64]`: free; one size may be -1.
pub(super) fn reshape(walk: &mut Walk<'_>, call: &Call<'_, '_>) -> Option<TensorId> {
    let items = call.reader.list("reshape")?;
    let elements: u64 = walk.draft.shape(call.x()).iter().product();
    let shape = vector::shape(call, "reshape", items, elements)?;
    Some(
        walk.draft
            .layout(&call.name, "reshape", call.x(), &shape, View::Free),
    )
}

/// `transpose = [0, 2, 1]`: a copy.
pub(super) fn transpose(walk: &mut Walk<'_>, call: &Call<'_, '_>) -> Option<TensorId> {
    let shape = call.ranked(walk, "transpose", (1, 8))?.to_vec();
    let args = call.args("transpose", "axes");
    let axes = args.sizes("axes", 0..=7);
    args.finish()?;
    let axes = axes?;
    let mut sorted = axes.clone();
    sorted.sort_unstable();
    if !sorted.iter().copied().eq(0..shape.len() as u64) {
        call.wrong(
            "transpose",
            format!(
                "{} is no order of the axes of {}",
                show(&axes),
                show(&shape)
            ),
        );
        return None;
    }
    let shape: Vec<u64> = axes.iter().map(|a| shape[*a as usize]).collect();
    Some(
        walk.draft
            .layout(&call.name, "transpose", call.x(), &shape, View::Copy),
    )
}

/// `flatten = 1`: one axis of all from this one on; free.
pub(super) fn flatten(walk: &mut Walk<'_>, call: &Call<'_, '_>) -> Option<TensorId> {
    let shape = call.ranked(walk, "flatten", (1, 8))?.to_vec();
    let args = call.args("flatten", "axis");
    let axis = args.axis("axis", shape.len(), 1.min(shape.len() as i64 - 1));
    args.finish()?;
    let axis = axis?;
    let rest: u64 = shape[axis..].iter().product();
    let mut dims = shape[..axis].to_vec();
    dims.push(rest);
    Some(
        walk.draft
            .layout(&call.name, "flatten", call.x(), &dims, View::Free),
    )
}

/// `tokens = true`: an image `[batch, channels, ..]` as `[batch, pixels, channels]`; a copy.
pub(super) fn tokens(walk: &mut Walk<'_>, call: &Call<'_, '_>) -> Option<TensorId> {
    let shape = call.ranked(walk, "tokens", (3, 5))?.to_vec();
    call.args("tokens", "").finish()?;
    let dims = [shape[0], shape[2..].iter().product(), shape[1]];
    Some(
        walk.draft
            .layout(&call.name, "tokens", call.x(), &dims, View::Copy),
    )
}

/// `image = [14, 14]`: `[batch, pixels, channels]` as `[batch, channels, 14, 14]`, or as large as the image of a
/// name; a copy.
pub(super) fn image(walk: &mut Walk<'_>, call: &Call<'_, '_>) -> Option<TensorId> {
    let shape = call.ranked(walk, "image", (3, 3))?.to_vec();
    let node = call.reader.get("image")?;
    let sizes = match node.as_text() {
        Some(name) => {
            let like = walk.value(call.reader, "image", name, node)?;
            let sizes = walk.draft.shape(like).get(2..).unwrap_or_default().to_vec();
            if sizes.iter().product::<u64>() != shape[1] {
                let (have, like) = (show(&shape), show(walk.draft.shape(like)));
                call.wrong("image", format!("tokens {have} are no image like {like}"));
                return None;
            }
            sizes
        }
        None => vector::shape(call, "image", call.reader.list("image")?, shape[1])?,
    };
    let dims: Vec<u64> = [shape[0], shape[2]].into_iter().chain(sizes).collect();
    Some(
        walk.draft
            .layout(&call.name, "image", call.x(), &dims, View::Copy),
    )
}

/// `pad = { axis, size }`: `size` more elements along an axis; a copy.
pub(super) fn pad(walk: &mut Walk<'_>, call: &Call<'_, '_>) -> Option<TensorId> {
    let mut shape = call.ranked(walk, "pad", (1, 8))?.to_vec();
    let args = call.args("pad", "size");
    let axis = args.axis("axis", shape.len(), -1);
    let size = args.need("size", 0..=MAX_SIZE);
    args.finish()?;
    shape[axis?] += size?;
    check_size(call, "pad", &shape)?;
    Some(
        walk.draft
            .layout(&call.name, "pad", call.x(), &shape, View::Copy),
    )
}
