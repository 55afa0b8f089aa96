//! How little traffic of main memory a buffer of some size allows, whatever the mapping.

use crate::cost::Widths;
use crate::hardware::{Buffering, Holds, Node, System};
use crate::mapping::Convention;
use crate::units::{Bytes, JoulesPerByte, Watts};
use crate::workload::{Einsum, Slot};

use super::best::Search;
use super::bill::Engine;
use super::goal::Aim;
use super::space::Mapspace;

/// A capacity and the least traffic that it allows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CurvePoint {
    /// Bytes of one buffer between main memory and the engines, single buffered.
    pub capacity: f64,
    /// Least bytes that main memory reads and writes.
    pub traffic: f64,
    /// Bytes below which no mapping of the mapspace comes: equal where the search ended.
    pub bound: f64,
}

/// Steps after which the search of one capacity stops.
const LIMIT: u64 = 1_000_000;
/// Doublings of the capacity.
const MOST: u32 = 50;

/// The least traffic for capacities that double, from the least that holds an element of each operand to the
/// one from which more capacity saves nothing.
///
/// One buffer holds the operands, each of which may pass it by; engines take all they want. Tiles divide
/// their ranks, and all operands have theirs at one depth. Main memory moves whole tiles, and keeps nothing of
/// what it gave. Empty for Einsums that the search cannot describe.
///
/// Source of the idea: Huang et al., "Mind the Gap: Attainable Data Movement and Operational Intensity Bounds
/// for Tensor Algorithms", ISCA 2024.
pub fn curve(einsum: &Einsum, system: &System, widths: Widths) -> Vec<CurvePoint> {
    let least: f64 = Slot::ALL.iter().map(|s| widths.of(*s)).sum();
    let compulsory: f64 = Slot::ALL
        .iter()
        .map(|&slot| {
            let width = match slot {
                Slot::Acc => widths.result.min(widths.partial),
                Slot::Lhs | Slot::Rhs => widths.of(slot),
            };
            einsum.elements(slot) * width
        })
        .sum();
    let mut points = Vec::new();
    for doubling in 0..MOST {
        let capacity = 2.0_f64.powf(least.log2().ceil() + f64::from(doubling));
        let Some(point) = point(einsum, system, widths, capacity) else {
            break;
        };
        points.push(point);
        if point.traffic <= compulsory * (1.0 + 1e-9) {
            break;
        }
    }
    points
}

fn point(einsum: &Einsum, system: &System, widths: Widths, capacity: f64) -> Option<CurvePoint> {
    let system = plain(system, capacity);
    let space = Mapspace {
        einsum,
        system: &system,
        widths,
        convention: Convention::Physical,
        uneven: false,
    };
    let how = Search {
        aim: Aim::Energy,
        limit: LIMIT,
    };
    let engine = Engine {
        step: 1.0,
        edges: 0.0,
        load: None,
        macs: 0.0,
    };
    let chain = crate::mapping::Chain::of(&system, 0);
    let mut price = |nest: &crate::mapping::Nest| {
        let dtype = system.arrays[0].rate.first().map(|r| r.0);
        let e = dtype.map(|dtype| {
            let physical = Convention::Physical;
            crate::cost::evaluate(einsum, dtype, &system, &chain, nest, &widths, physical)
        });
        let moved = e.as_ref().and_then(|e| e.levels.first()?.access_energy);
        let moved = moved.map_or(0.0, |each| each.iter().map(|j| j.0).sum());
        (moved, e.map_or(0.0, |e| e.latency.0))
    };
    let found = space.search(0, engine, how, &mut price)?;
    Some(CurvePoint {
        capacity,
        traffic: found.value,
        bound: found.bound,
    })
}

/// Main memory that costs a joule a byte, one buffer that costs nothing, and one engine.
fn plain(system: &System, capacity: f64) -> System {
    let mut plain = system.clone();
    let mut main = system.main_memory().clone();
    main.parents = Vec::new();
    main.block = None;
    main.leakage = Some(Watts(0.0));
    main.read_energy = Some(JoulesPerByte(1.0));
    main.write_energy = Some(JoulesPerByte(1.0));
    main.instances = 1;
    let mut buffer = main.clone();
    buffer.name = "buffer".to_owned();
    buffer.parents = vec![Node::Memory(0)];
    buffer.capacity = Bytes(capacity);
    buffer.buffering = Buffering::Copies(1);
    buffer.banks = None;
    buffer.holds = Holds {
        lhs: true,
        rhs: true,
        acc: true,
        ..Holds::NONE
    };
    buffer.must_hold = Holds::NONE;
    buffer.read_energy = Some(JoulesPerByte(0.0));
    buffer.write_energy = Some(JoulesPerByte(0.0));
    plain.memories = vec![main, buffer];
    plain.fanouts = Vec::new();
    plain.arrays.truncate(1);
    for array in &mut plain.arrays {
        array.parents = vec![Node::Memory(1)];
        array.instances = 1;
        array.stationary = None;
        array.systolic = None;
        array.tile = None;
        array.energy = Vec::new();
    }
    plain.vectors = Vec::new();
    plain
}
