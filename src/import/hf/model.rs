//! A plan as a model: what is known before binding, and the graph at given sizes.

use crate::diag::{Code, Problem, Problems};
use crate::workload::{
    Binding, Card, Limits, Model, OpGraph, OpKind, Phase, Stage, Symbol, TensorId,
};

use super::build::Builder;
use super::ends::{self, Wanted};
use super::formats::Formats;
use super::layer;
use super::mix::Context;
use super::plan::{Extent, Head, Input, Plan};
use super::sources::{self, Items};

/// Tokens of one forward pass of a decoder unless the user binds `seq`.
const DECODER_SEQ: u64 = 1024;

/// Tokens of one pass of a text encoder unless the user binds `seq`.
const ENCODER_SEQ: u64 = 128;

/// Most sequences accepted.
const BATCH_LIMIT: u64 = 1 << 24;

/// Most tokens of a sequence accepted.
const TOKEN_LIMIT: u64 = 1 << 32;

/// Most vectors of all sequences of one pass: products with a width stay below 2^64.
const MOST_ROWS: f64 = 1e12;

/// Most images of a sequence accepted.
const IMAGE_LIMIT: u64 = 1 << 16;

/// A configuration, ready to be built.
///
/// A decoder at [`Stage::Tokens`] makes logits for the last token only; its [`Stage::Infer`] is one
/// pass over `seq` tokens (1024 unless bound) behind nothing, with logits for every token, as an
/// exported graph has them. An encoder knows `Infer` alone. What stands in front of a decoder, such as the
/// encoder of a speech model, runs with the first tokens; later its weights are resident.
pub(super) struct Configured {
    plan: Plan,
    card: Card,
    warnings: Vec<Problem>,
}

/// Sizes of one pass.
struct Sizes {
    batch: u64,
    tokens: u64,
    past: u64,
    wanted: Wanted,
    source: u64,
    images: u64,
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
        for source in &plan.sources {
            if let Extent::Open(default) = source.tokens {
                symbols.push(symbol("source", default));
            }
            if !source.always {
                symbols.push(symbol("images", 0));
            }
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
            state_elements: plan.state_elements(),
            limits: Limits {
                context: plan.context,
            },
            symbols,
            deadline: None,
        };
        let mut model = Self {
            plan,
            card,
            warnings,
        };
        let idle = model.plan.idle_experts();
        if idle > 0.0 {
            let all = model.smallest().parameters();
            model.card.active_parameters = Some(all - idle);
        }
        model
    }

    /// The graph of one token, for counts that do not depend on sizes.
    fn smallest(&self) -> OpGraph {
        let tokens = match &self.plan.input {
            Input::Patches(patches) => patches.tokens(),
            Input::Tokens(_) | Input::Sound(_) | Input::Vectors => 1,
        };
        let sizes = Sizes {
            batch: 1,
            tokens,
            past: 0,
            wanted: Wanted::All,
            source: 1,
            images: 0,
        };
        let binding = Binding::infer();
        self.build(&sizes, &binding)
    }

    /// Batch, tokens, cached tokens, and which logits.
    fn sizes(&self, binding: &Binding) -> Result<Sizes, Problems> {
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
            (Stage::Infer, Input::Patches(p)) => (p.tokens(), 0, Wanted::All),
            (Stage::Infer, Input::Tokens(_) | Input::Sound(_) | Input::Vectors) => {
                let seq = dim("seq").unwrap_or_else(|| default_seq(&self.plan));
                (seq, 0, Wanted::All)
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
        let mut limit = |name: &str, value: u64, least: u64, limit: u64| {
            if value < least || value > limit {
                let message = format!("`{name}` = {value} is out of range");
                let note = format!("allowed is {least} to {limit}");
                problems.push(Problem::new(Code::OutOfRange, message).note(note));
            }
        };
        limit("batch", batch, 1, BATCH_LIMIT);
        limit("seq", tokens, 1, TOKEN_LIMIT);
        let default = |s: &str| {
            let found = self.card.symbols.iter().find(|symbol| symbol.name == s);
            found.and_then(|symbol| symbol.default).unwrap_or(1)
        };
        let source = dim("source").unwrap_or_else(|| default("source"));
        limit("source", source, 1, TOKEN_LIMIT);
        let images = dim("images").unwrap_or(0);
        limit("images", images, 0, IMAGE_LIMIT);
        let of_source = self.plan.sources.iter().map(|s| s.input_tokens(source));
        let longest = of_source.max().unwrap_or(1);
        limit("tokens of the tower", longest, 1, TOKEN_LIMIT);
        let of_items = batch as f64 * images.max(1) as f64 * longest as f64;
        if of_items > MOST_ROWS && !self.plan.sources.is_empty() {
            let message = "batch x images x tokens of the tower are too many";
            let note = format!("allowed are {MOST_ROWS:e}");
            problems.push(Problem::new(Code::OutOfRange, message).note(note));
        }
        let made: u64 = self.image_tokens(images);
        if made > tokens && past == 0 {
            let message =
                format!("{images} images make {made} tokens, and the sequence has {tokens}");
            let help = format!("give at least {made} tokens with --prompt, or --dim seq");
            problems.push(Problem::new(Code::FixedDim, message).help(help));
        }
        let positions = match &self.plan.input {
            Input::Tokens(tokens) => tokens.positions.map(|p| p.usable),
            Input::Patches(_) | Input::Sound(_) | Input::Vectors => None,
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
        let sizes = Sizes {
            batch,
            tokens,
            past,
            wanted,
            source,
            images,
        };
        problems.or(sizes).map(|(sizes, _)| sizes)
    }

    /// Tokens that images become in the sequence.
    fn image_tokens(&self, images: u64) -> u64 {
        let towers = self.plan.sources.iter().filter(|s| !s.always);
        let each = towers.map(|s| {
            let merge = match &s.plan.head {
                Head::Merged { merge, .. } => *merge,
                _ => 1,
            };
            (s.input_tokens(0) / merge.max(1)).saturating_mul(images)
        });
        each.fold(0, u64::saturating_add)
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

    fn build(&self, sizes: &Sizes, binding: &Binding) -> OpGraph {
        let plan = &self.plan;
        let formats = Formats::new(plan.dtype, plan.stored, &binding.precision);
        let mut b = Builder::new(formats, binding.software.clone(), sizes.batch, sizes.tokens);
        let looks = plan.segments.iter().any(|s| s.layer.cross.is_some());
        let mut context = Context {
            past: sizes.past,
            source: None,
        };
        let mut beside = Vec::new();
        for source in &plan.sources {
            let count = match (source.always, sizes.past) {
                (true, 0) => 1,
                (false, 0) => sizes.images,
                (_, _) => 0,
            };
            let items = Items {
                count,
                tokens: sizes.source,
            };
            let made = sources::source(&mut b, source, items);
            match (looks, made.result) {
                (true, result) => context.source = Some((result, made.tokens)),
                (false, Some(result)) if source.always => b.output(result),
                (false, Some(result)) => beside.push((result, made.tokens)),
                (false, None) => {}
            }
        }
        let mut x = ends::input(&mut b, plan);
        for (features, tokens) in beside {
            x = placed(&mut b, x, features, tokens * sizes.images, plan.hidden);
        }
        b.enter("", "", 1);
        let x = layer::stack(&mut b, plan, x, &context);
        b.enter("", "", 1);
        let y = ends::head(&mut b, plan, x, sizes.wanted);
        b.output(y);
        for (name, parameters) in &plan.idle {
            b.enter("", name, 1);
            let weight = b.weight(&format!("{name}.weight"), &[*parameters]);
            b.hold(name, &[weight]);
        }
        b.graph
    }
}

/// Vectors of images in the places of their tokens.
fn placed(b: &mut Builder, x: TensorId, features: TensorId, tokens: u64, width: u64) -> TensorId {
    let y = b.stream("placed.out", width);
    let elements = b.batch as f64 * tokens.min(b.tokens) as f64 * width as f64;
    b.operator(
        "placed",
        "scatter",
        OpKind::Gather { elements },
        &[features, x],
        &[y],
    );
    y
}

impl Model for Configured {
    fn card(&self) -> &Card {
        &self.card
    }

    fn graph(&self, binding: &Binding) -> Result<(OpGraph, Vec<Problem>), Problems> {
        let sizes = self.sizes(binding)?;
        Ok((self.build(&sizes, binding), self.warnings.clone()))
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
