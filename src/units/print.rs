//! Numbers as people read them: three or four significant digits and an SI prefix.

/// How sizes are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ByteStyle {
    /// Powers of 1024: `80 GiB`.
    #[default]
    Iec,
    /// Powers of 1000: `80 GB`.
    Si,
}

/// SI prefixes, largest first.
pub const SI_PREFIXES: &[(f64, &str)] = &[
    (1e18, "E"),
    (1e15, "P"),
    (1e12, "T"),
    (1e9, "G"),
    (1e6, "M"),
    (1e3, "k"),
    (1.0, ""),
    (1e-3, "m"),
    (1e-6, "µ"),
    (1e-9, "n"),
    (1e-12, "p"),
    (1e-15, "f"),
];

const IEC: &[(f64, &str)] = &[
    (1_125_899_906_842_624.0, "PiB"),
    (1_099_511_627_776.0, "TiB"),
    (1_073_741_824.0, "GiB"),
    (1_048_576.0, "MiB"),
    (1024.0, "KiB"),
    (1.0, "B"),
];

/// `1.83 GHz`: up to four significant digits, trailing zeros dropped.
pub fn si(value: f64, unit: &str) -> String {
    if value == 0.0 {
        return format!("0 {unit}");
    }
    if !value.is_finite() {
        return format!("{value} {unit}");
    }
    let size = value.abs() * (1.0 + 1e-9);
    let (scale, prefix) = SI_PREFIXES
        .iter()
        .find(|(scale, _)| size >= *scale)
        .unwrap_or(&SI_PREFIXES[SI_PREFIXES.len() - 1]);
    format!("{} {prefix}{unit}", significant(value / scale, 4))
}

/// A size: `80 GiB`, or `85.9 GB`.
pub(super) fn bytes(value: f64, style: ByteStyle) -> String {
    if style == ByteStyle::Si || !value.is_finite() {
        return si(value, "B");
    }
    if value == 0.0 {
        return "0 B".to_owned();
    }
    let (scale, unit) = IEC
        .iter()
        .find(|(scale, _)| value.abs() * (1.0 + 1e-9) >= *scale)
        .unwrap_or(&IEC[IEC.len() - 1]);
    format!("{} {unit}", significant(value / scale, 4))
}

impl super::Bytes {
    /// The size in the style asked for.
    pub fn show(self, style: ByteStyle) -> String {
        bytes(self.0, style)
    }
}

/// At most `digits` significant digits, without trailing zeros; whole digits are never dropped.
pub fn significant(value: f64, digits: usize) -> String {
    if value == 0.0 || !value.is_finite() {
        return format!("{value}");
    }
    let magnitude = value.abs().log10().floor() as i64;
    let decimals = (digits as i64 - 1 - magnitude).clamp(0, 17) as usize;
    let text = format!("{value:.decimals$}");
    if text.contains('.') {
        let trimmed = text.trim_end_matches('0').trim_end_matches('.');
        trimmed.to_owned()
    } else {
        text
    }
}

/// `131 072`: digits in groups of three.
pub fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// `18.7 %`.
pub fn percent(ratio: f64) -> String {
    format!("{:.1} %", ratio * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{Bytes, JoulesPerByte};

    #[test]
    fn numbers_are_short_and_keep_their_prefix() {
        assert_eq!(si(3.35e12, "B/s"), "3.35 TB/s");
        assert_eq!(si(999.96e9, "B/s"), "1000 GB/s");
        assert_eq!(si(1e9, "Hz"), "1 GHz");
        assert_eq!(si(0.0, "W"), "0 W");
        assert_eq!(Bytes(80.0 * 1_073_741_824.0).to_string(), "80 GiB");
        assert_eq!(Bytes(80e9).show(ByteStyle::Si), "80 GB");
        assert_eq!(JoulesPerByte(31.2e-12).to_string(), "3.9 pJ/bit");
        assert_eq!(count(131_072), "131 072");
        assert_eq!(significant(1234.5, 3), "1234");
        assert_eq!(significant(0.012_345, 3), "0.0123");
    }
}
