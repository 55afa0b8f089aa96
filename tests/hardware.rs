//! Chip files: the shipped ones, and what is said about faulty ones.

use expect_test::{Expect, expect};
use wattline::diag::{Code, Problem, Problems};
use wattline::hardware::{
    AxisRank, Buffering, Class, Direction, Holds, Managed, Node, Profile, System, Tiles,
};
use wattline::units::Quantity;
use wattline::workload::{Dtype, Slot};

const H100: &str = include_str!("../hw-profiles/h100-sxm.toml");
const A100: &str = include_str!("../hw-profiles/a100-sxm-80gb.toml");
const ORIN: &str = include_str!("../hw-profiles/jetson-agx-orin.toml");
const EDGE: &str = include_str!("../hw-profiles/edge-npu.toml");

const GEMMINI: &str = include_str!("../hw-profiles/gemmini-16x16.toml");
const TPU_V1: &str = include_str!("../hw-profiles/tpu-v1.toml");
const TPU_V4I: &str = include_str!("../hw-profiles/tpu-v4i.toml");
const SIMBA: &str = include_str!("../hw-profiles/simba.toml");
const NVDLA: &str = include_str!("../hw-profiles/nvdla-large.toml");
const DEPFIN: &str = include_str!("../hw-profiles/depfin.toml");
const DIANA: &str = include_str!("../hw-profiles/diana-digital.toml");
const ZIGZAG_TPU: &str = include_str!("../hw-profiles/zigzag-tpu-like.toml");
const ZIGZAG_TESLA: &str = include_str!("../hw-profiles/zigzag-tesla-npu-like.toml");
const ZIGZAG_EDGE: &str = include_str!("../hw-profiles/zigzag-edge-tpu-like.toml");

const SHIPPED: [(&str, &str); 14] = [
    ("h100-sxm", H100),
    ("a100-sxm-80gb", A100),
    ("jetson-agx-orin", ORIN),
    ("edge-npu", EDGE),
    ("gemmini-16x16", GEMMINI),
    ("tpu-v1", TPU_V1),
    ("tpu-v4i", TPU_V4I),
    ("simba", SIMBA),
    ("nvdla-large", NVDLA),
    ("depfin", DEPFIN),
    ("diana-digital", DIANA),
    ("zigzag-tpu-like", ZIGZAG_TPU),
    ("zigzag-tesla-npu-like", ZIGZAG_TESLA),
    ("zigzag-edge-tpu-like", ZIGZAG_EDGE),
];

/// A complete chip in data-sheet form.
const SMALL: &str = r#"
source = "test"
class = "gpu"
peak.bf16 = "100 TFLOP/s"
process = { node = "7 nm", clock = "1 GHz" }
power.tdp = "300 W"
memory = [
    { name = "hbm", capacity = "80 GiB", bandwidth = "2 TB/s" },
    { name = "l2", in = "hbm", capacity = "40 MiB" },
]
"#;

fn lookup(name: &str) -> Result<(String, String), Problems> {
    let known = SHIPPED.iter().find(|(n, _)| *n == name);
    known
        .map(|(n, t)| ((*n).to_owned(), (*t).to_owned()))
        .ok_or_else(|| Problem::new(Code::NoChip, format!("no chip called `{name}`")).into())
}

fn parse(text: &str) -> Result<Profile, Problems> {
    Profile::parse("chip.toml", text, lookup)
}

fn evaluate(text: &str) -> Result<System, Problems> {
    parse(text)?.evaluate().map(|(system, _)| system)
}

#[track_caller]
fn check(text: &str, expected: &Expect) {
    let found = evaluate(text).expect_err("must be rejected");
    expected.assert_eq(&found.to_string());
}

#[test]
fn shipped_chips_evaluate_without_warning() {
    for (name, text) in SHIPPED {
        let profile = Profile::parse(name, text, lookup).expect("parses");
        let (system, warnings) = profile.evaluate().unwrap_or_else(|p| panic!("{name}\n{p}"));
        assert_eq!(system.name, name);
        assert!(warnings.is_empty(), "{name}: {warnings:?}");
        assert_eq!(profile.evaluate_with(&[]).expect("evaluates"), system);
    }
}

/// Peaks, capacities and bandwidths: NVIDIA data sheets (dense rates).
#[test]
fn shipped_chips_agree_with_their_data_sheets() {
    let tera = |system: &System, dtype| system.peak(dtype).expect("has a rate").0 * 2.0 / 1e12;
    let close = |found: f64, sheet: f64| assert!((found / sheet - 1.0).abs() < 0.003, "{found}");
    let h100 = evaluate(H100).expect("evaluates");
    close(tera(&h100, Dtype::Bf16), 989.4);
    close(tera(&h100, Dtype::Fp8), 1978.9);
    close(tera(&h100, Dtype::Tf32), 494.7);
    close(h100.main_memory().bandwidth(Direction::Read).0, 3.35e12);
    let a100 = evaluate(A100).expect("evaluates");
    close(tera(&a100, Dtype::Bf16), 312.0);
    close(tera(&a100, Dtype::Int8), 624.0);
    // Five stacks of 16 GiB; sold as 80 GB.
    close(a100.main_memory().capacity.0, 5.0 * 16.0 * 1_073_741_824.0);
    let orin = evaluate(ORIN).expect("evaluates");
    close(tera(&orin, Dtype::Int8), 85.0);
    assert_eq!(orin.arrays[0].name, "peak");
    assert_eq!(orin.arrays[0].parents, [Node::Memory(1)]);
}

/// Peaks as published: Jouppi et al., ISCA 2017 and 2021; Zimmer et al., VLSI 2019; NVDLA primer; Goetschalckx
/// and Verhelst, VLSI 2021. DIANA: 256 MACs at 260 MHz.
#[test]
fn npus_reach_their_published_peaks() {
    for (text, tera) in [
        (TPU_V1, 92.0),
        (TPU_V4I, 138.0),
        (SIMBA, 127.8),
        (NVDLA, 4.096),
        (DEPFIN, 3.8),
        (GEMMINI, 0.512),
        (DIANA, 0.133_12),
    ] {
        let system = evaluate(text).unwrap_or_else(|p| panic!("{p}"));
        let peak = system.peak(Dtype::Int8).expect("has int8").0 * 2.0 / 1e12;
        assert!((peak / tera - 1.0).abs() < 0.004, "{}: {peak}", system.name);
    }
    let mut one = parse(SIMBA).expect("parses");
    one.set("chiplet_rows", "1").expect("is a knob");
    one.set("chiplet_cols", "1").expect("is a knob");
    let (one, _) = one.evaluate().expect("evaluates");
    assert_eq!(one.arrays[0].instances, 16 * 64);
}

/// Weights wait in their cells, and no operand passes by a memory that its data path runs through.
#[test]
fn systolic_arrays_hold_their_weights() {
    for text in [GEMMINI, TPU_V1, TPU_V4I, NVDLA] {
        let system = evaluate(text).unwrap_or_else(|p| panic!("{p}"));
        let register = system.memories.last().expect("has memories");
        assert!(register.must_hold.rhs && !register.must_hold.lhs);
        assert_eq!(register.instances, system.arrays[0].instances);
        // Of both copies one is in use; the other one is the next weight.
        assert_eq!(register.buffering, Buffering::Copies(2));
        assert_eq!(system.arrays[0].stationary, Some(Slot::Rhs));
    }
    let v1 = evaluate(TPU_V1).expect("evaluates").arrays[0].systolic;
    let v1 = v1.expect("is systolic");
    assert_eq!((v1.fill, v1.load, v1.overlap_load), (510.0, 256.0, true));
    let cmem = &evaluate(TPU_V4I).expect("evaluates").memories[1];
    assert_eq!(cmem.must_hold, Holds::NONE);
}

#[test]
fn instances_follow_the_fan_outs() {
    let h100 = evaluate(H100).expect("evaluates");
    let instances: Vec<_> = h100
        .memories
        .iter()
        .map(|m| (m.name.as_str(), m.instances))
        .collect();
    assert_eq!(
        instances,
        [("hbm", 1), ("l2", 1), ("smem", 132), ("rf", 528)]
    );
    assert_eq!(h100.fanouts[1].instances, 132);
    assert_eq!(h100.arrays[0].instances, 528);
    assert_eq!(h100.vectors[0].instances, 528);
    assert_eq!(h100.memories[1].managed, Managed::Cache);
    // 128 B/cycle at 1.83 GHz.
    let smem = h100.memories[2].bandwidth(Direction::Both).0;
    assert!((smem / (128.0 * 1.83e9) - 1.0).abs() < 1e-12);
    assert!(matches!(&h100.tiles, Tiles::Listed { m, .. } if *m == [64, 128, 256]));
}

#[test]
fn knobs_reach_every_expression() {
    let mut profile = parse(EDGE).expect("parses");
    profile.set("pe_rows", "32").expect("is a knob");
    profile.set("clock", "500 MHz").expect("is a knob");
    let (system, _) = profile.evaluate().expect("evaluates");
    assert_eq!(system.arrays[0].instances, 32 * 16);
    assert_eq!(system.process.clock.0, 5e8);
    assert_eq!(system.memories[1].ports[0].bandwidth.0, (32.0 + 64.0) * 5e8);
    let other = parse(EDGE).expect("parses").evaluate_with(&[
        ("pe_rows", Quantity::number(32.0)),
        ("clock", Quantity::parse("500 MHz").expect("parses")),
    ]);
    let other = other.expect("evaluates");
    assert_eq!(other.memories, system.memories);
    assert_eq!(other.arrays, system.arrays);
}

#[test]
fn every_settable_path_can_be_set() {
    for (name, text) in SHIPPED {
        for path in parse(text).expect("parses").settable() {
            let mut profile = parse(text).expect("parses");
            profile
                .set(&path, "1")
                .unwrap_or_else(|p| panic!("{name}\n{p}"));
            let unknown = match profile.evaluate() {
                Ok(_) => false,
                Err(problems) => problems.0.iter().any(|p| p.code == Code::UnknownKey),
            };
            assert!(!unknown, "{name}: `{path}` is settable, but unknown");
        }
    }
}

#[test]
fn a_key_that_is_set_takes_effect() {
    let with = |path: &str, value: &str| {
        let mut profile = parse(SMALL).expect("parses");
        profile.set(path, value).expect("is known");
        profile.evaluate().unwrap_or_else(|p| panic!("{p}")).0
    };
    assert_eq!(
        with("memory.hbm.bandwidth", "3 TB/s").memories[0].ports[0]
            .bandwidth
            .0,
        3e12
    );
    let buffering = |value: &str| with("memory.l2.buffering", value).memories[1].buffering;
    assert_eq!(buffering("4"), Buffering::Copies(4));
    assert_eq!(buffering("shared"), Buffering::Shared);
    assert_eq!(
        with("power.cap", "200 W").power.cap.map(|w| w.0),
        Some(200.0)
    );
    assert_eq!(
        with("peak.int8", "200 TOPS").peak(Dtype::Int8).map(|p| p.0),
        Some(1e14)
    );
    assert_eq!(with("overhead.kernel", "7 us").overhead.kernel.0, 7e-6);
    let mut edge = parse(EDGE).expect("parses");
    for (key, value) in [
        ("fanout.pe.shape", "[8, 4]"),
        ("array.mac.rate.int8", "2"),
        ("memory.dram.bandwidth", "10 GB/s"),
        ("memory.glb.ports.1.bandwidth", "1 GB/s"),
    ] {
        edge.set(key, value).unwrap_or_else(|p| panic!("{p}"));
    }
    let (edge, _) = edge.evaluate().expect("evaluates");
    assert_eq!(edge.arrays[0].instances, 32);
    assert_eq!(edge.peak(Dtype::Int8).map(|p| p.0), Some(2.0 * 32.0 * 1e9));
    assert_eq!(edge.memories[0].ports[0].bandwidth.0, 1e10);
    assert_eq!(edge.memories[1].ports[1].bandwidth.0, 1e9);
}

#[test]
fn a_derived_chip_changes_what_it_names() {
    let text = "extends = 'h100-sxm'\nname = 'h200-sxm'\nsource = 'H200 data sheet'\n\
                [[memory]]\nname = 'hbm'\nkind = 'hbm3e'\ncapacity = '141 GB'\n\
                ports = [{ dir = 'rw', bandwidth = '4.8 TB/s', achievable = 0.8 }]\n";
    let h200 = evaluate(text).unwrap_or_else(|p| panic!("{p}"));
    assert_eq!(h200.name, "h200-sxm");
    assert_eq!(h200.main_memory().capacity.0, 141e9);
    assert_eq!(h200.memories.len(), 4);
    assert!(
        h200.main_memory()
            .source
            .starts_with("H200 data sheet; what it does not change:")
    );
    check(
        "extends = 'h100-sxn'\n",
        &expect![[r#"
        E0202 no chip called `h100-sxn`
         --> chip.toml:1:11
          |
        1 | extends = 'h100-sxn'
          |           ^^^^^^^^^^"#]],
    );
    let circle = Profile::parse("a", "extends = 'b'", |name| {
        let base = if name == "b" { "a" } else { "b" };
        Ok((name.to_owned(), format!("extends = '{base}'")))
    });
    expect![[r#"
        E0107 `extends` runs in a circle: a -> b -> a
         --> b:1:11
          |
        1 | extends = 'a'
          |           ^^^"#]]
    .assert_eq(&circle.expect_err("is circular").to_string());
}

#[test]
fn class_defaults_are_listed() {
    let system = evaluate(SMALL).expect("evaluates");
    let listed: Vec<String> = system
        .assumed
        .iter()
        .map(|a| format!("{} = {}", a.path, a.value))
        .collect();
    expect![[r#"
        array.peak.achievable = 0.85
        array.peak.tile = M = 16, N = 16, K = 16
        array.peak.stationary = acc
        vector.vector.lanes = 3125
        memory.hbm.kind = hbm3
        memory.hbm.managed = software
        memory.hbm.holds = lhs, rhs, acc, kv, vector
        memory.hbm.buffering = 1
        memory.hbm.achievable = 0.85
        memory.l2.kind = sram
        memory.l2.managed = cache
        memory.l2.holds = lhs, rhs, acc, kv, vector
        memory.l2.buffering = 1
        memory.l2.bandwidth = 6 TB/s
        overhead.kernel = 2.5 µs
        overhead.launch = 5 µs
        overhead.tile = 0 s
        overhead.reserve = 1 GiB
        power.idle = 30 W
        power.active = 120 W
        power.cap = 300 W
        mapspace.tiles = M 64 128 256, N 8 16 32 64 128 192 256, K 32 64 128
        kernels.family = ampere"#]]
    .assert_eq(&listed.join("\n"));
    assert_eq!(system.class, Class::Gpu);
}

#[test]
fn convolution_names_are_told_from_canonical_ones() {
    let axes = |ranks: &str| {
        let text = format!(
            "source = 't'\nclass = 'npu'\n[[memory]]\nname = 'd'\ncapacity = '1 GB'\n\
             bandwidth = '1 GB/s'\n[[fanout]]\nname = 'pe'\nin = 'd'\nshape = 4\n\
             axes = [{{ ranks = {ranks}, multicast = 'lhs' }}]\n[[array]]\nname = 'a'\nin = 'pe'\n\
             rate.int8 = 1\n"
        );
        evaluate(&text).unwrap_or_else(|p| panic!("{p}")).fanouts[0].axes[0].clone()
    };
    assert_eq!(axes("['K']").ranks, [AxisRank::K]);
    assert_eq!(axes("['C', 'K']").ranks, [AxisRank::C, AxisRank::N]);
    assert_eq!(axes("'M'").multicast, [Slot::Lhs]);
}

#[test]
fn unknown_keys_name_what_was_meant() {
    let text = SMALL.replace("bandwidth = \"2", "bandwith = \"2");
    check(
        &text,
        &expect![[r#"
            E0101 unknown key `memory.hbm.bandwith`
             --> chip.toml:8:42
              |
            8 |     { name = "hbm", capacity = "80 GiB", bandwith = "2 TB/s" },
              |                                          ^^^^^^^^ did you mean `bandwidth`?
              = note: unknown keys are errors, so that a typing slip cannot change your results unnoticed"#]],
    );
}

#[test]
fn missing_and_wrong_units_say_what_to_write() {
    let text = SMALL
        .replace("\"80 GiB\"", "80")
        .replace("\"2 TB/s\"", "\"2 TB\"")
        .replace("\"300 W\"", "\"300 Wat\"")
        .replace("\"7 nm\"", "\"N8X\"");
    check(
        &text,
        &expect![[r#"
        E0102 `process.node = N8X` cannot be read
         --> chip.toml:5:20
          |
        5 | process = { node = "N8X", clock = "1 GHz" }
          |                    ^^^^^ `N8X` does not start with a number
          = help: write a number with a unit, or an expression that starts with `=`

        E0102 `power.tdp = 300 Wat` cannot be read
         --> chip.toml:6:13
          |
        6 | power.tdp = "300 Wat"
          |             ^^^^^^^^^ `Wat` is not a unit
          = help: write a number with a unit, or an expression that starts with `=`

        E0102 `memory.hbm.capacity = 80` has no unit
         --> chip.toml:8:32
          |
        8 |     { name = "hbm", capacity = 80, bandwidth = "2 TB" },
          |                                ^^
          = help: write "80 GiB" (2^30) or "80 GB" (10^9); they differ by 7.4 %

        E0102 `memory.hbm.bandwidth = 2 TB` is in B
         --> chip.toml:8:48
          |
        8 |     { name = "hbm", capacity = 80, bandwidth = "2 TB" },
          |                                                ^^^^^^
          = help: expected a bandwidth, e.g. "3.35 TB/s""#]],
    );
}

#[test]
fn required_keys_are_named() {
    check(
        "class = 'gpu'\n",
        &expect![[r#"
        E0103 required key `source` is missing
          = help: say where the figures come from: source = "..."; estimates say "estimate: ..."

        E0103 required key `memory` is missing
          = help: describe at least one [[memory]] with capacity and bandwidth

        E0103 required key `peak` is missing
          = help: give at least one, e.g. peak.bf16 = "989 TFLOP/s" (dense), or an [[array]]. `wattline show h100-sxm` prints a complete example"#]],
    );
    check(
        "source = 't'\n[[memory]]\nname = 'd'\n[[array]]\nname = 'a'\n[[fanout]]\nname = 'f'\n\
         [[link]]\nname = 'l'\n[[vector]]\nname = 'v'\nin = 'd'\n",
        &expect![[r#"
            E0103 required key `capacity` is missing in `memory.d`
             --> chip.toml:2:1
              |
            2 | [[memory]]
              | ^^^^^^^^^^
              = help: give a size, e.g. "80 GiB", or "unbounded"

            E0103 required key `bandwidth` is missing in `memory.d`
             --> chip.toml:2:1
              |
            2 | [[memory]]
              | ^^^^^^^^^^
              = help: e.g. bandwidth = "3.35 TB/s"

            E0103 required key `in` is missing in `array.a`
             --> chip.toml:4:1
              |
            4 | [[array]]
              | ^^^^^^^^^
              = help: name the memory or fan-out it hangs below

            E0103 required key `rate` is missing in `array.a`
             --> chip.toml:4:1
              |
            4 | [[array]]
              | ^^^^^^^^^
              = help: MACs per cycle of one leaf, e.g. rate = { bf16 = 512 }

            E0103 required key `shape` is missing in `fanout.f`
             --> chip.toml:6:1
              |
            6 | [[fanout]]
              | ^^^^^^^^^^
              = help: e.g. shape = [16, 16]

            E0103 required key `in` is missing in `fanout.f`
             --> chip.toml:6:1
              |
            6 | [[fanout]]
              | ^^^^^^^^^^
              = help: name the memory or fan-out it hangs below

            E0103 required key `bandwidth` is missing in `link.l`
             --> chip.toml:8:1
              |
            8 | [[link]]
              | ^^^^^^^^
              = help: per direction, all lanes together, e.g. "450 GB/s"

            E0103 required key `lanes` is missing in `vector.v`
              --> chip.toml:10:1
               |
            10 | [[vector]]
               | ^^^^^^^^^^
               = help: lanes of one instance, e.g. lanes = 32"#]],
    );
}

#[test]
fn sparse_peaks_are_recognized() {
    let text = H100.replace("bf16 = \"989.4 TFLOP/s\"", "bf16 = \"1979 TFLOP/s\"");
    check(
        &text,
        &expect![[r#"
            E0104 `peak.bf16` = 1979 TFLOP/s is 2 × what [[array]] gives (989.4 TFLOP/s)
              --> chip.toml:19:8
               |
            19 | bf16 = "1979 TFLOP/s"
               |        ^^^^^^^^^^^^^^
               = help: data sheets often print the 2:4-sparse number; set peak.bf16 = "989.4 TFLOP/s""#]],
    );
    let text = A100.replace("tf32 = \"156 TFLOP/s\"", "nvfp4 = \"19.5 TFLOP/s\"");
    check(
        &text,
        &expect![[r#"
            E0104 `peak.nvfp4` is given, but no [[array]] has a rate for nvfp4
              --> chip.toml:21:9
               |
            21 | nvfp4 = "19.5 TFLOP/s"
               |         ^^^^^^^^^^^^^^
               = help: [peak] counts matrix engines only; remove it if none has it"#]],
    );
}

#[test]
fn a_changed_clock_moves_the_peak_and_a_set_peak_is_checked() {
    let mut profile = parse(H100).expect("parses");
    profile.set("process.clock", "915 MHz").expect("is a key");
    let (slow, _) = profile.evaluate().unwrap_or_else(|p| panic!("{p}"));
    let full = evaluate(H100).expect("evaluates");
    let ratio =
        slow.peak(Dtype::Bf16).expect("has bf16") / full.peak(Dtype::Bf16).expect("has bf16");
    assert!((ratio - 0.5).abs() < 1e-12);
    let peak = Quantity::parse("700 TFLOP/s").expect("parses");
    let found = parse(H100)
        .expect("parses")
        .evaluate_with(&[("peak.bf16", peak)]);
    let found = found.expect_err("contradicts the engines").to_string();
    assert!(
        found.starts_with("E0104 `peak.bf16` = 700 TFLOP/s is 0.71 × what"),
        "{found}"
    );
}

#[test]
fn the_example_of_the_documentation_is_a_chip() {
    let text = include_str!("../docs/hardware.md");
    let example = text
        .split("```toml")
        .nth(1)
        .and_then(|t| t.split("```").next());
    let system = evaluate(example.expect("has an example")).unwrap_or_else(|p| panic!("{p}"));
    assert_eq!(system.class, Class::Gpu);
    assert_eq!(system.memories.len(), 2);
}

/// Figures of the technology and of the trees together must stay within what a die of the published
/// size can hold, and a busy chip within its order of power.
#[test]
fn components_are_of_the_size_of_the_die() {
    for text in [H100, A100] {
        let system = evaluate(text).expect("evaluates");
        let memories = system
            .memories
            .iter()
            .map(|m| m.area.map_or(0.0, |a| a.0) * m.instances as f64);
        let engines = system
            .arrays
            .iter()
            .map(|a| a.area.map_or(0.0, |x| x.0) * a.instances as f64);
        let lanes = system
            .vectors
            .iter()
            .map(|v| v.area.map_or(0.0, |x| x.0) * v.instances as f64);
        let sum: f64 = memories.chain(engines).chain(lanes).sum();
        let die = system.die.expect("is published").0;
        assert!(
            (0.05..1.0).contains(&(sum / die)),
            "{}: {sum} of {die}",
            system.name
        );
        let watts: f64 = system
            .arrays
            .iter()
            .map(|a| {
                a.mac_energy(Dtype::Bf16).map_or(0.0, |e| e.0)
                    * a.peak(Dtype::Bf16).map_or(0.0, |p| p.0)
            })
            .sum();
        let tdp = system.power.tdp.map_or(0.0, |w| w.0);
        assert!(
            (0.05 * tdp..tdp).contains(&watts),
            "{}: {watts} W",
            system.name
        );
    }
}

#[test]
fn circles_show_their_members() {
    let text = format!("{SMALL}\n[params]\na = '= b + 1'\nb = '= c'\nc = '= a * 2'\nd = '= a'\n");
    check(
        &text,
        &expect![[r#"
            E0107 parameters depend on each other: `a` -> `b` -> `c` -> `a`
              --> chip.toml:13:5
               |
            13 | a = '= b + 1'
               |     ^^^^^^^^^
               = note: `a`: `= b + 1` at chip.toml:13:5
               = note: `b`: `= c` at chip.toml:14:5
               = note: `c`: `= a * 2` at chip.toml:15:5"#]],
    );
    let text = SMALL.replace("name = \"hbm\",", "name = \"hbm\", in = \"l2\",");
    check(
        &text,
        &expect![[r#"
        E0107 components hang below each other: `hbm` -> `l2` -> `hbm`
         --> chip.toml:8:21
          |
        8 |     { name = "hbm", in = "l2", capacity = "80 GiB", bandwidth = "2 TB/s" },
          |                     ^^"#]],
    );
}

#[test]
fn ranges_are_kept() {
    let mut profile = parse(EDGE).expect("parses");
    profile.set("glb", "1 KiB").expect("is a knob");
    profile.set("pe_rows", "2.5e2").expect("is a knob");
    profile
        .set("memory.dram.achievable", "1.2")
        .expect("is a key");
    profile.set("array.mac.rate.int8", "0").expect("is a key");
    let found = profile.evaluate().expect_err("out of range");
    expect![[r#"
        E0105 `array.mac.rate.int8 = 0` must be above zero
         --> --set array.mac.rate.int8=0:1:21
          |
        1 | array.mac.rate.int8=0
          |                     ^

        E0105 `glb = 1 KiB` is outside of its range
         --> --set glb=1 KiB:1:5
          |
        1 | glb=1 KiB
          |     ^^^^^
          = help: `glb` may be 64 KiB to 16 MiB

        E0105 `memory.dram.ports.0.achievable = 1.2` must be above 0 and at most 1
         --> --set memory.dram.achievable=1.2:1:24
          |
        1 | memory.dram.achievable=1.2
          |                        ^^^"#]]
    .assert_eq(&found.to_string());
    let text = SMALL
        .replace("\"80 GiB\"", "\"0 GiB\"")
        .replace("\"2 TB/s\"", "inf")
        .replace("\"300 W\"", "\"-3 W\"")
        .replace("\"7 nm\"", "\"0.5 nm\"");
    check(
        &text,
        &expect![[r#"
        E0105 `process.node = 0.5 nm` must lie within 1 nm and 1000 nm
         --> chip.toml:5:20
          |
        5 | process = { node = "0.5 nm", clock = "1 GHz" }
          |                    ^^^^^^^^

        E0105 `power.tdp = -3 W` must be above zero
         --> chip.toml:6:13
          |
        6 | power.tdp = "-3 W"
          |             ^^^^^^

        E0105 `memory.hbm.capacity = 0 GiB` must be above zero
         --> chip.toml:8:32
          |
        8 |     { name = "hbm", capacity = "0 GiB", bandwidth = inf },
          |                                ^^^^^^^

        E0105 `memory.hbm.bandwidth = inf` is not a finite number
         --> chip.toml:8:53
          |
        8 |     { name = "hbm", capacity = "0 GiB", bandwidth = inf },
          |                                                     ^^^"#]],
    );
}

#[test]
fn names_must_refer_to_something() {
    let text = SMALL.replace("in = \"hbm\"", "in = \"hmb\"");
    check(
        &text,
        &expect![[r#"
            E0110 `memory.l2.in = hmb`: no memory or fan-out has this name
             --> chip.toml:9:25
              |
            9 |     { name = "l2", in = "hmb", capacity = "40 MiB" },
              |                         ^^^^^ did you mean `hbm`?"#]],
    );
    let text = SMALL.replace("name = \"l2\"", "name = \"hbm\"");
    check(
        &text,
        &expect![[r#"
        E0104 two components are called `hbm`
         --> chip.toml:9:7
          |
        9 |     { name = "hbm", in = "hbm", capacity = "40 MiB" },
          |       ^^^^
          = help: names are unique over memories, fan-outs, engines and links"#]],
    );
    let text = EDGE
        .replace("= glb\"", "= gbl\"")
        .replace("\"lpddr5\"", "\"lpddr6\"");
    check(
        &text,
        &expect![[r#"
            E0110 `memory.dram.kind = lpddr6` is not known
              --> chip.toml:22:8
               |
            22 | kind = "lpddr6"
               |        ^^^^^^^^ did you mean `lpddr4`?
               = help: known are: sram, regfile, register, ddr3, ddr4, ddr5, lpddr4, lpddr5, gddr5, gddr6, gddr6x, gddr7, hbm2, hbm2e, hbm3, hbm3e, hbm4, external

            E0110 `memory.glb.capacity`: `gbl` is not defined
              --> chip.toml:31:15
               |
            31 | capacity = "= gbl"
               |               ^^^
               = help: did you mean `glb`?"#]],
    );
    let found = parse(EDGE)
        .expect("parses")
        .set("glbb", "1 MiB")
        .expect_err("unknown");
    expect![[r#"
        E0110 `glbb` is neither a knob nor a key of this chip
         --> --set glbb=1 MiB:1:1
          |
        1 | glbb=1 MiB
          | ^^^^ did you mean `glb`?"#]]
    .assert_eq(&found.to_string());
    let found = parse(EDGE)
        .expect("parses")
        .set("memory.glb.capcity", "1")
        .expect_err("unknown");
    expect![[r#"
        E0110 `memory.glb.capcity` is neither a knob nor a key of this chip
         --> --set memory.glb.capcity=1:1:1
          |
        1 | memory.glb.capcity=1
          | ^^^^^^^^^^^^^^^^^^ did you mean `memory.glb.capacity`?"#]]
    .assert_eq(&found.to_string());
}

#[test]
fn what_is_not_modelled_is_refused() {
    let text = EDGE.replace("buffering = 2", "buffering = 2\npartitions = 4");
    check(
        &text,
        &expect![[r#"
            E0101 `memory.glb.partitions` is not modelled yet
              --> chip.toml:34:1
               |
            34 | partitions = 4
               | ^^^^^^^^^^
               = note: a key that changes no result is refused, so that nobody relies on it; remove it"#]],
    );
}

#[test]
fn sizes_that_overflow_are_refused() {
    let text = EDGE
        .replace("max = 256", "max = 1e12")
        .replace("value = 16", "value = 2e9");
    check(
        &text,
        &expect![[r#"
            E0105 `memory.rf` exists more than 2^40 times
              --> chip.toml:54:1
               |
            54 | in = "pe"
               | ^^"#]],
    );
}

#[test]
fn every_syntax_error_is_reported() {
    check(
        "a = \nb = [1,\n[c\n",
        &expect![[r#"
            E0109 string values must be quoted, expected literal string
             --> chip.toml:1:5
              |
            1 | a =
              |     ^

            E0109 string values must be quoted, expected literal string
             --> chip.toml:3:2
              |
            3 | [c
              |  ^

            E0109 unclosed array, expected `]`
             --> chip.toml:3:3
              |
            3 | [c
              |   ^"#]],
    );
}

#[test]
fn an_idle_knob_is_a_warning() {
    let text = format!("{SMALL}\n[params]\nspare = 3\n");
    let (_, warnings) = parse(&text).expect("parses").evaluate().expect("evaluates");
    expect![[r#"
        W0301 parameter `spare` is used by no expression
          --> chip.toml:13:1
           |
        13 | spare = 3
           | ^^^^^"#]]
    .assert_eq(&Problems(warnings).to_string());
}
