//! A few operators alone on a chip, repeated, as benchmarks measure them.

use crate::cost::{Cost, EnergyBook};
use crate::hardware::{Direction, System};
use crate::mapper::NoMapping;
use crate::power::Entry;
use crate::units::{Bytes, Joules, Seconds, Watts};
use crate::workload::{Dtype, OpGraph};

use super::Memo;
use super::bound::{compulsory, graph_bound};
use super::phase::{binding, is_covered};
use super::price::Prepared;
use super::replay::Replay;

/// How a measurement was taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Conditions {
    /// Long enough that the power cap acts.
    pub sustained: bool,
    /// Each operator launched by the host, instead of replayed from a graph.
    pub eager: bool,
}

/// Figures of one execution of a graph.
#[derive(Clone, Debug, PartialEq)]
pub struct Isolated {
    /// Device time, and host launches where eager.
    pub latency: Seconds,
    /// Compulsory work at peak rates.
    pub roofline: Seconds,
    /// Dynamic, idle, active and leakage energy; `None` if not known.
    pub energy: Option<Joules>,
    /// Energy over latency.
    pub power: Option<Watts>,
    /// Binding resource of the longest operator.
    pub bound: String,
    /// The first product's type that the chip has no rate for, and the one it runs as instead.
    pub fallback: Option<(Dtype, Dtype)>,
}

/// What comes before an operator: its start on the device; where it is not replayed, the host launches it while
/// the one before runs, and the device waits for the host only where that takes longer.
///
/// Links hand eager results on out of place: they are copied.
pub(super) fn eager_start(
    system: &System,
    cost: &Cost,
    kernel: Seconds,
    conditions: Conditions,
) -> Seconds {
    if !conditions.eager {
        return kernel;
    }
    let copy = if cost.link > Seconds::ZERO {
        let main = system.main_memory();
        let bandwidth = main.achieved_bandwidth(Direction::Both) * main.instances as f64;
        cost.traffic.iter().map(|t| t.written).sum::<Bytes>() * 2.0 / bandwidth
    } else {
        Seconds::ZERO
    };
    let busy = cost.alone(system, 1.0) + kernel + copy;
    let host = cost.host.unwrap_or(system.overhead.launch);
    kernel + copy + (host - busy).max(Seconds::ZERO)
}

/// Prices a graph alone on a chip, its operators one after the other and none fused.
///
/// `latency = Σ (time alone + kernel overhead [+ launch])`,
/// `energy = Σ dynamic energy + (idle + leakage + active) · latency`.
///
/// # Errors
/// [`NoMapping`] if a product fits nowhere on the chip.
pub fn isolated(
    graph: &OpGraph,
    chip: &Prepared<'_>,
    conditions: Conditions,
    memo: &Memo,
) -> Result<Isolated, NoMapping> {
    let system = chip.system;
    let replay = Replay::new(graph, system, conditions);
    let timed = replay.settle(chip, memo)?;
    let (entries, settled) = (timed.entries(system), timed.settled);
    let mut book = EnergyBook::default();
    let mut events = Joules::ZERO;
    for (entry, cost) in entries.iter().zip(&timed.costs) {
        book.add(&cost.energy, entry.count);
        events += entry.dynamic(settled.logic_factor) * entry.count;
    }
    let known = settled.standing.filter(|_| is_covered(&book));
    let energy = known.map(|standing| standing * settled.latency + events);
    let time = |e: &Entry| (e.alone(settled.ratio) + e.overhead) * e.count;
    let longest = entries
        .iter()
        .zip(&timed.costs)
        .max_by(|a, b| time(a.0).0.total_cmp(&time(b.0).0));
    Ok(Isolated {
        latency: settled.latency,
        roofline: graph_bound(graph, system, compulsory(graph)),
        energy,
        power: energy
            .filter(|_| settled.latency.0 > 0.0)
            .map(|e| e / settled.latency),
        fallback: graph
            .operators()
            .zip(replay.executed())
            .find_map(|(op, runs)| {
                let asked = op.kind.product_dtype()?;
                let runs = runs?;
                (asked != runs).then_some((asked, runs))
            }),
        bound: longest.map_or(String::new(), |(e, cost)| binding(system, cost, e.overhead)),
    })
}
