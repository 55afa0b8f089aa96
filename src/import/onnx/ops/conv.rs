//! Convolutions and their output sizes; pooling shares the windows.

use super::Rule;
use super::matmul::Sizes;
use crate::import::onnx::call::{Call, Reply, Work};
use crate::import::onnx::elem::Elem;
use crate::import::onnx::value::{Dims, Fault, Value, elements, show, wrong};
use crate::workload::{ConvDim, Dtype, Einsum};

pub(super) fn rule(op: &str) -> Option<Rule> {
    Some(match op {
        "Conv" => float,
        "ConvInteger" => |c| forward(c, FIRST, Some(Elem::Int(Dtype::Int32))),
        "QLinearConv" => |c| quantized(c, false),
        "ConvTranspose" => transposed,
        _ => return None,
    })
}

/// Which inputs meet, and how they lie.
#[derive(Clone, Copy)]
struct Place {
    x: usize,
    w: usize,
    /// `[batch, space.., channels]` instead of `[batch, channels, space..]`; weights alike.
    is_channels_last: bool,
}

const FIRST: Place = Place {
    x: 0,
    w: 1,
    is_channels_last: false,
};

/// A convolution of floats; what is added behind it are further inputs.
pub(in crate::import::onnx) fn float(c: &Call) -> Result<Reply, Fault> {
    forward(c, FIRST, None)
}

/// The same with channels as the last axis of input and output; weights keep theirs.
pub(super) fn channels_last(c: &Call) -> Result<Reply, Fault> {
    let place = Place {
        is_channels_last: true,
        ..FIRST
    };
    forward(c, place, None)
}

/// `x, x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero, bias`.
pub(super) fn quantized(c: &Call, is_channels_last: bool) -> Result<Reply, Fault> {
    let place = Place {
        x: 0,
        w: 3,
        is_channels_last,
    };
    forward(c, place, c.get(7).map(|v| v.elem))
}

/// One axis of a sliding window.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub(super) kernel: i64,
    pub(super) stride: i64,
    pub(super) dilation: i64,
    pub(super) before: i64,
    pub(super) after: i64,
}

/// Windows over the last axes, from the attributes that convolution and pooling share.
pub(super) fn windows(c: &Call, kernel: &[i64]) -> Result<Vec<Window>, Fault> {
    let n = kernel.len();
    let list = |name: &str, default: i64| match c.ints(name) {
        Some(v) if v.len() == n => Ok(v.to_vec()),
        Some([]) => Ok(vec![default; n]),
        None => Ok(vec![default; n]),
        Some(v) => wrong(format!("{name} {} for {n} axes", show(v))),
    };
    let (strides, dilations) = (list("strides", 1)?, list("dilations", 1)?);
    let pads = match c.ints("pads") {
        Some(v) if v.len() == 2 * n => v.to_vec(),
        Some(v) if !v.is_empty() => return wrong(format!("pads {} for {n} axes", show(v))),
        Some(_) | None => vec![0; 2 * n],
    };
    let mut out = Vec::with_capacity(n);
    for i in 0..n {
        let w = Window {
            kernel: kernel[i],
            stride: strides[i],
            dilation: dilations[i],
            before: pads[i],
            after: pads[i + n],
        };
        let small = 1..=i64::from(u32::MAX);
        if !small.contains(&w.kernel) || !small.contains(&w.stride) || !small.contains(&w.dilation)
        {
            return wrong(format!(
                "a window of {} by {} with dilation {}",
                w.kernel, w.stride, w.dilation
            ));
        }
        out.push(w);
    }
    Ok(out)
}

impl Window {
    /// Outputs along an axis of `input`; padding as `auto_pad` says.
    pub(super) fn outputs(self, input: i64, auto_pad: &str, ceil: bool) -> Result<i64, Fault> {
        let extent = i128::from(self.dilation) * (i128::from(self.kernel) - 1) + 1;
        let (input, stride) = (i128::from(input), i128::from(self.stride));
        let padded = match auto_pad {
            "SAME_UPPER" | "SAME_LOWER" => return Ok(((input + stride - 1) / stride) as i64),
            "VALID" => input,
            _ => input + i128::from(self.before) + i128::from(self.after),
        };
        if padded < extent {
            return wrong(format!("a window of {extent} over {padded}"));
        }
        let mut n = (padded - extent) / stride + 1;
        if ceil && (padded - extent) % stride != 0 {
            // A window that would start in the padding behind the input is left out.
            let starts_inside = n * stride < input + i128::from(self.before);
            n += i128::from(starts_inside);
        }
        i64::try_from(n).or_else(|_| wrong("an output too large"))
    }
}

fn kernel<'a>(c: &'a Call, w: &'a Value) -> Result<&'a [i64], Fault> {
    let from_weight = &w.dims[2..];
    match c.ints("kernel_shape") {
        Some(k) if k != from_weight && !k.is_empty() => wrong(format!(
            "kernel_shape {} of a weight {}",
            show(k),
            show(&w.dims)
        )),
        Some(_) | None => Ok(from_weight),
    }
}

fn operands<'a>(c: &'a Call, x: usize, w: usize) -> Result<(&'a Value, &'a Value, i64), Fault> {
    let (x, w) = (c.need(x)?, c.need(w)?);
    let rank = x.dims.len();
    if !(3..=5).contains(&rank) || w.dims.len() != rank {
        return wrong(format!(
            "a convolution of {} with {}",
            show(&x.dims),
            show(&w.dims)
        ));
    }
    let groups = c.int("group", 1);
    if groups < 1 {
        return wrong(format!("{groups} groups"));
    }
    Ok((x, w, groups))
}

fn forward(c: &Call, place: Place, elem: Option<Elem>) -> Result<Reply, Fault> {
    let (x, w, groups) = operands(c, place.x, place.w)?;
    let mut sizes = x.dims.clone();
    if place.is_channels_last {
        sizes[1..].rotate_right(1);
    }
    if w.dims[1].checked_mul(groups) != Some(sizes[1]) || w.dims[0] % groups != 0 {
        return wrong(format!(
            "{} input channels, {groups} groups, weight {}",
            sizes[1],
            show(&w.dims)
        ));
    }
    let kernel = kernel(c, w)?;
    let windows = windows(c, kernel)?;
    let mut dims = Dims::from_slice(&[x.dims[0], w.dims[0]]);
    let mut each = Vec::new();
    for (window, &input) in windows.iter().zip(&sizes[2..]) {
        let output = window.outputs(input, c.text("auto_pad"), false)?;
        dims.push(output);
        each.push(ConvDim {
            input: input as u64,
            output: output as u64,
            kernel: window.kernel as u64,
            stride: window.stride as u32,
            dilation: window.dilation as u32,
        });
    }
    if place.is_channels_last {
        dims[1..].rotate_left(1);
    }
    let out = Value::new(dims, elem.unwrap_or(x.elem))?;
    if out.elements() == 0 || w.elements() == 0 {
        return Ok(Reply::one(out, Work::Copy));
    }
    let per_group = (w.dims[0] / groups) as u64;
    let einsum = Einsum::conv(
        x.dims[0] as u64,
        groups as u64,
        per_group,
        w.dims[1] as u64,
        &each,
    );
    Ok(Reply::one(
        out,
        Work::Product {
            einsum: Box::new(einsum),
            lhs: place.x,
            rhs: place.w,
        },
    ))
}

/// Every input element meets every tap and output channel of its group, so the product is one of
/// matrices `[pixels, Cin/g] · [Cin/g, Cout/g · taps]`, and sums that overlap are added.
pub(super) fn transposed(c: &Call) -> Result<Reply, Fault> {
    let (x, w, groups) = operands(c, 0, 1)?;
    if w.dims[0] != x.dims[1] || x.dims[1] % groups != 0 {
        return wrong(format!(
            "{} input channels, {groups} groups, weight {}",
            x.dims[1],
            show(&w.dims)
        ));
    }
    let windows = windows(c, kernel(c, w)?)?;
    let Some(channels) = w.dims[1].checked_mul(groups) else {
        return wrong("too many channels");
    };
    let mut dims = Dims::from_slice(&[x.dims[0], channels]);
    for (i, (window, &input)) in windows.iter().zip(&x.dims[2..]).enumerate() {
        let extra = c
            .ints("output_padding")
            .and_then(|v| v.get(i))
            .copied()
            .unwrap_or(0);
        let extent = i128::from(window.dilation) * (i128::from(window.kernel) - 1) + 1;
        let full = i128::from(window.stride) * (i128::from(input) - 1) + extent + i128::from(extra);
        let n = match (
            c.ints("output_shape")
                .map(|v| &v[v.len().saturating_sub(windows.len())..]),
            c.text("auto_pad"),
        ) {
            (Some(shape), _) if shape.len() == windows.len() => i128::from(shape[i]),
            (_, "SAME_UPPER" | "SAME_LOWER") => i128::from(input) * i128::from(window.stride),
            (_, "VALID") => full,
            _ => full - i128::from(window.before) - i128::from(window.after),
        };
        match i64::try_from(n) {
            Ok(n) if n >= 0 => dims.push(n),
            _ => return wrong(format!("an output of {n}")),
        }
    }
    let pixels = elements(&x.dims[2..])?;
    let sizes = Sizes {
        g: groups,
        m: x.dims[0].saturating_mul(pixels),
        n: w.dims[1].saturating_mul(elements(&w.dims[2..])?),
        k: x.dims[1] / groups,
    };
    Ok(Reply::one(Value::new(dims, x.elem)?, sizes.work(c, 0, 1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(kernel: i64, stride: i64, dilation: i64, before: i64, after: i64) -> Window {
        Window {
            kernel,
            stride,
            dilation,
            before,
            after,
        }
    }

    #[test]
    fn output_sizes_follow_the_padding() {
        // ResNet's first convolution, and torch's documented pooling example.
        assert_eq!(window(7, 2, 1, 3, 3).outputs(224, "", false), Ok(112));
        assert_eq!(window(3, 2, 1, 0, 0).outputs(50, "", false), Ok(24));
        assert_eq!(window(3, 2, 1, 0, 0).outputs(50, "", true), Ok(25));
        assert_eq!(window(3, 2, 1, 9, 9).outputs(7, "SAME_UPPER", false), Ok(4));
        assert_eq!(window(3, 2, 1, 9, 9).outputs(7, "VALID", false), Ok(3));
        assert_eq!(window(3, 1, 2, 0, 0).outputs(7, "", false), Ok(3));
        // The extra window would start in the padding: 3 inputs, padded by 1, stride 2.
        assert_eq!(window(2, 2, 1, 1, 1).outputs(3, "", true), Ok(2));
        assert!(window(5, 1, 1, 0, 0).outputs(4, "", false).is_err());
    }
}
