//! From protobuf messages to the resolved graph: scopes, local functions, order.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::elem::Elem;
use super::ir::{Attr, Body, Declared, Ix, Node, Size, Source};
use super::literal;
use super::ops;
use super::proto::attribute_proto::AttributeType;
use super::proto::tensor_shape_proto::dimension::Value as DimValue;
use super::proto::type_proto::Value as TypeValue;
use super::proto::{
    AttributeProto, FunctionProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto,
    ValueInfoProto,
};
use super::value::Fault;

/// Nodes after local functions are expanded; more is a file made to exhaust memory.
const MAX_NODES: usize = 1 << 20;
/// Functions within functions and bodies within bodies.
const MAX_DEPTH: usize = 32;

type Opsets = Arc<FxHashMap<String, i64>>;

/// Resolves a decoded file.
///
/// # Errors
/// One line that says which name or node is wrong.
pub(super) fn resolve(model: ModelProto) -> Result<Source, String> {
    let functions = model.functions.iter();
    let functions = functions
        .map(|f| ((text(&f.domain), text(&f.name)), f))
        .collect();
    let mut r = Resolver {
        functions,
        out: Source::default(),
        scopes: Vec::new(),
        captured: Vec::new(),
        n_nodes: 0,
        texts: FxHashMap::default(),
    };
    let producer = format!(
        "{} {}",
        text(&model.producer_name),
        text(&model.producer_version)
    );
    r.out.producer = producer.trim().to_owned();
    let graph = model.graph.as_ref().ok_or("it holds no graph")?;
    let sets = opsets(&model.opset_import);
    r.out.main = r.body(graph, &sets)?;
    Ok(r.out)
}

struct Resolver<'a> {
    functions: FxHashMap<(String, String), &'a FunctionProto>,
    out: Source,
    scopes: Vec<FxHashMap<String, Ix>>,
    /// Per open body, what it reads from outside.
    captured: Vec<FxHashSet<Ix>>,
    n_nodes: usize,
    texts: FxHashMap<String, Arc<str>>,
}

/// Attributes given to a local function.
type Given = FxHashMap<String, Attr>;

impl Resolver<'_> {
    fn body(&mut self, graph: &GraphProto, sets: &Opsets) -> Result<Body, String> {
        if self.scopes.len() > MAX_DEPTH {
            return Err(format!("bodies are nested more than {MAX_DEPTH} deep"));
        }
        self.scopes.push(FxHashMap::default());
        self.captured.push(FxHashSet::default());
        let constants = self.constants(graph)?;
        let mut inputs = Vec::new();
        for info in &graph.input {
            let ix = self.define(&text(&info.name));
            self.declare(ix, info);
            // Up to IR version 3 initializers are inputs as well.
            if !constants.contains(&ix) {
                inputs.push(ix);
            }
        }
        self.define_outputs(&graph.node);
        let mut nodes = Vec::new();
        self.nodes(&graph.node, sets, None, &mut nodes)?;
        for info in graph.value_info.iter().chain(&graph.output) {
            if let Some(ix) = self.find(&text(&info.name)) {
                self.declare(ix, info);
            }
        }
        let mut outputs = Vec::new();
        for info in &graph.output {
            let name = text(&info.name);
            let ix = self
                .find(&name)
                .ok_or_else(|| format!("output `{name}` is made by no node"))?;
            outputs.push(ix);
        }
        self.scopes.pop();
        let inner = self.captured.pop().unwrap_or_default();
        if let Some(outer) = self.captured.last_mut() {
            outer.extend(inner);
        }
        let nodes = sort(nodes)?;
        Ok(Body {
            nodes,
            inputs,
            outputs,
        })
    }

    fn constants(&mut self, graph: &GraphProto) -> Result<FxHashSet<Ix>, String> {
        let mut all = FxHashSet::default();
        for t in &graph.initializer {
            let name = text(&t.name);
            let value =
                literal::tensor(t).map_err(|f| format!("initializer `{name}`: {}", plain(f)))?;
            let ix = self.define(&name);
            self.out.constants.push((ix, value));
            all.insert(ix);
        }
        for t in &graph.sparse_initializer {
            let Some(values) = &t.values else { continue };
            let name = text(&values.name);
            let mut value = literal::tensor(values)
                .map_err(|f| format!("initializer `{name}`: {}", plain(f)))?;
            value = super::value::Value::new(t.dims.iter().copied().collect(), value.elem)
                .map_err(|f| format!("initializer `{name}`: {}", plain(f)))?;
            let ix = self.define(&name);
            self.out.constants.push((ix, value));
            all.insert(ix);
        }
        Ok(all)
    }

    fn define_outputs(&mut self, nodes: &[NodeProto]) {
        for node in nodes {
            for name in node.output.iter().filter(|n| !n.is_empty()) {
                self.define(name);
            }
        }
    }

    fn define(&mut self, name: &str) -> Ix {
        let next = self.out.names.len() as Ix;
        let scope = self
            .scopes
            .last_mut()
            .expect("a body is open while names are defined");
        if let Some(&ix) = scope.get(name) {
            return ix;
        }
        scope.insert(name.to_owned(), next);
        self.out.names.push(name.to_owned());
        next
    }

    fn find(&mut self, name: &str) -> Option<Ix> {
        let depth = self.scopes.len();
        for (level, scope) in self.scopes.iter().enumerate().rev() {
            if let Some(&ix) = scope.get(name) {
                if level + 1 < depth
                    && let Some(captured) = self.captured.last_mut()
                {
                    captured.insert(ix);
                }
                return Some(ix);
            }
        }
        None
    }

    fn declare(&mut self, ix: Ix, info: &ValueInfoProto) {
        let Some(TypeValue::TensorType(t)) = info.r#type.as_ref().and_then(|t| t.value.as_ref())
        else {
            return;
        };
        let Some(elem) = Elem::of(t.elem_type.unwrap_or(0)) else {
            return;
        };
        let sizes = t.shape.as_ref().map(|shape| {
            let each = shape.dim.iter().map(|d| match &d.value {
                Some(DimValue::DimValue(n)) if *n > 0 => Size::Fixed(*n),
                Some(DimValue::DimParam(name)) if !name.is_empty() => Size::Named(name.clone()),
                Some(DimValue::DimValue(_) | DimValue::DimParam(_)) | None => Size::Unknown,
            });
            each.collect()
        });
        self.out
            .declared
            .entry(ix)
            .or_insert(Declared { elem, sizes });
    }

    fn nodes(
        &mut self,
        protos: &[NodeProto],
        sets: &Opsets,
        given: Option<&Given>,
        out: &mut Vec<Node>,
    ) -> Result<(), String> {
        for proto in protos {
            self.n_nodes += 1;
            if self.n_nodes > MAX_NODES {
                return Err(format!("it has more than {MAX_NODES} nodes"));
            }
            let mut domain = text(&proto.domain);
            if domain == "ai.onnx" {
                domain.clear();
            }
            let key = (domain, text(&proto.op_type));
            if let Some(&function) = self.functions.get(&key) {
                self.inline(function, proto, sets, given, out)?;
            } else {
                let node = self.node(proto, key, sets, given, out.len())?;
                out.push(node);
            }
        }
        Ok(())
    }

    fn node(
        &mut self,
        proto: &NodeProto,
        (domain, op): (String, String),
        sets: &Opsets,
        given: Option<&Given>,
        place: usize,
    ) -> Result<Node, String> {
        let name = match text(&proto.name) {
            n if n.is_empty() => format!("{op}_{place}"),
            n => n,
        };
        let mut ins = smallvec::SmallVec::new();
        for input in &proto.input {
            ins.push(match input.as_str() {
                "" => None,
                n => Some(self.find(n).ok_or_else(|| {
                    format!("node `{name}` ({op}) reads `{n}`, which nothing makes")
                })?),
            });
        }
        let outs = proto.output.iter().map(|n| {
            if n.is_empty() {
                None
            } else {
                Some(self.define(n))
            }
        });
        let outs = outs.collect();
        let mut attrs = Vec::new();
        let mut captures = Vec::new();
        for a in &proto.attribute {
            attrs.push((
                text(&a.name),
                self.attribute(a, sets, given, &mut captures)?,
            ));
        }
        Ok(Node {
            block: super::block::of(proto, &name),
            opset: sets.get(&domain).copied().unwrap_or(1),
            rule: ops::rule(&domain, &op),
            domain: self.shared(domain),
            op: self.shared(op),
            name,
            ins,
            outs,
            attrs,
            captures,
        })
    }

    fn shared(&mut self, text: String) -> Arc<str> {
        self.texts
            .entry(text)
            .or_insert_with_key(|t| t.as_str().into())
            .clone()
    }

    fn attribute(
        &mut self,
        a: &AttributeProto,
        sets: &Opsets,
        given: Option<&Given>,
        captures: &mut Vec<Ix>,
    ) -> Result<Attr, String> {
        if let Some(outer) = a.ref_attr_name.as_deref().filter(|n| !n.is_empty()) {
            return Ok(given
                .and_then(|g| g.get(outer))
                .cloned()
                .unwrap_or(Attr::Other));
        }
        let kind = AttributeType::try_from(a.r#type.unwrap_or(0)).unwrap_or_else(|_| guess(a));
        let kind = if kind == AttributeType::Undefined {
            guess(a)
        } else {
            kind
        };
        Ok(match kind {
            AttributeType::Int => Attr::Int(a.i.unwrap_or(0)),
            AttributeType::Float => Attr::Float(a.f.unwrap_or(0.0).into()),
            AttributeType::String => {
                Attr::Text(String::from_utf8_lossy(a.s.as_deref().unwrap_or_default()).into_owned())
            }
            AttributeType::Ints => Attr::Ints(a.ints.clone()),
            AttributeType::Floats => Attr::Floats(a.floats.iter().map(|x| f64::from(*x)).collect()),
            AttributeType::Tensor => {
                let t =
                    a.t.as_ref()
                        .ok_or_else(|| format!("attribute `{}` holds no tensor", text(&a.name)))?;
                Attr::Tensor(literal::tensor(t).map_err(plain)?)
            }
            AttributeType::Graph => {
                let g =
                    a.g.as_ref()
                        .ok_or_else(|| format!("attribute `{}` holds no graph", text(&a.name)))?;
                self.captured.push(FxHashSet::default());
                let body = self.body(g, sets)?;
                let inner = self.captured.pop().unwrap_or_default();
                captures.extend(inner.iter().copied());
                captures.sort_unstable();
                if let Some(outer) = self.captured.last_mut() {
                    outer.extend(inner);
                }
                Attr::Graph(Arc::new(body))
            }
            AttributeType::Undefined
            | AttributeType::SparseTensor
            | AttributeType::TypeProto
            | AttributeType::Strings
            | AttributeType::Tensors
            | AttributeType::Graphs
            | AttributeType::SparseTensors
            | AttributeType::TypeProtos => Attr::Other,
        })
    }

    /// Puts a local function's nodes in the place of its call.
    fn inline(
        &mut self,
        function: &FunctionProto,
        call: &NodeProto,
        sets: &Opsets,
        given: Option<&Given>,
        out: &mut Vec<Node>,
    ) -> Result<(), String> {
        if self.scopes.len() > MAX_DEPTH {
            return Err(format!("function `{}` calls itself", text(&function.name)));
        }
        let mut attrs = Given::default();
        let mut captures = Vec::new();
        for a in function.attribute_proto.iter().chain(&call.attribute) {
            let value = self.attribute(a, sets, given, &mut captures)?;
            attrs.insert(text(&a.name), value);
        }
        let mut scope = FxHashMap::default();
        for (name, actual) in function.input.iter().zip(&call.input) {
            if !actual.is_empty() {
                let ix = self.find(actual).ok_or_else(|| {
                    format!(
                        "a call of `{}` reads `{actual}`, which nothing makes",
                        text(&function.name)
                    )
                })?;
                scope.insert(name.clone(), ix);
            }
        }
        for (name, actual) in function.output.iter().zip(&call.output) {
            if !actual.is_empty() {
                let ix = self.define(actual);
                scope.insert(name.clone(), ix);
            }
        }
        // Inputs that the call leaves out become names without a value, read as left out.
        let mut nodes = function.node.clone();
        let missing: FxHashSet<&String> = function
            .input
            .iter()
            .filter(|n| !scope.contains_key(*n))
            .collect();
        for input in nodes.iter_mut().flat_map(|n| n.input.iter_mut()) {
            if missing.contains(input) {
                input.clear();
            }
        }
        self.scopes.push(scope);
        self.define_outputs(&nodes);
        let own = opsets(&function.opset_import);
        let own = if own.is_empty() { sets.clone() } else { own };
        let start = out.len();
        self.nodes(&nodes, &own, Some(&attrs), out)?;
        self.scopes.pop();
        let at = text(&call.name);
        for node in out[start..].iter_mut().filter(|_| !at.is_empty()) {
            node.name = format!("{at}/{}", node.name);
        }
        Ok(())
    }
}

fn guess(a: &AttributeProto) -> AttributeType {
    // Files of IR version 1 do not say the kind.
    if a.t.is_some() {
        AttributeType::Tensor
    } else if a.g.is_some() {
        AttributeType::Graph
    } else if a.s.is_some() {
        AttributeType::String
    } else if a.i.is_some() {
        AttributeType::Int
    } else if a.f.is_some() {
        AttributeType::Float
    } else if !a.floats.is_empty() {
        AttributeType::Floats
    } else {
        AttributeType::Ints
    }
}

fn opsets(imports: &[OperatorSetIdProto]) -> Opsets {
    let each = imports.iter().map(|o| {
        let domain = text(&o.domain);
        let domain = if domain == "ai.onnx" {
            String::new()
        } else {
            domain
        };
        (domain, o.version.unwrap_or(1))
    });
    Arc::new(each.collect())
}

fn text(t: &Option<String>) -> String {
    t.clone().unwrap_or_default()
}

fn plain(fault: Fault) -> String {
    match fault {
        Fault::Open(t) | Fault::Wrong(t) => t,
    }
}

/// Nodes in an order in which each one's inputs exist; the file's own order where it is one.
fn sort(nodes: Vec<Node>) -> Result<Vec<Node>, String> {
    let mut maker: FxHashMap<Ix, usize> = FxHashMap::default();
    for (i, node) in nodes.iter().enumerate() {
        for out in node.outs.iter().flatten() {
            maker.entry(*out).or_insert(i);
        }
    }
    let reads = |node: &Node| -> Vec<Ix> {
        node.ins
            .iter()
            .flatten()
            .chain(&node.captures)
            .copied()
            .collect()
    };
    let in_order = nodes.iter().enumerate().all(|(i, node)| {
        let mut all = node.ins.iter().flatten().chain(&node.captures);
        all.all(|ix| maker.get(ix).is_none_or(|m| *m < i))
    });
    if in_order {
        return Ok(nodes);
    }
    let mut waits = vec![0usize; nodes.len()];
    let mut readers: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
    for (i, node) in nodes.iter().enumerate() {
        for from in reads(node).iter().filter_map(|ix| maker.get(ix)) {
            waits[i] += 1;
            readers[*from].push(i);
        }
    }
    let mut ready: std::collections::BTreeSet<usize> =
        (0..nodes.len()).filter(|i| waits[*i] == 0).collect();
    let mut order = Vec::with_capacity(nodes.len());
    while let Some(i) = ready.pop_first() {
        order.push(i);
        for &next in &readers[i] {
            waits[next] -= 1;
            if waits[next] == 0 {
                ready.insert(next);
            }
        }
    }
    if let Some(stuck) = waits.iter().position(|w| *w > 0) {
        return Err(format!(
            "node `{}` depends on its own output",
            nodes[stuck].name
        ));
    }
    let mut slots: Vec<Option<Node>> = nodes.into_iter().map(Some).collect();
    Ok(order.into_iter().filter_map(|i| slots[i].take()).collect())
}
