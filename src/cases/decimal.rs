//! Numbers of output cells.

/// Six significant digits, so that equal inputs give equal text; empty for what is not known.
pub(super) fn cell(value: Option<f64>) -> String {
    match value.filter(|v| v.is_finite()) {
        None => String::new(),
        Some(0.0) => "0".to_owned(),
        Some(v) => {
            let decimals = (5 - v.abs().log10().floor() as i32).max(0) as usize;
            let text = format!("{v:.decimals$}");
            if text.contains('.') {
                text.trim_end_matches('0').trim_end_matches('.').to_owned()
            } else {
                text
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_have_six_digits() {
        for (value, text) in [
            (123.456_78, "123.457"),
            (0.001_234_567_8, "0.00123457"),
            (1_234_567.8, "1234568"),
            (2.5, "2.5"),
            (100.0, "100"),
            (0.0, "0"),
        ] {
            assert_eq!(cell(Some(value)), text);
        }
        assert_eq!(cell(None), "");
        assert_eq!(cell(Some(f64::INFINITY)), "");
    }
}
