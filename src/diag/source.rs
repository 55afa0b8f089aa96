//! A text with a name, and places in it.

use std::ops::Range;
use std::sync::Arc;

/// Byte range in a source.
pub type Span = Range<usize>;

/// A named text that problems can point into.
#[derive(Clone, Debug)]
pub struct Source {
    /// File name as the user wrote it, or `--set key=value`.
    pub name: Arc<str>,
    /// Its content.
    pub text: Arc<str>,
}

/// Where a problem is, with the line it is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// File name.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The whole line.
    pub text: String,
    /// Characters to underline, at least 1.
    pub width: usize,
}

impl Source {
    /// A source from its name and text.
    pub fn new(name: impl Into<Arc<str>>, text: impl Into<Arc<str>>) -> Self {
        Self {
            name: name.into(),
            text: text.into(),
        }
    }

    /// The place of a byte range; a range outside the text points at its end.
    pub fn place(&self, span: &Span) -> Place {
        let mut start = span.start.min(self.text.len());
        while !self.text.is_char_boundary(start) {
            start -= 1;
        }
        let before = &self.text[..start];
        let line_start = before.rfind('\n').map_or(0, |i| i + 1);
        let line_end = self.text[start..]
            .find('\n')
            .map_or(self.text.len(), |i| start + i);
        let shown_end = span.end.clamp(start, line_end);
        let shown = self.text.get(start..shown_end).unwrap_or("");
        Place {
            file: self.name.to_string(),
            line: before.matches('\n').count() + 1,
            column: self.text[line_start..start].chars().count() + 1,
            text: self.text[line_start..line_end]
                .trim_end_matches('\r')
                .to_owned(),
            width: shown.chars().count().max(1),
        }
    }
}
