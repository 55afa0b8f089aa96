//! Exchanges among chips that hold parts of one tensor.

/// What is exchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CollectiveKind {
    /// Every chip gets the sum of all chips' tensors.
    AllReduce,
    /// Every chip gets the parts of all chips.
    AllGather,
    /// Every chip gets its part of the sum.
    ReduceScatter,
    /// Every chip sends another part to each.
    AllToAll,
}

impl CollectiveKind {
    /// All kinds with their names in tables.
    pub const ALL: [(&'static str, Self); 4] = [
        ("all_reduce", Self::AllReduce),
        ("all_gather", Self::AllGather),
        ("reduce_scatter", Self::ReduceScatter),
        ("alltoall", Self::AllToAll),
    ];

    /// Times that a ring of `n` chips passes a part on.
    pub fn steps(self, n: f64) -> f64 {
        match self {
            Self::AllReduce => 2.0 * (n - 1.0),
            Self::AllGather | Self::ReduceScatter | Self::AllToAll => n - 1.0,
        }
    }

    /// Share of the buffer that each chip must send at least.
    ///
    /// Source: NVIDIA nccl-tests, `doc/PERFORMANCE.md`: 2(n-1)/n for sums of whole buffers, else (n-1)/n.
    pub fn sent(self, n: f64) -> f64 {
        self.steps(n) / n
    }
}

/// An exchange among chips of one domain of links.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Collective {
    /// What is exchanged.
    pub kind: CollectiveKind,
    /// Chips that take part.
    pub chips: u64,
    /// The whole buffer: what is summed, or all parts together.
    pub bytes: f64,
    /// Whether elements are of a format that links add up on the way: floating point.
    pub is_float: bool,
}
