//! Passes over data by GPU kernels.

use crate::cost::{Cost, Served};
use crate::hardware::System;
use crate::hardware::kernels::{PassKernel, Passes};
use crate::units::Seconds;
use crate::workload::Stack;

use super::{Gpu, Parts, expected_error};

/// Longest row that a softmax keeps in registers. Source: PyTorch, `PersistentSoftmax.cuh`.
const HELD: f64 = 1024.0;

/// The cost with the time of a stack's kernels; as it was on chips without coefficients for them.
///
/// `rows` are the rows that a norm or softmax goes over, and the length of one.
pub fn library_passes(
    system: &System,
    stack: Stack,
    kernel: PassKernel,
    rows: [f64; 2],
    served: Served,
    cost: Cost,
) -> Cost {
    let kernels = system.kernels.as_deref();
    let set = kernels.and_then(|k| k.vector.get(kernel, stack));
    let (Some(gpu), Some(set)) = (Gpu::of(system), set) else {
        return cost;
    };
    let [rows, length] = rows;
    let is_held = kernel == PassKernel::Softmax && length <= HELD;
    let set = if is_held {
        Passes {
            passes: 1.0,
            ..*set
        }
    } else {
        *set
    };
    let written = (served.main.written + served.cached.written).0;
    let parts = passes(
        &gpu,
        [served.main.total().0, served.cached.total().0],
        written,
        rows,
        cost.vector.0,
        &set,
    );
    let mut cost = parts.put_into(cost);
    cost.host = Some(set.host);
    cost.error = expected_error(
        system,
        kernels.and_then(|k| k.vector.accuracy(kernel, stack)),
    );
    cost
}

/// Time of passes over bytes of main memory and of the cache, `written` of them written.
///
/// ```text
/// moved  = bytes + (passes - 1)(bytes - written)
/// stays  = 1/(1 + (bytes/(resident cache))^4)
/// stream = max(main moved (1 - stays)/(B read) + moved/(B cached), main/B)
/// t      = launch + max(stream, arithmetic, row rows/SMs)
/// ```
fn passes(
    gpu: &Gpu,
    [main, cached]: [f64; 2],
    written: f64,
    rows: f64,
    arithmetic: f64,
    c: &Passes,
) -> Parts {
    let all = main + cached;
    let again = (c.passes - 1.0) * (all - written).max(0.0);
    let stays = 1.0 / (1.0 + (all / (gpu.cache.0 * c.resident)).powi(4));
    let more = if all > 0.0 { (all + again) / all } else { 0.0 };
    let missed = main * more * (1.0 - stays) / (gpu.memory.0 * c.read);
    let stream = missed + all * more / (gpu.memory.0 * c.cached);
    // What crosses main memory does so at its peak rate at best.
    let stream = stream.max(main / gpu.memory.0);
    let busy = arithmetic.max(c.row.0 * rows / gpu.clusters);
    Parts {
        launch: c.launch,
        engine: Seconds::ZERO,
        memory: Seconds(stream),
        total: Seconds(stream.max(busy)),
        occupancy: 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{Bytes, BytesPerSecond, Hertz};

    const GPU: Gpu = Gpu {
        clusters: 10.0,
        memory: BytesPerSecond(1e12),
        cache: Bytes(10e6),
        clock: Hertz(1e9),
    };

    fn set() -> Passes {
        Passes {
            launch: Seconds(2e-6),
            read: 0.8,
            cached: 4.0,
            resident: 0.5,
            passes: 1.0,
            row: Seconds(1e-6),
            host: Seconds(20e-6),
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
    fn a_stream_by_hand() {
        // 3 GB at 0.8 TB/s and through the cache at 4 TB/s.
        let parts = passes(&GPU, [3e9, 0.0], 1e9, 0.0, 0.0, &set());
        close(parts.total.0, 3e9 / 0.8e12 + 3e9 / 4e12);
        // A second pass over the 2 GB that are read.
        let twice = Passes {
            passes: 2.0,
            ..set()
        };
        let parts = passes(&GPU, [3e9, 0.0], 1e9, 0.0, 0.0, &twice);
        close(parts.total.0, 5e9 / 0.8e12 + 5e9 / 4e12);
        // What the cache serves does not cross main memory.
        let parts = passes(&GPU, [0.0, 3e9], 1e9, 0.0, 0.0, &set());
        close(parts.total.0, 3e9 / 4e12);
    }

    #[test]
    fn many_short_rows_and_slow_arithmetic() {
        // 1000 rows on ten clusters, 1 us each.
        let parts = passes(&GPU, [1e3, 0.0], 0.0, 1000.0, 0.0, &set());
        close(parts.total.0, 1e-4);
        let parts = passes(&GPU, [1e3, 0.0], 0.0, 1000.0, 3e-4, &set());
        close(parts.total.0, 3e-4);
    }
}
