//! The operator graph of concrete sizes, on petgraph.

use petgraph::graph::{DiGraph, NodeIndex};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::units::Bytes;

use super::{Dtype, OpKind, Operator, Role, Stack, Tensor, TensorId};

/// Index of an operator in its graph.
pub type OpId = NodeIndex<u32>;

/// Operators in execution order, the tensors between them, and who feeds whom.
///
/// Operators are added in an order in which each one's inputs exist already, so node order is a
/// topological order.
#[derive(Clone, Debug, Default)]
pub struct OpGraph {
    graph: DiGraph<Operator, TensorId>,
    tensors: Vec<Tensor>,
    producer: FxHashMap<TensorId, OpId>,
    exported_peak: Option<Bytes>,
    /// Format of the sums within products, where it is not the engine's own.
    pub accumulator: Option<Dtype>,
    /// Whose kernels run.
    pub stack: Stack,
}

impl OpGraph {
    /// An empty graph.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty graph with room for so many operators and tensors.
    pub fn with_capacity(operators: usize, tensors: usize) -> Self {
        Self {
            graph: DiGraph::with_capacity(operators, 2 * operators),
            tensors: Vec::with_capacity(tensors),
            ..Self::default()
        }
    }

    /// Adds a tensor.
    pub fn add_tensor(&mut self, tensor: Tensor) -> TensorId {
        self.tensors.push(tensor);
        TensorId(self.tensors.len() as u32 - 1)
    }

    /// Adds an operator behind the producers of its inputs.
    pub fn add(&mut self, operator: Operator) -> OpId {
        let (inputs, outputs) = (operator.inputs.clone(), operator.outputs.clone());
        let id = self.graph.add_node(operator);
        for input in inputs {
            if let Some(&from) = self.producer.get(&input) {
                self.graph.add_edge(from, id, input);
            }
        }
        for output in outputs {
            self.producer.entry(output).or_insert(id);
        }
        id
    }

    /// Sets what [`Self::exported_peak`] returns.
    pub fn set_exported_peak(&mut self, peak: Bytes) {
        self.exported_peak = Some(peak);
    }

    /// The largest set of activations alive at once when the nodes of an exchange format run one by one
    /// in the order of the file, inputs and outputs included, constants left out, views in the buffer of
    /// their input; `None` for models that are not made of such nodes.
    pub fn exported_peak(&self) -> Option<Bytes> {
        self.exported_peak
    }

    /// The same tensors, and no operators.
    pub fn without_operators(&self) -> Self {
        Self {
            tensors: self.tensors.clone(),
            accumulator: self.accumulator,
            stack: self.stack,
            ..Self::default()
        }
    }

    /// Whether two graphs have the same operators on the same tensors.
    pub fn is_same(&self, other: &Self) -> bool {
        self.accumulator == other.accumulator
            && self.stack == other.stack
            && self.tensors == other.tensors
            && self.operators().eq(other.operators())
    }

    /// Adds all of another graph behind this one, each operator `count` times as often; `prefix` is put
    /// before its names.
    pub fn append(&mut self, other: &Self, prefix: &str, count: u64) {
        let first = self.tensors.len() as u32;
        self.tensors.extend(other.tensors.iter().map(|t| Tensor {
            name: format!("{prefix}{}", t.name),
            ..t.clone()
        }));
        let shifted = |ids: &[TensorId]| ids.iter().map(|id| TensorId(id.0 + first)).collect();
        for op in other.operators() {
            self.add(Operator {
                name: format!("{prefix}{}", op.name),
                block: format!("{prefix}{}", op.block),
                inputs: shifted(&op.inputs),
                outputs: shifted(&op.outputs),
                count: op.count.saturating_mul(count),
                ..op.clone()
            });
        }
    }

    /// Operators in execution order.
    pub fn operators(&self) -> impl Iterator<Item = &Operator> {
        self.graph.node_weights()
    }

    /// Number of operators.
    pub fn len(&self) -> usize {
        self.graph.node_count()
    }

    /// True without operators.
    pub fn is_empty(&self) -> bool {
        self.graph.node_count() == 0
    }

    /// Operators with their index, in execution order.
    pub fn nodes(&self) -> impl Iterator<Item = (OpId, &Operator)> {
        self.graph.node_indices().map(|id| (id, &self.graph[id]))
    }

    /// One operator.
    pub fn operator(&self, id: OpId) -> &Operator {
        &self.graph[id]
    }

    /// All tensors, by index.
    pub fn tensors(&self) -> &[Tensor] {
        &self.tensors
    }

    /// One tensor.
    pub fn tensor(&self, id: TensorId) -> &Tensor {
        &self.tensors[id.0 as usize]
    }

    /// All operators, to change what they compute; their tensors stay.
    pub fn operators_mut(&mut self) -> impl Iterator<Item = &mut Operator> {
        self.graph.node_weights_mut()
    }

    /// One tensor, to change its role.
    pub fn tensor_mut(&mut self, id: TensorId) -> &mut Tensor {
        &mut self.tensors[id.0 as usize]
    }

    /// Producer and consumer edges.
    pub fn petgraph(&self) -> &DiGraph<Operator, TensorId> {
        &self.graph
    }

    /// Who makes a tensor, if an operator does.
    pub fn producer(&self, id: TensorId) -> Option<OpId> {
        self.producer.get(&id).copied()
    }

    /// MACs of all executions, attention over the full square.
    pub fn macs(&self) -> f64 {
        let each = self.graph.node_weights();
        each.map(|op| op.macs() * op.count as f64).sum()
    }

    /// MACs of all executions that the result depends on.
    pub fn useful_macs(&self) -> f64 {
        let each = self.graph.node_weights();
        each.map(|op| op.useful_macs() * op.count as f64).sum()
    }

    /// Elements of all weights that an operator reads; a tied weight counts once.
    pub fn parameters(&self) -> f64 {
        let weights = self.used_weights();
        weights.map(|t| t.elements() * t.copies as f64).sum()
    }

    /// Stored size of all weights that an operator reads; a tied weight counts once.
    pub fn weight_bytes(&self) -> Bytes {
        let weights = self.used_weights();
        weights.map(|t| t.bytes() * t.copies as f64).sum()
    }

    /// Stored size of all tensors of a role.
    pub fn bytes_of(&self, role: Role) -> Bytes {
        let of_role = self.tensors.iter().filter(|t| t.role == role);
        of_role.map(|t| t.bytes() * t.copies as f64).sum()
    }

    /// Share of operators' executions that are known, by number.
    pub fn known_operators(&self) -> (u64, u64) {
        let mut known = (0, 0);
        for op in self.graph.node_weights() {
            known.1 += op.count;
            if !matches!(op.kind, OpKind::Opaque { .. }) {
                known.0 += op.count;
            }
        }
        known
    }

    /// The type in which most of the weight bytes are stored, if there are weights.
    pub fn weight_dtype(&self) -> Option<Dtype> {
        let mut sizes: Vec<(Dtype, f64)> = Vec::new();
        for tensor in self.used_weights() {
            let size = tensor.bytes().0 * tensor.copies as f64;
            match sizes.iter_mut().find(|(d, _)| *d == tensor.dtype) {
                Some((_, total)) => *total += size,
                None => sizes.push((tensor.dtype, size)),
            }
        }
        let largest = sizes.iter().max_by(|a, b| a.1.total_cmp(&b.1));
        largest.map(|(dtype, _)| *dtype)
    }

    /// Weights that an operator reads, each once, in the order of their first use.
    pub fn weights(&self) -> impl Iterator<Item = TensorId> {
        let mut seen = FxHashSet::default();
        let inputs = self.graph.node_weights().flat_map(|op| op.inputs.iter());
        inputs
            .copied()
            .filter(move |id| self.tensor(*id).role == Role::Weight && seen.insert(*id))
    }

    fn used_weights(&self) -> impl Iterator<Item = &Tensor> {
        self.weights().map(|id| self.tensor(id))
    }
}
