//! "Did you mean": the closest of the names that would have been right.

/// The closest name, if one is close enough to be a slip of the fingers.
pub fn closest<'a>(found: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let found = found.to_lowercase();
    names
        .into_iter()
        .map(|name| (likeness(&found, &name.to_lowercase()), name))
        .filter(|(score, _)| *score >= 0.82)
        .max_by(|a, b| a.0.total_cmp(&b.0).then_with(|| b.1.cmp(a.1)))
        .map(|(_, name)| name)
}

/// From 0 to 1. Jaro-Winkler misses swapped letters in short words, which the edit distance sees.
fn likeness(found: &str, name: &str) -> f64 {
    let is_one_slip = name.len() > 2 && strsim::osa_distance(found, name) == 1;
    let floor = if is_one_slip { 0.83 } else { 0.0 };
    strsim::jaro_winkler(found, name).max(floor)
}

/// "did you mean `x`?", if anything is close.
pub fn did_you_mean<'a>(found: &str, names: impl IntoIterator<Item = &'a str>) -> Option<String> {
    closest(found, names).map(|name| format!("did you mean `{name}`?"))
}
