//! What can be typed, and its help.

use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

use crate::compare::Gate;
use crate::explore::Shard;
use crate::mapper::exact::Aim;
use crate::simulate::{Constraint, Fidelity};
use crate::units::{ByteStyle, Dimension, Quantity};
use crate::workload::{Phase, Precision};

const EXAMPLES: &str = "\
Examples:
  wattline fit llama-3.1-8b --on h100-sxm --context 32768    does it fit, what would make it fit
  wattline run llama-3.1-8b --on h100-sxm --batch 8          time, watts, use per operator
  wattline run model.onnx --on chip.toml -o reports/mine     the same with CSV, JSON and plots
  wattline show resnet-50                                    parameters, MACs, bytes of a model
  wattline list chips                                        the catalog
";

const RUN_EXAMPLES: &str = "\
Examples:
  wattline run llama-3.1-8b --on h100-sxm --prompt 2048 --output 512 --dtype fp8
  wattline run llama-3.1-8b --on h100-sxm --phase decode --batch 32 --top 10
  wattline run model.onnx --on edge-npu --shape input=1x3x224x224 --set glb='1 MiB'
  wattline run llama-3.1-8b --on h100-sxm --require 'ttft<300ms, power<350W'
  wattline run resnet-50 --on edge-npu --json
";

const FIT_EXAMPLES: &str = "\
Examples:
  wattline fit llama-3.1-8b --on h100-sxm --context 131072
  wattline fit llama-3.1-70b --on h100-sxm --batch 4 --dtype w=int4,kv=fp8
  wattline fit path/to/config.json --on jetson-agx-orin --json
";

const SWEEP_EXAMPLES: &str = "\
Examples:
  wattline sweep examples/edge-npu.toml
  wattline sweep examples/edge-npu.toml --set power.cap='1 W' -o reports/capped --ascii
  wattline sweep examples/edge-npu.toml --json
";

const EXPLAIN_EXAMPLES: &str = "\
Examples:
  wattline explain E0102
  wattline explain reports/llama latency
  wattline explain reports/edge-npu-7f3a91#knee energy --workload resnet-50";

const DIFF_EXAMPLES: &str = "\
Examples:
  wattline diff reports/edge-npu-7f3a91#knee reports/edge-npu-7f3a91#472
  wattline diff before after --fail-if 'latency>+2%' --fail-if 'energy>+5%'";

const REPORT_EXAMPLES: &str = "\
Examples:
  wattline report reports/edge-npu-7f3a91                     # reports/edge-npu-7f3a91/report.html
  wattline report reports/edge-npu-7f3a91 --format md         # the front, for a pull request
  wattline run llama-3.1-8b --on h100-sxm -o reports/llama && wattline report reports/llama";

const SHOW_EXAMPLES: &str = "\
Examples:
  wattline show llama-3.1-8b
  wattline show model.onnx --shape input=1x3x224x224
  wattline show h100-sxm --json
";

const MAP_EXAMPLES: &str = "\
Examples:
  wattline map examples/conv.toml --on edge-npu
  wattline map examples/conv.toml --on edge-npu --set glb='256 KiB' --json
";

const VALIDATE_EXAMPLES: &str = "\
Examples:
  wattline validate                                  the measurements that come with the command
  wattline validate --op gemm -v                     one operator, by size
  wattline validate measured.csv --on my-chip.toml -o reports/mine
";

const CALIBRATE_EXAMPLES: &str = "\
Examples:
  wattline calibrate measured.csv --on h100-sxm
  wattline calibrate measured.csv --on my-chip.toml -o my-chip-fitted.toml
";

/// Latency, watts and utilization of AI models on chips, before either exists.
#[derive(Debug, Parser)]
#[command(name = "wattline", version, before_help = EXAMPLES, max_term_width = 100)]
pub(super) struct Arguments {
    #[command(flatten)]
    pub(super) global: Global,
    #[command(subcommand)]
    pub(super) command: Command,
}

/// Settings of every command.
#[derive(Args, Clone, Debug)]
pub(super) struct Global {
    /// Short for --format json
    #[arg(
        long,
        global = true,
        conflicts_with = "format",
        help_heading = "Output"
    )]
    json: bool,
    /// How results are printed
    #[arg(long, global = true, value_enum, help_heading = "Output")]
    format: Option<Format>,
    /// No warnings and hints
    #[arg(
        short,
        long,
        global = true,
        conflicts_with = "verbose",
        help_heading = "Output"
    )]
    pub(super) quiet: bool,
    /// Also what was assumed, and full sources
    #[arg(short, long, global = true, help_heading = "Output")]
    pub(super) verbose: bool,
    /// Colors; NO_COLOR and TERM=dumb are honored
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto, help_heading = "Output")]
    pub(super) color: Color,
    /// Sizes in powers of 1000 (si: GB) or 1024 (iec: GiB)
    #[arg(long, global = true, value_enum, default_value_t = Units::Iec, help_heading = "Output")]
    pub(super) units: Units,
    /// Threads [default: all cores]; results do not depend on it
    #[arg(short, long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) jobs: Option<u16>,
    /// Warnings make the exit code 1
    #[arg(long, global = true, help_heading = "Output")]
    pub(super) strict: bool,
}

impl Global {
    pub(super) fn format(&self) -> Format {
        if self.json {
            return Format::Json;
        }
        self.format.unwrap_or(Format::Table)
    }
}

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people
    Table,
    /// One document
    Json,
    /// One object per row
    Jsonl,
    /// Comma-separated, SI units in the header
    Csv,
    /// GitHub Markdown
    Md,
}

/// When to color.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Color {
    Auto,
    Always,
    Never,
}

/// How sizes are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Units {
    Si,
    Iec,
}

impl Units {
    pub(super) fn style(self) -> ByteStyle {
        match self {
            Self::Si => ByteStyle::Si,
            Self::Iec => ByteStyle::Iec,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Does it fit, how much room is left, what would make it fit (exit 1: does not fit)
    Fit(FitArgs),
    /// Latency, energy, power and utilization, in total and per operator (exit 1: does not fit, or a
    /// --require or the deadline is not met)
    Run(RunArgs),
    /// A design space to a Pareto front (exit 1: no design meets the constraints)
    Sweep(SweepArgs),
    /// A page with linked charts, or tables, from the folder of a sweep or run; nothing is computed anew
    Report(ReportArgs),
    /// What changed between two stored results, by how much, and why (exit 1: a --fail-if was hit)
    Diff(DiffArgs),
    /// Joins the shards of a sweep (exit 1: no design meets the constraints)
    Merge(MergeArgs),
    /// What is known of a model or a chip
    Show(ShowArgs),
    /// One Einsum on one chip: a loop nest, what it moves and costs (exit 1: a tile does not fit)
    Map(MapArgs),
    /// Prices a table of single operators, such as measured ones
    Ops(OpsArgs),
    /// Fits a chip's coefficients to measurements of it, and says how far off shapes are that were held out
    Calibrate(CalibrateArgs),
    /// Predictions against measured figures (exit 1: an error is above its stated band)
    Validate(ValidateArgs),
    /// The catalog and the vocabulary
    List(ListArgs),
    /// Reads chip and model files and reports every problem, without simulating (exit 1: findings)
    Check(CheckArgs),
    /// What a problem code means, or where a figure of a stored run comes from
    Explain(ExplainArgs),
    /// Completion script for a shell
    Completions(CompletionsArgs),
}

/// How a model is bound.
#[derive(Args, Clone, Debug)]
pub(super) struct ModelArgs {
    /// Sequences or samples at once [default: 1]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) batch: Option<u64>,
    /// bf16, fp8, int4, ..., or by role: w=int4,a=bf16,kv=fp8 [default: the model's own]
    #[arg(long)]
    pub(super) dtype: Option<Precision>,
    /// Value of an open dimension of an ONNX graph; NODE:out=1x128 and NODE:trips=8 for what depends on data; repeatable
    #[arg(long = "dim", value_name = "NAME=VALUE", value_parser = dim)]
    pub(super) dims: Vec<(String, Vec<u64>)>,
    /// Shape of an input of an ONNX graph, such as input=1x3x224x224; repeatable
    #[arg(long = "shape", value_name = "INPUT=SHAPE", value_parser = shape)]
    pub(super) shapes: Vec<(String, Vec<u64>)>,
    /// Count unknown operators by their bytes alone instead of refusing the model
    #[arg(long, value_enum)]
    pub(super) unknown: Option<Unknown>,
}

/// What is done with unknown operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Unknown {
    BytesOnly,
}

#[derive(Args, Debug)]
#[command(before_help = RUN_EXAMPLES)]
pub(super) struct RunArgs {
    /// Catalog name, or path to model.onnx, config.json or model.toml
    #[arg(required_unless_present = "cases")]
    pub(super) model: Option<String>,
    /// Catalog name of a chip, or path to chip.toml
    #[arg(long, value_name = "CHIP", required_unless_present = "cases")]
    pub(super) on: Option<String>,
    /// A knob or key of the chip, such as glb='1 MiB', or scenario.NAME (wattline list settings); repeatable
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = setting)]
    pub(super) sets: Vec<(String, String)>,
    #[command(flatten)]
    pub(super) binding: ModelArgs,
    /// Price a table of whole-model cases instead: id, model, on, chips, batch, prompt, output, ...
    #[arg(long, value_name = "IN.csv", conflicts_with_all = [
        "model", "on", "sets", "batch", "dtype", "dims", "shapes", "unknown",
        "phase", "prompt", "output", "fidelity", "require", "top",
    ])]
    pub(super) cases: Option<String>,
    /// infer, prefill, decode, generate, train or post-train [default: generate for language models, else
    /// infer]
    #[arg(long)]
    pub(super) phase: Option<Phase>,
    /// Prompt tokens per sequence [default: 1024]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) prompt: Option<u64>,
    /// Output tokens per sequence [default: 256]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) output: Option<u64>,
    /// How far the ladder of models is climbed: roofline, mapped or scheduled
    #[arg(long, default_value = "scheduled", value_parser = fidelity)]
    pub(super) fidelity: Fidelity,
    /// Limits that must be met, such as 'ttft<300ms, power<350W' (names: wattline list metrics)
    #[arg(long, value_name = "LIMITS", value_delimiter = ',')]
    pub(super) require: Vec<Constraint>,
    /// Only the N operators of each phase that take the most time
    #[arg(long, value_name = "N")]
    pub(super) top: Option<usize>,
    /// Write run.json, operators.csv, plots and manifest.json into a folder; with --cases, the table
    #[arg(short = 'o', long = "out", value_name = "PATH")]
    pub(super) path: Option<PathBuf>,
}

#[derive(Args, Debug)]
#[command(before_help = FIT_EXAMPLES)]
pub(super) struct FitArgs {
    /// Catalog name, or path to model.onnx, config.json or model.toml
    pub(super) model: String,
    /// Catalog name of a chip, or path to chip.toml
    #[arg(long, value_name = "CHIP")]
    pub(super) on: String,
    /// A knob or key of the chip, such as glb='1 MiB', or scenario.NAME (wattline list settings); repeatable
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = setting)]
    pub(super) sets: Vec<(String, String)>,
    #[command(flatten)]
    pub(super) binding: ModelArgs,
    /// Tokens per sequence, prompt and output together [default: 8192, or the model's limit if smaller]
    #[arg(long, value_parser = clap::value_parser!(u64).range(2..))]
    pub(super) context: Option<u64>,
    /// What the memory is for: generate (or one pass, in models without tokens) or train
    #[arg(long, value_enum)]
    pub(super) phase: Option<FitPhase>,
    /// Share of the memory that stays free
    #[arg(long, default_value = "5%", value_parser = margin)]
    pub(super) margin: f64,
    /// Write fit.json and manifest.json into a folder
    #[arg(short = 'o', long = "out", value_name = "DIR")]
    pub(super) path: Option<PathBuf>,
}

/// What memory is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum FitPhase {
    Generate,
    Train,
}

#[derive(Args, Debug)]
#[command(before_help = SWEEP_EXAMPLES)]
pub(super) struct SweepArgs {
    /// Sweep file: workloads, axes, constraints, objectives
    pub(super) file: PathBuf,
    /// A knob or key of the chip, such as clock='800 MHz'; repeatable
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = setting)]
    pub(super) sets: Vec<(String, String)>,
    /// Plot the front with letters
    #[arg(long)]
    pub(super) ascii: bool,
    /// Also turn every parameter of the knee and of the best designs by a quarter: what each figure depends on
    #[arg(long)]
    pub(super) analyze: bool,
    /// No progress bar
    #[arg(long)]
    pub(super) no_progress: bool,
    /// Folder of the results [default: reports/<name>-<hash of the inputs>]
    #[arg(short, long, value_name = "DIR")]
    pub(super) output_dir: Option<PathBuf>,
    /// Go on with the run of the folder; without, points that its journal has are reused as well, if it has any
    #[arg(long, conflicts_with = "fresh")]
    pub(super) resume: bool,
    /// Price all points anew, whatever the folder's journal has
    #[arg(long)]
    pub(super) fresh: bool,
    /// Only every N-th point, the I-th of each N, into the folder's journal [default: from the array job of Slurm,
    /// LSF or SGE that this runs in]
    #[arg(long, value_name = "I/N", value_parser = shard)]
    pub(super) shard: Option<Shard>,
    /// Print the script of an array job that shares the sweep out, and price nothing
    #[arg(long, value_enum, conflicts_with_all = ["shard", "resume", "fresh"])]
    pub(super) emit: Option<ArrayJob>,
    /// Tasks of that job
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(super) tasks: u32,
}

/// Clusters whose array jobs can run a sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ArrayJob {
    Slurm,
    Lsf,
    Sge,
}

fn shard(text: &str) -> Result<Shard, String> {
    let numbers = text.split_once('/').and_then(|(nth, of)| {
        let (nth, of) = (nth.trim().parse().ok()?, of.trim().parse().ok()?);
        (nth >= 1 && nth <= of).then_some(Shard { nth, of })
    });
    numbers.ok_or_else(|| "two numbers such as 3/16, the first from 1 to the second".to_owned())
}

#[derive(Args, Debug)]
pub(super) struct MergeArgs {
    #[command(flatten)]
    pub(super) sweep: SweepArgs,
    /// Folders of the shards
    #[arg(required = true, value_name = "FOLDER")]
    pub(super) runs: Vec<PathBuf>,
}

#[derive(Args, Debug)]
#[command(before_help = DIFF_EXAMPLES)]
pub(super) struct DiffArgs {
    /// Folder or document of a run, or FOLDER#POINT of a sweep [default point: the knee]
    pub(super) a: String,
    /// As A
    pub(super) b: String,
    /// A change that fails, such as 'latency>+2%'; repeatable
    #[arg(long, value_name = "CHANGE")]
    pub(super) fail_if: Vec<Gate>,
}

#[derive(Args, Debug)]
#[command(before_help = REPORT_EXAMPLES)]
pub(super) struct ReportArgs {
    /// Folders of sweeps or runs, or documents of runs
    #[arg(required = true, value_name = "RUN")]
    pub(super) runs: Vec<PathBuf>,
    /// The page to write [default: report.html in the folder]
    #[arg(short, long, value_name = "FILE.html")]
    pub(super) output: Option<PathBuf>,
}

#[derive(Args, Debug)]
#[command(before_help = SHOW_EXAMPLES)]
pub(super) struct ShowArgs {
    /// Name or file of a model or chip
    pub(super) name: String,
    #[command(flatten)]
    pub(super) binding: ModelArgs,
    /// prefill or decode: the step of a language model that is counted [default: prefill]
    #[arg(long)]
    pub(super) phase: Option<Phase>,
    /// Prompt tokens per sequence [default: 1024]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) prompt: Option<u64>,
    /// A knob or key of a chip, or scenario.NAME for a model; repeatable
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = setting)]
    pub(super) sets: Vec<(String, String)>,
    /// Also write the graph of a model for Graphviz, its layers as clusters
    #[arg(long, value_name = "FILE.dot")]
    pub(super) dot: Option<PathBuf>,
}

#[derive(Args, Debug)]
#[command(before_help = MAP_EXAMPLES)]
pub(super) struct MapArgs {
    /// File with an Einsum and, if the nest is given, a [mapping]
    #[arg(value_name = "PROBLEM.toml")]
    pub(super) problem: String,
    /// Name or file of a chip
    #[arg(long)]
    pub(super) on: String,
    /// A knob or key of the chip; repeatable
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = setting)]
    pub(super) sets: Vec<(String, String)>,
    /// What the best mapping has the least of
    #[arg(long = "for", value_name = "AIM", value_enum, default_value_t = MapAim::Energy)]
    pub(super) aim: MapAim,
    /// Steps after which the search stops and states its gap
    #[arg(long, value_name = "STEPS", default_value_t = 1_000_000)]
    pub(super) limit: u64,
    /// Instead: the least traffic of main memory for every capacity of one buffer
    #[arg(long, conflicts_with_all = ["aim", "limit"])]
    pub(super) curve: bool,
    /// Draw the curve into a file (.svg or .png)
    #[arg(long, value_name = "FILE", requires = "curve")]
    pub(super) plot: Option<PathBuf>,
}

/// What `map` looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum MapAim {
    /// Energy, then time
    Energy,
    /// Time, then energy
    Latency,
    /// Energy times time, then time
    Edp,
}

impl MapAim {
    /// As on the command line.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Energy => "energy",
            Self::Latency => "latency",
            Self::Edp => "edp",
        }
    }
}

impl From<MapAim> for Aim {
    fn from(aim: MapAim) -> Self {
        match aim {
            MapAim::Energy => Self::Energy,
            MapAim::Latency => Self::Latency,
            MapAim::Edp => Self::Edp,
        }
    }
}

#[derive(Args, Debug)]
pub(super) struct OpsArgs {
    /// Columns: id, chip, stack, regime, op, dtype, shape (such as m=4096;n=4096;k=4096)
    #[arg(value_name = "IN.csv")]
    pub(super) table: String,
    /// Where the same rows with predicted_us, predicted_w, ... go [default: standard output]
    #[arg(short = 'o', long = "out", value_name = "OUT.csv")]
    pub(super) path: Option<PathBuf>,
}

#[derive(Args, Debug)]
#[command(before_help = CALIBRATE_EXAMPLES)]
pub(super) struct CalibrateArgs {
    /// Columns: op, dtype, shape (such as m=4096;n=4096;k=4096), us; if known chip, stack, regime, power_w
    #[arg(value_name = "MEASURED.csv")]
    pub(super) table: String,
    /// Catalog name of a chip, or path to chip.toml
    #[arg(long, value_name = "CHIP")]
    pub(super) on: String,
    /// A knob or key of the chip, such as glb='1 MiB'; repeatable
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = setting)]
    pub(super) sets: Vec<(String, String)>,
    /// Most rows that a set of coefficients is fitted to, spread evenly [default: 1500]; errors are of all rows
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(20..))]
    pub(super) rows: Option<u32>,
    /// Where the fitted chip goes: a file that extends CHIP
    #[arg(short = 'o', long = "out", value_name = "OVERLAY.toml")]
    pub(super) path: Option<PathBuf>,
}

#[derive(Args, Debug)]
#[command(before_help = VALIDATE_EXAMPLES)]
pub(super) struct ValidateArgs {
    /// Columns: chip, op, dtype, shape, us; if known stack, regime, power_w [default: those of the command]
    #[arg(value_name = "MEASURED.csv")]
    pub(super) table: Option<String>,
    /// Only this chip: catalog name, or path to chip.toml
    #[arg(long, value_name = "CHIP")]
    pub(super) on: Option<String>,
    /// Only this operator
    #[arg(long)]
    pub(super) op: Option<String>,
    /// Write validation.csv, validation.md and plots of predicted against measured into a folder
    #[arg(short = 'o', long = "out", value_name = "FOLDER")]
    pub(super) path: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(super) struct ListArgs {
    /// What to list
    #[arg(value_enum)]
    pub(super) kind: ListKind,
}

/// What can be listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ListKind {
    /// Chips of the catalog
    Chips,
    /// Models of the catalog
    Models,
    /// Kinds of operators
    Ops,
    /// Figures that --require can limit
    Metrics,
    /// What --set scenario.NAME and a sweep can turn
    Settings,
    /// Families of config.json that are known by name
    Families,
}

#[derive(Args, Debug)]
pub(super) struct CheckArgs {
    /// Names or files of chips and models
    #[arg(required = true, action = ArgAction::Append)]
    pub(super) names: Vec<String>,
}

#[derive(Args, Debug)]
#[command(before_help = EXPLAIN_EXAMPLES)]
pub(super) struct ExplainArgs {
    /// A code such as E0102, or the folder or document of a run; all codes without one
    #[arg(value_name = "CODE|RUN")]
    pub(super) code: Option<String>,
    /// Of a run: latency, ttft, tpot, throughput, energy, energy_per_token, power, peak_power, utilization, area, memory
    pub(super) figure: Option<String>,
    /// The operator that the figure is of: its latency, energy, power or bytes
    #[arg(long, value_name = "NAME", requires = "figure")]
    pub(super) op: Option<String>,
    /// The workload, where a design of a sweep has several [default: the first]
    #[arg(long, value_name = "NAME", requires = "figure")]
    pub(super) workload: Option<String>,
}

#[derive(Args, Debug)]
pub(super) struct CompletionsArgs {
    /// Which shell
    pub(super) shell: clap_complete::Shell,
}

/// A size; of the output of a node, `NODE:out`, a shape.
fn dim(text: &str) -> Result<(String, Vec<u64>), String> {
    let (name, value) = pair(text, "seq=2048")?;
    if is_output(&name) {
        return shape(text);
    }
    let size = value.parse::<u64>().ok().filter(|n| *n > 0);
    let size = size.ok_or_else(|| format!("`{value}` is not a size of 1 or more"))?;
    Ok((name, vec![size]))
}

/// `NODE:out`, `NODE:out1`.
pub(super) fn is_output(name: &str) -> bool {
    let place = name.rsplit_once(":out").map(|(_, place)| place);
    place.is_some_and(|p| p.bytes().all(|b| b.is_ascii_digit()))
}

fn shape(text: &str) -> Result<(String, Vec<u64>), String> {
    let (name, value) = pair(text, "input=1x3x224x224")?;
    if value == "scalar" || value.is_empty() {
        return Ok((name, Vec::new()));
    }
    let sizes = value.split(['x', ',']).map(|n| n.trim().parse::<u64>());
    let sizes = sizes.collect::<Result<Vec<_>, _>>();
    let sizes = sizes.map_err(|_| format!("`{value}` is not a shape such as 1x3x224x224"))?;
    Ok((name, sizes))
}

fn setting(text: &str) -> Result<(String, String), String> {
    let (key, value) = pair(text, "glb=\"1 MiB\"")?;
    let key = key.strip_prefix("chip.").unwrap_or(&key).to_owned();
    Ok((key, value))
}

/// Name and value; the name may hold `=` only if it is not the first, as some tensor names do.
fn pair(text: &str, example: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => {
            Ok((name.trim().to_owned(), value.trim().to_owned()))
        }
        Some(_) | None => Err(format!("`{text}` is not a pair such as {example}")),
    }
}

fn margin(text: &str) -> Result<f64, String> {
    let wrong = || format!("`{text}` is not a share such as 5% or 0.05, from 0 to below 100%");
    let quantity = Quantity::parse(text).map_err(|_| wrong())?;
    let is_share = quantity.dimension == Dimension::NONE && (0.0..1.0).contains(&quantity.value);
    is_share.then_some(quantity.value).ok_or_else(wrong)
}

fn fidelity(text: &str) -> Result<Fidelity, String> {
    match text {
        "roofline" => Ok(Fidelity::Roofline),
        "mapped" => Ok(Fidelity::Mapped),
        "scheduled" => Ok(Fidelity::Scheduled),
        other => Err(format!(
            "`{other}` is not one of: roofline, mapped, scheduled"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        <Arguments as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn pairs_and_shares_are_read() {
        assert_eq!(dim("seq=2048"), Ok(("seq".to_owned(), vec![2048])));
        let inner = ("/m/Reshape_7:out".to_owned(), vec![1, 1500, 768]);
        assert_eq!(dim("/m/Reshape_7:out=1x1500x768"), Ok(inner));
        assert!(dim("seq=1x2").is_err());
        assert!(dim("seq=0").is_err() && dim("seq").is_err() && dim("=3").is_err());
        assert_eq!(
            shape("x=1x3x224x224"),
            Ok(("x".to_owned(), vec![1, 3, 224, 224]))
        );
        assert!(shape("x=1x-3").is_err());
        assert_eq!(
            setting("chip.glb=1 MiB"),
            Ok(("glb".to_owned(), "1 MiB".to_owned()))
        );
        assert_eq!(margin("5%"), Ok(0.05));
        assert!(margin("100%").is_err() && margin("-1%").is_err() && margin("5 GiB").is_err());
    }
}
