//! What the binary carries: names and contents, sorted by name.

include!(concat!(env!("OUT_DIR"), "/catalog.rs"));

/// Chip profiles of `hw-profiles/`.
pub(super) fn chips() -> &'static [(&'static str, &'static str)] {
    CHIPS
}

/// Kernel families of `hw-profiles/kernels/`.
pub(super) fn kernels() -> &'static [(&'static str, &'static str)] {
    KERNELS
}

/// Workloads of `workloads/`.
pub(super) fn models() -> &'static [(&'static str, &'static str)] {
    MODELS
}

/// Graphs of `workloads/onnx/`.
pub(super) fn graphs() -> &'static [(&'static str, &'static [u8])] {
    GRAPHS
}
