//! Tokens of an expression.

use super::ExprError;
use crate::diag::Span;
use crate::units::{Quantity, parse_unit};

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// A number with its unit, if it has one.
    Literal(Quantity),
    Name(String),
    /// One of `+ - * / ^ ( ) ,`.
    Mark(char),
}

/// Splits a text into tokens with their places.
pub(super) fn tokens(text: &str) -> Result<Vec<(Token, Span)>, ExprError> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(next) = text[at..].chars().next() {
        let end = match next {
            c if c.is_whitespace() => {
                at += c.len_utf8();
                continue;
            }
            '0'..='9' | '.' => {
                let (value, end) = literal(text, at)?;
                found.push((Token::Literal(value), at..end));
                end
            }
            c if starts_name(c) => {
                let end = name_end(text, at);
                found.push((Token::Name(text[at..end].to_owned()), at..end));
                end
            }
            '+' | '-' | '*' | '/' | '^' | '(' | ')' | ',' => {
                found.push((Token::Mark(next), at..at + 1));
                at + 1
            }
            other => {
                let span = at..at + other.len_utf8();
                let message = format!("`{other}` has no meaning in an expression");
                return Err(ExprError::new(message, span)
                    .help("allowed are numbers with units, names, + - * / ^, ( ) and functions"));
            }
        };
        at = end;
    }
    Ok(found)
}

fn starts_name(c: char) -> bool {
    c.is_alphabetic() || c == '_'
}

fn name_end(text: &str, start: usize) -> usize {
    let rest = &text[start..];
    let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
    start + end.unwrap_or(rest.len())
}

/// A number and the unit behind it.
fn literal(text: &str, start: usize) -> Result<(Quantity, usize), ExprError> {
    let end = number_end(text, start);
    let digits: String = text[start..end].chars().filter(|c| *c != '_').collect();
    let not_a_number = |_| {
        let message = format!("`{}` is not a number", &text[start..end]);
        ExprError::new(message, start..end)
    };
    let value: f64 = digits.parse().map_err(not_a_number)?;
    let gap = text[end..].len() - text[end..].trim_start().len();
    let unit_start = end + gap;
    let Some(unit_end) = unit_end(text, unit_start) else {
        return Ok((Quantity::number(value), end));
    };
    let unit = &text[unit_start..unit_end];
    let (scale, dimension) = parse_unit(unit).map_err(|_| {
        ExprError::new(format!("`{unit}` is not a unit"), unit_start..unit_end).help(format!(
            "a name directly behind a number is a unit; to multiply write `{} * {unit}`",
            &text[start..end]
        ))
    })?;
    Ok((Quantity::new(value * scale, dimension), unit_end))
}

fn number_end(text: &str, start: usize) -> usize {
    let bytes = text.as_bytes();
    let digits = |mut i: usize| {
        while i < bytes.len() && (bytes[i].is_ascii_digit() || bytes[i] == b'_') {
            i += 1;
        }
        i
    };
    let mut end = digits(start);
    if bytes.get(end) == Some(&b'.') {
        end = digits(end + 1);
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        let exponent = digits(end + 1 + sign);
        if exponent > end + 1 + sign {
            end = exponent;
        }
    }
    end
}

/// Where the unit that starts here ends: `TB/s`, `pJ/bit`, `%`; `None` if there is none.
fn unit_end(text: &str, start: usize) -> Option<usize> {
    let first = text[start..].chars().next()?;
    if first == '%' {
        return Some(start + 1);
    }
    if !starts_name(first) {
        return None;
    }
    let mut end = name_end(text, start);
    while let Some(after) = text[end..].strip_prefix('/') {
        if !after.starts_with(starts_name) {
            break;
        }
        let next = name_end(text, end + 1);
        if parse_unit(&text[end + 1..next]).is_err() {
            break;
        }
        end = next;
    }
    Some(end)
}
