//! Loops of each level, and the tiles that follow from them.

use std::fmt::Write as _;

use smallvec::SmallVec;

use crate::hardware::System;
use crate::workload::Einsum;

use super::Chain;

/// Size along each rank of an Einsum.
pub type Extents = SmallVec<[u64; 10]>;

/// One loop over a rank.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Loop {
    /// Index into the Einsum's ranks.
    pub rank: u8,
    /// Iterations; the last may be partly idle.
    pub factor: u64,
    /// Axis of the fan-out if the iterations are side by side, not one after the other.
    pub axis: Option<u8>,
}

impl Loop {
    /// Iterations one after the other.
    pub fn temporal(rank: u8, factor: u64) -> Self {
        Self {
            rank,
            factor,
            axis: None,
        }
    }

    /// Iterations side by side along an axis.
    pub fn spatial(rank: u8, factor: u64, axis: u8) -> Self {
        Self {
            rank,
            factor,
            axis: Some(axis),
        }
    }
}

/// Loops per level of a chain, outermost first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Nest {
    /// `[level][loop]`, outermost first.
    pub levels: Vec<SmallVec<[Loop; 6]>>,
}

impl Nest {
    /// From loops per level.
    pub fn new(levels: Vec<Vec<Loop>>) -> Self {
        Self {
            levels: levels.into_iter().map(SmallVec::from_vec).collect(),
        }
    }

    /// What enters each level, and last what enters the engine: `[level + 1][rank]`.
    pub fn extents(&self, sizes: &[u64]) -> SmallVec<[Extents; 8]> {
        let mut current = Extents::from_slice(sizes);
        let mut all = SmallVec::new();
        for loops in &self.levels {
            all.push(current.clone());
            for step in loops {
                let extent = &mut current[step.rank as usize];
                *extent = extent.div_ceil(step.factor.max(1));
            }
        }
        all.push(current);
        all
    }

    /// Steps of the engine: the product of all temporal factors.
    pub fn steps(&self) -> f64 {
        self.product(|l| l.axis.is_none())
    }

    /// Engines at work: the product of all spatial factors.
    pub fn lanes(&self) -> f64 {
        self.product(|l| l.axis.is_some())
    }

    fn product(&self, keep: impl Fn(&Loop) -> bool) -> f64 {
        let loops = self.levels.iter().flatten().filter(|l| keep(l));
        loops.map(|l| l.factor as f64).product()
    }

    /// One line: `dram[P4 N2] glb[C8] pe[K16 × N16]`.
    pub fn describe(&self, einsum: &Einsum, system: &System, chain: &Chain) -> String {
        let mut text = String::new();
        for (level, loops) in self.levels.iter().enumerate() {
            let name = match chain.levels[level] {
                super::Level::Memory { memory, .. } => &system.memories[memory].name,
                super::Level::Fanout { fanout } => &system.fanouts[fanout].name,
            };
            let shown: Vec<String> = loops
                .iter()
                .filter(|l| l.factor > 1)
                .map(|l| format!("{}{}", einsum.ranks[l.rank as usize].name, l.factor))
                .collect();
            if shown.is_empty() {
                continue;
            }
            let spatial = loops.iter().any(|l| l.axis.is_some());
            let join = if spatial { " × " } else { " " };
            let space = if text.is_empty() { "" } else { " " };
            // Writing to a String cannot fail.
            let _ = write!(text, "{space}{name}[{}]", shown.join(join));
        }
        text
    }
}
