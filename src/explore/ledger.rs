//! What is known of design points already: answers by content, so that no point is priced twice.

use crate::diag::Problem;
use crate::units::Bytes;

use super::figures::Row;
use super::plan::{Plan, digest};
use super::space::{Setting, Space};

/// What pricing a point answers, before limits and objectives are looked at.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// Figures of each workload, in the order of the plan; or why there are none.
    pub rows: Result<Vec<Row>, String>,
    /// Bytes missing in main memory for the model that lacks most.
    pub short: Bytes,
    /// Warnings of the estimates.
    pub warnings: Vec<Problem>,
}

/// A store of answers.
pub trait Ledger: Sync {
    /// The answer of a point, if it is stored.
    fn known(&self, key: u64) -> Option<Answer>;
    /// Stores an answer; called from any thread and in any order.
    fn store(&self, key: u64, answer: &Answer);
}

/// Stores nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoLedger;

impl Ledger for NoLedger {
    fn known(&self, _key: u64) -> Option<Answer> {
        None
    }

    fn store(&self, _key: u64, _answer: &Answer) {}
}

/// A part of a design space: points whose index leaves `nth - 1` over when divided by `of`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// From 1 to `of`.
    pub nth: usize,
    /// Parts.
    pub of: usize,
}

impl Shard {
    /// All points.
    pub const WHOLE: Self = Self { nth: 1, of: 1 };

    /// Whether a point belongs to it.
    pub fn has(self, index: usize) -> bool {
        index % self.of + 1 == self.nth
    }
}

/// Keys of a plan's points: equal where chip, workloads, settings and the version of the models are equal, whatever
/// else the sweep asks for.
pub(super) struct Keys<'a> {
    space: &'a Space,
    base: u64,
    /// `[axis][choice]`
    axes: Vec<Vec<u64>>,
}

impl<'a> Keys<'a> {
    pub(super) fn of(plan: &'a Plan) -> Self {
        // The sweep file stands first; what it asks of the points does not change their answers.
        let inputs = plan.inputs.iter().skip(1).map(|i| i.digest);
        let mut text = format!(
            "{} {:?}",
            env!("WATTLINE_SOURCE"),
            inputs.collect::<Vec<_>>()
        );
        // What an axis names is part of its value.
        if let [chip] = plan.chips.as_slice() {
            text.push_str(&chip.text());
        }
        for job in &plan.jobs {
            text.push_str(&format!("{} {:?}", job.workload.name, job.scenario));
        }
        let axes = plan.space.axes.iter().map(|axis| {
            let paths: Vec<String> = axis.settings.iter().map(Setting::path).collect();
            let choices = axis
                .choices
                .iter()
                .map(|choice| digest(format!("{}={:?}", paths.join(","), choice.value).as_bytes()));
            choices.collect()
        });
        Self {
            space: &plan.space,
            base: digest(text.as_bytes()),
            axes: axes.collect(),
        }
    }

    /// The order of the axes does not count.
    pub(super) fn at(&self, point: usize) -> u64 {
        let axes = self.axes.iter().enumerate();
        let parts = axes.map(|(a, choices)| choices[self.space.step(a, point)]);
        let sum = parts.fold(0_u64, u64::wrapping_add);
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.base.to_le_bytes());
        bytes[8..].copy_from_slice(&sum.to_le_bytes());
        digest(&bytes)
    }
}
