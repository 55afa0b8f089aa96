//! Axes: grid, ticks, frame and titles.

use super::color::{AXIS, GRID};
use super::font;
use super::scale::Scale;
use super::scene::{Anchor, Area, Scene, Text};

/// Draws grid lines, tick labels, the frame and both titles; each axis is scale, title and unit.
pub(super) fn draw(
    scene: &mut Scene,
    plot: Area,
    x: (&Scale, &str, &str),
    y: (&Scale, &str, &str),
) {
    let size = 11.0;
    let mut free_from = f64::NEG_INFINITY;
    for tick in x.0.ticks(7, x.2) {
        let at = plot.left + x.0.share(tick.value) * plot.width();
        scene.line([(at, plot.top), (at, plot.bottom)], 0.8, GRID);
        let label = Text::new(tick.label, (at, plot.bottom + 16.0), size).anchor(Anchor::Middle);
        if label.area().left > free_from && label.area().right < scene.width {
            free_from = label.area().right + 6.0;
            scene.line([(at, plot.bottom), (at, plot.bottom + 3.5)], 1.0, AXIS);
            scene.text(label);
        }
    }
    for tick in y.0.ticks(6, y.2) {
        let at = plot.bottom - y.0.share(tick.value) * plot.height();
        scene.line([(plot.left, at), (plot.right, at)], 0.8, GRID);
        scene.line([(plot.left - 3.5, at), (plot.left, at)], 1.0, AXIS);
        scene.text(Text::new(tick.label, (plot.left - 7.0, at + 4.0), size).anchor(Anchor::End));
    }
    scene.line(
        [
            (plot.left, plot.top),
            (plot.left, plot.bottom),
            (plot.right, plot.bottom),
        ],
        1.0,
        AXIS,
    );
    let middle = (plot.left + plot.right) / 2.0;
    let title = font::fit(x.1, 12.5, plot.width());
    scene.text(Text::new(title, (middle, plot.bottom + 36.0), 12.5).anchor(Anchor::Middle));
    let middle = (plot.top + plot.bottom) / 2.0;
    let title = font::fit(y.1, 12.5, plot.height());
    scene.text(
        Text::new(title, (18.0, middle), 12.5)
            .anchor(Anchor::Middle)
            .turned(),
    );
}

/// Room left of the plot for the labels of the vertical axis and its title.
pub(super) fn left_margin(y: &Scale, unit: &str) -> f64 {
    let widest = y
        .ticks(6, unit)
        .iter()
        .map(|t| font::width(&t.label, 11.0))
        .fold(24.0, f64::max);
    (widest + 36.0).min(170.0)
}
