//! What is asked, and who answers how much memory it takes.

use std::collections::BTreeMap;

use crate::diag::Problems;
use crate::simulate::MemoryUse;
use crate::units::Bytes;
use crate::workload::{OpGraph, Phase, Precision, Role, Scenario, Software, Workload};

/// One question about memory.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ask {
    /// Tokens per sequence, prompt and output together; `None` for models without tokens.
    pub context: Option<u64>,
    /// Sequences or samples; `None` leaves it to the model.
    pub batch: Option<u64>,
    /// Formats.
    pub precision: Precision,
    /// Settings of the software.
    pub software: Software,
    /// The model that proposes tokens, which the settings name.
    pub draft_model: Option<Workload>,
    /// Training instead of generation.
    pub trains: bool,
    /// Values of symbolic dimensions.
    pub dims: BTreeMap<String, u64>,
    /// Shapes of inputs.
    pub shapes: BTreeMap<String, Vec<u64>>,
    /// Count unknown operators by their bytes alone.
    pub unknown_as_bytes: bool,
}

impl Ask {
    /// Sequences or samples, one unless asked otherwise.
    pub fn sequences(&self) -> u64 {
        self.batch.unwrap_or(1)
    }

    /// The scenario whose memory is looked at: the whole context is prompt, but for the last token of a
    /// generation.
    pub fn scenario(&self) -> Scenario {
        let context = self.context.unwrap_or(2).max(2);
        let (phase, prompt) = match self.context {
            _ if self.trains => (Phase::Train, context),
            Some(_) => (Phase::Generate, context - 1),
            None => (Phase::Infer, context - 1),
        };
        Scenario {
            phase: Some(phase),
            batch: self.batch,
            prompt,
            output: 1,
            requests: None,
            precision: self.precision,
            software: self.software.clone(),
            draft_model: self.draft_model.clone(),
            dims: self.dims.clone(),
            shapes: self.shapes.clone(),
            unknown_as_bytes: self.unknown_as_bytes,
        }
    }
}

/// Another chip that could be used.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// Name in the catalog.
    pub name: String,
    /// Of its main memory.
    pub capacity: Bytes,
    /// Kept by its runtime.
    pub reserve: Bytes,
}

/// How tensor parallelism divides what a chip holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Fewest key-value heads of an attention layer; `None` without a cache.
    pub kv_heads: Option<u64>,
}

impl Shard {
    /// Of a bound graph.
    pub fn of(graph: &OpGraph) -> Self {
        // `[batch, kv_heads, tokens, width]`; latent attention has one head for all.
        let caches = graph.tensors().iter().filter(|t| t.role == Role::KvCache);
        let heads = caches.filter_map(|t| t.shape.get(1).copied());
        Self {
            kv_heads: heads.min(),
        }
    }

    /// What one of `chips` holds: weights and state divided, the cache divided over the key-value
    /// heads (`ceil(heads / chips)` of `heads` each; one head is never split), activations and reserve
    /// as on one chip.
    ///
    /// Source: derived; Shoeybi et al., "Megatron-LM", 2019, section 3.
    pub fn per_chip(self, whole: &MemoryUse, chips: u64) -> MemoryUse {
        let heads = self.kv_heads.unwrap_or(1).max(1);
        let kv_share = heads.div_ceil(chips.max(1)) as f64 / heads as f64;
        let n = chips.max(1) as f64;
        MemoryUse {
            weights: whole.weights / n,
            kv_cache: whole.kv_cache * kv_share,
            state: whole.state / n,
            gradients: whole.gradients / n,
            optimizer: whole.optimizer / n,
            ..whole.clone()
        }
    }
}

/// Answers questions about one model on one chip.
pub struct Probe<'a> {
    /// Memory that a question takes.
    pub memory: &'a dyn Fn(&Ask) -> Result<MemoryUse, Problems>,
    /// How it is divided.
    pub shard: Shard,
    /// Longest context the model states.
    pub model_context: Option<u64>,
    /// Name of the chip.
    pub chip: &'a str,
    /// Other chips, asked for only if it does not fit.
    pub candidates: &'a dyn Fn() -> Vec<Candidate>,
}
