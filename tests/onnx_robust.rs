//! Files made to exhaust memory, time or the range of numbers: read or refused, never more.

mod onnx_build;

use onnx_build::{BOOL, F32, Graph, I64, Message, node};
use wattline::import::onnx::{self, Mapping};
use wattline::workload::Binding;

#[track_caller]
fn refused(file: &[u8], why: &str) {
    let mapping = Mapping::default();
    let found = onnx::read("x", "x.onnx", file, mapping).map(|w| w.graph(&Binding::infer()));
    let text = match found {
        Ok(Ok(_)) => panic!("is read"),
        Ok(Err(problems)) | Err(problems) => problems.to_string(),
    };
    assert!(text.contains(why), "{text}");
}

#[test]
fn functions_that_double_are_cut_off() {
    // Each calls the next twice: 2^29 nodes in a few hundred bytes.
    let call =
        |from: &str, to: &str, op: usize| node(&format!("f{op}"), &[from], &[to]).text(7, "own");
    let mut file = Message(
        Graph::default()
            .input("x", F32, "1")
            .node(call("x", "y", 0))
            .output("y")
            .file(17),
    );
    for i in 0..30 {
        let head = Message::default()
            .text(1, &format!("f{i}"))
            .text(10, "own")
            .text(4, "a")
            .text(5, "b");
        let function = match i {
            29 => head.message(7, &node("Relu", &["a"], &["b"])),
            _ => head
                .message(7, &call("a", "t", i + 1))
                .message(7, &call("t", "b", i + 1)),
        };
        file = file.message(25, &function);
    }
    refused(&file.0, "more than 262144 nodes");
}

#[test]
fn a_function_that_calls_itself_is_named() {
    let call = node("f", &["x"], &["y"]).text(7, "own");
    let graph = Graph::default().input("x", F32, "1").node(call).output("y");
    let inner = node("f", &["a"], &["b"]).text(7, "own");
    let function = Message::default()
        .text(1, "f")
        .text(10, "own")
        .text(4, "a")
        .text(5, "b")
        .message(7, &inner);
    let file = Message(graph.file(17)).message(25, &function);
    refused(&file.0, "function `f` calls itself");
}

#[test]
fn bodies_within_bodies_end_somewhere() {
    let mut body = Graph::default()
        .node(node("Relu", &["x"], &["y"]))
        .output("y");
    for _ in 0..100 {
        let choose = node("If", &["c"], &["y"])
            .attr_graph("then_branch", &body)
            .attr_graph("else_branch", &Graph::default());
        body = Graph::default().node(choose).output("y");
    }
    let file = body.input("x", F32, "1").input("c", BOOL, "").file(17);
    refused(&file, "nested more than 32 deep");
}

#[test]
fn too_many_entries_are_refused() {
    let mut graph = Graph::default().input("x", F32, "1").file(17);
    // A graph of 300,000 empty nodes.
    let nodes = Message([0x0a, 0].repeat(300_000));
    graph = Message(graph).message(7, &nodes).0;
    refused(&graph, "one entry more than a graph may have");
}

#[test]
fn loops_within_loops_do_not_overflow() {
    let mut body = Graph::default()
        .input("i", I64, "")
        .input("go", BOOL, "")
        .input("v", F32, "8x8")
        .node(node("Identity", &["go"], &["on"]))
        .node(node("MatMul", &["v", "w"], &["next"]))
        .output("on")
        .output("next");
    for _ in 0..20 {
        let turns = node("Loop", &["n", "", "v"], &["next"]).attr_graph("body", &body);
        body = Graph::default()
            .input("i", I64, "")
            .input("go", BOOL, "")
            .input("v", F32, "8x8")
            .node(node("Identity", &["go"], &["on"]))
            .node(turns)
            .output("on")
            .output("next");
    }
    let turns = node("Loop", &["n", "", "x"], &["y"]).attr_graph("body", &body);
    let graph = Graph::default()
        .input("x", F32, "8x8")
        .weight("w", F32, "8x8")
        .scalar("n", 1 << 30)
        .node(turns)
        .output("y")
        .clean(17);
    assert!(graph.macs().is_finite() && graph.macs() > 0.0);
    assert!(graph.known_operators().0 > 0);
}

#[test]
fn sizes_beyond_all_memory_are_numbers_only() {
    let graph = Graph::default()
        .ints("size", &[1 << 25, 1 << 25])
        .input("x", F32, "1")
        .node(node("Expand", &["x", "size"], &["y"]))
        .output("y");
    let built = graph.clean(17);
    assert_eq!(onnx_build::tensor(&built, "y").shape, [1 << 25, 1 << 25]);
    let beyond = Graph::default()
        .ints("size", &[1 << 40, 1 << 40])
        .input("x", F32, "1")
        .node(node("Expand", &["x", "size"], &["y"]))
        .output("y");
    refused(&beyond.file(17), "too large");
}

#[test]
fn long_contents_are_dropped_not_multiplied() {
    // Twenty thousand sums of four thousand numbers each would be 640 MB if all were kept.
    let mut graph = Graph::default().input("x", F32, "1").ints("l", &[1; 4096]);
    for i in 0..20_000 {
        graph = graph.node(node("Add", &["l", "l"], &[&format!("a{i}")]));
    }
    graph.output("a0").clean(17);
}
