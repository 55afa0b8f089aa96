//! CSV text with named columns, to rows and back.

use crate::diag::{Code, Problem, Problems, Source};

use super::unpriced::short;

/// A table with predictions behind its rows.
#[derive(Clone, Debug, PartialEq)]
pub struct PricedTable {
    /// As CSV, in the order of the rows that were read.
    pub text: String,
    /// Why rows are empty, and how many: most frequent first.
    pub empty: Vec<(String, usize)>,
    /// What the reader of the predictions should know.
    pub warnings: Vec<Problem>,
}

/// A table as it stands in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Table {
    columns: Vec<String>,
    rows: Vec<csv::StringRecord>,
}

impl Table {
    /// Reads a CSV text whose header must name the required columns.
    ///
    /// # Errors
    /// E0103 for each missing column, E0109 if the text is not a table.
    pub(super) fn read(name: &str, text: &str, required: &[&str]) -> Result<Self, Problems> {
        let broken = |error: &csv::Error| {
            Problems::from(Problem::new(
                Code::Syntax,
                format!("`{name}` is not a CSV table: {error}"),
            ))
        };
        let mut reader = csv::ReaderBuilder::new()
            .flexible(true)
            .from_reader(text.as_bytes());
        let header = reader.headers().map_err(|e| broken(&e))?;
        let columns: Vec<String> = header.iter().map(|c| c.trim().to_owned()).collect();
        let mut problems = Problems::new();
        for column in required {
            if !columns.iter().any(|c| c == column) {
                problems.push(missing(name, text, column, required, &columns));
            }
        }
        if problems.has_errors() {
            return Err(problems);
        }
        let rows: Result<Vec<_>, csv::Error> = reader.into_records().collect();
        let rows = rows.map_err(|e| broken(&e))?;
        Ok(Self { columns, rows })
    }

    /// Number of rows.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// One cell, empty where the row is too short.
    pub(super) fn cell(&self, row: usize, column: &str) -> &str {
        let at = self.columns.iter().position(|c| c == column);
        let record = self.rows.get(row);
        at.zip(record)
            .and_then(|(i, r)| r.get(i))
            .map_or("", str::trim)
    }

    /// Bytes of the text at which a row starts, to point at.
    pub(super) fn place(&self, row: usize) -> Option<std::ops::Range<usize>> {
        let start = self.rows.get(row)?.position()?.byte() as usize;
        Some(start..start + 1)
    }

    /// The same rows with columns added behind; columns of the same names are replaced.
    ///
    /// # Errors
    /// E9999 if the writer fails, which text in memory does not.
    pub(super) fn with<const N: usize>(
        &self,
        added: &[&str; N],
        values: impl Fn(usize) -> [String; N],
    ) -> Result<String, Problems> {
        let kept: Vec<usize> = (0..self.columns.len())
            .filter(|&i| !added.contains(&self.columns[i].as_str()))
            .collect();
        let mut writer = csv::Writer::from_writer(Vec::new());
        let failed = |error: &dyn std::fmt::Display| {
            Problems::from(Problem::new(
                Code::Internal,
                format!("table not written: {error}"),
            ))
        };
        let header = kept.iter().map(|&i| self.columns[i].as_str());
        let header = header.chain(added.iter().copied());
        writer.write_record(header).map_err(|e| failed(&e))?;
        for (row, record) in self.rows.iter().enumerate() {
            let values = values(row);
            let old = kept.iter().map(|&i| record.get(i).unwrap_or(""));
            let cells = old.chain(values.iter().map(String::as_str));
            writer.write_record(cells).map_err(|e| failed(&e))?;
        }
        let bytes = writer.into_inner().map_err(|e| failed(&e))?;
        String::from_utf8(bytes).map_err(|e| failed(&e))
    }
}

fn missing(name: &str, text: &str, column: &str, required: &[&str], columns: &[String]) -> Problem {
    let source = Source::new(name, text);
    let header_end = text.find('\n').unwrap_or(text.len());
    let found: Vec<String> = columns.iter().map(|c| short(c)).collect();
    Problem::new(Code::MissingKey, format!("column `{column}` is missing"))
        .at(&source, &(0..header_end))
        .note(format!("found: {}", found.join(", ")))
        .help(format!("the header needs: {}", required.join(",")))
}
