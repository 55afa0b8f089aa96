//! Measurements in, coefficients and their errors out.
//!
//! A chip's physical coefficients (see [`crate::hardware::kernels`], and achievable rates and overheads of
//! chips without kernel libraries) are fitted within their bounds to rows of measured operators, stack by
//! stack. Coefficients that the rows do not tell are left as they were. The errors of rows whose site was
//! held out of the fit say what to expect of shapes that were not measured.

//!
//! [`score`] compares a chip's predictions with measurements as they are.

mod errors;
mod fit;
mod knob;
mod run;
mod score;
mod solve;
mod split;

pub use errors::{Errors, SIZES};
pub use fit::{FittedKnob, State};
pub use knob::{Group, Knob};
pub use run::{Calibration, ErrorRow, FittedGroup, Settings, calibrate};
pub use score::{Band, ScoreRow, Scored, bands, score, score_table};
