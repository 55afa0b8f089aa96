//! Does a model fit into a chip, by how much not, and what would make it fit.
//!
//! "Does not fit" is an answer with numbers, not an error. How much memory a question needs comes from
//! a function argument ([`Probe`]), so that this room only searches and words the answer.
//!
//! ```
//! use wattline::fit::Ask;
//! use wattline::workload::Phase;
//!
//! let ask = Ask { context: Some(8192), batch: Some(4), ..Ask::default() };
//! let scenario = ask.scenario();
//! assert_eq!(scenario.prompt + scenario.output, 8192);
//! assert_eq!(scenario.phase, Some(Phase::Generate));
//! ```

mod ask;
mod limits;
mod remedy;
mod verdict;

pub use ask::{Ask, Candidate, Probe, Shard};
pub use limits::{Limits, MAX_CHIPS};
pub use remedy::Remedy;
pub use verdict::{Fit, check};
