//! Loop nests as lines of text.
//!
//! `glb: Inputs, Weights` keeps tiles; `for K in 16` is a loop; `par C in 16 on pe.0` runs side by side on
//! axis 0 of the fan-out `pe`.

use crate::hardware::System;
use crate::workload::{Einsum, Slot};

use super::{Chain, Level, Loop, Nest, Place, Step};

/// Reads one line.
///
/// # Errors
/// What is wrong with it, and what would be right.
pub(super) fn parse(
    line: &str,
    einsum: &Einsum,
    tensors: &[String; 3],
    system: &System,
    chain: &Chain,
) -> Result<Step, (String, String)> {
    let form = "lines read `glb: Inputs, Weights`, `for K in 16` or `par K in 16 on pe.0`";
    let words: Vec<&str> = line.split_whitespace().collect();
    match words.as_slice() {
        ["for", rank, "in", factor] => Ok(Step::Loop(Loop::temporal(
            rank_of(rank, einsum)?,
            factor_of(factor)?,
        ))),
        ["par", rank, "in", factor, "on", place] => Ok(Step::Loop(Loop {
            rank: rank_of(rank, einsum)?,
            factor: factor_of(factor)?,
            place: Some(place_of(place, system, chain)?),
        })),
        _ => match line.split_once(':') {
            Some((memory, kept)) => keep(memory.trim(), kept, tensors, system, chain),
            None => Err((format!("`{line}` is no line of a nest"), form.into())),
        },
    }
}

/// Writes a nest, one line a step, without an end of line.
pub(super) fn write(
    nest: &Nest,
    einsum: &Einsum,
    tensors: &[String; 3],
    system: &System,
    chain: &Chain,
) -> Vec<String> {
    let line = |step: &Step| match step {
        Step::Keep { level, slots } => {
            let kept = Slot::ALL.into_iter().filter(|s| slots[*s as usize]);
            let kept: Vec<&str> = kept.map(|s| tensors[s as usize].as_str()).collect();
            let name = chain.name(system, usize::from(*level));
            format!("{name}: {}", kept.join(", "))
        }
        Step::Loop(l) => {
            let rank = einsum.ranks[l.rank as usize].name;
            match l.place {
                None => format!("for {rank} in {}", l.factor),
                Some(Place { level, axis }) => {
                    let name = chain.name(system, usize::from(level));
                    format!("par {rank} in {} on {name}.{axis}", l.factor)
                }
            }
        }
    };
    nest.steps.iter().map(line).collect()
}

fn keep(
    memory: &str,
    kept: &str,
    tensors: &[String; 3],
    system: &System,
    chain: &Chain,
) -> Result<Step, (String, String)> {
    let levels = || 0..chain.levels.len();
    let level = levels().find(|&l| chain.memory(l).is_some() && chain.name(system, l) == memory);
    let Some(level) = level else {
        let names = levels().filter(|&l| chain.memory(l).is_some());
        let names: Vec<&str> = names.map(|l| chain.name(system, l)).collect();
        let message = format!("no memory is called `{memory}`");
        return Err((message, format!("there are: {}", names.join(", "))));
    };
    let mut slots = [false; 3];
    for name in kept.split(',').map(str::trim).filter(|n| !n.is_empty()) {
        let Some(slot) = tensors.iter().position(|t| t == name) else {
            let message = format!("no tensor is called `{name}`");
            return Err((message, format!("there are: {}", tensors.join(", "))));
        };
        if !chain.holds(level, Slot::ALL[slot]) {
            let slot = ["lhs", "rhs", "acc"][slot];
            let message = format!("`{memory}` does not hold `{slot}`, which is `{name}`");
            return Err((message, "its chip file says so in `holds`".into()));
        }
        slots[slot] = true;
    }
    let level = u16::try_from(level).expect("chips have fewer components");
    Ok(Step::Keep { level, slots })
}

fn rank_of(name: &str, einsum: &Einsum) -> Result<u8, (String, String)> {
    let found = einsum.ranks.iter().position(|r| r.name.as_str() == name);
    found.map(|i| i as u8).ok_or_else(|| {
        let names: Vec<&str> = einsum.ranks.iter().map(|r| r.name.as_str()).collect();
        (
            format!("no rank is called `{name}`"),
            format!("there are: {}", names.join(", ")),
        )
    })
}

fn factor_of(text: &str) -> Result<u64, (String, String)> {
    let found = text.parse().ok().filter(|f| *f >= 1);
    found.ok_or_else(|| {
        (
            format!("`{text}` is no number of iterations"),
            "give a whole number of at least 1".into(),
        )
    })
}

fn place_of(text: &str, system: &System, chain: &Chain) -> Result<Place, (String, String)> {
    let (name, axis) = text.split_once('.').unwrap_or((text, "0"));
    let places = chain.levels.iter().enumerate();
    let mut fanouts = places.filter_map(|(level, at)| match at {
        Level::Fanout { fanout } => Some((level, &system.fanouts[*fanout])),
        Level::Memory { .. } => None,
    });
    let found = fanouts.clone().find(|(_, fanout)| fanout.name == name);
    let axis: Option<u8> = axis.parse().ok();
    match (found, axis) {
        (Some((level, fanout)), Some(axis)) if usize::from(axis) < fanout.axes.len() => Ok(Place {
            level: u16::try_from(level).expect("chips have fewer components"),
            axis,
        }),
        (Some((_, fanout)), _) => Err((
            format!("`{name}` has no such axis: `{text}`"),
            format!("it has {}, counted from 0", fanout.axes.len()),
        )),
        (None, _) => {
            let names: Vec<&str> = fanouts.by_ref().map(|(_, f)| f.name.as_str()).collect();
            let help = if names.is_empty() {
                "the chip has none".to_owned()
            } else {
                format!("there are: {}", names.join(", "))
            };
            Err((format!("no fan-out is called `{name}`"), help))
        }
    }
}
