//! The levels between main memory and one matrix engine, outermost first.

use crate::hardware::{FanAxis, Node, System};
use crate::workload::Slot;

/// One level of a chain.
#[derive(Clone, Debug, PartialEq)]
pub enum Level {
    /// A memory and the slots that stop there.
    Memory {
        /// Index into [`System::memories`].
        memory: usize,
        /// `[lhs, rhs, acc]`.
        holds: [bool; 3],
    },
    /// A fan-out.
    Fanout {
        /// Index into [`System::fanouts`].
        fanout: usize,
    },
}

/// Main memory first, the level that feeds the engine last.
#[derive(Clone, Debug, PartialEq)]
pub struct Chain {
    /// Index into [`System::arrays`].
    pub array: usize,
    /// Outermost first; the first is a root that holds every slot.
    pub levels: Vec<Level>,
}

impl Chain {
    /// The chain of one engine. Siblings that hold different slots become successive levels.
    pub fn of(system: &System, array: usize) -> Self {
        let mut nodes: Vec<Node> = Vec::new();
        collect(system, &system.arrays[array].parents, &mut nodes);
        let mut levels = Vec::new();
        for node in nodes {
            match node {
                Node::Memory(memory) => {
                    let held = system.memories[memory].holds;
                    let root = levels.is_empty();
                    let holds = Slot::ALL.map(|slot| root || held.slot(slot));
                    if holds.contains(&true) {
                        levels.push(Level::Memory { memory, holds });
                    }
                }
                Node::Fanout(fanout) => levels.push(Level::Fanout { fanout }),
            }
        }
        Self { array, levels }
    }

    /// The chain, and for each memory that slots may bypass the chain without them there.
    pub fn with_bypasses(self, system: &System) -> Vec<Self> {
        let mut all = vec![self.clone()];
        for level in 1..self.levels.len() {
            let mut other = self.clone();
            if let Level::Memory { memory, holds } = &mut other.levels[level] {
                let must = system.memories[*memory].must_hold;
                *holds = Slot::ALL.map(|slot| holds[slot as usize] && must.slot(slot));
            }
            if other != self {
                all.push(other);
            }
        }
        all
    }

    /// Axes of a fan-out level; empty for a memory.
    pub fn axes<'a>(&self, system: &'a System, level: usize) -> &'a [FanAxis] {
        match self.levels[level] {
            Level::Fanout { fanout } => &system.fanouts[fanout].axes,
            Level::Memory { .. } => &[],
        }
    }

    /// Name of a level's component.
    pub fn name<'a>(&self, system: &'a System, level: usize) -> &'a str {
        match self.levels[level] {
            Level::Memory { memory, .. } => &system.memories[memory].name,
            Level::Fanout { fanout } => &system.fanouts[fanout].name,
        }
    }

    /// The memory of a level, if it is one.
    pub fn memory(&self, level: usize) -> Option<usize> {
        match self.levels[level] {
            Level::Memory { memory, .. } => Some(memory),
            Level::Fanout { .. } => None,
        }
    }

    /// Whether a slot stops at a level.
    pub fn holds(&self, level: usize, slot: Slot) -> bool {
        match self.levels[level] {
            Level::Memory { holds, .. } => holds[slot as usize],
            Level::Fanout { .. } => false,
        }
    }
}

/// Ancestors before descendants, each once. Second roots, such as a host's memory, are left out.
fn collect(system: &System, parents: &[Node], out: &mut Vec<Node>) {
    for &node in parents {
        if out.contains(&node) {
            continue;
        }
        let above = match node {
            Node::Memory(i) => &system.memories[i].parents,
            Node::Fanout(i) => &system.fanouts[i].parents,
        };
        collect(system, above, out);
        let second_root = above.is_empty() && !out.is_empty();
        if !second_root && !out.contains(&node) {
            out.push(node);
        }
    }
}
