//! Results as stored and printed by machines: JSON documents, tables of operators, folders of a run.
//!
//! Keys name their SI unit; what is not known is `null`, never 0. [`SCHEMA`] rises only when a key is
//! removed, renamed or redefined. This is the only writer of results, and only `manifest.json` holds a date.
//!
//! ```
//! use wattline::diag::{Code, Problem};
//! use wattline::record::ProblemsDocument;
//!
//! let document = ProblemsDocument::of(&[Problem::new(Code::NoChip, "no chip called `h100`")]);
//! let text = wattline::record::to_json(&document);
//! assert!(text.contains("\"code\": \"E0202\""));
//! ```

mod analysis;
mod blocks;
mod calibration;
mod fit;
mod graph;
mod journal;
mod json;
mod list;
mod manifest;
mod map;
mod problem;
mod run;
mod show;
mod stored;
mod sweep;
mod sweep_rows;
mod table;
mod totals;
mod validation;
mod write;

pub use analysis::{
    AnalysisDocument, BestPart, DriftPart, DriftedPart, MovedPart, ParameterPart, RegretPart,
    RegretsPart, SensitivityPart, UpgradePart,
};
pub use blocks::BlockPart;
pub(crate) use calibration::state_name;
pub use calibration::{CalibrationDocument, CoefficientPart, ErrorPart, ErrorRowPart, overlay};
pub use fit::{FitDocument, FitPart, LimitsPart, RemedyPart};
pub use graph::{GraphDocument, NodePart};
pub use journal::{JOURNAL, Journal};
pub use json::{Keyed, SCHEMA, to_json, to_json_line};
pub use list::{ChipRow, CodeRow, FamilyRow, MetricRow, ModelRow, OpRow, SettingRow};
pub use manifest::Manifest;
pub use map::{AccessPart, CurveDocument, CurvePart, MapDocument, MapLevelPart};
pub use problem::{ProblemPart, ProblemsDocument};
pub use run::{
    DeadlinePart, HardwarePart, MemoryPart, OperatorPart, RequestPart, RoofsPart, RunDocument,
    SparsityPart, WorkloadPart,
};
pub use show::{
    ActivationPart, ChipDocument, ComponentPart, ModelDocument, ModelOperatorPart, ModelTotals,
    class_name,
};
pub use stored::{
    Stored, StoredAxis, StoredColumn, StoredCoverage, StoredDesign, StoredJob, StoredManifest,
    StoredOperator, StoredPoint, StoredProblem, StoredRun, StoredSpace, StoredSweep, StoredTotals,
};
pub use sweep::{
    AxisPart, ColumnPart, DesignPart, DesignsDocument, SweepDocument, SweepJob, SweepManifest,
};
pub use sweep_rows::{PointRow, all_points_csv, metric_key, points_csv, points_jsonl};
pub use table::operators_csv;
pub use totals::{CoveragePart, PhasePart, TotalsPart};
pub use validation::{ScorePart, ValidationDocument};
pub use write::{create_folder, write_blocks, write_file};
