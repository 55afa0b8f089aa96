//! Parameters, cache and state sizes and multiplications of configurations against counts made elsewhere.
//!
//! `tests/catalog/configurations.csv` holds the counts of every configuration of the catalog.
//! `WATTLINE_DATA` names a folder with `hf-configs/golden.csv`, whose files are read as a user's.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;

use wattline::workload::{Binding, Dtype, Role, Stage, Workload};
use wattline::{catalog, import};

/// Counts are exact; the tolerance is that of the double sums.
const TOLERANCE: f64 = 1e-9;

/// Counts of one model; what was not counted is `None`.
struct Counts {
    parameters: f64,
    active: f64,
    kv_elements: f64,
    state_elements: f64,
    /// Tokens of the pass, and its operations.
    flops: Option<(u64, f64)>,
}

type Row = BTreeMap<String, String>;

/// Writes past the test harness, which hides the output of tests that pass.
fn say(text: &str) {
    // A closed stderr cannot fail a test.
    let _ = writeln!(std::io::stderr(), "config_counts: {text}");
}

fn number(row: &Row, column: &str) -> Option<f64> {
    row.get(column).and_then(|text| text.parse().ok())
}

fn rows(text: &str) -> Vec<Row> {
    let mut reader = csv::ReaderBuilder::new()
        .comment(Some(b'#'))
        .from_reader(text.as_bytes());
    let rows: Result<Vec<Row>, csv::Error> = reader.deserialize().collect();
    rows.expect("is valid CSV")
}

/// Differences between a model and its counts.
fn differences(workload: &Workload, want: &Counts) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut compare = |what: &str, found: f64, wanted: f64| {
        if (found - wanted).abs() > TOLERANCE * wanted.abs().max(1.0) {
            wrong.push(format!("{}: {what} {found} want {wanted}", workload.name));
        }
    };
    let card = workload.card();
    let mut pass = Binding::infer();
    let has_seq = card.symbols.iter().any(|s| s.name == "seq");
    if let (Some((seq, _)), true) = (want.flops, has_seq) {
        pass.dims.insert("seq".to_owned(), seq);
    }
    let (graph, _) = workload.graph(&pass).expect("builds");
    let parameters = graph.parameters();
    compare("parameters", parameters, want.parameters);
    let active = card.active_parameters.unwrap_or(parameters);
    compare("active parameters", active, want.active);
    let kv = card.kv_elements_per_token.unwrap_or(0.0);
    compare("cache elements per token", kv, want.kv_elements);
    compare("state elements", card.state_elements, want.state_elements);
    if let Some((_, flops)) = want.flops {
        compare("flops", 2.0 * graph.macs(), flops);
    }
    // One step behind one token holds all weights, two tokens of cache, one state.
    let cross = graph.operators().any(|op| op.block.contains("cross"));
    if kv + card.state_elements > 0.0 {
        let mut binding = Binding::infer();
        binding.stage = Stage::Tokens { tokens: 1, past: 1 };
        let (step, _) = workload.graph(&binding).expect("builds");
        compare("parameters of a step", step.parameters(), want.parameters);
        let held = step.bytes_of(Role::KvCache).0 / card.dtype.stored_bytes();
        if !cross {
            compare("cache of two tokens", held, 2.0 * kv);
        }
        let states = step.tensors().iter().filter(|t| t.role == Role::State);
        let elements: f64 = states.map(|t| t.elements() * t.copies as f64).sum();
        compare("state of a step", elements, want.state_elements);
    }
    wrong
}

#[test]
fn val_catalog_configurations_have_the_counts_of_the_reference() {
    let table = rows(include_str!("catalog/configurations.csv"));
    let mut wrong = Vec::new();
    for row in &table {
        let name = row["name"].as_str();
        let entry = catalog::model(name).expect("is in the catalog");
        let workload = import::model(&entry).expect("is valid");
        let want = |column| number(row, column).unwrap_or_else(|| panic!("{name} has {column}"));
        let counts = Counts {
            parameters: want("parameters"),
            active: want("active_parameters"),
            kv_elements: want("kv_elements_per_token"),
            state_elements: want("state_elements"),
            flops: number(row, "flops").map(|f| (want("seq") as u64, f)),
        };
        wrong.extend(differences(&workload, &counts));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(table.len() >= 160, "{}", table.len());
}

#[test]
fn every_configuration_of_the_catalog_is_counted() {
    let table = rows(include_str!("catalog/configurations.csv"));
    let counted = |name: &str| table.iter().any(|row| row["name"] == name);
    let described = catalog::models().into_iter().filter(|name| {
        let entry = catalog::model(name).expect("is in the catalog");
        let source = entry.source().expect("is text");
        source.text.contains("\n[config]")
    });
    let open: Vec<&str> = described.filter(|name| !counted(name)).collect();
    assert!(open.is_empty(), "without counts: {open:?}");
}

#[test]
fn val_configurations_have_the_counts_of_the_reference() {
    let Some(folder) = std::env::var_os("WATTLINE_DATA") else {
        say("WATTLINE_DATA is not set: files are not compared");
        return;
    };
    let folder = PathBuf::from(folder).join("hf-configs");
    let text = std::fs::read_to_string(folder.join("golden.csv")).expect("golden.csv is there");
    let table = rows(&text);
    let mut wrong = Vec::new();
    for row in &table {
        let name = row["name"].as_str();
        let path = folder.join(format!("{name}.json"));
        let entry = catalog::model(&path.to_string_lossy()).expect("file is readable");
        let workload = match import::model(&entry) {
            Ok(workload) => workload,
            Err(problems) => {
                wrong.push(format!("{name}: {problems}"));
                continue;
            }
        };
        let short = row["prefill_note"].contains("S=512");
        let state = |column| number(row, column).unwrap_or(0.0);
        let counts = Counts {
            parameters: number(row, "params_total").expect("is given"),
            active: number(row, "params_active").expect("is given"),
            kv_elements: number(row, "kv_elems_tok").unwrap_or(0.0),
            state_elements: state("recur_state_elems_seq") + state("conv_state_elems_seq"),
            flops: number(row, "prefill1024_flops").map(|f| (if short { 512 } else { 1024 }, f)),
        };
        wrong.extend(differences(&workload, &counts));
    }
    say(&format!("{} files, {} wrong", table.len(), wrong.len()));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn checkpoints_are_stored_as_their_files_say() {
    let bits = |name: &str| {
        let entry = catalog::model(name).expect("is in the catalog");
        let workload = import::model(&entry).expect("is valid");
        let (graph, _) = workload.graph(&Binding::infer()).expect("builds");
        8.0 * graph.weight_bytes().0 / graph.parameters()
    };
    // gpt-oss-120b: 114.70 of 116.83 B in MXFP4 (4.25 bits), the rest in 16: 4.46 bits; biases of experts
    // stay wide. The checkpoint has 60.8 GiB (model card): 4.47 bits.
    assert!(
        (bits("gpt-oss-120b") - 4.47).abs() < 0.02,
        "{}",
        bits("gpt-oss-120b")
    );
    // DeepSeek-V3: linear layers in fp8 with a scale per 128 x 128, table and head in 16 bits:
    // (671.0 + 1.85 + routers 0.11) / 671.0 of 8 bits.
    assert!(
        (bits("deepseek-v3") - 8.026).abs() < 0.01,
        "{}",
        bits("deepseek-v3")
    );
    let dtype = |name: &str| {
        let entry = catalog::model(name).expect("is in the catalog");
        let workload = import::model(&entry).expect("is valid");
        workload
            .graph(&Binding::infer())
            .expect("builds")
            .0
            .weight_dtype()
    };
    assert_eq!(dtype("deepseek-v3"), Some(Dtype::Fp8Block));
    assert_eq!(dtype("llama-3.1-8b"), Some(Dtype::Bf16));
}
