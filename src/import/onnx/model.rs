//! The model behind a file: read once, bound to sizes as often as asked.

use super::elem::Elem;
use super::emit;
use super::fuse;
use super::ir::{Size, Source};
use super::mapping::Mapping;
use super::peak;
use super::symbols;
use super::walk::Walk;
use crate::diag::{Problem, Problems};
use crate::workload::{Binding, Card, Dtype, Limits, Model, OpGraph, Phase, Role};

/// A resolved file and its card.
pub(super) struct OnnxModel {
    source: Source,
    card: Card,
    mapping: Mapping,
}

impl OnnxModel {
    pub(super) fn new(source: Source, mapping: Mapping) -> Self {
        let card = card(&source);
        Self {
            source,
            card,
            mapping,
        }
    }
}

impl Model for OnnxModel {
    fn card(&self) -> &Card {
        &self.card
    }

    fn graph(&self, binding: &Binding) -> Result<(OpGraph, Vec<Problem>), Problems> {
        let bound = symbols::bind(&self.source, binding)?;
        let mut walk = Walk::new(&self.source, &bound, &self.mapping);
        walk.unknown_as_bytes = binding.unknown_as_bytes;
        walk.run()?;
        let peak = peak::exported(&walk, &binding.precision);
        fuse::fuse(&mut walk);
        let mut graph = emit::emit(&walk, binding, self.card.dtype);
        graph.set_exported_peak(peak);
        let mut warnings = bound.warnings.clone();
        warnings.extend(walk.assumed());
        Ok((graph, warnings))
    }
}

fn card(source: &Source) -> Card {
    let family = match source.producer.as_str() {
        "" => "onnx".to_owned(),
        producer => producer.to_owned(),
    };
    Card {
        family,
        default_phase: Phase::Infer,
        dtype: main_dtype(source),
        active_parameters: None,
        kv_elements_per_token: kv_elements(source),
        state_elements: 0.0,
        limits: Limits::default(),
        symbols: symbols::of(source),
        deadline: None,
    }
}

/// The float format that most weight elements have.
fn main_dtype(source: &Source) -> Dtype {
    let mut sizes: Vec<(Dtype, f64)> = Vec::new();
    for (_, value) in &source.constants {
        let Elem::Float(dtype) = value.elem else {
            continue;
        };
        let n = value.elements() as f64;
        match sizes.iter_mut().find(|(d, _)| *d == dtype) {
            Some((_, sum)) => *sum += n,
            None => sizes.push((dtype, n)),
        }
    }
    let largest = sizes.iter().max_by(|a, b| a.1.total_cmp(&b.1));
    largest.map_or(Dtype::Fp32, |(d, _)| *d)
}

/// `Σ heads · width` over the inputs that hold keys or values, `[batch, heads, past, width]` or with the
/// past on another axis, which is the open one.
fn kv_elements(source: &Source) -> Option<f64> {
    let mut sum = 0.0;
    for ix in &source.main.inputs {
        let Some(sizes) = source.declared.get(ix).and_then(|d| d.sizes.as_ref()) else {
            continue;
        };
        let is_cache = emit::kept_name(source.name(*ix)) == Some(Role::KvCache);
        if !is_cache || sizes.len() < 3 {
            continue;
        }
        let rest = &sizes[1..];
        let is_open = |s: &Size| !matches!(s, Size::Fixed(_));
        let past = rest.iter().rposition(is_open).unwrap_or(rest.len() - 2);
        let each = rest.iter().enumerate().filter(|(i, _)| *i != past);
        let fixed = each.map(|(_, s)| match s {
            Size::Fixed(n) => Some(*n as f64),
            Size::Named(_) | Size::Unknown => None,
        });
        sum += fixed.product::<Option<f64>>().unwrap_or(0.0);
    }
    (sum > 0.0).then_some(sum)
}
