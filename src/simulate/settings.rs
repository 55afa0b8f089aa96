//! Which settings of the software change what is done.

use crate::diag::Problems;
use crate::workload::{Scenario, Software, Workload};

use super::Task;

/// Settings of the software that differ from their defaults, and without which the same work is done.
///
/// # Errors
/// As [`Task::new`] of the scenario itself.
pub fn idle_settings(
    workload: &Workload,
    scenario: &Scenario,
) -> Result<Vec<&'static str>, Problems> {
    let changed = scenario.software.changed();
    if changed.is_empty() {
        return Ok(Vec::new());
    }
    let as_set = Task::new(workload, scenario)?;
    let plain = Software::default();
    let mut idle = Vec::new();
    for (name, _) in changed {
        let mut reset = scenario.clone();
        let back = plain
            .get(name)
            .map(|value| reset.software.set(name, &value));
        if !matches!(back, Some(Ok(()))) {
            continue;
        }
        if reset.software.draft.is_none() {
            reset.draft_model = None;
        }
        // A model that cannot be bound without it depends on it.
        if Task::new(workload, &reset).is_ok_and(|other| other.does_the_same(&as_set)) {
            idle.push(name);
        }
    }
    Ok(idle)
}
