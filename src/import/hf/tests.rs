//! Counts that are known from elsewhere, and the message for each way a configuration can be wrong.

use expect_test::{Expect, expect};
use serde_json::{Value, json};

use crate::catalog;
use crate::import;
use crate::workload::{
    Binding, Dtype, Mask, OpGraph, OpKind, Operator, Phase, Role, Stage, Workload,
};

fn named(name: &str) -> Workload {
    import::model(&catalog::model(name).expect("is in the catalog")).expect("is valid")
}

fn at(workload: &Workload, tokens: u64, past: u64, precision: &str) -> OpGraph {
    let mut binding = Binding::infer();
    binding.stage = Stage::Tokens { tokens, past };
    binding.precision = precision.parse().expect("is a precision");
    workload.graph(&binding).expect("builds").0
}

fn operator<'g>(graph: &'g OpGraph, name: &str) -> &'g Operator {
    let found = graph.operators().find(|op| op.name == name);
    found.unwrap_or_else(|| panic!("no operator {name}"))
}

/// A small valid configuration with some keys changed; `null` removes one.
fn small(changes: Value) -> Value {
    let mut config = json!({
        "model_type": "llama", "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 100
    });
    for (key, value) in changes.as_object().expect("an object") {
        config[key] = value.clone();
    }
    config
}

#[track_caller]
fn refused(config: &Value, expected: &Expect) {
    let text = serde_json::to_string(config).expect("is JSON");
    let found = super::read("toy", "config.json", &text).expect_err("must be refused");
    expected.assert_eq(&found.to_string());
}

#[test]
fn llama_3_1_8b_has_its_published_size_and_cache() {
    let llama = named("llama-3.1-8b");
    let graph = llama.graph(&Binding::infer()).expect("builds").0;
    // 8,030,261,248: the safetensors total of the model's page.
    assert_eq!(graph.parameters(), 8_030_261_248.0);
    // 32 layers x 2 x 8 heads x 128 x 2 bytes.
    let card = llama.card();
    assert_eq!(card.kv_elements_per_token, Some(131_072.0 / 2.0));
    assert_eq!(card.default_phase, Phase::Generate);
    assert_eq!(card.limits.context, Some(131_072));
    let cache = at(&llama, 1, 999, "bf16").bytes_of(Role::KvCache);
    assert_eq!(cache.0, 131_072.0 * 1000.0);
}

#[test]
fn a_step_makes_logits_for_the_last_token_only() {
    let llama = named("llama-3.1-8b");
    let head = |tokens| operator(&at(&llama, tokens, 0, "bf16"), "lm_head").macs();
    // 4096 x 128,256.
    assert_eq!(head(1), 525_336_576.0);
    assert_eq!(head(1024), 525_336_576.0);
    let whole = llama.graph(&Binding::infer()).expect("builds").0;
    assert_eq!(operator(&whole, "lm_head").macs(), 1024.0 * 525_336_576.0);
}

#[test]
fn a_tied_table_is_one_tensor() {
    let graph = at(&named("llama-3.2-1b"), 1, 0, "bf16");
    let table = operator(&graph, "embedding").inputs[0];
    assert_eq!(operator(&graph, "lm_head").inputs[1], table);
    let graph = at(&named("llama-3.1-8b"), 1, 0, "bf16");
    let table = operator(&graph, "embedding").inputs[0];
    assert_ne!(operator(&graph, "lm_head").inputs[1], table);
}

#[test]
fn narrow_weights_leave_tables_norms_and_head_alone() {
    let llama = named("llama-3.1-8b");
    let graph = at(&llama, 1, 0, "int4");
    let stored = |name: &str| {
        graph
            .tensors()
            .iter()
            .find(|t| t.name == name)
            .expect(name)
            .dtype
    };
    assert_eq!(stored("layers.*.qkv_proj.weight"), Dtype::Int4);
    for kept in [
        "embedding.weight",
        "layers.*.input_norm.weight",
        "lm_head.weight",
        "layers.*.k_cache",
    ] {
        assert_eq!(stored(kept), Dtype::Bf16, "{kept}");
    }
    let products = |precision: &str| {
        let graph = at(&llama, 1, 0, precision);
        ["layers.*.down_proj", "lm_head"].map(|name| match operator(&graph, name).kind {
            OpKind::Einsum { dtype, .. } => dtype,
            _ => panic!("{name} is no product"),
        })
    };
    assert_eq!(products("int4"), [Dtype::Bf16, Dtype::Bf16]);
    assert_eq!(products("fp8"), [Dtype::Fp8, Dtype::Bf16]);
    assert_eq!(products("fp32"), [Dtype::Fp32, Dtype::Fp32]);
}

#[test]
fn windowed_layers_are_a_segment_with_a_bounded_cache() {
    let gemma = named("gemma-2-2b");
    let graph = at(&gemma, 1, 9_999, "bf16");
    let sliding = operator(&graph, "layers.sliding.attention");
    let full = operator(&graph, "layers.full.attention");
    assert_eq!((sliding.count, full.count), (13, 13));
    let OpKind::Attention(attention) = sliding.kind else {
        panic!("no attention")
    };
    assert_eq!(attention.mask, Mask::Window(4096));
    // Four heads of 256 in bf16, and the last 4,096 of 10,000 tokens.
    let read = |op: &Operator| op.bytes_read(1, graph.tensor(op.inputs[1])).0;
    assert_eq!(read(sliding), 4096.0 * 4.0 * 256.0 * 2.0);
    assert_eq!(read(full), 10_000.0 * 4.0 * 256.0 * 2.0);
    // Each query head sees 4,096 keys: 8 heads x 4,096 x 2 x 256.
    assert_eq!(sliding.useful_macs(), 8.0 * 4096.0 * 512.0);
}

#[test]
fn every_operator_but_the_first_is_fed_by_another() {
    for name in [
        "llama-3.1-8b",
        "gemma-3-4b",
        "gpt2",
        "bert-base-uncased",
        "vit-base-patch16-224",
    ] {
        let graph = named(name).graph(&Binding::infer()).expect("builds").0;
        let roots: Vec<&str> = graph
            .operators()
            .filter(|op| op.inputs.iter().all(|i| graph.producer(*i).is_none()))
            .map(|op| op.name.as_str())
            .filter(|name| !name.ends_with("embedding") && *name != "vision")
            .collect();
        assert!(roots.is_empty(), "{name}: {roots:?}");
        let outputs = graph.tensors().iter().filter(|t| t.role == Role::Output);
        assert_eq!(outputs.count(), 1, "{name}");
    }
}

#[test]
fn every_wrong_field_is_named_at_once() {
    refused(
        &small(
            json!({"hidden_size": "big", "num_hidden_layers": 1_000_000_000_000_000_000_u64,
            "num_attention_heads": 0, "intermediate_size": null, "torch_dtype": "int7"}),
        ),
        &expect![[r#"
            E0108 `hidden_size` must be a whole number, found a text
             --> config.json:1:3
              |
            1 | {"hidden_size":"big","intermediate_size":null,"model_type":"llama","num_attention_heads":0,"num_hidden_layers":1000000000000000000,"num_key_value_heads":2,"torch_dtype":"int7","vocab_size":100}
              |   ^^^^^^^^^^^

            E0105 `num_attention_heads` = 0 is out of range
             --> config.json:1:69
              |
            1 | {"hidden_size":"big","intermediate_size":null,"model_type":"llama","num_attention_heads":0,"num_hidden_layers":1000000000000000000,"num_key_value_heads":2,"torch_dtype":"int7","vocab_size":100}
              |                                                                     ^^^^^^^^^^^^^^^^^^^
              = note: allowed is 1 to 16777216

            E0103 required key `intermediate_size` is missing in config.json
              = help: also known as `n_inner`, `ffn_dim`, `ffn_hidden_size`, `hidden_dim`

            E0105 `torch_dtype` = int7 is out of range
             --> config.json:1:157
              |
            1 | {"hidden_size":"big","intermediate_size":null,"model_type":"llama","num_attention_heads":0,"num_hidden_layers":1000000000000000000,"num_key_value_heads":2,"torch_dtype":"int7","vocab_size":100}
              |                                                                                                                                                             ^^^^^^^^^^^
              = note: known: bfloat16, float16, float32

            E0105 `num_hidden_layers` = 1000000000000000000 is out of range
             --> config.json:1:93
              |
            1 | {"hidden_size":"big","intermediate_size":null,"model_type":"llama","num_attention_heads":0,"num_hidden_layers":1000000000000000000,"num_key_value_heads":2,"torch_dtype":"int7","vocab_size":100}
              |                                                                                             ^^^^^^^^^^^^^^^^^
              = note: allowed is 1 to 10000"#]],
    );
    refused(
        &small(json!({"num_attention_heads": 5, "num_key_value_heads": 5})),
        &expect![[r#"
            E0105 the hidden width 64 is not a multiple of the 5 attention heads
             --> config.json:1:65
              |
            1 | {"hidden_size":64,"intermediate_size":128,"model_type":"llama","num_attention_heads":5,"num_hidden_layers":2,"num_key_value_heads":5,"vocab_size":100}
              |                                                                 ^^^^^^^^^^^^^^^^^^^
              = help: give `head_dim`"#]],
    );
    refused(
        &small(json!({"num_key_value_heads": 3})),
        &expect![[r#"
        E0104 `num_key_value_heads` = 3 does not divide `num_attention_heads` = 4
         --> config.json:1:111
          |
        1 | {"hidden_size":64,"intermediate_size":128,"model_type":"llama","num_attention_heads":4,"num_hidden_layers":2,"num_key_value_heads":3,"vocab_size":100}
          |                                                                                                               ^^^^^^^^^^^^^^^^^^^"#]],
    );
    refused(
        &small(json!({"hidden_size": -1, "vocab_size": 1.5})),
        &expect![[r#"
            E0105 `hidden_size` = -1 is out of range
             --> config.json:1:3
              |
            1 | {"hidden_size":-1,"intermediate_size":128,"model_type":"llama","num_attention_heads":4,"num_hidden_layers":2,"num_key_value_heads":2,"vocab_size":1.5}
              |   ^^^^^^^^^^^
              = note: allowed is 1 to 16777216

            E0108 `vocab_size` must be a whole number, found 1.5
             --> config.json:1:135
              |
            1 | {"hidden_size":-1,"intermediate_size":128,"model_type":"llama","num_attention_heads":4,"num_hidden_layers":2,"num_key_value_heads":2,"vocab_size":1.5}
              |                                                                                                                                       ^^^^^^^^^^"#]],
    );
    refused(
        &small(json!({"layer_types": ["full_attention"], "sliding_window": 8})),
        &expect![[r#"
            E0104 `layer_types` names 1 layers, and the model has 2
             --> config.json:1:44
              |
            1 | {"hidden_size":64,"intermediate_size":128,"layer_types":["full_attention"],"model_type":"llama","num_attention_heads":4,"num_hidden_layers":2,"num_key_value_heads":2,"sliding_window":8,"vocab_size":100}
              |                                            ^^^^^^^^^^^"#]],
    );
}

#[test]
fn what_is_not_supported_says_so() {
    refused(
        &small(json!({"model_type": "deberta-v2", "num_key_value_heads": null})),
        &expect![[r#"
            E0205 architecture `deberta-v2` is not supported yet
             --> config.json:1:44
              |
            1 | {"hidden_size":64,"intermediate_size":128,"model_type":"deberta-v2","num_attention_heads":4,"num_hidden_layers":2,"num_key_value_heads":null,"vocab_size":100}
              |                                            ^^^^^^^^^^
              = help: 113 families are: wattline list families · a decoder that is not among them is read by its fields hidden_size, num_hidden_layers, num_attention_heads, vocab_size and rms_norm_eps"#]],
    );
    refused(
        &small(
            json!({"model_type": "next", "rms_norm_eps": 1e-6, "hidden_size_per_layer_input": 256}),
        ),
        &expect![[r#"
            W0303 architecture `next` is not listed: it is read by its fields as a decoder
             --> config.json:1:78
              |
            1 | {"hidden_size":64,"hidden_size_per_layer_input":256,"intermediate_size":128,"model_type":"next","num_attention_heads":4,"num_hidden_layers":2,"num_key_value_heads":2,"rms_norm_eps":1e-6,"vocab_size":100}
              |                                                                              ^^^^^^^^^^
              = help: assumed: RMS norms before each part, a gate, rotary positions, no biases but those the file names; compare the parameters with the published ones

            E0205 the architecture is not listed, and some of its sizes are not understood
             --> config.json:1:78
              |
            1 | {"hidden_size":64,"hidden_size_per_layer_input":256,"intermediate_size":128,"model_type":"next","num_attention_heads":4,"num_hidden_layers":2,"num_key_value_heads":2,"rms_norm_eps":1e-6,"vocab_size":100}
              |                                                                              ^^^^^^^^^^
              = note: hidden_size_per_layer_input = 256
              = help: take out what does not change the model's shape, or write it as a workload TOML"#]],
    );
    refused(
        &json!({"data": 1}),
        &expect!["E0204 not a config.json: it has no `model_type`"],
    );
    let broken = super::read("toy", "config.json", "{\n  \"a\": 1,\n}").expect_err("is broken");
    expect![[r#"
        E0109 not valid JSON
         --> config.json:3:1
          |
        3 | }
          | ^ trailing comma"#]]
    .assert_eq(&broken.to_string());
    let list = super::read("toy", "config.json", "[]").expect_err("is a list");
    expect!["E0204 `config.json` is JSON, but not a config.json: it holds no object"]
        .assert_eq(&list.to_string());
}

#[test]
fn sizes_that_cannot_be_are_refused() {
    let refused = |name: &str, change: fn(&mut Binding)| {
        let mut binding = Binding::infer();
        change(&mut binding);
        let found = named(name).graph(&binding);
        found.map(|_| ()).expect_err("must be refused").to_string()
    };
    expect!["E0305 1025 tokens are asked for, and the model has 1024 learned positions"].assert_eq(
        &refused("gpt2", |b| {
            b.stage = Stage::Tokens {
                tokens: 1,
                past: 1024,
            };
        }),
    );
    expect![[r#"
        E0305 `bert` is an encoder: it has no prefill and no decode
          = help: use phase infer"#]]
    .assert_eq(&refused("bert-base-uncased", |b| {
        b.stage = Stage::Tokens { tokens: 1, past: 0 };
    }));
    expect![[r#"
        E0305 the model has no dimension `sequence`
          = help: it has batch, seq

        E0105 `batch` = 18446744073709551615 is out of range
          = note: allowed is 1 to 16777216

        E0105 `seq` = 0 is out of range
          = note: allowed is 1 to 4294967296

        E0105 18446744073709551615 tokens are out of range
          = note: allowed is 1 to 4294967296"#]]
    .assert_eq(&refused("llama-3.1-8b", |b| {
        b.stage = Stage::Tokens {
            tokens: 0,
            past: u64::MAX,
        };
        b.batch = Some(u64::MAX);
        b.dims.insert("sequence".to_owned(), 3);
    }));
    let mut largest = Binding::infer();
    largest.batch = Some(1 << 24);
    largest.stage = Stage::Tokens {
        tokens: 1 << 31,
        past: 1 << 31,
    };
    let graph = named("llama-3.1-405b").graph(&largest).expect("builds").0;
    assert!(graph.macs().is_finite());
}

#[test]
fn the_largest_configuration_accepted_builds() {
    let limit = super::fields::SIZE_LIMIT;
    let config = small(
        json!({"hidden_size": limit, "intermediate_size": limit, "vocab_size": limit,
        "num_attention_heads": limit, "num_key_value_heads": limit, "head_dim": limit,
        "num_hidden_layers": super::fields::LAYER_LIMIT}),
    );
    let workload = super::read("toy", "config.json", &config.to_string());
    let workload = workload.expect("is within the limits");
    let mut binding = Binding::infer();
    binding.batch = Some(1 << 24);
    binding.stage = Stage::Tokens {
        tokens: 1 << 31,
        past: 1 << 31,
    };
    let graph = workload.graph(&binding).expect("builds").0;
    assert!(graph.macs().is_finite() && graph.parameters().is_finite());
}

#[test]
fn no_value_of_any_field_is_a_crash() {
    let odd = [
        json!(null),
        json!(true),
        json!(-1),
        json!(0),
        json!(1),
        json!(3),
        json!(1.5),
        json!(1e300),
        json!(u64::MAX),
        json!("x"),
        json!([]),
        json!({}),
        json!(["sliding_attention"]),
        json!([1]),
        json!(super::fields::SIZE_LIMIT),
        json!(super::fields::CONTEXT_LIMIT),
    ];
    let mut built = 0;
    for name in catalog::models() {
        let entry = catalog::model(name).expect("is in the catalog");
        let source = entry.source().expect("is text");
        let file: Value = toml::from_str(&source.text).expect("is TOML");
        let Some(config) = file.get("config").filter(|c| c.is_object()) else {
            continue;
        };
        for path in paths(config) {
            for value in &odd {
                let mut changed = config.clone();
                *changed.pointer_mut(&path).expect("is a path") = value.clone();
                let workload = super::read(name, "config.json", &changed.to_string());
                let steps = [Stage::Infer, Stage::Tokens { tokens: 3, past: 5 }];
                for stage in steps {
                    let mut binding = Binding::infer();
                    binding.stage = stage;
                    built +=
                        usize::from(workload.as_ref().is_ok_and(|w| w.graph(&binding).is_ok()));
                }
            }
        }
    }
    assert!(built > 1000, "{built}");
}

/// JSON pointers of all members of an object and of its objects.
fn paths(value: &Value) -> Vec<String> {
    let members = value.as_object().into_iter().flatten();
    members
        .flat_map(|(key, inner)| {
            let below = paths(inner).into_iter().map(move |p| format!("/{key}{p}"));
            std::iter::once(format!("/{key}")).chain(below)
        })
        .collect()
}
