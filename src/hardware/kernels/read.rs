//! Reads coefficients: a family's file, and what a chip file says on top of it.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use super::{Accuracy, Coefficients, Field, Format, Kernels, Sets};
use crate::catalog;
use crate::diag::{Code, Problems, did_you_mean};
use crate::document::{Context, Node, Reader, Table};
use crate::expr::Environment;
use crate::hardware::chip::Chip;
use crate::hardware::{Array, Class};
use crate::workload::{Dtype, Stack};

/// Stands in place of a family's name where a chip has none.
const NO_FAMILY: &str = "none";

/// The families of the catalog. They are the same in every run, so they are read once.
static FAMILIES: LazyLock<BTreeMap<&'static str, Result<Arc<Kernels>, Problems>>> =
    LazyLock::new(|| {
        let names = catalog::kernel_families().into_iter();
        names
            .map(|name| (name, parse(name).map(Arc::new)))
            .collect()
    });

/// The family of a name; `None` if the catalog has none of that name.
///
/// # Errors
/// Every problem of the family's file.
pub fn family(name: &str) -> Option<Result<Arc<Kernels>, Problems>> {
    FAMILIES.get(name).cloned()
}

fn parse(name: &str) -> Result<Kernels, Problems> {
    let entry = catalog::kernel_family(name).ok_or_else(Problems::new)?;
    let tree = Table::parse(&entry.source()?)?;
    let context = Context::new(Environment::default());
    let root = context.reader(&tree);
    root.integer("schema", 1..=1);
    let help = "say what the coefficients were fitted to: source = \"...\"";
    let mut kernels = Kernels {
        family: name.to_owned(),
        source: root
            .required_string("source", help)
            .unwrap_or("")
            .to_owned(),
        fitted_on: names(&root),
        ..Kernels::default()
    };
    kernels.read(&root);
    root.finish();
    context.finish().or(kernels).map(|(kernels, _)| kernels)
}

fn names(root: &Reader) -> Vec<String> {
    let names = root.strings("fitted_on").unwrap_or_default();
    names.into_iter().map(|(name, _)| name.to_owned()).collect()
}

/// The kernels of a chip: its family, with what its file changes; `None` without a family.
pub(in crate::hardware) fn chip_kernels(
    chip: &Chip,
    root: &Reader,
    arrays: &[Array],
) -> Option<Arc<Kernels>> {
    let reader = root.table("kernels");
    let named = reader.as_ref().and_then(|r| r.string("family"));
    let name = named.unwrap_or_else(|| assumed(chip, arrays));
    if let Some(reader) = &reader {
        reader.string("source");
    }
    let base = match family(name) {
        Some(Ok(family)) => Some(family),
        Some(Err(problems)) => {
            problems.0.into_iter().for_each(|p| root.push(p));
            None
        }
        None if name == NO_FAMILY => None,
        None => {
            unknown(reader.as_ref().unwrap_or(root), name);
            None
        }
    };
    let Some(reader) = reader else {
        return base;
    };
    let is_changed = reader.raw().entries.iter();
    let is_changed = is_changed
        .clone()
        .any(|e| !matches!(&*e.key, "family" | "source"));
    let kernels = if is_changed {
        let mut own = base.as_deref().cloned().unwrap_or_default();
        own.read(&reader);
        Some(Arc::new(own))
    } else {
        base
    };
    reader.finish();
    kernels
}

/// The family of a chip that names none: GPUs with 8-bit floating point are like Hopper, others like
/// Ampere; other classes have no kernel library.
fn assumed(chip: &Chip, arrays: &[Array]) -> &'static str {
    match chip.class {
        Class::Gpu => {
            let has_fp8 = arrays.iter().any(|a| a.peak(Dtype::Fp8).is_some());
            let name = if has_fp8 { "hopper" } else { "ampere" };
            let reason = "the measured family with the same number formats";
            chip.assume("kernels.family".into(), name, reason);
            name
        }
        Class::Npu | Class::Edge | Class::Imc | Class::Photonic | Class::Cpu => NO_FAMILY,
    }
}

fn unknown(reader: &Reader, name: &str) {
    let families = catalog::kernel_families();
    let message = format!("`{}` = \"{name}\" is not known", reader.path_of("family"));
    let problem = reader.key_problem("family", Code::Reference, message);
    let problem = match did_you_mean(name, families.iter().copied()) {
        Some(label) => problem.label(label),
        None => problem,
    };
    reader.push(problem.help(format!("known are: {}, {NO_FAMILY}", families.join(", "))));
}

/// All sets of a kind: those of the table over those known already. A set that is new starts from the
/// default of its format, and a default that is new must give every key.
pub(super) fn sets<C: Coefficients>(reader: &Reader, known: &Sets<C>) -> Sets<C> {
    let mut sets = known.clone();
    let Some(kind) = reader.table(C::KIND) else {
        return sets;
    };
    for (word, format) in C::Format::ALL {
        let Some(of_format) = kind.table(word) else {
            continue;
        };
        for stack in Stack::ALL {
            if let Some(reader) = of_format.table(stack.name()) {
                let base = sets.get(*format, stack).copied();
                let accuracy = accuracy(&reader);
                sets.put(*format, stack, set(&reader, base), accuracy);
                reader.finish();
            }
        }
        of_format.finish();
    }
    kind.finish();
    sets
}

/// What a set says of its errors; a set without is taken to be not measured.
fn accuracy(reader: &Reader) -> Option<Accuracy> {
    let error = reader.table("error")?;
    let help = "give mean, median and p90 of |predicted/measured - 1|, and rows";
    let figure = |key: &'static str| {
        if error.raw().get(key).is_none() {
            error.missing(key, help);
        }
        error.number(key, 0.0..=1e6)
    };
    let (mean, median, p90) = (figure("mean"), figure("median"), figure("p90"));
    if error.raw().get("rows").is_none() {
        error.missing("rows", help);
    }
    let rows = error.integer("rows", 1..=1 << 40);
    error.finish();
    Some(Accuracy {
        mean: mean?,
        median: median?,
        p90: p90?,
        rows: rows?,
    })
}

fn set<C: Coefficients>(reader: &Reader, base: Option<C>) -> C {
    let mut values = base.map_or_else(Vec::new, |set| set.values());
    values.resize(C::FIELDS.len(), 0.0);
    for (value, field) in values.iter_mut().zip(C::FIELDS) {
        match reader.get(field.key) {
            Some(node) => *value = coefficient(reader, field, node).unwrap_or(field.low),
            None if base.is_none() => reader.missing(field.key, field.doc.trim()),
            None => {}
        }
    }
    C::from_values(&values)
}

/// A value of the coefficient's dimension within its bounds.
fn coefficient(reader: &Reader, field: &Field, node: &Node) -> Option<f64> {
    let quantity = reader.evaluate(field.key, node)?;
    if quantity.dimension != field.dimension {
        reader.wrong_dimension(field.key, node, quantity.dimension, field.dimension);
        return None;
    }
    if !(field.low..=field.high).contains(&quantity.value) {
        let (low, high) = ((field.show)(field.low), (field.show)(field.high));
        reader.out_of_range(
            field.key,
            node,
            &format!("must lie within {low} and {high}"),
        );
        return None;
    }
    Some(quantity.value)
}

/// Whether `[kind, format, stack, key]` names a coefficient of a kind.
pub(super) fn knows<C: Coefficients>([kind, format, stack, key]: [&str; 4]) -> bool {
    kind == C::KIND
        && C::Format::ALL.iter().any(|(word, _)| *word == format)
        && Stack::parse(stack).is_some()
        && C::FIELDS.iter().any(|field| field.key == key)
}

/// Whether `kernels.kind.format.stack.key` is a coefficient.
pub(in crate::hardware) fn is_key(path: [&str; 4]) -> bool {
    Kernels::is_key(path)
}
