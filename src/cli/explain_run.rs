//! `wattline explain RUN FIGURE`: formula, inputs, sources and range of one figure of a stored run.

use crate::diag::{Code, Problem, Problems, did_you_mean};
use crate::record::{StoredOperator, StoredRun, StoredTotals};
use crate::units::{Bytes, Joules, Seconds, Watts, percent, significant};

/// Operators that are named.
const MOST: usize = 5;

/// Figures of a run that can be explained.
const FIGURES: [&str; 11] = [
    "latency",
    "ttft",
    "tpot",
    "throughput",
    "energy",
    "energy_per_token",
    "power",
    "peak_power",
    "utilization",
    "area",
    "memory",
];

/// Figures of an operator.
const OF_OPERATORS: [&str; 4] = ["latency", "energy", "power", "bytes"];

/// The text about a figure of a run, or of one of its operators.
pub(super) fn text(
    run: &StoredRun,
    figure: &str,
    operator: Option<&str>,
) -> Result<String, Problems> {
    let body = match operator {
        Some(name) => of_operator(run, figure, name)?,
        None => of_run(run, figure)?,
    };
    let (model, chip) = (&run.workload.name, &run.hardware.name);
    Ok(format!(
        "{figure} of {model} on {chip}\n\n{body}{}",
        sources(run)
    ))
}

fn unknown(figure: &str, known: &[&'static str]) -> Problems {
    let message = format!("no figure `{figure}` to explain");
    let problem = Problem::new(Code::Usage, message);
    let problem = match did_you_mean(figure, known.iter().copied()) {
        Some(hint) => problem.help(hint),
        None => problem,
    };
    problem.help(format!("known: {}", known.join(", "))).into()
}

fn seconds(value: Option<f64>) -> String {
    value.map_or("n/a".to_owned(), |v| Seconds(v).to_string())
}

fn joules(value: Option<f64>) -> String {
    value.map_or("n/a".to_owned(), |v| Joules(v).to_string())
}

fn watts(value: Option<f64>) -> String {
    value.map_or("n/a".to_owned(), |v| Watts(v).to_string())
}

fn of_run(run: &StoredRun, figure: &str) -> Result<String, Problems> {
    let t = &run.totals;
    let phase = |name: &str| run.phases.iter().find(|p| p.phase == name);
    let output = run.workload.output.unwrap_or(0);
    let batch = run.workload.batch.unwrap_or(1);
    Ok(match figure {
        "latency" => {
            format!(
                "{}\n  = sum over phases of (executions x time of each operator), one after the other\n{}{}",
                seconds(t.latency_s),
                phases(run, |p| seconds(p.latency_s)),
                longest(run)
            ) + &range(t)
        }
        "ttft" => {
            format!(
                "{}\n  = time of the prefill: all prompt tokens at once\n{}",
                seconds(t.ttft_s),
                line(
                    "prefill",
                    phase("prefill").map_or("n/a".to_owned(), |p| seconds(p.latency_s))
                )
            ) + &range(t)
        }
        "tpot" => {
            let decode = phase("decode").map_or("n/a".to_owned(), |p| seconds(p.latency_s));
            format!(
                "{}\n  = time of decoding / (output tokens - 1)\n{}{}",
                seconds(t.tpot_s),
                line("decode", decode),
                line("output tokens", output.to_string())
            ) + &range(t)
        }
        "throughput" => format!(
            "{} tokens/s\n  = output tokens of all sequences / latency, prefill included\n{}{}{}",
            known(t.tokens_per_s),
            line("output tokens", output.to_string()),
            line("sequences", batch.to_string()),
            line("latency", seconds(t.latency_s))
        ),
        "energy" => {
            format!(
                "{}\n  = energy of events + (idle + leakage + active power) x latency\n{}{}{}",
                joules(t.energy_j),
                line("events", joules(t.dynamic_energy_j)),
                parts(t),
                line("static", joules(t.static_energy_j))
            ) + &coverage(t)
        }
        "energy_per_token" => {
            format!(
                "{}\n  = energy of the whole generation / output tokens of all sequences\n{}{}",
                joules(t.energy_per_output_token_j),
                line("energy", joules(t.energy_j)),
                line("tokens", (output * batch).to_string())
            ) + &coverage(t)
        }
        "power" => format!(
            "{}\n  = energy / latency, at the clock that the power cap leaves\n{}{}{}",
            watts(t.average_power_w),
            line("energy", joules(t.energy_j)),
            line("latency", seconds(t.latency_s)),
            line(
                "clock",
                t.clock_ratio
                    .map_or("n/a".to_owned(), |r| format!("{} of nominal", percent(r)))
            )
        ),
        "peak_power" => {
            let power = |op: &&StoredOperator| op.power_w.unwrap_or(0.0);
            let hungriest = run
                .operators
                .iter()
                .max_by(|a, b| power(a).total_cmp(&power(b)));
            let name = hungriest.map_or("n/a", |op| op.name.as_str());
            format!(
                "{}\n  = the largest of (standing power + energy / time) over all operators; a cap acts on the mean\n{}",
                watts(t.peak_power_w),
                line("operator", name.to_owned())
            )
        }
        "utilization" => {
            let peak = run.hardware.roofs.peak_op_per_s.0.iter();
            let peaks: Vec<String> = peak
                .map(|(name, p)| format!("{name} {} Top/s", significant(p / 1e12, 4)))
                .collect();
            format!(
                "{}\n  = useful MACs / (peak rate x latency); each product at the peak of the type that it runs in\n{}{}{}",
                t.mac_utilization.map_or("n/a".to_owned(), percent),
                line("useful MACs", known(t.useful_macs)),
                line("latency", seconds(t.latency_s)),
                line("peaks", peaks.join(", "))
            )
        }
        "area" => format!(
            "{}\n  = sum of memories, matrix and vector engines on the die; control, wires and pads are not described\n",
            run.hardware.area_m2.map_or("n/a".to_owned(), |a| format!(
                "{} mm²",
                significant(a * 1e6, 4)
            ))
        ),
        "memory" => {
            let each = run.fit.parts.0.iter().filter(|(_, b)| *b > 0.0);
            let each: String = each
                .map(|(name, b)| {
                    line(
                        &name.replace("_bytes", "").replace('_', " "),
                        Bytes(*b).to_string(),
                    )
                })
                .collect();
            let capacity = run
                .fit
                .capacity_bytes
                .map_or("unbounded".to_owned(), |b| Bytes(b).to_string());
            format!(
                "{}\n  = what must be in {} at once\n{each}{}",
                Bytes(run.fit.required_bytes),
                run.fit.memory,
                line("capacity", capacity)
            )
        }
        _ => return Err(unknown(figure, &FIGURES)),
    })
}

fn known(value: Option<f64>) -> String {
    value.map_or("n/a".to_owned(), |v| significant(v, 4))
}

fn line(name: &str, value: String) -> String {
    format!("    {name:<18} {value}\n")
}

fn phases(run: &StoredRun, of: impl Fn(&StoredTotals) -> String) -> String {
    let each = run.phases.iter();
    each.map(|p| line(&format!("{} x {}", p.phase, p.steps), of(p)))
        .collect()
}

fn parts(t: &StoredTotals) -> String {
    let each = t.energy_parts_j.0.iter();
    each.map(|(name, j)| format!("      {name:<16} {}\n", Joules(*j)))
        .collect()
}

fn longest(run: &StoredRun) -> String {
    let whole = |op: &StoredOperator| op.latency_s * op.count as f64;
    let sum: f64 = run.operators.iter().map(whole).sum();
    let mut all: Vec<&StoredOperator> = run.operators.iter().collect();
    all.sort_by(|a, b| whole(b).total_cmp(&whole(a)));
    let rows = all.iter().take(MOST).map(|op| {
        let share = percent(whole(op) / sum.max(f64::MIN_POSITIVE));
        line(
            &format!("{} {}", op.phase, op.name),
            format!("{share}, bound by {}", op.bound),
        )
    });
    format!("  the longest operators\n{}", rows.collect::<String>())
}

fn range(t: &StoredTotals) -> String {
    match (t.latency_error, t.grade) {
        (Some(error), Some(grade)) => {
            let measured = t.measured_share.map_or("n/a".to_owned(), percent);
            format!(
                "  range ± {}, grade {grade}: errors of held-out kernels, weighted by time; {measured} of the time was measured\n",
                percent(error)
            )
        }
        _ => "  no range: no kernel of this chip was measured\n".to_owned(),
    }
}

fn coverage(t: &StoredTotals) -> String {
    let share = t.coverage.energy.map_or("n/a".to_owned(), percent);
    format!("  covers {share} of the events\n")
}

fn of_operator(run: &StoredRun, figure: &str, name: &str) -> Result<String, Problems> {
    let found: Vec<&StoredOperator> = run.operators.iter().filter(|op| op.name == name).collect();
    if found.is_empty() {
        let message = format!("the run has no operator `{name}`");
        let problem = Problem::new(Code::Usage, message);
        let names = run.operators.iter().map(|op| op.name.as_str());
        return Err(match did_you_mean(name, names) {
            Some(hint) => problem.help(hint),
            None => problem.help("operators.csv beside the run lists all of them"),
        }
        .into());
    }
    let mut out = String::new();
    for op in found {
        out.push_str(&one_operator(run, figure, op).ok_or_else(|| unknown(figure, &OF_OPERATORS))?);
    }
    Ok(out)
}

fn one_operator(run: &StoredRun, figure: &str, op: &StoredOperator) -> Option<String> {
    let head = format!("{} ({}), executed {} times\n", op.name, op.phase, op.count);
    let memories = op.bytes.0.iter().map(|(name, bytes)| {
        let bandwidth = run.hardware.roofs.bandwidth_byte_per_s.get(name);
        let busy = bandwidth.copied().flatten().map_or(String::new(), |b| {
            format!(", {} at its full bandwidth", Seconds(bytes / b))
        });
        line(name, format!("{}{busy}", Bytes(*bytes)))
    });
    let memories: String = memories.collect();
    let mapping = op
        .mapping
        .as_ref()
        .map_or(String::new(), |m| line("mapping", m.clone()));
    let body = match figure {
        "latency" => {
            let light = op.roofline_latency_s / op.latency_s;
            let work = if op.flops > 0.0 {
                line("operations", significant(op.flops, 4))
            } else {
                String::new()
            };
            format!(
                "{}\n  = the longest busy time of engines, memories and links + what nothing hides + the launch\n{}{}{}{work}{memories}{mapping}",
                Seconds(op.latency_s),
                line("bound by", op.bound.clone()),
                line(
                    "roofline",
                    format!(
                        "{}: compulsory work at peak rates",
                        Seconds(op.roofline_latency_s)
                    )
                ),
                line(
                    "speed of light",
                    if light.is_finite() {
                        percent(light)
                    } else {
                        "n/a".to_owned()
                    }
                )
            )
        }
        "energy" => format!(
            "{}\n  = MACs and vector operations + bytes at each memory, at the voltage that the cap leaves; standing power apart\n{memories}",
            joules(op.energy_j)
        ),
        "power" => format!(
            "{}\n  = standing power + energy of events / time\n{}{}",
            watts(op.power_w),
            line("energy", joules(op.energy_j)),
            line("time", seconds(Some(op.latency_s)))
        ),
        "bytes" => format!("read and written at each memory, one execution\n{memories}{mapping}"),
        _ => return None,
    };
    Some(head + &body)
}

fn sources(run: &StoredRun) -> String {
    let chip = &run.hardware.name;
    let assumed = &run.hardware.assumed;
    let mut out = format!(
        "\n  sources: wattline show {chip}, or the chip's file; docs/assumptions.md for what is simplified\n"
    );
    if !assumed.is_empty() {
        let named: Vec<String> = assumed
            .iter()
            .take(MOST)
            .map(|a| format!("{} = {}", a.path, a.value))
            .collect();
        let more = assumed.len().saturating_sub(MOST);
        let more = if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        };
        out.push_str(&format!("  assumed: {}{more}\n", named.join(", ")));
    }
    out
}
