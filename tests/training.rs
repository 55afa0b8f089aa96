//! Training, post-training, adapters and speculative decoding against counts by hand and published formulas.

use std::collections::BTreeMap;

use proptest::prelude::*;
use wattline::catalog;
use wattline::hardware::{Profile, System};
use wattline::import;
use wattline::simulate::{Estimate, Fidelity, Memo, Task, binding, memory_use, run};
use wattline::workload::{
    ConvDim, Dtype, Einsum, Experts, Loads, OpGraph, OpKind, Operator, Phase, Recurrence, Role,
    Scan, Scenario, Slot, Software, Stage, Tensor, TensorId, Workload, train,
};

fn model(name: &str) -> Workload {
    let entry = catalog::model(name).unwrap_or_else(|e| panic!("{e}"));
    import::model(&entry).unwrap_or_else(|e| panic!("{e}"))
}

fn chip(name: &str) -> System {
    let entry = catalog::chip(name).unwrap_or_else(|e| panic!("{e}"));
    let base = |name: &str| {
        let entry = catalog::chip(name)?;
        let text = entry.source()?.text.to_string();
        Ok((entry.name, text))
    };
    let source = entry.source().unwrap_or_else(|e| panic!("{e}"));
    let profile = Profile::parse(&entry.name, &source.text, base);
    let evaluated = profile.and_then(|p| p.evaluate());
    evaluated.unwrap_or_else(|e| panic!("{e}")).0
}

/// A scenario of settings by name.
fn scenario(sets: &[(&str, &str)]) -> Scenario {
    let mut scenario = Scenario::default();
    for (name, value) in sets {
        scenario.set(name, value).unwrap_or_else(|e| panic!("{e}"));
    }
    if let Some(draft) = scenario.software.draft.clone() {
        scenario.draft_model = Some(model(&draft));
    }
    scenario
}

/// The forward graph of a training step, and the whole step.
fn step(name: &str, sets: &[(&str, &str)]) -> (OpGraph, OpGraph) {
    let (model, scenario) = (model(name), scenario(sets));
    let stage = match model.card().default_phase {
        Phase::Infer => Stage::Infer,
        _ => Stage::Check {
            tokens: scenario.prompt,
            past: 0,
        },
    };
    let (forward, _) = model
        .graph(&binding(&scenario, stage))
        .unwrap_or_else(|e| panic!("{e}"));
    let whole = train::graph(&forward, &scenario.software);
    (forward, whole)
}

fn priced(name: &str, sets: &[(&str, &str)]) -> Estimate {
    let (model, scenario) = (model(name), scenario(sets));
    let chip = chip("h100-sxm");
    run(&model, &chip, &scenario, Fidelity::Scheduled, &Memo::new())
        .unwrap_or_else(|e| panic!("{e}"))
}

#[track_caller]
fn near(found: f64, expected: f64, tolerance: f64) {
    assert!(
        (found / expected - 1.0).abs() <= tolerance,
        "{found} is not {expected}"
    );
}

/// MACs of llama-3.1-8b over `s` tokens by hand: its linear layers without the head, the head, and both
/// products of attention.
fn llama(s: f64) -> [f64; 3] {
    let (h, kv, f, layers, vocab) = (4096.0, 1024.0, 14_336.0, 32.0, 128_256.0);
    let linear = layers * (h * (h + 2.0 * kv) + h * h + 3.0 * h * f);
    [linear * s, h * vocab * s, layers * 2.0 * s * s * h]
}

#[test]
fn a_step_of_llama_equals_a_count_by_hand() {
    let [linear, head, attention] = llama(2048.0);
    let seq = ("prompt", "2048");
    // Three times the products; attention has five more of its two, since scores are made again.
    let (forward, whole) = step("llama-3.1-8b", &[seq]);
    assert_eq!(forward.macs(), linear + head + attention);
    assert_eq!(whole.macs(), 3.0 * (linear + head) + 3.5 * attention);
    // 6·N·tokens, with N the parameters of all products (8.03 billion less the embedding table).
    let n = 8_030_261_248.0 - 128_256.0 * 4096.0 - 65.0 * 4096.0;
    near(
        2.0 * (whole.macs() - 3.5 * attention),
        6.0 * n * 2048.0,
        1e-12,
    );
    // Scores in memory: four products lead back.
    let (_, whole) = step("llama-3.1-8b", &[seq, ("fusion", "none")]);
    assert_eq!(whole.macs(), 3.0 * (linear + head + attention));
    // All layers again: four times; the head is not made again.
    let (_, whole) = step("llama-3.1-8b", &[seq, ("recompute", "full")]);
    assert_eq!(whole.macs(), 4.0 * linear + 3.0 * head + 4.5 * attention);
    let (_, whole) = step("llama-3.1-8b", &[seq, ("recompute", "selective")]);
    assert_eq!(whole.macs(), 3.0 * (linear + head) + 4.5 * attention);
}

#[test]
fn a_step_of_gpt2_equals_a_count_by_hand() {
    let (s, h, layers, vocab) = (1024.0, 768.0, 12.0, 50_257.0);
    let (_, whole) = step("gpt2", &[]);
    let linear = layers * 12.0 * h * h * s + h * vocab * s;
    let attention = layers * 2.0 * s * s * h;
    assert_eq!(whole.macs(), 3.0 * linear + 3.5 * attention);
}

#[test]
fn a_step_of_resnet_has_no_gradient_of_the_image() {
    let (forward, whole) = step("resnet-50", &[("batch", "4")]);
    // The first convolution: 112 x 112 x 64 outputs of 7 x 7 x 3, by hand.
    let first = 4.0 * 112.0 * 112.0 * 64.0 * 147.0;
    assert_eq!(whole.macs(), 3.0 * forward.macs() - first);
    // Each gradient is of the size of its tensor.
    let gradients = whole.bytes_of(Role::Gradient).0;
    assert_eq!(gradients, 4.0 * 25_530_472.0 - 4.0 * untrained(&forward));
}

/// Elements of weights that are single numbers.
fn untrained(graph: &OpGraph) -> f64 {
    let single = graph.tensors().iter();
    let single = single.filter(|t| t.role == Role::Weight && t.elements() <= 1.0);
    single.map(|t| t.elements() * t.copies as f64).sum()
}

#[test]
fn the_state_of_an_optimizer_is_what_the_formats_say() {
    // Bytes per parameter of weights, gradients and optimizer: Rajbhandari et al., "ZeRO", SC 2020,
    // section 3.1 (16 for Adam); 8-bit moments save 6.
    for (sets, bytes, moved) in [
        (&[("optimizer", "adam")][..], 16.0, 28.0),
        (&[("gradients", "fp32")][..], 18.0, 30.0),
        (&[("optimizer", "adam8")][..], 10.0, 16.0),
        (&[("optimizer", "sgd")][..], 8.0, 12.0),
    ] {
        let (forward, whole) = step("llama-3.2-1b", sets);
        let n = forward.parameters();
        let state = whole.weight_bytes().0
            + whole.bytes_of(Role::Gradient).0
            + whole.bytes_of(Role::Optimizer).0;
        near(state, bytes * n, 1e-12);
        let traffic: f64 = whole
            .operators()
            .filter(|op| op.source == "optimizer")
            .map(|op| {
                let tensors = op.inputs.iter().chain(&op.outputs);
                let each: f64 = tensors.map(|t| whole.tensor(*t).bytes().0).sum();
                each * op.count as f64
            })
            .sum();
        near(traffic, moved * n, 1e-12);
    }
    // Weights of 32 bits are their own master copy.
    let (forward, whole) = step("vit-base-patch16-224", &[]);
    let state = whole.bytes_of(Role::Gradient).0 + whole.bytes_of(Role::Optimizer).0;
    near(state, 12.0 * forward.parameters(), 1e-12);
}

/// Bytes that each layer keeps.
fn kept_by_a_layer(name: &str, layers: f64, sets: &[(&str, &str)]) -> f64 {
    let kept = train::kept(&step(name, sets).1);
    (kept.total.0 - kept.once.0) / (layers - 1.0)
}

#[test]
fn activations_of_gpt3_are_those_of_the_paper() {
    // Korthikanti et al., MLSys 2023, equations 1 and 2 and section 5, with s = 2048, h = 12288, a = 96.
    let (s, h, a) = (2048.0, 12_288.0, 96.0);
    for (batch, sets, per_token) in [
        (1.0, vec![("fusion", "none")], 34.0 + 5.0 * a * s / h),
        (4.0, vec![("fusion", "none")], 34.0 + 5.0 * a * s / h),
        (
            1.0,
            vec![("fusion", "none"), ("recompute", "selective")],
            34.0,
        ),
        (1.0, vec![], 34.0),
        (1.0, vec![("recompute", "full")], 2.0),
        (1.0, vec![("fusion", "none"), ("recompute", "full")], 2.0),
        // Two masks of one byte less.
        (1.0, vec![("dropout", "off")], 32.0),
    ] {
        let text = batch.to_string();
        let mut all = sets.clone();
        all.extend([("prompt", "2048"), ("batch", &text)]);
        let found = kept_by_a_layer("gpt3-175b", 96.0, &all);
        near(found, s * batch * h * per_token, 1e-9);
    }
}

#[test]
fn frozen_layers_get_no_gradient_of_their_weights() {
    let [linear, head, attention] = llama(1024.0);
    let (forward, whole) = step("llama-3.1-8b", &[("lora_rank", "16")]);
    // Hugging Face PEFT, all-linear at rank 16: 41 943 040 trainable parameters.
    let adapters = 41_943_040.0;
    assert_eq!(forward.parameters(), 8_030_261_248.0 + adapters);
    let trained = whole.bytes_of(Role::Gradient).0 / 2.0;
    assert_eq!(trained, adapters);
    // Two of three products on the base, all three on the adapters: x·A with one A for each joined layer.
    let joined: f64 = 32.0 * 16.0 * (3.0 + 1.0 + 2.0) * 4096.0 + 32.0 * 16.0 * 14_336.0;
    let out: f64 = 32.0 * 16.0 * (6144.0 + 4096.0 + 28_672.0 + 4096.0);
    assert_eq!(joined + out, adapters);
    let expected = 2.0 * (linear + head) + 3.0 * adapters * 1024.0 + 3.5 * attention;
    assert_eq!(whole.macs(), expected);
}

#[test]
fn tenants_share_the_base_and_read_the_adapters_they_use() {
    let bytes = |sets: &[(&str, &str)]| {
        let (forward, _) = step("llama-3.1-8b", sets);
        forward.weight_bytes().0
    };
    let one = 41_943_040.0 * 2.0;
    let base = bytes(&[]);
    assert_eq!(bytes(&[("lora_rank", "16")]), base + one);
    let eight = &[("lora_rank", "16"), ("adapters", "8"), ("batch", "4")];
    assert_eq!(bytes(eight), base + 8.0 * one);
    // Of 8 adapters, 4 sequences use 8·(1 - (7/8)^4) = 3.311, each as likely as the other.
    let (forward, _) = step("llama-3.1-8b", eight);
    let touched = 8.0 * (1.0 - (7.0f64 / 8.0).powi(4));
    let mut read = 0.0;
    for op in forward.operators() {
        if let OpKind::Experts(experts) = &op.kind {
            near(experts.loads.touched(), touched, 1e-12);
            let weight = op.inputs[1];
            read += op.bytes_read(1, forward.tensor(weight)).0 * op.count as f64;
        }
    }
    near(read, touched * one, 1e-12);
}

#[test]
fn adapters_stand_beside_the_products_of_an_onnx_graph() {
    let parameters = |sets: &[(&str, &str)]| step("bert-base", sets).0.parameters();
    // 12 layers of four 768 x 768 and two 768 x 3072 products.
    let adapters = 12.0 * 8.0 * (4.0 * 2.0 * 768.0 + 2.0 * (768.0 + 3072.0));
    let more = parameters(&[("lora_rank", "8")]) - parameters(&[]);
    assert_eq!(more, adapters);
}

/// Products that make one gradient instead of two: of a weight, or of what depends on one, with what does not.
fn first_products(graph: &OpGraph) -> f64 {
    let mut learned = std::collections::BTreeSet::new();
    let mut sum = 0.0;
    for op in graph.operators() {
        let is_weight = |id: &TensorId| graph.tensor(*id).role == Role::Weight;
        let carried = |id: &TensorId| {
            graph.producer(*id).is_none() && graph.tensor(*id).role == Role::Activation
        };
        let open = |id: &TensorId| !is_weight(id) && (learned.contains(id) || carried(id));
        let learns = |id: &&TensorId| is_weight(id) || open(id);
        if op.macs() > 0.0 && op.inputs.iter().take(2).filter(learns).count() < 2 {
            sum += op.macs() * op.count as f64;
        }
        if op.inputs.iter().any(|id| learns(&id)) {
            learned.extend(op.outputs.iter().copied());
        }
    }
    sum
}

#[test]
fn every_model_trains_at_about_three_times_its_forward_pass() {
    for name in catalog::models() {
        let sets = [("prompt", "256")];
        let (forward, whole) = step(name, &sets);
        let first = first_products(&forward);
        assert!(whole.macs() >= 3.0 * forward.macs() - first, "{name}");
        assert!(whole.macs() <= 3.5 * forward.macs(), "{name}");
        let (_, again) = step(name, &[("prompt", "256"), ("recompute", "full")]);
        assert!(again.macs() <= whole.macs() + forward.macs(), "{name}");
        assert!(again.macs() >= whole.macs(), "{name}");
        let (kept, fewer) = (train::kept(&whole), train::kept(&again));
        // Equal layers are made again from their inputs; a model of one block may have none.
        if forward.operators().any(|op| op.block.contains("layers.")) {
            assert!(again.macs() > whole.macs(), "{name}");
            assert!(fewer.total < kept.total, "{name}");
        }
    }
}

#[test]
fn what_is_made_again_costs_time_and_saves_memory() {
    for (name, fusion) in [
        ("gpt2", "none"),
        ("gpt2", "full"),
        ("llama-3.2-1b", "none"),
        ("bert-base-uncased", "full"),
        ("resnet-50", "full"),
    ] {
        let each = ["none", "selective", "full"].map(|recompute| {
            let sets = [
                ("phase", "train"),
                ("batch", "2"),
                ("recompute", recompute),
                ("fusion", fusion),
            ];
            let estimate = priced(name, &sets);
            (estimate.totals.latency, estimate.memory.activations)
        });
        for pair in each.windows(2) {
            assert!(pair[0].0 <= pair[1].0, "{name} {each:?}");
            assert!(pair[0].1 >= pair[1].1, "{name} {each:?}");
        }
    }
}

#[test]
fn language_models_train_at_16_bits_and_say_how_fast() {
    let sets = [("phase", "train"), ("batch", "4"), ("prompt", "512")];
    let estimate = priced("gpt2", &sets);
    assert_eq!(estimate.phase, Phase::Train);
    let rate = estimate.trained_tokens_per_s.expect("has tokens");
    near(rate, 4.0 * 512.0 / estimate.totals.latency.0, 1e-12);
    let memory = &estimate.memory;
    assert_eq!(memory.kv_cache.0, 0.0);
    near(
        memory.weights.0 * 8.0,
        memory.weights.0 + memory.gradients.0 + memory.optimizer.0,
        1e-9,
    );
    assert!(
        priced("resnet-50", &[("phase", "train")])
            .trained_tokens_per_s
            .is_none()
    );
}

#[test]
fn whole_numbers_are_not_trained() {
    let chip = chip("h100-sxm");
    let wrong = scenario(&[("phase", "train"), ("dtype", "int4")]);
    let error = memory_use(&model("llama-3.2-1b"), &chip, &wrong).expect_err("is refused");
    assert!(
        error
            .to_string()
            .contains("weights of int4 cannot be trained")
    );
    let adapters = scenario(&[("phase", "train"), ("dtype", "int4"), ("lora_rank", "8")]);
    assert!(memory_use(&model("llama-3.2-1b"), &chip, &adapters).is_ok());
}

#[test]
fn post_training_is_rollout_scoring_and_update() {
    let sets = [("batch", "4"), ("prompt", "256"), ("output", "64")];
    let with = |more: &[(&'static str, &'static str)]| {
        let all: Vec<_> = sets.iter().chain(more).copied().collect();
        priced("llama-3.2-1b", &all)
    };
    let all = with(&[("phase", "post-train")]);
    let names: Vec<&str> = all.phases.iter().map(|p| p.phase.name()).collect();
    assert_eq!(names, ["prefill", "decode", "score", "train"]);
    let rollout = with(&[]);
    let update = with(&[("phase", "train"), ("prompt", "320")]);
    near(
        all.phases[0].totals.latency.0,
        rollout.phases[0].totals.latency.0,
        1e-9,
    );
    near(
        all.phases[1].totals.latency.0,
        rollout.phases[1].totals.latency.0,
        1e-9,
    );
    near(all.phases[3].totals.macs, update.totals.macs, 1e-12);
    // Two forward passes over prompt and answer, logits for every token.
    let (forward, _) = step("llama-3.2-1b", &[("batch", "4"), ("prompt", "320")]);
    assert_eq!(all.phases[2].totals.macs, 2.0 * forward.macs());
    // The frozen model beside what is trained.
    let more = update.memory.required() + update.memory.weights;
    near(all.memory.required().0, more.0, 1e-12);
    let none = with(&[("phase", "post-train"), ("score_passes", "0")]);
    assert_eq!(none.phases.len(), 3);
}

#[test]
fn a_check_makes_as_many_tokens_as_the_paper_says() {
    // Leviathan et al., ICML 2023, equation 1: (1 - 0.8^6) / (1 - 0.8) = 3.689 tokens; 255 behind the first
    // take 70 checks.
    let sets = [
        ("draft", "llama-3.2-1b"),
        ("draft_tokens", "5"),
        ("acceptance", "0.8"),
    ];
    let plain = priced("llama-3.1-8b", &[]);
    let fast = priced("llama-3.1-8b", &sets);
    let decode = fast.phases.last().expect("decodes");
    assert_eq!(decode.steps, 70);
    let tpot = fast.generation.and_then(|g| g.tpot).expect("has tokens");
    near(tpot.0, decode.totals.latency.0 / 255.0, 1e-12);
    // Theorem 3.8: the gain is (1 - α^(γ + 1)) / ((1 - α)(γ·c + 1)), with c the time of a draft's step over
    // that of the model; a check of six tokens takes a little longer than a step of one.
    let draft = priced("llama-3.2-1b", &[]);
    let per = |e: &Estimate| e.generation.and_then(|g| g.tpot).expect("has tokens").0;
    let c = per(&draft) / per(&plain);
    let gain = 3.689 / (5.0 * c + 1.0);
    near(per(&plain) / tpot.0, gain, 0.05);
    // Both models and both caches.
    let memory = &fast.memory;
    near(
        memory.weights.0,
        plain.memory.weights.0 + draft.memory.weights.0,
        1e-12,
    );
    near(
        memory.kv_cache.0,
        plain.memory.kv_cache.0 + draft.memory.kv_cache.0,
        1e-2,
    );
    // Nothing is accepted: one token a check.
    let sets = [("draft", "llama-3.2-1b"), ("acceptance", "0")];
    let slow = priced("llama-3.1-8b", &sets);
    assert_eq!(slow.phases.last().expect("decodes").steps, 255);
    assert!(slow.totals.latency > plain.totals.latency);
}

#[test]
fn a_setting_back_at_its_default_does_the_same() {
    let model = model("gpt2");
    let task = |sets: &[(&str, &str)]| {
        let sets: Vec<_> = sets.iter().copied().chain([("prompt", "512")]).collect();
        Task::new(&model, &scenario(&sets)).unwrap_or_else(|e| panic!("{e}"))
    };
    let plain = task(&[]);
    assert!(plain.does_the_same(&task(&[("mla", "naive")])));
    assert!(plain.does_the_same(&task(&[("recompute", "full")])));
    for changed in [
        ("fusion", "kernels"),
        ("fusion", "none"),
        ("lora_rank", "4"),
        ("weight_sparsity", "2:4"),
        ("phase", "train"),
    ] {
        assert!(!plain.does_the_same(&task(&[changed])), "{changed:?}");
    }
    assert_eq!(Software::default(), Scenario::default().software);
}

/// A graph in the making: tensors by name, each operator behind the one before.
struct Chain {
    graph: OpGraph,
    names: BTreeMap<&'static str, TensorId>,
}

impl Chain {
    fn new(tensors: &[(&'static str, &[u64], Role)]) -> Self {
        let mut graph = OpGraph::new();
        let names = tensors.iter().map(|(name, shape, role)| {
            let tensor = Tensor::new(*name, shape, Dtype::Bf16, *role);
            (*name, graph.add_tensor(tensor))
        });
        let names = names.collect();
        Self { graph, names }
    }

    fn add(&mut self, name: &str, kind: OpKind, inputs: &[&str], outputs: &[&str]) {
        let ids = |names: &[&str]| names.iter().map(|n| self.names[n]).collect::<Vec<_>>();
        let (inputs, outputs) = (ids(inputs), ids(outputs));
        self.graph.add(Operator {
            name: name.to_owned(),
            source: String::new(),
            block: String::new(),
            kind,
            inputs,
            outputs,
            count: 1,
        });
    }

    fn trained(&self) -> OpGraph {
        train::graph(&self.graph, &Software::default())
    }
}

fn named<'a>(graph: &'a OpGraph, name: &str) -> &'a Operator {
    let found = graph.operators().find(|op| op.name == name);
    found.unwrap_or_else(|| panic!("{name} is missing"))
}

#[test]
fn experts_get_gradients_of_the_rows_that_went_to_them() {
    // 64 tokens, 2 of 8 experts each: 128 rows of 32 to 48.
    let mut chain = Chain::new(&[
        ("ids", &[64], Role::Input),
        ("table", &[100, 32], Role::Weight),
        ("x", &[64, 32], Role::Activation),
        ("router", &[32, 8], Role::Weight),
        ("scores", &[64, 8], Role::Activation),
        ("chosen", &[64, 2], Role::Activation),
        ("experts", &[8, 32, 48], Role::Weight),
        ("y", &[128, 48], Role::Output),
    ]);
    let product = |m, n, k| OpKind::Einsum {
        einsum: Einsum::matmul(1, m, n, k),
        dtype: Dtype::Bf16,
    };
    let elements = 64.0 * 32.0;
    chain.add(
        "embed",
        OpKind::Gather { elements },
        &["table", "ids"],
        &["x"],
    );
    chain.add("router", product(64, 8, 32), &["x", "router"], &["scores"]);
    let route = OpKind::Route {
        tokens: 64,
        experts: 8,
        top_k: 2,
    };
    chain.add("route", route, &["scores"], &["chosen"]);
    let experts = OpKind::Experts(Experts {
        experts: 8,
        loads: Loads::even(8.0, 128.0),
        rows: 128,
        routed: 128,
        n: 48,
        k: 32,
        dtype: Dtype::Bf16,
    });
    chain.add("experts", experts, &["x", "experts"], &["y"]);
    let whole = chain.trained();
    // The router's scores lead nowhere here, so only the experts have gradients: 128 · 32 · 48 twice.
    let forward = 64.0 * 32.0 * 8.0 + 128.0 * 32.0 * 48.0;
    assert_eq!(whole.macs(), forward + 2.0 * 128.0 * 32.0 * 48.0);
    assert_eq!(
        named(&whole, "experts.grad_lhs").macs(),
        128.0 * 32.0 * 48.0
    );
    // All experts are written, in bf16; of the table, the rows of the tokens are read and written.
    let gradient = named(&whole, "experts.grad_rhs").outputs[0];
    assert_eq!(whole.tensor(gradient).bytes().0, 8.0 * 32.0 * 48.0 * 2.0);
    let rows = named(&whole, "embed.grad");
    assert_eq!(
        rows.bytes_read(0, whole.tensor(rows.inputs[0])).0,
        64.0 * 32.0 * 2.0
    );
    assert_eq!(
        rows.bytes_written(whole.tensor(rows.outputs[0])).0,
        64.0 * 32.0 * 2.0
    );
}

#[test]
fn a_recurrence_makes_its_states_again_and_goes_back_in_two_passes() {
    let mut chain = Chain::new(&[
        ("ids", &[64], Role::Input),
        ("table", &[100, 512], Role::Weight),
        ("x", &[64, 512], Role::Activation),
        ("decay", &[8], Role::Weight),
        ("state", &[8, 64, 16], Role::State),
        ("y", &[64, 512], Role::Output),
    ]);
    let elements = 64.0 * 512.0;
    chain.add(
        "embed",
        OpKind::Gather { elements },
        &["table", "ids"],
        &["x"],
    );
    let scan = Scan {
        recurrence: Recurrence::Dual,
        batch: 1,
        tokens: 64,
        heads: 8,
        width: 64,
        state: 16,
        groups: 1,
        chunk: 1,
        dtype: Dtype::Bf16,
    };
    chain.add(
        "scan",
        OpKind::Scan(scan),
        &["x", "decay", "state"],
        &["y", "state"],
    );
    let whole = chain.trained();
    assert_eq!(whole.macs(), 4.0 * scan.macs());
    assert!(named(&whole, "scan.grad_maps").outputs.len() == 1);
}

proptest! {
    #[test]
    fn both_gradients_of_a_convolution_turn_its_roles(
        (batch, groups, n, c) in (1u64..4, 1u64..4, 1u64..40, 1u64..40),
        (kernel, stride, dilation, output) in (1u64..6, 1u32..4, 1u32..4, 2u64..40),
    ) {
        let reach = u64::from(dilation) * (kernel - 1) + u64::from(stride) * (output - 1) + 1;
        let dim = ConvDim { input: reach, output, kernel, stride, dilation };
        let conv = Einsum::conv(batch, groups, n, c, &[dim, dim]);
        let mut chain = Chain::new(&[
            ("a", &[batch, groups * c, reach, reach], Role::Input),
            ("scale", &[groups * c, 1, 1], Role::Weight),
            ("x", &[batch, groups * c, reach, reach], Role::Activation),
            ("w", &[groups * n, c, kernel, kernel], Role::Weight),
            ("y", &[batch, groups * n, output, output], Role::Output),
        ]);
        let work = wattline::workload::VectorWork { elements: 1.0, ops: 1.0, special: 0.0 };
        chain.add("scale", OpKind::Elementwise(work), &["a", "scale"], &["x"]);
        let kind = OpKind::Einsum { einsum: conv.clone(), dtype: Dtype::Bf16 };
        chain.add("conv", kind, &["x", "w"], &["y"]);
        let whole = chain.trained();
        // One channel, one tap and one group: a single number is no weight.
        let is_weight = groups * n * c * kernel * kernel > 1;
        let has_scale = groups * c > 1;
        let products = 1.0 + f64::from(u8::from(is_weight)) + f64::from(u8::from(has_scale));
        prop_assert_eq!(whole.macs(), products * conv.macs());
        let turned = [
            ("conv.grad_lhs", has_scale, [Slot::Acc, Slot::Rhs, Slot::Lhs]),
            ("conv.grad_rhs", is_weight, [Slot::Lhs, Slot::Acc, Slot::Rhs]),
        ];
        for (name, is_there, roles) in turned {
            if !is_there {
                continue;
            }
            let OpKind::Einsum { einsum, .. } = &named(&whole, name).kind else {
                panic!("is no product");
            };
            for (slot, was) in Slot::ALL.into_iter().zip(roles) {
                prop_assert_eq!(einsum.elements(slot), conv.elements(was));
            }
        }
    }
}

#[test]
fn no_schedule_of_a_step_beats_its_bounds() {
    for on in ["edge-npu", "h100-sxm"] {
        let system = chip(on);
        for name in ["gpt2", "resnet-50", "mobilenet-v2"] {
            let asked = scenario(&[("phase", "train"), ("prompt", "128"), ("dtype", "bf16")]);
            let model = model(name);
            let ladder = [Fidelity::Roofline, Fidelity::Mapped, Fidelity::Scheduled].map(|f| {
                let found = run(&model, &system, &asked, f, &Memo::new());
                found.unwrap_or_else(|e| panic!("{e}")).totals.latency.0
            });
            assert!(
                ladder[0] <= ladder[1] * (1.0 + 1e-9),
                "{on} {name} {ladder:?}"
            );
            assert!(
                ladder[1] <= ladder[2] * (1.0 + 1e-9),
                "{on} {name} {ladder:?}"
            );
        }
    }
}

#[test]
fn only_language_models_propose_tokens() {
    let wrong = scenario(&[("draft", "resnet-50")]);
    let found = memory_use(&model("llama-3.2-1b"), &chip("h100-sxm"), &wrong);
    let error = found.expect_err("is refused").to_string();
    assert!(
        error.contains("E0305 `resnet-50` cannot propose tokens"),
        "{error}"
    );
}
