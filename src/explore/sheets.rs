//! What the points of some scenarios ask of chips, found once for all chips that ask alike.

use std::ops::Range;

use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};

use crate::diag::{Problem, Problems};
use crate::hardware::System;
use crate::simulate::{Desk, Memo, Prepared, Prints, Sheet, Task, runnable};
use crate::units::Bytes;
use crate::workload::Dtype;

use super::figures::Row;
use super::ledger::Answer;
use super::plan::Plan;

/// A chip, or why there is none.
pub(super) type Chip = Result<Evaluated, String>;

/// A chip with its digests.
pub(super) struct Evaluated {
    pub(super) system: System,
    pub(super) prints: Prints,
}

impl Evaluated {
    fn prepared(&self) -> Prepared<'_> {
        Prepared {
            system: &self.system,
            prints: self.prints,
        }
    }
}

/// New shapes whose loop nests are searched at once.
const SHAPES: usize = 2;

/// What one graph depends on: the job, its scenario, and the type the chip makes it run at.
type TaskKey = (usize, usize, Dtype);

/// What one sheet depends on: its task, and the kind of chip.
type SheetKey = (TaskKey, u128);

/// Sheets of some scenarios.
pub(super) struct Sheets<'a> {
    plan: &'a Plan,
    /// Offsets of the scenarios in the grid.
    scenarios: &'a [usize],
    tasks: FxHashMap<TaskKey, Task>,
    sheets: FxHashMap<SheetKey, Sheet>,
    /// Shapes of chips whose loop nests are known.
    shapes: FxHashSet<u128>,
    memo: Memo,
}

impl<'a> Sheets<'a> {
    pub(super) fn new(plan: &'a Plan, scenarios: &'a [usize]) -> Self {
        Self {
            plan,
            scenarios,
            tasks: FxHashMap::default(),
            sheets: FxHashMap::default(),
            shapes: FxHashSet::default(),
            memo: Memo::new(),
        }
    }

    /// Binds every graph that these chips need and that is not there yet.
    ///
    /// # Errors
    /// All models that cannot be bound.
    pub(super) fn bind(&mut self, chips: &[Chip]) -> Result<(), Problems> {
        let mut tasks: Vec<(TaskKey, &System)> = Vec::new();
        let mut sheets: Vec<(SheetKey, &System)> = Vec::new();
        let mut seen: FxHashSet<SheetKey> = FxHashSet::default();
        let mut seen_tasks: FxHashSet<TaskKey> = FxHashSet::default();
        let mut seen_chips: FxHashSet<(Vec<Dtype>, u128)> = FxHashSet::default();
        for Evaluated { system, prints } in chips.iter().flatten() {
            let kind = prints.kind;
            let runs = self.runs(system);
            if !seen_chips.insert((runs.clone(), kind)) {
                continue;
            }
            for scenario in 0..self.scenarios.len() {
                for (job, &runs) in runs.iter().enumerate() {
                    let task = (job, scenario, runs);
                    if !self.tasks.contains_key(&task) && seen_tasks.insert(task) {
                        tasks.push((task, system));
                    }
                    if !self.sheets.contains_key(&(task, kind)) && seen.insert((task, kind)) {
                        sheets.push(((task, kind), system));
                    }
                }
            }
        }
        let made = tasks
            .par_iter()
            .map(|(key, system)| self.task(*key, system));
        let made: Vec<_> = made.collect();
        let mut problems = Problems::new();
        for ((key, _), task) in tasks.into_iter().zip(made) {
            match task {
                Ok(task) => {
                    self.tasks.insert(key, task);
                }
                Err(found) => problems.extend(found),
            }
        }
        problems.or(())?;
        let known = &self.tasks;
        let made: Vec<Sheet> = sheets
            .par_iter()
            .map(|((task, _), system)| Sheet::of(&known[task], system))
            .collect();
        let keys = sheets.into_iter().map(|(key, _)| key);
        self.sheets.extend(keys.zip(made));
        Ok(())
    }

    /// The type in which each job's model runs on a chip, as far as it asks for none.
    fn runs(&self, system: &System) -> Vec<Dtype> {
        let jobs = self.plan.jobs.iter();
        jobs.map(|job| system.executed_as(job.workload.card().dtype))
            .collect()
    }

    fn task(&self, (job, scenario, _): TaskKey, system: &System) -> Result<Task, Problems> {
        let workload = &self.plan.jobs[job].workload;
        let asked = self.plan.scenario(job, self.scenarios[scenario]);
        let (scenario, warning) = runnable(workload, system, &asked);
        let mut task = Task::new(workload, &scenario)?;
        // As in a single run; the sweep joins equal warnings of its points.
        task.warn_first(warning);
        Ok(task)
    }

    /// Cuts chips into parts with few new shapes each, so that what a part searches is soon priced and stored.
    pub(super) fn parts(&self, chips: &[Chip]) -> Vec<Range<usize>> {
        let mut parts: Vec<Range<usize>> = Vec::new();
        let mut new: FxHashSet<u128> = FxHashSet::default();
        for (i, chip) in chips.iter().enumerate() {
            let shape = chip.as_ref().ok().map(|c| c.prints.shape);
            let is_new = shape.is_some_and(|s| !self.shapes.contains(&s) && !new.contains(&s));
            match parts.last_mut() {
                Some(part) if !(is_new && new.len() >= SHAPES) => part.end = i + 1,
                _ => {
                    parts.push(i..i + 1);
                    new.clear();
                }
            }
            new.extend(shape.filter(|_| is_new));
        }
        parts
    }

    /// Searches the loop nests of chips of new shapes side by side.
    pub(super) fn search(&mut self, chips: &[Chip]) {
        let mut wanted: Vec<(Prepared<'_>, Vec<Dtype>)> = Vec::new();
        for chip in chips.iter().flatten() {
            if self.shapes.insert(chip.prints.shape) {
                wanted.push((chip.prepared(), self.runs(&chip.system)));
            }
        }
        let pairs = wanted.iter().flat_map(|(chip, runs)| {
            let each = (0..self.scenarios.len()).flat_map(move |s| {
                let jobs = runs.iter().enumerate();
                jobs.map(move |(job, runs)| ((job, s, *runs), chip.prints.kind))
            });
            each.filter_map(|key| Some((*chip, self.sheets.get(&key)?)))
        });
        Desk::search(pairs, &self.memo);
    }

    /// Prices scenarios on chips, of which neighbors may have prices in common.
    pub(super) fn price(
        &self,
        chips: &[Chip],
        wants: impl Fn(usize, usize) -> bool,
        scenarios: Range<usize>,
        mut take: impl FnMut(usize, usize, Answer),
    ) {
        let mut desk: Option<Desk<'_>> = None;
        for (c, chip) in chips.iter().enumerate() {
            let wanted = scenarios.clone().filter(|s| wants(c, *s));
            match chip {
                Err(reason) => {
                    for s in wanted {
                        take(c, s, unpriced(reason.clone(), Vec::new()));
                    }
                }
                Ok(chip) => {
                    let desk = match &mut desk {
                        Some(desk) => {
                            desk.move_to(chip.prepared());
                            desk
                        }
                        None => desk.insert(Desk::new(chip.prepared(), &self.memo)),
                    };
                    let (kind, runs) = (chip.prints.kind, self.runs(&chip.system));
                    for s in wanted {
                        take(c, s, self.answer(desk, s, kind, &runs));
                    }
                }
            }
        }
    }

    fn answer(&self, desk: &mut Desk<'_>, scenario: usize, kind: u128, runs: &[Dtype]) -> Answer {
        let mut rows = Vec::with_capacity(runs.len());
        let mut warnings = Vec::new();
        let mut short = Bytes::ZERO;
        for (job, &runs) in runs.iter().enumerate() {
            let sheet = &self.sheets[&((job, scenario, runs), kind)];
            match desk.price(sheet) {
                Ok(answer) => {
                    rows.push(Row::of(&answer.summary));
                    short = short.max(answer.short);
                    warnings.extend(answer.warnings.0);
                }
                Err(problems) => return unpriced(first(&problems), warnings),
            }
        }
        Answer {
            rows: Ok(rows),
            short,
            warnings,
        }
    }
}

fn unpriced(reason: String, warnings: Vec<Problem>) -> Answer {
    Answer {
        rows: Err(reason),
        short: Bytes::ZERO,
        warnings,
    }
}

/// The message of the first error.
pub(super) fn first(problems: &Problems) -> String {
    let first = problems.0.iter().find(|p| p.code.is_error());
    first.map_or(String::new(), |p| p.message.clone())
}
