//! A scene as PNG: exact-coverage rasterization of every shape at twice the user units.

use ab_glyph::Font;
use ab_glyph_rasterizer::{Point as Dot, Rasterizer, point};

use super::PlotError;
use super::color::{Color, WHITE};
use super::font;
use super::scene::{Area, Point, Scene, Shape, Text};

/// Pixels per user unit.
const SCALE: f64 = 2.0;

struct Canvas {
    width: usize,
    height: usize,
    rgb: Vec<u8>,
}

/// The image file.
///
/// # Errors
/// [`PlotError::Encode`] if the encoder refuses.
pub(super) fn write(scene: &Scene) -> Result<Vec<u8>, PlotError> {
    let mut canvas = Canvas {
        width: (scene.width * SCALE).ceil() as usize,
        height: (scene.height * SCALE).ceil() as usize,
        rgb: Vec::new(),
    };
    canvas.rgb = vec![255; canvas.width * canvas.height * 3];
    for shape in &scene.shapes {
        canvas.draw(shape);
    }
    encode(&canvas)
}

fn encode(canvas: &Canvas) -> Result<Vec<u8>, PlotError> {
    let refused = |e: png::EncodingError| PlotError::Encode(e.to_string());
    let size = |n: usize| u32::try_from(n).map_err(|e| PlotError::Encode(e.to_string()));
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, size(canvas.width)?, size(canvas.height)?);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Default);
    let mut writer = encoder.write_header().map_err(refused)?;
    writer.write_image_data(&canvas.rgb).map_err(refused)?;
    writer.finish().map_err(refused)?;
    Ok(bytes)
}

impl Canvas {
    fn draw(&mut self, shape: &Shape) {
        match shape {
            Shape::Line {
                points,
                width,
                color,
            } => self.stroke(points, *width, *color),
            Shape::Rectangle { area, color } => {
                let corners = [
                    (area.left, area.top),
                    (area.right, area.top),
                    (area.right, area.bottom),
                    (area.left, area.bottom),
                ];
                self.fill(*area, *color, |r, o| polygon(r, o, &corners));
            }
            Shape::Circle {
                center,
                radius,
                color,
                outline,
            } => {
                self.fill(Area::around(*center, *radius), *color, |r, o| {
                    circle(r, o, *center, *radius, false);
                });
                if let Some(color) = outline {
                    let outer = radius + 0.5;
                    self.fill(Area::around(*center, outer), *color, |r, o| {
                        circle(r, o, *center, outer, false);
                        circle(r, o, *center, (radius - 0.5).max(0.0), true);
                    });
                }
            }
            Shape::Text(text) => self.text(text),
        }
    }

    /// Every piece of the line is one polygon of the same winding, so that joints are painted once.
    fn stroke(&mut self, points: &[Point], width: f64, color: Color) {
        let half = width / 2.0;
        let Some(bounds) = bounds(points, half) else {
            return;
        };
        self.fill(bounds, color, |r, o| {
            for pair in points.windows(2) {
                let (a, b) = (pair[0], pair[1]);
                let (dx, dy) = (b.0 - a.0, b.1 - a.1);
                let length = dx.hypot(dy);
                if length > 0.0 {
                    let (nx, ny) = (-dy / length * half, dx / length * half);
                    let corners = [
                        (a.0 - nx, a.1 - ny),
                        (b.0 - nx, b.1 - ny),
                        (b.0 + nx, b.1 + ny),
                        (a.0 + nx, a.1 + ny),
                    ];
                    polygon(r, o, &corners);
                }
            }
            for joint in points.iter().skip(1).take(points.len().saturating_sub(2)) {
                circle(r, o, *joint, half, false);
            }
        });
    }

    fn text(&mut self, text: &Text) {
        if text.halo {
            for step in 0..12 {
                let (sin, cos) = (f64::from(step) * std::f64::consts::TAU / 12.0).sin_cos();
                self.glyphs(text, WHITE, (1.5 * cos, 1.5 * sin));
            }
        }
        self.glyphs(text, text.color, (0.0, 0.0));
    }

    /// Fills the outlines of a text, turned about its anchor and moved by `offset`.
    fn glyphs(&mut self, text: &Text, color: Color, offset: Point) {
        let (sin, cos) = text.angle.to_radians().sin_cos();
        let shift = text.shift();
        let turn = |p: ab_glyph::Point| {
            let (x, y) = (f64::from(p.x) - shift, f64::from(p.y));
            (
                text.at.0 + offset.0 + x * cos - y * sin,
                text.at.1 + offset.1 + x * sin + y * cos,
            )
        };
        for glyph in font::glyphs(&text.content, text.size) {
            let origin = glyph.position;
            let height = glyph.scale.y / font::face().height_unscaled();
            let Some(outline) = font::face().outline(glyph.id) else {
                continue;
            };
            let place = |p: ab_glyph::Point| {
                turn(ab_glyph::point(
                    origin.x + p.x * height,
                    origin.y - p.y * height,
                ))
            };
            let corners: Vec<Point> = outline
                .curves
                .iter()
                .flat_map(curve_points)
                .map(place)
                .collect();
            let Some(bounds) = bounds(&corners, 0.0) else {
                continue;
            };
            self.fill(bounds, color, |r, o| {
                for curve in &outline.curves {
                    let dots: Vec<Dot> = curve_points(curve)
                        .into_iter()
                        .map(|p| dot(o, place(p)))
                        .collect();
                    match dots[..] {
                        [a, b] => r.draw_line(a, b),
                        [a, b, c] => r.draw_quad(a, b, c),
                        [a, b, c, d] => r.draw_cubic(a, b, c, d),
                        _ => {}
                    }
                }
            });
        }
    }

    /// Rasterizes what `path` draws inside `bounds` and blends it in.
    fn fill(&mut self, bounds: Area, color: Color, path: impl FnOnce(&mut Rasterizer, Point)) {
        let clip = |value: f64, limit: usize| value.clamp(0.0, limit as f64) as usize;
        let left = clip((bounds.left * SCALE).floor(), self.width);
        let top = clip((bounds.top * SCALE).floor(), self.height);
        let right = clip((bounds.right * SCALE).ceil() + 1.0, self.width);
        let bottom = clip((bounds.bottom * SCALE).ceil() + 1.0, self.height);
        if right <= left || bottom <= top {
            return;
        }
        // The rasterizer needs a column to spare at the right edge.
        let columns = right - left + 1;
        let mut rasterizer = Rasterizer::new(columns, bottom - top);
        path(&mut rasterizer, (left as f64, top as f64));
        rasterizer.for_each_pixel_2d(|x, y, coverage| {
            let (x, y) = (left + x as usize, top + y as usize);
            if x < right && y < bottom && coverage > 0.0 {
                let share = f64::from(coverage.min(1.0)) * color.alpha;
                let at = (y * self.width + x) * 3;
                for (below, above) in self.rgb[at..at + 3].iter_mut().zip(color.rgb) {
                    let mixed = f64::from(*below) * (1.0 - share) + f64::from(above) * share;
                    *below = mixed.round() as u8;
                }
            }
        });
    }
}

fn curve_points(curve: &ab_glyph::OutlineCurve) -> Vec<ab_glyph::Point> {
    match *curve {
        ab_glyph::OutlineCurve::Line(a, b) => vec![a, b],
        ab_glyph::OutlineCurve::Quad(a, b, c) => vec![a, b, c],
        ab_glyph::OutlineCurve::Cubic(a, b, c, d) => vec![a, b, c, d],
    }
}

/// A point in pixels from the corner of the patch being drawn.
fn dot(origin: Point, p: Point) -> Dot {
    // What lies left of the page would otherwise be counted to the row above.
    let x = (p.0 * SCALE - origin.0).max(0.0);
    point(x as f32, (p.1 * SCALE - origin.1) as f32)
}

fn polygon(rasterizer: &mut Rasterizer, origin: Point, corners: &[Point]) {
    for (i, corner) in corners.iter().enumerate() {
        let next = corners[(i + 1) % corners.len()];
        rasterizer.draw_line(dot(origin, *corner), dot(origin, next));
    }
}

fn circle(rasterizer: &mut Rasterizer, origin: Point, center: Point, radius: f64, reverse: bool) {
    let n = 48;
    let corners: Vec<Point> = (0..n)
        .map(|i| {
            let turn = f64::from(if reverse { n - i } else { i }) / f64::from(n);
            let (sin, cos) = (turn * std::f64::consts::TAU).sin_cos();
            (center.0 + radius * cos, center.1 + radius * sin)
        })
        .collect();
    polygon(rasterizer, origin, &corners);
}

fn bounds(points: &[Point], margin: f64) -> Option<Area> {
    let first = *points.first()?;
    let mut area = Area::around(first, margin);
    for p in points {
        let other = Area::around(*p, margin);
        area.left = area.left.min(other.left);
        area.top = area.top.min(other.top);
        area.right = area.right.max(other.right);
        area.bottom = area.bottom.max(other.bottom);
    }
    Some(area)
}
