//! Convolutions of one to three axes, also depthwise and transposed.

use crate::diag::Code;
use crate::workload::{ConvDim, Einsum, OpKind, TensorId};

use super::super::args::{Args, MAX_SIZE, MAX_SMALL};
use super::super::draft::show;
use super::super::rider::has_batch_norm;
use super::super::walk::{Call, Walk};

/// One axis of a sliding window.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub(super) kernel: u64,
    pub(super) stride: u64,
    pub(super) dilation: u64,
    /// Before and behind the input; `None`: as much as gives `ceil(input / stride)` outputs.
    pub(super) pad: Option<u64>,
}

impl Window {
    /// Outputs along an axis of `input`; with `ceil` the last window may be cut.
    pub(super) fn outputs(self, input: u64, ceil: bool) -> Option<u64> {
        let Some(pad) = self.pad else {
            return Some(input.div_ceil(self.stride));
        };
        let extent = self.dilation * (self.kernel - 1) + 1;
        let padded = input + 2 * pad;
        let room = padded.checked_sub(extent)?;
        let mut n = room / self.stride + 1;
        // A window that would start in the padding behind the input is left out.
        if ceil && room % self.stride != 0 && n * self.stride < input + pad {
            n += 1;
        }
        Some(n)
    }
}

/// The windows over `n` axes.
pub(super) fn windows(
    args: &Args<'_, '_>,
    n: usize,
    stride: Option<&[u64]>,
) -> Option<Vec<Window>> {
    let small = 1..=MAX_SMALL;
    if !args.has("kernel") {
        args.missing("kernel");
    }
    let kernel = args.each("kernel", n, 1, small.clone());
    let dilation = args.each("dilation", n, 1, small.clone());
    let pad = pad(args, n);
    let stride = match (stride, args.has("stride")) {
        (Some(given), false) => Some(given.to_vec()),
        _ => args.each("stride", n, 1, small),
    };
    let (kernel, stride, dilation, pad) = (kernel?, stride?, dilation?, pad?);
    let each = (0..n).map(|i| Window {
        kernel: kernel[i],
        stride: stride[i],
        dilation: dilation[i],
        pad: pad[i],
    });
    Some(each.collect())
}

fn pad(args: &Args<'_, '_>, n: usize) -> Option<Vec<Option<u64>>> {
    if !args.has("pad") || args.is_word("pad", "same") {
        return Some(vec![None; n]);
    }
    if args.is_word("pad", "valid") {
        return Some(vec![Some(0); n]);
    }
    let found = args.each("pad", n, 0, 0..=MAX_SMALL)?;
    Some(found.into_iter().map(Some).collect())
}

/// `conv = { out, kernel, stride, pad, dilation, groups, bias, transposed, output_pad }`.
pub(super) fn conv(walk: &mut Walk<'_>, call: &Call<'_, '_>) -> Option<TensorId> {
    let shape = call.ranked(walk, "conv", (3, 5))?.to_vec();
    let args = call.args("conv", "out");
    let out = args.size_or("out", shape[1], 1..=MAX_SIZE);
    let groups = args.size_or("groups", 1, 1..=MAX_SIZE);
    let windows = windows(&args, shape.len() - 2, None);
    let bias = args.flag("bias", !has_batch_norm(call.reader));
    let transposed = args.flag("transposed", false);
    let extra = args.size_or("output_pad", 0, 0..=MAX_SMALL);
    let weight = args.text("weight");
    if args.has("output_pad") && transposed == Some(false) {
        args.refuse(
            "output_pad",
            Code::Disagreement,
            "`output_pad` is of transposed convolutions",
        );
    }
    args.finish()?;
    let plan = Plan {
        key: "conv",
        out: out?,
        groups: groups?,
        windows: windows?,
        bias: bias?,
        weight,
    };
    match transposed? {
        true => plan.transposed(walk, call, &shape, extra?),
        false => plan.forward(walk, call, &shape),
    }
}

/// `depthwise = { kernel, stride, ..., multiplier }`: one filter, or `multiplier`, for each channel.
pub(super) fn depthwise(walk: &mut Walk<'_>, call: &Call<'_, '_>) -> Option<TensorId> {
    let shape = call.ranked(walk, "depthwise", (3, 5))?.to_vec();
    let args = call.args("depthwise", "kernel");
    let windows = windows(&args, shape.len() - 2, None);
    let multiplier = args.size_or("multiplier", 1, 1..=MAX_SMALL);
    let bias = args.flag("bias", !has_batch_norm(call.reader));
    args.finish()?;
    let plan = Plan {
        key: "depthwise",
        out: shape[1].saturating_mul(multiplier?),
        groups: shape[1],
        windows: windows?,
        bias: bias?,
        weight: None,
    };
    plan.forward(walk, call, &shape)
}

struct Plan<'c> {
    key: &'static str,
    out: u64,
    groups: u64,
    windows: Vec<Window>,
    bias: bool,
    weight: Option<&'c str>,
}

impl Plan<'_> {
    fn check_groups(&self, call: &Call<'_, '_>, shape: &[u64]) -> Option<()> {
        let (out, groups) = (self.out, self.groups);
        if shape[1].is_multiple_of(groups) && out.is_multiple_of(groups) {
            return Some(());
        }
        let message = format!(
            "{} input channels of {} and {out} output channels in {groups} groups",
            shape[1],
            show(shape)
        );
        call.wrong(self.key, message);
        None
    }

    fn inputs(
        &self,
        walk: &mut Walk<'_>,
        call: &Call<'_, '_>,
        weight: &[u64],
    ) -> Option<Vec<TensorId>> {
        let w = super::linear::weight(walk, call, self.key, self.weight, weight)?;
        let mut inputs = vec![call.x(), w];
        if self.bias {
            inputs.push(call.vector(walk, "bias", &[self.out])?);
        }
        Some(inputs)
    }

    fn forward(&self, walk: &mut Walk<'_>, call: &Call<'_, '_>, shape: &[u64]) -> Option<TensorId> {
        self.check_groups(call, shape)?;
        let mut result = vec![shape[0], self.out];
        let mut dims = Vec::new();
        for (window, &input) in self.windows.iter().zip(&shape[2..]) {
            let Some(output) = window.outputs(input, false) else {
                let message = format!(
                    "a kernel of {} is larger than the {input} of {}",
                    window.kernel,
                    show(shape)
                );
                call.wrong(self.key, message);
                return None;
            };
            result.push(output);
            dims.push(ConvDim {
                input,
                output,
                kernel: window.kernel,
                stride: window.stride as u32,
                dilation: window.dilation as u32,
            });
        }
        super::check_size(call, self.key, &result)?;
        let (n, c) = (self.out / self.groups, shape[1] / self.groups);
        let mut weight = vec![self.out, c];
        weight.extend(self.windows.iter().map(|w| w.kernel));
        super::check_size(call, self.key, &weight)?;
        let inputs = self.inputs(walk, call, &weight)?;
        let y = walk.draft.activation(&call.sub("out"), &result);
        let kind = OpKind::Einsum {
            einsum: Einsum::conv(shape[0], self.groups, n, c, &dims),
            dtype: walk.draft.formats.product(),
        };
        walk.draft
            .operator(&call.name, self.key, kind, &inputs, &[y]);
        Some(y)
    }

    /// Every input element meets every tap and output channel of its group, so the product is one of
    /// matrices `[pixels, Cin/g] · [Cin/g, Cout/g · taps]`; sums that overlap are added.
    ///
    /// Without `pad` the output is `stride` times the input.
    fn transposed(
        &self,
        walk: &mut Walk<'_>,
        call: &Call<'_, '_>,
        shape: &[u64],
        extra: u64,
    ) -> Option<TensorId> {
        self.check_groups(call, shape)?;
        let mut result = vec![shape[0], self.out];
        for (window, &input) in self.windows.iter().zip(&shape[2..]) {
            let full =
                window.stride * (input.max(1) - 1) + window.dilation * (window.kernel - 1) + 1;
            let size = match window.pad {
                None => Some(input * window.stride),
                Some(pad) => (full + extra).checked_sub(2 * pad).filter(|n| *n > 0),
            };
            let Some(size) = size else {
                call.wrong(
                    self.key,
                    format!("the padding takes all of {}", show(shape)),
                );
                return None;
            };
            result.push(size);
        }
        super::check_size(call, self.key, &result)?;
        let (n, c) = (self.out / self.groups, shape[1] / self.groups);
        let mut weight = vec![shape[1], n];
        weight.extend(self.windows.iter().map(|w| w.kernel));
        super::check_size(call, self.key, &weight)?;
        let inputs = self.inputs(walk, call, &weight)?;
        let taps: u64 = self.windows.iter().map(|w| w.kernel).product();
        let pixels: u64 = shape[2..].iter().product();
        let y = walk.draft.activation(&call.sub("out"), &result);
        let kind = OpKind::Einsum {
            einsum: Einsum::matmul(self.groups, shape[0] * pixels, n * taps, c),
            dtype: walk.draft.formats.product(),
        };
        walk.draft
            .operator(&call.name, "conv_transposed", kind, &inputs, &[y]);
        Some(y)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_sizes_follow_the_padding() {
        let window = |kernel, stride, dilation, pad| Window {
            kernel,
            stride,
            dilation,
            pad,
        };
        // ResNet's first convolution, AlexNet's, and torch's documented pooling example.
        assert_eq!(window(7, 2, 1, Some(3)).outputs(224, false), Some(112));
        assert_eq!(window(7, 2, 1, None).outputs(224, false), Some(112));
        assert_eq!(window(11, 4, 1, Some(2)).outputs(224, false), Some(55));
        assert_eq!(window(3, 2, 1, Some(0)).outputs(50, false), Some(24));
        assert_eq!(window(3, 2, 1, Some(0)).outputs(50, true), Some(25));
        assert_eq!(window(2, 2, 1, Some(1)).outputs(3, true), Some(2));
        assert_eq!(window(3, 1, 2, Some(0)).outputs(7, false), Some(3));
        assert_eq!(window(5, 1, 1, Some(0)).outputs(4, false), None);
    }
}
