//! A memory verdict as people read it: verdict, parts, room, and what would make it fit.

use crate::fit::{Ask, Fit, Remedy};
use crate::record::FitDocument;
use crate::simulate::{Estimate, PREFILL_CHUNK};
use crate::units::{Bytes, count, percent, significant};

use super::console::Console;
use super::operators::{short, short_time};
use super::run_text::UNKNOWN;

/// Letters of a bar that stands for the whole capacity.
const BAR: usize = 38;

pub(super) fn text(
    document: &FitDocument,
    fit: &Fit,
    speed: Option<&Estimate>,
    ask: &Ask,
    console: &Console,
) -> String {
    let mut out = verdict(document, fit, ask, console);
    out.push('\n');
    out.push_str(&parts(document, fit, ask, console));
    out.push('\n');
    if fit.fits() {
        out.push_str(&room(fit, ask));
        out.push_str(&speed.map_or(String::new(), |estimate| pace(estimate, ask)));
        if !console.quiet {
            let (model, chip) = (&document.workload.name, &document.hardware.name);
            let next = console.dim(&format!("next: wattline run {model} --on {chip}"));
            out.push_str(&format!("\n{next}\n"));
        }
    } else {
        out.push_str(&remedies(&fit.remedies));
    }
    out
}

fn verdict(document: &FitDocument, fit: &Fit, ask: &Ask, console: &Console) -> String {
    let workload = &document.workload;
    let own = workload.weight_dtype.unwrap_or("");
    let dtype = workload.dtype.as_deref().unwrap_or(own);
    let (model, chip) = (&workload.name, &document.hardware.name);
    let mut asked = Vec::new();
    asked.extend(ask.context.map(|c| format!("context {}", count(c))));
    asked.push(format!("batch {}", count(ask.sequences())));
    let asked = asked.join(", ");
    let margin = percent(fit.margin).replace(".0", "");
    if fit.fits() {
        let verdict = console.good("FITS");
        return format!("{verdict}   {model} ({dtype}) on 1 × {chip}, {asked}\n");
    }
    let (verdict, size) = (console.bad("DOES NOT FIT"), |b| console.size(b));
    format!(
        "{verdict}   {model} ({dtype}) needs {}, {chip} has {}: short by {} ({margin} margin kept)\n\
         asked: {asked}\n",
        size(fit.memory.required()),
        size(fit.memory.capacity),
        size(fit.short()),
    )
}

fn parts(document: &FitDocument, fit: &Fit, ask: &Ask, console: &Console) -> String {
    let memory = &fit.memory;
    let capacity = memory.capacity;
    let tokens = ask.context.map(|c| c.saturating_mul(ask.sequences()));
    let kv_note = tokens
        .filter(|n| *n > 0 && memory.kv_cache.0 > 0.0)
        .map(|n| {
            let each = console.size(memory.kv_cache / n as f64);
            format!("{each}/token × {}", count(n))
        });
    let chunk = ask
        .context
        .filter(|c| c.saturating_mul(ask.sequences()) > PREFILL_CHUNK);
    let chunk = chunk.map(|_| format!("prompt in chunks of {} tokens", count(PREFILL_CHUNK)));
    let is_assumed = |a: &crate::hardware::Assumed| a.path.contains("reserve");
    let assumed = document.hardware.assumed.iter().any(is_assumed);
    let assumed = assumed.then(|| "assumed from the class".to_owned());
    let mut rows = vec![
        ("weights", memory.weights, None),
        ("kv cache", memory.kv_cache, kv_note),
        ("state", memory.state, None),
        ("gradients", memory.gradients, None),
        ("optimizer", memory.optimizer, None),
        ("activations", memory.activations, chunk),
        ("runtime reserve", memory.reserve, assumed),
    ];
    rows.retain(|row| row.1.0 > 0.0 || row.0 == "weights" || row.0 == "activations");
    let mut out = String::new();
    for (name, bytes, note) in rows {
        out.push_str(&line(name, bytes, capacity, note, console));
    }
    if capacity.0.is_finite() {
        let free = (capacity - memory.required()).max(Bytes::ZERO);
        let kept = format!(
            "{} of it kept free as margin",
            console.size(capacity * fit.margin)
        );
        let note = (fit.margin > 0.0 && fit.fits()).then_some(kept);
        let blank = " ".repeat(BAR);
        let share = percent(free / capacity);
        out.push_str(&annotated(
            "free",
            &console.size(free),
            &blank,
            &share,
            note,
        ));
    }
    out
}

fn line(
    name: &str,
    bytes: Bytes,
    capacity: Bytes,
    note: Option<String>,
    console: &Console,
) -> String {
    let size = console.size(bytes);
    if !capacity.0.is_finite() || capacity.0 <= 0.0 {
        return annotated(name, &size, "", "", note);
    }
    let share = bytes / capacity;
    // More than the whole is drawn as the whole.
    let full = ((share * BAR as f64).round() as usize).min(BAR);
    let bar = format!("{}{}", "█".repeat(full), "·".repeat(BAR - full));
    annotated(name, &size, &bar, &percent(share), note)
}

fn annotated(name: &str, size: &str, bar: &str, share: &str, note: Option<String>) -> String {
    let text = format!("  {name:<15} {size:>11}  {bar}  {share:>8}");
    match note {
        Some(note) => format!("{text}   {note}\n"),
        None => format!("{}\n", text.trim_end()),
    }
}

fn room(fit: &Fit, ask: &Ask) -> String {
    let mut parts = Vec::new();
    if let Some(most) = fit.limits.max_batch {
        let at = ask
            .context
            .map_or(String::new(), |c| format!("at context {}   ", count(c)));
        parts.push(format!("{at}max batch {}", count(most)));
    }
    if let Some(most) = fit.limits.max_context {
        let limit = fit.limits.model_context;
        let limit = limit.map_or(String::new(), |l| format!(" (model limit {})", count(l)));
        let batch = count(ask.sequences());
        parts.push(format!(
            "at batch {batch}   max context {}{limit}",
            count(most)
        ));
    }
    if parts.is_empty() {
        return String::new();
    }
    format!("  {}\n", parts.join("        "))
}

/// Speed and energy of one step.
fn pace(estimate: &Estimate, ask: &Ask) -> String {
    let totals = &estimate.totals;
    let time = totals.latency.0;
    let bound = binding(estimate);
    let sequences = ask.sequences() as f64;
    let energy = totals.energy.map(|e| e / sequences);
    let energy = energy.map_or(UNKNOWN.to_owned(), |e| short(&e.to_string()));
    let power = totals
        .average_power
        .map_or(UNKNOWN.to_owned(), |p| short(&p.to_string()));
    let covered = percent(totals.coverage.energy);
    if ask.context.is_none() || time <= 0.0 {
        let time = short_time(time);
        return format!(
            "  latency  {time}, mostly bound by {bound}\n  energy   {energy} a sample, {power}, covers {covered}\n"
        );
    }
    let rate = significant(sequences / time, 3);
    format!(
        "  decode   {rate} tokens/s at full context, mostly bound by {bound}\n  \
         energy   {energy}/token, {power}, covers {covered}\n"
    )
}

/// The resource that binds most of the time.
fn binding(estimate: &Estimate) -> String {
    let mut times: Vec<(&str, f64)> = Vec::new();
    for op in estimate.phases.iter().flat_map(|p| &p.operators) {
        let time = op.latency.0 * op.count as f64;
        match times.iter_mut().find(|(name, _)| *name == op.bound) {
            Some((_, sum)) => *sum += time,
            None => times.push((&op.bound, time)),
        }
    }
    let most = times.iter().max_by(|a, b| a.1.total_cmp(&b.1));
    most.map_or(UNKNOWN.to_owned(), |(name, _)| (*name).to_owned())
}

fn remedies(all: &[Remedy]) -> String {
    let mut out = String::new();
    let enough: Vec<&Remedy> = all.iter().filter(|r| r.fits).collect();
    if enough.is_empty() {
        out.push_str("  no single change makes it fit\n");
    } else {
        out.push_str("  any one of these changes makes it fit\n");
        let width = enough
            .iter()
            .map(|r| r.change.chars().count())
            .max()
            .unwrap_or(0);
        for remedy in enough {
            let pad = " ".repeat(width - remedy.change.chars().count());
            out.push_str(&format!("    {}{pad}   {}\n", remedy.change, remedy.detail));
        }
    }
    let short: Vec<String> = all
        .iter()
        .filter(|r| !r.fits)
        .map(|r| format!("{} ({})", r.change, r.detail))
        .collect();
    if !short.is_empty() {
        out.push_str(&format!("  not enough on its own: {}\n", short.join(", ")));
    }
    out
}
