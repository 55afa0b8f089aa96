//! The feed-forward part: dense, or a mixture of experts.

use crate::workload::{Experts, Loads, OpKind, Popularity, Role, TensorId};

use super::build::{Builder, Linear};
use super::plan::{DensePlan, ExpertsPlan, Ffn};

/// `y: [batch, tokens, width]` of `x` of the same shape.
pub(super) fn ffn(b: &mut Builder, plan: &Ffn, x: TensorId, width: u64) -> TensorId {
    match plan {
        Ffn::Dense(dense) => self::dense(b, dense, x, width, Names::DENSE),
        Ffn::Experts(experts) => self::experts(b, experts, x, width),
    }
}

/// Names of a dense part's operators.
struct Names {
    gate_up: &'static str,
    up: &'static str,
    act: &'static str,
    down: &'static str,
}

impl Names {
    const DENSE: Self = Self {
        gate_up: "gate_up_proj",
        up: "up_proj",
        act: "act",
        down: "down_proj",
    };
    const SHARED: Self = Self {
        gate_up: "shared.gate_up_proj",
        up: "shared.up_proj",
        act: "shared.act",
        down: "shared.down_proj",
    };
}

fn dense(b: &mut Builder, plan: &DensePlan, x: TensorId, width: u64, names: Names) -> TensorId {
    let (name, inner) = match plan.gated {
        true => (names.gate_up, 2 * plan.width),
        false => (names.up, plan.width),
    };
    let x = b.linear(x, &Linear::new(name, width, inner).biased(plan.bias));
    // The product with the other half.
    let more = if plan.gated { 1.0 } else { 0.0 };
    let x = b.nonlinear(names.act, x, plan.activation, plan.width, more);
    b.linear(
        x,
        &Linear::new(names.down, plan.width, width).biased(plan.bias),
    )
}

/// Scores, choice, two grouped products, weighted sum; beside them what every token passes.
fn experts(b: &mut Builder, plan: &ExpertsPlan, x: TensorId, width: u64) -> TensorId {
    let router = Linear::new("router", width, plan.experts).biased(plan.router_bias);
    let scores = b.linear(x, &router.wide());
    let shape = [b.batch, b.tokens, plan.top_k];
    let chosen = b.activation("route.out", &shape);
    let mut inputs = vec![scores];
    if plan.correction {
        inputs.push(b.weight("route.correction", &[plan.experts]));
    }
    let kind = OpKind::Route {
        tokens: b.rows(),
        experts: plan.experts,
        top_k: plan.top_k,
    };
    b.operator("route", "top_k", kind, &inputs, &[chosen]);
    let popularity = Popularity::new(plan.experts, plan.top_k, b.software.imbalance);
    let loads = popularity.loads(b.rows() as f64);
    let group = Group {
        plan,
        loads,
        chosen,
    };
    let up = if plan.each.gated { 2 } else { 1 } * plan.each.width;
    let inner = group.product(b, "experts.gate_up_proj", x, width, up);
    let (source, ops, special) = plan.each.activation.work();
    let more = if plan.each.gated { 1.0 } else { 0.0 };
    let shape = [b.batch, b.tokens, plan.top_k, plan.each.width];
    let acted = b.activation("experts.act.out", &shape);
    let elements = b.rows() as f64 * plan.top_k as f64 * plan.each.width as f64;
    let work = (elements, ops + more, special);
    b.elementwise("experts.act", source, work, &[inner], &[acted]);
    let each = group.product(b, "experts.down_proj", acted, plan.each.width, width);
    let mut y = b.stream("experts.sum.out", width);
    // A multiplication and an addition for each chosen expert.
    let work = (b.rows() as f64 * width as f64, 2.0 * plan.top_k as f64, 0.0);
    b.elementwise("experts.sum", "weighted_sum", work, &[each, chosen], &[y]);
    if let Some(shared) = &plan.shared {
        let mut always = dense(b, shared, x, width, Names::SHARED);
        if plan.shared_gate {
            let gate = b.linear(x, &Linear::new("shared.gate", width, 1).wide());
            let gated = b.stream("shared.gated.out", width);
            let work = (b.rows() as f64 * width as f64, 1.0, 0.0);
            b.elementwise("shared.gated", "mul", work, &[always, gate], &[gated]);
            always = gated;
        }
        y = b.sum("experts.add", &[y, always], width);
    }
    y
}

struct Group<'a> {
    plan: &'a ExpertsPlan,
    loads: Loads,
    chosen: TensorId,
}

impl Group<'_> {
    /// `[rows, k] · [expert, k, n]`, rows sorted by their expert.
    fn product(
        &self,
        b: &mut Builder,
        name: &str,
        x: TensorId,
        input: u64,
        output: u64,
    ) -> TensorId {
        let plan = self.plan;
        let shape = [plan.experts, input, output];
        let dtype = b.formats.experts;
        let weight = b.tensor(&format!("{name}.weight"), &shape, dtype, Role::Weight);
        b.set_group(weight);
        let mut inputs = vec![x, weight];
        if plan.each.bias {
            inputs.push(b.weight(&format!("{name}.bias"), &[plan.experts, output]));
        }
        inputs.push(self.chosen);
        let shape = [b.batch, b.tokens, plan.top_k, output];
        let y = b.activation(&format!("{name}.out"), &shape);
        let kind = OpKind::Experts(Experts {
            experts: plan.experts,
            loads: self.loads,
            rows: b.rows().saturating_mul(plan.top_k),
            routed: b.rows().saturating_mul(plan.top_k),
            n: output,
            k: input,
            dtype: b.formats.experts_product,
        });
        b.operator(name, "grouped_linear", kind, &inputs, &[y]);
        y
    }
}
