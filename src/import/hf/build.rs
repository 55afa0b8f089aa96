//! Adds operators and their tensors to a graph: linear layers, norms, elementwise work.

use crate::workload::{
    Dtype, Einsum, OpGraph, OpKind, Operator, Role, Software, Tensor, TensorId, VectorWork, View,
};

use super::formats::Formats;
use super::plan::{Activation, HeadNorm, Norm};

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
    /// Settings of the software.
    pub(super) software: Software,
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
    /// Whether those layers have the same weights.
    pub(super) shared: bool,
    /// Token table, once there is one.
    pub(super) table: Option<TensorId>,
}

/// A linear layer.
pub(super) struct Linear {
    /// Name without prefix.
    pub(super) name: &'static str,
    /// Width of its input.
    pub(super) input: u64,
    /// Width of its output.
    pub(super) output: u64,
    /// Elements of its bias: none, one for each output, or fewer where only a part has one.
    pub(super) bias: u64,
    /// Kept in the model's own type, whatever the other linear layers have.
    pub(super) wide: bool,
}

impl Linear {
    /// A linear layer without a bias.
    pub(super) fn new(name: &'static str, input: u64, output: u64) -> Self {
        Self {
            name,
            input,
            output,
            bias: 0,
            wide: false,
        }
    }

    /// The same with a bias on every output, if `has`.
    pub(super) fn biased(self, has: bool) -> Self {
        let bias = if has { self.output } else { 0 };
        Self { bias, ..self }
    }

    /// The same, not quantized.
    pub(super) fn wide(self) -> Self {
        Self { wide: true, ..self }
    }
}

impl Builder {
    /// An empty graph.
    pub(super) fn new(formats: Formats, software: Software, batch: u64, tokens: u64) -> Self {
        Self {
            graph: OpGraph::new(),
            formats,
            software,
            batch,
            tokens,
            prefix: String::new(),
            block: String::new(),
            count: 1,
            shared: false,
            table: None,
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
        if !(self.shared && role == Role::Weight) {
            tensor.copies = self.count;
        }
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
        let product = match layer.wide {
            true => self.formats.head_product(),
            false => self.formats.linear_product,
        };
        let mut inputs = vec![x];
        inputs.extend(self.weights_of(layer));
        let y = self.stream(&format!("{}.out", layer.name), layer.output);
        let einsum = Einsum::matmul(1, self.rows(), layer.output, layer.input);
        let kind = OpKind::Einsum {
            einsum,
            dtype: product,
        };
        self.operator(layer.name, "linear", kind, &inputs, &[y]);
        y
    }

    /// Matrix and bias of a linear layer.
    fn weights_of(&mut self, layer: &Linear) -> Vec<TensorId> {
        let dtype = match layer.wide {
            true => self.formats.other,
            false => self.formats.linear,
        };
        let (name, shape) = (layer.name, [layer.input, layer.output]);
        let weight = self.tensor(&format!("{name}.weight"), &shape, dtype, Role::Weight);
        if !layer.wide {
            self.set_group(weight);
        }
        let mut weights = vec![weight];
        if layer.bias > 0 {
            weights.push(self.weight(&format!("{name}.bias"), &[layer.bias]));
        }
        weights
    }

    /// The weights of a linear layer that does not run in this pass.
    pub(super) fn hold_linear(&mut self, layer: &Linear) {
        let weights = self.weights_of(layer);
        self.hold(layer.name, &weights);
    }

    /// A norm over the last axis of a stream.
    pub(super) fn norm(&mut self, name: &str, x: TensorId, norm: Norm, width: u64) -> TensorId {
        self.norm_of(name, x, norm, width, width)
    }

    /// As [`Self::norm`], with `learned` parameters in each vector that the parts of a token share.
    pub(super) fn norm_of(
        &mut self,
        name: &str,
        x: TensorId,
        norm: Norm,
        width: u64,
        learned: u64,
    ) -> TensorId {
        let mut inputs = vec![x];
        let (source, ops, parameters) = norm.work();
        for part in &["weight", "bias"][..parameters] {
            inputs.push(self.weight(&format!("{name}.{part}"), &[learned]));
        }
        let y = self.stream(&format!("{name}.out"), width);
        let kind = OpKind::Reduction(VectorWork {
            elements: self.rows() as f64 * width as f64,
            ops,
            special: 0.0,
        });
        self.operator(name, source, kind, &inputs, &[y]);
        y
    }

    /// Norms of query and key heads.
    pub(super) fn head_norms(
        &mut self,
        norm: HeadNorm,
        heads: [TensorId; 2],
        counts: [u64; 2],
        dim: u64,
    ) -> [TensorId; 2] {
        let of_both = |n: [u64; 2]| ["q_norm.weight", "k_norm.weight"].into_iter().zip(n);
        let sizes = match norm {
            HeadNorm::None => return heads,
            HeadNorm::Head => Some([dim, dim]),
            // Weight and bias.
            HeadNorm::HeadBias => Some([2 * dim, 2 * dim]),
            HeadNorm::EachHead | HeadNorm::Whole => Some([counts[0] * dim, counts[1] * dim]),
            HeadNorm::Plain => None,
        };
        let mut inputs = heads.to_vec();
        for (name, size) in sizes.into_iter().flat_map(of_both) {
            inputs.push(self.weight(name, &[size]));
        }
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
        name: &str,
        x: TensorId,
        activation: Activation,
        width: u64,
        more: f64,
    ) -> TensorId {
        let (source, ops, special) = activation.work();
        let y = self.stream(&format!("{name}.out"), width);
        let kind = OpKind::Elementwise(VectorWork {
            elements: self.rows() as f64 * width as f64,
            ops: ops + more,
            special,
        });
        self.operator(name, source, kind, &[x], &[y]);
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

    /// Scales of a weight, where the file says how many share one.
    pub(super) fn set_group(&mut self, weight: TensorId) {
        let group = self.formats.group;
        let tensor = self.graph.tensor_mut(weight);
        if tensor.dtype.bits() <= 8.0 {
            tensor.group = group;
        }
    }

    /// Parts of every token's vector, of these widths.
    pub(super) fn split<const N: usize>(
        &mut self,
        name: &str,
        x: TensorId,
        widths: [u64; N],
    ) -> [TensorId; N] {
        let mut i = 0;
        let parts = widths.map(|width| {
            i += 1;
            self.stream(&format!("{name}.{i}"), width)
        });
        let kind = OpKind::Layout(View::Free);
        self.operator(name, "split", kind, &[x], &parts);
        parts
    }

    /// A linear layer with a matrix `[input, output]` of its own for each of `blocks` parts of a token, and a
    /// bias on every output.
    pub(super) fn block_linear(
        &mut self,
        name: &str,
        x: TensorId,
        blocks: u64,
        input: u64,
        output: u64,
    ) -> TensorId {
        let dtype = self.formats.linear;
        let shape = [blocks, input, output];
        let weight = self.tensor(&format!("{name}.weight"), &shape, dtype, Role::Weight);
        self.set_group(weight);
        let bias = self.weight(&format!("{name}.bias"), &[blocks * output]);
        let y = self.stream(&format!("{name}.out"), blocks * output);
        let kind = OpKind::Einsum {
            einsum: Einsum::matmul(blocks, self.rows(), output, input),
            dtype: self.formats.linear_product,
        };
        self.operator(name, "linear", kind, &[x, weight, bias], &[y]);
        y
    }

    /// Work of the vector engine on given tensors.
    pub(super) fn elementwise(
        &mut self,
        name: &str,
        source: &str,
        work: (f64, f64, f64),
        inputs: &[TensorId],
        outputs: &[TensorId],
    ) {
        let (elements, ops, special) = work;
        let kind = OpKind::Elementwise(VectorWork {
            elements,
            ops,
            special,
        });
        self.operator(name, source, kind, inputs, outputs);
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
    pub(super) fn hold(&mut self, name: &str, weights: &[TensorId]) {
        let kind = OpKind::Layout(View::Free);
        self.operator(name, "resident", kind, weights, &[]);
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

impl Norm {
    /// Name, operations per element, and learned vectors.
    fn work(self) -> (&'static str, f64, usize) {
        match self {
            Self::Rms => ("rms_norm", RMS_OPS, 1),
            Self::Layer => ("layer_norm", LAYER_NORM_OPS, 2),
            Self::LayerWeight => ("layer_norm", LAYER_NORM_OPS - 1.0, 1),
            Self::Plain => ("layer_norm", LAYER_NORM_OPS - 2.0, 0),
        }
    }
}

impl Activation {
    /// Name, operations and special functions per element.
    ///
    /// Source: derived; the tanh form of GELU for all its forms.
    pub(super) fn work(self) -> (&'static str, f64, f64) {
        match self {
            Self::Silu => ("silu", 4.0, 1.0),
            Self::Gelu => ("gelu", 8.0, 1.0),
            Self::Relu => ("relu", 1.0, 0.0),
            Self::Tanh => ("tanh", 0.0, 1.0),
        }
    }
}
