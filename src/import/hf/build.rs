//! Adds operators and their tensors to a graph: linear layers, norms, elementwise work.

use crate::workload::{
    Dtype, Einsum, OpGraph, OpKind, Operator, Role, Tensor, TensorId, VectorWork, View,
};

use super::formats::Formats;
use super::plan::{Activation, Norm};

/// Operations per element of a root-mean-square norm: square, accumulate, scale, weight.
/// Source: derived.
const RMS_OPS: f64 = 4.0;

/// Operations per element of a layer norm: two sums, center, square, scale, weight, bias.
/// Source: derived.
const LAYER_NORM_OPS: f64 = 8.0;

/// Operations per rotated element: two multiplications, one addition.
/// Source: derived.
pub(super) const ROTARY_OPS: f64 = 3.0;

/// A graph in the making, and where in the model it stands.
pub(super) struct Builder {
    /// The graph.
    pub(super) graph: OpGraph,
    /// Formats of everything added.
    pub(super) formats: Formats,
    /// Sequences or samples.
    pub(super) batch: u64,
    /// Tokens per sequence of this pass.
    pub(super) tokens: u64,
    /// Prefix of names, with its dot: `layers.*.`.
    pub(super) prefix: String,
    /// Block of the operators added.
    pub(super) block: String,
    /// How many equal layers the operators added stand for.
    pub(super) count: u64,
}

/// A linear layer.
pub(super) struct Linear {
    /// Name without prefix.
    pub(super) name: &'static str,
    /// Width of its input.
    pub(super) input: u64,
    /// Width of its output.
    pub(super) output: u64,
    /// Whether it adds a bias.
    pub(super) bias: bool,
}

impl Builder {
    /// An empty graph.
    pub(super) fn new(formats: Formats, batch: u64, tokens: u64) -> Self {
        Self {
            graph: OpGraph::new(),
            formats,
            batch,
            tokens,
            prefix: String::new(),
            block: String::new(),
            count: 1,
        }
    }

    /// Moves on to another part of the model.
    pub(super) fn enter(&mut self, prefix: &str, block: &str, count: u64) {
        prefix.clone_into(&mut self.prefix);
        block.clone_into(&mut self.block);
        self.count = count;
    }

    /// Tokens of all sequences.
    pub(super) fn rows(&self) -> u64 {
        self.batch * self.tokens
    }

    /// A tensor of the current part.
    pub(super) fn tensor(
        &mut self,
        name: &str,
        shape: &[u64],
        dtype: Dtype,
        role: Role,
    ) -> TensorId {
        let mut tensor = Tensor::new(format!("{}{name}", self.prefix), shape, dtype, role);
        tensor.copies = self.count;
        self.graph.add_tensor(tensor)
    }

    /// An activation `[batch, tokens, width]`.
    pub(super) fn stream(&mut self, name: &str, width: u64) -> TensorId {
        let shape = [self.batch, self.tokens, width];
        self.activation(name, &shape)
    }

    /// An activation of any shape.
    pub(super) fn activation(&mut self, name: &str, shape: &[u64]) -> TensorId {
        let dtype = self.formats.activation;
        self.tensor(name, shape, dtype, Role::Activation)
    }

    /// A weight that is not a linear layer's.
    pub(super) fn weight(&mut self, name: &str, shape: &[u64]) -> TensorId {
        let dtype = self.formats.other;
        self.tensor(name, shape, dtype, Role::Weight)
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
        self.graph.add(Operator {
            name: format!("{}{name}", self.prefix),
            source: source.to_owned(),
            block: self.block.clone(),
            kind,
            inputs: inputs.to_vec(),
            outputs: outputs.to_vec(),
            count: self.count,
        });
    }

    /// `y[m, n] = Σ_k x[m, k] · w[k, n] (+ b[n])` over all tokens.
    pub(super) fn linear(&mut self, x: TensorId, layer: &Linear) -> TensorId {
        let dtype = self.formats.linear;
        let shape = [layer.input, layer.output];
        let weight = self.tensor(
            &format!("{}.weight", layer.name),
            &shape,
            dtype,
            Role::Weight,
        );
        let mut inputs = vec![x, weight];
        if layer.bias {
            inputs.push(self.weight(&format!("{}.bias", layer.name), &[layer.output]));
        }
        let y = self.stream(&format!("{}.out", layer.name), layer.output);
        let einsum = Einsum::matmul(1, self.rows(), layer.output, layer.input);
        let dtype = self.formats.linear_product;
        let kind = OpKind::Einsum { einsum, dtype };
        self.operator(layer.name, "linear", kind, &inputs, &[y]);
        y
    }

    /// A norm over the last axis of a stream.
    pub(super) fn norm(&mut self, name: &str, x: TensorId, norm: Norm, width: u64) -> TensorId {
        let mut inputs = vec![x, self.weight(&format!("{name}.weight"), &[width])];
        let (source, ops) = match norm {
            Norm::Rms => ("rms_norm", RMS_OPS),
            Norm::Layer => {
                inputs.push(self.weight(&format!("{name}.bias"), &[width]));
                ("layer_norm", LAYER_NORM_OPS)
            }
        };
        let y = self.stream(&format!("{name}.out"), width);
        let kind = OpKind::Reduction(VectorWork {
            elements: self.rows() as f64 * width as f64,
            ops,
            special: 0.0,
        });
        self.operator(name, source, kind, &inputs, &[y]);
        y
    }

    /// Root-mean-square norms of query and key heads, one weight per element of a head each.
    pub(super) fn head_norms(
        &mut self,
        heads: [TensorId; 2],
        counts: [u64; 2],
        dim: u64,
    ) -> [TensorId; 2] {
        let weights = ["q_norm.weight", "k_norm.weight"].map(|name| self.weight(name, &[dim]));
        let shape = |n| [self.batch, self.tokens, n, dim];
        let (q, k) = (shape(counts[0]), shape(counts[1]));
        let outputs = [
            self.activation("q_norm.out", &q),
            self.activation("k_norm.out", &k),
        ];
        let kind = OpKind::Reduction(VectorWork {
            elements: self.rows() as f64 * ((counts[0] + counts[1]) * dim) as f64,
            ops: RMS_OPS,
            special: 0.0,
        });
        let inputs = [heads[0], heads[1], weights[0], weights[1]];
        self.operator("qk_norm", "rms_norm", kind, &inputs, &outputs);
        outputs
    }

    /// The sum of two or more streams or tables of one width.
    pub(super) fn sum(&mut self, name: &str, inputs: &[TensorId], width: u64) -> TensorId {
        let y = self.stream(&format!("{name}.out"), width);
        let kind = OpKind::Elementwise(VectorWork {
            elements: self.rows() as f64 * width as f64,
            ops: inputs.len() as f64 - 1.0,
            special: 0.0,
        });
        self.operator(name, "add", kind, inputs, &[y]);
        y
    }

    /// A nonlinearity with `width` results per token, and `more` operations on each of them.
    pub(super) fn nonlinear(
        &mut self,
        x: TensorId,
        activation: Activation,
        width: u64,
        more: f64,
    ) -> TensorId {
        let (source, ops, special) = activation.work();
        let y = self.stream("act.out", width);
        let kind = OpKind::Elementwise(VectorWork {
            elements: self.rows() as f64 * width as f64,
            ops: ops + more,
            special,
        });
        self.operator("act", source, kind, &[x], &[y]);
        y
    }

    /// Rows of a table, one for each token.
    pub(super) fn lookup(
        &mut self,
        name: &str,
        table: TensorId,
        ids: TensorId,
        width: u64,
    ) -> TensorId {
        let y = self.stream(&format!("{name}.out"), width);
        let elements = self.rows() as f64 * width as f64;
        let kind = OpKind::Gather { elements };
        self.operator(name, "embedding", kind, &[table, ids], &[y]);
        y
    }

    /// One token of each sequence, `[batch, 1, width]`; the pass goes on with one token.
    pub(super) fn pick(&mut self, name: &str, x: TensorId, width: u64) -> TensorId {
        if self.tokens == 1 {
            return x;
        }
        self.tokens = 1;
        let y = self.stream(&format!("{name}.out"), width);
        let elements = self.batch as f64 * width as f64;
        self.operator(name, "index", OpKind::Gather { elements }, &[x], &[y]);
        y
    }

    /// Weights that are resident and take no part in the pass: read by an operator that costs nothing.
    pub(super) fn resident(&mut self, name: &str, parameters: u64) {
        let weight = self.weight(&format!("{name}.weight"), &[parameters]);
        let kind = OpKind::Layout(View::Free);
        self.operator(name, "resident", kind, &[weight], &[]);
    }

    /// A product with the vocabulary, which is not quantized; `inputs` are the stream, the table or
    /// weight, and possibly a bias.
    pub(super) fn logits(&mut self, inputs: &[TensorId], vocab: u64, width: u64) -> TensorId {
        let y = self.stream("logits", vocab);
        let einsum = Einsum::matmul(1, self.rows(), vocab, width);
        let dtype = self.formats.head_product();
        let kind = OpKind::Einsum { einsum, dtype };
        self.operator("lm_head", "linear", kind, inputs, &[y]);
        y
    }

    /// Hands a tensor to the caller.
    pub(super) fn output(&mut self, id: TensorId) {
        self.graph.tensor_mut(id).role = Role::Output;
    }
}

impl Activation {
    /// Name, operations and special functions per element.
    ///
    /// Source: derived; the tanh form of GELU for all its forms.
    fn work(self) -> (&'static str, f64, f64) {
        match self {
            Self::Silu => ("silu", 4.0, 1.0),
            Self::Gelu => ("gelu", 8.0, 1.0),
            Self::Relu => ("relu", 1.0, 0.0),
            Self::Tanh => ("tanh", 0.0, 1.0),
        }
    }
}
