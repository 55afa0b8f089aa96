//! Software settings that change what a model computes or stores, by name: a sweep may turn each.

use std::fmt;

use super::{Dtype, Sparsity, Stack};

/// How far operators become one kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fusing {
    /// Every operator of the file alone; scores of attention go to memory.
    None,
    /// Norms, nonlinearities and attention are one kernel each.
    Kernels,
    /// Elementwise operators also ride on the product that makes their input.
    #[default]
    Full,
}

/// How attention over a compressed cache (multi-head latent attention) is computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Latent {
    /// Naive where many tokens are new, absorbed where one is.
    #[default]
    Auto,
    /// Keys and values of all heads are expanded from the cache.
    Naive,
    /// The expansion is multiplied into queries and results; heads share the compressed cache.
    Absorbed,
}

/// How a recurrence runs over the tokens of a prompt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ScanForm {
    /// In chunks where the model states a chunk and there is more than one token.
    #[default]
    Auto,
    /// Token by token, the state on the chip.
    Step,
}

/// What an optimizer keeps for each parameter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Optimizer {
    /// Two moments and a master copy at 32 bits.
    #[default]
    Adam,
    /// Two moments at 8 bits, and a master copy at 32 bits.
    Adam8,
    /// A master copy at 32 bits.
    Sgd,
}

/// Which activations of the forward pass are made again in the backward pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Recompute {
    /// None: all are kept.
    #[default]
    None,
    /// Those within attention.
    Selective,
    /// All but the inputs of each layer.
    Full,
}

/// Whether training drops elements at random, for which masks are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Dropout {
    /// Behind every part that is added to a stream, and on probabilities that are tensors.
    #[default]
    On,
    /// Nowhere.
    Off,
}

/// Format of the gradients of weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Gradients {
    /// That of the weight, at least 16 bits.
    #[default]
    Own,
    /// 32 bits.
    Fp32,
}

/// Several tokens proposed by a small model, checked by the large one in a single step.
#[derive(Clone, Debug, PartialEq)]
pub struct Speculation {
    /// Name or path of the model that proposes.
    pub draft: String,
    /// Tokens proposed at once.
    pub tokens: u64,
    /// Chance that a proposed token is accepted.
    pub acceptance: f64,
}

impl Speculation {
    /// Tokens gained by one check, its own included: `(1 - α^(γ + 1)) / (1 - α)`.
    ///
    /// Source: Leviathan et al., "Fast Inference from Transformers via Speculative Decoding", ICML 2023,
    /// equation 1.
    pub fn tokens_per_check(&self) -> f64 {
        let (alpha, gamma) = (self.acceptance, self.tokens as f64);
        if alpha >= 1.0 {
            return gamma + 1.0;
        }
        (1.0 - alpha.powf(gamma + 1.0)) / (1.0 - alpha)
    }
}

/// All settings; the default is what a plain runtime does.
#[derive(Clone, Debug, PartialEq)]
pub struct Software {
    /// Zeros of weights.
    pub weight_sparsity: Option<Sparsity>,
    /// Zeros of activations.
    pub activation_sparsity: Option<Sparsity>,
    /// Zeros of keys and values.
    pub kv_sparsity: Option<Sparsity>,
    /// Fusion level.
    pub fusing: Fusing,
    /// Whose kernels run.
    pub stack: Stack,
    /// Form of latent attention.
    pub latent: Latent,
    /// Tokens that every attention layer sees at most, instead of what the model says.
    pub window: Option<u64>,
    /// Form of recurrences.
    pub scan: ScanForm,
    /// How often the favorite expert is chosen over the mean.
    pub imbalance: f64,
    /// Rank of low-rank adapters on all linear layers; 0 without.
    pub lora_rank: u64,
    /// Adapters of different requests, all resident.
    pub adapters: u64,
    /// Model that proposes tokens; none without a name.
    pub draft: Option<String>,
    /// Tokens proposed at once.
    pub draft_tokens: u64,
    /// Chance that a proposed token is accepted.
    pub acceptance: f64,
    /// Of training.
    pub optimizer: Optimizer,
    /// Of training.
    pub recompute: Recompute,
    /// Of training.
    pub dropout: Dropout,
    /// Of training.
    pub gradients: Gradients,
    /// Forward passes over finished answers in a step of post-training: each a model of the same size.
    pub score_passes: u64,
}

impl Default for Software {
    fn default() -> Self {
        Self {
            weight_sparsity: None,
            activation_sparsity: None,
            kv_sparsity: None,
            fusing: Fusing::default(),
            stack: Stack::default(),
            latent: Latent::default(),
            window: None,
            scan: ScanForm::default(),
            imbalance: 1.0,
            lora_rank: 0,
            adapters: 1,
            draft: None,
            draft_tokens: 4,
            acceptance: 0.7,
            optimizer: Optimizer::default(),
            recompute: Recompute::default(),
            dropout: Dropout::default(),
            gradients: Gradients::default(),
            score_passes: 2,
        }
    }
}

/// Why a setting could not be made.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SoftwareError {
    /// Not a setting.
    #[error("`{0}` is not a software setting")]
    Name(String),
    /// Not one of its values.
    #[error("`{value}` is not a value of `{name}`; {allowed}")]
    Value {
        /// Setting.
        name: &'static str,
        /// As given.
        value: String,
        /// What may be given.
        allowed: &'static str,
    },
}

/// A setting: its name, what it takes, and what it does.
#[derive(Clone, Copy, Debug)]
pub struct Knob {
    /// Name behind `scenario.`.
    pub name: &'static str,
    /// Values, in words.
    pub allowed: &'static str,
    /// One line.
    pub doc: &'static str,
    set: fn(&mut Software, &str) -> Option<()>,
    get: fn(&Software) -> String,
}

/// A word for each value of a closed choice.
fn word<T: Copy + PartialEq>(words: &[(&'static str, T)], value: T) -> String {
    let found = words.iter().find(|(_, v)| *v == value);
    found.map_or_else(String::new, |(w, _)| (*w).to_owned())
}

fn pick<T: Copy>(words: &[(&'static str, T)], text: &str) -> Option<T> {
    words.iter().find(|(w, _)| *w == text).map(|(_, v)| *v)
}

const FUSING: [(&str, Fusing); 3] = [
    ("none", Fusing::None),
    ("kernels", Fusing::Kernels),
    ("full", Fusing::Full),
];
const LATENT: [(&str, Latent); 3] = [
    ("auto", Latent::Auto),
    ("naive", Latent::Naive),
    ("absorbed", Latent::Absorbed),
];
const SCAN: [(&str, ScanForm); 2] = [("auto", ScanForm::Auto), ("step", ScanForm::Step)];
const OPTIMIZER: [(&str, Optimizer); 3] = [
    ("adam", Optimizer::Adam),
    ("adam8", Optimizer::Adam8),
    ("sgd", Optimizer::Sgd),
];
const RECOMPUTE: [(&str, Recompute); 3] = [
    ("none", Recompute::None),
    ("selective", Recompute::Selective),
    ("full", Recompute::Full),
];

const DROPOUT: [(&str, Dropout); 2] = [("on", Dropout::On), ("off", Dropout::Off)];
const GRADIENTS: [(&str, Gradients); 2] = [("own", Gradients::Own), ("fp32", Gradients::Fp32)];

/// A pattern, or `none`.
fn pattern(text: &str) -> Option<Option<Sparsity>> {
    match text {
        "none" => Some(None),
        _ => text.parse().ok().map(Some),
    }
}

fn shown(pattern: Option<Sparsity>) -> String {
    pattern.map_or_else(|| "none".to_owned(), |p| p.to_string())
}

/// A whole number from `least` to 2^32.
fn whole(text: &str, least: u64) -> Option<u64> {
    let n = text.parse::<u64>().ok()?;
    (least..=1 << 32).contains(&n).then_some(n)
}

fn number(text: &str, from: f64, to: f64) -> Option<f64> {
    let x = text.parse::<f64>().ok()?;
    (from..=to).contains(&x).then_some(x)
}

const PATTERN: &str =
    "give none, a pattern such as 2:4, or the share of zeros from 0 to below 1, such as 0.9";

/// Every setting.
pub const KNOBS: [Knob; 19] = [
    Knob {
        name: "weight_sparsity",
        allowed: PATTERN,
        doc: "zeros of the weights of linear layers and convolutions, stored compressed",
        set: |s, t| pattern(t).map(|p| s.weight_sparsity = p),
        get: |s| shown(s.weight_sparsity),
    },
    Knob {
        name: "activation_sparsity",
        allowed: PATTERN,
        doc: "zeros of the activations between operators, stored compressed",
        set: |s, t| pattern(t).map(|p| s.activation_sparsity = p),
        get: |s| shown(s.activation_sparsity),
    },
    Knob {
        name: "kv_sparsity",
        allowed: PATTERN,
        doc: "zeros of the cached keys and values, stored compressed",
        set: |s, t| pattern(t).map(|p| s.kv_sparsity = p),
        get: |s| shown(s.kv_sparsity),
    },
    Knob {
        name: "fusion",
        allowed: "give none, kernels or full",
        doc: "how far operators become one kernel",
        set: |s, t| pick(&FUSING, t).map(|v| s.fusing = v),
        get: |s| word(&FUSING, s.fusing),
    },
    Knob {
        name: "stack",
        allowed: "give default, trtllm, vllm, sglang or torch",
        doc: "whose kernels run, on chips with coefficients for more than one",
        set: |s, t| Stack::parse(t).map(|v| s.stack = v),
        get: |s| s.stack.to_string(),
    },
    Knob {
        name: "mla",
        allowed: "give auto, naive or absorbed",
        doc: "form of multi-head latent attention",
        set: |s, t| pick(&LATENT, t).map(|v| s.latent = v),
        get: |s| word(&LATENT, s.latent),
    },
    Knob {
        name: "window",
        allowed: "give none, or tokens from 1",
        doc: "tokens that every attention layer sees at most",
        set: |s, t| match t {
            "none" => {
                s.window = None;
                Some(())
            }
            _ => whole(t, 1).map(|n| s.window = Some(n)),
        },
        get: |s| {
            s.window
                .map_or_else(|| "none".to_owned(), |n| n.to_string())
        },
    },
    Knob {
        name: "scan",
        allowed: "give auto or step",
        doc: "form of state-space and delta-rule layers over a prompt",
        set: |s, t| pick(&SCAN, t).map(|v| s.scan = v),
        get: |s| word(&SCAN, s.scan),
    },
    Knob {
        name: "imbalance",
        allowed: "give a number from 1 to 1000",
        doc: "how often the favorite expert is chosen over the mean: the others are read less often",
        set: |s, t| number(t, 1.0, 1000.0).map(|x| s.imbalance = x),
        get: |s| s.imbalance.to_string(),
    },
    Knob {
        name: "lora_rank",
        allowed: "give a whole number, 0 for none",
        doc: "rank of the low-rank adapters on all linear layers",
        set: |s, t| {
            whole(t, 0)
                .filter(|n| *n <= 65_536)
                .map(|n| s.lora_rank = n)
        },
        get: |s| s.lora_rank.to_string(),
    },
    Knob {
        name: "adapters",
        allowed: "give a whole number from 1 to 65536",
        doc: "low-rank adapters that share the base model, all resident",
        set: |s, t| whole(t, 1).filter(|n| *n <= 65_536).map(|n| s.adapters = n),
        get: |s| s.adapters.to_string(),
    },
    Knob {
        name: "draft",
        allowed: "give none, or the name or path of a model",
        doc: "small model that proposes tokens for speculative decoding",
        set: |s, t| {
            s.draft = (t != "none").then(|| t.to_owned());
            (!t.is_empty()).then_some(())
        },
        get: |s| s.draft.clone().unwrap_or_else(|| "none".to_owned()),
    },
    Knob {
        name: "draft_tokens",
        allowed: "give a whole number from 1 to 64",
        doc: "tokens proposed at once",
        set: |s, t| whole(t, 1).filter(|n| *n <= 64).map(|n| s.draft_tokens = n),
        get: |s| s.draft_tokens.to_string(),
    },
    Knob {
        name: "acceptance",
        allowed: "give a share from 0 to 1",
        doc: "chance that a proposed token is accepted",
        set: |s, t| number(t, 0.0, 1.0).map(|x| s.acceptance = x),
        get: |s| s.acceptance.to_string(),
    },
    Knob {
        name: "optimizer",
        allowed: "give adam, adam8 or sgd",
        doc: "what training keeps for each parameter",
        set: |s, t| pick(&OPTIMIZER, t).map(|v| s.optimizer = v),
        get: |s| word(&OPTIMIZER, s.optimizer),
    },
    Knob {
        name: "recompute",
        allowed: "give none, selective or full",
        doc: "activations that training makes again instead of keeping them",
        set: |s, t| pick(&RECOMPUTE, t).map(|v| s.recompute = v),
        get: |s| word(&RECOMPUTE, s.recompute),
    },
    Knob {
        name: "dropout",
        allowed: "give on or off",
        doc: "whether training keeps masks of dropout",
        set: |s, t| pick(&DROPOUT, t).map(|v| s.dropout = v),
        get: |s| word(&DROPOUT, s.dropout),
    },
    Knob {
        name: "gradients",
        allowed: "give own or fp32",
        doc: "format of the gradients of weights",
        set: |s, t| pick(&GRADIENTS, t).map(|v| s.gradients = v),
        get: |s| word(&GRADIENTS, s.gradients),
    },
    Knob {
        name: "score_passes",
        allowed: "give a whole number from 0 to 64",
        doc: "forward passes that score the answers in a step of post-training",
        set: |s, t| whole(t, 0).filter(|n| *n <= 64).map(|n| s.score_passes = n),
        get: |s| s.score_passes.to_string(),
    },
];

impl Software {
    /// Makes a setting from its text.
    ///
    /// # Errors
    /// [`SoftwareError`] if there is no such setting, or it does not take this value.
    pub fn set(&mut self, name: &str, text: &str) -> Result<(), SoftwareError> {
        let knob = Self::knob(name).ok_or_else(|| SoftwareError::Name(name.to_owned()))?;
        (knob.set)(self, text.trim()).ok_or_else(|| SoftwareError::Value {
            name: knob.name,
            value: text.trim().to_owned(),
            allowed: knob.allowed,
        })
    }

    /// The setting of a name.
    pub fn knob(name: &str) -> Option<&'static Knob> {
        KNOBS.iter().find(|k| k.name == name)
    }

    /// Settings that differ from the default, with their values, in a fixed order.
    pub fn changed(&self) -> Vec<(&'static str, String)> {
        let plain = Self::default();
        let each = KNOBS
            .iter()
            .map(|k| (k.name, (k.get)(self), (k.get)(&plain)));
        each.filter(|(_, value, default)| value != default)
            .map(|(name, value, _)| (name, value))
            .collect()
    }

    /// The format of the gradients of weights; `None` for that of the weights.
    pub(super) fn gradient_dtype(&self) -> Option<Dtype> {
        match self.gradients {
            Gradients::Own => None,
            Gradients::Fp32 => Some(Dtype::Fp32),
        }
    }

    /// The value of a setting as text.
    pub fn get(&self, name: &str) -> Option<String> {
        Self::knob(name).map(|k| (k.get)(self))
    }

    /// The speculation asked for, if any.
    pub fn speculation(&self) -> Option<Speculation> {
        self.draft.as_ref().map(|draft| Speculation {
            draft: draft.clone(),
            tokens: self.draft_tokens,
            acceptance: self.acceptance,
        })
    }
}

impl fmt::Display for Software {
    /// `fusion=none,window=4096`; empty where nothing is changed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let each = self.changed().into_iter();
        let texts: Vec<String> = each
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        f.write_str(&texts.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_prints_what_it_reads() {
        let values = [
            "2:4",
            "0.5",
            "0.9",
            "none",
            "vllm",
            "absorbed",
            "4096",
            "step",
            "1.5",
            "16",
            "8",
            "llama-3.2-1b",
            "3",
            "0.8",
            "adam8",
            "selective",
            "off",
            "fp32",
            "3",
        ];
        let mut software = Software::default();
        for (knob, value) in KNOBS.iter().zip(values) {
            software.set(knob.name, value).expect(knob.name);
            assert_eq!((knob.get)(&software), value, "{}", knob.name);
        }
        assert_eq!(software.changed().len(), KNOBS.len());
        assert!(Software::default().changed().is_empty());
    }

    #[test]
    fn wrong_values_say_what_is_allowed() {
        let mut software = Software::default();
        let error = software.set("fusion", "all").expect_err("is no level");
        let text = "`all` is not a value of `fusion`; give none, kernels or full";
        assert_eq!(error.to_string(), text);
        assert!(software.set("fussion", "none").is_err());
        assert!(software.set("imbalance", "nan").is_err());
        assert_eq!(software, Software::default());
    }

    #[test]
    fn speculation_gains_what_the_paper_says() {
        // Leviathan et al., table 1: alpha 0.8, gamma 5: 3.69 tokens a step.
        let mut software = Software::default();
        assert_eq!(software.speculation(), None);
        software.set("draft", "small").expect("is a name");
        software.set("draft_tokens", "5").expect("is a number");
        software.set("acceptance", "0.8").expect("is a share");
        let gained = software.speculation().map(|s| s.tokens_per_check());
        assert!((gained.expect("is asked for") - 3.69).abs() < 0.01);
    }
}
