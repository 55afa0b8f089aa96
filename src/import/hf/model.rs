//! A plan as a model: what is known before binding, and the graph at given sizes.

use crate::diag::{Code, Problem, Problems};
use crate::workload::{Binding, Card, Limits, Model, OpGraph, Phase, Stage, Symbol};

use super::build::Builder;
use super::ends::{self, Wanted};
use super::formats::Formats;
use super::layer;
use super::plan::{Input, Plan};

/// Tokens of one forward pass of a decoder unless the user binds `seq`.
const DECODER_SEQ: u64 = 1024;

/// Tokens of one pass of a text encoder unless the user binds `seq`.
const ENCODER_SEQ: u64 = 128;

/// Most sequences accepted.
const BATCH_LIMIT: u64 = 1 << 24;

/// Most tokens of a sequence accepted.
const TOKEN_LIMIT: u64 = 1 << 32;

/// A configuration, ready to be built.
///
/// A decoder at [`Stage::Tokens`] makes logits for the last token only; its [`Stage::Infer`] is one
/// pass over `seq` tokens (1024 unless bound) behind nothing, with logits for every token, as an
/// exported graph has them. An encoder knows `Infer` alone.
pub(super) struct Configured {
    plan: Plan,
    card: Card,
    warnings: Vec<Problem>,
}

impl Configured {
    /// A model of a plan; `warnings` are repeated with every graph.
    pub(super) fn new(plan: Plan, warnings: Vec<Problem>) -> Self {
        let decoder = plan.is_decoder();
        let symbol = |name: &str, default| Symbol {
            name: name.to_owned(),
            default: Some(default),
        };
        let mut symbols = vec![symbol("batch", 1)];
        if let Input::Tokens(_) = plan.input {
            symbols.push(symbol("seq", default_seq(&plan)));
        }
        let card = Card {
            family: plan.family.clone(),
            default_phase: if decoder {
                Phase::Generate
            } else {
                Phase::Infer
            },
            dtype: plan.dtype,
            active_parameters: None,
            // An encoder is known to keep nothing.
            kv_elements_per_token: Some(if decoder {
                plan.kv_elements_per_token()
            } else {
                0.0
            }),
            state_elements: 0.0,
            limits: Limits {
                context: plan.context,
            },
            symbols,
            deadline: None,
        };
        Self {
            plan,
            card,
            warnings,
        }
    }

    /// Batch, tokens, cached tokens, and which logits.
    fn sizes(&self, binding: &Binding) -> Result<(u64, u64, u64, Wanted), Problems> {
        let mut problems = self.unknown_settings(binding);
        let dim = |name: &str| binding.dims.get(name).copied();
        let by_option = [("batch", "--batch"), ("seq", "--prompt")];
        let is_tokens = binding.stage != Stage::Infer;
        for (name, option) in by_option.iter().filter(|_| is_tokens) {
            if dim(name).is_some() {
                let message =
                    format!("`{name}` of a language model is not a symbolic dimension here");
                problems.push(Problem::new(Code::FixedDim, message).help(format!("use {option}")));
            }
        }
        let batch = binding.batch.or(dim("batch")).unwrap_or(1);
        let (tokens, past, wanted) = match (binding.stage, &self.plan.input) {
            (Stage::Tokens { tokens, past }, _) => (tokens, past, Wanted::Last),
            (Stage::Check { tokens, past }, _) => (tokens, past, Wanted::All),
            (Stage::Infer, Input::Tokens(_)) => {
                let seq = dim("seq").unwrap_or_else(|| default_seq(&self.plan));
                (seq, 0, Wanted::All)
            }
            (Stage::Infer, Input::Patches(p)) => {
                let side = p.image / p.patch;
                (side * side + 1, 0, Wanted::All)
            }
        };
        if is_tokens && !self.plan.is_decoder() {
            let message = format!(
                "`{}` is an encoder: it has no prefill and no decode",
                self.plan.family
            );
            problems.push(Problem::new(Code::FixedDim, message).help("use phase infer"));
        }
        let total = tokens.saturating_add(past);
        for (name, value, limit) in [("batch", batch, BATCH_LIMIT), ("seq", tokens, TOKEN_LIMIT)] {
            if value == 0 || value > limit {
                let message = format!("`{name}` = {value} is out of range");
                let note = format!("allowed is 1 to {limit}");
                problems.push(Problem::new(Code::OutOfRange, message).note(note));
            }
        }
        let positions = match &self.plan.input {
            Input::Tokens(tokens) => tokens.positions,
            Input::Patches(_) => None,
        };
        if let Some(learned) = positions.filter(|p| total > *p) {
            let message = format!(
                "{total} tokens are asked for, and the model has {learned} learned positions"
            );
            problems.push(Problem::new(Code::FixedDim, message));
        } else if total > TOKEN_LIMIT {
            let message = format!("{total} tokens are out of range");
            let note = format!("allowed is 1 to {TOKEN_LIMIT}");
            problems.push(Problem::new(Code::OutOfRange, message).note(note));
        }
        problems
            .or((batch, tokens, past, wanted))
            .map(|(sizes, _)| sizes)
    }

    /// Dimensions and shapes that this model does not have.
    fn unknown_settings(&self, binding: &Binding) -> Problems {
        let mut problems = Problems::new();
        let known: Vec<&str> = self.card.symbols.iter().map(|s| s.name.as_str()).collect();
        for name in binding.dims.keys().filter(|n| !known.contains(&n.as_str())) {
            let message = format!("the model has no dimension `{name}`");
            let help = format!("it has {}", known.join(", "));
            problems.push(Problem::new(Code::FixedDim, message).help(help));
        }
        for name in binding.shapes.keys() {
            let message = format!("the shape of `{name}` does not apply to a configuration");
            let help = format!("bind {} instead", known.join(", "));
            problems.push(Problem::new(Code::FixedDim, message).help(help));
        }
        problems
    }
}

impl Model for Configured {
    fn card(&self) -> &Card {
        &self.card
    }

    fn graph(&self, binding: &Binding) -> Result<(OpGraph, Vec<Problem>), Problems> {
        let (batch, tokens, past, wanted) = self.sizes(binding)?;
        let formats = Formats::new(self.plan.dtype, &binding.precision);
        let mut b = Builder::new(formats, batch, tokens);
        let (x, table) = ends::input(&mut b, &self.plan);
        let x = layer::stack(&mut b, &self.plan, x, past);
        ends::head(&mut b, &self.plan, x, table, wanted);
        Ok((b.graph, self.warnings.clone()))
    }
}

fn default_seq(plan: &Plan) -> u64 {
    let wanted = if plan.is_decoder() {
        DECODER_SEQ
    } else {
        ENCODER_SEQ
    };
    plan.context.map_or(wanted, |c| wanted.min(c))
}
