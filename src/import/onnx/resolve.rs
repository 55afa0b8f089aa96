//! From the messages of a file to the resolved graph: scopes, local functions, order.

use std::collections::hash_map::Entry;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};
use smallvec::SmallVec;

use super::block;
use super::elem::Elem;
use super::ir::{Attr, Body, Declared, Flow, Ix, Names, Node, Op, Size, Source};
use super::literal;
use super::ops;
use super::order::sort;
use super::proto::{
    AttrMsg, AttrValue, DimMsg, FunctionMsg, GraphMsg, InfoMsg, MAX_DEPTH, MAX_NODES, ModelMsg,
    NodeMsg, Nodes,
};
use super::value::{Dims, Fault, Value};

/// Domain and version of operator sets.
type Opsets<'a> = [(&'a str, i64)];
/// Attributes given to a local function.
type Given = FxHashMap<Arc<str>, Attr>;
/// Name of a function: domain, operator, overload.
type Called<'a> = (&'a str, &'a str, &'a str);

/// Names of a body or function.
struct Scope<'a> {
    /// `None` for inputs of a function that its call leaves out.
    names: FxHashMap<&'a str, Option<Ix>>,
    nodes: Nodes<'a>,
    /// Outputs of all its nodes are defined.
    is_complete: bool,
}

impl<'a> Scope<'a> {
    fn of(nodes: Nodes<'a>) -> Self {
        Self {
            names: FxHashMap::default(),
            nodes,
            is_complete: false,
        }
    }

    fn define(&mut self, name: &'a str, names: &mut Names) -> Ix {
        *self
            .names
            .entry(name)
            .or_insert(None)
            .get_or_insert_with(|| names.push(name))
    }
}

/// Resolves a decoded file.
///
/// # Errors
/// One line that says which name or node is wrong.
pub(super) fn resolve<'m, 'a>(model: &'m ModelMsg<'a>) -> Result<Source, String> {
    let graph = model.graph.as_ref().ok_or("it holds no graph")?;
    let functions = model.functions.iter();
    let functions = functions.map(|f| ((unaliased(f.domain), f.name, f.overload), f));
    let mut r = Resolver {
        functions: functions.collect(),
        out: Source::default(),
        scopes: Vec::new(),
        captured: Vec::new(),
        n_nodes: 0,
        n_calls: 0,
        budget: model.budget,
        texts: FxHashMap::default(),
        ops: FxHashMap::default(),
        blocks: FxHashMap::default(),
    };
    r.out.reserve(graph);
    r.out.producer = format!("{} {}", model.producer, model.version)
        .trim()
        .to_owned();
    r.out.main = r.body(graph, &model.opsets)?;
    Ok(r.out)
}

/// What a message says of a tensor; `None` for an element type that is not known.
pub(super) fn declared(info: &InfoMsg) -> Option<Declared> {
    let elem = Elem::of(info.kind.elem)?;
    // Nothing runs on no samples: a first size of 0 is one that was left open.
    let rank = info.kind.dims.as_ref().map_or(0, |d| d.len());
    let size = |(i, dim): (usize, &DimMsg)| match dim {
        DimMsg::Fixed(n) if *n > 0 || (*n == 0 && (i > 0 || rank == 1)) => Size::Fixed(*n),
        DimMsg::Named(name) if !name.is_empty() => Size::Named((*name).into()),
        DimMsg::Fixed(_) | DimMsg::Named(_) | DimMsg::Open => Size::Unknown,
    };
    let dims = info.kind.dims.as_ref();
    Some(Declared {
        elem,
        sizes: dims.map(|dims| dims.iter().enumerate().map(size).collect()),
        is_list: info.kind.is_list,
    })
}

fn shared<'a>(texts: &mut FxHashMap<&'a str, Arc<str>>, text: &'a str) -> Arc<str> {
    texts.entry(text).or_insert_with(|| text.into()).clone()
}

impl Source {
    fn reserve(&mut self, graph: &GraphMsg) {
        let n_nodes = graph.nodes.len.min(MAX_NODES);
        self.names.reserve(n_nodes + graph.initializers.len());
        self.labels.reserve(n_nodes);
        self.constants
            .reserve(n_nodes / 2 + graph.initializers.len());
        self.declared
            .reserve(graph.inputs.len() + graph.outputs.len());
    }
}

fn unaliased(domain: &str) -> &str {
    if domain == "ai.onnx" { "" } else { domain }
}

struct Resolver<'m, 'a> {
    functions: FxHashMap<Called<'a>, &'m FunctionMsg<'a>>,
    out: Source,
    scopes: Vec<Scope<'a>>,
    /// Per open body, what it reads from outside.
    captured: Vec<FxHashSet<Ix>>,
    n_nodes: usize,
    n_calls: usize,
    /// Attributes that the nodes of one body may have.
    budget: usize,
    texts: FxHashMap<&'a str, Arc<str>>,
    ops: FxHashMap<(&'a str, &'a str, i64), Arc<Op>>,
    blocks: FxHashMap<(&'a str, &'a str), u32>,
}

impl<'m, 'a> Resolver<'m, 'a> {
    fn body(&mut self, graph: &GraphMsg<'a>, sets: &Opsets<'a>) -> Result<Body, String> {
        if self.scopes.len() > MAX_DEPTH {
            return Err(format!("bodies are nested more than {MAX_DEPTH} deep"));
        }
        let is_main = self.scopes.is_empty();
        let mut scope = Scope::of(graph.nodes);
        scope
            .names
            .reserve(graph.nodes.len + graph.initializers.len());
        self.scopes.push(scope);
        self.captured.push(FxHashSet::default());
        // A body that a function repeats at each call counts with all that it holds.
        let entries = graph.initializers.len() + graph.n_infos + graph.inputs.len();
        self.n_nodes += entries / 8;
        let constants = self.constants(graph)?;
        let mut inputs = Vec::new();
        for info in &graph.inputs {
            let ix = self.define(info.name);
            self.declare(ix, info);
            // Up to IR version 3 initializers are inputs as well.
            if !constants.contains(&ix) {
                inputs.push(ix);
            }
        }
        let mut nodes = Vec::with_capacity(graph.nodes.len.min(MAX_NODES));
        self.nodes(graph.nodes, sets, None, &mut nodes)?;
        if is_main {
            self.out.infos = graph.raw_infos().map_err(|d| d.to_string())?;
        } else {
            for info in graph.infos() {
                let info = info.map_err(|d| d.to_string())?;
                if let Some(Some(ix)) = self.find(info.name) {
                    self.declare(ix, &info);
                }
            }
        }
        let mut outputs = Vec::new();
        for info in &graph.outputs {
            let name = info.name;
            let found = self.find(name).flatten();
            let ix = found.ok_or_else(|| format!("output `{name}` is made by no node"))?;
            self.declare(ix, info);
            outputs.push(ix);
        }
        self.scopes.pop();
        let inner = self.captured.pop().unwrap_or_default();
        if let Some(outer) = self.captured.last_mut() {
            outer.extend(inner);
        }
        let out = &self.out;
        let (nodes, places) = sort(nodes, |node| out.label(node).to_owned())?;
        Ok(Body {
            nodes,
            places,
            inputs,
            outputs,
        })
    }

    fn constants(&mut self, graph: &GraphMsg<'a>) -> Result<FxHashSet<Ix>, String> {
        let mut all = FxHashSet::default();
        let bad = |name: &str, f: Fault| format!("initializer `{name}`: {}", plain(f));
        for t in &graph.initializers {
            let value = literal::tensor(t).map_err(|f| bad(t.name, f))?;
            let ix = self.define(t.name);
            self.out.constants.push((ix, value));
            all.insert(ix);
        }
        for (t, dims) in &graph.sparse {
            let values = literal::tensor(t).map_err(|f| bad(t.name, f))?;
            let value = Value::new(Dims::from_slice(dims), values.elem);
            let ix = self.define(t.name);
            self.out
                .constants
                .push((ix, value.map_err(|f| bad(t.name, f))?));
            all.insert(ix);
        }
        Ok(all)
    }

    fn define(&mut self, name: &'a str) -> Ix {
        let scope = self
            .scopes
            .last_mut()
            .expect("a body is open while names are defined");
        scope.define(name, &mut self.out.names)
    }

    /// A name seen from the innermost body; `Some(None)` if it stands for an input left out.
    fn find(&mut self, name: &str) -> Option<Option<Ix>> {
        let found = self.lookup(name);
        if found.is_some() {
            return found;
        }
        // Nodes out of order: all that the open bodies make is defined at once.
        let mut is_new = false;
        for scope in self.scopes.iter_mut().filter(|s| !s.is_complete) {
            scope.is_complete = true;
            is_new = true;
            for name in scope.nodes.outputs().filter(|n| !n.is_empty()) {
                scope.define(name, &mut self.out.names);
            }
        }
        if is_new { self.lookup(name) } else { None }
    }

    fn lookup(&mut self, name: &str) -> Option<Option<Ix>> {
        let depth = self.scopes.len();
        for (level, scope) in self.scopes.iter().enumerate().rev() {
            if let Some(&found) = scope.names.get(name) {
                if level + 1 < depth
                    && let (Some(ix), Some(captured)) = (found, self.captured.last_mut())
                {
                    captured.insert(ix);
                }
                return Some(found);
            }
        }
        None
    }

    fn declare(&mut self, ix: Ix, info: &InfoMsg) {
        if let Entry::Vacant(slot) = self.out.declared.entry(ix)
            && let Some(declared) = declared(info)
        {
            slot.insert(declared);
        }
    }

    fn nodes(
        &mut self,
        messages: Nodes<'a>,
        sets: &Opsets<'a>,
        given: Option<&Given>,
        out: &mut Vec<Node>,
    ) -> Result<(), String> {
        let mut budget = self.budget;
        for message in messages.read(&mut budget) {
            let message = &message.map_err(|d| d.to_string())?;
            self.n_nodes += 1;
            if self.n_nodes > MAX_NODES {
                return Err(format!("it has more than {MAX_NODES} nodes"));
            }
            let called = (message.domain, message.op, message.overload);
            if let Some(&function) = self.functions.get(&called) {
                self.inline(function, message, sets, given, out)?;
            } else if !self.constant(message, given)? {
                let node = self.node(message, sets, given, out.len())?;
                out.push(node);
            }
        }
        Ok(())
    }

    /// Takes a constant in as a tensor; false if it is none, or not a plain one.
    fn constant(&mut self, message: &NodeMsg<'a>, given: Option<&Given>) -> Result<bool, String> {
        let ([attr], [name]) = (message.attrs.as_slice(), message.outputs.as_slice()) else {
            return Ok(false);
        };
        let is_constant = message.op == "Constant" && message.domain.is_empty();
        if !is_constant || name.is_empty() || !attr.name.starts_with("value") {
            return Ok(false);
        }
        let mut captures = Vec::new();
        let attr = self.attribute(attr, &[], given, &mut captures)?;
        let Ok(value) = ops::literal(&attr) else {
            return Ok(false);
        };
        let ix = self.define(name);
        self.out.constants.push((ix, value));
        Ok(true)
    }

    fn node(
        &mut self,
        message: &NodeMsg<'a>,
        sets: &Opsets<'a>,
        given: Option<&Given>,
        place: usize,
    ) -> Result<Node, String> {
        let op = message.op;
        let label = match message.name {
            "" => self.out.labels.push(&format!("{op}_{place}")),
            name => self.out.labels.push(name),
        };
        let mut ins = SmallVec::new();
        for &input in &message.inputs {
            ins.push(match input {
                "" => None,
                _ => self.find(input).ok_or_else(|| {
                    let name = self.out.labels.get(label);
                    format!("node `{name}` ({op}) reads `{input}`, which nothing makes")
                })?,
            });
        }
        let outs = message.outputs.iter();
        let outs = outs.map(|n| (!n.is_empty()).then(|| self.define(n)));
        let outs = outs.collect();
        let mut attrs = Vec::with_capacity(message.attrs.len());
        let mut captures = Vec::new();
        for a in &message.attrs {
            let value = self.attribute(a, sets, given, &mut captures)?;
            attrs.push((self.shared(a.name), value));
        }
        Ok(Node {
            label,
            block: self.block(message),
            op: self.op(message, sets),
            ins,
            outs,
            attrs: attrs.into(),
            captures: captures.into(),
        })
    }

    fn block(&mut self, message: &NodeMsg<'a>) -> u32 {
        let key = match message.scopes {
            "" => ("", block::path(message.name)),
            scopes => (scopes, ""),
        };
        let blocks = &mut self.out.blocks;
        *self
            .blocks
            .entry(key)
            .or_insert_with(|| blocks.push(&block::of(key.0, key.1)))
    }

    fn op(&mut self, message: &NodeMsg<'a>, sets: &Opsets<'a>) -> Arc<Op> {
        let (domain, name) = (message.domain, message.op);
        let opset = sets.iter().find(|(d, _)| *d == domain).map_or(1, |s| s.1);
        let make = || {
            let flow = match (domain, name) {
                ("", "If") => Some(Flow::If),
                ("", "Loop") => Some(Flow::Loop),
                ("", "Scan") => Some(Flow::Scan),
                ("", "SequenceMap") => Some(Flow::SequenceMap),
                _ => None,
            };
            let (rule, domain, name) = (ops::rule(domain, name), domain.into(), name.into());
            Arc::new(Op {
                domain,
                name,
                opset,
                rule,
                flow,
            })
        };
        let found = self.ops.entry((domain, name, opset)).or_insert_with(make);
        found.clone()
    }

    fn shared(&mut self, text: &'a str) -> Arc<str> {
        shared(&mut self.texts, text)
    }

    fn attribute(
        &mut self,
        a: &AttrMsg<'a>,
        sets: &Opsets<'a>,
        given: Option<&Given>,
        captures: &mut Vec<Ix>,
    ) -> Result<Attr, String> {
        if !a.reference.is_empty() {
            let outer = given.and_then(|g| g.get(a.reference));
            return Ok(outer.cloned().unwrap_or(Attr::Other));
        }
        Ok(match &a.value {
            AttrValue::Int(i) => Attr::Int(*i),
            AttrValue::Float(f) => Attr::Float((*f).into()),
            AttrValue::Text(t) => Attr::Text(String::from_utf8_lossy(t).into()),
            // Long lists are contents like those of a tensor, and as such not followed.
            AttrValue::Ints(v) if v.len() > MAX_LIST => long(v.len(), Elem::I64)?,
            AttrValue::Floats(v) if v.len() > MAX_LIST => long(v.len(), Elem::F32)?,
            AttrValue::Ints(v) => Attr::Ints(v.as_slice().into()),
            AttrValue::Floats(v) => Attr::Floats(v.iter().map(|x| f64::from(*x)).collect()),
            AttrValue::Texts(n) => Attr::Texts(*n),
            AttrValue::Tensor(t) => Attr::Tensor(Arc::new(literal::tensor(t).map_err(plain)?)),
            AttrValue::Graph(g) => {
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
            AttrValue::None | AttrValue::Other => Attr::Other,
        })
    }

    /// Puts a local function's nodes in the place of its call.
    fn inline(
        &mut self,
        function: &'m FunctionMsg<'a>,
        call: &NodeMsg<'a>,
        sets: &Opsets<'a>,
        given: Option<&Given>,
        out: &mut Vec<Node>,
    ) -> Result<(), String> {
        if self.scopes.len() > MAX_DEPTH {
            return Err(format!("function `{}` calls itself", function.name));
        }
        let mut attrs = Given::default();
        let mut captures = Vec::new();
        for a in function.defaults.iter().chain(&call.attrs) {
            let value = self.attribute(a, sets, given, &mut captures)?;
            attrs.insert(self.shared(a.name), value);
        }
        // Inputs that the call leaves out are names without a value, read as left out.
        let mut scope = Scope::of(function.nodes);
        for (i, name) in function.inputs.iter().enumerate() {
            let ix = match call.inputs.get(i) {
                None | Some(&"") => None,
                Some(actual) => self.find(actual).ok_or_else(|| {
                    let name = function.name;
                    format!("a call of `{name}` reads `{actual}`, which nothing makes")
                })?,
            };
            scope.names.insert(name, ix);
        }
        for (name, actual) in function.outputs.iter().zip(&call.outputs) {
            if !actual.is_empty() {
                let ix = self.define(actual);
                scope.names.insert(name, Some(ix));
            }
        }
        self.scopes.push(scope);
        let own = if function.opsets.is_empty() {
            sets
        } else {
            &function.opsets
        };
        let start = out.len();
        self.nodes(function.nodes, own, Some(&attrs), out)?;
        self.scopes.pop();
        let outer = self.block(call);
        self.n_calls += 1;
        let own = format!("{}_{}", call.op, self.n_calls);
        let label = if call.name.is_empty() {
            &own
        } else {
            call.name
        };
        let label = label.get(..MAX_PREFIX).unwrap_or(label);
        for node in &mut out[start..] {
            node.label = self.out.labels.push_below(label, node.label);
            if self.out.blocks.get(node.block).is_empty() {
                node.block = outer;
            }
        }
        Ok(())
    }
}

/// Elements of an attribute that any operator reads one by one.
const MAX_LIST: usize = 1 << 12;
/// Characters of a call's name put before the names of a function's nodes.
const MAX_PREFIX: usize = 256;

fn long(n: usize, elem: Elem) -> Result<Attr, String> {
    let value = Value::new(Dims::from_slice(&[n as i64]), elem).map_err(plain)?;
    Ok(Attr::Tensor(Arc::new(value)))
}

fn plain(fault: Fault) -> String {
    match fault {
        Fault::Open(t) | Fault::Wrong(t) => t,
    }
}
