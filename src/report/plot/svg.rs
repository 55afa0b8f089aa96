//! A scene as SVG text.

use std::fmt::Write;

use super::color::Color;
use super::font::FAMILY;
use super::scene::{Anchor, Point, Scene, Shape, Text};

/// The document; text stays text, so that it can be searched and edited.
pub(super) fn write(scene: &Scene) -> String {
    let mut out = String::with_capacity(4096 + 96 * scene.shapes.len());
    let (w, h) = (number(scene.width), number(scene.height));
    out.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    push(
        &mut out,
        format_args!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{w}\" height=\"{h}\" \
             viewBox=\"0 0 {w} {h}\" role=\"img\" \
             font-family=\"'{FAMILY}', Verdana, 'Helvetica Neue', Arial, sans-serif\">\n\
             <title>{}</title>\n",
            escape(&scene.title)
        ),
    );
    for shape in &scene.shapes {
        match shape {
            Shape::Line {
                points,
                width,
                color,
            } => push(
                &mut out,
                format_args!(
                    "<polyline points=\"{}\" fill=\"none\"{} stroke-width=\"{}\" \
                     stroke-linejoin=\"round\"/>\n",
                    coordinates(points),
                    paint("stroke", *color),
                    number(*width)
                ),
            ),
            Shape::Rectangle { area, color } => push(
                &mut out,
                format_args!(
                    "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"{}/>\n",
                    number(area.left),
                    number(area.top),
                    number(area.width()),
                    number(area.height()),
                    paint("fill", *color)
                ),
            ),
            Shape::Circle {
                center,
                radius,
                color,
                outline,
            } => push(
                &mut out,
                format_args!(
                    "<circle cx=\"{}\" cy=\"{}\" r=\"{}\"{}{}/>\n",
                    number(center.0),
                    number(center.1),
                    number(*radius),
                    paint("fill", *color),
                    outline.map_or_else(String::new, |c| paint("stroke", c)),
                ),
            ),
            Shape::Text(text) => write_text(&mut out, text),
        }
    }
    out.push_str("</svg>\n");
    out
}

fn write_text(out: &mut String, text: &Text) {
    let (x, y) = (number(text.at.0), number(text.at.1));
    let anchor = match text.anchor {
        Anchor::Start => "",
        Anchor::Middle => " text-anchor=\"middle\"",
        Anchor::End => " text-anchor=\"end\"",
    };
    let turn = if text.angle == 0.0 {
        String::new()
    } else {
        format!(" transform=\"rotate({} {x} {y})\"", number(text.angle))
    };
    let halo = if text.halo {
        " stroke=\"#ffffff\" stroke-width=\"3\" stroke-linejoin=\"round\" paint-order=\"stroke\""
    } else {
        ""
    };
    push(
        out,
        format_args!(
            "<text x=\"{x}\" y=\"{y}\" font-size=\"{}\"{anchor}{turn}{halo}{}>{}</text>\n",
            number(text.size),
            paint("fill", text.color),
            escape(&text.content)
        ),
    );
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("writing to a String succeeds");
}

fn coordinates(points: &[Point]) -> String {
    let pairs: Vec<String> = points
        .iter()
        .map(|p| format!("{},{}", number(p.0), number(p.1)))
        .collect();
    pairs.join(" ")
}

/// At most two decimals: a hundredth of a unit is below what any screen or printer shows.
fn number(value: f64) -> String {
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0" } else { text }.to_owned()
}

fn paint(attribute: &str, color: Color) -> String {
    let [r, g, b] = color.rgb;
    let opacity = if color.alpha < 1.0 {
        format!(" {attribute}-opacity=\"{}\"", number(color.alpha))
    } else {
        String::new()
    };
    format!(" {attribute}=\"#{r:02x}{g:02x}{b:02x}\"{opacity}")
}

/// Text as XML allows it.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
