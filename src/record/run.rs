//! The document of one run: `wattline run --json`.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::cost::sparse::Verdict;
use crate::hardware::{Assumed, System};
use crate::simulate::{Estimate, MemoryUse, OperatorEstimate, Roofs};
use crate::workload::{Phase, RequestClass, Scenario, Turn};

use super::totals::keyed;
use super::{Keyed, PhasePart, ProblemPart, SCHEMA, TotalsPart};

/// What was asked of which model.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WorkloadPart {
    /// Model.
    pub name: String,
    /// The phase priced.
    pub phase: &'static str,
    /// Sequences or samples over all chips; `null` leaves it to the graph of a model without tokens.
    pub batch: Option<u64>,
    /// Prompt tokens per sequence; `null` in `infer`.
    pub prompt: Option<u64>,
    /// Output tokens per sequence; `null` in `infer`.
    pub output: Option<u64>,
    /// Requests that take the place of prompt and output; `null` without a mix.
    pub requests: Option<Vec<RequestPart>>,
    /// Precision asked for; `null` keeps the model's own.
    pub dtype: Option<String>,
    /// The type in which most of the weight bytes are stored, as asked or as the chip needs.
    pub weight_dtype: Option<&'static str>,
    /// Values of symbolic dimensions that were asked for.
    pub dims: BTreeMap<String, u64>,
    /// Shapes of inputs that were asked for.
    pub shapes: BTreeMap<String, Vec<u64>>,
    /// Settings of the software that differ from their defaults.
    pub software: BTreeMap<&'static str, String>,
}

/// Requests of one kind; figures are of all of them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RequestPart {
    /// What they are called.
    pub name: String,
    /// How many are in the mix.
    pub count: u64,
    /// Their calls.
    pub turns: u64,
    /// Tokens that are processed before answers.
    pub prompt_tokens: u64,
    /// Tokens found in the prefix cache.
    pub cached_tokens: u64,
    /// Tokens made, reasoning included.
    pub tokens: u64,
}

/// The time within which a run must be done.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct DeadlinePart {
    /// Of the model's file.
    pub limit_s: f64,
    /// Whether the latency is within it.
    pub met: bool,
}

/// What zeros of the model's tensors save on the chip.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SparsityPart {
    /// Whether the run takes less time than without zeros.
    pub saves_time: bool,
    /// Whether it takes less energy; `null` if energy is not known.
    pub saves_energy: Option<bool>,
    /// Share of the dense time that is saved.
    pub time_share: f64,
    /// Share of the dense energy that is saved; `null` if energy is not known.
    pub energy_share: Option<f64>,
    /// What saves what, in a few words.
    pub verdict: &'static str,
    /// What becomes of the zeros of each kind of tensor.
    pub why: String,
}

impl SparsityPart {
    fn of(verdict: &Verdict) -> Self {
        Self {
            saves_time: verdict.time > 0.0,
            saves_energy: verdict.energy.map(|share| share > 0.0),
            time_share: verdict.time,
            energy_share: verdict.energy,
            verdict: verdict.headline(),
            why: verdict.because.clone(),
        }
    }
}

/// Peaks of the chip.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RoofsPart {
    /// Operations per second by format, widest first.
    pub peak_op_per_s: Keyed<f64>,
    /// Bandwidth of all instances by memory, outermost first.
    pub bandwidth_byte_per_s: Keyed<f64>,
}

/// Which chip.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HardwarePart {
    /// Vendor and part.
    pub name: String,
    /// Knobs in SI base units.
    pub params: Keyed<f64>,
    /// Peaks.
    pub roofs: RoofsPart,
    /// Sum of the components on the die, if all are known.
    pub area_m2: Option<f64>,
    /// Values taken from the class.
    pub assumed: Vec<Assumed>,
}

/// Memory verdict of a run: physical capacity, no margin kept.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MemoryPart {
    /// Whether everything is in main memory at once.
    pub fits: bool,
    /// Sum of the parts.
    pub required_bytes: f64,
    /// Of the main memory; `null` if unbounded.
    pub capacity_bytes: Option<f64>,
    /// Missing; 0 if it fits.
    pub short_bytes: f64,
    /// Name of the memory.
    pub memory: String,
    /// What needs it.
    pub parts: Keyed<f64>,
}

/// One operator; figures are of one execution.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OperatorPart {
    /// Name in the model.
    pub name: String,
    /// `infer`, `prefill` or `decode`.
    pub phase: &'static str,
    /// Layer or block; empty if unknown.
    pub block: String,
    /// Kind.
    pub kind: &'static str,
    /// Operator of the source format.
    pub source: String,
    /// Executions in the scenario.
    pub count: u64,
    /// Multiply-accumulates, attention over the full square.
    pub macs: f64,
    /// Two per multiply-accumulate.
    pub flops: f64,
    /// Time, after capping.
    pub latency_s: f64,
    /// Compulsory work at peak rates.
    pub roofline_latency_s: f64,
    /// Dynamic energy.
    pub energy_j: Option<f64>,
    /// Dynamic, idle and active power while it runs.
    pub power_w: Option<f64>,
    /// Useful MACs over what the peak rate would do.
    pub mac_utilization: Option<f64>,
    /// The binding resource.
    pub bound: String,
    /// Bytes moved by memory, outermost first.
    pub bytes: Keyed<f64>,
    /// Operator whose result it transforms on the way out.
    pub fused_into: Option<String>,
    /// The mapping in one line.
    pub mapping: Option<String>,
}

/// One run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunDocument {
    /// [`SCHEMA`].
    pub schema: u32,
    /// What was asked.
    pub workload: WorkloadPart,
    /// On which chip.
    pub hardware: HardwarePart,
    /// Whether it is done in time; `null` without a deadline.
    pub deadline: Option<DeadlinePart>,
    /// What zeros save; `null` without zeros.
    pub sparsity: Option<SparsityPart>,
    /// Whole scenario.
    pub totals: TotalsPart,
    /// Memory verdict.
    pub fit: MemoryPart,
    /// Per phase, in time order.
    pub phases: Vec<PhasePart>,
    /// Operators of all phases, in execution order.
    pub operators: Vec<OperatorPart>,
    /// What the reader should know.
    pub warnings: Vec<ProblemPart>,
}

impl WorkloadPart {
    /// Of a scenario as it was priced.
    pub fn of(
        name: &str,
        phase: Phase,
        scenario: &Scenario,
        weight_dtype: Option<&'static str>,
    ) -> Self {
        let (tokens, answers) = match phase {
            Phase::Infer => (None, None),
            Phase::Train => (Some(()), None),
            Phase::Prefill | Phase::Decode | Phase::Generate | Phase::PostTrain | Phase::Score => {
                (Some(()), Some(()))
            }
        };
        let dtype = scenario.precision.to_string();
        let mix = scenario.requests.as_ref().filter(|_| tokens.is_some());
        let alone = tokens.filter(|()| mix.is_none());
        Self {
            name: name.to_owned(),
            phase: phase.name(),
            batch: scenario.batch.or(tokens.map(|()| 1)),
            prompt: alone.map(|()| scenario.prompt),
            output: answers.filter(|()| mix.is_none()).map(|()| scenario.output),
            requests: mix.map(|m| m.classes.iter().map(RequestPart::of).collect()),
            dtype: (!dtype.is_empty()).then_some(dtype),
            weight_dtype,
            dims: scenario.dims.clone(),
            shapes: scenario.shapes.clone(),
            software: scenario.software.changed().into_iter().collect(),
        }
    }
}

impl RequestPart {
    fn of(class: &RequestClass) -> Self {
        let turns = class.turns();
        let sum = |of: fn(&Turn) -> u64| turns.iter().map(|t| of(t) * t.count).sum();
        Self {
            name: class.name.clone(),
            count: class.count,
            turns: sum(|_| 1),
            prompt_tokens: sum(|t| t.new),
            cached_tokens: sum(|t| t.past),
            tokens: sum(|t| t.output),
        }
    }
}

impl HardwarePart {
    /// Of a chip with its roofs and area.
    pub fn of(system: &System, roofs: &Roofs, area_m2: Option<f64>) -> Self {
        let params = system.params.iter();
        let peaks = roofs.peaks.iter();
        Self {
            name: system.name.clone(),
            params: params.map(|p| (p.name.clone(), p.value.value)).collect(),
            roofs: RoofsPart {
                peak_op_per_s: peaks.map(|(d, p)| (d.name().to_owned(), p.0)).collect(),
                bandwidth_byte_per_s: keyed(&roofs.bandwidths, |b| b.0),
            },
            area_m2,
            assumed: system.assumed.clone(),
        }
    }
}

impl MemoryPart {
    /// Of the memory use of an estimate.
    pub fn of(memory: &MemoryUse) -> Self {
        Self {
            fits: memory.fits(),
            required_bytes: memory.required().0,
            capacity_bytes: memory.capacity.0.is_finite().then_some(memory.capacity.0),
            short_bytes: memory.short().0,
            memory: memory.memory.clone(),
            parts: parts(memory),
        }
    }
}

/// Consumers of main memory, in the order in which they are printed.
pub(super) fn parts(memory: &MemoryUse) -> Keyed<f64> {
    let all = [
        ("weight_bytes", memory.weights),
        ("kv_cache_bytes", memory.kv_cache),
        ("state_bytes", memory.state),
        ("gradient_bytes", memory.gradients),
        ("optimizer_bytes", memory.optimizer),
        ("activation_bytes", memory.activations),
        ("reserve_bytes", memory.reserve),
    ];
    all.iter()
        .map(|(name, b)| ((*name).to_owned(), b.0))
        .collect()
}

impl OperatorPart {
    /// One operator of a phase.
    pub fn of(phase: Phase, op: &OperatorEstimate) -> Self {
        Self {
            name: op.name.clone(),
            phase: phase.name(),
            block: op.block.clone(),
            kind: op.kind,
            source: op.source.clone(),
            count: op.count,
            macs: op.macs,
            flops: 2.0 * op.macs,
            latency_s: op.latency.0,
            roofline_latency_s: op.roofline_latency.0,
            energy_j: op.energy.map(|e| e.0),
            power_w: op.power.map(|p| p.0),
            mac_utilization: op.mac_utilization,
            bound: op.bound.clone(),
            bytes: keyed(&op.bytes, |b| b.0),
            fused_into: op.fused_into.clone(),
            mapping: op.mapping.clone(),
        }
    }
}

impl RunDocument {
    /// Of an estimate and the chip it was made for.
    pub fn of(estimate: &Estimate, system: &System) -> Self {
        let phases = estimate.phases.iter();
        let area = estimate.area.total.map(|a| a.0);
        let operators = phases.clone().flat_map(|phase| {
            let operators = phase.operators.iter();
            operators.map(|op| OperatorPart::of(phase.phase, op))
        });
        let mut workload = WorkloadPart::of(
            &estimate.model,
            estimate.phase,
            &estimate.scenario,
            estimate.weight_dtype.map(|d| d.name()),
        );
        if estimate.phase == Phase::Train && estimate.trained_tokens_per_s.is_none() {
            workload.prompt = None;
        }
        Self {
            schema: SCHEMA,
            workload,
            hardware: HardwarePart::of(system, &estimate.roofs, area),
            deadline: estimate.deadline.map(|limit| DeadlinePart {
                limit_s: limit.0,
                met: estimate.meets_deadline() == Some(true),
            }),
            sparsity: estimate.sparsity.as_ref().map(SparsityPart::of),
            totals: TotalsPart::of(estimate),
            fit: MemoryPart::of(&estimate.memory),
            operators: operators.collect(),
            phases: phases.map(|p| PhasePart::of(estimate, p)).collect(),
            warnings: ProblemPart::all(&estimate.warnings),
        }
    }
}
