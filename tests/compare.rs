//! `diff` and `explain` of stored results: parts add up, gates hold, and mistakes are named.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use assert_cmd::cargo::CommandCargoExt;
use serde_json::Value;

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("wattline-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("created");
    folder
}

fn wattline(words: &[&str]) -> Output {
    let mut command = Command::cargo_bin("wattline").expect("is built");
    command.args(words).env("NO_COLOR", "1");
    command.output().expect("starts")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[track_caller]
fn run(folder: &Path, name: &str, words: &[&str]) -> String {
    let out = folder.join(name).to_string_lossy().into_owned();
    let mut all = vec!["run"];
    all.extend(words);
    all.extend(["-o", &out]);
    let done = wattline(&all);
    assert!(done.status.success(), "{}", said(&done));
    out
}

fn sum(causes: &Value) -> f64 {
    let all = causes.as_array().expect("a list").iter();
    all.map(|c| c["change"].as_f64().expect("a number")).sum()
}

#[test]
fn causes_add_up_to_the_difference() {
    let folder = folder("diff");
    let a = run(&folder, "a", &["llama-3.1-8b", "--on", "h100-sxm"]);
    let b = run(
        &folder,
        "b",
        &["llama-3.1-8b", "--on", "h200-sxm", "--batch", "4"],
    );
    let c = run(
        &folder,
        "c",
        &["resnet-18", "--on", "edge-npu", "--dtype", "int8"],
    );
    let d = run(
        &folder,
        "d",
        &[
            "resnet-18",
            "--on",
            "edge-npu",
            "--dtype",
            "int8",
            "--set",
            "glb=2 MiB",
        ],
    );
    for (x, y) in [(&a, &b), (&c, &d), (&b, &a)] {
        let done = wattline(&["diff", x, y, "--json"]);
        assert!(done.status.success(), "{}", said(&done));
        let found: Value = serde_json::from_slice(&done.stdout).expect("JSON");
        let of = |name: &str, side: &str| {
            let mut figures = found["figures"].as_array().expect("a list").iter();
            let figure = figures.find(|f| f["name"] == name).expect("is listed");
            figure[side].as_f64().expect("known")
        };
        for (figure, key) in [("latency", "time"), ("energy", "energy")] {
            let change = of(figure, "b") - of(figure, "a");
            let parts = sum(&found["causes"][0][key]);
            assert!(
                (parts - change).abs() <= 1e-9 * of(figure, "a"),
                "{figure}: {parts}, {change}"
            );
        }
    }
    // What differs is named, and nothing else.
    let text = said(&wattline(&["diff", &c, &d]));
    assert!(text.contains("glb: 524288 → 2097152"), "{text}");
    assert!(!text.contains("model:"), "{text}");
    let same = said(&wattline(&["diff", &a, &a]));
    assert!(
        !same.contains("what was changed") && same.contains("±0 %"),
        "{same}"
    );
    fs::remove_dir_all(folder).expect("removed");
}

#[test]
fn gates_fail_on_changes_beyond_them() {
    let folder = folder("gate");
    let a = run(&folder, "a", &["gpt2", "--on", "l4"]);
    let b = run(&folder, "b", &["gpt2", "--on", "a40"]);
    let code =
        |x: &str, y: &str, gate: &str| wattline(&["diff", x, y, "--fail-if", gate]).status.code();
    assert_eq!(code(&a, &b, "latency>+2%"), Some(0));
    assert_eq!(code(&b, &a, "latency>+2%"), Some(1));
    assert_eq!(code(&a, &b, "latency<-2%"), Some(1));
    assert_eq!(code(&a, &a, "latency>+0%"), Some(0));
    let unknown = wattline(&["diff", &a, &b, "--fail-if", "speed>+2%"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(
        said(&unknown).contains("known here: latency, "),
        "{}",
        said(&unknown)
    );
    assert_eq!(
        wattline(&["diff", &a, &b, "--fail-if", "latency"])
            .status
            .code(),
        Some(2)
    );
    fs::remove_dir_all(folder).expect("removed");
}

#[test]
fn designs_of_a_sweep_are_named_by_their_points() {
    let folder = folder("points");
    let file = folder.join("s.toml");
    let text = "schema = 1\nname = \"s\"\non = \"edge-npu\"\nminimize = [\"latency\", \"area\"]\n\
                workload = [{ model = \"ds-cnn\", dtype = \"int8\" }]\n\
                axis = [{ set = \"chip.glb\", values = [\"128 KiB\", \"1 MiB\"] }, { set = \"chip.pe_rows\", values = [4, 8, 16] }]\n";
    fs::write(&file, text).expect("written");
    let out = folder.join("out").to_string_lossy().into_owned();
    let done = wattline(&["sweep", &file.to_string_lossy(), "-o", &out]);
    assert!(done.status.success(), "{}", said(&done));
    let text = said(&wattline(&[
        "diff",
        &format!("{out}#0"),
        &format!("{out}#2"),
    ]));
    assert!(text.contains("chip.pe_rows: 4 → 16"), "{text}");
    assert!(
        wattline(&["diff", &out, &format!("{out}#knee")])
            .status
            .success()
    );
    let missing = wattline(&["diff", &out, &format!("{out}#99")]);
    assert!(missing.status.code() == Some(2) && said(&missing).contains("no point `99`"));
    // A point that is on the front is stored with its operators.
    let knee = said(&wattline(&["explain", &format!("{out}#knee"), "latency"]));
    assert!(knee.starts_with("latency of ds-cnn on edge-npu"), "{knee}");
    fs::remove_dir_all(folder).expect("removed");
}

#[test]
fn figures_are_explained_with_their_inputs() {
    let folder = folder("explain");
    let run = run(
        &folder,
        "r",
        &["llama-3.1-8b", "--on", "h100-sxm", "--output", "65"],
    );
    let text = said(&wattline(&["explain", &run, "tpot"]));
    for part in [
        "= time of decoding / (output tokens - 1)",
        "output tokens      65",
        "grade",
        "wattline show h100-sxm",
    ] {
        assert!(text.contains(part), "{part} is missing: {text}");
    }
    let op = said(&wattline(&[
        "explain",
        &run,
        "latency",
        "--op",
        "layers.*.down_proj",
    ]));
    assert!(
        op.contains("roofline") && op.contains("bound by") && op.contains("(decode)"),
        "{op}"
    );
    for (words, part) in [
        (vec!["explain", &run, "latencyy"], "did you mean `latency`?"),
        (
            vec!["explain", &run, "latency", "--op", "down"],
            "has no operator `down`",
        ),
        (
            vec!["explain", &run, "latency", "--workload", "x"],
            "has no workload `x`",
        ),
        (vec!["explain", &run], "which figure of"),
        (vec!["explain", "/nowhere", "latency"], "holds no results"),
    ] {
        let wrong = wattline(&words);
        assert!(
            wrong.status.code() == Some(2) && said(&wrong).contains(part),
            "{}",
            said(&wrong)
        );
    }
    fs::remove_dir_all(folder).expect("removed");
}
