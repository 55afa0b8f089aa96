//! Zeros of a graph's tensors on a chip: which steps are left, and what memories hold.

use std::borrow::Cow;

use crate::cost::sparse::{Zeros, shares, stored};
use crate::hardware::{Compression, Memory, System};
use crate::workload::{
    Density, OpGraph, OpKind, Operator, Packed, Patch, Role, Slot, Tensor, TensorId,
};

use super::bound::compulsory;
use super::task::BoundStep;

/// Zeros of a product's operands, `None` if none has any or it is no product.
pub(super) fn of_product(graph: &OpGraph, system: &System, op: &Operator) -> Option<Zeros> {
    let tensors = operands(graph, op)?;
    let result = op.outputs.first().map(|t| graph.tensor(*t));
    let mut all = tensors.into_iter().chain(result);
    if !all.any(|t| t.sparsity.is_some()) {
        return None;
    }
    let mut zeros = Zeros {
        densities: tensors.map(density),
        ..Zeros::none()
    };
    for memory in &system.memories {
        zeros.packed.push([
            held(tensors[0], memory, Slot::Lhs),
            held(tensors[1], memory, Slot::Rhs),
            result.and_then(|tensor| held(tensor, memory, Slot::Acc)),
        ]);
    }
    Some(zeros)
}

/// Least share of an operator's dense steps that any engine of the chip is left with.
pub(super) fn steps(graph: &OpGraph, system: &System, op: &Operator) -> f64 {
    let Some(tensors) = operands(graph, op) else {
        return 1.0;
    };
    let densities = tensors.map(density);
    let engines = system.arrays.iter();
    let left = engines.map(|array| shares(&array.zeros, densities).steps);
    left.fold(1.0, f64::min)
}

/// Inputs of a product.
fn operands<'a>(graph: &'a OpGraph, op: &Operator) -> Option<[&'a Tensor; 2]> {
    match op.kind {
        OpKind::Einsum { .. } | OpKind::Experts(_) => {}
        OpKind::Attention(_)
        | OpKind::Route { .. }
        | OpKind::Scan(_)
        | OpKind::Elementwise(_)
        | OpKind::Reduction(_)
        | OpKind::Gather { .. }
        | OpKind::Layout(_)
        | OpKind::KvAppend { .. }
        | OpKind::Collective(_)
        | OpKind::Opaque { .. } => return None,
    }
    let [lhs, rhs, ..] = op.inputs.as_slice() else {
        return None;
    };
    Some([graph.tensor(*lhs), graph.tensor(*rhs)])
}

fn density(tensor: &Tensor) -> Density {
    Density::of(tensor.sparsity, tensor.elements())
}

/// Share of the width on the chip that a memory holds; `None` where it stores zeros.
fn held(tensor: &Tensor, memory: &Memory, slot: Slot) -> Option<f64> {
    tensor.sparsity?;
    if tensor.packed.is_none() {
        // Stored without zeros by the software, everywhere.
        return Some(1.0);
    }
    let dense = tensor.with_scales(tensor.dtype.bits());
    let bits = packed_bits(tensor, memory, slot)?;
    Some(tensor.with_scales(bits) / dense)
}

/// How a memory leaves out zeros of an input. Results become left inputs: without a format of their own, these
/// lie as results do.
fn format(memory: &Memory, slot: Slot) -> Option<Compression> {
    let [lhs, rhs, acc] = memory.compression;
    match slot {
        Slot::Lhs => lhs.or(acc),
        Slot::Rhs => rhs,
        Slot::Acc => acc.or(lhs),
    }
}

/// Bits of an element in a memory that leaves out zeros of a slot; never more than the dense element.
fn packed_bits(tensor: &Tensor, memory: &Memory, slot: Slot) -> Option<f64> {
    let format = format(memory, slot)?;
    let columns = tensor.shape.last().copied().unwrap_or(1).max(1);
    let rows = (tensor.elements() / columns as f64).max(1.0) as u64;
    let whole = Patch { rows, columns };
    let bits = tensor.dtype.bits();
    let all = stored(format, density(tensor), whole, bits).bits();
    Some((all / whole.elements()).min(bits))
}

/// The slot whose compression applies to a tensor between its uses.
fn slot_of(role: Role) -> Option<Slot> {
    match role {
        Role::Weight => Some(Slot::Rhs),
        Role::Activation | Role::Input | Role::Output => Some(Slot::Lhs),
        Role::KvCache | Role::State | Role::Gradient | Role::Optimizer => None,
    }
}

/// A step as a chip stores it: tensors of slots that some memory compresses lie in that memory's format there
/// and dense elsewhere; the others as the software stores them.
pub(super) fn on_chip<'a>(step: &'a BoundStep, system: &System) -> Cow<'a, BoundStep> {
    let changes = |tensor: &Tensor| {
        tensor.sparsity?;
        let slot = slot_of(tensor.role)?;
        let memories = || system.memories.iter();
        let packs = memories().any(|m| format(m, slot).is_some());
        let dense = tensor.dtype.bits();
        let bits = |m, slot| packed_bits(tensor, m, slot).unwrap_or(dense);
        let least = |m| match slot {
            Slot::Lhs | Slot::Acc => bits(m, Slot::Lhs).min(bits(m, Slot::Acc)),
            Slot::Rhs => bits(m, Slot::Rhs),
        };
        packs.then(|| Packed {
            main: bits(system.main_memory(), slot),
            least: memories().map(least).fold(dense, f64::min),
        })
    };
    let tensors = step.graph.tensors().iter().map(changes);
    let packed: Vec<Option<Packed>> = tensors.collect();
    if packed.iter().all(Option::is_none) {
        return Cow::Borrowed(step);
    }
    let mut step = step.clone();
    for (id, packed) in (0_u32..).map(TensorId).zip(packed) {
        step.graph.tensor_mut(id).packed = packed;
    }
    step.compulsory = compulsory(&step.graph);
    Cow::Owned(step)
}

/// A step whose tensors have no zeros.
pub(super) fn dense(step: &BoundStep) -> BoundStep {
    let mut step = step.clone();
    let n = step.graph.tensors().len() as u32;
    for id in (0..n).map(TensorId) {
        step.graph.tensor_mut(id).sparsity = None;
    }
    step.compulsory = compulsory(&step.graph);
    step
}
