//! Readers of model files: each gives a [`crate::workload::Workload`].

pub mod onnx;
