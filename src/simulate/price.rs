//! Prices every operator of a graph.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use rayon::prelude::*;
use rustc_hash::FxHashSet;

use crate::cost::{Bound, Cost, Served, Traffic, Widths, attention, vector};
use crate::hardware::System;
use crate::mapper::{NoMapping, Objective, Request, best_of, candidates};
use crate::schedule::Fusion;
use crate::units::Bytes;
use crate::workload::{
    Dtype, Einsum, OpGraph, OpId, OpKind, Operator, Role, Slot, VectorWork, View,
};

use super::Memo;
use super::memo::{fingerprint, key, shape};

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
    /// Whether it takes a launch of its own.
    pub launched: bool,
}

/// A chip with the fingerprint under which its prices are kept, taken once for many graphs.
#[derive(Clone, Copy, Debug)]
pub struct Prepared<'a> {
    /// The chip.
    pub system: &'a System,
    fingerprint: u128,
    shape: u128,
}

impl<'a> Prepared<'a> {
    /// Takes the fingerprint.
    pub fn new(system: &'a System) -> Self {
        Self {
            system,
            fingerprint: fingerprint(system),
            shape: shape(system),
        }
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
    let (system, under) = (chip.system, chip.fingerprint);
    let mut all = Vec::with_capacity(graph.len());
    let distance = Distance::of(graph);
    let questions = graph.nodes().map(|(id, op)| {
        let question = Question::of(graph, fusion, system, id, op, &distance);
        (key(under, &question), question)
    });
    let questions: Vec<(u128, Question)> = questions.collect();
    answer_new(&questions, chip, memo);
    for ((id, op), (key, question)) in graph.nodes().zip(&questions) {
        let answer = memo.get(*key, || question.answer(chip, memo));
        let cost = answer.map_err(|error| (op.name.clone(), error))?;
        all.push(Priced {
            op: id,
            executed: question.executed(),
            launched: fusion.carrier(id).is_none() && !matches!(question, Question::Free),
            cost,
        });
    }
    ride(graph, fusion, system, &mut all);
    Ok(all)
}

/// Finds the prices that are not stored, side by side; what has none is left to be asked again.
fn answer_new(questions: &[(u128, Question)], chip: &Prepared<'_>, memo: &Memo) {
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
        let _ = memo.get(*key, || question.answer(chip, memo));
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
        Bound::Launch => "launch".to_owned(),
        Bound::Free => "free".to_owned(),
    }
}

/// Bytes that pass between two operators: what may have driven a tensor out of a cache.
struct Distance {
    /// Bytes of all operators before each one.
    before: Vec<f64>,
}

impl Distance {
    fn of(graph: &OpGraph) -> Self {
        let mut sum = 0.0;
        let mut before = vec![0.0];
        for op in graph.operators() {
            let reads = op.inputs.iter().enumerate();
            let read: Bytes = reads.map(|(i, t)| op.bytes_read(i, graph.tensor(*t))).sum();
            sum += read.0 + written(graph, op).0;
            before.push(sum);
        }
        Self { before }
    }

    /// Bytes of the operators after `maker` and before `reader`.
    fn between(&self, maker: OpId, reader: OpId) -> Bytes {
        let (from, to) = (maker.index() + 1, reader.index());
        Bytes((self.before[to.max(from)] - self.before[from]).max(0.0))
    }
}

/// Everything a price depends on, besides the chip.
#[derive(Clone, Debug)]
enum Question {
    Free,
    Product {
        einsum: Box<Einsum>,
        executed: Dtype,
        widths: Widths,
        compulsory: Traffic,
    },
    Attention {
        attention: crate::workload::Attention,
        executed: Dtype,
        query_and_result: Traffic,
        keys_and_values: Bytes,
    },
    Vector {
        work: VectorWork,
        dtype: Dtype,
        served: Served,
    },
}

impl Question {
    fn of(
        graph: &OpGraph,
        fusion: &Fusion,
        system: &System,
        id: OpId,
        op: &Operator,
        distance: &Distance,
    ) -> Self {
        match &op.kind {
            OpKind::Einsum { einsum, dtype } => Self::product(graph, system, op, einsum, *dtype),
            OpKind::Attention(a) => {
                let executed = system.executed_as(a.dtype);
                let inputs = || op.inputs.iter().enumerate();
                let bytes = |i: usize| op.bytes_read(i, graph.tensor(op.inputs[i]));
                let kv = inputs().filter(|(i, _)| *i == 1 || *i == 2);
                let rest = inputs().filter(|(i, _)| *i != 1 && *i != 2);
                Self::Attention {
                    attention: *a,
                    executed,
                    query_and_result: Traffic {
                        read: rest.map(|(i, _)| bytes(i)).sum(),
                        written: written(graph, op),
                    },
                    keys_and_values: kv.map(|(i, _)| bytes(i)).sum(),
                }
            }
            OpKind::Layout(View::Free) => Self::Free,
            OpKind::Elementwise(work) | OpKind::Reduction(work) => {
                let carried = fusion.carrier(id);
                let work = *work;
                Self::vector(
                    graph,
                    system,
                    (id, op),
                    work,
                    fusion,
                    carried.is_some(),
                    distance,
                )
            }
            OpKind::Gather { .. }
            | OpKind::Layout(View::Copy)
            | OpKind::KvAppend { .. }
            | OpKind::Opaque { .. } => {
                let work = VectorWork::default();
                Self::vector(graph, system, (id, op), work, fusion, false, distance)
            }
        }
    }

    fn product(
        graph: &OpGraph,
        system: &System,
        op: &Operator,
        einsum: &Einsum,
        dtype: Dtype,
    ) -> Self {
        let executed = system.executed_as(dtype);
        let stored = |i: usize| {
            let tensor = op.inputs.get(i).map(|t| graph.tensor(*t));
            tensor.map_or(executed, |t| t.dtype).stored_bytes()
        };
        let result = op.outputs.first().map(|t| graph.tensor(*t).dtype);
        let accumulator = system
            .arrays
            .first()
            .map_or(Dtype::Fp32, |a| a.accumulator(executed));
        let all = op.inputs.iter().enumerate();
        let read = all.map(|(i, t)| op.bytes_read(i, graph.tensor(*t))).sum();
        let result_width = result.unwrap_or(executed).stored_bytes();
        Self::Product {
            einsum: Box::new(einsum.clone()),
            executed,
            widths: Widths {
                lhs: stored(Slot::Lhs as usize),
                rhs: stored(Slot::Rhs as usize),
                partial: accumulator.stored_bytes().max(result_width),
                result: result_width,
            },
            compulsory: Traffic {
                read,
                written: written(graph, op),
            },
        }
    }

    /// A fused operator reads only what its carrier does not hand it, and writes nothing more.
    fn vector(
        graph: &OpGraph,
        system: &System,
        (id, op): (OpId, &Operator),
        work: VectorWork,
        fusion: &Fusion,
        fused: bool,
        distance: &Distance,
    ) -> Self {
        let mut served = Served::default();
        for (i, input) in op.inputs.iter().enumerate() {
            let tensor = graph.tensor(*input);
            let maker = graph.producer(*input);
            let handed = fused
                && maker.is_some_and(|maker| {
                    let carrier = fusion.carrier(maker).unwrap_or(maker);
                    op_carrier(graph, fusion, op) == Some(carrier)
                });
            if !handed {
                let between = maker.map(|m| distance.between(m, id));
                let fresh = between.filter(|_| tensor.role == Role::Activation);
                served.read(system, op.bytes_read(i, tensor), fresh);
            }
        }
        if !fused {
            for output in &op.outputs {
                let tensor = graph.tensor(*output);
                let stays = tensor.role == Role::Activation;
                served.write(system, op.bytes_written(tensor), stays);
            }
        }
        let dtype = op.outputs.first().map(|t| graph.tensor(*t).dtype);
        Self::Vector {
            work,
            dtype: dtype.unwrap_or(Dtype::Fp32),
            served,
        }
    }

    fn executed(&self) -> Option<Dtype> {
        match self {
            Self::Product { executed, .. } | Self::Attention { executed, .. } => Some(*executed),
            Self::Free | Self::Vector { .. } => None,
        }
    }

    fn answer(&self, chip: &Prepared<'_>, memo: &Memo) -> Result<Cost, NoMapping> {
        let system = chip.system;
        match self {
            Self::Free => Ok(Cost::free(system)),
            Self::Product {
                einsum,
                executed,
                widths,
                compulsory,
            } => {
                let request = Request {
                    einsum,
                    dtype: *executed,
                    widths: *widths,
                    compulsory: *compulsory,
                    objective: Objective::Latency,
                };
                let bits = [widths.lhs, widths.rhs, widths.partial].map(f64::to_bits);
                memo.with_nests(
                    key(chip.shape, &(einsum, executed, bits)),
                    || candidates(system, &request),
                    |nests| best_of(system, &request, nests),
                )
            }
            Self::Attention {
                attention: a,
                executed,
                query_and_result,
                keys_and_values,
            } => {
                let able = system.arrays.iter();
                let array = able.clone().position(|x| x.peak(*executed).is_some());
                Ok(attention(
                    system,
                    array.unwrap_or(0),
                    a,
                    *executed,
                    *query_and_result,
                    *keys_and_values,
                ))
            }
            Self::Vector {
                work,
                dtype,
                served,
            } => Ok(vector(system, *work, *dtype, *served)),
        }
    }
}

fn op_carrier(graph: &OpGraph, fusion: &Fusion, op: &Operator) -> Option<OpId> {
    let output = op.outputs.first()?;
    fusion.carrier(graph.producer(*output)?)
}

fn written(graph: &OpGraph, op: &Operator) -> Bytes {
    let outputs = op.outputs.iter();
    outputs.map(|t| op.bytes_written(graph.tensor(*t))).sum()
}

impl Hash for Question {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let traffic = |t: &Traffic, state: &mut H| {
            t.read.0.to_bits().hash(state);
            t.written.0.to_bits().hash(state);
        };
        std::mem::discriminant(self).hash(state);
        match self {
            Self::Free => {}
            Self::Product {
                einsum,
                executed,
                widths,
                compulsory,
            } => {
                einsum.hash(state);
                executed.hash(state);
                for width in [widths.lhs, widths.rhs, widths.partial, widths.result] {
                    width.to_bits().hash(state);
                }
                traffic(compulsory, state);
            }
            Self::Attention {
                attention,
                executed,
                query_and_result,
                keys_and_values,
            } => {
                attention.hash(state);
                executed.hash(state);
                traffic(query_and_result, state);
                keys_and_values.0.to_bits().hash(state);
            }
            Self::Vector {
                work,
                dtype,
                served,
            } => {
                for value in [work.elements, work.ops, work.special] {
                    value.to_bits().hash(state);
                }
                dtype.hash(state);
                traffic(&served.main, state);
                traffic(&served.cached, state);
            }
        }
    }
}
