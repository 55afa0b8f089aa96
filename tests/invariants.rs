//! Laws that hold for every chip and model, checked on random ones.

use std::sync::Arc;

use proptest::prelude::*;
use wattline::diag::{Problem, Problems};
use wattline::hardware::{Profile, System};
use wattline::simulate::{Estimate, Fidelity, Memo, run};
use wattline::units::{Quantity, Typed};
use wattline::workload::{
    Attention, Binding, Card, ConvDim, Dtype, Einsum, Limits, Mask, Model, OpGraph, OpKind,
    Operator, Phase, Role, Scenario, Slot, Tensor, VectorWork, Workload,
};

/// A model of a few operators, one feeding the next.
struct Few {
    card: Card,
    kinds: Vec<OpKind>,
}

impl Model for Few {
    fn card(&self) -> &Card {
        &self.card
    }

    fn graph(&self, _: &Binding) -> Result<(OpGraph, Vec<Problem>), Problems> {
        let mut graph = OpGraph::new();
        let mut last = None;
        for (i, kind) in self.kinds.iter().enumerate() {
            let tensor = |elements: f64, role| {
                Tensor::new(format!("t{i}"), &[elements as u64], Dtype::Int8, role)
            };
            let n_ops = self.kinds.len();
            let out_role = if i + 1 == n_ops {
                Role::Output
            } else {
                Role::Activation
            };
            let (inputs, output) = match kind {
                OpKind::Einsum { einsum, .. } => {
                    let size = |slot| einsum.elements(slot);
                    let lhs = graph.add_tensor(tensor(size(Slot::Lhs), Role::Input));
                    let rhs = graph.add_tensor(tensor(size(Slot::Rhs), Role::Weight));
                    (vec![lhs, rhs], size(Slot::Acc))
                }
                OpKind::Attention(a) => {
                    let heads = |n: u64, len: u64| (a.batch * n * len * a.qk_dim) as f64;
                    let q = graph.add_tensor(tensor(heads(a.q_heads, a.q_len), Role::Input));
                    let k = heads(a.kv_heads, a.kv_len);
                    let keys = graph.add_tensor(tensor(k, Role::KvCache));
                    let values = graph.add_tensor(tensor(k, Role::KvCache));
                    (vec![q, keys, values], heads(a.q_heads, a.q_len))
                }
                OpKind::Elementwise(work) | OpKind::Reduction(work) => {
                    let input = last
                        .unwrap_or_else(|| graph.add_tensor(tensor(work.elements, Role::Input)));
                    (vec![input], graph.tensor(input).elements())
                }
                _ => unreachable!("not generated"),
            };
            let output = graph.add_tensor(tensor(output, out_role));
            last = Some(output);
            graph.add(Operator {
                name: format!("op{i}"),
                source: "test".into(),
                block: String::new(),
                kind: kind.clone(),
                inputs,
                outputs: vec![output],
                count: 1 + i as u64,
            });
        }
        Ok((graph, Vec::new()))
    }
}

fn workload(kinds: Vec<OpKind>) -> Workload {
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
    Workload::new("few", "test", Arc::new(Few { card, kinds }))
}

fn product() -> impl Strategy<Value = OpKind> {
    (1u64..4, 1u64..300, 1u64..300, 1u64..600).prop_map(|(g, m, n, k)| OpKind::Einsum {
        einsum: Einsum::matmul(g, m, n, k),
        dtype: Dtype::Int8,
    })
}

fn convolution() -> impl Strategy<Value = OpKind> {
    (
        (1u64..3, 1u64..40, 1u64..80, 1u64..80),
        (1u64..6, 1u32..3, 1u32..3, 4u64..60),
    )
        .prop_map(
            |((batch, groups, n, c), (kernel, stride, dilation, output))| {
                let reach =
                    u64::from(dilation) * (kernel - 1) + u64::from(stride) * (output - 1) + 1;
                let dim = ConvDim {
                    input: reach,
                    output,
                    kernel,
                    stride,
                    dilation,
                };
                OpKind::Einsum {
                    einsum: Einsum::conv(batch, groups, n, c, &[dim, dim]),
                    dtype: Dtype::Int8,
                }
            },
        )
}

fn attention() -> impl Strategy<Value = OpKind> {
    let mask = prop_oneof![
        Just(Mask::Full),
        Just(Mask::Causal),
        (1u64..200).prop_map(Mask::Window)
    ];
    (1u64..5, 1u64..5, 1u64..4, 1u64..700, 0u64..900, mask).prop_map(
        |(batch, kv_heads, group, q_len, past, mask)| {
            OpKind::Attention(Attention {
                batch,
                q_heads: kv_heads * group,
                kv_heads,
                q_len,
                kv_len: q_len + past,
                qk_dim: 64,
                v_dim: 64,
                mask,
                dtype: Dtype::Int8,
            })
        },
    )
}

fn vector() -> impl Strategy<Value = OpKind> {
    (1.0f64..1e6, 0.0f64..8.0, 0.0f64..2.0).prop_map(|(elements, ops, special)| {
        OpKind::Elementwise(VectorWork {
            elements: elements.floor(),
            ops,
            special,
        })
    })
}

fn kinds() -> impl Strategy<Value = Vec<OpKind>> {
    let kind = prop_oneof![
        3 => product(),
        3 => convolution(),
        2 => attention(),
        2 => vector()
    ];
    prop::collection::vec(kind, 1..4)
}

/// Array sides, buffer and bandwidth of the parametric NPU.
fn npu() -> impl Strategy<Value = Knobs> {
    (4u64..64, 4u64..64, 64u64..4096, 4.0f64..200.0).prop_map(|(rows, cols, glb, bandwidth)| {
        Knobs {
            rows,
            cols,
            glb_kib: glb,
            gb_per_s: bandwidth,
        }
    })
}

#[derive(Clone, Copy, Debug)]
struct Knobs {
    rows: u64,
    cols: u64,
    glb_kib: u64,
    gb_per_s: f64,
}

fn chip(knobs: Knobs) -> System {
    let profile = Profile::named("edge-npu").unwrap_or_else(|e| panic!("{e}"));
    let bytes = wattline::units::Bytes::from_si(knobs.glb_kib as f64 * 1024.0);
    let rate = wattline::units::BytesPerSecond::from_si(knobs.gb_per_s * 1e9);
    let values = [
        ("pe_rows", Quantity::number(knobs.rows as f64)),
        ("pe_cols", Quantity::number(knobs.cols as f64)),
        ("glb", bytes.into()),
        ("dram_bandwidth", rate.into()),
    ];
    profile
        .evaluate_with(&values)
        .unwrap_or_else(|e| panic!("{e}"))
}

fn uncapped(mut system: System) -> System {
    system.power.cap = None;
    system.power.tdp = None;
    system
}

fn gpu() -> System {
    let profile = Profile::named("h100-sxm").unwrap_or_else(|e| panic!("{e}"));
    profile.evaluate().unwrap_or_else(|e| panic!("{e}")).0
}

fn priced(model: &Workload, system: &System, fidelity: Fidelity) -> Estimate {
    run(model, system, &Scenario::default(), fidelity, &Memo::new())
        .unwrap_or_else(|e| panic!("{e}"))
}

#[track_caller]
fn at_most(a: f64, b: f64, what: &str) {
    assert!(a <= b * (1.0 + 1e-9), "{what}: {a} > {b}");
}

fn check_laws(model: &Workload, system: &System) {
    let [roofline, mapped, scheduled] = [Fidelity::Roofline, Fidelity::Mapped, Fidelity::Scheduled]
        .map(|f| priced(model, system, f));
    let time = |e: &Estimate| e.totals.latency.0;
    at_most(time(&roofline), time(&mapped), "roofline <= mapped");
    at_most(time(&mapped), time(&scheduled), "mapped <= scheduled");
    for op in scheduled.phases.iter().flat_map(|p| &p.operators) {
        at_most(op.roofline_latency.0, op.latency.0, &op.name);
        if let Some(share) = op.mac_utilization {
            at_most(share, 1.0, "utilization");
        }
    }
    let totals = &scheduled.totals;
    let (Some(dynamic), Some(fixed), Some(all), Some(power)) = (
        totals.dynamic_energy,
        totals.static_energy,
        totals.energy,
        totals.average_power,
    ) else {
        panic!("every energy of these chips is known");
    };
    let near = |a: f64, b: f64| (a - b).abs() <= 1e-9 * a.abs().max(b.abs());
    assert!(near(dynamic.0 + fixed.0, all.0), "parts sum to the whole");
    let parts: f64 = totals.energy_parts.iter().map(|p| p.1.0).sum();
    assert!(
        near(parts, dynamic.0),
        "components sum to the dynamic energy"
    );
    let rows: f64 = scheduled
        .phases
        .iter()
        .flat_map(|p| &p.operators)
        .map(|o| o.energy.map_or(0.0, |e| e.0) * o.count as f64)
        .sum();
    assert!(near(rows, dynamic.0), "operators sum to the dynamic energy");
    assert!(
        near(power.0 * totals.latency.0, all.0),
        "power times time is energy"
    );
    let peak = totals.peak_power.expect("known");
    at_most(power.0, peak.0, "average power below the peak");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn the_ladder_and_the_books_hold_on_an_npu(kinds in kinds(), knobs in npu()) {
        check_laws(&workload(kinds), &chip(knobs));
    }

    #[test]
    fn the_ladder_and_the_books_hold_on_a_gpu(kinds in kinds()) {
        check_laws(&workload(kinds), &gpu());
    }

    #[test]
    fn more_bandwidth_is_never_slower(kinds in kinds(), knobs in npu(), more in 1.01f64..4.0) {
        let model = workload(kinds);
        let wider = Knobs { gb_per_s: (knobs.gb_per_s * more).min(200.0), ..knobs };
        let time = |k| priced(&model, &uncapped(chip(k)), Fidelity::Scheduled).totals.latency.0;
        at_most(time(wider), time(knobs), "more bandwidth");
    }

    #[test]
    fn a_cap_is_met_and_costs_time(kinds in kinds(), knobs in npu()) {
        let model = workload(kinds);
        let free = priced(&model, &uncapped(chip(knobs)), Fidelity::Scheduled);
        let mut capped = chip(knobs);
        let asked = free.totals.average_power.expect("known") * 0.9;
        capped.power.cap = Some(asked);
        let held = priced(&model, &capped, Fidelity::Scheduled);
        at_most(free.totals.latency.0, held.totals.latency.0, "a cap never speeds up");
        if held.totals.within_cap {
            at_most(held.totals.average_power.expect("known").0, asked.0, "the cap");
        }
    }
}

#[test]
fn one_and_eight_threads_agree() {
    let entry = wattline::catalog::model("resnet-50").unwrap_or_else(|e| panic!("{e}"));
    let model = wattline::import::model(&entry).unwrap_or_else(|e| panic!("{e}"));
    let knobs = Knobs {
        rows: 16,
        cols: 16,
        glb_kib: 512,
        gb_per_s: 34.0,
    };
    let system = chip(knobs);
    let memo = Memo::new();
    let scenario = Scenario {
        precision: "int8".parse().expect("is a precision"),
        ..Scenario::default()
    };
    let alone = run(
        &model,
        &system,
        &scenario,
        Fidelity::Scheduled,
        &Memo::new(),
    );
    let together: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| run(&model, &system, &scenario, Fidelity::Scheduled, &memo)))
            .collect();
        threads
            .into_iter()
            .map(|t| t.join().expect("ends"))
            .collect()
    });
    let alone = alone.unwrap_or_else(|e| panic!("{e}"));
    for other in together {
        assert_eq!(other.unwrap_or_else(|e| panic!("{e}")), alone);
    }
}
