//! `wattline map` without a nest: the search, and what it says of its result.

use crate::cost::{Evaluation, Traffic, Widths, sparse::Zeros};
use crate::diag::{Code, Problem, Problems};
use crate::hardware::System;
use crate::mapper::exact::{Aim, Engine, Found, Mapspace, Search};
use crate::mapper::{self, NoMapping, Objective, Request};
use crate::mapping::{MapProblem, Nest};
use crate::units::significant;
use crate::workload::{Dtype, Stack};

/// A nest and why it was taken.
pub(super) struct Outcome {
    pub(super) nest: Nest,
    pub(super) evaluation: Evaluation,
    pub(super) tried: usize,
    /// No mapping of the mapspace has less of the aim; `None` without a proof.
    pub(super) bound: Option<f64>,
    pub(super) stopped: String,
}

/// What is to be mapped, and on what.
pub(super) struct Question<'a> {
    pub(super) problem: &'a MapProblem,
    pub(super) system: &'a System,
    pub(super) array: usize,
    pub(super) dtype: Dtype,
    pub(super) widths: Widths,
    pub(super) aim: Aim,
    /// Partial mappings after which the search stops.
    pub(super) limit: u64,
}

const HEURISTIC: &str = "every nest of the heuristic list was priced; not proven optimal";

impl Question<'_> {
    /// The best mapping of the chip's mapspace, or of a short list where the search cannot describe it.
    ///
    /// # Errors
    /// If nothing fits, or the chip takes library tiles.
    pub(super) fn answer(&self, price: impl Fn(&Nest) -> Evaluation) -> Result<Outcome, Problems> {
        let space = Mapspace {
            einsum: &self.problem.einsum,
            system: self.system,
            widths: self.widths,
            convention: self.problem.convention,
            uneven: self.system.uneven,
        };
        let (einsum, convention) = (&self.problem.einsum, self.problem.convention);
        let engine = Engine::of(self.system, self.array, self.dtype, einsum, convention);
        let how = Search {
            aim: self.aim,
            limit: self.limit,
        };
        let mut cost = |nest: &Nest| {
            let e = price(nest);
            (e.energy().map_or(0.0, |e| e.0), e.latency.0)
        };
        if !matches!(self.system.tiles, crate::hardware::Tiles::Listed { .. }) {
            if let Some(lack) = space.lacking(self.array) {
                return Err(self.nothing_fits(&lack));
            }
            if let Some(found) = space.search(self.array, engine, how, &mut cost) {
                return Ok(Outcome {
                    evaluation: price(&found.nest),
                    tried: usize::try_from(found.steps).unwrap_or(usize::MAX),
                    bound: Some(found.bound),
                    stopped: certificate(&found),
                    nest: found.nest,
                });
            }
        }
        self.heuristic(price)
    }

    fn nothing_fits(&self, lack: &NoMapping) -> Problems {
        let mut message = format!("nothing fits: {lack}");
        if let Some(slot) = lack.slot {
            let tensor = &self.problem.tensors[slot as usize];
            message = message.replace(&format!("`{}`", slot.name()), &format!("`{tensor}`"));
        }
        let help = format!(
            "give `{}` more capacity, or let tensors pass it by (must_hold)",
            lack.memory
        );
        Problem::new(Code::NoFit, message).help(help).into()
    }

    fn heuristic(&self, price: impl Fn(&Nest) -> Evaluation) -> Result<Outcome, Problems> {
        let request = Request {
            einsum: &self.problem.einsum,
            dtype: self.dtype,
            widths: self.widths,
            compulsory: Traffic::default(),
            zeros: &Zeros::none(),
            objective: Objective::Energy,
            stack: Stack::Default,
        };
        let nests = mapper::proposals(self.system, self.array, &request)
            .map_err(|error| self.nothing_fits(&error))?;
        let tried = nests.len();
        let priced = nests.into_iter().map(|nest| {
            let evaluation = price(&nest);
            (nest, evaluation)
        });
        let key = |e: &Evaluation| {
            self.aim
                .value(e.energy().map_or(f64::INFINITY, |e| e.0), e.latency.0)
        };
        let best = priced.min_by(|a, b| {
            let (a, b) = (key(&a.1), key(&b.1));
            a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1))
        });
        let Some((nest, evaluation)) = best else {
            let message = format!("`{}` takes library tiles, not loop nests", self.system.name);
            let problem = Problem::new(Code::Usage, message);
            return Err(problem
                .help("give the nest in [mapping], or another chip")
                .into());
        };
        Ok(Outcome {
            nest,
            evaluation,
            tried,
            bound: None,
            stopped: HEURISTIC.to_owned(),
        })
    }
}

/// Why the search stopped, and what that proves.
fn certificate(found: &Found) -> String {
    let steps = found.steps;
    let gap = significant(100.0 * found.gap(), 3);
    match (found.is_whole, found.gap() == 0.0) {
        (true, true) => {
            format!("optimal: after {steps} steps nothing was left that could be better")
        }
        (true, false) => format!(
            "done after {steps} steps; optimal where factors divide, and mappings whose last tiles are smaller could \
             be better by {gap} % at most"
        ),
        (false, true) => {
            format!("stopped after {steps} steps; nothing that was left out could be better")
        }
        (false, false) => format!(
            "stopped after {steps} steps; what was left out could be better by {gap} % at most"
        ),
    }
}
