//! From a plot to a file's content.

use super::agreement::Agreement;
use super::bars::Bars;
use super::roofline::Roofline;
use super::scatter::Scatter;
use super::scene::Scene;
use super::{raster, svg as vector};

/// One picture.
#[derive(Clone, Debug, PartialEq)]
pub enum Plot {
    /// Operators under the roofs of a chip.
    Roofline(Roofline),
    /// Where time and energy go.
    Bars(Bars),
    /// Design points and their front.
    Scatter(Scatter),
    /// Predictions against measurements.
    Agreement(Agreement),
}

/// Why there is no picture.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlotError {
    /// A bar chart needs one to three panels.
    #[error("a bar chart has one to three panels, not {0}")]
    Panels(usize),
    /// More points than a picture can hold.
    #[error("{found} points are more than a plot can hold ({limit})")]
    TooMany {
        /// In the plot.
        found: usize,
        /// Allowed.
        limit: usize,
    },
    /// The front or a mark names a point that does not exist.
    #[error("point {index} does not exist: there are {len}")]
    NoSuchPoint {
        /// Named by the front or a mark.
        index: usize,
        /// Number of points.
        len: usize,
    },
    /// The drawing library refused.
    #[error("cannot draw the plot: {0}")]
    Draw(String),
    /// The image encoder refused.
    #[error("cannot encode the image: {0}")]
    Encode(String),
}

/// Points and bars beyond this number would only cover each other.
pub(super) const N_POINTS_MAX: usize = 200_000;

/// The plot as an SVG document, 640 to 760 user units wide.
///
/// # Errors
/// [`PlotError`] for input that has no picture.
pub fn svg(plot: &Plot) -> Result<String, PlotError> {
    vector::write(&scene(plot)?)
}

/// The plot as a PNG file at two pixels per user unit.
///
/// # Errors
/// [`PlotError`] for input that has no picture.
pub fn png(plot: &Plot) -> Result<Vec<u8>, PlotError> {
    raster::write(&scene(plot)?)
}

fn scene(plot: &Plot) -> Result<Scene, PlotError> {
    match plot {
        Plot::Roofline(roofline) => roofline.scene(),
        Plot::Bars(bars) => bars.scene(),
        Plot::Scatter(scatter) => scatter.scene(),
        Plot::Agreement(agreement) => agreement.scene(),
    }
}

/// Refuses more points than a picture can hold.
pub(super) fn check_count(found: usize) -> Result<(), PlotError> {
    if found > N_POINTS_MAX {
        return Err(PlotError::TooMany {
            found,
            limit: N_POINTS_MAX,
        });
    }
    Ok(())
}
