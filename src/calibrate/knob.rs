//! Coefficients that a calibration may turn, as paths of the chip's description.

use crate::hardware::kernels::{KnownSet, Origin};
use crate::hardware::{Profile, System};
use crate::units::{Dimension, Quantity};
use crate::workload::Stack;

/// Ratio of bounds from which a coefficient is moved by factors instead of differences.
const WIDE: f64 = 20.0;

/// One coefficient.
#[derive(Clone, Debug)]
pub struct Knob {
    /// Path in the chip's file, as `--set` takes it.
    pub path: String,
    /// Dimension of its unit.
    pub dimension: Dimension,
    /// Least and largest physical value, in SI units.
    pub bounds: [f64; 2],
    /// Value before, in SI units.
    pub start: f64,
    /// A value with its unit, as files write it.
    pub show: fn(f64) -> String,
    /// Whether it says how kernels are built, and is not fitted.
    pub is_built: bool,
}

impl Knob {
    /// Where a value lies between the bounds, 0 to 1: by factors where they are far apart, by squares where the
    /// lower one is zero, so that small values are told apart.
    pub(super) fn place(&self, value: f64) -> f64 {
        let [low, high] = self.bounds;
        let value = value.clamp(low, high);
        let place = if low == 0.0 {
            (value / high).sqrt()
        } else if high / low > WIDE {
            (value / low).ln() / (high / low).ln()
        } else {
            (value - low) / (high - low)
        };
        place.clamp(0.0, 1.0)
    }

    /// The value at a place, in SI units.
    pub(super) fn value(&self, place: f64) -> f64 {
        let [low, high] = self.bounds;
        let value = if low == 0.0 {
            high * place * place
        } else if high / low > WIDE {
            low * (high / low).powf(place)
        } else {
            low + (high - low) * place
        };
        value.clamp(low, high)
    }

    /// The value at a place, as a design point takes it.
    pub(super) fn quantity(&self, place: f64) -> Quantity {
        Quantity::new(self.value(place), self.dimension)
    }
}

/// Coefficients that are fitted together.
#[derive(Clone, Debug)]
pub struct Group {
    /// Path that they have in common; empty for those of the chip itself.
    pub path: String,
    /// Whose values the start is.
    pub from: Origin,
    /// The coefficients.
    pub knobs: Vec<Knob>,
    /// Values of other sets, where else a fit may start, in SI units.
    pub others: Vec<Vec<f64>>,
}

impl Group {
    /// Where a fit starts, as places: from the values before, and from some of the others.
    pub(super) fn starts(&self) -> Vec<Vec<f64>> {
        let own: Vec<f64> = self.knobs.iter().map(|knob| knob.start).collect();
        let all = std::iter::once(&own).chain(self.others.iter().take(OTHER_STARTS));
        let place = |values: &Vec<f64>| {
            let pairs = self.knobs.iter().zip(values);
            let of =
                |knob: &Knob, value| knob.place(if knob.is_built { knob.start } else { value });
            pairs.map(|(knob, value)| of(knob, *value)).collect()
        };
        all.map(place).collect()
    }
}

/// Most starts besides the values before.
const OTHER_STARTS: usize = 4;

/// The sets of kernels that rows of a stack may be priced by, then the chip's own achievable rates and overheads.
///
/// Formats without a set come first, special ones before those that stand in for them: once a format has a
/// set, its rows no longer depend on that of another one.
pub(super) fn groups(profile: &Profile, system: &System, stack: Stack) -> Vec<Group> {
    let kernels = system.kernels.as_deref();
    let mut known = kernels.map_or_else(Vec::new, |k| k.known(stack));
    known.reverse();
    known.sort_by_key(|set| set.from != Origin::Other);
    let mut groups: Vec<Group> = known.iter().map(kernel_group).collect();
    groups.push(general(profile, system));
    groups
}

/// Coefficients that say how a library's kernels are built. They are not fitted: the data would bend them to
/// make up for something else.
const BUILT: [&str; 2] = ["depth", "parts"];

fn kernel_group(set: &KnownSet) -> Group {
    let path = format!("kernels.{}.{}.{}", set.kind, set.format, set.stack.name());
    let pairs = set.fields.iter().zip(&set.values);
    let knobs = pairs.map(|(field, value)| Knob {
        path: format!("{path}.{}", field.key),
        dimension: field.dimension,
        bounds: [field.low, field.high],
        start: *value,
        show: field.show,
        is_built: BUILT.contains(&field.key),
    });
    Group {
        knobs: knobs.collect(),
        from: set.from,
        others: set.others.clone(),
        path,
    }
}

/// Bounds of shares of a peak that are reached.
const SHARE: [f64; 2] = [0.02, 1.0];

/// Bounds of launches.
const LAUNCH: [f64; 2] = [0.05e-6, 200e-6];

fn general(profile: &Profile, system: &System) -> Group {
    let settable = profile.settable();
    let share = |start: f64| {
        (
            Dimension::NONE,
            SHARE,
            start,
            show_share as fn(f64) -> String,
        )
    };
    let time = |start: f64| {
        (
            Dimension::TIME,
            LAUNCH,
            start,
            show_time as fn(f64) -> String,
        )
    };
    let mut all = vec![
        ("overhead.kernel".to_owned(), time(system.overhead.kernel.0)),
        ("overhead.launch".to_owned(), time(system.overhead.launch.0)),
    ];
    for memory in &system.memories {
        if let [port] = memory.ports.as_slice() {
            all.push((
                format!("memory.{}.achievable", memory.name),
                share(port.achievable),
            ));
        }
    }
    for array in &system.arrays {
        all.push((
            format!("array.{}.achievable", array.name),
            share(array.achievable),
        ));
    }
    let knobs = all
        .into_iter()
        .filter_map(|(path, (dimension, bounds, start, show))| {
            settable.contains(&path).then_some(Knob {
                path,
                dimension,
                bounds,
                start,
                show,
                is_built: false,
            })
        });
    Group {
        path: String::new(),
        from: Origin::Own,
        knobs: knobs.collect(),
        others: Vec::new(),
    }
}

fn show_share(value: f64) -> String {
    format!("{value:.4}")
}

fn show_time(value: f64) -> String {
    format!("{:.4} us", value * 1e6)
}
