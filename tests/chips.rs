//! GPU profiles against their data sheets: peaks, units, bandwidths and limits, and peaks by hand from units and clocks.

use wattline::hardware::{Profile, System};
use wattline::workload::Dtype;

/// A chip, and of it: units, clock of the matrix engines in GHz, MACs per unit and cycle in 16 bits and in fp32, and of the data sheet: 16-bit and
/// fp32 peak in TFLOP/s, bandwidth in GB/s, TDP in W.
///
/// Source: data sheets of the makers, some from memory, as the profiles say block by block.
#[rustfmt::skip]
const SHEETS: [(&str, [f64; 8]); 24] = [
    ("p100-pcie-16gb",  [56.0, 1.303,  128.0,  64.0,   18.7,   9.3,  732.0,  250.0]),
    ("v100-sxm",        [80.0, 1.53,   512.0,  64.0,  125.0,  15.7,  900.0,  300.0]),
    ("v100-pcie-32gb",  [80.0, 1.38,   512.0,  64.0,  112.0,  14.0,  900.0,  250.0]),
    ("t4",              [40.0, 1.59,   512.0,  64.0,   65.0,   8.1,  320.0,   70.0]),
    ("a100-sxm-80gb",  [108.0, 1.41,  1024.0,  64.0,  312.0,  19.5, 2039.0,  400.0]),
    ("a100-sxm-40gb",  [108.0, 1.41,  1024.0,  64.0,  312.0,  19.5, 1555.0,  400.0]),
    ("a100-pcie-40gb", [108.0, 1.41,  1024.0,  64.0,  312.0,  19.5, 1555.0,  250.0]),
    ("a100-pcie-80gb", [108.0, 1.41,  1024.0,  64.0,  312.0,  19.5, 1935.0,  300.0]),
    ("a40",             [84.0, 1.74,   512.0, 128.0,  149.7,  37.4,  696.0,  300.0]),
    ("rtx-a6000",       [84.0, 1.8,    512.0, 128.0,  154.8,  38.7,  768.0,  300.0]),
    ("rtx-3090",        [82.0, 1.695,  256.0, 128.0,   71.0,  35.6,  936.0,  350.0]),
    ("h100-sxm",       [132.0, 1.83,  2048.0, 128.0,  989.4,  67.0, 3350.0,  700.0]),
    ("h100-pcie",      [114.0, 1.62,  2048.0, 128.0,  756.5,  51.2, 2000.0,  350.0]),
    ("h200-sxm",       [132.0, 1.83,  2048.0, 128.0,  989.4,  67.0, 4800.0,  700.0]),
    ("l40s",           [142.0, 2.52,   512.0, 128.0,  362.05, 91.6,  864.0,  350.0]),
    ("l4",              [58.0, 2.04,   512.0, 128.0,  121.0,  30.3,  300.0,   72.0]),
    ("rtx-4090",       [128.0, 2.52,   256.0, 128.0,  165.2,  82.6, 1008.0,  450.0]),
    ("b200-sxm",       [148.0, 1.856, 4096.0, 128.0, 2250.0,  75.0, 7700.0, 1000.0]),
    ("b300-sxm",       [148.0, 1.856, 4096.0, 128.0, 2250.0,  75.0, 7750.0, 1100.0]),
    ("gb200",          [148.0, 2.062, 4096.0, 128.0, 2500.0,  78.1, 8000.0, 1200.0]),
    ("gb300",          [148.0, 2.062, 4096.0, 128.0, 2500.0,  78.1, 8000.0, 1400.0]),
    ("rtx-pro-6000",   [188.0, 2.43,   512.0, 128.0,  467.8, 117.0, 1792.0,  600.0]),
    ("mi210",          [104.0, 1.7,    512.0, 128.0,  181.0,  45.3, 1638.0,  300.0]),
    ("mi300x",         [304.0, 2.1,   1024.0, 128.0, 1307.4, 163.4, 5300.0,  750.0]),
];

fn chip(name: &str) -> System {
    let profile = Profile::named(name).unwrap_or_else(|p| panic!("{p}"));
    let (system, warnings) = profile.evaluate().unwrap_or_else(|p| panic!("{p}"));
    assert!(warnings.is_empty(), "{name}: {warnings:?}");
    system
}

/// Dense operations per second, in 10^12.
fn peak(system: &System, dtype: Dtype) -> f64 {
    2e-12
        * system
            .peak(dtype)
            .unwrap_or_else(|| panic!("{}: no {dtype}", system.name))
            .0
}

#[track_caller]
fn close(name: &str, what: &str, found: f64, expected: f64) {
    let error = (found / expected - 1.0).abs();
    assert!(error <= 0.02, "{name}, {what}: {found} against {expected}");
}

#[test]
fn profiles_agree_with_their_data_sheets() {
    for (name, sheet) in SHEETS {
        let [
            units,
            clock,
            half_rate,
            single_rate,
            half,
            single,
            bandwidth,
            tdp,
        ] = sheet;
        let system = chip(name);
        let axes = &system.fanouts[0].axes;
        assert_eq!(
            axes.iter().map(|a| a.size as f64).product::<f64>(),
            units,
            "{name}"
        );
        close(name, "16-bit peak", peak(&system, Dtype::Fp16), half);
        close(
            name,
            "16-bit peak by hand",
            2e-3 * units * half_rate * clock,
            half,
        );
        close(name, "fp32 peak", peak(&system, Dtype::Fp32), single);
        let simt = system.arrays.iter().find(|a| a.peak(Dtype::Fp32).is_some());
        let clock = simt.expect("multiplies in fp32").clock.0;
        close(
            name,
            "fp32 peak by hand",
            2e-12 * units * single_rate * clock,
            single,
        );
        let rate = &system.main_memory().ports[0].bandwidth;
        close(name, "bandwidth", rate.0 * 1e-9, bandwidth);
        assert_eq!(system.power.tdp.map(|p| p.0), Some(tdp), "{name}");
    }
}

#[test]
fn fp32_products_take_the_fp32_lanes_where_tensor_cores_have_no_fp32() {
    for name in [
        "v100-sxm",
        "t4",
        "p100-pcie-16gb",
        "a100-sxm-80gb",
        "h100-sxm",
        "l4",
    ] {
        let system = chip(name);
        assert_eq!(system.executed_as(Dtype::Fp32), Dtype::Fp32, "{name}");
        let vector: f64 = system.vectors.iter().map(|v| v.peak(Dtype::Fp32).0).sum();
        let lanes = 1e-12 * 2.0 * vector * system.arrays.last().expect("has some").clock.0
            / system.process.clock.0;
        close(name, "fp32 lanes", peak(&system, Dtype::Fp32), lanes);
    }
}

#[test]
fn other_chips_evaluate() {
    for name in ["mi100", "arc-b60", "tpu-v6e"] {
        chip(name);
    }
    // 46.1 TFLOP/s in the matrix cores: CDNA whitepaper.
    close(
        "mi100",
        "fp32 peak",
        peak(&chip("mi100"), Dtype::Fp32),
        46.1,
    );
    close(
        "arc-b60",
        "bf16 peak",
        peak(&chip("arc-b60"), Dtype::Bf16),
        98.3,
    );
    close(
        "tpu-v6e",
        "bf16 peak",
        peak(&chip("tpu-v6e"), Dtype::Bf16),
        918.0,
    );
}
