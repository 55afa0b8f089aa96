//! Finds the clock under a power cap.

use crate::cost::Cost;
use crate::hardware::{Class, System};
use crate::units::{Joules, Seconds, Watts};

/// One operator of a phase: what it keeps busy, and how often it runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Entry {
    /// Busy time that grows as the clock falls.
    clocked: Seconds,
    /// Busy time that does not: memories outside of the die, links.
    steady: Seconds,
    /// Time that nothing can hide.
    exposed: Seconds,
    /// Energy of its events on the die, at the nominal voltage.
    logic: Joules,
    /// Energy of its accesses to memories.
    memories: Joules,
    /// Share of the active power that its clusters add while they have work.
    drawn: f64,
    /// Executions.
    pub count: f64,
    /// Time before it that no clock changes: launch.
    pub overhead: Seconds,
}

impl Entry {
    /// Of an operator's cost, alone.
    pub fn of(system: &System, cost: &Cost, count: f64, overhead: Seconds) -> Self {
        let (mut clocked, mut steady) = (cost.matrix.max(cost.vector), cost.link);
        for (memory, &busy) in system.memories.iter().zip(&cost.ports) {
            let of = if memory.is_on_chip() {
                &mut clocked
            } else {
                &mut steady
            };
            *of = of.max(busy);
        }
        Self {
            clocked,
            steady,
            exposed: cost.exposed,
            logic: cost.energy.on_chip_logic(),
            memories: cost.energy.memories.iter().copied().sum(),
            drawn: if system.class == Class::Gpu {
                (1.0 - AWAKE) * cost.occupancy.powf(SHARED)
            } else {
                0.0
            },
            count,
            overhead,
        }
    }

    /// Time of one execution at a clock over the nominal one, without its launch.
    pub fn alone(&self, ratio: f64) -> Seconds {
        (self.clocked / ratio).max(self.steady) + self.exposed
    }

    /// Energy of one execution's events at a settled voltage.
    pub fn dynamic(&self, logic_factor: f64) -> Joules {
        self.logic * logic_factor + self.memories
    }
}

/// A phase at the clock that the cap leaves.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Settled {
    /// Clock over nominal clock.
    pub ratio: f64,
    /// Energy of on-chip events over that at the nominal voltage.
    pub logic_factor: f64,
    /// Sum of the operators' times.
    pub latency: Seconds,
    /// Idle, leakage and active power at that clock; `None` if not known.
    pub standing: Option<Watts>,
    /// False if even the lowest clock is above the cap.
    pub within_cap: bool,
}

/// Lowest clock tried where the file gives no operating points.
///
/// Source: estimate: GPUs throttle to about a third of their boost clock before they stop.
const LOWEST_RATIO: f64 = 0.33;

/// Halvings of the interval between the lowest and the nominal clock.
const STEPS: usize = 40;

/// Settles a phase: nominal clock if the cap allows it, else the highest one that meets it.
///
/// Without a known cap, standing power or event energy the nominal clock is kept.
pub fn settle(system: &System, entries: &[Entry]) -> Settled {
    let nominal = at(system, entries, 1.0);
    let Some(cap) = system.power.cap.or(system.power.tdp) else {
        return nominal;
    };
    let too_much = |s: &Settled| power(s, entries).is_some_and(|p| p > cap);
    if !too_much(&nominal) {
        return nominal;
    }
    let (mut low, mut high) = (lowest(system), 1.0);
    let slowest = at(system, entries, low);
    if too_much(&slowest) {
        return Settled {
            within_cap: false,
            ..slowest
        };
    }
    for _ in 0..STEPS {
        let middle = f64::midpoint(low, high);
        if too_much(&at(system, entries, middle)) {
            high = middle;
        } else {
            low = middle;
        }
    }
    at(system, entries, low)
}

/// A phase at the nominal clock, whatever the cap says: a burst too short for the regulator.
pub fn nominal(system: &System, entries: &[Entry]) -> Settled {
    at(system, entries, 1.0)
}

/// Mean power of a settled phase, if all its parts are known.
fn power(settled: &Settled, entries: &[Entry]) -> Option<Watts> {
    let standing = settled.standing?;
    if settled.latency.0 <= 0.0 {
        return None;
    }
    let dynamic: Joules = entries
        .iter()
        .map(|e| e.dynamic(settled.logic_factor) * e.count)
        .sum();
    Some(standing + dynamic / settled.latency)
}

fn at(system: &System, entries: &[Entry], ratio: f64) -> Settled {
    let latency = entries
        .iter()
        .map(|e| (e.alone(ratio) + e.overhead) * e.count)
        .sum();
    let logic_factor = voltage(system, ratio).powi(2);
    let leakage: Watts = system
        .memories
        .iter()
        .filter_map(|m| m.leakage.map(|l| l * m.instances as f64))
        .sum();
    let standing = match (system.power.idle, system.power.active) {
        (Some(idle), Some(active)) => {
            let share = activity(system, entries, ratio);
            Some(idle + leakage + active * (ratio * logic_factor * share))
        }
        _ => None,
    };
    Settled {
        ratio,
        logic_factor,
        latency,
        standing,
        within_cap: true,
    }
}

/// Share of the active power that a GPU draws while it is awake but none of its clusters has work.
///
/// Source: fitted to watts of H200 matrix products, NVIDIA AIConfigurator, Apache-2.0: 140 W between kernels, 402 W
/// with all clusters busy, 80 W asleep.
const AWAKE: f64 = 0.19;

/// Power of the share of clusters that have work with which the rest of the active power grows: what is shared
/// wakes up with the first of them.
///
/// Source: as [`AWAKE`]; 0.37 of 60 % of the sites.
const SHARED: f64 = 0.37;

/// Of each kernel, how long clusters fill and drain and draw as if they had no work, in seconds.
///
/// Source: as [`AWAKE`].
const QUIET: f64 = 9.4e-6;

/// Mean share of the active power: launches draw little of it, and kernels of few clusters not all.
///
/// Chips other than GPUs have no such figures, and draw all of it while they run.
fn activity(system: &System, entries: &[Entry], ratio: f64) -> f64 {
    if system.class != Class::Gpu {
        return 1.0;
    }
    let (mut drawn, mut all) = (0.0, 0.0);
    for entry in entries {
        let time = entry.alone(ratio).0 + entry.overhead.0;
        let busy = (time - QUIET).max(0.0);
        drawn += (time * AWAKE + busy * entry.drawn) * entry.count;
        all += time * entry.count;
    }
    if all > 0.0 { drawn / all } else { 1.0 }
}

fn lowest(system: &System) -> f64 {
    let points = &system.process.vf;
    let slowest = points.first().map(|p| p.1 / system.process.clock);
    slowest.map_or(LOWEST_RATIO, |r| r.clamp(0.05, 1.0))
}

/// Voltage over nominal voltage at a clock over nominal clock; 1 without operating points. Below the
/// slowest point the voltage stays.
fn voltage(system: &System, ratio: f64) -> f64 {
    let points = &system.process.vf;
    let clock = system.process.clock.0;
    let volts = |f: f64| -> Option<f64> {
        let (first, last) = (points.first()?, points.last()?);
        if f <= first.1.0 {
            return Some(first.0.0);
        }
        if f >= last.1.0 {
            return Some(last.0.0);
        }
        let above = points.partition_point(|p| p.1.0 < f);
        let ((v0, f0), (v1, f1)) = (points[above - 1], points[above]);
        Some(v0.0 + (v1.0 - v0.0) * (f - f0.0) / (f1.0 - f0.0))
    };
    match (volts(clock * ratio), volts(clock)) {
        (Some(now), Some(nominal)) if nominal > 0.0 => now / nominal,
        _ => 1.0,
    }
}
