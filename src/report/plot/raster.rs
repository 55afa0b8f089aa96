//! A scene as PNG at twice the user units: drawn large by plotters, then averaged.

use plotters::backend::BitMapBackend;
use plotters::drawing::IntoDrawingArea;

use super::PlotError;
use super::paint::{Lettering, paint, pixels};
use super::scene::Scene;

/// Pixels of the file per user unit.
const SCALE: f64 = 2.0;
/// Drawn pixels per pixel of the file, each way: plotters places shapes at whole pixels only.
const N_SAMPLES: u32 = 3;
const N_CHANNELS: usize = 3;

/// The image file.
///
/// # Errors
/// [`PlotError::Draw`] if plotters refuses, [`PlotError::Encode`] if the encoder does.
pub(super) fn write(scene: &Scene) -> Result<Vec<u8>, PlotError> {
    let (width, height) = (pixels(scene.width * SCALE), pixels(scene.height * SCALE));
    let drawn = (width * N_SAMPLES, height * N_SAMPLES);
    let mut large = vec![255; drawn.0 as usize * drawn.1 as usize * N_CHANNELS];
    {
        let area = BitMapBackend::with_buffer(&mut large, drawn).into_drawing_area();
        let scale = SCALE * f64::from(N_SAMPLES);
        paint(&area, scene, scale, Lettering::Single)?;
        area.present().map_err(|e| PlotError::Draw(e.to_string()))?;
    }
    encode(&shrink(&large, width as usize), (width, height))
}

/// Averages squares of [`N_SAMPLES`] by [`N_SAMPLES`] pixels; `width` is that of the result.
fn shrink(large: &[u8], width: usize) -> Vec<u8> {
    let n = N_SAMPLES as usize;
    let row_len = width * n * N_CHANNELS;
    let mut small = Vec::with_capacity(large.len() / (n * n));
    let mut sums = vec![0_u16; width * N_CHANNELS];
    for rows in large.chunks_exact(row_len * n) {
        sums.fill(0);
        for row in rows.chunks_exact(row_len) {
            let squares = row.chunks_exact(n * N_CHANNELS);
            for (sum, square) in sums.chunks_exact_mut(N_CHANNELS).zip(squares) {
                for pixel in square.chunks_exact(N_CHANNELS) {
                    for (sum, value) in sum.iter_mut().zip(pixel) {
                        *sum += u16::from(*value);
                    }
                }
            }
        }
        let count = (n * n) as u16;
        small.extend(sums.iter().map(|sum| ((sum + count / 2) / count) as u8));
    }
    small
}

fn encode(rgb: &[u8], size: (u32, u32)) -> Result<Vec<u8>, PlotError> {
    let refused = |e: png::EncodingError| PlotError::Encode(e.to_string());
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, size.0, size.1);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Default);
    let mut writer = encoder.write_header().map_err(refused)?;
    writer.write_image_data(rgb).map_err(refused)?;
    writer.finish().map_err(refused)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::plot::color::Color;
    use crate::report::plot::scene::{Area, Text};

    fn decoded(scene: &Scene) -> (u32, Vec<u8>) {
        let file = write(scene).expect("drawn");
        let mut reader = png::Decoder::new(file.as_slice())
            .read_info()
            .expect("read");
        let mut rgb = vec![0; reader.output_buffer_size()];
        reader.next_frame(&mut rgb).expect("read");
        (reader.info().width, rgb)
    }

    #[test]
    fn a_user_unit_is_two_pixels() {
        let mut scene = Scene::new(5.0, 3.0, "");
        let red = Color::hex(0xff_0000);
        let (left, top, right, bottom) = (1.0, 1.0, 4.0, 2.0);
        scene.rectangle(
            Area {
                left,
                top,
                right,
                bottom,
            },
            red,
        );
        let (width, rgb) = decoded(&scene);
        assert_eq!((width, rgb.len()), (10, 10 * 6 * 3));
        let at = |x: usize, y: usize| &rgb[3 * (10 * y + x)..][..3];
        for (x, y) in [(2, 2), (6, 3)] {
            assert_eq!(at(x, y), [255, 0, 0], "{x} {y}");
        }
        for (x, y) in [(1, 2), (2, 1), (9, 2), (2, 5)] {
            assert_eq!(at(x, y), [255, 255, 255], "{x} {y}");
        }
    }

    #[test]
    fn turned_text_leaves_its_ink_above_and_left_of_its_start() {
        let mut scene = Scene::new(40.0, 40.0, "");
        scene.text(Text::new("HH", (20.0, 30.0), 10.0).turned());
        let (width, rgb) = decoded(&scene);
        let width = width as usize;
        let dark: Vec<(usize, usize)> = (0..rgb.len() / 3)
            .filter(|i| rgb[3 * i] < 128)
            .map(|i| (i % width, i / width))
            .collect();
        assert!(!dark.is_empty());
        // H is 1493 of 2048 units high and 1540 wide: 14.6 pixels and, twice, 30.
        assert!(
            dark.iter()
                .all(|(x, y)| (25..=40).contains(x) && (29..=60).contains(y)),
            "{dark:?}"
        );
    }

    #[test]
    fn shrinking_averages_squares() {
        let n = N_SAMPLES as usize;
        // Left black, right red but for one pixel.
        let mut large = Vec::new();
        for _ in 0..n {
            large.extend(std::iter::repeat_n([0, 0, 0], n));
            large.extend(std::iter::repeat_n([200, 0, 0], n));
        }
        large[n] = [90, 9, 0];
        assert_eq!(
            shrink(large.as_flattened(), 2),
            [0, 0, 0, ((200 * 8 + 90 + 4) / 9) as u8, 1, 0]
        );
    }
}
