//! Whole results that may only change on purpose: each folder of `tests/cases/` is one.
//!
//! They show change, not truth. `UPDATE_EXPECT=1 cargo test --test golden` rewrites them; read the diff.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use wattline::hardware::Profile;
use wattline::simulate::{Estimate, Fidelity, Memo, run};
use wattline::workload::{Phase, Precision, Scenario};
use wattline::{catalog, import};

/// Relative difference that counts as none.
const TOLERANCE: f64 = 1e-9;

fn estimate(case: &toml::Table) -> Estimate {
    let text = |key: &str| case.get(key).and_then(|v| v.as_str());
    let number = |key: &str| {
        let value = case.get(key).and_then(|v| v.as_integer());
        value.map(|n| u64::try_from(n).expect("is positive"))
    };
    let entry = catalog::model(text("model").expect("names a model"));
    let workload = import::model(&entry.unwrap_or_else(|e| panic!("{e}")));
    let workload = workload.unwrap_or_else(|e| panic!("{e}"));
    let profile = Profile::named(text("on").expect("names a chip"));
    let system = profile.and_then(|p| p.evaluate());
    let (system, _) = system.unwrap_or_else(|e| panic!("{e}"));
    let mut scenario = Scenario {
        phase: text("phase").map(|p| p.parse::<Phase>().expect("is a phase")),
        prompt: number("prompt").expect("has a prompt"),
        output: number("output").expect("has an output"),
        ..Scenario::default()
    };
    // A graph of a fixed batch keeps its own.
    if scenario.phase != Some(Phase::Infer) {
        scenario.batch = number("batch");
    }
    if let Some(dtype) = text("dtype") {
        scenario.precision = dtype.parse::<Precision>().expect("is a precision");
    }
    let found = run(
        &workload,
        &system,
        &scenario,
        Fidelity::Scheduled,
        &Memo::new(),
    );
    found.unwrap_or_else(|e| panic!("{e}"))
}

/// The figures that are held.
fn figures(estimate: &Estimate) -> Vec<(String, f64)> {
    let totals = &estimate.totals;
    let mut all = vec![
        ("latency_s".to_owned(), totals.latency.0),
        ("roofline_latency_s".to_owned(), totals.roofline_latency.0),
        ("macs".to_owned(), totals.macs),
        ("useful_macs".to_owned(), totals.useful_macs),
        ("parameters".to_owned(), estimate.parameters),
        ("clock_ratio".to_owned(), totals.clock_ratio),
        (
            "memory_required_bytes".to_owned(),
            estimate.memory.required().0,
        ),
    ];
    let known = [
        ("dynamic_energy_j", totals.dynamic_energy.map(|e| e.0)),
        ("energy_j", totals.energy.map(|e| e.0)),
        ("average_power_w", totals.average_power.map(|p| p.0)),
        ("mac_utilization", totals.mac_utilization),
        ("area_m2", estimate.area.total.map(|a| a.0)),
    ];
    let known = known.into_iter();
    all.extend(known.filter_map(|(name, value)| Some((name.to_owned(), value?))));
    for (memory, bytes) in &totals.bytes {
        all.push((format!("bytes.{memory}"), bytes.0));
    }
    all
}

fn check(folder: &Path) -> Result<(), String> {
    let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap_or_default();
    let case: toml::Table = read("case.toml").parse().expect("case.toml is TOML");
    let found = figures(&estimate(&case));
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        let mut text = String::new();
        for (name, value) in &found {
            writeln!(text, "\"{name}\" = {value:e}").expect("a String takes all");
        }
        fs::write(folder.join("expected.toml"), text).expect("the folder is writable");
        return Ok(());
    }
    let expected: toml::Table = read("expected.toml")
        .parse()
        .expect("expected.toml is TOML");
    let mut wrong = String::new();
    if expected.len() != found.len() {
        let (n, m) = (found.len(), expected.len());
        writeln!(wrong, "  {n} figures, expected {m}").expect("a String takes all");
    }
    for (name, value) in &found {
        let held = expected.get(name).and_then(|v| v.as_float());
        let same = held.is_some_and(|h| (h - value).abs() <= TOLERANCE * h.abs());
        if !same {
            writeln!(wrong, "  {name}: {value:e}, expected {held:?}").expect("a String takes all");
        }
    }
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(format!("{}:\n{wrong}", folder.display()))
    }
}

#[test]
fn regress_results_are_unchanged() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut folders: Vec<_> = fs::read_dir(root)
        .expect("tests/cases is there")
        .map(|e| e.expect("is readable").path())
        .collect();
    folders.sort();
    assert!(folders.len() >= 5, "cases are missing");
    let wrong: Vec<String> = folders.iter().filter_map(|f| check(f).err()).collect();
    assert!(wrong.is_empty(), "results changed:\n{}", wrong.join("\n"));
}
