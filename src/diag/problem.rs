//! One problem, and the list that a checker returns.

use super::{Code, Place, Source, Span};

/// A line below the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// What the user can do.
    Help(String),
    /// A fact behind the problem.
    Fact(String),
}

/// What is wrong, where, and the way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Stable code.
    pub code: Code,
    /// One line.
    pub message: String,
    /// Where, if it is in a file.
    pub place: Option<Place>,
    /// Text beside the underline.
    pub label: Option<String>,
    /// Lines below.
    pub notes: Vec<Note>,
}

impl Problem {
    /// A problem without a place.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            place: None,
            label: None,
            notes: Vec::new(),
        }
    }

    /// Points at a byte range of a source.
    #[must_use]
    pub fn at(mut self, source: &Source, span: &Span) -> Self {
        self.place = Some(source.place(span));
        self
    }

    /// Text beside the underline.
    #[must_use]
    pub fn label(mut self, text: impl Into<String>) -> Self {
        self.label = Some(text.into());
        self
    }

    /// Adds what the user can do.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.notes.push(Note::Help(text.into()));
        self
    }

    /// Adds a fact.
    #[must_use]
    pub fn note(mut self, text: impl Into<String>) -> Self {
        self.notes.push(Note::Fact(text.into()));
        self
    }
}

/// All problems of one input, in the order in which they were found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    /// An empty list.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one.
    pub fn push(&mut self, problem: Problem) {
        if !self.0.contains(&problem) {
            self.0.push(problem);
        }
    }

    /// Adds all of another list.
    pub fn extend(&mut self, other: Self) {
        for problem in other.0 {
            self.push(problem);
        }
    }

    /// True if nothing is wrong at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// True if something stops the command.
    pub fn has_errors(&self) -> bool {
        self.0.iter().any(|p| p.code.is_error())
    }

    /// The value if there are no errors; warnings are returned beside it.
    ///
    /// # Errors
    /// The list itself, if it holds an error.
    pub fn or<T>(self, value: T) -> Result<(T, Self), Self> {
        if self.has_errors() {
            Err(self)
        } else {
            Ok((value, self))
        }
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

impl std::error::Error for Problems {}
