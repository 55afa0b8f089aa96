//! What all plots share: heading, legend, footnote.

use super::color::Color;
use super::font;
use super::place;
use super::scene::{Point, Scene, Text};

/// Outer margin in user units.
pub(super) const MARGIN: f64 = 14.0;

/// Title and subtitle; returns where the next thing may start.
pub(super) fn heading(scene: &mut Scene, title: &str, subtitle: &str) -> f64 {
    let room = scene.width - 2.0 * MARGIN;
    let mut y = 8.0;
    if !title.is_empty() {
        y += 16.0;
        let text = font::fit(&font::clean(title), 15.0, room);
        scene.text(Text::new(text, (MARGIN, y), 15.0));
        y += 2.0;
    }
    if !subtitle.is_empty() {
        y += 14.0;
        let text = font::fit(&font::clean(subtitle), 11.5, room);
        scene.text(Text::new(text, (MARGIN, y), 11.5).soft());
    }
    y + 10.0
}

/// Colored dots with names, in rows from `at`; returns the height.
pub(super) fn legend(scene: &mut Scene, at: Point, width: f64, entries: &[(String, Color)]) -> f64 {
    let size = 11.0;
    let labels: Vec<String> = entries
        .iter()
        .map(|(label, _)| font::fit(label, size, (width - 40.0).clamp(40.0, 180.0)))
        .collect();
    let (places, height) = place::legend_rows(&labels, size, width);
    for ((label, place), (_, color)) in labels.into_iter().zip(places).zip(entries) {
        let (x, y) = (at.0 + place.0, at.1 + place.1);
        scene.circle((x + 5.0, y + 6.0), 4.5, *color, None);
        scene.text(Text::new(label, (x + 14.0, y + 10.0), size));
    }
    height
}

/// A remark in the bottom left corner.
pub(super) fn footnote(scene: &mut Scene, text: &str) {
    let text = font::fit(text, 10.0, scene.width - 2.0 * MARGIN);
    let at = (MARGIN, scene.height - 7.0);
    scene.text(Text::new(text, at, 10.0).soft());
}

/// `1 point is` or `3 points are`.
pub(super) fn points_are(n: usize) -> String {
    if n == 1 {
        "1 point is".to_owned()
    } else {
        format!("{n} points are")
    }
}

/// Names by their weight, heaviest first (ties by first appearance); those beyond `keep` are dropped.
pub(super) fn heaviest<'a>(
    weights: impl Iterator<Item = (&'a str, f64)>,
    keep: usize,
) -> Vec<String> {
    let mut sums: Vec<(&str, f64)> = Vec::new();
    let mut places: std::collections::BTreeMap<&str, usize> = std::collections::BTreeMap::new();
    for (name, weight) in weights {
        let at = *places.entry(name).or_insert_with(|| {
            sums.push((name, 0.0));
            sums.len() - 1
        });
        if weight.is_finite() {
            sums[at].1 += weight;
        }
    }
    sums.sort_by(|a, b| b.1.total_cmp(&a.1));
    sums.truncate(keep);
    sums.into_iter().map(|(name, _)| name.to_owned()).collect()
}
