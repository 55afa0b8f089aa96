//! ONNX graphs against counts made by executing them.
//!
//! Set `WATTLINE_DATA` to a folder that holds `models/golden.csv` and the graphs to check them all.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use wattline::diag::Problems;
use wattline::import::onnx;
use wattline::workload::{Binding, OpGraph};

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
    let workload = onnx::read(name, &path.display().to_string(), bytes)?;
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
