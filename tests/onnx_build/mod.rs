//! Writes ONNX files of hand-built graphs, field by field; numbers are those of `onnx-ml.proto`.
#![allow(
    dead_code,
    reason = "each test file that includes this uses a part of it"
)]

use wattline::diag::{Problem, Problems};
use wattline::import::onnx::{self, Mapping};
use wattline::workload::{Binding, OpGraph, OpKind, Operator, Tensor};

/// Element types.
pub const F32: i64 = 1;
pub const U8: i64 = 2;
pub const I8: i64 = 3;
pub const I32: i64 = 6;
pub const I64: i64 = 7;
pub const TEXT: i64 = 8;
pub const BOOL: i64 = 9;
pub const F16: i64 = 10;
pub const U4: i64 = 21;
pub const I4: i64 = 22;

fn varint(mut x: u64, out: &mut Vec<u8>) {
    while x >= 128 {
        out.push(x as u8 | 128);
        x >>= 7;
    }
    out.push(x as u8);
}

/// A message under construction.
#[derive(Clone, Default)]
pub struct Message(pub Vec<u8>);

impl Message {
    pub fn int(mut self, field: u64, x: i64) -> Self {
        varint(field << 3, &mut self.0);
        varint(x as u64, &mut self.0);
        self
    }

    pub fn bytes(mut self, field: u64, content: &[u8]) -> Self {
        varint(field << 3 | 2, &mut self.0);
        varint(content.len() as u64, &mut self.0);
        self.0.extend_from_slice(content);
        self
    }

    pub fn text(self, field: u64, text: &str) -> Self {
        self.bytes(field, text.as_bytes())
    }

    pub fn message(self, field: u64, inner: &Self) -> Self {
        self.bytes(field, &inner.0)
    }

    pub fn float(mut self, field: u64, x: f32) -> Self {
        varint(field << 3 | 5, &mut self.0);
        self.0.extend_from_slice(&x.to_le_bytes());
        self
    }
}

/// A node; attributes are added behind.
pub fn node(op: &str, inputs: &[&str], outputs: &[&str]) -> Message {
    let mut out = Message::default();
    for input in inputs {
        out = out.text(1, input);
    }
    for output in outputs {
        out = out.text(2, output);
    }
    out.text(4, op)
}

impl Message {
    pub fn named(self, name: &str) -> Self {
        self.text(3, name)
    }

    pub fn domain(self, domain: &str) -> Self {
        self.text(7, domain)
    }

    pub fn attr_int(self, name: &str, x: i64) -> Self {
        let attr = Self::default().text(1, name).int(3, x).int(20, 2);
        self.message(5, &attr)
    }

    pub fn attr_ints(self, name: &str, list: &[i64]) -> Self {
        let mut attr = Self::default().text(1, name);
        for x in list {
            attr = attr.int(8, *x);
        }
        self.message(5, &attr.int(20, 7))
    }

    pub fn attr_text(self, name: &str, text: &str) -> Self {
        let attr = Self::default().text(1, name).text(4, text).int(20, 3);
        self.message(5, &attr)
    }

    pub fn attr_graph(self, name: &str, graph: &Graph) -> Self {
        let attr = Self::default()
            .text(1, name)
            .message(6, &graph.0)
            .int(20, 5);
        self.message(5, &attr)
    }
}

/// A graph under construction.
#[derive(Clone, Default)]
pub struct Graph(Message);

fn info(name: &str, elem: i64, dims: &[&str]) -> Message {
    let mut shape = Message::default();
    for dim in dims {
        let size = match dim.parse::<i64>() {
            Ok(n) => Message::default().int(1, n),
            Err(_) => Message::default().text(2, dim),
        };
        shape = shape.message(1, &size);
    }
    let tensor = Message::default().int(1, elem).message(2, &shape);
    let kind = Message::default().message(1, &tensor);
    Message::default().text(1, name).message(2, &kind)
}

/// `"1x3x224x224"` or `"batch x 3"` to its parts; an empty text is a scalar.
fn parts(shape: &str) -> Vec<&str> {
    let each = shape.split('x').map(str::trim);
    each.filter(|p| !p.is_empty()).collect()
}

impl Graph {
    pub fn node(self, node: Message) -> Self {
        Self(self.0.message(1, &node))
    }

    pub fn input(self, name: &str, elem: i64, shape: &str) -> Self {
        Self(self.0.message(11, &info(name, elem, &parts(shape))))
    }

    /// An output without a shape.
    pub fn output(self, name: &str) -> Self {
        Self(self.0.message(12, &Message::default().text(1, name)))
    }

    /// A weight in a file that is not there.
    pub fn weight(self, name: &str, elem: i64, shape: &str) -> Self {
        let mut tensor = Message::default().text(8, name).int(2, elem).int(14, 1);
        for dim in parts(shape) {
            tensor = tensor.int(1, dim.parse().expect("sizes are numbers"));
        }
        Self(self.0.message(5, &tensor))
    }

    /// A list of integers.
    pub fn ints(self, name: &str, list: &[i64]) -> Self {
        let raw: Vec<u8> = list.iter().flat_map(|x| x.to_le_bytes()).collect();
        let tensor = Message::default()
            .text(8, name)
            .int(2, I64)
            .int(1, list.len() as i64)
            .bytes(9, &raw);
        Self(self.0.message(5, &tensor))
    }

    /// One number.
    pub fn scalar(self, name: &str, x: i64) -> Self {
        let tensor = Message::default()
            .text(8, name)
            .int(2, I64)
            .bytes(9, &x.to_le_bytes());
        Self(self.0.message(5, &tensor))
    }

    /// One floating-point number.
    pub fn float(self, name: &str, x: f32) -> Self {
        let tensor = Message::default()
            .text(8, name)
            .int(2, F32)
            .bytes(9, &x.to_le_bytes());
        Self(self.0.message(5, &tensor))
    }

    /// The file, at an operator set.
    pub fn file(&self, opset: i64) -> Vec<u8> {
        let own = Message::default().text(1, "").int(2, opset);
        let other = Message::default().text(1, "com.microsoft").int(2, 1);
        Message::default()
            .int(1, 10)
            .message(7, &self.0)
            .message(8, &own)
            .message(8, &other)
            .0
    }

    /// Read and bound without settings.
    pub fn read(&self, opset: i64) -> Result<(OpGraph, Vec<Problem>), Problems> {
        self.bound(opset, &Binding::infer())
    }

    pub fn bound(
        &self,
        opset: i64,
        binding: &Binding,
    ) -> Result<(OpGraph, Vec<Problem>), Problems> {
        let file = self.file(opset);
        onnx::read("built", "built.onnx", &file, Mapping::default())?.graph(binding)
    }

    /// The graph of a file that must read without warnings.
    #[track_caller]
    pub fn clean(&self, opset: i64) -> OpGraph {
        let (graph, warnings) = self.read(opset).expect("reads");
        assert_eq!(warnings, [], "no warnings");
        graph
    }
}

/// A tensor by its name.
#[track_caller]
pub fn tensor<'g>(graph: &'g OpGraph, name: &str) -> &'g Tensor {
    let found = graph.tensors().iter().find(|t| t.name == name);
    found.unwrap_or_else(|| panic!("no tensor `{name}`"))
}

/// The only operator of a source operator.
#[track_caller]
pub fn the<'g>(graph: &'g OpGraph, source: &str) -> &'g Operator {
    let mut all = graph.operators().filter(|op| op.source == source);
    let found = all.next().unwrap_or_else(|| panic!("no operator {source}"));
    assert!(all.next().is_none(), "more than one {source}");
    found
}

/// Kinds of all operators that do something, in order.
pub fn kinds(graph: &OpGraph) -> Vec<&'static str> {
    let all = graph
        .operators()
        .filter(|op| !matches!(op.kind, OpKind::Layout(wattline::workload::View::Free)));
    all.map(|op| op.kind.name()).collect()
}
