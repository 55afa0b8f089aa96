//! The operators of one kind of layer.

use crate::workload::TensorId;

use super::build::Builder;
use super::feed;
use super::mix::{self, Context};
use super::plan::{LayerPlan, Placement, Plan, Segment};

/// All layers of a plan, one set of operators for each kind.
///
/// Kinds that alternate in the model stand one behind the other here.
pub(super) fn stack(b: &mut Builder, plan: &Plan, mut x: TensorId, context: &Context) -> TensorId {
    let prefix = b.prefix.clone();
    let names = names(&plan.segments);
    for (segment, name) in plan.segments.iter().zip(&names) {
        let name = format!("{prefix}layers.{name}.");
        x = Layer {
            b,
            plan,
            layer: &segment.layer,
            prefix: &name,
            count: segment.count,
            shared: segment.shared,
        }
        .build(x, context);
    }
    b.shared = false;
    x
}

/// A name for each kind of layer: what it mixes with where that tells them apart, else what it does per token,
/// else both, else its number.
fn names(segments: &[Segment]) -> Vec<String> {
    if segments.len() == 1 {
        return vec!["*".to_owned()];
    }
    let of = |name: &dyn Fn(&LayerPlan) -> String| -> Option<Vec<String>> {
        let all: Vec<String> = segments.iter().map(|s| name(&s.layer)).collect();
        let mut sorted = all.clone();
        sorted.sort_unstable();
        sorted.dedup();
        (sorted.len() == all.len()).then_some(all)
    };
    let mixer = |l: &LayerPlan| l.label().to_owned();
    let feed = |l: &LayerPlan| l.feed_label().to_owned();
    let both = |l: &LayerPlan| format!("{}_{}", l.label(), l.feed_label());
    let numbered = || {
        let each = segments.iter().zip(1..);
        each.map(|(s, i)| format!("{}{i}", both(&s.layer)))
            .collect()
    };
    of(&mixer)
        .or_else(|| of(&feed))
        .or_else(|| of(&both))
        .unwrap_or_else(numbered)
}

/// A layer in the making.
struct Layer<'a> {
    b: &'a mut Builder,
    plan: &'a Plan,
    layer: &'a LayerPlan,
    prefix: &'a str,
    count: u64,
    shared: bool,
}

impl Layer<'_> {
    fn build(mut self, x: TensorId, context: &Context) -> TensorId {
        match self.layer.placement {
            Placement::Shared | Placement::Beside => self.side_by_side(x, context),
            Placement::Before | Placement::Behind | Placement::Around | Placement::Branch => {
                self.in_turn(x, context)
            }
        }
    }

    fn enter(&mut self, part: &str) {
        let block = format!("{}{part}", self.prefix);
        self.b.enter(self.prefix, &block, self.count);
        self.b.shared = self.shared;
    }

    fn norm(&mut self, name: &str, x: TensorId) -> TensorId {
        self.b.norm(name, x, self.plan.norm, self.plan.hidden)
    }

    /// Mixer, then attention to the encoder, then feed-forward part, each added to the residual.
    fn in_turn(&mut self, mut x: TensorId, context: &Context) -> TensorId {
        let width = self.plan.hidden;
        if let Some(mixer) = &self.layer.mixer {
            self.enter("attention");
            let inner = match self.layer.bare {
                true => x,
                false => self.before("input_norm", x),
            };
            let inner = mix::mixer(self.b, mixer, inner, width, context);
            x = self.added("attention", x, inner);
        }
        if let Some(cross) = &self.layer.cross {
            self.enter("cross_attention");
            let inner = self.before("cross_norm", x);
            let inner = mix::cross(self.b, cross, inner, width, context);
            x = self.added("cross_attention", x, inner);
        }
        if let Some(ffn) = &self.layer.ffn {
            self.enter("mlp");
            let inner = self.before("mlp_norm", x);
            let inner = feed::ffn(self.b, ffn, inner, width);
            x = self.added("mlp", x, inner);
        }
        x
    }

    /// The norm in front of a part, where there is one.
    fn before(&mut self, name: &str, x: TensorId) -> TensorId {
        match self.layer.placement {
            Placement::Before | Placement::Around => self.norm(name, x),
            Placement::Behind | Placement::Branch | Placement::Shared | Placement::Beside => x,
        }
    }

    /// The residual with a part's result, and the norms behind it.
    fn added(&mut self, part: &str, x: TensorId, mut inner: TensorId) -> TensorId {
        let width = self.plan.hidden;
        match self.layer.placement {
            Placement::Around | Placement::Branch => {
                inner = self.norm(&format!("post_{part}_norm"), inner);
            }
            Placement::Before | Placement::Behind | Placement::Shared | Placement::Beside => {}
        }
        if self.layer.scales {
            let name = format!("{part}_scale");
            let scale = self.b.weight(&format!("{name}.weight"), &[width]);
            let y = self.b.stream(&format!("{name}.out"), width);
            let work = (self.b.rows() as f64 * width as f64, 1.0, 0.0);
            self.b
                .elementwise(&name, "mul", work, &[inner, scale], &[y]);
            inner = y;
        }
        let y = self.b.sum(&format!("{part}_add"), &[x, inner], width);
        match (self.layer.placement, part) {
            (Placement::Behind, "mlp") => self.norm("output_norm", y),
            (Placement::Behind, _) => self.norm(&format!("{part}_norm"), y),
            _ => y,
        }
    }

    /// Both parts on the same residual.
    fn side_by_side(&mut self, x: TensorId, context: &Context) -> TensorId {
        let width = self.plan.hidden;
        let mut terms = vec![x];
        let mut normed = None;
        if let Some(mixer) = &self.layer.mixer {
            self.enter("attention");
            let inner = self.norm("input_norm", x);
            normed = Some(inner);
            terms.push(mix::mixer(self.b, mixer, inner, width, context));
        }
        if let Some(ffn) = &self.layer.ffn {
            self.enter("mlp");
            let shared = normed.filter(|_| self.layer.placement == Placement::Shared);
            let inner = match shared {
                Some(inner) => inner,
                None => self.norm("mlp_norm", x),
            };
            terms.push(feed::ffn(self.b, ffn, inner, width));
        }
        self.b.sum("layer_add", &terms, width)
    }
}
