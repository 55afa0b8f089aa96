//! The journal of a sweep: one line per priced point, appended as points are done.
//!
//! A line holds the key of a point and its answer, numbers as the bits that they are. A run that was killed leaves at
//! most one broken line at the end, which is passed over.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use crate::diag::{Code, Note, Problem, Problems};
use crate::explore::{Answer, Ledger, Row};
use crate::units::Bytes;

use super::write::{create_folder, refused};

/// Name of the journal in a folder.
pub const JOURNAL: &str = "journal.jsonl";

/// Longest time that answers wait to be written.
const WAIT: Duration = Duration::from_millis(300);

#[derive(Deserialize, Serialize)]
struct Line {
    key: String,
    rows: Vec<Vec<Option<u64>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unpriced: Option<String>,
    short: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<Warning>,
}

#[derive(Deserialize, Serialize)]
struct Warning {
    code: String,
    message: String,
    label: Option<String>,
    /// Whether it is help, and its text.
    notes: Vec<(bool, String)>,
}

/// Answers of a folder, and a place for new ones.
pub struct Journal {
    known: FxHashMap<u64, Answer>,
    file: Mutex<(BufWriter<File>, Instant)>,
    path: PathBuf,
}

impl Journal {
    /// Opens the journal of a folder; what it holds is kept unless `fresh`.
    ///
    /// # Errors
    /// E0203 if the operating system refuses.
    pub fn open(folder: &Path, fresh: bool) -> Result<Self, Problems> {
        create_folder(folder)?;
        let path = folder.join(JOURNAL);
        let mut known = FxHashMap::default();
        let mut is_whole = true;
        if !fresh && path.exists() {
            is_whole = read_into(&path, &mut known)?;
        }
        let mut options = OpenOptions::new();
        options
            .create(true)
            .append(!fresh)
            .write(true)
            .truncate(fresh);
        let file = options
            .open(&path)
            .map_err(|error| refused(&path, &error))?;
        let mut file = BufWriter::new(file);
        if !is_whole {
            // The broken line of a killed run ends here.
            file.write_all(b"\n")
                .map_err(|error| refused(&path, &error))?;
        }
        Ok(Self {
            known,
            file: Mutex::new((file, Instant::now())),
            path,
        })
    }

    /// Takes in the journals of other folders.
    ///
    /// # Errors
    /// E0203 for a folder without one.
    pub fn take_in(&mut self, folder: &Path) -> Result<(), Problems> {
        read_into(&folder.join(JOURNAL), &mut self.known).map(|_| ())
    }

    /// Answers that were there.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether none was there.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Writes what waits.
    ///
    /// # Errors
    /// E0203 if the operating system refuses, now or before.
    pub fn finish(&self) -> Result<(), Problems> {
        let mut file = self.file.lock().map_err(|_| {
            Problems::from(Problem::new(
                Code::Internal,
                "a thread stopped while it wrote",
            ))
        })?;
        file.0.flush().map_err(|error| refused(&self.path, &error))
    }
}

impl Ledger for Journal {
    fn known(&self, key: u64) -> Option<Answer> {
        self.known.get(&key).cloned()
    }

    fn store(&self, key: u64, answer: &Answer) {
        let Ok(mut text) = serde_json::to_string(&line(key, answer)) else {
            return;
        };
        text.push('\n');
        if let Ok(mut file) = self.file.lock() {
            // A full disk shows when the rest is written.
            let _ = file.0.write_all(text.as_bytes());
            if file.1.elapsed() > WAIT {
                let _ = file.0.flush();
                file.1 = Instant::now();
            }
        }
    }
}

/// Reads a journal; false if its last line is broken.
fn read_into(path: &Path, known: &mut FxHashMap<u64, Answer>) -> Result<bool, Problems> {
    let bytes = std::fs::read(path).map_err(|error| refused(path, &error))?;
    let text = String::from_utf8_lossy(&bytes);
    for (key, answer) in text.lines().filter_map(parse) {
        known.insert(key, answer);
    }
    Ok(text.is_empty() || text.ends_with('\n'))
}

fn line(key: u64, answer: &Answer) -> Line {
    let rows = answer.rows.as_ref().ok();
    let bits = |row: &Row| row.values().map(|v| v.map(f64::to_bits)).collect();
    Line {
        key: format!("{key:016x}"),
        rows: rows.map_or_else(Vec::new, |rows| rows.iter().map(bits).collect()),
        unpriced: answer.rows.as_ref().err().cloned(),
        short: answer.short.0.to_bits(),
        warnings: answer.warnings.iter().map(warning).collect(),
    }
}

fn warning(problem: &Problem) -> Warning {
    let notes = problem.notes.iter().map(|note| match note {
        Note::Help(text) => (true, text.clone()),
        Note::Fact(text) => (false, text.clone()),
    });
    Warning {
        code: problem.code.as_str().to_owned(),
        message: problem.message.clone(),
        label: problem.label.clone(),
        notes: notes.collect(),
    }
}

fn parse(line: &str) -> Option<(u64, Answer)> {
    let line: Line = serde_json::from_str(line).ok()?;
    let key = u64::from_str_radix(&line.key, 16).ok()?;
    let row = |bits: &Vec<Option<u64>>| {
        let values: Vec<Option<f64>> = bits.iter().map(|b| b.map(f64::from_bits)).collect();
        Row::from_values(&values)
    };
    let rows: Option<Vec<Row>> = line.rows.iter().map(row).collect();
    let warnings = line.warnings.into_iter().map(|w| {
        let code = *Code::ALL.iter().find(|code| code.as_str() == w.code)?;
        let problem =
            w.notes
                .into_iter()
                .fold(Problem::new(code, w.message), |problem, (is_help, text)| {
                    if is_help {
                        problem.help(text)
                    } else {
                        problem.note(text)
                    }
                });
        Some(match w.label {
            Some(label) => problem.label(label),
            None => problem,
        })
    });
    let answer = Answer {
        rows: match line.unpriced {
            Some(reason) => Err(reason),
            None => Ok(rows?),
        },
        short: Bytes(f64::from_bits(line.short)),
        warnings: warnings.collect::<Option<_>>()?,
    };
    Some((key, answer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_come_back_as_they_were() {
        let answer = Answer {
            rows: Ok(vec![Row::default()]),
            short: Bytes(0.1 + 0.2),
            warnings: vec![
                Problem::new(Code::Assumed, "a \"b\"\n")
                    .help("h")
                    .note("n")
                    .label("l"),
            ],
        };
        let text = serde_json::to_string(&line(7, &answer)).expect("is JSON");
        assert_eq!(parse(&text), Some((7, answer)));
        let none = Answer {
            rows: Err("too small".into()),
            short: Bytes::ZERO,
            warnings: Vec::new(),
        };
        let text = serde_json::to_string(&line(u64::MAX, &none)).expect("is JSON");
        assert_eq!(parse(&text), Some((u64::MAX, none)));
        assert_eq!(parse(&text[..text.len() / 2]), None);
    }
}
