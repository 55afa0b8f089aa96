//! Which points of a grid are priced.

use rustc_hash::FxHashSet;

use super::random::Random;
use super::sobol::{MOST_AXES, Sobol};
use super::space::Space;

/// How points are spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spread {
    /// Sobol's points, shifted by the seed.
    Sobol,
    /// As many values of each axis as there are points, each once, in random order (Latin hypercube).
    ///
    /// Source: McKay, Beckman, Conover, Technometrics 21 (1979).
    Latin,
    /// Independent of each other.
    Random,
}

impl Spread {
    /// By name.
    pub const ALL: [(&'static str, Self); 3] = [
        ("sobol", Self::Sobol),
        ("latin", Self::Latin),
        ("random", Self::Random),
    ];
}

/// `[strategy]`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strategy {
    /// Every point.
    #[default]
    Exact,
    /// Some points, spread over the grid.
    Sample {
        /// How.
        spread: Spread,
        /// How many, all different.
        points: usize,
        /// Of the random numbers.
        seed: u64,
    },
    /// Points that descend from the best so far (NSGA-II).
    Evolve {
        /// Points of a generation; even.
        population: usize,
        /// Generations, the first included.
        generations: usize,
        /// Of the random numbers.
        seed: u64,
    },
}

/// Tries per wanted point, since several may fall on one of the grid.
const TRIES: usize = 64;

/// Different points of a grid, ascending; all of it where it has no more.
pub(super) fn sample(space: &Space, spread: Spread, points: usize, seed: u64) -> Vec<usize> {
    let all = space.len();
    if points >= all {
        return (0..all).collect();
    }
    let mut random = Random::new(seed);
    let n_axes = space.axes.len();
    let mut found = FxHashSet::default();
    let mut take = |place: &[f64]| {
        found.insert(index(space, place));
        found.len() < points
    };
    match spread {
        Spread::Sobol => {
            let shifts: Vec<u32> = (0..n_axes).map(|_| random.next() as u32).collect();
            let mut places = Sobol::new(&shifts).take(points.saturating_mul(TRIES));
            while places.next().is_some_and(|place| take(&place)) {}
        }
        Spread::Latin => {
            for _ in 0..TRIES {
                let columns: Vec<Vec<usize>> = (0..n_axes)
                    .map(|_| {
                        let mut column: Vec<usize> = (0..points).collect();
                        random.shuffle(&mut column);
                        column
                    })
                    .collect();
                let mut place = |i: usize| -> Vec<f64> {
                    let parts = columns.iter();
                    parts
                        .map(|c| (c[i] as f64 + random.unit()) / points as f64)
                        .collect()
                };
                if !(0..points).all(|i| take(&place(i))) {
                    break;
                }
            }
        }
        Spread::Random => {
            for _ in 0..points.saturating_mul(TRIES) {
                let place: Vec<f64> = (0..n_axes).map(|_| random.unit()).collect();
                if !take(&place) {
                    break;
                }
            }
        }
    }
    let mut found: Vec<usize> = found.into_iter().collect();
    found.sort_unstable();
    found
}

/// The point of a place in the unit cube.
fn index(space: &Space, place: &[f64]) -> usize {
    let axes = space.axes.iter().zip(place).enumerate();
    axes.map(|(a, (axis, u))| {
        let n = axis.choices.len();
        ((u * n as f64) as usize).min(n - 1) * space.stride(a)
    })
    .sum()
}

/// Whether Sobol's points exist for so many axes.
pub(super) fn has_sobol(n_axes: usize) -> bool {
    n_axes <= MOST_AXES
}
