//! The embedded typeface: widths and outlines of text.

use std::sync::OnceLock;

use ab_glyph::{Font, FontRef, Glyph, ScaleFont};

/// Name under which a viewer may have it.
pub(super) const FAMILY: &str = "DejaVu Sans";

/// DejaVu Sans 2.37 cut to Latin, Greek, super- and subscripts and a few symbols; license beside it.
static BYTES: &[u8] = include_bytes!("font/DejaVuSans.subset.ttf");

/// The typeface, read once.
pub(super) fn face() -> &'static FontRef<'static> {
    static FACE: OnceLock<FontRef<'static>> = OnceLock::new();
    FACE.get_or_init(|| {
        FontRef::try_from_slice(BYTES).expect("the embedded font is checked by a test")
    })
}

/// A font size as people give it (the em square) in the measure of the rasterizer (ascent to descent).
fn pixel_height(size: f64) -> f32 {
    let face = face();
    let per_em = face.units_per_em().unwrap_or(2048.0);
    size as f32 * face.height_unscaled() / per_em
}

/// Width of one line of text, with kerning.
pub(super) fn width(text: &str, size: f64) -> f64 {
    let mut end = 0.0;
    lay_out(text, size, |_, after| end = after);
    end
}

/// The glyphs of one line, their baseline starting at the origin.
pub(super) fn glyphs(text: &str, size: f64) -> Vec<Glyph> {
    let mut found = Vec::new();
    lay_out(text, size, |glyph, _| found.push(glyph));
    found
}

/// Calls `place` with each glyph and the pen position after it.
fn lay_out(text: &str, size: f64, mut place: impl FnMut(Glyph, f64)) {
    let scaled = face().as_scaled(pixel_height(size));
    let mut pen = 0.0;
    let mut previous = None;
    for letter in text.chars() {
        let id = scaled.glyph_id(letter);
        if let Some(previous) = previous {
            pen += scaled.kern(previous, id);
        }
        let glyph = id.with_scale_and_position(scaled.scale(), ab_glyph::point(pen, 0.0));
        pen += scaled.h_advance(id);
        place(glyph, f64::from(pen));
        previous = Some(id);
    }
}

/// The text, or its start and `…`, whatever fits into `limit`.
pub(super) fn fit(text: &str, size: f64, limit: f64) -> String {
    if width(text, size) <= limit {
        return text.to_owned();
    }
    // Long before this many letters any line is full; the rest need not be measured.
    let letters: Vec<char> = text.chars().take(400).collect();
    let start = |n: usize| format!("{}…", letters[..n].iter().collect::<String>().trim_end());
    // Widths grow with the number of letters but for kerning, which is far narrower than a letter.
    let (mut fits, mut exceeds) = (0, letters.len() + 1);
    while exceeds - fits > 1 {
        let middle = usize::midpoint(fits, exceeds);
        if width(&start(middle), size) <= limit {
            fits = middle;
        } else {
            exceeds = middle;
        }
    }
    start(fits)
}

/// One line without control characters, at most a few hundred letters.
pub(super) fn clean(text: &str) -> String {
    let letters = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    letters.take(400).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_font_has_what_plots_print() {
        for letter in "AZaz09 µμ·×²³⁻₂→≤≥–—…αΩé%/".chars() {
            assert_ne!(face().glyph_id(letter).0, 0, "{letter}");
        }
    }

    #[test]
    fn widths_follow_the_em_square() {
        // Advance of `0` in DejaVu Sans is 1303 of 2048 units.
        assert!((width("00", 20.48) - 26.06).abs() < 0.01);
    }

    #[test]
    fn long_text_is_cut_to_the_limit() {
        assert_eq!(fit("short", 10.0, 100.0), "short");
        let cut = fit(&"operator".repeat(40), 10.0, 100.0);
        assert!(cut.ends_with('…') && width(&cut, 10.0) <= 100.0, "{cut}");
        assert_eq!(fit("x", 10.0, 0.0), "…");
    }
}
