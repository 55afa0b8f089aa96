//! Sweeps through the library: the front against brute force, any thread count, every message.

use std::fs;
use std::path::{Path, PathBuf};

use expect_test::{Expect, expect};
use wattline::catalog::{Base, Content, Entry, Kind};
use wattline::diag::Problems;
use wattline::explore::{self, NoLedger, Plan, Silent, Sweep};
use wattline::record;
use wattline::simulate::Metric;

/// One engine, one buffer; the knob `idle` is used by nothing.
const CHIP: &str = r#"
schema = 1
name = "toy"
class = "edge"
source = "estimate: test"
[params]
rows = { value = 8, min = 2, max = 64 }
glb = { value = "64 KiB", min = "8 KiB", max = "1 MiB" }
bandwidth = "8 GB/s"
[process]
node = "7 nm"
clock = "1 GHz"
[[memory]]
name = "dram"
kind = "lpddr5"
capacity = "1 GiB"
ports = [{ dir = "rw", bandwidth = "= bandwidth" }]
[[memory]]
name = "glb"
in = "dram"
kind = "sram"
capacity = "= glb"
ports = [{ dir = "rw", bandwidth = "64 GB/s" }]
[[fanout]]
name = "pe"
in = "glb"
shape = ["= rows", 8]
axes = [{ ranks = ["K"], reduce = ["acc"] }, { ranks = ["N", "M"], multicast = ["lhs"] }]
[[memory]]
name = "rf"
in = "pe"
kind = "regfile"
capacity = "64 B"
[[array]]
name = "mac"
in = "rf"
rate = { int8 = 1 }
[[vector]]
name = "vpu"
in = "glb"
lanes = 8
[power]
tdp = "2 W"
idle = "0.05 W"
active = "0.1 W"
"#;

/// An encoder of one layer, small enough for a debug build.
const MODEL: &str = r#"{"model_type": "gpt2", "n_embd": 64, "n_layer": 1, "n_head": 4,
 "n_positions": 64, "vocab_size": 256, "torch_dtype": "float16", "architectures": ["GPT2LMHeadModel"]}"#;

const SWEEP: &str = r#"
schema = 1
name = "toy"
on = "./toy.toml"
minimize = ["latency", "energy", "area"]
[[workload]]
model = "./toy.json"
dtype = "int8"
phase = "prefill"
prompt = 16
weight = 3
[[workload]]
model = "./toy.json"
dtype = "int8"
phase = "decode"
prompt = 16
output = 4
[[axis]]
set = "chip.rows"
range = { from = 4, to = 16, scale = "log2" }
[[axis]]
set = "chip.glb"
values = ["16 KiB", "64 KiB", "256 KiB"]
[[axis]]
set = "scenario.batch"
values = [1, 4]
[[axis]]
set = "chip.bandwidth"
values = ["4 GB/s", "16 GB/s"]
"#;

/// A folder of its own for each test, with the chip and the model in it.
fn folder(test: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("wattline-{test}-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("can be created");
    fs::write(folder.join("toy.toml"), CHIP).expect("can be written");
    fs::write(folder.join("toy.json"), MODEL).expect("can be written");
    folder
}

fn load(folder: &Path, text: &str) -> Result<(Plan, Problems), Problems> {
    let entry = Entry {
        name: "sweep".to_owned(),
        origin: "sweep.toml".to_owned(),
        kind: Kind::Toml,
        content: Content::Text(text.to_owned()),
        base: Base::Folder(folder.to_path_buf()),
    };
    Plan::load(&entry, &[])
}

fn swept(test: &str, text: &str) -> (Plan, Sweep) {
    let folder = folder(test);
    let (plan, _) = load(&folder, text).unwrap_or_else(|p| panic!("{p}"));
    let sweep = explore::run(&plan, &Silent, &NoLedger)
        .unwrap_or_else(|p| panic!("{p}"))
        .0;
    fs::remove_dir_all(folder).expect("can be removed");
    (plan, sweep)
}

#[track_caller]
fn refused(test: &str, text: &str, expected: &Expect) {
    let folder = folder(test);
    let found = load(&folder, text).and_then(|(plan, _)| explore::run(&plan, &Silent, &NoLedger));
    let text = found.expect_err("must be refused").to_string();
    let place = folder.display().to_string();
    fs::remove_dir_all(folder).expect("can be removed");
    expected.assert_eq(&text.replace(&place, "FOLDER"));
}

#[test]
fn the_front_is_what_brute_force_finds() {
    let (plan, sweep) = swept("front", SWEEP);
    assert_eq!(sweep.points.len(), 3 * 3 * 2 * 2);
    assert_eq!(sweep.feasible, sweep.points.len());
    let values = |i: usize| plan.objectives.iter().map(move |m| (i, *m));
    let at = |(i, m): (usize, Metric)| sweep.points[i].mean(m).expect("known");
    let beats = |a: usize, b: usize| {
        let pairs = || values(a).map(at).zip(values(b).map(at));
        pairs().all(|(x, y)| x <= y) && pairs().any(|(x, y)| x < y)
    };
    let equal = |a: usize, b: usize| values(a).map(at).eq(values(b).map(at));
    let n = sweep.points.len();
    let best = (0..n).filter(|&b| !(0..n).any(|a| beats(a, b) || (a < b && equal(a, b))));
    assert_eq!(sweep.front, best.collect::<Vec<_>>());
    assert!(sweep.front.len() > 1);
    assert!(
        sweep
            .front
            .contains(&sweep.knee.expect("a front has a knee"))
    );
}

#[test]
fn threads_change_no_byte() {
    let folder = folder("threads");
    let (plan, _) = load(&folder, SWEEP).unwrap_or_else(|p| panic!("{p}"));
    let with = |n: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(n).build();
        let pool = pool.expect("threads can be started");
        pool.install(|| explore::run(&plan, &Silent, &NoLedger))
            .expect("is priced")
            .0
    };
    let (one, eight) = (with(1), with(8));
    assert_eq!(one, eight);
    assert_eq!(
        record::points_jsonl(&plan, &one)
            .collect::<Vec<_>>()
            .concat(),
        record::points_jsonl(&plan, &eight)
            .collect::<Vec<_>>()
            .concat()
    );
    fs::remove_dir_all(folder).expect("can be removed");
}

#[test]
fn points_agree_with_single_runs() {
    let (plan, sweep) = swept("single", SWEEP);
    for index in [0, 17, 35] {
        let rows = plan
            .space
            .choice(0, index)
            .value
            .number()
            .expect("a number");
        let mut chip = plan.chips[0].clone();
        chip.set("rows", &rows.to_string()).expect("is a knob");
        chip.set("glb", &plan.space.choice(1, index).shown)
            .expect("is a knob");
        chip.set("bandwidth", &plan.space.choice(3, index).shown)
            .expect("is a knob");
        let (system, _) = chip.evaluate().expect("is a chip");
        let mut mean = 0.0;
        for job in &plan.jobs {
            let mut scenario = job.scenario.clone();
            scenario.batch = Some(
                plan.space
                    .choice(2, index)
                    .value
                    .number()
                    .expect("a number") as u64,
            );
            let estimate = wattline::simulate::run(
                &job.workload,
                &system,
                &scenario,
                wattline::simulate::Fidelity::Scheduled,
                &wattline::simulate::Memo::new(),
            );
            mean += job.weight * estimate.expect("is priced").totals.latency.0;
        }
        let found = sweep.points[index].mean(Metric::Latency).expect("known");
        assert!(
            (found / mean - 1.0).abs() < 1e-12,
            "{index}: {found} {mean}"
        );
    }
}

#[test]
fn an_axis_without_effect_is_named() {
    let text = SWEEP.replace("chip.bandwidth", "chip.memory.dram.capacity");
    let text = text.replace("4 GB/s\", \"16 GB/s", "1 GiB\", \"2 GiB");
    let (plan, sweep) = swept("idle", &text);
    assert_eq!(sweep.idle, [3]);
    assert_eq!(plan.space.axes[3].label(), "memory.dram.capacity");
    expect![[r#"
        W0301 axis `chip.memory.dram.capacity` changed no metric in any point
          = help: it is never the bottleneck here: leave the axis out, or widen it"#]]
    .assert_eq(&sweep.warnings[0].to_string());
    assert!(sweep.effects.iter().all(|e| e.axis != 3));
}

#[test]
fn a_model_run_at_another_type_is_named_once() {
    // The model is stored in fp16, and the chip multiplies int8 only.
    let (plan, sweep) = swept("retyped", &SWEEP.replace("dtype = \"int8\"\n", ""));
    let code = wattline::diag::Code::DtypeFallback;
    let found: Vec<_> = sweep.warnings.iter().filter(|w| w.code == code).collect();
    let [warning] = found.as_slice() else {
        panic!("{found:?}");
    };
    let n = plan.space.len();
    let text = warning.to_string();
    assert!(text.contains("fp16: products run as int8"), "{text}");
    assert!(text.contains(&format!("in {n} of {n} points")), "{text}");
}

#[test]
fn nothing_feasible_names_the_way_out() {
    let text = SWEEP.replacen(
        "[[workload]]",
        "constraints = [\"latency < 1 ns\", \"power < 2 W\"]\n[[workload]]",
        1,
    );
    let (plan, sweep) = swept("infeasible", &text);
    assert_eq!(
        (sweep.feasible, sweep.front.len(), sweep.knee),
        (0, 0, None)
    );
    let counted: usize = sweep.infeasible.iter().map(|c| c.points).sum();
    assert_eq!(counted, sweep.points.len());
    let verdict = sweep.verdict.expect("nothing is feasible").to_string();
    assert!(
        verdict.starts_with("E0501 no design meets all of: latency < 1 ns, power < 2 W"),
        "{verdict}"
    );
    assert!(
        verdict.contains("binding: latency. Best reachable within the space: latency"),
        "{verdict}"
    );
    // Following the advice makes as many designs feasible as it says.
    let advice = verdict
        .split("relaxing latency to ")
        .nth(1)
        .expect("advice");
    let (limit, rest) = advice.split_once(" makes ").expect("advice");
    let promised: usize = rest
        .split(' ')
        .next()
        .and_then(|n| n.parse().ok())
        .expect("a count");
    let relaxed = text.replace("latency < 1 ns", &format!("latency < {limit}"));
    let (_, sweep) = swept("relaxed", &relaxed);
    assert_eq!(sweep.feasible, promised);
    assert!(promised > 0 && promised < plan.space.len());
}

#[test]
fn a_point_that_cannot_be_mapped_says_why() {
    let text = SWEEP.replace("chip.bandwidth", "chip.memory.rf.capacity");
    let text = text.replace("4 GB/s\", \"16 GB/s", "1 B\", \"64 B");
    let (plan, sweep) = swept("unmapped", &text);
    assert_eq!(sweep.feasible, plan.space.len() / 2);
    assert_eq!(sweep.infeasible.len(), 1);
    assert_eq!(sweep.infeasible[0].name, "not mappable");
    let reason = sweep.points[0].reasons[0].describe(&plan.constraints);
    assert!(reason.contains("5 B are missing"), "{reason}");
}

#[test]
fn a_wrong_file_gets_every_problem_at_once() {
    refused(
        "wrong",
        r#"
schema = 1
name = "a/b"
on = "./toy.toml"
minimise = ["latency"]
minimize = ["latncy", "throughput"]
constraints = ["area < 40 mm", "size < 1 m", "power"]
[[workload]]
model = "./toy.json"
weight = -1
batch = 2
[[axis]]
set = "chip.glb"
values = ["64 KiB", "3 GB/s", "64 KiB"]
[[axis]]
set = "scenario.bacth"
values = [1]
[[axis]]
set = "glb"
values = []
[[axis]]
set = "scenario.batch"
values = [1, 1.5]
range = { from = 1, to = 2 }
[[axis]]
set = ["chip.rows", "scenario.prompt"]
range = { from = 64, to = 8, scale = "log3" }
[strategy]
kind = "guess"
seed = 3
"#,
        &expect![[r#"
            E0105 `name = a/b` cannot name a folder
             --> sweep.toml:3:1
              |
            3 | name = "a/b"
              | ^^^^
              = help: use up to 100 letters, digits, `-`, `_` and `.`

            E0101 unknown key `minimise`
             --> sweep.toml:5:1
              |
            5 | minimise = ["latency"]
              | ^^^^^^^^ did you mean `minimize`?
              = note: unknown keys are errors, so that a typing slip cannot change your results unnoticed

            E0110 `minimize = latncy` is not known
             --> sweep.toml:6:13
              |
            6 | minimize = ["latncy", "throughput"]
              |             ^^^^^^^^ did you mean `latency`?
              = help: known are: latency, ttft, tpot, energy, energy_per_token, energy_per_sample, power, peak_power, area, memory

            E0105 `throughput` is no figure to minimize: its other end is the good one
             --> sweep.toml:6:23
              |
            6 | minimize = ["latncy", "throughput"]
              |                       ^^^^^^^^^^^^
              = help: write maximize = ["throughput"]

            E0105 `40 mm` is not a limit of area: it is in m2
             --> sweep.toml:7:16
              |
            7 | constraints = ["area < 40 mm", "size < 1 m", "power"]
              |                ^^^^^^^^^^^^^^

            E0105 `size` is not a metric; known: latency, ttft, tpot, throughput, sample_rate, energy, energy_per_token, energy_per_sample, power, peak_power, utilization, area, memory
             --> sweep.toml:7:32
              |
            7 | constraints = ["area < 40 mm", "size < 1 m", "power"]
              |                                ^^^^^^^^^^^^

            E0105 `power` is not a limit; write for instance `ttft<300ms`
             --> sweep.toml:7:46
              |
            7 | constraints = ["area < 40 mm", "size < 1 m", "power"]
              |                                              ^^^^^^^

            E0105 `workload.0.weight = -1` must be above zero
              --> sweep.toml:10:10
               |
            10 | weight = -1
               |          ^^

            E0102 `axis.0.values = 3 GB/s` is in B/s
              --> sweep.toml:14:21
               |
            14 | values = ["64 KiB", "3 GB/s", "64 KiB"]
               |                     ^^^^^^^^
               = help: expected a size, e.g. "80 GiB"

            E0104 `axis.0.values` has `64 KiB` twice
              --> sweep.toml:14:31
               |
            14 | values = ["64 KiB", "3 GB/s", "64 KiB"]
               |                               ^^^^^^^^

            E0110 `glb` is not a path that an axis can turn
              --> sweep.toml:19:7
               |
            19 | set = "glb"
               |       ^^^^^ did you mean `chip.glb`?
               = help: paths are chip (names of whole chips), chip.<knob>, chip.memory.<name>.<key>, scenario.batch, .prompt, .output, .dtype, scenario.<setting> (wattline list settings), or scenario.<symbolic dimension>

            E0502 `axis.2.values` has no value
              --> sweep.toml:20:10
               |
            20 | values = []
               |          ^^

            E0104 `axis.3` has both `values` and `range`
              --> sweep.toml:24:1
               |
            24 | range = { from = 1, to = 2 }
               | ^^^^^
               = help: keep one

            E0104 an axis cannot link the chip with the scenario
              --> sweep.toml:26:7
               |
            26 | set = ["chip.rows", "scenario.prompt"]
               |       ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
               = help: give each an axis of its own

            E0110 `axis.4.range.scale = log3` is not known
              --> sweep.toml:27:38
               |
            27 | range = { from = 64, to = 8, scale = "log3" }
               |                                      ^^^^^^ did you mean `log2`?
               = help: known are: linear, log2, log10

            E0110 `strategy.kind = guess` is not known
              --> sweep.toml:29:8
               |
            29 | kind = "guess"
               |        ^^^^^^^
               = help: known are: exact, sample, evolve"#]],
    );
}

#[test]
fn ranges_and_settings_are_checked() {
    refused(
        "ranges",
        r#"
schema = 1
on = "./toy.toml"
minimize = ["latency"]
[[workload]]
model = "./toy.json"
batch = 2
[[axis]]
set = "chip.glb"
range = { from = "64 KiB", to = "8 KiB", scale = "log2" }
[[axis]]
set = "scenario.batch"
values = [0, 2]
[[axis]]
set = "chip.rows"
range = { from = 4, to = 8 }
[[axis]]
set = "chip.rows"
range = { from = 4, to = "8 B", steps = 2 }
[[axis]]
set = "scenario.dtype"
values = ["int8", "int7"]
[[axis]]
set = "chip.bandwidth"
"#,
        &expect![[r#"
            E0502 the range is empty: `from` is above `to`
              --> sweep.toml:10:9
               |
            10 | range = { from = "64 KiB", to = "8 KiB", scale = "log2" }
               |         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

            E0105 `0` is not a whole number from 1
              --> sweep.toml:13:11
               |
            13 | values = [0, 2]
               |           ^

            E0103 a linear range needs `steps`, the number of values from `from` to `to`
              --> sweep.toml:16:9
               |
            16 | range = { from = 4, to = 8 }
               |         ^^^^^^^^^^^^^^^^^^^^

            E0102 `axis.3.range.to = 8 B` is in B
              --> sweep.toml:19:26
               |
            19 | range = { from = 4, to = "8 B", steps = 2 }
               |                          ^^^^^
               = help: expected a number without a unit, e.g. 16

            E0110 `int7` is not a data type; known: fp32, tf32, bf16, fp16, fp8, fp8_block, int8, sq, int8_wo, int4, int4_wo, mxfp4, w4a16_mxfp4, nvfp4, or roles such as w=int4,a=bf16,kv=fp8
              --> sweep.toml:22:19
               |
            22 | values = ["int8", "int7"]
               |                   ^^^^^^

            E0103 required key `values` is missing in `axis.5`
              --> sweep.toml:23:1
               |
            23 | [[axis]]
               | ^^^^^^^^
               = help: give `values = [...]`, or `range = { from = 8, to = 64, scale = "log2" }`"#]],
    );
}

#[test]
fn what_the_file_names_must_exist() {
    refused(
        "names",
        r#"
schema = 1
on = "./toy.toml"
minimize = ["latency"]
constraints = ["ttft < 1 s"]
[[workload]]
model = "./toy.json"
phase = "prefill"
[[axis]]
set = "chip.gbl"
values = ["64 KiB"]
[[axis]]
set = "chip.glb"
values = ["64 KiB", "4 MiB"]
[[axis]]
set = "scenario.seqence"
values = [1]
"#,
        &expect![[r#"
            E0110 `gbl` is neither a knob nor a key of this chip
              --> sweep.toml:10:7
               |
            10 | set = "chip.gbl"
               |       ^^^^^^^^^^ did you mean `glb`?

            E0105 `glb = 4194304 B` is outside of its range
              --> sweep.toml:14:21
               |
            14 | values = ["64 KiB", "4 MiB"]
               |                     ^^^^^^^
               = help: `glb` may be 8 KiB to 1 MiB

            E0110 no workload has a symbolic dimension `seqence`
              --> sweep.toml:16:7
               |
            16 | set = "scenario.seqence"
               |       ^^^^^^^^^^^^^^^^^^ did you mean `seq`?

            E0305 `ttft` is a figure of a generation, and no workload generates tokens
              = help: use latency, energy, sample_rate or energy_per_sample"#]],
    );
    refused(
        "models",
        "schema = 1\non = \"no-such-chip\"\nminimize = [\"area\"]\nworkload = [{ model = \"no-such-model\" }]\n\
         axis = [{ set = \"chip.glb\", values = [1] }]\n",
        &expect![[r#"
            E0202 no chip called `no-such-chip`
             --> sweep.toml:2:6
              |
            2 | on = "no-such-chip"
              |      ^^^^^^^^^^^^^^
              = help: 40 chips: wattline list chips · or give a path to chip.toml

            E0201 no model called `no-such-model`
             --> sweep.toml:4:23
              |
            4 | workload = [{ model = "no-such-model" }]
              |                       ^^^^^^^^^^^^^^^
              = help: 213 models: wattline list models · or give a path to model.onnx / config.json / model.toml"#]],
    );
    refused(
        "empty",
        "",
        &expect![[r#"
            E0103 required key `schema` is missing
              = help: schema = 1

            E0103 required key `minimize` is missing
              = help: such as minimize = ["latency", "energy"]

            E0103 required key `workload` is missing
              = help: at least one [[workload]] with a `model`

            E0103 required key `axis` is missing
              = help: at least one [[axis]] with `set` and `values`

            E0103 required key `on` is missing
              = help: name a chip or a file: on = "edge-npu""#]],
    );
    refused(
        "huge",
        &SWEEP
            .replace("[1, 4]", &format!("{:?}", (1..9000).collect::<Vec<_>>()))
            .replace("steps", "s")
            .replace(
                "values = [\"16 KiB\", \"64 KiB\", \"256 KiB\"]",
                "range = { from = \"16 KiB\", to = \"64 KiB\", steps = 5000 }",
            ),
        &expect![[r#"
            E0105 the grid has 269 970 000 points; at most 1 000 000 are priced
              = help: give fewer or shorter axes"#]],
    );
}

/// Runs the command on a sweep file in a folder of its own; the folder remains for the caller.
fn command(folder: &Path, text: &str, extra: &[&str]) -> std::process::Output {
    fs::write(folder.join("sweep.toml"), text).expect("can be written");
    let mut command = assert_cmd::Command::cargo_bin("wattline").expect("is built");
    command
        .current_dir(folder)
        .args(["sweep", "sweep.toml"])
        .args(extra);
    command.output().expect("runs")
}

#[test]
fn the_command_writes_the_same_folder_twice() {
    let folder = folder("command");
    let files = [
        "points.jsonl",
        "points.csv",
        "front.csv",
        "pareto.svg",
        "pareto.png",
        "manifest.json",
    ];
    let read = |out: &str| files.map(|f| fs::read(folder.join(out).join(f)).expect("is written"));
    let first = command(&folder, SWEEP, &["-o", "a", "-j", "1"]);
    let second = command(&folder, SWEEP, &["-o", "b", "-j", "8", "--ascii"]);
    assert_eq!(
        (first.status.code(), second.status.code()),
        (Some(0), Some(0))
    );
    assert_eq!(read("a")[..5], read("b")[..5]);
    let shown = String::from_utf8(first.stdout).expect("is text");
    assert!(
        shown.starts_with("toy · 4 axes · 36 points · toy 0.75 + toy 0.25\n"),
        "{shown}"
    );
    assert!(
        shown.contains("what matters") && shown.contains("saved a"),
        "{shown}"
    );
    let csv = String::from_utf8(read("a")[1].clone()).expect("is text");
    assert_eq!(csv.lines().count(), 37);
    let head = "point,chip.rows,chip.glb_bytes,scenario.batch,chip.bandwidth_byte_per_s,latency_s,";
    assert!(csv.starts_with(head), "{csv}");
    fs::remove_dir_all(folder).expect("can be removed");
}

#[test]
fn json_carries_the_front_or_why_there_is_none() {
    let folder = folder("json");
    let parse = |o: &std::process::Output| -> serde_json::Value {
        serde_json::from_slice(&o.stdout).expect("is one document")
    };
    let found = command(&folder, SWEEP, &["--json"]);
    assert_eq!(found.status.code(), Some(0));
    let document = parse(&found);
    assert_eq!(document["schema"], 1);
    assert_eq!(document["points"], 36);
    assert!(
        document["front"][0]["metrics"]["latency_s"]
            .as_f64()
            .is_some_and(|v| v > 0.0)
    );
    let at = document["folder"].as_str().expect("is a text");
    assert!(at.starts_with("reports/toy-") && folder.join(at).join("points.csv").is_file());
    let impossible = SWEEP.replacen(
        "[[workload]]",
        "constraints = [\"area < 1e-6 mm2\"]\n[[workload]]",
        1,
    );
    let found = command(&folder, &impossible, &["--json"]);
    assert_eq!(found.status.code(), Some(1));
    assert_eq!(parse(&found)["errors"][0]["code"], "E0501");
    let found = command(&folder, "schema = 2", &["--json"]);
    assert_eq!(found.status.code(), Some(2));
    assert_eq!(parse(&found)["errors"][0]["code"], "E0105");
    fs::remove_dir_all(folder).expect("can be removed");
}
