//! Hugging Face `config.json` to a workload: fields, a closed plan of layers, operators.
//!
//! ```
//! use wattline::import::hf;
//!
//! let text = r#"{"model_type": "gpt2", "n_embd": 768, "n_layer": 12, "n_head": 12,
//!                "n_positions": 1024, "vocab_size": 50257}"#;
//! let gpt2 = hf::read("gpt2", "config.json", text)?;
//! assert_eq!(gpt2.card().kv_elements_per_token, Some(18_432.0));
//! # Ok::<(), wattline::diag::Problems>(())
//! ```

mod build;
mod encoder;
mod ends;
mod experts;
mod family;
#[cfg(test)]
mod family_tests;
mod feed;
mod fields;
mod formats;
mod layer;
mod layers;
mod mix;
mod model;
mod multimodal;
mod plan;
mod read;
mod recur;
mod seq2seq;
mod sources;
mod state;
mod stored;
#[cfg(test)]
mod tests;

pub use read::{configuration, families, read};
