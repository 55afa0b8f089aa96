//! Loops and the places where tiles are kept, and the extents that follow from them.

use std::borrow::Cow;
use std::fmt::Write as _;

use smallvec::SmallVec;

use crate::hardware::System;
use crate::workload::{Einsum, Slot};

use super::{Chain, Level};

/// Size along each rank of an Einsum.
pub type Extents = SmallVec<[u64; 10]>;

/// Axis of a fan-out: level of the chain, and axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// Level of the chain.
    pub level: u16,
    /// Axis of the fan-out there.
    pub axis: u8,
}

/// One loop over a rank.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Loop {
    /// Index into the Einsum's ranks.
    pub rank: u8,
    /// Iterations; the last may be partly idle.
    pub factor: u64,
    /// Where the iterations run if they are side by side, not one after the other.
    pub place: Option<Place>,
}

impl Loop {
    /// Iterations one after the other.
    pub fn temporal(rank: u8, factor: u64) -> Self {
        Self {
            rank,
            factor,
            place: None,
        }
    }

    /// Iterations side by side along an axis of a fan-out.
    pub fn spatial(rank: u8, factor: u64, level: u16, axis: u8) -> Self {
        Self {
            rank,
            factor,
            place: Some(Place { level, axis }),
        }
    }
}

/// One line of a loop nest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// A memory keeps the tiles that the loops further in touch.
    Keep {
        /// Level of the chain.
        level: u16,
        /// `[lhs, rhs, acc]`.
        slots: [bool; 3],
    },
    /// A loop.
    Loop(Loop),
}

/// A loop nest, outermost step first.
///
/// A memory may keep its slots at different depths; a slot that a memory does not keep passes by it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Nest {
    /// Outermost first.
    pub steps: Vec<Step>,
}

impl Nest {
    /// Every level keeps what the chain holds there, above its own loops: `levels: [level][loop]`.
    pub fn even(chain: &Chain, levels: &[Vec<Loop>]) -> Self {
        let mut steps = Vec::new();
        for (at, loops) in levels.iter().enumerate() {
            if let Level::Memory { holds, .. } = chain.levels[at]
                && holds.contains(&true)
            {
                let level = u16::try_from(at).expect("chains are short");
                steps.push(Step::Keep {
                    level,
                    slots: holds,
                });
            }
            steps.extend(loops.iter().copied().map(Step::Loop));
        }
        Self { steps }
    }

    /// All loops, outermost first.
    pub fn loops(&self) -> impl DoubleEndedIterator<Item = &Loop> {
        self.steps.iter().filter_map(|step| match step {
            Step::Loop(l) => Some(l),
            Step::Keep { .. } => None,
        })
    }

    /// Where a slot is kept, outermost first: `(index of the step, level)`.
    pub fn keeps(&self, slot: Slot) -> impl Iterator<Item = (usize, usize)> {
        let steps = self.steps.iter().enumerate();
        steps.filter_map(move |(i, step)| match step {
            Step::Keep { level, slots } if slots[slot as usize] => Some((i, usize::from(*level))),
            Step::Keep { .. } | Step::Loop(_) => None,
        })
    }

    /// The nest as a slot sees it: loops of a fan-out stand below every memory outside of it that keeps the slot.
    ///
    /// One tensor may be kept inside of a fan-out further out than another one is outside of it; the text has one
    /// place for the loop, so that it moves down for those that are.
    pub fn seen_by(&self, slot: Slot) -> Cow<'_, Self> {
        let lowest = |i: usize, step: &Step| {
            let Step::Loop(Loop {
                place: Some(at), ..
            }) = step
            else {
                return None;
            };
            let outside = |&(keep, level): &(usize, usize)| keep > i && level < at.level.into();
            self.keeps(slot).filter(outside).last().map(|k| k.0)
        };
        let late: Vec<(usize, usize)> = (self.steps.iter().enumerate())
            .filter_map(|(i, step)| Some((i, lowest(i, step)?)))
            .collect();
        if late.is_empty() {
            return Cow::Borrowed(self);
        }
        let mut steps = Vec::with_capacity(self.steps.len());
        for (i, step) in self.steps.iter().enumerate() {
            if !late.iter().any(|l| l.0 == i) {
                steps.push(*step);
            }
            let below = late.iter().filter(|l| l.1 == i);
            steps.extend(below.map(|l| self.steps[l.0]));
        }
        Cow::Owned(Self { steps })
    }

    /// What the loops before a step leave of each rank.
    pub fn extents_at(&self, sizes: &[u64], step: usize) -> Extents {
        let mut current = Extents::from_slice(sizes);
        for step in &self.steps[..step] {
            if let Step::Loop(l) = step {
                let extent = &mut current[l.rank as usize];
                *extent = extent.div_ceil(l.factor.max(1));
            }
        }
        current
    }

    /// What one step of the engine takes of each rank.
    pub fn innermost(&self, sizes: &[u64]) -> Extents {
        self.extents_at(sizes, self.steps.len())
    }

    /// Steps of the engine: the product of all temporal factors.
    pub fn steps(&self) -> f64 {
        let temporal = self.loops().filter(|l| l.place.is_none());
        temporal.map(|l| l.factor as f64).product()
    }

    /// Engines at work: the product of all spatial factors.
    pub fn lanes(&self) -> f64 {
        let spatial = self.loops().filter(|l| l.place.is_some());
        spatial.map(|l| l.factor as f64).product()
    }

    /// Instances at work below the fan-outs above a level.
    pub fn instances(&self, level: usize) -> f64 {
        let above = |l: &&Loop| l.place.is_some_and(|p| usize::from(p.level) < level);
        let loops = self.loops().filter(above);
        loops.map(|l| l.factor as f64).product()
    }

    /// Product of the temporal loops above the first step that keeps something below the outermost level.
    pub fn outer_tiles(&self) -> f64 {
        let inner = |step: &Step| matches!(step, Step::Keep { level, .. } if *level > 0);
        let end = self.steps.iter().position(inner);
        let loops = self.steps[..end.unwrap_or(self.steps.len())].iter();
        let temporal = loops.filter_map(|step| match step {
            Step::Loop(l) if l.place.is_none() => Some(l.factor as f64),
            Step::Loop(_) | Step::Keep { .. } => None,
        });
        temporal.product()
    }

    /// One line: `dram[P4 N2] glb[C8] pe[K16 × N16]`.
    pub fn describe(&self, einsum: &Einsum, system: &System, chain: &Chain) -> String {
        let mut groups: Vec<(usize, bool, Vec<String>)> = Vec::new();
        let mut at = 0;
        for step in &self.steps {
            match step {
                Step::Keep { level, .. } => at = usize::from(*level),
                Step::Loop(l) => {
                    if let Some(place) = l.place {
                        at = usize::from(place.level);
                    }
                    if l.factor == 1 {
                        continue;
                    }
                    let text = format!("{}{}", einsum.ranks[l.rank as usize].name, l.factor);
                    match groups.last_mut() {
                        Some(last) if last.0 == at => last.2.push(text),
                        Some(_) | None => groups.push((at, l.place.is_some(), vec![text])),
                    }
                }
            }
        }
        let mut text = String::new();
        for (level, spatial, shown) in groups {
            let join = if spatial { " × " } else { " " };
            let space = if text.is_empty() { "" } else { " " };
            // Writing to a String cannot fail.
            let name = chain.name(system, level);
            let _ = write!(text, "{space}{name}[{}]", shown.join(join));
        }
        text
    }
}
