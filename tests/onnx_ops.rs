//! Operators of the standard set on hand-built graphs; expected numbers are worked out beside them.

mod onnx_build;

use onnx_build::{BOOL, F16, F32, Graph, I4, I8, I32, I64, TEXT, U4, U8, kinds, node, tensor, the};
use wattline::workload::{Dtype, Mask, OpKind, Role};

/// One node over inputs `x` (and weights), one output `y`.
fn one(input: &str, weight: &str, node: onnx_build::Message) -> Graph {
    let graph = Graph::default().input("x", F32, input);
    let graph = match weight {
        "" => graph,
        shape => graph.weight("w", F32, shape),
    };
    graph.node(node).output("y")
}

#[track_caller]
fn check(graph: &Graph, opset: i64, shape: &[u64], macs: f64) {
    let graph = graph.clean(opset);
    assert_eq!(tensor(&graph, "y").shape, shape);
    assert_eq!(graph.macs(), macs);
}

#[test]
fn convolutions_of_every_kind() {
    let conv = || node("Conv", &["x", "w"], &["y"]);
    // 1-D, dilation 2: 10 - 2·2 = 6 outputs; 6·4·3·3 MACs.
    check(
        &one("1x3x10", "4x3x3", conv().attr_ints("dilations", &[2])),
        11,
        &[1, 4, 6],
        216.0,
    );
    // Depthwise, padded to the same size: 8·8·16·9.
    let depthwise = conv()
        .attr_int("group", 16)
        .attr_ints("pads", &[1, 1, 1, 1]);
    check(
        &one("1x16x8x8", "16x1x3x3", depthwise),
        11,
        &[1, 16, 8, 8],
        9216.0,
    );
    // SAME_UPPER with stride 2: ceil(7/2) = 4 in each direction; 16·8·3·9.
    let same = conv()
        .attr_ints("strides", &[2, 2])
        .attr_text("auto_pad", "SAME_UPPER");
    check(&one("1x3x7x7", "8x3x3x3", same), 11, &[1, 8, 4, 4], 3456.0);
    // 3-D, asymmetric padding: (4+1-2)+1 = 4 in depth, 3 and 3; 4·3·3·2·1·8.
    let deep = conv().attr_ints("pads", &[1, 0, 0, 0, 0, 0]);
    check(
        &one("1x1x4x4x4", "2x1x2x2x2", deep),
        11,
        &[1, 2, 4, 3, 3],
        576.0,
    );
    // Transposed, stride 2: (4-1)·2 + 3 = 9; every input meets 9 taps and 5 channels: 16·6·5·9.
    let up = node("ConvTranspose", &["x", "w"], &["y"]).attr_ints("strides", &[2, 2]);
    check(&one("1x6x4x4", "6x5x3x3", up), 11, &[1, 5, 9, 9], 4320.0);
    // Deformable: as a convolution, 6·6·4·2·9, behind the sampling.
    let graph = Graph::default()
        .input("x", F32, "1x2x8x8")
        .input("offset", F32, "1x18x6x6")
        .weight("w", F32, "4x2x3x3")
        .node(node("DeformConv", &["x", "w", "offset"], &["y"]))
        .output("y");
    check(&graph, 19, &[1, 4, 6, 6], 2592.0);
    assert_eq!(kinds(&graph.clean(19)), ["elementwise", "einsum"]);
    // Causal and depthwise: as many outputs as inputs, four taps each.
    let causal = node("CausalConvWithState", &["x", "w"], &["y"]);
    check(&one("2x6x10", "6x1x4", causal), 27, &[2, 6, 10], 480.0);
}

#[test]
fn pooling_rounds_as_asked() {
    let pool = |ceil: i64| {
        node("MaxPool", &["x"], &["y"])
            .attr_ints("kernel_shape", &[3, 3])
            .attr_ints("strides", &[2, 2])
            .attr_int("ceil_mode", ceil)
    };
    // (6-3)/2 + 1 = 2.5.
    check(&one("1x4x6x6", "", pool(0)), 12, &[1, 4, 2, 2], 0.0);
    check(&one("1x4x6x6", "", pool(1)), 12, &[1, 4, 3, 3], 0.0);
}

#[test]
fn einsums_of_many_operands_and_rests() {
    let rest = node("Einsum", &["x", "w"], &["y"]).attr_text("equation", "...ij,jk->...ik");
    // 2·3 products of 4·5·6.
    check(&one("2x3x4x5", "5x6", rest), 13, &[2, 3, 4, 6], 720.0);
    // ab,bc,cd->ad: 2·3·4, then 2·4·5.
    let graph = Graph::default()
        .input("x", F32, "2x3")
        .input("b", F32, "3x4")
        .input("c", F32, "4x5")
        .node(node("Einsum", &["x", "b", "c"], &["y"]).attr_text("equation", "ab,bc,cd->ad"))
        .output("y");
    check(&graph, 13, &[2, 5], 64.0);
    // Without an arrow: letters that occur once, in order; the inner axis is summed.
    let bare = node("Einsum", &["x", "w"], &["y"]).attr_text("equation", "ij,jk");
    check(&one("4x5", "5x6", bare), 13, &[4, 6], 120.0);
}

#[test]
fn recurrent_layers_in_both_layouts() {
    // 7 steps of 2 sequences, 4 gates of 5, both directions: 7·2·2·4·5·(3 + 5).
    let lstm = |layout: i64| {
        Graph::default()
            .input("x", F32, if layout == 0 { "7x2x3" } else { "2x7x3" })
            .weight("w", F32, "2x20x3")
            .weight("r", F32, "2x20x5")
            .node(
                node("LSTM", &["x", "w", "r"], &["y"])
                    .attr_int("hidden_size", 5)
                    .attr_text("direction", "bidirectional")
                    .attr_int("layout", layout),
            )
            .output("y")
    };
    check(&lstm(0), 14, &[7, 2, 2, 5], 4480.0);
    check(&lstm(1), 14, &[2, 7, 2, 5], 4480.0);
}

#[test]
fn attention_shares_heads_and_keeps_its_cache() {
    let graph = Graph::default()
        .input("q", F16, "1x8x1x64")
        .input("k", F16, "1x2x1x64")
        .input("v", F16, "1x2x1x64")
        .input("past_key", F16, "1x2x99x64")
        .input("past_value", F16, "1x2x99x64")
        .node(node(
            "Attention",
            &["q", "k", "v", "", "past_key", "past_value"],
            &["y", "present_key", "present_value"],
        ))
        .output("y")
        .output("present_key")
        .output("present_value")
        .clean(23);
    // One query of 8 heads against 100 keys: 8·100·(64 + 64).
    assert_eq!(graph.macs(), 102_400.0);
    assert_eq!(kinds(&graph), ["kv-append", "kv-append", "attention"]);
    let cache = tensor(&graph, "present_key");
    assert_eq!(
        (cache.role, &*cache.shape),
        (Role::KvCache, &[1, 2, 100, 64][..])
    );
    // The cache is what will be there: the past is a part of it, and only the new key is written.
    assert_eq!(
        graph.bytes_of(Role::KvCache).0,
        2.0 * 2.0 * 100.0 * 64.0 * 2.0
    );
    let append = graph.operators().find(|op| op.kind.name() == "kv-append");
    let append = append.expect("is there");
    assert_eq!(append.bytes_written(cache).0, 2.0 * 64.0 * 2.0);
}

#[test]
fn a_mask_made_from_places_is_causal() {
    // q + 3 >= k over 4 queries behind 3 past keys, as exporters write it.
    let graph = Graph::default()
        .input("q", F32, "1x2x4x8")
        .input("k", F32, "1x2x8x7")
        .input("v", F32, "1x2x7x8")
        .scalar("0", 0)
        .scalar("1", 1)
        .scalar("3", 3)
        .scalar("7", 7)
        .ints("column", &[-1, 1])
        .float("none", 0.0)
        .float("far", f32::MIN)
        .node(node("Range", &["0", "7", "1"], &["keys"]))
        .node(node("Range", &["3", "7", "1"], &["places"]))
        .node(node("Reshape", &["places", "column"], &["queries"]))
        .node(node("LessOrEqual", &["keys", "queries"], &["seen"]))
        .node(node("Where", &["seen", "none", "far"], &["mask"]))
        .node(node("MatMul", &["q", "k"], &["scores"]))
        .node(node("Add", &["scores", "mask"], &["masked"]))
        .node(node("Softmax", &["masked"], &["p"]).attr_int("axis", -1))
        .node(node("MatMul", &["p", "v"], &["y"]))
        .output("y")
        .clean(17);
    let OpKind::Attention(attention) = &the(&graph, "Attention").kind else {
        panic!("is no attention");
    };
    assert_eq!(attention.mask, Mask::Causal);
    // 4 + 5 + 6 + 7 of 28 pairs, 2 heads, 8 + 8.
    assert_eq!(graph.useful_macs(), 22.0 * 2.0 * 16.0);
    assert_eq!(graph.macs(), 28.0 * 2.0 * 16.0);
}

#[test]
fn rotary_embedding_is_one_operator() {
    let graph = Graph::default()
        .input("x", F32, "1x4x8x16")
        .input("cos", F32, "1x1x8x16")
        .input("sin", F32, "1x1x8x16")
        .ints("0", &[0])
        .ints("8", &[8])
        .ints("16", &[16])
        .ints("last", &[3])
        .node(node("Slice", &["x", "0", "8", "last"], &["x1"]))
        .node(node("Slice", &["x", "8", "16", "last"], &["x2"]))
        .node(node("Neg", &["x2"], &["minus"]))
        .node(node("Concat", &["minus", "x1"], &["turned"]).attr_int("axis", -1))
        .node(node("Mul", &["x", "cos"], &["a"]))
        .node(node("Mul", &["turned", "sin"], &["b"]))
        .node(node("Add", &["a", "b"], &["y"]))
        .output("y")
        .clean(17);
    assert_eq!(kinds(&graph), ["elementwise"]);
    let op = the(&graph, "RotaryEmbedding");
    let reads: f64 = op.inputs.iter().map(|id| graph.tensor(*id).bytes().0).sum();
    // x, cosines and sines once: (512 + 128 + 128)·4.
    assert_eq!(reads, 3072.0);
}

#[test]
fn dequantized_operands_multiply_as_integers() {
    let graph = Graph::default()
        .input("x", U8, "1x64")
        .float("s", 0.1)
        .weight("wq", I8, "64x32")
        .weight("ws", F32, "32")
        .node(node("DequantizeLinear", &["x", "s"], &["xf"]))
        .node(node("DequantizeLinear", &["wq", "ws"], &["wf"]).attr_int("axis", 1))
        .node(node("MatMul", &["xf", "wf"], &["y"]))
        .output("y")
        .clean(13);
    assert_eq!(
        the(&graph, "MatMul").kind.product_dtype(),
        Some(Dtype::Int8)
    );
    // 64·32 bytes, 32 scales of 4 bytes, and the one scale of the activations, which is a tensor of its own.
    assert_eq!(graph.weight_bytes().0, 2048.0 + 128.0 + 4.0);
    assert_eq!(graph.parameters(), 2049.0);
}

#[test]
fn weights_of_four_bits_multiply_at_the_activation_type() {
    for (elem, zero) in [(I4, ""), (U4, "wz")] {
        let graph = Graph::default()
            .input("x", F16, "1x128")
            .weight("wq", elem, "128x256")
            .weight("ws", F16, "4x256")
            .weight("wz", elem, "4x256")
            .node(
                node("DequantizeLinear", &["wq", "ws", zero], &["wf"])
                    .attr_int("axis", 0)
                    .attr_int("block_size", 32),
            )
            .node(node("MatMul", &["x", "wf"], &["y"]))
            .output("y")
            .clean(21);
        assert_eq!(
            the(&graph, "MatMul").kind.product_dtype(),
            Some(Dtype::Fp16)
        );
        // Half a byte each, a scale of two bytes per 32, and half a byte where there is a zero point.
        let zeros = if zero.is_empty() { 0.0 } else { 512.0 };
        assert_eq!(graph.weight_bytes().0, 16_384.0 + 2048.0 + zeros);
    }
}

#[test]
fn signals_patches_and_texts_have_shapes() {
    let graph = Graph::default()
        .input("x", F32, "2x1000x1")
        .scalar("step", 100)
        .scalar("frame", 200)
        .node(node("STFT", &["x", "step", "", "frame"], &["y"]))
        .output("y");
    // (1000 - 200)/100 + 1 frames of 200/2 + 1 bins.
    check(&graph, 17, &[2, 9, 101, 2], 0.0);
    let graph = Graph::default()
        .input("x", F32, "1x18x4")
        .ints("image", &[4, 4])
        .ints("block", &[3, 3])
        .node(node("Col2Im", &["x", "image", "block"], &["y"]))
        .output("y");
    check(&graph, 18, &[1, 2, 4, 4], 0.0);
    let graph = Graph::default()
        .input("x", TEXT, "5")
        .input("z", TEXT, "5")
        .node(node("StringConcat", &["x", "z"], &["y"]))
        .output("y");
    check(&graph, 20, &[5], 0.0);
    let graph = Graph::default()
        .input("x", F32, "3x10")
        .input("t", I64, "3")
        .node(node("SoftmaxCrossEntropyLoss", &["x", "t"], &["y"]))
        .output("y");
    check(&graph, 13, &[], 0.0);
    let graph = Graph::default()
        .input("x", BOOL, "3x10")
        .node(node("Cast", &["x"], &["y"]).attr_int("to", I32))
        .output("y");
    check(&graph, 13, &[3, 10], 0.0);
}

#[test]
fn linear_attention_is_a_scan_over_its_state() {
    let graph = Graph::default()
        .input("q", F32, "1x6x32")
        .input("k", F32, "1x6x32")
        .input("v", F32, "1x6x64")
        .input("past_state", F32, "1x2x16x32")
        .node(
            node(
                "LinearAttention",
                &["q", "k", "v", "past_state"],
                &["y", "present"],
            )
            .attr_int("q_num_heads", 2)
            .attr_int("kv_num_heads", 2)
            .attr_int("chunk_size", 1)
            .attr_text("update_rule", "linear"),
        )
        .output("y")
        .output("present")
        .clean(27);
    assert_eq!(kinds(&graph), ["scan"]);
    // Update and output, 2·(2·32)·16 a token, 6 tokens.
    assert_eq!(graph.macs(), 12_288.0);
    assert_eq!(tensor(&graph, "present").role, Role::State);
}

#[test]
fn the_exported_peak_is_that_of_a_walk_by_hand() {
    // x (400 B) → a (400) → b (400), c = a + b (400): at c, a, b and c live; x ends with a.
    let graph = Graph::default()
        .input("x", F32, "100")
        .ints("shape", &[10, 10])
        .node(node("Relu", &["x"], &["a"]))
        .node(node("Relu", &["a"], &["b"]))
        .node(node("Add", &["a", "b"], &["c"]))
        .node(node("Reshape", &["c", "shape"], &["y"]))
        .output("y")
        .clean(13);
    assert_eq!(graph.exported_peak().map(|b| b.0), Some(1200.0));
}
