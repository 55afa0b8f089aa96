//! Finds the clock under a power cap.

use crate::cost::Cost;
use crate::hardware::{Class, System};
use crate::units::{Joules, Seconds, Watts};

/// One operator of a phase.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// Its cost, alone.
    pub cost: &'a Cost,
    /// Executions.
    pub count: f64,
    /// Time before it that no clock changes: launch.
    pub overhead: Seconds,
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
pub fn settle(system: &System, entries: &[Entry<'_>]) -> Settled {
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
pub fn nominal(system: &System, entries: &[Entry<'_>]) -> Settled {
    at(system, entries, 1.0)
}

/// Mean power of a settled phase, if all its parts are known.
fn power(settled: &Settled, entries: &[Entry<'_>]) -> Option<Watts> {
    let standing = settled.standing?;
    if settled.latency.0 <= 0.0 {
        return None;
    }
    let dynamic: Joules = entries
        .iter()
        .map(|e| dynamic(e.cost, settled.logic_factor) * e.count)
        .sum();
    Some(standing + dynamic / settled.latency)
}

/// Energy of one execution's events at a settled voltage.
pub fn dynamic(cost: &Cost, logic_factor: f64) -> Joules {
    let book = &cost.energy;
    book.on_chip_logic() * logic_factor + book.memories.iter().copied().sum()
}

fn at(system: &System, entries: &[Entry<'_>], ratio: f64) -> Settled {
    let latency = entries
        .iter()
        .map(|e| (e.cost.alone(system, ratio) + e.overhead) * e.count)
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
fn activity(system: &System, entries: &[Entry<'_>], ratio: f64) -> f64 {
    if system.class != Class::Gpu {
        return 1.0;
    }
    let (mut drawn, mut all) = (0.0, 0.0);
    for entry in entries {
        let time = entry.cost.alone(system, ratio).0 + entry.overhead.0;
        let busy = (time - QUIET).max(0.0);
        let full = (1.0 - AWAKE) * entry.cost.occupancy.powf(SHARED);
        drawn += (time * AWAKE + busy * full) * entry.count;
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
