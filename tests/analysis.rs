//! Sensitivities, regrets and drifts of a sweep, against hand calculation and against sweeps of their own.

use std::fs;
use std::path::PathBuf;

use wattline::catalog::{Base, Content, Entry, Kind};
use wattline::explore::{self, NoLedger, Plan, Silent, Sweep, drifts, regrets, sensitivity};
use wattline::simulate::Metric;

/// A data-sheet chip: everything streams from main memory at 1 GB/s, of which all is achieved.
const CHIP: &str = r#"
schema = 1
name = "slow"
class = "npu"
source = "estimate: test"
[process]
node = "7 nm"
clock = "1 GHz"
[peak]
int8 = "100 TOPS"
[[memory]]
name = "dram"
kind = "lpddr5"
capacity = "16 GiB"
ports = [{ dir = "rw", bandwidth = "1 GB/s", achievable = 1.0 }]
[[memory]]
name = "sram"
in = "dram"
kind = "sram"
capacity = "1 MiB"
[power]
tdp = "25 W"
idle = "1 W"
active = "2 W"
[overhead]
kernel = "0 s"
"#;

/// One row times a matrix of 100 MB: nothing is used twice.
fn model(name: &str, columns: u64) -> String {
    format!(
        "schema = 1\nname = \"{name}\"\nsource = \"test\"\ndtype = \"int8\"\n\
         op = [{{ in = \"x\", linear = {columns} }}]\n\
         [dims]\nbatch = {{ value = 1, doc = \"rows\" }}\n[inputs]\nx = [\"batch\", 10000]\n"
    )
}

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("wattline-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("created");
    fs::write(folder.join("slow.toml"), CHIP).expect("written");
    fs::write(folder.join("wide.toml"), model("wide", 10_000)).expect("written");
    fs::write(folder.join("narrow.toml"), model("narrow", 1_000)).expect("written");
    folder
}

fn swept(folder: &std::path::Path, text: &str) -> (Plan, Sweep) {
    let entry = Entry {
        name: "test".to_owned(),
        origin: "test.toml".to_owned(),
        kind: Kind::Toml,
        content: Content::Text(text.to_owned()),
        base: Base::Folder(folder.to_path_buf()),
    };
    let (plan, _) = Plan::load(&entry, &[]).unwrap_or_else(|p| panic!("{p}"));
    let swept = explore::run(&plan, &Silent, &NoLedger).unwrap_or_else(|p| panic!("{p}"));
    (plan, swept.0)
}

#[track_caller]
fn close(found: f64, expected: f64, tolerance: f64) {
    assert!(
        (found - expected).abs() <= tolerance,
        "{found} against {expected}"
    );
}

#[test]
fn what_streams_depends_on_bandwidth_alone() {
    let folder = folder("streams");
    let text = "schema = 1\nname = \"t\"\non = \"./slow.toml\"\nminimize = [\"latency\", \"energy\"]\n\
                workload = [{ model = \"./wide.toml\" }]\n\
                axis = [{ set = \"chip.power.cap\", values = [\"20 W\"] }]\n";
    let (plan, sweep) = swept(&folder, text);
    // 10,000 x 10,000 weights, 10,000 inputs, as many results of two bytes, at 1 GB/s.
    let latency = sweep.points[0].mean(Metric::Latency).expect("known");
    close(latency / 0.10003, 1.0, 1e-3);
    let found = sensitivity(&plan, 0, "only").unwrap_or_else(|p| panic!("{p}"));
    let of = |path: &str, metric: Metric| {
        let parameter = found.parameters.iter().find(|p| p.path == path);
        let parameter = parameter.unwrap_or_else(|| panic!("{path} moves nothing"));
        let moved = parameter.moved.iter().find(|m| m.metric == metric);
        *moved.expect("known")
    };
    let bandwidth = of("chip.memory.dram.ports.0.bandwidth", Metric::Latency);
    close(bandwidth.elasticity.expect("known"), -1.0, 1e-3);
    close(bandwidth.low.expect("known") / latency, 1.0 / 0.75, 1e-3);
    close(bandwidth.high.expect("known") / latency, 1.0 / 1.25, 1e-3);
    // Idle watts: energy over the time grows by a quarter of them, time does not.
    let idle = of("chip.power.idle", Metric::Energy);
    close(
        idle.high.expect("known") - idle.base,
        0.25 * 1.0 * latency,
        1e-9,
    );
    close(
        of("chip.power.idle", Metric::Latency)
            .elasticity
            .expect("known"),
        0.0,
        1e-12,
    );
    assert!(
        found
            .still
            .contains(&"chip.memory.dram.capacity".to_owned()),
        "{:?}",
        found.still
    );
    fs::remove_dir_all(folder).expect("removed");
}

#[test]
fn regret_is_the_distance_to_the_best_for_one_workload() {
    let folder = folder("regret");
    // Two batches: the wide layer and the narrow one both prefer the smaller; energy follows.
    let text = "schema = 1\nname = \"t\"\non = \"./slow.toml\"\nminimize = [\"latency\"]\nmaximize = [\"sample_rate\"]\n\
                workload = [{ model = \"./wide.toml\" }, { model = \"./narrow.toml\" }]\n\
                axis = [{ set = \"scenario.batch\", values = [1, 2] }]\n";
    let (plan, sweep) = swept(&folder, text);
    assert_eq!(sweep.front, [0, 1]);
    let found = regrets(&plan, &sweep);
    assert_eq!(found.len(), 2);
    // Wide: 1e8 bytes, and 3e4 for each row.
    let [one, two] = [1.0003e8, 1.0006e8];
    let regret = |point: usize, metric: Metric| {
        let all = found[0].regret.iter();
        let mut own = all.filter(|r| r.point == point && r.metric == metric);
        own.next().expect("is listed").share
    };
    close(regret(0, Metric::Latency), 0.0, 1e-12);
    close(regret(1, Metric::Latency), two / one - 1.0, 1e-5);
    close(regret(1, Metric::SampleRate), 0.0, 1e-12);
    close(regret(0, Metric::SampleRate), 2.0 * one / two - 1.0, 1e-4);
    assert_eq!(found[0].best[0].point, 0);
    for own in &found[1].regret {
        let row = |point: usize| {
            let jobs = &sweep.points[point]
                .figures
                .as_ref()
                .expect("is priced")
                .jobs;
            jobs[1].get(own.metric).expect("known")
        };
        let all = [row(0), row(1)];
        let best = match own.metric.is_maximized() {
            true => all[0].max(all[1]) / row(own.point),
            false => row(own.point) / all[0].min(all[1]),
        };
        close(own.share, best - 1.0, 1e-12);
    }
    fs::remove_dir_all(folder).expect("removed");
}

#[test]
fn a_drift_is_a_sweep_of_its_own() {
    let folder = folder("drift");
    let file = |batch: u64, more: &str| {
        format!(
            "schema = 1\nname = \"t\"\non = \"./slow.toml\"\nminimize = [\"latency\", \"power\"]\nconstraints = [\"latency < 0.1822 s\"]\n\
             workload = [{{ model = \"./wide.toml\", batch = {batch}, weight = 1 }}, {{ model = \"./narrow.toml\", batch = {batch}, weight = 3 }}]\n\
             axis = [{{ set = \"chip.memory.dram.ports.0.bandwidth\", values = [\"0.55 GB/s\", \"1 GB/s\", \"2 GB/s\"] }}]\n{more}"
        )
    };
    let drift =
        "[[drift]]\nname = \"crowds\"\nbatch = 10\n[[drift]]\nname = \"mix\"\nweights = [3, 1]\n";
    let (plan, sweep) = swept(&folder, &file(1, drift));
    let found = drifts(&plan, &sweep);
    assert_eq!(found.len(), 2);
    let (_, crowds) = swept(&folder, &file(10, ""));
    for row in &found[0].rows {
        let own = &crowds.points[row.point];
        assert_eq!(row.violated.is_empty(), own.is_feasible());
        for (metric, value) in &row.metrics {
            close(
                value.expect("known") / own.mean(*metric).expect("known"),
                1.0,
                1e-12,
            );
        }
    }
    // 1e8 + 10 * 3e4 bytes at 0.55 GB/s are 0.1824 s, one row 0.1819 s: the slowest fails, the others do not.
    let survive: Vec<bool> = found[0]
        .rows
        .iter()
        .map(|r| r.violated.is_empty())
        .collect();
    let slow = found[0].rows.iter().position(|r| r.point == 0);
    assert!(
        slow.is_none_or(|at| !survive[at]) && survive.iter().any(|s| *s),
        "{found:?}"
    );
    // Mean over runs: 0.75 of 1.0003e8 B and 0.25 of 1.0012e7 B.
    let row = found[1]
        .rows
        .iter()
        .find(|r| r.point == 1)
        .expect("is on the front");
    close(
        row.metrics[0].1.expect("known"),
        0.75 * 0.10003 + 0.25 * 0.010_012,
        2e-4,
    );
    fs::remove_dir_all(folder).expect("removed");
}

#[test]
fn a_drift_without_a_change_is_refused() {
    let text = "schema = 1\nname = \"t\"\non = \"edge-npu\"\nminimize = [\"latency\"]\n\
                workload = [{ model = \"ds-cnn\" }]\naxis = [{ set = \"scenario.batch\", values = [1] }]\n\
                [[drift]]\nname = \"none\"\n[[drift]]\nname = \"odd\"\nweights = [1, 2]\n";
    let entry = Entry {
        name: "t".to_owned(),
        origin: "t.toml".to_owned(),
        kind: Kind::Toml,
        content: Content::Text(text.to_owned()),
        base: Base::Catalog,
    };
    let said = Plan::load(&entry, &[])
        .expect_err("must be refused")
        .to_string();
    assert!(said.contains("a change: context = 2"), "{said}");
    assert!(said.contains("`weights` must be 1 number"), "{said}");
}
