//! Mixes of requests, chains of calls and deadlines of a workload TOML.

use std::collections::BTreeMap;

use assert_cmd::Command;
use expect_test::{Expect, expect};
use wattline::catalog::{Base, Content, Entry, Kind};
use wattline::diag::Problems;
use wattline::import;
use wattline::workload::{Binding, OpGraph};

const HEAD: &str = "schema = 1\nsource = 'test'\n";

fn entry(text: &str) -> Entry {
    Entry {
        name: "toy".to_owned(),
        origin: "toy.toml".to_owned(),
        kind: Kind::Toml,
        content: Content::Text(text.to_owned()),
        base: Base::Catalog,
    }
}

fn read(text: &str, binding: &Binding) -> Result<OpGraph, Problems> {
    let workload = import::model(&entry(text))?;
    Ok(workload.graph(binding)?.0)
}

#[track_caller]
fn refused(text: &str, expected: &Expect) {
    let found = read(text, &Binding::infer()).expect_err("must be refused");
    expected.assert_eq(&found.to_string());
}

fn run(file: &str, arguments: &[&str]) -> (i32, serde_json::Value) {
    let mut command = Command::cargo_bin("wattline").expect("is built");
    let output = command
        .args(["run", file, "--on", "h100-sxm", "--json"])
        .args(arguments)
        .output()
        .expect("runs");
    let text = String::from_utf8(output.stdout).expect("is UTF-8");
    (
        output.status.code().unwrap_or(-1),
        serde_json::from_str(&text).unwrap_or_default(),
    )
}

fn file(name: &str, text: &str) -> String {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("workload-toml");
    std::fs::create_dir_all(&folder).expect("is writable");
    let path = folder.join(name);
    std::fs::write(&path, text).expect("is writable");
    path.to_string_lossy().into_owned()
}

#[test]
fn one_request_is_what_its_lengths_are() {
    let text = format!("{HEAD}model = 'llama-3.2-1b'\n[[request]]\nprompt = 512\noutput = 64\n");
    let mix = file("one.toml", &text);
    let (code, one) = run(&mix, &[]);
    let (_, plain) = run("llama-3.2-1b", &["--prompt", "512", "--output", "64"]);
    assert_eq!(code, 0);
    assert_eq!(one["totals"], plain["totals"]);
    assert_eq!(one["fit"], plain["fit"]);
    assert_eq!(one["workload"]["prompt"], serde_json::Value::Null);
    let (_, given) = run(&mix, &["--prompt", "100"]);
    assert_eq!(given["workload"]["requests"], serde_json::Value::Null);
    assert_eq!(given["workload"]["output"], 256);
}

#[test]
fn a_mix_is_the_sum_of_its_requests() {
    let of = |requests: &str| {
        let text = format!("{HEAD}model = 'llama-3.2-1b'\n{requests}");
        run(&file("mix.toml", &text), &[]).1
    };
    let chat = "[[request]]\nname = 'chat'\ncount = 3\nprompt = 512\noutput = 64\n";
    let agent =
        "[[request]]\nname = 'agent'\ncalls = 2\nprompt = 300\ntool = 50\noutput = 20\nreuse = 1\n";
    let (a, b, both) = (of(chat), of(agent), of(&format!("{chat}{agent}")));
    let number = |v: &serde_json::Value, key: &str| v["totals"][key].as_f64().expect("is a number");
    for key in ["macs", "latency_s"] {
        let sum = number(&a, key) + number(&b, key);
        assert!((number(&both, key) / sum - 1.0).abs() < 1e-2, "{key}");
    }
    // Three answers of 64 and two of 20.
    let tokens = number(&both, "tokens_per_s") * number(&both, "latency_s");
    assert!((tokens - 232.0).abs() < 1e-6);
    let first = |v| number(v, "ttft_s");
    assert!((first(&both) * 5.0 / (3.0 * first(&a) + 2.0 * first(&b)) - 1.0).abs() < 1e-2);
    let requests = &both["workload"]["requests"];
    // By hand: 300, then 50 new ones behind 320.
    let expected = serde_json::json!({"name": "agent", "count": 1, "turns": 2, "prompt_tokens": 350, "cached_tokens": 320, "tokens": 40});
    assert_eq!(requests[1], expected);
}

#[test]
fn a_deadline_is_met_or_missed() {
    let of = |key: &str| {
        let text = format!("{HEAD}{key}\ninputs = {{ x = [1, 64] }}\nop = [{{ linear = 64 }}]\n");
        let (code, document) = run(&file("deadline.toml", &text), &[]);
        (code, document["deadline"].clone())
    };
    assert_eq!(
        of("deadline = '1 s'"),
        (0, serde_json::json!({"limit_s": 1.0, "met": true}))
    );
    assert_eq!(
        of("rate = '2 Hz'"),
        (0, serde_json::json!({"limit_s": 0.5, "met": true}))
    );
    assert_eq!(of("deadline = '1 ns'").0, 1);
    assert_eq!(of("doc = 'none'"), (0, serde_json::Value::Null));
}

#[test]
fn wrong_requests_are_told() {
    refused(
        "schema = 1\nsource = 'x'\nmodel = 'gpt2'\ndeadline = '3'\nrate = '1 Hz'\n[[request]]\nprompt = { median = 100, p90 = 50 }\noutput = { mean = 3 }\ntool = 3\n[[request]]\nprompt = 'many'\noutput = 0\ncount = 1.5\nreuse = 2\ncalls = 2\nextra = 1\n",
        &expect![[r#"
            E0102 `deadline = 3` has no unit
             --> toy.toml:4:12
              |
            4 | deadline = '3'
              |            ^^^
              = help: expected a time, e.g. "2 us"

            E0104 `deadline` and `rate` say the same thing
             --> toy.toml:5:1
              |
            5 | rate = '1 Hz'
              | ^^^^
              = help: keep one

            E0104 `p90` is below the median
             --> toy.toml:7:26
              |
            7 | prompt = { median = 100, p90 = 50 }
              |                          ^^^

            E0103 required key `cv` is missing in `request.0.output`
             --> toy.toml:8:10
              |
            8 | output = { mean = 3 }
              |          ^^^^^^^^^^^^
              = help: standard deviation over mean

            E0104 `tool` is of further calls, and there is one call
             --> toy.toml:9:1
              |
            9 | tool = 3
              | ^^^^
              = help: give `calls`

            E0102 `request.1.prompt = many` cannot be read
              --> toy.toml:11:10
               |
            11 | prompt = 'many'
               |          ^^^^^^ `many` does not start with a number
               = help: write a number with a unit, or an expression that starts with `=`

            E0105 `request.1.output = 0` must lie within 1 and 4294967296
              --> toy.toml:12:10
               |
            12 | output = 0
               |          ^

            E0105 `request.1.count = 1.5` must be a whole number
              --> toy.toml:13:9
               |
            13 | count = 1.5
               |         ^^^

            E0105 `request.1.reuse = 2` must lie within 0 and 1
              --> toy.toml:14:9
               |
            14 | reuse = 2
               |         ^

            E0101 unknown key `request.1.extra`
              --> toy.toml:16:1
               |
            16 | extra = 1
               | ^^^^^
               = note: unknown keys are errors, so that a typing slip cannot change your results unnoticed"#]],
    );
    refused(
        "schema = 1\nsource = 'x'\nmodel = 'resnet-18'\n[[request]]\nprompt = 3\noutput = 3\n",
        &expect![[r#"
            E0305 `toy` takes no requests: it is not a language model
              = help: leave [[request]] out"#]],
    );
}

#[test]
fn lengths_come_from_a_table() {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("workload-toml");
    std::fs::create_dir_all(&folder).expect("is writable");
    std::fs::write(
        folder.join("lengths.csv"),
        "tokens,when\n10,a\n20,b\n30,c\n40,d\n",
    )
    .expect("is writable");
    let text = format!(
        "{HEAD}model = 'gpt2'\n[[request]]\ncount = 4\nprompt = {{ file = 'lengths.csv' }}\noutput = 2\n"
    );
    let path = file("table.toml", &text);
    let entry = wattline::catalog::model(&path).expect("is there");
    let workload = import::model(&entry).expect("is right");
    let turns = workload.requests().expect("has requests").turns();
    let counts: BTreeMap<u64, u64> = turns.iter().map(|t| (t.new, t.count)).collect();
    assert_eq!(counts, BTreeMap::from([(10, 1), (20, 1), (30, 1), (40, 1)]));
}

#[test]
fn calls_of_a_chain_may_take_another_form_than_the_first() {
    let chain = "[[request]]\ncalls = 3\nprompt = 600\ntool = 200\noutput = 20\nreuse = 0.9\n";
    let text = format!("{HEAD}model = 'deepseek-v2-lite'\n{chain}");
    let (code, document) = run(&file("latent.toml", &text), &[]);
    assert_eq!(code, 0);
    // Rows add up to the whole, whatever forms the calls took.
    let rows = document["operators"].as_array().expect("is a list");
    let of_rows: f64 = rows
        .iter()
        .map(|op| op["macs"].as_f64().unwrap_or(0.0) * op["count"].as_f64().unwrap_or(0.0))
        .sum();
    let whole = document["totals"]["macs"].as_f64().expect("is known");
    assert!((of_rows / whole - 1.0).abs() < 1e-9, "{of_rows} {whole}");
    let cached = "[[request]]\nprompt = 200\ncached = 100\noutput = 8\n[[request]]\nprompt = 200\noutput = 8\n";
    let text = format!("{HEAD}model = 't5-small'\n{cached}");
    assert_eq!(run(&file("two.toml", &text), &[]).0, 0);
}

#[test]
fn a_draft_helps_a_mix_as_it_helps_one_request() {
    let text = format!("{HEAD}model = 'llama-3.1-8b'\n[[request]]\nprompt = 512\noutput = 64\n");
    let mix = file("draft.toml", &text);
    let tpot = |document: &serde_json::Value| document["totals"]["tpot_s"].as_f64();
    let draft = ["--set", "scenario.draft=llama-3.2-1b"];
    let (_, by_mix) = run(&mix, &draft);
    let lengths = ["--prompt", "512", "--output", "64"];
    let (_, alone) = run("llama-3.1-8b", &[&lengths[..], &draft].concat());
    assert_eq!(tpot(&by_mix), tpot(&alone));
    let (_, plain) = run(&mix, &[]);
    assert!(tpot(&by_mix) < tpot(&plain), "{by_mix} {plain}");
}
