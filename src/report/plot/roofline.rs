//! Roofline: operators by intensity and achieved rate, under the roofs of a chip.

use super::PlotError;
use super::axis;
use super::color::{self, AXIS, Color, N_CATEGORIES, SOFT_INK, WHITE};
use super::font;
use super::page;
use super::place::Layout;
use super::render::check_count;
use super::scale::{self, Scale};
use super::scene::{Anchor, Area, Point, Scene, Text};

/// A log-log roofline plot.
///
/// Source of the form: Williams, Waterman, Patterson, "Roofline: an insightful visual performance model
/// for multicore architectures", CACM 52(4), 2009.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Roofline {
    /// First line.
    pub title: String,
    /// Second line: model, batch, chip.
    pub subtitle: String,
    /// Flat roofs: name and OP/s.
    pub ceilings: Vec<(String, f64)>,
    /// Slanted roofs: name and B/s.
    pub bandwidths: Vec<(String, f64)>,
    /// Operators.
    pub points: Vec<RoofPoint>,
}

/// One operator of a [`Roofline`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RoofPoint {
    /// Name; printed for the operators with the largest shares.
    pub label: String,
    /// OP/B.
    pub intensity: f64,
    /// OP/s.
    pub achieved: f64,
    /// Of the total time, 0..1; the area of the dot.
    pub share: f64,
    /// Operator family; the color of the dot.
    pub group: String,
}

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 440.0;
const N_LABELS: usize = 8;

/// The plot area and its scales.
struct Frame {
    plot: Area,
    x: Scale,
    y: Scale,
}

impl Frame {
    fn at(&self, intensity: f64, rate: f64) -> Point {
        (
            self.plot.left + self.x.share(intensity) * self.plot.width(),
            self.plot.bottom - self.y.share(rate) * self.plot.height(),
        )
    }
}

fn is_drawable(value: f64) -> bool {
    value.is_finite() && value > 0.0
}

/// Roofs with a usable height, highest first, at most eight.
fn usable(roofs: &[(String, f64)]) -> Vec<(&str, f64)> {
    let mut found: Vec<(&str, f64)> = roofs
        .iter()
        .filter(|(_, rate)| is_drawable(*rate))
        .map(|(name, rate)| (name.as_str(), *rate))
        .collect();
    found.sort_by(|a, b| b.1.total_cmp(&a.1));
    found.truncate(8);
    found
}

impl Roofline {
    pub(super) fn scene(&self) -> Result<Scene, PlotError> {
        check_count(self.points.len())?;
        let mut scene = Scene::new(WIDTH, HEIGHT, &self.title);
        let mut drawn: Vec<&RoofPoint> = self
            .points
            .iter()
            .filter(|p| is_drawable(p.intensity) && is_drawable(p.achieved))
            .collect();
        // Large dots first, so that small ones stay visible on top.
        drawn.sort_by(|a, b| weight(b).total_cmp(&weight(a)));
        let (ceilings, bandwidths) = (usable(&self.ceilings), usable(&self.bandwidths));

        let groups = page::heaviest(
            drawn.iter().map(|p| (p.group.as_str(), weight(p))),
            N_CATEGORIES,
        );
        let top = page::heading(&mut scene, &self.title, &self.subtitle);
        let top = top + draw_legend(&mut scene, top, &groups, &drawn);
        let frame = fit_frame(&drawn, &ceilings, &bandwidths, top);
        axis::draw(
            &mut scene,
            frame.plot,
            (&frame.x, "Operational intensity", "OP/B"),
            (&frame.y, "Achieved rate", "OP/s"),
        );
        let mut layout = Layout::new(frame.plot);
        draw_roofs(&mut scene, &mut layout, &frame, &ceilings, &bandwidths);
        draw_points(&mut scene, &mut layout, &frame, &drawn, &groups);

        let n_left_out = self.points.len() - drawn.len();
        if n_left_out > 0 {
            let are = page::points_are(n_left_out);
            page::footnote(
                &mut scene,
                &format!("{are} not drawn: no traffic, no work or no time"),
            );
        } else if drawn.is_empty() {
            page::footnote(&mut scene, "no operators to draw");
        }
        Ok(scene)
    }
}

fn weight(point: &RoofPoint) -> f64 {
    if point.share.is_finite() {
        point.share.clamp(0.0, 1.0)
    } else {
        0.0
    }
}

/// The dot's area is the share of time.
fn radius(point: &RoofPoint) -> f64 {
    (26.0 * weight(point).sqrt()).max(2.6)
}

fn group_color(groups: &[String], group: &str) -> Color {
    color::category(
        groups
            .iter()
            .position(|g| g == group)
            .unwrap_or(N_CATEGORIES),
    )
}

fn draw_legend(scene: &mut Scene, top: f64, groups: &[String], drawn: &[&RoofPoint]) -> f64 {
    let mut entries: Vec<(String, Color)> = groups
        .iter()
        .filter(|g| !g.is_empty())
        .map(|g| (font::clean(g), group_color(groups, g)))
        .collect();
    if drawn.iter().any(|p| !groups.contains(&p.group)) {
        entries.push(("other".to_owned(), color::OTHER));
    }
    let height = page::legend(
        scene,
        (page::MARGIN, top),
        WIDTH - 2.0 * page::MARGIN,
        &entries,
    );
    height + 6.0
}

/// Scales that hold all points, every ridge, and room above the roofs for their names.
fn fit_frame(
    drawn: &[&RoofPoint],
    ceilings: &[(&str, f64)],
    bandwidths: &[(&str, f64)],
    top: f64,
) -> Frame {
    let ridges = ceilings
        .iter()
        .flat_map(|c| bandwidths.iter().map(move |b| c.1 / b.1));
    let x = scale::extent(drawn.iter().map(|p| p.intensity).chain(ridges)).unwrap_or((1.0, 100.0));
    let x = Scale::log(x.0.min(x.1 / 30.0) / 1.5, x.1 * 4.0, 0.03);
    let rates = drawn
        .iter()
        .map(|p| p.achieved)
        .chain(ceilings.iter().map(|c| c.1));
    let slants = bandwidths.iter().map(|b| b.1 * x.low * 4.0);
    let y = match scale::extent(rates) {
        Some(range) => range,
        None => scale::extent(slants).unwrap_or((1e9, 1e12)),
    };
    let y = Scale::log(y.0.min(y.1 / 30.0) / 1.5, y.1 * 1.3, 0.05);
    let plot = Area {
        left: axis::left_margin(&y, "OP/s"),
        top,
        right: WIDTH - 16.0,
        bottom: HEIGHT - 62.0,
    };
    Frame { plot, x, y }
}

fn draw_roofs(
    scene: &mut Scene,
    layout: &mut Layout,
    frame: &Frame,
    ceilings: &[(&str, f64)],
    bandwidths: &[(&str, f64)],
) {
    let peak = ceilings.first().map_or(frame.y.high, |c| c.1);
    for (i, (name, bandwidth)) in bandwidths.iter().enumerate() {
        let start = frame.x.low.max(frame.y.low / bandwidth);
        let end = frame.x.high.min(peak.min(frame.y.high) / bandwidth);
        if start >= end {
            continue;
        }
        let (from, to) = (
            frame.at(start, start * bandwidth),
            frame.at(end, end * bandwidth),
        );
        scene.line([from, to], if i == 0 { 1.8 } else { 1.3 }, AXIS);
        layout.avoid_line(from, to);
        let label = format!(
            "{}  {}",
            font::clean(name),
            scale::show(*bandwidth, "B/s", 3)
        );
        slanted_label(scene, layout, &label, from, to);
    }
    let steepest = bandwidths.first().map(|b| b.1);
    for (i, (name, rate)) in ceilings.iter().enumerate() {
        let start = steepest.map_or(frame.x.low, |b| (rate / b).max(frame.x.low));
        let (from, to) = (
            frame.at(start.min(frame.x.high), *rate),
            frame.at(frame.x.high, *rate),
        );
        scene.line([from, to], if i == 0 { 1.8 } else { 1.3 }, AXIS);
        layout.avoid_line(from, to);
        let label = format!("{}  {}", font::clean(name), scale::show(*rate, "OP/s", 3));
        let label = font::fit(&label, 10.5, frame.plot.width() * 0.6);
        for y in [to.1 - 4.5, to.1 + 12.5] {
            let text = Text::new(label.as_str(), (to.0 - 2.0, y), 10.5)
                .anchor(Anchor::End)
                .color(SOFT_INK)
                .halo();
            let area = text.area();
            if !layout.solid.iter().any(|s| s.overlaps(&area)) {
                layout.solid.push(area);
                scene.text(text);
                break;
            }
        }
    }
}

/// The name of a slanted roof along its line: where it is free, nearest to the line's start.
fn slanted_label(scene: &mut Scene, layout: &mut Layout, label: &str, from: Point, to: Point) {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let length = dx.hypot(dy);
    let size = 10.5;
    if length < 60.0 {
        return;
    }
    let label = font::fit(label, size, length - 16.0);
    let width = font::width(&label, size);
    let (ux, uy) = (dx / length, dy / length);
    let steps = ((length - width - 16.0) / 12.0).max(0.0) as usize;
    for step in 0..=steps {
        let along = 8.0 + 12.0 * step as f64;
        let start = (
            from.0 + ux * along + uy * 5.0,
            from.1 + uy * along - ux * 5.0,
        );
        let squares: Vec<Area> = (0..=(width / 6.0) as usize)
            .map(|i| {
                let t = 6.0 * i as f64;
                let middle = (start.0 + ux * t + uy * 4.0, start.1 + uy * t - ux * 4.0);
                Area::around(middle, 5.0)
            })
            .collect();
        let is_free = squares.iter().all(|s| {
            layout.page.contains(s) && !layout.solid.iter().any(|other| other.overlaps(s))
        });
        if is_free {
            layout.solid.extend(squares);
            let text = Text::new(label, start, size).color(SOFT_INK).halo();
            scene.text(text.angle(dy.atan2(dx).to_degrees()));
            return;
        }
    }
}

fn draw_points(
    scene: &mut Scene,
    layout: &mut Layout,
    frame: &Frame,
    drawn: &[&RoofPoint],
    groups: &[String],
) {
    for point in drawn {
        let at = frame.at(point.intensity, point.achieved);
        let color = group_color(groups, &point.group).alpha(0.78);
        scene.circle(at, radius(point), color, Some(WHITE));
    }
    // Beyond some hundred, marks cover the plane and labels go wherever labels allow.
    for point in drawn.iter().take(400) {
        let at = frame.at(point.intensity, point.achieved);
        let mark = Area::around(at, radius(point) * 0.8);
        if radius(point) > 7.0 {
            layout.solid.push(mark);
        } else {
            layout.soft.push(mark);
        }
    }
    let labelled = drawn
        .iter()
        .filter(|p| weight(p) >= 0.02 && !p.label.is_empty());
    for point in labelled.take(N_LABELS) {
        let at = frame.at(point.intensity, point.achieved);
        let label = font::fit(&font::clean(&point.label), 10.5, 150.0);
        if let Some(placed) = layout.place(&label, at, radius(point), 10.5) {
            if let Some(leader) = placed.leader {
                scene.line(leader, 0.8, SOFT_INK);
            }
            scene.text(placed.text);
        }
    }
}
