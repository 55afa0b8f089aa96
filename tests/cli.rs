//! The command through its binary: help, messages, exit codes, forms of output.

use assert_cmd::Command;
use serde_json::Value;

/// Exit code, standard output, standard error.
#[track_caller]
fn call(line: &[&str]) -> (i32, String, String) {
    let mut command = Command::cargo_bin("wattline").expect("is built");
    let output = command
        .args(line)
        .env("NO_COLOR", "1")
        .output()
        .expect("starts");
    (
        output.status.code().expect("was not killed"),
        String::from_utf8(output.stdout).expect("is UTF-8"),
        String::from_utf8(output.stderr).expect("is UTF-8"),
    )
}

#[track_caller]
fn json(line: &[&str], code: i32) -> Value {
    let (found, out, err) = call(line);
    assert_eq!(found, code, "{out}{err}");
    serde_json::from_str(&out).expect("is JSON")
}

#[track_caller]
fn refused(line: &[&str], parts: &[&str]) {
    let (code, out, err) = call(line);
    assert_eq!(code, 2, "{out}{err}");
    assert_eq!(out, "");
    for part in parts {
        assert!(err.contains(part), "`{part}` is missing in:\n{err}");
    }
}

#[test]
fn help_begins_with_examples() {
    for command in ["run", "fit", "show"] {
        let (code, out, _) = call(&[command, "--help"]);
        assert_eq!(code, 0);
        assert!(out.starts_with("Examples:\n  wattline"), "{out}");
    }
    let (code, out, _) = call(&["--version"]);
    assert_eq!(
        (code, out.trim()),
        (0, concat!("wattline ", env!("CARGO_PKG_VERSION")))
    );
}

#[test]
fn bad_usage_is_exit_code_2() {
    refused(&[], &["Usage: wattline"]);
    refused(&["simulate"], &["unrecognized subcommand"]);
    refused(&["run", "llama-3.1-8b"], &["--on <CHIP>"]);
    let run = ["run", "llama-3.1-8b", "--on", "h100-sxm"];
    let with = |more: &[&'static str]| [&run[..], more].concat();
    refused(&with(&["--batch", "0"]), &["--batch"]);
    refused(
        &with(&["--phase", "dream"]),
        &["infer, prefill, decode, generate"],
    );
    refused(&with(&["--dtype", "fp9"]), &["`fp9` is not a data type"]);
    refused(
        &with(&["--dim", "seq"]),
        &["is not a pair such as seq=2048"],
    );
    refused(
        &with(&["--shape", "x=1xA"]),
        &["is not a shape such as 1x3x224x224"],
    );
    refused(
        &with(&["--require", "ttft<300"]),
        &["is not a limit of ttft"],
    );
    refused(&with(&["--quiet", "--verbose"]), &["cannot be used with"]);
    refused(
        &[
            "fit",
            "llama-3.1-8b",
            "--on",
            "h100-sxm",
            "--margin",
            "120%",
        ],
        &["5% or 0.05"],
    );
}

#[test]
fn problems_of_model_and_chip_come_together() {
    refused(
        &["run", "llama-3.1-8bb", "--on", "h100-sxn"],
        &[
            "E0201 no model called `llama-3.1-8bb`",
            "did you mean `llama-3.1-8b`?",
            "E0202 no chip called `h100-sxn`",
            "did you mean `h100-sxm`?",
        ],
    );
    refused(
        &["show", "nothing-of-the-kind"],
        &["E0201 no model or chip called"],
    );
    refused(
        &[
            "fit",
            "llama-3.1-8b",
            "--on",
            "h100-sxm",
            "--set",
            "memory.hbm.capacty=1 GB",
        ],
        &["memory.hbm.capacty"],
    );
}

#[test]
fn problems_are_json_where_json_is_asked_for() {
    let document = json(&["run", "llama-3.1-8bb", "--on", "h100-sxn", "--json"], 2);
    assert_eq!(document["schema"], 1);
    assert_eq!(document["errors"][0]["code"], "E0201");
    assert_eq!(document["errors"][1]["code"], "E0202");
    assert_eq!(document["warnings"], Value::Array(Vec::new()));
    let keys: Vec<&String> = document["errors"][0]
        .as_object()
        .expect("object")
        .keys()
        .collect();
    assert_eq!(keys, ["code", "column", "file", "help", "line", "message"]);
    let document = json(&["run", "--on", "--format", "json"], 2);
    assert_eq!(document["errors"][0]["code"], "E0601");
}

#[test]
fn explain_knows_every_code() {
    let (code, out, _) = call(&["explain", "e0102"]);
    assert_eq!(code, 0);
    assert!(
        out.starts_with("E0102  missing, unknown or wrong unit\n"),
        "{out}"
    );
    refused(
        &["explain", "E0199"],
        &["E0601 no problem code called `E0199`"],
    );
    let all = json(&["explain", "--json"], 0);
    assert!(
        all.as_array()
            .expect("array")
            .iter()
            .any(|row| row["code"] == "E9999")
    );
}

#[test]
fn completions_are_a_script() {
    for shell in ["bash", "zsh", "fish"] {
        let (code, out, _) = call(&["completions", shell]);
        assert_eq!(code, 0);
        assert!(out.contains("wattline") && out.contains("fit"), "{shell}");
    }
}

#[test]
fn lists_are_arrays() {
    for kind in ["chips", "models", "ops", "metrics"] {
        let rows = json(&["list", kind, "--json"], 0);
        assert!(!rows.as_array().expect("array").is_empty(), "{kind}");
    }
    let (_, out, _) = call(&["list", "chips", "--format", "csv"]);
    assert!(
        out.starts_with("name,class,node_m,capacity_bytes,"),
        "{out}"
    );
}

#[test]
fn show_counts_a_model_without_a_chip() {
    // Llama 3.1 8B: 8 030 261 248 parameters (model card); 32 layers, 8 kv heads of 128, K and V in bf16.
    let document = json(&["show", "llama-3.1-8b", "--json"], 0);
    let totals = &document["totals"];
    assert_eq!(document["kind"], "model");
    assert_eq!(totals["parameters"], 8_030_261_248.0);
    assert_eq!(totals["weight_bytes"], 2.0 * 8_030_261_248.0);
    assert_eq!(totals["kv_bytes_per_token"], 131_072.0);
    assert_eq!(totals["active_parameters"], totals["parameters"]);
    assert_eq!(totals["state_bytes_per_sequence"], Value::Null);
    let chip = json(&["show", "h100-sxm", "--json"], 0);
    assert_eq!(chip["kind"], "chip");
    refused(
        &["show", "h100-sxm", "--batch", "2"],
        &["E0601 --batch has no effect on a chip"],
    );
    refused(
        &["show", "llama-3.1-8b", "--set", "a=1"],
        &["E0601 --set has no effect on a model"],
    );
}

/// Keys at a path, sorted: `operators.0` is the first operator.
#[track_caller]
fn keys(document: &Value, path: &str) -> String {
    let mut found = document;
    for step in path.split('.').filter(|s| !s.is_empty()) {
        found = match step.parse::<usize>() {
            Ok(i) => &found[i],
            Err(_) => &found[step],
        };
    }
    let keys = found.as_object().expect("is an object").keys();
    keys.map(String::as_str).collect::<Vec<_>>().join(" ")
}

/// A key that is removed, renamed or redefined raises `schema`.
#[test]
fn the_keys_of_documents_are_pinned() {
    let chip = ["--on", "h100-sxm", "--json"];
    let run = json(
        &[
            &["run", "llama-3.2-1b", "--output", "3"][..],
            &["--set", "scenario.weight_sparsity=2:4"],
            &chip[..],
        ]
        .concat(),
        0,
    );
    let fit = json(&[&["fit", "llama-3.1-70b"], &chip[..]].concat(), 1);
    let model = json(&["show", "llama-3.2-1b", "--json"], 0);
    let shown = json(&["show", "h100-sxm", "--json"], 0);
    let mut found = String::new();
    for (name, document, paths) in [
        (
            "run",
            &run,
            &[
                "",
                "workload",
                "hardware",
                "hardware.roofs",
                "totals",
                "totals.coverage",
                "sparsity",
                "fit",
                "fit.parts",
                "phases.0",
                "operators.0",
            ][..],
        ),
        (
            "fit",
            &fit,
            &["", "workload", "fit", "limits", "remedies.0"][..],
        ),
        ("model", &model, &["", "totals", "operators.0"][..]),
        ("chip", &shown, &["", "components.0"][..]),
    ] {
        assert_eq!(document["schema"], 1);
        for path in paths {
            found.push_str(&format!("{name} {path}: {}\n", keys(document, path)));
        }
    }
    expect_test::expect![[r#"
        run : deadline fit hardware operators phases schema sparsity totals warnings workload
        run workload: batch dims dtype name output phase prompt requests shapes software weight_dtype
        run hardware: area_m2 assumed name params roofs
        run hardware.roofs: bandwidth_byte_per_s peak_op_per_s
        run totals: activation_peak_bytes average_power_w bytes clock_ratio coverage dynamic_energy_j energy_j energy_parts_j energy_per_output_token_j flops grade kv_cache_bytes latency_error latency_s mac_utilization macs measured_share parameters peak_power_w roofline_latency_s state_bytes static_energy_j tokens_per_s tpot_s ttft_s useful_macs weight_bytes
        run totals.coverage: bytes energy macs
        run sparsity: energy_share saves_energy saves_time time_share verdict why
        run fit: capacity_bytes fits memory parts required_bytes short_bytes
        run fit.parts: activation_bytes gradient_bytes kv_cache_bytes optimizer_bytes reserve_bytes state_bytes weight_bytes
        run phases.0: activation_peak_bytes average_power_w bytes clock_ratio coverage dynamic_energy_j energy_j energy_parts_j energy_per_output_token_j flops grade kv_cache_bytes latency_error latency_s mac_utilization macs measured_share parameters peak_power_w phase roofline_latency_s state_bytes static_energy_j steps tokens_per_s tpot_s ttft_s useful_macs weight_bytes
        run operators.0: block bound bytes count energy_j flops fused_into kind latency_s mac_utilization macs mapping name phase power_w roofline_latency_s source
        fit : context fit hardware limits remedies schema warnings workload
        fit workload: batch dims dtype name output phase prompt requests shapes software weight_dtype
        fit fit: capacity_bytes fits margin memory parts required_bytes short_bytes usable_bytes
        fit limits: max_batch max_context min_chips model_context
        fit remedies.0: change detail fits
        model : activations blocks context deadline_s dtype family kind name operators origin phase schema symbols totals warnings
        model totals: activation_peak_bytes active_parameters coverage expert_bytes expert_bytes_touched flops kv_bytes_per_token macs parameters state_bytes_per_sequence useful_macs weight_bytes
        model operators.0: block count flops input_bytes kind macs name output_bytes source weight_bytes
        chip : active_w assumed cap_w class clock_hz components die_area_m2 hardware idle_w kind name node_m schema source tdp_w warnings
        chip components.0: area_m2 bandwidth_byte_per_s capacity_bytes instances kind name source
    "#]].assert_eq(&found);
}

#[test]
fn fit_answers_with_its_exit_code() {
    let yes = json(&["fit", "llama-3.1-8b", "--on", "h100-sxm", "--json"], 0);
    assert_eq!(yes["fit"]["fits"], true);
    assert_eq!(yes["context"], 8192);
    // 8 192 tokens of 128 KiB.
    assert_eq!(yes["fit"]["parts"]["kv_cache_bytes"], 8192.0 * 131_072.0);
    assert_eq!(yes["remedies"], Value::Array(Vec::new()));
    let no = json(
        &[
            "fit",
            "llama-3.1-70b",
            "--on",
            "h100-sxm",
            "--context",
            "32768",
            "--json",
        ],
        1,
    );
    let fit = &no["fit"];
    assert_eq!(fit["fits"], false);
    let number = |value: &Value| value.as_f64().expect("a number");
    let short = number(&fit["required_bytes"]) - 0.95 * number(&fit["capacity_bytes"]);
    assert!((number(&fit["short_bytes"]) / short - 1.0).abs() < 1e-9);
    assert_eq!(no["limits"]["max_context"], 0);
    let remedies = no["remedies"].as_array().expect("array");
    let int4 = remedies
        .iter()
        .find(|r| r["change"] == "weights int4")
        .expect("is tried");
    assert_eq!(int4["fits"], true);
    let (code, out, _) = call(&["fit", "llama-3.1-70b", "--on", "h100-sxm"]);
    assert_eq!(code, 1);
    assert!(
        out.starts_with("DOES NOT FIT   llama-3.1-70b (bf16) needs "),
        "{out}"
    );
    refused(
        &[
            "fit",
            "bert-base-uncased",
            "--on",
            "h100-sxm",
            "--context",
            "128",
        ],
        &["E0305 `bert-base-uncased` has no context"],
    );
}

#[test]
fn fit_and_run_give_one_verdict() {
    let on = ["llama-3.1-8b", "--on", "h100-sxm", "--batch", "48"];
    let fit = json(&[&["fit"], &on[..], &["--json"]].concat(), 0);
    let more = ["--prompt", "8191", "--output", "1", "--json"];
    let run = json(&[&["run"], &on[..], &more].concat(), 0);
    assert_eq!(fit["fit"]["fits"], run["fit"]["fits"]);
    assert_eq!(fit["fit"]["parts"], run["fit"]["parts"]);
    // 8 160 tokens at once, not 393 168: two buffers of 14 336 columns of two bytes at most.
    let activations = run["fit"]["parts"]["activation_bytes"].as_f64();
    assert!(activations.is_some_and(|a| a > 0.0 && a < 1.5e9), "{run}");
}

#[test]
fn fit_and_run_execute_in_the_same_type() {
    // The chip multiplies nothing wider than bf16; the model is stored in fp32.
    let on = ["resnet-50", "--on", "edge-npu", "--json"];
    let ask = |command| {
        let (_, out, err) = call(&[&[command], &on[..]].concat());
        let document: Value = serde_json::from_str(&out).expect("is JSON");
        (document, err)
    };
    let ((fit, of_fit), (run, of_run)) = (ask("fit"), ask("run"));
    assert_eq!(fit["fit"]["parts"], run["fit"]["parts"]);
    assert_eq!(fit["workload"], run["workload"]);
    // 25.5 million parameters; four bytes each would be 102 MB.
    let weights = fit["fit"]["parts"]["weight_bytes"].as_f64();
    assert!(weights.is_some_and(|w| w > 25e6 && w < 52e6), "{fit}");
    for err in [of_fit, of_run] {
        assert_eq!(err.matches("W0306").count(), 1, "{err}");
    }
}

#[test]
fn the_type_of_the_weights_is_the_stored_one() {
    for (asked, stored) in [
        (None, "bf16"),
        (Some("int8"), "int8"),
        (Some("int4"), "int4"),
    ] {
        let mut on = vec!["llama-3.1-8b", "--on", "h100-sxm", "--json"];
        on.extend(asked.iter().flat_map(|d| ["--dtype", *d]));
        for command in ["fit", "run"] {
            let document = json(&[&[command], &on[..]].concat(), 0);
            assert_eq!(document["workload"]["weight_dtype"], stored, "{command}");
        }
    }
}

#[test]
fn the_largest_context_is_the_largest() {
    let fit = |context: &str, margin: &str, code| {
        json(
            &[
                "fit",
                "llama-3.1-8b",
                "--on",
                "h100-sxm",
                "--context",
                context,
                "--margin",
                margin,
                "--json",
            ],
            code,
        )
    };
    let limits = &fit("8192", "10%", 0)["limits"];
    let most = limits["max_context"].as_u64().expect("a number");
    fit(&most.to_string(), "10%", 0);
    fit(&(most + 1).to_string(), "10%", 1);
}

#[test]
fn energies_of_operators_sum_to_the_dynamic_energy() {
    let run = json(
        &[
            "run",
            "llama-3.1-8b",
            "--on",
            "h100-sxm",
            "--output",
            "20",
            "--json",
        ],
        0,
    );
    let number = |value: &Value| value.as_f64().expect("a number");
    let operators = run["operators"].as_array().expect("array");
    let sum: f64 = operators
        .iter()
        .map(|o| number(&o["count"]) * number(&o["energy_j"]))
        .sum();
    let dynamic = number(&run["totals"]["dynamic_energy_j"]);
    assert!((sum / dynamic - 1.0).abs() < 1e-9, "{sum} {dynamic}");
    assert_eq!(run["workload"]["phase"], "generate");
    let phases = run["phases"].as_array().expect("array").iter();
    let latency: f64 = phases.map(|p| number(&p["latency_s"])).sum();
    assert!((latency / number(&run["totals"]["latency_s"]) - 1.0).abs() < 1e-9);
}

#[test]
fn limits_decide_the_exit_code() {
    let run = [
        "run",
        "llama-3.1-8b",
        "--on",
        "h100-sxm",
        "--top",
        "1",
        "--require",
    ];
    let (code, out, _) = call(&[&run[..], &["latency<1h,power<10kW"]].concat());
    assert_eq!(code, 0, "{out}");
    let (code, out, _) = call(&[&run[..], &["latency<1h, ttft<1ns"]].concat());
    assert_eq!(code, 1, "{out}");
    assert!(
        out.contains("ttft < 1 ns: ") && out.contains("MISSED"),
        "{out}"
    );
}

#[test]
fn what_does_not_fit_is_priced_and_said_first() {
    let line = [
        "run",
        "llama-3.1-70b",
        "--on",
        "h100-sxm",
        "--phase",
        "prefill",
    ];
    let (code, out, _) = call(&line);
    assert_eq!(code, 1);
    assert!(
        out.starts_with("DOES NOT FIT   llama-3.1-70b needs "),
        "{out}"
    );
    let document = json(&[&line[..], &["--json"]].concat(), 1);
    assert_eq!(document["fit"]["fits"], false);
    assert!(
        document["totals"]["latency_s"]
            .as_f64()
            .is_some_and(|t| t > 0.0)
    );
}

#[test]
fn settings_without_effect_are_named() {
    let run = [
        "run",
        "llama-3.1-8b",
        "--on",
        "h100-sxm",
        "--phase",
        "prefill",
        "--top",
        "1",
    ];
    let (code, _, err) = call(&[&run[..], &["--output", "7"]].concat());
    assert_eq!(code, 0);
    assert!(err.contains("W0301 `--output` was given"), "{err}");
    let (code, _, _) = call(&[&run[..], &["--output", "7", "--strict", "--quiet"]].concat());
    assert_eq!(code, 1);
    let (_, _, err) = call(&[&run[..], &["--set", "memory.hbm.bandwidth=4 TB/s"]].concat());
    assert!(!err.contains("W0301"), "{err}");
}

#[test]
fn a_folder_holds_everything_and_only_the_manifest_a_date() {
    let folder = std::env::temp_dir().join(format!("wattline-cli-{}", std::process::id()));
    let path = folder.to_str().expect("is UTF-8");
    let line = [
        "run",
        "llama-3.2-1b",
        "--on",
        "h100-sxm",
        "--output",
        "4",
        "-o",
        path,
    ];
    let read = |name: &str| std::fs::read(folder.join(name)).expect("is written");
    let names = [
        "run.json",
        "operators.csv",
        "roofline.svg",
        "roofline.png",
        "breakdown.svg",
        "breakdown.png",
    ];
    assert_eq!(call(&line).0, 0);
    let first: Vec<Vec<u8>> = names.iter().map(|n| read(n)).collect();
    assert_eq!(call(&line).0, 0);
    let second: Vec<Vec<u8>> = names.iter().map(|n| read(n)).collect();
    assert!(first == second, "the same input gives the same bytes");
    let manifest: Value = serde_json::from_slice(&read("manifest.json")).expect("is JSON");
    assert!(manifest["date"].as_str().is_some_and(|d| d.ends_with('Z')));
    assert_eq!(
        manifest["files"].as_array().map(Vec::len),
        Some(names.len())
    );
    std::fs::remove_dir_all(&folder).expect("can be removed");
    let (code, _, err) = call(&[
        "run",
        "llama-3.2-1b",
        "--on",
        "h100-sxm",
        "-o",
        "/dev/null/x",
    ]);
    assert_eq!(code, 2);
    assert!(err.contains("E0203"), "{err}");
}

#[test]
fn check_reports_every_problem() {
    let (code, out, _) = call(&["check", "h100-sxm", "llama-3.1-8b"]);
    assert_eq!(
        (code, out.as_str()),
        (0, "h100-sxm: ok\nllama-3.1-8b: ok\n")
    );
    let path = std::env::temp_dir().join(format!("wattline-check-{}.toml", std::process::id()));
    std::fs::write(
        &path,
        "schema = 1\nname = \"x\"\ncolour = 3\n[power]\ntdp = 4\n",
    )
    .expect("can be written");
    let (code, _, err) = call(&["check", path.to_str().expect("is UTF-8")]);
    std::fs::remove_file(&path).expect("can be removed");
    assert_eq!(code, 1);
    assert!(err.contains("E0101 unknown key `colour`"), "{err}");
    assert!(err.contains("E0102"), "{err}");
}

#[test]
fn a_reader_that_stops_is_no_problem() {
    use std::process::{Command, Stdio};
    let mut child = Command::new(env!("CARGO_BIN_EXE_wattline"))
        .args(["run", "llama-3.1-8b", "--on", "h100-sxm", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("ends");
    let err = String::from_utf8(output.stderr).expect("is UTF-8");
    assert_eq!(output.status.code(), Some(0), "{err}");
    assert!(!err.contains("E0203") && !err.contains("panic"), "{err}");
}

#[test]
fn tables_are_priced_row_by_row() {
    let stem = format!("wattline-table-{}", std::process::id());
    let path = |name: &str| std::env::temp_dir().join(format!("{stem}-{name}.csv"));
    let text = |name: &str| path(name).to_str().expect("is UTF-8").to_owned();
    let rows = "id,chip,stack,regime,op,dtype,shape\n\
                a,h100-sxm,trtllm,burst,gemm,bf16,m=4096;n=4096;k=4096\n\
                b,no-such-chip,trtllm,burst,gemm,bf16,m=1;n=1;k=1\n\
                c,h100-sxm,trtllm,burst,gemm,nvfp4,m=64;n=64;k=64\n";
    std::fs::write(path("ops"), rows).expect("can be written");
    let (code, out, err) = call(&["ops", &text("ops"), "-o", &text("priced")]);
    assert_eq!((code, out.as_str()), (0, ""), "{err}");
    assert!(err.contains("1 of 3 rows are not priced"), "{err}");
    assert!(err.contains("W0306 1 of 3 rows"), "{err}");
    let priced = std::fs::read_to_string(path("priced")).expect("is written");
    let lines: Vec<Vec<&str>> = priced.lines().map(|l| l.split(',').collect()).collect();
    let column = lines[0]
        .iter()
        .position(|c| *c == "predicted_us")
        .expect("is there");
    // 2 * 4096^3 operations take at least 139 us at 989 TFLOP/s.
    assert!(lines[1][column].parse::<f64>().expect("a number") > 138.0);
    assert_eq!(lines[2][column], "");
    let rows = "id,model,on,chips,tp,pp,ep,dp,batch,prompt,output,dtype,stack,mode\n\
                0,llama-3.1-8b,h100-sxm,1,1,1,1,1,4,512,64,bf16,vllm,static\n";
    std::fs::write(path("cases"), rows).expect("can be written");
    let (code, out, err) = call(&["run", "--cases", &text("cases"), "-j", "1"]);
    assert_eq!(code, 0, "{err}");
    assert!(
        out.lines()
            .next()
            .is_some_and(|l| l.contains("tpot_s") && l.ends_with("fits")),
        "{out}"
    );
    assert!(
        out.lines().nth(1).is_some_and(|l| l.ends_with("true")),
        "{out}"
    );
    refused(
        &["run", "--cases", &text("cases"), "--batch", "2"],
        &["cannot be used with"],
    );
    refused(&["ops", &text("none")], &["E0203"]);
    for name in ["ops", "priced", "cases"] {
        std::fs::remove_file(path(name)).expect("can be removed");
    }
}

#[test]
fn predictions_stay_within_their_stated_bands() {
    let document = json(&["validate", "--json"], 0);
    let rows = document["errors"].as_array().expect("a list");
    for row in rows.iter().filter(|r| r["size"] == "") {
        assert_eq!(row["within"], true, "{row}");
        assert_eq!(
            row["rows"], row["latency"]["rows"],
            "every row is priced: {row}"
        );
    }
}

#[test]
fn a_missed_band_is_exit_code_1_and_named() {
    let chip = std::env::temp_dir().join(format!("wattline-slow-{}.toml", std::process::id()));
    let content = "schema = 1\nname = \"h100-sxm\"\nextends = \"h100-sxm\"\nsource = \"test\"\n\
                   [kernels.gemm.bf16.vllm]\nlaunch = \"50 us\"\n";
    std::fs::write(&chip, content).expect("written");
    let (code, out, err) = call(&["validate", "--on", &chip.to_string_lossy(), "--op", "gemm"]);
    std::fs::remove_file(&chip).expect("removed");
    assert_eq!(code, 1, "{out}{err}");
    assert!(out.contains("MISSED"), "{out}");
    assert!(err.contains("h100-sxm gemm bf16 vllm: time"), "{err}");
}

#[test]
fn a_calibration_writes_a_chip_that_runs() {
    let folder = std::env::temp_dir().join(format!("wattline-fit-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("created");
    let path = |name: &str| folder.join(name).to_string_lossy().into_owned();
    // Products at 25 TMAC/s, and 9 us.
    let mut table = "op,dtype,shape,us\n".to_owned();
    for (n, k) in [
        (512, 512),
        (1024, 4096),
        (4096, 1024),
        (4096, 4096),
        (2048, 8192),
    ] {
        for m in [1, 64, 512, 1024, 2048, 4096, 8192] {
            let us = 9.0 + f64::from(m) * f64::from(n) * f64::from(k) / 25e6;
            table.push_str(&format!("gemm,int8,m={m};n={n};k={k},{us}\n"));
        }
    }
    let (measured, overlay) = (path("m.csv"), path("fitted.toml"));
    std::fs::write(&measured, table).expect("written");
    let (code, out, err) = call(&["calibrate", &measured, "--on", "edge-npu", "-o", &overlay]);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("held out: mean"), "{out}");
    let fitted = std::fs::read_to_string(&overlay).expect("written");
    for part in [
        "extends = \"edge-npu\"",
        "again: wattline calibrate",
        "35 rows",
    ] {
        assert!(fitted.contains(part), "{fitted}");
    }
    let (code, _, err) = call(&["run", "resnet-50", "--on", &overlay, "-q"]);
    assert_eq!(code, 0, "{err}");

    std::fs::write(&measured, "op,dtype,shape,us\ngemm,bf16,m=1;n=64;k=64,5\n").expect("written");
    refused(
        &["calibrate", &measured, "--on", "h100-sxm"],
        &["E0701", "coefficient: 1"],
    );
    std::fs::write(
        &measured,
        "op,dtype,shape,us,chip\ngemm,bf16,m=1;n=64;k=64,5,l4\n",
    )
    .expect("written");
    refused(
        &["calibrate", &measured, "--on", "h100-sxm"],
        &["E0701", "1 rows name other chips"],
    );
    std::fs::remove_dir_all(&folder).expect("removed");
}
