//! What is drawn: lines, shapes and text in user units, before any file format.

use super::color::{Color, INK, SOFT_INK, WHITE};
use super::font;

/// A point in user units; y grows downward.
pub(super) type Point = (f64, f64);

/// An upright rectangle.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Area {
    pub(super) left: f64,
    pub(super) top: f64,
    pub(super) right: f64,
    pub(super) bottom: f64,
}

impl Area {
    pub(super) fn width(&self) -> f64 {
        self.right - self.left
    }

    pub(super) fn height(&self) -> f64 {
        self.bottom - self.top
    }

    pub(super) fn around(center: Point, radius: f64) -> Self {
        Self {
            left: center.0 - radius,
            top: center.1 - radius,
            right: center.0 + radius,
            bottom: center.1 + radius,
        }
    }

    pub(super) fn overlaps(&self, other: &Self) -> bool {
        self.left < other.right
            && other.left < self.right
            && self.top < other.bottom
            && other.top < self.bottom
    }

    pub(super) fn contains(&self, other: &Self) -> bool {
        self.left <= other.left
            && self.top <= other.top
            && other.right <= self.right
            && other.bottom <= self.bottom
    }
}

/// Where the given point lies in a text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// One line of text; `at` is on its baseline.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Text {
    pub(super) content: String,
    pub(super) at: Point,
    pub(super) size: f64,
    pub(super) color: Color,
    pub(super) anchor: Anchor,
    /// Read from bottom to top.
    pub(super) is_turned: bool,
    /// A pale ground, so that it reads on top of lines.
    pub(super) halo: bool,
}

impl Text {
    pub(super) fn new(content: impl AsRef<str>, at: Point, size: f64) -> Self {
        Self {
            content: font::clean(content.as_ref()),
            at,
            size,
            color: INK,
            anchor: Anchor::Start,
            is_turned: false,
            halo: false,
        }
    }

    pub(super) fn anchor(mut self, anchor: Anchor) -> Self {
        self.anchor = anchor;
        self
    }

    pub(super) fn color(mut self, color: Color) -> Self {
        self.color = color;
        self
    }

    pub(super) fn soft(self) -> Self {
        self.color(SOFT_INK)
    }

    pub(super) fn halo(mut self) -> Self {
        self.halo = true;
        self
    }

    pub(super) fn turned(mut self) -> Self {
        self.is_turned = true;
        self
    }

    /// From the start of the text to `at`, along the baseline.
    pub(super) fn shift(&self) -> f64 {
        let share = match self.anchor {
            Anchor::Start => return 0.0,
            Anchor::Middle => 0.5,
            Anchor::End => 1.0,
        };
        share * font::width(&self.content, self.size)
    }

    /// The box it covers when upright.
    pub(super) fn area(&self) -> Area {
        let left = self.at.0 - self.shift();
        Area {
            left,
            top: self.at.1 - 0.80 * self.size,
            right: left + font::width(&self.content, self.size),
            bottom: self.at.1 + 0.24 * self.size,
        }
    }
}

/// One thing to draw.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Shape {
    /// An open line.
    Line {
        points: Vec<Point>,
        width: f64,
        color: Color,
    },
    /// A filled rectangle.
    Rectangle { area: Area, color: Color },
    /// A filled circle with an outline.
    Circle {
        center: Point,
        radius: f64,
        color: Color,
        outline: Option<Color>,
    },
    /// A line of text.
    Text(Text),
}

/// A page and what is on it, in drawing order.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Scene {
    pub(super) width: f64,
    pub(super) height: f64,
    /// Read by screen readers.
    pub(super) title: String,
    pub(super) shapes: Vec<Shape>,
}

impl Scene {
    pub(super) fn new(width: f64, height: f64, title: &str) -> Self {
        let mut scene = Self {
            width,
            height,
            title: title.to_owned(),
            shapes: Vec::new(),
        };
        scene.rectangle(
            Area {
                left: 0.0,
                top: 0.0,
                right: width,
                bottom: height,
            },
            WHITE,
        );
        scene
    }

    pub(super) fn line(&mut self, points: impl Into<Vec<Point>>, width: f64, color: Color) {
        self.shapes.push(Shape::Line {
            points: points.into(),
            width,
            color,
        });
    }

    pub(super) fn rectangle(&mut self, area: Area, color: Color) {
        self.shapes.push(Shape::Rectangle { area, color });
    }

    pub(super) fn circle(
        &mut self,
        center: Point,
        radius: f64,
        color: Color,
        outline: Option<Color>,
    ) {
        self.shapes.push(Shape::Circle {
            center,
            radius,
            color,
            outline,
        });
    }

    pub(super) fn text(&mut self, text: Text) {
        if !text.content.is_empty() {
            self.shapes.push(Shape::Text(text));
        }
    }
}
