//! Parameters, cache sizes and multiplications of real configurations against counts made elsewhere.
//!
//! `WATTLINE_DATA` names a folder with `hf-configs/golden.csv` (counted with transformers on meta
//! tensors and torch's FlopCounterMode); without it only the catalog's own entries are checked.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;

use wattline::diag::Code;
use wattline::workload::{Binding, Role, Stage, Workload};
use wattline::{catalog, import};

/// Configurations that must be read, whatever the data folder holds.
const REQUIRED: [&str; 24] = [
    "bert-base-uncased",
    "gemma-2-2b",
    "gemma-2-9b",
    "gemma-3-1b",
    "gemma-3-27b",
    "gemma-3-4b",
    "gpt2",
    "gpt3-175b",
    "llama-2-13b",
    "llama-2-70b",
    "llama-2-7b",
    "llama-3.1-405b",
    "llama-3.1-70b",
    "llama-3.1-8b",
    "llama-3.2-1b",
    "mistral-7b-v0.1",
    "phi-3-mini-4k",
    "phi-4",
    "qwen2.5-72b",
    "qwen2.5-7b",
    "qwen3-0.6b",
    "qwen3-32b",
    "qwen3-8b",
    "vit-base-patch16-224",
];

/// Counts are exact; the tolerance is that of the double sums.
const TOLERANCE: f64 = 1e-9;

type Row = BTreeMap<String, String>;

/// Writes past the test harness, which hides the output of tests that pass.
fn say(text: &str) {
    // A closed stderr cannot fail a test.
    let _ = writeln!(std::io::stderr(), "config_counts: {text}");
}

fn golden() -> Option<(PathBuf, Vec<Row>)> {
    let folder = PathBuf::from(std::env::var_os("WATTLINE_DATA")?).join("hf-configs");
    let mut reader =
        csv::Reader::from_path(folder.join("golden.csv")).expect("golden.csv is there");
    let rows: Result<Vec<Row>, csv::Error> = reader.deserialize().collect();
    Some((folder, rows.expect("golden.csv is valid")))
}

fn number(row: &Row, column: &str) -> Option<f64> {
    row.get(column).and_then(|text| text.parse().ok())
}

/// Differences between a model and its row.
fn differences(workload: &Workload, row: &Row) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut compare = |what: &str, found: f64, wanted: f64| {
        if (found - wanted).abs() > TOLERANCE * wanted.abs().max(1.0) {
            wrong.push(format!("{}: {what} {found} want {wanted}", workload.name));
        }
    };
    let card = workload.card();
    let (graph, _) = workload.graph(&pass(workload, row)).expect("builds");
    let parameters = graph.parameters();
    let want = |column| number(row, column).unwrap_or_else(|| panic!("{column} is given"));
    compare("parameters", parameters, want("params_total"));
    let active = card.active_parameters.unwrap_or(parameters);
    compare("active parameters", active, want("params_active"));
    let kv = card.kv_elements_per_token.unwrap_or(0.0) * 2.0;
    compare("kv bytes per token", kv, want("kv_bytes_tok_bf16"));
    if let Some(flops) = number(row, "prefill1024_flops") {
        compare("flops", 2.0 * graph.macs(), flops);
    }
    if kv > 0.0 {
        let mut binding = Binding::infer();
        binding.stage = Stage::Tokens { tokens: 1, past: 0 };
        let (step, _) = workload.graph(&binding).expect("builds");
        compare(
            "parameters of a step",
            step.parameters(),
            want("params_total"),
        );
        let held = step.bytes_of(Role::KvCache).0;
        let element = card.dtype.stored_bytes();
        compare("cache of one token", held, kv / 2.0 * element);
    }
    wrong
}

/// One pass as the counter made it: 1024 tokens, 512 for BERT.
fn pass(workload: &Workload, row: &Row) -> Binding {
    let mut binding = Binding::infer();
    let symbols = &workload.card().symbols;
    if symbols.iter().any(|s| s.name == "seq") {
        let short = row["prefill_note"].contains("S=512");
        let seq = if short { 512 } else { 1024 };
        binding.dims.insert("seq".to_owned(), seq);
    }
    binding
}

#[test]
fn val_configurations_have_the_counts_of_the_reference() {
    let Some((folder, rows)) = golden() else {
        say("WATTLINE_DATA is not set: nothing compared");
        return;
    };
    let (mut right, mut wrong, mut unsupported) = (Vec::new(), Vec::new(), Vec::new());
    for row in &rows {
        let name = row["name"].as_str();
        let path = folder.join(format!("{name}.json"));
        let entry = catalog::model(&path.to_string_lossy()).expect("file is readable");
        match import::model(&entry) {
            Ok(workload) => {
                let found = differences(&workload, row);
                if found.is_empty() {
                    right.push(name);
                }
                wrong.extend(found);
            }
            Err(problems) if problems.0.iter().all(|p| p.code == Code::UnsupportedModel) => {
                unsupported.push(name);
            }
            Err(problems) => wrong.push(format!("{name}: {problems}")),
        }
    }
    let (n, u) = (right.len(), unsupported.len());
    say(&format!(
        "{n} right, {} wrong, {u} not supported: {}",
        wrong.len(),
        unsupported.join(", ")
    ));
    let hidden: Vec<&&str> = REQUIRED
        .iter()
        .filter(|r| unsupported.contains(*r))
        .collect();
    assert!(hidden.is_empty(), "required, but not supported: {hidden:?}");
    let absent: Vec<&&str> = REQUIRED
        .iter()
        .filter(|r| !rows.iter().any(|row| row["name"] == ***r))
        .collect();
    assert!(
        absent.is_empty(),
        "required, but not in golden.csv: {absent:?}"
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn val_catalog_entries_have_the_counts_of_the_reference() {
    let Some((_, rows)) = golden() else {
        say("WATTLINE_DATA is not set: nothing compared");
        return;
    };
    let mut wrong = Vec::new();
    let mut compared = 0;
    for row in &rows {
        let name = row["name"].as_str();
        if !catalog::models().contains(&name) {
            continue;
        }
        let entry = catalog::model(name).expect("is in the catalog");
        let workload = import::model(&entry).expect("is valid");
        wrong.extend(differences(&workload, row));
        compared += 1;
    }
    say(&format!("{compared} catalog entries compared"));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
