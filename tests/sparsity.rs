//! Zeros from a setting to the verdict: what engines and memories of a chip make of them.

use std::sync::Arc;

use wattline::diag::{Problem, Problems};
use wattline::hardware::{Compression, Profile, Structured, System, ZeroSupport};
use wattline::simulate::{Estimate, Fidelity, Memo, run};
use wattline::workload::{
    Binding, Card, Dtype, Einsum, Limits, Model, OpGraph, OpKind, Operator, Phase, Role, Scenario,
    Slot, Tensor, Workload,
};

/// Two products in a row, `[m, k] x [k, n]` and `[m, n] x [n, k]`.
struct Products {
    card: Card,
    sizes: [u64; 3],
}

impl Model for Products {
    fn card(&self) -> &Card {
        &self.card
    }

    fn graph(&self, _: &Binding) -> Result<(OpGraph, Vec<Problem>), Problems> {
        let [m, n, k] = self.sizes;
        let mut graph = OpGraph::new();
        let mut tensor = |name: &str, shape: &[u64], role| {
            graph.add_tensor(Tensor::new(name, shape, Dtype::Int8, role))
        };
        let tensors = [
            tensor("in", &[m, k], Role::Activation),
            tensor("first", &[n, k], Role::Weight),
            tensor("between", &[m, n], Role::Activation),
            tensor("second", &[k, n], Role::Weight),
            tensor("out", &[m, k], Role::Output),
        ];
        for (i, einsum) in [Einsum::matmul(1, m, n, k), Einsum::matmul(1, m, k, n)]
            .into_iter()
            .enumerate()
        {
            graph.add(Operator {
                name: format!("product {i}"),
                block: String::new(),
                source: "test".to_owned(),
                kind: OpKind::Einsum {
                    einsum,
                    dtype: Dtype::Int8,
                },
                inputs: vec![tensors[2 * i], tensors[2 * i + 1]],
                outputs: vec![tensors[2 * i + 2]],
                count: 1,
            });
        }
        Ok((graph, Vec::new()))
    }
}

const SIZES: [u64; 3] = [96, 256, 384];

fn workload(sizes: [u64; 3]) -> Workload {
    let card = Card {
        family: "test".into(),
        default_phase: Phase::Infer,
        dtype: Dtype::Int8,
        active_parameters: None,
        kv_elements_per_token: None,
        state_elements: 0.0,
        limits: Limits::default(),
        symbols: Vec::new(),
        deadline: None,
    };
    Workload::new("products", "test", Arc::new(Products { card, sizes }))
}

/// The small NPU, without a cap, with an engine that does so with zeros.
fn npu(zeros: ZeroSupport) -> System {
    let profile = Profile::named("edge-npu").unwrap_or_else(|e| panic!("{e}"));
    let (mut system, _) = profile.evaluate().unwrap_or_else(|e| panic!("{e}"));
    system.arrays[0].zeros = zeros;
    uncapped(system)
}

fn uncapped(mut system: System) -> System {
    system.power.cap = None;
    system.power.tdp = None;
    system
}

fn gates(lhs: bool, rhs: bool) -> ZeroSupport {
    ZeroSupport {
        gate: [lhs, rhs, false],
        ..ZeroSupport::default()
    }
}

fn skips(lhs: bool, rhs: bool) -> ZeroSupport {
    ZeroSupport {
        skip: [lhs, rhs, false],
        ..ZeroSupport::default()
    }
}

fn two_of_four() -> ZeroSupport {
    ZeroSupport {
        structured: vec![Structured {
            keep: 2,
            group: 4,
            slot: Slot::Rhs,
        }],
        ..ZeroSupport::default()
    }
}

/// A model on a chip with `activations` and `weights` as in a scenario: `0` is dense.
fn at(fidelity: Fidelity, model: &Workload, system: &System, zeros: [&str; 2]) -> Estimate {
    let mut scenario = Scenario::default();
    for (name, value) in ["activation_sparsity", "weight_sparsity"].iter().zip(zeros) {
        if value != "0" {
            scenario.set(name, value).unwrap_or_else(|e| panic!("{e}"));
        }
    }
    run(model, system, &scenario, fidelity, &Memo::new()).unwrap_or_else(|e| panic!("{e}"))
}

fn priced(system: &System, zeros: [&str; 2]) -> Estimate {
    at(Fidelity::Scheduled, &workload(SIZES), system, zeros)
}

/// Dynamic energy of one component.
fn part(estimate: &Estimate, name: &str) -> f64 {
    let parts = &estimate.totals.energy_parts;
    parts
        .iter()
        .find(|(n, _)| n == name)
        .expect("is listed")
        .1
        .0
}

fn bytes(estimate: &Estimate, memory: &str) -> f64 {
    let all = &estimate.totals.bytes;
    all.iter()
        .find(|(n, _)| n == memory)
        .expect("is listed")
        .1
        .0
}

fn close(found: f64, expected: f64) {
    assert!((found / expected - 1.0).abs() < 1e-9, "{found} {expected}");
}

#[test]
fn a_dense_run_has_no_verdict() {
    assert_eq!(priced(&npu(two_of_four()), ["0", "0"]).sparsity, None);
}

#[test]
fn gating_saves_energy_and_no_time() {
    // Compressed by the software on both chips; only the engine differs.
    let plain = priced(&npu(ZeroSupport::default()), ["0.5", "0"]);
    let gated = priced(&npu(gates(true, false)), ["0.5", "0"]);
    assert_eq!(plain.totals.latency, gated.totals.latency);
    close(part(&gated, "matrix"), 0.5 * part(&plain, "matrix"));
    let both = priced(&npu(gates(true, true)), ["0.5", "0.8"]);
    close(part(&both, "matrix"), 0.1 * part(&plain, "matrix"));
}

#[test]
fn skipping_saves_the_time_of_the_steps() {
    let mut plain = npu(ZeroSupport::default());
    let mut skipping = npu(skips(false, true));
    // Memories that never limit.
    for memory in plain.memories.iter_mut().chain(&mut skipping.memories) {
        for port in &mut memory.ports {
            port.bandwidth.0 *= 1e3;
        }
    }
    let mapped = |system| {
        let found = at(Fidelity::Mapped, &workload(SIZES), system, ["0", "0.75"]);
        found.totals.latency.0
    };
    close(mapped(&skipping), 0.25 * mapped(&plain));
    let (plain, found) = (
        priced(&plain, ["0", "0.75"]),
        priced(&skipping, ["0", "0.75"]),
    );
    close(part(&found, "matrix"), 0.25 * part(&plain, "matrix"));
    let verdict = found.sparsity.expect("has zeros");
    assert_eq!(verdict.headline(), "saves time and energy");
    assert!(
        verdict
            .because
            .starts_with("weights (75.0 % zero) are skipped; ")
    );
}

#[test]
fn an_engine_runs_the_patterns_that_it_knows() {
    let engine = npu(two_of_four());
    let dense = part(&priced(&engine, ["0", "0"]), "matrix");
    for (pattern, share) in [("2:4", 0.5), ("1:4", 0.5), ("4:8", 1.0), ("0.5", 1.0)] {
        close(
            part(&priced(&engine, ["0", pattern]), "matrix"),
            share * dense,
        );
    }
    // The other operand's zeros have no pattern here.
    close(part(&priced(&engine, ["2:4", "0"]), "matrix"), dense);
}

#[test]
fn zeros_that_nothing_leaves_out_save_nothing() {
    let mut system = npu(ZeroSupport::default());
    // A format of one memory: the others hold the zeros of such tensors.
    system.memories[1].compression[Slot::Rhs as usize] = Some(Compression::Coordinate);
    // Seventeen bits of place for every byte: it keeps them dense as well.
    let found = priced(&system, ["0", "0.1"]).sparsity.expect("has zeros");
    assert_eq!((found.time, found.energy), (0.0, Some(0.0)));
    assert_eq!(found.headline(), "saves neither time nor energy");
    assert_eq!(
        found.because,
        "weights (10.0 % zero) are multiplied: no engine skips or gates such zeros; no memory moves fewer bytes"
    );
}

/// Weights of 2 · 256 · 384 bytes, a tenth of them nonzero, cross main memory once.
#[test]
fn a_format_sets_the_bytes_of_its_memory_alone() {
    let dense = priced(&npu(ZeroSupport::default()), ["0", "0"]);
    let mut system = npu(ZeroSupport::default());
    system.memories[0].compression[Slot::Rhs as usize] = Some(Compression::Bitmask);
    let found = priced(&system, ["0", "0.9"]);
    let weights = 2.0 * 256.0 * 384.0;
    // A bit of the map and a tenth of a byte each: 0.1 + 0.125.
    close(
        bytes(&dense, "dram") - bytes(&found, "dram"),
        weights * (1.0 - 0.225),
    );
    for memory in ["glb", "rf"] {
        close(bytes(&found, memory), bytes(&dense, memory));
    }
}

#[test]
fn the_ladder_and_the_books_hold_with_zeros() {
    let engines = [
        ZeroSupport::default(),
        gates(true, true),
        skips(true, false),
        skips(true, true),
        two_of_four(),
    ];
    let formats = [
        [None, None],
        [Some(Compression::Rle), None],
        [Some(Compression::Bitmask), Some(Compression::Csr)],
        [None, Some(Compression::Bitmask)],
    ];
    let zeros = [["0.5", "0"], ["0", "2:4"], ["0", "0.95"], ["0.6", "1:4"]];
    for engine in engines {
        for [outer, inner] in formats {
            let mut system = npu(engine.clone());
            for slot in [Slot::Lhs, Slot::Rhs] {
                system.memories[0].compression[slot as usize] = outer;
                system.memories[1].compression[slot as usize] = inner;
            }
            for sizes in [SIZES, [1, 1000, 50], [300, 17, 9]] {
                for zeros in zeros {
                    let model = workload(sizes);
                    let [roofline, mapped, scheduled] =
                        [Fidelity::Roofline, Fidelity::Mapped, Fidelity::Scheduled]
                            .map(|f| at(f, &model, &system, zeros));
                    let time = |e: &Estimate| e.totals.latency.0 * (1.0 - 1e-9);
                    let context = format!("{engine:?} {outer:?} {inner:?} {sizes:?} {zeros:?}");
                    assert!(time(&roofline) <= mapped.totals.latency.0, "{context}");
                    assert!(time(&mapped) <= scheduled.totals.latency.0, "{context}");
                    for op in &scheduled.phases[0].operators {
                        assert!(
                            op.roofline_latency.0 * (1.0 - 1e-9) <= op.latency.0,
                            "{context}"
                        );
                        assert!(
                            op.mac_utilization.is_none_or(|u| u <= 1.0 + 1e-9),
                            "{context}"
                        );
                    }
                    let parts = scheduled.totals.energy_parts.iter();
                    let all = scheduled.totals.dynamic_energy.expect("is known").0;
                    close(parts.map(|p| p.1.0).sum(), all);
                }
            }
        }
    }
}

/// Zeros never cost: each way to leave them out is at most the dense run.
#[test]
fn zeros_are_never_slower_on_an_able_engine() {
    for engine in [gates(true, true), skips(true, true), two_of_four()] {
        let system = npu(engine);
        let dense = priced(&system, ["0", "0"]);
        for zeros in [["0.5", "0"], ["0", "2:4"], ["0.3", "0.95"]] {
            let found = priced(&system, zeros);
            assert!(found.totals.latency.0 <= dense.totals.latency.0 * (1.0 + 1e-9));
            let energy = |e: &Estimate| e.totals.energy.expect("is known").0;
            assert!(energy(&found) <= energy(&dense) * (1.0 + 1e-9));
        }
    }
}

#[test]
fn gpus_run_2_of_4_in_half_the_macs() {
    let profile = Profile::named("h100-sxm").unwrap_or_else(|e| panic!("{e}"));
    let (system, _) = profile.evaluate().unwrap_or_else(|e| panic!("{e}"));
    let system = uncapped(system);
    let large = workload([8192, 8192, 8192]);
    let priced = |weights| at(Fidelity::Scheduled, &large, &system, ["0", weights]);
    let (dense, half) = (priced("0"), priced("2:4"));
    close(part(&half, "matrix"), 0.5 * part(&dense, "matrix"));
    // The shared cache delivers no faster, so less than half of the time is saved.
    let share = half.totals.latency.0 / dense.totals.latency.0;
    assert!((0.5..1.0).contains(&share), "{share}");
    let verdict = half.sparsity.expect("has zeros");
    assert_eq!(
        verdict.because,
        "weights (2:4) run 2 of 4 MACs; fewer bytes at hbm, l2, smem, rf"
    );
    let anywhere = priced("0.5").sparsity.expect("has zeros");
    let text = "weights (50.0 % zero) are multiplied: no engine skips or gates such zeros; ";
    assert!(anywhere.because.starts_with(text), "{}", anywhere.because);
}
