//! Sweeps that are killed, shared out and extended give what an undisturbed one gives.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use assert_cmd::cargo::CommandCargoExt;

const RESULTS: [&str; 4] = ["points.jsonl", "points.csv", "front.csv", "pareto.svg"];

fn sweep_file(folder: &Path, buffers: &str) -> PathBuf {
    let path = folder.join("sweep.toml");
    let text = format!(
        "schema = 1\nname = \"killed\"\non = \"edge-npu\"\nminimize = [\"latency\", \"energy\", \"area\"]\n\
         workload = [{{ model = \"mobilenet-v2\", dtype = \"int8\" }}]\n\
         axis = [\n  {{ set = \"chip.glb\", values = [{buffers}] }},\n\
           {{ set = \"chip.process.clock\", values = [\"400 MHz\", \"600 MHz\", \"800 MHz\", \"1 GHz\"] }},\n\
           {{ set = \"chip.pe_rows\", values = [8, 16, 32] }},\n]\n"
    );
    fs::write(&path, text).expect("written");
    path
}

const BUFFERS: &str = "\"128 KiB\", \"256 KiB\", \"512 KiB\", \"1 MiB\"";

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("wattline-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("created");
    folder
}

fn sweep(words: &[&str]) -> Command {
    let mut command = Command::cargo_bin("wattline").expect("is built");
    command.args(words).env("NO_COLOR", "1");
    // A test may itself run in an array job.
    for name in ["SLURM_ARRAY_TASK_ID", "LSB_JOBINDEX", "SGE_TASK_ID"] {
        command.env_remove(name);
    }
    command
}

/// Exit code 0; what it says on standard error.
#[track_caller]
fn done(mut command: Command) -> String {
    let output = command.output().expect("starts");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{text}");
    text
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[track_caller]
fn same(a: &Path, b: &Path) {
    for name in RESULTS {
        let read = |folder: &Path| fs::read(folder.join(name)).expect("is there");
        assert!(read(a) == read(b), "{name} differs");
    }
}

#[test]
fn a_sweep_that_is_killed_twenty_times_gives_the_same_bytes() {
    let folder = folder("killed");
    let file = text(&sweep_file(&folder, BUFFERS));
    let (whole, killed) = (folder.join("whole"), folder.join("killed"));
    done(sweep(&["sweep", &file, "-o", &text(&whole)]));
    let (path, mut state) = (text(&killed), 88_172_645_463_325_252_u64);
    for _ in 0..20 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let mut command = sweep(&["sweep", &file, "-o", &path, "-j", "1"]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().expect("starts");
        std::thread::sleep(Duration::from_millis(20 + state % 380));
        child.kill().expect("is killed");
        child.wait().expect("is gone");
    }
    let said = done(sweep(&["sweep", &file, "-o", &path, "--resume"]));
    assert!(said.contains("reused "), "{said}");
    same(&whole, &killed);
    fs::remove_dir_all(folder).expect("removed");
}

#[test]
fn shards_join_to_the_whole() {
    let folder = folder("shards");
    let file = text(&sweep_file(&folder, BUFFERS));
    let whole = folder.join("whole");
    done(sweep(&["sweep", &file, "-o", &text(&whole)]));
    let mut words = vec!["merge".to_owned(), file.clone()];
    for nth in 1..=5 {
        let shard = text(&folder.join(format!("shard-{nth}")));
        let mut command = sweep(&["sweep", &file, "-o", &shard]);
        // Three as a cluster's array, the others by hand.
        if nth <= 3 {
            command.env("SLURM_ARRAY_TASK_ID", nth.to_string());
            command.env("SLURM_ARRAY_TASK_COUNT", "5");
        } else {
            command.args(["--shard", &format!("{nth}/5")]);
        }
        let said = done(command);
        assert!(said.contains(&format!("shard {nth} of 5: ")), "{said}");
        words.push(shard);
    }
    let merged = folder.join("merged");
    words.extend(["-o".to_owned(), text(&merged)]);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let said = done(sweep(&words));
    assert!(said.contains("reused 48 points, computed 0"), "{said}");
    same(&whole, &merged);
    fs::remove_dir_all(folder).expect("removed");
}

#[test]
fn an_extended_sweep_computes_only_what_is_new() {
    let folder = folder("extended");
    let file = text(&sweep_file(&folder, "\"256 KiB\", \"1 MiB\""));
    let path = text(&folder.join("run"));
    done(sweep(&["sweep", &file, "-o", &path]));
    sweep_file(&folder, BUFFERS);
    let said = done(sweep(&["sweep", &file, "-o", &path]));
    assert!(said.contains("reused 24 points, computed 24"), "{said}");
    // Another clock of the chip is another chip.
    let said = done(sweep(&[
        "sweep",
        &file,
        "-o",
        &path,
        "--set",
        "power.idle=1 W",
    ]));
    assert!(!said.contains("reused"), "{said}");
    let said = done(sweep(&["sweep", &file, "-o", &path, "--fresh"]));
    assert!(!said.contains("reused"), "{said}");
    let fresh = folder.join("fresh");
    done(sweep(&["sweep", &file, "-o", &text(&fresh)]));
    same(Path::new(&path), &fresh);
    fs::remove_dir_all(folder).expect("removed");
}

#[test]
fn wrong_shards_and_folders_are_refused() {
    let folder = folder("refused");
    let file = text(&sweep_file(&folder, BUFFERS));
    let none = text(&folder.join("none"));
    for (words, part) in [
        (
            vec!["sweep", &file, "-o", &none, "--resume"],
            "no run to go on with",
        ),
        (
            vec!["sweep", &file, "--shard", "0/4"],
            "two numbers such as 3/16",
        ),
        (
            vec!["sweep", &file, "--shard", "5/4"],
            "two numbers such as 3/16",
        ),
        (vec!["merge", &file, "/nowhere", "-o", &none], "/nowhere"),
    ] {
        let output = sweep(&words).output().expect("starts");
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(part), "{said}");
    }
    fs::remove_dir_all(folder).expect("removed");
}

#[test]
fn the_script_of_an_array_job_runs_the_shards() {
    let folder = folder("emit");
    let file = text(&sweep_file(&folder, BUFFERS));
    let run = text(&folder.join("run"));
    let output = sweep(&[
        "sweep",
        &file,
        "--emit",
        "slurm",
        "--tasks",
        "4",
        "-o",
        &run,
        "--set",
        "power.idle=0.5 W",
    ])
    .output()
    .expect("starts");
    let script = String::from_utf8(output.stdout).expect("is text");
    assert!(script.contains("#SBATCH --array=1-4"), "{script}");
    assert!(script.contains("--set 'power.idle=0.5 W'"), "{script}");
    // Its last line, as the cluster would run it.
    let binary = sweep(&[]).get_program().to_string_lossy().into_owned();
    let line = script
        .lines()
        .last()
        .expect("has lines")
        .replacen("wattline", &binary, 1);
    for task in 1..=4 {
        let mut shell = Command::new("sh");
        shell
            .args(["-c", &line])
            .env("SLURM_ARRAY_TASK_ID", task.to_string());
        done(shell);
    }
    let shards: Vec<String> = (1..=4).map(|n| format!("{run}/shard-{n}")).collect();
    let mut words = vec!["merge", &file, "-o", &run, "--set", "power.idle=0.5 W"];
    words.extend(shards.iter().map(String::as_str));
    let said = done(sweep(&words));
    assert!(said.contains("reused 48 points, computed 0"), "{said}");
    fs::remove_dir_all(folder).expect("removed");
}

/// Ctrl-C, where a shell can send it.
#[cfg(unix)]
#[test]
fn a_sweep_that_is_interrupted_says_how_it_goes_on() {
    let folder = folder("interrupted");
    let file = text(&sweep_file(&folder, BUFFERS));
    let (whole, stopped) = (folder.join("whole"), text(&folder.join("stopped")));
    done(sweep(&["sweep", &file, "-o", &text(&whole)]));
    let mut was_stopped = false;
    // A fast machine may be done before the signal comes.
    for wait in [40, 80, 160, 320] {
        let mut command = sweep(&["sweep", &file, "-o", &stopped, "-j", "1", "--fresh"]);
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let child = command.spawn().expect("starts");
        std::thread::sleep(Duration::from_millis(wait));
        let signal = Command::new("kill")
            .args(["-INT", &child.id().to_string()])
            .status();
        assert!(signal.is_ok_and(|s| s.success()));
        let asked = std::time::Instant::now();
        let output = child.wait_with_output().expect("ends");
        if output.status.success() {
            continue;
        }
        assert!(
            asked.elapsed() < Duration::from_secs(5),
            "{:?}",
            asked.elapsed()
        );
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        // Before the sweep listens, the signal ends the process as it is.
        if output.status.code() == Some(130) {
            assert!(
                said.contains("I0001 interrupted after ") && said.contains("of 48 points. Saved."),
                "{said}"
            );
            assert!(said.contains("--resume"), "{said}");
            was_stopped = true;
            break;
        }
    }
    assert!(was_stopped, "never interrupted");
    done(sweep(&["sweep", &file, "-o", &stopped]));
    same(&whole, Path::new(&stopped));
    fs::remove_dir_all(folder).expect("removed");
}
