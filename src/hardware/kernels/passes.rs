//! Coefficients of kernels that pass over data: elementwise operators, copies, norms and softmax.

use super::Format;
use super::coefficients::coefficients;
use crate::units::Seconds;

/// The kernels that are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PassKernel {
    /// One result per element, and copies.
    Elementwise,
    /// One result per element of one operand, with exponentials or roots.
    Activation,
    /// Norms and sums over rows.
    Norm,
    /// Exponentials over their sum, row by row.
    Softmax,
}

impl Format for PassKernel {
    const ALL: &'static [(&'static str, Self)] = &[
        ("elementwise", Self::Elementwise),
        ("activation", Self::Activation),
        ("norm", Self::Norm),
        ("softmax", Self::Softmax),
    ];
}

coefficients! {
    /// A kernel that passes over data.
    ///
    /// Source: a stream through main memory and the shared cache, derived; values are fitted, see the family's file.
    Passes in vector (PassKernel) {
        /// From the end of the kernel before to the end of an empty one, replayed from a graph.
        launch: Seconds = 0.5e-6 ..= 60e-6;
        /// Share of the main memory's datasheet bandwidth that is reached.
        read: f64 = 0.1 ..= 1.0;
        /// Rate of the shared cache, over the main memory's bandwidth.
        cached: f64 = 1.0 ..= 20.0;
        /// Share of the shared cache within which operands stay from call to call.
        resident: f64 = 0.05 ..= 2.0;
        /// Times that operands are read, over once, where a row is too long for registers.
        passes: f64 = 1.0 ..= 4.0;
        /// Time of one cluster for a row, besides its bytes.
        row: Seconds = 0.0 ..= 20e-6;
        /// Host time of a call that is not replayed from a graph.
        host: Seconds = 0.5e-6 ..= 200e-6;
    }
}
