//! A scene drawn through plotters, on any of its backends.

use plotters::coord::Shift;
use plotters::drawing::DrawingArea;
use plotters::element::{Circle, PathElement, Rectangle};
use plotters::prelude::DrawingBackend;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{
    Color as _, FontDesc, FontFamily, FontStyle, FontTransform, RGBAColor, ShapeStyle, TextStyle,
};

use super::PlotError;
use super::color::{Color, WHITE};
use super::font;
use super::scene::{Anchor, Area, Point, Scene, Shape, Text};

/// How a line of text is handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lettering {
    /// As a whole: the viewer lays it out.
    Whole,
    /// Letter by letter: plotters' rasterizer leaves out the space to the left of a letter.
    Single,
}

/// A length as a whole number of pixels, at least one.
pub(super) fn pixels(length: f64) -> u32 {
    length.ceil().clamp(1.0, 65_535.0) as u32
}

/// Draws all shapes at `scale` pixels per user unit.
///
/// # Errors
/// [`PlotError::Draw`] if plotters refuses.
pub(super) fn paint<B: DrawingBackend>(
    area: &DrawingArea<B, Shift>,
    scene: &Scene,
    scale: f64,
    lettering: Lettering,
) -> Result<(), PlotError> {
    font::register()?;
    let brush = Brush {
        area,
        scale,
        lettering,
    };
    scene.shapes.iter().try_for_each(|s| brush.shape(s))
}

struct Brush<'a, B: DrawingBackend> {
    area: &'a DrawingArea<B, Shift>,
    scale: f64,
    lettering: Lettering,
}

/// Turns an answer of plotters into ours.
fn checked<E: std::fmt::Display>(answer: Result<(), E>) -> Result<(), PlotError> {
    answer.map_err(|e| PlotError::Draw(e.to_string()))
}

fn paint_of(color: Color) -> RGBAColor {
    let [r, g, b] = color.rgb;
    RGBAColor(r, g, b, color.alpha)
}

/// Far outside of any page nothing shows, and sums of such numbers cannot overflow.
fn whole(value: f64) -> i32 {
    value.round().clamp(-1e6, 1e6) as i32
}

impl<B: DrawingBackend> Brush<'_, B> {
    fn at(&self, point: Point) -> (i32, i32) {
        (whole(point.0 * self.scale), whole(point.1 * self.scale))
    }

    fn stroke(&self, color: Color, width: f64) -> ShapeStyle {
        ShapeStyle {
            color: paint_of(color),
            filled: false,
            stroke_width: pixels((width * self.scale).round()),
        }
    }

    fn shape(&self, shape: &Shape) -> Result<(), PlotError> {
        match shape {
            Shape::Line {
                points,
                width,
                color,
            } => {
                let mut path: Vec<(i32, i32)> = points.iter().map(|p| self.at(*p)).collect();
                path.dedup();
                if path.len() < 2 {
                    return Ok(());
                }
                let style = self.stroke(*color, *width);
                checked(self.area.draw(&PathElement::new(path, style)))
            }
            Shape::Rectangle { area, color } => self.rectangle(area, *color),
            Shape::Circle {
                center,
                radius,
                color,
                outline,
            } => {
                let (center, radius) = (self.at(*center), whole(radius * self.scale));
                let fill = ShapeStyle::from(paint_of(*color)).filled();
                checked(self.area.draw(&Circle::new(center, radius, fill)))?;
                match outline {
                    Some(color) => {
                        let ring = Circle::new(center, radius, self.stroke(*color, 1.0));
                        checked(self.area.draw(&ring))
                    }
                    None => Ok(()),
                }
            }
            Shape::Text(text) => self.text(text),
        }
    }

    fn rectangle(&self, area: &Area, color: Color) -> Result<(), PlotError> {
        let corners = [
            self.at((area.left, area.top)),
            self.at((area.right, area.bottom)),
        ];
        let style = ShapeStyle::from(paint_of(color)).filled();
        checked(self.area.draw(&Rectangle::new(corners, style)))
    }

    fn text(&self, text: &Text) -> Result<(), PlotError> {
        if text.halo {
            self.rectangle(&text.area(), WHITE.alpha(0.75))?;
        }
        match self.lettering {
            Lettering::Whole => self.whole_text(text),
            Lettering::Single => self.single_letters(text),
        }
    }

    fn style(&self, text: &Text, height: f64, side: HPos) -> TextStyle<'static> {
        let turn = if text.is_turned {
            FontTransform::Rotate270
        } else {
            FontTransform::None
        };
        let face = FontDesc::new(FontFamily::Name(font::FAMILY), height, FontStyle::Normal);
        let mut style = TextStyle::from(face.transform(turn));
        style.color = paint_of(text.color).to_backend_color();
        style.pos = Pos::new(side, VPos::Top);
        style
    }

    /// `along` the baseline from the anchor and `up` from it, in pixels.
    fn beside(&self, text: &Text, along: f64, up: f64) -> (i32, i32) {
        let at = (text.at.0 * self.scale, text.at.1 * self.scale);
        if text.is_turned {
            (whole(at.0 - up), whole(at.1 - along))
        } else {
            (whole(at.0 + along), whole(at.1 - up))
        }
    }

    fn whole_text(&self, text: &Text) -> Result<(), PlotError> {
        let side = match text.anchor {
            Anchor::Start => HPos::Left,
            Anchor::Middle => HPos::Center,
            Anchor::End => HPos::Right,
        };
        // plotters-svg 0.3.7: the em square is the size / 1.24, the baseline of `Top` 0.76 em below.
        let em = text.size * self.scale;
        let style = self.style(text, em * 1.24, side);
        let at = self.beside(text, 0.0, 0.76 * em);
        checked(self.area.draw_text(&text.content, &style, at))
    }

    fn single_letters(&self, text: &Text) -> Result<(), PlotError> {
        // plotters 0.3.7: the baseline is half the size below `Top`, rounded toward zero for each
        // letter; only with an even size do letters share it.
        let height = 2.0 * (font::pixel_height(text.size * self.scale) / 2.0).round();
        let style = self.style(text, height, HPos::Left);
        let start = -text.shift() * self.scale;
        let mut buffer = [0; 4];
        for (letter, column) in font::letters(&text.content, height) {
            let at = self.beside(text, start + column, height / 2.0);
            let letter = letter.encode_utf8(&mut buffer);
            checked(self.area.draw_text(letter, &style, at))?;
        }
        Ok(())
    }
}
