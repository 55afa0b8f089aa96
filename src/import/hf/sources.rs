//! Encoders and towers in front of a stack: they run, or their weights are resident.

use crate::workload::TensorId;

use super::build::Builder;
use super::ends::{self, Wanted};
use super::layer;
use super::mix::Context;
use super::plan::{Extent, Input, Plan, SourcePlan};

/// How often a source runs for each sequence of a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Items {
    /// Runs; 0 keeps the weights alone.
    pub(super) count: u64,
    /// Tokens of a source of open length.
    pub(super) tokens: u64,
}

/// What leaves a source.
pub(super) struct Made {
    /// Its result `[batch · items, tokens, width]`; `None` if it did not run.
    pub(super) result: Option<TensorId>,
    /// Tokens of each item.
    pub(super) tokens: u64,
}

impl SourcePlan {
    /// Positions of one item at the input of its layers.
    pub(super) fn input_tokens(&self, open: u64) -> u64 {
        match (&self.plan.input, self.tokens) {
            (Input::Patches(patches), _) => patches.tokens(),
            (_, Extent::Fixed(n)) => n,
            (_, Extent::Open(_)) => open,
        }
    }
}

/// Runs a source, or keeps its weights resident.
pub(super) fn source(b: &mut Builder, source: &SourcePlan, items: Items) -> Made {
    if items.count == 0 {
        let tokens = hold(b, source, items.tokens);
        return Made {
            result: None,
            tokens,
        };
    }
    let before = (b.batch, b.tokens);
    b.batch *= items.count;
    let (x, tokens) = run(b, source, items.tokens);
    (b.batch, b.tokens) = before;
    Made {
        result: Some(x),
        tokens,
    }
}

fn run(b: &mut Builder, source: &SourcePlan, open: u64) -> (TensorId, u64) {
    let prefix = format!("{}.", source.name);
    b.enter(&prefix, "", 1);
    b.tokens = source.input_tokens(open);
    let x = ends::input(b, &source.plan);
    b.enter(&prefix, "", 1);
    let context = Context {
        past: 0,
        source: None,
    };
    let x = layer::stack(b, &source.plan, x, &context);
    b.enter(&prefix, "", 1);
    let x = ends::head(b, &source.plan, x, Wanted::All);
    let tokens = b.tokens;
    b.enter("", "", 1);
    (x, tokens)
}

/// The weights of a source, read by an operator that costs nothing.
fn hold(b: &mut Builder, source: &SourcePlan, open: u64) -> u64 {
    let mut aside = Builder::new(b.formats, b.software.clone(), 1, 1);
    let (_, tokens) = run(&mut aside, source, open);
    let shared = aside.table.filter(|_| shares(&source.plan));
    if let (Some(id), None) = (shared, b.table) {
        let table = aside.graph.tensor(id).clone();
        b.table = Some(b.graph.add_tensor(table));
    }
    let weights = aside.graph.weights();
    let weights = weights.filter(|id| Some(*id) != shared);
    let held: Vec<TensorId> = weights
        .map(|id| b.graph.add_tensor(aside.graph.tensor(id).clone()))
        .collect();
    b.enter("", source.name, 1);
    b.hold(source.name, &held);
    b.enter("", "", 1);
    tokens
}

/// True if the token table of a source is that of the stack behind it.
fn shares(plan: &Plan) -> bool {
    matches!(&plan.input, Input::Tokens(tokens) if tokens.shared)
}
