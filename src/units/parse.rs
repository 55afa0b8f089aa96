//! Unit names: `TB/s`, `pJ/bit`, `mm2`, `B/cycle`.

use super::Dimension;

/// Why a quantity could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// No number at the start.
    #[error("`{0}` does not start with a number")]
    Number(String),
    /// A unit that is not known.
    #[error("`{0}` is not a unit")]
    Unknown(String),
}

/// Base units: name, scale to SI, dimension, whether decimal prefixes apply, whether binary ones do.
const UNITS: &[(&str, f64, Dimension, bool, bool)] = &[
    ("s", 1.0, Dimension::TIME, true, false),
    ("min", 60.0, Dimension::TIME, false, false),
    ("h", 3600.0, Dimension::TIME, false, false),
    ("Hz", 1.0, Dimension::FREQUENCY, true, false),
    ("B", 1.0, Dimension::BYTES, true, true),
    ("bit", 0.125, Dimension::BYTES, true, true),
    ("FLOP", 1.0, Dimension::OPS, true, false),
    ("FLOPS", 1.0, Dimension::OP_RATE, true, false),
    ("OP", 1.0, Dimension::OPS, true, false),
    ("OPS", 1.0, Dimension::OP_RATE, true, false),
    ("MAC", 2.0, Dimension::OPS, true, false),
    ("J", 1.0, Dimension::ENERGY, true, false),
    ("Wh", 3600.0, Dimension::ENERGY, true, false),
    ("W", 1.0, Dimension::POWER, true, false),
    ("m", 1.0, Dimension::LENGTH, true, false),
    ("V", 1.0, Dimension::VOLTAGE, true, false),
    ("cycle", 1.0, Dimension::CYCLES, true, false),
    ("cycles", 1.0, Dimension::CYCLES, false, false),
    ("USD", 1.0, Dimension::MONEY, true, false),
    ("g", 1.0, Dimension::MASS, true, false),
    ("%", 0.01, Dimension::NONE, false, false),
];

const DECIMAL: &[(&str, f64)] = &[
    ("f", 1e-15),
    ("p", 1e-12),
    ("n", 1e-9),
    ("u", 1e-6),
    ("µ", 1e-6),
    ("μ", 1e-6),
    ("m", 1e-3),
    ("c", 1e-2),
    ("k", 1e3),
    ("K", 1e3),
    ("M", 1e6),
    ("G", 1e9),
    ("T", 1e12),
    ("P", 1e15),
    ("E", 1e18),
];

const BINARY: &[(&str, f64)] = &[
    ("Ki", 1024.0),
    ("Mi", 1_048_576.0),
    ("Gi", 1_073_741_824.0),
    ("Ti", 1_099_511_627_776.0),
    ("Pi", 1_125_899_906_842_624.0),
];

/// Scale to SI and dimension of a unit expression.
///
/// # Errors
/// [`UnitError::Unknown`] with the part that is not a unit.
pub fn parse_unit(text: &str) -> Result<(f64, Dimension), UnitError> {
    let mut scale = 1.0;
    let mut dimension = Dimension::NONE;
    let mut divide = false;
    let mut rest = text.trim();
    loop {
        let end = rest.find(['/', '*', '·']).unwrap_or(rest.len());
        let (factor, of) = parse_factor(rest[..end].trim())?;
        if divide {
            scale /= factor;
            dimension = dimension / of;
        } else {
            scale *= factor;
            dimension = dimension * of;
        }
        let Some(operator) = rest[end..].chars().next() else {
            return Ok((scale, dimension));
        };
        divide = operator == '/';
        rest = &rest[end + operator.len_utf8()..];
    }
}

/// One factor with an optional power: `mm2`, `s`, `GiB`.
fn parse_factor(text: &str) -> Result<(f64, Dimension), UnitError> {
    let unknown = || UnitError::Unknown(text.to_owned());
    let text_no_caret = text.replace(['^', '²'], if text.contains('²') { "2" } else { "" });
    let name = text_no_caret.trim_end_matches(|c: char| c.is_ascii_digit());
    let power: i8 = match &text_no_caret[name.len()..] {
        "" => 1,
        digits => digits.parse().map_err(|_| unknown())?,
    };
    if !(1..=3).contains(&power) {
        return Err(unknown());
    }
    let (scale, dimension) = lookup(name).ok_or_else(unknown)?;
    Ok((scale.powi(power.into()), dimension.power(power)))
}

fn lookup(name: &str) -> Option<(f64, Dimension)> {
    for &(unit, scale, dimension, decimal, binary) in UNITS {
        let Some(prefix) = name.strip_suffix(unit) else {
            continue;
        };
        if prefix.is_empty() {
            return Some((scale, dimension));
        }
        let find = |table: &[(&str, f64)]| {
            let hit = table.iter().find(|(p, _)| *p == prefix)?;
            Some((hit.1 * scale, dimension))
        };
        if let Some(found) = decimal
            .then(|| find(DECIMAL))
            .flatten()
            .or_else(|| binary.then(|| find(BINARY)).flatten())
        {
            return Some(found);
        }
    }
    None
}
