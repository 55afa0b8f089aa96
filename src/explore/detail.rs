//! Designs of a sweep in full: which ones deserve it, and their estimates.

use crate::diag::Problems;
use crate::hardware::System;
use crate::simulate::{Estimate, Fidelity, Memo, Metric, run};

use super::plan::Plan;
use super::run::chip;
use super::summary::Sweep;

/// Most designs that are looked at in full.
const MOST: usize = 12;

/// The chip of a point and the estimates of all workloads on it.
pub type Detail = (System, Vec<Estimate>);

impl Sweep {
    /// Designs worth a closer look, and what each is known for: the knee, the best of each objective, the best for each
    /// workload, then others spread evenly over the front.
    pub fn notable(&self, plan: &Plan) -> Vec<(usize, String)> {
        let mut found: Vec<(usize, String)> = Vec::new();
        let mut add = |point: usize, why: String| match found.iter_mut().find(|f| f.0 == point) {
            Some(known) => known.1 = format!("{}, {why}", known.1),
            None => found.push((point, why)),
        };
        if let Some(knee) = self.knee {
            add(knee, "knee".to_owned());
        }
        for &metric in &plan.objectives {
            if let Some(best) = self.best(metric) {
                add(best, format!("best {}", metric.name().replace('_', " ")));
            }
        }
        if plan.jobs.len() > 1
            && let Some(&metric) = plan.objectives.first()
        {
            for (job, of) in plan.jobs.iter().enumerate() {
                if let Some(best) = self.best_for(job, metric) {
                    add(best, format!("best for {}", of.workload.name));
                }
            }
        }
        let room = MOST.saturating_sub(found.len());
        let n = self.front.len();
        for k in 0..room.min(n) {
            let point = self.front[k * n.saturating_sub(1) / room.min(n).max(2).saturating_sub(1)];
            if found.iter().all(|f| f.0 != point) {
                found.push((point, String::new()));
            }
        }
        found
    }

    /// The feasible point that is best for a workload in a metric; of equal ones the first.
    pub fn best_for(&self, job: usize, metric: Metric) -> Option<usize> {
        let sign = if metric.is_maximized() { -1.0 } else { 1.0 };
        let feasible = self.points.iter().filter(|p| p.is_feasible());
        let value = |p: &super::Point| {
            let row = p.figures.as_ref()?.jobs.get(job)?;
            Some((sign * row.get(metric)?, p.index))
        };
        let best = feasible.filter_map(value);
        let best = best.min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        best.map(|b| b.1)
    }
}

/// Prices a point in full: operators, phases, memory.
///
/// # Errors
/// What stopped the point from being priced.
pub fn detail(plan: &Plan, point: usize) -> Result<Detail, Problems> {
    let system = chip(plan, point)?;
    let memo = Memo::new();
    let jobs = plan.jobs.iter().enumerate();
    let estimates = jobs.map(|(job, of)| {
        let scenario = plan.scenario(job, point);
        run(&of.workload, &system, &scenario, Fidelity::Scheduled, &memo)
    });
    let estimates = estimates.collect::<Result<Vec<_>, _>>()?;
    Ok((system, estimates))
}
