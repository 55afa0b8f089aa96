//! Training as a rewrite of the forward graph: loss, backward pass, optimizer step.
//!
//! It knows nothing of where the graph came from. Each operator is followed, in reverse order, by the
//! operators that carry the gradient of its results to its inputs; what those read of the forward pass is
//! what must be kept. Repeated layers stay one operator with a count.
//!
//! Source: Kaplan et al., "Scaling Laws for Neural Language Models", 2020, section 2.1 (a backward pass is
//! two forward passes); Korthikanti et al., "Reducing Activation Recomputation in Large Transformer
//! Models", MLSys 2023, sections 4 and 5 (what is kept); derived for the rest.
//!
//! ```
//! use wattline::workload::{Dtype, Einsum, OpGraph, OpKind, Operator, Role, Software, Tensor, train};
//!
//! let mut forward = OpGraph::new();
//! let mut tensor = |name, shape: [u64; 2], role| {
//!     forward.add_tensor(Tensor::new(name, &shape, Dtype::Bf16, role))
//! };
//! let x = tensor("x", [128, 64], Role::Input);
//! let w = tensor("w", [64, 10], Role::Weight);
//! let y = tensor("y", [128, 10], Role::Output);
//! forward.add(Operator {
//!     name: "linear".into(),
//!     source: "linear".into(),
//!     block: String::new(),
//!     kind: OpKind::Einsum { einsum: Einsum::matmul(1, 128, 10, 64), dtype: Dtype::Bf16 },
//!     inputs: vec![x, w],
//!     outputs: vec![y],
//!     count: 1,
//! });
//! let step = train::graph(&forward, &Software::default());
//! // The gradient of the weight, and none of the input.
//! assert_eq!(step.macs(), 2.0 * forward.macs());
//! assert_eq!(step.bytes_of(Role::Optimizer).0, 640.0 * 12.0);
//! ```

mod backward;
mod kept;
mod prepare;
mod recompute;
mod rules;
mod tape;
mod update;
mod vector;

use super::{OpGraph, Software};

pub use kept::{Kept, kept};

/// Forward pass, loss, backward pass and optimizer step of a graph.
///
/// Where adapters are trained (`lora_rank`), all other weights are frozen: they get no gradient.
pub fn graph(forward: &OpGraph, software: &Software) -> OpGraph {
    let prepared = prepare::prepare(forward, software);
    let mut tape = tape::Tape::new(&prepared, software);
    backward::run(&mut tape, &prepared, software.recompute);
    update::step(&mut tape, software);
    tape.graph
}
