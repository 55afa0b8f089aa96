//! The plain-text form, the same in the terminal, in JSON and in tests.

use std::fmt;

use super::{Note, Problem, Problems};

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code.as_str(), self.message)?;
        let mut gutter = 1;
        if let Some(place) = &self.place {
            let number = place.line.to_string();
            gutter = number.len();
            let pad = " ".repeat(gutter);
            // Tabs keep their width, so that the underline stays below what it marks.
            let lead: String = place
                .text
                .chars()
                .take(place.column - 1)
                .map(|c| if c == '\t' { '\t' } else { ' ' })
                .collect();
            let line = place.text.trim_end();
            let (file, column) = (&place.file, place.column);
            write!(f, "\n{pad}--> {file}:{number}:{column}")?;
            write!(f, "\n{pad} |\n{number} | {line}")?;
            write!(f, "\n{pad} | {lead}{}", "^".repeat(place.width))?;
            if let Some(label) = &self.label {
                write!(f, " {label}")?;
            }
        } else if let Some(label) = &self.label {
            write!(f, "\n  = {label}")?;
        }
        let pad = " ".repeat(gutter + 1);
        for note in &self.notes {
            match note {
                Note::Help(text) => write!(f, "\n{pad}= help: {text}")?,
                Note::Fact(text) => write!(f, "\n{pad}= note: {text}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str("\n\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::diag::{Code, Problem, Source};

    #[test]
    fn a_problem_shows_its_line() {
        let source = Source::new("chip.toml", "[memory]\nbandwith = \"3.35 TB/s\"\n");
        let problem = Problem::new(Code::UnknownKey, "unknown key `memory.bandwith`")
            .at(&source, &(9..17))
            .label("did you mean `bandwidth`?")
            .note("unknown keys are errors");
        expect_test::expect![[r#"
            E0101 unknown key `memory.bandwith`
             --> chip.toml:2:1
              |
            2 | bandwith = "3.35 TB/s"
              | ^^^^^^^^ did you mean `bandwidth`?
              = note: unknown keys are errors"#]]
        .assert_eq(&problem.to_string());
    }
}
