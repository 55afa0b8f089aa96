//! Branches, loops, functions, shapes that depend on data, and operators that the user describes.

mod onnx_build;

use onnx_build::{BOOL, F32, Graph, I64, Message, node, tensor, the};
use wattline::import::onnx::{self, Like, Mapped, Mapping};
use wattline::workload::{Binding, OpKind};

fn product(w: &str, out: &str) -> Message {
    node("MatMul", &["x", w], &[out])
}

#[test]
fn the_costlier_branch_is_taken_and_said() {
    let small = Graph::default().node(product("small", "a")).output("a");
    let large = Graph::default()
        .node(product("large", "m"))
        .node(node("MatMul", &["m", "back"], &["b"]))
        .output("b");
    let choose = node("If", &["test"], &["y"])
        .named("choice")
        .attr_graph("then_branch", &small)
        .attr_graph("else_branch", &large);
    let (graph, warnings) = Graph::default()
        .input("x", F32, "4x8")
        .input("test", BOOL, "")
        .weight("small", F32, "8x8")
        .weight("large", F32, "8x64")
        .weight("back", F32, "64x8")
        .node(choose)
        .output("y")
        .read(17)
        .expect("reads");
    // 4·8·64 twice, not 4·8·8.
    assert_eq!(graph.macs(), 4096.0);
    assert_eq!(warnings.len(), 1);
    assert!(
        warnings[0].message.contains("`choice` (If)"),
        "{}",
        warnings[0]
    );
    assert!(
        warnings[0].message.contains("else branch"),
        "{}",
        warnings[0]
    );
}

fn repeated(trips: &str) -> Graph {
    let body = Graph::default()
        .input("i", I64, "")
        .input("go", BOOL, "")
        .input("state", F32, "4x8")
        .node(node("MatMul", &["state", "w"], &["next"]))
        .node(node("Identity", &["go"], &["on"]))
        .output("on")
        .output("next")
        .output("next");
    let turns = node("Loop", &[trips, "", "x"], &["last", "y"])
        .named("turns")
        .attr_graph("body", &body);
    Graph::default()
        .input("x", F32, "4x8")
        .input("n", I64, "")
        .scalar("five", 5)
        .weight("w", F32, "8x8")
        .node(turns)
        .output("last")
        .output("y")
}

#[test]
fn a_loop_counts_its_turns() {
    let graph = repeated("five").clean(17);
    assert_eq!(graph.macs(), 5.0 * 256.0);
    assert_eq!(tensor(&graph, "y").shape, [5, 4, 8]);
    let (graph, warnings) = repeated("n").read(17).expect("reads");
    assert_eq!(graph.macs(), 256.0);
    assert!(
        warnings[0].to_string().contains("--dim turns:trips=10"),
        "{}",
        warnings[0]
    );
    let mut binding = Binding::infer();
    binding.dims.insert("turns:trips".to_owned(), 7);
    let (graph, warnings) = repeated("n").bound(17, &binding).expect("reads");
    assert_eq!((graph.macs(), warnings.len()), (7.0 * 256.0, 0));
    binding.dims.insert("other:trips".to_owned(), 7);
    let problems = repeated("n").bound(17, &binding).expect_err("is refused");
    assert!(
        problems.to_string().contains("no Loop `other`"),
        "{problems}"
    );
}

#[test]
fn a_scan_walks_its_axis() {
    let body = Graph::default()
        .input("state", F32, "8")
        .input("row", F32, "8")
        .node(node("Add", &["state", "row"], &["sum"]))
        .node(node("MatMul", &["sum", "w"], &["next"]))
        .output("next")
        .output("next");
    let scan = node("Scan", &["start", "x"], &["last", "y"])
        .attr_int("num_scan_inputs", 1)
        .attr_graph("body", &body);
    let graph = Graph::default()
        .input("start", F32, "8")
        .input("x", F32, "6x8")
        .weight("w", F32, "8x8")
        .node(scan)
        .output("last")
        .output("y")
        .clean(17);
    assert_eq!(graph.macs(), 6.0 * 64.0);
    assert_eq!(tensor(&graph, "y").shape, [6, 8]);
}

#[test]
fn shapes_that_depend_on_data_are_bounded_and_bound() {
    let graph = Graph::default()
        .input("x", F32, "3x4")
        .ints("last", &[-1])
        .node(node("NonZero", &["x"], &["places"]).named("find"))
        .node(node("Reshape", &["places", "last"], &["y"]))
        .output("y");
    let (built, warnings) = graph.read(17).expect("reads");
    assert_eq!(tensor(&built, "y").shape, [24]);
    let text = warnings[0].to_string();
    assert!(
        text.starts_with("W0303") && text.contains("`places` 2x12 (NonZero"),
        "{text}"
    );
    for name in ["places", "find:out"] {
        let mut binding = Binding::infer();
        binding.shapes.insert(name.to_owned(), vec![2, 5]);
        let (built, warnings) = graph.bound(17, &binding).expect("reads");
        assert_eq!(
            (&*tensor(&built, "y").shape, warnings.len()),
            (&[10][..], 0)
        );
    }
    let boxes = Graph::default()
        .input("boxes", F32, "2x100x4")
        .input("scores", F32, "2x5x100")
        .scalar("most", 20)
        .node(node(
            "NonMaxSuppression",
            &["boxes", "scores", "most"],
            &["y"],
        ))
        .output("y");
    let (built, _) = boxes.read(17).expect("reads");
    assert_eq!(tensor(&built, "y").shape, [200, 3]);
}

#[test]
fn what_has_no_bound_says_how_to_pin_it() {
    let graph = Graph::default()
        .input("x", F32, "3x4")
        .input("to", I64, "2")
        .node(node("Reshape", &["x", "to"], &["z"]).named("/m/Reshape_7"))
        .node(node("Relu", &["z"], &["y"]))
        .output("y");
    let text = graph.read(17).expect_err("is open").to_string();
    assert!(
        text.starts_with("E0304 cannot infer the shape of `/m/Reshape_7`"),
        "{text}"
    );
    assert!(text.contains("--dim /m/Reshape_7:out="), "{text}");
    assert!(text.contains("1 node depends on it"), "{text}");
}

fn foreign() -> Vec<u8> {
    Graph::default()
        .input("q", F32, "1x16x64")
        .input("k", F32, "1x16x64")
        .input("v", F32, "1x16x64")
        .node(
            node("FusedAttn", &["q", "k", "v"], &["y"])
                .named("/layers.3/attn")
                .domain("acme"),
        )
        .output("y")
        .file(17)
}

#[test]
fn an_unknown_operator_names_the_ways_out() {
    let model = onnx::read("m", "m.onnx", &foreign(), Mapping::default()).expect("reads");
    let text = model
        .graph(&Binding::infer())
        .expect_err("is unknown")
        .to_string();
    assert!(
        text.starts_with("E0302 operator `acme::FusedAttn` (`/layers.3/attn`, 1 of 1 nodes)"),
        "{text}"
    );
    assert!(
        text.contains("[ops.\"acme::FusedAttn\"] like = \"attention\""),
        "{text}"
    );
    assert!(text.contains("--unknown=bytes-only"), "{text}");
    let mut binding = Binding::infer();
    binding.unknown_as_bytes = true;
    let (graph, _) = model.graph(&binding).expect("counts its bytes");
    assert_eq!(graph.known_operators(), (0, 1));
}

#[test]
fn a_description_makes_it_known() {
    let mapped = |mapped: Mapped| {
        let mapping = Mapping([("acme::FusedAttn".to_owned(), mapped)].into());
        let model = onnx::read("m", "m.onnx", &foreign(), mapping).expect("reads");
        model.graph(&Binding::infer()).expect("binds")
    };
    let (graph, warnings) = mapped(Mapped {
        like: Some(Like::Attention),
        heads: Some(4),
        ..Mapped::default()
    });
    // 4 heads of 16·16 pairs and 16 + 16.
    assert_eq!((graph.macs(), warnings.len()), (32_768.0, 0));
    assert!(matches!(
        the(&graph, "acme::FusedAttn").kind,
        OpKind::Attention(_)
    ));
    let formula = |text: &str| wattline::expr::Expr::parse(text).expect("parses");
    let (graph, _) = mapped(Mapped {
        macs: Some(formula("2 * in0_1 * in1_1 * in0_2")),
        vector_ops: Some(formula("5 * in0_1 * in1_1")),
        out: vec![vec![
            formula("in0_0"),
            formula("in0_1"),
            formula("in2_2 / 2"),
        ]],
        ..Mapped::default()
    });
    assert_eq!(graph.macs(), 32_768.0);
    assert_eq!(tensor(&graph, "y").shape, [1, 16, 32]);
    let ops: f64 = graph
        .operators()
        .filter_map(|op| match &op.kind {
            OpKind::Elementwise(w) => Some(w.elements * w.ops),
            _ => None,
        })
        .sum();
    assert_eq!(ops, 1280.0);
}

#[test]
fn a_description_of_nothing_is_said() {
    let file = Graph::default()
        .input("x", F32, "4")
        .node(node("Relu", &["x"], &["y"]))
        .output("y")
        .file(17);
    let mapped = Mapped {
        like: Some(Like::Copy),
        ..Mapped::default()
    };
    let mapping = Mapping([("acme::Gone".to_owned(), mapped)].into());
    let model = onnx::read("m", "m.onnx", &file, mapping).expect("reads");
    let (_, warnings) = model.graph(&Binding::infer()).expect("binds");
    assert!(
        warnings[0].to_string().starts_with("W0301"),
        "{}",
        warnings[0]
    );
}

#[test]
fn functions_and_nodes_out_of_order_are_followed() {
    // y = twice(x)·w, the call behind its reader; the function leaves its second input out.
    let body = |m: Message| m.message(7, &node("Add", &["a", "a"], &["b"]));
    let function = body(Message::default().text(1, "twice"))
        .text(4, "a")
        .text(4, "left_out")
        .text(5, "b")
        .text(10, "own")
        .message(9, &Message::default().text(1, "").int(2, 17));
    let graph = Graph::default()
        .input("x", F32, "2x8")
        .weight("w", F32, "8x4")
        .node(node("MatMul", &["z", "w"], &["y"]))
        .node(node("twice", &["x"], &["z"]).domain("own"))
        .output("y");
    let file = Message(graph.file(17)).message(25, &function).0;
    let model = onnx::read("m", "m.onnx", &file, Mapping::default()).expect("reads");
    let (graph, _) = model.graph(&Binding::infer()).expect("binds");
    assert_eq!(graph.macs(), 64.0);
    let names: Vec<&str> = graph.operators().map(|op| op.source.as_str()).collect();
    assert_eq!(names, ["Add", "MatMul"]);
}
