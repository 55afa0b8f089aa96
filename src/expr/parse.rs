//! Pratt parser from text to a postfix program.

use super::ExprError;
use super::lex::{Token, tokens};
use crate::diag::Span;
use crate::units::Quantity;

/// Nesting of parentheses, signs and powers that is still read.
const MAX_DEPTH: usize = 64;

/// A parsed expression. Names are looked up when it is evaluated.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    pub(super) program: Vec<(Step, Span)>,
}

/// One step of the postfix program.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    Push(Quantity),
    Load(String),
    Negate,
    Binary(Operator),
    /// A function and the number of its arguments.
    Call(Function, usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Power,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Min,
    Max,
    Ceil,
    Floor,
    Round,
    Sqrt,
    Log2,
    Abs,
}

const FUNCTIONS: [(&str, Function); 8] = [
    ("min", Function::Min),
    ("max", Function::Max),
    ("ceil", Function::Ceil),
    ("floor", Function::Floor),
    ("round", Function::Round),
    ("sqrt", Function::Sqrt),
    ("log2", Function::Log2),
    ("abs", Function::Abs),
];

impl Expr {
    /// Reads an expression, without the `=` in front of it.
    ///
    /// # Errors
    /// The first fault of its syntax.
    pub fn parse(text: &str) -> Result<Self, ExprError> {
        let mut parser = Parser {
            tokens: tokens(text)?,
            at: 0,
            end: text.len(),
            program: Vec::new(),
        };
        parser.expression(0, 0)?;
        match parser.tokens.get(parser.at) {
            None => Ok(Self {
                program: parser.program,
            }),
            Some((_, span)) => {
                let message = format!("`{}` is not expected here", &text[span.clone()]);
                Err(ExprError::new(message, span.clone()))
            }
        }
    }

    /// The names it uses, each with its place, in order.
    pub fn names(&self) -> impl Iterator<Item = (&str, &Span)> {
        self.program.iter().filter_map(|(step, span)| match step {
            Step::Load(name) => Some((name.as_str(), span)),
            Step::Push(_) | Step::Negate | Step::Binary(_) | Step::Call(..) => None,
        })
    }
}

struct Parser {
    tokens: Vec<(Token, Span)>,
    at: usize,
    end: usize,
    program: Vec<(Step, Span)>,
}

impl Parser {
    fn expression(&mut self, min_power: u8, depth: usize) -> Result<(), ExprError> {
        self.operand(depth)?;
        while let Some((Token::Mark(mark), span)) = self.tokens.get(self.at) {
            // Left and right binding power: the right one of `^` is lower, so that it nests rightwards.
            let (operator, left, right) = match mark {
                '+' => (Operator::Add, 1, 2),
                '-' => (Operator::Subtract, 1, 2),
                '*' => (Operator::Multiply, 3, 4),
                '/' => (Operator::Divide, 3, 4),
                '^' => (Operator::Power, 8, 7),
                _ => break,
            };
            if left < min_power {
                break;
            }
            let span = span.clone();
            self.at += 1;
            self.expression(right, depth + 1)?;
            self.program.push((Step::Binary(operator), span));
        }
        Ok(())
    }

    fn operand(&mut self, depth: usize) -> Result<(), ExprError> {
        let Some((token, span)) = self.tokens.get(self.at).cloned() else {
            let message = "the expression ends where a value is expected";
            return Err(ExprError::new(message, self.end..self.end));
        };
        if depth > MAX_DEPTH {
            let message = format!("the expression nests deeper than {MAX_DEPTH} levels");
            return Err(ExprError::new(message, span));
        }
        self.at += 1;
        match token {
            Token::Literal(value) => self.program.push((Step::Push(value), span)),
            Token::Name(name) if self.next_is('(') => self.call(&name, span, depth)?,
            Token::Name(name) => self.program.push((Step::Load(name), span)),
            Token::Mark('(') => {
                self.expression(0, depth + 1)?;
                self.expect_close(&span)?;
            }
            Token::Mark('-') => {
                // Binds less tightly than `^`: -2^2 is -4.
                self.expression(5, depth + 1)?;
                self.program.push((Step::Negate, span));
            }
            Token::Mark(mark) => {
                let message = format!("`{mark}` stands where a value is expected");
                return Err(ExprError::new(message, span));
            }
        }
        Ok(())
    }

    fn call(&mut self, name: &str, span: Span, depth: usize) -> Result<(), ExprError> {
        let Some((_, function)) = FUNCTIONS.iter().find(|(n, _)| *n == name) else {
            let names = FUNCTIONS.map(|(n, _)| n);
            let help = crate::diag::did_you_mean(name, names)
                .unwrap_or_else(|| format!("known functions: {}", names.join(", ")));
            return Err(ExprError::new(format!("no function `{name}`"), span).help(help));
        };
        let open = self.tokens[self.at].1.clone();
        self.at += 1;
        let mut arguments = 1;
        self.expression(0, depth + 1)?;
        while self.next_is(',') {
            self.at += 1;
            arguments += 1;
            self.expression(0, depth + 1)?;
        }
        self.expect_close(&open)?;
        let several = matches!(function, Function::Min | Function::Max);
        if !several && arguments != 1 {
            let message = format!("`{name}` takes one value, not {arguments}");
            return Err(ExprError::new(message, span));
        }
        self.program.push((Step::Call(*function, arguments), span));
        Ok(())
    }

    fn next_is(&self, mark: char) -> bool {
        matches!(self.tokens.get(self.at), Some((Token::Mark(m), _)) if *m == mark)
    }

    fn expect_close(&mut self, open: &Span) -> Result<(), ExprError> {
        if self.next_is(')') {
            self.at += 1;
            return Ok(());
        }
        let message = "this parenthesis is not closed";
        Err(ExprError::new(message, open.clone()))
    }
}
