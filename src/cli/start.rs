//! From arguments to exit code.

use std::ffi::OsString;
use std::io::Write;
use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};

use crate::diag::{Code, Problem, Problems};
use crate::record::{self, ProblemsDocument};

use super::args::{Arguments, Command, CompletionsArgs, Format};
use super::console::Console;
use super::{
    calibrate, check, diff, explain, fit, list, map, report, run, show, sweep, tables, validate,
};

/// What a command that worked says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Done, or yes.
    Yes,
    /// No: does not fit, a limit is missed, findings.
    No,
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    ExitCode::from(call(std::env::args_os()))
}

/// Runs a command line, the program's name first, and returns the exit code.
pub fn call<I, T>(arguments: I) -> u8
where
    I: IntoIterator<Item = T>,
    T: Into<OsString>,
{
    let arguments: Vec<OsString> = arguments.into_iter().map(Into::into).collect();
    let json = wants_json(&arguments);
    guarded(json, || match Arguments::try_parse_from(&arguments) {
        Ok(parsed) => threaded(&parsed, &arguments),
        Err(error) => usage(&error, json),
    })
}

/// Turns a panic into E9999 and exit code 3.
fn guarded(json: bool, body: impl FnOnce() -> u8) -> u8 {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        let place = panic
            .location()
            .map_or(String::new(), |l| format!(" at {l}"));
        let payload = panic.payload();
        let text = payload.downcast_ref::<&str>().map(|t| (*t).to_owned());
        let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
        let message = format!(
            "internal error (this is our bug){place}: {}",
            text.unwrap_or_default()
        );
        let problem = Problem::new(Code::Internal, message)
            .help("please report it with the command line and wattline --version");
        let _ = writeln!(std::io::stderr(), "{problem}");
        if json {
            let document = ProblemsDocument::of(std::slice::from_ref(&problem));
            let _ = write!(std::io::stdout(), "{}", record::to_json(&document));
        }
    }));
    let code = panic::catch_unwind(AssertUnwindSafe(body)).unwrap_or(3);
    panic::set_hook(before);
    code
}

/// Runs on as many threads as asked for.
fn threaded(parsed: &Arguments, arguments: &[OsString]) -> u8 {
    let Some(jobs) = parsed.global.jobs else {
        return execute(parsed, arguments);
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(usize::from(jobs));
    match pool.build() {
        Ok(pool) => pool.install(|| execute(parsed, arguments)),
        // The system has no such threads; results do not depend on them.
        Err(_) => execute(parsed, arguments),
    }
}

fn execute(parsed: &Arguments, arguments: &[OsString]) -> u8 {
    let console = Console::new(&parsed.global);
    let words = arguments.iter().skip(1);
    let words: Vec<String> = words.map(|a| a.to_string_lossy().into_owned()).collect();
    let done = match &parsed.command {
        Command::Fit(args) => fit::command(args, &console, &words),
        Command::Run(args) if args.cases.is_some() => tables::cases(args, &console),
        Command::Run(args) => run::command(args, &console, &words),
        Command::Sweep(args) => sweep::command(args, &console, &words),
        Command::Diff(args) => diff::command(args, &console),
        Command::Report(args) => report::command(args, &console),
        Command::Merge(args) => sweep::merge(args, &console, &words),
        Command::Show(args) => show::command(args, &console),
        Command::Map(args) => map::command(args, &console),
        Command::Ops(args) => tables::ops(args, &console),
        Command::Calibrate(args) => calibrate::command(args, &console, &words),
        Command::Validate(args) => validate::command(args, &console, &words),
        Command::List(args) => list::command(args, &console),
        Command::Check(args) => check::command(args, &console),
        Command::Explain(args) => explain::command(args, &console),
        Command::Completions(args) => completions(args, &console),
    };
    match done {
        Ok(Answer::Yes) if parsed.global.strict && console.has_warned() => 1,
        Ok(Answer::Yes) => 0,
        Ok(Answer::No) => 1,
        Err(problems) => {
            console.fail(&problems);
            exit_code(&problems)
        }
    }
}

/// 1 if a question was answered with no, 3 for our own faults, 130 if the user stopped it, else 2.
fn exit_code(problems: &Problems) -> u8 {
    let codes = || problems.0.iter().map(|p| p.code);
    let is_answer = |code| matches!(code, Code::NoFit | Code::NoDesign);
    if codes().any(|code| code == Code::Internal) {
        3
    } else if codes().any(|code| code == Code::Interrupted) {
        130
    } else if codes().any(is_answer) && codes().filter(|c| c.is_error()).all(is_answer) {
        1
    } else {
        2
    }
}

/// Help and version are results; everything else clap says is a usage problem.
fn usage(error: &clap::Error, json: bool) -> u8 {
    let is_result = matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    );
    if !is_result && json {
        let text = error.render().to_string();
        let text = text.trim().trim_start_matches("error: ");
        let (message, help) = text.split_once("\n\n").unwrap_or((text, ""));
        let problem = Problem::new(Code::Usage, message);
        let problem = if help.is_empty() {
            problem
        } else {
            problem.help(help.trim())
        };
        let document = ProblemsDocument::of(&[problem]);
        let _ = write!(std::io::stdout(), "{}", record::to_json(&document));
    }
    // A reader that has gone away is no problem.
    let _ = error.print();
    if is_result { 0 } else { 2 }
}

/// Whether JSON is asked for, even if the rest of the line cannot be parsed.
fn wants_json(arguments: &[OsString]) -> bool {
    let is = |a: &OsString, text: &str| a.to_str() == Some(text);
    let pairs = arguments.windows(2);
    arguments
        .iter()
        .any(|a| is(a, "--json") || is(a, "--format=json"))
        || pairs
            .into_iter()
            .any(|p| is(&p[0], "--format") && is(&p[1], "json"))
}

fn completions(args: &CompletionsArgs, console: &Console) -> Result<Answer, Problems> {
    if console.format != Format::Table {
        let message = "completions are a script, not a table";
        return Err(Problem::new(Code::Usage, message)
            .help("leave --format and --json out")
            .into());
    }
    let mut script = Vec::new();
    clap_complete::generate(
        args.shell,
        &mut Arguments::command(),
        "wattline",
        &mut script,
    );
    console.print(&String::from_utf8_lossy(&script))?;
    Ok(Answer::Yes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_exit_code_3() {
        assert_eq!(guarded(false, || panic!("of this test")), 3);
        assert_eq!(guarded(true, || 1), 1);
    }

    #[test]
    fn an_answer_is_not_a_fault() {
        let of = |codes: &[Code]| {
            exit_code(&Problems(
                codes.iter().map(|c| Problem::new(*c, "x")).collect(),
            ))
        };
        assert_eq!(of(&[Code::NoDesign]), 1);
        assert_eq!(of(&[Code::NoDesign, Code::Assumed]), 1);
        assert_eq!(of(&[Code::NoFit, Code::NoUnit]), 2);
        assert_eq!(of(&[Code::NoUnit, Code::Internal]), 3);
    }
}
