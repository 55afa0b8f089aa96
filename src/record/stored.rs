//! Results as they are read back: folders of runs and sweeps.
//!
//! Readers are lenient: what a document of another version lacks is empty or unknown, what it has more is passed over.

use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::diag::{Code, Problem, Problems};

use super::Keyed;

/// A folder of results.
#[derive(Clone, Debug)]
pub enum Stored {
    /// Of `run -o`.
    Run(Box<StoredRun>, StoredManifest),
    /// Of `sweep`.
    Sweep(Box<StoredSweep>),
}

/// How a folder came to be.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct StoredManifest {
    /// Of the tool.
    pub version: String,
    /// Command line without the program.
    pub command: Vec<String>,
    /// When.
    pub date: String,
    /// Digests of what was read, by name.
    pub inputs: Keyed<String>,
}

/// A problem.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct StoredProblem {
    /// Stable code.
    pub code: String,
    /// One line.
    pub message: String,
}

/// What was asked of which model.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct StoredWorkload {
    /// Model.
    pub name: String,
    /// The phase priced.
    pub phase: String,
    /// Sequences or samples.
    pub batch: Option<u64>,
    /// Prompt tokens.
    pub prompt: Option<u64>,
    /// Output tokens.
    pub output: Option<u64>,
    /// Precision asked for.
    pub dtype: Option<String>,
    /// Settings of the software that differ from their defaults.
    pub software: Keyed<String>,
}

/// A value of the class.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct StoredAssumed {
    /// Path of the key.
    pub path: String,
    /// The value.
    pub value: String,
    /// Why this value.
    pub reason: String,
}

/// Peaks of a chip.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct StoredRoofs {
    /// Operations per second by format.
    pub peak_op_per_s: Keyed<f64>,
    /// Bandwidth by memory; unknown where it is not limited.
    pub bandwidth_byte_per_s: Keyed<Option<f64>>,
}

/// Which chip.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct StoredHardware {
    /// Vendor and part.
    pub name: String,
    /// Knobs in SI base units.
    pub params: Keyed<f64>,
    /// Peaks.
    pub roofs: StoredRoofs,
    /// Sum of the components.
    pub area_m2: Option<f64>,
    /// Values taken from the class.
    pub assumed: Vec<StoredAssumed>,
}

/// Memory verdict.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct StoredMemory {
    /// Whether everything fits.
    pub fits: bool,
    /// Sum of the parts.
    pub required_bytes: f64,
    /// Of the main memory.
    pub capacity_bytes: Option<f64>,
    /// Missing.
    pub short_bytes: f64,
    /// Name of the memory.
    pub memory: String,
    /// What needs it.
    pub parts: Keyed<f64>,
}

/// Shares of the work that figures cover.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub struct StoredCoverage {
    /// Of operators.
    pub macs: Option<f64>,
    /// Of bytes moved.
    pub bytes: Option<f64>,
    /// Of energy events.
    pub energy: Option<f64>,
}

/// Sums of a run or a phase.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct StoredTotals {
    /// The phase; empty for the whole run.
    pub phase: String,
    /// Executions of the phase's graph.
    pub steps: u64,
    /// Time.
    pub latency_s: Option<f64>,
    /// Dynamic and static energy.
    pub energy_j: Option<f64>,
    /// Energy of events.
    pub dynamic_energy_j: Option<f64>,
    /// Idle, active and leakage power over the time.
    pub static_energy_j: Option<f64>,
    /// Dynamic energy by component.
    pub energy_parts_j: Keyed<f64>,
    /// Energy over time.
    pub average_power_w: Option<f64>,
    /// Of the hungriest operator.
    pub peak_power_w: Option<f64>,
    /// Clock over nominal clock.
    pub clock_ratio: Option<f64>,
    /// Mean error to expect of the time.
    pub latency_error: Option<f64>,
    /// Share of the time in measured kernels.
    pub measured_share: Option<f64>,
    /// `A` to `D`.
    pub grade: Option<char>,
    /// Multiply-accumulates.
    pub macs: Option<f64>,
    /// Those that the result depends on.
    pub useful_macs: Option<f64>,
    /// Bytes moved by memory.
    pub bytes: Keyed<f64>,
    /// Useful MACs over the peak.
    pub mac_utilization: Option<f64>,
    /// Compulsory work at peak rates.
    pub roofline_latency_s: Option<f64>,
    /// Weights as stored.
    pub weight_bytes: Option<f64>,
    /// Keys and values.
    pub kv_cache_bytes: Option<f64>,
    /// Largest live activations.
    pub activation_peak_bytes: Option<f64>,
    /// Time to the first token.
    pub ttft_s: Option<f64>,
    /// Time per output token.
    pub tpot_s: Option<f64>,
    /// Output tokens per second.
    pub tokens_per_s: Option<f64>,
    /// Energy per output token.
    pub energy_per_output_token_j: Option<f64>,
    /// What the figures cover.
    pub coverage: StoredCoverage,
}

/// One operator; figures are of one execution.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct StoredOperator {
    /// Name in the model.
    pub name: String,
    /// The phase.
    pub phase: String,
    /// Layer or block.
    pub block: String,
    /// Kind.
    pub kind: String,
    /// Executions.
    pub count: u64,
    /// Two per multiply-accumulate.
    pub flops: f64,
    /// Time.
    pub latency_s: f64,
    /// Compulsory work at peak rates.
    pub roofline_latency_s: f64,
    /// Dynamic energy.
    pub energy_j: Option<f64>,
    /// Dynamic, idle and active power while it runs.
    pub power_w: Option<f64>,
    /// Useful MACs over the peak.
    pub mac_utilization: Option<f64>,
    /// The binding resource.
    pub bound: String,
    /// Bytes moved by memory.
    pub bytes: Keyed<f64>,
    /// Operator whose result it transforms on the way out.
    pub fused_into: Option<String>,
    /// The mapping in one line.
    pub mapping: Option<String>,
}

/// One run.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct StoredRun {
    /// What was asked.
    pub workload: StoredWorkload,
    /// On which chip.
    pub hardware: StoredHardware,
    /// Whole scenario.
    pub totals: StoredTotals,
    /// Memory verdict.
    pub fit: StoredMemory,
    /// Per phase.
    pub phases: Vec<StoredTotals>,
    /// Operators of all phases.
    pub operators: Vec<StoredOperator>,
    /// What the reader should know.
    pub warnings: Vec<StoredProblem>,
}

/// An axis.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct StoredAxis {
    /// What it turns.
    pub set: Vec<String>,
    /// Values as people read them.
    pub values: Vec<String>,
    /// In SI base units.
    pub numbers: Vec<Option<f64>>,
    /// Whether it changed nothing.
    pub idle: bool,
}

/// A column of metrics.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct StoredColumn {
    /// Column.
    pub key: String,
    /// For people.
    pub label: String,
    /// Unit of its values.
    pub unit: String,
    /// What it is.
    pub doc: String,
    /// Whether more of it is better.
    pub is_maximized: bool,
}

/// A workload of a mix.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct StoredJob {
    /// Model.
    pub name: String,
    /// Share of the runs.
    pub weight: f64,
}

/// What `sweep.json` says.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct StoredSpace {
    /// Name of the sweep.
    pub name: String,
    /// Chip before axes turn it.
    pub hardware: String,
    /// Columns that are optimized.
    pub objectives: Vec<String>,
    /// Limits.
    pub constraints: Vec<String>,
    /// The mix.
    pub workloads: Vec<StoredJob>,
    /// The space.
    pub axes: Vec<StoredAxis>,
    /// Columns of metrics.
    pub columns: Vec<StoredColumn>,
    /// Points of the grid.
    pub points: usize,
    /// Points that meet everything.
    pub feasible: usize,
    /// Infeasible points by their first reason.
    pub infeasible: Keyed<usize>,
    /// Point of the knee.
    pub knee: Option<usize>,
    /// What the reader should know.
    pub warnings: Vec<StoredProblem>,
    /// Why nothing is feasible.
    pub errors: Vec<StoredProblem>,
}

/// A point of `points.csv`.
#[derive(Clone, Debug, Default)]
pub struct StoredPoint {
    /// In the order of the grid.
    pub index: usize,
    /// `[column]`: means over the mix.
    pub means: Vec<Option<f64>>,
    /// `[column]`: of the workload that does worst.
    pub worst: Vec<Option<f64>>,
    /// Whether it meets everything.
    pub is_feasible: bool,
    /// Whether no other feasible point beats it.
    pub is_on_front: bool,
    /// What it misses.
    pub violated: String,
}

/// A design in full.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct StoredDesign {
    /// Its point.
    pub point: usize,
    /// What it is known for.
    pub why: String,
    /// One run for each workload.
    pub runs: Vec<StoredRun>,
}

/// Designs in full.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct StoredDesigns {
    designs: Vec<StoredDesign>,
}

/// One sweep.
#[derive(Clone, Debug)]
pub struct StoredSweep {
    /// What was asked and found.
    pub space: StoredSpace,
    /// All points, in the order of the grid.
    pub points: Vec<StoredPoint>,
    /// Some designs in full.
    pub designs: Vec<StoredDesign>,
    /// `analysis.json`, if there is one.
    pub analysis: Option<serde_json::Value>,
    /// How the folder came to be.
    pub manifest: StoredManifest,
}

impl Stored {
    /// Reads the results of a folder, or a document of one run.
    ///
    /// # Errors
    /// E0203 where nothing is stored, or a file is damaged.
    pub fn open(path: &Path) -> Result<Self, Problems> {
        if path.is_file() {
            let run = document(path)?;
            return Ok(Self::Run(Box::new(run), StoredManifest::default()));
        }
        let manifest = optional(&path.join("manifest.json"))?.unwrap_or_default();
        if let Some(space) = optional::<StoredSpace>(&path.join("sweep.json"))? {
            let points = points(&path.join("points.csv"), &space)?;
            let designs: Option<StoredDesigns> = optional(&path.join("designs.json"))?;
            return Ok(Self::Sweep(Box::new(StoredSweep {
                space,
                points,
                designs: designs.unwrap_or_default().designs,
                analysis: optional(&path.join("analysis.json"))?,
                manifest,
            })));
        }
        if let Some(run) = optional(&path.join("run.json"))? {
            return Ok(Self::Run(Box::new(run), manifest));
        }
        let message = format!("`{}` holds no results", path.display());
        Err(Problem::new(Code::Unreadable, message)
            .help("give the folder of a sweep, or of `wattline run ... -o FOLDER`")
            .into())
    }
}

fn optional<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, Problems> {
    if path.exists() {
        document(path).map(Some)
    } else {
        Ok(None)
    }
}

fn document<T: DeserializeOwned>(path: &Path) -> Result<T, Problems> {
    let text = std::fs::read_to_string(path).map_err(|e| damaged(path, &e.to_string()))?;
    serde_json::from_str(&text).map_err(|e| damaged(path, &e.to_string()))
}

fn damaged(path: &Path, why: &str) -> Problems {
    let message = format!("`{}` cannot be read: {why}", path.display());
    Problem::new(Code::Unreadable, message)
        .help("write the results again: a sweep goes on with what its journal holds")
        .into()
}

fn points(path: &Path, space: &StoredSpace) -> Result<Vec<StoredPoint>, Problems> {
    let bad = |e: &dyn std::fmt::Display| damaged(path, &e.to_string());
    let mut reader = csv::Reader::from_path(path).map_err(|e| bad(&e))?;
    let header = reader.headers().map_err(|e| bad(&e))?.clone();
    let place = |name: &str| {
        let at = header.iter().position(|h| h == name);
        at.ok_or_else(|| bad(&format!("column `{name}` is missing")))
    };
    let (index, feasible) = (place("point")?, place("feasible")?);
    let (front, violated) = (place("on_front")?, place("violated")?);
    let keys = || space.columns.iter().map(|c| c.key.as_str());
    let means: Vec<usize> = keys().map(place).collect::<Result<_, _>>()?;
    let worst: Vec<usize> = keys()
        .map(|key| place(&format!("worst_{key}")))
        .collect::<Result<_, _>>()?;
    let mut points = Vec::new();
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record).map_err(|e| bad(&e))? {
        let number = |at: &usize| record.get(*at).and_then(|text| text.parse::<f64>().ok());
        let text = record.get(index).unwrap_or_default();
        points.push(StoredPoint {
            index: text
                .parse()
                .map_err(|_| bad(&format!("`{text}` is no point")))?,
            means: means.iter().map(number).collect(),
            worst: worst.iter().map(number).collect(),
            is_feasible: record.get(feasible) == Some("true"),
            is_on_front: record.get(front) == Some("true"),
            violated: record.get(violated).unwrap_or_default().to_owned(),
        });
    }
    Ok(points)
}

impl StoredSpace {
    /// Index of the value that a point takes on each axis.
    pub fn steps(&self, point: usize) -> Vec<usize> {
        let mut rest = point;
        let mut steps: Vec<usize> = self
            .axes
            .iter()
            .rev()
            .map(|axis| {
                let n = axis.values.len().max(1);
                let step = rest % n;
                rest /= n;
                step
            })
            .collect();
        steps.reverse();
        steps
    }
}
