//! The same model from a graph and from a configuration has the same multiplications per layer.
//!
//! BERT's graph is in the catalog; `WATTLINE_DATA` names a folder with `models/` for the others.

use std::io::Write as _;
use std::path::PathBuf;

use wattline::record::BlockPart;
use wattline::workload::{Binding, Workload};
use wattline::{catalog, import};

/// Multiply-accumulates of one of `layers` equal layers, and the parameters of all.
#[track_caller]
fn of_layer(workload: &Workload, binding: &Binding, layers: u64) -> (f64, f64) {
    let (graph, _) = workload.graph(binding).expect("builds");
    let blocks = BlockPart::all(&graph);
    let found = blocks.iter().find(|b| b.count == layers && b.macs > 0.0);
    let block = found.unwrap_or_else(|| panic!("{}: {blocks:#?}", workload.name));
    (block.macs / layers as f64, block.parameters)
}

#[track_caller]
fn check(graph: &Workload, shape: (&str, &[u64]), config: &str, seq: Option<u64>, layers: u64) {
    let mut binding = Binding::infer();
    binding.shapes.insert(shape.0.to_owned(), shape.1.to_vec());
    let by_graph = of_layer(graph, &binding, layers);
    let configured = import::hf::read("configured", "config.json", config).expect("is valid");
    let mut binding = Binding::infer();
    binding.dims.extend(seq.map(|n| ("seq".to_owned(), n)));
    let by_config = of_layer(&configured, &binding, layers);
    assert_eq!(by_graph.0, by_config.0, "{}", graph.name);
    // Tables of positions and constants of the export are in the layers of some graphs.
    let difference = (by_graph.1 / by_config.1 - 1.0).abs();
    assert!(
        difference < 1e-3,
        "{}: {by_graph:?} {by_config:?}",
        graph.name
    );
}

const BERT: &str = r#"{"model_type": "bert", "architectures": ["BertModel"], "hidden_size": 768,
    "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072, "vocab_size": 30522,
    "max_position_embeddings": 512, "type_vocab_size": 2}"#;

#[test]
fn val_bert_is_the_same_from_graph_and_configuration() {
    let entry = catalog::model("bert-base").expect("is in the catalog");
    let graph = import::model(&entry).expect("is valid");
    check(&graph, ("input_ids", &[1, 128]), BERT, Some(128), 12);
}

#[test]
fn val_other_exports_are_the_same_from_graph_and_configuration() {
    let Some(folder) = std::env::var_os("WATTLINE_DATA") else {
        // A closed stderr cannot fail a test.
        let _ = writeln!(
            std::io::stderr(),
            "formats: WATTLINE_DATA is not set: only BERT is compared"
        );
        return;
    };
    let graph = |name: &str| {
        let path = PathBuf::from(&folder)
            .join("models")
            .join(format!("{name}.onnx"));
        let entry = catalog::model(&path.to_string_lossy()).expect("is readable");
        import::model(&entry).expect("is valid")
    };
    let llama = r#"{"model_type": "llama", "hidden_size": 2048, "num_hidden_layers": 2,
        "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 64, "intermediate_size": 8192,
        "vocab_size": 32000, "max_position_embeddings": 2048, "tie_word_embeddings": false}"#;
    let gpt2 = r#"{"model_type": "gpt2", "n_embd": 768, "n_layer": 12, "n_head": 12, "n_positions": 1024,
        "vocab_size": 50257}"#;
    let vit = r#"{"model_type": "vit", "architectures": ["ViTForImageClassification"], "hidden_size": 768,
        "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072, "image_size": 224,
        "patch_size": 16, "num_labels": 1000}"#;
    let ids = ("input_ids", &[1, 128][..]);
    check(
        &graph("bert_base_legacy17_static"),
        ids,
        BERT,
        Some(128),
        12,
    );
    check(
        &graph("llama_1b_dims_2layer_legacy17_static"),
        ids,
        llama,
        Some(128),
        2,
    );
    check(&graph("gpt2_legacy17_dyn"), ids, gpt2, Some(128), 12);
    check(
        &graph("vit_b_16_legacy17"),
        ("x", &[1, 3, 224, 224]),
        vit,
        None,
        12,
    );
}
