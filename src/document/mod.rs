//! TOML texts as trees whose every value knows its place, and readers that leave no key unread.
//!
//! A tree is made once; quantities and expressions in it are parsed then. Trees are merged (`extends`)
//! and values replaced (`--set`), and each value keeps the text it came from.
//!
//! ```
//! use wattline::diag::Source;
//! use wattline::document::{Context, Table};
//! use wattline::expr::Environment;
//! use wattline::units::Bytes;
//!
//! let text = "[memory]\ncapacity = \"= 2 * 1 GiB\"\nbandwith = \"1 TB/s\"\n";
//! let tree = Table::parse(&Source::new("chip.toml", text)).unwrap();
//! let context = Context::new(Environment::default());
//! let root = context.reader(&tree);
//! let memory = root.table("memory").unwrap();
//! assert_eq!(memory.quantity::<Bytes>("capacity"), Some(Bytes(2_147_483_648.0)));
//! assert_eq!(memory.string("bandwidth"), None);
//! memory.finish();
//! root.finish();
//! let problems = context.finish();
//! assert!(problems.to_string().starts_with("E0101 unknown key `memory.bandwith`"));
//! ```

mod assign;
mod list;
mod load;
mod merge;
mod node;
mod quantity;
mod reader;

pub use assign::{parse_value, quantity_node};
pub use node::{Entry, Meaning, Node, Table, Text, Value};
pub use reader::{Context, Reader};
