//! How a checkpoint stores its linear layers: `quantization_config`.
//!
//! Source: transformers `utils/quantization_config.py`; the model cards of GPTQ, AWQ, compressed-tensors and
//! ModelOpt checkpoints.

use crate::diag::{Code, Problem};
use crate::workload::Dtype;

use super::fields::Fields;
use super::plan::Stored;

const CONFIG: &str = "quantization_config";

/// The storage that the file states, if it is one that is known.
pub(super) fn read(fields: &Fields<'_>) -> Option<Stored> {
    if !fields.has(CONFIG) {
        return None;
    }
    let config = fields.object(CONFIG)?;
    let method = config.text(&["quant_method"])?;
    let group = || group(&config, &["group_size", "q_group_size"]);
    let found = match method {
        "fp8" | "finegrained_fp8" | "fbgemm_fp8" => {
            let blocks = config.has("weight_block_size");
            plain(if blocks { Dtype::Fp8Block } else { Dtype::Fp8 })
        }
        "mxfp4" => Some(Stored {
            dtype: Dtype::Mxfp4,
            group: None,
            experts_only: true,
        }),
        "awq" | "gptq" | "auto-round" | "auto_round" => {
            let bits = config.whole(&["bits", "w_bit"], 1, 16);
            of_bits(bits.unwrap_or(4), group())
        }
        "bitsandbytes" => match config.flag("load_in_8bit") {
            Some(true) => plain(Dtype::Int8),
            // Blocks of 64 share a scale. Source: Dettmers et al., "QLoRA", 2023, section 3.
            Some(false) | None => of_bits(4, Some(64)),
        },
        "compressed-tensors" => compressed(&config),
        "modelopt" => match config.text(&["quant_algo"]) {
            Some("FP8") => plain(Dtype::Fp8),
            Some("NVFP4") => plain(Dtype::Nvfp4),
            Some("W4A16" | "W4A16_AWQ") => of_bits(4, Some(128)),
            Some(_) | None => None,
        },
        _ => None,
    };
    if found.is_none() {
        let message = format!(
            "`{CONFIG}` of kind `{method}` is not read: weights have the type of the model"
        );
        let problem = Problem::new(Code::NoEffect, message);
        fields.report(
            CONFIG,
            problem.help("ask for a precision, such as --dtype int4 or fp8"),
        );
    }
    found
}

fn plain(dtype: Dtype) -> Option<Stored> {
    Some(Stored {
        dtype,
        group: None,
        experts_only: false,
    })
}

/// Weights that share a scale; -1 stands for one scale per channel.
fn group(config: &Fields<'_>, names: &[&'static str]) -> Option<u32> {
    let size = config.signed(config.name_of(names)?)?;
    u32::try_from(size)
        .ok()
        .filter(|n| (1..=65_536).contains(n))
}

fn of_bits(bits: u64, group: Option<u32>) -> Option<Stored> {
    let dtype = match bits {
        4 => Dtype::Int4,
        8 => Dtype::Int8,
        _ => return None,
    };
    Some(Stored {
        dtype,
        group,
        experts_only: false,
    })
}

/// The first group of a compressed-tensors checkpoint.
fn compressed(config: &Fields<'_>) -> Option<Stored> {
    let groups = config.object("config_groups")?;
    let weights = groups.object("group_0")?.object("weights")?;
    let bits = weights.whole(&["num_bits"], 1, 16)?;
    let group = group(&weights, &["group_size"]);
    match (weights.text(&["type"])?, bits) {
        ("float", 8) => plain(Dtype::Fp8),
        ("float", 4) => plain(Dtype::Nvfp4),
        ("int", bits) => of_bits(bits, group),
        _ => None,
    }
}
