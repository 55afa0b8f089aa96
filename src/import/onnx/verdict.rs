//! What a pass over the graph could not do, and what it assumed, in words.

use super::value::{Fault, show};
use super::walk::Walk;
use crate::diag::{Code, Problem, Problems};

/// Problems of a kind listed at once.
const MAX_LISTED: usize = 8;

impl Walk<'_> {
    /// Nothing if every operator is known and every shape was found.
    pub(super) fn verdict(&self) -> Result<(), Problems> {
        let mut problems = Problems::new();
        if !self.unknown_as_bytes {
            let n_nodes = self.source.main.nodes.len();
            for (title, (n, example)) in &self.unknown {
                let example = self.source.label(example);
                let text = format!(
                    "operator `{title}` (`{example}`, {n} of {n_nodes} nodes) is not known"
                );
                let map = format!(
                    "map it in model.toml:  [ops.\"{title}\"] like = \"attention\"   or give macs, vector_ops and out formulas"
                );
                let go_on = "continue without it using --unknown=bytes-only; the report will show the coverage";
                problems.push(Problem::new(Code::UnknownOp, text).help(map).help(go_on));
            }
        }
        for (node, fault) in self.faults.iter().take(MAX_LISTED) {
            let name = self.source.label(node);
            let title = node.op.title();
            let (Fault::Open(why) | Fault::Wrong(why)) = fault;
            let text = format!("cannot infer the shape of `{name}` ({title}): {why}");
            let problem = Problem::new(Code::UnknownShape, text);
            problems.push(match fault {
                Fault::Open(_) => problem.help(format!(
                    "pin it with  --dim {name}:out=1x128x768   (with its own sizes)"
                )),
                Fault::Wrong(_) => {
                    let each = node.ins.iter().flatten().filter_map(|ix| self.get(*ix));
                    let shapes: Vec<String> = each.map(|v| show(&v.dims)).collect();
                    problem.note(format!("its inputs are {}", shapes.join(", ")))
                }
            });
        }
        let more = self.faults.len().saturating_sub(MAX_LISTED);
        if let Some(last) = problems.0.last_mut().filter(|_| !self.faults.is_empty()) {
            if more > 0 {
                *last = last.clone().note(format!("{more} more like this"));
            }
            if self.behind > 0 {
                let text = match self.behind {
                    1 => "1 node depends on it".to_owned(),
                    n => format!("{n} nodes depend on it"),
                };
                *last = last.clone().note(text);
            }
        }
        if problems.is_empty() {
            Ok(())
        } else {
            Err(problems)
        }
    }

    /// Shapes that depend on data and were taken at their largest.
    pub(super) fn assumed(&self) -> Vec<Problem> {
        let mut out = self.warnings.clone();
        if self.n_unsaid > 0 {
            let text = format!("{} more nodes depend on data in this way", self.n_unsaid);
            out.push(Problem::new(Code::Assumed, text));
        }
        for title in self.mapping.0.keys().filter(|t| !self.used.contains(*t)) {
            let text = format!("`ops.\"{title}\"` has no effect: no node is a `{title}`");
            out.push(Problem::new(Code::NoEffect, text));
        }
        let Some((first, _, _)) = self.bounded.first() else {
            return out;
        };
        let each = self.bounded.iter().take(MAX_LISTED);
        let each = each.map(|(ix, node, what)| {
            let shape = self.get(*ix).map_or(String::new(), |v| show(&v.dims));
            format!(
                "`{}` {shape} ({}: {what})",
                self.source.name(*ix),
                node.op.name
            )
        });
        let mut list: Vec<String> = each.collect();
        let more = self.bounded.len().saturating_sub(MAX_LISTED);
        if more > 0 {
            list.push(format!("and {more} more"));
        }
        let text = format!(
            "shapes that depend on data were taken at their upper bound: {}",
            list.join(", ")
        );
        let name = self.source.name(*first);
        let help = format!("bind them to what is met in practice:  --shape {name}=...");
        out.push(Problem::new(Code::Assumed, text).help(help));
        out
    }
}
