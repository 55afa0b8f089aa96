//! The Einsum of a problem file: ranks, tensors and how ranks index them.

use smallvec::{SmallVec, smallvec};

use crate::diag::Code;
use crate::document::Reader;
use crate::workload::{Axis, Class, Einsum, Projection, Rank, RankName, Slot, Term};

/// Most iterations of a rank.
const MAX_SIZE: u64 = 1 << 40;
/// Most ranks of an Einsum.
const MAX_RANKS: usize = 16;

/// Reads the table `[einsum]`: the Einsum, and the names of the left input, the right input and the result.
pub(super) fn read(reader: &Reader) -> Option<(Einsum, [String; 3])> {
    let mut ranks: SmallVec<[Rank; 8]> = SmallVec::new();
    match reader.table("ranks") {
        None => reader.missing("ranks", "e.g. ranks = { M = 64, N = 64, K = 64 }"),
        Some(table) => {
            for (name, node) in table.all() {
                let size = table.integer_of(name, node, 1..=MAX_SIZE);
                let is_word = name.chars().all(|c| c.is_alphanumeric() || c == '_')
                    && name.starts_with(char::is_alphabetic);
                match RankName::new(name).filter(|_| is_word) {
                    Some(name) => ranks.push(Rank {
                        name,
                        size: size.unwrap_or(1),
                        class: Class::G,
                    }),
                    None => {
                        let longest = RankName::LONGEST;
                        let message = format!("`{name}` cannot be the name of a rank");
                        let problem = table.key_problem(name, Code::OutOfRange, message);
                        table.push(problem.help(format!(
                            "use a letter first, then letters, digits and _, at most {longest}"
                        )));
                    }
                }
            }
            table.finish();
        }
    }
    if ranks.len() > MAX_RANKS {
        let message = format!("an Einsum has at most {MAX_RANKS} ranks");
        reader.push(reader.key_problem("ranks", Code::OutOfRange, message));
        return None;
    }
    let all = [("lhs", Slot::Lhs), ("rhs", Slot::Rhs), ("acc", Slot::Acc)];
    let [lhs, rhs, acc] = all.map(|(key, _)| {
        let text = reader.required_string(key, "e.g. lhs = \"Inputs[C, P+R]\"")?;
        match projection(text, &ranks) {
            Ok(found) => Some(found),
            Err((message, help)) => {
                reader.push(
                    reader
                        .get(key)?
                        .problem(Code::Reference, message)
                        .help(help),
                );
                None
            }
        }
    });
    let ((lhs_name, lhs), (rhs_name, rhs), (acc_name, acc)) = (lhs?, rhs?, acc?);
    let names = [lhs_name, rhs_name, acc_name];
    if names[0] == names[1] || names[0] == names[2] || names[1] == names[2] {
        let message = "the three tensors need three names";
        reader.push(reader.key_problem("acc", Code::Disagreement, message));
        return None;
    }
    for (i, rank) in ranks.iter_mut().enumerate() {
        let has = |p: &Projection| {
            p.iter()
                .flat_map(|a| &a.terms)
                .any(|t| usize::from(t.rank) == i)
        };
        rank.class = match (has(&lhs), has(&rhs), has(&acc)) {
            (true, true, true) => Class::G,
            (true, false, true) => Class::M,
            (false, true, true) => Class::N,
            (true, true, false) => Class::K,
            (false, false, _) | (_, false, false) | (false, _, false) => {
                let message = format!("rank `{}` must stand in at least two tensors", rank.name);
                let problem = reader.key_problem("ranks", Code::Disagreement, message);
                reader
                    .push(problem.help("fold it into another rank, or give it size 1 and drop it"));
                return None;
            }
        };
    }
    let mut einsum = Einsum {
        ranks,
        lhs,
        rhs,
        acc,
    };
    if let Some(table) = reader.table("stored") {
        read_stored(&table, &mut einsum, &names);
        table.finish();
    }
    Some((einsum, names))
}

/// Sizes of tensors as they are stored, one per axis: points beyond are padding, which nobody reads.
fn read_stored(reader: &Reader, einsum: &mut Einsum, names: &[String; 3]) {
    for (name, node) in reader.all() {
        let Some(slot) = names.iter().position(|n| n == name) else {
            let message = format!("no tensor is called `{name}`");
            let problem = reader.key_problem(name, Code::Reference, message);
            reader.push(problem.help(format!("there are: {}", names.join(", "))));
            continue;
        };
        let axes = match slot {
            0 => &mut einsum.lhs,
            1 => &mut einsum.rhs,
            _ => &mut einsum.acc,
        };
        let Some(sizes) = node.as_list().filter(|l| l.len() == axes.len()) else {
            let message = format!("`{name}` has {} axes, each needs a size", axes.len());
            let problem = node.problem(Code::WrongType, message);
            reader.push(problem.help("give a list of whole numbers, in the order of its axes"));
            continue;
        };
        let ranks: SmallVec<[u64; 8]> = einsum.ranks.iter().map(|r| r.size).collect();
        for (axis, node) in axes.iter_mut().zip(sizes) {
            let Some(size) = reader.integer_of(name, node, 1..=MAX_SIZE) else {
                continue;
            };
            let points = axis.distinct(&ranks);
            if axis.terms.len() == 1 && size < points {
                let message = format!("the loops touch {points} points of this axis, not {size}");
                let problem = node.problem(Code::Disagreement, message);
                reader.push(problem.help("only sums of two ranks reach into padding"));
                continue;
            }
            axis.size = size;
        }
    }
}

/// `Inputs[C, 2*P + R]`.
fn projection(text: &str, ranks: &[Rank]) -> Result<(String, Projection), (String, String)> {
    let form = || "tensors read `Inputs[C, 2*P + R]`".to_owned();
    let parts = text
        .trim()
        .strip_suffix(']')
        .and_then(|t| t.split_once('['));
    let Some((name, inside)) = parts else {
        return Err((format!("`{text}` is no tensor"), form()));
    };
    let name = name.trim();
    let is_plain = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    if name.is_empty() || !name.chars().all(is_plain) {
        return Err((format!("`{name}` cannot be the name of a tensor"), form()));
    }
    let mut found = Projection::new();
    for part in inside.split(',').map(str::trim).filter(|p| !p.is_empty()) {
        let mut terms: SmallVec<[Term; 2]> = smallvec![];
        for term in part.split('+').map(str::trim) {
            let (coefficient, rank) = term.split_once('*').unwrap_or(("1", term));
            let coefficient = coefficient.trim().parse().ok().filter(|c| *c >= 1);
            let index = ranks.iter().position(|r| r.name.as_str() == rank.trim());
            let (Some(coefficient), Some(index)) = (coefficient, index) else {
                let names: Vec<&str> = ranks.iter().map(|r| r.name.as_str()).collect();
                let help = format!("{}; ranks: {}", form(), names.join(", "));
                return Err((format!("`{term}` is no multiple of a rank"), help));
            };
            terms.push(Term {
                rank: index as u8,
                coefficient,
            });
        }
        let used = |t: &Term| {
            found
                .iter()
                .flat_map(|a: &Axis| &a.terms)
                .any(|u| u.rank == t.rank)
        };
        let twice = terms.iter().any(used) || (terms.len() == 2 && terms[0].rank == terms[1].rank);
        if terms.len() > 2 || twice {
            let message = format!("`{part}`: an axis adds at most two ranks, each used once");
            return Err((message, form()));
        }
        let reach = terms
            .iter()
            .map(|t| u64::from(t.coefficient).saturating_mul(ranks[usize::from(t.rank)].size - 1));
        let size = reach.fold(1, u64::saturating_add);
        found.push(Axis { terms, size });
    }
    if found.len() > 5 {
        return Err((format!("`{name}` has more than 5 axes"), form()));
    }
    Ok((name.to_owned(), found))
}
