//! A run as people read it: the verdict if it is bad, key figures, then operators by phase.

use crate::record::{PhasePart, RequestPart, RunDocument, TotalsPart};
use crate::simulate::{Constraint, Estimate};
use crate::units::{Bytes, Joules, Seconds, Watts, count, percent, significant};

use super::console::{Console, width};
use super::operators::{self, short, short_time};

/// What stands for an unknown figure.
pub(super) const UNKNOWN: &str = "n/a";

/// Everything, for a terminal.
pub(super) fn text(
    run: &RunDocument,
    require: &[Constraint],
    top: Option<usize>,
    estimate: &Estimate,
    console: &Console,
) -> String {
    let mut out = String::new();
    out.push_str(&no_fit(run, console));
    out.push_str(&headline(run));
    out.push('\n');
    out.push_str(&assumptions(run, console));
    out.push('\n');
    for (name, figure) in figures(run, console) {
        out.push_str(&format!("  {name:<13} {figure}\n"));
    }
    out.push_str(&sparsity(run));
    out.push_str(&deadline(run, console));
    out.push_str(&limits(require, estimate, console));
    for phase in &run.phases {
        out.push('\n');
        out.push_str(&phase_line(phase));
        out.push_str(&operators::table(run, phase.phase, top, console).text(width()));
        out.push_str(&left_out(run, phase, top, console));
    }
    out
}

/// Headline and tables, for a page.
pub(super) fn markdown(run: &RunDocument, top: Option<usize>, console: &Console) -> String {
    let mut out = format!("{}{}\n", no_fit(run, console), headline(run));
    for phase in &run.phases {
        let mut table = operators::table(run, phase.phase, top, console);
        table.title = phase_line(phase).trim_end().to_owned();
        out.push('\n');
        out.push_str(&table.md());
    }
    out
}

/// The verdict first, if it is a bad one.
fn no_fit(run: &RunDocument, console: &Console) -> String {
    let fit = &run.fit;
    if fit.fits {
        return String::new();
    }
    let size = |bytes| console.size(Bytes(bytes));
    let capacity = fit.capacity_bytes.map_or("unbounded".to_owned(), size);
    format!(
        "{}   {} needs {}, {} has {capacity} of {}: short by {}\npriced as if it did; \
         `wattline fit` shows what would make it fit\n\n",
        console.bad("DOES NOT FIT"),
        run.workload.name,
        size(fit.required_bytes),
        run.hardware.name,
        fit.memory,
        size(fit.short_bytes),
    )
}

fn headline(run: &RunDocument) -> String {
    let workload = &run.workload;
    let mut parts = vec![
        format!("{} on {}", workload.name, run.hardware.name),
        workload.phase.to_owned(),
    ];
    if let Some(batch) = workload.batch {
        parts.push(format!("batch {}", count(batch)));
    }
    if let Some(requests) = &workload.requests {
        parts.push(format!("a mix of {}", mix(requests)));
    }
    if let Some(prompt) = workload.prompt {
        parts.push(format!("prompt {}", count(prompt)));
    }
    if let Some(output) = workload.output.filter(|_| workload.phase != "prefill") {
        parts.push(format!("output {}", count(output)));
    }
    match (&workload.dtype, workload.weight_dtype) {
        (Some(dtype), _) => parts.push(dtype.clone()),
        (None, Some(dtype)) => parts.push(dtype.to_owned()),
        (None, None) => {}
    }
    format!("{}\n", parts.join(" · "))
}

/// `6 chat, 1 agent of 12 calls`.
fn mix(requests: &[RequestPart]) -> String {
    let each = requests.iter().map(|r| match r.turns / r.count.max(1) {
        0 | 1 => format!("{} {}", count(r.count), r.name),
        calls => format!("{} {} of {calls} calls", count(r.count), r.name),
    });
    each.collect::<Vec<_>>().join(", ")
}

fn assumptions(run: &RunDocument, console: &Console) -> String {
    let assumed = &run.hardware.assumed;
    if assumed.is_empty() || console.quiet {
        return String::new();
    }
    if !console.verbose {
        let line = format!(
            "{} values of the chip are assumed (-v lists them)",
            assumed.len()
        );
        return format!("{}\n", console.dim(&line));
    }
    let lines = assumed
        .iter()
        .map(|a| format!("  assumed {} = {}: {}\n", a.path, a.value, a.reason));
    lines.collect()
}

/// Names and values of the key figures.
fn figures(run: &RunDocument, console: &Console) -> Vec<(&'static str, String)> {
    let totals = &run.totals;
    let mut all = vec![("latency", latency(totals))];
    if let Some(text) = accuracy(totals) {
        all.push(("accuracy", text));
    }
    if let Some(ttft) = totals.ttft_s {
        all.push(("TTFT", short_time(ttft)));
    }
    if let Some(tpot) = totals.tpot_s {
        all.push((
            "TPOT",
            format!("{}   (end − first token) / (output − 1)", short_time(tpot)),
        ));
    }
    if let Some(rate) = totals.tokens_per_s {
        all.push(("throughput", format!("{} tokens/s", significant(rate, 3))));
    }
    all.push(("energy", energy(totals)));
    all.push(("power", power(totals)));
    all.push((
        "utilization",
        match totals.mac_utilization {
            Some(share) => format!("{} of peak MACs", percent(share)),
            None => UNKNOWN.to_owned(),
        },
    ));
    all.push(("memory", memory(run, console)));
    let coverage = &totals.coverage;
    all.push((
        "coverage",
        format!(
            "{} of operators, {} of bytes, {} of energy",
            percent(coverage.macs),
            percent(coverage.bytes),
            percent(coverage.energy)
        ),
    ));
    all
}

fn latency(totals: &TotalsPart) -> String {
    let mut text = short_time(totals.latency_s);
    if totals.latency_s > 0.0 {
        let share = percent(totals.roofline_latency_s / totals.latency_s);
        let roofline = short_time(totals.roofline_latency_s);
        text.push_str(&format!("   roofline {roofline} ({share} of it reached)"));
    }
    text
}

/// How far the time may be off.
fn accuracy(totals: &TotalsPart) -> Option<String> {
    let (error, share, grade) = (totals.latency_error?, totals.measured_share?, totals.grade?);
    let [low, high] = [1.0 / (1.0 + error), 1.0 + error].map(|f| short_time(totals.latency_s * f));
    Some(format!(
        "grade {grade}: {low} to {high}, {} of the time in kernels that were measured",
        percent(share)
    ))
}

fn energy(totals: &TotalsPart) -> String {
    let joules = |e: Option<f64>| e.map_or(UNKNOWN.to_owned(), |e| short(&Joules(e).to_string()));
    let split = format!(
        "dynamic {}, static {}",
        joules(totals.dynamic_energy_j),
        joules(totals.static_energy_j)
    );
    match totals.energy_per_output_token_j {
        Some(token) => format!(
            "{}/token   {} in total: {split}",
            joules(Some(token)),
            joules(totals.energy_j)
        ),
        None => format!("{}   {split}", joules(totals.energy_j)),
    }
}

fn power(totals: &TotalsPart) -> String {
    let watts = |p: Option<f64>| p.map_or(UNKNOWN.to_owned(), |p| short(&Watts(p).to_string()));
    let mut text = format!(
        "{} average, {} peak",
        watts(totals.average_power_w),
        watts(totals.peak_power_w)
    );
    if totals.clock_ratio < 1.0 {
        text.push_str(&format!(
            ", clock at {} under the cap",
            percent(totals.clock_ratio)
        ));
    }
    text
}

fn memory(run: &RunDocument, console: &Console) -> String {
    let size = |bytes| console.size(Bytes(bytes));
    let used = size(run.fit.required_bytes);
    let memory = &run.fit.memory;
    match run.fit.capacity_bytes {
        Some(capacity) => format!("{used} of {} {memory}", size(capacity)),
        None => format!("{used} of {memory} (unbounded)"),
    }
}

/// Whether zeros save time, energy, both or neither, and why.
fn sparsity(run: &RunDocument) -> String {
    let Some(found) = &run.sparsity else {
        return String::new();
    };
    let percents = [
        ("time", Some(found.time_share)),
        ("energy", found.energy_share),
    ];
    let saved = percents.iter().filter_map(|(what, share)| {
        let share = share.filter(|s| *s > 0.0)?;
        Some(format!("{} of {what}", percent(share)))
    });
    let saved: Vec<String> = saved.collect();
    let saved = match saved.as_slice() {
        [] => String::new(),
        parts => format!(" ({})", parts.join(", ")),
    };
    format!(
        "  {:<13} {}{saved}: {}\n",
        "sparsity", found.verdict, found.why
    )
}

fn deadline(run: &RunDocument, console: &Console) -> String {
    let Some(deadline) = run.deadline else {
        return String::new();
    };
    let limit = short_time(deadline.limit_s);
    let share = percent(run.totals.latency_s / deadline.limit_s);
    let verdict = match deadline.met {
        true => format!(
            "{} its deadline of {limit} (uses {share})",
            console.good("meets")
        ),
        false => format!(
            "{} its deadline of {limit} (takes {share})",
            console.bad("MISSES")
        ),
    };
    format!("  {:<13} {verdict}\n", "deadline")
}

fn limits(require: &[Constraint], estimate: &Estimate, console: &Console) -> String {
    let mut out = String::new();
    for limit in require {
        let found = limit.metric.of(estimate);
        let found = found.map_or(UNKNOWN.to_owned(), |v| limit.metric.show(v));
        let verdict = if limit.met(estimate) {
            console.good("met")
        } else {
            console.bad("MISSED")
        };
        out.push_str(&format!(
            "  {:<13} {limit}: {found}, {verdict}\n",
            "required"
        ));
    }
    out
}

fn phase_line(phase: &PhasePart) -> String {
    let time = short(&Seconds(phase.totals.latency_s).to_string());
    let steps = match phase.steps {
        1 => String::new(),
        n => format!(" · {} steps", count(n)),
    };
    format!("{}{steps} · {time}\n", phase.phase)
}

fn left_out(run: &RunDocument, phase: &PhasePart, top: Option<usize>, console: &Console) -> String {
    let n_all = run
        .operators
        .iter()
        .filter(|o| o.phase == phase.phase)
        .count();
    match top {
        Some(top) if top < n_all => {
            let line = format!("  and {} more, each of less time", n_all - top);
            format!("{}\n", console.dim(&line))
        }
        Some(_) | None => String::new(),
    }
}
