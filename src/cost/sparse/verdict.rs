//! Whether zeros save time, energy, both or neither, in words.

use crate::hardware::Structured;
use crate::units::{Joules, Seconds};

use super::Treatment;

/// Zeros of one kind of tensor, and what becomes of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Effect {
    /// Whose zeros: `weights`.
    pub what: &'static str,
    /// How they lie: `2:4`, `90 % zero`.
    pub pattern: String,
    /// At the engine that makes most of them.
    pub treatment: Treatment,
}

/// Whether zeros save time, energy, both or neither, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// Share of the dense time that is saved, 0 if none.
    pub time: f64,
    /// Share of the dense energy that is saved, 0 if none; `None` if energy is not known.
    pub energy: Option<f64>,
    /// What becomes of each tensor's zeros.
    pub because: String,
}

/// Savings below this share count as none: they would print as 0.0 or 0.1 %.
const NOTHING: f64 = 1e-3;

impl Verdict {
    /// From time and energy with zeros left out and with zeros multiplied.
    ///
    /// `smaller` names the memories at which fewer bytes move, `bound` what sets most of the dense time.
    pub fn of(
        effects: &[Effect],
        smaller: &[String],
        sparse: (Seconds, Option<Joules>),
        dense: (Seconds, Option<Joules>),
        bound: &str,
    ) -> Self {
        let saved = |sparse: f64, dense: f64| {
            let share = 1.0 - sparse / dense;
            if share > NOTHING { share } else { 0.0 }
        };
        let time = saved(sparse.0.0, dense.0.0);
        let energy = sparse.1.zip(dense.1).map(|(s, d)| saved(s.0, d.0));
        let mut because: Vec<String> = effects.iter().map(Effect::sentence).collect();
        let fewer_steps = effects
            .iter()
            .any(|e| matches!(e.treatment, Treatment::Structured(_) | Treatment::Skipped));
        because.push(match smaller {
            [] => "no memory moves fewer bytes".to_owned(),
            memories => format!("fewer bytes at {}", memories.join(", ")),
        });
        if time == 0.0 && (fewer_steps || !smaller.is_empty()) {
            because.push(format!("the time is set by {bound}"));
        }
        Self {
            time,
            energy,
            because: because.join("; "),
        }
    }

    /// `saves time and energy`, `saves energy only`, ...
    pub fn headline(&self) -> &'static str {
        match (self.time > 0.0, self.energy.map(|e| e > 0.0)) {
            (true, Some(true)) => "saves time and energy",
            (true, Some(false)) => "saves time only",
            (true, None) => "saves time; energy is not known",
            (false, Some(true)) => "saves energy only",
            (false, Some(false)) => "saves neither time nor energy",
            (false, None) => "saves no time; energy is not known",
        }
    }
}

impl Effect {
    fn sentence(&self) -> String {
        let Self { what, pattern, .. } = self;
        let engine = match self.treatment {
            Treatment::Structured(Structured { keep, group, .. }) => {
                format!("run {keep} of {group} MACs")
            }
            Treatment::Skipped => "are skipped".to_owned(),
            Treatment::Gated => "are gated: less energy, as many steps".to_owned(),
            Treatment::Ignored => "are multiplied: no engine skips or gates such zeros".to_owned(),
        };
        format!("{what} ({pattern}) {engine}")
    }
}

#[cfg(test)]
mod tests {
    use crate::workload::Slot;

    use super::*;

    fn verdict(
        treatment: Treatment,
        smaller: &[&str],
        (seconds, joules): (f64, Option<f64>),
    ) -> Verdict {
        let effects = [Effect {
            what: "weights",
            pattern: "2:4".to_owned(),
            treatment,
        }];
        let smaller: Vec<String> = smaller.iter().map(|&m| m.to_owned()).collect();
        let sparse = (Seconds(seconds), joules.map(Joules));
        let dense = (Seconds(1.0), joules.map(|_| Joules(1.0)));
        Verdict::of(&effects, &smaller, sparse, dense, "matrix")
    }

    #[test]
    fn each_combination_has_its_words() {
        let found = verdict(Treatment::Ignored, &[], (1.0, Some(1.0)));
        assert_eq!(found.headline(), "saves neither time nor energy");
        assert_eq!(
            found.because,
            "weights (2:4) are multiplied: no engine skips or gates such zeros; no memory moves fewer bytes"
        );
        let found = verdict(Treatment::Ignored, &["hbm"], (1.0, Some(0.9)));
        assert_eq!(found.headline(), "saves energy only");
        assert!((found.energy.unwrap_or(0.0) - 0.1).abs() < 1e-12);
        assert_eq!(
            found.because,
            "weights (2:4) are multiplied: no engine skips or gates such zeros; fewer bytes at hbm; the time is set by matrix"
        );
        let half = Treatment::Structured(Structured {
            keep: 2,
            group: 4,
            slot: Slot::Rhs,
        });
        let found = verdict(half, &["hbm"], (0.5, Some(0.6)));
        assert_eq!(found.headline(), "saves time and energy");
        assert_eq!(
            found.because,
            "weights (2:4) run 2 of 4 MACs; fewer bytes at hbm"
        );
        let found = verdict(Treatment::Gated, &[], (1.0, Some(0.6)));
        assert_eq!(
            found.because,
            "weights (2:4) are gated: less energy, as many steps; no memory moves fewer bytes"
        );
    }

    #[test]
    fn energy_that_is_not_known_is_not_claimed() {
        let found = verdict(Treatment::Skipped, &[], (0.5, None));
        assert_eq!((found.time, found.energy), (0.5, None));
        assert_eq!(found.headline(), "saves time; energy is not known");
    }
}
