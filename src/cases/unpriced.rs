//! Why a row has no prediction.

/// The reason a row stays empty. Its text is what rows are counted by, so it names kinds, not rows.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Unpriced {
    /// The chip cannot be found or read.
    #[error("no such chip: {0}")]
    Chip(String),
    /// The model cannot be found, read or built.
    #[error("no such model: {0}")]
    Model(String),
    /// The model is read, but its family cannot be built, or not for this request.
    #[error("model not supported: {0}")]
    Family(String),
    /// Not a known operator.
    #[error("unknown operator: {0}")]
    Operator(String),
    /// Known, but nothing prices it.
    #[error("{0} is not modelled yet")]
    NotModelled(&'static str),
    /// Not a data type, or not one for this operator.
    #[error("unknown data type: {0}")]
    Dtype(String),
    /// Not a regime.
    #[error("unknown regime: {0}")]
    Regime(String),
    /// Not a mode.
    #[error("unknown mode: {0}")]
    Mode(String),
    /// A shape or column lacks a value.
    #[error("`{0}` is missing")]
    Missing(String),
    /// A shape has a key that the operator does not read.
    #[error("unknown shape key: {0}")]
    UnknownKey(String),
    /// Not a number.
    #[error("`{0}` is not a number")]
    NotANumber(String),
    /// Zero, negative, fractional where whole numbers are needed, or beyond what is priced.
    #[error("`{0}` is out of range")]
    OutOfRange(String),
    /// Sizes that contradict each other.
    #[error("{0}")]
    Contradiction(&'static str),
    /// An exchange among more chips than links reach.
    #[error("no link of {0} reaches so many chips")]
    Unreached(String),
    /// Even the least tile is larger than a memory.
    #[error("does not fit on {0}")]
    NoMapping(String),
}

/// How many rows each reason leaves empty: most frequent first, then by text.
pub(super) fn count<'a>(reasons: impl Iterator<Item = &'a Unpriced>) -> Vec<(String, usize)> {
    let mut counts: std::collections::BTreeMap<String, usize> = std::collections::BTreeMap::new();
    for reason in reasons {
        *counts.entry(reason.to_string()).or_default() += 1;
    }
    let mut sorted: Vec<(String, usize)> = counts.into_iter().collect();
    sorted.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    sorted
}

/// Cuts a text from a file to what a one-line message can hold.
pub(super) fn short(text: &str) -> String {
    const LONGEST: usize = 60;
    let line: String = text.chars().take(LONGEST).collect();
    line.replace(char::is_control, " ")
}
