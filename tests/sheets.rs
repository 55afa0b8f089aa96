//! A sheet on a desk, as sweeps price points, says what a full run says.

use wattline::catalog;
use wattline::hardware::{Profile, System};
use wattline::import;
use wattline::simulate::{Desk, Fidelity, Memo, Metric, Prepared, Sheet, Task, run, runnable};
use wattline::workload::{Phase, Precision, Scenario};

fn chip(name: &str) -> System {
    let profile = Profile::named(name).unwrap_or_else(|p| panic!("{p}"));
    profile.evaluate().unwrap_or_else(|p| panic!("{p}")).0
}

/// All metrics of one point both ways; operators are summed in another order, so that the last bits may differ.
#[track_caller]
fn check(model: &str, chip_name: &str, dtype: &str, phase: Option<Phase>) {
    let entry = catalog::model(model).unwrap_or_else(|p| panic!("{p}"));
    let workload = import::model(&entry).unwrap_or_else(|p| panic!("{p}"));
    let system = chip(chip_name);
    let scenario = Scenario {
        precision: match dtype {
            "" => Precision::default(),
            dtype => dtype.parse().expect("is a precision"),
        },
        phase,
        ..Scenario::default()
    };
    let memo = Memo::new();
    let full = run(&workload, &system, &scenario, Fidelity::Scheduled, &memo);
    let full = full.unwrap_or_else(|p| panic!("{model} on {chip_name}: {p}"));
    let (scenario, warning) = runnable(&workload, &system, &scenario);
    let mut task = Task::new(&workload, &scenario).unwrap_or_else(|p| panic!("{p}"));
    task.warn_first(warning);
    let sheet = Sheet::of(&task, &system);
    let answer = Desk::new(Prepared::new(&system), &memo).price(&sheet);
    let answer = answer.unwrap_or_else(|p| panic!("{model} on {chip_name}: {p}"));
    for metric in Metric::ALL {
        let (a, b) = (metric.of(&full), metric.of_summary(&answer.summary));
        let same = match (a, b) {
            (Some(a), Some(b)) => (a - b).abs() <= 1e-9 * a.abs(),
            (a, b) => a.is_none() && b.is_none(),
        };
        assert!(
            same,
            "{model} on {chip_name}: {metric} {a:?} in full, {b:?} on a desk"
        );
    }
    assert_eq!(full.memory.short(), answer.short, "{model} on {chip_name}");
    assert_eq!(full.warnings, answer.warnings.0, "{model} on {chip_name}");
}

#[test]
fn language_models_on_gpus() {
    check("llama-3.1-8b", "h100-sxm", "bf16", None);
    check("qwen3-30b-a3b", "h100-sxm", "fp8", None);
    check("deepseek-v2-lite", "a100-sxm-80gb", "bf16", None);
    check("qwen3-next-80b-a3b", "h200-sxm", "fp8", None);
    check("mamba2-1.3b", "l4", "bf16", None);
    check("gpt2", "mi300x", "bf16", Some(Phase::Train));
    check("llama-3.1-70b", "l4", "int4", Some(Phase::Decode));
}

#[test]
fn networks_on_npus() {
    for chip in ["edge-npu", "tpu-v4i", "gemmini-16x16", "nvdla-large"] {
        check("resnet-18", chip, "int8", None);
        check("mobilenet-v2", chip, "int8", None);
    }
    check("bert-base", "jetson-agx-orin", "int8", None);
    check("alexnet", "eyeriss", "", None);
    check("vit-base-patch16-224", "tpu-v4i", "bf16", None);
}
