//! Points of a sweep as CSV and JSON lines, units in the names of the columns.

use std::fmt::Write as _;

use rayon::prelude::*;
use serde::Serialize;

use crate::explore::{Plan, Point, Row, Setting, Sweep, Value};
use crate::simulate::Metric;
use crate::units::Dimension;

use super::Keyed;
use super::json::to_json_line;

/// One point.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PointRow {
    /// In the order of the grid.
    pub point: usize,
    /// Value of each setting that an axis turns, in SI base units.
    pub axes: Keyed<serde_json::Value>,
    /// Mean over the mix; `null` where it is not known.
    pub metrics: Keyed<Option<f64>>,
    /// Of the workload that does worst.
    pub worst: Keyed<Option<f64>>,
    /// By workload, in the order of the file.
    pub workloads: Vec<Keyed<Option<f64>>>,
    /// Whether it meets everything.
    pub feasible: bool,
    /// Whether no other feasible point beats it.
    pub on_front: bool,
    /// What it misses, and by how much.
    pub violated: Vec<String>,
}

/// Column of a metric; SI units, but for area in mm².
pub fn metric_key(metric: Metric) -> &'static str {
    match metric {
        Metric::Latency => "latency_s",
        Metric::Ttft => "ttft_s",
        Metric::Tpot => "tpot_s",
        Metric::Throughput => "tokens_per_s",
        Metric::SampleRate => "samples_per_s",
        Metric::Energy => "energy_j",
        Metric::EnergyPerToken => "energy_per_output_token_j",
        Metric::EnergyPerSample => "energy_per_sample_j",
        Metric::Power => "average_power_w",
        Metric::PeakPower => "peak_power_w",
        Metric::Utilization => "mac_utilization",
        Metric::Area => "area_mm2",
        Metric::Memory => "memory_bytes",
    }
}

pub(super) fn scaled(metric: Metric, value: f64) -> f64 {
    if metric == Metric::Area {
        value * 1e6
    } else {
        value
    }
}

/// Column of a setting: its path, and the unit of its value.
fn setting_key(setting: &Setting, dimension: Dimension) -> String {
    let unit = match dimension {
        Dimension::BYTES => "_bytes",
        Dimension::TIME => "_s",
        Dimension::FREQUENCY => "_hz",
        Dimension::BANDWIDTH => "_byte_per_s",
        Dimension::POWER => "_w",
        Dimension::ENERGY => "_j",
        Dimension::VOLTAGE => "_v",
        Dimension::OP_RATE => "_op_per_s",
        Dimension::LENGTH => "_m",
        Dimension::AREA => "_m2",
        _ => "",
    };
    format!("{}{unit}", setting.path())
}

impl PointRow {
    /// Of one point of a sweep.
    pub fn of(plan: &Plan, sweep: &Sweep, point: &Point) -> Self {
        let mean = |m: Metric| point.mean(m);
        let worst = |m: Metric| point.worst(m);
        let jobs: &[Row] = point.figures.as_ref().map_or(&[], |f| &f.jobs);
        let reasons = point.reasons.iter();
        Self {
            point: point.index,
            axes: axes(plan, point.index),
            metrics: keyed(&mean),
            worst: keyed(&worst),
            workloads: jobs.iter().map(|row| keyed(&|m| row.get(m))).collect(),
            feasible: point.is_feasible(),
            on_front: sweep.front.binary_search(&point.index).is_ok(),
            violated: reasons.map(|r| r.describe(&plan.constraints)).collect(),
        }
    }
}

fn keyed(of: &dyn Fn(Metric) -> Option<f64>) -> Keyed<Option<f64>> {
    let pair = |m: Metric| (metric_key(m).to_owned(), of(m).map(|v| scaled(m, v)));
    Metric::ALL.into_iter().map(pair).collect()
}

fn axes(plan: &Plan, point: usize) -> Keyed<serde_json::Value> {
    let mut pairs = Vec::new();
    for (a, axis) in plan.space.axes.iter().enumerate() {
        let choice = plan.space.choice(a, point);
        for setting in &axis.settings {
            let value = match &choice.value {
                Value::Quantity(quantity) => serde_json::Value::from(quantity.value),
                Value::Precision(_) | Value::Text(_) => {
                    serde_json::Value::from(choice.shown.as_str())
                }
            };
            pairs.push((setting_key(setting, choice.value.dimension()), value));
        }
    }
    Keyed(pairs)
}

/// Points whose lines are made at once.
const BLOCK: usize = 16_384;

/// Points whose lines one thread makes.
const PART: usize = 512;

/// Lines of points, block by block, each made on all threads.
fn blocks<'a>(
    points: &'a [Point],
    lines: impl Fn(&[Point]) -> Vec<u8> + Sync + 'a,
) -> impl Iterator<Item = Vec<u8>> + 'a {
    points.chunks(BLOCK).flat_map(move |block| {
        let parts: Vec<Vec<u8>> = block.par_chunks(PART).map(&lines).collect();
        parts
    })
}

/// All points as JSON, one object a line.
pub fn points_jsonl<'a>(plan: &'a Plan, sweep: &'a Sweep) -> impl Iterator<Item = Vec<u8>> + 'a {
    blocks(&sweep.points, |points| {
        let rows = points
            .iter()
            .map(|p| to_json_line(&PointRow::of(plan, sweep, p)));
        rows.collect::<String>().into_bytes()
    })
}

/// All points as CSV, the header first: as [`points_csv`].
pub fn all_points_csv<'a>(plan: &'a Plan, sweep: &'a Sweep) -> impl Iterator<Item = Vec<u8>> + 'a {
    let lines = |points: &[Point]| rows_csv(plan, sweep, points.iter());
    std::iter::once(header_csv(plan)).chain(blocks(&sweep.points, lines))
}

/// Points as CSV: `point`, the axes, the means, `worst_*` of the workload that does worst, `feasible`,
/// `on_front`, `violated`. What is not known is an empty field.
pub fn points_csv(plan: &Plan, sweep: &Sweep, points: &[usize]) -> String {
    let rows = points.iter().filter_map(|&i| sweep.at(i));
    let mut bytes = header_csv(plan);
    bytes.extend(rows_csv(plan, sweep, rows));
    String::from_utf8(bytes).expect("all fields are text")
}

fn header_csv(plan: &Plan) -> Vec<u8> {
    let mut header = vec!["point".to_owned()];
    header.extend(axes(plan, 0).0.into_iter().map(|a| a.0));
    header.extend(Metric::ALL.map(|m| metric_key(m).to_owned()));
    header.extend(Metric::ALL.map(|m| format!("worst_{}", metric_key(m))));
    header.extend(["feasible", "on_front", "violated"].map(str::to_owned));
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(&header).expect("memory does not fail");
    writer.into_inner().expect("memory does not fail to flush")
}

fn rows_csv<'a>(plan: &Plan, sweep: &Sweep, points: impl Iterator<Item = &'a Point>) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let mut text = String::new();
    for point in points {
        put(&mut writer, &mut text, point.index);
        for (a, axis) in plan.space.axes.iter().enumerate() {
            let choice = plan.space.choice(a, point.index);
            for _ in &axis.settings {
                match &choice.value {
                    Value::Quantity(quantity) => put(&mut writer, &mut text, quantity.value),
                    Value::Precision(_) | Value::Text(_) => {
                        put(&mut writer, &mut text, &choice.shown);
                    }
                }
            }
        }
        for metric in Metric::ALL {
            number(&mut writer, &mut text, metric, point.mean(metric));
        }
        for metric in Metric::ALL {
            number(&mut writer, &mut text, metric, point.worst(metric));
        }
        put(&mut writer, &mut text, point.is_feasible());
        put(
            &mut writer,
            &mut text,
            sweep.front.binary_search(&point.index).is_ok(),
        );
        let reasons = point.reasons.iter();
        let missed: Vec<String> = reasons.map(|r| r.describe(&plan.constraints)).collect();
        put(&mut writer, &mut text, missed.join("; "));
        let end: Option<&[u8]> = None;
        writer.write_record(end).expect("memory does not fail");
    }
    writer.into_inner().expect("memory does not fail to flush")
}

fn put(writer: &mut csv::Writer<Vec<u8>>, text: &mut String, value: impl std::fmt::Display) {
    text.clear();
    // Text does not fail.
    let _ = write!(text, "{value}");
    writer.write_field(&text).expect("memory does not fail");
}

fn number(
    writer: &mut csv::Writer<Vec<u8>>,
    text: &mut String,
    metric: Metric,
    value: Option<f64>,
) {
    match value {
        Some(value) => put(writer, text, scaled(metric, value)),
        None => put(writer, text, ""),
    }
}
