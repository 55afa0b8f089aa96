//! Coefficients of recurrences and the short convolutions before them.

use super::Format;
use super::coefficients::coefficients;
use crate::units::Seconds;

/// The kernels that are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RecurrentKernel {
    /// A recurrence over chunks of tokens.
    Chunked,
    /// One step of a recurrence, or a recurrence token by token.
    Step,
    /// A convolution over the last few tokens of many.
    Convolution,
    /// The same for one new token.
    ConvolutionStep,
}

impl Format for RecurrentKernel {
    const ALL: &'static [(&'static str, Self)] = &[
        ("chunked", Self::Chunked),
        ("step", Self::Step),
        ("conv", Self::Convolution),
        ("conv_step", Self::ConvolutionStep),
    ];
}

coefficients! {
    /// A recurrence or convolution over tokens.
    ///
    /// Source: the kernels of flash-linear-attention and causal-conv1d walk over blocks of tokens of each head or
    /// channel; values are fitted, see the family's file.
    Recurrent in scan (RecurrentKernel) {
        /// From the end of the kernel before to the end of an empty call, replayed from a graph.
        launch: Seconds = 0.5e-6 ..= 100e-6;
        /// What a full block of tokens takes longer than an empty one.
        fill: Seconds = 0.0 ..= 100e-6;
        /// Tokens of a block of a convolution; a recurrence has those of its chunk.
        span: f64 = 1.0 ..= 8192.0;
        /// Time from a chunk of a head to the next one.
        hop: Seconds = 0.0 ..= 20e-6;
        /// Time of one cluster for a chunk of one head, or a block of one channel.
        block: Seconds = 0.0 ..= 200e-6;
        /// Time of one cluster for a chunk of one group of heads: what its heads share.
        group: Seconds = 0.0 ..= 200e-6;
        /// Share of such a time that an unfilled chunk takes.
        empty: f64 = 0.0 ..= 1.0;
        /// Share of the main memory's datasheet bandwidth that is reached.
        read: f64 = 0.1 ..= 1.0;
        /// Rate of the shared cache, over the main memory's bandwidth.
        cached: f64 = 1.0 ..= 20.0;
        /// Share of the shared cache within which operands stay from call to call.
        resident: f64 = 0.05 ..= 2.0;
    }
}
