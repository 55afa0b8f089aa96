//! The verdict: what is needed against what may be used.

use crate::diag::{Problem, Problems};
use crate::simulate::MemoryUse;
use crate::units::Bytes;

use super::{Ask, Limits, Probe, Remedy, limits, remedy};

/// Whether a question fits, and what surrounds the answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Fit {
    /// Tokens per sequence that were asked for; `None` without a context.
    pub context: Option<u64>,
    /// What is needed, and the capacity.
    pub memory: MemoryUse,
    /// Share of the capacity kept free, from 0 to below 1.
    pub margin: f64,
    /// How far it could be stretched.
    pub limits: Limits,
    /// What would make it fit and what would not; empty if it fits.
    pub remedies: Vec<Remedy>,
    /// What the reader should know.
    pub warnings: Vec<Problem>,
}

impl Fit {
    /// Capacity less the margin.
    pub fn usable(&self) -> Bytes {
        self.memory.capacity * (1.0 - self.margin)
    }

    /// Whether it fits, the margin kept free.
    pub fn fits(&self) -> bool {
        self.holds(&self.memory)
    }

    /// Bytes missing; zero if it fits.
    pub fn short(&self) -> Bytes {
        self.short_of(&self.memory)
    }

    /// Whether a chip of that memory's own capacity holds it under this margin.
    pub fn holds(&self, memory: &MemoryUse) -> bool {
        memory.required() <= memory.capacity * (1.0 - self.margin)
    }

    /// Bytes missing of that memory's own capacity under this margin.
    pub fn short_of(&self, memory: &MemoryUse) -> Bytes {
        let usable = memory.capacity * (1.0 - self.margin);
        (memory.required() - usable).max(Bytes::ZERO)
    }
}

/// Answers a question about memory; `margin` is the share of the capacity kept free.
///
/// # Errors
/// [`Problems`] of binding the model at the sizes asked for.
pub fn check(probe: &Probe<'_>, ask: &Ask, margin: f64) -> Result<Fit, Problems> {
    let memory = (probe.memory)(ask)?;
    let mut fit = Fit {
        context: ask.context,
        memory,
        margin,
        limits: Limits::default(),
        remedies: Vec::new(),
        warnings: Vec::new(),
    };
    fit.limits = limits::find(probe, ask, &fit);
    if !fit.fits() {
        fit.remedies = remedy::find(probe, ask, &fit);
    }
    Ok(fit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fit::{Candidate, Shard};
    use crate::workload::Dtype;

    const GIB: f64 = 1_073_741_824.0;

    /// Llama 3.1 70B by hand: 70 553 706 496 parameters in two bytes; 80 layers of 8 kv heads of 128,
    /// keys and values, two bytes each: 327 680 B a token.
    fn llama_70b(ask: &Ask) -> Result<MemoryUse, Problems> {
        let bytes = |dtype: Option<Dtype>| dtype.map_or(2.0, Dtype::stored_bytes);
        let tokens = (ask.context.unwrap_or(0) * ask.sequences()) as f64;
        Ok(MemoryUse {
            memory: "hbm".to_owned(),
            capacity: Bytes(80.0 * GIB),
            weights: Bytes(70_553_706_496.0 * bytes(ask.precision.weights)),
            kv_cache: Bytes(tokens * 163_840.0 * bytes(ask.precision.kv)),
            ..MemoryUse::default()
        })
    }

    fn others() -> Vec<Candidate> {
        let chip = |name: &str, gib: f64| Candidate {
            name: name.to_owned(),
            capacity: Bytes(gib * GIB),
            reserve: Bytes::ZERO,
        };
        vec![
            chip("mi300x", 192.0),
            chip("h200-sxm", 141.0),
            chip("l4", 24.0),
        ]
    }

    fn ask(context: u64, batch: u64) -> Fit {
        let probe = Probe {
            memory: &llama_70b,
            shard: Shard { kv_heads: Some(8) },
            model_context: Some(131_072),
            chip: "h100-sxm",
            candidates: &others,
        };
        let ask = Ask {
            context: Some(context),
            batch: Some(batch),
            ..Ask::default()
        };
        check(&probe, &ask, 0.05).expect("binds")
    }

    #[test]
    fn a_large_model_is_short_by_what_exceeds_the_margin() {
        let fit = ask(32_768, 1);
        // 131.42 GiB of weights + 10 GiB of cache - 76 GiB usable.
        let weights = 70_553_706_496.0 * 2.0 / GIB;
        assert!(!fit.fits());
        assert!((fit.short().0 / GIB - (weights + 10.0 - 76.0)).abs() < 1e-9);
        assert_eq!(fit.limits.max_context, Some(0));
        assert_eq!(fit.limits.max_batch, Some(0));
        // 141.4 / 76 = 1.86.
        assert_eq!(fit.limits.min_chips, Some(2));
    }

    #[test]
    fn remedies_say_what_is_enough_alone() {
        let fit = ask(32_768, 1);
        let enough: Vec<&str> = fit
            .remedies
            .iter()
            .filter(|r| r.fits)
            .map(|r| r.change.as_str())
            .collect();
        // fp8 weights: 65.7 + 10 = 75.7 GiB of 76; the h200 has 134 GiB usable for 141.4.
        assert_eq!(
            enough,
            [
                "weights fp8",
                "weights fp8 + kv fp8",
                "weights int4",
                "weights int4 + kv fp8",
                "2 × h100-sxm, tp 2",
                "chip mi300x (192 GiB)",
            ]
        );
        let context = fit.remedies.iter().find(|r| r.knob == "context");
        let detail = context.map(|r| r.detail.as_str());
        assert_eq!(detail, Some("weights alone are 131.4 GiB"));
    }

    #[test]
    fn one_head_is_never_split() {
        let whole = MemoryUse {
            kv_cache: Bytes(8.0),
            weights: Bytes(16.0),
            ..MemoryUse::default()
        };
        let share = |kv_heads, chips| Shard { kv_heads }.per_chip(&whole, chips).kv_cache.0;
        assert_eq!(share(Some(8), 4), 2.0);
        assert_eq!(share(Some(8), 3), 3.0);
        assert_eq!(share(Some(8), 16), 1.0);
        // Multi-head latent attention: one cache, on every chip.
        assert_eq!(share(Some(1), 8), 8.0);
    }
}
