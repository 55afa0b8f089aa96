//! A priced loop nest.

use serde::Serialize;

use crate::cost::{Evaluation, Widths};
use crate::hardware::System;
use crate::mapper::exact::CurvePoint;
use crate::mapping::MapProblem;
use crate::workload::Slot;

use super::SCHEMA;

/// One tensor at one memory; counts are elements over all instances.
#[derive(Clone, Debug, Serialize)]
pub struct AccessPart {
    /// Memory.
    pub memory: String,
    /// Tensor.
    pub tensor: String,
    /// Instances at work.
    pub instances: f64,
    /// Elements that one instance keeps.
    pub tile: f64,
    /// Read.
    pub reads: f64,
    /// Written by what arrives from further out.
    pub fills: f64,
    /// Written by results from further in.
    pub updates: f64,
    /// Bytes read.
    pub read_bytes: f64,
    /// Bytes written.
    pub written_bytes: f64,
    /// Energy of these accesses; `None` without a figure.
    pub energy_j: Option<f64>,
}

/// One memory.
#[derive(Clone, Debug, Serialize)]
pub struct MapLevelPart {
    /// Memory.
    pub memory: String,
    /// Bytes that one instance keeps.
    pub kept_bytes: f64,
    /// Bytes that one instance has room for; `None` if it is unbounded.
    pub usable_bytes: Option<f64>,
    /// Busy time of its ports.
    pub busy_s: f64,
    /// Leakage.
    pub leakage_j: f64,
    /// Accesses and leakage; `None` without a figure.
    pub energy_j: Option<f64>,
}

/// A loop nest on a chip and what it costs.
#[derive(Clone, Debug, Serialize)]
pub struct MapDocument {
    /// Of this layout.
    pub schema: u32,
    /// Problem.
    pub problem: String,
    /// Chip.
    pub hardware: String,
    /// How accesses are counted.
    pub convention: &'static str,
    /// Multiply-accumulates.
    pub macs: f64,
    /// Cycles of one engine.
    pub cycles: f64,
    /// Engines at work.
    pub lanes: f64,
    /// The longest busy time.
    pub latency_s: f64,
    /// All energy; `None` if a part has no figure.
    pub energy_j: Option<f64>,
    /// Energy for one multiply-accumulate; `None` as above.
    pub energy_per_mac_j: Option<f64>,
    /// Of the multiply-accumulates.
    pub mac_energy_j: Option<f64>,
    /// Of wires.
    pub network_energy_j: f64,
    /// Whether every tile fits.
    pub fits: bool,
    /// Which memory is too small for which tensors, and by how much; empty if every tile fits.
    pub misfit: String,
    /// How the nest came about: `given` or `search`.
    pub origin: &'static str,
    /// What was looked for: `energy`, `latency` or `edp`; `None` for a nest that was given.
    pub objective: Option<&'static str>,
    /// No mapping of the mapspace has less of it, in joule, seconds or their product; `None` without a proof.
    pub bound: Option<f64>,
    /// Partial mappings, or nests of a list, that were looked at.
    pub tried: usize,
    /// Why the search stopped; empty for a nest that was given.
    pub stopped: String,
    /// The nest, outermost line first.
    pub nest: Vec<String>,
    /// Memories, outermost first.
    pub levels: Vec<MapLevelPart>,
    /// Tensors at memories, outermost first.
    pub accesses: Vec<AccessPart>,
}

impl MapDocument {
    /// Of a nest that the problem gives.
    pub fn of(
        problem: &MapProblem,
        system: &System,
        evaluation: &Evaluation,
        widths: &Widths,
        nest: Vec<String>,
    ) -> Self {
        let energy = evaluation.energy().map(|e| e.0);
        Self {
            schema: SCHEMA,
            problem: problem.name.clone(),
            hardware: system.name.clone(),
            convention: problem.convention.name(),
            macs: evaluation.macs,
            cycles: evaluation.cycles,
            lanes: evaluation.lanes,
            latency_s: evaluation.latency.0,
            energy_j: energy,
            energy_per_mac_j: energy.map(|e| e / evaluation.macs),
            mac_energy_j: evaluation.mac_energy.map(|e| e.0),
            network_energy_j: evaluation.network_energy.0,
            fits: evaluation.overfull().next().is_none(),
            misfit: misfit(problem, system, evaluation),
            origin: "given",
            objective: None,
            bound: None,
            tried: 1,
            stopped: String::new(),
            nest,
            levels: levels(system, evaluation),
            accesses: accesses(problem, system, evaluation, widths),
        }
    }
}

/// The first memory whose tiles do not fit, with what each tensor takes there.
fn misfit(problem: &MapProblem, system: &System, evaluation: &Evaluation) -> String {
    let Some(level) = evaluation.overfull().next() else {
        return String::new();
    };
    let memory = &system.memories[level.memory];
    let kept = Slot::ALL.map(|slot| (&problem.tensors[slot as usize], level.tiles[slot as usize]));
    let kept = kept.iter().filter(|(_, bytes)| bytes.0 > 0.0);
    let kept: Vec<String> = kept
        .map(|(name, bytes)| format!("{name} {bytes}"))
        .collect();
    let half = if level.usable < memory.capacity {
        " (half of its capacity, as it is double buffered)"
    } else {
        ""
    };
    format!(
        "the tiles in `{}` need {} ({}), {} more than the {} it offers{half}",
        memory.name,
        level.kept(),
        kept.join(", "),
        level.kept() - level.usable,
        level.usable
    )
}

fn levels(system: &System, evaluation: &Evaluation) -> Vec<MapLevelPart> {
    let part = |level: &crate::cost::LevelCost| {
        let access = level
            .access_energy
            .map(|slots| slots.iter().map(|e| e.0).sum::<f64>());
        MapLevelPart {
            memory: system.memories[level.memory].name.clone(),
            kept_bytes: level.kept().0,
            usable_bytes: Some(level.usable.0).filter(|b| b.is_finite()),
            busy_s: level.busy.0,
            leakage_j: level.leakage.0,
            energy_j: access.map(|e| e + level.leakage.0),
        }
    };
    evaluation.levels.iter().map(part).collect()
}

fn accesses(
    problem: &MapProblem,
    system: &System,
    evaluation: &Evaluation,
    widths: &Widths,
) -> Vec<AccessPart> {
    let mut rows = Vec::new();
    for level in &evaluation.levels {
        for slot in Slot::ALL {
            let count = &evaluation.accesses.levels[level.level][slot as usize];
            if count.reads + count.fills + count.updates == 0.0 {
                continue;
            }
            rows.push(AccessPart {
                memory: system.memories[level.memory].name.clone(),
                tensor: problem.tensors[slot as usize].clone(),
                instances: level.instances,
                tile: count.tile,
                reads: count.reads,
                fills: count.fills,
                updates: count.updates,
                read_bytes: count.read(slot, widths),
                written_bytes: count.filled(slot, widths) + count.updated(slot, widths),
                energy_j: level.access_energy.map(|slots| slots[slot as usize].0),
            });
        }
    }
    rows
}

/// One capacity of a [`CurveDocument`].
#[derive(Clone, Copy, Debug, Serialize)]
pub struct CurvePart {
    /// Of the buffer.
    pub capacity_bytes: f64,
    /// Least that main memory reads and writes.
    pub traffic_bytes: f64,
    /// No mapping of the mapspace moves less.
    pub bound_bytes: f64,
    /// Traffic over the traffic of the largest capacity.
    pub over_least: f64,
    /// Multiply-accumulates for each byte of traffic.
    pub macs_per_byte: f64,
}

/// Least traffic of main memory over the capacity of a buffer.
#[derive(Clone, Debug, Serialize)]
pub struct CurveDocument {
    /// Of this layout.
    pub schema: u32,
    /// Problem.
    pub problem: String,
    /// Capacities, smallest first.
    pub points: Vec<CurvePart>,
}

impl CurveDocument {
    /// Of the points of a curve.
    pub fn of(problem: &str, macs: f64, points: &[CurvePoint]) -> Self {
        let least = points.last().map_or(1.0, |p| p.traffic);
        let part = |p: &CurvePoint| CurvePart {
            capacity_bytes: p.capacity,
            traffic_bytes: p.traffic,
            bound_bytes: p.bound,
            over_least: p.traffic / least,
            macs_per_byte: macs / p.traffic,
        };
        Self {
            schema: SCHEMA,
            problem: problem.to_owned(),
            points: points.iter().map(part).collect(),
        }
    }
}
