//! Calibrations that must find the coefficients that made the measurements.

use wattline::calibrate::{Calibration, Settings, State, calibrate};
use wattline::cases::{Measured, OpRow, ops, read_measured};
use wattline::diag::Code;
use wattline::hardware::Profile;
use wattline::record::overlay;

fn profile(name: &str, sets: &[(&str, &str)]) -> Profile {
    let mut profile = Profile::named(name).unwrap_or_else(|p| panic!("{p}"));
    for (key, value) in sets {
        profile.set(key, value).unwrap_or_else(|p| panic!("{p}"));
    }
    profile
}

fn gemms(stack: &str) -> Vec<OpRow> {
    let sites = [
        (1024, 1024),
        (4096, 4096),
        (14336, 4096),
        (4096, 14336),
        (512, 8192),
        (8192, 1024),
        (2048, 2048),
        (6144, 4096),
        (1280, 5120),
        (3072, 768),
    ];
    let rows = sites.iter().flat_map(|(n, k)| {
        let ms = [1, 5, 16, 48, 128, 300, 512, 1024, 3000, 8192];
        ms.map(|m| format!("m={m};n={n};k={k}"))
    });
    rows.map(|shape| OpRow {
        chip: "chip".into(),
        stack: stack.into(),
        regime: String::new(),
        op: "gemm".into(),
        dtype: "bf16".into(),
        shape,
    })
    .collect()
}

/// What a chip would be measured at.
fn measure(chip: &Profile, rows: Vec<OpRow>) -> Vec<Measured> {
    let prices = ops(&rows, &|_| chip.evaluate().map(|(system, _)| system));
    let pairs = rows.into_iter().zip(prices);
    pairs
        .map(|(row, price)| Measured {
            row,
            latency: price.unwrap_or_else(|e| panic!("{e}")).latency,
            power: None,
        })
        .collect()
}

fn value(found: &Calibration, path: &str) -> f64 {
    let mut knobs = found.groups.iter().flat_map(|g| &g.knobs);
    let knob = knobs.find(|k| k.knob.path == path);
    knob.unwrap_or_else(|| panic!("no {path}")).value
}

#[test]
fn coefficients_of_kernels_are_found_again() {
    let sets = [
        ("kernels.gemm.bf16.torch.launch", "4 us"),
        ("kernels.gemm.bf16.torch.engine", "0.7"),
        ("kernels.gemm.bf16.torch.read", "0.8"),
    ];
    let measured = measure(&profile("h100-sxm", &sets), gemms("torch"));
    let chip = profile("h100-sxm", &[]);
    let found = calibrate(&chip, &measured, Settings::default()).unwrap_or_else(|p| panic!("{p}"));
    let [group] = found.groups.as_slice() else {
        panic!("{:?}", found.groups);
    };
    assert_eq!(group.path, "kernels.gemm.bf16.torch");
    let errors = |e: &Option<wattline::calibrate::Errors>| e.expect("has rows").mean;
    assert!(errors(&group.before) > 0.1, "{:?}", group.before);
    assert!(errors(&group.after) < 0.01, "{:?}", group.after);
    assert!(errors(&group.held_out) < 0.03, "{:?}", group.held_out);
    for (path, expected) in [
        ("kernels.gemm.bf16.torch.launch", 4e-6),
        ("kernels.gemm.bf16.torch.engine", 0.7),
        ("kernels.gemm.bf16.torch.read", 0.8),
    ] {
        let found = value(&found, path);
        assert!((found / expected - 1.0).abs() < 0.05, "{path}: {found}");
    }
    // Nothing narrows operands here.
    let narrow = group
        .knobs
        .iter()
        .find(|k| k.knob.path.ends_with(".narrow"));
    assert_eq!(narrow.map(|k| k.state), Some(State::NoEffect));
}

#[test]
fn a_chip_without_kernel_library_has_rates_and_overheads() {
    let sets = [
        ("overhead.kernel", "9 us"),
        ("memory.dram.achievable", "0.5"),
    ];
    let mut rows = gemms("");
    for row in &mut rows {
        row.dtype = "int8".into();
    }
    let measured = measure(&profile("edge-npu", &sets), rows);
    let chip = profile("edge-npu", &[]);
    let found = calibrate(&chip, &measured, Settings::default()).unwrap_or_else(|p| panic!("{p}"));
    let overhead = value(&found, "overhead.kernel");
    assert!((overhead / 9e-6 - 1.0).abs() < 0.05, "{overhead}");
    let share = value(&found, "memory.dram.achievable");
    assert!((share / 0.5 - 1.0).abs() < 0.05, "{share}");
}

#[test]
fn stacks_are_never_pooled() {
    let slow = measure(
        &profile("h100-sxm", &[("kernels.gemm.bf16.torch.launch", "9 us")]),
        gemms("torch"),
    );
    let fast = measure(&profile("h100-sxm", &[]), gemms("vllm"));
    let all: Vec<Measured> = slow.into_iter().chain(fast).collect();
    let chip = profile("h100-sxm", &[]);
    let found = calibrate(&chip, &all, Settings::default()).unwrap_or_else(|p| panic!("{p}"));
    let paths: Vec<&str> = found.groups.iter().map(|g| g.path.as_str()).collect();
    assert_eq!(paths, ["kernels.gemm.bf16.vllm", "kernels.gemm.bf16.torch"]);
    let torch = value(&found, "kernels.gemm.bf16.torch.launch");
    assert!((torch / 9e-6 - 1.0).abs() < 0.05, "{torch}");
    let vllm = &found.groups[0];
    let after = vllm.after.expect("has rows");
    assert!(after.mean < 1e-3, "{after:?}");
}

#[test]
fn an_overlay_predicts_what_the_calibration_says() {
    let sets = [("kernels.gemm.bf16.torch.engine", "0.6")];
    let measured = measure(&profile("h100-sxm", &sets), gemms("torch"));
    let chip = profile("h100-sxm", &[]);
    let found = calibrate(&chip, &measured, Settings::default()).unwrap_or_else(|p| panic!("{p}"));
    let command = ["calibrate".to_owned(), "m \"x\".csv".to_owned()];
    let text = overlay("h100-sxm", "m \"x\".csv", &found, &command);
    let lookup = |name: &str| {
        let source = wattline::catalog::chip(name)?.source()?;
        Ok((source.name.to_string(), source.text.to_string()))
    };
    let fitted =
        Profile::parse("overlay.toml", &text, lookup).unwrap_or_else(|p| panic!("{p}\n{text}"));
    let rows: Vec<OpRow> = measured.iter().map(|m| m.row.clone()).collect();
    let prices = ops(&rows, &|_| fitted.evaluate().map(|(system, _)| system));
    let errors = prices.iter().zip(&measured).map(|(price, measured)| {
        let price = price.as_ref().unwrap_or_else(|e| panic!("{e}"));
        (price.latency.0 / measured.latency.0 - 1.0).abs()
    });
    let mean = errors.sum::<f64>() / measured.len() as f64;
    let told = found.groups[0].after.expect("has rows").mean;
    // Values are written to four digits.
    assert!((mean - told).abs() < 2e-3, "{mean} against {told}");
}

#[test]
fn too_few_rows_are_refused_with_their_number() {
    let chip = profile("h100-sxm", &[]);
    let measured = measure(&chip, gemms("torch").into_iter().take(12).collect());
    let problems = calibrate(&chip, &measured, Settings::default()).expect_err("too few");
    assert_eq!(problems.0[0].code, Code::TooFewRows);
    let text = problems.to_string();
    assert!(text.contains("kernels.gemm.bf16.torch: 12 rows"), "{text}");
}

#[test]
fn threads_do_not_change_a_calibration() {
    let chip = profile("h100-sxm", &[]);
    let made = profile("h100-sxm", &[("kernels.gemm.bf16.torch.engine", "0.6")]);
    let measured = measure(&made, gemms("torch"));
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .expect("threads");
        let found = pool.install(|| calibrate(&chip, &measured, Settings::default()));
        let found = found.unwrap_or_else(|p| panic!("{p}"));
        let knobs = found.groups.iter().flat_map(|g| &g.knobs);
        knobs.map(|k| k.value.to_bits()).collect::<Vec<u64>>()
    };
    assert_eq!(with(1), with(3));
}

#[test]
fn a_table_of_measurements() {
    let text = "op,dtype,shape,us,chip,clock_mhz\n\
                gemm,bf16,m=1;n=2;k=3,4.5,h100-sxm,1980\n\
                gemm,bf16,m=1;n=2;k=3,,h100-sxm,1980\n\
                gemm,bf16,m=1;n=2;k=3,5,l4,1980\n\
                gemm,bf16,m=1;n=2;k=3,6,,\n";
    let table = read_measured("m.csv", text, Some("h100-sxm")).unwrap_or_else(|p| panic!("{p}"));
    assert_eq!((table.rows.len(), table.n_empty, table.n_others), (2, 1, 1));
    assert!((table.rows[1].latency.0 - 6e-6).abs() < 1e-15);

    let wrong = text.replace(",4.5,", ",-4.5,").replace(",6,", ",fast,");
    let problems = read_measured("m.csv", &wrong, Some("h100-sxm")).expect_err("no times");
    let text = problems.to_string();
    assert_eq!(problems.0.len(), 2, "{text}");
    assert!(
        text.contains("m.csv:2") && text.contains("m.csv:5"),
        "{text}"
    );
    assert!(read_measured("m.csv", "op,dtype,shape\n", Some("h100-sxm")).is_err());
}

#[test]
fn a_score_is_the_error_of_each_group() {
    use wattline::calibrate::{bands, score, score_table};
    use wattline::units::{Seconds, Watts};

    let chip = profile("h100-sxm", &[]);
    let mut measured = measure(&chip, gemms("vllm").into_iter().take(4).collect());
    // Predictions are 1 / 1.25 and 1 / 0.8 of these, and half of the power.
    for (i, one) in measured.iter_mut().enumerate() {
        let factor = if i % 2 == 0 { 1.25 } else { 0.8 };
        one.latency = Seconds(one.latency.0 * factor);
    }
    let prices = ops(&[measured[0].row.clone()], &|_| {
        chip.evaluate().map(|(s, _)| s)
    });
    let power = prices[0]
        .as_ref()
        .ok()
        .and_then(|p| p.power)
        .expect("has power");
    measured[0].power = Some(Watts(power.0 * 2.0));
    let scored = score(&measured, &|_| chip.evaluate().map(|(system, _)| system));
    let table = score_table(&scored);
    assert_eq!((table[0].size, table[0].n), ("", 4));
    let latency = table[0].latency.expect("is priced");
    assert!((latency.mean - 0.225).abs() < 1e-9, "{latency:?}");
    let power = table[0].power.expect("is measured");
    assert!((power.mean - 0.5).abs() < 1e-9 && power.n == 1, "{power:?}");
    let of_sizes: usize = table[1..].iter().map(|row| row.n).sum();
    assert_eq!(of_sizes, 4);

    let text = "chip,op,dtype,stack,latency_percent,power_percent\na,gemm,bf16,vllm,5,\nb,ln,fp32,,7.5,2\n";
    let bands = bands(text).unwrap_or_else(|p| panic!("{p}"));
    assert!((bands[0].latency - 0.05).abs() < 1e-12 && bands[0].power.is_none());
    assert_eq!(bands[1].power, Some(0.02));
    assert!(wattline::calibrate::bands("chip\na\n").is_err());
}
