//! The shape of the chip: who hangs below whom, in which order, how often.

use crate::diag::{Code, Problem, did_you_mean};
use crate::document::{Node as Value, Reader};
use crate::hardware::Node;

/// Most components of one chip.
const MAX_COMPONENTS: usize = 1000;
/// Most copies of one component.
const MAX_INSTANCES: u64 = 1 << 40;

/// A memory or fan-out before it is placed.
pub(super) struct Part<'a> {
    pub(super) name: &'a str,
    pub(super) reader: Reader<'a>,
    pub(super) is_memory: bool,
    /// Children of one instance: the size of a fan-out, 1 for a memory.
    pub(super) copies: u64,
}

/// A part in its place.
#[derive(Clone, Debug, Default)]
pub(super) struct Placed {
    /// Which part.
    pub(super) part: usize,
    pub(super) parents: Vec<Node>,
    /// In the whole chip.
    pub(super) instances: u64,
    /// Its own node.
    pub(super) node: Option<Node>,
}

/// The placed tree.
pub(super) struct Tree<'a> {
    pub(super) parts: Vec<Part<'a>>,
    /// Parents before children.
    pub(super) placed: Vec<Placed>,
}

/// Refuses names that occur twice, cannot be written in a path, or are too many.
pub(super) fn check_names(root: &Reader, names: &[(&str, &Reader)]) {
    if names.len() > MAX_COMPONENTS {
        let message = format!("more than {MAX_COMPONENTS} components");
        root.push(Problem::new(Code::OutOfRange, message));
    }
    let mut seen = rustc_hash::FxHashSet::default();
    for (name, reader) in names {
        let is_plain = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
        if name.is_empty() || !name.chars().all(is_plain) {
            let message = format!("`{name}` cannot be the name of a component");
            let problem = reader.key_problem("name", Code::OutOfRange, message);
            reader.push(problem.help("use letters, digits, - and _"));
        }
        if !seen.insert(*name) {
            let message = format!("two components are called `{name}`");
            let problem = reader.key_problem("name", Code::Disagreement, message);
            reader
                .push(problem.help("names are unique over memories, fan-outs, engines and links"));
        }
    }
}

impl<'a> Tree<'a> {
    /// Orders the parts, parents first, and counts their instances.
    pub(super) fn place(root: &Reader, parts: Vec<Part<'a>>) -> Self {
        let mut tree = Self {
            parts,
            placed: Vec::new(),
        };
        if tree.parts.len() > MAX_COMPONENTS {
            return tree;
        }
        let wanted: Vec<Option<Vec<usize>>> =
            tree.parts.iter().map(|part| tree.wanted(part)).collect();
        let mut place_of: Vec<Option<Node>> = vec![None; tree.parts.len()];
        let (mut memories, mut fanouts) = (0, 0);
        loop {
            let before = tree.placed.len();
            for (i, parents) in wanted.iter().enumerate() {
                let Some(parents) = parents else { continue };
                if place_of[i].is_some() || parents.iter().any(|&p| place_of[p].is_none()) {
                    continue;
                }
                let count = if tree.parts[i].is_memory {
                    &mut memories
                } else {
                    &mut fanouts
                };
                let node = if tree.parts[i].is_memory {
                    Node::Memory(*count)
                } else {
                    Node::Fanout(*count)
                };
                *count += 1;
                place_of[i] = Some(node);
                let parents: Vec<Node> = parents.iter().filter_map(|&p| place_of[p]).collect();
                let instances = tree.instances(&tree.parts[i].reader, &parents);
                tree.placed.push(Placed {
                    part: i,
                    parents,
                    instances,
                    node: Some(node),
                });
            }
            if tree.placed.len() == before {
                break;
            }
        }
        report_circle(root, &tree.parts, &wanted, &place_of);
        tree
    }

    /// Indices of the parents a part names; `None` if one of them is not there.
    fn wanted(&self, part: &Part) -> Option<Vec<usize>> {
        if part.reader.raw().get("in").is_none() {
            if !part.is_memory {
                part.reader
                    .missing("in", "name the memory or fan-out it hangs below");
                return None;
            }
            part.reader.get("in");
            return Some(Vec::new());
        }
        let names = part.reader.strings("in")?;
        if names.is_empty() {
            part.reader
                .missing("in", "a list of parents must not be empty");
            return None;
        }
        let mut found = Vec::new();
        for (name, node) in names {
            let index = self.parts.iter().position(|p| p.name == name);
            if index.is_none() {
                self.unknown(&part.reader, name, node);
            }
            found.push(index);
        }
        found.into_iter().collect()
    }

    fn unknown(&self, reader: &Reader, name: &str, node: &Value) {
        let path = reader.path_of("in");
        let message = format!(
            "`{path} = {}`: no memory or fan-out has this name",
            node.show()
        );
        let problem = node.problem(Code::Reference, message);
        let names = self.parts.iter().map(|p| p.name);
        reader.push(match did_you_mean(name, names.clone()) {
            Some(label) => problem.label(label),
            None => problem.help(format!(
                "there are: {}",
                names.collect::<Vec<_>>().join(", ")
            )),
        });
    }

    /// Parents of an engine, and how often it exists.
    pub(super) fn parents_of(&self, reader: &Reader) -> Option<(Vec<Node>, u64)> {
        if reader.raw().get("in").is_none() {
            reader.missing("in", "name the memory or fan-out it hangs below");
            return None;
        }
        let mut parents = Vec::new();
        let names = reader.strings("in")?;
        if names.is_empty() {
            reader.missing("in", "name the memory or fan-out it hangs below");
        }
        for (name, node) in names {
            match self.parts.iter().position(|p| p.name == name) {
                Some(part) => {
                    let placed = self.placed.iter().find(|p| p.part == part);
                    parents.extend(placed.and_then(|p| p.node));
                }
                None => self.unknown(reader, name, node),
            }
        }
        if parents.is_empty() {
            return None;
        }
        let instances = self.instances(reader, &parents);
        Some((parents, instances))
    }

    /// The placed part of a node.
    pub(super) fn at(&self, node: Node) -> Option<&Placed> {
        self.placed.iter().find(|p| p.node == Some(node))
    }

    /// The part of the closest fan-out above some parents, or among them.
    pub(super) fn nearest_fanout(&self, parents: &[Node]) -> Option<usize> {
        let mut open: Vec<Node> = parents.to_vec();
        let mut next = 0;
        while let Some(placed) = open.get(next).and_then(|&node| self.at(node)) {
            if !self.parts[placed.part].is_memory {
                return Some(placed.part);
            }
            for &above in &placed.parents {
                if !open.contains(&above) {
                    open.push(above);
                }
            }
            next += 1;
        }
        None
    }

    /// Instances of something below some parents, which must exist equally often.
    fn instances(&self, reader: &Reader, parents: &[Node]) -> u64 {
        let mut counts = parents.iter().filter_map(|&parent| {
            let placed = self.at(parent)?;
            let part = &self.parts[placed.part];
            Some((placed.instances.checked_mul(part.copies), part.name))
        });
        let Some((first, first_name)) = counts.next() else {
            return 1;
        };
        for (count, name) in counts {
            if count != first {
                let message = format!(
                    "the parents of `{}` exist unequally often: {} gives {} instances, {} gives {}",
                    reader.path(),
                    first_name,
                    first.unwrap_or(u64::MAX),
                    name,
                    count.unwrap_or(u64::MAX)
                );
                reader.push(reader.key_problem("in", Code::Disagreement, message));
                break;
            }
        }
        match first.filter(|count| *count <= MAX_INSTANCES) {
            Some(count) => count,
            None => {
                let message = format!("`{}` exists more than 2^40 times", reader.path());
                reader.push(reader.key_problem("in", Code::OutOfRange, message));
                1
            }
        }
    }
}

/// Reports parts that could not be placed although all their parents are known.
fn report_circle(
    root: &Reader,
    parts: &[Part],
    wanted: &[Option<Vec<usize>>],
    place_of: &[Option<Node>],
) {
    let unplaced = |i: &usize| place_of[*i].is_none() && wanted[*i].is_some();
    let mut seen: Vec<usize> = Vec::new();
    for start in (0..parts.len()).filter(unplaced) {
        // Follow the first unplaced parent until a part repeats.
        let mut walk = vec![start];
        while let Some(last) = walk.last() {
            let parents = wanted[*last].iter().flatten();
            let Some(&next) = parents.clone().find(|p| unplaced(p)) else {
                break;
            };
            if let Some(from) = walk.iter().position(|w| *w == next) {
                let circle = &walk[from..];
                if circle.iter().any(|c| seen.contains(c)) {
                    break;
                }
                seen.extend(circle);
                let names: Vec<String> = circle
                    .iter()
                    .chain(circle.first())
                    .map(|&i| format!("`{}`", parts[i].name))
                    .collect();
                let message = format!("components hang below each other: {}", names.join(" -> "));
                let reader = &parts[circle[0]].reader;
                root.push(reader.key_problem("in", Code::Cycle, message));
                break;
            }
            walk.push(next);
        }
    }
}
