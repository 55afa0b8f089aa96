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
}

/// A label found a place; `leader` runs to it when it is not beside its point.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Placed {
    pub(super) text: Text,
    pub(super) leader: Option<[Point; 2]>,
}

impl Layout {
    pub(super) fn new(page: Area) -> Self {
        Self {
            page,
            solid: Vec::new(),
            soft: Vec::new(),
        }
    }

    /// Covers a line with small soft squares.
    pub(super) fn avoid_line(&mut self, from: Point, to: Point) {
        let length = (to.0 - from.0).hypot(to.1 - from.1);
        let n = ((length / 6.0).ceil() as usize).min(400);
        for i in 0..=n {
            let share = i as f64 / n.max(1) as f64;
            let at = (
                from.0 + (to.0 - from.0) * share,
                from.1 + (to.1 - from.1) * share,
            );
            self.soft.push(Area::around(at, 2.0));
        }
    }

    /// The best free place near a mark of the given radius, which is then taken; `None` if all are full.
    pub(super) fn place(
        &mut self,
        label: &str,
        at: Point,
        radius: f64,
        size: f64,
    ) -> Option<Placed> {
        let mut best: Option<(usize, Placed)> = None;
        for (distance, is_far) in [(4.0, false), (14.0, true), (28.0, true), (46.0, true)] {
            for (dx, dy, anchor) in DIRECTIONS {
                let reach = radius + distance;
                let beside = (
                    at.0 + dx * reach,
                    at.1 + dy * reach + (0.35 + 0.45 * dy) * size,
                );
                let text = Text::new(label, beside, size).anchor(anchor).halo();
                let area = text.area();
                if !self.page.contains(&area) || self.solid.iter().any(|s| s.overlaps(&area)) {
                    continue;
                }
                let hits = self.soft.iter().filter(|s| s.overlaps(&area)).count();
                // A leader is worth two crossed marks.
                let cost = hits
                    + if is_far {
                        2 + distance as usize / 14
                    } else {
                        0
                    };
                if best.as_ref().is_none_or(|(least, _)| cost < *least) {
                    let leader = is_far.then(|| {
                        let near = radius + 1.0;
                        let far = reach - 2.0;
                        [
                            (at.0 + dx * near, at.1 + dy * near),
                            (at.0 + dx * far, at.1 + dy * far),
                        ]
                    });
                    best = Some((cost, Placed { text, leader }));
                }
            }
            if best.as_ref().is_some_and(|(cost, _)| *cost == 0) {
                break;
            }
        }
        let (_, placed) = best?;
        self.solid.push(placed.text.area());
        Some(placed)
    }
}

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
