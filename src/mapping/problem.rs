//! A mapping problem as a file states it: an Einsum, widths, a convention, and perhaps a loop nest.

use crate::diag::{Code, Problem, Problems, Source};
use crate::document::{Context, Node, Reader, Table};
use crate::expr::Environment;
use crate::hardware::System;
use crate::workload::{Class, Dtype, Einsum, Slot};

use super::{Chain, Convention, Nest, Step, einsum, text};

/// Most combinations of whole and smaller last tiles over the ranks.
const MAX_KINDS: f64 = 65_536.0;
/// Most steps of a nest.
const MAX_STEPS: usize = 200;

/// An Einsum to map, and how.
#[derive(Clone, Debug)]
pub struct MapProblem {
    /// Name.
    pub name: String,
    /// What to compute.
    pub einsum: Einsum,
    /// Names of the left input, the right input and the result.
    pub tensors: [String; 3],
    /// Bits of an element: `[lhs, rhs, partial sum]`.
    pub bits: [f64; 3],
    /// Bits of an element of the result.
    pub result_bits: f64,
    /// Format that the engine multiplies, if the file says.
    pub dtype: Option<Dtype>,
    /// How accesses are counted.
    pub convention: Convention,
    lines: Option<Vec<Node>>,
}

impl MapProblem {
    /// Reads a problem file.
    ///
    /// # Errors
    /// All problems of the text.
    pub fn parse(source: &Source) -> Result<Self, Problems> {
        let table = Table::parse(source)?;
        let context = Context::new(Environment::default());
        let reader = context.reader(&table);
        let found = read(&reader);
        reader.finish();
        let problems = context.finish();
        problems.or(found).and_then(|(found, _)| {
            found.ok_or_else(|| Problem::new(Code::MissingKey, "no Einsum").into())
        })
    }

    /// The loop nest of the file on a chip; `None` if it has none.
    ///
    /// # Errors
    /// Lines that name what the chip or the Einsum does not have; loops that do not cover a rank; a slot that
    /// is kept nowhere; spatial loops that need more instances than there are.
    pub fn nest(&self, system: &System, chain: &Chain) -> Option<Result<Nest, Problems>> {
        let lines = self.lines.as_ref()?;
        let mut problems = Problems::new();
        let mut steps = Vec::new();
        for node in lines {
            let Some(line) = node.as_text() else {
                problems.push(node.problem(Code::WrongType, "a line of a nest is a text"));
                continue;
            };
            match text::parse(line, &self.einsum, &self.tensors, system, chain) {
                Ok(step) => steps.push(step),
                Err((message, help)) => {
                    problems.push(node.problem(Code::Reference, message).help(help));
                }
            }
        }
        let nest = Nest { steps };
        if !problems.has_errors() {
            self.check(&nest, system, chain, lines, &mut problems);
        }
        Some(problems.or(nest).map(|(nest, _)| nest))
    }

    /// The lines of a nest.
    pub fn write(&self, nest: &Nest, system: &System, chain: &Chain) -> Vec<String> {
        text::write(nest, &self.einsum, &self.tensors, system, chain)
    }

    fn check(
        &self,
        nest: &Nest,
        system: &System,
        chain: &Chain,
        lines: &[Node],
        problems: &mut Problems,
    ) {
        let Some(last) = lines.last() else {
            problems.push(Problem::new(Code::MissingKey, "the nest has no lines"));
            return;
        };
        let sizes: Vec<u64> = self.einsum.ranks.iter().map(|r| r.size).collect();
        let left = nest.innermost(&sizes);
        check_factors(&self.einsum, nest, lines, problems);
        let native = system.arrays[chain.array].tile;
        for (rank, left) in self.einsum.ranks.iter().zip(&left) {
            let most = native.map_or(1, |t| match rank.class {
                Class::M => t.m,
                Class::N => t.n,
                Class::K => t.k,
                Class::G => 1,
            });
            if *left > most {
                let message = format!(
                    "the loops over `{}` leave {left} of its {} iterations to one step",
                    rank.name, rank.size
                );
                let problem = last.problem(Code::Disagreement, message);
                problems.push(problem.help("raise a factor or add a loop"));
            }
        }
        for slot in Slot::ALL {
            if nest.keeps(slot).next().is_none() {
                let message = format!("`{}` is kept nowhere", self.tensors[slot as usize]);
                problems.push(last.problem(Code::Disagreement, message));
            }
            let mut outer: Option<usize> = None;
            for (step, level) in nest.keeps(slot) {
                if outer.is_some_and(|o| o >= level) {
                    let (tensor, memory) =
                        (&self.tensors[slot as usize], chain.name(system, level));
                    let message =
                        format!("`{tensor}` is kept in `{memory}` below a memory further in");
                    problems.push(lines[step].problem(Code::Disagreement, message));
                }
                outer = Some(level);
            }
        }
        check_places(nest, system, chain, lines, problems);
    }
}

/// Every iteration has something to do, and the uneven ones are few enough to be told apart.
fn check_factors(einsum: &Einsum, nest: &Nest, lines: &[Node], problems: &mut Problems) {
    let mut extents: Vec<u64> = einsum.ranks.iter().map(|r| r.size).collect();
    let mut uneven = vec![0_u32; extents.len()];
    for (i, step) in nest.steps.iter().enumerate() {
        let Step::Loop(l) = step else { continue };
        let rank = usize::from(l.rank);
        let entering = extents[rank];
        let part = entering.div_ceil(l.factor);
        let needed = entering.div_ceil(part);
        if needed < l.factor {
            let message = format!(
                "{} iterations over the {entering} that are left of `{}` would leave some empty",
                l.factor, einsum.ranks[rank].name
            );
            let problem = lines[i].problem(Code::OutOfRange, message);
            problems.push(problem.help(format!("{needed} do the same work")));
        }
        uneven[rank] += u32::from(!entering.is_multiple_of(part));
        extents[rank] = part;
    }
    let kinds: f64 = uneven.iter().map(|n| f64::from(n + 1)).product();
    if kinds > MAX_KINDS {
        let message =
            format!("the nest has {kinds} kinds of uneven tiles, at most {MAX_KINDS} are counted");
        let problem = lines[0].problem(Code::OutOfRange, message);
        problems.push(problem.help("let the factors of more loops divide their ranks"));
    }
}

/// Loops of a fan-out stand above the memories inside of it, and use no more instances than there are.
fn check_places(
    nest: &Nest,
    system: &System,
    chain: &Chain,
    lines: &[Node],
    problems: &mut Problems,
) {
    let mut used: Vec<((u16, u8), u64)> = Vec::new();
    for (i, step) in nest.steps.iter().enumerate() {
        let Step::Loop(l) = step else { continue };
        let Some(place) = l.place else { continue };
        let inner_keep = |s: &Step| matches!(s, Step::Keep { level, .. } if *level > place.level);
        if nest.steps[..i].iter().any(inner_keep) {
            let message = "a loop of a fan-out stands below a memory inside of it";
            problems.push(lines[i].problem(Code::Disagreement, message));
        }
        let key = (place.level, place.axis);
        let at = used.iter().position(|u| u.0 == key).unwrap_or_else(|| {
            used.push((key, 1));
            used.len() - 1
        });
        used[at].1 = used[at].1.saturating_mul(l.factor);
        let size = chain.axes(system, usize::from(place.level))[usize::from(place.axis)].size;
        if used[at].1 > size {
            let name = chain.name(system, usize::from(place.level));
            let message = format!(
                "axis {} of `{name}` has {size} instances, the nest uses {}",
                place.axis, used[at].1
            );
            problems.push(lines[i].problem(Code::OutOfRange, message));
        }
    }
}

fn read(reader: &Reader) -> Option<MapProblem> {
    reader.integer("schema", 1..=1);
    let name = reader.string("name").unwrap_or("problem").to_owned();
    let conventions = Convention::ALL.map(|c| (c.name(), c));
    let convention = reader.choice("convention", &conventions);
    let dtypes: Vec<(&str, Dtype)> = Dtype::ALL.iter().map(|d| (d.name(), *d)).collect();
    let dtype = reader.choice("dtype", &dtypes);
    let Some(table) = reader.table("einsum") else {
        reader.missing("einsum", "e.g. [einsum] with ranks, lhs, rhs and acc");
        return None;
    };
    let stated = einsum::read(&table);
    table.finish();
    let width = dtype.map_or(8.0, |d| d.stored_bytes() * 8.0);
    let mut bits = [width; 3];
    let mut result_bits = width;
    if let Some(table) = reader.table("bits") {
        let of = |key: &'static str, default: f64| {
            table
                .number(key, f64::MIN_POSITIVE..=1024.0)
                .unwrap_or(default)
        };
        result_bits = of("acc", width);
        bits = [
            of("lhs", width),
            of("rhs", width),
            of("partial", result_bits),
        ];
        table.finish();
    }
    let mut lines = None;
    if let Some(table) = reader.table("mapping") {
        if table.raw().get("nest").is_none() {
            table.missing("nest", "a list of lines such as \"for K in 16\"");
        }
        lines = table.list("nest").map(<[Node]>::to_vec);
        if let Some(list) = lines.as_ref().filter(|l| l.len() > MAX_STEPS) {
            let message = format!(
                "a nest has at most {MAX_STEPS} lines, this one {}",
                list.len()
            );
            table.push(table.key_problem("nest", Code::OutOfRange, message));
            lines = None;
        }
        table.finish();
    }
    let (einsum, tensors) = stated?;
    Some(MapProblem {
        name,
        einsum,
        tensors,
        bits,
        result_bits,
        dtype,
        convention: convention.unwrap_or_default(),
        lines,
    })
}
