//! One thing that was read: its name, where it came from, and what is in it.

use std::path::PathBuf;

use crate::diag::{Code, Problem, Problems, Source};

/// How a content is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// An ONNX graph.
    Onnx,
    /// A `config.json`.
    Json,
    /// A profile, workload or sweep.
    Toml,
    /// A table.
    Csv,
}

/// Text or bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// UTF-8 without a byte order mark.
    Text(String),
    /// Anything else.
    Bytes(Vec<u8>),
}

/// What relative paths in an entry start from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Base {
    /// The catalog in the binary.
    Catalog,
    /// The folder of the file.
    Folder(PathBuf),
}

/// A catalog entry or file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Name without folder and extension; the folder's name for a file called `config.json`.
    pub name: String,
    /// Path as the user wrote it, or the file of the catalog.
    pub origin: String,
    /// How to read it.
    pub kind: Kind,
    /// What is in it.
    pub content: Content,
    /// Where its relative paths start.
    pub base: Base,
}

impl Entry {
    /// The content as a named text.
    ///
    /// # Errors
    /// E0204 if the content is not text.
    pub fn source(&self) -> Result<Source, Problems> {
        match &self.content {
            Content::Text(text) => Ok(Source::new(self.origin.as_str(), text.as_str())),
            Content::Bytes(_) => Err(Problem::new(
                Code::NotAModel,
                format!("`{}` is a binary file, not a text", self.origin),
            )
            .into()),
        }
    }
}
