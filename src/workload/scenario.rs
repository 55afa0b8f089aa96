//! How a model is used: phase, batch, lengths, precision, bound symbols.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use super::{Precision, Software, Workload};

/// Part of a model's life that is priced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Phase {
    /// One forward pass: vision, encoders, one diffusion step.
    Infer,
    /// The prompt of a language model.
    Prefill,
    /// Every output token after the first, one at a time.
    Decode,
    /// Prefill, then decode.
    Generate,
    /// Forward pass, backward pass and optimizer step over one batch.
    Train,
    /// Rollout, scoring and update: one step of reinforcement learning.
    PostTrain,
    /// Forward passes over finished answers: a part of post-training.
    Score,
}

impl Phase {
    /// All phases that can be asked for.
    pub const ALL: [Self; 6] = [
        Self::Infer,
        Self::Prefill,
        Self::Decode,
        Self::Generate,
        Self::Train,
        Self::PostTrain,
    ];

    /// The name users write.
    pub fn name(self) -> &'static str {
        match self {
            Self::Infer => "infer",
            Self::Prefill => "prefill",
            Self::Decode => "decode",
            Self::Generate => "generate",
            Self::Train => "train",
            Self::PostTrain => "post-train",
            Self::Score => "score",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Phase {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().find(|p| p.name() == text);
        found.copied().ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.iter().map(|p| p.name()).collect();
            format!("`{text}` is not a phase; known: {}", names.join(", "))
        })
    }
}

/// What the user asks of a model, whatever the chip.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// Which phase; `None` lets the model choose.
    pub phase: Option<Phase>,
    /// Sequences or samples at once, over all chips; `None` where the user did not say: 1.
    pub batch: Option<u64>,
    /// Prompt tokens per sequence.
    pub prompt: u64,
    /// Output tokens per sequence.
    pub output: u64,
    /// Formats.
    pub precision: Precision,
    /// Settings of the software.
    pub software: Software,
    /// The model that proposes tokens, which the settings name.
    pub draft_model: Option<Workload>,
    /// Values of symbolic dimensions.
    pub dims: BTreeMap<String, u64>,
    /// Shapes of inputs.
    pub shapes: BTreeMap<String, Vec<u64>>,
    /// Count operators that are not known by their bytes instead of refusing the model.
    pub unknown_as_bytes: bool,
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            phase: None,
            batch: None,
            prompt: 1024,
            output: 256,
            precision: Precision::default(),
            software: Software::default(),
            draft_model: None,
            dims: BTreeMap::new(),
            shapes: BTreeMap::new(),
            unknown_as_bytes: false,
        }
    }
}

impl Scenario {
    /// Sequences or samples at once.
    pub fn batch_size(&self) -> u64 {
        self.batch.unwrap_or(1)
    }
}
