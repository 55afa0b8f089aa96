//! `wattline sweep`: a design space to a Pareto front.

use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::catalog;
use crate::diag::{Code, Problem, Problems};
use crate::explore::{self, Plan, Shard, Strategy, Sweep};
use crate::record::{
    self, AnalysisDocument, DesignPart, DesignsDocument, JOURNAL, Journal, Manifest, Stored,
    SweepDocument, SweepManifest,
};

use crate::units::count;

use super::args::{Format, MergeArgs, SweepArgs};
use super::console::Console;
use super::start::Answer;
use super::sweep_analysis::{self, Analysis};
use super::sweep_progress::Progress;
use super::{emit, report, sweep_plot, sweep_text};

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
    if let Some(system) = args.emit {
        let shown = folder.to_string_lossy();
        console.print(&emit::script(system, args, &plan.name, &shown))?;
        return Ok(Answer::Yes);
    }
    let journal = Journal::open(&folder, args.fresh)?;
    if args.resume && journal.is_empty() {
        let message = format!("`{}` has no run to go on with", folder.display());
        return Err(Problem::new(Code::Reference, message)
            .help("leave --resume out; -o names the folder of a run")
            .into());
    }
    let hidden = args.no_progress || console.quiet;
    if let Some(shard) = args
        .shard
        .map_or_else(shard_of_array, |shard| Ok(Some(shard)))?
    {
        return part(&plan, &journal, shard, &folder, console, hidden);
    }
    finish(
        &plan,
        &mut warnings,
        &journal,
        args,
        &folder,
        console,
        words,
    )
}

/// Prices the points of a shard into the journal of its folder.
fn part(
    plan: &Plan,
    journal: &Journal,
    shard: Shard,
    folder: &Path,
    console: &Console,
    hidden: bool,
) -> Result<Answer, Problems> {
    if matches!(plan.strategy, Strategy::Evolve { .. }) {
        let message = "an evolution cannot be shared out: each generation needs the one before";
        let problem = Problem::new(Code::Usage, message);
        return Err(problem
            .help("share out kind = \"sample\" or \"exact\"")
            .into());
    }
    let of_shard = (0..plan.work()).filter(|i| shard.has(*i)).count();
    let progress = Progress::new(of_shard, &plan.objectives, hidden);
    let count = explore::run_shard(plan, &progress, journal, shard);
    let count = saved(count, &progress, journal, of_shard, "the same command")?;
    let (nth, of, shown) = (shard.nth, shard.of, folder.display());
    console.note(&format!(
        "shard {nth} of {of}: {of_shard} points, computed {}, in {shown}\n\
         next: wattline merge FILE.toml FOLDER... -o DIR   joins all shards\n",
        count.priced
    ));
    Ok(Answer::Yes)
}

/// Writes what the journal still holds; an interruption says how far the run is and how it goes on.
fn saved<T>(
    run: Result<T, Problems>,
    progress: &Progress,
    journal: &Journal,
    points: usize,
    next: &str,
) -> Result<T, Problems> {
    progress.finish();
    journal.finish()?;
    run.map_err(|problems| {
        let is_stop = |p: &Problem| p.code == Code::Interrupted;
        if !problems.0.iter().any(is_stop) {
            return problems;
        }
        let (done, all) = (count(progress.done() as u64), count(points as u64));
        let message = format!("interrupted after {done} of {all} points. Saved.");
        let problem = Problem::new(Code::Interrupted, message);
        problem.help(format!("continue with: {next}")).into()
    })
}

/// Prices what is not known, sums up, writes and shows.
fn finish(
    plan: &Plan,
    warnings: &mut Problems,
    journal: &Journal,
    args: &SweepArgs,
    folder: &Path,
    console: &Console,
    words: &[String],
) -> Result<Answer, Problems> {
    let hidden = args.no_progress || console.quiet;
    let progress = Progress::new(plan.work(), &plan.objectives, hidden);
    let run = explore::run(plan, &progress, journal);
    let place = match &args.output_dir {
        Some(folder) => format!(" -o {}", folder.display()),
        None => String::new(),
    };
    let next = format!("wattline sweep {}{place} --resume", args.file.display());
    let (sweep, count) = saved(run, &progress, journal, plan.work(), &next)?;
    let analysis = sweep_analysis::of(plan, &sweep, args.analyze);
    write(folder, plan, &sweep, &analysis, words)?;
    present(args, console, plan, &sweep, &analysis, folder)?;
    if count.known > 0 {
        let (known, priced) = (count.known, count.priced);
        console.note(&format!("reused {known} points, computed {priced}\n"));
    }
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

/// Joins the journals of shards, prices what none of them has, and writes the whole sweep.
pub(super) fn merge(
    args: &MergeArgs,
    console: &Console,
    words: &[String],
) -> Result<Answer, Problems> {
    let file = args.sweep.file.to_string_lossy();
    let (plan, mut warnings) = Plan::load(&catalog::sweep(&file)?, &args.sweep.sets)?;
    let folder = args.sweep.output_dir.clone();
    let folder = folder.unwrap_or_else(|| default_folder(&plan));
    let mut journal = Journal::open(&folder, args.sweep.fresh)?;
    for run in &args.runs {
        journal.take_in(run)?;
    }
    finish(
        &plan,
        &mut warnings,
        &journal,
        &args.sweep,
        &folder,
        console,
        words,
    )
}

/// Task and number of tasks of a cluster's array job: Slurm, LSF, SGE.
const ARRAYS: [(&str, &str); 3] = [
    ("SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT"),
    ("LSB_JOBINDEX", "LSB_JOBINDEX_END"),
    ("SGE_TASK_ID", "SGE_TASK_LAST"),
];

/// The shard of this process, where a cluster started it as one of an array numbered from 1.
fn shard_of_array() -> Result<Option<Shard>, Problems> {
    let number = |name: &str| std::env::var(name).ok()?.parse::<usize>().ok();
    let found = ARRAYS.iter().find_map(|(nth, of)| {
        let pair = (number(nth)?, number(of)?);
        Some((*nth, pair)).filter(|(_, (nth, of))| *nth > 0 && *of > 1)
    });
    match found {
        Some((name, (nth, of))) if nth > of => {
            let message = format!("{name} is {nth}, but the array has {of} tasks");
            Err(Problem::new(Code::Usage, message)
                .help("number the tasks of the array from 1, or give --shard")
                .into())
        }
        Some((_, (nth, of))) => Ok(Some(Shard { nth, of })),
        None => Ok(None),
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
    analysis: &Analysis,
    folder: &Path,
) -> Result<(), Problems> {
    let folder = folder.to_string_lossy().into_owned();
    match console.format {
        Format::Table => {
            let more = sweep_analysis::text(plan, sweep, analysis);
            console.print(&sweep_text::text(
                plan,
                sweep,
                (&folder, &more),
                args.ascii,
                console,
            ))
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

/// Points up to which JSON lines are written beside the table.
const MOST_LINES: usize = 100_000;

/// All points, the front and its plot; `manifest.json` comes last.
fn write(
    folder: &Path,
    plan: &Plan,
    sweep: &Sweep,
    analysis: &Analysis,
    words: &[String],
) -> Result<(), Problems> {
    record::create_folder(folder)?;
    let mut names = Vec::new();
    let mut place = |name: &str| {
        names.push(name.to_owned());
        folder.join(name)
    };
    if sweep.points.len() <= MOST_LINES {
        let lines = record::points_jsonl(plan, sweep);
        record::write_blocks(&place("points.jsonl"), lines)?;
    }
    record::write_blocks(&place("points.csv"), record::all_points_csv(plan, sweep))?;
    let front = record::points_csv(plan, sweep, &sweep.front);
    record::write_file(&place("front.csv"), front.as_bytes())?;
    for (name, content) in sweep_plot::files(plan, sweep)? {
        record::write_file(&place(&name), &content)?;
    }
    let document = SweepDocument::of(plan, sweep, folder.to_string_lossy().into_owned());
    let text = record::to_json(&document);
    record::write_file(&place("sweep.json"), text.as_bytes())?;
    let designs = record::to_json_line(&designs(plan, sweep));
    record::write_file(&place("designs.json"), designs.as_bytes())?;
    let Analysis {
        designs,
        regrets,
        drifts,
    } = analysis;
    let found = AnalysisDocument::of(plan, designs, regrets, drifts);
    let text = record::to_json_line(&found);
    record::write_file(&place("analysis.json"), text.as_bytes())?;
    names.extend([JOURNAL.to_owned(), report::PAGE.to_owned()]);
    let manifest = SweepManifest::of(plan, Manifest::now(words.to_vec(), names));
    let manifest = record::to_json(&manifest);
    record::write_file(&folder.join("manifest.json"), manifest.as_bytes())?;
    // From what is stored, as `report` would draw it.
    let page = report::text(&Stored::open(folder)?);
    record::write_file(&folder.join(report::PAGE), page.as_bytes())
}

/// Designs in full. One that cannot be priced a second time cannot be on the front.
fn designs(plan: &Plan, sweep: &Sweep) -> DesignsDocument {
    let notable = sweep.notable(plan);
    let priced = notable.par_iter().filter_map(|(point, why)| {
        let detail = explore::detail(plan, *point).ok()?;
        Some(DesignPart::of(*point, why, &detail))
    });
    DesignsDocument {
        schema: record::SCHEMA,
        designs: priced.collect(),
    }
}

/// What cannot be drawn is a fault of ours.
pub(super) fn undrawn(error: &crate::report::plot::PlotError) -> Problems {
    Problem::new(Code::Internal, format!("the plot cannot be drawn: {error}")).into()
}
