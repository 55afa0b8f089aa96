//! Tables of single operators and of whole-model cases: rows to predictions, for measuring against silicon.
//!
//! Rows that cannot be priced stay in the table with empty cells, and are counted by reason.
//!
//! ```
//! use wattline::cases::Shape;
//!
//! let shape = Shape::parse("m=4096;n=8192;k=512").unwrap();
//! assert_eq!(shape.size("n").unwrap(), 8192);
//! ```

mod decimal;
mod layer_ops;
mod measured;
mod models;
mod op_graph;
mod op_table;
mod ops;
mod routing;
mod shape;
mod table;
mod unpriced;

pub use measured::{Measured, MeasuredTable, read_measured};
pub use models::{Lookup, Mode, ModelCase, ModelPrice, models, run_models_csv};
pub use op_graph::op_graph;
pub use op_table::run_ops_csv;
pub use ops::{OpPrice, OpRow, Regime, ops, replay};
pub use shape::Shape;
pub use table::PricedTable;
pub use unpriced::Unpriced;
