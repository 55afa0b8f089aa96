//! What `sweep` adds to its points: sensitivities, regrets, drifts.

use rayon::prelude::*;

use crate::explore::{
    self, DriftResult, Plan, Sensitivity, Sweep, WorkloadRegret, drifts, regrets,
};
use crate::units::percent;

/// Most designs whose parameters are turned.
const MOST_DESIGNS: usize = 4;

/// Strongest parameters that are printed.
const MOST_LINES: usize = 3;

/// All that was found.
pub(super) struct Analysis {
    pub(super) designs: Vec<Sensitivity>,
    pub(super) regrets: Vec<WorkloadRegret>,
    pub(super) drifts: Vec<DriftResult>,
}

/// Regrets and drifts; sensitivities of the named designs if they are asked for.
pub(super) fn of(plan: &Plan, sweep: &Sweep, turns_parameters: bool) -> Analysis {
    let named = sweep.notable(plan).into_iter();
    let named: Vec<(usize, String)> = named
        .filter(|(_, why)| turns_parameters && !why.is_empty())
        .take(MOST_DESIGNS)
        .collect();
    let designs = named
        .par_iter()
        .filter_map(|(point, why)| explore::sensitivity(plan, *point, why).ok());
    Analysis {
        designs: designs.collect(),
        regrets: regrets(plan, sweep),
        drifts: drifts(plan, sweep),
    }
}

/// Lines for a terminal.
pub(super) fn text(plan: &Plan, sweep: &Sweep, analysis: &Analysis) -> String {
    let mut out = String::new();
    let Some(goal) = plan.objectives.first() else {
        return out;
    };
    if let Some(found) = analysis.designs.first() {
        let mut strong: Vec<(&str, f64)> = found
            .parameters
            .iter()
            .filter_map(|p| {
                let moved = p.moved.iter().find(|m| m.metric == *goal)?;
                Some((p.path.as_str(), moved.elasticity?))
            })
            .filter(|(_, e)| e.abs() >= 0.005)
            .collect();
        strong.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()));
        let shown: Vec<String> = strong
            .iter()
            .take(MOST_LINES)
            .map(|(path, e)| format!("{path} +1 % → {goal} {}{:.2} %", sign(*e), e.abs()))
            .collect();
        out.push_str(&format!(
            "  at #{} ({})   {}\n",
            found.point,
            found.why,
            shown.join(" · ")
        ));
        if !found.still.is_empty() {
            out.push_str(&format!(
                "                 no effect: {}\n",
                found.still.join(", ")
            ));
        }
        if let Some(best) = found.upgrades.first() {
            let gain = percent(best.gain);
            out.push_str(&format!(
                "                 next best upgrade: {}, {gain} of {goal} per {}\n",
                best.path, best.per
            ));
        }
    }
    if let Some(knee) = sweep.knee {
        let each: Vec<String> = analysis
            .regrets
            .iter()
            .filter_map(|w| {
                let own = w
                    .regret
                    .iter()
                    .find(|r| r.point == knee && r.metric == *goal)?;
                let best = w.best.iter().find(|b| b.metric == *goal)?;
                let name = &plan.jobs[w.job].workload.name;
                Some(format!(
                    "{name} {} (best: #{})",
                    percent(own.share),
                    best.point
                ))
            })
            .collect();
        if !each.is_empty() {
            out.push_str(&format!(
                "  {goal} regret of the knee   {}\n",
                each.join(" · ")
            ));
        }
    }
    for found in &analysis.drifts {
        let survive = found.rows.iter().filter(|r| r.violated.is_empty()).count();
        let knee = found.rows.iter().find(|r| Some(r.point) == sweep.knee);
        let knee = knee.map_or(String::new(), |row| match row.violated.first() {
            None => "; the knee survives".to_owned(),
            Some(why) => format!("; the knee fails: {why}"),
        });
        out.push_str(&format!(
            "  drift {} ({})   {survive} of {} designs of the front survive{knee}\n",
            found.drift.name,
            found.drift.change(),
            found.rows.len()
        ));
    }
    if out.is_empty() {
        out
    } else {
        format!("\n{out}")
    }
}

fn sign(value: f64) -> char {
    if value < 0.0 { '−' } else { '+' }
}
