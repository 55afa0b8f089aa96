//! A sweep as people read it: what was asked, the front, what matters, where the files are.

use crate::explore::{Effect, Plan, Step, Sweep};
use crate::report::{Cell, Column, Table, ascii};
use crate::simulate::Metric;
use crate::units::{count, significant};

use super::console::{Console, width};
use super::operators::short;
use super::sweep_plot;

/// Most designs of a front that are printed.
const MAX_ROWS: usize = 16;

/// Everything, for a terminal.
pub(super) fn text(
    plan: &Plan,
    sweep: &Sweep,
    (folder, more): (&str, &str),
    plot: bool,
    console: &Console,
) -> String {
    let mut out = format!("{}\n  {}\n", headline(plan, sweep), counts(sweep));
    if plot {
        let scatter = sweep_plot::scatter(plan, sweep);
        out.push_str(&format!(
            "\n{}",
            ascii::scatter(&scatter, ascii::Letters::Unicode)
        ));
    }
    if !sweep.front.is_empty() {
        let (table, left_out) = table(plan, sweep);
        out.push('\n');
        for line in table.text(width()).lines() {
            out.push_str(&format!("  {line}\n"));
        }
        if left_out > 0 {
            let line = format!("{left_out} more designs are in front.csv");
            out.push_str(&format!("  {}\n", console.dim(&line)));
        }
    }
    let matters = matters(plan, sweep);
    if !matters.is_empty() {
        out.push_str(&format!(
            "\n  what matters   {}\n",
            matters.join("\n                 ")
        ));
    }
    if let (Some(first), Some(last)) = (sweep.history.first(), sweep.history.last()) {
        out.push_str(&format!(
            "\n  evolution   {} generations: hypervolume {} → {} of the box between the best and the worst feasible figures\n",
            sweep.history.len(),
            significant(first.hypervolume, 3),
            significant(last.hypervolume, 3)
        ));
    }
    out.push_str(more);
    let next = match sweep.knee.filter(|_| !console.quiet) {
        Some(_) => format!(
            "   ·   next: open {folder}/report.html in a browser, or read {folder}/points.csv"
        ),
        None => String::new(),
    };
    out.push_str(&format!("saved {folder}{next}\n"));
    out
}

/// Headline and front, for a page.
pub(super) fn markdown(plan: &Plan, sweep: &Sweep) -> String {
    let (table, _) = table(plan, sweep);
    let matters = matters(plan, sweep)
        .iter()
        .map(|m| format!("- {m}\n"))
        .collect::<String>();
    format!(
        "{}\n\n{}\n\n{}\n{matters}",
        headline(plan, sweep),
        counts(sweep),
        table.md()
    )
}

/// `resnet-50 0.7 + mobilenet-v2 0.3`.
pub(super) fn mix(plan: &Plan) -> String {
    let weight = |w: f64| {
        if plan.jobs.len() == 1 {
            String::new()
        } else {
            format!(" {}", significant(w, 3))
        }
    };
    let jobs = plan
        .jobs
        .iter()
        .map(|j| format!("{}{}", j.workload.name, weight(j.weight)));
    jobs.collect::<Vec<_>>().join(" + ")
}

fn headline(plan: &Plan, sweep: &Sweep) -> String {
    let counted = |n: usize, one: &str, many: &str| {
        format!("{} {}", count(n as u64), if n == 1 { one } else { many })
    };
    let mut parts = vec![
        plan.name.clone(),
        counted(plan.space.axes.len(), "axis", "axes"),
        match sweep.points.len() == plan.space.len() {
            true => counted(sweep.points.len(), "point", "points"),
            false => format!(
                "{} of {} points",
                count(sweep.points.len() as u64),
                count(plan.space.len() as u64)
            ),
        },
        mix(plan),
    ];
    if !plan.constraints.is_empty() {
        let limits: Vec<String> = plan.constraints.iter().map(ToString::to_string).collect();
        parts.push(format!("require {}", limits.join(", ")));
    }
    parts.join(" · ")
}

fn counts(sweep: &Sweep) -> String {
    let infeasible = sweep.points.len() - sweep.feasible;
    let mut text = format!(
        "feasible {} · infeasible {}",
        count(sweep.feasible as u64),
        count(infeasible as u64)
    );
    if infeasible > 0 {
        let each = sweep
            .infeasible
            .iter()
            .map(|c| format!("{} {}", c.name, count(c.points as u64)));
        text.push_str(&format!(" ({})", each.collect::<Vec<_>>().join(", ")));
    }
    text
}

/// What each named front point is known for: `fastest`, `knee`, ...
pub(super) fn marks(plan: &Plan, sweep: &Sweep) -> Vec<(usize, String)> {
    let mut marks: Vec<(usize, Vec<&str>)> = Vec::new();
    let mut add = |point: usize, word: &'static str| match marks.iter_mut().find(|m| m.0 == point) {
        Some(mark) => mark.1.push(word),
        None => marks.push((point, vec![word])),
    };
    if sweep.front.len() > 1 {
        for &metric in &plan.objectives {
            if let Some(best) = sweep.best(metric) {
                add(best, superlative(metric));
            }
        }
    }
    if let Some(knee) = sweep.knee {
        add(knee, "knee");
    }
    marks.sort_by_key(|m| m.0);
    marks
        .into_iter()
        .map(|(point, words)| (point, words.join(", ")))
        .collect()
}

fn superlative(metric: Metric) -> &'static str {
    match metric {
        Metric::Latency => "fastest",
        Metric::Ttft => "least TTFT",
        Metric::Tpot => "least TPOT",
        Metric::Throughput | Metric::SampleRate => "most throughput",
        Metric::Energy => "least energy",
        Metric::EnergyPerToken => "least energy per token",
        Metric::EnergyPerSample => "least energy per sample",
        Metric::Power => "least power",
        Metric::PeakPower => "least peak power",
        Metric::Utilization => "best utilized",
        Metric::Area => "smallest",
        Metric::Memory => "least memory",
    }
}

/// The front, in the order of the first objective, and how many designs are left out.
fn table(plan: &Plan, sweep: &Sweep) -> (Table, usize) {
    let metrics = metrics(plan);
    let varied: Vec<usize> = (0..plan.space.axes.len())
        .filter(|&a| plan.space.axes[a].choices.len() > 1)
        .collect();
    let mut columns = vec![Column::number("point", "#")];
    columns.extend(varied.iter().map(|&a| {
        let label = plan.space.axes[a].label();
        Column::text(label.clone(), label)
    }));
    columns.extend(
        metrics
            .iter()
            .map(|m| Column::number(m.name(), m.name().replace('_', " "))),
    );
    columns.push(Column::text("note", "note"));
    let names: Vec<String> = plan.objectives.iter().map(|m| goal(*m)).collect();
    let brackets = if plan.jobs.len() > 1 {
        "; worst workload in brackets"
    } else {
        ""
    };
    let n = sweep.front.len();
    let designs = if n == 1 {
        "1 design".to_owned()
    } else {
        format!("{n} designs")
    };
    let mut table = Table::new(
        format!("Pareto: {designs} ({}{brackets})", names.join(", ")),
        columns,
    );
    let marks = marks(plan, sweep);
    let rows = rows(plan, sweep, &marks);
    for &i in &rows {
        let Some(point) = sweep.at(i) else { continue };
        let mut row = vec![Cell::number(i as f64, i.to_string())];
        row.extend(
            varied
                .iter()
                .map(|&a| Cell::text(plan.space.choice(a, i).shown.clone())),
        );
        row.extend(metrics.iter().map(|&m| {
            let worst = point
                .worst(m)
                .filter(|w| plan.jobs.len() > 1 && point.mean(m) != Some(*w));
            Cell::maybe(point.mean(m), |v| {
                let bracket = worst.map_or(String::new(), |w| format!(" [{}]", short(&m.show(w))));
                format!("{}{bracket}", short(&m.show(v)))
            })
        }));
        let note = marks
            .iter()
            .find(|m| m.0 == i)
            .map_or(String::new(), |m| m.1.clone());
        let suggested = if sweep.knee == Some(i) {
            "  ← suggested"
        } else {
            ""
        };
        row.push(Cell::text(format!("{note}{suggested}")));
        table.push(row);
    }
    (table, n - rows.len())
}

fn goal(metric: Metric) -> String {
    let verb = if metric.is_maximized() {
        "maximize"
    } else {
        "minimize"
    };
    format!("{verb} {metric}")
}

/// Objectives, then area and power.
fn metrics(plan: &Plan) -> Vec<Metric> {
    let mut all = plan.objectives.clone();
    for metric in [Metric::Area, Metric::Power] {
        if !all.contains(&metric) {
            all.push(metric);
        }
    }
    all
}

/// Front points to print: those with a name, and others spread evenly between them.
fn rows(plan: &Plan, sweep: &Sweep, marks: &[(usize, String)]) -> Vec<usize> {
    let cost = |i: &usize| {
        sweep
            .at(*i)
            .map_or(f64::NAN, |p| p.costs(&plan.objectives[..1])[0])
    };
    let mut all = sweep.front.clone();
    all.sort_by(|a, b| cost(a).total_cmp(&cost(b)).then(a.cmp(b)));
    if all.len() <= MAX_ROWS {
        return all;
    }
    let room = MAX_ROWS - marks.len().min(MAX_ROWS);
    let spread: Vec<usize> = (0..room)
        .map(|k| all[k * (all.len() - 1) / room.max(2)])
        .collect();
    all.retain(|i| spread.contains(i) || marks.iter().any(|m| m.0 == *i));
    all
}

/// One line per axis, the strongest first; weak and idle axes share the last one.
fn matters(plan: &Plan, sweep: &Sweep) -> Vec<String> {
    let mut lines = Vec::new();
    let mut weak: Vec<String> = Vec::new();
    for effect in &sweep.effects {
        let label = plan.space.axes[effect.axis].label();
        if effect.strength() < 0.01 {
            weak.push(label);
        } else {
            lines.push(format!("{} → {}", step(plan, effect), changes(effect)));
        }
    }
    if !weak.is_empty() {
        lines.push(format!(
            "{}: less than 1 % on any objective",
            weak.join(", ")
        ));
    }
    lines
}

fn step(plan: &Plan, effect: &Effect) -> String {
    let axis = &plan.space.axes[effect.axis];
    let label = axis.label();
    match effect.step {
        Step::Times(ratio) => format!("{label} ×{}", significant(ratio, 2)),
        Step::FromTo(from, to) => {
            let (from, to) = (&axis.choices[from].shown, &axis.choices[to].shown);
            format!("{label} {from} to {to}")
        }
    }
}

fn changes(effect: &Effect) -> String {
    let each = effect.ratios.iter().map(|(metric, ratio)| match ratio {
        Some(ratio) => format!("{metric} {}", change(*ratio)),
        None => format!("{metric} not known"),
    });
    each.collect::<Vec<_>>().join(", ")
}

/// `−18 %`, or `×2.5` where a percentage would be hard to read.
fn change(ratio: f64) -> String {
    let percent = (ratio - 1.0) * 100.0;
    if percent >= 100.0 {
        return format!("×{}", significant(ratio, 2));
    }
    if percent.abs() < 0.5 {
        return "±0 %".to_owned();
    }
    let sign = if percent > 0.0 { '+' } else { '−' };
    format!("{sign}{:.0} %", percent.abs())
}
