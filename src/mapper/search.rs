//! The one entrance: the best cost of an Einsum on a chip.

use crate::cost::{Cost, Operands, Traffic, Widths, price_nest, sparse::Zeros};
use crate::hardware::{System, Tiles};
use crate::mapping::{Chain, Nest};
use crate::units::Bytes;
use crate::workload::{Dtype, Einsum, Slot, Stack};

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
    engines: Vec<Engine>,
}

#[derive(Debug)]
struct Engine {
    array: usize,
    /// `None` where library tiles are chosen instead.
    nests: Option<Result<Vec<Nest>, NoMapping>>,
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
    let engines = able.map(|(array, _)| Engine {
        array,
        nests: match &system.tiles {
            Tiles::Listed { .. } => None,
            Tiles::Divisors | Tiles::Padded | Tiles::Ceil => Some(nests(system, array, request)),
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
fn cheapest(system: &System, array: usize, request: &Request<'_>, nests: &[Nest]) -> Option<Cost> {
    let chain = Chain::of(system, array);
    let mut best: Option<(Cost, &Nest)> = None;
    for nest in nests {
        let cost = price_nest(
            request.einsum,
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
        cost.mapping = Some(nest.describe(request.einsum, system, &chain));
        cost
    })
}

fn is_better(system: &System, a: &Cost, b: &Cost, objective: Objective) -> bool {
    let key = |c: &Cost| {
        let (time, energy) = (c.alone(system, 1.0).0, c.energy.total().0);
        match objective {
            Objective::Latency => (time, energy),
            Objective::Energy => (energy, time),
        }
    };
    key(a) < key(b)
}
