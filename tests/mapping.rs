//! Accounting of given mappings against figures of Timeloop and AccelForge.
//!
//! Source: statistics in Accelergy-Project/timeloop-accelergy-exercises (commit 2d55108), tutorial exercises
//! 00 to 05; runs of AccelForge 1.0.467. Energies per compute are printed there to two decimals.

use wattline::cost::{Evaluation, Widths, evaluate};
use wattline::diag::{Problems, Source};
use wattline::hardware::{Profile, System};
use wattline::mapping::{Chain, MapProblem};
use wattline::workload::{Dtype, Slot};

/// Memories of the exercises: name, block words, pJ a block to read and to write, leakage in pW a Hz.
const MAIN_8: &str = r#"{ name = "MainMemory", kind = "sram", capacity = "256 KiB", bandwidth = "1 TB/s", block = "8 B", energy = { read = "43.353054 pJ", write = "30.878292 pJ" }, leakage = "0.007972 mW", buffering = 1 }"#;
const MAIN_32: &str = r#"{ name = "MainMemory", kind = "lpddr5", capacity = "unbounded", bandwidth = "1 TB/s", block = "32 B", energy = { read = "2048 pJ", write = "2048 pJ" }, leakage = "0 W", buffering = 1 }"#;
const BUFFER: &str = r#"{ name = "Buffer", IN kind = "sram", capacity = "64 B", bandwidth = "1 TB/s", block = "1 B", energy = { read = "0.42564 pJ", write = "0.42564 pJ" }, leakage = "0.000861 mW", buffering = 1 }"#;
const GLB: &str = r#"{ name = "GlobalBuffer", in = "IN", kind = "sram", capacity = "256 KiB", bandwidth = "1 TB/s", block = "8 B", energy = { read = "43.353054 pJ", write = "30.878292 pJ" }, leakage = "0.007972 mW", buffering = 1 }"#;
const RF: &str = r#"{ name = "RegisterFile", in = "GlobalBuffer", kind = "regfile", capacity = "64 B", bandwidth = "1 TB/s", block = "1 B", energy = { read = "0.42564 pJ", write = "0.42564 pJ" }, leakage = "0.000861 mW", buffering = 1 }"#;

fn chip(memories: &[&str], rest: &str, last: &str, mac: &str) -> System {
    let text = format!(
        "schema = 1\nname = \"test\"\nclass = \"edge\"\nsource = \"estimate: exercise\"\nmemory = [\n{}\n]\n\
         [process]\nnode = \"45 nm\"\nclock = \"1 GHz\"\n[power]\ntdp = \"1 W\"\n{rest}\n\
         [[array]]\nname = \"mac\"\nin = \"{last}\"\nrate = {{ int8 = 1 }}\nenergy = {{ int8 = \"{mac}\" }}\nachievable = 1\n",
        memories.join(",\n")
    );
    system(&text)
}

fn system(text: &str) -> System {
    let none = |_: &str| Err(Problems::new());
    let profile = Profile::parse("test", text, none).unwrap_or_else(|e| panic!("{e}"));
    profile.evaluate().unwrap_or_else(|e| panic!("{e}")).0
}

struct Priced {
    problem: MapProblem,
    system: System,
    chain: Chain,
    evaluation: Evaluation,
}

fn price(system: System, convention: &str, einsum: &str, nest: &[&str]) -> Priced {
    let lines: Vec<String> = nest.iter().map(|l| format!("\"{l}\"")).collect();
    let text = format!(
        "schema = 1\nconvention = \"{convention}\"\ndtype = \"int8\"\n[einsum]\n{einsum}\n[mapping]\nnest = [{}]\n",
        lines.join(", ")
    );
    let problem = MapProblem::parse(&Source::new("case", text)).unwrap_or_else(|e| panic!("{e}"));
    let chain = Chain::of(&system, 0);
    let nest = problem.nest(&system, &chain).expect("a nest is given");
    let nest = nest.unwrap_or_else(|e| panic!("{e}"));
    let byte = Widths {
        lhs: 1.0,
        rhs: 1.0,
        partial: 1.0,
        result: 1.0,
    };
    let evaluation = evaluate(
        &problem.einsum,
        Dtype::Int8,
        &system,
        &chain,
        &nest,
        &byte,
        problem.convention,
    );
    Priced {
        problem,
        system,
        chain,
        evaluation,
    }
}

impl Priced {
    /// Checks `[tile, reads, fills, updates]` per instance.
    #[track_caller]
    fn counts(&self, memory: &str, tensor: &str, expected: [f64; 4]) -> &Self {
        let (level, slot) = self.place(memory, tensor);
        let cost = self
            .evaluation
            .levels
            .iter()
            .find(|l| l.level == level)
            .expect("a memory");
        let count = &self.evaluation.accesses.levels[level][slot as usize];
        let each = [count.reads, count.fills, count.updates].map(|n| n / cost.instances);
        assert_eq!(
            [count.tile, each[0], each[1], each[2]],
            expected,
            "{memory} {tensor}"
        );
        self
    }

    /// Checks bits `[read, written]` over all instances.
    #[track_caller]
    fn bits(&self, memory: &str, tensor: &str, expected: [f64; 2]) -> &Self {
        let (level, slot) = self.place(memory, tensor);
        let count = &self.evaluation.accesses.levels[level][slot as usize];
        let found = [8.0 * count.reads, 8.0 * (count.fills + count.updates)];
        assert_eq!(found, expected, "{memory} {tensor}");
        self
    }

    fn place(&self, memory: &str, tensor: &str) -> (usize, Slot) {
        let level =
            (0..self.chain.levels.len()).find(|&l| self.chain.name(&self.system, l) == memory);
        let slot = self.problem.tensors.iter().position(|t| t == tensor);
        (level.expect("a memory"), Slot::ALL[slot.expect("a tensor")])
    }

    /// Checks femtojoules per compute to the printed digits: memories, then the total.
    #[track_caller]
    fn femtojoules(&self, memories: &[(&str, f64)], total: f64) {
        let printed = |joules: f64| (joules / self.evaluation.macs * 1e17).round() / 100.0;
        for (name, expected) in memories {
            let level = self
                .evaluation
                .levels
                .iter()
                .find(|l| self.system.memories[l.memory].name == *name);
            let level = level.expect("a memory");
            let accesses = level.access_energy.expect("all energies are given");
            let sum: f64 = accesses.iter().map(|e| e.0).sum::<f64>() + level.leakage.0;
            assert_eq!(printed(sum), *expected, "{name}");
        }
        let energy = self.evaluation.energy().expect("all energies are given");
        assert_eq!(printed(energy.0), total, "total");
    }

    #[track_caller]
    fn cycles(&self, expected: f64) -> &Self {
        assert_eq!(self.evaluation.cycles, expected);
        self
    }
}

const CONV1D: &str =
    "ranks = { R = 3, P = 16 }\nlhs = \"Inputs[R+P]\"\nrhs = \"Weights[R]\"\nacc = \"Outputs[P]\"";
const CONV1D_OC: &str = "ranks = { K = 32, R = 3, P = 16 }\nlhs = \"Inputs[R+P]\"\nrhs = \"Weights[K, R]\"\nacc = \"Outputs[K, P]\"";
const ALL: &str = "Inputs, Weights, Outputs";

fn two_levels() -> System {
    let buffer = BUFFER.replace("IN", "in = \"MainMemory\",");
    chip(&[MAIN_8, &buffer], "", "Buffer", "0.845 pJ")
}

fn three_levels() -> System {
    let glb = GLB.replace("\"IN\"", "\"MainMemory\"");
    chip(&[MAIN_32, &glb, RF], "", "RegisterFile", "0.845 pJ")
}

#[test]
fn one_level() {
    let system = chip(&[&BUFFER.replace("IN", "")], "", "Buffer", "0.845 pJ");
    let keep = format!("Buffer: {ALL}");
    price(
        system,
        "timeloop",
        CONV1D,
        &[&keep, "for P in 16", "for R in 3"],
    )
    .cycles(48.0)
    .counts("Buffer", "Weights", [3.0, 48.0, 0.0, 0.0])
    .counts("Buffer", "Inputs", [18.0, 48.0, 0.0, 0.0])
    .counts("Buffer", "Outputs", [16.0, 32.0, 0.0, 48.0])
    .femtojoules(&[("Buffer", 1561.54)], 2406.54);
}

#[test]
fn inputs_slide_under_stationary_weights() {
    let (main, buffer) = (format!("MainMemory: {ALL}"), format!("Buffer: {ALL}"));
    price(
        two_levels(),
        "timeloop",
        CONV1D,
        &[&main, "for R in 3", &buffer, "for P in 16"],
    )
    .cycles(48.0)
    .counts("Buffer", "Weights", [1.0, 48.0, 3.0, 0.0])
    .counts("Buffer", "Inputs", [16.0, 48.0, 18.0, 0.0])
    .counts("Buffer", "Outputs", [16.0, 32.0, 0.0, 48.0])
    .counts("MainMemory", "Weights", [3.0, 3.0, 0.0, 0.0])
    .counts("MainMemory", "Inputs", [18.0, 18.0, 0.0, 0.0])
    .counts("MainMemory", "Outputs", [16.0, 0.0, 0.0, 16.0])
    .femtojoules(&[("Buffer", 1747.76), ("MainMemory", 4907.32)], 7500.08);
}

#[test]
fn inputs_slide_under_stationary_outputs() {
    let (main, buffer) = (format!("MainMemory: {ALL}"), format!("Buffer: {ALL}"));
    price(
        two_levels(),
        "timeloop",
        CONV1D,
        &[&main, "for P in 16", &buffer, "for R in 3"],
    )
    .counts("Buffer", "Weights", [3.0, 48.0, 3.0, 0.0])
    .counts("Buffer", "Inputs", [3.0, 48.0, 18.0, 0.0])
    .counts("Buffer", "Outputs", [1.0, 32.0, 0.0, 48.0])
    .femtojoules(&[("Buffer", 1747.76), ("MainMemory", 4907.32)], 7500.08);
}

#[test]
fn a_slide_starts_again_with_every_outer_iteration() {
    let (main, buffer) = (format!("MainMemory: {ALL}"), format!("Buffer: {ALL}"));
    let nest = [
        main.as_str(),
        "for K in 32",
        "for P in 16",
        &buffer,
        "for R in 3",
    ];
    price(two_levels(), "timeloop", CONV1D_OC, &nest)
        .cycles(1536.0)
        .counts("Buffer", "Weights", [3.0, 1536.0, 96.0, 0.0])
        .counts("Buffer", "Inputs", [3.0, 1536.0, 576.0, 0.0])
        .counts("Buffer", "Outputs", [1.0, 1024.0, 0.0, 1536.0])
        .counts("MainMemory", "Outputs", [512.0, 0.0, 0.0, 512.0])
        .femtojoules(&[("Buffer", 1747.76), ("MainMemory", 3665.44)], 6258.2);
}

#[test]
fn three_levels_keep_everything() {
    let keeps = ["MainMemory", "GlobalBuffer", "RegisterFile"].map(|m| format!("{m}: {ALL}"));
    let nest = [
        keeps[0].as_str(),
        &keeps[1],
        "for K in 16",
        "for P in 16",
        &keeps[2],
        "for K in 2",
        "for R in 3",
    ];
    price(three_levels(), "timeloop", CONV1D_OC, &nest)
        .counts("RegisterFile", "Weights", [6.0, 1536.0, 96.0, 0.0])
        .counts("RegisterFile", "Inputs", [3.0, 1536.0, 288.0, 0.0])
        .counts("RegisterFile", "Outputs", [2.0, 1024.0, 0.0, 1536.0])
        .counts("GlobalBuffer", "Weights", [96.0, 96.0, 96.0, 0.0])
        .counts("GlobalBuffer", "Inputs", [18.0, 288.0, 18.0, 0.0])
        .counts("GlobalBuffer", "Outputs", [512.0, 0.0, 0.0, 512.0])
        .femtojoules(
            &[
                ("RegisterFile", 1667.95),
                ("GlobalBuffer", 2950.9),
                ("MainMemory", 26666.67),
            ],
            32130.51,
        );
}

#[test]
fn slots_pass_by_memories_that_do_not_keep_them() {
    let main = format!("MainMemory: {ALL}");
    let nest = [
        main.as_str(),
        "GlobalBuffer: Weights, Inputs",
        "for K in 16",
        "for P in 16",
        "RegisterFile: Outputs",
        "for K in 2",
        "for R in 3",
    ];
    price(three_levels(), "timeloop", CONV1D_OC, &nest)
        .counts("RegisterFile", "Outputs", [2.0, 1024.0, 0.0, 1536.0])
        .counts("GlobalBuffer", "Weights", [96.0, 1536.0, 96.0, 0.0])
        .counts("GlobalBuffer", "Inputs", [18.0, 1536.0, 18.0, 0.0])
        .femtojoules(
            &[
                ("RegisterFile", 710.26),
                ("GlobalBuffer", 11147.78),
                ("MainMemory", 26666.67),
            ],
            39369.71,
        );
    let registers = format!("RegisterFile: {ALL}");
    let nest = [
        main.as_str(),
        "GlobalBuffer: Inputs",
        "for K in 16",
        "for P in 16",
        &registers,
        "for R in 3",
        "for K in 2",
    ];
    price(three_levels(), "timeloop", CONV1D_OC, &nest).femtojoules(
        &[
            ("RegisterFile", 1667.95),
            ("GlobalBuffer", 1084.37),
            ("MainMemory", 26666.67),
        ],
        30263.99,
    );
    let nest = [main.as_str(), "for P in 16", "for R in 3", "for K in 32"];
    price(three_levels(), "timeloop", CONV1D_OC, &nest)
        .counts("MainMemory", "Outputs", [512.0, 1024.0, 0.0, 1536.0])
        .femtojoules(
            &[
                ("RegisterFile", 0.86),
                ("GlobalBuffer", 7.97),
                ("MainMemory", 234666.67),
            ],
            235520.5,
        );
    let nest = [
        main.as_str(),
        "for K in 16",
        &registers,
        "for K in 2",
        "for R in 3",
        "for P in 16",
    ];
    price(three_levels(), "timeloop", CONV1D_OC, &nest).femtojoules(&[], 29112.77);
}

#[test]
fn sums_of_spatial_channels_are_added_on_the_way_up() {
    let glb = GLB.replace("\"IN\"", "\"lane\"");
    let fanout = "[[fanout]]\nname = \"lane\"\nin = \"MainMemory\"\nshape = [16]\n\
                  axes = [{ ranks = [\"K\"], reduce = [\"acc\"], multicast = [\"lhs\", \"rhs\"] }]";
    let system = chip(&[MAIN_32, &glb, RF], fanout, "RegisterFile", "0.845 pJ");
    let einsum = "ranks = { C = 32, K = 32, R = 3, P = 16 }\nlhs = \"Inputs[C, R+P]\"\n\
                  rhs = \"Weights[C, K, R]\"\nacc = \"Outputs[K, P]\"";
    let keeps = ["MainMemory", "GlobalBuffer", "RegisterFile"].map(|m| format!("{m}: {ALL}"));
    let nest = [
        keeps[0].as_str(),
        "par C in 16 on lane.0",
        &keeps[1],
        "for C in 2",
        "for K in 32",
        "for R in 3",
        &keeps[2],
        "for P in 16",
    ];
    price(system, "timeloop", einsum, &nest)
        .cycles(3072.0)
        .counts("RegisterFile", "Weights", [1.0, 3072.0, 192.0, 0.0])
        .counts("RegisterFile", "Inputs", [16.0, 3072.0, 1152.0, 0.0])
        .counts("RegisterFile", "Outputs", [16.0, 2560.0, 512.0, 3072.0])
        .counts("GlobalBuffer", "Weights", [192.0, 192.0, 192.0, 0.0])
        .counts("GlobalBuffer", "Inputs", [36.0, 1152.0, 36.0, 0.0])
        .counts("GlobalBuffer", "Outputs", [512.0, 512.0, 0.0, 1024.0])
        .counts("MainMemory", "Weights", [3072.0, 3072.0, 0.0, 0.0])
        .counts("MainMemory", "Outputs", [512.0, 0.0, 0.0, 512.0])
        .femtojoules(
            &[
                ("RegisterFile", 1889.64),
                ("GlobalBuffer", 4860.12),
                ("MainMemory", 5416.67),
            ],
            13011.43,
        );
}

/// Main memory and a buffer: energy per bit, bandwidths, a multiplier of 1 J and 1 s.
fn accelforge(main: &str, buffer: &str) -> System {
    let memory = |name: &str, place: &str, rest: &str| {
        format!(
            "{{ name = \"{name}\", {place} kind = \"sram\", capacity = \"1 GiB\", leakage = \"0 W\", buffering = 1, {rest} }}"
        )
    };
    let all = [
        memory("Main", "", main),
        memory("GLB", "in = \"Main\",", buffer),
    ];
    let text = format!(
        "schema = 1\nname = \"test\"\nclass = \"edge\"\nsource = \"estimate: exercise\"\nmemory = [{}, {}]\n\
         [process]\nnode = \"45 nm\"\nclock = \"1 GHz\"\n[power]\ntdp = \"1 W\"\n\
         [[array]]\nname = \"mac\"\nin = \"GLB\"\nrate = {{ int8 = 1 }}\nenergy = {{ int8 = \"1 pJ\" }}\nachievable = 1\n",
        all[0], all[1]
    );
    system(&text)
}

#[track_caller]
fn close(found: f64, expected: f64) {
    assert!(
        (found / expected - 1.0).abs() < 1e-6,
        "{found} is not {expected}"
    );
}

#[test]
fn accelforge_reads_what_drains() {
    let one = "bandwidth = \"1 PB/s\", energy = \"1 pJ/bit\"";
    let einsum = "ranks = { m = 64, n0 = 32, n1 = 32 }\nlhs = \"T0[m, n0]\"\nrhs = \"W0[n0, n1]\"\nacc = \"T1[m, n1]\"";
    let nest = [
        "Main: T0, W0, T1",
        "GLB: T0, W0, T1",
        "for m in 64",
        "for n0 in 32",
        "for n1 in 32",
    ];
    let priced = price(accelforge(one, one), "accelforge", einsum, &nest);
    priced
        .bits("GLB", "T0", [524_288.0, 16_384.0])
        .bits("GLB", "W0", [524_288.0, 8_192.0])
        .bits("GLB", "T1", [524_288.0, 524_288.0])
        .bits("Main", "T0", [16_384.0, 0.0])
        .bits("Main", "W0", [8_192.0, 0.0])
        .bits("Main", "T1", [0.0, 16_384.0]);
    close(priced.evaluation.energy().expect("known").0, 2_228_224e-12);
    close(priced.evaluation.latency.0, 65_536e-9);
}

#[test]
fn accelforge_fetches_again_what_is_not_kept_further_out() {
    // One bit a nanosecond is 125 MB/s.
    let main = "ports = [{ dir = \"r\", bandwidth = \"2 GB/s\" }, { dir = \"w\", bandwidth = \"1 GB/s\" }], energy = \"10 pJ/bit\"";
    let buffer = "ports = [{ dir = \"r\", bandwidth = \"8 GB/s\" }, { dir = \"w\", bandwidth = \"4 GB/s\" }], energy = \"1 pJ/bit\"";
    let busy = |priced: &Priced| {
        let levels = priced.evaluation.levels.iter();
        levels.map(|l| l.busy.0).collect::<Vec<f64>>()
    };
    let einsum = "ranks = { p = 16, r = 3 }\nlhs = \"I[p+r]\"\nrhs = \"F[r]\"\nacc = \"Z[p]\"";
    let nest = ["Main: I, F, Z", "for r in 3", "GLB: I, F, Z", "for p in 16"];
    let priced = price(accelforge(main, buffer), "accelforge", einsum, &nest);
    priced
        .bits("Main", "F", [24.0, 0.0])
        .bits("Main", "I", [384.0, 0.0])
        .bits("Main", "Z", [256.0, 384.0])
        .bits("GLB", "F", [384.0, 24.0])
        .bits("GLB", "I", [384.0, 384.0])
        .bits("GLB", "Z", [640.0, 640.0]);
    close(priced.evaluation.energy().expect("known").0, 12_984e-12);
    close(busy(&priced)[0], 89.5e-9);
    close(busy(&priced)[1], 54.75e-9);
    close(priced.evaluation.latency.0, 89.5e-9);
    let nest = ["Main: I, F, Z", "for p in 16", "GLB: I, F, Z", "for r in 3"];
    let priced = price(accelforge(main, buffer), "accelforge", einsum, &nest);
    priced
        .bits("Main", "F", [384.0, 0.0])
        .bits("Main", "I", [384.0, 0.0])
        .bits("Main", "Z", [0.0, 128.0])
        .bits("GLB", "Z", [384.0, 384.0]);
    close(priced.evaluation.energy().expect("known").0, 11_312e-12);
    close(busy(&priced)[0], 64e-9);
    close(busy(&priced)[1], 54e-9);
}

#[test]
fn accelforge_shares_along_axes_that_multicast_and_reduce() {
    let text = "schema = 1\nname = \"g1\"\nclass = \"edge\"\nsource = \"estimate: exercise\"\n\
        memory = [\n\
        { name = \"DRAM\", kind = \"lpddr5\", capacity = \"unbounded\", bandwidth = \"8 GB/s\", achievable = 1, energy = \"25 pJ/bit\", leakage = \"0 W\" },\n\
        { name = \"GLB\", in = \"DRAM\", kind = \"sram\", capacity = \"8 KiB\", bandwidth = \"32 GB/s\", energy = \"1 pJ/bit\", leakage = \"0 W\", buffering = 1 },\n\
        { name = \"RF\", in = \"pe\", kind = \"regfile\", capacity = \"8 B\", bandwidth = \"1 PB/s\", energy = \"0.125 pJ/bit\", leakage = \"0 W\", buffering = 1 }]\n\
        [process]\nnode = \"45 nm\"\nclock = \"1 GHz\"\n[power]\ntdp = \"1 W\"\n\
        [[fanout]]\nname = \"pe\"\nin = \"GLB\"\nshape = [8, 8]\n\
        axes = [{ ranks = [\"N\"], multicast = [\"lhs\"] }, { ranks = [\"K\"], reduce = [\"acc\"] }]\n\
        [[array]]\nname = \"mac\"\nin = \"RF\"\nrate = { int8 = 1 }\nenergy = { int8 = \"1 pJ\" }\nachievable = 1\n";
    let system = system(text);
    let einsum = "ranks = { m = 64, n0 = 64, n1 = 64 }\nlhs = \"T0[m, n0]\"\nrhs = \"W0[n0, n1]\"\nacc = \"T1[m, n1]\"";
    let nest = [
        "DRAM: W0, T1, T0",
        "GLB: T0",
        "for n1 in 8",
        "GLB: T1",
        "for n0 in 8",
        "par n0 in 8 on pe.1",
        "par n1 in 8 on pe.0",
        "RF: W0",
        "for m in 64",
    ];
    let priced = price(system, "accelforge", einsum, &nest);
    priced
        .bits("DRAM", "T0", [32_768.0, 0.0])
        .bits("DRAM", "W0", [32_768.0, 0.0])
        .bits("DRAM", "T1", [0.0, 32_768.0])
        .bits("GLB", "T0", [262_144.0, 32_768.0])
        .bits("GLB", "T1", [262_144.0, 262_144.0])
        .bits("RF", "W0", [2_097_152.0, 32_768.0]);
    close(priced.evaluation.energy().expect("known").0, 3_805_184e-12);
    close(priced.evaluation.latency.0, 4096e-9);
    let busy = |name: &str| {
        let found = priced.evaluation.levels.iter();
        let mut found = found.filter(|l| priced.system.memories[l.memory].name == name);
        found.next().expect("a memory").busy.0
    };
    close(busy("DRAM"), 1536e-9);
    close(busy("GLB"), 3200e-9);
}

/// Output columns on one axis and kernel columns on the other meet at 16 input columns, not 42.
#[test]
fn diagonal_wires_serve_equal_columns_with_one_read() {
    let chip = |diagonal: &str| {
        let text = format!(
            "schema = 1\nname = \"d\"\nclass = \"edge\"\nsource = \"estimate: exercise\"\n\
            memory = [{{ name = \"glb\", kind = \"sram\", capacity = \"1 MiB\", bandwidth = \"1 TB/s\", buffering = 1 }}]\n\
            [process]\nnode = \"45 nm\"\nclock = \"1 GHz\"\n[power]\ntdp = \"1 W\"\n\
            [[fanout]]\nname = \"pe\"\nin = \"glb\"\nshape = [14, 3]\n{diagonal}\n\
            axes = [{{ ranks = [\"Q\"], multicast = [\"lhs\", \"rhs\"] }}, {{ ranks = [\"S\"], reduce = [\"acc\"], multicast = [\"lhs\"] }}]\n\
            [[array]]\nname = \"mac\"\nin = \"pe\"\nrate = {{ int8 = 1 }}\n"
        );
        system(&text)
    };
    let einsum = "ranks = { Q = 14, S = 3 }\nlhs = \"I[Q+S]\"\nrhs = \"W[S]\"\nacc = \"O[Q]\"";
    let nest = ["glb: I, W, O", "par Q in 14 on pe.0", "par S in 3 on pe.1"];
    let reads = |diagonal: &str| {
        let priced = price(chip(diagonal), "physical", einsum, &nest);
        priced.evaluation.accesses.levels[0][Slot::Lhs as usize].reads
    };
    assert_eq!(reads(""), 42.0);
    assert!((reads("diagonal = [{ slot = \"lhs\", ranks = [\"Q\", \"S\"] }]") - 16.0).abs() < 1e-9);
}

/// A 4 x 4 array that keeps weights: the sum of 8 and the 8 columns make four folds of weights.
///
/// By hand: a fold streams M rows. 10 rows hide the next load of 4 cycles: 4 · 10 busy. 2 rows hide 2 of its 4
/// cycles, three times: 4 · 2 + 3 · 2. Loads that hide nothing add 4 cycles three times: 4 · 10 + 3 · 4. Once each
/// time the first load, 4, and the way through the array, 4 + 4 - 2.
#[test]
fn systolic_arrays_wait_for_loads_that_no_stream_hides() {
    let chip = |overlap: bool| {
        system(&format!(
            "schema = 1\nname = \"s\"\nclass = \"edge\"\nsource = \"estimate: exercise\"\n\
            memory = [{{ name = \"glb\", kind = \"sram\", capacity = \"1 MiB\", bandwidth = \"1 PB/s\", buffering = 1 }},\n\
            {{ name = \"cell\", in = \"pe\", kind = \"register\", capacity = \"2 B\", bandwidth = \"1 PB/s\", buffering = 2, holds = [\"rhs\"] }}]\n\
            [process]\nnode = \"45 nm\"\nclock = \"1 GHz\"\n[power]\ntdp = \"1 W\"\n\
            [[fanout]]\nname = \"pe\"\nin = \"glb\"\nshape = [4, 4]\n\
            axes = [{{ ranks = [\"K\"], reduce = [\"acc\"] }}, {{ ranks = [\"N\"], multicast = [\"lhs\"] }}]\n\
            [[array]]\nname = \"mac\"\nin = \"cell\"\nrate = {{ int8 = 1 }}\nachievable = 1\nstationary = \"rhs\"\n\
            systolic = {{ fill = \"rows + cols - 2\", load = \"rows\", overlap_load = {overlap} }}\n"
        ))
    };
    let cycles = |rows: u64, overlap: bool| {
        let einsum = format!(
            "ranks = {{ m = {rows}, k = 8, n = 8 }}\nlhs = \"A[m, k]\"\nrhs = \"B[k, n]\"\nacc = \"C[m, n]\""
        );
        let stream = format!("for m in {rows}");
        let nest = [
            "glb: A, B, C",
            "for k in 2",
            "for n in 2",
            "par k in 4 on pe.0",
            "par n in 4 on pe.1",
            "cell: B",
            &stream,
        ];
        price(chip(overlap), "physical", &einsum, &nest)
            .evaluation
            .cycles
    };
    assert_eq!(cycles(10, true), 40.0 + 10.0);
    assert_eq!(cycles(2, true), 8.0 + 6.0 + 10.0);
    assert_eq!(cycles(10, false), 40.0 + 12.0 + 10.0);
}

/// The 1 mW of a buffer of two instances leaks for the whole time.
#[test]
fn accelforge_counts_leakage_of_all_instances() {
    let text = "schema = 1\nname = \"l\"\nclass = \"edge\"\nsource = \"estimate: exercise\"\n\
        memory = [{ name = \"glb\", kind = \"sram\", capacity = \"1 MiB\", bandwidth = \"1 PB/s\", leakage = \"0 W\" },\n\
        { name = \"rf\", in = \"pe\", kind = \"regfile\", capacity = \"64 B\", bandwidth = \"1 PB/s\", leakage = \"1 mW\" }]\n\
        [process]\nnode = \"45 nm\"\nclock = \"1 GHz\"\n[power]\ntdp = \"1 W\"\n\
        [[fanout]]\nname = \"pe\"\nin = \"glb\"\nshape = [2]\naxes = [{ ranks = [\"M\"] }]\n\
        [[array]]\nname = \"mac\"\nin = \"rf\"\nrate = { int8 = 1 }\nachievable = 1\n";
    let nest = ["glb: I, W, O", "rf: I, W, O", "for P in 16", "for R in 3"];
    let einsum = CONV1D
        .replace("Inputs", "I")
        .replace("Weights", "W")
        .replace("Outputs", "O");
    for (convention, instances) in [("accelforge", 2.0), ("physical", 2.0), ("timeloop", 1.0)] {
        let priced = price(system(text), convention, &einsum, &nest);
        close(
            priced.evaluation.levels[1].leakage.0,
            1e-3 * 48e-9 * instances,
        );
    }
}

/// Main memory, a buffer of 8-byte blocks, four engines side by side with a register each.
fn four(block: &str) -> System {
    system(&format!(
        "schema = 1\nname = \"f\"\nclass = \"edge\"\nsource = \"estimate: exercise\"\n\
        memory = [{{ name = \"main\", kind = \"lpddr5\", capacity = \"unbounded\", bandwidth = \"1 TB/s\", energy = \"1 pJ/bit\", leakage = \"0 W\" }},\n\
        {{ name = \"wide\", in = \"main\", holds = [\"rhs\"], kind = \"sram\", capacity = \"1 MiB\", bandwidth = \"1 TB/s\", {block} energy = \"1 pJ/bit\", leakage = \"0 W\" }},\n\
        {{ name = \"cell\", in = \"lane\", holds = [\"acc\"], kind = \"register\", capacity = \"4 B\", bandwidth = \"1 TB/s\", energy = \"0 pJ/bit\", leakage = \"0 W\" }}]\n\
        [process]\nnode = \"45 nm\"\nclock = \"1 GHz\"\n[power]\ntdp = \"1 W\"\n\
        [[fanout]]\nname = \"lane\"\nin = \"wide\"\nshape = [4]\naxes = [{{ ranks = [\"N\"], multicast = [\"lhs\"] }}]\n\
        [[array]]\nname = \"mac\"\nin = \"cell\"\nrate = {{ int8 = 1 }}\nenergy = {{ int8 = \"0 pJ\" }}\n"
    ))
}

const PRODUCT: &str =
    "ranks = { M = 2, N = 4, K = 3 }\nlhs = \"A[M, K]\"\nrhs = \"B[K, N]\"\nacc = \"C[M, N]\"";

/// By hand: the registers keep one sum each over all of K; the weights of one K stay outside of the fan-out while M
/// runs. One list says both, as the loop of the fan-out counts below `wide` for the weights: 12 weights are written
/// there once in tiles of 4, and read 4 at a time for each of 6 steps.
#[test]
fn loops_of_a_fanout_stand_below_the_memories_outside_of_it() {
    let nest = [
        "main: A, B, C",
        "par N in 4 on lane.0",
        "cell: C",
        "for K in 3",
        "wide: B",
        "for M in 2",
    ];
    price(four(""), "physical", PRODUCT, &nest).counts("wide", "B", [4.0, 24.0, 12.0, 0.0]);
}

/// By hand: each of the 6 steps reads the 4 bytes of all lanes together, half of a block of 8; each of the 3
/// tiles of 4 bytes is written as one block. Timeloop fills blocks to the end: 24 and 12 bytes in 3 and 2 blocks.
#[test]
fn every_tile_that_moves_takes_whole_blocks() {
    let nest = [
        "main: A, B, C",
        "for K in 3",
        "wide: B",
        "for M in 2",
        "par N in 4 on lane.0",
        "cell: C",
    ];
    for (convention, block, bytes) in [
        ("physical", "", 24.0 + 12.0),
        ("physical", "block = \"8 B\",", (6.0 + 3.0) * 8.0),
        ("timeloop", "block = \"8 B\",", (3.0 + 2.0) * 8.0),
    ] {
        let priced = price(four(block), convention, PRODUCT, &nest);
        let level = &priced.evaluation.levels[1];
        let energy = level.access_energy.expect("known")[Slot::Rhs as usize];
        close(energy.0, bytes * 8e-12);
    }
}

/// By hand: 4 outputs of a 3-wide window reach 6 points, of which padding holds 2.
#[test]
fn padding_is_not_read() {
    let einsum = |stored: &str| {
        format!(
            "ranks = {{ P = 4, R = 3 }}\nlhs = \"A[P+R]\"\nrhs = \"B[R]\"\nacc = \"C[P]\"{stored}"
        )
    };
    let nest = ["main: A, B, C", "cell: A, B, C", "for P in 4", "for R in 3"];
    let system = || {
        let text = "schema = 1\nname = \"p\"\nclass = \"edge\"\nsource = \"estimate: exercise\"\n\
            memory = [{ name = \"main\", kind = \"lpddr5\", capacity = \"unbounded\", bandwidth = \"1 TB/s\" },\n\
            { name = \"cell\", in = \"main\", kind = \"register\", capacity = \"64 B\", bandwidth = \"1 TB/s\" }]\n\
            [process]\nnode = \"45 nm\"\nclock = \"1 GHz\"\n[power]\ntdp = \"1 W\"\n\
            [[array]]\nname = \"mac\"\nin = \"cell\"\nrate = { int8 = 1 }\n";
        self::system(text)
    };
    for (stored, tile) in [("", 6.0), ("\nstored = { A = [4] }", 4.0)] {
        let priced = price(system(), "physical", &einsum(stored), &nest);
        priced.counts("cell", "A", [tile, 12.0, tile, 0.0]);
    }
}

/// Runs `wattline map` on the example with some text replaced.
fn map(change: (&str, &str), arguments: &[&str]) -> (i32, String, String) {
    let text = std::fs::read_to_string("examples/conv.toml").expect("an example");
    assert!(text.contains(change.0), "{}", change.0);
    let folder = tempfile_folder(change.1);
    let path = folder.join("problem.toml");
    std::fs::write(&path, text.replace(change.0, change.1)).expect("writable");
    let mut command = assert_cmd::Command::new(assert_cmd::cargo::cargo_bin!("wattline"));
    let done = command
        .arg("map")
        .arg(&path)
        .args(["--on", "edge-npu"])
        .args(arguments);
    let output = done.output().expect("it runs");
    std::fs::remove_dir_all(folder).expect("ours");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (
        output.status.code().expect("no signal"),
        text(output.stdout),
        text(output.stderr),
    )
}

fn tempfile_folder(name: &str) -> std::path::PathBuf {
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    let folder = std::env::temp_dir().join(format!("wattline-map-{}-{plain}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("writable");
    folder
}

#[test]
fn the_example_is_priced() {
    let (code, out, _) = map(("for K in 4", "for K in 4"), &["--json"]);
    assert_eq!(code, 0);
    let json: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    // 64 · 64 · 56 · 56 · 9 MACs; 16 x 16 engines; every input once, halo included: 64 · 58 · 58.
    assert_eq!(json["macs"], 115_605_504.0);
    assert_eq!(json["cycles"], 451_584.0);
    assert_eq!(json["accesses"][0]["reads"], 215_296.0);
    assert_eq!(json["fits"], true);
}

#[test]
fn nests_that_do_not_add_up_or_fit_are_refused() {
    let (code, _, err) = map(("for P in 14", "for P in 1"), &[]);
    assert_eq!(code, 2, "{err}");
    assert!(err.contains("the loops over `P` leave"), "{err}");
    let (code, out, err) = map(
        (
            "\"for P in 14\",",
            "\"for P in 1\", \"glb: Inputs\", \"for P in 14\",",
        ),
        &[],
    );
    assert_eq!(code, 2, "{out}{err}");
    assert!(err.contains("below a memory further in"), "{err}");
    let (code, _, err) = map(
        ("for P in 14\",", "for Q in 1\","),
        &["--set", "glb=64 KiB"],
    );
    assert_eq!(code, 2, "{err}");
    assert!(err.contains("the loops over `P` leave"), "{err}");
    // 64 · 6 · 58 inputs, 36,864 weights and 64 · 4 · 56 finished results in half of 128 KiB.
    let (code, out, _) = map(
        ("for K in 4", "for K in 4"),
        &["--set", "glb=128 KiB", "--quiet"],
    );
    assert_eq!(code, 1, "{out}");
    let line = out
        .lines()
        .find(|l| l.contains("no fit"))
        .unwrap_or_default();
    assert!(line.contains("the tiles in `glb` need 71.75 KiB"), "{line}");
    assert!(
        line.contains("Inputs 21.75 KiB, Weights 36 KiB, Outputs 14 KiB"),
        "{line}"
    );
    assert!(
        line.contains("7.75 KiB more than the 64 KiB it offers"),
        "{line}"
    );
}

#[test]
fn wrong_lines_are_pointed_at() {
    for (from, to, message) in [
        ("rf: Inputs", "rg: Inputs", "no memory is called `rg`"),
        ("rf: Inputs", "rf: Input", "no tensor is called `Input`"),
        ("for C in 4", "for X in 4", "no rank is called `X`"),
        (
            "for C in 4",
            "for C in -4",
            "`-4` is no number of iterations",
        ),
        (
            "par C in 16 on pe.0",
            "par C in 32 on pe.0",
            "has 16 instances, the nest uses 32",
        ),
        ("for C in 4", "for C in 300", "would leave some empty"),
        ("on pe.1", "on pe.7", "has no such axis"),
        ("for C in 4", "loop C 4", "is no line of a nest"),
        ("P+R", "P+R+S", "an axis adds at most two ranks"),
        ("P+R", "P+", "is no multiple of a rank"),
        ("K = 64", "K = 0", "must lie within 1"),
        ("acc = 8 ", "acc = 8\nxyz = 1 ", "unknown key `bits.xyz`"),
        (
            "[bits]",
            "stored = { Input = [64, 56, 56] }\n[bits]",
            "no tensor is called `Input`",
        ),
        (
            "[bits]",
            "stored = { Inputs = [64, 56] }\n[bits]",
            "`Inputs` has 3 axes, each needs a size",
        ),
        (
            "[bits]",
            "stored = { Inputs = 64 }\n[bits]",
            "`Inputs` has 3 axes, each needs a size",
        ),
        (
            "[bits]",
            "stored = { Inputs = [64, 56, 0] }\n[bits]",
            "must lie within 1",
        ),
        (
            "[bits]",
            "stored = { Inputs = [3, 56, 56] }\n[bits]",
            "the loops touch 64 points of this axis, not 3",
        ),
    ] {
        let (code, _, err) = map((from, to), &[]);
        assert_eq!(code, 2, "{to}: {err}");
        assert!(err.contains(message), "{to}: {err}");
    }
}
