//! Standard output and standard error, in the form that was asked for.

use std::cell::Cell;
use std::io::{self, IsTerminal, Write};

use crate::diag::{Code, Problem, Problems};
use crate::record::{self, ProblemsDocument};
use crate::report::Table;
use crate::units::{ByteStyle, Bytes};

use super::args::{Color, Format, Global};

/// Narrowest and widest a table is laid out for on a terminal.
const WIDTH: std::ops::RangeInclusive<usize> = 60..=200;

/// How to print.
pub(super) struct Console {
    pub(super) format: Format,
    pub(super) quiet: bool,
    pub(super) verbose: bool,
    pub(super) bytes: ByteStyle,
    color: bool,
    warned: Cell<bool>,
}

impl Console {
    pub(super) fn new(global: &Global) -> Self {
        let color = match global.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => io::stdout().is_terminal() && !colorless(),
        };
        Self {
            format: global.format(),
            quiet: global.quiet,
            verbose: global.verbose,
            bytes: global.units.style(),
            color,
            warned: Cell::new(false),
        }
    }

    /// Writes a result. A reader that has gone away (`| head`) is no problem.
    ///
    /// # Errors
    /// E0203 if standard output refuses for another reason, such as a full disk.
    pub(super) fn print(&self, text: &str) -> Result<(), Problems> {
        let mut out = io::stdout().lock();
        let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        match written {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                let message = format!("standard output cannot be written: {error}");
                Err(Problem::new(Code::Unreadable, message).into())
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Writes a table in the form asked for; `document` is what `--format json` prints.
    pub(super) fn table(
        &self,
        table: &Table,
        document: &impl serde::Serialize,
    ) -> Result<(), Problems> {
        self.print(&match self.format {
            Format::Table => table.text(width()),
            Format::Json => record::to_json(document),
            Format::Jsonl => table.jsonl(),
            Format::Csv => table.csv(),
            Format::Md => table.md(),
        })
    }

    /// Warnings, on standard error; they count for `--strict` even when they are not shown.
    pub(super) fn warn(&self, warnings: &[Problem]) {
        if warnings.is_empty() {
            return;
        }
        self.warned.set(true);
        if !self.quiet {
            self.stderr(warnings);
        }
    }

    /// A remark beside the result, on standard error.
    pub(super) fn note(&self, text: &str) {
        if !self.quiet {
            // Nothing is left to report to if standard error is gone.
            let _ = io::stderr().lock().write_all(text.as_bytes());
        }
    }

    /// What stopped the command.
    pub(super) fn fail(&self, problems: &Problems) {
        self.stderr(&problems.0);
        if self.format == Format::Json {
            let document = ProblemsDocument::of(&problems.0);
            // The exit code already says that it failed.
            let _ = self.print(&record::to_json(&document));
        }
    }

    /// Problems of single rows, after the rows that could be read.
    ///
    /// # Errors
    /// The problems, if there are any.
    pub(super) fn fail_unless_empty(&self, problems: Vec<Problem>) -> Result<(), Problems> {
        if problems.is_empty() {
            Ok(())
        } else {
            Err(Problems(problems))
        }
    }

    /// Whether a warning was raised.
    pub(super) fn has_warned(&self) -> bool {
        self.warned.get()
    }

    /// A size in the units asked for.
    pub(super) fn size(&self, bytes: Bytes) -> String {
        if bytes.0.is_infinite() {
            return "unbounded".to_owned();
        }
        bytes.show(self.bytes)
    }

    /// A good answer.
    pub(super) fn good(&self, text: &str) -> String {
        self.paint(text, "1;32")
    }

    /// A bad answer.
    pub(super) fn bad(&self, text: &str) -> String {
        self.paint(text, "1;31")
    }

    /// Side remarks.
    pub(super) fn dim(&self, text: &str) -> String {
        self.paint(text, "2")
    }

    fn paint(&self, text: &str, style: &str) -> String {
        if self.color {
            format!("\x1b[{style}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    fn stderr(&self, problems: &[Problem]) {
        let mut text = String::new();
        for problem in problems {
            text.push_str(&problem.to_string());
            text.push_str("\n\n");
        }
        text.pop();
        // Nothing is left to report to if standard error is gone.
        let _ = io::stderr().lock().write_all(text.as_bytes());
    }
}

/// Columns of the terminal; `None` where output goes elsewhere.
pub(super) fn width() -> Option<usize> {
    if !io::stdout().is_terminal() {
        return None;
    }
    let columns = std::env::var("COLUMNS").ok()?.parse::<usize>().ok()?;
    Some(columns.clamp(*WIDTH.start(), *WIDTH.end()))
}

fn colorless() -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|v| !v.is_empty());
    is_set("NO_COLOR") || std::env::var_os("TERM").is_some_and(|v| v == "dumb")
}
