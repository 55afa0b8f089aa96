//! The document of one sweep: `wattline sweep --json`, and what its folder came from.

use serde::Serialize;

use crate::explore::{Detail, Plan, Setting, Sweep};
use crate::simulate::{Constraint, Metric};

use super::{Keyed, Manifest, PointRow, ProblemPart, RunDocument, SCHEMA, metric_key};

/// A workload of the mix.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SweepJob {
    /// Model.
    pub name: String,
    /// Share of the runs; all add up to 1.
    pub weight: f64,
}

/// An axis.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AxisPart {
    /// What it turns.
    pub set: Vec<String>,
    /// Values as people read them.
    pub values: Vec<String>,
    /// In SI base units; `null` for words.
    pub numbers: Vec<Option<f64>>,
    /// Whether it changed no metric in any point.
    pub idle: bool,
}

/// What a column of metrics holds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ColumnPart {
    /// Column: `latency_s`.
    pub key: &'static str,
    /// `latency`
    pub label: String,
    /// Unit of the column's values.
    pub unit: &'static str,
    /// What it is.
    pub doc: &'static str,
    /// Whether more of it is better.
    pub is_maximized: bool,
}

impl ColumnPart {
    /// Of all metrics.
    pub fn all() -> Vec<Self> {
        let of = |m: Metric| Self {
            key: metric_key(m),
            label: m.name().replace('_', " "),
            unit: match m {
                Metric::Area => "mm²",
                Metric::Utilization => "share",
                _ => m.unit(),
            },
            doc: m.doc(),
            is_maximized: m.is_maximized(),
        };
        Metric::ALL.into_iter().map(of).collect()
    }
}

/// One sweep; all of its points are in the folder.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SweepDocument {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Name of the sweep.
    pub name: String,
    /// Chip before axes turn it.
    pub hardware: String,
    /// Columns that are optimized, in file order.
    pub objectives: Vec<&'static str>,
    /// Limits.
    pub constraints: Vec<String>,
    /// The mix.
    pub workloads: Vec<SweepJob>,
    /// The space.
    pub axes: Vec<AxisPart>,
    /// Columns of metrics in the tables.
    pub columns: Vec<ColumnPart>,
    /// Points of the grid.
    pub grid: usize,
    /// Points that were priced.
    pub points: usize,
    /// Points that meet everything.
    pub feasible: usize,
    /// Infeasible points by their first reason.
    pub infeasible: Keyed<usize>,
    /// Feasible points that no other one beats.
    pub front: Vec<PointRow>,
    /// Of the front: where a little less of one objective costs much of another.
    pub knee: Option<usize>,
    /// Generations of an evolution: points priced so far, and the share of the box between the best and the worst
    /// feasible point of all that the front dominates.
    pub history: Vec<(usize, f64)>,
    /// Where all points are.
    pub folder: String,
    /// Why nothing is feasible.
    pub errors: Vec<ProblemPart>,
    /// What the reader should know.
    pub warnings: Vec<ProblemPart>,
}

impl SweepDocument {
    /// Of a sweep whose files are in a folder.
    pub fn of(plan: &Plan, sweep: &Sweep, folder: String) -> Self {
        let front = sweep
            .front
            .iter()
            .filter_map(|&i| Some(PointRow::of(plan, sweep, sweep.at(i)?)));
        let jobs = plan.jobs.iter();
        let verdict: Vec<_> = sweep.verdict.iter().cloned().collect();
        Self {
            schema: SCHEMA,
            name: plan.name.clone(),
            hardware: plan.chip_names(),
            objectives: plan.objectives.iter().map(|m| metric_key(*m)).collect(),
            constraints: plan.constraints.iter().map(Constraint::to_string).collect(),
            workloads: jobs
                .map(|job| SweepJob {
                    name: job.workload.name.clone(),
                    weight: job.weight,
                })
                .collect(),
            axes: axes(plan, sweep),
            columns: ColumnPart::all(),
            grid: plan.space.len(),
            points: sweep.points.len(),
            feasible: sweep.feasible,
            infeasible: sweep
                .infeasible
                .iter()
                .map(|c| (c.name.clone(), c.points))
                .collect(),
            front: front.collect(),
            knee: sweep.knee,
            history: sweep
                .history
                .iter()
                .map(|p| (p.evaluated, p.hypervolume))
                .collect(),
            folder,
            errors: ProblemPart::all(&verdict),
            warnings: ProblemPart::all(&sweep.warnings),
        }
    }
}

fn axes(plan: &Plan, sweep: &Sweep) -> Vec<AxisPart> {
    let axes = plan.space.axes.iter().enumerate();
    axes.map(|(a, axis)| AxisPart {
        set: axis.settings.iter().map(Setting::path).collect(),
        values: axis.choices.iter().map(|c| c.shown.clone()).collect(),
        numbers: axis.choices.iter().map(|c| c.value.number()).collect(),
        idle: sweep.idle.contains(&a),
    })
    .collect()
}

/// A design of a sweep in full.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DesignPart {
    /// Its point.
    pub point: usize,
    /// What it is known for; empty for others of the front.
    pub why: String,
    /// One run for each workload, in the order of the sweep.
    pub runs: Vec<RunDocument>,
}

/// Designs of a sweep in full.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DesignsDocument {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The knee first.
    pub designs: Vec<DesignPart>,
}

impl DesignPart {
    /// Of a point's estimates.
    pub fn of(point: usize, why: &str, (system, estimates): &Detail) -> Self {
        let runs = estimates.iter();
        Self {
            point,
            why: why.to_owned(),
            runs: runs.map(|e| RunDocument::of(e, system)).collect(),
        }
    }
}

/// Provenance of a sweep's folder.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SweepManifest {
    /// As of every folder.
    #[serde(flatten)]
    pub manifest: Manifest,
    /// Hashes of everything that was read, by name.
    pub inputs: Keyed<String>,
}

impl SweepManifest {
    /// Of a plan whose files have just been written.
    pub fn of(plan: &Plan, manifest: Manifest) -> Self {
        let inputs = plan.inputs.iter();
        Self {
            manifest,
            inputs: inputs
                .map(|i| (i.name.clone(), format!("{:016x}", i.digest)))
                .collect(),
        }
    }
}
