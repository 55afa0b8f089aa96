//! What the zeros of a model save on a chip, against the same model without them.

use crate::cost::sparse::{Effect, Treatment, Verdict, treatments};
use crate::hardware::System;
use crate::units::percent;
use crate::workload::{Density, Sparsity};

use super::estimate::Estimate;

/// The verdict on a run whose activations, weights and caches have `zeros`; `dense` is the same run of tensors
/// without them.
pub(super) fn verdict(
    zeros: [Option<Sparsity>; 3],
    system: &System,
    sparse: &Estimate,
    dense: &Estimate,
) -> Verdict {
    let figures = |e: &Estimate| (e.totals.latency, e.totals.energy);
    Verdict::of(
        &effects(zeros, system),
        &smaller(sparse, dense),
        figures(sparse),
        figures(dense),
        &longest(dense),
    )
}

fn effects(zeros: [Option<Sparsity>; 3], system: &System) -> Vec<Effect> {
    let [activations, weights, caches] = zeros;
    let densities = [activations, weights].map(|s| Density::of(s, f64::INFINITY));
    let engines = system.arrays.iter();
    let treated: Vec<_> = engines.map(|a| treatments(&a.zeros, densities)).collect();
    let best = |slot: usize| {
        let all = treated.iter().map(|t| t[slot]);
        all.min_by_key(|t| rank(*t)).unwrap_or(Treatment::Ignored)
    };
    let effect = |what, sparsity: Option<Sparsity>, treatment| {
        sparsity.map(|pattern| Effect {
            what,
            pattern: shown(pattern),
            treatment,
        })
    };
    let all = [
        effect("weights", weights, best(1)),
        effect("activations", activations, best(0)),
        effect("caches", caches, Treatment::Ignored),
    ];
    all.into_iter().flatten().collect()
}

fn shown(pattern: Sparsity) -> String {
    match pattern {
        Sparsity::Structured { .. } => pattern.to_string(),
        Sparsity::Unstructured { density } => format!("{} zero", percent(1.0 - density)),
    }
}

/// Treatments that save more come first.
fn rank(treatment: Treatment) -> u8 {
    match treatment {
        Treatment::Structured(_) => 0,
        Treatment::Skipped => 1,
        Treatment::Gated => 2,
        Treatment::Ignored => 3,
    }
}

/// Memories at which fewer bytes move.
fn smaller(sparse: &Estimate, dense: &Estimate) -> Vec<String> {
    let pairs = sparse.totals.bytes.iter().zip(&dense.totals.bytes);
    let fewer = pairs.filter(|(a, b)| a.1.0 < b.1.0 * (1.0 - 1e-9));
    fewer.map(|(a, _)| a.0.clone()).collect()
}

/// What sets most of the time.
fn longest(dense: &Estimate) -> String {
    let mut sums: Vec<(&str, f64)> = Vec::new();
    for op in dense.phases.iter().flat_map(|p| &p.operators) {
        let time = op.latency.0 * op.count as f64;
        match sums.iter_mut().find(|(bound, _)| *bound == op.bound) {
            Some((_, sum)) => *sum += time,
            None => sums.push((&op.bound, time)),
        }
    }
    let most = sums.iter().max_by(|a, b| a.1.total_cmp(&b.1));
    most.map_or(String::new(), |(bound, _)| (*bound).to_owned())
}
