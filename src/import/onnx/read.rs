//! From bytes to a workload, and what is wrong with bytes that are not a model.

use std::sync::Arc;

use super::mapping::Mapping;
use super::model::OnnxModel;
use super::proto;
use super::resolve;
use super::wire::varint;
use crate::diag::{Code, Problem, Problems};
use crate::workload::Workload;

/// Reads an ONNX model. Weights are not needed: dimensions and element types say all that counts, and
/// files of external data are never opened. Operators in `mapping` are read as it says.
///
/// # Errors
/// `E0204` with the byte at which the file stops making sense, or the name that does not resolve.
pub fn read(
    name: &str,
    origin: &str,
    bytes: &[u8],
    mapping: Mapping,
) -> Result<Workload, Problems> {
    let not = |why: String| {
        Problems::from(Problem::new(
            Code::NotAModel,
            format!("`{origin}` is not a usable ONNX model: {why}"),
        ))
    };
    check_layout(bytes).map_err(not)?;
    let model = proto::model(bytes).map_err(|damage| not(damage.to_string()))?;
    let source = resolve::resolve(&model).map_err(not)?;
    Ok(Workload::new(
        name,
        origin,
        Arc::new(OnnxModel::new(source, mapping)),
    ))
}

/// Walks the outermost fields of the message, so that damage is reported by its place.
fn check_layout(bytes: &[u8]) -> Result<(), String> {
    let n = bytes.len();
    if n == 0 {
        return Err("the file is empty".to_owned());
    }
    if bytes.starts_with(b"version https://git-lfs") {
        return Err(
            "it is a Git LFS pointer; fetch the file itself with `git lfs pull`".to_owned(),
        );
    }
    let mut at = 0;
    while at < n {
        let start = at;
        let key = varint(bytes, &mut at)
            .ok_or_else(|| format!("it ends within a field key at byte {start} of {n}"))?;
        let (field, wire) = (key >> 3, key & 7);
        if field == 0 || field > 100 {
            return Err(format!(
                "byte {start} of {n} starts field {field}, which ONNX does not have"
            ));
        }
        let size = match wire {
            0 => {
                varint(bytes, &mut at).ok_or_else(|| {
                    format!("it ends within field {field} at byte {start} of {n}")
                })?;
                continue;
            }
            1 => 8,
            5 => 4,
            2 => varint(bytes, &mut at)
                .ok_or_else(|| format!("it ends within field {field} at byte {start} of {n}"))?,
            _ => {
                return Err(format!(
                    "byte {start} of {n} has wire type {wire}, which ONNX does not use"
                ));
            }
        };
        let left = (n - at) as u64;
        if size > left {
            return Err(format!(
                "field {field} at byte {start} announces {size} bytes, but only {left} follow; the file is truncated"
            ));
        }
        at += size as usize;
    }
    Ok(())
}
