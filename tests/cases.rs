//! Tables of operators and of whole-model cases, through the library.

use std::collections::BTreeMap;

use wattline::cases::{Lookup, OpRow, Unpriced, ops, run_models_csv, run_ops_csv};
use wattline::catalog;
use wattline::diag::{Code, Problems};
use wattline::hardware::{Profile, System};
use wattline::import;
use wattline::workload::Workload;

fn chip(name: &str) -> Result<System, Problems> {
    let entry = catalog::chip(name)?;
    let base = |name: &str| -> Result<(String, String), Problems> {
        let entry = catalog::chip(name)?;
        let text = entry.source()?.text.to_string();
        Ok((entry.name, text))
    };
    let profile = Profile::parse(&entry.name, &entry.source()?.text, base)?;
    Ok(profile.evaluate()?.0)
}

fn model(name: &str) -> Result<Workload, Problems> {
    import::model(&catalog::model(name)?)
}

fn lookup() -> Lookup<'static> {
    Lookup {
        chips: &chip,
        models: &model,
    }
}

fn row(op: &str, dtype: &str, regime: &str, shape: &str) -> OpRow {
    OpRow {
        chip: "h100-sxm".into(),
        stack: "trtllm".into(),
        regime: regime.into(),
        op: op.into(),
        dtype: dtype.into(),
        shape: shape.into(),
    }
}

/// Rows of a CSV text by column name.
fn parsed(text: &str) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    reader.deserialize().map(|r| r.expect("a row")).collect()
}

#[test]
fn the_roofline_of_a_large_product_is_its_arithmetic() {
    // 2 · 4096³ FLOP at 132 · 4 · 512 · 2 · 1.83 GHz = 989.4 TFLOP/s: 138.9 us.
    let rows = [row("gemm", "bf16", "burst", "m=4096;n=4096;k=4096")];
    let price = ops(&rows, &chip).remove(0).expect("priced");
    let expected = 2.0 * 4096f64.powi(3) / (132.0 * 4.0 * 512.0 * 2.0 * 1.83e9);
    assert!((price.roofline.0 / expected - 1.0).abs() < 1e-9);
    assert!(price.latency > price.roofline);
    assert!(price.latency < price.roofline * 1.6, "{price:?}");
}

#[test]
fn the_roofline_of_a_matrix_vector_product_is_its_bytes() {
    // 16384 · 16384 weights, 16384 inputs and outputs of 2 bytes at 3.35 TB/s: 160.3 us.
    let rows = [row("gemm", "bf16", "burst", "m=1;n=16384;k=16384")];
    let price = ops(&rows, &chip).remove(0).expect("priced");
    let bytes = 2.0 * (16384.0 * 16384.0 + 2.0 * 16384.0);
    assert!((price.roofline.0 / (bytes / 3.35e12) - 1.0).abs() < 1e-9);
    // 0.87 of the peak rate is the best that long transfers reach.
    assert!(price.latency > price.roofline / 0.87);
    assert_eq!(price.bound, "hbm");
}

#[test]
fn eager_rows_wait_for_the_host() {
    let (short, long) = ("m=1;n=64;k=64", "m=512;n=4096;k=4096");
    let rows = [
        row("gemm", "bf16", "burst", short),
        row("gemm", "bf16", "eager", short),
        row("gemm", "bf16", "burst", long),
        row("gemm", "bf16", "eager", long),
    ];
    let found: Vec<f64> = ops(&rows, &chip)
        .into_iter()
        .map(|p| p.expect("priced").latency.0)
        .collect();
    let launch = chip("h100-sxm").expect("known").overhead.launch.0;
    // The host launches while the device works; the device waits where it is done sooner.
    assert!(found[0] < launch && found[2] > launch, "{found:?}");
    assert!((found[1] - launch).abs() < 1e-12, "{found:?}");
    assert!((found[3] - found[2]).abs() < 1e-12, "{found:?}");
}

#[test]
fn sustained_rows_are_never_faster() {
    let shape = "m=8192;n=8192;k=8192";
    let rows = ["burst", "sustained"].map(|r| row("gemm", "bf16", r, shape));
    let found: Vec<_> = ops(&rows, &chip).into_iter().flatten().collect();
    assert!(found[1].latency >= found[0].latency);
}

#[test]
fn no_operator_beats_its_roofline() {
    let mut rows = Vec::new();
    for m in [1, 17, 300, 5000] {
        for dtype in ["bf16", "fp8", "fp8_block", "int8_wo", "sq", "nvfp4"] {
            let shape = format!("m={m};n=3000;k=1000");
            rows.push(row("gemm", dtype, "burst", &shape));
        }
        for (batch, kv_heads, window) in [(1, 1, 0), (3, 4, 0), (64, 8, 128)] {
            let heads = format!("q_heads=8;kv_heads={kv_heads};head_dim=128;window={window}");
            let shape = format!("batch={batch};seq={m};{heads}");
            rows.push(row("attention_prefill", "bf16", "burst", &shape));
            let shape = format!("batch={batch};kv_len={m};{heads}");
            rows.push(row("attention_decode", "bf16/fp8", "burst", &shape));
            let heads = format!("q_heads=8;kv_heads={kv_heads};head_dim=128");
            let shape = format!("batch={batch};seq={m};{heads}");
            rows.push(row("attention_encoder", "bf16", "burst", &shape));
        }
        let shape = format!("b={m};h=999");
        for op in ["softmax", "ln", "gelu", "add", "mul", "div"] {
            rows.push(row(op, "fp32", "burst", &shape));
        }
    }
    for (row, price) in rows.iter().zip(ops(&rows, &chip)) {
        let price = price.expect("priced");
        assert!(price.latency >= price.roofline, "{row:?}: {price:?}");
        assert!(price.roofline.0 > 0.0, "{row:?}: {price:?}");
    }
}

#[test]
fn decode_reads_the_window_only() {
    let shape = |window| {
        format!("batch=64;kv_len=16384;q_heads=32;kv_heads=8;head_dim=128;window={window}")
    };
    let rows = [0, 1024].map(|w| row("attention_decode", "bf16", "burst", &shape(w)));
    let found: Vec<_> = ops(&rows, &chip).into_iter().flatten().collect();
    // 64 · 8 · 16384 · 128 · 2 · 2 bytes = 4.29 GB at 3.35 TB/s is 1.28 ms; a sixteenth of the keys, 80 us.
    assert!(
        (found[0].roofline.0 * 1e6 - 1282.0).abs() < 5.0,
        "{:?}",
        found[0]
    );
    assert!(
        (found[1].roofline.0 * 1e6 - 80.0).abs() < 3.0,
        "{:?}",
        found[1]
    );
    assert!(found[1].latency.0 < found[0].latency.0 / 8.0);
}

#[test]
fn rows_that_cannot_be_priced_stay_empty_and_are_counted() {
    let text = "\
id,chip,stack,regime,op,dtype,shape,note
b,h100-sxm,x,burst,gemm,bf16,m=64;n=64;k=64,\"kept, quoted\"
a,no-such-chip,x,burst,gemm,bf16,m=64;n=64;k=64,
7,h100-sxm,x,burst,all_reduce,bf16,num_gpus=2;bytes=1,
c,h100-sxm,x,burst,gemm,bf16,m=64;n=64,
d,h100-sxm,x,burst,gemm,bf16,m=64;n=x;k=64,
e,h100-sxm,x,burst,gemm,bf16,m=1e300;n=64;k=64,
f,h100-sxm,x,burst,gemm,bf17,m=64;n=64;k=64,
g,h100-sxm,x,hot,gemm,bf16,m=64;n=64;k=64,
h,h100-sxm,x,burst,attention_decode,bf16,batch=1;kv_len=9;q_heads=5;kv_heads=2;head_dim=64,
i,h100-sxm,x,burst,gemm,bf16,m=64;n=65;k=64
j
k,h100-sxm,x,burst,gemm,bf16,m=64;n=64;k=64;bogus=3
l,h100-sxm,x,burst,gemm,bf16,b=0;m=64;n=64;k=64
m,h100-sxm,x,burst,bmm,bf16,b=0;m=64;n=64;k=64
n,h100-sxm,x,burst,gelu,bf16,m=0;n=64
";
    let priced = run_ops_csv("in.csv", text, &chip).expect("a table");
    let (out, reasons) = (priced.text, priced.empty);
    let rows = parsed(&out);
    let ids: Vec<&str> = rows.iter().map(|r| r["id"].as_str()).collect();
    assert_eq!(
        ids,
        [
            "b", "a", "7", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n",
        ]
    );
    let priced: Vec<bool> = rows.iter().map(|r| !r["predicted_us"].is_empty()).collect();
    let expected = [
        true, false, true, false, false, false, false, false, false, true, false, false, false,
        false, false,
    ];
    assert_eq!(priced, expected);
    assert_eq!(rows[0]["note"], "kept, quoted");
    assert_eq!(reasons.iter().map(|r| r.1).sum::<usize>(), 12);
    for reason in [
        Unpriced::Chip("no-such-chip".into()),
        Unpriced::Missing("k".into()),
        Unpriced::NotANumber("n".into()),
        Unpriced::UnknownKey("bogus".into()),
        Unpriced::Dtype("bf17".into()),
        Unpriced::Regime("hot".into()),
    ] {
        assert!(
            reasons.contains(&(reason.to_string(), 1)),
            "{reason}: {reasons:?}"
        );
    }
    for size in ["b", "m"] {
        let twice = (Unpriced::OutOfRange(size.into()).to_string(), 2);
        assert!(reasons.contains(&twice), "{reasons:?}");
    }
}

#[test]
fn types_without_a_rate_are_priced_and_counted() {
    // Hopper multiplies fp4 nowhere: the narrowest wider float is fp8.
    let text = "\
id,chip,stack,regime,op,dtype,shape
a,h100-sxm,x,burst,gemm,nvfp4,m=64;n=64;k=64
b,h100-sxm,x,burst,gemm,nvfp4,m=64;n=65;k=64
c,h100-sxm,x,burst,gemm,bf16,m=64;n=64;k=64
";
    let priced = run_ops_csv("in.csv", text, &chip).expect("a table");
    assert_eq!(priced.empty, []);
    let [warning] = priced.warnings.as_slice() else {
        panic!("{:?}", priced.warnings);
    };
    assert_eq!(warning.code, Code::DtypeFallback);
    assert!(warning.message.starts_with("2 of 3 rows"), "{warning:?}");
    let without = text.lines().filter(|l| !l.contains("nvfp4"));
    let without = without.collect::<Vec<_>>().join("\n");
    let priced = run_ops_csv("in.csv", &without, &chip).expect("a table");
    assert_eq!(priced.warnings, []);
}

#[test]
fn tables_without_the_needed_columns_are_refused() {
    let error = run_ops_csv("in.csv", "id,chip,op\n1,h100-sxm,gemm\n", &chip).expect_err("refused");
    let codes: Vec<Code> = error.0.iter().map(|p| p.code).collect();
    assert_eq!(codes, [Code::MissingKey; 4]);
    assert!(error.0[0].message.contains("`stack`"));
    assert!(run_ops_csv("in.csv", "", &chip).is_err());
    let wrong = run_models_csv("in.csv", "id,model\n1,x\n", &lookup());
    assert!(wrong.is_err());
}

#[test]
fn one_and_eight_threads_write_the_same_table() {
    let mut text = String::from("id,chip,stack,regime,op,dtype,shape\n");
    for i in 1..200 {
        let m = i * 37 % 999 + 1;
        text += &format!(
            "{i},h100-sxm,s,sustained,gemm,bf16,m={m};n=2048;k={}\n",
            i * 64
        );
    }
    let inside = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .expect("a pool");
        pool.install(|| run_ops_csv("in.csv", &text, &chip).expect("a table"))
    };
    let one = inside(1);
    assert_eq!(one, inside(8));
}

const HEADER: &str = "id,model,on,chips,tp,pp,ep,dp,batch,prompt,output,dtype,stack,mode\n";

#[test]
fn model_cases_are_priced_on_one_chip_and_on_replicas() {
    let text = format!(
        "{HEADER}\
s,llama-3.1-8b,h100-sxm,1,1,1,1,1,8,1024,128,bf16,vllm,static
c,llama-3.1-8b,h100-sxm,1,1,1,1,1,8,1024,128,bf16,vllm,closed
d,llama-3.1-8b,h100-sxm,2,1,1,1,2,16,1024,128,bf16,vllm,closed
f,llama-3.1-8b,h100-sxm,1,1,1,1,1,8.5,1024.4,128.2,bf16,vllm,closed
big,llama-2-70b,h100-sxm,1,1,1,1,1,1,128,16,bf16,vllm,static
tp,llama-2-70b,h100-sxm,4,4,1,1,1,8,1024,128,bf16,vllm,static
no,no-such-model,h100-sxm,1,1,1,1,1,8,1024,128,bf16,vllm,static
"
    );
    let priced = run_models_csv("in.csv", &text, &lookup()).expect("a table");
    let (rows, reasons) = (parsed(&priced.text), priced.empty);
    let value = |i: usize, column: &str| rows[i][column].parse::<f64>().expect("a number");
    // 8.03e9 weights less the embedding table (0.525e9) of 2 bytes at 3.35 TB/s: 4.48 ms a step at least.
    assert!(value(0, "tpot_s") > 0.00448 && value(0, "tpot_s") < 0.012);
    // Prefills ride along.
    assert!(value(1, "tpot_s") > value(0, "tpot_s"));
    assert!((value(2, "tpot_s") / value(1, "tpot_s") - 1.0).abs() < 1e-5);
    assert!((value(2, "tokens_per_s") / value(1, "tokens_per_s") - 2.0).abs() < 1e-5);
    assert!(value(3, "tpot_s") > value(1, "tpot_s"));
    assert_eq!(rows[0]["fits"], "true");
    // 140 GB of weights in 80 GB.
    assert_eq!(rows[4]["fits"], "false");
    assert_eq!(rows[5]["tpot_s"], "");
    assert_eq!(rows[6]["fits"], "");
    let expected = [
        ("no such model: no-such-model".to_owned(), 1),
        ("tensor parallelism is not modelled yet".to_owned(), 1),
    ];
    assert_eq!(reasons, expected);
}

/// Rows of model cases, priced.
fn cases(rows: &str) -> Vec<BTreeMap<String, String>> {
    let text = format!("{HEADER}{rows}");
    let priced = run_models_csv("in.csv", &text, &lookup()).expect("a table");
    assert_eq!(priced.empty, []);
    parsed(&priced.text)
}

fn number(row: &BTreeMap<String, String>, column: &str) -> f64 {
    row[column].parse().expect("a number")
}

#[test]
fn a_chip_without_a_request_draws_its_idle_power() {
    let rows = cases(
        "\
a,llama-3.1-8b,h100-sxm,1,1,1,1,1,1,512,32,bf16,vllm,closed
b,llama-3.1-8b,h100-sxm,4,1,1,1,4,1,512,32,bf16,vllm,closed
c,llama-3.1-8b,h100-sxm,1,1,1,1,1,1,512,32,bf16,vllm,static
d,llama-3.1-8b,h100-sxm,4,1,1,1,4,1,512,32,bf16,vllm,static
",
    );
    let system = chip("h100-sxm").expect("known");
    let idle = system.idle_power().expect("known").0;
    assert!(idle >= system.power.idle.expect("known").0);
    for pair in rows.chunks(2) {
        let [one, four] = pair else { panic!("pairs") };
        // One request on four chips: as fast as on one, and three chips idle at any time.
        let same = |column: &str| (number(four, column) / number(one, column) - 1.0).abs() < 1e-5;
        assert!(same("ttft_s") && same("tpot_s") && same("tokens_per_s"));
        let expected = number(one, "average_power_w") + 3.0 * idle;
        assert!((number(four, "average_power_w") / expected - 1.0).abs() < 1e-5);
        let each = expected / number(one, "tokens_per_s");
        assert!((number(four, "energy_per_output_token_j") / each - 1.0).abs() < 1e-5);
    }
}

#[test]
fn a_mean_output_just_above_one_still_decodes() {
    let rows = cases(
        "\
a,llama-3.1-8b,h100-sxm,1,1,1,1,1,4,512,1,bf16,vllm,static
b,llama-3.1-8b,h100-sxm,1,1,1,1,1,4,512,1.25,bf16,vllm,static
c,llama-3.1-8b,h100-sxm,1,1,1,1,1,4,512,2,bf16,vllm,static
",
    );
    assert_eq!(rows[0]["tpot_s"], "");
    assert_eq!(rows[1]["tpot_s"], rows[2]["tpot_s"]);
    // Energy of the batch grows by the same decode step, a quarter of it in the second row.
    let energy = |i: usize, output: f64| number(&rows[i], "energy_per_output_token_j") * output;
    let (none, part, whole) = (energy(0, 1.0), energy(1, 1.25), energy(2, 2.0));
    assert!(whole > none);
    assert!(((part - none) / (whole - none) - 0.25).abs() < 1e-3);
}

#[test]
fn the_mode_does_not_change_what_fits() {
    let rows = cases(
        "\
a,llama-3.1-8b,h100-sxm,1,1,1,1,1,48,8191,1.5,bf16,vllm,static
b,llama-3.1-8b,h100-sxm,1,1,1,1,1,48,8191,1.5,bf16,vllm,closed
c,llama-3.1-8b,h100-sxm,1,1,1,1,1,72,8191,1.5,bf16,vllm,static
d,llama-3.1-8b,h100-sxm,1,1,1,1,1,72,8191,1.5,bf16,vllm,closed
",
    );
    // 16 GB of weights and 48 · 8192 · 128 KiB = 51.5 GB of cache fit in 80 GiB; 77.3 GB do not.
    let fits: Vec<&str> = rows.iter().map(|r| r["fits"].as_str()).collect();
    assert_eq!(fits, ["true", "true", "false", "false"]);
}

#[test]
fn a_latent_cache_is_read_once_for_all_heads() {
    // 128 sequences of 4096 keys of 576 elements in 16 bits, at 3.35 TB/s: 180 us.
    let shape = "phase=decode;batch=128;kv_len=4096;q_heads=16;tp_size=8";
    let rows = [row("mla", "bf16", "burst", shape)];
    let price = ops(&rows, &chip).remove(0).expect("priced");
    let bytes = 128.0 * 4096.0 * 576.0 * 2.0;
    assert!(price.roofline.0 > bytes / 3.35e12);
    let over = price.latency.0 / (bytes / 3.35e12);
    assert!((1.0..1.4).contains(&over), "{over}");
}
