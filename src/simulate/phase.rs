//! One phase: its steps priced, settled under the power cap, and summed.

use std::borrow::Cow;

use rustc_hash::FxHashMap;

use crate::cost::{Bound, Cost, EnergyBook};
use crate::hardware::System;
use crate::power::{Entry, Settled, settle};
use crate::units::{Bytes, Joules, Macs, Seconds, Watts};
use crate::workload::Phase;

use super::bound::{graph_bound, operator_bound};
use super::estimate::{Coverage, Expected, Fidelity, OperatorEstimate, PhaseEstimate, Totals};
use super::price::{Priced, resource};
use super::task::BoundStep;

/// One priced graph.
pub(super) struct PricedStep<'a> {
    pub(super) step: Cow<'a, BoundStep>,
    pub(super) prices: Vec<Priced>,
}

impl std::ops::Deref for PricedStep<'_> {
    type Target = BoundStep;

    fn deref(&self) -> &BoundStep {
        &self.step
    }
}

/// Sums the steps of a phase.
pub(super) fn summarize(
    phase: Phase,
    system: &System,
    steps: &[PricedStep<'_>],
    fidelity: Fidelity,
) -> PhaseEstimate {
    let (entries, costs): (Vec<Entry>, Vec<&Cost>) =
        steps.iter().flat_map(|s| entries(system, s)).unzip();
    let lines = Lines { entries, costs };
    let settled = settle(system, &lines.entries);
    let operators = operators(system, steps, &settled);
    let totals = totals(system, steps, &lines, &settled, &operators, fidelity);
    let peaks = steps.iter().map(|s| s.peak);
    PhaseEstimate {
        phase,
        steps: phase_weight(steps),
        activation_peak: peaks.fold(Bytes::ZERO, Bytes::max),
        totals,
        operators,
    }
}

fn phase_weight(steps: &[PricedStep<'_>]) -> u64 {
    steps.iter().map(|s| s.weight).sum()
}

/// All operators of a phase, once for each step.
struct Lines<'a> {
    entries: Vec<Entry>,
    /// `[entry]`
    costs: Vec<&'a Cost>,
}

impl Lines<'_> {
    fn each(&self) -> impl Iterator<Item = (&Entry, &Cost)> {
        self.entries.iter().zip(self.costs.iter().copied())
    }
}

fn entries<'a>(
    system: &System,
    step: &'a PricedStep<'_>,
) -> impl Iterator<Item = (Entry, &'a Cost)> {
    step.prices.iter().map(move |priced| {
        let count = (step.graph.operator(priced.op).count * step.weight) as f64;
        let entry = Entry::of(system, &priced.cost, count, overhead(system, priced));
        (entry, priced.cost.as_ref())
    })
}

pub(super) fn overhead(system: &System, priced: &Priced) -> Seconds {
    if priced.launched {
        priced.cost.launch.unwrap_or(system.overhead.kernel)
    } else {
        Seconds::ZERO
    }
}

/// Where an operator stands in each step; `None` in steps without it.
struct Row {
    /// The first step that has it.
    first: usize,
    /// `[step]`: index into its prices.
    at: Vec<Option<usize>>,
}

/// Operators of all steps, in order of first appearance, known by their names; several of one name in a
/// graph are told apart by their order.
///
/// Steps of one phase may differ: a prompt behind a cache may take another form, and an encoder runs once.
fn rows(steps: &[PricedStep<'_>]) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    let mut known: FxHashMap<(&str, usize), usize> = FxHashMap::default();
    for (n, step) in steps.iter().enumerate() {
        let mut seen: FxHashMap<&str, usize> = FxHashMap::default();
        for (i, priced) in step.prices.iter().enumerate() {
            let name = step.step.graph.operator(priced.op).name.as_str();
            let nth = seen.entry(name).or_default();
            let row = *known.entry((name, *nth)).or_insert_with(|| {
                rows.push(Row {
                    first: n,
                    at: vec![None; steps.len()],
                });
                rows.len() - 1
            });
            *nth += 1;
            rows[row].at[n] = Some(i);
        }
    }
    rows
}

/// One row per operator: means over the steps that have it, weighted by how often they run.
fn operators(
    system: &System,
    steps: &[PricedStep<'_>],
    settled: &Settled,
) -> Vec<OperatorEstimate> {
    let all = rows(steps);
    all.iter()
        .map(|row| operator(system, steps, settled, row))
        .collect()
}

fn operator(
    system: &System,
    steps: &[PricedStep<'_>],
    settled: &Settled,
    row: &Row,
) -> OperatorEstimate {
    let present = || {
        steps
            .iter()
            .zip(&row.at)
            .filter_map(|(s, at)| Some((s, (*at)?)))
    };
    let n_steps: u64 = present().map(|(s, _)| s.weight).sum();
    let mut mean = Mean::new(system);
    // Layers of one name may be repeated differently in graphs of another form.
    let mut executions: u64 = 0;
    for (step, i) in present() {
        let count = step.graph.operator(step.prices[i].op).count;
        executions = executions.saturating_add(count.saturating_mul(step.weight));
        let share = step.weight as f64 / n_steps.max(1) as f64;
        mean.add(system, step, &step.prices[i], settled, share);
    }
    let first = &steps[row.first];
    let priced = &first.prices[row.at[row.first].unwrap_or(0)];
    let op = first.graph.operator(priced.op);
    let carrier = first.fusion.carrier(priced.op);
    let bytes = system.memories.iter().zip(&mean.bytes);
    let power = match (mean.energy, settled.standing, mean.latency.0 > 0.0) {
        (Some(energy), Some(standing), true) => Some(standing + energy / mean.latency),
        _ => None,
    };
    OperatorEstimate {
        name: op.name.clone(),
        block: op.block.clone(),
        kind: op.kind.name(),
        source: op.source.clone(),
        count: executions,
        macs: mean.macs,
        useful_macs: mean.useful_macs,
        latency: mean.latency,
        roofline_latency: mean.roofline,
        energy: mean.energy,
        power,
        mac_utilization: utilization(mean.useful_macs, mean.peak_time, mean.latency),
        bound: match carrier {
            Some(_) => "fused".to_owned(),
            None => binding(system, &priced.cost, overhead(system, priced)),
        },
        bytes: bytes.map(|(m, b)| (m.name.clone(), *b)).collect(),
        fused_into: carrier.map(|c| first.graph.operator(c).name.clone()),
        mapping: priced.cost.mapping.clone(),
    }
}

/// The resource that sets the time, or the launch if that takes longer.
pub(super) fn binding(system: &System, cost: &Cost, overhead: Seconds) -> String {
    if overhead > cost.overlapped() {
        return resource(system, Bound::Launch);
    }
    resource(system, cost.bound())
}

struct Mean {
    latency: Seconds,
    roofline: Seconds,
    macs: f64,
    useful_macs: f64,
    /// Time of the useful MACs at the peak rate.
    peak_time: Seconds,
    energy: Option<Joules>,
    bytes: Vec<Bytes>,
}

impl Mean {
    fn new(system: &System) -> Self {
        Self {
            latency: Seconds::ZERO,
            roofline: Seconds::ZERO,
            macs: 0.0,
            useful_macs: 0.0,
            peak_time: Seconds::ZERO,
            energy: Some(Joules::ZERO),
            bytes: vec![Bytes::ZERO; system.memories.len()],
        }
    }

    fn add(
        &mut self,
        system: &System,
        step: &PricedStep<'_>,
        priced: &Priced,
        settled: &Settled,
        share: f64,
    ) {
        let op = step.graph.operator(priced.op);
        let cost = &priced.cost;
        let time = cost.alone(system, settled.ratio) + overhead(system, priced);
        self.latency += time * share;
        let bound = operator_bound(
            &step.graph,
            &step.fusion,
            system,
            priced.op,
            step.compulsory,
        );
        self.roofline += bound * share;
        self.macs += op.macs() * share;
        self.useful_macs += op.useful_macs() * share;
        let peak = priced.executed.and_then(|d| system.peak(d));
        if let Some(peak) = peak {
            // Skipped MACs are no use of the engine.
            self.peak_time += Macs(op.useful_macs() * priced.steps * share) / peak;
        }
        let energy = is_covered(&cost.energy).then(|| {
            let entry = Entry::of(system, cost, 1.0, Seconds::ZERO);
            entry.dynamic(settled.logic_factor) * share
        });
        self.energy = match (self.energy, energy) {
            (Some(sum), Some(more)) => Some(sum + more),
            _ => None,
        };
        for (mine, traffic) in self.bytes.iter_mut().zip(&cost.traffic) {
            *mine += traffic.total() * share;
        }
    }
}

/// Whether every event has a figure.
pub(super) fn is_covered(book: &EnergyBook) -> bool {
    book.events - book.covered <= 1e-9 * book.events
}

fn utilization(useful_macs: f64, peak_time: Seconds, latency: Seconds) -> Option<f64> {
    (useful_macs > 0.0 && latency.0 > 0.0).then(|| peak_time / latency)
}

fn totals(
    system: &System,
    steps: &[PricedStep<'_>],
    lines: &Lines<'_>,
    settled: &Settled,
    operators: &[OperatorEstimate],
    fidelity: Fidelity,
) -> Totals {
    let mut book = EnergyBook::default();
    for (entry, cost) in lines.each() {
        book.add(&cost.energy, entry.count);
    }
    let weighted = |of: &dyn Fn(&PricedStep<'_>) -> f64| -> f64 {
        steps.iter().map(|s| of(s) * s.weight as f64).sum()
    };
    let roofline = Seconds(weighted(&|s| graph_bound(&s.graph, system, s.compulsory).0));
    let latency = match fidelity {
        Fidelity::Roofline => roofline,
        Fidelity::Mapped => Seconds(weighted(&|s| mapped(system, s).0)),
        Fidelity::Scheduled => settled.latency,
    };
    // The bounds have no timeline that a cap could act on, so only the schedule has energy and power.
    let has_timeline = fidelity == Fidelity::Scheduled;
    let dynamic_energy = (has_timeline && is_covered(&book)).then(|| {
        let each = lines.entries.iter();
        each.map(|e| e.dynamic(settled.logic_factor) * e.count)
            .sum::<Joules>()
    });
    let standing = settled.standing.filter(|_| has_timeline);
    let static_energy = standing.map(|p| p * latency);
    let energy = dynamic_energy.zip(static_energy).map(|(d, s)| d + s);
    let useful_macs = weighted(&|s| s.graph.useful_macs());
    let peak_time: Seconds = operators
        .iter()
        .filter_map(|o| o.mac_utilization.map(|u| o.latency * (u * o.count as f64)))
        .sum();
    Totals {
        latency,
        roofline_latency: roofline,
        macs: weighted(&|s| s.graph.macs()),
        useful_macs,
        mac_utilization: utilization(useful_macs, peak_time, latency),
        dynamic_energy,
        static_energy,
        energy,
        energy_parts: if has_timeline {
            parts(system, &book, settled.logic_factor)
        } else {
            Vec::new()
        },
        average_power: energy.filter(|_| latency.0 > 0.0).map(|e| e / latency),
        peak_power: peak_power(operators).filter(|_| has_timeline),
        clock_ratio: settled.ratio,
        within_cap: settled.within_cap,
        expected: expected(lines, settled).filter(|_| has_timeline),
        coverage: coverage(steps, &book),
        bytes: total_bytes(system, lines),
    }
}

/// How far the sum of the operators' times may be off.
fn expected(lines: &Lines<'_>, settled: &Settled) -> Option<Expected> {
    Expected::of(lines.each().map(|(entry, cost)| {
        let time = (entry.alone(settled.ratio) + entry.overhead) * entry.count;
        let known = cost.error.map(|error| Expected {
            error,
            measured: 1.0,
        });
        (time, known)
    }))
}

/// The longest of all resources' summed busy times: everything overlaps perfectly.
fn mapped(system: &System, step: &PricedStep<'_>) -> Seconds {
    let mut matrix = Seconds::ZERO;
    let mut vector = Seconds::ZERO;
    let mut ports = vec![Seconds::ZERO; system.memories.len()];
    for priced in &step.prices {
        let count = step.graph.operator(priced.op).count as f64;
        matrix += priced.cost.matrix * count;
        vector += priced.cost.vector * count;
        for (sum, busy) in ports.iter_mut().zip(&priced.cost.ports) {
            *sum += *busy * count;
        }
    }
    ports.into_iter().fold(matrix.max(vector), Seconds::max)
}

fn parts(system: &System, book: &EnergyBook, logic_factor: f64) -> Vec<(String, Joules)> {
    let logic = [
        ("matrix", book.matrix),
        ("vector", book.vector),
        ("network", book.network),
    ];
    let logic = logic.map(|(name, e)| (name.to_owned(), e * logic_factor));
    let memories = system.memories.iter().zip(&book.memories);
    let memories = memories.map(|(m, e)| (m.name.clone(), *e));
    let all = logic.into_iter().chain(memories);
    all.filter(|(_, e)| e.0 > 0.0).collect()
}

/// Power of the hungriest operator. Caps act on means over milliseconds, so an operator may exceed them.
fn peak_power(operators: &[OperatorEstimate]) -> Option<Watts> {
    let mut peak: Option<Watts> = None;
    for op in operators.iter().filter(|o| o.latency.0 > 0.0) {
        let power = op.power?;
        peak = Some(peak.map_or(power, |p| p.max(power)));
    }
    peak
}

fn coverage(steps: &[PricedStep<'_>], book: &EnergyBook) -> Coverage {
    let (mut known, mut all) = (0.0, 0.0);
    let (mut known_bytes, mut all_bytes) = (0.0, 0.0);
    for step in steps {
        let (k, n) = step.graph.known_operators();
        known += (k * step.weight) as f64;
        all += (n * step.weight) as f64;
        for priced in &step.prices {
            let op = step.graph.operator(priced.op);
            let bytes: Bytes = priced.cost.traffic.iter().map(|t| t.total()).sum();
            let total = bytes.0 * (op.count * step.weight) as f64;
            all_bytes += total;
            if op.kind.name() != "opaque" {
                known_bytes += total;
            }
        }
    }
    let share = |part: f64, whole: f64| if whole > 0.0 { part / whole } else { 1.0 };
    Coverage {
        macs: share(known, all),
        bytes: share(known_bytes, all_bytes),
        energy: share(book.covered, book.events),
    }
}

fn total_bytes(system: &System, lines: &Lines<'_>) -> Vec<(String, Bytes)> {
    let at = |i: usize| -> Bytes {
        let each = lines.each();
        each.map(|(e, cost)| cost.traffic[i].total() * e.count)
            .sum()
    };
    let memories = system.memories.iter().enumerate();
    memories.map(|(i, m)| (m.name.clone(), at(i))).collect()
}
