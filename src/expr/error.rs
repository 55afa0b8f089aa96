//! What can be wrong with an expression, and where in its text.

use crate::diag::{Code, Problem, Source, Span};

/// One fault of an expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ExprError {
    /// Stable code: E0106, or E0110 for a name that is not defined.
    pub code: Code,
    /// One line.
    pub message: String,
    /// Bytes of the expression's text.
    pub span: Span,
    /// The way out, if there is one.
    pub help: Option<String>,
}

impl ExprError {
    pub(super) fn new(message: impl Into<String>, span: Span) -> Self {
        Self {
            code: Code::Expression,
            message: message.into(),
            span,
            help: None,
        }
    }

    pub(super) fn help(mut self, text: impl Into<String>) -> Self {
        self.help = Some(text.into());
        self
    }

    /// The problem in a file whose expression text starts at byte `offset`.
    pub fn problem(&self, path: &str, source: &Source, offset: usize) -> Problem {
        let span = self.span.start + offset..self.span.end + offset;
        let message = format!("`{path}`: {}", self.message);
        let problem = Problem::new(self.code, message).at(source, &span);
        match &self.help {
            Some(help) => problem.help(help.clone()),
            None => problem,
        }
    }
}
