//! One chip under the workloads of a plan, priced outside of the grid.

use crate::diag::Problems;
use crate::hardware::System;
use crate::simulate::{Desk, Memo, Prepared, Sheet, Task, runnable};
use crate::units::Bytes;
use crate::workload::Scenario;

use super::figures::{Figures, Row};
use super::plan::Plan;
use super::point::{Point, Reason, violations};

/// The point that a chip would be, with these scenarios and weights in place of the plan's.
///
/// # Errors
/// What stops it from being priced.
pub(super) fn priced(
    plan: &Plan,
    index: usize,
    system: &System,
    scenarios: &[Scenario],
    weights: &[f64],
    memo: &Memo,
) -> Result<Point, Problems> {
    let mut desk = Desk::new(Prepared::new(system), memo);
    let mut rows = Vec::with_capacity(plan.jobs.len());
    let mut short = Bytes::ZERO;
    for (job, asked) in plan.jobs.iter().zip(scenarios) {
        let (scenario, _) = runnable(&job.workload, system, asked);
        let task = Task::new(&job.workload, &scenario)?;
        let answer = desk.price(&Sheet::of(&task, system))?;
        rows.push(Row::of(&answer.summary));
        short = short.max(answer.short);
    }
    let figures = Figures::new(rows, weights);
    let mut reasons = Vec::new();
    if short.0 > 0.0 {
        reasons.push(Reason::Memory { short });
    }
    let unknown = plan.objectives.iter();
    let unknown = unknown.filter(|m| figures.mean(**m).is_none());
    reasons.extend(unknown.map(|m| Reason::Unknown(*m)));
    reasons.extend(violations(&figures, &plan.constraints));
    Ok(Point {
        index,
        figures: Some(figures),
        reasons,
    })
}

/// The scenarios of a point.
pub(super) fn scenarios(plan: &Plan, point: usize) -> Vec<Scenario> {
    (0..plan.jobs.len())
        .map(|job| plan.scenario(job, point))
        .collect()
}

/// Shares of the mix.
pub(super) fn weights(plan: &Plan) -> Vec<f64> {
    plan.jobs.iter().map(|job| job.weight).collect()
}
