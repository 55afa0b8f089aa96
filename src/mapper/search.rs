//! The one entrance: the best cost of an Einsum on a chip.

use smallvec::SmallVec;

use crate::cost::{Cost, Operands, Traffic, Widths, price_nest, sparse::Zeros};
use crate::hardware::{System, Tiles};
use crate::mapping::{Chain, Convention, Nest};
use crate::units::Bytes;
use crate::workload::{Dtype, Einsum, Slot, Stack};

use super::exact::{Counts, Engine, Frontier, Mapspace, Prices};
use super::{library, spatial, tiles};

/// What the mapper minimizes; ties go to the other one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Objective {
    /// Time, then energy.
    #[default]
    Latency,
    /// Energy, then time.
    Energy,
}

/// One question to the mapper.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// What to compute.
    pub einsum: &'a Einsum,
    /// Format of the multiplier inputs, one that the chip has.
    pub dtype: Dtype,
    /// Bytes per element of the operands.
    pub widths: Widths,
    /// Bytes that main memory must move at least once.
    pub compulsory: Traffic,
    /// Zeros of the inputs. Tiles are given room as if there were none.
    pub zeros: &'a Zeros,
    /// What to minimize.
    pub objective: Objective,
    /// Whose kernels run, on chips with library tiles.
    pub stack: Stack,
}

/// Nothing fits: even the least tiles are larger than a memory.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error(
    "the least tiles need {} of `{memory}`{}, which has {} for them: {} are missing",
    Bytes(*needed),
    slot.map_or(String::new(), |slot| format!(", most of it for `{}`", slot.name())),
    Bytes(*usable),
    Bytes((needed - usable).max(0.0))
)]
pub struct NoMapping {
    /// The memory that is too small.
    pub memory: String,
    /// The operand that takes most of it.
    pub slot: Option<Slot>,
    /// Bytes needed.
    pub needed: f64,
    /// Bytes there: half of the capacity where it is double buffered.
    pub usable: f64,
}

/// The loop nests that are scored for an Einsum, engine by engine.
///
/// They follow from the shape of the chip alone (tree, capacities, fan-outs, native tiles), so that chips
/// which differ in rates, clocks or energies share them.
#[derive(Debug)]
pub struct Candidates {
    engines: Vec<OnEngine>,
}

#[derive(Debug)]
struct OnEngine {
    array: usize,
    /// `None` where library tiles are chosen instead.
    nests: Option<Result<Vec<Candidate>, NoMapping>>,
}

/// A nest that may be the best.
#[derive(Debug)]
struct Candidate {
    nest: Nest,
    /// What it moves; `None` where that has too many parts.
    counts: Option<Counts>,
}

/// The best cost over all engines that multiply the format.
///
/// # Errors
/// [`NoMapping`] if no tile fits on any engine.
pub fn best(system: &System, request: &Request<'_>) -> Result<Cost, NoMapping> {
    best_of(system, request, &candidates(system, request))
}

/// The nests that [`best_of`] scores.
pub fn candidates(system: &System, request: &Request<'_>) -> Candidates {
    let able = system.arrays.iter().enumerate();
    let able = able.filter(|(_, engine)| engine.peak(request.dtype).is_some());
    let engines = able.map(|(array, _)| OnEngine {
        array,
        nests: match &system.tiles {
            Tiles::Listed { .. } => None,
            Tiles::Divisors | Tiles::Padded | Tiles::Ceil => {
                Some(promising(system, array, request))
            }
        },
    });
    Candidates {
        engines: engines.collect(),
    }
}

/// As [`best`], over candidates found before for a chip of the same shape.
///
/// # Errors
/// As [`best`].
pub fn best_of(
    system: &System,
    request: &Request<'_>,
    candidates: &Candidates,
) -> Result<Cost, NoMapping> {
    let mut best: Option<Cost> = None;
    let mut failed = None;
    for engine in &candidates.engines {
        let found = match (&engine.nests, &system.tiles) {
            (Some(Ok(nests)), _) => cheapest(system, engine.array, request, nests),
            (Some(Err(error)), _) => {
                failed = Some(error.clone());
                None
            }
            (None, Tiles::Listed { m, n, k }) => library::best(
                request.einsum,
                request.dtype,
                request.stack,
                system,
                engine.array,
                (m, n, k),
                Operands {
                    widths: &request.widths,
                    compulsory: request.compulsory,
                    zeros: request.zeros,
                },
            ),
            (None, Tiles::Divisors | Tiles::Padded | Tiles::Ceil) => None,
        };
        if let Some(cost) = found
            && best
                .as_ref()
                .is_none_or(|b| is_better(system, &cost, b, request.objective))
        {
            best = Some(cost);
        }
    }
    best.ok_or_else(|| {
        failed.unwrap_or(NoMapping {
            memory: system.main_memory().name.clone(),
            slot: None,
            needed: 0.0,
            usable: 0.0,
        })
    })
}

/// The loop nests that the heuristic proposes for one engine; none where library tiles are chosen instead.
///
/// # Errors
/// [`NoMapping`] if not even the least tile fits.
pub fn proposals(
    system: &System,
    array: usize,
    request: &Request<'_>,
) -> Result<Vec<Nest>, NoMapping> {
    match &system.tiles {
        Tiles::Listed { .. } => Ok(Vec::new()),
        Tiles::Divisors | Tiles::Padded | Tiles::Ceil => nests(system, array, request),
    }
}

/// The front of what nests move, and nests whose first tiles arrive early.
fn promising(
    system: &System,
    array: usize,
    request: &Request<'_>,
) -> Result<Vec<Candidate>, NoMapping> {
    let space = mapspace(system, request);
    let front = space
        .front(array, Frontier::default())
        .map(|front| front.points);
    let front = front.into_iter().flatten().map(|point| Candidate {
        nest: point.nest,
        counts: Some(point.counts),
    });
    let mut found: Vec<Candidate> = front.collect();
    let chain = Chain::of(system, array);
    match nests(system, array, request) {
        Err(error) if found.is_empty() => return Err(error),
        Err(_) => {}
        Ok(proposed) => found.extend(proposed.into_iter().map(|nest| Candidate {
            counts: Counts::of(&space, &chain, &nest),
            nest,
        })),
    }
    Ok(found)
}

fn mapspace<'a>(system: &'a System, request: &Request<'a>) -> Mapspace<'a> {
    Mapspace {
        einsum: request.einsum,
        system,
        widths: request.widths,
        convention: Convention::Physical,
        uneven: system.uneven,
    }
}

/// Smaller and smaller parts of the outermost on-chip memory that are tried: a tile that fills less of it may
/// round better, and what fits a smaller memory is among the choices of a larger one.
const HALVINGS: i32 = 3;

/// Nests of every spatial choice that fits.
fn nests(system: &System, array: usize, request: &Request<'_>) -> Result<Vec<Nest>, NoMapping> {
    let mut found = Vec::new();
    let mut failed = None;
    for chain in Chain::of(system, array).with_bypasses(system) {
        if let Err(error) = fill_all(system, &chain, request, &mut found) {
            failed = failed.or(Some(error));
        }
    }
    match failed {
        Some(error) if found.is_empty() => Err(error),
        Some(_) | None => Ok(found),
    }
}

/// Adds the nests of every spatial choice on a chain; the first failure is reported, the others are tried.
fn fill_all(
    system: &System,
    chain: &Chain,
    request: &Request<'_>,
    found: &mut Vec<Nest>,
) -> Result<(), NoMapping> {
    let bytes = Slot::ALL.map(|slot| request.widths.of(slot));
    let mut failed = None;
    for side in spatial::choices(request.einsum, system, chain) {
        for tie in tiles::Tie::ALL {
            // Tiles that overlap early are small already.
            let halvings = match tie {
                tiles::Tie::Reuse => HALVINGS,
                tiles::Tie::Overlap => 1,
            };
            for halvings in 0..halvings {
                let einsum = request.einsum;
                match tiles::fill(einsum, system, chain, &side, bytes, tie, halvings) {
                    Ok(nest) if found.contains(&nest) => {}
                    Ok(nest) => found.push(nest),
                    Err(error) => {
                        failed = failed.or(Some(error));
                        break;
                    }
                }
            }
        }
    }
    failed.map_or(Ok(()), Err)
}

/// The best of these nests, described; `None` without nests.
fn cheapest(
    system: &System,
    array: usize,
    request: &Request<'_>,
    nests: &[Candidate],
) -> Option<Cost> {
    let chain = Chain::of(system, array);
    let einsum = request.einsum;
    let mut best: Option<(Cost, &Nest)> = None;
    for (least, candidate) in ranked(system, &chain, request, nests) {
        let key = |b: &(Cost, &Nest)| request.objective.key(system, &b.0);
        if best.as_ref().is_some_and(|b| least.0 > key(b).0) {
            break;
        }
        let nest = &candidate.nest;
        let cost = price_nest(
            einsum,
            request.dtype,
            system,
            &chain,
            nest,
            &request.widths,
            request.zeros,
        );
        let better = best
            .as_ref()
            .is_none_or(|(b, _)| is_better(system, &cost, b, request.objective));
        if better {
            best = Some((cost, nest));
        }
    }
    best.map(|(mut cost, nest)| {
        cost.mapping = Some(nest.describe(einsum, system, &chain));
        cost
    })
}

/// The least that each nest can come to, the most promising first. Zeros may save more than what counts say.
fn ranked<'a>(
    system: &System,
    chain: &Chain,
    request: &Request<'_>,
    nests: &'a [Candidate],
) -> SmallVec<[((f64, f64), &'a Candidate); 32]> {
    let space = mapspace(system, request);
    let (einsum, dtype) = (request.einsum, request.dtype);
    let engine = Engine::of(system, chain.array, dtype, einsum, Convention::Physical);
    let prices = Prices::of(&space, chain, engine);
    let is_dense = *request.zeros == Zeros::none();
    let least = |counts: &Counts| {
        let (energy, time) = prices.cost(counts);
        match request.objective {
            Objective::Latency => (time, energy),
            Objective::Energy => (energy, time),
        }
    };
    let ranked = nests.iter().map(|candidate| {
        let counts = candidate.counts.as_ref().filter(|_| is_dense);
        (counts.map_or((0.0, 0.0), least), candidate)
    });
    let mut ranked: SmallVec<[_; 32]> = ranked.collect();
    ranked.sort_by(|a, b| a.0.0.total_cmp(&b.0.0).then(a.0.1.total_cmp(&b.0.1)));
    ranked
}

impl Objective {
    /// What is least at the best, and what decides between equals.
    fn key(self, system: &System, cost: &Cost) -> (f64, f64) {
        let (time, energy) = (cost.alone(system, 1.0).0, cost.energy.total().0);
        match self {
            Self::Latency => (time, energy),
            Self::Energy => (energy, time),
        }
    }
}

fn is_better(system: &System, a: &Cost, b: &Cost, objective: Objective) -> bool {
    objective.key(system, a) < objective.key(system, b)
}
