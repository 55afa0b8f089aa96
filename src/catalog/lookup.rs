//! Names and paths to entries.

use std::path::Path;

use crate::diag::{Code, Problem, Problems, did_you_mean};

use super::{Base, Content, Entry, Kind, embedded, file};

/// Names of all chips, sorted.
pub fn chips() -> Vec<&'static str> {
    embedded::chips().iter().map(|(name, _)| *name).collect()
}

/// Names of all models, sorted.
pub fn models() -> Vec<&'static str> {
    embedded::models().iter().map(|(name, _)| *name).collect()
}

/// Names of all kernel families, sorted.
pub fn kernel_families() -> Vec<&'static str> {
    embedded::kernels().iter().map(|(name, _)| *name).collect()
}

/// The kernel family of a name; `None` if there is none.
pub fn kernel_family(name: &str) -> Option<Entry> {
    named(embedded::kernels(), name, "hw-profiles/kernels")
}

/// The chip of a name or path.
///
/// # Errors
/// E0202 if the name is unknown; E0203, E0109 if the file cannot be read.
pub fn chip(arg: &str) -> Result<Entry, Problems> {
    if is_path(arg) {
        return file::read(arg, Kind::Toml);
    }
    named(embedded::chips(), arg, "hw-profiles").ok_or_else(|| {
        missing(
            Code::NoChip,
            arg,
            &chips(),
            "chip",
            "or give a path to chip.toml",
        )
        .into()
    })
}

/// The model of a name or path.
///
/// # Errors
/// E0201 if the name is unknown; E0203, E0204, E0109 if the file cannot be read.
pub fn model(arg: &str) -> Result<Entry, Problems> {
    if is_path(arg) {
        return file::read_model(arg);
    }
    named(embedded::models(), arg, "workloads").ok_or_else(|| {
        let way_out = "or give a path to model.onnx / config.json / model.toml";
        missing(Code::NoModel, arg, &models(), "model", way_out).into()
    })
}

/// The sweep of a path.
///
/// # Errors
/// E0203, E0109 if the file cannot be read.
pub fn sweep(path: &str) -> Result<Entry, Problems> {
    file::read(path, Kind::Toml)
}

/// The mapping problem of a path.
///
/// # Errors
/// E0203, E0109 if the file cannot be read.
pub fn problem(path: &str) -> Result<Entry, Problems> {
    file::read(path, Kind::Toml)
}

/// The table of a path.
///
/// # Errors
/// E0203, E0109 if the file cannot be read.
pub fn table(path: &str) -> Result<Entry, Problems> {
    file::read(path, Kind::Csv)
}

/// The graph that an entry names relative to itself.
///
/// # Errors
/// E0110 if an entry of the catalog names a graph that is not in it; E0203 if a file cannot be read.
pub fn beside(entry: &Entry, path: &str) -> Result<Entry, Problems> {
    match &entry.base {
        Base::Folder(folder) => file::read(&folder.join(path).to_string_lossy(), Kind::Onnx),
        Base::Catalog => {
            let name = path
                .strip_prefix("onnx/")
                .and_then(|p| p.strip_suffix(".onnx"));
            let found = embedded::graphs().iter().find(|(n, _)| Some(*n) == name);
            let (name, bytes) = found.ok_or_else(|| {
                Problem::new(
                    Code::Reference,
                    format!(
                        "`{}` names the graph `{path}`, which is not in the catalog",
                        entry.origin
                    ),
                )
            })?;
            Ok(Entry {
                name: (*name).to_owned(),
                origin: format!("workloads/{path}"),
                kind: Kind::Onnx,
                content: Content::Bytes(bytes.to_vec()),
                base: Base::Catalog,
            })
        }
    }
}

fn is_path(arg: &str) -> bool {
    let lower = arg.to_lowercase();
    arg.contains(['/', '\\'])
        || [".onnx", ".json", ".toml"]
            .iter()
            .any(|e| lower.ends_with(e))
        || Path::new(arg).is_file()
}

fn named(list: &[(&str, &str)], name: &str, folder: &str) -> Option<Entry> {
    let at = list.binary_search_by(|(n, _)| (*n).cmp(name)).ok()?;
    Some(Entry {
        name: name.to_owned(),
        origin: format!("{folder}/{name}.toml"),
        kind: Kind::Toml,
        content: Content::Text(list[at].1.to_owned()),
        base: Base::Catalog,
    })
}

fn missing(code: Code, arg: &str, names: &[&str], noun: &str, way_out: &str) -> Problem {
    let matching: Vec<String> = names
        .iter()
        .filter(|n| !arg.is_empty() && n.starts_with(arg))
        .map(|n| format!("`{n}`"))
        .collect();
    if matching.len() > 1 {
        let (n, list) = (matching.len(), matching.join(", "));
        return Problem::new(code, format!("no {noun} called `{arg}`: {n} match: {list}"));
    }
    let count = names.len();
    let plural = if count == 1 { "" } else { "s" };
    let list = format!("{count} {noun}{plural}: wattline list {noun}s");
    let close = match matching.first() {
        Some(name) => Some(format!("did you mean {name}?")),
        None => did_you_mean(arg, names.iter().copied()),
    };
    let parts: Vec<String> = close
        .into_iter()
        .chain([list, way_out.to_owned()])
        .collect();
    Problem::new(code, format!("no {noun} called `{arg}`")).help(parts.join(" · "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    #[track_caller]
    fn check(found: Result<Entry, Problems>, expected: &Expect) {
        expected.assert_eq(&found.expect_err("must be refused").to_string());
    }

    #[test]
    fn a_wrong_name_gets_a_hint_and_the_way_to_the_list() {
        let names = ["h100-sxm", "h200-nvl", "h200-sxm"];
        let problem =
            |arg| missing(Code::NoChip, arg, &names, "chip", "or give a path").to_string();
        expect!["E0202 no chip called `h200`: 2 match: `h200-nvl`, `h200-sxm`"]
            .assert_eq(&problem("h200"));
        expect![[r#"
            E0202 no chip called `h100-sxn`
              = help: did you mean `h100-sxm`? · 3 chips: wattline list chips · or give a path"#]]
        .assert_eq(&problem("h100-sxn"));
        expect![[r#"
            E0202 no chip called `zzz`
              = help: 3 chips: wattline list chips · or give a path"#]]
        .assert_eq(&problem("zzz"));
    }

    #[test]
    fn a_path_overrides_a_name() {
        check(
            model("no/such/config.json"),
            &expect![
                "E0203 `no/such/config.json` cannot be read: No such file or directory (os error 2)"
            ],
        );
        check(
            model("llama-3.1-8b.toml"),
            &expect![
                "E0203 `llama-3.1-8b.toml` cannot be read: No such file or directory (os error 2)"
            ],
        );
        check(
            model("Cargo.lock"),
            &expect![[r#"
            E0204 `Cargo.lock` is not a model file
              = help: a model is an .onnx, a config.json or a workload .toml"#]],
        );
        check(
            chip("src/"),
            &expect![[r#"
                E0203 `src/` cannot be read: it is a folder
                  = help: give a file"#]],
        );
    }

    #[test]
    fn every_name_is_sorted_and_found() {
        assert!(models().is_sorted());
        assert!(chips().is_sorted());
        for name in models() {
            assert_eq!(model(name).expect("is in the catalog").name, name);
        }
    }
}
