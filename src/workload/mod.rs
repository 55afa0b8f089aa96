//! What is computed: Einsums, tensors, operators, their graph, and the scenario that binds open sizes.
//!
//! A [`Workload`] is read once; [`Workload::graph`] binds it to a [`Binding`] and returns concrete sizes.
//! Operators carry meaning only: nothing here knows a chip.
//!
//! ```
//! use wattline::workload::Einsum;
//!
//! let gemm = Einsum::matmul(1, 128, 768, 3072); // batch, M, N, K
//! assert_eq!(gemm.macs(), 128.0 * 768.0 * 3072.0);
//! ```

mod attention;
mod collective;
mod density;
mod dtype;
mod einsum;
mod experts;
mod graph;
mod lora;
mod model;
mod operator;
mod precision;
mod request;
mod scan;
mod scenario;
mod software;
mod sparsity;
mod stack;
mod tensor;
pub mod train;
mod transform;
mod unfused;

pub use attention::{Attention, Mask};
pub use collective::{Collective, CollectiveKind};
pub use density::{Density, Patch};
pub use dtype::Dtype;
pub use einsum::{Axis, Class, ConvDim, Einsum, Projection, Rank, RankName, Slot, Term};
pub use experts::{Experts, Loads, Popularity};
pub use graph::{OpGraph, OpId};
pub use model::{Binding, Card, Limits, Model, Stage, Symbol, Workload};
pub use operator::{OpKind, Operator, VectorWork, View};
pub use precision::{Precision, PrecisionError};
pub use request::{Length, RequestClass, Requests, Turn};
pub use scan::{Recurrence, Scan};
pub use scenario::{OWN_SETTINGS, Phase, Scenario, SettingError};
pub use software::{
    Dropout, Fusing, Gradients, KNOBS, Knob, Latent, Optimizer, Recompute, ScanForm, Software,
    SoftwareError, Speculation,
};
pub use sparsity::{Sparsity, SparsityError};
pub use stack::Stack;
pub use tensor::{Group, Packed, Role, Tensor, TensorId};
