//! Expressions over named quantities: `= 2 * pe_rows * clock * 1 B`, checked for dimensions.
//!
//! A number directly before a name is a literal with a unit: `64 B/cycle`. A `/` with space before it
//! divides; without, it belongs to the unit if what follows is one.
//!
//! ```
//! use wattline::expr::{Environment, Expr};
//! use wattline::units::{Dimension, Quantity};
//!
//! let mut env = Environment::default();
//! env.insert("clock", Quantity::parse("1 GHz").unwrap());
//! let rate = Expr::parse("2 * clock * 1 B").unwrap().evaluate(&env).unwrap();
//! assert_eq!(rate, Quantity::new(2e9, Dimension::BANDWIDTH));
//! assert!(Expr::parse("clock + 1 B").unwrap().evaluate(&env).is_err());
//! ```

mod environment;
mod error;
mod evaluate;
mod lex;
mod order;
mod parse;

pub use environment::Environment;
pub use error::ExprError;
pub use order::{Cycle, order};
pub use parse::Expr;
