//! A scene as SVG text.

use plotters::backend::SVGBackend;
use plotters::drawing::IntoDrawingArea;

use super::PlotError;
use super::font;
use super::paint::{Lettering, paint, pixels};
use super::scene::Scene;

/// Canvas units per user unit: plotters places shapes at whole numbers only.
const SCALE: f64 = 10.0;

/// The document; text stays text, so that it can be searched and edited.
///
/// # Errors
/// [`PlotError::Draw`] if plotters refuses.
pub(super) fn write(scene: &Scene) -> Result<String, PlotError> {
    let (width, height) = (pixels(scene.width * SCALE), pixels(scene.height * SCALE));
    let mut text = String::with_capacity(4096 + 160 * scene.shapes.len());
    {
        let area = SVGBackend::with_string(&mut text, (width, height)).into_drawing_area();
        paint(&area, scene, SCALE, Lettering::Whole)?;
        area.present().map_err(|e| PlotError::Draw(e.to_string()))?;
    }
    let Some((_, body)) = text.split_once('>') else {
        return Err(PlotError::Draw("plotters wrote no SVG tag".to_owned()));
    };
    // plotters breaks lines around text, which some viewers show as spaces.
    let body = body.replace("\">\n", "\">").replace("\n</text>", "</text>");
    // Shown at a tenth of the canvas, with a title for screen readers.
    Ok(format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{}\" \
         viewBox=\"0 0 {width} {height}\" role=\"img\">\n<title>{}</title>{body}",
        scene.width,
        scene.height,
        escape(&font::clean(&scene.title)),
    ))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::plot::scene::{Anchor, Text};

    #[test]
    fn text_stands_on_its_baseline_in_both_directions() {
        let mut scene = Scene::new(50.0, 30.0, "a < b");
        let text = Text::new("x & y", (20.0, 15.0), 10.0).anchor(Anchor::Middle);
        scene.text(text.clone());
        scene.text(text.turned());
        let svg = write(&scene).expect("drawn");
        assert!(
            svg.contains("width=\"50\" height=\"30\" viewBox=\"0 0 500 300\""),
            "{svg}"
        );
        assert!(svg.contains("<title>a &lt; b</title>"), "{svg}");
        // The em square is 100, so 0.76 em is 76: at 150 - 76 upright, at 200 - 76 turned.
        assert!(
            svg.contains("x=\"200\" y=\"74\" dy=\"0.76em\" text-anchor=\"middle\""),
            "{svg}"
        );
        assert!(svg.contains("transform=\"rotate(270, 124, 150)\""), "{svg}");
        assert!(
            svg.contains("font-size=\"100\"") && svg.contains(">x &amp; y</text>"),
            "{svg}"
        );
    }
}
