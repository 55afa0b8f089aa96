//! Chips known by their data sheet alone, and prices of several chips in one table.

use wattline::cases;
use wattline::diag::Problems;
use wattline::hardware::{Profile, System};

/// The six keys of the user guide: peak, two memories, TDP, node.
const SIX_KEYS: &str = r#"
source = "data sheet"
class = "gpu"
peak.bf16 = "989 TFLOP/s"
process.node = "4N"
power.tdp = "700 W"
memory = [
    { name = "hbm", capacity = "80 GiB", bandwidth = "3.35 TB/s" },
    { name = "l2", in = "hbm", capacity = "50 MiB" },
]
"#;

/// As the README's chip.
const NPU: &str = r#"
source = "data sheet"
class = "npu"
peak.int8 = "100 TOPS"
peak.bf16 = "50 TFLOP/s"
process.node = "7 nm"
power.tdp = "25 W"
memory = [
    { name = "dram", kind = "lpddr5", capacity = "16 GiB", bandwidth = "102 GB/s" },
    { name = "sram", in = "dram", kind = "sram", capacity = "8 MiB" },
]
"#;

fn chip(name: &str) -> Result<System, Problems> {
    let none = |_: &str| Err(Problems::new());
    let profile = match name {
        "six-keys" => Profile::parse(name, SIX_KEYS, none)?,
        "npu" => Profile::parse(name, NPU, none)?,
        "slow-tiles" => {
            let mut profile = Profile::named("h100-sxm")?;
            // Its own waves of tiles, not the library's.
            profile.set("kernels.family", "none")?;
            profile.set("overhead.tile", "50 us")?;
            profile
        }
        other => Profile::named(other)?,
    };
    Ok(profile.evaluate()?.0)
}

/// Latency and roofline of each row, in µs.
fn priced(rows: &[&str]) -> Vec<(f64, f64)> {
    let mut table = "id,chip,stack,regime,op,dtype,shape\n".to_owned();
    for (i, row) in rows.iter().enumerate() {
        table.push_str(&format!("{i},{row}\n"));
    }
    let done = cases::run_ops_csv("ops.csv", &table, &chip).unwrap_or_else(|e| panic!("{e}"));
    assert!(done.empty.is_empty(), "{:?}", done.empty);
    let mut reader = csv::Reader::from_reader(done.text.as_bytes());
    let headers = reader.headers().expect("has a header").clone();
    let column = |name: &str| headers.iter().position(|h| h == name).expect("is there");
    let (latency, roofline) = (column("predicted_us"), column("roofline_us"));
    reader
        .records()
        .map(|record| {
            let record = record.expect("is CSV");
            let at = |i: usize| record[i].parse::<f64>().expect("is a number");
            (at(latency), at(roofline))
        })
        .collect()
}

#[test]
fn large_products_come_close_to_the_data_sheet() {
    let rows = [
        "six-keys,,burst,gemm,bf16,m=8192;n=8192;k=8192",
        "npu,,burst,gemm,int8,m=4096;n=4096;k=4096",
        "npu,,burst,gemm,bf16,m=4096;n=4096;k=4096",
        "jetson-agx-orin,,burst,gemm,fp16,m=4096;n=4096;k=4096",
    ];
    for (row, (latency, roofline)) in rows.iter().zip(priced(&rows)) {
        assert!(
            latency < 2.0 * roofline,
            "{row}: {latency} µs, bound {roofline} µs"
        );
    }
    // By hand: 2 · 8192³ ÷ 989e12 s.
    let (_, bound) = priced(&rows[..1])[0];
    assert!((bound / (2.0 * 8192.0_f64.powi(3) / 989e6) - 1.0).abs() < 1e-6);
}

#[test]
fn streams_of_weights_come_close_to_the_data_sheet() {
    let rows = ["jetson-agx-orin,,burst,gemm,fp16,m=1;n=8192;k=8192"];
    let (latency, roofline) = priced(&rows)[0];
    assert!(
        latency < 1.5 * roofline,
        "{latency} µs, bound {roofline} µs"
    );
}

#[test]
fn the_order_of_chips_in_a_table_changes_no_price() {
    let ours = "h100-sxm,,burst,gemm,bf16,m=4096;n=4096;k=1024";
    let other = "slow-tiles,,burst,gemm,bf16,m=4096;n=4096;k=1024";
    let one = priced(&[ours, other]);
    let two = priced(&[other, ours]);
    assert_eq!((one[0], one[1]), (two[1], two[0]));
    assert!(
        one[1].0 > one[0].0 + 40.0,
        "the other chip is slower: {one:?}"
    );
}
