//! Single changes, the smallest first, each of them held against the chip.

use crate::simulate::MemoryUse;
use crate::units::count;
use crate::workload::{Dtype, Precision};

use super::limits::{max_batch, max_context};
use super::{Ask, Candidate, Fit, Probe};

/// Chips that are tried together.
const TP: [u64; 4] = [2, 4, 8, 16];

/// Most other chips that are named.
const MAX_CANDIDATES: usize = 3;

/// One change and whether it is enough alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remedy {
    /// What is changed: `context`, `batch`, `kv cache`, `weights`, `chips`, `chip`.
    pub knob: &'static str,
    /// The change in words.
    pub change: String,
    /// Whether it is enough.
    pub fits: bool,
    /// What it costs or leaves.
    pub detail: String,
}

/// All changes that are tried, in the order in which they ask more of the user.
pub(super) fn find(probe: &Probe<'_>, ask: &Ask, fit: &Fit) -> Vec<Remedy> {
    let mut all = Vec::new();
    all.extend(context(probe, ask, fit));
    all.extend(batch(probe, ask, fit));
    all.extend(precisions(probe, ask, fit));
    all.push(chips(probe, fit));
    all.extend(other_chips(probe, fit));
    all
}

fn context(probe: &Probe<'_>, ask: &Ask, fit: &Fit) -> Option<Remedy> {
    let asked = ask.context?;
    let most = max_context(probe, ask, fit)?;
    let fits = most > 0;
    Some(Remedy {
        knob: "context",
        change: if fits {
            format!("context {} instead of {}", count(most), count(asked))
        } else {
            "context ↓".to_owned()
        },
        fits,
        detail: if fits {
            "answers beyond it are cut off".to_owned()
        } else {
            fixed_part(fit)
        },
    })
}

fn batch(probe: &Probe<'_>, ask: &Ask, fit: &Fit) -> Option<Remedy> {
    if ask.sequences() <= 1 {
        return Some(Remedy {
            knob: "batch",
            change: "batch ↓".to_owned(),
            fits: false,
            detail: "already 1".to_owned(),
        });
    }
    let most = max_batch(probe, ask, fit)?;
    let fits = most > 0;
    Some(Remedy {
        knob: "batch",
        change: if fits {
            format!(
                "batch {} instead of {}",
                count(most),
                count(ask.sequences())
            )
        } else {
            "batch ↓".to_owned()
        },
        fits,
        detail: if fits {
            "fewer sequences at once".to_owned()
        } else {
            format!("batch 1 is too large: {}", fixed_part(fit))
        },
    })
}

/// What no shorter context and no smaller batch takes away.
fn fixed_part(fit: &Fit) -> String {
    let weights = fit.memory.weights;
    if weights > fit.usable() {
        format!("weights alone are {weights}")
    } else {
        format!(
            "weights are {weights}, the runtime keeps {}",
            fit.memory.reserve
        )
    }
}

/// Narrower formats, the mildest first; those that are no change are left out.
fn precisions(probe: &Probe<'_>, ask: &Ask, fit: &Fit) -> Vec<Remedy> {
    let fp8 = "fp8".parse::<Precision>();
    let int4 = "int4".parse::<Precision>();
    let (Ok(fp8), Ok(int4)) = (fp8, int4) else {
        return Vec::new();
    };
    let kv = |precision| Precision {
        kv: Some(Dtype::Fp8),
        ..precision
    };
    let keep_kv = |precision| Precision {
        kv: ask.precision.kv,
        ..precision
    };
    let all = [
        ("kv cache", "fp8", kv(ask.precision)),
        ("weights", "fp8", keep_kv(fp8)),
        ("weights", "fp8 + kv fp8", kv(fp8)),
        ("weights", "int4", keep_kv(int4)),
        ("weights", "int4 + kv fp8", kv(int4)),
    ];
    let mut found: Vec<Remedy> = Vec::new();
    for (knob, change, precision) in all {
        let changed = Ask {
            precision,
            ..ask.clone()
        };
        let Ok(memory) = (probe.memory)(&changed) else {
            continue;
        };
        if memory.required() >= fit.memory.required() {
            continue;
        }
        let fits = fit.holds(&memory);
        let detail = if fits {
            room(probe, &changed, fit, &memory)
        } else {
            format!(
                "needs {}, {} too much",
                memory.required(),
                fit.short_of(&memory)
            )
        };
        found.push(Remedy {
            knob,
            change: format!("{knob} {change}"),
            fits,
            detail,
        });
    }
    found
}

/// What a change leaves room for.
fn room(probe: &Probe<'_>, ask: &Ask, fit: &Fit, memory: &MemoryUse) -> String {
    let mut parts = vec![format!("needs {}", memory.required())];
    if let Some(most) = max_context(probe, ask, fit) {
        parts.push(format!("max context {}", count(most)));
    }
    if let Some(most) = max_batch(probe, ask, fit) {
        parts.push(format!("max batch {}", count(most)));
    }
    parts.push("quality not modelled: check an eval".to_owned());
    parts.join(", ")
}

fn chips(probe: &Probe<'_>, fit: &Fit) -> Remedy {
    let enough = TP.iter().find_map(|&n| {
        let each = probe.shard.per_chip(&fit.memory, n);
        fit.holds(&each).then_some((n, each))
    });
    match enough {
        Some((n, each)) => Remedy {
            knob: "chips",
            change: format!("{n} × {}, tp {n}", probe.chip),
            fits: true,
            detail: format!(
                "{} weights and {} kv cache per chip{}",
                each.weights,
                each.kv_cache,
                split(probe, n)
            ),
        },
        None => {
            let most = TP[TP.len() - 1];
            let each = probe.shard.per_chip(&fit.memory, most);
            Remedy {
                knob: "chips",
                change: format!("{most} × {}, tp {most}", probe.chip),
                fits: false,
                detail: format!("still {} per chip{}", each.required(), split(probe, most)),
            }
        }
    }
}

fn split(probe: &Probe<'_>, n: u64) -> String {
    match probe.shard.kv_heads {
        Some(heads) if heads < n => format!(" (only {heads} kv heads to split the cache over)"),
        Some(_) | None => String::new(),
    }
}

/// The smallest chips with enough memory, or the largest without.
fn other_chips(probe: &Probe<'_>, fit: &Fit) -> Vec<Remedy> {
    let mut larger: Vec<Candidate> = (probe.candidates)()
        .into_iter()
        .filter(|c| c.capacity > fit.memory.capacity && c.name != probe.chip)
        .collect();
    larger.sort_by(|a, b| {
        let by_size = a.capacity.0.total_cmp(&b.capacity.0);
        by_size.then_with(|| a.name.cmp(&b.name))
    });
    let need = |c: &Candidate| MemoryUse {
        capacity: c.capacity,
        reserve: c.reserve,
        ..fit.memory.clone()
    };
    let enough: Vec<&Candidate> = larger.iter().filter(|c| fit.holds(&need(c))).collect();
    if enough.is_empty() {
        let largest = larger.last().map(|c| Remedy {
            knob: "chip",
            change: format!("chip {} ({})", c.name, c.capacity),
            fits: false,
            detail: format!("the largest known chip is {} short", fit.short_of(&need(c))),
        });
        return largest.into_iter().collect();
    }
    let shown = enough.into_iter().take(MAX_CANDIDATES);
    shown
        .map(|c| Remedy {
            knob: "chip",
            change: format!("chip {} ({})", c.name, c.capacity),
            fits: true,
            detail: "as is".to_owned(),
        })
        .collect()
}
