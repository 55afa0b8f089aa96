//! Predicted against measured: one dot per row, a line where both are equal, and lines a quarter off.

use super::PlotError;
use super::axis;
use super::color::{self, AXIS, Color, N_CATEGORIES, SOFT_INK, WHITE};
use super::font;
use super::page;
use super::render::check_count;
use super::scale::{Scale, extent};
use super::scene::{Anchor, Area, Scene, Text};

/// Rows that were measured and predicted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Agreement {
    /// First line.
    pub title: String,
    /// Second line.
    pub subtitle: String,
    /// What is compared: `time`.
    pub quantity: String,
    /// SI unit of the values: `s`.
    pub unit: String,
    /// The rows.
    pub points: Vec<AgreementPoint>,
}

/// One row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AgreementPoint {
    /// Measured, above zero.
    pub measured: f64,
    /// Predicted, above zero.
    pub predicted: f64,
    /// What it is colored by, such as the chip.
    pub group: String,
}

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 560.0;

/// How far off the side lines are.
const OFF: f64 = 0.25;

impl Agreement {
    pub(super) fn scene(&self) -> Result<Scene, PlotError> {
        check_count(self.points.len())?;
        let mut scene = Scene::new(WIDTH, HEIGHT, &self.title);
        let is_drawable = |v: f64| v.is_finite() && v > 0.0;
        let drawn: Vec<&AgreementPoint> = self
            .points
            .iter()
            .filter(|p| is_drawable(p.measured) && is_drawable(p.predicted))
            .collect();
        let weights = drawn.iter().map(|p| (p.group.as_str(), 1.0));
        let groups = page::heaviest(weights, N_CATEGORIES);
        let of_group = |group: &str| {
            let place = groups.iter().position(|g| g == group);
            color::category(place.unwrap_or(N_CATEGORIES))
        };
        let top = page::heading(&mut scene, &self.title, &self.subtitle);
        let mut entries: Vec<(String, Color)> = groups
            .iter()
            .map(|g| (font::clean(g), of_group(g)))
            .collect();
        if drawn.iter().any(|p| !groups.contains(&p.group)) {
            entries.push(("other".to_owned(), color::OTHER));
        }
        let room = WIDTH - 2.0 * page::MARGIN;
        let top = top + page::legend(&mut scene, (page::MARGIN, top), room, &entries) + 6.0;

        let both = drawn.iter().flat_map(|p| [p.measured, p.predicted]);
        let (low, high) = extent(both).unwrap_or((1.0, 10.0));
        // A single row still needs an axis.
        let (low, high) = if high > 2.0 * low {
            (low, high)
        } else {
            (low / 2.0, high * 2.0)
        };
        let scale = Scale::log(low, high, 0.04);
        let plot = Area {
            left: page::MARGIN + axis::left_margin(&scale, &self.unit),
            top,
            right: WIDTH - page::MARGIN - 8.0,
            bottom: HEIGHT - 62.0,
        };
        let (x_title, y_title) = (
            scale.title(&format!("Measured {}", self.quantity), &self.unit),
            scale.title(&format!("Predicted {}", self.quantity), &self.unit),
        );
        axis::draw(
            &mut scene,
            plot,
            (&scale, &x_title, &self.unit),
            (&scale, &y_title, &self.unit),
        );
        let at = |x: f64, y: f64| {
            (
                plot.left + scale.share(x) * plot.width(),
                plot.bottom - scale.share(y) * plot.height(),
            )
        };
        let (first, last) = (scale.at(0.0), scale.at(1.0));
        scene.line([at(first, first), at(last, last)], 1.4, AXIS);
        for off in [1.0 + OFF, 1.0 / (1.0 + OFF)] {
            let (start, end) = (first.max(first / off), last.min(last / off));
            scene.line(
                [at(start, start * off), at(end, end * off)],
                0.8,
                SOFT_INK.alpha(0.5),
            );
        }
        let corner = at(last, last / (1.0 + OFF));
        let label = Text::new("± 25 %", (corner.0 - 4.0, corner.1 + 16.0), 10.0);
        scene.text(label.anchor(Anchor::End).soft().halo());
        for point in &drawn {
            let color = of_group(&point.group).alpha(0.7);
            scene.circle(at(point.measured, point.predicted), 2.4, color, Some(WHITE));
        }
        let n_left_out = self.points.len() - drawn.len();
        if n_left_out > 0 {
            page::footnote(
                &mut scene,
                &format!("{} not drawn (no prediction)", page::points_are(n_left_out)),
            );
        }
        Ok(scene)
    }
}
