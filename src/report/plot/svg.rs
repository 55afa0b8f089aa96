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
