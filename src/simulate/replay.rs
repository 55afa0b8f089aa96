//! Operators of one measurement, to be timed again and again on chips that differ in figures only.

use crate::hardware::System;
use crate::mapper::NoMapping;
use crate::power::{Entry, nominal, settle};
use crate::schedule::Fusion;
use crate::units::Seconds;
use crate::workload::{OpGraph, Stack};

use super::isolated::eager_start;
use super::question::{Distance, Question};
use super::{Conditions, Memo, Prepared};

/// A graph alone on a chip with all that its time depends on besides the chip's figures.
///
/// Times are those of [`super::isolated`]. What a replay was taken on and what it is timed on must have
/// the same memories, engines and formats; bandwidths, overheads and coefficients of kernels may differ.
#[derive(Clone, Debug)]
pub struct Replay {
    asked: Vec<Asked>,
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
        let system = chip.system;
        let costs = self.asked.iter();
        let costs = costs.map(|asked| asked.question.answer(self.stack, chip, memo));
        let costs = costs.collect::<Result<Vec<_>, _>>()?;
        let entries = self.asked.iter().zip(&costs).map(|(asked, cost)| Entry {
            cost,
            count: asked.count,
            overhead: if asked.is_launched {
                let kernel = cost.launch.unwrap_or(system.overhead.kernel);
                eager_start(system, cost, kernel, self.conditions)
            } else {
                Seconds::ZERO
            },
        });
        let entries: Vec<Entry<'_>> = entries.collect();
        let settled = if self.conditions.sustained {
            settle(system, &entries)
        } else {
            nominal(system, &entries)
        };
        Ok(settled.latency)
    }
}
