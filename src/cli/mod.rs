//! The command: arguments to plan, run and exit code. The only printer.
//!
//! Results go to standard output, problems and progress to standard error. Exit codes: 0 done or yes,
//! 1 the answer is no, 2 bad usage or input, 3 internal error, 130 interrupted.
//!
//! ```
//! use wattline::cli;
//!
//! assert_eq!(cli::call(["wattline", "explain", "E0102", "--quiet"]), 0);
//! ```

mod args;
mod calibrate;
mod card;
mod check;
mod console;
mod diff;
mod emit;
mod explain;
mod explain_run;
mod fit;
mod fit_text;
mod list;
mod load;
mod map;
mod map_curve;
mod map_search;
mod model_card;
mod operators;
mod plots;
mod report;
mod run;
mod run_text;
mod settings;
mod show;
mod start;
mod sweep;
mod sweep_analysis;
mod sweep_plot;
mod sweep_progress;
mod sweep_text;
mod tables;
mod validate;

pub use start::{call, main};
