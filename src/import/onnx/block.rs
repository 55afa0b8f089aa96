//! The module that a node came from, as exporters write it down.

use super::proto::NodeProto;

/// `model.layers.0.self_attn` from the scopes of an export, or an empty text.
pub(super) fn of(proto: &NodeProto, name: &str) -> String {
    let scopes = proto
        .metadata_props
        .iter()
        .find(|p| p.key.as_deref() == Some("pkg.torch.onnx.name_scopes"));
    if let Some(list) = scopes.and_then(|p| p.value.as_deref()) {
        return of_list(list);
    }
    of_path(name)
}

/// `['', 'm', 'm.layers.0', 'm.layers.0.q_proj', 'linear']`: the last but one is the module.
fn of_list(list: &str) -> String {
    let inner = list.trim().trim_start_matches('[').trim_end_matches(']');
    let parts: Vec<&str> = inner
        .split(',')
        .map(|p| p.trim().trim_matches(['\'', '"']))
        .collect();
    match parts.len() {
        0 | 1 => String::new(),
        n => parts[n - 2].to_owned(),
    }
}

/// `/m/model/layers.0/self_attn/q_proj/MatMul`: all but the last part.
fn of_path(name: &str) -> String {
    let Some((path, _)) = name.trim_start_matches('/').rsplit_once('/') else {
        return String::new();
    };
    let mut out = String::with_capacity(path.len());
    for part in path.split('/') {
        // A list of modules repeats its own name: `/layers/layers.0/`.
        if let Some((_, last)) = part.rsplit_once('.')
            && last.parse::<u32>().is_ok()
        {
            let parent = &part[..part.len() - last.len() - 1];
            if out == parent || out.ends_with(&format!(".{parent}")) {
                out.truncate(out.len() - parent.len());
                out = out.trim_end_matches('.').to_owned();
            }
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
            of_list("['', 'm', 'm.layers.0', 'm.layers.0.q_proj', 'linear']"),
            "m.layers.0.q_proj"
        );
        assert_eq!(
            of_path("/m/model/layers.0/self_attn/q_proj/MatMul"),
            "m.model.layers.0.self_attn.q_proj"
        );
        assert_eq!(of_path("/layers/layers.0/conv/Conv"), "layers.0.conv");
        assert_eq!(of_path("Conv_3"), "");
    }
}
