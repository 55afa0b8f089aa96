//! Fused attention of a library: which kernel runs, and its time in place of the general estimate.

use crate::cost::Cost;
use crate::hardware::System;
use crate::hardware::kernels::{Accuracy, AttentionFormat, Sets};
use crate::units::Bytes;
use crate::workload::{Attention, Dtype, Stack};

use super::decode::{decode, is_latent};
use super::prefill::prefill;
use super::{Gpu, Parts, expected_error};

/// Most new tokens behind a cache that one walk over the keys serves.
const FEW_TOKENS: u64 = 16;

/// A call of fused attention.
#[derive(Clone, Copy, Debug)]
pub struct AttentionCall<'a> {
    /// What is computed.
    pub attention: &'a Attention,
    /// Engine of the products.
    pub array: usize,
    /// Format of the products.
    pub dtype: Dtype,
    /// Keys and values that are read, once.
    pub keys_and_values: Bytes,
    /// Whether they come from a cache that the call appends to.
    pub is_cached: bool,
    /// Whose kernels run.
    pub stack: Stack,
}

/// Whether a chip's library has attention kernels that append to the cache themselves.
pub fn appends(system: &System) -> bool {
    let kernels = system.kernels.as_ref();
    let has = kernels.is_some_and(|k| !k.prefill.is_empty());
    has && Gpu::of(system).is_some()
}

/// The call at the time of the library's kernel: bytes and energy stay as estimated.
///
/// Unchanged on chips without coefficients.
pub fn library_attention(system: &System, call: AttentionCall<'_>, estimate: Cost) -> Cost {
    match parts(system, &call) {
        Some((parts, accuracy)) => {
            let mut cost = parts.put_into(estimate);
            cost.error = expected_error(system, accuracy);
            cost
        }
        None => estimate,
    }
}

fn parts(system: &System, call: &AttentionCall<'_>) -> Option<(Parts, Option<Accuracy>)> {
    let gpu = Gpu::of(system)?;
    let kernels = system.kernels.as_ref()?;
    let a = call.attention;
    let peak = Gpu::peak(&system.arrays[call.array], call.dtype).0;
    let is_decode = a.q_len < a.kv_len && a.q_len <= FEW_TOKENS;
    let stored = if is_decode && is_latent(a) {
        a.qk_dim
    } else {
        a.qk_dim + a.v_dim
    };
    let elements = (a.batch * a.kv_heads * stored) as f64 * a.keys_read().max(1.0);
    let kv_width = (call.keys_and_values.0 / elements).clamp(0.5, 4.0);
    let format = if kv_width < 1.5 {
        AttentionFormat::NarrowCache
    } else {
        AttentionFormat::Half
    };
    if is_decode {
        let (set, accuracy) = of(&kernels.decode, format, call.stack)?;
        let parts = decode(system, &gpu, a, peak, kv_width, call.is_cached, set);
        Some((parts, accuracy))
    } else {
        let (set, accuracy) = of(&kernels.prefill, format, call.stack)?;
        let parts = prefill(system, &gpu, a, peak, kv_width, call.is_cached, set);
        Some((parts, accuracy))
    }
}

/// The set of a format, else that of plain 16-bit kernels.
fn of<C>(sets: &Sets<C>, format: AttentionFormat, stack: Stack) -> Option<(&C, Option<Accuracy>)>
where
    C: crate::hardware::kernels::Coefficients<Format = AttentionFormat>,
{
    let with = |format| Some((sets.get(format, stack)?, sets.accuracy(format, stack)));
    with(format).or_else(|| with(AttentionFormat::Half))
}
