//! The layering of `src/` is part of the design; this test is what keeps it true.

use std::{collections::BTreeMap, fs, path::Path};

/// Module -> modules it may name through `crate::`. A new edge is a design decision.
const MAY_USE: &[(&str, &[&str])] = &[
    ("units", &[]),
    ("diag", &[]),
    ("pareto", &[]),
    ("expr", &["units", "diag"]),
    ("document", &["expr", "units", "diag"]),
    ("catalog", &["diag"]),
    ("workload", &["units", "expr", "diag"]),
    ("technology", &["workload", "units", "diag"]),
    (
        "hardware",
        &[
            "catalog",
            "technology",
            "workload",
            "document",
            "expr",
            "units",
            "diag",
        ],
    ),
    (
        "import",
        &["catalog", "workload", "document", "expr", "units", "diag"],
    ),
    (
        "mapping",
        &["workload", "hardware", "document", "expr", "units", "diag"],
    ),
    ("cost", &["mapping", "workload", "hardware", "units"]),
    (
        "mapper",
        &["cost", "mapping", "workload", "hardware", "pareto", "units"],
    ),
    (
        "schedule",
        &["cost", "mapping", "workload", "hardware", "units"],
    ),
    (
        "serving",
        &["schedule", "cost", "workload", "hardware", "units", "diag"],
    ),
    (
        "power",
        &["schedule", "cost", "hardware", "technology", "units"],
    ),
    (
        "footprint",
        &[
            "power",
            "schedule",
            "hardware",
            "technology",
            "catalog",
            "units",
            "diag",
        ],
    ),
    (
        "simulate",
        &[
            "footprint",
            "power",
            "serving",
            "schedule",
            "mapper",
            "cost",
            "mapping",
            "workload",
            "hardware",
            "technology",
            "units",
            "diag",
        ],
    ),
    (
        "fit",
        &[
            "simulate", "schedule", "workload", "hardware", "catalog", "units", "diag",
        ],
    ),
    (
        "cases",
        &[
            "simulate", "serving", "schedule", "power", "import", "workload", "hardware", "units",
            "diag",
        ],
    ),
    (
        "calibrate",
        &["cases", "simulate", "workload", "hardware", "units", "diag"],
    ),
    (
        "explore",
        &[
            "simulate", "import", "catalog", "pareto", "workload", "hardware", "document", "expr",
            "units", "diag",
        ],
    ),
    (
        "record",
        &[
            "calibrate",
            "explore",
            "fit",
            "simulate",
            "footprint",
            "power",
            "serving",
            "schedule",
            "mapper",
            "cost",
            "mapping",
            "pareto",
            "workload",
            "hardware",
            "units",
            "diag",
        ],
    ),
    ("compare", &["record", "units"]),
    ("report", &["record", "compare", "pareto", "units", "diag"]),
    (
        "cli",
        &[
            "report",
            "compare",
            "record",
            "explore",
            "calibrate",
            "cases",
            "fit",
            "simulate",
            "footprint",
            "power",
            "serving",
            "schedule",
            "mapper",
            "cost",
            "mapping",
            "import",
            "hardware",
            "technology",
            "workload",
            "catalog",
            "document",
            "expr",
            "pareto",
            "diag",
            "units",
        ],
    ),
];

/// Longest file allowed, in lines.
const MAX_LINES: usize = 800;

/// Generated code is as long as its source makes it.
const GENERATED: &[&str] = &["import/onnx/proto.rs"];

#[test]
fn modules_use_only_lower_layers() {
    let allowed: BTreeMap<_, _> = MAY_USE.iter().copied().collect();
    let mut wrong = Vec::new();
    for (module, path, text) in sources() {
        let Some(may_use) = allowed.get(module.as_str()) else {
            wrong.push(format!("{path}: module `{module}` is not in MAY_USE"));
            continue;
        };
        let mut inline = 0;
        for (n, line) in code_lines(&text) {
            inline |= usize::from(line.starts_with("mod tests"));
            if escapes(&path, inline, line) {
                wrong.push(format!("{path}:{n}: write the path from `crate::`"));
            }
            for used in crate_paths(line) {
                if used.is_empty() {
                    wrong.push(format!("{path}:{n}: one `use crate::module::…` per module"));
                } else if used != module && !may_use.contains(&used) {
                    wrong.push(format!("{path}:{n}: `{module}` may not use `{used}`"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "layering broken:\n{}", wrong.join("\n"));
}

#[test]
fn the_layer_table_has_no_cycle() {
    for (i, (_, uses)) in MAY_USE.iter().enumerate() {
        for used in *uses {
            let j = MAY_USE.iter().position(|(module, _)| module == used);
            assert!(
                j.is_some_and(|j| j < i),
                "`{used}` must be listed above its users"
            );
        }
    }
}

#[test]
fn every_file_is_short_and_says_what_it_is() {
    for (_, path, text) in sources() {
        assert!(
            text.starts_with("//! "),
            "{path}: first line must be a `//!` module doc"
        );
        if GENERATED.contains(&path.as_str()) {
            continue;
        }
        let n_lines = text.lines().count();
        assert!(
            n_lines <= MAX_LINES,
            "{path}: {n_lines} lines, the limit is {MAX_LINES}"
        );
    }
}

/// Every `.rs` file below `src/` except the crate roots: (top module, path, text).
fn sources() -> Vec<(String, String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut stack = vec![root.clone()];
    let mut found = Vec::new();
    while let Some(dir) = stack.pop() {
        for entry in fs::read_dir(&dir).expect("src is readable") {
            let path = entry.expect("entry is readable").path();
            if path.is_dir() {
                stack.push(path);
            } else if path.extension().is_some_and(|ext| ext == "rs") {
                let rel = path.strip_prefix(&root).expect("below src").to_owned();
                let top = rel.iter().next().expect("not empty").to_string_lossy();
                let module = top.trim_end_matches(".rs").to_owned();
                if module != "lib" && module != "main" {
                    let text = fs::read_to_string(&path).expect("is UTF-8");
                    found.push((module, rel.display().to_string(), text));
                }
            }
        }
    }
    found.sort();
    found
}

fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .zip(1..)
        .map(|(line, n)| (n, line))
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
}

/// The `x` of every `crate::x` on the line.
fn crate_paths(line: &str) -> impl Iterator<Item = &str> {
    line.match_indices("crate::").map(|(at, prefix)| {
        let rest = &line[at + prefix.len()..];
        let end = rest
            .find(|c: char| !(c.is_alphanumeric() || c == '_'))
            .unwrap_or(rest.len());
        &rest[..end]
    })
}

/// `super::` that climbs out of the module; `inline` is 1 inside an inline `mod tests { .. }`, else 0.
fn escapes(path: &str, inline: usize, line: &str) -> bool {
    let depth = path
        .trim_end_matches(".rs")
        .split('/')
        .filter(|part| *part != "mod")
        .count()
        - 1;
    line.matches("super::").count() > depth + inline
}

#[test]
fn every_profile_and_workload_names_its_source() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut wrong = Vec::new();
    for folder in ["hw-profiles", "hw-profiles/kernels", "workloads"] {
        for entry in fs::read_dir(root.join(folder)).expect("the folder is there") {
            let path = entry.expect("entry is readable").path();
            if path.extension().is_none_or(|ext| ext != "toml") {
                continue;
            }
            let text = fs::read_to_string(&path).expect("is UTF-8");
            let table: toml::Table = text.parse().expect("is TOML");
            let source = table.get("source").and_then(|s| s.as_str());
            if source.is_none_or(|s| s.trim().is_empty()) {
                wrong.push(path.display().to_string());
            }
        }
    }
    assert!(wrong.is_empty(), "without `source`: {wrong:?}");
}
