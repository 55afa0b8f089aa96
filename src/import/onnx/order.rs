//! An order of nodes in which each one's inputs exist.

use std::collections::BTreeSet;

use super::ir::{Ix, Node};

/// Nodes in order, and where those of the file went.
pub(super) type Sorted = (Vec<Node>, Vec<u32>);

/// The file's own order where it can run, else the first that can; with it, for each node of the file,
/// its place in that order, if it changed.
///
/// # Errors
/// A node that depends on its own output, by what `label` calls it.
pub(super) fn sort(nodes: Vec<Node>, label: impl Fn(&Node) -> String) -> Result<Sorted, String> {
    let outs = nodes.iter().flat_map(|n| n.outs.iter().flatten());
    // Tensors of a body have numbers close to each other.
    let first = outs.clone().min().map_or(0, |ix| *ix as usize);
    let n_tensors = outs.max().map_or(0, |ix| *ix as usize + 1 - first);
    let mut maker: Vec<usize> = vec![usize::MAX; n_tensors];
    for (i, node) in nodes.iter().enumerate() {
        for out in node.outs.iter().flatten() {
            let slot = &mut maker[*out as usize - first];
            *slot = (*slot).min(i);
        }
    }
    let made_by = |ix: Ix| {
        let place = (ix as usize).checked_sub(first)?;
        let maker = maker.get(place).copied();
        maker.filter(|m| *m != usize::MAX)
    };
    let reads = |i: usize| {
        let node: &Node = &nodes[i];
        node.ins.iter().flatten().chain(node.captures.iter())
    };
    let in_order = (0..nodes.len()).all(|i| {
        let mut all = reads(i);
        all.all(|ix| made_by(*ix).is_none_or(|m| m < i))
    });
    if in_order {
        return Ok((nodes, Vec::new()));
    }
    let mut waits = vec![0usize; nodes.len()];
    let mut readers: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
    for (i, wait) in waits.iter_mut().enumerate() {
        for from in reads(i).filter_map(|ix| made_by(*ix)) {
            *wait += 1;
            readers[from].push(i);
        }
    }
    let mut ready: BTreeSet<usize> = (0..nodes.len()).filter(|i| waits[*i] == 0).collect();
    let mut order = Vec::with_capacity(nodes.len());
    while let Some(i) = ready.pop_first() {
        order.push(i);
        for &next in &readers[i] {
            waits[next] -= 1;
            if waits[next] == 0 {
                ready.insert(next);
            }
        }
    }
    if let Some(stuck) = waits.iter().position(|w| *w > 0) {
        let name = label(&nodes[stuck]);
        return Err(format!("node `{name}` depends on its own output"));
    }
    let mut slots: Vec<Option<Node>> = nodes.into_iter().map(Some).collect();
    let mut places = vec![0; slots.len()];
    for (place, i) in order.iter().enumerate() {
        places[*i] = place as u32;
    }
    let sorted = order.into_iter().filter_map(|i| slots[i].take());
    Ok((sorted.collect(), places))
}
