//! The model behind a file: read once, bound to sizes as often as asked.

use super::elem::Elem;
use super::emit;
use super::fuse;
use super::ir::{Size, Source};
use super::symbols;
use super::walk::Walk;
use crate::diag::{Problem, Problems};
use crate::workload::{Binding, Card, Dtype, Limits, Model, OpGraph, Phase};

/// A resolved file and its card.
pub(super) struct OnnxModel {
    source: Source,
    card: Card,
}

impl OnnxModel {
    pub(super) fn new(source: Source) -> Self {
        let card = card(&source);
        Self { source, card }
    }
}

impl Model for OnnxModel {
    fn card(&self) -> &Card {
        &self.card
    }

    fn graph(&self, binding: &Binding) -> Result<(OpGraph, Vec<Problem>), Problems> {
        let bound = symbols::bind(&self.source, binding)?;
        let mut walk = Walk::new(&self.source, &bound, binding.unknown_as_bytes);
        walk.run()?;
        fuse::fuse(&mut walk);
        let graph = emit::emit(&walk, &binding.precision, self.card.dtype);
        Ok((graph, bound.warnings.clone()))
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

/// `Σ heads · width` over the cache inputs `[batch, heads, past, width]`.
fn kv_elements(source: &Source) -> Option<f64> {
    let mut sum = 0.0;
    for ix in source
        .main
        .inputs
        .iter()
        .filter(|ix| emit::is_past(source.name(**ix)))
    {
        let sizes = source.declared.get(ix).and_then(|d| d.sizes.as_ref());
        if let Some([_, Size::Fixed(heads), _, Size::Fixed(width)]) = sizes.map(Vec::as_slice) {
            sum += *heads as f64 * *width as f64;
        }
    }
    (sum > 0.0).then_some(sum)
}
