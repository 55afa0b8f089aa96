//! Places for labels so that none covers another.

use super::font;
use super::scene::{Anchor, Area, Point, Text};

/// What labels must keep clear of.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    /// Labels stay inside.
    pub(super) page: Area,
    /// Other labels and large marks: never covered.
    pub(super) solid: Vec<Area>,
    /// Lines and small marks: covered only if there is no better place.
    pub(super) soft: Vec<Area>,
    /// The labels and leaders among `solid`: a leader must not cross them.
    labels: Vec<Area>,
}

/// A label found a place; `leader` runs to it when it is not beside its point.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Placed {
    pub(super) text: Text,
    pub(super) leader: Option<[Point; 2]>,
}

impl Layout {
    pub(super) fn new(page: Area) -> Self {
        // Halos must not bite into the frame.
        let page = Area {
            left: page.left + 3.0,
            top: page.top,
            right: page.right - 3.0,
            bottom: page.bottom - 3.0,
        };
        Self {
            page,
            solid: Vec::new(),
            soft: Vec::new(),
            labels: Vec::new(),
        }
    }

    /// Covers a line with small soft squares.
    pub(super) fn avoid_line(&mut self, from: Point, to: Point) {
        self.soft.extend(squares([from, to]));
    }

    /// Reserves the place of a label.
    pub(super) fn take(&mut self, area: Area) {
        self.solid.push(area);
        self.labels.push(area);
    }

    /// How many marks and lines an area covers; `None` if a label is there.
    pub(super) fn cost(&self, area: &Area) -> Option<usize> {
        if self.labels.iter().any(|s| s.overlaps(area)) {
            return None;
        }
        let covered = |list: &[Area]| list.iter().filter(|s| s.overlaps(area)).count();
        Some(covered(&self.soft) + covered(&self.solid))
    }

    /// The best free place near a mark of the given radius, which is then taken.
    ///
    /// `None` if every place is full or covers more than `hits_max` soft marks.
    pub(super) fn place(
        &mut self,
        label: &str,
        at: Point,
        radius: f64,
        size: f64,
        hits_max: usize,
    ) -> Option<Placed> {
        let mut best: Option<(usize, Placed)> = None;
        for (far, distance) in DISTANCES.into_iter().enumerate() {
            for (dx, dy, anchor) in DIRECTIONS {
                let reach = radius + distance;
                let beside = (
                    at.0 + dx * reach,
                    at.1 + dy * reach + (0.35 + 0.45 * dy) * size,
                );
                let text = Text::new(label, beside, size).anchor(anchor).halo();
                let leader = (far > 0).then(|| {
                    let (near, far) = (radius + 1.0, reach - 2.0);
                    [
                        (at.0 + dx * near, at.1 + dy * near),
                        (at.0 + dx * far, at.1 + dy * far),
                    ]
                });
                let Some(hits) = self.hits(&text.area(), leader).filter(|n| *n <= hits_max) else {
                    continue;
                };
                // A covered mark is worse than a leader.
                let cost = 4 * hits + far;
                if best.as_ref().is_none_or(|(least, _)| cost < *least) {
                    best = Some((cost, Placed { text, leader }));
                }
            }
        }
        let (_, placed) = best?;
        self.take(placed.text.area());
        for square in placed.leader.into_iter().flat_map(squares) {
            self.take(square);
        }
        Some(placed)
    }

    /// Soft marks under a label; `None` where it or its leader must not be.
    fn hits(&self, area: &Area, leader: Option<[Point; 2]>) -> Option<usize> {
        if !self.page.contains(area) || self.solid.iter().any(|s| s.overlaps(area)) {
            return None;
        }
        let path = leader.map_or_else(Vec::new, squares);
        if path
            .iter()
            .any(|p| self.labels.iter().any(|l| l.overlaps(p)))
        {
            return None;
        }
        let beside = Area {
            left: area.left - 2.0,
            right: area.right + 2.0,
            ..*area
        };
        Some(self.soft.iter().filter(|s| s.overlaps(&beside)).count())
    }
}

/// Small squares along a line.
fn squares([from, to]: [Point; 2]) -> Vec<Area> {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let n = ((dx.hypot(dy) / 5.0).ceil() as usize).min(400);
    let step = |i: usize| {
        let share = i as f64 / n.max(1) as f64;
        Area::around((from.0 + dx * share, from.1 + dy * share), 1.5)
    };
    (0..=n).map(step).collect()
}

/// From the mark's edge to the label.
const DISTANCES: [f64; 6] = [4.0, 14.0, 28.0, 46.0, 66.0, 90.0];

/// Unit vectors and the side of the text that faces the mark.
const DIRECTIONS: [(f64, f64, Anchor); 8] = [
    (1.0, 0.0, Anchor::Start),
    (0.7, -0.7, Anchor::Start),
    (-1.0, 0.0, Anchor::End),
    (0.7, 0.7, Anchor::Start),
    (-0.7, -0.7, Anchor::End),
    (0.0, -1.0, Anchor::Middle),
    (0.0, 1.0, Anchor::Middle),
    (-0.7, 0.7, Anchor::End),
];

/// Entries with a color square or dot, in rows; returns their places and the height they take.
pub(super) fn legend_rows(labels: &[String], size: f64, width: f64) -> (Vec<Point>, f64) {
    let (mut x, mut row) = (0.0, 0.0);
    let mut places = Vec::with_capacity(labels.len());
    for label in labels {
        let step = font::width(label, size) + 30.0;
        if x > 0.0 && x + step - 12.0 > width {
            x = 0.0;
            row += 1.0;
        }
        places.push((x, row * (size + 6.0)));
        x += step;
    }
    let rows = if labels.is_empty() { 0.0 } else { row + 1.0 };
    (places, rows * (size + 6.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PAGE: Area = Area {
        left: 0.0,
        top: 0.0,
        right: 300.0,
        bottom: 200.0,
    };

    proptest! {
        #[test]
        fn labels_stay_inside_and_apart(
            marks in prop::collection::vec((0.0..300.0, 0.0..200.0, 1_usize..20), 1..30),
        ) {
            let mut layout = Layout::new(PAGE);
            let mut placed: Vec<Placed> = Vec::new();
            for (x, y, length) in marks {
                placed.extend(layout.place(&"m".repeat(length), (x, y), 3.0, 10.0, 9));
            }
            for (i, a) in placed.iter().enumerate() {
                prop_assert!(PAGE.contains(&a.text.area()));
                for b in &placed[..i] {
                    prop_assert!(!a.text.area().overlaps(&b.text.area()));
                }
            }
        }
    }

    #[test]
    fn a_free_place_beats_a_covered_one() {
        let mut layout = Layout::new(PAGE);
        layout.avoid_line((150.0, 100.0), (300.0, 100.0));
        let placed = layout
            .place("label", (150.0, 100.0), 3.0, 10.0, 9)
            .expect("room");
        assert_ne!(placed.text.at.1, 103.5, "not on the line: {placed:?}");
    }
}
