//! Layers of experts: a router's choice, and products with the weights of those chosen.

use crate::import::onnx::call::{Call, Feed, Reply, Work, like, map};
use crate::import::onnx::ops::Rule;
use crate::import::onnx::value::{Dims, Fault, elements, show, wrong};

pub(super) fn rule(op: &str) -> Option<Rule> {
    Some(match op {
        "MoE" => |c| experts(c, [2, 4, 6], [3, 5, 7]),
        "QMoE" => |c| experts(c, [2, 5, 8], [3, 6, 9]),
        _ => return None,
    })
}

/// Each token goes to `k` experts: up (and gate), activation, down. `weights` and `beside` are the inputs
/// with the weights of the products and what is read with them (biases or scales).
fn experts(c: &Call, weights: [usize; 3], beside: [usize; 3]) -> Result<Reply, Fault> {
    let (x, router) = (c.need(0)?, c.ranked(1, 2)?);
    let Some((&hidden, lead)) = x.dims.split_last() else {
        return wrong("its input has no axes");
    };
    let (first, second) = (c.ranked(weights[0], 3)?, c.ranked(weights[1], 3)?);
    let n_experts = router.dims[1];
    let each = c.int("k", 1).clamp(1, n_experts.max(1));
    let tokens = elements(lead)?;
    let rows = tokens.saturating_mul(each);
    // One of the two axes is the hidden width, or as many packed bytes; the other one is the experts'.
    let width = |w: &[i64], whole: i64| if w[2] == whole { w[1] } else { w[2] };
    let per_byte = match c.int("expert_weight_bits", 0) {
        bits @ 1..8 => 8 / bits,
        _ => 1,
    };
    let is_row = |w: &[i64]| w[2].checked_mul(per_byte) == Some(hidden) || w[2] == hidden;
    let up = if is_row(&first.dims) {
        first.dims[1]
    } else {
        width(&first.dims, hidden).saturating_mul(per_byte)
    };
    let is_gated_in_one = c.int("swiglu_fusion", 0) != 0
        || (c.text("activation_type") == "swiglu" && c.get(weights[2]).is_none());
    let inner = if is_gated_in_one { up / 2 } else { up };
    if first.dims[0] != n_experts || second.dims[0] != n_experts || hidden < 1 || inner < 1 {
        return wrong(format!(
            "weights {} and {} of {n_experts} experts for {}",
            show(&first.dims),
            show(&second.dims),
            show(&x.dims)
        ));
    }
    let product = |n: i64, k: i64| Work::Experts {
        tokens: tokens as u64,
        experts: n_experts as u64,
        top_k: each as u64,
        n: n as u64,
        k: k as u64,
    };
    let mut reply = Reply::one(like(x, x.dims.clone())?, map(1.0, 0.0));
    let chosen = Dims::from_slice(&[tokens, each]);
    let chosen = reply.temp(like(router, chosen)?);
    let route = Work::Route {
        tokens: tokens as u64,
        experts: n_experts as u64,
        top_k: each as u64,
    };
    reply.part(route, vec![Feed::In(1)], vec![chosen]);
    let fed = |from: Feed, i: usize| {
        let more = [beside[i]].into_iter().filter(|b| c.get(*b).is_some());
        let weight = [from, Feed::In(weights[i])].into_iter();
        let all = weight.chain(more.map(Feed::In)).chain([chosen]);
        all.collect::<Vec<Feed>>()
    };
    let row = |n: i64| like(x, Dims::from_slice(&[rows, n]));
    let mut made = vec![reply.temp(row(up)?)];
    reply.part(product(up, hidden), fed(Feed::In(0), 0), made.clone());
    if c.get(weights[2]).is_some() {
        let gate = reply.temp(row(up)?);
        reply.part(product(up, hidden), fed(Feed::In(0), 2), vec![gate]);
        made.push(gate);
    }
    let active = reply.temp(row(inner)?);
    reply.part(map(4.0, 2.0), made, vec![active]);
    let down = reply.temp(row(hidden)?);
    reply.part(product(hidden, inner), fed(active, 1), vec![down]);
    // The answers of a token's experts are weighted and added.
    reply.work = map(2.0 * each as f64, 0.0);
    reply.feeds = Some(vec![down, chosen]);
    Ok(reply)
}
