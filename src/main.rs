//! The `wattline` command.

fn main() -> std::process::ExitCode {
    wattline::cli::main()
}
