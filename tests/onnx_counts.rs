//! ONNX graphs against counts made by executing them.
//!
//! Set `WATTLINE_DATA` to a folder that holds `models/golden.csv` and the graphs to check them all.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use wattline::diag::Problems;
use wattline::import::onnx::{self, Mapping};
use wattline::workload::{Binding, Dtype, OpGraph, OpKind, Role};

/// Rows that no rule covers yet.
const NOT_YET: &[&str] = &[];

fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

fn data() -> Option<PathBuf> {
    let found = std::env::var_os("WATTLINE_DATA").map(|d| PathBuf::from(d).join("models"));
    if found.is_none() {
        say("onnx_counts: WATTLINE_DATA is not set; only the graphs of the repository are checked");
    }
    found
}

fn graph(path: &Path, bindings: &str) -> Result<OpGraph, Problems> {
    let bytes = std::fs::read(path).expect("the graph is readable");
    let name = path.file_stem().and_then(|n| n.to_str()).unwrap_or("graph");
    let workload = onnx::read(
        name,
        &path.display().to_string(),
        &bytes,
        Mapping::default(),
    )?;
    let mut binding = Binding::infer();
    for part in bindings.split(';').filter(|p| !p.is_empty()) {
        let mut fields = part.rsplitn(3, ':');
        let (_, shape, input) = (fields.next(), fields.next(), fields.next());
        let shape = shape
            .unwrap_or("")
            .split('x')
            .filter_map(|n| n.parse().ok());
        binding
            .shapes
            .insert(input.unwrap_or("").to_owned(), shape.collect());
    }
    Ok(workload.graph(&binding)?.0)
}

fn check(path: &Path, row: &BTreeMap<String, String>) -> Result<(), String> {
    let graph = graph(path, &row["bindings"]).map_err(|p| p.to_string())?;
    let number = |column: &str| row[column].parse::<f64>().ok();
    let macs = number("macs").unwrap_or(0.0);
    if graph.macs() != macs {
        return Err(format!("macs {} want {macs}", graph.macs()));
    }
    let columns = [
        "init_elems",
        "init_float_elems",
        "static_weight_elems",
        "static_weight_float_elems",
        "params_torch",
    ];
    let wanted: Vec<f64> = columns.iter().filter_map(|c| number(c)).collect();
    let found = graph.parameters();
    if !wanted.is_empty() && !wanted.contains(&found) {
        return Err(format!("parameters {found} want one of {wanted:?}"));
    }
    Ok(())
}

#[test]
fn counts_equal_those_of_execution() {
    let Some(models) = data() else { return };
    let mut reader =
        csv::Reader::from_path(models.join("golden.csv")).expect("golden.csv is there");
    let (mut right, mut skipped, mut wrong) = (0, Vec::new(), Vec::new());
    for row in reader.deserialize() {
        let row: BTreeMap<String, String> = row.expect("rows have all columns");
        let path = models.join(&row["file"]);
        if row["status"] != "ok" || row["macs"].is_empty() || !path.exists() {
            continue;
        }
        if NOT_YET.contains(&row["name"].as_str()) {
            skipped.push(row["name"].clone());
            continue;
        }
        match check(&path, &row) {
            Ok(()) => right += 1,
            Err(why) => wrong.push(format!("{}: {why}", row["name"])),
        }
    }
    say(&format!(
        "onnx_counts: {right} right, {} skipped: {skipped:?}",
        skipped.len()
    ));
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(right > 0, "no row was checked");
}

/// Rows whose peak follows another rule: two take the declared shape of an expansion whose target is an
/// input, which was run with zeros; one counts a transposed constant.
const OTHER_PEAK: [&str; 3] = [
    "simple__test_expand_shape_model1",
    "simple__test_expand_shape_model3",
    "pytorch-converted__test_Linear_no_bias",
];

#[test]
fn peaks_equal_those_of_execution() {
    let Some(models) = data() else { return };
    let mut reader =
        csv::Reader::from_path(models.join("golden.csv")).expect("golden.csv is there");
    let (mut right, mut wrong) = (0, Vec::new());
    for row in reader.deserialize() {
        let row: BTreeMap<String, String> = row.expect("rows have all columns");
        let path = models.join(&row["file"]);
        let name = row["name"].as_str();
        let Ok(want) = row["peak_act_bytes_alias"].parse::<f64>() else {
            continue;
        };
        if row["status"] != "ok" || !path.exists() || OTHER_PEAK.contains(&name) {
            continue;
        }
        let found = graph(&path, &row["bindings"]).map(|g| g.exported_peak().map(|b| b.0));
        match found {
            Ok(Some(peak)) if (peak - want).abs() <= 0.01 * want => right += 1,
            other => wrong.push(format!("{name}: {other:?} want {want}")),
        }
    }
    say(&format!("onnx_counts: {right} peaks right"));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(right > 0, "no row was checked");
}

#[test]
fn every_small_graph_is_read_or_refused() {
    let Some(models) = data() else { return };
    let (mut read, mut refused) = (0, Vec::new());
    let folder = std::fs::read_dir(models.join("onnx-backend")).expect("the folder is there");
    let mut paths: Vec<PathBuf> = folder.filter_map(|e| Some(e.ok()?.path())).collect();
    paths.sort();
    for path in paths
        .iter()
        .filter(|p| p.extension().is_some_and(|e| e == "onnx"))
    {
        match graph(path, "") {
            Ok(_) => read += 1,
            Err(problems) => {
                let first = problems.to_string();
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                refused.push(format!("{name}: {}", first.lines().next().unwrap_or("")));
            }
        }
    }
    say(&format!(
        "onnx-backend: {read} read, {} refused\n{}",
        refused.len(),
        refused.join("\n")
    ));
    assert!(read > 0);
}

fn own(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("workloads/onnx")
        .join(name)
}

/// MACs and static float weights of these files, from executing them with onnxruntime 1.31.1.
#[test]
fn graphs_of_the_repository_have_their_counts() {
    for (name, macs, parameters) in [
        ("resnet50.onnx", 4_089_184_256.0, 25_530_472.0),
        ("mobilenet_v2.onnx", 300_774_272.0, 3_487_886.0),
        ("bert_base.onnx", 11_173_625_856.0, 108_693_554.0),
    ] {
        let graph = graph(&own(name), "").expect("binds without options");
        assert_eq!(
            (graph.macs(), graph.parameters()),
            (macs, parameters),
            "{name}"
        );
    }
}

#[test]
fn patterns_become_single_operators() {
    let graph = graph(&own("bert_base.onnx"), "").expect("binds");
    let count = |source: &str| graph.operators().filter(|op| op.source == source).count();
    // Twelve layers: attention and GELU once, two norms each, and the norm of the embeddings.
    assert_eq!(
        (
            count("Attention"),
            count("Gelu"),
            count("LayerNormalization")
        ),
        (12, 12, 25)
    );
    assert_eq!((count("Softmax"), count("Erf")), (0, 0));
}

#[test]
fn precision_changes_formats_but_not_counts() {
    let bytes = std::fs::read(own("resnet50.onnx")).expect("is there");
    let workload =
        onnx::read("resnet50", "resnet50.onnx", &bytes, Mapping::default()).expect("reads");
    let mut binding = Binding::infer();
    binding.precision = "int8".parse().expect("is a precision");
    let (graph, _) = workload.graph(&binding).expect("binds");
    assert_eq!(graph.macs(), 4_089_184_256.0);
    let all_int8 = graph
        .operators()
        .all(|op| !matches!(&op.kind, OpKind::Einsum { dtype, .. } if *dtype != Dtype::Int8));
    assert!(all_int8);
    let inputs = graph.tensors().iter().filter(|t| t.role == Role::Input);
    assert_eq!(
        inputs.map(|t| t.shape.clone()).collect::<Vec<_>>(),
        [vec![1, 3, 224, 224]]
    );
}

#[test]
fn a_wrong_setting_says_what_would_be_right() {
    let model = |file: &str| {
        let bytes = std::fs::read(own(file)).expect("is there");
        onnx::read(file, file, &bytes, Mapping::default()).expect("reads")
    };
    let refuse = |file: &str, change: &dyn Fn(&mut Binding)| {
        let mut binding = Binding::infer();
        change(&mut binding);
        model(file)
            .graph(&binding)
            .expect_err("is refused")
            .to_string()
    };
    let batch = refuse("bert_base.onnx", &|b| b.batch = Some(8));
    assert!(
        batch.starts_with("E0305") && batch.contains("fixed batch of 1"),
        "{batch}"
    );
    let shape = refuse("resnet50.onnx", &|b| {
        b.shapes.insert("inputt".to_owned(), vec![1, 3, 224, 224]);
    });
    assert!(shape.contains("did you mean `input`?"), "{shape}");
    let dim = refuse("resnet50.onnx", &|b| {
        b.dims.insert("seq".to_owned(), 8);
    });
    assert!(dim.contains("no symbolic dimension `seq`"), "{dim}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        if let Ok(workload) = onnx::read("x", "x.onnx", &bytes, Mapping::default()) {
            let _ = workload.graph(&Binding::infer());
        }
    }

    #[test]
    fn damaged_graphs_never_panic(cut in 0usize..60_000, at in 0usize..49_000, byte in any::<u8>(), twice in 0usize..49_000) {
        let mut bytes = std::fs::read(own("mobilenet_v2.onnx")).expect("is there");
        let n = bytes.len();
        bytes[at % n] = byte;
        bytes[twice % n] = byte.rotate_left(3);
        bytes.truncate(cut);
        if let Ok(workload) = onnx::read("x", "x.onnx", &bytes, Mapping::default()) {
            let _ = workload.graph(&Binding::infer());
        }
    }

    #[test]
    fn every_truncation_is_refused_with_its_place(cut in 1usize..31_000) {
        let mut bytes = std::fs::read(own("resnet50.onnx")).expect("is there");
        bytes.truncate(cut);
        let problem = onnx::read("x", "x.onnx", &bytes, Mapping::default()).expect_err("is cut off").to_string();
        prop_assert!(problem.starts_with("E0204"), "{}", problem);
    }
}
