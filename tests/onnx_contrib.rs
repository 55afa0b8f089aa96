//! Operators of onnxruntime's own domain on hand-built graphs; expected numbers are worked out beside them.

mod onnx_build;

use onnx_build::{F16, F32, Graph, I8, I32, I64, Message, U8, kinds, node, tensor, the};
use wattline::workload::{Dtype, Mask, OpKind, Role};

fn ms(op: &str, inputs: &[&str], outputs: &[&str]) -> Message {
    node(op, inputs, outputs).domain("com.microsoft")
}

#[track_caller]
fn check(graph: &Graph, shape: &[u64], macs: f64) {
    let graph = graph.clean(17);
    assert_eq!(tensor(&graph, "y").shape, shape);
    assert_eq!(graph.macs(), macs);
}

#[test]
fn packed_projections_attend() {
    let attend = |outputs: &[&str], more: &[&str]| {
        let inputs = [&["x", "w", "b"][..], more].concat();
        ms("Attention", &inputs, outputs).attr_int("num_heads", 4)
    };
    let graph = Graph::default()
        .input("x", F32, "2x8x32")
        .weight("w", F32, "32x96")
        .weight("b", F32, "96")
        .node(attend(&["y"], &[]).attr_int("unidirectional", 1))
        .output("y");
    // Projection 2·8·32·96, then 2·4 heads of 8·8 pairs and 8 + 8.
    check(&graph, &[2, 8, 32], 49_152.0 + 8192.0);
    let built = graph.clean(17);
    assert_eq!(kinds(&built), ["einsum", "attention"]);
    let found = built.operators().find_map(|op| match &op.kind {
        OpKind::Attention(attention) => Some(attention.mask),
        _ => None,
    });
    assert_eq!(found, Some(Mask::Causal));
}

#[test]
fn a_cache_for_keys_and_values_in_one() {
    let graph = Graph::default()
        .input("x", F16, "1x1x32")
        .weight("w", F16, "32x96")
        .weight("b", F16, "96")
        .input("past", F16, "2x1x4x15x8")
        .node(
            ms("Attention", &["x", "w", "b", "", "past"], &["y", "present"])
                .attr_int("num_heads", 4),
        )
        .output("y")
        .output("present");
    // 32·96, then 4 heads of 16 pairs and 8 + 8.
    check(&graph, &[1, 1, 32], 3072.0 + 1024.0);
    let built = graph.clean(17);
    let cache = tensor(&built, "present");
    assert_eq!(
        (cache.role, &*cache.shape),
        (Role::KvCache, &[2, 1, 4, 16, 8][..])
    );
    assert_eq!(
        built.bytes_of(Role::KvCache).0,
        2.0 * 4.0 * 16.0 * 8.0 * 2.0
    );
}

#[test]
fn multi_head_attention_takes_packed_operands() {
    let packed = Graph::default()
        .input("x", F32, "2x8x4x3x16")
        .node(ms("MultiHeadAttention", &["x"], &["y"]).attr_int("num_heads", 4))
        .output("y");
    // 2·4 heads of 64 pairs and 16 + 16.
    check(&packed, &[2, 8, 64], 16_384.0);
    let cross = Graph::default()
        .input("x", F32, "2x8x64")
        .input("kv", F32, "2x5x4x2x16")
        .node(ms("MultiHeadAttention", &["x", "kv"], &["y"]).attr_int("num_heads", 4))
        .output("y");
    // 40 pairs.
    check(&cross, &[2, 8, 64], 10_240.0);
}

#[test]
fn shared_heads_and_windows() {
    let graph = Graph::default()
        .input("q", F16, "1x4x64")
        .input("k", F16, "1x4x16")
        .input("v", F16, "1x4x16")
        .input("past_key", F16, "1x2x6x8")
        .input("past_value", F16, "1x2x6x8")
        .node(
            ms(
                "GroupQueryAttention",
                &["q", "k", "v", "past_key", "past_value"],
                &["y", "pk", "pv"],
            )
            .attr_int("num_heads", 8)
            .attr_int("kv_num_heads", 2)
            .attr_int("local_window_size", 3),
        )
        .output("y")
        .output("pk")
        .output("pv");
    // 8 heads of 4·10 pairs and 8 + 8.
    check(&graph, &[1, 4, 64], 5120.0);
    // Each query sees 3 keys.
    assert_eq!(graph.clean(17).useful_macs(), 8.0 * 12.0 * 16.0);
}

#[test]
fn experts_are_chosen_by_a_router() {
    let graph = Graph::default()
        .input("x", F16, "10x64")
        .input("router", F16, "10x8")
        .weight("up", F16, "8x128x64")
        .weight("down", F16, "8x64x128")
        .node(
            ms("MoE", &["x", "router", "up", "", "down"], &["y"])
                .attr_int("k", 2)
                .attr_text("activation_type", "relu"),
        )
        .output("y");
    // 10 tokens to 2 experts of 64·128 twice.
    check(&graph, &[10, 64], 327_680.0);
    let built = graph.clean(17);
    assert_eq!(
        kinds(&built),
        ["route", "experts", "elementwise", "experts", "elementwise"]
    );
    assert_eq!(built.parameters(), 2.0 * 8.0 * 64.0 * 128.0);
    // Four bits a weight: two in each byte, and the gate joined with the first product.
    let graph = Graph::default()
        .input("x", F16, "10x64")
        .input("router", F16, "10x8")
        .weight("up", U8, "8x256x32")
        .weight("us", F16, "8x256")
        .weight("down", U8, "8x64x64")
        .weight("ds", F16, "8x64")
        .node(
            ms(
                "QMoE",
                &["x", "router", "up", "us", "", "down", "ds"],
                &["y"],
            )
            .attr_int("k", 2)
            .attr_int("expert_weight_bits", 4)
            .attr_int("swiglu_fusion", 1),
        )
        .output("y");
    // 20 rows of 64·256 and 128·64.
    check(&graph, &[10, 64], 20.0 * (16_384.0 + 8192.0));
}

#[test]
fn weights_of_few_bits() {
    let graph = Graph::default()
        .input("x", F16, "1x5x128")
        .weight("w", U8, "256x4x16")
        .weight("s", F16, "256x4")
        .node(
            ms("MatMulNBits", &["x", "w", "s"], &["y"])
                .attr_int("K", 128)
                .attr_int("N", 256)
                .attr_int("bits", 4)
                .attr_int("block_size", 32),
        )
        .output("y");
    check(&graph, &[1, 5, 256], 5.0 * 128.0 * 256.0);
    let built = graph.clean(17);
    assert_eq!(built.weight_bytes().0, 16_384.0 + 2048.0);
    let product = the(&built, "com.microsoft::MatMulNBits")
        .kind
        .product_dtype();
    assert_eq!(product, Some(Dtype::Fp16));
    let graph = Graph::default()
        .weight("table", U8, "1000x32")
        .weight("s", F16, "1000x2")
        .input("ids", I64, "1x7")
        .node(
            ms("GatherBlockQuantized", &["table", "ids", "s"], &["y"])
                .attr_int("bits", 4)
                .attr_int("block_size", 32),
        )
        .output("y");
    // Two elements in each byte.
    check(&graph, &[1, 7, 64], 0.0);
}

#[test]
fn norms_with_what_is_added() {
    let graph = Graph::default()
        .input("x", F32, "1x4x8")
        .input("skip", F32, "1x4x8")
        .weight("g", F32, "8")
        .node(ms(
            "SkipSimplifiedLayerNormalization",
            &["x", "skip", "g"],
            &["y", "", "", "sum"],
        ))
        .output("y")
        .output("sum");
    check(&graph, &[1, 4, 8], 0.0);
    let graph = Graph::default()
        .input("ids", I32, "1x4")
        .input("segments", I32, "1x4")
        .weight("words", F32, "100x8")
        .weight("places", F32, "16x8")
        .weight("kinds", F32, "2x8")
        .weight("g", F32, "8")
        .weight("b", F32, "8")
        .node(ms(
            "EmbedLayerNormalization",
            &["ids", "segments", "words", "places", "kinds", "g", "b"],
            &["y", "mask"],
        ))
        .output("y");
    check(&graph, &[1, 4, 8], 0.0);
    assert_eq!(
        kinds(&graph.clean(17)),
        ["gather", "gather", "gather", "reduction"]
    );
}

#[test]
fn integers_in_and_out() {
    let graph = Graph::default()
        .input("x", U8, "1x3x8x8")
        .float("s", 0.1)
        .weight("z", U8, "1")
        .weight("w", I8, "4x3x3x3")
        .node(node(
            "QLinearConv",
            &["x", "s", "z", "w", "s", "z", "s", "z"],
            &["y"],
        ))
        .output("y");
    // 6·6·4 outputs of 27 taps.
    check(&graph, &[1, 4, 6, 6], 3888.0);
    let built = graph.clean(17);
    assert_eq!(
        the(&built, "QLinearConv").kind.product_dtype(),
        Some(Dtype::Int8)
    );
    assert_eq!(tensor(&built, "y").dtype, Dtype::Int8);
    let graph = Graph::default()
        .input("x", F32, "2x16")
        .weight("w", I8, "16x8")
        .float("s", 0.1)
        .node(ms("DynamicQuantizeMatMul", &["x", "w", "s"], &["y"]))
        .output("y");
    check(&graph, &[2, 8], 256.0);
    let built = graph.clean(17);
    assert_eq!(kinds(&built), ["reduction", "einsum"]);
    let last = built.operators().last().map(|op| op.kind.product_dtype());
    assert_eq!(last, Some(Some(Dtype::Int8)));
    let graph = Graph::default()
        .input("x", U8, "1x8x6x6")
        .float("s", 0.1)
        .node(
            ms("QLinearAveragePool", &["x", "s", "", "s", ""], &["y"])
                .attr_ints("kernel_shape", &[2, 2])
                .attr_ints("strides", &[2, 2]),
        )
        .output("y");
    check(&graph, &[1, 8, 3, 3], 0.0);
}
