//! Measured figures that the binary carries, to compare predictions with.

use crate::diag::Source;

/// Single operators on GPUs; see `tests/measured/README.md` for where each comes from.
pub fn measured_operators() -> Source {
    let text = include_str!("../../tests/measured/operators.csv");
    Source::new("tests/measured/operators.csv", text)
}

/// What mean errors over them must stay within.
pub fn measured_bands() -> &'static str {
    include_str!("../../tests/measured/bands.csv")
}
