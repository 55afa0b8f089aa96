//! Rows of `wattline list KIND --json`: an array, one object a row.

use serde::Serialize;

/// A chip of the catalog.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ChipRow {
    /// Vendor and part.
    pub name: String,
    /// `gpu`, `npu`, `edge`, `imc`, `photonic` or `cpu`.
    pub class: &'static str,
    /// Feature size.
    pub node_m: f64,
    /// Of the main memory; `null` if unbounded.
    pub capacity_bytes: Option<f64>,
    /// Of the main memory.
    pub bandwidth_byte_per_s: f64,
    /// Format of the fastest matrix product.
    pub peak_dtype: Option<&'static str>,
    /// Its rate.
    pub peak_op_per_s: Option<f64>,
    /// Thermal design power.
    pub tdp_w: Option<f64>,
    /// Where the description comes from.
    pub source: String,
}

/// A model of the catalog.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ModelRow {
    /// Name.
    pub name: String,
    /// Family or producer.
    pub family: String,
    /// Parameters; `null` if a dimension must be bound first.
    pub parameters: Option<f64>,
    /// Those that take part for each token.
    pub active_parameters: Option<f64>,
    /// The model's own type of weights.
    pub dtype: &'static str,
    /// Phase priced unless `--phase` chooses.
    pub phase: &'static str,
    /// Longest context.
    pub context: Option<u64>,
}

/// A kind of operator.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OpRow {
    /// Name in tables.
    pub kind: &'static str,
    /// What it is.
    pub doc: &'static str,
}

/// A figure that can be asked for.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MetricRow {
    /// Name in `--require`.
    pub name: &'static str,
    /// Unit in JSON.
    pub unit: &'static str,
    /// What it is.
    pub doc: &'static str,
}

/// A setting of a scenario.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SettingRow {
    /// Name behind `scenario.`.
    pub name: &'static str,
    /// Values, in words.
    pub allowed: &'static str,
    /// Value unless set.
    pub default: String,
    /// What it is.
    pub doc: &'static str,
}

/// A problem code.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CodeRow {
    /// Stable code.
    pub code: &'static str,
    /// Short title.
    pub title: &'static str,
    /// What it means and what to do.
    pub explanation: &'static str,
}

/// A family of configurations.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FamilyRow {
    /// `model_type`.
    pub name: &'static str,
    /// `decoder`, `encoder`, `encoder-decoder`, or `pair of encoders`.
    pub kind: &'static str,
}
