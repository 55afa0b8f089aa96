//! Next year's workloads: does the front survive longer contexts, other formats, another mix?

use rayon::prelude::*;

use crate::pareto;
use crate::simulate::{Memo, Metric};
use crate::workload::{Precision, Scenario};

use super::once::{priced, scenarios, weights};
use super::plan::Plan;
use super::run::chip;
use super::summary::Sweep;

/// `[[drift]]`: what changes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Drift {
    /// What it is called.
    pub name: String,
    /// Factor on prompt and output tokens.
    pub context: Option<f64>,
    /// Factor on the batch.
    pub batch: Option<f64>,
    /// Formats of all workloads.
    pub precision: Option<Precision>,
    /// Shares of the mix, in the order of the workloads.
    pub weights: Option<Vec<f64>>,
}

/// A design of the front after a drift.
#[derive(Clone, Debug, PartialEq)]
pub struct Drifted {
    /// Its point.
    pub point: usize,
    /// What it misses then; a text of its own where it cannot be priced.
    pub violated: Vec<String>,
    /// Objectives.
    pub metrics: Vec<(Metric, Option<f64>)>,
}

/// A drift of the whole front.
#[derive(Clone, Debug, PartialEq)]
pub struct DriftResult {
    /// What changed.
    pub drift: Drift,
    /// One row for each design of the front.
    pub rows: Vec<Drifted>,
    /// Those of them that no other beats then.
    pub front: Vec<usize>,
}

impl Drift {
    /// What changes, in words.
    pub fn change(&self) -> String {
        let times = |name: &str, factor: Option<f64>| factor.map(|f| format!("{name} x{f}"));
        let dtype = self.precision.as_ref().map(|p| format!("dtype {p}"));
        let mix = self.weights.as_ref().map(|shares| {
            let shares = shares.iter().map(|w| crate::units::percent(*w));
            format!("mix {}", shares.collect::<Vec<_>>().join(", "))
        });
        let all = [
            times("context", self.context),
            times("batch", self.batch),
            dtype,
            mix,
        ];
        all.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }

    fn apply(&self, scenario: &mut Scenario) {
        let times = |n: u64, factor: f64| ((n as f64 * factor).round() as u64).max(1);
        if let Some(factor) = self.context {
            scenario.prompt = times(scenario.prompt, factor);
            if scenario.output > 0 {
                scenario.output = times(scenario.output, factor);
            }
        }
        if let Some(factor) = self.batch {
            scenario.batch = Some(times(scenario.batch_size(), factor));
        }
        if let Some(precision) = self.precision {
            scenario.precision = precision;
        }
    }
}

/// Prices the designs of the front under each drift of the plan.
pub fn drifts(plan: &Plan, sweep: &Sweep) -> Vec<DriftResult> {
    plan.drifts.iter().map(|d| drift(plan, sweep, d)).collect()
}

fn drift(plan: &Plan, sweep: &Sweep, drift: &Drift) -> DriftResult {
    let memo = Memo::new();
    let weights = drift.weights.clone().unwrap_or_else(|| weights(plan));
    let one = |&point: &usize| {
        let mut asked = scenarios(plan, point);
        asked.iter_mut().for_each(|s| drift.apply(s));
        let priced = chip(plan, point)
            .and_then(|system| priced(plan, point, &system, &asked, &weights, &memo));
        match priced {
            Ok(found) => {
                let metrics = plan.objectives.iter();
                let reasons = found.reasons.iter();
                let row = Drifted {
                    point,
                    violated: reasons.map(|r| r.describe(&plan.constraints)).collect(),
                    metrics: metrics.map(|m| (*m, found.mean(*m))).collect(),
                };
                (row, found.costs(&plan.objectives))
            }
            Err(problems) => {
                let first = problems.0.first().map(|p| p.message.clone());
                let metrics = plan.objectives.iter();
                let row = Drifted {
                    point,
                    violated: vec![first.unwrap_or_default()],
                    metrics: metrics.map(|m| (*m, None)).collect(),
                };
                (row, Vec::new())
            }
        }
    };
    let found: Vec<(Drifted, Vec<f64>)> = sweep.front.par_iter().map(one).collect();
    let feasible: Vec<usize> = (0..found.len())
        .filter(|i| found[*i].0.violated.is_empty())
        .collect();
    let costs: Vec<&[f64]> = feasible.iter().map(|&i| found[i].1.as_slice()).collect();
    let front = pareto::front(&costs).into_iter();
    DriftResult {
        drift: drift.clone(),
        front: front.map(|i| found[feasible[i]].0.point).collect(),
        rows: found.into_iter().map(|f| f.0).collect(),
    }
}
