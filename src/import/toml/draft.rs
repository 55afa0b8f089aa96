//! A graph in the making that can be taken back to an earlier state.

use std::collections::BTreeMap;

use crate::workload::{
    Dtype, OpGraph, OpKind, Operator, Precision, Role, Sparsity, Tensor, TensorId, VectorWork, View,
};

/// Most operators of a graph.
pub(super) const MAX_OPERATORS: usize = 200_000;

/// Most elements of one tensor.
pub(super) const MAX_ELEMENTS: u64 = 1 << 50;

/// Formats of everything added.
#[derive(Clone, Copy, Debug)]
pub(super) struct Formats {
    /// Weights of products.
    pub(super) weight: Dtype,
    /// All other weights, which are not quantized.
    pub(super) other: Dtype,
    /// Activations.
    pub(super) activation: Dtype,
    /// Keys and values of past tokens.
    pub(super) kv: Dtype,
    precision: Precision,
}

impl Formats {
    /// The formats of a model of type `own` under what was asked for.
    pub(super) fn new(own: Dtype, precision: &Precision) -> Self {
        let weight = precision.weights.unwrap_or(own);
        Self {
            weight,
            other: if weight.bits() < 16.0 { own } else { weight },
            activation: precision.activations.unwrap_or(own),
            kv: precision.kv.unwrap_or(own),
            precision: *precision,
        }
    }

    /// Format of a product of a weight and an activation.
    pub(super) fn product(&self) -> Dtype {
        self.precision.product(self.weight, self.activation)
    }

    /// Format of a product of two activations, the second of them in `keys`.
    pub(super) fn wider(&self, keys: Dtype) -> Dtype {
        if keys.bits() > self.activation.bits() {
            keys
        } else {
            self.activation
        }
    }
}

/// Weights of an earlier part that a later one uses again, by the prefixes of their names.
#[derive(Clone, Debug)]
pub(super) struct Share {
    pub(super) of: String,
    pub(super) by: String,
}

/// Operators and tensors so far.
pub(super) struct Draft {
    pub(super) formats: Formats,
    pub(super) tensors: Vec<Tensor>,
    pub(super) operators: Vec<Operator>,
    weights: BTreeMap<String, TensorId>,
    /// Prefix of names, with its dot.
    pub(super) prefix: String,
    /// Executions of each operator that is added.
    pub(super) count: u64,
    /// Equal layers that each tensor stands for.
    pub(super) copies: u64,
    pub(super) shares: Vec<Share>,
}

/// A state to go back to.
pub(super) struct Mark(usize, usize);

impl Draft {
    pub(super) fn new(formats: Formats) -> Self {
        Self {
            formats,
            tensors: Vec::new(),
            operators: Vec::new(),
            weights: BTreeMap::new(),
            prefix: String::new(),
            count: 1,
            copies: 1,
            shares: Vec::new(),
        }
    }

    pub(super) fn mark(&self) -> Mark {
        Mark(self.tensors.len(), self.operators.len())
    }

    /// Forgets what was added since.
    pub(super) fn back_to(&mut self, mark: &Mark) {
        self.tensors.truncate(mark.0);
        self.operators.truncate(mark.1);
        self.weights.retain(|_, id| (id.0 as usize) < mark.0);
    }

    pub(super) fn shape(&self, id: TensorId) -> &[u64] {
        &self.tensors[id.0 as usize].shape
    }

    pub(super) fn tensor(&self, id: TensorId) -> &Tensor {
        &self.tensors[id.0 as usize]
    }

    pub(super) fn tensor_mut(&mut self, id: TensorId) -> &mut Tensor {
        &mut self.tensors[id.0 as usize]
    }

    pub(super) fn elements(&self, id: TensorId) -> f64 {
        self.tensor(id).elements()
    }

    /// A tensor of the current part.
    pub(super) fn add(&mut self, name: &str, shape: &[u64], dtype: Dtype, role: Role) -> TensorId {
        let mut tensor = Tensor::new(format!("{}{name}", self.prefix), shape, dtype, role);
        tensor.copies = self.copies;
        self.push(tensor)
    }

    /// A tensor as it is.
    pub(super) fn push(&mut self, tensor: Tensor) -> TensorId {
        self.tensors.push(tensor);
        TensorId(self.tensors.len() as u32 - 1)
    }

    /// An activation of the current part.
    pub(super) fn activation(&mut self, name: &str, shape: &[u64]) -> TensorId {
        let dtype = self.formats.activation;
        self.add(name, shape, dtype, Role::Activation)
    }

    /// Indices or choices.
    pub(super) fn indices(&mut self, name: &str, shape: &[u64]) -> TensorId {
        self.add(name, shape, Dtype::Int32, Role::Activation)
    }

    /// The weight of that full name.
    pub(super) fn known_weight(&self, full: &str) -> Option<TensorId> {
        self.weights.get(full).copied()
    }

    /// Names of all weights.
    pub(super) fn weight_names(&self) -> impl Iterator<Item = &str> {
        self.weights.keys().map(String::as_str)
    }

    /// A weight of a product.
    pub(super) fn weight(&mut self, name: &str, shape: &[u64]) -> Result<TensorId, String> {
        let dtype = self.formats.weight;
        self.any_weight(name, shape, dtype)
    }

    /// A weight that is not an operand of a product.
    pub(super) fn vector(&mut self, name: &str, shape: &[u64]) -> Result<TensorId, String> {
        let dtype = self.formats.other;
        self.any_weight(name, shape, dtype)
    }

    /// A new weight, or the one that is shared; says what is wrong with the shared one.
    fn any_weight(&mut self, name: &str, shape: &[u64], dtype: Dtype) -> Result<TensorId, String> {
        let full = format!("{}{name}", self.prefix);
        for share in self.shares.iter().rev() {
            let Some(rest) = full.strip_prefix(&share.by) else {
                continue;
            };
            let of = format!("{}{rest}", share.of);
            let Some(&id) = self.weights.get(&of) else {
                return Err(format!("there is no weight `{of}` to be shared"));
            };
            let have = self.shape(id);
            if have != shape {
                let (have, want) = (show(have), show(shape));
                return Err(format!(
                    "the weight `{of}` is {have}, and {want} is needed here"
                ));
            }
            return Ok(id);
        }
        let id = self.add(name, shape, dtype, Role::Weight);
        self.weights.insert(full, id);
        Ok(id)
    }

    /// Results of the operators since the one at `from` are zero by this share.
    pub(super) fn leave_zeros(&mut self, from: usize, share: f64) {
        let made = self.operators[from..].iter().flat_map(|op| &op.outputs);
        for id in made {
            let tensor = &mut self.tensors[id.0 as usize];
            if tensor.role == Role::Activation {
                tensor.sparsity = Some(Sparsity::Unstructured {
                    density: 1.0 - share,
                });
            }
        }
    }

    /// Makes a weight findable that was added as it is.
    pub(super) fn register(&mut self, full: String, id: TensorId) {
        self.weights.insert(full, id);
    }

    /// An operator of the current part.
    pub(super) fn operator(
        &mut self,
        name: &str,
        source: &str,
        kind: OpKind,
        inputs: &[TensorId],
        outputs: &[TensorId],
    ) {
        self.operator_times(name, source, kind, inputs, outputs, 1);
    }

    /// An operator that runs several times in a row.
    pub(super) fn operator_times(
        &mut self,
        name: &str,
        source: &str,
        kind: OpKind,
        inputs: &[TensorId],
        outputs: &[TensorId],
        times: u64,
    ) {
        self.operators.push(Operator {
            name: format!("{}{name}", self.prefix),
            source: source.to_owned(),
            block: self.prefix.trim_end_matches('.').to_owned(),
            kind,
            inputs: inputs.to_vec(),
            outputs: outputs.to_vec(),
            count: self.count.saturating_mul(times),
        });
    }

    /// One result of an elementwise operator.
    pub(super) fn map(
        &mut self,
        name: &str,
        source: &str,
        inputs: &[TensorId],
        shape: &[u64],
        work: (f64, f64),
    ) -> TensorId {
        let out = self.activation(&format!("{name}.out"), shape);
        let kind = OpKind::Elementwise(VectorWork {
            elements: self.elements(out),
            ops: work.0,
            special: work.1,
        });
        self.operator(name, source, kind, inputs, &[out]);
        out
    }

    /// One result of an operator that sums over `elements`.
    pub(super) fn reduction(
        &mut self,
        name: &str,
        source: &str,
        inputs: &[TensorId],
        shape: &[u64],
        work: VectorWork,
    ) -> TensorId {
        let out = self.activation(&format!("{name}.out"), shape);
        self.operator(name, source, OpKind::Reduction(work), inputs, &[out]);
        out
    }

    /// The same elements in another shape or order.
    pub(super) fn layout(
        &mut self,
        name: &str,
        source: &str,
        x: TensorId,
        shape: &[u64],
        view: View,
    ) -> TensorId {
        let (dtype, out) = (self.tensor(x).dtype, format!("{name}.out"));
        let out = self.add(&out, shape, dtype, Role::Activation);
        self.operator(name, source, OpKind::Layout(view), &[x], &[out]);
        out
    }

    /// What nothing reads is handed to the caller.
    pub(super) fn into_graph(mut self) -> OpGraph {
        let mut read = vec![false; self.tensors.len()];
        for id in self.operators.iter().flat_map(|op| &op.inputs) {
            read[id.0 as usize] = true;
        }
        for op in &self.operators {
            // Parts that a split leaves over are no results.
            let is_split = op.outputs.len() > 1 && matches!(op.kind, OpKind::Layout(View::Free));
            if is_split && op.outputs.iter().any(|id| read[id.0 as usize]) {
                continue;
            }
            for id in &op.outputs {
                let tensor = &mut self.tensors[id.0 as usize];
                if tensor.role == Role::Activation && !read[id.0 as usize] {
                    tensor.role = Role::Output;
                }
            }
        }
        let mut graph = OpGraph::new();
        for tensor in self.tensors {
            graph.add_tensor(tensor);
        }
        for operator in self.operators {
            graph.add(operator);
        }
        graph
    }
}

/// `[1, 3, 224, 224]`.
pub(super) fn show(shape: &[u64]) -> String {
    let each: Vec<String> = shape.iter().map(u64::to_string).collect();
    format!("[{}]", each.join(", "))
}
