//! Results as people read them: tables, CSV, Markdown, JSON lines, plots.
//!
//! Nothing here touches files: every function returns text or bytes.
//!
//! ```
//! use wattline::report::{Align, Cell, Column, Table};
//!
//! let mut table = Table::new("operators", vec![
//!     Column::text("name", "operator"),
//!     Column::number("latency_s", "latency"),
//! ]);
//! table.push(vec![Cell::text("conv1"), Cell::number(8.9e-3, "8.9 ms")]);
//! table.push(vec![Cell::text("fc"), Cell::Missing]);
//! assert_eq!(table.columns[1].align, Align::Right);
//! assert_eq!(table.csv(), "name,latency_s\nconv1,0.0089\nfc,\n");
//! ```

pub mod ascii;
mod dot;
pub mod html;
pub mod plot;
mod table;

pub use dot::dot;
pub use table::{Align, Cell, Column, Table};
