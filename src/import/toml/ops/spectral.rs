//! Fourier transforms.

use crate::workload::{TensorId, VectorWork};

use super::super::args::MAX_SIZE;
use super::super::draft::show;
use super::super::walk::{Call, Walk};
use super::check_size;

/// Operations of a complex transform of `n` points over `n · log2 n`; a real one takes half.
///
/// Source: Frigo and Johnson, "The Design and Implementation of FFTW3", Proc. IEEE 2005, section III (the
/// convention of its "mflops").
const OPS: f64 = 5.0;

/// `fft = { axes, inverse, size }` of real values: complex numbers are a last axis of 2, and the last of `axes` keeps
/// `n/2 + 1` of `n` frequencies; the inverse takes them back to `size` points.
pub(super) fn fft(walk: &mut Walk<'_>, call: &Call<'_, '_>) -> Option<TensorId> {
    let shape = call.ranked(walk, "fft", (2, 8))?.to_vec();
    let args = call.args("fft", "axes");
    let axes = args.sizes("axes", 0..=7);
    if !args.has("axes") {
        args.missing("axes");
    }
    let inverse = args.flag("inverse", false);
    let size = args.size("size", 1..=MAX_SIZE);
    if inverse == Some(true) && !args.has("size") {
        args.missing("size");
    }
    args.finish()?;
    let (axes, inverse) = (axes?, inverse?);
    let is_complex = shape.last() == Some(&2);
    let rank = shape.len() - usize::from(inverse);
    let is_axis = |a: &u64| (*a as usize) < rank;
    if axes.is_empty() || !axes.iter().all(is_axis) || (inverse && !is_complex) {
        call.wrong(
            "fft",
            format!(
                "a transform along the axes {} of {}",
                show(&axes),
                show(&shape)
            ),
        );
        return None;
    }
    let last = axes[axes.len() - 1] as usize;
    let mut dims = shape.clone();
    if inverse {
        dims.pop();
        dims[last] = size?;
    }
    check_size(call, "fft", &dims)?;
    let points: f64 = axes.iter().map(|a| dims[*a as usize] as f64).product();
    let elements: f64 = dims.iter().map(|n| *n as f64).product();
    if !inverse {
        dims[last] = dims[last] / 2 + 1;
        dims.push(2);
    }
    let work = VectorWork {
        elements,
        ops: OPS / 2.0 * points.log2().max(1.0),
        special: 0.0,
    };
    let source = if inverse { "inverse_fft" } else { "fft" };
    Some(
        walk.draft
            .reduction(&call.name, source, &[call.x()], &dims, work),
    )
}
