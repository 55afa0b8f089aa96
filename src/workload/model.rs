//! A model as read from a file: what is known before any size is bound, and how to bind it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::diag::{Problem, Problems};
use crate::units::Seconds;

use super::unfused::unfuse;
use super::{Dtype, Fusing, OpGraph, Phase, Precision, Requests, Software, lora, transform};

/// One step of a model's execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// One forward pass over the whole input.
    Infer,
    /// `tokens` new tokens per sequence behind `past` cached ones; logits for the last token only.
    Tokens {
        /// New tokens.
        tokens: u64,
        /// Cached tokens.
        past: u64,
    },
    /// As `Tokens`, with logits for every new token: a check of proposed tokens.
    Check {
        /// New tokens.
        tokens: u64,
        /// Cached tokens.
        past: u64,
    },
}

/// Everything needed to make sizes concrete.
#[derive(Clone, Debug, PartialEq)]
pub struct Binding {
    /// Which step.
    pub stage: Stage,
    /// Sequences or samples; `None` where the user did not say.
    pub batch: Option<u64>,
    /// Formats asked for.
    pub precision: Precision,
    /// Settings of the software.
    pub software: Software,
    /// Values of symbolic dimensions.
    pub dims: BTreeMap<String, u64>,
    /// Shapes of inputs.
    pub shapes: BTreeMap<String, Vec<u64>>,
    /// Keep operators that are not known, by their bytes alone, instead of refusing the model.
    pub unknown_as_bytes: bool,
}

impl Binding {
    /// A plain forward pass with nothing bound.
    pub fn infer() -> Self {
        Self {
            stage: Stage::Infer,
            batch: None,
            precision: Precision::default(),
            software: Software::default(),
            dims: BTreeMap::new(),
            shapes: BTreeMap::new(),
            unknown_as_bytes: false,
        }
    }
}

/// Limits a model states.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Longest context in tokens.
    pub context: Option<u64>,
}

/// An open dimension and what it will be if nobody binds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Symbol {
    /// Name in the file.
    pub name: String,
    /// Value used without a binding; `None` makes an unbound use an error.
    pub default: Option<u64>,
}

/// What is known of a model before sizes are bound.
#[derive(Clone, Debug, PartialEq)]
pub struct Card {
    /// Family or producer: `llama`, `pytorch 2.15`.
    pub family: String,
    /// Phase priced unless the user chooses.
    pub default_phase: Phase,
    /// The model's own type of weights and activations.
    pub dtype: Dtype,
    /// Parameters that take part for each token (MoE), the input embedding included; `None`: all.
    pub active_parameters: Option<f64>,
    /// Elements appended to the KV cache per token, over all layers; `None` without a cache.
    pub kv_elements_per_token: Option<f64>,
    /// Elements of recurrent state per sequence.
    pub state_elements: f64,
    /// Stated limits.
    pub limits: Limits,
    /// Open dimensions.
    pub symbols: Vec<Symbol>,
    /// Time within which one execution must be done, such as the period of a controller.
    pub deadline: Option<Seconds>,
}

/// A way to make a graph of concrete sizes.
pub trait Model: Send + Sync {
    /// What is known before binding.
    fn card(&self) -> &Card;

    /// The graph at these sizes, and warnings (such as assumed values of open dimensions).
    ///
    /// # Errors
    /// [`Problems`] if a dimension stays open, a shape contradicts another, or an operator is unknown.
    fn graph(&self, binding: &Binding) -> Result<(OpGraph, Vec<Problem>), Problems>;
}

/// A named model.
#[derive(Clone)]
pub struct Workload {
    /// Name in tables and folders.
    pub name: String,
    /// File or catalog entry it was read from.
    pub origin: String,
    model: Arc<dyn Model>,
    card: Arc<Card>,
    requests: Option<Arc<Requests>>,
}

impl Workload {
    /// Names a model.
    pub fn new(name: impl Into<String>, origin: impl Into<String>, model: Arc<dyn Model>) -> Self {
        Self {
            name: name.into(),
            origin: origin.into(),
            card: Arc::new(model.card().clone()),
            model,
            requests: None,
        }
    }

    /// The same model under another name.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>, origin: impl Into<String>) -> Self {
        (self.name, self.origin) = (name.into(), origin.into());
        self
    }

    /// The same model with a time within which it must be done.
    #[must_use]
    pub fn with_deadline(mut self, limit: Seconds) -> Self {
        Arc::make_mut(&mut self.card).deadline = Some(limit);
        self
    }

    /// The same model with the requests that it serves.
    #[must_use]
    pub fn with_requests(mut self, requests: Requests) -> Self {
        self.requests = Some(Arc::new(requests));
        self
    }

    /// What is known before binding.
    pub fn card(&self) -> &Card {
        &self.card
    }

    /// The requests that it serves, if its file says.
    pub fn requests(&self) -> Option<&Arc<Requests>> {
        self.requests.as_ref()
    }

    /// The graph at these sizes, and warnings.
    ///
    /// # Errors
    /// As [`Model::graph`].
    pub fn graph(&self, binding: &Binding) -> Result<(OpGraph, Vec<Problem>), Problems> {
        let (graph, warnings) = self.model.graph(binding)?;
        let mut graph = lora::apply(graph, binding);
        if binding.software.fusing == Fusing::None {
            graph = unfuse(&graph);
        }
        transform::apply(&mut graph, binding);
        Ok((graph, warnings))
    }
}

impl PartialEq for Workload {
    /// By name and origin: what is read from one place is one model.
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.origin == other.origin
    }
}

impl fmt::Debug for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Workload({}, {})", self.name, self.origin)
    }
}
