//! From tree to chip: reads every section in order of dependence and reports all problems together.

use std::cell::RefCell;

use super::chip::Chip;
use super::keys::{CLASSES, refuse_not_modelled};
use super::tree::{Part, Tree, check_names};
use super::{dataflow, engine, fanout, general, kernels, memory, params, peak};
use crate::diag::{Code, Problem, Problems};
use crate::document::{Context, Entry, Reader, Table};
use crate::expr::Environment;
use crate::hardware::{Array, Class, Direction, FanAxis, Fanout, Memory, Node, System, Vector};
use crate::units::BytesPerSecond;
use crate::workload::Slot;

type IsChecked<'a> = &'a dyn Fn(&Entry) -> bool;
type Named<'a> = Vec<(&'a str, Reader<'a>)>;

/// Evaluates a description at the values it has.
///
/// `is_checked` says which entries of `[peak]` the engines must reach.
pub(super) fn evaluate(
    name: &str,
    tree: &Table,
    is_checked: IsChecked,
) -> Result<(System, Problems), Problems> {
    let context = Context::new(Environment::default());
    let root = context.reader(tree);
    let system = read(name, &root, is_checked);
    root.finish();
    context.finish().or(system)
}

fn read(file: &str, root: &Reader, is_checked: IsChecked) -> System {
    refuse_not_modelled(root);
    root.integer("schema", 1..=1);
    root.get("extends");
    let name = root.string("name").unwrap_or(file);
    let class = root.choice("class", &CLASSES);
    let help = "say where the figures come from: source = \"...\"; estimates say \"estimate: ...\"";
    let source = root.required_string("source", help).unwrap_or("");
    let params = params::read(root);
    let (process, unknown) = general::process(root, class.unwrap_or(Class::Npu));
    let chip = Chip {
        class: class.unwrap_or(Class::Npu),
        node: process.node,
        clock: process.clock,
        source,
        assumed: RefCell::default(),
    };
    if root.raw().get("class").is_none() {
        chip.assume("class".into(), "npu", "the file does not say");
    }
    for (path, value) in unknown {
        chip.assume(path.into(), value, "usual for the class");
    }
    let components = components(&chip, root, is_checked);
    let (overhead, power) = (general::overhead(&chip, root), general::power(&chip, root));
    let mapspace = general::mapspace(&chip, root, |reader| {
        let Components {
            memories,
            fanouts,
            arrays,
            ..
        } = &components;
        dataflow::read(reader, memories, fanouts, arrays)
    });
    let kernels = kernels::chip_kernels(&chip, root, &components.arrays);
    let system = System {
        name: name.to_owned(),
        class: chip.class,
        source: source.to_owned(),
        params,
        process,
        memories: components.memories,
        fanouts: components.fanouts,
        arrays: components.arrays,
        vectors: components.vectors,
        links: components.links,
        overhead,
        power,
        tiles: mapspace.tiles,
        kernels,
        uneven: mapspace.uneven,
        dataflow: mapspace.dataflow,
        die: general::die(root),
        assumed: Vec::new(),
    };
    System {
        assumed: chip.assumed.into_inner(),
        ..system
    }
}

struct Components {
    memories: Vec<Memory>,
    fanouts: Vec<Fanout>,
    arrays: Vec<Array>,
    vectors: Vec<Vector>,
    links: Vec<crate::hardware::Link>,
}

fn components<'a>(chip: &Chip<'a>, root: &Reader<'a>, is_checked: IsChecked) -> Components {
    let memories = root.named_tables("memory");
    let fanouts = root.named_tables("fanout");
    let arrays = root.named_tables("array");
    let vectors = root.named_tables("vector");
    let links = root.named_tables("link");
    if root.raw().get("memory").is_none() {
        root.missing(
            "memory",
            "describe at least one [[memory]] with capacity and bandwidth",
        );
    }
    let all = [&memories, &fanouts, &arrays, &vectors, &links]
        .into_iter()
        .flatten();
    check_names(
        root,
        &all.map(|(name, reader)| (*name, reader))
            .collect::<Vec<_>>(),
    );

    let fan_axes: Vec<Vec<FanAxis>> = fanouts.iter().map(|(_, r)| fanout::axes(chip, r)).collect();
    let n_memories = memories.len();
    let tree = Tree::place(root, parts(memories, fanouts, &fan_axes));
    let peaks = peak::read(root);
    let (mut arrays, mut vectors) = engines(chip, (&tree, &fan_axes), arrays, vectors);
    if !arrays.is_empty() {
        peak::compare(root, &peaks, &arrays, is_checked);
    } else if root.raw().get("array").is_none() {
        if root.raw().get("peak").is_none() {
            let help = "give at least one, e.g. peak.bf16 = \"989 TFLOP/s\" (dense), or an [[array]]. \
                        `wattline show h100-sxm` prints a complete example";
            root.missing("peak", help);
        } else if !peaks.is_empty() {
            arrays.push(peak::array(chip, &tree, &peaks));
            if root.raw().get("vector").is_none() {
                vectors.push(peak::vector(chip, &tree, &arrays[0]));
            }
        }
    }
    let memories = read_memories(chip, &tree, &arrays, &vectors);
    check_roots(root, &memories, n_memories);
    let fanouts = read_fanouts(chip, &tree, fan_axes, n_memories);
    let is_placed = |i: usize| tree.placed.iter().any(|p| p.part == i);
    let placed: Vec<bool> = (0..tree.parts.len()).map(is_placed).collect();
    for (part, is_placed) in tree.parts.into_iter().zip(placed) {
        // What could not be placed was reported, and its keys were not read.
        if is_placed {
            part.reader.finish();
        }
    }
    let links = links.into_iter().map(|(name, reader)| {
        let link = general::link(chip, name, &reader);
        reader.finish();
        link
    });
    Components {
        memories,
        fanouts,
        arrays,
        vectors,
        links: links.collect(),
    }
}

fn parts<'a>(memories: Named<'a>, fanouts: Named<'a>, axes: &[Vec<FanAxis>]) -> Vec<Part<'a>> {
    let memories = memories.into_iter().map(|(name, reader)| Part {
        name,
        reader,
        is_memory: true,
        copies: 1,
    });
    let fanouts = fanouts
        .into_iter()
        .zip(axes)
        .map(|((name, reader), axes)| Part {
            name,
            reader,
            is_memory: false,
            copies: axes
                .iter()
                .fold(1, |n: u64, axis| n.saturating_mul(axis.size)),
        });
    memories.chain(fanouts).collect()
}

fn engines<'a>(
    chip: &Chip<'a>,
    (tree, fan_axes): (&Tree<'a>, &[Vec<FanAxis>]),
    arrays: Named<'a>,
    vectors: Named<'a>,
) -> (Vec<Array>, Vec<Vector>) {
    let nowhere = || (Vec::new(), 1);
    let n_memories = tree.parts.len() - fan_axes.len();
    let arrays = arrays.into_iter().map(|(name, reader)| {
        let place = tree.parents_of(&reader).unwrap_or_else(nowhere);
        let fanout = tree.nearest_fanout(&place.0);
        let axes = fanout.and_then(|part| fan_axes.get(part - n_memories));
        let array = engine::array(chip, name, &reader, place, axes.map(Vec::as_slice));
        reader.finish();
        array
    });
    let vectors = vectors.into_iter().map(|(name, reader)| {
        let place = tree.parents_of(&reader).unwrap_or_else(nowhere);
        let vector = engine::vector(chip, name, &reader, place);
        reader.finish();
        vector
    });
    (arrays.collect(), vectors.collect())
}

fn read_memories(chip: &Chip, tree: &Tree, arrays: &[Array], vectors: &[Vector]) -> Vec<Memory> {
    let demand = demand(tree, arrays, vectors);
    let mut memories: Vec<Memory> = Vec::new();
    let mut below_root = vec![false; tree.placed.len()];
    for (i, placed) in tree.placed.iter().enumerate() {
        let Some(Node::Memory(_)) = placed.node else {
            continue;
        };
        let above = memories_above(tree, &placed.parents);
        let is_root = |&m: &usize| memories.get(m).is_some_and(|m| m.parents.is_empty());
        below_root[i] = !above.is_empty() && above.iter().all(is_root) && placed.instances == 1;
        let totals = above
            .iter()
            .filter_map(|&m| memories.get(m))
            .map(|m| m.bandwidth(Direction::Both) * m.instances as f64);
        let parent_total = totals.reduce(BytesPerSecond::max);
        let around = memory::Surroundings {
            below_root: below_root[i],
            parent_total,
            engines: demand[i],
        };
        let part = &tree.parts[placed.part];
        memories.push(memory::read(chip, part.name, &part.reader, placed, &around));
    }
    memories
}

/// The memories a part hangs below, looking through fan-outs.
fn memories_above(tree: &Tree, parents: &[Node]) -> Vec<usize> {
    let mut found = Vec::new();
    let mut open: Vec<Node> = parents.to_vec();
    let mut seen = open.clone();
    while let Some(node) = open.pop() {
        match node {
            Node::Memory(index) => found.push(index),
            Node::Fanout(_) => {
                for &next in tree.at(node).iter().flat_map(|p| &p.parents) {
                    if !seen.contains(&next) {
                        seen.push(next);
                        open.push(next);
                    }
                }
            }
        }
    }
    found
}

/// Per placed part: what the engines below one instance read and write at most.
///
/// A MAC reads two operands and reads and writes a partial sum, while the next two operands are written; a
/// vector lane reads two and writes one.
fn demand(tree: &Tree, arrays: &[Array], vectors: &[Vector]) -> Vec<BytesPerSecond> {
    let of_array = arrays.iter().map(|a| {
        // A native instruction shares its operands over its tile.
        let tile = a
            .tile
            .map_or([1.0; 3], |t| [t.m as f64, t.n as f64, t.k as f64]);
        let shared = 2.0 / tile[0] + 2.0 / tile[1];
        let sums = match a.stationary {
            Some(Slot::Acc) => 0.0,
            Some(Slot::Lhs | Slot::Rhs) | None => 2.0 / tile[2],
        };
        let bytes = |&(dtype, rate): &(_, f64)| {
            let sum = a.accumulator(dtype).bits();
            rate * (shared * dtype.bits() + sums * sum) / 8.0
        };
        let most = a.rate.iter().map(bytes).fold(0.0, f64::max);
        (&a.parents, most * a.instances as f64 * a.clock.0)
    });
    let of_vector = vectors.iter().map(|v| {
        let rate = v.rate.iter().map(|(d, r)| r * 3.0 * d.bits() / 8.0);
        let most = rate.fold(0.0, f64::max) * v.lanes as f64;
        (&v.parents, most * v.instances as f64 * v.clock.0)
    });
    let mut demand = vec![BytesPerSecond(0.0); tree.placed.len()];
    for (parents, bytes) in of_array.chain(of_vector) {
        let mut open: Vec<Node> = parents.clone();
        let mut seen = open.clone();
        while let Some(node) = open.pop() {
            let Some(at) = tree.placed.iter().position(|p| p.node == Some(node)) else {
                continue;
            };
            let placed = &tree.placed[at];
            demand[at] += BytesPerSecond(bytes / placed.instances as f64);
            for &next in &placed.parents {
                if !seen.contains(&next) {
                    seen.push(next);
                    open.push(next);
                }
            }
        }
    }
    demand
}

fn read_fanouts(
    chip: &Chip,
    tree: &Tree,
    axes: Vec<Vec<FanAxis>>,
    n_memories: usize,
) -> Vec<Fanout> {
    let mut axes: Vec<Option<Vec<FanAxis>>> = axes.into_iter().map(Some).collect();
    let mut fanouts = Vec::new();
    for placed in &tree.placed {
        let Some(Node::Fanout(_)) = placed.node else {
            continue;
        };
        let part = &tree.parts[placed.part];
        let own = placed
            .part
            .checked_sub(n_memories)
            .and_then(|i| axes.get_mut(i)?.take());
        let own = own.unwrap_or_default();
        fanouts.push(fanout::read(chip, part.name, &part.reader, placed, own));
    }
    fanouts
}

fn check_roots(root: &Reader, memories: &[Memory], n_memories: usize) {
    // Memories that could not be placed were reported; what they hold is not known here.
    if memories.is_empty() || memories.len() < n_memories {
        return;
    }
    for (name, is_held) in ["lhs", "rhs", "acc"]
        .iter()
        .zip(peak::roots_hold_all(memories))
    {
        if !is_held {
            let message = format!("no root memory holds `{name}`");
            let problem = Problem::new(Code::MissingKey, message);
            root.push(problem.help("add it to `holds` of a memory without `in`"));
        }
    }
}
