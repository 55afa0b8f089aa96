//! NSGA-II over a grid: generations of points, each bred from the best so far.
//!
//! Source: Deb, Pratap, Agarwal, Meyarivan, "A Fast and Elitist Multiobjective Genetic Algorithm: NSGA-II", IEEE Trans. Evol.
//! Comput. 6 (2002): non-dominated sorting with constraint domination, crowding distance, binary tournaments. Crossover takes
//! each axis from either parent; mutation moves an axis by a step or to any value.

use rustc_hash::FxHashSet;

use crate::pareto::{dominates, hypervolume};

use super::plan::Plan;
use super::point::{Point, Reason};
use super::random::Random;
use super::space::Space;

/// Share of the children that are bred from two parents; others are copies that mutate.
const CROSSOVER: f64 = 0.9;

/// Share of mutations that go to any value of the axis.
const JUMP: f64 = 0.25;

/// Tries for a child that is new.
const TRIES: usize = 20;

/// How far the search had come after a generation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// Points priced so far.
    pub evaluated: usize,
    /// Volume that the front dominates, as a share of the box between the best of all points and the reference.
    pub hypervolume: f64,
}

/// A member of the population.
#[derive(Clone, Debug)]
struct Member {
    index: usize,
    /// Objectives as minimized.
    costs: Vec<f64>,
    /// How much it misses of its limits; 0 if it is feasible.
    missed: f64,
    rank: usize,
    crowding: f64,
}

impl Member {
    fn of(plan: &Plan, point: &Point) -> Self {
        let missed = point.reasons.iter().map(|reason| match reason {
            Reason::Constraint { excess, .. } => excess.max(1e-12),
            Reason::Memory { short } => short.0,
            Reason::Unpriced(_) | Reason::Unknown(_) => f64::INFINITY,
        });
        Self {
            index: point.index,
            costs: point.costs(&plan.objectives),
            missed: missed.sum(),
            rank: 0,
            crowding: 0.0,
        }
    }

    fn beats(&self, other: &Self) -> bool {
        match (self.missed > 0.0, other.missed > 0.0) {
            (false, true) => true,
            (true, false) => false,
            (true, true) => self.missed < other.missed,
            (false, false) => dominates(&self.costs, &other.costs),
        }
    }
}

/// The search: ask for points, tell what they answer.
pub(super) struct Evolution<'a> {
    plan: &'a Plan,
    size: usize,
    random: Random,
    population: Vec<Member>,
    seen: FxHashSet<usize>,
}

impl<'a> Evolution<'a> {
    pub(super) fn new(plan: &'a Plan, size: usize, seed: u64) -> Self {
        Self {
            plan,
            size,
            random: Random::new(seed),
            population: Vec::new(),
            seen: FxHashSet::default(),
        }
    }

    /// New points of the next generation, ascending; fewer where the grid has no more.
    pub(super) fn ask(&mut self) -> Vec<usize> {
        let space = &self.plan.space;
        let mut asked = Vec::new();
        while asked.len() < self.size && self.seen.len() < space.len() {
            let mut child = self.child(space);
            let mut tries = 0;
            while self.seen.contains(&child) && tries < TRIES {
                child = self.child(space);
                tries += 1;
            }
            while self.seen.contains(&child) {
                child = (child + 1) % space.len();
            }
            self.seen.insert(child);
            asked.push(child);
        }
        asked.sort_unstable();
        asked
    }

    /// A point of the first generation, or a child of two winners.
    fn child(&mut self, space: &Space) -> usize {
        if self.population.is_empty() {
            return self.random.below(space.len());
        }
        let (a, b) = (self.winner(), self.winner());
        let crosses = self.random.unit() < CROSSOVER;
        let n_axes = space.axes.len().max(1);
        let mut child = 0;
        for (axis, of) in space.axes.iter().enumerate() {
            let n = of.choices.len();
            let parent = if crosses && self.random.unit() < 0.5 {
                b
            } else {
                a
            };
            let mut step = space.step(axis, parent);
            if self.random.unit() < 1.0 / n_axes as f64 {
                step = if self.random.unit() < JUMP {
                    self.random.below(n)
                } else if self.random.unit() < 0.5 {
                    step.saturating_sub(1)
                } else {
                    (step + 1).min(n - 1)
                };
            }
            child += step * space.stride(axis);
        }
        child
    }

    /// The better of two.
    fn winner(&mut self) -> usize {
        let n = self.population.len();
        let (i, j) = (self.random.below(n), self.random.below(n));
        let (a, b) = (&self.population[i], &self.population[j]);
        let is_better = (b.rank, -b.crowding) < (a.rank, -a.crowding);
        if is_better { b.index } else { a.index }
    }

    /// Takes the answers of a generation; the best of parents and children live on.
    pub(super) fn tell<'p>(&mut self, points: impl Iterator<Item = &'p Point>) {
        let plan = self.plan;
        self.population.extend(points.map(|p| Member::of(plan, p)));
        rank(&mut self.population);
        crowd(&mut self.population);
        self.population.sort_by(|a, b| {
            a.rank
                .cmp(&b.rank)
                .then(b.crowding.total_cmp(&a.crowding))
                .then(a.index.cmp(&b.index))
        });
        self.population.truncate(self.size);
    }
}

/// Ranks of non-dominated sorting, 0 for the front.
fn rank(members: &mut [Member]) {
    let n = members.len();
    let mut beaten_by = vec![0_usize; n];
    let mut beats: Vec<Vec<usize>> = vec![Vec::new(); n];
    for i in 0..n {
        for j in 0..n {
            if i != j && members[i].beats(&members[j]) {
                beats[i].push(j);
                beaten_by[j] += 1;
            }
        }
    }
    let mut front: Vec<usize> = (0..n).filter(|i| beaten_by[*i] == 0).collect();
    let mut rank = 0;
    while !front.is_empty() {
        let mut next = Vec::new();
        for &i in &front {
            members[i].rank = rank;
            for &j in &beats[i] {
                beaten_by[j] -= 1;
                if beaten_by[j] == 0 {
                    next.push(j);
                }
            }
        }
        front = next;
        rank += 1;
    }
}

/// Crowding distances within each rank.
fn crowd(members: &mut [Member]) {
    let most = members.iter().map(|m| m.rank).max().unwrap_or(0);
    for rank in 0..=most {
        let mut ids: Vec<usize> = (0..members.len())
            .filter(|i| members[*i].rank == rank)
            .collect();
        for &i in &ids {
            members[i].crowding = 0.0;
        }
        let n_costs = ids.first().map_or(0, |i| members[*i].costs.len());
        for cost in 0..n_costs {
            let of = |i: usize, members: &[Member]| members[i].costs[cost];
            ids.sort_by(|a, b| {
                of(*a, members)
                    .total_cmp(&of(*b, members))
                    .then(members[*a].index.cmp(&members[*b].index))
            });
            let (Some(&first), Some(&last)) = (ids.first(), ids.last()) else {
                continue;
            };
            let width = of(last, members) - of(first, members);
            members[first].crowding = f64::INFINITY;
            members[last].crowding = f64::INFINITY;
            for k in 1..ids.len().saturating_sub(1) {
                let gap = of(ids[k + 1], members) - of(ids[k - 1], members);
                if width > 0.0 && gap.is_finite() {
                    members[ids[k]].crowding += gap / width;
                }
            }
        }
    }
}

/// Hypervolumes after each generation against the worst feasible point of all, as shares of the box down to the best.
///
/// Nothing for more than three objectives, and where fewer than two feasible points differ in every one.
pub(super) fn history(plan: &Plan, generations: &[Vec<Point>]) -> Vec<Progress> {
    let feasible = |p: &&Point| p.is_feasible();
    let all = || generations.iter().flatten().filter(feasible);
    let costs = |p: &Point| p.costs(&plan.objectives);
    let n = plan.objectives.len();
    let (mut low, mut high) = (vec![f64::INFINITY; n], vec![f64::NEG_INFINITY; n]);
    for point in all() {
        for (k, cost) in costs(point).into_iter().enumerate() {
            low[k] = low[k].min(cost);
            high[k] = high[k].max(cost);
        }
    }
    let sides: f64 = low.iter().zip(&high).map(|(l, h)| h - l).product();
    if !(sides > 0.0 && sides.is_finite()) {
        return Vec::new();
    }
    let mut front: Vec<Vec<f64>> = Vec::new();
    let mut evaluated = 0;
    let mut found = Vec::new();
    for generation in generations {
        evaluated += generation.len();
        front.extend(generation.iter().filter(feasible).map(costs));
        let kept = crate::pareto::front(&front);
        front = kept.into_iter().map(|i| front[i].clone()).collect();
        if let Some(volume) = hypervolume(&front, &high) {
            found.push(Progress {
                evaluated,
                hypervolume: volume / sides,
            });
        }
    }
    found
}
