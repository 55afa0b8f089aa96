//! Coefficients of exchanges among chips.

use super::Format;
use super::coefficients::coefficients;
use crate::units::{Bytes, Seconds};
use crate::workload::CollectiveKind;

impl Format for CollectiveKind {
    const ALL: &'static [(&'static str, Self)] = &Self::ALL;
}

coefficients! {
    /// An exchange over direct links or one switch.
    ///
    /// Source: latency and bandwidth of rings as in NCCL's own tuning model (NVIDIA NCCL, `src/graph/tuning.cc`);
    /// values are fitted, see the family's file.
    Exchange in collective (CollectiveKind) {
        /// Start and end of an exchange, replayed from a graph.
        launch: Seconds = 0.5e-6 ..= 50e-6;
        /// Passing a part on by the protocol of low latency.
        hop: Seconds = 0.05e-6 ..= 10e-6;
        /// Share of the links' rate that the protocol of low latency reaches.
        low_share: f64 = 0.01 ..= 1.0;
        /// What the protocol of high bandwidth takes longer to start.
        bulk: Seconds = 0.0 ..= 60e-6;
        /// Time per step of a ring by the protocol of high bandwidth.
        bulk_hop: Seconds = 0.0 ..= 20e-6;
        /// Share of the links' rate that it reaches among many chips.
        bulk_share: f64 = 0.05 ..= 1.0;
        /// What a ring of two chips loses on top, in inverse shares; of n chips, over n - 1.
        pair: f64 = 0.0 ..= 2.0;
        /// Share of the links' rate at which a switch adds up; 0.01 where none does.
        in_network: f64 = 0.01 ..= 1.0;
        /// Kernels in which every chip reads the others' memory: share of the links' rate; 0.01 where none does.
        direct_share: f64 = 0.01 ..= 1.0;
        /// Their start and end.
        direct_launch: Seconds = 0.5e-6 ..= 50e-6;
        /// What they take longer where each chip sums its part first, then hands it on.
        two_shot: Seconds = 0.0 ..= 30e-6;
        /// Largest buffer for them.
        direct_most: Bytes = 1.0 ..= 1e9;
        /// Host time of a call that is not replayed from a graph.
        host: Seconds = 0.0 ..= 200e-6;
    }
}
