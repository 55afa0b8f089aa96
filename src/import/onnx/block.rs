//! The module that a node came from, as exporters write it down.

/// `model.layers.0.self_attn` from the scopes of an export, or from the path in a node's name; may be
/// empty.
pub(super) fn of(scopes: &str, path: &str) -> String {
    if scopes.is_empty() {
        of_path(path)
    } else {
        of_list(scopes)
    }
}

/// All of a node's name but its last part; what [`of`] takes.
pub(super) fn path(name: &str) -> &str {
    let path = name.strip_prefix('/').unwrap_or(name);
    path.rsplit_once('/').map_or("", |(path, _)| path)
}

/// `['', 'm', 'm.layers.0', 'm.layers.0.q_proj', 'linear']`: the last but one is the module.
fn of_list(list: &str) -> String {
    let inner = list.trim().trim_start_matches('[').trim_end_matches(']');
    let mut parts = inner.rsplit(',');
    parts.next();
    let module = parts.next().unwrap_or("");
    module.trim().trim_matches(['\'', '"']).to_owned()
}

/// `m/model/layers.0/self_attn/q_proj`.
fn of_path(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for part in path.split('/') {
        // A list of modules repeats its own name: `layers/layers.0/`.
        if let Some((parent, last)) = part.rsplit_once('.')
            && last.parse::<u32>().is_ok()
            && let Some(before) = out.strip_suffix(parent)
            && (before.is_empty() || before.ends_with('.'))
        {
            let n = before.trim_end_matches('.').len();
            out.truncate(n);
        }
        if !out.is_empty() {
            out.push('.');
        }
        out.push_str(part);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_and_paths_give_the_module() {
        assert_eq!(
            of("['', 'm', 'm.layers.0', 'm.layers.0.q_proj', 'linear']", ""),
            "m.layers.0.q_proj"
        );
        let at = |name| of("", path(name));
        assert_eq!(
            at("/m/model/layers.0/self_attn/q_proj/MatMul"),
            "m.model.layers.0.self_attn.q_proj"
        );
        assert_eq!(at("/layers/layers.0/conv/Conv"), "layers.0.conv");
        assert_eq!(at("Conv_3"), "");
    }
}
