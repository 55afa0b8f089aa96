//! One table, four forms: terminal text, CSV, Markdown, JSON lines.

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Width};

/// Side on which cells are flush.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Align {
    /// Text.
    #[default]
    Left,
    /// Numbers.
    Right,
}

/// What a column holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Stable name in CSV and JSON, with the SI unit where there is one: `latency_s`.
    pub key: String,
    /// What people read.
    pub header: String,
    /// Flush side.
    pub align: Align,
    /// Unit of the shown numbers where the cells do not carry it; printed after the header.
    pub unit: Option<String>,
}

impl Column {
    /// A column of text.
    pub fn text(key: impl Into<String>, header: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            header: header.into(),
            align: Align::Left,
            unit: None,
        }
    }

    /// A column of numbers.
    pub fn number(key: impl Into<String>, header: impl Into<String>) -> Self {
        Self {
            align: Align::Right,
            ..Self::text(key, header)
        }
    }

    /// The unit printed after the header.
    #[must_use]
    pub fn unit(mut self, unit: impl Into<String>) -> Self {
        self.unit = Some(unit.into());
        self
    }

    fn shown(&self) -> String {
        match &self.unit {
            Some(unit) => format!("{} ({unit})", one_line(&self.header)),
            None => one_line(&self.header),
        }
    }
}

/// One value of a table.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Cell {
    /// Words.
    Text(String),
    /// A number in SI base units and its short form for people.
    Number {
        /// For CSV and JSON.
        value: f64,
        /// For text and Markdown.
        shown: String,
    },
    /// Not known or not applicable: `n/a`, never zero.
    #[default]
    Missing,
}

impl Cell {
    /// Words.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A number; missing if it is NaN.
    pub fn number(value: f64, shown: impl Into<String>) -> Self {
        if value.is_nan() {
            return Self::Missing;
        }
        Self::Number {
            value,
            shown: shown.into(),
        }
    }

    /// A number if there is one.
    pub fn maybe(value: Option<f64>, show: impl FnOnce(f64) -> String) -> Self {
        value.map_or(Self::Missing, |v| Self::number(v, show(v)))
    }

    fn shown(&self) -> String {
        match self {
            Self::Text(text) => one_line(text),
            Self::Number { value, shown } if value.is_nan() && shown.is_empty() => "n/a".to_owned(),
            Self::Number { shown, .. } => one_line(shown),
            Self::Missing => "n/a".to_owned(),
        }
    }
}

/// Rows under named columns.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// Above the table; may be empty.
    pub title: String,
    /// Left to right.
    pub columns: Vec<Column>,
    /// A short row is filled with [`Cell::Missing`]; cells beyond the columns are not printed.
    pub rows: Vec<Vec<Cell>>,
}

/// Narrowest a text column is wrapped to.
const TEXT_WIDTH_MIN: usize = 8;

impl Table {
    /// A table without rows.
    pub fn new(title: impl Into<String>, columns: Vec<Column>) -> Self {
        Self {
            title: title.into(),
            columns,
            rows: Vec::new(),
        }
    }

    /// Adds a row.
    pub fn push(&mut self, row: Vec<Cell>) {
        self.rows.push(row);
    }

    /// For a terminal: two spaces between columns, no lines, at most `max_width` letters wide.
    ///
    /// Only columns without numbers are wrapped, down to eight letters; a table whose numbers alone are
    /// wider than `max_width` stays wider.
    pub fn text(&self, max_width: Option<usize>) -> String {
        let mut grid = comfy_table::Table::new();
        grid.load_style(comfy_table::TableStyle::new())
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_header(self.columns.iter().map(Column::shown));
        for row in &self.rows {
            grid.add_row(self.cells(row).map(Cell::shown));
        }
        let natural: Vec<usize> = grid
            .column_max_content_widths()
            .into_iter()
            .map(usize::from)
            .collect();
        let widths = self.widths(&natural, max_width);
        // Indent of two and two after each column.
        let whole: usize = widths.iter().map(|w| w + 2).sum();
        grid.set_width(u16::try_from(whole).unwrap_or(u16::MAX));
        for (i, (column, width)) in self.columns.iter().zip(widths).enumerate() {
            if let Some(shape) = grid.column_mut(i) {
                let width = u16::try_from(width).unwrap_or(u16::MAX - 2);
                shape
                    .set_padding((2, 0))
                    .set_constraint(ColumnConstraint::Absolute(Width::Fixed(
                        width.saturating_add(2),
                    )))
                    .set_cell_alignment(match column.align {
                        Align::Left => CellAlignment::Left,
                        Align::Right => CellAlignment::Right,
                    });
            }
        }
        let mut out = String::new();
        if !self.title.is_empty() {
            out.push_str(&one_line(&self.title));
            out.push('\n');
        }
        if !self.columns.is_empty() {
            for line in grid.lines() {
                out.push_str(line.trim_end());
                out.push('\n');
            }
        }
        out
    }

    /// Content widths that fit, taken from the widest text columns first.
    fn widths(&self, natural: &[usize], max_width: Option<usize>) -> Vec<usize> {
        let mut widths = natural.to_vec();
        let Some(limit) = max_width else {
            return widths;
        };
        let may_wrap = |i: usize| {
            let cells = self
                .rows
                .iter()
                .map(|row| row.get(i).unwrap_or(&Cell::Missing));
            !cells.into_iter().any(|c| matches!(c, Cell::Number { .. }))
        };
        let flexible: Vec<usize> = (0..widths.len()).filter(|&i| may_wrap(i)).collect();
        while widths.iter().map(|w| w + 2).sum::<usize>() > limit {
            let widest = flexible
                .iter()
                .copied()
                .max_by_key(|&i| (widths[i], usize::MAX - i));
            match widest {
                Some(i) if widths[i] > TEXT_WIDTH_MIN => widths[i] -= 1,
                _ => break,
            }
        }
        widths
    }

    /// Comma-separated values: keys as header, raw SI values, nothing for what is missing.
    pub fn csv(&self) -> String {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let mut write = |record: Vec<String>| {
            let written = writer.write_record(record);
            written.expect("writing to memory, all rows of one length");
        };
        write(self.columns.iter().map(|c| c.key.clone()).collect());
        for row in &self.rows {
            let cells = self.cells(row).map(|cell| match cell {
                Cell::Text(text) => text.clone(),
                Cell::Number { value, .. } if value.is_nan() => String::new(),
                Cell::Number { value, .. } => raw(*value),
                Cell::Missing => String::new(),
            });
            write(cells.collect());
        }
        let bytes = writer.into_inner().expect("writing to memory");
        String::from_utf8(bytes).expect("made of strings")
    }

    /// A GitHub table.
    pub fn md(&self) -> String {
        let mut out = String::new();
        if !self.title.is_empty() {
            out.push_str(&format!("**{}**\n\n", escape_md(&one_line(&self.title))));
        }
        if self.columns.is_empty() {
            return out;
        }
        let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
        out.push_str(&line(
            self.columns.iter().map(|c| escape_md(&c.shown())).collect(),
        ));
        let rule = self.columns.iter().map(|c| match c.align {
            Align::Left => "---".to_owned(),
            Align::Right => "---:".to_owned(),
        });
        out.push_str(&line(rule.collect()));
        for row in &self.rows {
            out.push_str(&line(
                self.cells(row).map(|c| escape_md(&c.shown())).collect(),
            ));
        }
        out
    }

    /// One JSON object per row, in column order: raw SI values, `null` for what is missing.
    pub fn jsonl(&self) -> String {
        let mut out = String::new();
        for row in &self.rows {
            let fields: Vec<String> = self
                .columns
                .iter()
                .zip(self.cells(row))
                .map(|(column, cell)| format!("{}:{}", json_text(&column.key), json(cell)))
                .collect();
            out.push_str(&format!("{{{}}}\n", fields.join(",")));
        }
        out
    }

    /// As many cells as there are columns.
    fn cells<'a>(&'a self, row: &'a [Cell]) -> impl Iterator<Item = &'a Cell> {
        (0..self.columns.len()).map(|i| row.get(i).unwrap_or(&Cell::Missing))
    }
}

/// The shortest text that reads back as the same number.
fn raw(value: f64) -> String {
    if value == 0.0 || (1e-5..1e15).contains(&value.abs()) || !value.is_finite() {
        format!("{value}")
    } else {
        format!("{value:e}")
    }
}

fn json(cell: &Cell) -> String {
    match cell {
        Cell::Text(text) => json_text(text),
        Cell::Number { value, .. } if value.is_finite() => raw(*value),
        // JSON has no infinity.
        Cell::Number { .. } | Cell::Missing => "null".to_owned(),
    }
}

fn json_text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Control characters would break the layout or steer the terminal.
fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

fn escape_md(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('|', "\\|")
        .replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    fn designs() -> Table {
        let columns = vec![
            Column::number("index", "#"),
            Column::text("pe", "pe"),
            Column::number("latency_s", "latency"),
            Column::number("area_m2", "area").unit("mm²"),
            Column::text("note", "note"),
        ];
        let mut table = Table::new("Pareto: 2 designs", columns);
        table.push(vec![
            Cell::number(1.0, "1"),
            Cell::text("32×32"),
            Cell::number(8.9e-3, "8.9 ms"),
            Cell::number(38e-6, "38"),
            Cell::text("fastest of all, but a | \"hot\" one"),
        ]);
        table.push(vec![
            Cell::number(14.0, "14"),
            Cell::text("16×16"),
            Cell::Missing,
        ]);
        table
    }

    #[track_caller]
    fn check(found: &str, expected: &Expect) {
        expected.assert_eq(found);
    }

    #[test]
    fn text_is_light_and_numbers_are_flush_right() {
        check(
            &designs().text(None),
            &expect![[r#"
            Pareto: 2 designs
               #  pe     latency  area (mm²)  note
               1  32×32   8.9 ms          38  fastest of all, but a | "hot" one
              14  16×16      n/a         n/a  n/a
        "#]],
        );
    }

    #[test]
    fn narrow_text_wraps_words_only() {
        check(
            &designs().text(Some(50)),
            &expect![[r#"
            Pareto: 2 designs
               #  pe     latency  area (mm²)  note
               1  32×32   8.9 ms          38  fastest of all,
                                              but a | "hot"
                                              one
              14  16×16      n/a         n/a  n/a
        "#]],
        );
    }

    #[test]
    fn csv_has_keys_and_raw_values() {
        check(
            &designs().csv(),
            &expect![[r#"
            index,pe,latency_s,area_m2,note
            1,32×32,0.0089,0.000038,"fastest of all, but a | ""hot"" one"
            14,16×16,,,
        "#]],
        );
    }

    #[test]
    fn markdown_escapes_bars() {
        check(
            &designs().md(),
            &expect![[r#"
            **Pareto: 2 designs**

            | # | pe | latency | area (mm²) | note |
            | ---: | --- | ---: | ---: | --- |
            | 1 | 32×32 | 8.9 ms | 38 | fastest of all, but a \| "hot" one |
            | 14 | 16×16 | n/a | n/a | n/a |
        "#]],
        );
    }

    #[test]
    fn json_lines_keep_the_column_order() {
        check(
            &designs().jsonl(),
            &expect![[r#"
            {"index":1,"pe":"32×32","latency_s":0.0089,"area_m2":0.000038,"note":"fastest of all, but a | \"hot\" one"}
            {"index":14,"pe":"16×16","latency_s":null,"area_m2":null,"note":null}
        "#]],
        );
    }

    #[test]
    fn empty_tables_and_nan_are_harmless() {
        let empty = Table::default();
        assert_eq!(
            (empty.text(Some(0)), empty.md(), empty.jsonl()),
            Default::default()
        );
        assert_eq!(Cell::number(f64::NAN, "0"), Cell::Missing);
        assert_eq!(Cell::maybe(None, |v| v.to_string()), Cell::Missing);
    }

    proptest! {
        #[test]
        fn numbers_survive_any_width_and_csv(
            values in prop::collection::vec((any::<f64>(), "\\PC{0,30}"), 1..8),
            width in 0_usize..120,
        ) {
            let mut table = Table::new("", vec![Column::text("t", "t"), Column::number("v", "v")]);
            for (value, text) in &values {
                table.push(vec![Cell::text(text.as_str()), Cell::number(*value, raw(*value))]);
            }
            let text = table.text(Some(width));
            let csv = table.csv();
            let mut lines = csv::Reader::from_reader(csv.as_bytes());
            for ((value, name), line) in values.iter().zip(lines.records()) {
                let line = line.expect("valid CSV");
                prop_assert_eq!(&line[0], name.as_str());
                if value.is_nan() {
                    prop_assert_eq!(&line[1], "");
                } else {
                    prop_assert!(text.contains(&raw(*value)), "{}", text);
                    prop_assert_eq!(line[1].parse::<f64>().expect("a number"), *value);
                }
            }
            for line in table.jsonl().lines() {
                prop_assert!(serde_json::from_str::<serde_json::Value>(line).is_ok());
            }
        }
    }
}
