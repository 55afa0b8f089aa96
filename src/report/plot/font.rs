//! The embedded typeface: registration, widths of text, places of letters.

use std::sync::OnceLock;

use ab_glyph::{Font, FontRef, Glyph, ScaleFont};
use plotters::style::{FontStyle, register_font};

use super::PlotError;

/// Name under which plotters knows it: a CSS list, as it ends up in SVG files.
pub(super) const FAMILY: &str = "DejaVu Sans, Verdana, Helvetica Neue, Arial, sans-serif";

/// DejaVu Sans 2.37 cut to Latin, Greek, super- and subscripts and a few symbols; license beside it.
static BYTES: &[u8] = include_bytes!("font/DejaVuSans.subset.ttf");

/// The typeface, read once.
fn face() -> &'static FontRef<'static> {
    static FACE: OnceLock<FontRef<'static>> = OnceLock::new();
    FACE.get_or_init(|| {
        FontRef::try_from_slice(BYTES).expect("the embedded font is checked by a test")
    })
}

/// Makes the typeface known to plotters, which has none of its own.
///
/// # Errors
/// [`PlotError::Draw`] if plotters refuses it.
pub(super) fn register() -> Result<(), PlotError> {
    static IS_KNOWN: OnceLock<bool> = OnceLock::new();
    if *IS_KNOWN.get_or_init(|| register_font(FAMILY, FontStyle::Normal, BYTES).is_ok()) {
        return Ok(());
    }
    Err(PlotError::Draw("the typeface is not accepted".to_owned()))
}

/// A font size as people give it (the em square) in the measure of rasterizers (ascent to descent).
pub(super) fn pixel_height(size: f64) -> f64 {
    let face = face();
    let per_em = face.units_per_em().unwrap_or(2048.0);
    size * f64::from(face.height_unscaled() / per_em)
}

/// Width of one line of text, with kerning.
pub(super) fn width(text: &str, size: f64) -> f64 {
    let mut end = 0.0;
    lay_out(text, pixel_height(size), |_, _, after| end = after);
    end
}

/// The letters of one line that leave ink, each with the pixel column where its ink starts.
///
/// `height` is in pixels, as [`pixel_height`] gives it.
pub(super) fn letters(text: &str, height: f64) -> Vec<(char, f64)> {
    let mut found = Vec::new();
    lay_out(text, height, |letter, glyph, _| {
        let pen = f64::from(glyph.position.x);
        let at_origin = glyph.id.with_scale(glyph.scale);
        if let Some(outline) = face().outline_glyph(at_origin) {
            found.push((letter, pen + f64::from(outline.px_bounds().min.x)));
        }
    });
    found
}

/// Calls `place` with each letter, its glyph and the pen position after it.
fn lay_out(text: &str, height: f64, mut place: impl FnMut(char, Glyph, f64)) {
    let scaled = face().as_scaled(height as f32);
    let mut pen = 0.0;
    let mut previous = None;
    for letter in text.chars() {
        let id = scaled.glyph_id(letter);
        if let Some(previous) = previous {
            pen += scaled.kern(previous, id);
        }
        let glyph = id.with_scale_and_position(scaled.scale(), ab_glyph::point(pen, 0.0));
        pen += scaled.h_advance(id);
        place(letter, glyph, f64::from(pen));
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

/// One line of letters that XML allows, at most a few hundred.
pub(super) fn clean(text: &str) -> String {
    let letters = text.chars().map(|c| match c {
        '\u{fffe}' | '\u{ffff}' => '\u{fffd}',
        c if c.is_control() => ' ',
        c => c,
    });
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
    fn ink_starts_behind_the_side_bearing() {
        // `l` of DejaVu Sans is 569 wide, its ink starts at 193 of 2048 units.
        let found = letters("l l", pixel_height(204.8));
        let advance_of_space = 0.1 * 651.0;
        assert_eq!(found.len(), 2);
        assert_eq!(found[0], ('l', 19.0));
        assert!(
            (found[1].1 - (56.9 + advance_of_space + 19.0)).abs() < 0.1,
            "{found:?}"
        );
    }

    #[test]
    fn long_text_is_cut_to_the_limit() {
        assert_eq!(fit("short", 10.0, 100.0), "short");
        let cut = fit(&"operator".repeat(40), 10.0, 100.0);
        assert!(cut.ends_with('…') && width(&cut, 10.0) <= 100.0, "{cut}");
        assert_eq!(fit("x", 10.0, 0.0), "…");
    }
}
