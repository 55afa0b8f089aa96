//! Software settings on the command line and as axes of a sweep.

use assert_cmd::Command;

/// Exit code, standard output, standard error.
fn wattline(args: &[&str]) -> (i32, String, String) {
    let mut command = Command::cargo_bin("wattline").expect("is built");
    let output = command.args(args).output().expect("runs");
    (
        output.status.code().unwrap_or(-1),
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

#[test]
fn settings_are_set_on_the_command_line() {
    let on = ["run", "llama-3.2-1b", "--on", "h100-sxm", "--json"];
    let with = |more: &[&str]| wattline(&[&on[..], more].concat());
    let (code, out, _) = with(&["--set", "scenario.lora_rank=8", "--set", "scenario.batch=2"]);
    assert_eq!(code, 0);
    let document: serde_json::Value = serde_json::from_str(&out).expect("is JSON");
    assert_eq!(document["workload"]["software"]["lora_rank"], "8");
    assert_eq!(document["workload"]["batch"], 2);
    let (code, out, _) = with(&["--phase", "train"]);
    let document: serde_json::Value = serde_json::from_str(&out).expect("is JSON");
    assert_eq!(
        (code, document["workload"]["phase"].as_str()),
        (0, Some("train"))
    );
    assert!(document["fit"]["parts"]["optimizer_bytes"].as_f64() > Some(1e9));
    let (_, _, err) = with(&["--set", "scenario.mla=naive"]);
    assert!(
        err.contains("W0301 `scenario.mla` was set but no result depends on it"),
        "{err}"
    );
    let (code, _, err) = wattline(&[
        "run",
        "gpt2",
        "--on",
        "h100-sxm",
        "--set",
        "scenario.lora_rnk=8",
    ]);
    assert_eq!(code, 2);
    assert!(err.contains("did you mean `lora_rank`?"), "{err}");
    let (code, _, err) = wattline(&[
        "run",
        "gpt2",
        "--on",
        "h100-sxm",
        "--set",
        "scenario.draft=lama",
    ]);
    assert!(code == 2 && err.contains("E0201"), "{err}");
    let (code, _, _) = wattline(&["show", "gpt2", "--set", "glb=1"]);
    assert_eq!(code, 2);
    let (code, out, _) = wattline(&["show", "gpt2", "--set", "scenario.window=64", "--json"]);
    assert!(code == 0 && out.contains("\"kind\""), "{out}");
    let (code, out, _) = wattline(&["list", "settings"]);
    assert!(code == 0 && out.contains("draft_tokens"), "{out}");
    let fit = [
        "fit",
        "llama-3.1-8b",
        "--on",
        "h100-sxm",
        "--phase",
        "train",
    ];
    let (code, out, _) = wattline(&fit);
    assert_eq!(code, 1);
    assert!(
        out.contains("optimizer") && out.contains("gradients"),
        "{out}"
    );
}

#[test]
fn sweeps_turn_settings_by_words_and_numbers() {
    let folder = std::path::PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("settings");
    std::fs::create_dir_all(&folder).expect("is made");
    let file = folder.join("settings.toml");
    let text = r#"
schema = 1
on = "h100-sxm"
minimize = ["latency"]
[[workload]]
model = "llama-3.1-8b"
[[axis]]
set = "scenario.weight_sparsity"
values = ["none", "2:4"]
[[axis]]
set = "scenario.lora_rank"
values = [0, 16]
[[axis]]
set = "scenario.draft"
values = ["none", "llama-3.2-1b"]
"#;
    std::fs::write(&file, text).expect("is written");
    let path = file.display().to_string();
    let out = folder.join("out").display().to_string();
    let (code, found, err) = wattline(&["sweep", &path, "--json", "-o", &out]);
    assert_eq!(code, 0, "{err}");
    assert!(found.contains("weight_sparsity"), "{found}");
    for (wrong, says) in [
        (
            "values = [\"none\", \"2;4\"]",
            "is not a value of `weight_sparsity`",
        ),
        ("values = [1.5, 0]", "is not a value of `weight_sparsity`"),
    ] {
        let changed = text.replacen("values = [\"none\", \"2:4\"]", wrong, 1);
        std::fs::write(&file, changed).expect("is written");
        let (code, _, err) = wattline(&["sweep", &path, "--json", "-o", &out]);
        assert!(code == 2 && err.contains(says), "{err}");
    }
    let changed = text
        .replace("scenario.lora_rank", "scenario.lora_rnk")
        .replace("[0, 16]", "[8, 16]");
    std::fs::write(&file, changed).expect("is written");
    let (code, _, err) = wattline(&["sweep", &path, "-o", &out]);
    assert!(
        code == 2 && err.contains("did you mean `lora_rank`?"),
        "{err}"
    );
    // Settings of a workload, and from outside.
    let fixed = text.replace(
        "model = \"llama-3.1-8b\"",
        "model = \"llama-3.1-8b\"\nfusion = \"none\"",
    );
    std::fs::write(&file, &fixed).expect("is written");
    let args = ["sweep", &path, "-o", &out, "--set", "scenario.mla=naive"];
    let (code, _, err) = wattline(&args);
    assert_eq!(code, 0, "{err}");
    assert!(
        err.contains("W0301 `scenario.mla` was set but no result depends on it"),
        "{err}"
    );
    assert!(!err.contains("scenario.fusion"), "{err}");
    let clash = fixed.replace("fusion =", "lora_rank = 4\nfusion =");
    std::fs::write(&file, clash).expect("is written");
    let (code, _, err) = wattline(&["sweep", &path, "-o", &out]);
    assert!(
        code == 2 && err.contains("is also turned by an axis"),
        "{err}"
    );
}
