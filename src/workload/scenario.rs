//! How a model is used: phase, batch, lengths, precision, bound symbols.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::{Precision, Requests, Software};

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
}

impl Phase {
    /// All phases.
    pub const ALL: [Self; 4] = [Self::Infer, Self::Prefill, Self::Decode, Self::Generate];

    /// The name users write.
    pub fn name(self) -> &'static str {
        match self {
            Self::Infer => "infer",
            Self::Prefill => "prefill",
            Self::Decode => "decode",
            Self::Generate => "generate",
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
            format!("`{text}` is not a phase; known: infer, prefill, decode, generate")
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
    /// Requests that take the place of prompt and output.
    pub requests: Option<Arc<Requests>>,
    /// Formats.
    pub precision: Precision,
    /// Settings of the software.
    pub software: Software,
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
            requests: None,
            precision: Precision::default(),
            software: Software::default(),
            dims: BTreeMap::new(),
            shapes: BTreeMap::new(),
            unknown_as_bytes: false,
        }
    }
}

impl Scenario {
    /// The default with lengths that fit into a context: at most half of it prompt.
    pub fn within(context: Option<u64>) -> Self {
        let default = Self::default();
        let Some(context) = context.filter(|c| *c < default.prompt + default.output) else {
            return default;
        };
        let prompt = (context / 2).max(1).min(default.prompt);
        Self {
            prompt,
            output: (context - prompt).max(1).min(default.output),
            ..default
        }
    }

    /// Sequences or samples at once.
    pub fn batch_size(&self) -> u64 {
        self.batch.unwrap_or(1)
    }
}
