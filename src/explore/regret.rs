//! What a mix costs each of its workloads: the best design for one, and how far a design is from it.

use crate::simulate::Metric;

use super::plan::Plan;
use super::point::Point;
use super::summary::Sweep;

/// The best design for a workload in a metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Best {
    /// Which metric.
    pub metric: Metric,
    /// The design.
    pub point: usize,
    /// Its figure for the workload.
    pub value: f64,
}

/// How far a design is from the best for a workload, as a share of the best.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Regret {
    /// The design.
    pub point: usize,
    /// Which metric.
    pub metric: Metric,
    /// 0 for the best one.
    pub share: f64,
}

/// A workload of the mix.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkloadRegret {
    /// Index into the plan's jobs.
    pub job: usize,
    /// For each objective that differs from workload to workload.
    pub best: Vec<Best>,
    /// Of the designs on the front.
    pub regret: Vec<Regret>,
}

/// Regrets of the front of a sweep over several workloads; nothing for a single one.
pub fn regrets(plan: &Plan, sweep: &Sweep) -> Vec<WorkloadRegret> {
    if plan.jobs.len() < 2 {
        return Vec::new();
    }
    let figure = |point: &Point, job: usize, metric: Metric| {
        point.figures.as_ref()?.jobs.get(job)?.get(metric)
    };
    let goals = plan.objectives.iter().copied();
    let goals: Vec<Metric> = goals.filter(|m| *m != Metric::Area).collect();
    let of = |job: usize| {
        let best: Vec<Best> = goals
            .iter()
            .filter_map(|&metric| {
                let point = sweep.best_for(job, metric)?;
                let value = figure(sweep.at(point)?, job, metric)?;
                Some(Best {
                    metric,
                    point,
                    value,
                })
            })
            .collect();
        let regret = sweep.front.iter().flat_map(|&point| {
            best.iter().filter_map(move |best| {
                let value = figure(sweep.at(point)?, job, best.metric)?;
                let share = match best.metric.is_maximized() {
                    true => best.value / value - 1.0,
                    false => value / best.value - 1.0,
                };
                Some(Regret {
                    point,
                    metric: best.metric,
                    share,
                })
            })
        });
        WorkloadRegret {
            job,
            regret: regret.collect(),
            best,
        }
    };
    (0..plan.jobs.len()).map(of).collect()
}
