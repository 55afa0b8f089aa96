//! The one entrance: the best cost of an Einsum on a chip.

use crate::cost::{Cost, Traffic, Widths, price_nest};
use crate::hardware::{System, Tiles};
use crate::mapping::Chain;
use crate::units::Bytes;
use crate::workload::{Dtype, Einsum};

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
    /// What to minimize.
    pub objective: Objective,
}

/// Nothing fits: even the least tile is larger than a memory.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error(
    "the least tile needs {} but `{memory}` offers {} (half of it where it is double buffered)",
    Bytes(*needed),
    Bytes(*usable)
)]
pub struct NoMapping {
    /// The memory that is too small.
    pub memory: String,
    /// Bytes needed.
    pub needed: f64,
    /// Bytes there.
    pub usable: f64,
}

/// The best cost over all engines that multiply the format.
///
/// # Errors
/// [`NoMapping`] if no tile fits on any engine.
pub fn best(system: &System, request: &Request<'_>) -> Result<Cost, NoMapping> {
    let mut best: Option<Cost> = None;
    let mut failed = None;
    for (array, engine) in system.arrays.iter().enumerate() {
        if engine.peak(request.dtype).is_none() {
            continue;
        }
        let found = match &system.tiles {
            Tiles::Listed { m, n, .. } => library::best(
                request.einsum,
                request.dtype,
                system,
                array,
                (m, n),
                &request.widths,
                request.compulsory,
            ),
            Tiles::Divisors | Tiles::Padded | Tiles::Ceil => match nest(system, array, request) {
                Ok(cost) => Some(cost),
                Err(error) => {
                    failed = Some(error);
                    None
                }
            },
        };
        if let Some(cost) = found
            && best
                .as_ref()
                .is_none_or(|b| is_better(&cost, b, request.objective))
        {
            best = Some(cost);
        }
    }
    best.ok_or_else(|| {
        failed.unwrap_or(NoMapping {
            memory: system.main_memory().name.clone(),
            needed: 0.0,
            usable: 0.0,
        })
    })
}

fn nest(system: &System, array: usize, request: &Request<'_>) -> Result<Cost, NoMapping> {
    let chain = Chain::of(system, array);
    let bytes = [
        request.widths.lhs,
        request.widths.rhs,
        request.widths.partial,
    ];
    let mut best: Option<(Cost, crate::mapping::Nest)> = None;
    let mut failed = None;
    for side in spatial::choices(request.einsum, system, &chain) {
        let nest = match tiles::fill(request.einsum, system, &chain, &side, bytes) {
            Ok(nest) => nest,
            Err(error) => {
                failed = Some(error);
                continue;
            }
        };
        let cost = price_nest(
            request.einsum,
            request.dtype,
            system,
            &chain,
            &nest,
            &request.widths,
        );
        let better = best
            .as_ref()
            .is_none_or(|(b, _)| is_better(&cost, b, request.objective));
        if better {
            best = Some((cost, nest));
        }
    }
    match best {
        Some((mut cost, nest)) => {
            cost.mapping = Some(nest.describe(request.einsum, system, &chain));
            Ok(cost)
        }
        None => Err(failed.expect("there is always one spatial choice")),
    }
}

fn is_better(a: &Cost, b: &Cost, objective: Objective) -> bool {
    let key = |c: &Cost| {
        let (time, energy) = (c.overlapped().0, c.energy.total().0);
        match objective {
            Objective::Latency => (time, energy),
            Objective::Energy => (energy, time),
        }
    };
    key(a) < key(b)
}
