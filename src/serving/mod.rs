//! Requests in flight: how prefills and decode steps share a chip.
//!
//! ```
//! use wattline::serving::{Closed, closed_loop};
//! use wattline::units::Seconds;
//!
//! // Eight requests, 10 ms a decode step, 20 ms a prefill, 100 output tokens.
//! let load = Closed { requests: 8.0, output: 100.0, decode_step: Seconds(0.010), prefill: Seconds(0.020) };
//! let pace = closed_loop(&load).unwrap();
//! assert!(pace.tpot > Seconds(0.0115) && pace.tpot < Seconds(0.0116));
//! ```

mod closed;

pub use closed::{Closed, Pace, closed_loop};
