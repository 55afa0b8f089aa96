//! Order in which named expressions must be evaluated.

use petgraph::algo::{tarjan_scc, toposort};
use petgraph::graph::{DiGraph, NodeIndex};

use super::Expr;

/// Indices of expressions that depend on each other in a circle, in the order of the circle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cycle(pub Vec<usize>);

/// Indices in an order in which each expression comes after those whose names it uses.
///
/// Names that are not in the list are left for the evaluation to report.
///
/// # Errors
/// Every circle; none shares a member with another.
pub fn order(named: &[(&str, Option<&Expr>)]) -> Result<Vec<usize>, Vec<Cycle>> {
    let index: rustc_hash::FxHashMap<&str, usize> = named
        .iter()
        .enumerate()
        .map(|(i, (n, _))| (*n, i))
        .collect();
    let mut graph: DiGraph<(), (), usize> = DiGraph::default();
    for _ in named {
        graph.add_node(());
    }
    for (user, (_, expr)) in named.iter().enumerate() {
        for (name, _) in expr.iter().flat_map(|e| e.names()) {
            if let Some(&used) = index.get(name) {
                graph.update_edge(NodeIndex::new(used), NodeIndex::new(user), ());
            }
        }
    }
    if let Ok(sorted) = toposort(&graph, None) {
        return Ok(sorted.into_iter().map(NodeIndex::index).collect());
    }
    let circular = tarjan_scc(&graph)
        .into_iter()
        .filter(|members| members.len() > 1 || graph.find_edge(members[0], members[0]).is_some());
    let mut cycles: Vec<Cycle> = circular.map(|m| circle(&graph, &m)).collect();
    cycles.sort_by_key(|c| c.0.clone());
    Err(cycles)
}

/// A closed walk within one strongly connected component, from its first member on.
fn circle(graph: &DiGraph<(), (), usize>, members: &[NodeIndex<usize>]) -> Cycle {
    let first = members.iter().min().copied().unwrap_or_default();
    let mut walk = vec![first];
    loop {
        let last = walk[walk.len() - 1];
        // From a name to what it uses, the way a reader follows it.
        let used = graph.neighbors_directed(last, petgraph::Direction::Incoming);
        let next = used.filter(|n| members.contains(n)).min().unwrap_or(first);
        if let Some(start) = walk.iter().position(|n| *n == next) {
            return Cycle(walk[start..].iter().map(|n| n.index()).collect());
        }
        walk.push(next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(texts: &[(&str, &str)]) -> Result<Vec<usize>, Vec<Cycle>> {
        let parsed: Vec<Expr> = texts
            .iter()
            .map(|(_, t)| Expr::parse(t).expect("parses"))
            .collect();
        let named: Vec<_> = texts
            .iter()
            .zip(&parsed)
            .map(|((n, _), e)| (*n, Some(e)))
            .collect();
        order(&named)
    }

    #[test]
    fn users_come_after_what_they_use() {
        let sorted = check(&[("a", "b + c"), ("b", "c"), ("c", "1"), ("d", "elsewhere")]);
        let sorted = sorted.expect("no circle");
        let place = |i: usize| sorted.iter().position(|s| *s == i).expect("listed");
        assert!(place(2) < place(1) && place(1) < place(0));
        assert_eq!(sorted.len(), 4);
    }

    #[test]
    fn circles_are_named() {
        let found = check(&[
            ("x", "a"),
            ("a", "b"),
            ("b", "c * 2"),
            ("c", "a"),
            ("s", "s"),
        ]);
        assert_eq!(found, Err(vec![Cycle(vec![1, 2, 3]), Cycle(vec![4])]));
    }
}
