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
            (
                &frame.x,
                &frame.x.title("Operational intensity", "OP/B"),
                "OP/B",
            ),
            (&frame.y, &frame.y.title("Achieved rate", "OP/s"), "OP/s"),
        );
        let mut layout = Layout::new(frame.plot);
        let roofs = roofs(&frame, &ceilings, &bandwidths);
        for roof in &roofs {
            let width = if roof.is_highest { 1.8 } else { 1.3 };
            scene.line([roof.from, roof.to], width, AXIS);
        }
        draw_dots(&mut scene, &mut layout, &frame, &drawn, &groups);
        for roof in &roofs {
            layout.avoid_line(roof.from, roof.to);
        }
        for roof in &roofs {
            label_roof(&mut scene, &mut layout, roof);
        }
        label_dots(&mut scene, &mut layout, &frame, &drawn);

        page::footnote(
            &mut scene,
            &remark(self.points.len() - drawn.len(), drawn.len()),
        );
        Ok(scene)
    }
}

fn remark(n_left_out: usize, n_drawn: usize) -> String {
    let mut text = if n_drawn == 0 {
        "no operators to draw"
    } else {
        "dot area: share of time"
    }
    .to_owned();
    if n_left_out > 0 {
        let are = page::points_are(n_left_out);
        text.push_str(&format!(
            "; {are} not drawn (no traffic, no work or no time)"
        ));
    }
    text
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
    let x = Scale::log(x.0.min(x.1 / 30.0) / 1.5, x.1 * 6.0, 0.03);
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

/// One line of the roof, left to right.
struct Roof {
    from: Point,
    to: Point,
    label: String,
    is_highest: bool,
}

/// Slanted lines up to the highest ceiling, flat ones from the steepest slant on.
fn roofs(frame: &Frame, ceilings: &[(&str, f64)], bandwidths: &[(&str, f64)]) -> Vec<Roof> {
    let mut found = Vec::new();
    let steepest = bandwidths.first().map(|b| b.1);
    for (i, (name, rate)) in ceilings.iter().enumerate() {
        let start = steepest.map_or(frame.x.low, |b| (rate / b).max(frame.x.low));
        found.push(Roof {
            from: frame.at(start.min(frame.x.high), *rate),
            to: frame.at(frame.x.high, *rate),
            label: format!("{}  {}", font::clean(name), scale::show(*rate, "OP/s", 3)),
            is_highest: i == 0,
        });
    }
    let peak = ceilings.first().map_or(frame.y.high, |c| c.1);
    for (i, (name, bandwidth)) in bandwidths.iter().enumerate() {
        let start = frame.x.low.max(frame.y.low / bandwidth);
        let end = frame.x.high.min(peak.min(frame.y.high) / bandwidth);
        if start < end {
            found.push(Roof {
                from: frame.at(start, start * bandwidth),
                to: frame.at(end, end * bandwidth),
                label: format!(
                    "{}  {}",
                    font::clean(name),
                    scale::show(*bandwidth, "B/s", 3)
                ),
                is_highest: i == 0,
            });
        }
    }
    found
}

/// The name beside its line, where it covers the fewest marks.
fn label_roof(scene: &mut Scene, layout: &mut Layout, roof: &Roof) {
    let size = 10.5;
    let label = font::fit(&roof.label, size, 0.5 * layout.page.width());
    let mut best: Option<(usize, Text)> = None;
    for (rank, at, anchor) in roof_label_places(layout.page, roof, size) {
        let text = Text::new(label.as_str(), at, size).anchor(anchor);
        if !layout.page.contains(&text.area()) {
            continue;
        }
        let Some(hits) = layout.cost(&text.area()) else {
            continue;
        };
        let cost = 2 * hits + rank;
        if best.as_ref().is_none_or(|(least, _)| cost < *least) {
            best = Some((cost, text));
        }
    }
    if let Some((_, text)) = best {
        layout.take(text.area());
        scene.text(text.color(SOFT_INK).halo());
    }
}

/// Where a roof's name may stand, best first, each with its rank: above the line is where one looks.
fn roof_label_places(page: Area, roof: &Roof, size: f64) -> Vec<(usize, Point, Anchor)> {
    let (above, below) = (-4.5, size + 2.0);
    let mut places = Vec::new();
    if roof.from.1 == roof.to.1 {
        // From the right end; there is room beyond the left end, too.
        let left = page.left.max(roof.from.0 - 150.0);
        let n = ((roof.to.0 - left).max(0.0) / 8.0) as usize;
        for i in 0..=n {
            let x = roof.to.0 - 4.0 - 8.0 * i as f64;
            places.push((0, (x, roof.from.1 + above), Anchor::End));
            places.push((1, (x, roof.from.1 + below), Anchor::End));
        }
    } else {
        // From the first quarter on, as dots gather at the ends and other lines lie beyond the ridge;
        // the corner of the text that faces the line stays off it.
        let (dx, dy) = (roof.to.0 - roof.from.0, roof.to.1 - roof.from.1);
        let n = (dx.hypot(dy) / 8.0) as usize;
        let mut steps: Vec<usize> = (0..=n * 3 / 4).collect();
        steps.sort_by_key(|i| i.abs_diff(n / 4));
        for i in steps {
            let share = i as f64 / n.max(1) as f64;
            let (x, y) = (roof.from.0 + share * dx, roof.from.1 + share * dy);
            places.push((0, (x - 4.0, y + above), Anchor::End));
            places.push((1, (x + 4.0, y + below), Anchor::Start));
        }
    }
    places
}

fn draw_dots(
    scene: &mut Scene,
    layout: &mut Layout,
    frame: &Frame,
    drawn: &[&RoofPoint],
    groups: &[String],
) {
    for (i, point) in drawn.iter().enumerate() {
        let at = frame.at(point.intensity, point.achieved);
        let color = group_color(groups, &point.group).alpha(0.78);
        scene.circle(at, radius(point), color, Some(WHITE));
        let mark = Area::around(at, radius(point) * 0.8);
        // Beyond some hundred, marks cover the plane and labels go wherever labels allow.
        match i {
            0..400 if radius(point) > 7.0 => layout.solid.push(mark),
            0..400 => layout.soft.push(mark),
            _ => {}
        }
    }
}

fn label_dots(scene: &mut Scene, layout: &mut Layout, frame: &Frame, drawn: &[&RoofPoint]) {
    let labelled = drawn
        .iter()
        .filter(|p| weight(p) >= 0.02 && !p.label.is_empty());
    for point in labelled.take(N_LABELS) {
        let at = frame.at(point.intensity, point.achieved);
        let label = font::fit(&font::clean(&point.label), 10.5, 150.0);
        if let Some(placed) = layout.place(&label, at, radius(point), 10.5, 2) {
            if let Some(leader) = placed.leader {
                scene.line(leader, 0.8, SOFT_INK);
            }
            scene.text(placed.text);
        }
    }
}
