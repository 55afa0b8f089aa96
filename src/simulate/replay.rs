//! Operators of one measurement, to be timed again and again on chips that differ in figures only.

use smallvec::SmallVec;

use crate::cost::Cost;
use crate::hardware::System;
use crate::mapper::NoMapping;
use crate::power::{Entry, Settled, nominal, settle};
use crate::schedule::Fusion;
use crate::units::Seconds;
use crate::workload::{Dtype, OpGraph, Stack};

use super::isolated::eager_start;
use super::question::{Distance, Question};
use super::{Conditions, Memo, Prepared};

/// A graph alone on a chip with all that its time depends on besides the chip's figures.
///
/// Times are those of [`super::isolated`]. What a replay was taken on and what it is timed on must have
/// the same memories, engines and formats; bandwidths, overheads and coefficients of kernels may differ.
#[derive(Clone, Debug)]
pub struct Replay {
    asked: SmallVec<[Asked; 2]>,
    stack: Stack,
    conditions: Conditions,
}

#[derive(Clone, Debug)]
struct Asked {
    question: Question,
    count: f64,
    is_launched: bool,
}

impl Replay {
    /// Takes a graph's questions, its operators one after the other and none fused.
    pub fn new(graph: &OpGraph, system: &System, conditions: Conditions) -> Self {
        let fusion = Fusion::default();
        let distance = Distance::of(graph);
        let asked = graph.nodes().map(|(id, op)| {
            let question = Question::of(graph, &fusion, system, id, op, &distance);
            Asked {
                is_launched: !matches!(question, Question::Free),
                count: op.count as f64,
                question,
            }
        });
        Self {
            asked: asked.collect(),
            stack: graph.stack,
            conditions,
        }
    }

    /// Device time, and host launches where eager.
    ///
    /// # Errors
    /// [`NoMapping`] if a product fits nowhere on the chip.
    pub fn latency(&self, chip: &Prepared<'_>, memo: &Memo) -> Result<Seconds, NoMapping> {
        Ok(self.settle(chip, memo)?.settled.latency)
    }

    /// Prices all operators, and the clock that they run at.
    pub(super) fn settle(&self, chip: &Prepared<'_>, memo: &Memo) -> Result<Timed, NoMapping> {
        let system = chip.system;
        let costs = self.asked.iter();
        let costs = costs.map(|asked| asked.question.answer(self.stack, chip, memo));
        let costs = costs.collect::<Result<SmallVec<[Cost; 2]>, _>>()?;
        let starts = self.asked.iter().zip(&costs).map(|(asked, cost)| {
            if asked.is_launched {
                let kernel = cost.launch.unwrap_or(system.overhead.kernel);
                eager_start(system, cost, kernel, self.conditions)
            } else {
                Seconds::ZERO
            }
        });
        let starts = starts.collect();
        let counts = self.asked.iter().map(|asked| asked.count).collect();
        let mut timed = Timed {
            costs,
            starts,
            counts,
            settled: Settled::default(),
        };
        timed.settled = if self.conditions.sustained {
            settle(system, &timed.entries(system))
        } else {
            nominal(system, &timed.entries(system))
        };
        Ok(timed)
    }

    /// The format in which each operator's products run.
    pub(super) fn executed(&self) -> impl Iterator<Item = Option<Dtype>> {
        self.asked.iter().map(|asked| asked.question.executed())
    }
}

/// The operators of a measurement with their prices.
pub(super) struct Timed {
    pub(super) costs: SmallVec<[Cost; 2]>,
    starts: SmallVec<[Seconds; 2]>,
    counts: SmallVec<[f64; 2]>,
    /// At the clock that the cap leaves.
    pub(super) settled: Settled,
}

impl Timed {
    /// One entry for each operator.
    pub(super) fn entries(&self, system: &System) -> SmallVec<[Entry; 2]> {
        let pairs = self.costs.iter().zip(&self.starts).zip(&self.counts);
        pairs
            .map(|((cost, start), count)| Entry::of(system, cost, *count, *start))
            .collect()
    }
}
