//! Pareto scatter: every design point, the front in color, knee and extremes by name.

use crate::pareto;

use super::PlotError;
use super::axis;
use super::color::{self, AXIS, Color, INK, PALE, SOFT_INK, WHITE};
use super::font;
use super::page;
use super::place::Layout;
use super::render::check_count;
use super::scale::{self, Kind, Scale};
use super::scene::{Anchor, Area, Point, Scene, Text};

/// Design points in the plane of two objectives.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scatter {
    /// First line.
    pub title: String,
    /// Second line.
    pub subtitle: String,
    /// Horizontal objective.
    pub x: Axis,
    /// Vertical objective.
    pub y: Axis,
    /// Third metric, the color of the front points.
    pub color: Option<Axis>,
    /// All points evaluated.
    pub points: Vec<ScatterPoint>,
    /// Indices of the front, in any number of objectives.
    pub front: Vec<usize>,
    /// Points to name, such as `(5, "knee")`; keep the text short.
    pub marks: Vec<(usize, String)>,
}

/// What an axis shows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Axis {
    /// `Latency`.
    pub name: String,
    /// SI unit of the values: `s`.
    pub unit: String,
    /// Which end is good.
    pub better: Better,
}

/// The good end of an [`Axis`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Better {
    /// Minimized.
    #[default]
    Lower,
    /// Maximized.
    Higher,
}

impl Better {
    /// The value as a minimized objective.
    pub(in crate::report) fn cost(self, value: f64) -> f64 {
        match self {
            Self::Lower => value,
            Self::Higher => -value,
        }
    }
}

/// One design point.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ScatterPoint {
    /// On the horizontal axis.
    pub x: f64,
    /// On the vertical axis.
    pub y: f64,
    /// The third metric; NaN if there is none.
    pub color: f64,
    /// Meets all requirements.
    pub is_feasible: bool,
}

impl ScatterPoint {
    pub(in crate::report) fn is_drawable(&self) -> bool {
        self.x.is_finite() && self.y.is_finite()
    }
}

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 440.0;
/// More names would cover the points.
const N_MARKS: usize = 12;
/// Room for the color bar.
const BAR: f64 = 74.0;

struct Frame {
    plot: Area,
    x: Scale,
    y: Scale,
}

impl Frame {
    fn at(&self, point: &ScatterPoint) -> Point {
        (
            self.plot.left + self.x.share(point.x) * self.plot.width(),
            self.plot.bottom - self.y.share(point.y) * self.plot.height(),
        )
    }
}

impl Scatter {
    pub(super) fn scene(&self) -> Result<Scene, PlotError> {
        self.check()?;
        let mut scene = Scene::new(WIDTH, HEIGHT, &self.title);
        let top = page::heading(&mut scene, &self.title, &self.subtitle);
        let top = top + self.draw_legend(&mut scene, top) + 6.0;
        let scale = self.color_scale();
        let frame = self.frame(top, scale.is_some());
        let x_title = directed(&self.x, &frame.x);
        let y_title = directed(&self.y, &frame.y);
        axis::draw(
            &mut scene,
            frame.plot,
            (&frame.x, &x_title, &self.x.unit),
            (&frame.y, &y_title, &self.y.unit),
        );
        self.draw_others(&mut scene, &frame);
        let steps = self.steps(&frame);
        if steps.len() > 1 {
            scene.line(steps.as_slice(), 1.3, SOFT_INK.alpha(0.8));
        }
        self.draw_front(&mut scene, &frame, scale.as_ref());
        self.draw_marks(&mut scene, &frame, &steps);
        if let (Some(scale), Some(axis)) = (&scale, &self.color) {
            draw_color_bar(&mut scene, &frame, scale, axis);
        }
        self.draw_footnote(&mut scene);
        Ok(scene)
    }

    fn check(&self) -> Result<(), PlotError> {
        check_count(self.points.len())?;
        let len = self.points.len();
        let marks = self.marks.iter().map(|(i, _)| *i);
        match self.front.iter().copied().chain(marks).find(|i| *i >= len) {
            Some(index) => Err(PlotError::NoSuchPoint { index, len }),
            None => Ok(()),
        }
    }

    /// Points of the front that have a place, in the order given, each once.
    pub(in crate::report) fn drawable_front(&self) -> Vec<usize> {
        let mut found: Vec<usize> = self
            .front
            .iter()
            .copied()
            .filter(|&i| self.points.get(i).is_some_and(ScatterPoint::is_drawable))
            .collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    fn is_front(&self) -> Vec<bool> {
        let mut is_front = vec![false; self.points.len()];
        for i in self.drawable_front() {
            is_front[i] = true;
        }
        is_front
    }

    fn draw_footnote(&self, scene: &mut Scene) {
        let n_left_out = self.points.iter().filter(|p| !p.is_drawable()).count();
        if n_left_out > 0 {
            let are = page::points_are(n_left_out);
            page::footnote(scene, &format!("{are} not drawn: a value is not finite"));
        } else if self.points.is_empty() {
            page::footnote(scene, "no points to draw");
        }
    }

    fn draw_legend(&self, scene: &mut Scene, top: f64) -> f64 {
        let is_front = self.is_front();
        let n_front = is_front.iter().filter(|front| **front).count();
        let rest = || {
            let all = self.points.iter().zip(&is_front);
            all.filter(|(p, front)| p.is_drawable() && !**front)
        };
        let n_infeasible = rest().filter(|(p, _)| !p.is_feasible).count();
        let n_other = rest().count() - n_infeasible;
        let mut x = page::MARGIN;
        let y = top + 6.0;
        let entries = [
            (n_front, "on the front", 0),
            (n_other, "evaluated", 1),
            (n_infeasible, "infeasible", 2),
        ];
        for (n, label, kind) in entries {
            if n == 0 {
                continue;
            }
            match kind {
                0 => {
                    scene.line([(x - 2.0, y), (x + 16.0, y)], 1.2, SOFT_INK);
                    scene.circle((x + 7.0, y), 4.5, color::sequential(0.4), Some(WHITE));
                }
                1 => scene.circle((x + 7.0, y), 2.6, PALE, None),
                _ => cross(scene, (x + 7.0, y), PALE),
            }
            let text = Text::new(format!("{label} ({n})"), (x + 21.0, y + 4.0), 11.0);
            x = text.area().right + 20.0;
            scene.text(text);
        }
        16.0
    }

    /// `None` without a third metric or without a finite value of it on the front.
    fn color_scale(&self) -> Option<Scale> {
        self.color.as_ref()?;
        let values = self
            .drawable_front()
            .into_iter()
            .map(|i| self.points[i].color);
        let (low, high) = scale::extent(values)?;
        if low > 0.0 && high / low > 10.0 {
            return Some(Scale::log(low, high, 0.0));
        }
        // No margin: the ends of the bar are the ends of the data.
        let scale = Scale::fitting(Some((low, high)));
        Some(if high > low {
            Scale {
                kind: Kind::Linear,
                low,
                high,
            }
        } else {
            scale
        })
    }

    fn frame(&self, top: f64, has_bar: bool) -> Frame {
        let drawn = || self.points.iter().filter(|p| p.is_drawable());
        let x = Scale::fitting(scale::extent(drawn().map(|p| p.x)));
        let y = Scale::fitting(scale::extent(drawn().map(|p| p.y)));
        let plot = Area {
            left: axis::left_margin(&y, &self.y.unit),
            top,
            right: WIDTH - 18.0 - if has_bar { BAR } else { 0.0 },
            bottom: HEIGHT - 62.0,
        };
        Frame { plot, x, y }
    }

    fn draw_others(&self, scene: &mut Scene, frame: &Frame) {
        let is_front = self.is_front();
        let drawn = |feasible: bool| {
            let all = self.points.iter().zip(&is_front);
            all.filter(move |(p, front)| !**front && p.is_feasible == feasible && p.is_drawable())
        };
        let n = self.points.len();
        let (size, alpha) = if n > 2000 { (1.8, 0.5) } else { (2.6, 0.8) };
        for (point, _) in drawn(false) {
            cross(scene, frame.at(point), PALE.alpha(alpha * 0.75));
        }
        for (point, _) in drawn(true) {
            scene.circle(frame.at(point), size, PALE.alpha(alpha), None);
        }
    }

    /// The edge of what is attained in this plane, by those front points that no other beats here.
    fn steps(&self, frame: &Frame) -> Vec<Point> {
        let front = self.drawable_front();
        let costs: Vec<[f64; 2]> = front
            .iter()
            .map(|&i| {
                [
                    self.x.better.cost(self.points[i].x),
                    self.y.better.cost(self.points[i].y),
                ]
            })
            .collect();
        let mut kept = pareto::front(&costs);
        kept.sort_by(|&a, &b| costs[a][0].total_cmp(&costs[b][0]));
        let mut steps: Vec<Point> = Vec::with_capacity(2 * kept.len());
        for k in kept {
            let at = frame.at(&self.points[front[k]]);
            if let Some(last) = steps.last() {
                steps.push((at.0, last.1));
            }
            steps.push(at);
        }
        steps
    }

    fn draw_front(&self, scene: &mut Scene, frame: &Frame, scale: Option<&Scale>) {
        let front = self.drawable_front();
        let size = if front.len() > 150 { 3.4 } else { 4.8 };
        for i in front {
            let point = &self.points[i];
            let color = match scale {
                Some(scale) if point.color.is_finite() => {
                    color::sequential(scale.share(point.color))
                }
                Some(_) => color::OTHER,
                None => color::category(0),
            };
            scene.circle(frame.at(point), size, color, Some(WHITE));
        }
    }

    fn draw_marks(&self, scene: &mut Scene, frame: &Frame, steps: &[Point]) {
        let mut layout = Layout::new(frame.plot);
        for pair in steps.windows(2).take(400) {
            layout.avoid_line(pair[0], pair[1]);
        }
        for (i, _) in self.marks.iter().take(N_MARKS) {
            if self.points[*i].is_drawable() {
                layout
                    .solid
                    .push(Area::around(frame.at(&self.points[*i]), 6.0));
            }
        }
        for i in self.drawable_front().into_iter().take(400) {
            layout
                .soft
                .push(Area::around(frame.at(&self.points[i]), 5.0));
        }
        for point in self.points.iter().filter(|p| p.is_drawable()).take(1500) {
            layout.soft.push(Area::around(frame.at(point), 2.0));
        }
        for (i, label) in self.marks.iter().take(N_MARKS) {
            let point = &self.points[*i];
            if !point.is_drawable() || label.is_empty() {
                continue;
            }
            let at = frame.at(point);
            scene.circle(at, 7.0, WHITE.alpha(0.0), Some(INK));
            let label = font::fit(&font::clean(label), 11.5, 170.0);
            if let Some(placed) = layout.place(&label, at, 7.0, 11.5, usize::MAX) {
                if let Some(leader) = placed.leader {
                    scene.line(leader, 0.9, INK);
                }
                scene.text(placed.text);
            }
        }
    }
}

/// The axis title with an arrow to its good end.
fn directed(axis: &Axis, scale: &Scale) -> String {
    let title = font::clean(&scale.title(&axis.name, &axis.unit));
    match axis.better {
        Better::Lower => format!("← {title}"),
        Better::Higher => format!("{title} →"),
    }
}

fn cross(scene: &mut Scene, at: Point, color: Color) {
    let r = 2.4;
    scene.line([(at.0 - r, at.1 - r), (at.0 + r, at.1 + r)], 0.9, color);
    scene.line([(at.0 - r, at.1 + r), (at.0 + r, at.1 - r)], 0.9, color);
}

fn draw_color_bar(scene: &mut Scene, frame: &Frame, scale: &Scale, axis: &Axis) {
    let height = (frame.plot.height() * 0.62).min(190.0);
    let top = frame.plot.top + 26.0;
    let left = frame.plot.right + 18.0;
    let n = 64;
    for i in 0..n {
        let from = top + height * f64::from(i) / f64::from(n);
        let slice = Area {
            left,
            top: from,
            right: left + 11.0,
            // A little overlap hides the seams that viewers draw between neighbors.
            bottom: (from + height / f64::from(n) + 0.4).min(top + height),
        };
        scene.rectangle(
            slice,
            color::sequential(1.0 - (f64::from(i) + 0.5) / f64::from(n)),
        );
    }
    let mut free_below = f64::INFINITY;
    for tick in scale.ticks(4, &axis.unit) {
        let y = top + height * (1.0 - scale.share(tick.value));
        let room = WIDTH - left - 20.0;
        let text = Text::new(
            font::fit(&tick.label, 10.0, room),
            (left + 16.0, y + 3.5),
            10.0,
        );
        if text.area().bottom < free_below {
            free_below = text.area().top;
            scene.line([(left + 11.0, y), (left + 14.0, y)], 0.9, AXIS);
            scene.text(text);
        }
    }
    let unit = scale.prefix(&axis.unit).1;
    let room = WIDTH - frame.plot.right - 6.0;
    let name = font::fit(&font::clean(&axis.name), 11.0, room);
    let right = WIDTH - 4.0;
    let at = (right.min(left + font::width(&name, 11.0)), top - 20.0);
    scene.text(Text::new(name, at, 11.0).anchor(Anchor::End));
    if !unit.is_empty() {
        let unit = font::fit(&format!("({unit})"), 10.0, room);
        scene.text(Text::new(unit, (left, top - 7.0), 10.0).soft());
    }
}
