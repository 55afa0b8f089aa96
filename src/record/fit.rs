//! The document of a memory verdict: `wattline fit --json`.

use serde::Serialize;

use crate::fit::{Fit, Remedy};

use super::run::parts;
use super::{HardwarePart, Keyed, ProblemPart, SCHEMA, WorkloadPart};

/// The verdict; `short_bytes` is against `usable_bytes`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FitPart {
    /// Whether it fits, the margin kept free.
    pub fits: bool,
    /// Sum of the parts.
    pub required_bytes: f64,
    /// Of the main memory; `null` if unbounded.
    pub capacity_bytes: Option<f64>,
    /// Capacity less the margin; `null` if unbounded.
    pub usable_bytes: Option<f64>,
    /// Share of the capacity kept free.
    pub margin: f64,
    /// Missing; 0 if it fits.
    pub short_bytes: f64,
    /// Name of the memory.
    pub memory: String,
    /// What needs it.
    pub parts: Keyed<f64>,
}

/// How far the question could be stretched.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LimitsPart {
    /// Largest batch at this context; 0 if not even one fits, `null` if the model's batch is fixed.
    pub max_batch: Option<u64>,
    /// Largest context at this batch, 0 if not even one token fits; `null` without one.
    pub max_context: Option<u64>,
    /// Fewest chips of this kind; `null` if tensor parallelism alone cannot make it fit.
    pub min_chips: Option<u64>,
    /// What the model states.
    pub model_context: Option<u64>,
}

/// One change and whether it is enough alone.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RemedyPart {
    /// What to change.
    pub change: String,
    /// Whether that is enough.
    pub fits: bool,
    /// What it costs or leaves.
    pub detail: String,
}

/// One verdict.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FitDocument {
    /// [`SCHEMA`].
    pub schema: u32,
    /// What was asked.
    pub workload: WorkloadPart,
    /// Tokens per sequence, prompt and output together; `null` without a cache.
    pub context: Option<u64>,
    /// On which chip.
    pub hardware: HardwarePart,
    /// The verdict.
    pub fit: FitPart,
    /// How far it could be stretched.
    pub limits: LimitsPart,
    /// What would make it fit, and what would not.
    pub remedies: Vec<RemedyPart>,
    /// What the reader should know.
    pub warnings: Vec<ProblemPart>,
}

impl FitPart {
    fn of(fit: &Fit) -> Self {
        let finite = |v: f64| v.is_finite().then_some(v);
        Self {
            fits: fit.fits(),
            required_bytes: fit.memory.required().0,
            capacity_bytes: finite(fit.memory.capacity.0),
            usable_bytes: finite(fit.usable().0),
            margin: fit.margin,
            short_bytes: fit.short().0,
            memory: fit.memory.memory.clone(),
            parts: parts(&fit.memory),
        }
    }
}

impl RemedyPart {
    fn of(remedy: &Remedy) -> Self {
        Self {
            change: remedy.change.clone(),
            fits: remedy.fits,
            detail: remedy.detail.clone(),
        }
    }
}

impl FitDocument {
    /// Of a verdict, what was asked, and the chip.
    pub fn of(fit: &Fit, workload: WorkloadPart, hardware: HardwarePart) -> Self {
        Self {
            schema: SCHEMA,
            workload,
            context: fit.context,
            hardware,
            fit: FitPart::of(fit),
            limits: LimitsPart {
                max_batch: fit.limits.max_batch,
                max_context: fit.limits.max_context,
                min_chips: fit.limits.min_chips,
                model_context: fit.limits.model_context,
            },
            remedies: fit.remedies.iter().map(RemedyPart::of).collect(),
            warnings: ProblemPart::all(&fit.warnings),
        }
    }
}
