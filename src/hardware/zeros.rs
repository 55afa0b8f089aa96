//! What a matrix engine makes of zeros: gating, skipping, patterns.

use super::chip::disagree;
use super::keys::SLOTS;
use crate::diag::Code;
use crate::document::Reader;
use crate::hardware::{Structured, ZeroSupport};
use crate::workload::Slot;

/// Largest group of a pattern.
const MAX_GROUP: u32 = 64;

/// Reads `sparsity` of an engine.
pub(super) fn read(array: &Reader) -> ZeroSupport {
    let Some(reader) = array.table("sparsity") else {
        return ZeroSupport::default();
    };
    // A product is zero if an input is; a zero partial sum saves nothing.
    let [lhs, rhs, _] = SLOTS;
    let slots = |key: &'static str| {
        let found = reader.choices(key, &[lhs, rhs]).unwrap_or_default();
        Slot::ALL.map(|slot| found.contains(&slot))
    };
    let found = ZeroSupport {
        gate: slots("gate"),
        skip: slots("skip"),
        structured: structured(&reader),
    };
    for (name, slot) in SLOTS {
        if found.gate[slot as usize] && found.skip[slot as usize] {
            let path = reader.path();
            let message = format!("`{path}` both gates and skips `{name}`");
            let help = "skipping saves the energy too: remove it from `gate`";
            disagree(&reader, "gate", message, help);
        }
    }
    reader.finish();
    found
}

fn structured(reader: &Reader) -> Vec<Structured> {
    let mut found: Vec<Structured> = Vec::new();
    for (text, node) in reader.strings("structured").unwrap_or_default() {
        match pattern(text) {
            Some(pattern) if found.contains(&pattern) => {}
            Some(pattern) => found.push(pattern),
            None => {
                let path = reader.path_of("structured");
                let message = format!("`{path} = {}` is not a pattern", node.show());
                let problem = node.problem(Code::OutOfRange, message);
                let help = "write kept values, group and operand, e.g. \"2:4 rhs\"; a group has at most 64";
                reader.push(problem.help(help));
            }
        }
    }
    found
}

/// `2:4 rhs`: of four values of the right operand two are kept.
fn pattern(text: &str) -> Option<Structured> {
    let (ratio, slot) = text.split_once(' ')?;
    let (keep, group) = ratio.split_once(':')?;
    let slot = match slot.trim() {
        "lhs" => Slot::Lhs,
        "rhs" => Slot::Rhs,
        _ => return None,
    };
    let (keep, group) = (keep.parse().ok()?, group.parse().ok()?);
    let is_pattern = 0 < keep && keep < group && group <= MAX_GROUP;
    is_pattern.then_some(Structured { keep, group, slot })
}
