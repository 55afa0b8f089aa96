//! How a model is used: phase, batch, lengths, precision, bound symbols.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::{KNOBS, Precision, Requests, Software, SoftwareError, Workload};

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
    /// Requests that take the place of prompt and output.
    pub requests: Option<Arc<Requests>>,
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
            requests: None,
            precision: Precision::default(),
            software: Software::default(),
            draft_model: None,
            dims: BTreeMap::new(),
            shapes: BTreeMap::new(),
            unknown_as_bytes: false,
        }
    }
}

/// Why a setting could not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingError {
    /// Not a setting.
    #[error("`scenario.{0}` is not a setting")]
    Name(String),
    /// Not one of its values.
    #[error("`scenario.{name}` = {value} is not possible; {allowed}")]
    Value {
        /// Setting.
        name: String,
        /// As given.
        value: String,
        /// What may be given.
        allowed: String,
    },
}

/// A setting that is not of the software: name, values, default, and what it is.
pub const OWN_SETTINGS: [(&str, &str, &str, &str); 5] = [
    (
        "batch",
        COUNT,
        "1",
        "sequences or samples at once, as --batch",
    ),
    (
        "prompt",
        COUNT,
        "1024",
        "prompt tokens per sequence, as --prompt",
    ),
    (
        "output",
        COUNT,
        "256",
        "output tokens per sequence, as --output",
    ),
    (
        "dtype",
        "give a data type, or one by role, such as w=int4,a=bf16,kv=fp8",
        "the model's own",
        "formats, as --dtype",
    ),
    (
        "phase",
        "give infer, prefill, decode, generate, train or post-train",
        "the model's own",
        "part of the model's life, as --phase",
    ),
];

/// What a count takes.
const COUNT: &str = "give a whole number from 1";

/// Largest count.
const MAX_COUNT: u64 = 1_000_000_000_000;

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

    /// Names of all settings, those of the software first.
    pub fn setting_names() -> impl Iterator<Item = &'static str> {
        let software = KNOBS.iter().map(|k| k.name);
        software.chain(OWN_SETTINGS.iter().map(|own| own.0))
    }

    /// Makes a setting from its text; a draft is named, not read.
    ///
    /// # Errors
    /// [`SettingError`] if there is no such setting, or it does not take this value.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), SettingError> {
        let wrong = |allowed: String| SettingError::Value {
            name: name.to_owned(),
            value: value.to_owned(),
            allowed,
        };
        let whole = || {
            let n = value.trim().parse::<u64>().ok();
            let n = n.filter(|n| (1..=MAX_COUNT).contains(n));
            n.ok_or_else(|| wrong(COUNT.to_owned()))
        };
        match name {
            "batch" => self.batch = Some(whole()?),
            "prompt" => self.prompt = whole()?,
            "output" => self.output = whole()?,
            "dtype" => {
                let parsed = value.parse::<Precision>();
                self.precision = parsed.map_err(|e| wrong(e.to_string()))?;
            }
            "phase" => self.phase = Some(value.parse::<Phase>().map_err(wrong)?),
            _ => self.software.set(name, value).map_err(|e| match e {
                SoftwareError::Name(name) => SettingError::Name(name),
                SoftwareError::Value { allowed, .. } => wrong(allowed.to_owned()),
            })?,
        }
        Ok(())
    }

    /// Sequences or samples at once.
    pub fn batch_size(&self) -> u64 {
        self.batch.unwrap_or(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_made_by_name() {
        let mut scenario = Scenario::default();
        for (name, value) in [
            ("batch", "4"),
            ("prompt", "2048"),
            ("output", "64"),
            ("dtype", "fp8"),
            ("phase", "post-train"),
            ("lora_rank", "8"),
        ] {
            scenario.set(name, value).expect(name);
        }
        assert_eq!((scenario.batch, scenario.prompt), (Some(4), 2048));
        assert_eq!(scenario.phase, Some(Phase::PostTrain));
        assert_eq!(scenario.software.lora_rank, 8);
        let error = scenario.set("batch", "0").expect_err("is no batch");
        let text = "`scenario.batch` = 0 is not possible; give a whole number from 1";
        assert_eq!(error.to_string(), text);
        let error = scenario.set("bacth", "1").expect_err("is no name");
        assert_eq!(error, SettingError::Name("bacth".to_owned()));
    }
}
