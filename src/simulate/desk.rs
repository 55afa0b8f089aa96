//! Prices sheets on one chip, each distinct operator once.

use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};

use crate::diag::{Code, Problem, Problems};
use crate::footprint::area;
use crate::hardware::System;
use crate::mapper::NoMapping;
use crate::power::{Entry, Settled, settle};
use crate::units::{Bytes, Joules, Seconds, SquareMeters, Watts};
use crate::workload::Phase;

use super::estimate::Coverage;
use super::question::Question;
use super::run::{hold_to, warn_fallbacks};
use super::sheet::{Sheet, SheetPart, Unit};
use super::summary::{PhaseTime, Summary, generation, warn_cap, warn_coverage};
use super::{Memo, Prepared};

/// What a sheet costs on a chip.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The figures.
    pub summary: Summary,
    /// Missing in main memory.
    pub short: Bytes,
    /// Things the reader should know.
    pub warnings: Problems,
}

/// A chip, and the prices found on it so far.
pub struct Desk<'a> {
    chip: Prepared<'a>,
    memo: &'a Memo,
    area: Option<SquareMeters>,
    lines: FxHashMap<u128, Line>,
    /// Room for the entries of a phase.
    entries: Vec<Entry>,
}

/// Price of a unit.
#[derive(Clone, Copy, Debug)]
struct Line {
    entry: Entry,
    /// Time of its useful MACs at the peak rate.
    peak_time: Seconds,
    /// Events, and those with an energy.
    events: f64,
    covered: f64,
}

/// Sums of a phase.
struct PhaseSums {
    phase: Phase,
    steps: u64,
    latency: Seconds,
    energy: Option<Joules>,
    useful_macs: f64,
    /// Time of all useful MACs at the peak rate.
    at_peak: Seconds,
    peak_power: Option<Watts>,
    coverage: Coverage,
    within_cap: bool,
}

impl<'a> Desk<'a> {
    /// For a chip; loop nests are kept in the memo.
    pub fn new(chip: Prepared<'a>, memo: &'a Memo) -> Self {
        Self {
            chip,
            memo,
            area: area(chip.system).total,
            lines: FxHashMap::default(),
            entries: Vec::new(),
        }
    }

    /// Moves to another chip; prices stay if they are the same there, as on chips that differ in power alone.
    pub fn move_to(&mut self, chip: Prepared<'a>) {
        if chip.prints.fingerprint != self.chip.prints.fingerprint {
            self.lines.clear();
        }
        self.chip = chip;
        self.area = area(chip.system).total;
    }

    /// Searches the loop nests that sheets need on chips of their kind, side by side, for the memo to keep.
    pub fn search<'s>(asked: impl Iterator<Item = (Prepared<'s>, &'s Sheet)>, memo: &Memo) {
        let mut seen: FxHashSet<(u128, u128)> = FxHashSet::default();
        let mut wanted: Vec<(Prepared<'s>, &Unit)> = Vec::new();
        for (chip, sheet) in asked {
            for unit in &sheet.units {
                let is_product = matches!(unit.questions.first(), Some(Question::Product { .. }));
                if is_product && seen.insert((chip.prints.shape, unit.key)) {
                    wanted.push((chip, unit));
                }
            }
        }
        wanted.par_iter().for_each(|(chip, unit)| {
            if let Some(question) = unit.questions.first() {
                // A product that fits nowhere is reported where it is priced.
                let _ = question.answer(unit.stack, chip, memo);
            }
        });
    }

    /// Prices a sheet of the chip's kind: the figures of [`Task::run`](super::Task::run) at the schedule, but for the
    /// order in which equal operators are summed.
    ///
    /// # Errors
    /// E0401 if a product fits nowhere on the chip.
    pub fn price(&mut self, sheet: &Sheet) -> Result<Answer, Problems> {
        for unit in &sheet.units {
            if !self.lines.contains_key(&unit.key) {
                let line = self.line(unit).map_err(|e| self.refused(unit, &e))?;
                self.lines.insert(unit.key, line);
            }
        }
        let lines: Vec<Line> = sheet.units.iter().map(|u| self.lines[&u.key]).collect();
        let parts = sheet.parts.iter();
        let phases: Vec<PhaseSums> = parts.map(|part| self.phase(part, &lines)).collect();
        Ok(self.answer(sheet, &phases))
    }

    fn refused(&self, unit: &Unit, error: &NoMapping) -> Problems {
        no_fit(&unit.name, self.chip.system, error).into()
    }

    fn line(&self, unit: &Unit) -> Result<Line, NoMapping> {
        let system = self.chip.system;
        let mut prices = unit.questions.iter();
        let prices = prices.by_ref();
        let mut cost = match prices.next() {
            Some(question) => question.answer(unit.stack, &self.chip, self.memo)?,
            None => crate::cost::Cost::free(system),
        };
        for rider in prices {
            cost.absorb(&rider.answer(unit.stack, &self.chip, self.memo)?);
        }
        if let Some(compulsory) = unit.compulsory {
            hold_to(&mut cost, compulsory.bound(system));
        }
        let launch = match unit.questions.first() {
            None | Some(Question::Free) => Seconds::ZERO,
            Some(_) => cost.launch.unwrap_or(system.overhead.kernel),
        };
        let peak = unit.executed.and_then(|d| system.peak(d));
        let takes_time = cost.alone(system, 1.0) + launch > Seconds::ZERO;
        Ok(Line {
            entry: Entry::of(system, &cost, 1.0, launch),
            peak_time: match peak {
                Some(peak) if takes_time && unit.useful.0 > 0.0 => unit.useful / peak,
                _ => Seconds::ZERO,
            },
            events: cost.energy.events,
            covered: cost.energy.covered,
        })
    }

    fn phase(&mut self, part: &SheetPart, lines: &[Line]) -> PhaseSums {
        let system = self.chip.system;
        self.entries.clear();
        let (mut events, mut covered) = (0.0, 0.0);
        let mut at_peak = Seconds::ZERO;
        for &(unit, count) in &part.entries {
            let line = &lines[unit];
            let mut entry = line.entry;
            entry.count = count;
            self.entries.push(entry);
            events += line.events * count;
            covered += line.covered * count;
            at_peak += line.peak_time * count;
        }
        let settled = settle(system, &self.entries);
        let dynamic = is_covered(covered, events).then(|| {
            let each = self.entries.iter();
            each.map(|e| e.dynamic(settled.logic_factor) * e.count)
                .sum::<Joules>()
        });
        let standing = settled.standing.map(|p| p * settled.latency);
        PhaseSums {
            phase: part.phase,
            steps: part.steps,
            latency: settled.latency,
            energy: dynamic.zip(standing).map(|(d, s)| d + s),
            useful_macs: part.useful_macs,
            at_peak,
            peak_power: peak_power(part, lines, &settled),
            coverage: Coverage {
                macs: part.known,
                bytes: 1.0,
                energy: if events > 0.0 { covered / events } else { 1.0 },
            },
            within_cap: settled.within_cap,
        }
    }

    fn answer(&self, sheet: &Sheet, phases: &[PhaseSums]) -> Answer {
        let system = self.chip.system;
        let latency: Seconds = phases.iter().map(|p| p.latency).sum();
        let energy = phases
            .iter()
            .try_fold(Joules::ZERO, |sum, p| Some(sum + p.energy?));
        let useful: f64 = phases.iter().map(|p| p.useful_macs).sum();
        let at_peak: Seconds = phases.iter().map(|p| p.at_peak).sum();
        let mut peaks = phases.iter().map(|p| p.peak_power);
        let times: Vec<PhaseTime> = phases
            .iter()
            .map(|p| (p.phase, p.steps, p.latency))
            .collect();
        let least = |of: fn(&Coverage) -> f64| {
            let each = phases.iter().map(|p| of(&p.coverage));
            each.fold(1.0, f64::min)
        };
        let mut warnings = sheet.warnings.clone();
        warn_fallbacks(&sheet.dtypes, system, &mut warnings);
        let coverage = Coverage {
            macs: least(|c| c.macs),
            bytes: 1.0,
            energy: least(|c| c.energy),
        };
        warn_coverage(coverage, &mut warnings);
        let within_cap = phases.iter().all(|p| p.within_cap);
        warn_cap(within_cap, system, &mut warnings);
        let required = sheet.required + system.overhead.reserve;
        let generates = sheet.phase == Phase::Generate;
        Answer {
            summary: Summary {
                latency,
                energy,
                average_power: energy.filter(|_| latency.0 > 0.0).map(|e| e / latency),
                peak_power: peaks.try_fold(Watts::ZERO, |sum, p| Some(sum.max(p?))),
                mac_utilization: (useful > 0.0 && latency.0 > 0.0).then(|| at_peak / latency),
                generation: generates.then(|| generation(&sheet.scenario, &times, latency, energy)),
                trained_tokens_per_s: sheet.tokens.map(|n| n / latency.0),
                samples: sheet.scenario.batch_size(),
                area: self.area,
                memory: required,
            },
            short: (required - system.main_memory().capacity).max(Bytes::ZERO),
            warnings,
        }
    }
}

/// E0401 for an operator that fits nowhere.
pub(super) fn no_fit(op: &str, system: &System, error: &NoMapping) -> Problem {
    Problem::new(
        Code::NoFit,
        format!("`{op}` cannot run on `{}`: {error}", system.name),
    )
    .help("give the chip a larger memory there, or a smaller array")
}

/// Whether every event has a figure.
fn is_covered(covered: f64, events: f64) -> bool {
    events - covered <= 1e-9 * events
}

/// Power of the hungriest operator; `None` if that of any is not known.
fn peak_power(part: &SheetPart, lines: &[Line], settled: &Settled) -> Option<Watts> {
    let mut peak: Option<Watts> = None;
    for units in &part.operators {
        let (mut time, mut energy) = (Seconds::ZERO, Joules::ZERO);
        let mut is_known = true;
        for &(unit, share) in units {
            let line = &lines[unit];
            time += (line.entry.alone(settled.ratio) + line.entry.overhead) * share;
            energy += line.entry.dynamic(settled.logic_factor) * share;
            is_known &= is_covered(line.covered, line.events);
        }
        if time.0 > 0.0 {
            let power = settled.standing.filter(|_| is_known)? + energy / time;
            peak = Some(peak.map_or(power, |p| p.max(power)));
        }
    }
    peak
}
