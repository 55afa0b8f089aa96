//! What each operator does to shapes and contents, and what it costs: one file per family.

mod attention;
mod constant;
mod contrib;
mod conv;
mod elementwise;
mod index;
mod layout;
mod matmul;
mod norm;
mod pool;
mod quant;
mod recurrent;
mod reduce;
mod sequence;
mod signal;
mod slice;
mod text;
mod train;
mod vision;

use super::call::{Call, Reply};
use super::value::Fault;

pub(super) use attention::attend;
pub(super) use constant::literal;
pub(super) use conv::float as convolve;
pub(super) use matmul::matmul as multiply;
pub(super) use sequence::value as list;

/// Shapes, contents and work of a node, from its inputs.
pub(super) type Rule = fn(&Call) -> Result<Reply, Fault>;

/// The rule of an operator; control flow has none, the walk over the graph does it.
pub(super) fn rule(domain: &str, op: &str) -> Option<Rule> {
    match domain {
        "" => standard(op),
        "ai.onnx.preview" => standard(op),
        "ai.onnx.preview.training" => train::preview(op),
        "com.microsoft" | "com.microsoft.nchwc" => contrib::rule(op).or_else(|| standard(op)),
        _ => None,
    }
}

fn standard(op: &str) -> Option<Rule> {
    const FAMILIES: [fn(&str) -> Option<Rule>; 18] = [
        elementwise::rule,
        layout::rule,
        constant::rule,
        slice::rule,
        matmul::rule,
        conv::rule,
        reduce::rule,
        norm::rule,
        pool::rule,
        index::rule,
        quant::rule,
        attention::rule,
        recurrent::rule,
        sequence::rule,
        signal::rule,
        text::rule,
        train::rule,
        vision::rule,
    ];
    FAMILIES.iter().find_map(|family| family(op))
}
