//! Prices every operator of a graph.

use std::sync::Arc;

use rayon::prelude::*;
use rustc_hash::FxHashSet;

use crate::cost::{Bound, Cost};
use crate::hardware::System;
use crate::mapper::NoMapping;
use crate::schedule::Fusion;
use crate::workload::{Dtype, OpGraph, OpId, Stack};

use super::Memo;
use super::memo::{asking, fingerprint, key, shape};
use super::question::{Distance, Question};
use super::zeros::steps;

/// Searches below which starting threads takes longer.
const WORTH_THREADS: usize = 4;

/// An operator and its price.
#[derive(Clone, Debug)]
pub struct Priced {
    /// Which.
    pub op: OpId,
    /// One execution, alone.
    pub cost: Arc<Cost>,
    /// Format in which matrix products ran.
    pub executed: Option<Dtype>,
    /// Share of its MACs that the chip has to step through at least.
    pub steps: f64,
    /// Whether it takes a launch of its own.
    pub launched: bool,
}

/// What chips have in common, as digests of their content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Prints {
    /// Chips with one fingerprint have the same prices.
    pub fingerprint: u128,
    /// Chips of one shape have the same loop nests.
    pub shape: u128,
    /// Chips of one kind are asked alike: they share sheets.
    pub kind: u128,
}

impl Prints {
    /// Of a chip.
    pub fn of(system: &System) -> Self {
        Self {
            fingerprint: fingerprint(system),
            shape: shape(system),
            kind: asking(system),
        }
    }
}

/// A chip with its digests, taken once for many graphs.
#[derive(Clone, Copy, Debug)]
pub struct Prepared<'a> {
    /// The chip.
    pub system: &'a System,
    /// Its digests.
    pub prints: Prints,
}

impl<'a> Prepared<'a> {
    /// Takes the digests.
    pub fn new(system: &'a System) -> Self {
        let prints = Prints::of(system);
        Self { system, prints }
    }
}

/// Prices all operators, in graph order; what is fused is part of its carrier's price.
///
/// # Errors
/// [`NoMapping`] with the operator's name if a product fits nowhere.
pub fn price(
    graph: &OpGraph,
    fusion: &Fusion,
    system: &System,
    memo: &Memo,
) -> Result<Vec<Priced>, (String, NoMapping)> {
    price_on(&Prepared::new(system), graph, fusion, memo)
}

/// As [`price`], on a prepared chip.
///
/// # Errors
/// As [`price`].
pub fn price_on(
    chip: &Prepared<'_>,
    graph: &OpGraph,
    fusion: &Fusion,
    memo: &Memo,
) -> Result<Vec<Priced>, (String, NoMapping)> {
    let (system, under) = (chip.system, chip.prints.fingerprint);
    let mut all = Vec::with_capacity(graph.len());
    let distance = Distance::of(graph);
    let questions = graph.nodes().map(|(id, op)| {
        let question = Question::of(graph, fusion, system, id, op, &distance);
        (key(under, &(graph.stack, &question)), question)
    });
    let questions: Vec<(u128, Question)> = questions.collect();
    answer_new(&questions, graph.stack, chip, memo);
    for ((id, op), (key, question)) in graph.nodes().zip(&questions) {
        let answer = memo.get(*key, || question.answer(graph.stack, chip, memo));
        let cost = answer.map_err(|error| (op.name.clone(), error))?;
        all.push(Priced {
            op: id,
            executed: question.executed(),
            steps: steps(graph, system, op),
            launched: fusion.carrier(id).is_none() && !matches!(question, Question::Free),
            cost,
        });
    }
    ride(graph, fusion, system, &mut all);
    Ok(all)
}

/// Finds the prices that are not stored, side by side; what has none is left to be asked again.
fn answer_new(questions: &[(u128, Question)], stack: Stack, chip: &Prepared<'_>, memo: &Memo) {
    let mut seen = FxHashSet::default();
    let searched = questions
        .iter()
        .filter(|(_, question)| matches!(question, Question::Product { .. }));
    let new = searched.filter(|(key, _)| !memo.knows(*key) && seen.insert(*key));
    let new: Vec<_> = new.collect();
    if new.len() < WORTH_THREADS {
        return;
    }
    new.par_iter().for_each(|(key, question)| {
        // An operator that fits nowhere is reported in graph order.
        let _ = memo.get(*key, || question.answer(stack, chip, memo));
    });
}

/// Moves the cost of fused operators to their carriers.
fn ride(graph: &OpGraph, fusion: &Fusion, system: &System, prices: &mut [Priced]) {
    let free = Arc::new(Cost::free(system));
    for (id, _) in graph.nodes() {
        let Some(carrier) = fusion.carrier(id) else {
            continue;
        };
        let rider = std::mem::replace(&mut prices[id.index()].cost, Arc::clone(&free));
        Arc::make_mut(&mut prices[carrier.index()].cost).absorb(&rider);
    }
}

/// Name of a bound for tables.
pub fn resource(system: &System, bound: Bound) -> String {
    match bound {
        Bound::Matrix => "matrix".to_owned(),
        Bound::Vector => "vector".to_owned(),
        Bound::Memory(i) => system.memories[i].name.clone(),
        Bound::Link => "link".to_owned(),
        Bound::Launch => "launch".to_owned(),
        Bound::Free => "free".to_owned(),
    }
}
