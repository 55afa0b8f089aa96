//! Whether zeros save time, energy, both or neither, in words.

use crate::hardware::Structured;
use crate::units::{Joules, Seconds};

use super::Treatment;

/// Zeros of one kind of tensor, and what becomes of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Effect {
    /// Whose zeros: `weights`.
    pub what: &'static str,
    /// How they lie: `2:4`.
    pub pattern: String,
    /// At the engine.
    pub treatment: Treatment,
    /// Memories that hold fewer bytes of it.
    pub smaller_in: Vec<String>,
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

/// Savings below this share count as none: rounding.
const NOTHING: f64 = 1e-9;

impl Verdict {
    /// From time and energy with zeros left out and with zeros multiplied.
    ///
    /// `bound` names what sets the time of most of the dense run.
    pub fn of(
        effects: &[Effect],
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
        let fewer_bytes = effects.iter().any(|e| !e.smaller_in.is_empty());
        if time == 0.0 && (fewer_steps || fewer_bytes) {
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
            Treatment::Gated => "are gated: energy, no time".to_owned(),
            Treatment::Ignored => "are multiplied: no engine skips or gates them".to_owned(),
        };
        let bytes = match self.smaller_in.as_slice() {
            [] => "no memory leaves them out".to_owned(),
            memories => format!("fewer bytes in {}", memories.join(", ")),
        };
        format!("{what} {pattern} {engine}, {bytes}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weights(treatment: Treatment, smaller_in: &[&str]) -> Vec<Effect> {
        vec![Effect {
            what: "weights",
            pattern: "2:4".to_owned(),
            treatment,
            smaller_in: smaller_in.iter().map(|&m| m.to_owned()).collect(),
        }]
    }

    fn verdict(effects: &[Effect], sparse: (f64, f64), bound: &str) -> (&'static str, String) {
        let of = |(s, j)| (Seconds(s), Some(Joules(j)));
        let found = Verdict::of(effects, of(sparse), of((1.0, 1.0)), bound);
        (found.headline(), found.because)
    }

    #[test]
    fn each_combination_has_its_words() {
        let found = verdict(&weights(Treatment::Ignored, &[]), (1.0, 1.0), "matrix");
        assert_eq!(found.0, "saves neither time nor energy");
        assert_eq!(
            found.1,
            "weights 2:4 are multiplied: no engine skips or gates them, no memory leaves them out"
        );
        let found = verdict(&weights(Treatment::Ignored, &["hbm"]), (1.0, 0.9), "matrix");
        assert_eq!(found.0, "saves energy only");
        assert_eq!(
            found.1,
            "weights 2:4 are multiplied: no engine skips or gates them, fewer bytes in hbm; the time is set by matrix"
        );
        let half = Treatment::Structured(Structured {
            keep: 2,
            group: 4,
            slot: crate::workload::Slot::Rhs,
        });
        let found = verdict(&weights(half, &["hbm"]), (0.5, 0.6), "matrix");
        assert_eq!(found.0, "saves time and energy");
        assert_eq!(found.1, "weights 2:4 run 2 of 4 MACs, fewer bytes in hbm");
    }

    #[test]
    fn energy_that_is_not_known_is_not_claimed() {
        let effects = weights(Treatment::Skipped, &[]);
        let found = Verdict::of(&effects, (Seconds(0.5), None), (Seconds(1.0), None), "hbm");
        assert_eq!((found.time, found.energy), (0.5, None));
        assert_eq!(found.headline(), "saves time; energy is not known");
    }
}
