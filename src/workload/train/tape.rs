//! The graph in the making: who needs a gradient, and which gradients have been found.

use rustc_hash::{FxHashMap, FxHashSet};

use super::super::lora::is_adapter;
use super::super::{
    Dtype, OpGraph, OpKind, Operator, Role, Software, Tensor, TensorId, VectorWork,
};
use super::recompute::Again;

/// A gradient and how often it is made.
type Part = (TensorId, u64);

/// A training step in the making.
pub(super) struct Tape {
    /// Forward operators first, in their order and with their tensors' indices.
    pub(super) graph: OpGraph,
    /// Tensors through which a gradient flows.
    wanted: FxHashSet<TensorId>,
    /// Gradients of activations, one for each reader.
    found: FxHashMap<TensorId, Vec<Part>>,
    /// Gradients of weights, in the order in which they were found.
    pub(super) weights: Vec<(TensorId, TensorId)>,
    /// What has been made again.
    pub(super) again: Again,
    gradients: Option<Dtype>,
}

impl Tape {
    /// A copy of the forward pass.
    pub(super) fn new(forward: &OpGraph, software: &Software) -> Self {
        let mut graph = forward.clone();
        let only_adapters = software.lora_rank > 0;
        let n = graph.tensors().len() as u32;
        let trained = (0..n).map(TensorId).filter(|id| {
            let tensor = forward.tensor(*id);
            let is_weight = tensor.role == Role::Weight && tensor.dtype.is_float();
            // A single number is a constant of the arithmetic.
            is_weight && tensor.elements() > 1.0 && (!only_adapters || is_adapter(tensor))
        });
        let wanted = wanted(forward, trained.collect());
        for id in (0..n).map(TensorId) {
            if forward.tensor(id).role == Role::Output {
                graph.tensor_mut(id).role = Role::Activation;
            }
        }
        Self {
            graph,
            wanted,
            found: FxHashMap::default(),
            weights: Vec::new(),
            again: Again::default(),
            gradients: software.gradient_dtype(),
        }
    }

    /// Whether a gradient flows through a tensor.
    pub(super) fn is_wanted(&self, id: TensorId) -> bool {
        self.wanted.contains(&id)
    }

    /// Inputs of an operator that a gradient is made for, each once.
    pub(super) fn wanted_inputs(&self, op: &Operator) -> Vec<TensorId> {
        let mut seen = Vec::new();
        for input in op.inputs.iter().filter(|i| self.is_wanted(**i)) {
            if !seen.contains(input) {
                seen.push(*input);
            }
        }
        seen
    }

    /// A tensor of the forward pass as the backward pass finds it: kept, or made again.
    pub(super) fn saved(&self, id: TensorId) -> TensorId {
        self.again.of(id)
    }

    /// Adds an operator of the backward pass of `of`.
    pub(super) fn add(
        &mut self,
        of: &Operator,
        part: &str,
        kind: OpKind,
        inputs: Vec<TensorId>,
        outputs: Vec<TensorId>,
    ) {
        self.graph.add(Operator {
            name: format!("{}.{part}", of.name),
            source: of.source.clone(),
            block: of.block.clone(),
            kind,
            inputs,
            outputs,
            count: of.count,
        });
    }

    /// The whole gradient of a tensor: the sum of what its readers have found.
    pub(super) fn gradient(&mut self, id: TensorId) -> Option<TensorId> {
        let parts = self.found.remove(&id)?;
        let (first, _) = *parts.first()?;
        if parts.len() == 1 {
            return Some(first);
        }
        let count = parts.iter().map(|p| p.1).max().unwrap_or(1);
        let sum = self.fresh(id, ".grad.sum.out");
        let name = self.graph.tensor(id).name.clone();
        let elements = self.graph.tensor(id).elements();
        self.graph.add(Operator {
            name: format!("{name}.grad.sum"),
            source: "sum".to_owned(),
            block: String::new(),
            kind: OpKind::Elementwise(VectorWork {
                elements,
                ops: parts.len() as f64 - 1.0,
                special: 0.0,
            }),
            inputs: parts.iter().map(|p| p.0).collect(),
            outputs: vec![sum],
            count,
        });
        Some(sum)
    }

    /// Hands a gradient on as it is.
    pub(super) fn pass(&mut self, to: TensorId, gradient: TensorId, count: u64) {
        self.found.entry(to).or_default().push((gradient, count));
    }

    /// The tensor into which an operator that runs `count` times writes the gradient of an input, and what
    /// it must read to add to it.
    pub(super) fn target(&mut self, of: TensorId, count: u64) -> (TensorId, Option<TensorId>) {
        if self.graph.tensor(of).role != Role::Weight {
            let gradient = self.fresh(of, ".grad");
            self.pass(of, gradient, count);
            return (gradient, None);
        }
        if let Some((_, known)) = self.weights.iter().find(|(w, _)| *w == of) {
            return (*known, Some(*known));
        }
        let weight = self.graph.tensor(of);
        let gradient = Tensor {
            name: format!("{}.grad", weight.name),
            dtype: self.gradients.unwrap_or(wide(weight.dtype)),
            role: Role::Gradient,
            group: None,
            sparsity: None,
            packed: None,
            ..weight.clone()
        };
        let gradient = self.graph.add_tensor(gradient);
        self.weights.push((of, gradient));
        (gradient, None)
    }

    /// Targets of several inputs; `inputs` grows by what must be read to add to them.
    pub(super) fn targets(
        &mut self,
        of: &[TensorId],
        count: u64,
        inputs: &mut Vec<TensorId>,
    ) -> Vec<TensorId> {
        let mut outputs = Vec::with_capacity(of.len());
        for id in of {
            let (target, read) = self.target(*id, count);
            outputs.push(target);
            inputs.extend(read);
        }
        outputs
    }

    fn fresh(&mut self, of: TensorId, suffix: &str) -> TensorId {
        let tensor = self.graph.tensor(of);
        let gradient = Tensor {
            name: format!("{}{suffix}", tensor.name),
            dtype: wide(tensor.dtype),
            role: Role::Activation,
            group: None,
            sparsity: None,
            packed: None,
            ..tensor.clone()
        };
        self.graph.add_tensor(gradient)
    }
}

/// Gradients have at least 16 bits.
fn wide(dtype: Dtype) -> Dtype {
    if dtype.is_float() && dtype.bits() >= 16.0 {
        dtype
    } else {
        Dtype::Bf16
    }
}

/// All tensors that depend on what is trained.
///
/// A layer that repeats hands a gradient to the layer before it, so what it reads from outside in the
/// shape of its own result is wanted as soon as anything within it is. What nothing makes is handed from one
/// execution of a repeated operator to the next, as the state of a recurrent layer is.
fn wanted(graph: &OpGraph, trained: FxHashSet<TensorId>) -> FxHashSet<TensorId> {
    let mut wanted = trained;
    flow(graph, &mut wanted);
    let repeated = |id: TensorId| graph.producer(id).map_or(1, |p| graph.operator(p).count);
    let mut entering = Vec::new();
    for op in graph.operators().filter(|op| op.count > 1) {
        let made: Vec<&[u64]> = graph
            .operators()
            .filter(|o| o.count == op.count)
            .flat_map(|o| &o.outputs)
            .filter(|o| wanted.contains(o))
            .map(|o| graph.tensor(*o).shape.as_slice())
            .collect();
        entering.extend(op.inputs.iter().copied().filter(|input| {
            let tensor = graph.tensor(*input);
            let is_open = !wanted.contains(input) && tensor.role == Role::Activation;
            let from_outside =
                || repeated(*input) != op.count && made.contains(&tensor.shape.as_slice());
            is_open && (graph.producer(*input).is_none() || from_outside())
        }));
    }
    if !entering.is_empty() {
        wanted.extend(entering);
        flow(graph, &mut wanted);
    }
    wanted
}

fn flow(graph: &OpGraph, wanted: &mut FxHashSet<TensorId>) {
    for op in graph.operators() {
        if !op.inputs.iter().any(|i| wanted.contains(i)) {
            continue;
        }
        for output in &op.outputs {
            let tensor = graph.tensor(*output);
            let flows = match tensor.role {
                Role::Activation | Role::Output => tensor.dtype.is_float(),
                Role::Weight
                | Role::KvCache
                | Role::State
                | Role::Input
                | Role::Gradient
                | Role::Optimizer => false,
            };
            if flows {
                wanted.insert(*output);
            }
        }
    }
}
