//! Everything that a price depends on, besides the chip.

use std::hash::{Hash, Hasher};

use crate::cost::collective::collective;
use crate::cost::gpu::{
    AttentionCall, Walk, appends, library_attention, library_experts, library_passes,
    library_product, library_recurrence,
};
use crate::cost::{
    Cost, Operands, Served, Traffic, Widths, attention, scan, sparse::Zeros, vector,
};
use crate::hardware::System;
use crate::hardware::kernels::PassKernel;
use crate::mapper::{
    NoMapping, NotRowStationary, Objective, Request, best_of, candidates, price_row_stationary,
};
use crate::mapping::Chain;
use crate::schedule::Fusion;
use crate::units::{Bytes, Seconds};
use crate::workload::{
    Attention, Class, Collective, Dtype, Einsum, Experts, OpGraph, OpId, OpKind, Operator, Role,
    Scan, Slot, Stack, Tensor, VectorWork, View,
};

use super::Memo;
use super::memo::key;
use super::price::Prepared;
use super::zeros::of_product;

/// Bytes that pass between two operators: what may have driven a tensor out of a cache.
pub(super) struct Distance {
    /// Bytes of all operators before each one.
    before: Vec<f64>,
}

impl Distance {
    pub(super) fn of(graph: &OpGraph) -> Self {
        let mut sum = 0.0;
        let mut before = vec![0.0];
        for op in graph.operators() {
            let reads = op.inputs.iter().enumerate();
            let read: Bytes = reads.map(|(i, t)| op.bytes_read(i, graph.tensor(*t))).sum();
            sum += read.0 + written(graph, op).0;
            before.push(sum);
        }
        Self { before }
    }

    /// Bytes of the operators after `maker` and before `reader`.
    fn between(&self, maker: OpId, reader: OpId) -> Bytes {
        let (from, to) = (maker.index() + 1, reader.index());
        Bytes((self.before[to.max(from)] - self.before[from]).max(0.0))
    }
}

/// What kind of kernel a library has for work of the vector engines.
#[derive(Clone, Copy, Debug)]
pub(super) enum VectorKernel {
    /// None: part of another one.
    Fused,
    /// Passes over data, in so many rows of a length.
    Passes(PassKernel, [f64; 2]),
    /// Sequences, tokens, channels and all bytes of a convolution that carries the last tokens as state.
    Convolution([u64; 3], Traffic),
}

/// Everything a price depends on, besides the chip.
#[derive(Clone, Debug)]
pub(super) enum Question {
    Free,
    Product {
        einsum: Box<Einsum>,
        /// Weights among which rows choose, if they do.
        experts: Option<Box<Experts>>,
        executed: Dtype,
        widths: Widths,
        compulsory: Traffic,
        zeros: Option<Box<Zeros>>,
    },
    Attention {
        attention: Attention,
        executed: Dtype,
        query_and_result: Traffic,
        keys_and_values: Bytes,
        /// Whether keys and values come from a cache that the call appends to.
        is_cached: bool,
    },
    Scan {
        scan: Scan,
        executed: Dtype,
        traffic: Traffic,
    },
    Vector {
        work: VectorWork,
        dtype: Dtype,
        served: Served,
        kernel: VectorKernel,
    },
    Collective(Collective),
}

impl Question {
    pub(super) fn of(
        graph: &OpGraph,
        fusion: &Fusion,
        system: &System,
        id: OpId,
        op: &Operator,
        distance: &Distance,
    ) -> Self {
        match &op.kind {
            OpKind::Einsum { einsum, dtype } => {
                Self::product(graph, system, op, einsum.clone(), None, *dtype)
            }
            OpKind::Experts(experts) => {
                let dtype = experts.dtype;
                Self::product(graph, system, op, grouped(experts), Some(experts), dtype)
            }
            OpKind::Scan(scan) => Self::Scan {
                scan: *scan,
                executed: system.executed_as(scan.dtype),
                traffic: Traffic {
                    read: read(graph, op),
                    written: written(graph, op),
                },
            },
            OpKind::Route {
                experts,
                top_k,
                tokens,
            } => {
                let work = route_work(*tokens, *experts, *top_k);
                Self::vector(graph, system, (id, op), work, fusion, false, distance)
            }
            OpKind::Attention(a) => {
                let executed = system.executed_as(a.dtype);
                let inputs = || op.inputs.iter().enumerate();
                let bytes = |i: usize| op.bytes_read(i, graph.tensor(op.inputs[i]));
                let kv = inputs().filter(|(i, _)| *i == 1 || *i == 2);
                let rest = inputs().filter(|(i, _)| *i != 1 && *i != 2);
                Self::Attention {
                    attention: *a,
                    executed,
                    query_and_result: Traffic {
                        read: rest.map(|(i, _)| bytes(i)).sum(),
                        written: written(graph, op),
                    },
                    keys_and_values: kv.clone().map(|(i, _)| bytes(i)).sum(),
                    is_cached: kv
                        .clone()
                        .any(|(_, t)| graph.tensor(*t).role == Role::KvCache),
                }
            }
            OpKind::Layout(View::Free) => Self::Free,
            OpKind::Collective(collective) => Self::Collective(*collective),
            // The attention call does it.
            OpKind::KvAppend { .. } if appends(system) => Self::Free,
            OpKind::Elementwise(work) | OpKind::Reduction(work) => {
                let carried = fusion.carrier(id);
                let work = *work;
                Self::vector(
                    graph,
                    system,
                    (id, op),
                    work,
                    fusion,
                    carried.is_some(),
                    distance,
                )
            }
            OpKind::Gather { .. }
            | OpKind::Layout(View::Copy)
            | OpKind::KvAppend { .. }
            | OpKind::Opaque { .. } => {
                let work = VectorWork::default();
                Self::vector(graph, system, (id, op), work, fusion, false, distance)
            }
        }
    }

    fn product(
        graph: &OpGraph,
        system: &System,
        op: &Operator,
        einsum: Einsum,
        experts: Option<&Experts>,
        dtype: Dtype,
    ) -> Self {
        let executed = system.executed_as(dtype);
        let stored = |i: usize| {
            let tensor = op.inputs.get(i).map(|t| graph.tensor(*t));
            tensor.map_or(executed.stored_bytes(), on_chip_width)
        };
        let result = op.outputs.first().map(|t| graph.tensor(*t));
        let engine = || system.arrays.first().map(|a| a.accumulator(executed));
        let accumulator = graph.accumulator.or_else(engine).unwrap_or(Dtype::Fp32);
        let result_width = result.map_or(executed.stored_bytes(), on_chip_width);
        Self::Product {
            einsum: Box::new(einsum),
            experts: experts.map(|e| Box::new(*e)),
            executed,
            widths: Widths {
                lhs: stored(Slot::Lhs as usize),
                rhs: stored(Slot::Rhs as usize),
                partial: accumulator.stored_bytes().max(result_width),
                result: result_width,
            },
            compulsory: Traffic {
                read: read(graph, op),
                written: written(graph, op),
            },
            zeros: of_product(graph, system, op).map(Box::new),
        }
    }

    /// A fused operator reads only what its carrier does not hand it, and hands its first result on.
    fn vector(
        graph: &OpGraph,
        system: &System,
        (id, op): (OpId, &Operator),
        work: VectorWork,
        fusion: &Fusion,
        fused: bool,
        distance: &Distance,
    ) -> Self {
        let mut served = Served::default();
        for (i, input) in op.inputs.iter().enumerate() {
            let tensor = graph.tensor(*input);
            let maker = graph.producer(*input);
            let handed = fused
                && maker.is_some_and(|maker| {
                    let carrier = fusion.carrier(maker).unwrap_or(maker);
                    op_carrier(graph, fusion, op) == Some(carrier)
                });
            if !handed {
                let between = maker.map(|m| distance.between(m, id));
                let fresh = between.filter(|_| tensor.role == Role::Activation);
                served.read(system, op.bytes_read(i, tensor), fresh);
            }
        }
        for output in op.outputs.iter().skip(usize::from(fused)) {
            let tensor = graph.tensor(*output);
            let stays = tensor.role == Role::Activation;
            served.write(system, op.bytes_written(tensor), stays);
        }
        let dtype = op.outputs.first().map(|t| graph.tensor(*t).dtype);
        Self::Vector {
            work,
            dtype: dtype.unwrap_or(Dtype::Fp32),
            served,
            kernel: if fused {
                VectorKernel::Fused
            } else {
                kernel(graph, op)
            },
        }
    }

    pub(super) fn executed(&self) -> Option<Dtype> {
        match self {
            Self::Product { executed, .. } | Self::Attention { executed, .. } => Some(*executed),
            Self::Scan { scan, executed, .. } => scan.is_chunked().then_some(*executed),
            Self::Free | Self::Vector { .. } | Self::Collective(_) => None,
        }
    }

    /// The price with the kernels of a stack.
    pub(super) fn answer(
        &self,
        stack: Stack,
        chip: &Prepared<'_>,
        memo: &Memo,
    ) -> Result<Cost, NoMapping> {
        let system = chip.system;
        match self {
            Self::Free => Ok(Cost::free(system)),
            Self::Product {
                einsum,
                experts,
                executed,
                widths,
                compulsory,
                zeros,
            } => {
                let none = Zeros::none();
                let operands = Operands {
                    widths,
                    compulsory: *compulsory,
                    zeros: zeros.as_deref().unwrap_or(&none),
                };
                let experts = experts.as_deref();
                if let Some(cost) = of_library(system, stack, einsum, experts, *executed, operands)
                {
                    return Ok(cost);
                }
                let request = Request {
                    einsum,
                    dtype: *executed,
                    widths: *widths,
                    compulsory: *compulsory,
                    zeros: zeros.as_deref().unwrap_or(&none),
                    objective: Objective::Latency,
                    stack,
                };
                let reason = match price_row_stationary(system, &request) {
                    Ok(cost) => return Ok(cost),
                    Err(reason) => reason,
                };
                let bits = [widths.lhs, widths.rhs, widths.partial, widths.result];
                let bits = bits.map(f64::to_bits);
                let mut cost = memo.with_nests(
                    key(chip.prints.shape, &(einsum, executed, bits)),
                    || candidates(system, &request),
                    |nests| best_of(system, &request, nests),
                )?;
                if reason != NotRowStationary::Chip {
                    let nest = cost.mapping.unwrap_or_default();
                    cost.mapping = Some(format!("{nest}; not row-stationary: {reason}"));
                }
                Ok(cost)
            }
            Self::Attention {
                attention: a,
                executed,
                query_and_result,
                keys_and_values,
                is_cached,
            } => {
                let able = system.arrays.iter();
                let array = able.clone().position(|x| x.peak(*executed).is_some());
                let array = array.unwrap_or(0);
                let call = AttentionCall {
                    attention: a,
                    array,
                    dtype: *executed,
                    keys_and_values: *keys_and_values,
                    is_cached: *is_cached,
                    stack,
                };
                let (ends, kv) = (*query_and_result, *keys_and_values);
                let estimate = attention(system, array, a, *executed, ends, kv);
                Ok(library_attention(system, call, estimate))
            }
            Self::Scan {
                scan: s,
                executed,
                traffic,
            } => {
                let cost = scan(system, s, *executed, *traffic);
                Ok(library_recurrence(
                    system,
                    stack,
                    Walk::of_scan(s),
                    *traffic,
                    cost,
                ))
            }
            Self::Vector {
                work,
                dtype,
                served,
                kernel,
            } => {
                let cost = vector(system, *work, *dtype, *served);
                Ok(match kernel {
                    VectorKernel::Fused => cost,
                    VectorKernel::Passes(kernel, rows) => {
                        library_passes(system, stack, *kernel, *rows, *served, cost)
                    }
                    VectorKernel::Convolution(sizes, traffic) => {
                        let walk = Walk::of_convolution(*sizes);
                        library_recurrence(system, stack, walk, *traffic, cost)
                    }
                })
            }
            Self::Collective(c) => Ok(collective(system, stack, c).unwrap_or_else(|| Cost {
                link: Seconds(f64::INFINITY),
                ..Cost::free(system)
            })),
        }
    }
}

/// The kernel of an operator that is not fused. A convolution over time works element by element, but has a
/// state.
fn kernel(graph: &OpGraph, op: &Operator) -> VectorKernel {
    let first = op.inputs.first().map(|t| graph.tensor(*t));
    let shape = first.map_or(&[][..], |t| t.shape.as_slice());
    let has_state = op
        .inputs
        .iter()
        .any(|t| graph.tensor(*t).role == Role::State);
    if let (true, &[sequences, tokens, channels]) = (has_state, shape) {
        let traffic = Traffic {
            read: read(graph, op),
            written: written(graph, op),
        };
        return VectorKernel::Convolution([sequences, tokens, channels], traffic);
    }
    match op.kind {
        OpKind::Reduction(work) => {
            let length = shape.last().map_or(1.0, |n| *n as f64).max(1.0);
            let kernel = if work.special >= 1.0 {
                PassKernel::Softmax
            } else {
                PassKernel::Norm
            };
            VectorKernel::Passes(kernel, [work.elements / length, length])
        }
        OpKind::Elementwise(work) if work.special > 0.0 && op.inputs.len() == 1 => {
            VectorKernel::Passes(PassKernel::Activation, [0.0; 2])
        }
        _ => VectorKernel::Passes(PassKernel::Elementwise, [0.0; 2]),
    }
}

/// Bytes of an element on the chip: with its zeros where the chip leaves them out memory by memory.
fn on_chip_width(tensor: &Tensor) -> f64 {
    match tensor.packed {
        Some(_) => tensor.with_scales(tensor.dtype.bits()),
        None => tensor.element_bytes(),
    }
}

fn op_carrier(graph: &OpGraph, fusion: &Fusion, op: &Operator) -> Option<OpId> {
    let output = op.outputs.first()?;
    fusion.carrier(graph.producer(*output)?)
}

/// The kernel of a library, where the chip has one.
fn of_library(
    system: &System,
    stack: Stack,
    einsum: &Einsum,
    experts: Option<&Experts>,
    dtype: Dtype,
    operands: Operands<'_>,
) -> Option<Cost> {
    system.kernels.as_deref()?;
    let array = system.arrays.iter().position(|a| a.peak(dtype).is_some())?;
    let chain = Chain::of(system, array);
    match experts {
        Some(experts) => library_experts(system, &chain, dtype, stack, experts, operands),
        None => {
            let sizes = [Class::G, Class::M, Class::N, Class::K].map(|class| einsum.size(class));
            library_product(system, &chain, dtype, stack, sizes, operands)
        }
    }
}

/// Rows sorted by their weight: one product for each weight that is touched.
fn grouped(experts: &Experts) -> Einsum {
    let groups = experts.loads.touched().round().max(1.0);
    let rows = (experts.rows as f64 / groups).ceil().max(1.0);
    Einsum::matmul(groups as u64, rows as u64, experts.n, experts.k)
}

/// Scores to shares (maximum, difference, sum, division; one exponential), then one pass for each choice.
///
/// Source: derived.
fn route_work(tokens: u64, experts: u64, top_k: u64) -> VectorWork {
    VectorWork {
        elements: tokens as f64 * experts as f64,
        ops: 4.0 + top_k as f64,
        special: 1.0,
    }
}

fn read(graph: &OpGraph, op: &Operator) -> Bytes {
    let all = op.inputs.iter().enumerate();
    all.map(|(i, t)| op.bytes_read(i, graph.tensor(*t))).sum()
}

fn written(graph: &OpGraph, op: &Operator) -> Bytes {
    let outputs = op.outputs.iter();
    outputs.map(|t| op.bytes_written(graph.tensor(*t))).sum()
}

impl Hash for Question {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let traffic = |t: &Traffic, state: &mut H| {
            t.read.0.to_bits().hash(state);
            t.written.0.to_bits().hash(state);
        };
        std::mem::discriminant(self).hash(state);
        match self {
            Self::Free => {}
            Self::Product {
                einsum,
                experts,
                executed,
                widths,
                compulsory,
                zeros,
            } => {
                einsum.hash(state);
                let experts = experts.as_deref();
                experts
                    .map(|e| (e.loads.bits(), e.rows, e.routed))
                    .hash(state);
                executed.hash(state);
                for width in [widths.lhs, widths.rhs, widths.partial, widths.result] {
                    width.to_bits().hash(state);
                }
                traffic(compulsory, state);
                // Sparse inputs are rare; their text tells them apart.
                zeros.as_ref().map(|z| format!("{z:?}")).hash(state);
            }
            Self::Attention {
                attention,
                executed,
                query_and_result,
                keys_and_values,
                is_cached,
            } => {
                is_cached.hash(state);
                attention.hash(state);
                executed.hash(state);
                traffic(query_and_result, state);
                keys_and_values.0.to_bits().hash(state);
            }
            Self::Scan {
                scan,
                executed,
                traffic: moved,
            } => {
                scan.hash(state);
                executed.hash(state);
                traffic(moved, state);
            }
            Self::Vector {
                work,
                dtype,
                served,
                kernel,
            } => {
                match kernel {
                    VectorKernel::Fused => 0_u8.hash(state),
                    VectorKernel::Passes(kernel, rows) => {
                        (kernel, rows.map(f64::to_bits)).hash(state);
                    }
                    VectorKernel::Convolution(sizes, moved) => {
                        sizes.hash(state);
                        traffic(moved, state);
                    }
                }
                for value in [work.elements, work.ops, work.special] {
                    value.to_bits().hash(state);
                }
                dtype.hash(state);
                traffic(&served.main, state);
                traffic(&served.cached, state);
            }
            Self::Collective(c) => {
                (c.kind, c.chips, c.bytes.to_bits(), c.is_float).hash(state);
            }
        }
    }
}
