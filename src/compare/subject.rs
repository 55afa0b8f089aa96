//! A result as it is compared: named figures, what was asked, and runs with operators where they are stored.

use crate::record::{StoredRun, StoredSweep};

/// A figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// As users write it: `latency`.
    pub name: String,
    /// SI unit, `mm²` for areas.
    pub unit: String,
    /// `None` if it is not known.
    pub value: Option<f64>,
}

/// One side of a comparison.
#[derive(Clone, Debug)]
pub struct Subject {
    /// How it was named.
    pub name: String,
    /// Its figures.
    pub figures: Vec<Figure>,
    /// What was asked of what: chip, parameters, roofs, settings.
    pub inputs: Vec<(String, String)>,
    /// Runs with operators; one for each workload of a sweep.
    pub runs: Vec<StoredRun>,
}

impl Subject {
    /// A run.
    pub fn of_run(name: &str, run: &StoredRun) -> Self {
        let t = &run.totals;
        let area = run.hardware.area_m2.map(|a| a * 1e6);
        let required = Some(run.fit.required_bytes).filter(|b| *b > 0.0);
        let figures = [
            ("latency", "s", t.latency_s),
            ("ttft", "s", t.ttft_s),
            ("tpot", "s", t.tpot_s),
            ("throughput", "tokens/s", t.tokens_per_s),
            ("energy", "J", t.energy_j),
            ("energy_per_token", "J", t.energy_per_output_token_j),
            ("power", "W", t.average_power_w),
            ("peak_power", "W", t.peak_power_w),
            ("utilization", "share", t.mac_utilization),
            ("area", "mm²", area),
            ("memory", "B", required),
        ];
        let figure = |(name, unit, value): (&str, &str, Option<f64>)| Figure {
            name: name.to_owned(),
            unit: unit.to_owned(),
            value,
        };
        Self {
            name: name.to_owned(),
            figures: figures.into_iter().map(figure).collect(),
            inputs: inputs(run),
            runs: vec![run.clone()],
        }
    }

    /// A design of a sweep; `None` if it has no such point.
    pub fn of_point(name: &str, sweep: &StoredSweep, point: usize) -> Option<Self> {
        let found = sweep.points.iter().find(|p| p.index == point)?;
        let space = &sweep.space;
        let columns = space.columns.iter().zip(&found.means);
        let figures = columns.map(|(column, value)| Figure {
            name: column.label.replace(' ', "_"),
            unit: column.unit.clone(),
            value: *value,
        });
        let axes = space.axes.iter().zip(space.steps(point));
        let mut inputs: Vec<(String, String)> = axes
            .map(|(axis, step)| {
                let value = axis.values.get(step).cloned().unwrap_or_default();
                (axis.set.join("="), value)
            })
            .collect();
        inputs.push(("chip".to_owned(), space.hardware.clone()));
        let jobs = space.workloads.iter();
        inputs.extend(jobs.map(|j| (format!("share of {}", j.name), j.weight.to_string())));
        let design = sweep.designs.iter().find(|d| d.point == point);
        Some(Self {
            name: name.to_owned(),
            figures: figures.collect(),
            inputs,
            runs: design.map_or(Vec::new(), |d| d.runs.clone()),
        })
    }
}

fn inputs(run: &StoredRun) -> Vec<(String, String)> {
    let (workload, hardware) = (&run.workload, &run.hardware);
    let number = |n: Option<u64>| n.map_or(String::new(), |n| n.to_string());
    let mut found = vec![
        ("model".to_owned(), workload.name.clone()),
        ("phase".to_owned(), workload.phase.clone()),
        ("batch".to_owned(), number(workload.batch)),
        ("prompt".to_owned(), number(workload.prompt)),
        ("output".to_owned(), number(workload.output)),
        (
            "dtype".to_owned(),
            workload.dtype.clone().unwrap_or_default(),
        ),
        ("chip".to_owned(), hardware.name.clone()),
    ];
    let software = workload.software.0.iter();
    found.extend(software.map(|(k, v)| (format!("scenario.{k}"), v.clone())));
    let params = hardware.params.0.iter();
    found.extend(params.map(|(k, v)| (k.clone(), v.to_string())));
    let peaks = hardware.roofs.peak_op_per_s.0.iter();
    found.extend(peaks.map(|(k, v)| (format!("peak {k}, op/s"), v.to_string())));
    let bandwidths = hardware.roofs.bandwidth_byte_per_s.0.iter();
    found.extend(
        bandwidths.filter_map(|(k, v)| Some((format!("bandwidth of {k}, B/s"), (*v)?.to_string()))),
    );
    let assumed = hardware.assumed.iter();
    found.extend(assumed.map(|a| (format!("assumed {}", a.path), a.value.clone())));
    found
}
