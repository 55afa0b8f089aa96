//! Which layers a model has: how each mixes tokens and what it does per token, grouped by kind.

use crate::diag::{Code, Problem};

use super::experts;
use super::family::{Family, RecurrentTraits, Windows};
use super::fields::{CONTEXT_LIMIT, Fields, LAYER_LIMIT};
use super::plan::{
    AttentionPlan, Ffn, LatentPlan, LayerPlan, Mixer, RecurrentPlan, Segment, ShortPlan, Sight,
};
use super::read;

/// Tokens that a windowed layer sees.
const WINDOW: &[&str] = &["sliding_window", "attention_window_size", "local_attention"];

/// Each how many-th layer has no window.
const PATTERN: &[&str] = &[
    "sliding_window_pattern",
    "_sliding_window_pattern",
    "global_attn_every_n_layers",
];

/// Kinds of layers by name.
const NAMES: &[&str] = &["layer_types", "layers_block_type"];

/// Fields that only a recurrent layer has.
const STATE: &[&str] = &["state_size", "ssm_state_size", "mamba_d_state"];

/// How a layer mixes tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mix {
    Attention(Sight),
    Recurrent,
    Both(Sight),
    Short,
    Nothing,
}

/// What a layer does per token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Feed {
    Dense,
    Experts,
    Nothing,
}

/// What the kinds of layers are made of.
pub(super) struct Parts<'a> {
    /// Attention, if the file describes one; its sight is set layer by layer.
    pub(super) attention: Option<&'a AttentionPlan>,
    /// Latent attention, instead of the other.
    pub(super) latent: Option<&'a LatentPlan>,
    /// A recurrence.
    pub(super) recurrent: Option<&'a RecurrentPlan>,
    /// Dense part.
    pub(super) dense: &'a Ffn,
    /// Experts, if the file describes any.
    pub(super) experts: Option<&'a Ffn>,
}

/// True if no layer of the file has attention.
pub(super) fn is_recurrent(fields: &Fields<'_>) -> bool {
    fields.name_of(STATE).is_some() && fields.name_of(read::HEADS).is_none_or(|n| n == "num_heads")
}

/// True if some layer may be recurrent.
pub(super) fn has_recurrent(fields: &Fields<'_>, family: &Family) -> bool {
    fields.name_of(STATE).is_some()
        || fields
            .name_of(&["linear_num_value_heads", "lru_width"])
            .is_some()
        || family.recurrent != RecurrentTraits::Fields
}

/// Layers grouped by kind, in order of first appearance.
pub(super) fn segments(fields: &Fields<'_>, family: &Family, parts: &Parts<'_>) -> Vec<Segment> {
    let layers = fields.need(read::LAYERS, LAYER_LIMIT);
    let mut segments: Vec<Segment> = Vec::new();
    for (mix, feed) in kinds(fields, family, layers, parts) {
        let layer = LayerPlan {
            placement: family.placement,
            mixer: mixer(fields, mix, parts),
            cross: None,
            ffn: match feed {
                Feed::Dense => Some(parts.dense.clone()),
                Feed::Experts => Some(parts.experts.unwrap_or(parts.dense).clone()),
                Feed::Nothing => None,
            },
            scales: false,
            bare: false,
        };
        match segments.iter_mut().find(|s| s.layer == layer) {
            Some(segment) => segment.count += 1,
            None => segments.push(Segment {
                layer,
                count: 1,
                shared: false,
            }),
        }
    }
    segments
}

fn mixer(fields: &Fields<'_>, mix: Mix, parts: &Parts<'_>) -> Option<Mixer> {
    let attention = |sight| {
        let seen = |a: &AttentionPlan| AttentionPlan { sight, ..a.clone() };
        parts.attention.map(seen)
    };
    let missing = |what: &str| {
        let message = format!("the model has {what} layers, which its fields do not describe");
        fields.report("model_type", Problem::new(Code::Disagreement, message));
        None
    };
    match (mix, parts.latent) {
        (Mix::Nothing, _) => None,
        (Mix::Short, _) => Some(Mixer::Short(short(fields))),
        (Mix::Attention(_), Some(latent)) => Some(Mixer::Latent(latent.clone())),
        (Mix::Attention(sight), None) => match attention(sight) {
            Some(a) => Some(Mixer::Attention(a)),
            None => missing("attention"),
        },
        (Mix::Recurrent, _) => match parts.recurrent {
            Some(r) => Some(Mixer::Recurrent(r.clone())),
            None => missing("recurrent"),
        },
        (Mix::Both(sight), _) => match (attention(sight), parts.recurrent) {
            (Some(a), Some(r)) => Some(Mixer::Both(a, r.clone())),
            _ => missing("hybrid"),
        },
    }
}

/// Source: transformers `Lfm2Config`.
fn short(fields: &Fields<'_>) -> ShortPlan {
    ShortPlan {
        taps: fields.count(&["conv_L_cache"], 1024).unwrap_or(3),
        bias: fields.flag("conv_bias").unwrap_or(false),
    }
}

fn kinds(fields: &Fields<'_>, family: &Family, layers: u64, parts: &Parts<'_>) -> Vec<(Mix, Feed)> {
    let sights = sights(fields, family, layers);
    if let Some(kinds) = spelled(fields, layers) {
        return kinds;
    }
    let mixes = mixes(fields, family, layers, &sights, parts);
    let named = mixes.contains(&Mix::Nothing);
    let alone = is_recurrent(fields) || named;
    let feed = |layer: u64| match (alone, parts.experts) {
        (true, _) => Feed::Nothing,
        (false, Some(_)) if experts::is_sparse(fields, layer) => Feed::Experts,
        (false, _) => Feed::Dense,
    };
    let each = mixes.into_iter().zip(0..);
    each.map(|(mix, layer)| match mix {
        Mix::Nothing if names(fields).is_some_and(|n| n.get(layer as usize) == Some(&"moe")) => {
            (mix, Feed::Experts)
        }
        Mix::Nothing => (mix, Feed::Dense),
        _ => (mix, feed(layer)),
    })
    .collect()
}

/// `hybrid_override_pattern`: one letter a layer, each of which mixes or feeds.
fn spelled(fields: &Fields<'_>, layers: u64) -> Option<Vec<(Mix, Feed)>> {
    const NAME: &str = "hybrid_override_pattern";
    let text = fields.text(&[NAME])?;
    let of = |letter: char| {
        Some(match letter {
            'M' => (Mix::Recurrent, Feed::Nothing),
            '*' => (Mix::Attention(Sight::Past), Feed::Nothing),
            '-' => (Mix::Nothing, Feed::Dense),
            'E' => (Mix::Nothing, Feed::Experts),
            _ => return None,
        })
    };
    let kinds: Option<Vec<_>> = text.chars().map(of).collect();
    let Some(kinds) = kinds else {
        let allowed = "letters are M (Mamba), * (attention), - (feed-forward), E (experts)";
        return fields.out_of_range(NAME, text, allowed);
    };
    count_matches(fields, NAME, kinds.len(), layers);
    Some(kinds)
}

fn names<'a>(fields: &Fields<'a>) -> Option<Vec<&'a str>> {
    fields.texts(fields.name_of(NAMES)?)
}

fn count_matches(fields: &Fields<'_>, name: &str, found: usize, layers: u64) {
    if fields.are_right() && found as u64 != layers {
        let message = format!("`{name}` names {found} layers, and the model has {layers}");
        fields.report(name, Problem::new(Code::Disagreement, message));
    }
}

/// How each layer mixes.
fn mixes(
    fields: &Fields<'_>,
    family: &Family,
    layers: u64,
    sights: &[Sight],
    parts: &Parts<'_>,
) -> Vec<Mix> {
    if is_recurrent(fields) {
        return vec![Mix::Recurrent; layers as usize];
    }
    if let Some(names) = names(fields) {
        let name = fields.name_of(NAMES).unwrap_or(NAMES[0]);
        count_matches(fields, name, names.len(), layers);
        let each = names.iter().enumerate();
        return each
            .map(|(i, text)| named(fields, name, text, sights, i))
            .collect();
    }
    let sight = |layer: u64| sights.get(layer as usize).copied().unwrap_or(Sight::Past);
    if let Some(full) = fields.wholes("full_attn_idxs", 0, LAYER_LIMIT) {
        let of = |layer| match full.contains(&layer) {
            true => Mix::Attention(Sight::Past),
            false => Mix::Short,
        };
        return (0..layers).map(of).collect();
    }
    let Some(_) = parts.recurrent else {
        return (0..layers).map(|l| Mix::Attention(sight(l))).collect();
    };
    let attends = attends(fields, family);
    let each = (0..layers).map(|layer| match attends {
        Attends::Beside => Mix::Both(sight(layer)),
        ref some if some.at(layer) => Mix::Attention(sight(layer)),
        _ => Mix::Recurrent,
    });
    each.collect()
}

/// Which layers of a hybrid have attention.
enum Attends {
    /// Those whose number leaves this rest.
    Every { period: u64, rest: u64 },
    /// These.
    These(Vec<u64>),
    /// Those that a cycle of kinds says.
    Cycle(Vec<bool>),
    /// All, beside the recurrence.
    Beside,
}

impl Attends {
    fn at(&self, layer: u64) -> bool {
        match self {
            Self::Every { period, rest } => layer % period == *rest,
            Self::These(list) => list.contains(&layer),
            Self::Cycle(cycle) => cycle[layer as usize % cycle.len()],
            Self::Beside => true,
        }
    }
}

fn attends(fields: &Fields<'_>, family: &Family) -> Attends {
    if let Some(period) = fields.count(&["attn_layer_period"], LAYER_LIMIT) {
        let offset = fields.whole(&["attn_layer_offset"], 0, LAYER_LIMIT);
        let rest = offset.unwrap_or(0) % period;
        return Attends::Every { period, rest };
    }
    if let Some(list) = fields.wholes("attn_layer_indices", 0, LAYER_LIMIT) {
        return Attends::These(list);
    }
    if let Some(types) = fields.wholes("attn_type_list", 0, 1) {
        let each = (0..).zip(&types);
        return Attends::These(each.filter(|(_, t)| **t == 1).map(|(i, _)| i).collect());
    }
    match family.recurrent {
        RecurrentTraits::Griffin => {
            let cycle = fields.texts("block_types");
            let cycle = cycle.map(|c| c.iter().map(|name| *name == "attention").collect());
            let cycle: Vec<bool> = cycle.unwrap_or_else(|| vec![false, false, true]);
            return Attends::Cycle(if cycle.is_empty() { vec![true] } else { cycle });
        }
        RecurrentTraits::Lightning => return Attends::Every { period: 8, rest: 7 },
        RecurrentTraits::Fields | RecurrentTraits::NormedMamba => {}
    }
    if fields.has("linear_num_value_heads") {
        let interval = fields.count(&["full_attention_interval"], LAYER_LIMIT);
        let period = interval.unwrap_or(4);
        return Attends::Every {
            period,
            rest: period - 1,
        };
    }
    match fields.has("mamba_d_ssm") {
        true => Attends::Beside,
        false => Attends::These(Vec::new()),
    }
}

/// One name of `layer_types`.
fn named(fields: &Fields<'_>, list: &str, text: &str, sights: &[Sight], layer: usize) -> Mix {
    let narrow = || match sights.iter().find(|s| **s != Sight::Past) {
        Some(sight) => *sight,
        // A window that the file gives for windowed layers alone.
        None => match fields.count(WINDOW, CONTEXT_LIMIT) {
            Some(window) => Sight::Window(window),
            None => {
                fields.missing(WINDOW);
                Sight::Past
            }
        },
    };
    match text {
        "full_attention" | "attention" | "global_attention" | "global" => {
            Mix::Attention(Sight::Past)
        }
        "sliding_attention" | "local_attention" | "local" | "chunked_attention" => {
            Mix::Attention(narrow())
        }
        "linear_attention" | "mamba" | "mamba2" | "recurrent" | "linear" => Mix::Recurrent,
        "hybrid" => Mix::Both(sights.get(layer).copied().unwrap_or(Sight::Past)),
        "conv" => Mix::Short,
        "mlp" | "moe" => Mix::Nothing,
        other => {
            let message = format!("layer type `{other}` is not supported yet");
            let problem = Problem::new(Code::UnsupportedModel, message).help(
                "supported: full_attention, sliding_attention, chunked_attention, linear_attention, mamba, \
                 recurrent, hybrid, conv, mlp, moe",
            );
            fields.report(list, problem);
            Mix::Attention(Sight::Past)
        }
    }
}

/// What each layer would see if it had attention.
fn sights(fields: &Fields<'_>, family: &Family, layers: u64) -> Vec<Sight> {
    if let Windows::ChunkAllBut(n) = family.windows {
        return chunks(fields, layers, n);
    }
    let given = || fields.count(WINDOW, CONTEXT_LIMIT).or(family.sizes.window);
    let window = match (fields.flag("use_sliding_window"), family.windows) {
        (Some(false), _) => None,
        (Some(true) | None, Windows::AllBut(_)) if fields.has("sliding_window") => given(),
        (Some(true) | None, Windows::AllBut(_)) => given(),
        (Some(true) | None, _) => given(),
    };
    let Some(window) = window else {
        return vec![Sight::Past; layers as usize];
    };
    let pattern = fields.name_of(PATTERN).filter(|name| !fields.is_text(name));
    let is_windowed = |layer: u64| match family.windows {
        // A pattern in the file says that some layers have a window.
        Windows::None | Windows::ChunkAllBut(_) => match pattern {
            Some(_) => {
                let n = fields.count(PATTERN, LAYER_LIMIT).unwrap_or(1);
                !(layer + 1).is_multiple_of(n)
            }
            None => false,
        },
        Windows::All => true,
        Windows::Upper => {
            let used = fields.flag("use_sliding_window").unwrap_or(false);
            let first = fields.whole(&["max_window_layers"], 0, LAYER_LIMIT);
            used && layer >= first.unwrap_or(layers)
        }
        Windows::AllBut(n) => {
            let given = pattern.and_then(|_| fields.count(PATTERN, LAYER_LIMIT));
            !(layer + 1).is_multiple_of(given.unwrap_or(n))
        }
    };
    let each = (0..layers).map(|layer| match is_windowed(layer) {
        true => Sight::Window(window),
        false => Sight::Past,
    });
    each.collect()
}

/// Layers that see their own chunk, but for each `n`-th.
fn chunks(fields: &Fields<'_>, layers: u64, n: u64) -> Vec<Sight> {
    let Some(chunk) = fields.count(&["attention_chunk_size"], CONTEXT_LIMIT) else {
        return vec![Sight::Past; layers as usize];
    };
    let n = fields
        .count(&["no_rope_layer_interval"], LAYER_LIMIT)
        .unwrap_or(n);
    // One for layers with rotary positions, which see a chunk.
    let listed = fields
        .wholes("no_rope_layers", 0, 1)
        .filter(|l| !l.is_empty());
    let is_chunked = |layer: u64| match &listed {
        Some(list) => list.get(layer as usize) == Some(&1),
        None => !(layer + 1).is_multiple_of(n),
    };
    let each = (0..layers).map(|layer| match is_chunked(layer) {
        true => Sight::Chunk(chunk),
        false => Sight::Past,
    });
    each.collect()
}
