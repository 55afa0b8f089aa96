//! A sweep ready to be priced: chip parsed once, models read once, the grid of points.

use crate::hardware::Profile;
use crate::simulate::{Constraint, Metric};
use crate::workload::{Scenario, Workload};

use super::drift::Drift;
use super::space::{Axis, Setting, Space};
use super::strategy::Strategy;

/// One workload of the mix.
#[derive(Clone, Debug)]
pub struct Job {
    /// The model.
    pub workload: Workload,
    /// Share of the mix; all add up to 1.
    pub weight: f64,
    /// What the file says of its use; axes come on top.
    pub scenario: Scenario,
}

/// A file or catalog entry that results depend on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// Path as the user wrote it, or the file of the catalog.
    pub name: String,
    /// [`digest`] of its content.
    pub digest: u64,
}

/// What is priced, and what of it counts.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Name of the sweep.
    pub name: String,
    /// Chips before axes turn them: one, or those of the axis that names chips, in the order of its values.
    pub chips: Vec<Profile>,
    /// Figures to optimize, in file order; at least one.
    pub objectives: Vec<Metric>,
    /// Limits that each workload must meet.
    pub constraints: Vec<Constraint>,
    /// At least one.
    pub jobs: Vec<Job>,
    /// Models that propose tokens, by the name that a setting gives.
    pub drafts: Vec<(String, Workload)>,
    /// The design points.
    pub space: Space,
    /// Which of them are priced.
    pub strategy: Strategy,
    /// Under which the front is priced again.
    pub drifts: Vec<Drift>,
    /// Everything that was read.
    pub inputs: Vec<Input>,
}

impl Plan {
    /// One number for all inputs.
    pub fn digest(&self) -> u64 {
        let mut all = Vec::new();
        for input in &self.inputs {
            all.extend(input.digest.to_le_bytes());
        }
        digest(&all)
    }

    /// The chip of a point before other axes turn it.
    pub fn profile(&self, point: usize) -> &Profile {
        let names = |axis: &Axis| axis.settings.contains(&Setting::Profile);
        let axis = self.space.axes.iter().position(names);
        &self.chips[axis.map_or(0, |a| self.space.step(a, point))]
    }

    /// Names of all chips: `h100-sxm`, or `h100-sxm, l4`.
    pub fn chip_names(&self) -> String {
        let names: Vec<&str> = self.chips.iter().map(Profile::name).collect();
        names.join(", ")
    }

    /// How many points are priced at most.
    pub fn work(&self) -> usize {
        let all = self.space.len();
        match self.strategy {
            Strategy::Exact => all,
            Strategy::Sample { points, .. } => points.min(all),
            Strategy::Evolve {
                population,
                generations,
                ..
            } => population.saturating_mul(generations).min(all),
        }
    }

    /// The scenario of a job at a point.
    pub(super) fn scenario(&self, job: usize, point: usize) -> Scenario {
        let mut scenario = self.jobs[job].scenario.clone();
        for (a, axis) in self.space.axes.iter().enumerate() {
            let value = &self.space.choice(a, point).value;
            for setting in &axis.settings {
                setting.apply(value, &mut scenario);
            }
        }
        let draft = scenario.software.draft.as_ref();
        let draft = draft.and_then(|name| self.drafts.iter().find(|(known, _)| known == name));
        scenario.draft_model = draft.map(|(_, model)| model.clone());
        scenario
    }
}

/// FNV-1a with 64 bits: the same on every machine and for every version of the compiler.
///
/// Source: Fowler, Noll, Vo, "The FNV Non-Cryptographic Hash Algorithm", IETF draft, section 6.
pub fn digest(bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}

#[cfg(test)]
mod tests {
    use super::digest;

    #[test]
    fn digests_are_those_of_the_draft() {
        // Test vectors of the draft's appendix C.
        assert_eq!(digest(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(digest(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(digest(b"foobar"), 0x8594_4171_f739_67e8);
    }
}
