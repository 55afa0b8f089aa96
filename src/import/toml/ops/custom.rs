//! An operator of one's own, by its sizes and work.

use crate::diag::Code;
use crate::workload::{Dtype, Einsum, OpKind, Role, TensorId, VectorWork};

use super::super::args::MAX_SIZE;
use super::super::walk::{Call, Walk};
use super::check_size;

/// Largest number of operations or bytes.
const MAX_WORK: f64 = 1e18;

/// `custom = { shape, product, ops, special, params, read }`: a result of `shape`; a product of sizes `[m, n, k]` or
/// `[groups, m, n, k]`; operations of the vector engine; weights; and bytes read beside the inputs.
pub(super) fn custom(walk: &mut Walk<'_>, call: &Call<'_, '_>) -> Option<TensorId> {
    let own = walk.draft.shape(call.x()).to_vec();
    let args = call.args("custom", "ops");
    let shape = args.sizes("shape", 1..=MAX_SIZE);
    let has_shape = args.has("shape");
    let product = args.sizes("product", 1..=MAX_SIZE);
    let ops = args.number_or("ops", 0.0, 0.0..=MAX_WORK);
    let special = args.number_or("special", 0.0, 0.0..=MAX_WORK);
    let params = args.size_or("params", 0, 0..=MAX_SIZE);
    let read = args.size_or("read", 0, 0..=MAX_SIZE);
    if product.as_ref().is_some_and(|p| !matches!(p.len(), 3 | 4)) {
        args.refuse(
            "product",
            Code::OutOfRange,
            "`product` is [m, n, k] or [groups, m, n, k]",
        );
    }
    args.finish()?;
    let (ops, special, params, read) = (ops?, special?, params?, read?);
    let shape = if has_shape { shape? } else { own };
    check_size(call, "custom", &shape)?;
    let mut inputs = call.inputs.clone();
    if params > 0 {
        inputs.push(call.weight(walk, "weight", &[params])?);
    }
    if read > 0 {
        inputs.push(
            walk.draft
                .add(&call.sub("read"), &[read], Dtype::Int8, Role::Activation),
        );
    }
    let mut y = walk.draft.activation(&call.sub("out"), &shape);
    if let Some(sizes) = product {
        let (g, m, n, k) = match sizes[..] {
            [g, m, n, k] => (g, m, n, k),
            [m, n, k] => (1, m, n, k),
            _ => return None,
        };
        for operand in [[g, m, k], [g, k, n], [g, m, n]] {
            check_size(call, "custom", &operand)?;
        }
        let kind = OpKind::Einsum {
            einsum: Einsum::matmul(g, m, n, k),
            dtype: walk.draft.formats.product(),
        };
        walk.draft
            .operator(&call.name, "custom", kind, &inputs, &[y]);
        if ops + special == 0.0 {
            return Some(y);
        }
        inputs = vec![y];
        y = walk.draft.activation(&call.sub("vector.out"), &shape);
    }
    // Per element of the result, so that the total is as given.
    let elements = walk.draft.elements(y);
    let kind = OpKind::Reduction(VectorWork {
        elements,
        ops: ops / elements,
        special: special / elements,
    });
    walk.draft
        .operator(&call.sub("vector"), "custom", kind, &inputs, &[y]);
    Some(y)
}
