//! Plots for papers as SVG text or PNG bytes: roofline, time and energy bars, Pareto scatter, predicted
//! against measured.
//!
//! The typeface is embedded; nothing of the system is used, and equal input gives equal bytes.
//! Colors are told apart by color-blind readers. Values that cannot be drawn are left out and counted
//! below the plot.
//!
//! ```
//! use wattline::report::plot::{self, Plot, RoofPoint, Roofline};
//!
//! let plot = Plot::Roofline(Roofline {
//!     title: "toy".into(),
//!     subtitle: "two operators".into(),
//!     ceilings: vec![("fp16".into(), 1e12)],
//!     bandwidths: vec![("DRAM".into(), 1e11)],
//!     points: vec![RoofPoint {
//!         label: "conv1".into(),
//!         intensity: 4.0,
//!         achieved: 3e11,
//!         share: 0.8,
//!         group: "conv".into(),
//!     }],
//! });
//! let svg = plot::svg(&plot).unwrap();
//! assert!(svg.contains("conv1"));
//! ```

mod agreement;
mod axis;
mod bars;
mod color;
mod font;
mod page;
mod paint;
mod place;
mod raster;
mod render;
mod roofline;
pub(in crate::report) mod scale;
mod scatter;
mod scene;
mod svg;

pub use agreement::{Agreement, AgreementPoint};
pub use bars::{BarGroup, BarPanel, Bars};
pub use render::{Plot, PlotError, png, svg};
pub use roofline::{RoofPoint, Roofline};
pub use scatter::{Axis, Better, Scatter, ScatterPoint};
