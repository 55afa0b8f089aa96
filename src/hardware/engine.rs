//! Matrix and vector engines.

use super::chip::{Chip, disagree};
use super::keys::{SLOTS, dtypes, refuse, refuse_not_modelled};
use super::{systolic, zeros};
use crate::document::Reader;
use crate::hardware::{Array, Class, FanAxis, NativeTile, Node, Vector};
use crate::technology;
use crate::units::{Hertz, Joules, SquareMeters, Watts};
use crate::workload::{Dtype, Slot};

/// Most MACs or operations per cycle of one leaf.
const MAX_RATE: f64 = 1e12;

/// Reads one matrix engine; `axes` are those of its nearest fan-out.
pub(super) fn array<'a>(
    chip: &Chip<'a>,
    name: &str,
    reader: &Reader<'a>,
    place: (Vec<Node>, u64),
    axes: Option<&[FanAxis]>,
) -> Array {
    refuse_not_modelled(reader);
    refuse_kind(reader);
    let rate = rates(reader, "rate");
    if rate.is_empty() && reader.raw().get("rate").is_none() {
        reader.missing(
            "rate",
            "MACs per cycle of one leaf, e.g. rate = { bf16 = 512 }",
        );
    }
    let (achievable, reason) = match chip.class {
        Class::Gpu => (0.85, "measured GPUs reach 0.76 to 0.93 in long products"),
        Class::Cpu => (0.8, "libraries reach 0.7 to 0.9 in long products"),
        Class::Npu | Class::Edge | Class::Imc | Class::Photonic => {
            (1.0, "losses follow from the mapping")
        }
    };
    let mut energy = energies(reader);
    let mut widest: Option<(Dtype, f64)> = None;
    for &(dtype, per_cycle) in &rate {
        if !energy.iter().any(|(d, _)| *d == dtype) {
            energy.extend(technology::mac_energy(chip.node, dtype).map(|e| (dtype, e)));
        }
        if widest.is_none_or(|(d, _)| dtype.bits() > d.bits()) {
            widest = Some((dtype, per_cycle));
        }
    }
    let area = widest.and_then(|(dtype, per_cycle)| {
        technology::mac_area(chip.node, dtype).map(|area| area * per_cycle)
    });
    Array {
        name: name.to_owned(),
        parents: place.0,
        rate,
        instances: place.1,
        clock: clock(chip, reader),
        tile: tile(reader),
        stationary: stationary(reader),
        swap: reader.boolean("swap").unwrap_or(false),
        systolic: systolic::read(reader, axes),
        zeros: zeros::read(reader),
        constant: reader.non_negative("static").unwrap_or(Watts::ZERO),
        acc: accumulators(reader),
        energy,
        area: reader.non_negative("area").or(area),
        achievable: chip.or(
            reader.share("achievable"),
            reader,
            "achievable",
            achievable,
            reason,
        ),
        source: chip.source_of(reader),
    }
}

fn refuse_kind(reader: &Reader) {
    match reader.choice(
        "kind",
        &[("digital", true), ("imc", false), ("photonic", false)],
    ) {
        Some(true) | None => {}
        Some(false) => refuse(reader, "kind"),
    }
}

fn clock(chip: &Chip, reader: &Reader) -> Hertz {
    reader.positive("clock").unwrap_or(chip.clock)
}

/// Rates by format, widest first.
fn rates(reader: &Reader, key: &'static str) -> Vec<(Dtype, f64)> {
    let Some(table) = reader.table(key) else {
        return Vec::new();
    };
    let mut found: Vec<(Dtype, f64)> = Vec::new();
    for (name, node) in table.all() {
        let seen: Vec<Dtype> = found.iter().map(|(d, _)| *d).collect();
        let Some(dtype) = dtype(&table, name, &seen) else {
            continue;
        };
        let value = table.number_of(name, node, f64::MIN..=MAX_RATE);
        match value {
            Some(rate) if rate > 0.0 => found.push((dtype, rate)),
            Some(_) => table.out_of_range(name, node, "must be above zero"),
            None => {}
        }
    }
    found.sort_by(|a, b| b.0.bits().total_cmp(&a.0.bits()).then(a.0.cmp(&b.0)));
    found
}

/// The format a key names, unless another key named it before.
pub(super) fn dtype(table: &Reader, name: &str, seen: &[Dtype]) -> Option<Dtype> {
    let dtype = Dtype::parse(name);
    if let Some(twice) = dtype.filter(|d| seen.contains(d)) {
        let message = format!("`{}` gives {twice} a second time", table.path_of(name));
        disagree(table, name, message, "keep one of the two names");
        return None;
    }
    if dtype.is_none() {
        let path = table.path_of(name);
        let message = format!("unknown key `{path}`: `{name}` is not a data type");
        let problem = table.key_problem(name, crate::diag::Code::UnknownKey, message);
        let words = dtypes();
        let names = words.iter().map(|w| w.0);
        table.push(match crate::diag::did_you_mean(name, names) {
            Some(label) => problem.label(label),
            None => problem,
        });
    }
    dtype
}

fn energies(reader: &Reader) -> Vec<(Dtype, Joules)> {
    let Some(table) = reader.table("energy") else {
        return Vec::new();
    };
    let mut found: Vec<(Dtype, _)> = Vec::new();
    for (name, node) in table.all() {
        let seen: Vec<Dtype> = found.iter().map(|(d, _)| *d).collect();
        let Some(dtype) = dtype(&table, name, &seen) else {
            continue;
        };
        match table.typed::<Joules>(name, node) {
            Some(energy) if energy.0 >= 0.0 => found.push((dtype, energy)),
            Some(_) => table.out_of_range(name, node, "must not be negative"),
            None => {}
        }
    }
    found
}

fn accumulators(reader: &Reader) -> Vec<(Dtype, Dtype)> {
    let Some(table) = reader.table("acc") else {
        return Vec::new();
    };
    let words = dtypes();
    let mut found: Vec<(Dtype, _)> = Vec::new();
    for (name, node) in table.all() {
        let seen: Vec<Dtype> = found.iter().map(|(d, _)| *d).collect();
        let (of, to) = (
            dtype(&table, name, &seen),
            table.choice_of(name, node, &words),
        );
        found.extend(of.zip(to));
    }
    found
}

fn tile(reader: &Reader) -> Option<NativeTile> {
    let table = reader.table("tile")?;
    let side = |key: &'static str| {
        if table.raw().get(key).is_none() {
            table.missing(key, "a native tile has M, N and K");
        }
        table.integer(key, 1..=1 << 20)
    };
    let sides = (side("M"), side("N"), side("K"));
    table.finish();
    match sides {
        (Some(m), Some(n), Some(k)) => Some(NativeTile { m, n, k }),
        _ => None,
    }
}

fn stationary(reader: &Reader) -> Option<Slot> {
    let [lhs, rhs, acc] = SLOTS.map(|(name, slot)| (name, Some(slot)));
    reader
        .choice("stationary", &[lhs, rhs, acc, ("any", None)])
        .flatten()
}

/// Reads one vector engine.
pub(super) fn vector<'a>(
    chip: &Chip<'a>,
    name: &str,
    reader: &Reader<'a>,
    place: (Vec<Node>, u64),
) -> Vector {
    refuse_not_modelled(reader);
    if reader.raw().get("lanes").is_none() {
        reader.missing("lanes", "lanes of one instance, e.g. lanes = 32");
    }
    let lanes = reader.integer("lanes", 1..=1 << 32).unwrap_or(1);
    let (mut rate, exp) = vector_rates(reader);
    if rate.is_empty() {
        if reader.raw().get("rate").is_none() {
            let reason = "one simple operation per lane and cycle";
            chip.assume(reader.path_of("rate"), "fp32 = 1", reason);
        }
        rate.push((Dtype::Fp32, 1.0));
    }
    let named = reader.number("special", f64::MIN_POSITIVE..=MAX_RATE);
    if let (Some(_), Some(_)) = (exp, named) {
        let path = reader.path();
        let message = format!("`{path}` has both `special` and `rate.exp`");
        disagree(reader, "special", message, "keep one of them");
    }
    let reason =
        "special-function units of GPUs are 1/4 (A100) to 1/8 (H100) as wide as their lanes";
    let special = exp.unwrap_or_else(|| chip.or(named, reader, "special", 0.125, reason));
    let mut energy = energies(reader);
    for &(dtype, _) in &rate {
        if !energy.iter().any(|(d, _)| *d == dtype) {
            energy.push((dtype, technology::op_energy(chip.node, dtype)));
        }
    }
    let widest = rate[0];
    let area: Option<SquareMeters> =
        technology::mac_area(chip.node, widest.0).map(|area| area * (widest.1 * lanes as f64));
    Vector {
        name: name.to_owned(),
        parents: place.0,
        lanes,
        rate,
        special,
        instances: place.1,
        clock: clock(chip, reader),
        energy,
        area: reader.non_negative("area").or(area),
        source: chip.source_of(reader),
    }
}

/// Rates by format, widest first, and that of special functions.
fn vector_rates(reader: &Reader) -> (Vec<(Dtype, f64)>, Option<f64>) {
    let Some(table) = reader.table("rate") else {
        return (Vec::new(), None);
    };
    let mut rates: Vec<(Dtype, f64)> = Vec::new();
    let mut special = None;
    for (name, node) in table.all() {
        let value = table.number_of(name, node, f64::MIN_POSITIVE..=MAX_RATE);
        if name == "exp" {
            special = value;
            continue;
        }
        let seen: Vec<Dtype> = rates.iter().map(|(d, _)| *d).collect();
        if let Some(dtype) = dtype(&table, name, &seen) {
            rates.extend(value.map(|v| (dtype, v)));
        }
    }
    rates.sort_by(|a, b| b.0.bits().total_cmp(&a.0.bits()).then(a.0.cmp(&b.0)));
    (rates, special)
}
