//! From steps to the operator graph: roles, formats, and what is too small to be a tensor.

use rustc_hash::{FxHashMap, FxHashSet};

use super::call::{Heads, Work};
use super::ir::Ix;
use super::value::{Origin, Value};
use super::walk::{Effort, Ends, Step, Walk};
use crate::workload::{
    Attention, Binding, Dtype, Experts, Group, OpGraph, OpKind, Operator, Popularity, Precision,
    Role, Scan, Tensor, TensorId, VectorWork, View,
};

/// Index lists and shapes up to this size are part of an operator's description.
const MAX_DESCRIPTION: i64 = 4096;

/// Makes the graph.
pub(super) fn emit(walk: &Walk, binding: &Binding, main: Dtype) -> OpGraph {
    let mut operands = FxHashSet::default();
    let mut caches = FxHashSet::default();
    let mut states = FxHashSet::default();
    for step in &walk.steps {
        match &step.work {
            Effort::Known(Work::Append { .. }) => {
                caches.extend(step.outs.iter().map(|ix| walk.resolved(*ix)));
            }
            Effort::Known(Work::Scan(_)) => {
                states.extend(step.outs.last().map(|ix| walk.resolved(*ix)));
            }
            Effort::Known(_) | Effort::Unknown(_) => {}
        }
        if let Effort::Known(Work::Product { lhs, rhs, .. }) = &step.work {
            operands.extend(
                [step.ins.get(*lhs), step.ins.get(*rhs)]
                    .into_iter()
                    .flatten(),
            );
        }
    }
    let mut emitter = Emitter {
        walk,
        precision: &binding.precision,
        imbalance: binding.software.imbalance,
        main,
        graph: OpGraph::with_capacity(walk.steps.len(), 2 * walk.steps.len()),
        tensors: FxHashMap::default(),
        inputs: walk.source.main.inputs.iter().copied().collect(),
        outputs: walk
            .source
            .main
            .outputs
            .iter()
            .map(|ix| walk.resolved(*ix))
            .collect(),
        operands,
        caches,
        states,
    };
    for step in &walk.steps {
        emitter.step(step);
    }
    emitter.graph
}

impl Walk<'_> {
    pub(super) fn resolved(&self, mut ix: Ix) -> Ix {
        // Chains are as deep as bodies are nested.
        for _ in 0..64 {
            match self.alias.get(&ix) {
                Some(inner) => ix = *inner,
                None => break,
            }
        }
        ix
    }

    fn tensor_name(&self, ix: Ix) -> &str {
        let named = self.source.names.len();
        match (ix as usize).checked_sub(named) {
            None => self.source.name(ix),
            Some(i) => self.temps.get(i).map_or("", String::as_str),
        }
    }
}

struct Emitter<'a> {
    walk: &'a Walk<'a>,
    precision: &'a Precision,
    /// Rows of the fullest expert over the mean.
    imbalance: f64,
    main: Dtype,
    graph: OpGraph,
    tensors: FxHashMap<Ix, TensorId>,
    inputs: FxHashSet<Ix>,
    outputs: FxHashSet<Ix>,
    operands: FxHashSet<Ix>,
    /// Keys and values kept from step to step.
    caches: FxHashSet<Ix>,
    /// Recurrent states, updated in place.
    states: FxHashSet<Ix>,
}

impl Emitter<'_> {
    fn step(&mut self, step: &Step) {
        let node = step.node;
        let n_first = match &step.work {
            Effort::Known(Work::Product { .. }) => 2,
            Effort::Known(Work::Gather { .. }) => 1,
            Effort::Known(Work::Attend(_)) => 3,
            Effort::Known(Work::Experts { .. }) => 2,
            Effort::Known(Work::Scan(_)) => 1,
            Effort::Known(
                Work::Free
                | Work::Copy
                | Work::Map { .. }
                | Work::Reduce { .. }
                | Work::Route { .. }
                | Work::Append { .. },
            )
            | Effort::Unknown(_) => 0,
        };
        let order = order(step);
        let mut inputs = Vec::new();
        for (i, &ix) in order.iter().enumerate() {
            if i < n_first || self.is_tensor(ix) {
                inputs.extend(self.tensor(ix));
            }
        }
        let outputs: Vec<TensorId> = step.outs.iter().filter_map(|ix| self.tensor(*ix)).collect();
        let Some(kind) = self.kind(step, &inputs, &outputs) else {
            return;
        };
        let name = match step.suffix {
            0 => self.walk.source.label(node).to_owned(),
            n => format!("{}.{n}", self.walk.source.label(node)),
        };
        self.graph.add(Operator {
            name,
            source: step.label.map_or_else(|| node.op.title(), str::to_owned),
            block: self.walk.source.block(node).to_owned(),
            kind,
            inputs,
            outputs,
            count: step.count,
        });
    }

    /// False for shapes, index lists and other descriptions known before the run.
    fn is_tensor(&self, ix: Ix) -> bool {
        let Some(v) = self.walk.get(self.walk.resolved(ix)) else {
            return false;
        };
        match v.origin {
            Origin::Data => true,
            Origin::Static if v.elem.holds_weights() => !self.is_foreign_literal(v),
            Origin::Static | Origin::Shape => v.elements() > MAX_DESCRIPTION,
        }
    }

    /// One number in another float format than the model's own: the exponent and the epsilon of a norm
    /// that is computed in higher precision. It is part of the arithmetic, not a parameter.
    fn is_foreign_literal(&self, v: &Value) -> bool {
        v.elements() == 1 && v.elem.is_float() && v.stored.is_none() && v.elem.dtype() != self.main
    }

    fn role(&self, ix: Ix, v: &Value) -> Role {
        let name = self.walk.tensor_name(ix);
        match v.origin {
            Origin::Static if v.elem.holds_weights() && !self.is_foreign_literal(v) => Role::Weight,
            // Known before the run, but neither learned nor given.
            Origin::Static | Origin::Shape => Role::Activation,
            Origin::Data if self.caches.contains(&ix) => Role::KvCache,
            Origin::Data if self.states.contains(&ix) => Role::State,
            Origin::Data if self.inputs.contains(&ix) => match kept(name, v) {
                Some(role) => role,
                None => Role::Input,
            },
            Origin::Data if self.outputs.contains(&ix) => Role::Output,
            Origin::Data => Role::Activation,
        }
    }

    fn tensor(&mut self, ix: Ix) -> Option<TensorId> {
        let ix = self.walk.resolved(ix);
        if let Some(&id) = self.tensors.get(&ix) {
            return Some(id);
        }
        let v = self.walk.get(ix)?;
        let role = self.role(ix, v);
        let dtype = self.dtype(ix, v, role);
        let shape: Vec<u64> = v.dims.iter().map(|d| *d as u64).collect();
        let mut tensor = Tensor::new(self.walk.tensor_name(ix), &shape, dtype, role);
        if dtype == v.dtype() {
            tensor.group = match v.stored {
                Some(stored) if stored.scale_bits > 0.0 => Some(Group {
                    size: 1.0,
                    bits: stored.scale_bits,
                }),
                // Scales of tensors of few bits are tensors of their own in this format.
                _ => (dtype.bits() < 8.0).then_some(Group::NONE),
            };
        }
        let id = self.graph.add_tensor(tensor);
        self.tensors.insert(ix, id);
        Some(id)
    }

    fn dtype(&self, ix: Ix, v: &Value, role: Role) -> Dtype {
        if v.stored.is_some() || !v.elem.is_float() {
            return v.dtype();
        }
        let p = self.precision;
        let asked = match role {
            // Formats below 16 bits are for the operands of products; norms and biases stay as they are.
            Role::Weight => p
                .weights
                .filter(|d| d.bits() >= 16.0 || self.operands.contains(&ix)),
            Role::KvCache => p.kv,
            Role::Activation
            | Role::State
            | Role::Gradient
            | Role::Optimizer
            | Role::Input
            | Role::Output => p.activations,
        };
        asked.unwrap_or(v.dtype())
    }

    fn kind(&self, step: &Step, inputs: &[TensorId], outputs: &[TensorId]) -> Option<OpKind> {
        let work = match &step.work {
            Effort::Known(work) => work,
            Effort::Unknown(reason) => {
                return Some(OpKind::Opaque {
                    reason: reason.clone(),
                });
            }
        };
        Some(match work {
            Work::Free => OpKind::Layout(View::Free),
            Work::Copy => OpKind::Layout(View::Copy),
            Work::Map { ops, special } => OpKind::Elementwise(VectorWork {
                elements: outputs
                    .first()
                    .map_or(0.0, |id| self.graph.tensor(*id).elements()),
                ops: *ops,
                special: *special,
            }),
            Work::Reduce {
                elements,
                ops,
                special,
            } => OpKind::Reduction(VectorWork {
                elements: *elements,
                ops: *ops,
                special: *special,
            }),
            Work::Gather { elements, .. } => OpKind::Gather {
                elements: *elements,
            },
            Work::Product { einsum, .. } => OpKind::Einsum {
                einsum: (**einsum).clone(),
                dtype: self.product(inputs.first()?, inputs.get(1)?),
            },
            Work::Attend(heads) => {
                if inputs.len() < 3 {
                    return None;
                }
                let dtype = self.product(&inputs[0], &inputs[1]);
                OpKind::Attention(attention(heads, dtype))
            }
            Work::Experts {
                tokens,
                experts,
                top_k,
                n,
                k,
            } => {
                let dtype = self.product(inputs.first()?, inputs.get(1)?);
                let popularity = Popularity::new(*experts, *top_k, self.imbalance);
                OpKind::Experts(Experts {
                    experts: *experts,
                    loads: popularity.loads(*tokens as f64),
                    rows: tokens.saturating_mul(*top_k),
                    routed: tokens.saturating_mul(*top_k),
                    n: *n,
                    k: *k,
                    dtype,
                })
            }
            Work::Route {
                tokens,
                experts,
                top_k,
            } => OpKind::Route {
                tokens: *tokens,
                experts: *experts,
                top_k: *top_k,
            },
            Work::Scan(scan) => OpKind::Scan(Scan {
                dtype: self.graph.tensor(*inputs.first()?).dtype,
                ..**scan
            }),
            Work::Append { elements } => OpKind::KvAppend {
                elements: *elements,
            },
        })
    }

    /// Format of a product of two tensors.
    fn product(&self, lhs: &TensorId, rhs: &TensorId) -> Dtype {
        let (l, r) = (self.graph.tensor(*lhs), self.graph.tensor(*rhs));
        match (l.role, r.role) {
            (_, Role::Weight) => self.precision.product(r.dtype, l.dtype),
            (Role::Weight, _) => self.precision.product(l.dtype, r.dtype),
            _ if r.dtype.bits() > l.dtype.bits() => r.dtype,
            _ => l.dtype,
        }
    }
}

fn attention(h: &Heads, dtype: Dtype) -> Attention {
    Attention {
        batch: h.batch as u64,
        q_heads: h.q_heads as u64,
        kv_heads: h.kv_heads as u64,
        q_len: h.q_len as u64,
        kv_len: h.kv_len as u64,
        qk_dim: h.qk_dim as u64,
        v_dim: h.v_dim as u64,
        mask: h.mask,
        dtype,
    }
}

/// Inputs of a step with those first that its kind names.
fn order(step: &Step) -> Ends {
    let first: Vec<usize> = match &step.work {
        Effort::Known(Work::Product { lhs, rhs, .. }) => vec![*lhs, *rhs],
        Effort::Known(Work::Gather { table, .. }) => vec![*table],
        Effort::Known(
            Work::Free
            | Work::Copy
            | Work::Map { .. }
            | Work::Reduce { .. }
            | Work::Attend(_)
            | Work::Experts { .. }
            | Work::Route { .. }
            | Work::Scan(_)
            | Work::Append { .. },
        )
        | Effort::Unknown(_) => return step.ins.clone(),
    };
    let rest = (0..step.ins.len()).filter(|i| !first.contains(i));
    first
        .iter()
        .copied()
        .chain(rest)
        .filter_map(|i| step.ins.get(i).copied())
        .collect()
}

/// What a tensor is kept for between steps, by the names that exporters give; nothing else has three axes
/// and such a name.
pub(super) fn kept(name: &str, v: &Value) -> Option<Role> {
    if v.dims.len() < 3 || !v.elem.holds_weights() {
        return None;
    }
    kept_name(name)
}

/// [`kept`] by the name alone.
pub(super) fn kept_name(name: &str) -> Option<Role> {
    const STATES: [&str; 5] = [
        "conv_state",
        "ssm_state",
        "recurrent_state",
        "past_state",
        "past_conv",
    ];
    const CACHES: [&str; 7] = [
        "past_key",
        "past_value",
        "key_cache",
        "value_cache",
        "k_cache",
        "v_cache",
        "kv_cache",
    ];
    const STARTS: [&str; 4] = ["past_", "past.", "cache_", "cache."];
    if STATES.iter().any(|s| name.contains(s)) {
        Some(Role::State)
    } else if name == "past"
        || CACHES.iter().any(|s| name.contains(s))
        || STARTS.iter().any(|s| name.starts_with(s))
    {
        Some(Role::KvCache)
    } else {
        None
    }
}
