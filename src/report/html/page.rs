//! The page around the figures.

use serde_json::{Value, json};

use crate::record::{StoredManifest, StoredPoint, StoredRun, StoredSweep};
use crate::units::count;

use super::pack::pack;
use super::run::compact;

const STYLE: &str = include_str!("report.css");
const SCRIPT: &str = include_str!("report.js");

/// The page of a sweep.
pub fn of_sweep(sweep: &StoredSweep) -> String {
    let space = &sweep.space;
    let packed = pack(sweep);
    let designs = sweep.designs.iter().map(|design| {
        json!({
            "point": design.point,
            "why": design.why,
            "runs": design.runs.iter().map(compact).collect::<Vec<_>>(),
        })
    });
    let warnings = space.errors.iter().chain(&space.warnings);
    let jobs = space.workloads.iter();
    let data = json!({
        "name": space.name,
        "command": command(&sweep.manifest),
        "columns": packed.columns,
        "points": packed.points,
        "reasons": packed.reasons,
        "infeasible": space.infeasible.0,
        "total": space.points,
        "left_out": packed.left_out,
        "objectives": space.objectives,
        "jobs": jobs.map(|j| json!({ "name": j.name, "weight": j.weight })).collect::<Vec<_>>(),
        "designs": designs.collect::<Vec<_>>(),
        "analysis": sweep.analysis,
        "warnings": warnings.map(|w| format!("{} {}", w.code, w.message)).collect::<Vec<_>>(),
        "inputs": sweep.manifest.inputs.0,
        "runMetrics": [],
    });
    let n_front = sweep.points.iter().filter(|p| p.is_on_front).count();
    let title = format!("{} on {}", space.name, space.hardware);
    page(&title, &verdict(sweep, n_front), &sweep.manifest, &data)
}

/// The page of one run.
pub fn of_run(run: &StoredRun, manifest: &StoredManifest) -> String {
    let workload = &run.workload;
    let title = format!("{} on {}", workload.name, run.hardware.name);
    let metric = |key: &str, label: &str, unit: &str, doc: &str, main: u8| json!({ "key": key, "label": label, "unit": unit, "doc": doc, "main": main == 1 });
    let assumed = run.hardware.assumed.len();
    let data = json!({
        "name": format!("{}-{}", workload.name, run.hardware.name),
        "command": command(manifest),
        "columns": [],
        "points": null,
        "designs": [{ "point": 0, "why": "", "runs": [compact(run)] }],
        "analysis": null,
        "warnings": run.warnings.iter().map(|w| format!("{} {}", w.code, w.message)).collect::<Vec<_>>(),
        "inputs": manifest.inputs.0,
        "assumed": assumed,
        "runMetrics": [
            metric("latency_s", "latency", "s", "Time of the whole scenario: one batch, all phases.", 1),
            metric("ttft_s", "ttft", "s", "Time to the first token.", 1),
            metric("tpot_s", "tpot", "s", "(end - first token) / (output - 1).", 1),
            metric("tokens_per_s", "throughput", "tok/s", "Output tokens of all sequences per second, prefill included; in training, tokens learned from.", 0),
            metric("energy_j", "energy", "J", "Dynamic and static energy of the whole scenario.", 1),
            metric("energy_per_output_token_j", "energy per token", "J", "Energy of the whole scenario per output token.", 0),
            metric("average_power_w", "power", "W", "Energy over latency.", 0),
            metric("peak_power_w", "peak power", "W", "Power of the hungriest operator, at the clock that the cap leaves.", 0),
            metric("mac_utilization", "utilization", "share", "Useful MACs over what the peak rate would do in the latency.", 0),
        ],
    });
    let totals = &run.totals;
    let fits = if run.fit.fits { "Fits" } else { "Does not fit" };
    let batch = workload
        .batch
        .map_or(String::new(), |n| format!(", batch {n}"));
    let grade = totals
        .grade
        .map_or(String::new(), |g| format!(" The time has grade {g}."));
    let verdict = format!(
        "{fits} in {}; {}{batch}.{grade}",
        run.fit.memory, workload.phase
    );
    page(&title, &verdict, manifest, &data)
}

fn verdict(sweep: &StoredSweep, n_front: usize) -> String {
    let space = &sweep.space;
    let whole = count(space.points as u64);
    if space.feasible == 0 {
        let why = space
            .errors
            .first()
            .map_or(String::new(), |e| format!(": {}", e.message));
        return format!("None of {whole} designs is feasible{why}.");
    }
    let label = |key: &String| {
        let column = space.columns.iter().find(|c| c.key == *key);
        column.map_or(key.clone(), |c| c.label.clone())
    };
    let goals: Vec<String> = space.objectives.iter().map(label).collect();
    let goals = goals.join(", ");
    let limits = if space.constraints.is_empty() {
        String::new()
    } else {
        format!(" with {}", space.constraints.join(", "))
    };
    let knee = space
        .knee
        .and_then(|k| sweep.points.iter().find(|p| p.index == k));
    let suggested = knee.map_or(String::new(), |k| {
        format!(" Suggested: #{} ({}).", k.index, describe(sweep, k))
    });
    format!(
        "{n_front} of {whole} designs are on the front of {goals}{limits}; {} are feasible.{suggested}",
        count(space.feasible as u64)
    )
}

fn describe(sweep: &StoredSweep, point: &StoredPoint) -> String {
    let steps = sweep.space.steps(point.index);
    let axes = sweep.space.axes.iter().zip(steps);
    let named = axes.map(|(axis, step)| {
        let path = axis
            .set
            .first()
            .map_or("", |p| p.rsplit('.').next().unwrap_or(p));
        let value = axis.values.get(step).map_or("", String::as_str);
        format!("{path} {value}")
    });
    named.collect::<Vec<_>>().join(", ")
}

/// As a user would type it.
fn command(manifest: &StoredManifest) -> String {
    let quoted = |word: &String| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=,:#".contains(c);
        if !word.is_empty() && word.chars().all(plain) {
            word.clone()
        } else {
            format!("'{}'", word.replace('\'', "'\\''"))
        }
    };
    let words = manifest.command.iter().map(quoted);
    std::iter::once("wattline".to_owned())
        .chain(words)
        .collect::<Vec<_>>()
        .join(" ")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// Panels: identifier, width, heading.
const PANELS: [(&str, &str, &str); 10] = [
    ("p1", "", "Key figures"),
    ("p2", "half", "Pareto"),
    ("p3", "half", "All axes and goals"),
    ("p4", "", "Designs"),
    ("p5", "half", "Roofline"),
    ("p6", "half", "Where time and energy go"),
    ("p7", "half", "Memory"),
    ("p8", "half", "Sensitivity"),
    ("p9", "half", "Workload mix and drift"),
    ("p10", "half", "What the figures are worth"),
];

fn page(title: &str, verdict: &str, manifest: &StoredManifest, data: &Value) -> String {
    let is_sweep = !data["points"].is_null();
    let needs_points = ["p2", "p3", "p4"];
    let panels = PANELS
        .iter()
        .filter(|p| is_sweep || !needs_points.contains(&p.0));
    let panels = panels.map(|(id, width, heading)| {
        format!(
            "<section id=\"{id}\" class=\"{width}\" aria-label=\"{heading}\"><h2>{heading} <small></small><span class=\"ctl tools\"></span></h2><div class=\"body\"></div></section>\n"
        )
    });
    // The object may hold any text; nothing in it ends the element.
    let json = data.to_string().replace('<', "\\u003c");
    let (title, verdict) = (escaped(title), escaped(verdict));
    let made = escaped(&format!(
        "wattline {} · {} · {}",
        manifest.version,
        manifest.date,
        command(manifest)
    ));
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <header><div><h1>{title}</h1><p class=\"verdict\">{verdict}</p><p class=\"meta\">{made}</p></div>\n\
         <div class=\"tools\"><button id=\"copy\">Copy command</button><button id=\"csv\">CSV</button><button id=\"json\">JSON</button><button id=\"svg\">SVG</button><button id=\"theme\">Light / dark</button></div></header>\n\
         <noscript><p>The charts need JavaScript; the tables lie beside this page as CSV.</p></noscript>\n\
         <main>\n{}</main>\n<dialog id=\"why\"></dialog>\n<script type=\"application/json\" id=\"data\">{json}</script>\n<script>\n{SCRIPT}</script>\n</body>\n</html>\n",
        panels.collect::<String>()
    )
}
