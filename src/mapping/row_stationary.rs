//! Row-stationary mappings of a convolution: the choices that a chip's designer has, and the nest they make.

use crate::hardware::{RowStationary, System};
use crate::workload::{Axis, Class, Einsum, Slot};

use super::{Chain, Loop, Nest, Step};

/// Most outputs along a side: larger ones are no images.
const MAX_OUTPUTS: u64 = 1 << 16;
/// Most multiplications, and most inputs with padding, of a convolution: counts then fit 64 bits.
const MAX_WORDS: f64 = (1_u64 << 56) as f64;

/// A two-dimensional convolution by sizes; all channel counts are those of one group.
#[derive(Clone, Debug, PartialEq)]
pub struct ConvSizes {
    /// Groups.
    pub groups: u64,
    /// Images.
    pub images: u64,
    /// Output channels.
    pub filters: u64,
    /// Input channels.
    pub channels: u64,
    /// Rows, then columns.
    pub sides: [Side; 2],
    /// Ranks of the Einsum: `[groups, images, filters, channels]`.
    ranks: [Option<u8>; 4],
}

/// One of the two dimensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Side {
    /// Outputs.
    pub outputs: u64,
    /// Taps of the filter.
    pub taps: u64,
    /// Inputs from one output to the next.
    pub stride: u64,
    /// Inputs that are stored, without padding.
    pub stored: u64,
    /// Ranks of outputs and of taps.
    ranks: [u8; 2],
}

/// The choices for one convolution, named as in the paper.
///
/// Source: Chen et al., "Eyeriss: An Energy-Efficient Reconfigurable Accelerator for Deep Convolutional Neural
/// Networks", JSSC 52 (2017), table of mapping parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowPlan {
    /// Output channels whose sums the buffer keeps.
    pub m: u64,
    /// Images whose sums it keeps.
    pub n: u64,
    /// Output rows of a strip: columns of a set of engines.
    pub e: u64,
    /// Output channels that an engine interleaves.
    pub p: u64,
    /// Input channels that an engine interleaves.
    pub q: u64,
    /// Sets, one above the other, whose sums over input channels meet.
    pub r: u64,
    /// Sets for different output channels: one above the other, and side by side.
    pub t: [u64; 2],
    /// Output columns of a strip.
    pub f: u64,
}

impl ConvSizes {
    /// Of an Einsum, if it is such a convolution, without dilation and of a countable size.
    pub fn of(einsum: &Einsum) -> Option<Self> {
        let (mut sides, mut inside) = (Vec::new(), Vec::new());
        for axis in einsum.operand(Slot::Lhs) {
            if axis.terms.len() == 2 {
                let side = side(einsum, axis)?;
                inside.extend(side.ranks);
                sides.push(side);
            }
        }
        let sides: [Side; 2] = sides.try_into().ok()?;
        let mut ranks = [None; 4];
        for (i, rank) in (0_u8..).zip(&einsum.ranks) {
            if inside.contains(&i) {
                continue;
            }
            let place = &mut ranks[match rank.class {
                Class::G => 0,
                Class::M => 1,
                Class::N => 2,
                Class::K => 3,
            }];
            if place.replace(i).is_some() {
                return None;
            }
        }
        let size = |rank: Option<u8>| rank.map_or(1, |i| einsum.ranks[usize::from(i)].size);
        let inputs = sides
            .iter()
            .map(|s| s.reach(s.outputs).max(s.stored) as f64);
        let channels = [ranks[0], ranks[1], ranks[3]].map(|rank| size(rank) as f64);
        let inputs = inputs.chain(channels).product::<f64>();
        if sides.iter().any(|s| s.outputs > MAX_OUTPUTS) || einsum.macs().max(inputs) > MAX_WORDS {
            return None;
        }
        Some(Self {
            groups: size(ranks[0]),
            images: size(ranks[1]),
            filters: size(ranks[2]),
            channels: size(ranks[3]),
            sides,
            ranks,
        })
    }

    /// The same convolution of inputs that lie there with their padding, as the buffer holds them.
    pub fn padded(&self, einsum: &Einsum) -> Einsum {
        let mut einsum = einsum.clone();
        for axis in einsum.lhs.iter_mut().filter(|a| a.terms.len() == 2) {
            let is_along = |s: &&Side| axis.terms.iter().any(|t| t.rank == s.ranks[0]);
            if let Some(side) = self.sides.iter().find(is_along) {
                axis.size = side.reach(side.outputs);
            }
        }
        einsum
    }
}

fn side(einsum: &Einsum, axis: &Axis) -> Option<Side> {
    let class = |term: usize| einsum.ranks[usize::from(axis.terms[term].rank)].class;
    let (out, tap) = match (class(0), class(1)) {
        (Class::M, Class::K) => (axis.terms[0], axis.terms[1]),
        (Class::K, Class::M) => (axis.terms[1], axis.terms[0]),
        (Class::G | Class::M | Class::N | Class::K, _) => return None,
    };
    let size = |rank: u8| einsum.ranks[usize::from(rank)].size;
    let side = Side {
        outputs: size(out.rank),
        taps: size(tap.rank),
        stride: u64::from(out.coefficient),
        stored: axis.size,
        ranks: [out.rank, tap.rank],
    };
    // Rows of a dilated filter are no neighbors: no diagonal carries them.
    (tap.coefficient == 1 || side.taps == 1).then_some(side)
}

impl Side {
    /// Inputs, padding included, that so many neighboring outputs need.
    pub fn reach(&self, outputs: u64) -> u64 {
        outputs
            .saturating_sub(1)
            .saturating_mul(self.stride)
            .saturating_add(self.taps)
    }

    /// Inputs of all strips of so many outputs, padding and what neighbors share included.
    pub fn touched(&self, strip: u64) -> u64 {
        let (whole, rest) = (self.outputs / strip, self.outputs % strip);
        let last = if rest > 0 { self.reach(rest) } else { 0 };
        whole.saturating_mul(self.reach(strip)).saturating_add(last)
    }

    /// Stored inputs of all strips: as [`Side::touched`] without padding, which lies on both sides equally, the
    /// odd one behind.
    pub fn fetched(&self, strip: u64) -> u64 {
        let before = self.reach(self.outputs).saturating_sub(self.stored) / 2;
        let end = before + self.stored;
        let strips = (0..self.outputs.div_ceil(strip)).map(|i| {
            let first = i * strip;
            let outputs = strip.min(self.outputs - first);
            let from = first.saturating_mul(self.stride);
            let to = from.saturating_add(self.reach(outputs));
            to.min(end).saturating_sub(from.max(before))
        });
        strips.sum()
    }
}

impl RowPlan {
    /// Passes over the engines for one strip: `groups · N/n · M/m · C/(q·r) · m/(p·t)`.
    pub fn passes(&self, conv: &ConvSizes) -> u64 {
        let filters = self.filters_of_pass();
        conv.groups
            * conv.images.div_ceil(self.n)
            * (conv.filters / self.m)
            * (conv.channels / self.channels_of_pass())
            * (self.m / filters)
    }

    /// Output channels of a pass, `p·t`.
    pub fn filters_of_pass(&self) -> u64 {
        self.p * self.t[0] * self.t[1]
    }

    /// Input channels of a pass, `q·r`.
    pub fn channels_of_pass(&self) -> u64 {
        self.q * self.r
    }

    /// The loop nest, outermost first: groups, output channels, strips of rows and columns, images; sums are kept
    /// over the channel loop, inputs over the loop of output channels; a pass with its sets side by side; images
    /// and columns slide past resident filter rows; channels, filters and taps inside of an engine.
    pub fn nest(
        &self,
        conv: &ConvSizes,
        system: &System,
        chain: &Chain,
        rows: &RowStationary,
    ) -> Nest {
        let [groups, images, filters, channels] = conv.ranks;
        let [row, column] = conv.sides;
        let across = system.fanouts[rows.fanout].axes[1].size;
        let folds = self.e.div_ceil(across);
        let level = |memory: usize| {
            let found = (0..chain.levels.len()).find(|l| chain.memory(*l) == Some(memory));
            found.expect("roles are taken by memories above the engine") as u16
        };
        let mut steps = Vec::new();
        let keep = |memory: usize, slots: &[Slot]| Step::Keep {
            level: level(memory),
            slots: Slot::ALL.map(|slot| slots.contains(&slot)),
        };
        let time = |rank: Option<u8>, factor: u64| {
            let real = rank.filter(|_| factor > 1);
            real.map(|rank| Step::Loop(Loop::temporal(rank, factor)))
        };
        let fanout = chain
            .levels
            .iter()
            .position(|l| matches!(l, super::Level::Fanout { fanout } if *fanout == rows.fanout));
        let fanout = fanout.expect("the engine hangs below it") as u16;
        let beside = |rank: Option<u8>, factor: u64, axis: u8| {
            let real = rank.filter(|_| factor > 1);
            real.map(|rank| Step::Loop(Loop::spatial(rank, factor, fanout, axis)))
        };
        steps.push(keep(0, &Slot::ALL));
        steps.extend(time(groups, conv.groups));
        steps.extend(time(filters, conv.filters / self.m));
        steps.extend(time(Some(row.ranks[0]), row.outputs.div_ceil(self.e)));
        steps.extend(time(Some(column.ranks[0]), column.outputs.div_ceil(self.f)));
        steps.extend(time(images, conv.images / self.n));
        steps.push(keep(rows.buffer, &[Slot::Acc]));
        steps.extend(time(channels, conv.channels / self.channels_of_pass()));
        steps.push(keep(rows.buffer, &[Slot::Lhs]));
        steps.extend(time(filters, self.m / self.filters_of_pass()));
        steps.extend(rows.prefetch.map(|memory| keep(memory, &[Slot::Rhs])));
        steps.extend(beside(Some(row.ranks[1]), row.taps, 0));
        steps.extend(beside(channels, self.r, 0));
        steps.extend(beside(filters, self.t[0], 0));
        steps.extend(beside(Some(row.ranks[0]), folds, 0));
        steps.extend(beside(filters, self.t[1], 1));
        steps.extend(beside(Some(row.ranks[0]), self.e.div_ceil(folds), 1));
        steps.push(keep(rows.spads[1], &[Slot::Rhs]));
        steps.extend(time(images, self.n));
        steps.extend(time(Some(column.ranks[0]), self.f));
        steps.push(keep(rows.spads[0], &[Slot::Lhs]));
        steps.push(keep(rows.spads[2], &[Slot::Acc]));
        steps.extend(time(channels, self.q));
        steps.extend(time(filters, self.p));
        steps.extend(time(Some(column.ranks[1]), column.taps));
        Nest { steps }
    }
}
