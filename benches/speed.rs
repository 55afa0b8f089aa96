//! Speed figures: whole processes as a user starts them, and the parts that sweeps repeat.
//!
//! `cargo bench` prints them all; targets stand beside each benchmark.

use std::process::{Command, Stdio};

use divan::{Bencher, black_box};
use wattline::cases::{OpRow, ops};
use wattline::catalog::{Base, Content, Entry, Kind};
use wattline::explore::{self, NoLedger, Plan, Silent};
use wattline::hardware::{Profile, System};
use wattline::simulate::{Fidelity, Memo, run};
use wattline::workload::{Binding, Precision, Scenario, Workload};
use wattline::{catalog, import};

fn main() {
    divan::main();
}

fn process(bencher: Bencher<'_, '_>, arguments: &[&str]) {
    bencher.bench(|| {
        let status = Command::new(env!("CARGO_BIN_EXE_wattline"))
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .expect("the binary starts");
        assert!(status.success());
    });
}

/// Target: under 50 ms, the start of the process included.
#[divan::bench]
fn process_llama_on_h100(bencher: Bencher<'_, '_>) {
    let arguments = "run llama-3.1-8b --on h100-sxm --prompt 2048 --output 256";
    process(bencher, &arguments.split(' ').collect::<Vec<_>>());
}

/// Target: under 50 ms, the import of the graph included.
#[divan::bench]
fn process_resnet50_onnx_on_edge_npu(bencher: Bencher<'_, '_>) {
    let arguments = "run workloads/onnx/resnet50.onnx --on edge-npu";
    process(bencher, &arguments.split(' ').collect::<Vec<_>>());
}

fn model(name: &str) -> Workload {
    let entry = catalog::model(name).expect("is in the catalog");
    import::model(&entry).expect("imports")
}

fn chip(name: &str) -> System {
    let profile = Profile::named(name).expect("parses");
    profile.evaluate().expect("evaluates").0
}

fn point(bencher: Bencher<'_, '_>, model_name: &str, chip_name: &str, dtype: &str, warm: bool) {
    let (workload, system) = (model(model_name), chip(chip_name));
    let scenario = Scenario {
        precision: dtype.parse::<Precision>().expect("is a precision"),
        ..Scenario::default()
    };
    let kept = Memo::new();
    bencher.bench(|| {
        let fresh = Memo::new();
        let memo = if warm { &kept } else { &fresh };
        run(
            black_box(&workload),
            &system,
            &scenario,
            Fidelity::Scheduled,
            memo,
        )
        .expect("is priced")
    });
}

/// One design point of a language model, all prices new.
#[divan::bench]
fn point_llama_cold(bencher: Bencher<'_, '_>) {
    point(bencher, "llama-3.1-8b", "h100-sxm", "bf16", false);
}

/// One design point of a language model, all prices known.
#[divan::bench]
fn point_llama_warm(bencher: Bencher<'_, '_>) {
    point(bencher, "llama-3.1-8b", "h100-sxm", "bf16", true);
}

/// One design point of a convolutional network, all mappings searched.
#[divan::bench]
fn point_resnet50_cold(bencher: Bencher<'_, '_>) {
    point(bencher, "resnet-50", "edge-npu", "int8", false);
}

/// One design point of a mixture of experts with latent attention, all prices new.
#[divan::bench]
fn point_deepseek_v3_cold(bencher: Bencher<'_, '_>) {
    point(bencher, "deepseek-v3", "h100-sxm", "fp8", false);
}

/// Reading and building a configuration of a hybrid with experts.
#[divan::bench]
fn import_qwen3_next(bencher: Bencher<'_, '_>) {
    bencher.bench(|| {
        let graph = model("qwen3-next-80b-a3b").graph(&Binding::infer());
        graph.expect("builds").0.len()
    });
}

/// Reading and building a graph of about 900 operators written in TOML.
#[divan::bench]
fn import_sd_unet_toml(bencher: Bencher<'_, '_>) {
    bencher.bench(|| {
        let graph = model("sd-1.5-unet").graph(&Binding::infer());
        graph.expect("builds").0.len()
    });
}

/// Import and binding of a graph of about 120 nodes.
#[divan::bench]
fn import_resnet50(bencher: Bencher<'_, '_>) {
    bencher.bench(|| {
        let workload = model(black_box("resnet-50"));
        workload
            .graph(&wattline::workload::Binding::infer())
            .expect("binds")
    });
}

/// Target: 200,000 rows a second on one core, products of distinct shapes.
#[divan::bench]
fn price_rows_of_products_on_h100(bencher: Bencher<'_, '_>) {
    let rows: Vec<OpRow> = (0..20_000)
        .map(|i| OpRow {
            chip: "h100-sxm".into(),
            stack: "vllm".into(),
            regime: "burst".into(),
            op: "gemm".into(),
            dtype: "bf16".into(),
            shape: format!(
                "m={};n={};k={}",
                1 + i % 97 * 40,
                64 + i / 97 * 64,
                128 + i % 31 * 256
            ),
        })
        .collect();
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build();
    let one = one.expect("a thread");
    let chip = chip("h100-sxm");
    bencher
        .counter(divan::counter::ItemsCount::new(rows.len()))
        .bench(|| one.install(|| ops(black_box(&rows), &|_| Ok(chip.clone()))));
}

/// Points of a sweep, as they are priced: `(text of the sweep file)`.
fn sweep(bencher: Bencher<'_, '_>, text: &str) {
    let entry = Entry {
        name: "bench".to_owned(),
        origin: "bench.toml".to_owned(),
        kind: Kind::Toml,
        content: Content::Text(text.to_owned()),
        base: Base::Catalog,
    };
    let (plan, _) = Plan::load(&entry, &[]).expect("is a sweep");
    let two = rayon::ThreadPoolBuilder::new().num_threads(2).build();
    let two = two.expect("threads");
    bencher
        .counter(divan::counter::ItemsCount::new(plan.space.len()))
        .bench(|| two.install(|| explore::run(black_box(&plan), &Silent, &NoLedger)));
}

/// Target: 1,000,000 points in 40 s on two cores, which is 25,000 points a second. Four axes of the chip, two of the
/// software.
#[divan::bench(sample_count = 5, sample_size = 1)]
fn sweep_of_a_language_model_on_a_gpu(bencher: Bencher<'_, '_>) {
    let text = r#"
        schema = 1
        name = "llm"
        on = "h100-sxm"
        minimize = ["tpot", "energy_per_token", "area"]
        workload = [{ model = "llama-3.1-8b", prompt = 1024, output = 256 }]
        [[axis]]
        set = "chip.memory.hbm.ports.0.bandwidth"
        range = { from = "2 TB/s", to = "8 TB/s", scale = "linear", steps = 12 }
        [[axis]]
        set = "chip.memory.l2.capacity"
        values = ["25 MiB", "50 MiB", "100 MiB"]
        [[axis]]
        set = "chip.process.clock"
        range = { from = "1.2 GHz", to = "2 GHz", scale = "linear", steps = 8 }
        [[axis]]
        set = "chip.power.cap"
        values = ["400 W", "500 W", "600 W", "700 W"]
        [[axis]]
        set = "scenario.batch"
        values = [1, 2, 4, 8, 16, 32, 64, 128]
        [[axis]]
        set = "scenario.dtype"
        values = ["bf16", "fp8"]
    "#;
    sweep(bencher, text);
}

/// Target: 10,000 points in 20 s on two cores, which is 500 points a second, every mapping optimal.
#[divan::bench(sample_count = 3, sample_size = 1)]
fn sweep_of_networks_on_an_npu(bencher: Bencher<'_, '_>) {
    let text = r#"
        schema = 1
        name = "cnn"
        on = "edge-npu"
        minimize = ["latency", "area", "energy"]
        workload = [{ model = "resnet-50", dtype = "int8", weight = 0.7 }, { model = "mobilenet-v2", dtype = "int8", weight = 0.3 }]
        [[axis]]
        set = "chip.glb"
        values = ["256 KiB", "512 KiB", "1 MiB"]
        [[axis]]
        set = ["chip.pe_rows", "chip.pe_cols"]
        values = [8, 16, 32]
        [[axis]]
        set = "chip.dram_bandwidth"
        range = { from = "10 GB/s", to = "100 GB/s", scale = "linear", steps = 20 }
        [[axis]]
        set = "chip.clock"
        range = { from = "500 MHz", to = "1.5 GHz", scale = "linear", steps = 6 }
    "#;
    sweep(bencher, text);
}
