//! Operators of onnxruntime's own domain, `com.microsoft`: one file per family.

mod attention;
mod experts;
mod fused;
mod norm;
mod quant;

use super::Rule;

pub(super) fn rule(op: &str) -> Option<Rule> {
    const FAMILIES: [fn(&str) -> Option<Rule>; 5] = [
        attention::rule,
        experts::rule,
        fused::rule,
        norm::rule,
        quant::rule,
    ];
    FAMILIES.iter().find_map(|family| family(op))
}
