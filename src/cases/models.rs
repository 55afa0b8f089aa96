//! Whole-model cases: rows to scenarios, and the speed and watts of a service.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;

use rayon::prelude::*;

use crate::diag::Problems;
use crate::hardware::System;
use crate::serving::{Closed, closed_loop};
use crate::simulate::{Estimate, Fidelity, Memo, PhaseEstimate, memory_use, run};
use crate::units::{Joules, Seconds, Watts};
use crate::workload::{Dtype, Phase, Precision, Scenario, Software, Stack, Workload};

use super::Unpriced;
use super::decimal::cell;
use super::table::{PricedTable, Table};
use super::unpriced::{count, short};

/// Columns that a table of cases must have.
const COLUMNS: [&str; 14] = [
    "id", "model", "on", "chips", "tp", "pp", "ep", "dp", "batch", "prompt", "output", "dtype",
    "stack", "mode",
];

/// Columns that are added.
const ADDED: [&str; 6] = [
    "ttft_s",
    "tpot_s",
    "tokens_per_s",
    "average_power_w",
    "energy_per_output_token_j",
    "fits",
];

/// Most tokens or requests of one case.
const LARGEST: f64 = 1e8;

/// How requests arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// A finished request is replaced at once.
    Closed,
    /// All prompts start together, then all decode together.
    Static,
}

impl FromStr for Mode {
    type Err = Unpriced;

    fn from_str(text: &str) -> Result<Self, Unpriced> {
        match text {
            "closed" => Ok(Self::Closed),
            "static" => Ok(Self::Static),
            other => Err(Unpriced::Mode(short(other))),
        }
    }
}

/// One model served by one chip, or by equal replicas of it.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelCase {
    /// Catalog name or path.
    pub model: String,
    /// Chip name.
    pub chip: String,
    /// Replicas, each with its own sequences.
    pub replicas: f64,
    /// Requests in flight on all replicas together; a mean, so not always whole.
    pub batch: f64,
    /// Prompt tokens of a request.
    pub prompt: f64,
    /// Output tokens of a request.
    pub output: f64,
    /// Formats.
    pub precision: Precision,
    /// Whose kernels run.
    pub stack: Stack,
    /// How requests arrive.
    pub mode: Mode,
}

/// Speed, power and energy of a case, all chips together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ModelPrice {
    /// Time to the first token.
    pub ttft: Seconds,
    /// Mean time per output token after the first; `None` with one output token.
    pub tpot: Option<Seconds>,
    /// Output tokens of all requests.
    pub tokens_per_s: f64,
    /// Mean power of all chips.
    pub average_power: Option<Watts>,
    /// Prefill included.
    pub energy_per_output_token: Option<Joules>,
    /// Whether it fits into the memory of each chip.
    pub fits: bool,
}

/// How models and chips are found by name.
pub struct Lookup<'a> {
    /// A chip.
    pub chips: &'a dyn Fn(&str) -> Result<System, Problems>,
    /// A model.
    pub models: &'a dyn Fn(&str) -> Result<Workload, Problems>,
}

/// Prices cases, in order; a case that is an error already keeps its reason.
///
/// Each chip and model is asked for once; the result does not depend on threads.
pub fn models(
    cases: &[Result<ModelCase, Unpriced>],
    lookup: &Lookup<'_>,
) -> Vec<Result<ModelPrice, Unpriced>> {
    let mut systems: BTreeMap<&str, Option<System>> = BTreeMap::new();
    let mut workloads: BTreeMap<&str, Result<Arc<Workload>, Unpriced>> = BTreeMap::new();
    for case in cases.iter().flatten() {
        let chip = case.chip.as_str();
        systems
            .entry(chip)
            .or_insert_with(|| (lookup.chips)(chip).ok());
        let model = case.model.as_str();
        workloads.entry(model).or_insert_with(|| {
            let found = (lookup.models)(model).map(Arc::new);
            found.map_err(|problems| refused(model, &problems))
        });
    }
    let memo = Memo::new();
    cases
        .par_iter()
        .map(|case| {
            let case = case.as_ref().map_err(Clone::clone)?;
            let system = systems.get(case.chip.as_str()).and_then(Option::as_ref);
            let system = system.ok_or_else(|| Unpriced::Chip(short(&case.chip)))?;
            let missing = || Err(Unpriced::Model(short(&case.model)));
            let workload = workloads.get(case.model.as_str()).cloned();
            let workload = workload.unwrap_or_else(missing)?;
            one(case, system, &workload, &memo)
        })
        .collect()
}

fn refused(model: &str, problems: &Problems) -> Unpriced {
    let unknown = problems.0.iter().any(|p| p.code.as_str() == "E0201");
    if unknown {
        Unpriced::Model(short(model))
    } else {
        Unpriced::Family(short(model))
    }
}

/// The figures of all replicas.
fn one(
    case: &ModelCase,
    system: &System,
    workload: &Workload,
    memo: &Memo,
) -> Result<ModelPrice, Unpriced> {
    let share = case.batch / case.replicas;
    // Less than one request in flight is one at a time, and pauses.
    let batch = share.max(1.0);
    let scenario = |phase: Phase, requests: u64, output: u64| Scenario {
        phase: Some(phase),
        batch: Some(requests),
        prompt: whole(case.prompt),
        output,
        precision: case.precision,
        software: Software {
            stack: case.stack,
            ..Software::default()
        },
        ..Scenario::default()
    };
    let refused = |_: Problems| Unpriced::Family(short(&case.model));
    let ask = |phase: Phase, requests: u64| -> Result<Estimate, Unpriced> {
        // One token more than a prefill gives, even where the mean rounds to one.
        let output = case.output.ceil().max(2.0) as u64;
        let scenario = scenario(phase, requests, output);
        run(workload, system, &scenario, Fidelity::Scheduled, memo).map_err(refused)
    };
    let decode = between(batch, |n| ask(Phase::Decode, n))?;
    let prefill = match case.mode {
        Mode::Closed => between(1.0, |n| ask(Phase::Prefill, n))?,
        Mode::Static => between(batch, |n| ask(Phase::Prefill, n))?,
    };
    let price = match case.mode {
        Mode::Closed => closed(case, batch, &prefill, &decode),
        Mode::Static => together(case, batch, &prefill, &decode),
    };
    let price = price.ok_or(Unpriced::Contradiction("nothing to decode"))?;
    let price = with_pauses(price, share.min(1.0), system.idle_power());
    let held = scenario(Phase::Generate, batch.ceil() as u64, whole(case.output));
    let memory = memory_use(workload, system, &held).map_err(refused)?;
    Ok(ModelPrice {
        tokens_per_s: price.tokens_per_s * case.replicas,
        average_power: price.average_power.map(|p| p * case.replicas),
        fits: memory.fits(),
        ..price
    })
}

/// A chip that is busy for a share of the time.
///
/// `power = share · busy + (1 - share) · idle`, `energy per token = power / (tokens/s)`.
fn with_pauses(price: ModelPrice, share: f64, idle: Option<Watts>) -> ModelPrice {
    if share >= 1.0 {
        return price;
    }
    let tokens_per_s = price.tokens_per_s * share;
    let powers = price.average_power.zip(idle);
    let power = powers.map(|(busy, idle)| busy * share + idle * (1.0 - share));
    ModelPrice {
        tokens_per_s,
        average_power: power,
        energy_per_output_token: power.map(|p| Joules(p.0 / tokens_per_s)),
        ..price
    }
}

fn whole(mean: f64) -> u64 {
    mean.round().max(1.0) as u64
}

/// One execution of a phase's graph: the prefill, or the mean decode step.
#[derive(Clone, Copy)]
struct Pass {
    time: Seconds,
    energy: Option<Joules>,
}

impl Pass {
    /// `None` if nothing ran.
    fn of(estimate: &Estimate) -> Option<Self> {
        let phase: &PhaseEstimate = estimate.phases.first()?;
        let each = 1.0 / phase.steps.max(1) as f64;
        Some(Self {
            time: phase.totals.latency * each,
            energy: phase.totals.energy.map(|e| e * each),
        })
    }
}

/// The pass at a mean batch of at least one, which lies between the two whole ones around it.
fn between(batch: f64, ask: impl Fn(u64) -> Result<Estimate, Unpriced>) -> Result<Pass, Unpriced> {
    let nothing = Unpriced::Contradiction("nothing to decode");
    let pass = |n: f64| Pass::of(&ask(n as u64)?).ok_or(nothing.clone());
    let low = batch.floor();
    let part = batch - low;
    let first = pass(low)?;
    if part == 0.0 {
        return Ok(first);
    }
    let second = pass(low + 1.0)?;
    let energies = first.energy.zip(second.energy);
    Ok(Pass {
        time: first.time * (1.0 - part) + second.time * part,
        energy: energies.map(|(a, b)| a * (1.0 - part) + b * part),
    })
}

/// Continuous batching: see [`closed_loop`].
///
/// `power = (E_decode + prefills per step · E_prefill) / tpot`, `tokens/s = batch · output / (ttft +
/// output · tpot)`, `energy per token = power / (tokens/s)`.
fn closed(case: &ModelCase, batch: f64, prefill: &Pass, decode: &Pass) -> Option<ModelPrice> {
    if case.output <= 1.0 {
        return None;
    }
    let pace = closed_loop(&Closed {
        requests: batch,
        output: case.output,
        decode_step: decode.time,
        prefill: prefill.time,
    })?;
    let residence = pace.ttft + pace.tpot * case.output;
    let tokens_per_s = batch * case.output / residence.0;
    let energies = prefill.energy.zip(decode.energy);
    let power = energies.map(|(p, d)| (d + p * pace.prefills_per_step) / pace.tpot);
    Some(ModelPrice {
        ttft: pace.ttft,
        tpot: Some(pace.tpot),
        tokens_per_s,
        average_power: power,
        energy_per_output_token: power.map(|p| Joules(p.0 / tokens_per_s)),
        fits: true,
    })
}

/// One batch: its prefill, then `output - 1` decode steps.
fn together(case: &ModelCase, batch: f64, prefill: &Pass, decode: &Pass) -> Option<ModelPrice> {
    let steps = (case.output - 1.0).max(0.0);
    let time = prefill.time + decode.time * steps;
    if time.0 <= 0.0 {
        return None;
    }
    let tokens = batch * case.output.max(1.0);
    // Without decode steps their energy is zero, known or not.
    let more = if steps > 0.0 {
        decode.energy.map(|e| e * steps)
    } else {
        Some(Joules::ZERO)
    };
    let energy = prefill.energy.zip(more).map(|(p, d)| p + d);
    Some(ModelPrice {
        ttft: prefill.time,
        tpot: (steps > 0.0).then_some(decode.time),
        tokens_per_s: tokens / time.0,
        average_power: energy.map(|e| e / time),
        energy_per_output_token: energy.map(|e| Joules(e.0 / tokens)),
        fits: true,
    })
}

/// Prices a table of cases: the same rows with predictions behind.
///
/// # Errors
/// E0103 for missing columns, E0109 if the text is not a table.
pub fn run_models_csv(
    name: &str,
    text: &str,
    lookup: &Lookup<'_>,
) -> Result<PricedTable, Problems> {
    let table = Table::read(name, text, &COLUMNS)?;
    let cases: Vec<Result<ModelCase, Unpriced>> =
        (0..table.len()).map(|i| read_case(&table, i)).collect();
    let prices = models(&cases, lookup);
    let written = table.with(&ADDED, |i| match &prices[i] {
        Ok(price) => [
            cell(Some(price.ttft.0)),
            cell(price.tpot.map(|t| t.0)),
            cell(Some(price.tokens_per_s)),
            cell(price.average_power.map(|p| p.0)),
            cell(price.energy_per_output_token.map(|e| e.0)),
            price.fits.to_string(),
        ],
        Err(_) => Default::default(),
    })?;
    Ok(PricedTable {
        text: written,
        empty: count(prices.iter().filter_map(|p| p.as_ref().err())),
        warnings: Vec::new(),
    })
}

fn read_case(table: &Table, row: usize) -> Result<ModelCase, Unpriced> {
    let number = |column: &str| -> Result<f64, Unpriced> {
        let text = table.cell(row, column);
        if text.is_empty() {
            return Err(Unpriced::Missing(column.to_owned()));
        }
        let value: f64 = text
            .parse()
            .map_err(|_| Unpriced::NotANumber(column.to_owned()))?;
        if !(value > 0.0 && value <= LARGEST) {
            return Err(Unpriced::OutOfRange(column.to_owned()));
        }
        Ok(value)
    };
    for (column, what) in [
        ("tp", "tensor parallelism"),
        ("pp", "pipeline parallelism"),
        ("ep", "expert parallelism"),
    ] {
        if number(column)? > 1.0 {
            return Err(Unpriced::NotModelled(what));
        }
    }
    let replicas = number("dp")?;
    if number("chips")? != replicas {
        return Err(Unpriced::Contradiction("chips is not tp · pp · dp"));
    }
    Ok(ModelCase {
        model: table.cell(row, "model").to_owned(),
        chip: table.cell(row, "on").to_owned(),
        replicas,
        batch: number("batch")?,
        prompt: number("prompt")?,
        output: number("output")?,
        stack: Stack::of(table.cell(row, "stack")),
        precision: served_precision(table.cell(row, "dtype"), table.cell(row, "stack"))?,
        mode: table.cell(row, "mode").parse()?,
    })
}

/// The formats a stack uses: TensorRT-LLM keeps the cache in fp8 where weights are fp8 or fp4.
///
/// Source: the KV formats of public TensorRT-LLM serving measurements (NVIDIA checkpoints set
/// `kv_cache_quant_algo: FP8`).
fn served_precision(dtype: &str, stack: &str) -> Result<Precision, Unpriced> {
    let unknown = |_| Unpriced::Dtype(short(dtype));
    let mut precision: Precision = dtype.parse().map_err(unknown)?;
    let narrow = matches!(
        precision.weights,
        Some(Dtype::Fp8 | Dtype::Fp8Block | Dtype::Nvfp4)
    );
    if narrow && stack.starts_with("trtllm") && precision.kv.is_none() {
        precision.kv = Some(Dtype::Fp8);
    }
    Ok(precision)
}
