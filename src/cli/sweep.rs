//! `wattline sweep`: a design space to a Pareto front.

use std::io::{IsTerminal, stderr};
use std::path::{Path, PathBuf};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::catalog;
use crate::diag::{Code, Problem, Problems};
use crate::explore::{self, Plan, Point, Sink, Sweep};
use crate::record::{self, Manifest, SweepDocument, SweepManifest};

use super::args::{Format, SweepArgs};
use super::console::Console;
use super::start::Answer;
use super::{sweep_plot, sweep_text};

pub(super) fn command(
    args: &SweepArgs,
    console: &Console,
    words: &[String],
) -> Result<Answer, Problems> {
    let file = args.file.to_string_lossy();
    let (plan, mut warnings) = Plan::load(&catalog::sweep(&file)?, &args.sets)?;
    let folder = args
        .output_dir
        .clone()
        .unwrap_or_else(|| default_folder(&plan));
    let progress = Progress::new(plan.space.len(), args.no_progress || console.quiet);
    let sweep = explore::run(&plan, &progress)?;
    progress.bar.finish_and_clear();
    write(&folder, &plan, &sweep, words)?;
    present(args, console, &plan, &sweep, &folder)?;
    for problem in sweep.warnings {
        warnings.push(problem);
    }
    console.warn(&warnings.0);
    match sweep.verdict {
        // The document already carries it.
        Some(_) if console.format == Format::Json => Ok(Answer::No),
        Some(problem) => Err(problem.into()),
        None => Ok(Answer::Yes),
    }
}

/// `reports/<name>-<hash of the inputs>`.
fn default_folder(plan: &Plan) -> PathBuf {
    let hash = format!("{:016x}", plan.digest());
    Path::new("reports").join(format!("{}-{}", plan.name, &hash[..6]))
}

fn present(
    args: &SweepArgs,
    console: &Console,
    plan: &Plan,
    sweep: &Sweep,
    folder: &Path,
) -> Result<(), Problems> {
    let folder = folder.to_string_lossy().into_owned();
    match console.format {
        Format::Table => {
            console.print(&sweep_text::text(plan, sweep, &folder, args.ascii, console))
        }
        Format::Json => console.print(&record::to_json(&SweepDocument::of(plan, sweep, folder))),
        Format::Jsonl => {
            let document = SweepDocument::of(plan, sweep, folder);
            console.print(
                &document
                    .front
                    .iter()
                    .map(record::to_json_line)
                    .collect::<String>(),
            )
        }
        Format::Csv => console.print(&record::points_csv(plan, sweep, &sweep.front)),
        Format::Md => console.print(&sweep_text::markdown(plan, sweep)),
    }
}

/// All points, the front and its plot; `manifest.json` comes last.
fn write(folder: &Path, plan: &Plan, sweep: &Sweep, words: &[String]) -> Result<(), Problems> {
    let all: Vec<usize> = (0..sweep.points.len()).collect();
    let mut files = vec![
        (
            "points.jsonl".to_owned(),
            record::points_jsonl(plan, sweep).into_bytes(),
        ),
        (
            "points.csv".to_owned(),
            record::points_csv(plan, sweep, &all).into_bytes(),
        ),
        (
            "front.csv".to_owned(),
            record::points_csv(plan, sweep, &sweep.front).into_bytes(),
        ),
    ];
    files.extend(sweep_plot::files(plan, sweep)?);
    record::create_folder(folder)?;
    for (name, content) in &files {
        record::write_file(&folder.join(name), content)?;
    }
    let names = files.into_iter().map(|(name, _)| name).collect();
    let manifest = SweepManifest::of(plan, Manifest::now(words.to_vec(), names));
    record::write_file(
        &folder.join("manifest.json"),
        record::to_json(&manifest).as_bytes(),
    )
}

/// A bar on standard error where that is a terminal.
struct Progress {
    bar: ProgressBar,
}

impl Progress {
    fn new(points: usize, hidden: bool) -> Self {
        let bar = ProgressBar::new(points as u64);
        if hidden || !stderr().is_terminal() {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        if let Ok(style) =
            ProgressStyle::with_template("  {bar:20} {pos}/{len}  {elapsed} of {duration}")
        {
            bar.set_style(style);
        }
        Self { bar }
    }
}

impl Sink for Progress {
    fn point(&self, _point: &Point) {
        self.bar.inc(1);
    }
}

/// What cannot be drawn is a fault of ours.
pub(super) fn undrawn(error: &crate::report::plot::PlotError) -> Problems {
    Problem::new(Code::Internal, format!("the plot cannot be drawn: {error}")).into()
}
