//! Which layers a model has: what each sees, grouped by kind.

use crate::diag::{Code, Problem};

use super::family::{Family, Windows};
use super::fields::{CONTEXT_LIMIT, Fields, LAYER_LIMIT};
use super::plan::{AttentionPlan, DensePlan, Ffn, Mixer, Segment, Sight};
use super::read;

/// Tokens that a windowed layer sees.
const WINDOW: &[&str] = &["sliding_window"];

/// Each how many-th layer has no window.
const PATTERN: &[&str] = &["sliding_window_pattern", "_sliding_window_pattern"];

/// Layers grouped by kind, in order of first appearance.
pub(super) fn segments(
    fields: &Fields<'_>,
    family: &Family,
    attention: &AttentionPlan,
    dense: &DensePlan,
) -> Vec<Segment> {
    let layers = fields.need(read::LAYERS, LAYER_LIMIT);
    let mut segments: Vec<Segment> = Vec::new();
    for sight in sights(fields, family, layers) {
        let mixer = Mixer::Attention(AttentionPlan {
            sight,
            ..attention.clone()
        });
        match segments.iter_mut().find(|s| s.mixer == mixer) {
            Some(segment) => segment.count += 1,
            None => segments.push(Segment {
                mixer,
                ffn: Ffn::Dense(dense.clone()),
                count: 1,
            }),
        }
    }
    segments
}

/// What each layer sees.
fn sights(fields: &Fields<'_>, family: &Family, layers: u64) -> Vec<Sight> {
    let window = match (fields.flag("use_sliding_window"), family.windows) {
        (Some(false), _) => None,
        (Some(true) | None, Windows::AllBut(_)) => Some(fields.need(WINDOW, CONTEXT_LIMIT)),
        (Some(true) | None, Windows::None | Windows::All | Windows::Upper) => {
            fields.count(WINDOW, CONTEXT_LIMIT)
        }
    };
    let Some(window) = window else {
        return vec![Sight::Past; layers as usize];
    };
    if let Some(types) = fields.texts("layer_types") {
        return named_sights(fields, &types, layers, window);
    }
    let is_windowed = |layer: u64| match family.windows {
        Windows::None => false,
        Windows::All => true,
        Windows::Upper => {
            let used = fields.flag("use_sliding_window").unwrap_or(false);
            let first = fields.whole(&["max_window_layers"], 0, LAYER_LIMIT);
            used && layer >= first.unwrap_or(layers)
        }
        Windows::AllBut(n) => {
            let n = fields.count(PATTERN, LAYER_LIMIT).unwrap_or(n);
            !(layer + 1).is_multiple_of(n)
        }
    };
    let each = (0..layers).map(|layer| match is_windowed(layer) {
        true => Sight::Window(window),
        false => Sight::Past,
    });
    each.collect()
}

fn named_sights(fields: &Fields<'_>, types: &[&str], layers: u64, window: u64) -> Vec<Sight> {
    if fields.are_right() && types.len() as u64 != layers {
        let n = types.len();
        let message = format!("`layer_types` names {n} layers, and the model has {layers}");
        fields.report("layer_types", Problem::new(Code::Disagreement, message));
    }
    let each = types.iter().map(|name| match *name {
        "sliding_attention" => Sight::Window(window),
        "full_attention" => Sight::Past,
        other => {
            let message = format!("layer type `{other}` is not supported yet");
            let problem = Problem::new(Code::UnsupportedModel, message)
                .help("supported: full_attention, sliding_attention");
            fields.report("layer_types", problem);
            Sight::Past
        }
    });
    each.collect()
}
