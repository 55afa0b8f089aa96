//! Rows of single operators to predictions.

use std::collections::BTreeMap;
use std::str::FromStr;

use rayon::prelude::*;

use crate::diag::Problems;
use crate::hardware::System;
use crate::simulate::{Conditions, Isolated, Memo, Prepared, Replay, isolated};
use crate::workload::{OpGraph, OpKind};

use super::unpriced::short;
use super::{Unpriced, op_graph};

/// One operator to price.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpRow {
    /// Chip name.
    pub chip: String,
    /// Kernel library, such as `trtllm` or `vllm`.
    pub stack: String,
    /// `burst`, `sustained`, `eager` or `eager-sustained`.
    pub regime: String,
    /// Operator: `gemm`, `attention_decode`, ...
    pub op: String,
    /// `bf16`, or `bf16/fp8` for compute and KV cache.
    pub dtype: String,
    /// `key=value;key=value`.
    pub shape: String,
}

/// How a row was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Regime {
    /// Replayed from a graph, too short for the power cap.
    Burst,
    /// Replayed until the power settled.
    Sustained,
    /// Launched by the host one by one.
    Eager,
    /// Launched by the host until the power settled.
    EagerSustained,
}

impl FromStr for Regime {
    type Err = Unpriced;

    /// An empty text is a burst.
    fn from_str(text: &str) -> Result<Self, Unpriced> {
        Ok(match text {
            "burst" | "" => Self::Burst,
            "sustained" => Self::Sustained,
            "eager" => Self::Eager,
            "eager-sustained" => Self::EagerSustained,
            other => return Err(Unpriced::Regime(short(other))),
        })
    }
}

impl Regime {
    /// Whether the power has settled.
    pub(super) fn is_sustained(self) -> bool {
        matches!(self, Self::Sustained | Self::EagerSustained)
    }

    fn conditions(self) -> Conditions {
        Conditions {
            sustained: self.is_sustained(),
            eager: matches!(self, Self::Eager | Self::EagerSustained),
        }
    }
}

/// Figures of one execution.
pub type OpPrice = Isolated;

/// Prices all rows, in order. Each chip is asked for once; the result does not depend on threads.
pub fn ops(
    rows: &[OpRow],
    chips: &dyn Fn(&str) -> Result<System, Problems>,
) -> Vec<Result<OpPrice, Unpriced>> {
    let mut systems: BTreeMap<&str, Option<System>> = BTreeMap::new();
    for row in rows {
        let name = row.chip.as_str();
        systems.entry(name).or_insert_with(|| chips(name).ok());
    }
    let prepared: BTreeMap<&str, Prepared<'_>> = systems
        .iter()
        .filter_map(|(name, system)| Some((*name, Prepared::new(system.as_ref()?))))
        .collect();
    let memo = Memo::new();
    rows.par_iter()
        .map(|row| {
            let chip = prepared.get(row.chip.as_str());
            let chip = chip.ok_or_else(|| Unpriced::Chip(short(&row.chip)))?;
            one(row, chip, &memo)
        })
        .collect()
}

/// A row's operators, to be timed again and again on a chip.
///
/// # Errors
/// [`Unpriced`] if the row cannot be understood.
pub fn replay(row: &OpRow, system: &System) -> Result<Replay, Unpriced> {
    let regime: Regime = row.regime.parse()?;
    let graph = op_graph(row)?;
    reached(&graph, system)?;
    Ok(Replay::new(&graph, system, regime.conditions()))
}

/// Refuses exchanges among more chips than a link of the chip reaches.
fn reached(graph: &OpGraph, system: &System) -> Result<(), Unpriced> {
    let chips = graph.operators().filter_map(|op| match &op.kind {
        OpKind::Collective(collective) => Some(collective.chips),
        _ => None,
    });
    let most = system.links.iter().map(|link| link.peers + 1).max();
    match chips.max() {
        Some(chips) if chips > most.unwrap_or(1) => Err(Unpriced::Unreached(system.name.clone())),
        Some(_) | None => Ok(()),
    }
}

fn one(row: &OpRow, chip: &Prepared<'_>, memo: &Memo) -> Result<OpPrice, Unpriced> {
    let regime: Regime = row.regime.parse()?;
    let graph = op_graph(row)?;
    reached(&graph, chip.system)?;
    let price = isolated(&graph, chip, regime.conditions(), memo);
    price.map_err(|_| Unpriced::NoMapping(chip.system.name.clone()))
}
