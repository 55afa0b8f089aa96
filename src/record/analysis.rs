//! What a sweep's designs depend on: `analysis.json`.

use serde::Serialize;

use crate::explore::{DriftResult, Plan, Sensitivity, WorkloadRegret};

use super::sweep_rows::scaled;
use super::{Keyed, SCHEMA, metric_key};

/// A figure with a parameter turned down and up.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct MovedPart {
    /// With less; `null` where that chip does not work out.
    pub low: Option<f64>,
    /// As it is.
    pub base: f64,
    /// With more.
    pub high: Option<f64>,
    /// Change of the figure over that of the parameter, both as logarithms.
    pub elasticity: Option<f64>,
}

/// A parameter of a design.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ParameterPart {
    /// As in a sweep file.
    pub parameter: String,
    /// As it is.
    pub value: String,
    /// Turned down; empty where that chip does not work out.
    pub low: String,
    /// Turned up.
    pub high: String,
    /// By column.
    pub metrics: Keyed<MovedPart>,
}

/// What more of a parameter buys.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct UpgradePart {
    /// As in a sweep file.
    pub parameter: String,
    /// `mm2` or `W`
    pub per: &'static str,
    /// Column that improves.
    pub metric: &'static str,
    /// Share by which it improves for each unit.
    pub gain: f64,
}

/// A design.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SensitivityPart {
    /// Its point.
    pub point: usize,
    /// What it is known for.
    pub why: String,
    /// Parameters that move some figure.
    pub elasticities: Vec<ParameterPart>,
    /// Parameters that move none.
    pub no_effect: Vec<String>,
    /// The best first.
    pub upgrades: Vec<UpgradePart>,
}

/// The best design for a workload.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct BestPart {
    /// The design.
    pub point: usize,
    /// Its figure for the workload.
    pub value: f64,
}

/// How far a design is from the best for a workload.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct RegretPart {
    /// The design.
    pub point: usize,
    /// Column.
    pub metric: &'static str,
    /// As a share of the best.
    pub regret: f64,
}

/// A workload of the mix.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RegretsPart {
    /// Model.
    pub name: String,
    /// By column.
    pub best: Keyed<BestPart>,
    /// Of the designs on the front.
    pub regret: Vec<RegretPart>,
}

/// A design after a drift.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DriftedPart {
    /// The design.
    pub point: usize,
    /// Whether it still meets everything.
    pub feasible: bool,
    /// Objectives.
    pub metrics: Keyed<Option<f64>>,
    /// What it misses.
    pub violated: Vec<String>,
}

/// A drift.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DriftPart {
    /// What it is called.
    pub name: String,
    /// What changes.
    pub change: String,
    /// Designs of the front.
    pub rows: Vec<DriftedPart>,
    /// Those that no other one beats then.
    pub front: Vec<usize>,
}

/// `analysis.json`
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AnalysisDocument {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Sensitivities; empty if they were not asked for.
    pub designs: Vec<SensitivityPart>,
    /// Regrets; empty for a single workload.
    pub workloads: Vec<RegretsPart>,
    /// Drifts of the sweep's file.
    pub drift: Vec<DriftPart>,
}

impl AnalysisDocument {
    /// Of what was found.
    pub fn of(
        plan: &Plan,
        designs: &[Sensitivity],
        regrets: &[WorkloadRegret],
        drifts: &[DriftResult],
    ) -> Self {
        Self {
            schema: SCHEMA,
            designs: designs.iter().map(SensitivityPart::of).collect(),
            workloads: regrets.iter().map(|r| RegretsPart::of(plan, r)).collect(),
            drift: drifts.iter().map(DriftPart::of).collect(),
        }
    }
}

impl SensitivityPart {
    fn of(found: &Sensitivity) -> Self {
        let parameters = found.parameters.iter().map(|p| {
            let [value, low, high] = p.shown.clone();
            let moved = p.moved.iter().map(|m| {
                let part = MovedPart {
                    low: m.low.map(|v| scaled(m.metric, v)),
                    base: scaled(m.metric, m.base),
                    high: m.high.map(|v| scaled(m.metric, v)),
                    elasticity: m.elasticity,
                };
                (metric_key(m.metric).to_owned(), part)
            });
            ParameterPart {
                parameter: p.path.clone(),
                value,
                low,
                high,
                metrics: moved.collect(),
            }
        });
        let upgrades = found.upgrades.iter().map(|u| UpgradePart {
            parameter: u.path.clone(),
            per: u.per,
            metric: metric_key(u.metric),
            gain: u.gain,
        });
        Self {
            point: found.point,
            why: found.why.clone(),
            elasticities: parameters.collect(),
            no_effect: found.still.clone(),
            upgrades: upgrades.collect(),
        }
    }
}

impl RegretsPart {
    fn of(plan: &Plan, found: &WorkloadRegret) -> Self {
        let best = found.best.iter().map(|b| {
            let part = BestPart {
                point: b.point,
                value: scaled(b.metric, b.value),
            };
            (metric_key(b.metric).to_owned(), part)
        });
        let regret = found.regret.iter().map(|r| RegretPart {
            point: r.point,
            metric: metric_key(r.metric),
            regret: r.share,
        });
        Self {
            name: plan.jobs[found.job].workload.name.clone(),
            best: best.collect(),
            regret: regret.collect(),
        }
    }
}

impl DriftPart {
    fn of(found: &DriftResult) -> Self {
        let rows = found.rows.iter().map(|row| {
            let metrics = row.metrics.iter();
            let metrics =
                metrics.map(|(m, v)| (metric_key(*m).to_owned(), v.map(|v| scaled(*m, v))));
            DriftedPart {
                point: row.point,
                feasible: row.violated.is_empty(),
                metrics: metrics.collect(),
                violated: row.violated.clone(),
            }
        });
        Self {
            name: found.drift.name.clone(),
            change: found.drift.change(),
            rows: rows.collect(),
            front: found.front.clone(),
        }
    }
}
