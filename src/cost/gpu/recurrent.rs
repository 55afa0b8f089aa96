//! Recurrences by a GPU library: heads side by side, chunks of tokens one after the other.

use crate::cost::{Cost, Traffic};
use crate::hardware::System;
use crate::hardware::kernels::{Recurrent, RecurrentKernel};
use crate::units::Seconds;
use crate::workload::{Scan, Stack};

use super::{Gpu, Parts, expected_error};

/// Elements of the state of a head whose step takes the time of a block: those of the measured layers.
const STATE: f64 = 128.0 * 128.0;

/// What a recurrence or convolution walks over.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Walk {
    kernel: RecurrentKernel,
    sequences: f64,
    tokens: f64,
    /// Tokens of a chunk of a recurrence.
    chunk: Option<f64>,
    /// Heads, or channels of a convolution. Steps load the state of a head: heads of smaller states count less.
    heads: f64,
    groups: f64,
}

impl Walk {
    /// A recurrence.
    pub fn of_scan(scan: &Scan) -> Self {
        let kernel = if scan.chunk > 1 {
            RecurrentKernel::Chunked
        } else {
            RecurrentKernel::Step
        };
        let size = match kernel {
            RecurrentKernel::Step => (scan.width * scan.state) as f64 / STATE,
            _ => 1.0,
        };
        Self {
            kernel,
            sequences: scan.batch as f64,
            tokens: scan.tokens as f64,
            chunk: Some(scan.chunk as f64),
            heads: scan.heads as f64 * size,
            groups: scan.groups.min(scan.heads) as f64,
        }
    }

    /// A short convolution over `[sequences, tokens, channels]`.
    pub fn of_convolution([sequences, tokens, channels]: [u64; 3]) -> Self {
        let kernel = if tokens > 1 {
            RecurrentKernel::Convolution
        } else {
            RecurrentKernel::ConvolutionStep
        };
        Self {
            kernel,
            sequences: sequences as f64,
            tokens: tokens as f64,
            chunk: None,
            heads: channels as f64,
            groups: 0.0,
        }
    }
}

/// The cost with the time of a stack's kernels; as it was on chips without coefficients for them.
pub fn library_recurrence(
    system: &System,
    stack: Stack,
    walk: Walk,
    traffic: Traffic,
    cost: Cost,
) -> Cost {
    let gpu = Gpu::of(system);
    let kernels = system.kernels.as_deref();
    let set = kernels.and_then(|k| k.scan.get(walk.kernel, stack));
    match (gpu, set) {
        (Some(gpu), Some(set)) => {
            let mut cost = recurrence(&gpu, walk, traffic.total().0, set).put_into(cost);
            let accuracy = kernels.and_then(|k| k.scan.accuracy(walk.kernel, stack));
            cost.error = expected_error(system, accuracy);
            cost
        }
        _ => cost,
    }
}

/// Time of a walk that moves so many bytes.
///
/// ```text
/// filled = min(tokens, span)/span
/// blocks = sequences chunks (heads block + groups group) (empty + (1 - empty) filled) / SMs
/// stream = bytes (1 - stays)/(B read) + bytes/(B cached),  stays = 1/(1 + (bytes/(resident cache))^4)
/// t      = launch + fill filled + max(blocks, stream) + chunks hop
/// ```
fn recurrence(gpu: &Gpu, walk: Walk, bytes: f64, c: &Recurrent) -> Parts {
    let span = walk.chunk.unwrap_or(c.span);
    let filled = (walk.tokens / span).min(1.0);
    let chunks = (walk.tokens / span).ceil();
    let each = walk.heads * c.block.0 + walk.groups * c.group.0;
    let load = c.empty + (1.0 - c.empty) * filled;
    let blocks = walk.sequences * chunks * each * load / gpu.clusters;
    let stays = 1.0 / (1.0 + (bytes / (gpu.cache.0 * c.resident)).powi(4));
    let main = bytes * (1.0 - stays) / (gpu.memory.0 * c.read);
    let stream = main + bytes / (gpu.memory.0 * c.cached);
    let in_turn = chunks * c.hop.0;
    Parts {
        launch: Seconds(c.launch.0 + c.fill.0 * filled),
        engine: Seconds(blocks + in_turn),
        memory: Seconds(stream),
        total: Seconds(blocks.max(stream) + in_turn),
        occupancy: walk.sequences * walk.heads.max(1.0) / gpu.clusters,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{Bytes, BytesPerSecond, Hertz};
    use crate::workload::{Dtype, Recurrence};

    const GPU: Gpu = Gpu {
        clusters: 10.0,
        memory: BytesPerSecond(1e12),
        cache: Bytes(10e6),
        clock: Hertz(1e9),
    };

    fn set() -> Recurrent {
        Recurrent {
            launch: Seconds(2e-6),
            fill: Seconds(4e-6),
            span: 8.0,
            hop: Seconds(1e-6),
            block: Seconds(3e-6),
            group: Seconds(5e-6),
            empty: 0.5,
            read: 0.5,
            cached: 4.0,
            resident: 0.5,
        }
    }

    #[track_caller]
    fn close(found: f64, expected: f64) {
        assert!(
            (found / expected - 1.0).abs() < 1e-3,
            "{found} against {expected}"
        );
    }

    #[test]
    fn chunks_of_many_heads_by_hand() {
        // Two sequences of 128 tokens in two chunks of 64; 8 heads of 3 us, 4 groups of 5 us on ten clusters.
        let scan = Scan {
            recurrence: Recurrence::GatedDelta,
            batch: 2,
            tokens: 128,
            heads: 8,
            width: 1,
            state: 1,
            groups: 4,
            chunk: 64,
            dtype: Dtype::Bf16,
        };
        let parts = recurrence(&GPU, Walk::of_scan(&scan), 0.0, &set());
        close(parts.launch.0, 6e-6);
        close(parts.total.0, 2.0 * 2.0 * (24e-6 + 20e-6) / 10.0 + 2e-6);
        // A quarter of a chunk: half of the block's time and a quarter of the other half.
        let short = Scan { tokens: 16, ..scan };
        let parts = recurrence(&GPU, Walk::of_scan(&short), 0.0, &set());
        close(parts.launch.0, 3e-6);
        close(parts.total.0, 2.0 * 44e-6 * 0.625 / 10.0 + 1e-6);
    }

    #[test]
    fn a_state_beyond_the_cache_is_streamed() {
        // 1 GB at 0.5 TB/s, and through the cache at 4 TB/s.
        let walk = Walk::of_convolution([1, 1, 1]);
        let c = Recurrent {
            hop: Seconds(0.0),
            block: Seconds(0.0),
            ..set()
        };
        let parts = recurrence(&GPU, walk, 1e9, &c);
        close(parts.total.0, 1e9 / 0.5e12 + 1e9 / 4e12);
        // 500 kB are a tenth of the part of the cache that keeps it: 1e-4 of it is read.
        let parts = recurrence(&GPU, walk, 5e5, &c);
        close(parts.total.0, 5e5 * 1e-4 / 0.5e12 + 5e5 / 4e12);
    }
}
