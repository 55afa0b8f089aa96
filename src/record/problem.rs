//! Problems as machines read them.

use serde::Serialize;

use crate::diag::{Note, Problem};

use super::SCHEMA;

/// One problem.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ProblemPart {
    /// Stable code.
    pub code: &'static str,
    /// One line.
    pub message: String,
    /// File, if it is in one.
    pub file: Option<String>,
    /// Line, from 1.
    pub line: Option<usize>,
    /// Column in characters, from 1.
    pub column: Option<usize>,
    /// The way out, one sentence a line.
    pub help: Option<String>,
}

/// What stands on standard output when there is no result.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ProblemsDocument {
    /// [`SCHEMA`].
    pub schema: u32,
    /// What stopped the command.
    pub errors: Vec<ProblemPart>,
    /// What did not.
    pub warnings: Vec<ProblemPart>,
}

impl ProblemPart {
    /// A problem with its label and notes joined to one help text.
    pub fn of(problem: &Problem) -> Self {
        let label = problem.label.iter().map(String::as_str);
        let notes = problem.notes.iter().map(|note| match note {
            Note::Help(text) | Note::Fact(text) => text.as_str(),
        });
        let help: Vec<&str> = label.chain(notes).collect();
        let place = problem.place.as_ref();
        Self {
            code: problem.code.as_str(),
            message: problem.message.clone(),
            file: place.map(|p| p.file.clone()),
            line: place.map(|p| p.line),
            column: place.map(|p| p.column),
            help: (!help.is_empty()).then(|| help.join("\n")),
        }
    }

    /// All of a list, in order.
    pub fn all(problems: &[Problem]) -> Vec<Self> {
        problems.iter().map(Self::of).collect()
    }
}

impl ProblemsDocument {
    /// Errors and warnings apart.
    pub fn of(problems: &[Problem]) -> Self {
        let (errors, warnings): (Vec<_>, Vec<_>) = problems.iter().partition(|p| p.code.is_error());
        Self {
            schema: SCHEMA,
            errors: errors.into_iter().map(ProblemPart::of).collect(),
            warnings: warnings.into_iter().map(ProblemPart::of).collect(),
        }
    }
}
