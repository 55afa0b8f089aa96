//! Evaluation with dimension checks at every operator.

use super::parse::{Function, Operator, Step};
use super::{Environment, Expr, ExprError};
use crate::diag::{Code, Span, did_you_mean};
use crate::units::{Dimension, Quantity};

/// Powers of a physical quantity that still make sense.
const MAX_POWER: f64 = 6.0;

impl Expr {
    /// The value over an environment.
    ///
    /// # Errors
    /// An undefined name, dimensions that do not fit, a division by zero, or a result that is not finite.
    pub fn evaluate(&self, env: &Environment) -> Result<Quantity, ExprError> {
        let mut stack: Vec<Quantity> = Vec::with_capacity(8);
        for (step, span) in &self.program {
            let value = match step {
                Step::Push(value) => *value,
                Step::Load(name) => env.get(name).ok_or_else(|| undefined(name, span, env))?,
                Step::Negate => {
                    let value = pop(&mut stack);
                    Quantity::new(-value.value, value.dimension)
                }
                Step::Binary(operator) => {
                    let right = pop(&mut stack);
                    binary(*operator, pop(&mut stack), right, span)?
                }
                Step::Call(function, arguments) => {
                    let from = stack.len().saturating_sub(*arguments);
                    let value = call(*function, &stack[from..], span)?;
                    stack.truncate(from);
                    value
                }
            };
            if !value.value.is_finite() {
                let message = "the result is not a finite number";
                return Err(ExprError::new(message, span.clone()));
            }
            stack.push(value);
        }
        Ok(pop(&mut stack))
    }
}

fn pop(stack: &mut Vec<Quantity>) -> Quantity {
    stack
        .pop()
        .expect("the parser pushes every operand before its operator")
}

fn undefined(name: &str, span: &Span, env: &Environment) -> ExprError {
    let help = did_you_mean(name, env.names()).unwrap_or_else(|| {
        let mut names: Vec<&str> = env.names().collect();
        names.sort_unstable();
        names.truncate(12);
        if names.is_empty() {
            "no names are defined in [params]".to_owned()
        } else {
            format!("defined are: {}", names.join(", "))
        }
    });
    ExprError {
        code: Code::Reference,
        ..ExprError::new(format!("`{name}` is not defined"), span.clone())
    }
    .help(help)
}

fn binary(
    operator: Operator,
    left: Quantity,
    right: Quantity,
    span: &Span,
) -> Result<Quantity, ExprError> {
    let same = |verb: &str| {
        if left.dimension == right.dimension {
            return Ok(());
        }
        let (a, b) = (left.dimension, right.dimension);
        let message = format!("cannot {verb}: left is {a}, right is {b}");
        Err(ExprError::new(message, span.clone()))
    };
    match operator {
        Operator::Add => {
            same("add").map(|()| Quantity::new(left.value + right.value, left.dimension))
        }
        Operator::Subtract => {
            same("subtract").map(|()| Quantity::new(left.value - right.value, left.dimension))
        }
        Operator::Multiply => Ok(Quantity::new(
            left.value * right.value,
            left.dimension * right.dimension,
        )),
        Operator::Divide if right.value == 0.0 => {
            Err(ExprError::new("division by zero", span.clone()))
        }
        Operator::Divide => Ok(Quantity::new(
            left.value / right.value,
            left.dimension / right.dimension,
        )),
        Operator::Power => power(left, right, span),
    }
}

fn power(base: Quantity, exponent: Quantity, span: &Span) -> Result<Quantity, ExprError> {
    if !exponent.dimension.is_none() {
        let message = format!(
            "an exponent must be a bare number, not {}",
            exponent.dimension
        );
        return Err(ExprError::new(message, span.clone()));
    }
    let value = base.value.powf(exponent.value);
    if base.dimension.is_none() {
        return Ok(Quantity::number(value));
    }
    if exponent.value.fract() != 0.0 || exponent.value.abs() > MAX_POWER {
        let message = format!(
            "a value in {} can only be raised to whole powers up to {MAX_POWER}",
            base.dimension
        );
        return Err(ExprError::new(message, span.clone()));
    }
    Ok(Quantity::new(
        value,
        base.dimension.power(exponent.value as i8),
    ))
}

fn call(function: Function, values: &[Quantity], span: &Span) -> Result<Quantity, ExprError> {
    let first = values[0];
    let bare = |name: &str, of: fn(f64) -> f64| {
        if first.dimension == Dimension::NONE {
            return Ok(Quantity::number(of(first.value)));
        }
        let message = format!("`{name}` takes a bare number, not {}", first.dimension);
        Err(ExprError::new(message, span.clone())
            .help("divide by a unit first, e.g. ceil(size / 1 KiB) * 1 KiB"))
    };
    let fold = |name: &str, of: fn(f64, f64) -> f64| {
        if let Some(other) = values.iter().find(|v| v.dimension != first.dimension) {
            let (a, b) = (first.dimension, other.dimension);
            let message = format!("`{name}` cannot compare {a} with {b}");
            return Err(ExprError::new(message, span.clone()));
        }
        let value = values.iter().map(|v| v.value).fold(first.value, of);
        Ok(Quantity::new(value, first.dimension))
    };
    match function {
        Function::Min => fold("min", f64::min),
        Function::Max => fold("max", f64::max),
        Function::Ceil => bare("ceil", f64::ceil),
        Function::Floor => bare("floor", f64::floor),
        Function::Round => bare("round", f64::round),
        Function::Sqrt => bare("sqrt", f64::sqrt),
        Function::Log2 => bare("log2", f64::log2),
        Function::Abs => Ok(Quantity::new(first.value.abs(), first.dimension)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env() -> Environment {
        let mut env = Environment::default();
        for (name, text) in [("rows", "16"), ("clock", "1 GHz"), ("glb", "512 KiB")] {
            env.insert(name, Quantity::parse(text).expect("parses"));
        }
        env
    }

    #[track_caller]
    fn check(text: &str, value: &str) {
        let found = Expr::parse(text).and_then(|e| e.evaluate(&env()));
        let expected = Quantity::parse(value).expect("parses");
        let found = found.unwrap_or_else(|e| panic!("{text}: {e}"));
        assert_eq!(found.dimension, expected.dimension, "{text}");
        let error = (found.value - expected.value).abs();
        assert!(error <= 1e-12 * expected.value.abs(), "{text}: {found:?}");
    }

    #[track_caller]
    fn refuse(text: &str, message: &str, at: std::ops::Range<usize>) {
        let found = Expr::parse(text).and_then(|e| e.evaluate(&env()));
        let error = found.expect_err(text);
        assert_eq!(
            (error.message.as_str(), error.span),
            (message, at),
            "{text}"
        );
    }

    #[test]
    fn arithmetic_follows_the_usual_precedence() {
        check("1 + 2 * 3 ^ 2", "19");
        check("2 ^ 3 ^ 2", "512");
        check("-2 ^ 2", "-4");
        check("10 - 4 - 3", "3");
        check("2 * -3", "-6");
        check("2 ^ -1", "0.5");
        check("(1 + 2) * 3", "9");
        check("max(1, rows, 3) + min(4, 2)", "18");
        check(
            "ceil(2.1) + floor(2.9) + round(2.5) + sqrt(16) + log2(8) + abs(-1)",
            "16",
        );
    }

    #[test]
    fn a_name_behind_a_number_is_a_unit() {
        check("2 * rows * clock * 1 B", "32 GB/s");
        check("64 B/cycle", "64 B/cycle");
        check("2.5 TB/s", "2.5 TB/s");
        check("glb / 2", "256 KiB");
        check("1 GHz/clock", "1");
        check("1 nm ^ 2", "1e-18 m2");
        check("5 % * 20", "1");
        check("8 pJ/bit*1 B", "64 pJ");
    }

    #[test]
    fn faults_point_at_the_operator_or_name() {
        refuse("glb + 1 s", "cannot add: left is B, right is s", 4..5);
        refuse("1 / (rows - 16)", "division by zero", 2..3);
        refuse("colck * 2", "`colck` is not defined", 0..5);
        refuse("maxx(1)", "no function `maxx`", 0..4);
        refuse("2 rows", "`rows` is not a unit", 2..6);
        refuse("sqrt(0 - 1)", "the result is not a finite number", 0..4);
        refuse("1e308 * 10", "the result is not a finite number", 6..7);
        refuse("(1 + 2", "this parenthesis is not closed", 0..1);
        refuse("1 +", "the expression ends where a value is expected", 3..3);
        refuse("1 2", "`2` is not expected here", 2..3);
        refuse(
            "2 ^ clock",
            "an exponent must be a bare number, not 1/s",
            2..3,
        );
        refuse("ceil(glb)", "`ceil` takes a bare number, not B", 0..4);
        refuse(
            "max(glb, 2)",
            "`max` cannot compare B with a bare number",
            0..3,
        );
        refuse("", "the expression ends where a value is expected", 0..0);
        refuse("1 ; 2", "`;` has no meaning in an expression", 2..3);
    }

    #[test]
    fn deep_nesting_is_refused_and_long_sums_are_not() {
        let deep = "(".repeat(10_000) + "1" + &")".repeat(10_000);
        assert!(Expr::parse(&deep).is_err());
        assert!(Expr::parse(&"-".repeat(10_000)).is_err());
        check(&("1".to_owned() + &" + 1".repeat(9_999)), "10000");
    }
}
